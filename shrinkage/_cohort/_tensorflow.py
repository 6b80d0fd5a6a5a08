"""Gradients and compiled steps: the only file of this package that imports TensorFlow."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from threading import Lock
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import get_member
from shrinkage._cohort._update import Update
from shrinkage._data._sparse import SparseRows
from shrinkage._host._tensorflow import allow_tracing
from shrinkage._model._objective import Objective

Run = Callable[[State, Any, bool], Any]
"""A forward pass (state, x, training) -> predictions; `x` and the predictions may be trees."""


_TRACE_LOCK = Lock()


@dataclass(frozen=True)
class ForwardPass:
    """A forward pass, and whether XLA compiles the step that contains it."""

    run: Run
    xla: bool


def compute_loss_and_gradients(
    run: Run, network: keras.Model, objective: Objective, state: State, x: Any, y: Any, weight: Any
) -> tuple[Any, list[Any]]:
    """Return all members' training losses (f, s) on a batch, and the gradients (f, s, ...) of the trainable weights.

    The loss of a member is the mean over the batch plus the model's extra losses (`add_loss`, activity regularizers,
    regularizers of weights that are not in the selection). Members are independent, so the gradient of the sum of their
    losses contains the gradient of each member.
    """
    trainable = list(network.trainable_variables)
    values = [state[variable] for variable in trainable]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        predictions = run(state, x, True)
        shares = objective.compute_row_losses(y, predictions, weight)
        counts = ops.cast(weight, shares.dtype)[:, None]
        member_loss = ops.mean(tf.math.multiply_no_nan(shares, counts), axis=-1)  # 0 for an infinite loss at weight 0
        # As in Keras, regularizers see the values that the call may have assigned to the weights.
        for extra in [*state.losses, *_compute_regularization(trainable, [state[variable] for variable in trainable])]:
            member_loss = member_loss + ops.cast(extra, member_loss.dtype)
        total = ops.sum(member_loss)
    gradients = tape.gradient(total, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return member_loss, [tf.convert_to_tensor(gradient) for gradient in gradients]


def _compute_regularization(variables: list[Any], values: list[Any]) -> list[Any]:
    """Return the losses (f, s) of the Keras regularizers attached to the variables."""
    losses = []
    for variable, value in zip(variables, values, strict=True):
        if variable.regularizer is not None:
            f, s = value.shape[:2]
            members = [variable.regularizer(get_member(value, i, j)) for i in range(f) for j in range(s)]
            losses.append(ops.reshape(ops.stack(members), (f, s)))
    return losses


class Engine:
    """The compiled steps of all strengths in a fold: pure functions of the members' values.

    Members are a list of tensors: first the values of the network's variables, (1, s, ...), with s = 1 where all
    strengths share a value; then the slots of `update`. The engine holds no values, so several folds can run the same
    compiled step in parallel.

    Args:
        network: The template's network. The variables identify the values, and the network is never changed.
        training: The forward pass for training.
        evaluation: The forward pass for evaluation.
        objective: The loss without the penalty.
        update: The optimizer step on `network.trainable_variables`, with the penalty.
        seeds: The state variables of the network's seed generators. They are set anew for each step, and not stored.
        is_shared: For each of `network.variables`, whether all strengths share the value.
        strengths: Number of strengths S.
    """

    def __init__(
        self,
        network: keras.Model,
        training: ForwardPass,
        evaluation: ForwardPass,
        *,
        objective: Objective,
        update: Update,
        seeds: Sequence[Any],
        is_shared: Sequence[bool],
        strengths: int,
    ):
        self._network, self._objective, self._update = network, objective, update
        self.training, self.evaluation = training, evaluation
        self.seeds, self._strengths = list(seeds), strengths
        self._stored_variables = [v for v in network.variables if not any(v is seed for seed in seeds)]
        shared_by_id = {id(v): flag for v, flag in zip(network.variables, is_shared, strict=True)}
        self._shapes = [(1, 1 if shared_by_id[id(v)] else strengths, *v.shape) for v in self._stored_variables]
        places = {id(v): i for i, v in enumerate(self._stored_variables)}
        self._trainable = [places[id(v)] for v in network.trainable_variables]
        self.train = tf.function(_trace_alone(self._train), jit_compile=training.xla, autograph=False)
        self.evaluate = tf.function(_trace_alone(self._evaluate), jit_compile=evaluation.xla, autograph=False)
        self.compiled: set[tuple[int, ...]] = set()
        """Data sizes for which the steps have been compiled."""
        for function in (
            self.train,
            self.evaluate,
        ):  # TensorFlow counts the traces of all engines together
            allow_tracing(function)

    def make_initial_members(
        self, values: Sequence[np.ndarray], origins: Sequence[np.ndarray] | None = None
    ) -> list[Any]:
        """Return the members at the start of training.

        Args:
            values: The initial value of each of the network's variables, each (s, ...) or (1, ...).
            origins: The values towards which the penalty draws the trainable variables, each (1, ...), or None for 0.
        """
        by_variable = {id(v): value for v, value in zip(self._network.variables, values, strict=True)}
        kept_values = [
            np.broadcast_to(by_variable[id(v)], shape[1:])
            for v, shape in zip(self._stored_variables, self._shapes, strict=True)
        ]
        kept_values = [
            tf.constant(value[None], v.dtype) for v, value in zip(self._stored_variables, kept_values, strict=True)
        ]
        drawn = None if origins is None else [tf.constant(origin[None]) for origin in origins]
        return [*kept_values, *self._update.make_initial_slots([kept_values[i] for i in self._trainable], drawn)]

    def get_values(self, members: Sequence[Any], s: int, others: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the values of the network's variables at strength `s`; seed generators take the values of `others`."""
        pairs = zip(self._stored_variables, self._get_final_values(members), strict=True)
        # A view of the members in NumPy takes a thirtieth of the time of slices in TensorFlow.
        value_by_id = {id(v): np.array(get_member(np.asarray(value), 0, s)) for v, value in pairs}
        return [value_by_id.get(id(v), other) for v, other in zip(self._network.variables, others, strict=True)]

    @property
    def traces(self) -> int:
        """Number of traces of the compiled steps."""
        return self.train.experimental_get_tracing_count() + self.evaluate.experimental_get_tracing_count()

    def _train(
        self, members: list[Any], x: Any, y: Any, weight: Any, rows: Any, seeds: Any, lam: Any, steps: Any
    ) -> tuple[list[Any], Any]:
        """Take `steps` steps; return the members, and which of their losses became NaN or infinite, (s,).

        Args:
            members: The members, as `initial_members` returns them.
            x, y, weight: Inputs, targets and sample weights of all rows; `x` and `y` may be trees.
            rows: Row indices of each batch, (at least `steps`, batch).
            seeds: The first number of each random layer's seed, (generators,).
            lam: Strengths, (s,).
            steps: Number of batches in `rows` to use; 0 only compiles.
        """

        def step(t: Any, diverged: Any, members: list[Any]) -> tuple[Any, Any, list[Any]]:
            batch = _take_rows(x, rows[t], 2), _take_rows(y, rows[t], 1), _take_rows(weight, rows[t], 1)
            # Each call of a generator adds 1 to the second number of the seed: steps are 4096 apart.
            drawn = tf.stack([seeds, tf.fill(tf.shape(seeds), tf.cast(t, seeds.dtype) * 4096)], axis=-1)
            members, member_loss = self._step(members, *batch, drawn, lam[None])
            # Test the loss and not the gradients: XLA's relu hides NaN from gradients.
            return t + 1, tf.logical_or(diverged, tf.logical_not(tf.math.is_finite(member_loss[0]))), members

        start = tf.constant(0), tf.zeros(self._strengths, tf.bool), list(members)
        _, diverged, members = tf.while_loop(lambda t, *_: t < steps, step, start, parallel_iterations=1)
        return members, diverged

    def _step(self, members: list[Any], x: Any, y: Any, weight: Any, seeds: Any, lam: Any) -> tuple[list[Any], Any]:
        state = self._make_state(members, self.training.xla, seeds)
        member_loss, gradients = compute_loss_and_gradients(
            self.training.run, self._network, self._objective, state, x, y, weight
        )
        trainable = list(self._network.trainable_variables)
        weights, slots = [state[v] for v in trainable], members[len(self._stored_variables) :]
        weights, slots = self._update(weights, slots, gradients, lam)
        for variable, value in zip(trainable, weights, strict=True):
            state[variable] = value
        return [*(state[v] for v in self._stored_variables), *slots], ops.broadcast_to(
            member_loss, (1, self._strengths)
        )

    def _get_final_values(self, members: Sequence[Any]) -> list[Any]:
        """Return the values of the stored variables as `Model.fit` would return them if training ended now."""
        kept_values, slots = list(members[: len(self._stored_variables)]), list(members[len(self._stored_variables) :])
        weights = self._update.get_final_weights([kept_values[i] for i in self._trainable], slots)
        for i, value in zip(self._trainable, weights, strict=True):
            kept_values[i] = value
        return kept_values

    def _make_state(self, members: Sequence[Any], xla: bool, seeds: Any = None) -> State:
        """Return the state of all members for a forward pass.

        Args:
            members: The members, as `initial_members` returns them.
            xla: Whether XLA compiles the forward pass.
            seeds: Seeds of the random layers for a training step, (generators, 2). None for evaluation, which draws
                nothing and uses the weights that `Model.fit` would return.
        """
        kept_values = self._get_final_values(members) if seeds is None else members[: len(self._stored_variables)]
        drawn = [
            ops.cast(seeds[i], v.dtype) if seeds is not None else ops.zeros(v.shape, v.dtype)
            for i, v in enumerate(self.seeds)
        ]
        return State(
            [*self._stored_variables, *self.seeds], [*kept_values, *(value[None, None] for value in drawn)], xla
        )

    def _evaluate(self, members: list[Any], x: Any, y: Any, weight: Any, rows: Any) -> tuple[Any, Any]:
        """Return the loss per row (s, b) and the predictions (s, b, ...) of all members on rows (b,)."""
        predictions = self.evaluation.run(self._make_state(members, self.evaluation.xla), _take_rows(x, rows, 2), False)
        shares = self._objective.compute_row_losses(_take_rows(y, rows, 1), predictions, _take_rows(weight, rows, 1))
        return shares[0], keras.tree.map_structure(lambda value: value[0], predictions)


