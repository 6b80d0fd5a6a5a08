"""The contract of the rules for windows: convolutions and pooling give what calling the layer per member gives."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from shrinkage._cohort._forward import _run, run_mode
from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import MemberTensor, unroll

F, S, BATCH = 2, 3, 2
# With channels first no output is as wide as it has channels: there Keras' `ops.add` takes the bias for the width's.
SPATIAL = {1: (9,), 2: (7, 10), 3: (5, 6, 4)}
KERNEL = {1: 3, 2: (3, 2), 3: (2, 3, 2)}

# Each with channels of 4. An option that a kind of layer has not is left out below.
CONVOLUTION: dict[str, dict[str, Any]] = {
    "valid": {},
    "same": {"padding": "same"},
    "strided": {"strides": 2},
    "strided_same": {"strides": 2, "padding": "same"},
    "long_strides": {"strides": 4},
    "long_strides_same": {"strides": 4, "padding": "same"},
    "dilated": {"dilation_rate": 2},
    "dilated_same": {"dilation_rate": 2, "padding": "same"},
    "activated": {"activation": "softmax"},
    "no_bias": {"use_bias": False},
    "channels_first": {"data_format": "channels_first"},
    "channels_first_strided_same": {"data_format": "channels_first", "strides": 2, "padding": "same"},
}
GROUPED: dict[str, dict[str, Any]] = {
    "grouped": {"groups": 2},
    "grouped_by_channel": {"groups": 4},
    "grouped_strided": {"groups": 2, "strides": 2, "padding": "same"},
}
MULTIPLIED: dict[str, dict[str, Any]] = {"multiplied": {"depth_multiplier": 2}}
CAUSAL: dict[str, dict[str, Any]] = {
    "causal": {"padding": "causal"},
    "causal_dilated": {"padding": "causal", "dilation_rate": 2},
    "causal_strided": {"padding": "causal", "strides": 2},
}
FILLED: dict[str, dict[str, Any]] = {"filled": {"strides": 3, "output_padding": 1, "padding": "same"}}
POOLING: dict[str, dict[str, Any]] = {
    "valid": {},
    "same": {"padding": "same"},
    "overlapping": {"strides": 1},
    "overlapping_same": {"strides": 1, "padding": "same"},
    "apart": {"strides": 3},
    "channels_first": {"data_format": "channels_first", "padding": "same"},
}
DAILY = {"same", "strided_same", "dilated", "channels_first", "grouped", "multiplied", "filled", "overlapping_same"}


def outputs_and_gradients(run: Any, layer: Any, values: list[Any], x: Any) -> list[Any]:
    """Return the outputs, and the gradients of a sum of them with unequal weights by the input and the variables."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([x, *values])
        y = run(layer, State(layer.variables, values), x)
        total = ops.sum(y * np.random.default_rng(1).integers(-3, 4, y.shape).astype("float32"))
    return [y, *tape.gradient(total, [x, *values])]


def by_rule(layer: Any, state: State, x: Any) -> Any:
    return _run(layer, state, True)(MemberTensor(x)).value


def called(layer: Any, state: State, x: Any) -> Any:
    return unroll(layer, state, (x,), {}, True)


def plain_outputs_and_gradients(*arguments: Any) -> list[Any]:
    try:
        return outputs_and_gradients(called, *arguments)
    except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError):
        # On a CPU without oneDNN, TensorFlow runs some layers only where XLA compiles them.
        return tf.function(outputs_and_gradients, jit_compile=True)(called, *arguments)


