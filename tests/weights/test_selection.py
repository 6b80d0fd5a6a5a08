"""Which weights are penalised: every kind of Keras layer, nested and shared ones, a user's own, and the errors."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh
from shrinkage._weights._selection import Selection, describe, select
from tests.weights.models import IMAGE, SEQUENCE, VOLUME, small_model


def _names(selection: Selection, penalised: bool) -> set[str]:
    return {weight.path.rpartition("/")[2] for weight in selection.weights if weight.penalised is penalised}


class Scaled(layers.Layer):
    """A layer of the user's own: a matrix, a vector, and a bias of two axes."""

    def build(self, input_shape):
        self.matrix = self.add_weight(shape=(input_shape[-1], 4), name="matrix")
        self.vector = self.add_weight(shape=(4,), name="vector")
        self.bias = self.add_weight(shape=(1, 4), name="bias")

    def call(self, x):
        return keras.ops.matmul(x, self.matrix) * self.vector + self.bias


class Noisy(layers.Dense):
    """A user's Dense with a weight more."""

    def build(self, input_shape):
        super().build(input_shape)
        self.sigma = self.add_weight(shape=(input_shape[-1], self.units), name="sigma")


KERNELS: dict[str, Any] = {
    "Dense": ((3,), lambda: layers.Dense(2), {"kernel"}, {"bias"}),
    "EinsumDense": ((4, 3), lambda: layers.EinsumDense("abc,cd->abd", (None, 2), bias_axes="d"), {"kernel"}, {"bias"}),
    "Conv1D": (SEQUENCE, lambda: layers.Conv1D(2, 3), {"kernel"}, {"bias"}),
    "Conv2D": (IMAGE, lambda: layers.Conv2D(2, 3), {"kernel"}, {"bias"}),
    "Conv3D": (VOLUME, lambda: layers.Conv3D(2, 3), {"kernel"}, {"bias"}),
    "Conv1DTranspose": (SEQUENCE, lambda: layers.Conv1DTranspose(2, 3), {"kernel"}, {"bias"}),
    "Conv2DTranspose": (IMAGE, lambda: layers.Conv2DTranspose(2, 3), {"kernel"}, {"bias"}),
    "Conv3DTranspose": (VOLUME, lambda: layers.Conv3DTranspose(2, 3), {"kernel"}, {"bias"}),
    "DepthwiseConv1D": (SEQUENCE, lambda: layers.DepthwiseConv1D(3), {"kernel"}, {"bias"}),
    "DepthwiseConv2D": (IMAGE, lambda: layers.DepthwiseConv2D(3), {"kernel"}, {"bias"}),
    "SeparableConv1D": (
        SEQUENCE,
        lambda: layers.SeparableConv1D(2, 3),
        {"depthwise_kernel", "pointwise_kernel"},
        {"bias"},
    ),
    "SeparableConv2D": (
        IMAGE,
        lambda: layers.SeparableConv2D(2, 3),
        {"depthwise_kernel", "pointwise_kernel"},
        {"bias"},
    ),
    "SimpleRNN": (SEQUENCE, lambda: layers.SimpleRNN(2), {"kernel", "recurrent_kernel"}, {"bias"}),
    "LSTM": (SEQUENCE, lambda: layers.LSTM(2), {"kernel", "recurrent_kernel"}, {"bias"}),
    "GRU": (SEQUENCE, lambda: layers.GRU(2), {"kernel", "recurrent_kernel"}, {"bias"}),
    "ConvLSTM1D": ((4, *SEQUENCE), lambda: layers.ConvLSTM1D(2, 3), {"kernel", "recurrent_kernel"}, {"bias"}),
    "stacked cells": (SEQUENCE, lambda: layers.RNN([layers.LSTMCell(2)] * 2), {"kernel", "recurrent_kernel"}, {"bias"}),
    "Bidirectional": (SEQUENCE, lambda: layers.Bidirectional(layers.LSTM(2)), {"kernel", "recurrent_kernel"}, {"bias"}),
    "TimeDistributed": (SEQUENCE, lambda: layers.TimeDistributed(layers.Dense(2)), {"kernel"}, {"bias"}),
    "SpectralNormalization": ((3,), lambda: layers.SpectralNormalization(layers.Dense(2)), {"kernel"}, {"bias"}),
    "own layer": ((3,), Scaled, {"matrix"}, {"vector", "bias"}),
    "own Dense": ((3,), lambda: Noisy(2), {"kernel", "sigma"}, {"bias"}),
}


