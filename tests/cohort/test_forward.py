"""The contract of the walk: each way of running a layer gives what calling it once per member gives."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops, tree

from shrinkage._cohort._forward import _ROW_WISE, _run, forward, iterate_operations, run_mode
from shrinkage._cohort._rules._registry import find_rule
from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import MemberTensor, unroll
from shrinkage._model._objective import Objective, OutputLoss
from shrinkage._plan._rules_check import agrees
from tests.versions import KERAS
from tests.zoo import MODELS
from tests.zoo.tables import mixes_rows, mlp

F, S, BATCH = 2, 3, 4

ROW_WISE = {
    # layer: shape of one row of its input, or of its inputs
    layers.Masking: (layers.Masking, [(3, 2)]),
    layers.Activation: (lambda: layers.Activation("softmax"), [(5,)]),
    layers.ReLU: (lambda: layers.ReLU(negative_slope=0.1), [(5,)]),
    layers.LeakyReLU: (layers.LeakyReLU, [(5,)]),
    layers.ELU: (layers.ELU, [(5,)]),
    layers.Softmax: (layers.Softmax, [(3, 5)]),
    layers.Identity: (layers.Identity, [(5,)]),
    layers.Flatten: (layers.Flatten, [(2, 3)]),
    layers.Reshape: (lambda: layers.Reshape((3, 2)), [(6,)]),
    layers.Permute: (lambda: layers.Permute((2, 1)), [(2, 3)]),
    layers.RepeatVector: (lambda: layers.RepeatVector(2), [(3,)]),
    layers.Rescaling: (lambda: layers.Rescaling(2.0, offset=1.0), [(3,)]),
    layers.Masking: (layers.Masking, [(3, 5)]),
    layers.UnitNormalization: (layers.UnitNormalization, [(5,)]),
    layers.Attention: (layers.Attention, [(3, 5), (4, 5)]),
    layers.AdditiveAttention: (lambda: layers.AdditiveAttention(use_scale=False), [(3, 5), (4, 5)]),
    layers.CenterCrop: (lambda: layers.CenterCrop(2, 3), [(4, 4, 2)]),
    layers.Discretization: (lambda: layers.Discretization([-1.0, 0.5]), [(5,)]),
    layers.CategoryEncoding: (lambda: layers.CategoryEncoding(3, "multi_hot"), [(5,)]),
    layers.Add: (layers.Add, [(3,), (3,)]),
    layers.Subtract: (layers.Subtract, [(3,), (3,)]),
    layers.Multiply: (layers.Multiply, [(3,), (3,)]),
    layers.Average: (layers.Average, [(3,), (3,)]),
    layers.Maximum: (layers.Maximum, [(3,), (3,)]),
    layers.Minimum: (layers.Minimum, [(3,), (3,)]),
    layers.Concatenate: (layers.Concatenate, [(3,), (2,)]),
    layers.Dot: (lambda: layers.Dot(axes=1), [(3,), (3,)]),
    **{
        getattr(layers, f"{kind}{n}D"): (make, [(*[4] * n, 2)])
        for n in (1, 2, 3)
        for kind, options in (
            ("MaxPooling", {"pool_size": 2}),
            ("AveragePooling", {"pool_size": 2}),
            ("GlobalMaxPooling", {}),
            ("GlobalAveragePooling", {}),
            ("ZeroPadding", {}),
            ("Cropping", {}),
            ("UpSampling", {}),
        )
        for make in [partial(getattr(layers, f"{kind}{n}D"), **options)]
    },
}


def members(shape: tuple[int, ...], strengths: int = S) -> MemberTensor:
    return MemberTensor(
        ops.convert_to_tensor(np.random.default_rng(len(shape)).normal(size=(F, strengths, BATCH, *shape)))
    )


def test_every_row_wise_layer_has_a_row():
    assert set(ROW_WISE) == _ROW_WISE


@pytest.mark.parametrize("layer_type", ROW_WISE, ids=lambda layer_type: layer_type.__name__)
def test_merge_equals_calling_the_layer_per_member(layer_type):
    make, shapes = ROW_WISE[layer_type]
    layer = make()
    # The first input is shared by all strengths, as the model's own input is.
    inputs = [members(shape, 1 if i == 0 and len(shapes) > 1 else S) for i, shape in enumerate(shapes)]
    if layer_type is layers.CategoryEncoding:
        inputs = [MemberTensor(ops.cast(ops.abs(inputs[0].value) % 3, "int32"))]
    argument = inputs if len(inputs) > 1 else inputs[0]
    # Compiled by XLA, pooling has a rule, which tests/cohort/test_convolution.py compares.
    assert run_mode(layer, xla=False) == "merge"
    merged = _run(layer, State([], [], xla=False), True)(argument)
    unrolled = unroll(layer, State([], []), (argument,), {}, True)
    assert merged.value.shape[:2] == (F, S)
    # The order of a sum depends on the number of rows: outputs near zero differ by more than their last digit.
    np.testing.assert_allclose(merged.value, unrolled.value, rtol=1e-6, atol=1e-6 * np.abs(unrolled.value).max())
    assert np.ptp(merged.value) > 0


ACTIVATIONS = [
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu",
    "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink",
    "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "tanh",
    "tanh_shrink",
]  # fmt: skip
MANY_AXES = (2, 1, 2, 3)


def test_every_activation_has_a_row():
    # "glu" halves the last axis, "threshold" has arguments, and the last two are other names of "silu" and "hard_silu".
    no_rows = {"get", "serialize", "deserialize", "glu", "threshold", "swish", "hard_swish"}
    public = {name for name in dir(keras.activations) if callable(getattr(keras.activations, name)) and name[0] != "_"}
    assert public - no_rows == set(ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("make", [layers.Activation, partial(layers.Dense, 3)], ids=["Activation", "Dense"])
def test_an_activation_takes_inputs_of_many_axes(make, name):
    """With the member axes there are seven axes, and the kernel of softmax in TensorFlow supports five."""
    layer = make(activation=name)
    layer.build((None, *MANY_AXES))
    values = [np.random.default_rng(0).normal(size=(F, S, *v.shape)).astype("float32") for v in layer.variables]
    variables = list(layer.variables)

    def run(call):
        x = members(MANY_AXES)
        with tf.GradientTape() as tape:
            tape.watch(x.value)
            found = call(x, State(variables, [ops.convert_to_tensor(value) for value in values], xla=False))
            total = ops.sum(ops.sin(found.value + 1.0))
        return found.value, tape.gradient(total, x.value)

    found = run(lambda x, state: _run(layer, state, True)(x))
    expected = run(lambda x, state: unroll(layer, state, (x,), {}, True))
    assert run_mode(layer, xla=False) != "unroll"
    for value, expectation in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, expectation, rtol=1e-5, atol=1e-6)  # float32, sums in another order
        assert np.ptp(value) > 0


def test_masks_go_through_merges_and_rules():
    """A masked sequence: Embedding makes the mask, Dropout and Activation carry it, GlobalAveragePooling1D uses it."""
    model = keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(7, 4, mask_zero=True),
            layers.Dropout(0.1),
            layers.Activation("tanh"),
            layers.Dense(3),
            layers.GlobalAveragePooling1D(),
        ]
    )
    tokens = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 1]])
    state = State(model.variables, [np.repeat(np.array(v)[None, None], 2, axis=1) for v in model.variables])
    found = forward(model, state, ops.convert_to_tensor(tokens)[None, None], False)
    np.testing.assert_allclose(found[0, 1], model(tokens), rtol=1e-5)
    assert not np.allclose(
        found[0, 1, 0], ops.mean(model.layers[3](model.layers[2](model.layers[0](tokens))), axis=1)[0]
    )


@pytest.mark.parametrize(
    "layer",
    [
        layers.RandomFlip(), layers.RandomRotation(0.2), layers.RandomZoom(0.2), layers.RandomTranslation(0.2, 0.2),
        layers.RandomContrast(0.2), layers.RandomBrightness(0.2), layers.RandomCrop(3, 3),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_augmentation_is_drawn_once_per_fold(layer):
    """Whether it is called once for all strengths or for each: the same images come out the same."""
    image = np.random.default_rng(0).uniform(0, 255, (1, 1, BATCH, 4, 4, 3)).astype("float32")
    layer(image[0, 0])
    seeds = [generator.state for generator in layer._seed_generators]
    found = []
    for strengths in (1, S):
        x = np.broadcast_to(image, (F, strengths, *image.shape[2:]))
        drawn = [ops.convert_to_tensor([[[5, 0]], [[6, 0]]], seed.dtype) for seed in seeds]
        found.append(
            ops.convert_to_numpy(_run(layer, State(seeds, drawn), True)(MemberTensor(ops.convert_to_tensor(x))).value)
        )
    once, each = found
    assert once.shape[1] == 1
    np.testing.assert_array_equal(each, np.broadcast_to(once, each.shape))
    assert not np.allclose(once[0], once[1])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Dense(2), "rule"),
        (layers.Dense(2, activation="gelu"), "rule"),
        (layers.Dense(2, activation=lambda x: x - keras.ops.mean(x)), "unroll"),  # a user's function may mix rows
        (layers.Dense(2, activity_regularizer="l2"), "unroll"),  # its losses are per member
        (layers.Activation(lambda x: x / keras.ops.max(x)), "unroll"),
        (layers.Attention(dropout=0.1), "unroll"),  # every strength would have numbers of its own
        (layers.UpSampling2D(interpolation="bicubic"), "unroll"),  # XLA has no bicubic resizing
        (layers.Lambda(lambda x: x), "unroll"),
        (layers.Conv1D(2, 2), "rule"),
        (layers.Conv2D(2, 2, activation=lambda x: x - keras.ops.mean(x)), "unroll"),
        (layers.MaxPooling2D(), "rule"),
        *([] if KERAS < (3, 14) else [(layers.BatchNormalization(renorm=True), "unroll")]),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_way_of_a_layer(layer, expected):
    assert run_mode(layer) == expected


def test_a_subclass_of_a_known_layer_is_unrolled():
    class Doubled(layers.Dense):
        def call(self, inputs, training=None):
            return 2 * super().call(inputs)

    assert find_rule(Doubled(2)) is None
    assert run_mode(Doubled(2)) == "unroll"


def test_nodes_look_into_nested_models():
    kinds = [type(node).__name__ for node in iterate_operations(MODELS["nested"][0]())]
    assert kinds == ["Dense", "Dropout", "Dense"]


def test_the_check_before_training_finds_a_layer_that_mixes_rows(monkeypatch):
    """A mixing layer on the list of row-wise ones is what the check is there for."""
    model, generator = mixes_rows(), np.random.default_rng(0)
    x, y = generator.normal(size=(2, 8, 6)).astype("float32"), generator.integers(0, 3, (2, 8))
    loss = Objective((OutputLoss(0, keras.losses.SparseCategoricalCrossentropy(), 1.0, by_rows=True),))
    assert agrees(model, loss, x, y, [])
    monkeypatch.setattr("shrinkage._cohort._forward._ROW_WISE", _ROW_WISE | {layers.Lambda})
    assert not agrees(model, loss, x, y, [])
    assert agrees(mlp(), loss, x, y, [])


def test_unrolled_outputs_keep_their_structure():
    class Pair(layers.Layer):
        def call(self, inputs):
            return {"sum": ops.sum(inputs, axis=-1), "same": inputs}

    found = unroll(Pair(), State([], []), (members((3,)),), {}, None)
    assert set(found) == {"sum", "same"}
    assert tree.map_structure(lambda leaf: tuple(leaf.value.shape), found) == {
        "sum": (F, S, BATCH),
        "same": (F, S, BATCH, 3),
    }
