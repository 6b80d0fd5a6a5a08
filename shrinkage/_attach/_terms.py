"""The effect of a penalty in a training step: on the gradients, before the step, or after the step."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

from shrinkage._attach._lam import find_widest_dtype
from shrinkage._attach._lazy import LazyTable
from shrinkage._penalties import Term
from shrinkage._penalties._steps import compute_step_size


class PenalisedWeight(NamedTuple):
    """A weight of a model and the penalty on the weight."""

    variable: Any
    term: Term
    penalises_touched_rows: bool
    """Whether a step penalises only the rows that it looks up, as with rows="touched"."""
    table: LazyTable | None = None
    """The table for rows="lazy", else None."""

    def read_value(self) -> Any:
        """Return the present value of the weight."""
        return ops.convert_to_tensor(self.variable) if self.table is None else self.table.read_value()

    def value(self, lam: Any) -> Any:
        """Return lam * P(w) at the present value of the weight, a scalar of float32 or wider."""
        w = ops.cast(self.read_value(), find_widest_dtype(self.variable.dtype))
        origin = None if self.term.origin is None else ops.cast(self.term.origin, w.dtype)
        return replace(self.term, origin=origin).value(w, ops.cast(lam, w.dtype))


def add_gradients(
    grads: Iterable[Any],
    keys: Iterable[Any],
    get_key: Callable[[Any], Any],
    weights: Iterable[PenalisedWeight],
    lam: Any,
) -> list[Any]:
    """Return the sum of gradients and penalty gradients. Each of n replicas adds 1/n, because replicas are summed.

    Args:
        grads: The gradient of each variable, None for a variable without a gradient.
        keys: A key for each variable, in the same order.
        get_key: Returns the key of a variable.
        weights: The penalised weights.
        lam: Strength.
    """
    grads, place = list(grads), {key: i for i, key in enumerate(keys)}
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    share = lam if replicas == 1 else lam / replicas
    for weight in weights:
        i = place.get(get_key(weight.variable))
        if i is None or weight.table is not None:
            continue
        if weight.penalises_touched_rows and isinstance(grads[i], tf.IndexedSlices):
            grads[i] = _add_to_rows(grads[i], weight, share)
        else:
            w = ops.convert_to_tensor(weight.variable)
            grads[i] = _add(grads[i], weight.term.gradient(w, _cast(share, w)))
    return grads


def decay_rows(
    grads: Iterable[Any],
    keys: Iterable[Any],
    get_key: Callable[[Any], Any],
    weights: Iterable[PenalisedWeight],
    lam: Any,
    rate: Any,
) -> None:
    """Decay the tables with rows="lazy" by a step. Sparse gradients contain the rows that the step looked up.

    Args:
        grads: The gradient of each variable, None for a variable without a gradient.
        keys: A key for each variable, in the same order.
        get_key: Returns the key of a variable.
        weights: The penalised weights.
        lam: Strength.
        rate: Learning rate.

    Raises:
        ValueError: If a gradient is dense because the model reads the table without a lookup.
    """
    grad_by_key = dict(zip(keys, grads, strict=True))
    for weight in weights:
        grad = grad_by_key.get(get_key(weight.variable))
        if weight.table is None or grad is None:
            continue
        if not isinstance(grad, tf.IndexedSlices):
            raise ValueError(
                f'rows="lazy" needs sparse gradients. Received: a dense gradient of {weight.variable.path}, as the '
                f'model reads the table without a lookup. Attach with rows="all".'
            )
        weight.table.step(grad.indices, ops.cast(rate, "float64") * ops.cast(lam, "float64") * weight.term.factor)


def decay(weights: Iterable[PenalisedWeight], lam: Any, rate: Any) -> None:
    """Apply decoupled decay, before the optimizer's step."""
    update_weights(weights, lambda w, weight: w - _cast(rate, w) * weight.term.gradient(w, _cast(lam, w)))


def shrink(optimizer: Any, weights: Iterable[PenalisedWeight], lam: Any, rate: Any) -> None:
    """Apply the proximal operator, after a step of the optimizer that is not yet counted."""
    update_weights(
        weights,
        lambda w, weight: weight.term.prox(w, _cast(lam, w), compute_step_size(optimizer, weight.variable, rate)),
    )


def update_weights(weights: Iterable[PenalisedWeight], change: Callable[[Any, PenalisedWeight], Any]) -> None:
    """Change weights in place, on every replica, as Keras' optimizers do (`TFOptimizer._apply_weight_decay`).

    Args:
        weights: The weights to change.
        change: Returns the new value of a weight, given the value and the penalty on the weight.
    """

    def on_all_replicas(strategy: Any, weights: Iterable[PenalisedWeight]) -> None:
        for weight in weights:
            strategy.extended.update(
                weight.variable.value,
                lambda w, weight=weight: w.assign(change(ops.convert_to_tensor(w), weight)),
                group=False,
            )

    tf.__internal__.distribute.interim.maybe_merge_call(on_all_replicas, tf.distribute.get_strategy(), weights)


def _cast(number: Any, w: Any) -> Any:
    return ops.convert_to_tensor(number, w.dtype)


def _add(grad: Any, penalty_grad: Any) -> Any:
    if grad is None:
        return penalty_grad
    if isinstance(grad, tf.IndexedSlices):
        return tf.tensor_scatter_nd_add(penalty_grad, grad.indices[:, None], ops.cast(grad.values, penalty_grad.dtype))
    return grad + ops.cast(penalty_grad, grad.dtype)


def _add_to_rows(grad: Any, weight: PenalisedWeight, lam: Any) -> Any:
    """Return the sum of a sparse gradient and the penalty's gradient on the rows in it, once per row.

    Sorting finds the first of equal indices. Unlike `tf.unique`, it has a static shape, as XLA needs.
    """
    n_replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if n_replicas > 1:
        raise ValueError(
            f'rows="touched" needs one replica, as replicas do not know which rows the others penalise. Received: '
            f'{n_replicas}. Attach with rows="all".'
        )
    order = tf.argsort(grad.indices)
    rows = tf.gather(grad.indices, order)
    first = tf.concat([[True], rows[1:] != rows[:-1]], axis=0)
    w = tf.gather(weight.variable.value, rows)
    values = tf.gather(grad.values, order)
    of_penalty = tf.where(first[:, None], weight.term.gradient(w, _cast(lam, w)), 0)
    return tf.IndexedSlices(values + ops.cast(of_penalty, values.dtype), rows, grad.dense_shape)