@pytest.mark.parametrize(("shape", "layer", "kernels", "others"), KERNELS.values(), ids=KERNELS)
def test_kernels_are_penalised_and_biases_not(shape, layer, kernels, others):
    selection = select(small_model(shape, layer()))
    assert _names(selection, True) == kernels
    assert _names(selection, False) == others


GAINS: dict[str, Any] = {
    "BatchNormalization": (lambda: layers.BatchNormalization(), {"gamma", "beta"}),
    "LayerNormalization": (lambda: layers.LayerNormalization(axis=[1, 2]), {"gamma", "beta"}),
    "GroupNormalization": (lambda: layers.GroupNormalization(3), {"gamma", "beta"}),
    "RMSNormalization": (lambda: layers.RMSNormalization(), {"scale"}),
    "PReLU": (lambda: layers.PReLU(), {"alpha"}),
}


@pytest.mark.parametrize(("layer", "weights"), GAINS.values(), ids=GAINS)
def test_normalizations_and_prelu_are_not(layer, weights):
    selection = select(small_model(SEQUENCE, layer(), layers.Dense(1)))
    assert _names(selection, True) == {"kernel"}
    assert _names(selection, False) == weights | {"bias"}


def test_embeddings_are_penalised():
    model = small_model((5,), layers.Embedding(7, 3), layers.Flatten(), layers.Dense(1), dtype="int32")
    assert _names(select(model), True) == {"embeddings", "kernel"}


def test_attention_projections_are_penalised():
    x = keras.Input(SEQUENCE)
    selection = select(keras.Model(x, layers.MultiHeadAttention(2, 2)(x, x)))
    kinds = [weight.reason for weight in selection.weights if weight.penalised]
    assert kinds == ["kernel of EinsumDense"] * 4  # query, key, value, output
    assert len(selection.weights) == 8


def test_lora_factors_stand_in_for_the_frozen_kernel():
    dense = layers.Dense(2)
    model = small_model((9,), dense)
    dense.enable_lora(1)
    assert _names(select(model), True) == {"lora_kernel_a", "lora_kernel_b"}


def test_rows_are_the_trainable_variables_in_order_each_once():
    shared = layers.Dense(3, name="shared")
    inner = small_model((3,), shared, layers.BatchNormalization(), Scaled())
    x = keras.Input((3,))
    frozen = layers.Dense(3, trainable=False, name="frozen")
    model = keras.Model(x, layers.Dense(1)(inner(shared(frozen(shared(x))))))
    selection = select(model)
    assert [weight.path for weight in selection.weights] == [v.path for v in model.trainable_variables]
    assert [weight.shape for weight in selection.weights] == [tuple(v.shape) for v in model.trainable_variables]
    assert sum("shared" in weight.path for weight in selection.weights) == 2
    assert not any("frozen" in weight.path for weight in selection.weights)
    assert selection.mask == tuple(weight.penalised for weight in selection.weights)
    assert 0 < sum(selection.mask) < len(selection.mask)
    assert selection.n_weights == model.count_params() - 12 - 6 == sum(w.size for w in selection.weights)


def test_a_subclassed_model_and_its_own_variables():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)
            self.mixing = self.add_weight(shape=(2, 2), name="mixing")

        def call(self, x):
            return keras.ops.matmul(self.dense(x), self.mixing)

    model = Net()
    with pytest.raises(ValueError, match="must be built.* Received: a model that is not built"):
        describe(model)
    model(keras.ops.ones((1, 3)))
    selection = select(model)
    assert _names(selection, True) == {"kernel", "mixing"}
    assert "Net is a custom layer: 2 axes or more" in {weight.reason for weight in selection.weights}


def test_on_all_covers_everything():
    selection = select(small_model((3,), layers.Dense(2), layers.BatchNormalization()), on="all")
    assert all(selection.mask) and selection.n_penalised == selection.n_weights == 12


def test_on_a_function_of_layer_and_variable():
    last = layers.Dense(1)
    model = small_model((3,), layers.Dense(2), last)
    selection = select(model, on=lambda layer, variable: layer is last and variable is last.kernel)
    assert selection.mask == (False, False, True, False)
    assert selection.weights[2].reason == "chosen by on"


