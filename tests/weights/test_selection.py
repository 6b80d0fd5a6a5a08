"""Which weights are penalised: every kind of Keras layer, nested and shared ones, a user's own, and the errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh
from shrinkage._weights._kinds import describe_kind, kind_of
from shrinkage._weights._selection import Selection, describe, select

IMAGE, SEQUENCE, VOLUME = (8, 8, 2), (6, 3), (5, 5, 5, 2)


def _model(shape: tuple[int, ...], *stack: keras.Layer, dtype: str = "float32") -> keras.Model:
    return keras.Sequential([keras.Input(shape, dtype=dtype), *stack])


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


@pytest.mark.parametrize(
    ("shape", "layer", "kernels", "others"),
    [
        ((3,), lambda: layers.Dense(2), {"kernel"}, {"bias"}),
        ((4, 3), lambda: layers.EinsumDense("abc,cd->abd", (None, 2), bias_axes="d"), {"kernel"}, {"bias"}),
        (SEQUENCE, lambda: layers.Conv1D(2, 3), {"kernel"}, {"bias"}),
        (IMAGE, lambda: layers.Conv2D(2, 3), {"kernel"}, {"bias"}),
        (VOLUME, lambda: layers.Conv3D(2, 3), {"kernel"}, {"bias"}),
        (SEQUENCE, lambda: layers.Conv1DTranspose(2, 3), {"kernel"}, {"bias"}),
        (IMAGE, lambda: layers.Conv2DTranspose(2, 3), {"kernel"}, {"bias"}),
        (VOLUME, lambda: layers.Conv3DTranspose(2, 3), {"kernel"}, {"bias"}),
        (SEQUENCE, lambda: layers.DepthwiseConv1D(3), {"kernel"}, {"bias"}),
        (IMAGE, lambda: layers.DepthwiseConv2D(3), {"kernel"}, {"bias"}),
        (SEQUENCE, lambda: layers.SeparableConv1D(2, 3), {"depthwise_kernel", "pointwise_kernel"}, {"bias"}),
        (IMAGE, lambda: layers.SeparableConv2D(2, 3), {"depthwise_kernel", "pointwise_kernel"}, {"bias"}),
        (SEQUENCE, lambda: layers.SimpleRNN(2), {"kernel", "recurrent_kernel"}, {"bias"}),
        (SEQUENCE, lambda: layers.LSTM(2), {"kernel", "recurrent_kernel"}, {"bias"}),
        (SEQUENCE, lambda: layers.GRU(2), {"kernel", "recurrent_kernel"}, {"bias"}),
        ((4, *SEQUENCE), lambda: layers.ConvLSTM1D(2, 3), {"kernel", "recurrent_kernel"}, {"bias"}),
        (SEQUENCE, lambda: layers.RNN([layers.LSTMCell(2)] * 2), {"kernel", "recurrent_kernel"}, {"bias"}),
        (SEQUENCE, lambda: layers.Bidirectional(layers.LSTM(2)), {"kernel", "recurrent_kernel"}, {"bias"}),
        (SEQUENCE, lambda: layers.TimeDistributed(layers.Dense(2)), {"kernel"}, {"bias"}),
        ((3,), lambda: layers.SpectralNormalization(layers.Dense(2)), {"kernel"}, {"bias"}),
        ((3,), Scaled, {"matrix"}, {"vector", "bias"}),
        ((3,), lambda: Noisy(2), {"kernel", "sigma"}, {"bias"}),
    ],
)
def test_kernels_are_penalised_and_biases_not(shape, layer, kernels, others):
    selection = select(_model(shape, layer()))
    assert _names(selection, True) == kernels
    assert _names(selection, False) == others


@pytest.mark.parametrize(
    ("layer", "weights"),
    [
        (lambda: layers.BatchNormalization(), {"gamma", "beta"}),
        (lambda: layers.LayerNormalization(axis=[1, 2]), {"gamma", "beta"}),  # pyright: ignore[reportArgumentType]
        (lambda: layers.GroupNormalization(3), {"gamma", "beta"}),
        (lambda: layers.RMSNormalization(), {"scale"}),
        (lambda: layers.PReLU(), {"alpha"}),
    ],
)
def test_normalizations_and_prelu_are_not(layer, weights):
    selection = select(_model(SEQUENCE, layer(), layers.Dense(1)))
    assert _names(selection, True) == {"kernel"}
    assert _names(selection, False) == weights | {"bias"}


def test_embeddings_are_penalised():
    model = _model((5,), layers.Embedding(7, 3), layers.Flatten(), layers.Dense(1), dtype="int32")
    assert _names(select(model), True) == {"embeddings", "kernel"}


def test_attention_projections_are_penalised():
    x = keras.Input(SEQUENCE)
    selection = select(keras.Model(x, layers.MultiHeadAttention(2, 2)(x, x)))
    kinds = [weight.reason for weight in selection.weights if weight.penalised]
    assert kinds == ["kernel of EinsumDense"] * 4  # query, key, value, output
    assert len(selection.weights) == 8


def test_lora_factors_stand_in_for_the_frozen_kernel():
    dense = layers.Dense(2)
    model = _model((9,), dense)
    dense.enable_lora(1)
    assert _names(select(model), True) == {"lora_kernel_a", "lora_kernel_b"}


def test_rows_are_the_trainable_variables_in_order_each_once():
    shared = layers.Dense(3, name="shared")
    inner = _model((3,), shared, layers.BatchNormalization(), Scaled())
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
    with pytest.raises(ValueError, match="is not built"):
        describe(model)
    model(keras.ops.ones((1, 3)))
    selection = select(model)
    assert _names(selection, True) == {"kernel", "mixing"}
    assert "Net is a custom layer: 2 axes or more" in {weight.reason for weight in selection.weights}


def test_on_all_covers_everything():
    selection = select(_model((3,), layers.Dense(2), layers.BatchNormalization()), on="all")
    assert all(selection.mask) and selection.n_penalised == selection.n_weights == 12


def test_on_a_function_of_layer_and_variable():
    last = layers.Dense(1)
    model = _model((3,), layers.Dense(2), last)
    selection = select(model, on=lambda layer, variable: layer is last and variable is last.kernel)
    assert selection.mask == (False, False, True, False)
    assert selection.weights[2].reason == "chosen by on"


def test_a_rule_that_matches_nothing_is_an_error():
    model = _model((3,), layers.BatchNormalization(name="norm"))
    with pytest.raises(
        ValueError, match=r'on="kernels" matches none of the 2 trainable weights .*norm/gamma.*on="all"'
    ):
        select(model)

    def nothing(layer, variable):
        return False

    with pytest.raises(ValueError, match="on=nothing matches none"):
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
    return _model((5,), *hidden, *norm, *heads, dtype="int32")


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


def test_on_a_layer_and_a_variable_of_the_model():
    model = _net()
    first, last = model.get_layer("first"), model.get_layer("last")
    assert sum(select(model, on=first).mask) == 1
    selection = select(model, on=[last.bias, first])
    assert set(_ends(selection)) == {"first/kernel", "last/bias"}
    for stranger in (layers.Dense(2), keras.Variable([1.0], name="stranger")):
        with pytest.raises(ValueError, match=r"on=.* matches none of the 12 trainable weights"):
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


@pytest.mark.parametrize(
    ("on", "error", "message"),
    [
        ("kernals", ValueError, 'on="kernals" is no kind of weight. Did you mean "kernels"?'),
        ("Dense", ValueError, "the kinds are kernel, recurrent, embedding, depthwise, bias, gain, offset"),
        ("*second*", ValueError, r'on="\*second\*" matches none of the 12 trainable weights'),
        (keras.layers.GRU, ValueError, "on=GRU matches none"),
        (["kernel", keras.layers.GRU], ValueError, "on=GRU matches none"),
        ([], ValueError, "matches none"),
        ({}, ValueError, "some weights a factor above 0"),
        ({"kernel": 0}, ValueError, "some weights a factor above 0"),
        ({"kernel": -1}, ValueError, 'give "kernel" a factor of 0 or more. Received: -1'),
        ({"kernel": float("nan")}, ValueError, "a factor of 0 or more. Received: nan"),
        ({"kernel": True}, ValueError, "a factor of 0 or more. Received: True"),
        ({"kernel": "1"}, ValueError, "a factor of 0 or more. Received: '1'"),
        ({"kernels": 1, "recurrent": 2}, ValueError, "selects weights twice: .*memory/lstm_cell/recurrent_kernel"),
        ("memory", ValueError, r'For the layer .memory. give model.get_layer\("memory"\) or "\*memory/\*"\.'),
        ("lstm_cell", ValueError, r'For the layer .lstm_cell. give "\*lstm_cell/\*"\.'),
        ("last/kernel", ValueError, r'on="last/kernel" matches none of .*\. Did you mean "\*last/kernel"\?'),
        ("*last", ValueError, r'matches none of .*\. Did you mean "\*last/\*"\?'),
        (
            tf.Variable(1.0),
            TypeError,
            r"on= takes a variable of the model, such as on=layer.kernel.*of shape \(\)",
        ),
        ([np.ones((2, 3))], TypeError, r"Received: ndarray of shape \(2, 3\)"),
        (lambda layer: True, TypeError, r"on= takes a function of two arguments.*Received: <lambda>\(layer\)"),
        (None, TypeError, 'on= must be "kernels", "all", a kind'),
        (3, TypeError, "Received: 3"),
        (int, TypeError, "Received: <class 'int'>"),
    ],
)
def test_a_wrong_rule_is_an_error_that_says_what_to_do(on, error, message):
    with pytest.raises(error, match=message):
        select(_net(), on=on)


@pytest.mark.parametrize(
    ("shape", "layer", "weight", "unit", "feature"),
    [
        ((3,), lambda: layers.Dense(2), "kernel", (-2,), (-1,)),
        (SEQUENCE, lambda: layers.LSTM(2), "recurrent_kernel", (-2,), (-1,)),
        (IMAGE, lambda: layers.Conv2D(2, 3), "kernel", (-4, -3, -2), (-4, -3, -1)),
        (IMAGE, lambda: layers.Conv2DTranspose(3, 3), "kernel", (-4, -3, -1), (-4, -3, -2)),
        (IMAGE, lambda: layers.DepthwiseConv2D(3), "kernel", (-4, -3), (-4, -3, -1)),
        (SEQUENCE, lambda: layers.SeparableConv1D(2, 3), "depthwise_kernel", (-3,), (-3, -1)),
        (SEQUENCE, lambda: layers.SeparableConv1D(2, 3), "pointwise_kernel", (-3, -2), (-3, -1)),
        ((4, 3), lambda: layers.EinsumDense("abc,cde->abde", (None, 2, 5)), "kernel", (-3,), (-2, -1)),
        ((4, 3), lambda: layers.EinsumDense("abc,bcd->ad", (2,)), "kernel", (-3, -2), (-1,)),
        ((3,), lambda: layers.Dense(2), "bias", (), (-1,)),
    ],
)
def test_axes_of_the_weights_into_a_unit_and_out_of_an_input(shape, layer, weight, unit, feature):
    found = {w.path.rpartition("/")[2]: (w.per_unit, w.per_input) for w in select(_model(shape, layer())).weights}
    assert found[weight] == (unit, feature)


def test_unbuilt_and_weightless_models_are_errors():
    with pytest.raises(ValueError, match=r"is not built.*model.build"):
        describe(keras.Sequential([layers.Dense(2)]))
    with pytest.raises(ValueError, match="no trainable weights"):
        describe(_model((3,), layers.Dropout(0.5)))


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


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("attention_bias", (4, 4), "bias"),
        ("qkvBias", (4, 4), "bias"),
        ("biases", (3, 4), "bias"),
        ("relative_position_bias_table", (9, 4), "bias"),
        ("layer_scale_gamma", (3, 4), "gain"),
        ("scale", (1, 4), "gain"),
        ("kernel_scale", (3, 4), "gain"),
        ("unbiased_scale", (3, 4), "gain"),
        ("gain_2", (3, 4), "gain"),
        ("beta", (3, 4), "offset"),
        ("query_offsets", (3, 4), "offset"),
        ("scale_kernel", (3, 4), "kernel"),
        ("upscale_matrix", (3, 4), "kernel"),
        ("multiscale", (3, 4), "kernel"),
        ("mixing", (3, 4), "kernel"),
        ("mixing", (1, 4), None),
        ("cls_token", (1, 1, 4), None),
        ("positions", (1, 9, 4), "kernel"),
        ("position_embedding", (1, 9, 4), "embedding"),
        ("sigma", (4,), None),
    ],
)
def test_words_in_the_names_of_own_weights(name, shape, expected):
    """As the variable's name, and as that of the attribute that holds it, alone or in a list."""
    for variable, held in ((name, "w"), ("v", name), ("v", [name])):
        layer = Own()
        weight = layer.add_weight(shape=shape, name=variable)
        setattr(layer, held if isinstance(held, str) else held[0], weight if isinstance(held, str) else [weight])
        assert kind_of(layer, weight) == expected
        words = describe_kind(layer, weight)
        assert words.startswith(expected or "Own") or "axes" in words or words == "normalization offset"


class Own(layers.Layer):
    """A layer of the user's own."""


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
