"""Options that are refused, and limits of the machine that end in a sentence."""

import json

import pytest
from click.testing import CliRunner

from shrinkage.cli import main
from tests.cli.files import write

TEXT = "a,b\n1,x\n2,y\n"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((o, v) for o in ("--learning-rate", "--rho") for v in ("nan", "inf", "-inf")),
        ("--seed", 10**30),
        ("--epochs", 10**12),
    ]
    + [("--hidden", 10**9), ("--hidden", "nan"), ("--folds", "nan"), ("--batch-size", "inf")],
)
def test_numbers_that_are_none_are_refused_as_json_too(tmp_path, option, value):
    asked = [
        "fit",
        str(write(tmp_path, TEXT)),
        "--target",
        "a",
        "--penalty",
        "elastic-net",
        option,
        str(value),
        "--format",
        "json",
    ]
    done = CliRunner().invoke(main, asked)
    document = json.loads(done.stdout)
    assert done.exit_code == 2 and option in document["error"] and document["exit_code"] == 2


def test_hidden_units_of_a_linear_model(tmp_path):
    asked = ["fit", str(write(tmp_path, TEXT)), "--target", "a", "--model", "linear", "--hidden", "8"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 2 and "--hidden must be given with --model mlp only" in done.stderr


BUDGETS: dict[str, tuple[list[str], str]] = {
    "linear": (["--model", "linear"], "--budget and --model linear must not be given together: a linear model trains"),
    "time": (["--time", "x"], "--budget and --time must not be given together: the search holds out rows at random"),
    "fold": (["--fold", "x"], "--budget and --fold must not be given together"),
    "folds": (["--folds", "4"], "--budget and --folds must not be given together: the search has one split"),
    "repeats": (["--repeats", "2"], "--budget and --repeats must not be given together"),
    "learning curve": (
        ["--learning-curve"],
        "--budget and --learning-curve must not be given together: the search trains on a part",
    ),
    "choose": (["--choose", "1se"], "--budget and --choose must not be given together: the search has a rule"),
}


@pytest.mark.parametrize("name", BUDGETS)
def test_options_that_do_not_go_with_a_budget(tmp_path, name):
    options, words = BUDGETS[name]
    done = CliRunner().invoke(main, ["fit", str(write(tmp_path, TEXT)), "--target", "a", "--budget", "1.5", *options])
    assert done.exit_code == 2 and words in done.stderr, done.stderr
