"""`convert`: every pair of conventions that has an equivalent trains to the same weights; the others are refused."""

import importlib.util
import itertools
import json
import math
import re
import subprocess
import sys
import warnings
from typing import Any

import keras
import numpy as np
import pytest
import sklearn.base
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sklearn import linear_model, neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier

import shrinkage as sh
from benchmarks import _page, pages
from shrinkage._convert import BINARY, CLASSES, CONVENTIONS, HINGE, SQUARED, Convention, Factor, convert
from shrinkage.cli import main
from tests.convert import trained as converted
from tests.convert.trained import KNOWN, RHO, TRAINERS, minimum, mixed

LAM = {SQUARED: 0.5, BINARY: 0.05, CLASSES: 0.05}


BY_STEPS = {"torch.AdamW", "tfa.AdamW"}  # they belong to Adam
NONE = {"keras.L1L2", "shrinkage.GroupLasso"}  # no other has the like


def possible(kind: str, loss: str) -> list[str]:
    """Return the conventions that can express a penalty under a loss, but for those tested by steps."""

    def factor(convention: Convention) -> Factor | str | None:
        return convention.factors.get(loss, convention.factors.get(None))

    names = [name for name, c in CONVENTIONS.items() if kind in c.kinds and isinstance(factor(c), Factor)]
    return [name for name in names if name in TRAINERS]


PROBLEMS = [
    pytest.param(kind, loss, marks=[pytest.mark.full] if loss == CLASSES else [])
    for loss in LAM
    for kind in ("L2", "L1", "ElasticNet")
]


@pytest.mark.parametrize(("kind", "loss"), PROBLEMS)
@pytest.mark.usefixtures("float64")
def test_each_pair_trains_to_the_same_weights(kind, loss):
    strengths = {
        name: convert(LAM[loss], f"shrinkage.{kind}", name, loss=loss, **KNOWN) for name in possible(kind, loss)
    }
    for source, target in itertools.permutations(strengths, 2):
        converted_strength = convert(strengths[source], source, target, loss=loss, **KNOWN)
        assert converted_strength == pytest.approx(strengths[target], rel=1e-12)
    weights = {name: TRAINERS[name](strength, kind, loss) for name, strength in strengths.items()}
    for (source, w), (target, other) in itertools.combinations(weights.items(), 2):
        # Keras' L1 swings around zeros, scikit-learn's SGD goes with 1 / t, others stop after their steps
        np.testing.assert_allclose(w, other, atol=3e-3, err_msg=f"{source} and {target}")
    exact, near = (minimum(k * LAM[loss], mixed(kind), loss) for k in (1, 1.1))
    assert len(weights) >= 2 and np.abs(near - exact).max() > 0.01  # a strength that is off by a tenth would be seen


# --- what is the same step by step: Adam, batches, rows


@pytest.mark.usefixtures("float64")
def test_decoupled_decay_with_adam():
    decay, steps = 0.3, 15

    def keras_adam(**decay: float) -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(0.2, **decay)

    w = converted.decayed(keras_adam(weight_decay=decay), SQUARED, steps)
    in_torch = convert(decay, "keras.weight_decay", "torch.AdamW")
    in_addons = convert(decay, "keras.weight_decay", "tfa.AdamW", eta=0.2)
    ours = convert(in_addons, "tfa.AdamW", "shrinkage.Decoupled", eta=0.2)
    np.testing.assert_allclose(converted.adam(0.2 * in_torch, steps), w, rtol=1e-5)  # Keras adds epsilon elsewhere
    np.testing.assert_allclose(converted.adam(in_addons, steps), w, rtol=1e-5)
    of_path = converted.path(sh.L2(), ours, SQUARED, keras_adam(), steps, sh.Decoupled())
    np.testing.assert_allclose(of_path, w, rtol=1e-6)
    coupled = converted.adam(0.0, steps, coupled=convert(decay, "shrinkage.Decoupled", "torch.AdamW"))
    assert np.abs(coupled - w).max() > 0.1  # which is why there is no equivalent


