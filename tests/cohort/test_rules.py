"""The contract of the rules: a rule gives what calling the layer once per member gives, forwards and backwards."""

import sys
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops, tree

import shrinkage as sh
from shrinkage._cohort._apply import apply, bind_arguments
from shrinkage._cohort._rules._embedding import embedding
from shrinkage._cohort._rules._registry import _RULES, find_rule
from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import MemberTensor, unroll
from shrinkage._model._table_normalization import TableNormalization
from tests.cohort import test_convolution, test_recurrent
from tests.versions import KERAS

F, S, BATCH = 2, 2, 4
# float64: a different order of the same sums.
TOLERANCE = 1e-9

attention = partial(layers.MultiHeadAttention, 2, 3)
grouped = partial(layers.GroupQueryAttention, 3, 4, 2)
# What attention has from Keras 3.14 on.
GATE, WINDOW = ({}, {}) if KERAS < (3, 14) else ({"use_gate": True}, {"sliding_window": 2})

# name: (how to make the layer, shape of one row of each input, which inputs have a mask, call arguments)
CASES: dict[str, tuple[Any, list[tuple[int, ...]], tuple[int, ...], dict[str, Any]]] = {
    "einsum": (partial(layers.EinsumDense, "abc,cd->abd", (3, 5), bias_axes="d", activation="relu"), [(3, 4)], (), {}),
    "einsum heads": (partial(layers.EinsumDense, "abc,cde->abde", (None, 2, 3), bias_axes="d"), [(3, 4)], (), {}),
    "einsum per position": (partial(layers.EinsumDense, "abc,bcd->abd", (3, 2)), [(3, 4)], (), {}),
    "einsum moved": (partial(layers.EinsumDense, "abc,cd->adb", (2, 3), activation="softmax"), [(3, 4)], (), {}),
    "einsum dots left": (partial(layers.EinsumDense, "...x,xy->...y", 5, bias_axes="y"), [(2, 3, 4)], (), {}),
    "einsum dots right": (partial(layers.EinsumDense, "ab...,bc->ac...", (5,)), [(4, 3)], (), {}),
    "embedding": (partial(layers.Embedding, 7, 3), [(5,)], (), {}),
    "embedding of one": (partial(layers.Embedding, 7, 3), [()], (), {}),
    "embedding masks": (partial(layers.Embedding, 7, 3, mask_zero=True), [(5,)], (), {}),
    "attention": (attention, [(5, 4), (6, 3)], (), {}),
    "attention of key": (partial(attention, value_dim=4, output_shape=5), [(5, 4), (6, 3), (6, 2)], (), {}),
    "attention no bias": (partial(attention, use_bias=False, **GATE), [(5, 4), (6, 3)], (), {}),
    "attention over long": (attention, [(17, 4), (16, 3)], (), {}),
    "attention causal": (attention, [(5, 4), (5, 3)], (), {"use_causal_mask": True}),
    "attention window": (partial(attention, **WINDOW), [(5, 4), (5, 3)], (), {"use_causal_mask": True}),
    "attention scores": (attention, [(5, 4), (5, 3)], (0,), {"return_attention_scores": True}),
    "attention masked": (attention, [(5, 4), (6, 3)], (0, 1), {}),
    "attention masked, dropout": (partial(attention, dropout=0.4), [(5, 4), (6, 3)], (0, 1), {}),
    "attention dropout scores": (
        partial(attention, dropout=0.4), [(5, 4), (5, 3)], (),
        {"use_causal_mask": True, "return_attention_scores": True},
    ),
    "attention mask": (attention, [(5, 4), (6, 3)], (1,), {"attention_mask": (5, 6)}),
    "attention over images": (partial(attention, attention_axes=(2,)), [(2, 5, 4), (2, 6, 3)], (), {}),
    "attention over all": (partial(attention, attention_axes=(1, 2), dropout=0.2), [(2, 3, 4), (2, 2, 3)], (), {}),
    "grouped attention": (grouped, [(5, 4), (6, 4)], (), {}),
    "grouped masked": (partial(grouped, use_bias=False, **GATE), [(5, 4), (6, 4)], (0, 1), {}),
    "grouped dropout": (
        partial(grouped, dropout=0.4), [(5, 4), (5, 4)], (), {"use_causal_mask": True, "return_attention_scores": True}
    ),
    "grouped mask": (grouped, [(5, 4), (6, 4)], (), {"attention_mask": (5, 6), "return_attention_scores": True}),
    "batch masked": (layers.BatchNormalization, [(5, 3)], (0,), {}),
    "batch": (partial(layers.BatchNormalization, axis=1), [(5, 3)], (), {}),
    "layer": (partial(layers.LayerNormalization, axis=[1, 2]), [(5, 3)], (), {}),
    "rms": (layers.RMSNormalization, [(5, 3)], (), {}),
    "rms axes": (partial(layers.RMSNormalization, axis=[2, 1]), [(5, 3)], (), {}),
    "group": (partial(layers.GroupNormalization, 2), [(3, 3, 4)], (), {}),
    "group first": (partial(layers.GroupNormalization, 2, axis=1, scale=False), [(4, 3)], (), {}),
    "group each": (partial(layers.GroupNormalization, -1, axis=-2, center=False), [(3, 4, 2)], (), {}),
    "group of table": (partial(layers.GroupNormalization, 2), [(6,)], (), {}),
    "normalization": (partial(layers.Normalization, mean=1.5, variance=0.5), [(3, 2)], (), {}),
    "normalization undone": (partial(layers.Normalization, mean=1, variance=3, invert=True), [(3, 2)], (), {}),
    "table normalization": (TableNormalization, [(3,)], (), {}),
    "prelu": (layers.PReLU, [(3, 2)], (0,), {}),
    "prelu shared": (partial(layers.PReLU, shared_axes=[1]), [(3, 2)], (), {}),
    "dropout": (partial(layers.Dropout, 0.4), [(6,)], (), {}),
    "dropout shape": (partial(layers.Dropout, 0.4, noise_shape=(None, 1, 6)), [(3, 6)], (0,), {}),
    "spatial 1": (partial(layers.SpatialDropout1D, 0.4), [(3, 6)], (), {}),
    "spatial 2": (partial(layers.SpatialDropout2D, 0.4), [(3, 3, 6)], (), {}),
    "spatial 3": (partial(layers.SpatialDropout3D, 0.4), [(2, 2, 3, 6)], (), {}),
    "gaussian dropout": (partial(layers.GaussianDropout, 0.4), [(6,)], (), {}),
    "gaussian noise": (partial(layers.GaussianNoise, 0.4), [(6,)], (), {}),
    "alpha dropout": (partial(layers.AlphaDropout, 0.4), [(6,)], (), {}),
}  # fmt: skip
DAILY = [
    "einsum heads", "einsum dots left", "embedding masks", "attention no bias", "attention masked, dropout",
    "grouped masked",
    "batch masked", "rms", "group", "normalization", "table normalization", "prelu shared",
    "gaussian noise", "alpha dropout",
]  # fmt: skip