def test_a_rule_that_matches_nothing_is_an_error():
    model = small_model((3,), layers.BatchNormalization(name="norm"))
    with pytest.raises(
        ValueError, match=r'Received: "kernels", which matches none of the 2 trainable weights: .*norm/gamma.*on="all"'
    ):
        select(model)

    def nothing(layer, variable):
        return False

    with pytest.raises(ValueError, match="Received: nothing, which matches none"):
        select(model, on=nothing)


def _net() -> keras.Model:
    """Every kind of weight, and two layers of one class."""
    hidden = [layers.Embedding(9, 4, name="words"), layers.LSTM(3, return_sequences=True, name="memory")]
    norm = [
        layers.Reshape((5, 3, 1)),
        layers.DepthwiseConv2D(2, name="filters"),
        layers.BatchNormalization(name="norm"),
    ]
    heads = [layers.Flatten(), layers.Dense(4, name="first"), layers.Dense(1, name="last")]
    return small_model((5,), *hidden, *norm, *heads, dtype="int32")


def _ends(selection: Selection) -> dict[str, float]:
    """Return the factors of the penalised weights, by their paths within the model."""
    return {w.path.partition("/")[2]: w.factor for w in selection.weights if w.penalised}


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("kernel", {"memory/lstm_cell/kernel", "first/kernel", "last/kernel"}),
        ("recurrent", {"memory/lstm_cell/recurrent_kernel"}),
        ("embedding", {"words/embeddings"}),
        ("depthwise", {"filters/kernel"}),
        ("bias", {"memory/lstm_cell/bias", "filters/bias", "first/bias", "last/bias"}),
        (["gain", "offset"], {"norm/gamma", "norm/beta"}),
        ([keras.layers.Dense, "embedding"], {"words/embeddings", "first/kernel", "last/kernel"}),
        (keras.layers.LSTM, {"memory/lstm_cell/kernel", "memory/lstm_cell/recurrent_kernel"}),
        ("*first/*", {"first/kernel", "first/bias"}),
        ("*/last/kerne?", {"last/kernel"}),
    ],
)
def test_on_names_weights_by_kind_class_and_pattern(on, expected):
    selection = select(_net(), on=on)
    assert set(_ends(selection)) == expected
    assert set(selection.factors) == {0.0, 1.0}


def test_on_a_layer_and_a_variable_of_thesmall_model():
    model = _net()
    first, last = model.get_layer("first"), model.get_layer("last")
    assert sum(select(model, on=first).mask) == 1
    selection = select(model, on=[last.bias, first])
    assert set(_ends(selection)) == {"first/kernel", "last/bias"}
    for stranger in (layers.Dense(2), keras.Variable([1.0], name="stranger")):
        with pytest.raises(ValueError, match=r"on= must .* matches none of the 12 trainable weights"):
            select(model, on=[first, stranger])


def test_factors_of_a_dictionary():
    model = _net()
    last = model.get_layer("last")
    on = {"kernel": 1, "recurrent": 0.25, lambda layer, variable: variable is last.bias: 2, "embedding": 0}
    selection = select(model, on=on)
    kernels = dict.fromkeys(["memory/lstm_cell/kernel", "first/kernel", "last/kernel"], 1.0)
    assert _ends(selection) == kernels | {"memory/lstm_cell/recurrent_kernel": 0.25, "last/bias": 2.0}
    reasons = {weight.path.partition("/")[2]: weight.reason for weight in selection.weights}
    assert reasons["memory/lstm_cell/recurrent_kernel"] == "recurrent_kernel of LSTMCell, factor 0.25"
    assert reasons["words/embeddings"] == "embeddings of Embedding, factor 0"
    assert reasons["norm/gamma"] == "not chosen by on"