def _trace_alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """Allow a single trace at a time, because a layer may store something during a call.

    For example, a recurrent layer stores dropout masks from the start of a call to the end. XLA still compiles several
    functions in parallel.
    """

    @wraps(function)  # profiles show the function's name
    def traced(*args: Any) -> Any:
        with _TRACE_LOCK:
            return function(*args)

    return traced


def _take_rows(values: Any, rows: Any, axes: int) -> Any:
    """Take rows of all arrays of a tree, and insert `axes` leading axes of size 1."""
    return keras.tree.map_structure(
        lambda value: (value.take(rows) if isinstance(value, SparseTensors) else tf.gather(value, rows))[
            (None,) * axes
        ],
        values,
    )


class SparseTensors(tf.experimental.ExtensionType):
    """Sparse rows in CSR format, of which a step takes dense batches."""

    starts: tf.Tensor  # place of the first value of each row, and the number of values, (n + 1,)
    columns: tf.Tensor  # column of each value
    values: tf.Tensor
    width: int

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """Return dense rows, (b, width).

        A loop adds a fixed number of values at a time, about as many as the rows have, because XLA has no shapes that
        depend on values.
        """
        n_rows, n_stored = rows.shape[0], self.starts.shape[0] - 1
        at_a_time = max(1, math.ceil(n_rows * self.values.shape[0] / n_stored))
        begin = tf.gather(self.starts, rows)
        ends = tf.cumsum(tf.gather(self.starts, rows + 1) - begin)
        shift = begin - tf.concat([[0], ends[:-1]], axis=0)

        def add(start: Any, dense: Any) -> tuple[Any, Any]:
            places = start + tf.range(at_a_time)
            counts = places < ends[-1]
            row = tf.where(counts, tf.searchsorted(ends, places, side="right"), 0)
            source = tf.where(counts, tf.gather(shift, row) + places, 0)
            values = tf.where(counts, tf.gather(self.values, source), 0)
            indices = tf.stack([row, tf.gather(self.columns, source)], axis=-1)
            return start + at_a_time, tf.tensor_scatter_nd_add(dense, indices, values)

        zeros = tf.zeros((n_rows, self.width), self.values.dtype)
        return tf.while_loop(lambda start, _: start < ends[-1], add, (tf.constant(0), zeros))[1]


