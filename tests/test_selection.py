"""Which weights are penalised: every kind of Keras layer, nested and shared ones, a user's own, and the errors."""

import keras
import pytest
from keras import layers

from shrinkage._selection import Selection, describe, select

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


@pytest.mark.parametrize("on", ["kernel", None, ["kernels"]])
def test_an_unknown_rule_is_an_error(on):
    with pytest.raises(ValueError, match='on must be "kernels", "all" or a function'):
        select(_model((3,), layers.Dense(2)), on=on)


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