@pytest.mark.filterwarnings(
    "ignore:.*was passed an input with a mask:UserWarning"
)  # Keras' own: masks go to inner layers
@pytest.mark.parametrize("name", [n if n in DAILY else pytest.param(n, marks=pytest.mark.full) for n in CASES])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "each"])
def test_rule_equals_calling_the_layer_per_member(name, shared, float64):
    make, shapes, masked, options = CASES[name]
    layer, generator = make(), np.random.default_rng(0)
    inputs = [members(layer, shape, i in masked, shared, generator) for i, shape in enumerate(shapes)]
    options = {key: mask(value, generator) if isinstance(value, tuple) else value for key, value in options.items()}
    layer(*(x.value[0, 0] for x in inputs))  # builds it
    values = [several(variable, generator) for variable in layer.variables]
    rule = find_rule(layer)
    assert rule is not None

    def by_rule(state, training):
        arguments = bind_arguments(rule, layer, inputs, options)
        assert arguments is not None
        return apply(rule, layer, arguments, state, training)

    def by_unrolling(state, training):
        return unroll(layer, state, inputs, options, training)

    for training in (False, True):
        mine, plain = (results(run, layer, inputs, values, training) for run in (by_rule, by_unrolling))
        assert [part is None for part in mine] == [part is None for part in plain]
        for part, expected in zip(mine, plain, strict=True):
            if expected is not None:
                np.testing.assert_allclose(np.broadcast_to(part, expected.shape), expected, atol=TOLERANCE)
        assert np.ptp(plain[0]) > 0


