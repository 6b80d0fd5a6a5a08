"""Options of `shrinkage fit`: penalties, and options that are refused."""

import json

import pytest

import shrinkage as sh
from tests.cli.commands.running import refused, run, write


@pytest.mark.parametrize(
    ("options", "penalty", "how", "said"),
    [
        ([], sh.L2(), None, "L2 penalty"),
        (["--penalty", "l2", "--how", "decoupled"], sh.L2(), sh.Decoupled(), "decoupled L2 penalty"),
        (["--penalty", "elastic-net", "--rho", 0.2], sh.ElasticNet(0.2), None, "elastic net (rho = 0.2) penalty"),
        (["--penalty", "elastic-net"], sh.ElasticNet(), None, "elastic net penalty"),
        (["--penalty", "group-lasso"], sh.GroupLasso(), None, "group lasso penalty"),
        (
            ["--penalty", "group-lasso", "--groups", "inputs", "--how", "coupled"],
            sh.GroupLasso("inputs"),
            sh.Coupled(),
            "coupled group lasso (inputs) penalty",
        ),
    ],
)
def test_fit_takes_every_penalty(fake_fit, options, penalty, how, said):
    done = run("fit", write(), "--target", "kind", *options)
    assert done.exit_code == 0, done.output
    assert f", {said}, 5 folds" in done.stdout
    (call,) = fake_fit.calls
    assert (call.penalty, call.how) == (penalty, how)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rho", 0.2], "--rho goes with --penalty elastic-net. Received: --penalty l2."),
        (["--penalty", "l1", "--groups", "units"], "--groups goes with --penalty group-lasso."),
        (["--penalty", "l1", "--how", "decoupled"], "--how decoupled is weight decay, and goes with --penalty l2."),
        (["--penalty", "elastic-net", "--rho", 1.5], "1.5 is not in the range"),
        (["--penalty", "ridge"], "'ridge' is not one of 'l2', 'l1', 'elastic-net', 'group-lasso'"),
    ],
)
def test_options_of_another_penalty_are_refused(fake_fit, options, message):
    refused(run("fit", write(), "--target", "kind", *options), message)


NO_NUMBERS = [
    *(f"{option} {value}" for option in ("--learning-rate", "--rho") for value in ("nan", "inf", "-inf")),
    *(f"--seed {10**30}", f"--epochs {10**12}", f"--hidden {10**9}"),
    *("--hidden nan", "--folds nan", "--batch-size inf"),
]


@pytest.mark.parametrize("asked", NO_NUMBERS)
def test_numbers_that_are_none_are_refused_as_json_too(asked):
    option, value = asked.split()
    done = run("fit", write(), "--target", "price", "--penalty", "elastic-net", option, value, "--format", "json")
    document = json.loads(done.stdout)
    assert done.exit_code == 2 and option in document["error"] and document["exit_code"] == 2


def test_hidden_units_of_a_linear_model():
    done = run("fit", write(), "--target", "price", "--model", "linear", "--hidden", "8")
    assert done.exit_code == 2 and "--hidden goes with --model mlp" in done.stderr