@pytest.mark.usefixtures("float64")
def test_coupled_decay_with_adam():
    model = converted.linear(SQUARED, kernel_regularizer=keras.regularizers.L2(0.3))
    w = converted.trained(model, keras.optimizers.Adam(0.2), SQUARED, 15)
    in_torch = convert(0.3, "keras.L2", "torch.weight_decay")
    np.testing.assert_allclose(converted.adam(0.0, 15, coupled=in_torch), w, rtol=1e-5)


IN_PYTORCH = """
import json, sys, torch

optimizer, x, y, eta, options, steps = json.load(sys.stdin)
x, y = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)[:, None]
w, b = (torch.zeros(shape, dtype=x.dtype, requires_grad=True) for shape in ((x.shape[1], 1), (1,)))
groups = [{"params": [w], "weight_decay": 0.3}, {"params": [b], "weight_decay": 0.0}]
optimizer = getattr(torch.optim, optimizer)(groups, lr=eta, **options)
for _ in range(steps):
    optimizer.zero_grad()
    ((x @ w + b - y) ** 2).mean().backward()
    optimizer.step()
print(json.dumps(w.tolist()))
"""
"""In a process of its own: PyTorch's CUDA builds crash where they are imported after TensorFlow."""


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW"])
def test_pytorch_is_as_it_is_written_out(optimizer):
    by_sgd = optimizer == "SGD"
    eta, options = (converted.ETA[SQUARED] / 2, {"momentum": 0.5}) if by_sgd else (0.2, {})
    job = [optimizer, converted.X.tolist(), converted.Y.tolist(), eta, options, converted.STEPS if by_sgd else 15]
    done = subprocess.run(
        [sys.executable, "-c", IN_PYTORCH], input=json.dumps(job), capture_output=True, text=True, check=True
    )
    written_out = {
        "SGD": lambda: converted.torch_sgd(0.3, "L2", SQUARED),
        "Adam": lambda: converted.adam(0.0, 15, coupled=0.3),
        "AdamW": lambda: converted.adam(0.2 * 0.3, 15),
    }[optimizer]()
    np.testing.assert_allclose(json.loads(done.stdout), written_out, rtol=1e-6)  # but for Adam's epsilon
    assert np.abs(written_out).min() > 0.1


@pytest.mark.parametrize("batch", [10, 20])
@pytest.mark.usefixtures("float64")
def test_the_perceptron_in_batches(batch):
    w = converted.in_batches(0.3, batch)
    alpha = convert(0.3, "keras.L2", "sklearn.MLPRegressor", loss="mse", batch=batch)
    # 1e-6: Keras' learning rate is float32
    np.testing.assert_allclose(converted.perceptron_in_batches(alpha, batch), w, rtol=1e-6)
    assert np.abs(converted.perceptron_in_batches(1.1 * alpha, batch) - w).max() > 1e-3


@pytest.mark.usefixtures("float64")
def test_the_hinge_row_by_row():
    alpha = convert(0.3, "keras.L2", "sklearn.SGDClassifier", loss="hinge")
    steps = {"learning_rate": "constant", "eta0": 0.05, "shuffle": False, "max_iter": 2, "tol": None}
    found = SGDClassifier(loss="hinge", alpha=alpha, **steps).fit(converted.X, converted.TARGETS[BINARY])
    np.testing.assert_allclose(converted.columns(found), converted.hinge(0.3), rtol=1e-6)
    assert np.abs(converted.hinge(0.33) - converted.hinge(0.3)).max() > 0.01


@pytest.mark.usefixtures("float64")
def test_an_elastic_net_of_two_strengths_goes_by_parts():
    lam, exact = LAM[SQUARED], minimum(LAM[SQUARED], RHO, SQUARED)
    l1 = convert(RHO * lam, "shrinkage.L1", "keras.L1")
    l2 = convert((1 - RHO) * lam, "shrinkage.L2", "keras.L2")
    w = converted.keras_penalty(lambda _: keras.regularizers.L1L2(l1, l2))(0.0, "ElasticNet", SQUARED)
    np.testing.assert_allclose(w, exact, atol=1e-4)
    a = convert(RHO * lam, "shrinkage.L1", "glmnet.L1", loss="mse")
    b = convert((1 - RHO) * lam, "shrinkage.L2", "glmnet.L2", loss="mse", sd_y=converted.SD_Y)
    np.testing.assert_allclose(converted.glmnet_gaussian(a + b, a / (a + b)), exact, atol=1e-4)
    assert np.abs(converted.glmnet_gaussian(lam / 2, RHO) - exact).max() > 0.1  # what one would have expected


