"""Nested cross-validation: the choice of a fold is made without the rows that the fold holds out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, TimeSeriesSplit

import shrinkage as sh
from shrinkage._compare._nested import estimate_nested_loss, split_inside
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request
from tests.compare.made import make_paths
from tests.compare.test_compare import X, Y, compare, network


def _inside(**arguments):
    request = Request(network(), X, Y, penalty=sh.L2(), epochs=2, **arguments)
    return split_inside(request), prepare_problem(request).folds


@pytest.mark.parametrize(
    ("arguments", "sizes"),
    [
        pytest.param({"cv": 3}, [3, 3, 3], id="folds"),
        pytest.param({"cv": 3, "repeats": 2}, [6] * 6, id="repeats"),
        pytest.param({"cv": 0.3}, [1], id="share"),
        pytest.param({"cv": np.arange(60) % 4}, [3] * 4, id="fold numbers"),
        pytest.param({"cv": 3, "groups": np.arange(60) // 5}, [3, 3, 3], id="groups"),
        pytest.param({"cv": GroupKFold(3), "groups": np.arange(60) // 5}, [3, 3, 3], id="splitter with groups"),
        pytest.param({"cv": TimeSeriesSplit(3)}, [3, 3, 3], id="time"),
        pytest.param({"cv": 3, "sample_weight": np.arange(60) % 3}, [3, 3, 3], id="rows of weight 0"),
    ],
)
def test_inner_folds_have_no_row_that_the_outer_fold_holds_out(arguments, sizes):
    inside, folds = _inside(**arguments)
    assert [len(pairs) for pairs in inside] == sizes and len(inside) == len(folds.train)
    groups = arguments.get("groups", np.arange(60))
    for fold, pairs in enumerate(inside):
        for train, held_out in pairs:
            assert np.isin(np.concatenate([train, held_out]), folds.train[fold]).all()
            assert not set(groups[train]) & set(groups[held_out]) and len(held_out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"cv": [(np.arange(30), np.arange(30, 60))]}, "pairs of rows as `cv`", id="pairs"),
        pytest.param({"validation_data": (X, Y)}, "must have folds of the rows of `x`", id="given rows"),
        pytest.param(
            {"cv": np.arange(60) % 2}, "Received: 30 training rows of a fold, which cannot be split", id="two numbers"
        ),
    ],
)
def test_splits_that_cannot_be_repeated_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        _inside(**arguments)


def test_the_loss_is_that_of_the_inner_choice_on_the_outer_fold():
    paths = make_paths(wiggle=0.05)
    some = paths["L2"]
    # Folds 0 and 1 choose L1 inside, the others L2: the losses of the outer paths at these choices are averaged.
    names = ["L1", "L1", "L2", "L2", "L2"]

    def fit_inside(name, path, pairs):
        worse = path.cv_loss + (name != names[pairs])
        return replace(path, cv_loss=worse)

    inside: Any = range(5)
    found = estimate_nested_loss(paths, inside, fit_inside)
    expected = [paths[name].cv_loss[fold, 1, 2] for fold, name in enumerate(names)]
    assert found.choices == tuple(names) and found.lams == (0.01,) * 5
    assert found.loss == pytest.approx(np.average(expected, weights=some.fold_weight))
    assert found.se > 0


def test_the_inner_choice_is_that_of_fit_on_the_training_rows_alone():
    """An independent route: fit on the rows of an outer fold as if there were no others."""
    comparison = compare(nested=True, penalties=["l2"], cv=np.arange(60) % 3, epochs=6)
    path, inside = comparison.paths["L2"], np.arange(60) % 3 != 0
    # Strengths are of the mean loss of all rows: lam * n is the same with 40 rows as with 60.
    alone = sh.fit(
        network(), X[inside], Y[inside], penalty=sh.L2(), cv=(np.arange(60) % 3)[inside], epochs=6,
        lams=path.lams * 60 / 40,
    )  # fmt: skip
    assert comparison.nested.lams[0] == pytest.approx(alone.lam_min * 40 / 60, rel=1e-6)
    assert comparison.nested.choices == ("L2",) * 3 and comparison.nested.seconds > 0
    assert "the nested estimate" in comparison.verdict()
