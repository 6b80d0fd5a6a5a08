"""The contract of the recurrent rules: whatever the options, they give what calling the layer once per member gives."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops, tree

from shrinkage._cohort._forward import _run, run_mode
from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import MemberTensor, unroll

F, S, BATCH, TIMES, WIDTH, UNITS = 2, 3, 4, 3, 2, 3


def stacked(**options) -> keras.Layer:
    drops = {name: options.pop(name) for name in ("dropout", "recurrent_dropout") if name in options}
    return layers.RNN([layers.GRUCell(2, **drops), layers.LSTMCell(3, **drops), layers.SimpleRNNCell(UNITS)], **options)


def wrapped(layer_type: type, merge_mode: str | None = "concat"):
    return lambda **options: layers.Bidirectional(layer_type(UNITS, **options), merge_mode=merge_mode)


LAYERS = {
    "simple": lambda **options: layers.SimpleRNN(UNITS, **options),
    "lstm": lambda **options: layers.LSTM(UNITS, **options),
    "gru": lambda **options: layers.GRU(UNITS, **options),
    "gru, reset before": lambda **options: layers.GRU(UNITS, reset_after=False, **options),
    "gates apart": lambda **options: layers.LSTM(UNITS, implementation=1, use_cudnn=False, **options),
    "cell": lambda use_bias=True, **options: layers.RNN(layers.GRUCell(UNITS, use_bias=use_bias), **options),
    "bidirectional": wrapped(layers.GRU),
    "bidirectional sum": wrapped(layers.LSTM, "sum"),
    "bidirectional ave": wrapped(layers.SimpleRNN, "ave"),
    "bidirectional mul": wrapped(layers.GRU, "mul"),
    "bidirectional apart": wrapped(layers.LSTM, None),
    "stacked": stacked,
}
OPTIONS = {
    "plain": {},
    "sequences": {"return_sequences": True},
    "states": {"return_state": True},
    "sequences and states": {"return_sequences": True, "return_state": True},
    "zeros for what is masked": {"return_sequences": True, "zero_output_for_mask": True},
    "last is zero if masked": {"zero_output_for_mask": True},
    "backwards": {"go_backwards": True, "return_sequences": True},
    "no bias": {"use_bias": False},
    "activations": {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
    "unrolled in time": {"unroll": True, "return_sequences": True},
    "backwards in time, zeros": {
        "unroll": True, "go_backwards": True, "return_sequences": True, "zero_output_for_mask": True,
    },
    "backwards in time, last is zero": {"unroll": True, "go_backwards": True, "zero_output_for_mask": True},
    "dropout": {"dropout": 0.4},
    "recurrent dropout": {"recurrent_dropout": 0.4, "return_sequences": True},
    "both dropouts": {"dropout": 0.3, "recurrent_dropout": 0.4},
}  # fmt: skip
DAILY = {
    ("simple", "both dropouts"), ("gates apart", "no bias"), ("lstm", "zeros for what is masked"),
    ("lstm", "recurrent dropout"), ("gru", "sequences and states"), ("gru", "dropout"),
    ("gru, reset before", "both dropouts"), ("stacked", "backwards"),
    ("bidirectional", "sequences"), ("bidirectional apart", "states"),
}  # fmt: skip


def cases():
    for name in LAYERS:
        for option, arguments in OPTIONS.items():
            unknown = {
                "simple": {"recurrent_activation"},
                "bidirectional ave": {"recurrent_activation"},
                "cell": {"dropout", "recurrent_dropout", "activation"},
                "stacked": {"use_bias", "activation", "return_state"},
            }.get(name, set())
            if name.startswith("bidirectional"):
                unknown = unknown | {"go_backwards"}  # which Keras sets itself
            if not unknown & set(arguments):
                for masked, strengths in itertools.product((True, False), (1, S)):
                    # Daily what is hardest: a mask, and an input that all strengths share.
                    daily = (name, option) in DAILY and (masked, strengths) == (True, 1)
                    label = f"{name}: {option}, {'masked' if masked else 'whole'}, {strengths}"
                    yield pytest.param(
                        name, option, masked, strengths, id=label, marks=() if daily else pytest.mark.full
                    )


def drawn(shape: tuple[int, ...], seed: int = 0):
    return ops.convert_to_tensor(np.random.default_rng(seed).normal(size=shape))


def values_of(layer: keras.Layer) -> list:
    """Return a value for every member, (F, S, ...), of the layer's weights, and a seed for every fold, (F, 1, 2)."""
    weights = [drawn((F, S, *v.shape), seed) if v.trainable else None for seed, v in enumerate(layer.variables)]
    seeds = ops.convert_to_tensor(np.array([[[5, 0]], [[6, 0]]], "uint32"))
    return [seeds if weight is None else weight for weight in weights]


def outcome(run, layer: keras.Layer, values: list, arguments: list) -> tuple[list, list, State]:
    """Return the outputs, and the gradients of a weighted sum of them for the weights and for the arguments."""
    weights = [value for value in values if value.dtype.is_floating]
    state = State(list(layer.variables), values)
    with tf.GradientTape() as tape:
        tape.watch([*weights, *arguments])
        leaves = [leaf.value for leaf in tree.flatten(run(state))]
        total = sum(ops.sum(leaf * drawn(tuple(leaf.shape), k)) for k, leaf in enumerate(leaves))
    return leaves, tape.gradient(total, [*weights, *arguments]), state