@pytest.mark.filterwarnings("ignore:.*was passed an input with a mask:UserWarning")
@pytest.mark.skipif(KERAS < (3, 14), reason="calls of layers in float32 give wrong sums with TensorFlow 2.18")
@pytest.mark.parametrize("name", [n for n in CASES if not n.startswith("embedding")])
def test_a_rule_takes_inputs_of_a_higher_precision(name):
    """The sum of a tensor and a constant of NumPy is in float64: Keras casts most inputs, and some values of layers."""
    make, shapes, masked, options = CASES[name]
    layer, generator = make(), np.random.default_rng(0)
    inputs = [members(layer, shape, i in masked, False, generator) for i, shape in enumerate(shapes)]
    options = {key: mask(value, generator) if isinstance(value, tuple) else value for key, value in options.items()}
    layer(*(x.value[0, 0] for x in inputs))  # builds it
    values = [ops.cast(several(v, generator), v.dtype) for v in layer.variables]
    rule, arguments = find_rule(layer), None
    assert rule is not None and (arguments := bind_arguments(rule, layer, inputs, options)) is not None
    mine = tree.flatten(apply(rule, layer, arguments, State(list(layer.variables), values), True))
    plain = tree.flatten(unroll(layer, State(list(layer.variables), values), inputs, options, True))
    assert inputs[0].value.dtype == tf.float64 and plain[0].value.dtype == tf.float32
    for part, expected in zip(mine, plain, strict=True):
        assert part.value.dtype == expected.value.dtype
        spread = np.broadcast_to(part.value, expected.value.shape)
        np.testing.assert_allclose(spread, expected.value, atol=1e-4)  # float32, in another order


def members(
    layer: Any, shape: tuple[int, ...], masked: bool, shared: bool, generator: np.random.Generator
) -> MemberTensor:
    shape = (F, 1 if shared else S, BATCH, *shape)
    tokens = isinstance(layer, layers.Embedding)
    x = generator.integers(0, 7, shape) if tokens else generator.normal(size=shape) * 2 + 1
    return MemberTensor(
        ops.convert_to_tensor(x), ops.convert_to_tensor(generator.random(shape[:4]) < 0.6) if masked else None
    )


def mask(shape: tuple[int, ...], generator: np.random.Generator) -> MemberTensor:
    return MemberTensor(ops.convert_to_tensor(generator.random((F, 1, BATCH, *shape)) < 0.7))


def several(variable: Any, generator: np.random.Generator) -> Any:
    """Values of a variable for all members, or for each fold those of a seed generator."""
    if "float" not in variable.dtype:
        return ops.convert_to_tensor(generator.integers(0, 1000, (F, 1, *variable.shape)), variable.dtype)
    noise = 0.5 + generator.random((F, S, *variable.shape))  # positive, as a variance is
    return ops.convert_to_tensor(noise if not variable.trainable else noise - 1.0)


def results(run: Any, layer: Any, inputs: list[MemberTensor], values: list[Any], training: bool) -> list[Any]:
    """Outputs, their masks, gradients in the inputs and weights, and new values of what is not trained."""
    with tf.GradientTape() as tape:
        watched = [x for x in (*(i.value for i in inputs), *values) if x.dtype.is_floating]
        tape.watch(watched)
        state = State(list(layer.variables), values)
        found = tree.flatten(run(state, training))
        total = sum(ops.sum(ops.sin(leaf.value + 1.0) * (i + 1)) for i, leaf in enumerate(found))
    gradients = tape.gradient(total, watched)
    assert any(g is not None and np.abs(g).max() > 1e-3 for g in gradients)
    updates = [state[v] for v in layer.variables if not v.trainable]
    # Of two outputs, attention and its scores, Keras leaves what it masked the scores with on the second, by accident.
    return [*(leaf.value for leaf in found), found[0].mask, *map(dense, gradients), *updates]


def dense(gradient: Any) -> Any:
    return None if gradient is None else tf.convert_to_tensor(gradient)


def test_a_token_outside_the_table_finds_no_other_members_row():
    """Keras counts negative tokens from the end; XLA takes the nearest row for one that is too large."""
    layer, x = layers.Embedding(7, 3, dtype="float64"), MemberTensor(ops.convert_to_tensor([[[-1, 9, -20]]]))
    layer.build()
    table = np.random.default_rng(0).normal(size=(F, S, 7, 3))
    found = apply(embedding, layer, {"inputs": x}, State(layer.variables, [ops.convert_to_tensor(table)]), False)
    np.testing.assert_array_equal(found.value, table[:, :, [6, 6, 0]])


def test_embedding_in_mixed_precision():
    """The lookup and its gradient's sum are in float32, what comes out in bfloat16."""
    layer, generator = layers.Embedding(7, 3, dtype="mixed_bfloat16"), np.random.default_rng(0)
    layer.build()
    x = members(layer, (5,), False, True, generator)
    values = [ops.cast(several(layer.embeddings, generator), "float32")]

    def by_rule(state, training):
        return apply(embedding, layer, {"inputs": x}, state, training)

    mine = results(by_rule, layer, [x], values, True)
    plain = results(lambda state, training: unroll(layer, state, (x,), {}, training), layer, [x], values, True)
    assert mine[0].dtype == plain[0].dtype == tf.bfloat16
    np.testing.assert_array_equal(ops.cast(mine[0], "float32"), ops.cast(plain[0], "float32"))
    assert mine[-1].dtype == tf.float32
    np.testing.assert_allclose(mine[-1], plain[-1], rtol=1e-5)  # sums of a few numbers in another order


