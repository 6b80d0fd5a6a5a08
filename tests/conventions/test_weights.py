"""Which weights."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from tests.conventions.models import B0, ETA, LAM, W0, first_weights, fit, line, prepared, slopes


def penalised_names(model: keras.Model, on: Any = "kernels") -> set[str]:
    return {weight.path.rpartition("/")[2] for weight in sh.describe(model, on).weights if weight.penalised}


def test_kernels_are_penalised():
    tokens, image, sequence = keras.Input((4,), dtype="int32"), keras.Input((6, 6, 2)), keras.Input((4, 3))
    query = layers.Embedding(5, 3)(tokens)
    attended = layers.MultiHeadAttention(2, 3, name="attention")(query, query)
    model = keras.Model(
        [tokens, image, sequence],
        [
            layers.GRU(2)(attended),
            layers.Conv2D(3, 3)(image),
            layers.DepthwiseConv2D(3)(image),
            layers.LSTM(2)(sequence),
        ],
    )
    assert penalised_names(model) == {"embeddings", "kernel", "recurrent_kernel"}
    covered = [weight for weight in sh.describe(model).weights if weight.penalised]
    assert {"query", "key", "value"} <= {weight.layer.rpartition("/")[2] for weight in covered}
    assert {type(layer).__name__ for layer in model.layers if layer.weights} == {
        "Embedding", "MultiHeadAttention", "GRU", "Conv2D", "DepthwiseConv2D", "LSTM"
    }  # fmt: skip


def test_biases_and_normalizations_are_not():
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(2), layers.BatchNormalization(), layers.LayerNormalization()]
    )
    others = {weight.path.rpartition("/")[2] for weight in sh.describe(model).weights if not weight.penalised}
    assert others == {"bias", "gamma", "beta"} and penalised_names(model) == {"kernel"}


class Own(layers.Layer):
    def build(self, input_shape):
        self.matrix = self.add_weight(shape=(3, 2), name="matrix")
        self.vector = self.add_weight(shape=(2,), name="vector")

    def call(self, inputs):
        return inputs @ self.matrix + self.vector


def test_own_layers_go_by_axes_and_names():
    model = keras.Sequential([keras.Input((3,)), Own()])
    assert sh.describe(model).mask == (True, False)
    own = type("Own", (layers.Layer,), {})()
    own.add_weight(shape=(2, 2), name="matrix")
    own.add_weight(shape=(2, 2), name="attention_bias")
    own.add_weight(shape=(1, 2), name="token")
    model = keras.Sequential([own])
    model.built = own.built = True
    assert sh.describe(model).mask == (True, False, False)


def test_on_all():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.BatchNormalization()])
    assert sh.describe(model, on="all").mask == (True,) * 4


def test_on_a_function():
    model = line("sgd")
    assert sh.describe(model, on=lambda layer, variable: variable.name == "bias").mask == (False, True)
    with pytest.raises(ValueError, match="matches none"):
        sh.describe(model, on=lambda layer, variable: False)


def test_on_kinds():
    model = keras.Sequential([keras.Input((4, 3)), layers.GRU(2), layers.Dense(1)])
    last = model.layers[-1]
    for on in (
        "kernel",
        ["kernel"],
        [layers.Dense, "*/gru_cell*/kernel"],
        [last, lambda _, v: "cell" in v.path and v.name == "kernel"],
    ):
        assert sh.describe(model, on=on).mask == (True, False, False, True, False)
    assert sh.describe(model, on="recurrent").mask == (False, True, False, False, False)
    assert sh.describe(model, on=last.bias).mask == (False, False, False, False, True)


def test_on_factors():
    path = fit(line(keras.optimizers.SGD(ETA)), on={"kernel": 2, "bias": 0.5})
    dw, db = slopes()
    w, b = first_weights(path)
    np.testing.assert_allclose(w, W0 - ETA * (dw + 2 * LAM * W0), rtol=1e-5)
    np.testing.assert_allclose(b, B0 - ETA * (db + 0.5 * LAM * B0), rtol=1e-5)
    with pytest.raises(ValueError, match="keys do not overlap. Received: keys that select weights twice"):
        sh.describe(line("sgd"), on={"kernel": 1, "all": 2})


def test_a_second_penalty_is_refused():
    with pytest.raises(ValueError, match="must have no regularizers on weights"):
        prepared(line("sgd", kernel_regularizer="l2"))
    with pytest.raises(ValueError, match="without weight decay, .* Received: AdamW with weight_decay=0.01"):
        prepared(line(keras.optimizers.AdamW(weight_decay=0.01)))
    assert prepared(line("sgd")).selection.n_penalised == 3


def test_the_models_own_regularizer_is_taken_over():
    problem = prepared(line("sgd", kernel_regularizer=keras.regularizers.L2(0.01)), penalty="model")
    assert (problem.training.penalty, problem.lam_model) == (sh.L2(), 0.02) and 0.02 in problem.lams
    assert problem.training.template.make_model(problem.training.template.get_source_values()).losses == []