# --- names of losses, and optimizers


@pytest.mark.parametrize(
    "loss",
    [
        *("mse", "MSE", "mean_squared_error", "MeanSquaredError"),
        keras.losses.mean_squared_error,
        keras.losses.MeanSquaredError,
        keras.losses.MeanSquaredError(name="mine"),
    ],
)
def test_a_loss_has_the_names_that_keras_takes(loss):
    assert keras.losses.get(loss) is not None
    assert convert(0.01, "shrinkage.L2", "sklearn.Ridge", loss=loss, n=1000) == 5.0


def test_every_loss_of_keras_is_known():
    for name in dir(keras.losses):
        if name in ("Loss", "deserialize", "get", "serialize") or name.startswith("_"):
            continue
        try:
            assert convert(0.01, "shrinkage.L2", "precision", loss=name, n=10, sigma=1) > 0
        except ValueError as error:
            assert f"no equivalent with loss={name!r}: the loss must be a negative log-likelihood" in str(error)


def test_an_optimizer_can_be_given_itself():
    assert convert(0.01, "keras.L2", "keras.weight_decay", optimizer=keras.optimizers.SGD()) == 0.02
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    assert convert(0.01, "keras.L2", "keras.weight_decay", optimizer=scaled) == 0.02


# --- no equivalent, something missing, bad input


@pytest.mark.parametrize(
    ("source", "target", "known", "message"),
    [
        ("shrinkage.Decoupled", "keras.L2", {"optimizer": "adam"}, "with optimizer='adam': a decoupled decay bypasses"),
        ("torch.weight_decay", "keras.weight_decay", {"optimizer": "momentum"}, "only for SGD without momentum"),
        ("torch.AdamW", "torch.weight_decay", {"optimizer": "sgd"}, "with optimizer='adam'"),
        ("shrinkage.L1", "sklearn.Ridge", {"loss": "mse"}, "shrinkage.L1 is L1, and sklearn.Ridge is L2"),
        ("keras.L2", "sklearn.Ridge", {"loss": "binary_crossentropy", "n": 9}, "its loss is mean_squared_error"),
        (
            "keras.L2",
            "sklearn.SGDClassifier",
            {"loss": "sparse_categorical_crossentropy"},
            "each class against the oth",
        ),
        ("keras.L2", "precision", {"loss": "hinge", "n": 9}, "must be a negative log-likelihood"),
        ("sklearn.ElasticNet", "keras.L1L2", {"loss": "mse"}, r"two strengths: convert rho \* lam"),
        ("sklearn.ElasticNet", "glmnet.ElasticNet", {"loss": "mse"}, "alpha is a / .a . b."),
        ("sklearn.Ridge", "sklearn.LogisticRegression", {"loss": "mse", "n": 9}, "its loss is binary_crossentropy or"),
        # something missing
        ("keras.L2", "sklearn.Ridge", {}, "sklearn.Ridge needs loss=, the name of the Keras loss: mean_squared_error"),
        ("keras.L2", "sklearn.Ridge", {"loss": "mse"}, "needs n=, the number of training rows"),
        ("keras.L2", "sklearn.MLPClassifier", {"loss": "categorical_crossentropy"}, "needs batch=, the number of rows"),
        ("tfa.AdamW", "torch.AdamW", {}, "needs eta=, the learning rate"),
        ("sklearn.Ridge", "glmnet.L2", {"loss": "mse"}, "needs n=.*; sd_y=, the standard deviation of the target"),
        ("sklearn.Ridge", "precision", {"loss": "mse"}, "needs sigma=, the standard deviation of the noise"),
        ("keras.L2", "keras.weight_decay", {}, "needs optimizer=.*Give optimizer='sgd'"),
        ("shrinkage.GroupLasso", "keras.L1", {}, "shrinkage.GroupLasso is GroupLasso, and keras.L1 is L1"),
        ("keras.L2", "keras.weight_decay", {"optimizer": keras.optimizers.SGD(momentum=0.9)}, "SGD with momentum=0.9'"),
        ("keras.L2", "keras.weight_decay", {"optimizer": keras.optimizers.SGD(clipnorm=1.0)}, "SGD with clipnorm=1'"),
        ("keras.L2", "keras.weight_decay", {"optimizer": keras.optimizers.Adam()}, "with optimizer='Adam'"),
        ("keras.L2", "sklearn.Ridge", {"loss": "MAE", "n": 9}, "with loss='MAE': its loss is mean_squared_error"),
        # bad input
        ("keras.L2", "sklearn.Ridge", {"loss": "mze", "n": 9}, "loss='mze' is unknown. Did you mean 'mse'"),
        ("keras.L2", "sklearn.Ridge", {"loss": "MeanSquareError", "n": 9}, "Did you mean 'mean_squared_error'"),
        ("keras.L2", "sklearn.Ridge", {"loss": max, "n": 9}, "loss='max' is unknown. .*It must be a loss of Keras"),
        ("keras.L2", "sklearn.Ridge", {"loss": keras.losses.MeanSquaredError(reduction="sum")}, "reduction='sum'"),
        ("Ridge", "keras.L2", {}, "source='Ridge' is unknown. Did you mean 'sklearn.Ridge'"),
        ("keras.L2", "pytorch.weight_decay", {}, "target='pytorch.weight_decay' is unknown. Did you mean 'torch.weig"),
        ("keras.L2", "", {}, "target='' is unknown. It must be one of shrinkage.L2, "),
        ("keras.L2", "tf.nn.l2_loss", {"n": 0}, "n must be a positive number; received 0"),
        ("keras.L2", "tf.nn.l2_loss", {"eta": math.nan}, "eta must be a positive number; received nan"),
    ],
)
def test_what_is_refused(source, target, known, message):
    with pytest.raises(ValueError, match=message):
        convert(1e-3, source, target, **known)


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"optimizer": keras.optimizers.SGD}, 'optimizer must be a Keras optimizer or its name, "sgd" for SGD'),
        ({"optimizer": 0.1}, "received 0.1"),
        ({"loss": 3, "optimizer": "sgd"}, 'loss must be a Keras loss or its name, such as "mse"; received 3'),
    ],
)
def test_what_is_no_loss_and_no_optimizer(known, message):
    with pytest.raises(TypeError, match=message):
        convert(1e-3, "keras.weight_decay", "sklearn.Ridge", **{"loss": "mse", "n": 9, **known})


