"""The one file that knows TensorFlow: its tape, its functions and XLA."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from shrinkage._cohort._optimizers import step_size
from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import member_of
from shrinkage._losses import row_losses
from shrinkage._penalties import Proximal
from shrinkage._template import fresh_optimizer

Run = Callable[[State, Any, bool], Any]
"""How a forward pass is made: (state, x, training) -> predictions."""


def loss_and_gradients(
    run: Run, network: keras.Model, loss: keras.losses.Loss, state: State, x: Any, y: Any, weight: Any
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
        member_loss = ops.mean(row_losses(loss, y, predictions) * ops.cast(weight, loss.dtype)[:, None], axis=-1)
        for extra in [*state.losses, *_regularizers(trainable, values)]:
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
        run: The forward pass.
        loss: A loss with a value per row.
        optimizer: An elementwise optimizer; its configuration is used, not its state.
        penalty: L2() or L1().
        how: Coupled() or Proximal().
        penalised: For each of `network.trainable_variables`, whether it is penalised.
        seeds: The states of the network's seed generators; they are drawn anew for each step, and not kept.
        shared: For each of `network.variables`, whether all strengths share its value.
        strengths: S.
        xla: Whether the steps are compiled by XLA.
    """

    def __init__(
        self,
        network: keras.Model,
        run: Run,
        *,
        loss: keras.losses.Loss,
        optimizer: Any,
        penalty: Any,
        how: Any,
        penalised: Sequence[bool],
        seeds: Sequence[Any],
        shared: Sequence[bool],
        strengths: int,
        xla: bool,
    ):
        self._network, self._run, self._loss = network, run, loss
        self._penalty, self._how, self._penalised = penalty, how, penalised
        self.seeds, self._strengths = list(seeds), strengths
        self._kept = [v for v in network.variables if not any(v is seed for seed in seeds)]
        is_shared = {id(v): one for v, one in zip(network.variables, shared, strict=True)}
        self._shapes = [(1, 1 if is_shared[id(v)] else strengths, *v.shape) for v in self._kept]
        # The optimizer needs variables of the stacked shapes to know them by; their values are never used.
        self._stacked = [
            keras.Variable(ops.zeros((1, strengths, *v.shape), v.dtype)) for v in network.trainable_variables
        ]
        self._optimizer = _stateless(optimizer)
        self._optimizer.build(self._stacked)
        self._slots = list(self._optimizer.variables)
        self.train = tf.function(self._train, jit_compile=xla, autograph=False)
        self.evaluate = tf.function(self._evaluate, jit_compile=xla, autograph=False)
        self.compiled: set[tuple[int, ...]] = set()
        """Sizes of the data that the steps have been compiled for."""
        for function in (self.train, self.evaluate):  # each is traced once, but TensorFlow counts over all engines
            function._omit_frequent_tracing_warning = True

    def first(self, values: Sequence[np.ndarray]) -> list[Any]:
        """Return members that begin with these values of the network's variables, each (s, ...)."""
        by_variable = {id(v): value for v, value in zip(self._network.variables, values, strict=True)}
        kept = [
            np.broadcast_to(by_variable[id(v)], shape[1:]) for v, shape in zip(self._kept, self._shapes, strict=True)
        ]
        slots = [tf.convert_to_tensor(slot.value) for slot in self._slots]
        return [*(tf.constant(value[None], v.dtype) for v, value in zip(self._kept, kept, strict=True)), *slots]

    def values(self, members: Sequence[Any], s: int, others: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the values of strength `s` for each of the network's variables, of `others` for seed generators."""
        pairs = zip(self._kept, members[: len(self._kept)], strict=True)
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
            members: As `first` gives them.
            x, y, weight: All rows.
            rows: The rows of each batch, (at least steps, batch).
            seeds: First numbers of the random layers' seeds, (generators,).
            lam: Strengths, (s,).
            steps: How many of `rows` to use; 0 compiles and changes nothing.
        """

        def step(t: Any, diverged: Any, members: list[Any]) -> tuple[Any, Any, list[Any]]:
            batch = tf.gather(x, rows[t])[None, None], tf.gather(y, rows[t])[None], tf.gather(weight, rows[t])[None]
            # A generator counts up its second number by one a call: steps lie far apart.
            drawn = tf.stack([seeds, tf.fill(tf.shape(seeds), tf.cast(t, seeds.dtype) * 4096)], axis=-1)
            members, member_loss = self._step(members, *batch, drawn, lam[None])
            # Found on the loss, not on gradients: XLA's relu hides NaN from these.
            return t + 1, tf.logical_or(diverged, tf.logical_not(tf.math.is_finite(member_loss[0]))), members

        start = tf.constant(0), tf.zeros(self._strengths, tf.bool), list(members)
        _, diverged, members = tf.while_loop(lambda t, *_: t < steps, step, start, parallel_iterations=1)
        return members, diverged

    def _step(self, members: list[Any], x: Any, y: Any, weight: Any, seeds: Any, lam: Any) -> tuple[list[Any], Any]:
        state = self._state(members, seeds)
        member_loss, gradients = loss_and_gradients(self._run, self._network, self._loss, state, x, y, weight)
        trainable = list(self._network.trainable_variables)
        weights = [state[v] for v in trainable]
        proximal = isinstance(self._how, Proximal)
        if not proximal:
            gradients = [
                g + self._penalty.gradient(w, _like(lam, w)) if penalised else g
                for g, w, penalised in zip(gradients, weights, self._penalised, strict=True)
            ]
        mapping = [
            *zip(self._stacked, weights, strict=True),
            *zip(self._slots, members[len(self._kept) :], strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            learning_rate = ops.convert_to_tensor(self._optimizer.learning_rate)
            self._optimizer.apply(gradients, self._stacked)
            weights = [scope.get_current_value(w) for w in self._stacked]
            if proximal:
                weights = [
                    self._penalty.prox(w, _like(lam, w), step_size(self._optimizer, stacked, learning_rate))
                    if penalised
                    else w
                    for w, stacked, penalised in zip(weights, self._stacked, self._penalised, strict=True)
                ]
            slots = [scope.get_current_value(slot) for slot in self._slots]
        for variable, value in zip(trainable, weights, strict=True):
            state[variable] = value
        return [*(state[v] for v in self._kept), *slots], ops.broadcast_to(member_loss, (1, self._strengths))

    def _state(self, members: Sequence[Any], seeds: Any = None) -> State:
        """Return the members' values for one forward pass; `seeds` is (generators, 2), None where nothing is drawn."""
        kept = members[: len(self._kept)]
        drawn = [
            ops.cast(seeds[i], v.dtype) if seeds is not None else ops.zeros(v.shape, v.dtype)
            for i, v in enumerate(self.seeds)
        ]
        return State([*self._kept, *self.seeds], [*kept, *(value[None, None] for value in drawn)])

    def _evaluate(self, members: list[Any], x: Any, y: Any, rows: Any) -> tuple[Any, Any]:
        """Return all members' losses (s, b) and predictions (s, b, ...) on rows (b,)."""
        predictions = self._run(self._state(members), tf.gather(x, rows)[None, None], False)
        return row_losses(self._loss, tf.gather(y, rows)[None], predictions)[0], predictions[0]


def _like(lam: Any, w: Any) -> Any:
    """Reshape (1, s) to broadcast against (1, s, ...)."""
    return tf.reshape(tf.cast(lam, w.dtype), (*lam.shape, *[1] * (len(w.shape) - 2)))


class _Stateless:
    """What keeps a Keras optimizer inside a `StatelessScope`, which its TensorFlow part goes around.

    That part writes to `tf.Variable`s itself, for the sake of `tf.distribute`; these methods write to Keras' own.
    """

    def _var_key(self, variable: Any) -> int:
        return id(variable)

    def assign(self, variable: Any, value: Any) -> None:
        variable.assign(value)

    def assign_add(self, variable: Any, value: Any) -> None:
        variable.assign(variable + ops.cast(value, variable.dtype))

    def assign_sub(self, variable: Any, value: Any) -> None:
        variable.assign(variable - ops.cast(value, variable.dtype))

    def _apply_weight_decay(self, variables: Any) -> None:
        """Do nothing: an optimizer that decays is refused, and this reads even a decay of 0.0."""

    def _distributed_tf_update_step(self: Any, distribution: Any, grads_and_vars: Any, learning_rate: Any) -> None:
        del distribution
        for (gradient, _), variable in zip(grads_and_vars, self._trainable_variables, strict=True):
            self.update_step(gradient, variable, learning_rate)


def _stateless(optimizer: Any) -> Any:
    """Return a new optimizer of the same configuration whose steps can be made inside a `StatelessScope`."""
    new = fresh_optimizer(optimizer)
    new.__class__ = type(type(new).__name__, (_Stateless, type(new)), {})
    return new


def tensor(array: np.ndarray) -> Any:
    """Return an array as a tensor, to be given to many steps."""
    return tf.constant(array)


def threads() -> int:
    """Return how many threads one operation may use (part of what makes a run repeatable to the bit)."""
    return tf.config.threading.get_intra_op_parallelism_threads() or 0