def to_tensors(arrays: Any) -> Any:
    """Convert a tree of arrays to tensors."""
    return keras.tree.map_structure(_to_tensor, arrays)


def _to_tensor(array: Any) -> Any:
    if not isinstance(array, SparseRows):
        return tf.constant(_UncopiedArray(array))
    matrix = array.matrix
    values = matrix.data if matrix.nnz else np.zeros(1, array.dtype)  # a gather needs a value
    columns = matrix.indices if matrix.nnz else np.zeros(1, np.int32)
    starts = matrix.indptr.astype(np.int32)
    return SparseTensors(
        tf.constant(starts), tf.constant(columns.astype(np.int32)), tf.constant(values), array.shape[1]
    )


class _UncopiedArray:
    """An array that TensorFlow does not copy before it copies it to a tensor.

    `tf.constant` copies a NumPy array first, in case that the caller changes it later, and the copy outlives the call.
    The rows of a fit do not change.
    """

    def __init__(self, array: np.ndarray):
        self._array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._array, dtype)


def count_threads() -> int:
    """Return how many threads an operation may use; the last bit of a result depends on it."""
    chosen = tf.config.threading.get_intra_op_parallelism_threads()
    return chosen or int(os.environ.get("TF_NUM_INTRAOP_THREADS") or 0) or os.cpu_count() or 1


def get_devices() -> dict[str, Any]:
    """Return the version of TensorFlow and the devices that it uses."""
    found = [tf.config.experimental.get_device_details(each) for each in tf.config.list_physical_devices("GPU")]
    return {"TensorFlow": tf.__version__, "GPUs": [str(each.get("device_name")) for each in found]}


def get_memory_errors() -> tuple[type[Exception], ...]:
    """Return the errors that TensorFlow and Python raise if memory runs out."""
    return tf.errors.ResourceExhaustedError, MemoryError