WRONG_SELECTORS: dict[str, Any] = {
    "a misspelt kind": (
        "kernals",
        ValueError,
        'on= must be .* Received: "kernals". Did you mean "kernels"[?] The kinds',
    ),
    "a name of a class": (
        "Dense",
        ValueError,
        "The kinds are kernel, recurrent, embedding, depthwise, bias, gain, offset",
    ),
    "a pattern without a match": (
        "*second*",
        ValueError,
        r'Received: "\*second\*", which matches none of the 12 trainable weights',
    ),
    "a class without a match": (keras.layers.GRU, ValueError, "Received: GRU, which matches none"),
    "a class in a list": (["kernel", keras.layers.GRU], ValueError, "Received: GRU, which matches none"),
    "an empty list": ([], ValueError, "matches none"),
    "an empty dictionary": ({}, ValueError, "some weights a factor above 0"),
    "only a factor 0": ({"kernel": 0}, ValueError, "some weights a factor above 0"),
    "a negative factor": ({"kernel": -1}, ValueError, 'give "kernel" a factor of 0 or more. Received: -1'),
    "a NaN": ({"kernel": float("nan")}, ValueError, "a factor of 0 or more. Received: nan"),
    "a boolean": ({"kernel": True}, ValueError, "a factor of 0 or more. Received: True"),
    "a text": ({"kernel": "1"}, ValueError, "a factor of 0 or more. Received: '1'"),
    "weights twice": (
        {"kernels": 1, "recurrent": 2},
        ValueError,
        r"Received: keys that select weights twice \(.*memory/lstm_cell/recurrent_kernel",
    ),
    "a name of a layer": (
        "memory",
        ValueError,
        r'For the layer .memory. give model.get_layer\("memory"\) or "\*memory/\*"\.',
    ),
    "a name of a cell": ("lstm_cell", ValueError, r'For the layer .lstm_cell. give "\*lstm_cell/\*"\.'),
    "a path": (
        "last/kernel",
        ValueError,
        r'Received: "last/kernel", which matches none of .*\. Did you mean "\*last/kernel"\?',
    ),
    "a pattern without a weight": ("*last", ValueError, r'matches none of .*\. Did you mean "\*last/\*"\?'),
    "another variable": (
        tf.Variable(1.0),
        TypeError,
        r"on= must be a variable of the model, such as on=layer.kernel.*of shape \(\)",
    ),
    "an array": ([np.ones((2, 3))], TypeError, r"Received: ndarray of shape \(2, 3\)"),
    "a function of one argument": (
        lambda layer: True,
        TypeError,
        r"on= must be a function of two arguments.*Received: <lambda>\(layer\)",
    ),
    "None": (None, TypeError, 'on= must be "kernels", "all", a kind'),
    "a number": (3, TypeError, "Received: 3"),
    "a type": (int, TypeError, "Received: <class 'int'>"),
}


@pytest.mark.parametrize(("on", "error", "message"), WRONG_SELECTORS.values(), ids=WRONG_SELECTORS)
def test_a_wrong_rule_is_an_error_that_says_what_to_do(on, error, message):
    with pytest.raises(error, match=message):
        select(_net(), on=on)


def test_unbuilt_and_weightless_models_are_errors():
    with pytest.raises(ValueError, match=r"`model` .* must be built.*model.build"):
        describe(keras.Sequential([layers.Dense(2)]))
    with pytest.raises(ValueError, match="must have trainable weights to penalise. Received: none"):
        describe(small_model((3,), layers.Dropout(0.5)))


def test_describe_changes_nothing_and_prints_the_share():
    hidden, output = layers.Dense(64, "relu", name="hidden"), layers.Dense(10, name="output")
    model = keras.Sequential([keras.Input((64,)), hidden, output], name="net")
    before = model.get_config()
    table = repr(describe(model)).splitlines()
    assert model.get_config() == before and not model.losses
    assert table[0].split() == ["layer", "weight", "shape", "parameters", "penalised"]
    assert table[1].split("  ")[-1] == "yes: kernel of Dense" and table[2].endswith("no: bias")
    assert len({line.index("yes: ") for line in table if "yes: " in line}) == 1
    assert table[-1] == "4,736 of 4,810 parameters penalised (98 %)"


def test_the_table_says_what_else_shrinks_weights():
    def said(regularizer: str | None, optimizer: keras.optimizers.Optimizer) -> str:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_regularizer=regularizer)])
        model.compile(optimizer, "mean_squared_error")
        return repr(sh.describe(model)).splitlines()[-1]

    assert said("l2", keras.optimizers.AdamW()).startswith(
        "Not in this table: regularizers of layers and the optimizer's weight_decay."
    )
    assert said("l1", keras.optimizers.Adam()).startswith("Not in this table: regularizers of layers.")
    assert said(None, keras.optimizers.Adam()) == "3 of 4 parameters penalised (75 %)"
