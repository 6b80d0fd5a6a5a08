"""`shrinkage convert`, and the code that it prints."""

import itertools
import json
import re
import warnings
from typing import Any

import keras
import pytest
import sklearn.base
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sklearn import linear_model, neural_network
from sklearn.exceptions import ConvergenceWarning

import shrinkage as sh
from shrinkage._convert import BINARY, CLASSES, CONVENTIONS, HINGE, SQUARED
from shrinkage.cli import main
from tests.convert import trained as converted


@pytest.mark.parametrize("number", ["-1", "-1e-4", "-.5", "-inf"])
def test_a_negative_number_is_refused_as_one(number):
    asked = ["convert", number, "--from", "keras.L2", "--to", "tf.nn.l2_loss"]
    for arguments in (asked, [asked[0], *asked[2:], number]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2 and "LAM must be a finite number, 0 or more. Received: -" in result.stderr
    result = CliRunner().invoke(main, [asked[0], "1", "--fro", *asked[3:]])
    assert result.exit_code == 2 and "Did you mean --from?" in result.stderr


@given(st.text(max_size=20))
def test_any_text_as_a_strength_on_the_command_line(text):
    result = CliRunner().invoke(main, ["convert", "--from", "keras.L2", "--to", "tf.nn.l2_loss", "--", text])
    assert result.exit_code in (0, 2)


def test_the_command():
    asked = ["convert", "1e-4", "--from", "keras.L2", "--to", "sklearn.Ridge", "--loss", "mse", "--n", "1000"]
    text, document = CliRunner().invoke(main, asked), CliRunner().invoke(main, [*asked, "--format", "json"])
    assert text.stdout == "Ridge(alpha=0.1)\n" and text.stderr == "Note: sklearn.Ridge, if it has one output.\n"
    found = json.loads(document.stdout)
    assert found["strength"] == pytest.approx(0.1) and found["n"] == 1000 and found["to"] == "sklearn.Ridge"
    refused = CliRunner().invoke(main, asked[:6])
    assert refused.exit_code == 2 and "--loss must be the name of the Keras loss" in refused.stderr
    assert all(name in CliRunner().invoke(main, ["convert", "--help"]).stdout for name in CONVENTIONS)


class Anything:
    """Takes the place of libraries that are not installed and of the reader's model: any call of any name works."""

    def __getattr__(self, name: str) -> "Anything":
        return Anything()

    def __call__(self, *args: Any, **options: Any) -> "Anything":
        return self

    def __rmul__(self, other: float) -> float:
        return other


def compiled() -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    "loss", [SQUARED, BINARY, *(pytest.param(x, marks=pytest.mark.full) for x in (CLASSES, HINGE))]
)
def test_what_is_printed_for_every_pair_is_code_that_runs(loss):
    """scikit-learn's also train, without a warning: it warns of an option that has no effect."""
    names = {name: getattr(module, name) for module in (linear_model, neural_network) for name in module.__all__}
    names |= {
        "sh": sh,
        "keras": keras,
        "torch": Anything(),
        "tf": Anything(),
        "tfa": Anything(),
        "w": 1.0,
    }
    known = {"n": 40, "batch": 10, "eta": 0.1, "sd_y": 2.0, "sigma": 0.5, "optimizer": "sgd"}
    n_run = 0
    for source, target in itertools.product(CONVENTIONS, repeat=2):
        options = [part for name, value in known.items() for part in (f"--{name.replace('_', '-')}", str(value))]
        done = CliRunner().invoke(main, ["convert", "0.01", "--from", source, "--to", target, "--loss", loss, *options])
        if done.exit_code == 2:
            assert not re.search(r"\b\w+=(?!['\"])", done.stderr.split("equivalent")[0]), done.stderr
            continue
        code = done.stdout.strip()
        assert done.exit_code == 0 and "rho" not in code
        if target.startswith("glmnet"):
            assert re.fullmatch(r'glmnet\(x, y, family="\w+", alpha=[\d.]+, lambda=\S+, standardize=FALSE\)', code)
            continue
        names["model"] = compiled() if target.startswith("shrinkage") else Anything()
        try:
            found = eval(code, dict(names))
        except SyntaxError:
            exec(code, dict(names))  # an assignment
            continue
        if isinstance(found, sklearn.base.BaseEstimator) and source.endswith((".L2", ".L1", ".ElasticNet")):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                found.fit(  # pyright: ignore[reportAttributeAccessIssue]
                    converted.X, converted.TARGETS[BINARY if loss == HINGE else loss]
                )
        n_run += 1
    assert n_run > 20


def test_a_mixture_is_that_of_both():
    def printed(source: str, target: str, *options: str) -> str:
        return (
            CliRunner()
            .invoke(main, ["convert", "0.1", "--from", source, "--to", target, "--loss", "mse", *options])
            .stdout
        )

    assert printed("shrinkage.L1", "sklearn.ElasticNet") == "ElasticNet(alpha=0.05, l1_ratio=1)\n"
    assert printed("keras.L2", "sklearn.ElasticNet") == "ElasticNet(alpha=0.1, l1_ratio=0)\n"
    mixed_one = printed("shrinkage.ElasticNet", "sklearn.SGDRegressor", "--rho", "0.3")
    assert mixed_one == "SGDRegressor(alpha=0.05, penalty='elasticnet', l1_ratio=0.3)\n"


def test_the_shell_prints_no_infinite_alpha():
    arguments = ["convert", "1e-320", "--from", "sklearn.LogisticRegression", "--to", "keras.L2"]
    result = CliRunner().invoke(main, [*arguments, "--loss", "bce", "--n", "9"])
    assert (
        result.exit_code == 2
        and "1e-320, which would be too large" in result.output
        and "inf" not in result.output.lower()
    )
