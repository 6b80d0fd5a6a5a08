"""Models with several optimizers: an attached penalty acts in every step, or a warning names the weights it missed."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import shrinkage as sh
from tests.attach.optimizers import (
    LAM,
    OUTSIDE,
    Adversaries,
    Distiller,
    Outside,
    X,
    Y,
    distiller,
    errors,
    fit,
    gan,
    norms,
    part,
    said,
)
from tests.daily import each_value


def by_hand(model: Any, epochs: int = 2) -> None:
    """Train with lam * w added to the gradients of kernels by the optimizers themselves."""
    for optimizer in model.optimizers.values():
        before = optimizer.apply

        def apply(grads: Any, variables: Any = None, before: Any = before) -> Any:
            pairs = zip(grads, variables, strict=True)
            return before([g + LAM * v if v.name == "kernel" else g for g, v in pairs], variables)

        optimizer.apply = apply
    fit(model, epochs)


@pytest.mark.parametrize("when", ["before", "after"])
def test_each_part_is_penalised_by_the_optimizer_that_steps_it(when):
    mine, theirs, bare = gan(), gan(), gan()
    if when == "before":  # `compile` then sets other optimizers
        sh.attach(mine, sh.L2(), lam=LAM)
        mine.compile(keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.01))
    else:
        sh.attach(mine, sh.L2(), lam=LAM)
    assert said(mine) == [] and errors(mine) == []
    by_hand(theirs)
    fit(bare)
    for a, b, c in zip(mine.get_weights(), theirs.get_weights(), bare.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)  # float32
        assert a.ndim == 1 or np.abs(a - c).max() > 1e-3
    optimizers = list(mine.optimizers.values())
    sh.detach(mine)
    assert [type(each) for each in optimizers] == [keras.optimizers.SGD, keras.optimizers.Adam]


@pytest.mark.parametrize("kind", [Adversaries, Outside])
def test_a_penalty_on_a_part_with_its_own_optimizer_acts(kind):
    mine, bare = gan(kind), gan(kind)
    optimizer = mine.steppers()[0]
    mine.discriminator.compile(optimizer)
    sh.attach(mine.discriminator, sh.L2(), lam=LAM)
    fit(mine)
    assert errors(mine) == []
    if kind is Outside:
        bare.compile(keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.01))
    fit(bare)
    assert norms(mine)[0] < 0.9 * norms(bare)[0] and norms(mine)[1] == pytest.approx(norms(bare)[1], rel=0.05)


def test_steps_of_an_optimizer_that_the_model_does_not_hold_are_said_once():
    model = gan(Outside)
    sh.attach(model, sh.L2(), lam=LAM)
    assert errors(model) == []
    (words,) = said(model)
    assert "discriminator/dense/kernel, generator/dense/kernel" in words and "not an attribute of this model" in words
    assert said(model) == [] and errors(model) == ["stepped-elsewhere"]
    model.second_optimizer, model.third_optimizer = OUTSIDE  # as it says
    before = norms(model)
    assert said(model, epochs=20) == [] and errors(model) == []
    assert norms(model)[0] < 0.9 * before[0]


def alone(model: Any) -> None:
    """Leave the part uncompiled."""


def with_another(model: Any) -> None:
    model.discriminator.compile("adam", "mse")


def trained_before(model: Any) -> None:
    model.discriminator.compile("adam", "mse")
    model.discriminator.fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    ("prepare", "penalty", "options"),
    each_value(
        [alone, with_another, trained_before],
        [sh.L2(), sh.L1()],
        [{}, {"steps_per_execution": 2}, {"jit_compile": True}],
    ),
)
def test_a_part_whose_steps_another_optimizer_takes_is_said_in_the_first_step(prepare, penalty, options):
    keras.utils.set_random_seed(0)
    model: Any = Adversaries()
    sh.attach(model.discriminator, penalty, lam=LAM)
    prepare(model)
    keras.Model.compile(model, **options)
    model.optimizers = {"d": keras.optimizers.SGD(0.1), "g": keras.optimizers.Adam(0.01)}
    model.tracker = keras.metrics.Mean(name="d_loss")
    (words,) = said(model, epochs=1)
    assert "discriminator/dense/kernel" in words and "generator" not in words and "bias" not in words
    assert said(model, epochs=1) == [] and errors(model.discriminator) == ["stepped-elsewhere"]
    model.discriminator.compile(model.optimizers["d"])  # as it says
    keras.Model.compile(model, **options)
    before = norms(model)[0]
    assert said(model, epochs=20) == [] and errors(model) == [] and norms(model)[0] < 0.9 * before


def test_a_warning_of_a_part_points_to_the_call_of_fit():
    model = gan()
    sh.attach(model.discriminator, sh.L2(), lam=LAM)
    with pytest.warns(UserWarning, match="does not act") as found:
        model.fit(X, verbose=0)
    assert [Path(each.filename) for each in found] == [Path(__file__)]


@pytest.mark.parametrize("with_gradients", [True, False])
def test_a_compiled_loop_without_an_optimizer_is_said_unless_it_asks_for_gradients(with_gradients, caplog):
    model = part("net", n_out=1)
    reg = sh.attach(model, sh.L2(), lam=LAM)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = ops.mean((model(X) - Y) ** 2)
        variables = model.trainable_variables
        grads = tape.gradient(loss, variables)
        if with_gradients:
            grads = reg.gradients(grads, variables)
        for grad, variable in zip(grads, variables, strict=True):
            variable.assign_sub(0.1 * grad)

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", UserWarning)
        step()
    assert len(found) == (0 if with_gradients else 1) and "AutoGraph" not in caplog.text


def test_an_optimizer_that_decays_what_it_steps_is_refused_at_the_first_step():
    model = gan()
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.AdamW(0.01))
    sh.attach(model, sh.L2(), lam=LAM)
    with pytest.raises(ValueError, match="must not decay weights with a penalty.*generator/dense/kernel"):
        fit(model)
    model = gan()
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.AdamW(0.01))
    sh.attach(model, sh.L2(), lam=LAM, on="*discriminator/*/kernel")
    assert said(model) == []


def test_a_schedule_counts_the_steps_that_are_taken():
    model = gan()
    reg = sh.attach(model, sh.L2(), lam=lambda step: 0.1 * ops.cast(step, "float32"), on="*discriminator*")
    fit(model)  # 6 steps
    assert sh.describe(model).weights[0].lam == pytest.approx(0.6) and "lam" in repr(reg)


def test_a_teacher_is_not_in_the_logged_penalty():
    model = distiller()
    sh.attach(model, sh.L2(), lam=LAM)
    with warnings.catch_warnings(action="error", category=UserWarning):
        logs = fit(model)
    assert logs["penalty"][-1] == pytest.approx(LAM / 2 * norms(model)[0] ** 2, rel=1e-5)
    assert errors(model) == []
    evaluated: Any = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert evaluated["penalty"] == pytest.approx(logs["penalty"][-1], rel=1e-5)


def test_weights_that_a_step_assigns_are_said():
    """A target network that follows another, and is neither frozen nor stepped."""

    class Follower(Distiller):
        def train_step(self, data):
            logs = super().train_step(data)
            for mine, theirs in zip(self.teacher.weights, self.student.weights, strict=True):
                mine.assign(0.9 * mine + 0.1 * theirs)
            return logs

    keras.utils.set_random_seed(0)
    model = Follower()
    model.compile("sgd", "mean_squared_error")
    sh.attach(model, sh.L2(), lam=LAM)
    (words,) = said(model)
    assert "teacher/dense/kernel" in words and "student" not in words and "exclude them with on=" in words
