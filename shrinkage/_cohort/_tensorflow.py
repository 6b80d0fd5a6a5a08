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
from shrinkage._data import Data, TargetUnits
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
    """Trains (fold, strength) members together: their values, one optimizer over them, and the compiled steps."""

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
        shapes: Sequence[tuple[int, int]],
        members: tuple[int, int],
        target: TargetUnits | None,
        xla: bool,
    ):
        """Set up the members' variables.

        Args:
            network: The template's network; its variables name the values, and it is never changed.
            run: The forward pass.
            loss: A loss with a value per row.
            optimizer: An elementwise optimizer; its configuration is used, not its state.
            penalty: L2() or L1().
            how: Coupled() or Proximal().
            penalised: For each of `network.trainable_variables`, whether it is penalised.
            seeds: The states of the network's seed generators.
            shapes: For each of `network.variables`, the (f, s) that its values are stored with.
            members: The numbers of folds and of strengths.
            target: The units that each fold's targets are trained in, or None for their own.
            xla: Whether the steps are compiled by XLA.
        """
        self._network, self._run, self._loss = network, run, loss
        self._penalty, self._how, self._penalised = penalty, how, penalised
        self._seeds, self._members, self._target = list(seeds), members, target
        self._variables = list(network.variables)
        self._stored = {
            id(v): keras.Variable(ops.zeros((*shape, *v.shape), v.dtype), trainable=v.trainable, dtype=v.dtype)
            for v, shape in zip(self._variables, shapes, strict=True)
            if not any(v is seed for seed in self._seeds)
        }
        self._trainable = [self._stored[id(v)] for v in network.trainable_variables]
        self._optimizer = fresh_optimizer(optimizer)
        self._optimizer.build(self._trainable)
        self._first = [ops.convert_to_numpy(v).flat[0] for v in self._optimizer.variables]
        self.train = tf.function(self._train, jit_compile=xla, autograph=False)
        # Without XLA: large matrix products run as fast, and there is nothing to compile.
        self.evaluate = tf.function(self._evaluate, autograph=False)
        for function in (self.train, self.evaluate):  # each is traced once, but TensorFlow counts over all engines
            function._omit_frequent_tracing_warning = True

    def start(self, values: Sequence[np.ndarray]) -> None:
        """Give the members their first values, each (f, s, ...) or to be broadcast to it, and the optimizer its "
        "first state."""
        for variable, value in zip(self._variables, values, strict=True):
            if id(variable) in self._stored:
                stored = self._stored[id(variable)]
                stored.assign(np.broadcast_to(value[: stored.shape[0]], stored.shape))
        for slot, first in zip(self._optimizer.variables, self._first, strict=True):
            slot.assign(ops.full(slot.shape, first, slot.dtype))

    def values(self, s: int) -> list[np.ndarray]:
        """Return the values of strength `s` for each of the network's variables, (f, ...)."""
        return [
            ops.convert_to_numpy(stored[:, min(s, stored.shape[1] - 1)])
            if (stored := self._stored.get(id(v))) is not None
            else np.broadcast_to(ops.convert_to_numpy(v), (1, *v.shape))
            for v in self._variables
        ]

    def state(self, seeds: Any = None) -> State:
        """Return the members' values for one forward pass; `seeds` is (folds, generators, 2)."""
        values = [
            tf.convert_to_tensor(stored.value)
            if (stored := self._stored.get(id(v))) is not None
            else self._seed_values(v, seeds)
            for v in self._variables
        ]
        return State(self._variables, values)

    def _seed_values(self, variable: Any, seeds: Any) -> Any:
        if seeds is None:  # inference draws nothing
            return ops.zeros((1, 1, *variable.shape), variable.dtype)
        index = next(i for i, seed in enumerate(self._seeds) if seed is variable)
        return ops.cast(ops.expand_dims(seeds[:, index], 1), variable.dtype)

    def _train(self, x: Any, y: Any, weight: Any, rows: Any, seeds: Any, lam: Any, steps: Any) -> Any:
        """Take `steps` steps; return which members' losses stopped being finite, (f, s).

        Args:
            x, y, weight: All rows.
            rows: The rows of each batch, (at least steps, folds, batch).
            seeds: First numbers of the random layers' seeds, (folds, generators).
            lam: Strengths, (f, s).
            steps: How many of `rows` to use; 0 compiles and changes nothing.
        """

        def step(t: Any, diverged: Any) -> tuple[Any, Any]:
            batch = rows[t]
            member_loss = self._step(
                tf.expand_dims(tf.gather(x, batch), 1), self._targets(tf.gather(y, batch)), tf.gather(weight, batch),
                self._step_seeds(seeds, t), lam,
            )  # fmt: skip
            # Found on the loss, not on gradients: XLA's relu hides NaN from these.
            return t + 1, tf.logical_or(diverged, tf.logical_not(tf.math.is_finite(member_loss)))

        start = (tf.constant(0), tf.zeros(self._members, tf.bool))
        return tf.while_loop(lambda t, _: t < steps, step, start, parallel_iterations=1)[1]

    def _step_seeds(self, seeds: Any, t: Any) -> Any:
        """Return (folds, generators, 2); a generator counts up its second number by one a call, so steps lie far "
        "apart."""
        return tf.stack([seeds, tf.fill(tf.shape(seeds), tf.cast(t, seeds.dtype) * 4096)], axis=-1)

    def _step(self, x: Any, y: Any, weight: Any, seeds: Any, lam: Any) -> Any:
        state = self.state(seeds)
        before = {id(v): state[v] for v in self._variables}
        member_loss, gradients = loss_and_gradients(self._run, self._network, self._loss, state, x, y, weight)
        proximal = isinstance(self._how, Proximal)
        if not proximal:
            gradients = [
                g + self._penalty.gradient(w.value, _like(lam, g, 2)) if penalised else g
                for g, w, penalised in zip(gradients, self._trainable, self._penalised, strict=True)
            ]
        learning_rate = tf.convert_to_tensor(self._optimizer.learning_rate)
        self._optimizer.apply(gradients, self._trainable)
        if proximal:
            for w, penalised in zip(self._trainable, self._penalised, strict=True):
                if penalised:
                    size = step_size(self._optimizer, w, learning_rate)
                    w.assign(self._penalty.prox(w.value, _like(lam, w, 2), size))
        for variable in self._variables:
            changed = state[variable] is not before[id(variable)]
            if changed and not variable.trainable and id(variable) in self._stored:
                self._stored[id(variable)].assign(state[variable])
        return ops.broadcast_to(member_loss, self._members)

    def _targets(self, y: Any) -> Any:
        """Return targets (folds, batch, ...) in the units that each fold trains in."""
        if self._target is None:
            return y
        offset, scale = (_like(tf.constant(v, y.dtype), y, 1) for v in (self._target.offset, self._target.scale))
        return (y - offset) / scale

    def _evaluate(self, x: Any, y: Any, rows: Any, owner: Any) -> tuple[Any, Any]:
        """Return all members' losses on rows, and what each row's own fold predicts for it.

        Args:
            x, y: All rows.
            rows: The rows to evaluate, (b,).
            owner: For each of them the fold that holds it out, (b,).

        Returns:
            Row losses (f, s, b) in the units of all rows, and predictions (b, s, ...) in those of `y`.
        """
        predictions = self._run(self.state(), tf.gather(x, rows)[None, None], False)
        losses = row_losses(self._loss, self._targets(tf.gather(y, rows)[None]), predictions)
        if self._target is not None:
            offset, scale = (
                _like(tf.constant(v, y.dtype), predictions, 1) for v in (self._target.offset, self._target.scale)
            )
            predictions = predictions * scale + offset
            losses = losses * _like(
                tf.constant((self._target.scale / self._target.reference) ** 2, losses.dtype), losses, 1
            )
        by_row = tf.transpose(predictions, (2, 0, 1, *range(3, len(predictions.shape))))
        return losses, tf.gather(by_row, owner, axis=1, batch_dims=1)


def _like(value: Any, tensor: Any, axes: int) -> Any:
    """Reshape a value with the first `axes` axes of a tensor, (f,) or (f, s), to broadcast against it."""
    return tf.reshape(tf.cast(value, tensor.dtype), (*value.shape, *[1] * (len(tensor.shape) - axes)))


def put(data: Data) -> tuple[Any, Any, Any]:
    """Return x, y and the rows' weights as tensors, to be given to each step."""
    return tf.constant(data.x), tf.constant(data.y), tf.constant(data.weight)


def threads() -> int:
    """Return how many threads one operation may use (part of what makes a run repeatable to the bit)."""
    return tf.config.threading.get_intra_op_parallelism_threads() or 0
