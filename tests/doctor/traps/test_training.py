"""The traps of training with a penalty are real: each is trained or computed here, before its fix and after it."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras.regularizers import L2

import shrinkage as sh
from tests.doctor.traps.training import as_built, fit, fix, number_after, penalty_steps, values
from tests.doctor.zoo.own_steps import Forgetful, Mindful
from tests.doctor.zoo.regularized import half_precision
from tests.doctor.zoo.small import X, Y, mlp, stack


def test_a_strength_changed_after_fit_has_no_effect_until_it_is_fixed():
    model = mlp(kernel_regularizer=L2(0.01))
    start, right = model.get_weights(), as_built(model, kernel_regularizer=L2(0.5))
    fit(model)
    once = model.get_weights()[0]
    model.layers[0].kernel_regularizer.l2 = 0.5
    model.set_weights(start)
    fit(model)
    np.testing.assert_array_equal(model.get_weights()[0], once)
    assert sum(map(float, model.losses)) > 0.1  # which shows the new strength all the same
    model.set_weights(start)
    fix(model, "strength-changed-after-tracing")
    fit(model)
    fit(right)
    np.testing.assert_allclose(model.get_weights()[0], right.get_weights()[0], rtol=1e-5)
    assert np.abs(model.get_weights()[0] - once).max() > 0.01


def test_weight_decay_changed_after_fit_has_no_effect_until_it_is_fixed():
    model = mlp(keras.optimizers.SGD(0.1, weight_decay=0.01))
    start = model.get_weights()
    fit(model)
    once = model.get_weights()[0]
    model.optimizer.weight_decay = 0.5
    model.set_weights(start)
    fit(model)
    np.testing.assert_array_equal(model.get_weights()[0], once)
    model.set_weights(start)
    fix(model, "strength-changed-after-tracing")
    fit(model)
    assert np.abs(model.get_weights()[0] - once).max() > 0.01


@pytest.mark.parametrize(("jit", "steps"), [(True, 1), (False, 2)])
def test_a_strength_that_was_compiled_in_is_seen_in_every_way_of_training(jit, steps):
    model = mlp(
        keras.optimizers.SGD(0.1, weight_decay=0.0321), kernel_regularizer=keras.regularizers.L1L2(0.0123, 0.0456)
    )
    model.compile(model.optimizer, "mse", jit_compile=jit, steps_per_execution=steps)
    fit(model)
    assert "strength-changed-after-tracing" not in {f.code for f in sh.doctor(model).findings}
    model.layers[0].kernel_regularizer.l1 = 0.0124
    assert "strength-changed-after-tracing" in {f.code for f in sh.doctor(model).findings}


def test_a_variable_as_weight_decay_may_change():
    model = mlp(keras.optimizers.SGD(0.1, weight_decay=keras.Variable(0.01)))  # pyright: ignore[reportArgumentType]
    fit(model)
    model.optimizer.weight_decay.assign(0.5)
    assert not sh.doctor(model).errors


def test_a_training_step_that_leaves_out_the_losses_trains_the_same_at_any_strength():
    def after(kind: type, strength: float) -> np.ndarray:
        model = kind([keras.Input((4,)), layers.Dense(1, kernel_initializer="ones", kernel_regularizer=L2(strength))])
        model.compile("sgd", "mse")
        fit(model)
        return model.get_weights()[0]

    np.testing.assert_array_equal(after(Forgetful, 0.01), after(Forgetful, 10.0))
    assert np.abs(after(Mindful, 0.01) - after(Mindful, 10.0)).max() > 0.1


def test_a_float16_penalty_is_infinite_and_a_mixed_one_is_not():
    model = half_precision()
    assert np.isinf(float(model.losses[0]))
    mixed = stack(
        (400,),
        layers.Dense(400, kernel_initializer="ones", kernel_regularizer=L2(1e-3), dtype="mixed_float16"),
    )
    assert float(mixed.losses[0]) == pytest.approx(1e-3 * 400 * 400)
    assert "160" in sh.doctor(model).errors[0].sentence


def test_momentum_lengthens_the_shrinking_of_a_coupled_penalty():
    model = mlp(keras.optimizers.SGD(1e-3, momentum=0.9), kernel_regularizer=L2(1e-3))
    (finding,) = (f for f in sh.doctor(model, steps=400).findings if f.code == "strength-too-small")
    before = values(model)["net/a/kernel"]
    penalty_steps(model, 400)
    share = float(np.mean(1 - values(model)["net/a/kernel"] / before))
    told = number_after("takes", finding.sentence) / 100
    assert share == pytest.approx(told, rel=0.05) and share > 0.005  # momentum takes ten steps to come up to speed


def test_early_stopping_on_val_loss_goes_on_while_the_penalty_falls():
    """With inputs of 0 the data loss cannot fall, and only the weights shrink."""
    x, y = np.zeros((32, 4), "float32"), np.stack([np.ones(16), -np.ones(16)], 1).reshape(-1, 1)

    def epochs(model: Any, stopping: Any) -> int:
        history = model.fit(x, y, batch_size=32, epochs=8, verbose=0, validation_data=(x, y), callbacks=[stopping])
        return len(history.history["loss"])

    model = mlp(keras.optimizers.SGD(0.1), kernel_regularizer=L2(0.5), use_bias=False)
    assert epochs(model, keras.callbacks.EarlyStopping(patience=1)) == 8
    stopping = keras.callbacks.EarlyStopping(patience=1)
    fix(model, "penalised-loss-monitored", callbacks=[stopping])
    assert epochs(model, stopping) == 2


def test_the_penalty_that_is_told_is_what_the_loss_contains():
    model = mlp(kernel_regularizer=L2(0.01))
    model.compile("sgd", "mse", metrics=["mse"])
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    (finding,) = (f for f in sh.doctor(model).findings if f.code == "loss-contains-penalty")
    assert number_after("now", finding.sentence) == pytest.approx(
        logs["loss"] - logs["mse"], rel=1e-2
    )  # of three digits
    assert logs["loss"] - logs["mse"] > 1e-3


def test_adam_shrinks_a_weight_the_less_the_larger_its_gradients_are():
    """Two weights, and data gradients of mean 0 which differ by a factor of 100 in size."""
    model = stack((2,), layers.Dense(1, use_bias=False, kernel_initializer="ones", kernel_regularizer=L2(0.05)))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    kernel = model.trainable_variables[0]
    for step in range(200):
        data = ops.convert_to_tensor([[1.0], [100.0]]) * (-1.0) ** step
        model.optimizer.apply([data + 0.1 * kernel.value], [kernel])
    small, large = np.array(kernel).ravel()
    assert small < 0.9 and 1 - large < 0.2 * (1 - small)


def test_a_loss_contains_what_activity_regularizers_add():
    model = mlp(activity_regularizer=L2(0.1))
    x, y = X, Y
    added = model.evaluate(x, y, verbose=0) - float(np.mean((model.predict(x, verbose=0) - y) ** 2))
    assert added > 1e-3
    (finding,) = (each for each in sh.doctor(model).notes if each.code == "loss-contains-penalty")
    assert "the value of activity_regularizer for the outputs of a, b" in finding.sentence