def test_every_rule_has_a_row():
    makes = [make for make, *_ in CASES.values()] + [row.values[1] for row in test_convolution.cases()]
    tested = {type(make()) for make in [*makes, *test_recurrent.LAYERS.values()]}
    tested |= {layers.Dense, layers.TimeDistributed}  # in the zoo
    packaged = {layer for layer in _RULES if layer.__module__.startswith(("keras.", "shrinkage."))}
    # A doctest in the same process makes a layer that its module does not have.
    packaged = {layer for layer in packaged if hasattr(sys.modules[layer.__module__], layer.__name__)}
    assert {layers.Conv2D, TableNormalization} <= packaged <= tested


class Gain(layers.Layer):
    """A user's own layer."""

    def build(self, input_shape):
        self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, x, power=1):
        return x * self.gain**power


@pytest.fixture
def own_rules(monkeypatch):
    """The registry as it is, for the length of a test."""
    monkeypatch.setattr("shrinkage._cohort._rules._registry._RULES", dict(_RULES))


def fitted() -> sh.Path:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, "tanh"), Gain(), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    x = np.random.default_rng(0).normal(size=(24, 3))
    return sh.fit(model, x, x[:, 0] + x[:, 1] ** 2, penalty=sh.L2(), lams=[0.1], epochs=2, cv=2, batch_size=6)


def test_a_user_can_write_a_rule(own_rules):
    called = []

    @sh.rule(Gain)
    def gain(layer, state, x, training):
        called.append(training)
        return x * state[layer.gain][:, :, None]

    path = fitted()
    assert set(called) == {True, False}
    assert path.plan["unrolled"] == ()
    assert not any("agree" in note for note in path.notes)


def test_a_wrong_rule_is_found_and_not_used(own_rules):
    """It mixes up the strengths: what it computes has the right shape."""

    @sh.rule(Gain)
    def gain(layer, state, x, training):
        return x * state[layer.gain][:, ::-1, None]

    path = fitted()
    assert len(path.plan["unrolled"]) == 1  # the model as a whole
    assert any("did not agree with the model itself" in note for note in path.notes)


def test_a_wrong_rule_for_a_layer_of_keras_is_found_after_a_fit_without_it(own_rules):
    """Later fits share the steps of layers of Keras, and a rule changes the steps."""
    assert find_rule(layers.UnitNormalization()) is None

    def fit() -> sh.Path:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), layers.UnitNormalization(), layers.Dense(1)])
        model.compile("sgd", "mse")
        x = np.random.default_rng(0).normal(size=(24, 3))
        return sh.fit(model, x, x[:, 0], penalty=sh.L2(), lams=[0.1], epochs=2, cv=2, batch_size=6)

    before = fit()

    @sh.rule(layers.UnitNormalization)
    def unchanged(layer, state, x, training):
        return x

    path = fit()
    assert any("did not agree with the model itself" in note for note in path.notes)
    np.testing.assert_allclose(path.cv_loss, before.cv_loss, rtol=1e-5)  # float32


def test_a_rule_is_for_the_options_it_covers(own_rules):
    @sh.rule(Gain, covers=lambda layer: layer.name != "other")
    def gain(layer, state, x, training):
        return x * state[layer.gain][:, :, None]

    assert find_rule(Gain()) is gain
    assert find_rule(Gain(name="other")) is None
    assert find_rule(Gain(activity_regularizer="l2")) is None
    assert bind_arguments(gain, Gain(), (MemberTensor(ops.ones((1, 1, 2, 3))),), {"power": 2}) is None  # not listed


def test_a_rule_that_cannot_be_called_is_refused(own_rules):
    def right(layer, state, x, training):
        return x

    for no_layer in (Gain(), "Gain", np.ndarray):
        with pytest.raises(TypeError, match="`layer_type` must be a class derived from keras.layers.Layer. Received"):
            sh.rule(no_layer)(right)  # pyright: ignore[reportArgumentType]
    for wrong in (lambda layer, x: x, lambda layer, state, x, training, mask=None: x, lambda *arguments: arguments[2]):
        with pytest.raises(TypeError, match=r"must take \(layer, state, x, training\), and by name .* \(power\)"):
            sh.rule(Gain)(wrong)
    sh.rule(Gain)(right)
    sh.rule(Gain)(right)  # a notebook's cell, run again
    with pytest.raises(ValueError, match="`layer_type` must be a class without a rule. Received: Gain, whose rule is"):
        sh.rule(Gain)(lambda layer, state, x, training, power=1: x)
    with pytest.raises(ValueError, match="Received: Dense, whose rule is"):
        sh.rule(layers.Dense)(right)