@pytest.mark.parametrize("lam", [-1, math.nan, math.inf, "1", None, True, 10**400])
def test_strengths_that_are_none(lam):
    with pytest.raises(ValueError, match="lam must be a finite number, 0 or more"):
        convert(lam, "keras.L2", "tf.nn.l2_loss")
    with pytest.raises(ValueError, match="lam must be a positive number"):
        convert(0, "sklearn.LogisticRegression", "keras.L2", loss="binary_crossentropy", n=9)


def test_no_penalty_is_none_everywhere():
    log_loss = {"loss": "binary_crossentropy", "n": 9}
    assert convert(0, "keras.L2", "tf.nn.l2_loss") == 0
    assert convert(0, "keras.L2", "sklearn.LogisticRegression", **log_loss) == math.inf
    assert convert(math.inf, "sklearn.LogisticRegression", "keras.L2", **log_loss) == 0


def test_what_cancels_is_not_asked_for():
    assert convert(4.0, "sklearn.LogisticRegression", "precision", loss="binary_crossentropy") == 0.25
    assert convert(4.0, "sklearn.Ridge", "sklearn.Ridge", loss="mse") == 4.0


# --- any numbers, any text

NAMES = st.sampled_from(list(CONVENTIONS))
POSITIVE = st.floats(1e-6, 1e6)
ALL = st.fixed_dictionaries({name: POSITIVE for name in ("n", "batch", "eta", "sd_y", "sigma")})


@given(POSITIVE, NAMES, NAMES, NAMES, st.sampled_from([SQUARED, BINARY, CLASSES, HINGE, "mse"]), ALL)
def test_there_and_back_and_by_a_detour(lam, source, between, target, loss, known):
    known = {**known, "loss": loss, "optimizer": "sgd"}
    try:
        there = convert(lam, source, target, **known)
        detour = convert(convert(lam, source, between, **known), between, target, **known)
    except ValueError as error:
        assert "has no equivalent" in str(error)
        return
    assert there > 0 and detour == pytest.approx(there, rel=1e-9)
    assert convert(there, target, source, **known) == pytest.approx(lam, rel=1e-9)


