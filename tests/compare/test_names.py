"""A row of a comparison is found by the names that `penalties` and `fit` take."""

import pytest

import shrinkage as sh
from shrinkage._compare._arguments import DEFAULT, read_penalties
from shrinkage._compare._names import Paths, find_name
from shrinkage._penalties import as_penalty
from tests.compare.made import make_comparison, make_paths

NAMES = ["none", "early stopping", *(each.name for each in read_penalties(list(DEFAULT)))]
MODELS = [f"{model}: {name}" for model in ("wide", "Wide", "deep") for name in ("L2", "L1")]


@pytest.mark.parametrize("given", DEFAULT)
@pytest.mark.parametrize("write", [str, str.upper, lambda name: name.replace("-", "_"), lambda name: name.title()])
def test_every_name_that_penalties_takes(given, write):
    (expected,) = (each.name for each in read_penalties([given]))
    assert find_name(write(given), NAMES) == expected == read_penalties([write(given)])[0].name
    assert given == "decoupled" or as_penalty(write(given)).name == expected


@pytest.mark.parametrize("name", [*NAMES, *MODELS])
def test_every_name_of_the_table(name):
    assert find_name(name, NAMES + MODELS) == name


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("l3", NAMES),
        ("", NAMES),
        (3, NAMES),
        (sh.L2(), NAMES),
        ("l2", MODELS),
        ("WIDE: l2", MODELS),  # of two models
        ("elastic-net", ["elastic net (rho = 0.5)", "elastic net (rho = 0.9)"]),
    ],
)
def test_names_of_no_row_or_of_several(given, names):
    with pytest.raises(ValueError, match=r"^`name` must be one of .*\. Received: ") as failed:
        find_name(given, names)
    assert all(repr(name) in str(failed.value) for name in names)


def test_models_and_paths_are_found():
    comparison = make_comparison(Paths(make_paths()))
    assert comparison.model("l2")[0] == pytest.approx(comparison.model("L2")[0])
    assert comparison.paths["l1"] is comparison.paths["L1"]
    with pytest.raises(KeyError, match=r"must be one of 'L2', 'L1'\. Received: 'l3'"):
        comparison.paths["l3"]
