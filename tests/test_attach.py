"""An attached penalty trains what Keras' own does, in every kind of model and loop."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import shrinkage as sh
from tests.versions import KERAS, float64_l1

LAM = 0.25  # a half of it is a float32, which Keras makes of it even in float64
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 5))
Y = (X @ np.array([[1.0], [-2.0], [0.0], [0.5], [0.0]]) + 0.1 * RNG.normal(size=(24, 1))).astype("float64")

OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: keras.optimizers.SGD(0.05),
    "momentum": lambda: keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.02),
    "clipnorm": lambda: keras.optimizers.Adam(0.02, clipnorm=0.1),
    "global_clipnorm": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1),
    "accumulation": lambda: keras.optimizers.RMSprop(0.02, gradient_accumulation_steps=3),
    "ema": lambda: keras.optimizers.Nadam(0.02, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=4),
    "scaled": lambda: keras.optimizers.SGD(0.05, loss_scale_factor=8.0),
}


def network(regularizer: Any = None, name: str = "net") -> keras.Model:
    """Return a small model with the same first weights every time."""
    keras.utils.set_random_seed(1)
    hidden = layers.Dense(4, "tanh", kernel_regularizer=regularizer, name="hidden")
    return keras.Sequential(
        [keras.Input((5,)), hidden, layers.Dense(1, kernel_regularizer=regularizer, name="output")], name=name
    )


def compiled(model: keras.Model, optimizer: Any = "sgd", **options: Any) -> keras.Model:
    model.compile(OPTIMIZERS[optimizer]() if isinstance(optimizer, str) else optimizer, "mean_squared_error", **options)
    return model


def train(model: keras.Model, epochs: int = 3, **options: Any) -> dict[str, list[float]]:
    return model.fit(X, Y, batch_size=6, epochs=epochs, shuffle=False, verbose=0, **options).history


def assert_same(mine: keras.Model, theirs: keras.Model, *, tolerance: float = 1e-10) -> None:
    """Assert equal weights after training, of which rounding is all that may differ."""
    for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def assert_matters(mine: keras.Model, optimizer: Any = "sgd") -> None:
    """Assert that without the penalty the weights would be others."""
    bare = compiled(network(), optimizer)
    train(bare)
    assert np.abs(mine.get_weights()[0] - bare.get_weights()[0]).max() > 1e-3


# --- oracles


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_coupled_l2_is_keras_own(float64, optimizer):
    theirs, mine = compiled(network(keras.regularizers.L2(LAM / 2)), optimizer), compiled(network(), optimizer)
    sh.attach(mine, sh.L2(), lam=LAM)
    train(theirs)
    train(mine)
    assert_same(mine, theirs)
    assert_matters(mine, optimizer)


@pytest.mark.parametrize("options", [{"jit_compile": True}, {"steps_per_execution": 3}, {"run_eagerly": True}])
def test_however_the_step_is_compiled(float64, options):
    theirs, mine = (compiled(network(reg), "adam", **options) for reg in (keras.regularizers.L2(LAM / 2), None))
    sh.attach(mine, sh.L2(), lam=LAM)
    train(theirs)
    train(mine)
    assert_same(mine, theirs)


@float64_l1
def test_coupled_l1_is_keras_own(float64):
    theirs, mine = compiled(network(keras.regularizers.L1(LAM)), "adam"), compiled(network(), "adam")
    sh.attach(mine, sh.L1(), lam=LAM, how=sh.Coupled())
    train(theirs)
    train(mine)
    assert_same(mine, theirs)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_decoupled_l2_is_weight_decay(float64, optimizer):
    make = getattr(keras.optimizers, optimizer)
    theirs, mine = network(), compiled(network(), make(0.02))
    decaying = make(0.02, weight_decay=LAM)
    decaying.exclude_from_weight_decay(var_list=[w for w in theirs.weights if w.name == "bias"])
    compiled(theirs, decaying)
    sh.attach(mine, sh.L2(), lam=LAM, how=sh.Decoupled())
    train(theirs)
    train(mine)
    assert_same(mine, theirs)
    bare = compiled(network(), make(0.02))
    train(bare)
    assert np.abs(mine.get_weights()[0] - bare.get_weights()[0]).max() > 1e-3


@pytest.mark.parametrize("penalty", [sh.L1(), sh.L2()])
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "RMSprop"])
def test_it_trains_the_same_as_a_member_of_a_path(float64, optimizer, penalty):
    model = compiled(network(), getattr(keras.optimizers, optimizer)(0.02))
    options = {"validation_data": (X, Y), "epoch": "last", "init": "keep"}
    path = sh.fit(model, X, Y, penalty=penalty, how=sh.Proximal(), lams=[LAM], epochs=5, batch_size=24, **options)
    sh.attach(model, penalty, lam=LAM, how=sh.Proximal())
    for _ in range(5):  # full batches: the order of rows does not matter
        model.train_on_batch(X, Y)
    assert_same(model, path.model(LAM))
    assert (model.get_weights()[0] == 0).any() == isinstance(penalty, sh.L1)


# --- the strength


def test_the_strength_is_read_at_every_step_and_traces_nothing_anew(float64):
    model, traces = compiled(network(), "sgd"), []

    class Count(keras.losses.Loss):
        def call(self, y_true, y_pred):
            traces.append(1)
            return ops.mean(ops.square(y_true - y_pred), axis=-1)

    model.compile(keras.optimizers.SGD(0.05), Count())
    reg = sh.attach(model, sh.L2(), lam=0.0)
    train(model, epochs=1)
    before, counted = model.get_weights()[0], len(traces)
    reg.lam = 4.0
    train(model, epochs=1)
    variable: Any = reg.lam
    variable.assign(0.5)
    train(model, epochs=1)
    assert counted and len(traces) == counted
    theirs = compiled(network())
    for lam in (0.0, 4.0, 0.5):
        for layer in theirs.layers:
            layer.kernel.regularizer = keras.regularizers.L2(lam / 2)
        theirs.compile(keras.optimizers.SGD(0.05), "mean_squared_error")
        train(theirs, epochs=1)
    assert_same(model, theirs)
    assert np.abs(before - model.get_weights()[0]).max() > 0.01


@pytest.mark.parametrize("how", [sh.Coupled(), sh.Decoupled(), sh.Proximal()])
def test_a_schedule_is_a_variable_assigned_at_every_step(float64, how):
    schedules = [
        keras.optimizers.schedules.CosineDecay(0.0, 12, warmup_target=2.0, warmup_steps=4),
        lambda step: 2.0 * ops.minimum(ops.cast(step, "float64") / 6, 1.0),
    ]
    for schedule in schedules:
        given, by_hand = compiled(network(), "adam"), compiled(network(), "adam")
        sh.attach(given, sh.L2(), lam=schedule, how=how)
        lam = keras.Variable(0.0, dtype="float64")
        sh.attach(by_hand, sh.L2(), lam=lam, how=how)
        for step in range(12):
            lam.assign(schedule(step))
            for model in (given, by_hand):
                model.train_on_batch(X, Y)
        assert_same(given, by_hand)
        assert float(lam) != 0
        assert_matters(given, "adam")


def test_a_strength_is_no_weight_of_the_model():
    model = compiled(network())
    names = [v.path for v in (*model.weights, *model.variables)]
    reg = sh.attach(model, sh.L2(), lam=LAM)
    assert [v.path for v in (*model.weights, *model.variables)] == names
    assert isinstance(reg.lam, keras.Variable) and float(reg.lam) == pytest.approx(LAM)


@pytest.mark.parametrize("how", [sh.Coupled(), sh.Decoupled(), sh.Proximal()])
@pytest.mark.parametrize("given", [False, True], ids=["initial", "given"])
def test_towards_other_weights_it_is_a_penalty_of_the_difference(float64, how, given):
    model = compiled(network())
    first = [w + 1.0 for w in model.get_weights()] if given else model.get_weights()
    reg = sh.attach(model, sh.L2(toward=first if given else "initial"), lam=LAM, how=how)
    far = LAM / 2 * sum(np.sum((w - w0) ** 2) for w, w0 in zip(model.get_weights()[::2], first[::2], strict=True))
    assert float(reg.value()) == pytest.approx(far) and (far > 1) == given
    reg.lam = 2.0
    for _ in range(200):
        model.train_on_batch(X, 0 * Y)
    drawn, free = model.get_weights()[0] - first[0], compiled(network())
    for _ in range(200):
        free.train_on_batch(X, 0 * Y)
    assert np.abs(drawn).max() < 0.5 * np.abs(free.get_weights()[0] - first[0]).max()


@pytest.mark.parametrize("penalty", [sh.ElasticNet(0.5), sh.GroupLasso()])
def test_other_penalties_train_as_in_a_path(float64, penalty):
    model = compiled(network(), keras.optimizers.Adam(0.02))
    options = {"validation_data": (X, Y), "epoch": "last", "init": "keep", "epochs": 5, "batch_size": 24}
    path = sh.fit(model, X, Y, penalty=penalty, lams=[LAM], **options)
    sh.attach(model, penalty, lam=LAM)
    for _ in range(5):
        model.train_on_batch(X, Y)
    assert_same(model, path.model(LAM))
    assert_matters(model, keras.optimizers.Adam(0.02))


# --- which weights


def test_factors_multiply_the_strength(float64):
    mine, theirs = compiled(network()), network()
    sh.attach(mine, sh.L2(), lam=LAM, on={"*hidden/kernel": 0.5, "*output/kernel": 2.0})
    for layer, factor in zip(theirs.layers, (0.5, 2.0), strict=True):
        layer.kernel.regularizer = keras.regularizers.L2(factor * LAM / 2)
    train(compiled(theirs))
    train(mine)
    assert_same(mine, theirs)


@float64_l1
def test_several_attachments(float64):
    mine, theirs = compiled(network()), network()
    first = sh.attach(mine, sh.L2(), lam=LAM, on="*hidden/kernel")
    second = sh.attach(mine, sh.L1(), lam=0.125, on="*output/kernel", how=sh.Coupled())
    theirs.layers[0].kernel.regularizer = keras.regularizers.L2(LAM / 2)
    theirs.layers[1].kernel.regularizer = keras.regularizers.L1(0.125)
    logs, _ = train(mine), train(compiled(theirs))
    assert_same(mine, theirs)
    assert logs["penalty"][-1] == pytest.approx(float(first.value() + second.value()))
    sh.detach(first)
    assert mine.evaluate(X, Y, verbose=0, return_dict=True)["penalty"] == pytest.approx(float(second.value()))


def test_a_layer_used_twice_is_penalised_once():
    shared = layers.Dense(3, use_bias=False)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, shared(shared(inputs)))
    assert float(sh.attach(model, sh.L2(), lam=2.0).value()) == pytest.approx(
        (model.get_weights()[0] ** 2).sum(), rel=1e-6
    )


def test_describe_tells_the_strength_of_each_weight():
    model = network()
    assert "attached" not in str(sh.describe(model))
    reg = sh.attach(model, sh.L2(), lam=0.5, on={"*hidden/kernel": 1.0, "*output/kernel": 0.25})
    sh.attach(model, sh.L2(), lam=lambda step: 0.75, on="*hidden/bias")
    assert [weight.lam for weight in sh.describe(model).weights] == [0.5, 0.75, 0.125, None]
    reg.lam = 2.0
    line = str(sh.describe(model)).splitlines()[1]
    assert line.endswith("yes: kernel of Dense; attached with lam = 2")


# --- kinds of models


class Own(keras.Model):
    """A subclassed model with a training step of its own."""

    def __init__(self, regularizer: Any = None):
        super().__init__()
        self.inside = network(regularizer)

    def call(self, inputs):
        return self.inside(inputs)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x, training=True) - y) ** 2) + sum(self.losses)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
        return {"mine": loss}


def functional(regularizer: Any = None) -> keras.Model:
    inputs = keras.Input((5,))
    return keras.Model(inputs, network(regularizer)(layers.Rescaling(2.0)(inputs)))


def subclassed(regularizer: Any = None) -> keras.Model:
    model = Own(regularizer)
    model(X[:1])
    return model


@pytest.mark.parametrize("make", [functional, subclassed])
def test_nested_and_subclassed_models(float64, make):
    theirs, mine = compiled(make(keras.regularizers.L2(LAM / 2)), "adam"), compiled(make(), "adam")
    kind, name = type(mine), type(mine).__name__
    train(mine, epochs=1)
    train(theirs, epochs=1)
    theirs.set_weights(mine.get_weights())
    for model in (theirs, mine):
        model.compile(OPTIMIZERS["adam"](), "mean_squared_error")
    sh.attach(mine, sh.L2(), lam=LAM)
    train(theirs)
    train(mine)
    assert_same(mine, theirs)
    assert isinstance(mine, kind) and type(mine).__name__ == name


def test_a_model_that_was_traced_is_traced_again():
    model = compiled(network())
    train(model, epochs=1)
    before = model.get_weights()[0]
    sh.attach(model, sh.L2(), lam=1000.0)
    with np.errstate(all="ignore"):
        train(model, epochs=1)
    assert not np.abs(model.get_weights()[0]).max() < 10 * np.abs(before).max()  # 0.05 * 1000 is far too long a step


def test_a_new_optimizer_penalises_too(float64):
    theirs, mine = network(keras.regularizers.L2(LAM / 2)), network()
    sh.attach(mine, sh.L2(), lam=LAM)
    old = OPTIMIZERS["sgd"]()
    for optimizer in (old, OPTIMIZERS["adam"]()):
        train(compiled(mine, optimizer))
    for optimizer in ("sgd", "adam"):
        train(compiled(theirs, optimizer))
    assert_same(mine, theirs)
    assert type(old) is keras.optimizers.SGD  # which is let go


def test_frozen_weights_are_penalised_once_they_train():
    model = network()
    model.layers[0].trainable = False
    compiled(model)
    reg = sh.attach(model, sh.L2(), lam=LAM)
    assert len(reg.weights) == 1
    frozen = model.get_weights()[0]
    logs = train(model, epochs=1)
    np.testing.assert_array_equal(model.get_weights()[0], frozen)
    model.layers[0].trainable = True
    compiled(model)
    more = train(model, epochs=1)
    assert len(reg.weights) == 2 and more["penalty"][0] > logs["penalty"][0]
    model.trainable = False
    assert reg.weights == () and float(reg.value()) == 0
    compiled(model).evaluate(X, Y, verbose=0)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        theirs, mine = compiled(network(keras.regularizers.L2(LAM / 2))), compiled(network())
    finally:
        keras.config.set_dtype_policy("float32")
    sh.attach(mine, sh.L2(), lam=LAM)
    train(theirs)
    train(mine)
    # The penalty's gradient is not scaled and not rounded here, where Keras' own goes through the scaled loss.
    assert_same(mine, theirs, tolerance=1e-3)
    assert_matters(mine)


def test_the_penalty_of_half_precision_weights_does_not_overflow():
    model = keras.Sequential([keras.Input((300,)), layers.Dense(300, dtype="float16")])
    model.set_weights([np.full((300, 300), 8.0), np.zeros(300)])
    assert float(sh.attach(model, sh.L2(), lam=1.0).value()) == pytest.approx(0.5 * 64 * 300 * 300)
    assert 0.5 * 64 * 300 * 300 > float(np.finfo("float16").max)


# --- logs


def test_logs_tell_the_data_loss_and_the_penalty_apart(float64):
    model = compiled(network(), "adam", metrics=["mean_absolute_error"])
    reg = sh.attach(model, sh.L2(), lam=LAM)
    logs = train(model, validation_data=(X, Y))
    assert sorted(logs) == sorted(
        f"{prefix}{name}" for prefix in ("", "val_") for name in ("loss", "data_loss", "penalty", "mean_absolute_error")
    )
    for prefix in ("", "val_"):
        parts = np.add(logs[f"{prefix}data_loss"], logs[f"{prefix}penalty"])
        np.testing.assert_allclose(logs[f"{prefix}loss"], parts, rtol=1e-6)  # Keras sums losses in float32
    squares = ((model.predict(X, verbose=0) - Y) ** 2).mean()
    assert logs["val_data_loss"][-1] == pytest.approx(squares, rel=1e-6)
    assert logs["penalty"][-1] == logs["val_penalty"][-1] == pytest.approx(float(reg.value()), rel=1e-6)
    assert logs["penalty"][-1] > 0.01


def test_lists_of_logs_are_as_long_as_before():
    model = compiled(network(), metrics=["mean_absolute_error"])
    before, batch = model.evaluate(X, Y, verbose=0), model.train_on_batch(X, Y)
    sh.attach(model, sh.L2(), lam=LAM)
    assert len(model.evaluate(X, Y, verbose=0)) == len(before) == len(model.train_on_batch(X, Y)) == len(batch) == 2


@pytest.mark.skipif(KERAS < (3, 15), reason="before Keras 3.15, train_on_batch logs the mean since the last reset")
def test_a_batch_is_logged_at_the_weights_before_its_step(float64):
    theirs, mine = compiled(network(keras.regularizers.L2(LAM / 2))), compiled(network())
    sh.attach(mine, sh.L2(), lam=LAM)
    for _ in range(3):
        logs = mine.train_on_batch(X, Y, return_dict=True)
        assert float(logs["loss"]) == pytest.approx(float(theirs.train_on_batch(X, Y)), rel=1e-6)
    assert float(mine.test_on_batch(X, Y)) == pytest.approx(float(theirs.test_on_batch(X, Y)), rel=1e-6)


def test_early_stopping_on_the_data_loss_restores():
    model = compiled(network())
    reg = sh.attach(model, sh.L2(), lam=0.0)

    class Raise(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            reg.lam = 0.0 if epoch < 3 else 5.0

    stop = keras.callbacks.EarlyStopping(monitor="val_data_loss", mode="min", patience=2, restore_best_weights=True)
    logs = train(model, epochs=20, validation_data=(X, Y), callbacks=[Raise(), stop])
    assert len(logs["loss"]) < 20
    best = min(logs["val_data_loss"])
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["data_loss"] == pytest.approx(best, rel=1e-5)


# --- loops


def test_a_loop_with_the_models_optimizer(float64):
    theirs, mine = compiled(network(keras.regularizers.L2(LAM / 2)), "adam"), compiled(network(), "adam")
    sh.attach(mine, sh.L2(), lam=LAM)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((mine(X) - Y) ** 2)
        variables = mine.trainable_variables
        mine.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    for _ in range(5):
        step()
        theirs.train_on_batch(X, Y)
    assert_same(mine, theirs)


def loop(model: keras.Model, reg: Any, step: Callable[[Any, Any], Any], told: Any) -> None:
    """Train five steps without `model.optimizer`."""
    for _ in range(5):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(X) - Y) ** 2)
        variables = model.trainable_variables
        step(reg.gradients(tape.gradient(loss, variables), variables), variables)
        reg.after_step(told)


def descend(grads: Any, variables: Any) -> None:
    for grad, variable in zip(grads, variables, strict=True):
        variable.assign_sub(0.05 * grad)


@pytest.mark.parametrize("penalty", [sh.L1(), sh.L2()])
def test_a_loop_without_it(float64, penalty):
    mine, theirs = network(), compiled(network(), keras.optimizers.SGD(0.05))
    loop(mine, sh.attach(mine, penalty, lam=LAM), descend, 0.05)
    sh.attach(theirs, penalty, lam=LAM)
    for _ in range(5):
        theirs.train_on_batch(X, Y)
    assert_same(mine, theirs)


def test_a_loop_with_another_optimizer(float64):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 0.5)
    mine, theirs = network(), compiled(network(), keras.optimizers.Adam(schedule))
    optimizer = keras.optimizers.Adam(schedule)
    loop(mine, sh.attach(mine, sh.L1(), lam=LAM), optimizer.apply, optimizer)
    sh.attach(theirs, sh.L1(), lam=LAM)
    for _ in range(5):
        theirs.train_on_batch(X, Y)
    assert_same(mine, theirs)
    assert (mine.get_weights()[0] == 0).any() and int(optimizer.iterations) == 5


def test_a_loop_may_not_penalise_twice():
    model = compiled(network())
    reg = sh.attach(model, sh.L2(), lam=LAM)
    with pytest.raises(ValueError, match="would count twice"):
        reg.gradients([None] * 4, model.trainable_variables)
    with pytest.raises(ValueError, match="would count twice"):
        reg.after_step(0.1)
    decoupled = sh.attach(network(), sh.L2(), lam=LAM, how=sh.Decoupled())
    with pytest.raises(ValueError, match="before the step"):
        decoupled.after_step(0.1)
    scheduled = sh.attach(network(), sh.L2(), lam=lambda step: 0.1)
    with pytest.raises(ValueError, match="cannot count the steps"):
        scheduled.gradients([None] * 4, scheduled.model.trainable_variables)
    accumulating = sh.attach(network(), sh.L1(), lam=LAM)
    with pytest.raises(ValueError, match="accumulate"):
        accumulating.after_step(keras.optimizers.SGD(gradient_accumulation_steps=2))


PAGE = (Path(__file__).parents[1] / "docs" / "attach.md").read_text("utf-8")


@pytest.mark.parametrize("code", re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
def test_the_page_works_as_printed(code, capsys):
    exec(compile(code, "attach.md", "exec"), {})
    printed = capsys.readouterr().out
    expected = re.search(r"# (\[.*\])", code)
    assert printed == (f"{expected[1]}\n" if expected else printed) and len(printed) > 4


def test_an_attached_model_has_no_path():
    model = attached()
    with pytest.raises(ValueError, match="Call shrinkage.detach"):
        sh.fit(model, X, Y, penalty=sh.L2(), epochs=1)


# --- detaching


def test_detach_leaves_nothing_behind(float64):
    mine, theirs = compiled(network(), "adam"), compiled(network(), "adam")
    state = sorted(vars(mine)), sorted(vars(mine.optimizer))
    sh.attach(mine, sh.L2(), lam=LAM)
    train(mine, epochs=1)
    train(theirs, epochs=1)
    theirs.set_weights(mine.get_weights())
    theirs.optimizer.set_weights([np.array(v) for v in mine.optimizer.variables])
    sh.detach(mine)
    assert type(mine) is keras.Sequential and type(mine.optimizer) is keras.optimizers.Adam
    assert "_shrinkage" not in {*vars(mine), *vars(mine.optimizer)} and set(state[0]) <= set(vars(mine))
    logs, _ = train(mine), train(theirs)
    assert_same(mine, theirs)
    assert "penalty" not in logs


# --- bad input


def frozen_state(model: keras.Model) -> Any:
    """Return what must not change when `attach` refuses."""
    return type(model), type(getattr(model, "optimizer", None)), sorted(vars(model)), [v.path for v in model.variables]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lam": -1.0}, ValueError, "lam must be 0 or more"),
        ({"lam": float("nan")}, ValueError, "lam must be 0 or more"),
        ({"lam": float("inf")}, ValueError, "finite"),
        ({"lam": "1"}, TypeError, "lam must be a number"),
        ({"lam": True}, TypeError, "lam must be a number"),
        ({"lam": None}, TypeError, "lam must be a number"),
        ({"lam": lambda step: -1.0}, ValueError, "at step 0"),
        ({"lam": lambda step: 1.0 if step > 3 else 0.0}, ValueError, "written in keras.ops"),
        ({"on": "kernals"}, ValueError, "kernels"),
        ({"on": lambda layer, variable: False}, ValueError, "matches none"),
        ({"how": "coupled"}, TypeError, r"`how` must be shrinkage.Coupled\(\)"),
        ({"penalty": 2}, TypeError, "`penalty` must be"),
        ({"penalty": keras.regularizers.L2(0.1)}, TypeError, "`penalty` must be"),
        ({"penalty": sh.L1(), "how": sh.Decoupled()}, ValueError, "weight decay"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(options, error, words):
    model = compiled(network())
    before = frozen_state(model)
    with pytest.raises(error, match=words):
        sh.attach(model, **{"penalty": sh.L2(), "lam": 0.1, **options})
    assert frozen_state(model) == before


def unbuilt() -> keras.Model:
    return keras.Sequential([layers.Dense(1)])


def decaying() -> keras.Model:
    return compiled(network(), keras.optimizers.AdamW())


def regularized() -> keras.Model:
    return network(keras.regularizers.L2(0.1))


def attached() -> keras.Model:
    model = compiled(network())
    sh.attach(model, sh.L2(), lam=0.1, on="*hidden/kernel")
    return model


@pytest.mark.parametrize(
    ("make", "penalty", "words"),
    [
        (unbuilt, sh.L2(), "not built"),
        (decaying, sh.L2(), "already decays these weights .weight_decay=0.004."),
        (regularized, sh.L2(), "regularizer of Keras: net/hidden/kernel, net/output/kernel"),
        (attached, sh.L2(), "have a penalty attached already: net/hidden/kernel. "),
        (lambda: compiled(network(), keras.optimizers.Lion()), sh.L1(), "known metric"),
        (lambda: compiled(network(), "ema"), sh.L1(), "use_ema"),
    ],
    ids=["unbuilt", "decaying", "regularized", "attached", "lion", "ema"],
)
def test_bad_models_are_refused_and_left(make, penalty, words):
    model = make()
    before = frozen_state(model)
    with pytest.raises(ValueError, match=words):
        sh.attach(model, penalty, lam=0.1)
    assert frozen_state(model) == before


def test_a_bad_optimizer_is_refused_by_compile_too():
    model = attached()
    before = model.optimizer
    with pytest.raises(ValueError, match="already decays"):
        model.compile(keras.optimizers.AdamW(), "mean_squared_error")
    assert model.optimizer is before
    with pytest.raises(ValueError, match="another model"):
        compiled(attached(), before)


def test_what_is_not_attached_cannot_be_detached():
    model = network()
    for what, error in ((model, ValueError), (sh.L2(), TypeError)):
        with pytest.raises(error, match="etach"):
            sh.detach(what)
    first, _ = sh.attach(model, sh.L2(), lam=1.0, on="*hidden/kernel"), sh.attach(model, sh.L2(), lam=1, on="*output/*")
    sh.detach(first)
    with pytest.raises(ValueError, match="any more"):
        sh.detach(first)
    with pytest.raises(TypeError, match="keras.Model"):
        sh.attach([model], sh.L2(), lam=1.0)


def test_bad_strengths_are_refused_later_too():
    reg = sh.attach(network(), sh.L2(), lam=0.1)
    with pytest.raises(ValueError, match="lam must be 0 or more"):
        reg.lam = -1.0
    assert float(reg.lam) == pytest.approx(0.1)
    scheduled = sh.attach(network(), sh.L2(), lam=lambda step: 0.1)
    with pytest.raises(ValueError, match="cannot be set"):
        scheduled.lam = 1.0
