"""The one file that knows TensorFlow: its tape, its functions and XLA."""

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
from shrinkage._cohort._unroll import member_of
from shrinkage._cohort._update import Update
from shrinkage._host._tensorflow import allow_tracing
from shrinkage._model._objective import Objective

Run = Callable[[State, Any, bool], Any]
"""How a forward pass is made: (state, x, training) -> predictions; `x` and the predictions may be trees."""


_TRACE_LOCK = Lock()


@dataclass(frozen=True)
class ForwardPass:
    """A forward pass, and whether XLA compiles what it is part of."""

    run: Run
    xla: bool


def loss_and_gradients(
    run: Run, network: keras.Model, objective: Objective, state: State, x: Any, y: Any, weight: Any
) -> tuple[Any, list[Any]]:
    """Return all members' training losses (f, s) on one batch, and the gradients (f, s, ...) of the trainable weights.

    A member's loss is its own mean over the batch plus what the model adds itself (`add_loss`, activity regularizers,
    regularizers on weights that are not penalised here); the members' sum has each member's gradient.
    """
    trainable = list(network.trainable_variables)
    values = [state[variable] for variable in trainable]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        predictions = run(state, x, True)
        shares = objective.rows(y, predictions, weight)
        counts = ops.cast(weight, shares.dtype)[:, None]
        member_loss = ops.mean(tf.math.multiply_no_nan(shares, counts), axis=-1)  # 0 for an infinite loss at weight 0
        # As in Keras, at the values that the call may have assigned.
        for extra in [*state.losses, *_regularizers(trainable, [state[variable] for variable in trainable])]:
            member_loss = member_loss + ops.cast(extra, member_loss.dtype)
        total = ops.sum(member_loss)
    gradients = tape.gradient(total, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return member_loss, [tf.convert_to_tensor(gradient) for gradient in gradients]


def _regularizers(variables: list[Any], values: list[Any]) -> list[Any]:
    """Return the losses (f, s) of the regularizers that the model's own weights carry."""
    losses = []
    for variable, value in zip(variables, values, strict=True):
        if variable.regularizer is not None:
            f, s = value.shape[:2]
            members = [variable.regularizer(member_of(value, i, j)) for i in range(f) for j in range(s)]
            losses.append(ops.reshape(ops.stack(members), (f, s)))
    return losses


class Engine:
    """The compiled steps of all strengths of one fold: pure functions of the members' values.

    The members are a list of tensors: the values of the network's variables, (1, s, ...) with s = 1 where the strengths
    share one, then the optimizer's. Nothing is kept here, so folds can run side by side through one compiled step.

    Args:
        network: The template's network; its variables name the values, and it is never changed.
        training: The forward pass of training.
        evaluation: That of evaluation.
        objective: What is minimised beside the penalty.
        update: What steps the weights of `network.trainable_variables`.
        seeds: The states of the network's seed generators; they are drawn anew for each step, and not kept.
        is_shared: For each of `network.variables`, whether all strengths share its value.
        strengths: S.
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
        self._stored = [v for v in network.variables if not any(v is seed for seed in seeds)]
        shared_by_id = {id(v): flag for v, flag in zip(network.variables, is_shared, strict=True)}
        self._shapes = [(1, 1 if shared_by_id[id(v)] else strengths, *v.shape) for v in self._stored]
        places = {id(v): i for i, v in enumerate(self._stored)}
        self._trainable = [places[id(v)] for v in network.trainable_variables]
        self.train = tf.function(_trace_alone(self._train), jit_compile=training.xla, autograph=False)
        self.evaluate = tf.function(_trace_alone(self._evaluate), jit_compile=evaluation.xla, autograph=False)
        self.compiled: set[tuple[int, ...]] = set()
        """Sizes of the data that the steps have been compiled for."""
        for function in (self.train, self.evaluate):  # each is traced once, but TensorFlow counts over all engines
            allow_tracing(function)

    def initial_members(self, values: Sequence[np.ndarray], origins: Sequence[np.ndarray] | None = None) -> list[Any]:
        """Return members that begin with these values of the network's variables, each (s, ...).

        Args:
            values: One for each variable.
            origins: What the penalty draws the trainable ones towards, each (1, ...); None if that is 0.
        """
        by_variable = {id(v): value for v, value in zip(self._network.variables, values, strict=True)}
        kept = [
            np.broadcast_to(by_variable[id(v)], shape[1:]) for v, shape in zip(self._stored, self._shapes, strict=True)
        ]
        kept = [tf.constant(value[None], v.dtype) for v, value in zip(self._stored, kept, strict=True)]
        drawn = None if origins is None else [tf.constant(origin[None]) for origin in origins]
        return [*kept, *self._update.initial_slots([kept[i] for i in self._trainable], drawn)]

    def values(self, members: Sequence[Any], s: int, others: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the values of strength `s` for each of the network's variables, of `others` for seed generators."""
        pairs = zip(self._stored, self._final_values(members), strict=True)
        kept = {id(v): ops.convert_to_numpy(member_of(value, 0, s)) for v, value in pairs}
        return [kept.get(id(v), other) for v, other in zip(self._network.variables, others, strict=True)]

    @property
    def traces(self) -> int:
        """How many times the steps have been traced."""
        return self.train.experimental_get_tracing_count() + self.evaluate.experimental_get_tracing_count()

    def _train(
        self, members: list[Any], x: Any, y: Any, weight: Any, rows: Any, seeds: Any, lam: Any, steps: Any
    ) -> tuple[list[Any], Any]:
        """Take `steps` steps; return the members, and which of their losses stopped being finite, (s,).

        Args:
            members: As `initial_members` gives them.
            x, y, weight: All rows; `x` and `y` may be trees.
            rows: The rows of each batch, (at least steps, batch).
            seeds: First numbers of the random layers' seeds, (generators,).
            lam: Strengths, (s,).
            steps: How many of `rows` to use; 0 compiles and changes nothing.
        """

        def step(t: Any, diverged: Any, members: list[Any]) -> tuple[Any, Any, list[Any]]:
            batch = _rows(x, rows[t], 2), _rows(y, rows[t], 1), _rows(weight, rows[t], 1)
            # A generator counts up its second number by one a call: steps lie far apart.
            drawn = tf.stack([seeds, tf.fill(tf.shape(seeds), tf.cast(t, seeds.dtype) * 4096)], axis=-1)
            members, member_loss = self._step(members, *batch, drawn, lam[None])
            # Found on the loss, not on gradients: XLA's relu hides NaN from these.
            return t + 1, tf.logical_or(diverged, tf.logical_not(tf.math.is_finite(member_loss[0]))), members

        start = tf.constant(0), tf.zeros(self._strengths, tf.bool), list(members)
        _, diverged, members = tf.while_loop(lambda t, *_: t < steps, step, start, parallel_iterations=1)
        return members, diverged

    def _step(self, members: list[Any], x: Any, y: Any, weight: Any, seeds: Any, lam: Any) -> tuple[list[Any], Any]:
        state = self._state(members, self.training.xla, seeds)
        member_loss, gradients = loss_and_gradients(
            self.training.run, self._network, self._objective, state, x, y, weight
        )
        trainable = list(self._network.trainable_variables)
        weights, slots = [state[v] for v in trainable], members[len(self._stored) :]
        weights, slots = self._update(weights, slots, gradients, lam)
        for variable, value in zip(trainable, weights, strict=True):
            state[variable] = value
        return [*(state[v] for v in self._stored), *slots], ops.broadcast_to(member_loss, (1, self._strengths))

    def _final_values(self, members: Sequence[Any]) -> list[Any]:
        """Return the values of the network's variables as `Model.fit` would leave them if it ended now."""
        kept, slots = list(members[: len(self._stored)]), list(members[len(self._stored) :])
        weights = self._update.final_weights([kept[i] for i in self._trainable], slots)
        for i, value in zip(self._trainable, weights, strict=True):
            kept[i] = value
        return kept

    def _state(self, members: Sequence[Any], xla: bool, seeds: Any = None) -> State:
        """Return the members' values for one forward pass: a training step's, which draws from seeds (generators, 2),
        or one that scores the members as they would be if training ended now, and draws nothing.
        """
        kept = self._final_values(members) if seeds is None else members[: len(self._stored)]
        drawn = [
            ops.cast(seeds[i], v.dtype) if seeds is not None else ops.zeros(v.shape, v.dtype)
            for i, v in enumerate(self.seeds)
        ]
        return State([*self._stored, *self.seeds], [*kept, *(value[None, None] for value in drawn)], xla)

    def _evaluate(self, members: list[Any], x: Any, y: Any, weight: Any, rows: Any) -> tuple[Any, Any]:
        """Return all members' shares of the loss (s, b) and predictions (s, b, ...) on rows (b,)."""
        predictions = self.evaluation.run(self._state(members, self.evaluation.xla), _rows(x, rows, 2), False)
        shares = self._objective.rows(_rows(y, rows, 1), predictions, _rows(weight, rows, 1))
        return shares[0], keras.tree.map_structure(lambda value: value[0], predictions)


def _trace_alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """Trace a function while no other is traced: both call the same layers, which may keep something meanwhile.

    A recurrent layer, for one, keeps its dropout masks from the start of a call to its end. XLA compiles both side
    by side.
    """

    @wraps(function)  # profiles show its name
    def traced(*args: Any) -> Any:
        with _TRACE_LOCK:
            return function(*args)

    return traced


def _rows(values: Any, rows: Any, axes: int) -> Any:
    """Return rows of all arrays of a tree, with so many axes of one in front."""
    return keras.tree.map_structure(lambda value: tf.gather(value, rows)[(None,) * axes], values)


def tensors(arrays: Any) -> Any:
    """Return a tree of arrays as tensors, to be given to many steps."""
    return keras.tree.map_structure(tf.constant, arrays)


def threads() -> int:
    """Return how many threads one operation may use (part of what makes a run repeatable to the bit)."""
    return tf.config.threading.get_intra_op_parallelism_threads() or 0
