"""The contract of bare operations: on all members at once they give what they give for each member alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from shrinkage._cohort import _operations
from shrinkage._cohort._forward import _run, iterate_operations, run_mode
from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import MemberTensor, unroll
from tests.versions import KERAS

F, S, BATCH = 2, 2, 4
WIDTH = F * S * BATCH
UNARY = """
    absolute arccosh arcsinh arctan ceil celu cos cosh elu erf exp expm1 floor gelu hard_shrink hard_sigmoid hard_silu
    hard_tanh isfinite isinf isnan leaky_relu log log10 log1p log2 log_sigmoid logical_not negative ones_like reciprocal
    relu relu6 round rsqrt selu sigmoid sign silu sin sinh soft_shrink softplus softsign sparse_plus sparse_sigmoid sqrt
    square squareplus stop_gradient tan tanh tanh_shrink zeros_like
""".split()  # called on numbers above 1
BELOW_ONE = ["arccos", "arcsin", "arctanh"]
BINARY = """
    add arctan2 divide divide_no_nan equal floor_divide greater greater_equal less less_equal logaddexp logical_and
    logical_or logical_xor maximum minimum mod multiply not_equal power subtract true_divide
""".split()
REDUCTIONS = ["max", "mean", "min", "prod", "std", "sum", "var", "logsumexp"]
constant = np.arange(3.0) + 1.5
LAST = -1 if KERAS >= (3, 14) else 2  # TensorFlow 2.18 aborts at a negative axis of a permutation

CASES = {
    # name: a function of x (batch, 2, 3), u (batch, 3) and v (batch, 2, 1), of which `u` is shared by all strengths
    **{name: lambda x, u, v, name=name: getattr(ops, name)(x) for name in UNARY},
    **{name: lambda x, u, v, name=name: getattr(ops, name)(1 / x) for name in BELOW_ONE},
    **{name: lambda x, u, v, name=name: getattr(ops, name)(x, v) for name in BINARY},
    "clip": lambda x, u, v: ops.clip(x, 1.5, 2.0),
    "threshold": lambda x, u, v: ops.threshold(x, 1.5, 0.0),
    "cast": lambda x, u, v: ops.cast(x, "float32"),
    "where": lambda x, u, v: ops.where(x > 2, x, v),
    "number": lambda x, u, v: 2.0 * x + 1,
    "array": lambda x, u, v: x * constant,
    "array from the left": lambda x, u, v: ops.subtract(constant, x),
    "array of more axes": lambda x, u, v: ops.sum(x, axis=1) + np.ones((2, 1, 1)),
    "array as long as there are strengths": lambda x, u, v: ops.expand_dims(x, 1) + np.array([[1.0], [2.0]]),
    "array over an axis of as many": lambda x, u, v: x + np.array([[1.0], [2.0]]),
    "array that Keras takes for a bias": lambda x, u, v: ops.stack([x, x], axis=2) + np.array([[1.0], [2.0]]),
    "tensors of other ranks": lambda x, u, v: x + ops.reshape(u, (-1, 1, 3)) - ops.mean(x),
    **{
        f"{name} {axis}": lambda x, u, v, name=name, axis=axis: getattr(ops, name)(x, axis=axis)
        for name in REDUCTIONS
        for axis in (None, 0, 1, -1, (0, 2))
    },
    "mean kept": lambda x, u, v: x - ops.mean(x, axis=0, keepdims=True),
    "all": lambda x, u, v: ops.all(x > 1.2, axis=(1, 2)),
    "any": lambda x, u, v: ops.any(x > 2.5, axis=-1),
    "argmax": lambda x, u, v: ops.argmax(x, axis=1),
    "argmin": lambda x, u, v: ops.argmin(x, axis=-1),
    "concatenate": lambda x, u, v: ops.concatenate([x, ops.expand_dims(u, 1)], axis=1),
    "concatenate last": lambda x, u, v: ops.concatenate([x, v], axis=-1),
    "stack": lambda x, u, v: ops.stack([u, ops.sum(x, axis=1)], axis=1),
    "stack last": lambda x, u, v: ops.stack([v, v], axis=-1),
    "expand_dims": lambda x, u, v: ops.expand_dims(x, (1, -1)),
    "squeeze": lambda x, u, v: ops.squeeze(v, 2),
    "flip": lambda x, u, v: ops.flip(x, (1, -1)),
    "cumsum": lambda x, u, v: ops.cumsum(x, axis=1),
    "cumprod": lambda x, u, v: ops.cumprod(x, axis=-1),
    "sort": lambda x, u, v: ops.sort(x, axis=-1),
    "softmax": lambda x, u, v: ops.softmax(x),
    "softmax over rows": lambda x, u, v: ops.softmax(x, axis=0),
    "log_softmax": lambda x, u, v: ops.log_softmax(x, axis=1),
    "normalize": lambda x, u, v: ops.normalize(x, axis=-1),
    "reshape": lambda x, u, v: ops.reshape(x, (-1, 6)),
    "transpose": lambda x, u, v: ops.transpose(x, (0, 2, 1)),
    "transpose back": lambda x, u, v: ops.transpose(ops.transpose(x), (LAST, 1, 0)),
    "matmul": lambda x, u, v: ops.matmul(ops.transpose(x, (0, 2, 1)), v),
    "matmul by an array": lambda x, u, v: x @ np.arange(12.0).reshape(3, 4),
    "item": lambda x, u, v: x[:, 0],
    "items": lambda x, u, v: x[..., None, 1:],
}
UNROLLED = {
    "take": lambda x, u, v: ops.take(x, 0, axis=1),
    "roll": lambda x, u, v: ops.roll(x, 1, axis=1),
    "squeeze all": lambda x, u, v: ops.squeeze(v),
    "einsum": lambda x, u, v: ops.einsum("bij,bj->bi", x, u),
}


def graph(function) -> keras.Model:
    inputs = [keras.Input(shape, dtype="float64") for shape in ((2, 3), (3,), (2, 1))]
    for unused in inputs:
        ops.negative(unused)  # Keras 3.13 asks that something uses each input
    return keras.Model(inputs, function(*inputs))


def values() -> list[MemberTensor]:
    generator = np.random.default_rng(0)
    shapes = [(F, S, BATCH, 2, 3), (F, 1, BATCH, 3), (F, S, BATCH, 2, 1)]
    return [MemberTensor(ops.convert_to_tensor(generator.uniform(1.05, 3, shape))) for shape in shapes]


def gradients(run, x: list[MemberTensor]):
    """The output of `run` and its gradients, where it has some."""
    with tf.GradientTape() as tape:
        tape.watch([part.value for part in x])
        y = run()
        total = ops.sum(ops.sin(ops.cast(y.value, "float64")))
    return [y.value, *tape.gradient(total, [part.value for part in x])]


DAILY = [
    "gelu", "subtract", "where", "number", "array as long as there are strengths", "array that Keras takes for a bias",
    "tensors of other ranks", "mean (0, 2)", "var None", "concatenate", "softmax over rows", "reshape",
    "transpose back", "matmul", "items",
]  # fmt: skip


@pytest.mark.parametrize("name", [n if n in DAILY else pytest.param(n, marks=pytest.mark.full) for n in CASES])
def test_operation_equals_calling_it_per_member(name):
    model, x = graph(CASES[name]), values()
    assert {run_mode(node) for node in iterate_operations(model)} <= {"operation"}
    together = gradients(lambda: run(model, x), x)
    alone = gradients(lambda: unroll(model, State([], []), (x,), {}, False), x)
    for mine, plain in zip(together, alone, strict=True):
        assert (mine is None) == (plain is None)
        if mine is not None:
            assert mine.dtype == plain.dtype
            np.testing.assert_allclose(*np.broadcast_arrays(mine, plain), rtol=1e-9)  # the order of sums


@pytest.mark.parametrize("merged", [layers.Add, layers.Average])
@pytest.mark.parametrize("shape", [(WIDTH,), (3, WIDTH)])
def test_one_column_is_no_bias(merged, shape):
    """Folded members are as many rows as the first input has columns here."""
    inputs = [keras.Input(each, dtype="float64") for each in (shape, (1,))]
    model = keras.Model(inputs, merged(dtype="float64")(inputs))
    generator = np.random.default_rng(0)
    x, column = (generator.normal(size=(F, S, BATCH, *each)) for each in (shape, (1,)))
    found = run(model, [MemberTensor(ops.convert_to_tensor(each)) for each in (x, column)])
    total = x + column.reshape(F, S, BATCH, *[1] * len(shape))
    np.testing.assert_allclose(found.value, total / (2 if merged is layers.Average else 1), rtol=1e-12)


def run(model: keras.Model, x: list[MemberTensor]) -> MemberTensor:
    return _run(model, State([], []), False)(x)


@pytest.mark.parametrize("name", UNROLLED)
def test_other_operations_are_unrolled(name):
    model, x = graph(UNROLLED[name]), values()
    np.testing.assert_allclose(run(model, x).value, unroll(model, State([], []), (x,), {}, False).value, rtol=1e-9)


def test_every_operation_is_tested():
    tested = {type(node).__name__ for function in CASES.values() for node in iterate_operations(graph(function))}
    assert (
        tested
        == _operations._ELEMENTWISE
        | _operations._REDUCTIONS
        | _operations._AXIS_OPERATIONS
        | _operations._OTHER_OPERATIONS
    )


def test_an_operation_of_the_users_own_is_unrolled():
    class Add(keras.Operation):
        def call(self, x):
            return x + ops.mean(x)

        def compute_output_spec(self, x):
            return keras.KerasTensor(x.shape, dtype=x.dtype)

    assert run_mode(Add()) == "unroll"


@pytest.mark.full
def test_all_operations_have_a_gradient_under_xla():
    """A model of rules and operations alone is compiled by XLA."""
    x = values()
    for name, function in CASES.items():
        model = graph(function)
        compiled = tf.function(lambda: gradients(lambda: run(model, x), x)[0], jit_compile=True, autograph=False)  # noqa: B023
        plain = gradients(lambda: run(model, x), x)[0]  # noqa: B023
        np.testing.assert_allclose(compiled(), plain, rtol=1e-6, err_msg=name)
