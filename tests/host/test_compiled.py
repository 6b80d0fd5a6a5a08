"""Losses and metrics that `compile` makes are read as they were given."""

import keras
import numpy as np
from keras import layers

from shrinkage._host import _compiled


def test_losses_are_those_of_the_outputs():
    x = keras.Input((2,))
    model = keras.Model(x, {"a": layers.Dense(1, name="a")(x), "b": layers.Dense(1, name="b")(x)})
    loss, loss_weights = {"a": "mse", "b": keras.losses.Huber()}, {"a": 1.0, "b": 0.5}
    assert _compiled.get_compile_loss_weights(model) is None
    model.compile("sgd", loss, loss_weights=loss_weights)
    assert _compiled.get_compile_loss_weights(model) == loss_weights
    y = {name: np.ones((3, 1), "float32") for name in "ab"}
    compiled = _compiled.CompileLoss(loss, loss_weights, output_names=["a", "b"])
    compiled.build(y, y)
    assert {path: weight for (path,), _, weight in _compiled.list_flat_losses(compiled)} == loss_weights
    found = {path: each for (path,), each, _ in _compiled.list_flat_losses(compiled)}
    assert found["b"] is loss["b"] and type(found["a"]) is _compiled.LossFunctionWrapper
    assert _compiled.list_flat_losses(_compiled.CompileLoss("mse")) == []  # before it is built


def test_a_name_becomes_a_wrapped_function():
    ones = np.ones((2, 1), "float32")
    loss = _compiled.get_loss("mse", ones, ones)
    assert type(loss) is _compiled.LossFunctionWrapper and issubclass(keras.losses.Huber, type(loss))
    assert loss.fn is keras.losses.mean_squared_error and _compiled.get_loss_arguments(loss) == {}
    assert _compiled.get_loss_arguments(keras.losses.Huber(delta=2.0)) == {"delta": 2.0}
    assert float(loss(ones, 3 * ones)) == 4.0


def test_metrics_are_as_given_and_go_by_output():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    assert _compiled.get_compile_metrics(model) == (None, None)
    mae, mse = keras.metrics.MeanAbsoluteError(), keras.metrics.MeanSquaredError()
    model.compile("sgd", "mse", metrics=[mae], weighted_metrics=[mse])
    assert _compiled.get_compile_metrics(model) == ([mae], [mse])
    metrics = _compiled.CompileMetrics([["mae"], []], None, output_names=["a", "b"])
    metrics.update_state([np.ones((2, 1))] * 2, [np.zeros((2, 1))] * 2)
    (first, weighted), (second, _) = _compiled.list_flat_metrics(metrics)
    assert [each.name for each in first] == ["mae"] and weighted == second == []


def test_a_metric_says_which_values_are_better():
    directions = [
        _compiled.get_metric_direction(each()) for each in (keras.metrics.AUC, keras.metrics.MeanSquaredError)
    ]
    assert directions == ["up", "down"]
    assert _compiled.get_metric_direction(keras.metrics.Mean()) is None
