"""`convert`: every pair of conventions that has an equivalent trains to the same weights; the others are refused."""

import importlib.util
import itertools
import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import SGDClassifier

import shrinkage as sh
from benchmarks import _page, pages
from shrinkage._convert import BINARY, CLASSES, CONVENTIONS, HINGE, SQUARED, Convention, Factor, convert
from tests.convert import trained as converted
from tests.convert.trained import KNOWN, RHO, TRAINERS, minimum, mixed
from tests.versions import NO_FLOAT64_L1

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
    pytest.param(kind, loss, marks=[pytest.mark.full] if loss == CLASSES or (kind, loss) == ("L1", BINARY) else [])
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
    tried = {name: strength for name, strength in strengths.items() if not (NO_FLOAT64_L1 and name == "keras.L1")}
    weights = {name: TRAINERS[name](strength, kind, loss) for name, strength in tried.items()}
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
            reason = "precision has no equivalent, as the loss must be a negative log-likelihood"
            assert f" for precision. Received: {name}. {reason}" in str(error)


def test_an_optimizer_can_be_given_itself():
    assert convert(0.01, "keras.L2", "keras.weight_decay", optimizer=keras.optimizers.SGD()) == 0.02
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    assert convert(0.01, "keras.L2", "keras.weight_decay", optimizer=scaled) == 0.02


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
        assert re.search(
            r"^`(source|target)` must (be a convention|go with) |^`loss` must be [\w ]+ for [\w.]+\. ", str(error)
        )
        return
    assert there > 0 and detour == pytest.approx(there, rel=1e-9)
    assert convert(there, target, source, **known) == pytest.approx(lam, rel=1e-9)


@given(st.one_of(st.text(max_size=12), NAMES), st.one_of(st.text(max_size=12), NAMES), st.text(max_size=12))
def test_any_text_is_converted_or_refused_in_a_sentence(source, target, loss):
    try:
        assert convert(1.0, source, target, loss=loss, optimizer=loss) > 0
    except ValueError as error:
        assert re.search(r"^(`\w+` and )*`\w+` must (?s:.*)\. Received: ", str(error))


# --- the table and the page


def test_every_convention_has_a_trainer_or_a_test_of_its_steps():
    assert set(CONVENTIONS) - set(TRAINERS) == BY_STEPS | NONE


def test_the_page_is_current():
    text = (_page.DOCS / "convert.md").read_text("utf-8")
    assert f"<!-- table:convert -->\n\n{pages.conventions()}\n\n<!-- end -->" in text