def cases():
    for n, kernel in KERNEL.items():
        table = {
            f"Conv{n}D": (dict(filters=8, kernel_size=kernel), CONVOLUTION | GROUPED | (CAUSAL if n == 1 else {})),
            f"Conv{n}DTranspose": (dict(filters=3, kernel_size=kernel), CONVOLUTION | FILLED),
        }
        if n < 3:
            table[f"DepthwiseConv{n}D"] = (dict(kernel_size=kernel), CONVOLUTION | MULTIPLIED)
            table[f"SeparableConv{n}D"] = (dict(filters=3, kernel_size=kernel), CONVOLUTION | MULTIPLIED)
        for kind in ("MaxPooling", "AveragePooling"):
            table[f"{kind}{n}D"] = (dict(pool_size=2), POOLING)
        for name, (common, options) in table.items():
            for option, changes in options.items():
                daily = n == 2 and option in DAILY or option == "causal_dilated"
                marks = () if daily else pytest.mark.full
                yield pytest.param(
                    n, partial(getattr(layers, name), **common | changes), id=f"{name}-{option}", marks=marks
                )


@pytest.mark.parametrize("shared", [False, True], ids=["own_inputs", "shared_inputs"])
@pytest.mark.parametrize(("n", "make"), list(cases()))
def test_rule_equals_calling_the_layer_per_member(n, make, shared):
    layer = make()
    shape = (4, *SPATIAL[n]) if layer.data_format == "channels_first" else (*SPATIAL[n], 4)
    generator = np.random.default_rng(0)
    # Whole numbers: sums are exact, and windows have several largest values, of which the first has the gradient (in 3D
    # TensorFlow gives it to all of them unless XLA compiles it: there no two are equal). In float32, because TensorFlow
    # has not all of these layers on a CPU in float64.
    x = generator.integers(-3, 4, (F, 1 if shared else S, BATCH, *shape))
    if isinstance(layer, layers.MaxPooling3D):
        x = generator.permutation(x.size).reshape(x.shape)
    x = ops.convert_to_tensor(x.astype("float32"))
    layer.build((BATCH, *shape))
    values = [
        ops.convert_to_tensor(generator.integers(-2, 3, (F, S, *v.shape)).astype("float32")) for v in layer.variables
    ]
    assert run_mode(layer) == "rule"
    assert run_mode(layer, xla=False) == ("merge" if "Pooling" in type(layer).__name__ else "unroll")
    found = outputs_and_gradients(by_rule, layer, values, x), plain_outputs_and_gradients(layer, values, x)
    for fast, plain in zip(*(map(np.array, each) for each in found), strict=True):
        assert np.ptp(plain) > 0
        np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-5 * np.abs(plain).max())  # averages are rounded


def test_an_adapted_layer_is_unrolled():
    layer = layers.Conv2D(3, 2)
    layer.build((None, 4, 4, 2))
    assert run_mode(layer) == "rule"
    layer.enable_lora(2)
    assert run_mode(layer) == "unroll"


@pytest.mark.parametrize("shared", [False, True], ids=["own_inputs", "shared_inputs"])
@pytest.mark.parametrize("make", [lambda: layers.Conv2D(3, 2), lambda: layers.SeparableConv2D(3, 2)])
def test_members_do_not_touch_each_other(make, shared):
    """A member whose weights are not finite leaves the outputs and gradients of the others as they are without it."""
    layer, generator = make(), np.random.default_rng(0)
    layer.build((BATCH, 5, 5, 2))
    x = ops.convert_to_tensor(generator.normal(size=(F, 1 if shared else S, BATCH, 5, 5, 2)).astype("float32"))
    values = [generator.normal(size=(F, S, *v.shape)).astype("float32") for v in layer.variables]
    wild = [value.copy() for value in values]
    for value in wild:
        value[0, 1] = np.nan

    @partial(tf.function, jit_compile=True, autograph=False)
    def compiled(*values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            y = _run(layer, State(layer.variables, list(values)), True)(MemberTensor(x)).value
            total = ops.sum(y * y)
        return [y, *tape.gradient(total, values)]

    for mine, others in zip(compiled(*map(tf.constant, wild)), compiled(*map(tf.constant, values)), strict=True):
        assert np.isnan(mine[0, 1]).all()
        for f, s in ((0, 0), (0, 2), (1, 0), (1, 1), (1, 2)):
            np.testing.assert_array_equal(mine[f, s], others[f, s])