@given(st.one_of(st.text(max_size=12), NAMES), st.one_of(st.text(max_size=12), NAMES), st.text(max_size=12))
def test_any_text_is_converted_or_refused_in_a_sentence(source, target, loss):
    try:
        assert convert(1.0, source, target, loss=loss, optimizer=loss) > 0
    except ValueError as error:
        assert re.search(r"is unknown\. |has no equivalent|needs ", str(error))


@pytest.mark.parametrize("number", ["-1", "-1e-4", "-.5", "-inf"])
def test_a_negative_number_is_refused_as_one(number):
    asked = ["convert", number, "--from", "keras.L2", "--to", "tf.nn.l2_loss"]
    for arguments in (asked, [asked[0], *asked[2:], number]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2 and "LAM must be a finite number, 0 or more; received -" in result.stderr
    result = CliRunner().invoke(main, [asked[0], "1", "--fro", *asked[3:]])
    assert result.exit_code == 2 and "No such option" in result.stderr and "--from" in result.stderr


@given(st.text(max_size=20))
def test_any_text_as_a_strength_on_the_command_line(text):
    result = CliRunner().invoke(main, ["convert", "--from", "keras.L2", "--to", "tf.nn.l2_loss", "--", text])
    assert result.exit_code in (0, 2)


# --- the command and the page


def test_the_command():
    asked = ["convert", "1e-4", "--from", "keras.L2", "--to", "sklearn.Ridge", "--loss", "mse", "--n", "1000"]
    text, document = CliRunner().invoke(main, asked), CliRunner().invoke(main, [*asked, "--format", "json"])
    assert text.stdout == "Ridge(alpha=0.1)\n" and text.stderr == "Note: sklearn.Ridge, if it has one output.\n"
    found = json.loads(document.stdout)
    assert found["strength"] == pytest.approx(0.1) and found["n"] == 1000 and found["to"] == "sklearn.Ridge"
    refused = CliRunner().invoke(main, asked[:6])
    assert refused.exit_code == 2 and "needs --loss, the name of the Keras loss" in refused.stderr
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


def test_every_convention_has_a_trainer_or_a_test_of_its_steps():
    assert set(CONVENTIONS) - set(TRAINERS) == BY_STEPS | NONE


def test_the_page_is_current():
    text = (_page.DOCS / "convert.md").read_text("utf-8")
    assert f"<!-- table:convert -->\n\n{pages.conventions()}\n\n<!-- end -->" in text


@pytest.mark.parametrize(
    ("call", "size"),
    [
        (lambda: convert(1e-320, "sklearn.LogisticRegression", "keras.L2", loss="bce", n=10), "large"),
        (lambda: convert(1e-320, "keras.L2", "sklearn.LogisticRegression", loss="bce", n=10), "large"),
        (lambda: convert(1e308, "keras.L2", "sklearn.Ridge", loss="mse", n=100), "large"),
        (lambda: convert(1e-323, "sklearn.Ridge", "keras.L2", loss="mse", n=100), "small"),
        (lambda: convert(1e308, "keras.L2", "sklearn.LogisticRegression", loss="bce", n=100), "small"),
        (lambda: convert(1.0, "keras.L2", "precision", loss="mse", n=9, sigma=1e-200), "large"),
        (lambda: convert(1.0, "precision", "keras.L2", loss="mse", n=9, sigma=1e200), "large"),
    ],
)
def test_a_strength_beyond_floats_is_no_infinity_and_no_zero(call, size):
    """Infinity and 0 say that there is no penalty, or nothing but it."""
    with pytest.raises(ValueError, match=f"has no equivalent as .* too {size} a number there"):
        call()


def test_the_shell_prints_no_infinite_alpha():
    arguments = ["convert", "1e-320", "--from", "sklearn.LogisticRegression", "--to", "keras.L2"]
    result = CliRunner().invoke(main, [*arguments, "--loss", "bce", "--n", "9"])
    assert result.exit_code == 2 and "1e-320 would be too large" in result.output and "inf" not in result.output.lower()