def assert_rule_equals_unrolling(layer, x, *, mask=None, initial_state=None, training=True) -> list:
    """Compare both ways; return the outputs."""
    assert run_mode(layer) == "rule"
    values = values_of(layer)
    kwargs = {} if initial_state is None else {"initial_state": [MemberTensor(value) for value in initial_state]}
    ways = [
        outcome(run, layer, values, [x, *(initial_state or [])])
        for run in (
            lambda state: _run(layer, state, training)(MemberTensor(x, mask), **kwargs),
            lambda state: unroll(layer, state, (MemberTensor(x, mask),), kwargs, training),
        )
    ]
    (mine, my_gradients, my_state), (plain, gradients, state) = ways
    for one, other in zip([*mine, *my_gradients], [*plain, *gradients], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)  # rounding of float64
        assert one.shape == other.shape
        assert np.ptp(other) > 0
    for variable in layer.variables if training else ():  # nothing is drawn otherwise
        np.testing.assert_array_equal(np.broadcast_to(my_state[variable], state[variable].shape), state[variable])
    return mine


def built(layer: keras.Layer) -> keras.Layer:
    layer(np.zeros((1, TIMES, WIDTH)))
    return layer


def some_mask(strengths: int):
    mask = np.random.default_rng(3).random((F, strengths, BATCH, TIMES)) > 0.4
    mask[:, :, 0], mask[:, :, 1] = False, True
    return ops.convert_to_tensor(mask)


@pytest.mark.parametrize(("name", "option", "masked", "strengths"), list(cases()))
def test_rule_equals_calling_the_layer_per_member(name, option, masked, strengths, float64):
    layer = built(LAYERS[name](**OPTIONS[option]))
    x = drawn((F, strengths, BATCH, TIMES, WIDTH), 7)
    assert_rule_equals_unrolling(layer, x, mask=some_mask(strengths) if masked else None)


@pytest.mark.parametrize("name", ["lstm", "gru", "bidirectional sum", "bidirectional"])
def test_initial_state_equals_calling_the_layer_per_member(name, float64):
    layer = built(LAYERS[name](return_sequences=True, return_state=True))
    count = {"lstm": 2, "gru": 1, "bidirectional sum": 4, "bidirectional": 2}[name]
    start = [drawn((F, S, BATCH, UNITS), seed) for seed in range(count)]
    assert_rule_equals_unrolling(layer, drawn((F, 1, BATCH, TIMES, WIDTH)), initial_state=start)


def test_dropout_is_the_same_for_all_strengths_and_off_in_evaluation(float64):
    layer = built(layers.GRU(UNITS, dropout=0.4, recurrent_dropout=0.4))
    x = drawn((F, 1, BATCH, TIMES, WIDTH))
    equal = [ops.repeat(value[:, :1], S, axis=1) if value.dtype.is_floating else value for value in values_of(layer)]
    trained, evaluated = (_run(layer, State(layer.variables, equal), on)(MemberTensor(x)).value for on in (True, False))
    np.testing.assert_array_equal(trained[:, 0], trained[:, 2])
    assert not np.allclose(trained, evaluated)
    assert_rule_equals_unrolling(layer, x, training=False)


@pytest.mark.parametrize(
    "layer",
    [
        layers.GRU(2, stateful=True),
        layers.LSTM(2, activation=lambda x: x - ops.mean(x)),
        layers.LSTM(2, recurrent_activation=lambda x: ops.sigmoid(x)),
        layers.GRU(2, activity_regularizer="l2"),
        layers.RNN([layers.GRUCell(2), layers.GRUCell(2)], return_state=True),
        layers.RNN(layers.GRUCell(2, activity_regularizer="l2")),
        layers.Bidirectional(layers.GRU(2, activity_regularizer="l2")),
        layers.TimeDistributed(layers.LSTM(2)),
        layers.TimeDistributed(layers.Dense(2, activation=lambda x: x - ops.mean(x))),
    ],
)
def test_what_no_rule_covers_is_unrolled(layer):
    assert run_mode(layer) == "unroll"


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "make",
    [lambda: layers.Dense(3, "relu"), lambda: layers.LayerNormalization(), lambda: layers.Dropout(0.5)],
    ids=["Dense", "LayerNormalization", "Dropout"],
)
def test_time_distributed_equals_calling_the_layer_per_member(make, training, float64):
    layer = built(layers.TimeDistributed(make()))
    if not layer.trainable_variables and not training:
        pytest.skip("nothing happens")
    assert_rule_equals_unrolling(layer, drawn((F, S, BATCH, TIMES, WIDTH)), mask=some_mask(1), training=training)


def test_time_distributed_row_wise_layer_is_merged():
    layer = layers.TimeDistributed(layers.Flatten())
    assert run_mode(layer) == "merge"
    x = MemberTensor(drawn((F, S, BATCH, TIMES, 2, 2)))
    merged, unrolled = _run(layer, State([], []), True)(x), unroll(layer, State([], []), (x,), {}, True)
    np.testing.assert_array_equal(merged.value, unrolled.value)


@pytest.mark.parametrize("masked", [False, True])
def test_xla_differentiates_the_loop_over_time(masked, monkeypatch, float64):
    """Long series are a loop of TensorFlow's, whose gradient XLA compiles only if it knows the loop's length."""
    monkeypatch.setattr("shrinkage._cohort._rules._recurrent._MAX_UNROLLED_STEPS", 0)
    layer, x = built(layers.GRU(UNITS)), drawn((F, 1, BATCH, TIMES, WIDTH))
    values, mask = values_of(layer), some_mask(1) if masked else None

    def gradients(run):
        return outcome(lambda state: run(state, MemberTensor(x, mask)), layer, values, [x])[1]

    compiled = tf.function(lambda: gradients(lambda state, x: _run(layer, state, True)(x)), jit_compile=True)
    plain = gradients(lambda state, x: unroll(layer, state, (x,), {}, True))
    for one, other in zip(compiled(), plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)  # rounding of float64
        assert np.ptp(other) > 0
