"""Options that are refused, and limits of the machine that end in a sentence."""

import json
import shlex

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


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("fit t.csv --folds 1.5", "--folds must be an integer from 2 to 1,000,000,000. Received: 1.5."),
        ("fit t.csv --folds 1", "--folds must be an integer from 2 to 1,000,000,000. Received: 1."),
        ("fit t.csv --seed ''", "--seed must be an integer from 0 to 4,294,967,295. Received: ''."),
        ("fit t.csv --learning-rate x", "--learning-rate must be a finite number above 0. Received: x."),
        ("fit t.csv --budget 1", "--budget must be a number from 1.2 to 1000. Received: 1."),
        ("fit t.csv --penalty l3", "--penalty must be one of l2, l1, elastic-net, group-lasso. Received: l3."),
        ("fit t.csv --tensorboard t.csv", "--tensorboard must be a folder. Received: t.csv, which is a file."),
        ("show nowhere", "RUN must be the folder of a run. Received: nowhere, which does not exist."),
        ("convert x --from a --to b", "LAM must be a number. Received: x."),
        ("convert 1 --from a --to b --n 1.5", "--n must be an integer. Received: 1.5."),
        ("fit", "DATA must be given. Received: none."),
        ("predict . t.csv", "-o must be given. Received: none."),
        ("fit t.csv --fold", "--fold must be given with a value. Received: none."),
        ("fit t.csv --overwrite=3", "--overwrite must be given without a value. Received: a value."),
        ("fit --help=3", "--help must be given without a value. Received: a value."),
        ("fit t.csv --epoch 3", "`shrinkage fit`. Received: an unknown option. Did you mean --epochs?"),
        (
            "fit t.csv --lr 3",
            "--lr must be an option of `shrinkage fit`. Received: an unknown option. `shrinkage fit --h",
        ),
        ("doctor m --rho 1", "Received: an option of `shrinkage convert` and `shrinkage fit`. Leave it out."),
        ("--target x", "Received: an option of `shrinkage compare` and `shrinkage fit`. Give it after the command."),
        ("ft t.csv", "report, resume, show. Received: ft. Did you mean fit?"),
    ],
)
def test_what_click_refuses_has_the_grammar_of_refusals(monkeypatch, tmp_path, command, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, TEXT)
    done = CliRunner().invoke(main, shlex.split(command))
    assert done.exit_code == 2 and message in done.stderr, done.stderr


BUDGETS: dict[str, tuple[list[str], str]] = {
    "linear": (["--model", "linear"], "--budget and --model linear must not be given together: a linear model trains"),
    "time": (["--time", "x"], "--budget and --time must not be given together: the search holds out rows at random"),
    "fold": (["--fold", "x"], "--budget and --fold must not be given together"),
    "folds": (["--folds", "5"], "--budget and --folds must not be given together: the search has one split"),
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
