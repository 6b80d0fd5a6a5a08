"""Models with optimizers of their own: an attached penalty acts where one steps the weights, or it is said."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import shrinkage as sh

LAM = 0.5
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5]])).astype("float32")
OUTSIDE: list[Any] = []
"""Optimizers that no model holds."""


def part(name: str, n_in: int = 3, n_out: int = 3) -> keras.Model:
    return keras.Sequential([keras.Input((n_in,)), layers.Dense(n_out, name="dense")], name=name)


class Adversaries(keras.Model):
    """In the style of Keras' examples: two parts, each with an optimizer, and one that nobody steps."""

    def __init__(self) -> None:
        super().__init__()
        self.discriminator, self.generator = part("discriminator", n_out=1), part("generator")
        self.built = True

    def compile(self, *optimizers: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().compile()
        self.optimizers = dict(zip(("d", "g"), optimizers, strict=True))
        self.tracker = keras.metrics.Mean(name="d_loss")

    @property
    def metrics(self):
        return [self.tracker]

    def steppers(self) -> list[Any]:
        return list(self.optimizers.values())

    def train_step(self, real):
        d, g = self.steppers()
        with tf.GradientTape() as tape:
            scores = self.discriminator(real) - self.discriminator(self.generator(real))
            loss = ops.mean(ops.softplus(-scores))
        weights = self.discriminator.trainable_weights
        d.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        with tf.GradientTape() as tape:
            other = ops.mean(ops.softplus(-self.discriminator(self.generator(real))))
        weights = self.generator.trainable_weights
        g.apply_gradients(zip(tape.gradient(other, weights), weights, strict=True))
        self.tracker.update_state(loss)
        return {"d_loss": self.tracker.result()}


class Outside(Adversaries):
    """Takes its steps with optimizers that it does not hold."""

    def compile(self, *optimizers: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().compile(*optimizers)
        self.optimizers, OUTSIDE[:] = {}, optimizers

    def steppers(self) -> list[Any]:
        return OUTSIDE


class Distiller(keras.Model):
    """A student that learns from a teacher, which is not trained and not frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = part("student", n_out=1), part("teacher", n_out=1)
        self.built = True

    def call(self, x):
        return self.student(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            predictions = self.student(x, training=True)
            loss = self.compute_loss(x, y, predictions) + ops.mean(ops.square(predictions - self.teacher(x)))
        weights = self.student.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self._loss_tracker.update_state(loss)
        return self.get_metrics_result()


def gan(kind: type = Adversaries) -> Any:
    keras.utils.set_random_seed(0)
    model = kind()
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.01))
    return model


def distiller(optimizer: str = "sgd") -> Any:
    keras.utils.set_random_seed(0)
    model = Distiller()
    model.compile(optimizer, "mean_squared_error")
    return model


def fit(model: keras.Model, epochs: int = 2) -> dict[str, list[float]]:
    data = (X,) if isinstance(model, Adversaries) else (X, Y)
    return model.fit(*data, batch_size=8, epochs=epochs, shuffle=False, verbose=0).history


def said(model: keras.Model, epochs: int = 2) -> list[str]:
    """Train, and return the warnings."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit(model, epochs)
    return [str(each.message) for each in found if "penalty" in str(each.message)]


def errors(model: keras.Model) -> list[str]:
    return [finding.code for finding in sh.doctor(model).errors]


def norms(model: keras.Model) -> list[float]:
    return [float(np.linalg.norm(v)) for v in model.trainable_variables if v.name == "kernel"]


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


@pytest.mark.parametrize("prepare", [alone, with_another, trained_before])
@pytest.mark.parametrize("penalty", [sh.L2(), sh.L1()])
@pytest.mark.parametrize("options", [{}, {"steps_per_execution": 2}, {"jit_compile": True}], ids=str)
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
        fit(model)
    assert [Path(each.filename) for each in found] == [Path(__file__)]


def test_parts_that_the_model_around_does_not_train_give_no_alarm():
    whole = distiller()
    sh.attach(whole.teacher, sh.L2(), lam=LAM)  # neither trained nor frozen
    frozen = part("base")
    sh.attach(frozen, sh.L2(), lam=LAM)
    frozen.trainable = False
    transfer = keras.Sequential([keras.Input((3,)), frozen, layers.Dense(1)])
    transfer.compile("sgd", "mse")
    with warnings.catch_warnings(action="error", category=UserWarning):
        fit(whole)
        fit(transfer)
        transfer.predict(X, verbose=0)


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
        warnings.simplefilter("always")
        step()
    assert len(found) == (0 if with_gradients else 1) and "AutoGraph" not in caplog.text


def test_what_a_layer_assigns_when_it_is_called_is_no_step():
    wrapped = layers.SpectralNormalization(layers.Dense(1))
    model = keras.Sequential([keras.Input((3,)), wrapped])
    model.compile("sgd", "mse")
    sh.attach(model, sh.L2(), lam=LAM)
    fit(model)
    kernel = wrapped.layer.kernel
    before = ops.convert_to_numpy(kernel)
    with warnings.catch_warnings(action="error", category=UserWarning):
        tf.function(lambda: model(X, training=True))()
    assert np.abs(ops.convert_to_numpy(kernel) - before).max() > 1e-6


def test_an_optimizer_that_decays_what_it_steps_is_refused_at_the_first_step():
    model = gan()
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.AdamW(0.01))
    sh.attach(model, sh.L2(), lam=LAM)
    with pytest.raises(ValueError, match="already decays these weights.*generator/dense/kernel"):
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


class Plain(keras.Model):
    """A training step of the user's own that takes its steps with `self.optimizer`."""

    def __init__(self, **options: Any):
        super().__init__()
        self.hidden, self.head, self.options = layers.Dense(4), layers.Dense(1), options
        self.other = keras.optimizers.Adam()  # held, and never used

    def call(self, x):
        return self.head(self.hidden(x))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return {"loss": loss}


def plain() -> keras.Model:
    model = Plain()
    model(X[:1])
    return model


def keep(model: keras.Model) -> None:
    pass


def freeze(model: keras.Model) -> None:
    model.hidden.trainable = False  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "options", [{}, {"steps_per_execution": 2}, {"run_eagerly": True}, {"jit_compile": True}], ids=str
)
@pytest.mark.parametrize("change", [keep, freeze])
@pytest.mark.parametrize("accumulated", [None, 2])
def test_no_false_alarm(options, change, accumulated):
    model = plain()
    change(model)
    model.compile(keras.optimizers.SGD(0.05, gradient_accumulation_steps=accumulated), "mse", **options)
    sh.attach(model, sh.L2(), lam=0.1)
    with warnings.catch_warnings(action="error", category=UserWarning):
        fit(model)
        model.hidden.trainable = True  # pyright: ignore[reportAttributeAccessIssue]
        if "run_eagerly" not in options:  # not compiled again: Keras goes on without it, or refuses
            fit(model, epochs=1)
        model.set_weights([w + 1.0 for w in model.get_weights()])
        model.evaluate(X, Y, verbose=0)
        model.compile(keras.optimizers.SGD(0.05), "mse", **options)
        fit(model)
    assert errors(model) == []


def test_training_that_is_resumed_from_a_file_gives_no_alarm(tmp_path):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(1)])
    model.compile("adam", "mse")
    sh.attach(model, sh.L2(), lam=LAM)
    with warnings.catch_warnings(action="error", category=UserWarning):
        fit(model, epochs=1)
        model.save(tmp_path / "model.keras")
        back: Any = keras.models.load_model(tmp_path / "model.keras")
        fit(back)
    assert errors(back) == []


def test_a_strength_that_changes_within_an_epoch_is_no_change_of_weights():
    model = distiller()
    reg = sh.attach(model, sh.L2(), lam=LAM)
    halve = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(reg, "lam", 0.9 * float(reg.lam))
    )
    with warnings.catch_warnings(action="error", category=UserWarning):
        model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[halve])


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
