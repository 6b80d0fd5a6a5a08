"""What a penalty does to the weights of a model in a training step: to gradients, before the step, or after it."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

from shrinkage._attach._lam import widest_dtype
from shrinkage._attach._lazy import LazyTable
from shrinkage._penalties import Term
from shrinkage._penalties._steps import step_size


class Penalised(NamedTuple):
    """A weight of a model, and the penalty on it."""

    variable: Any
    term: Term
    touched: bool
    """Whether a step penalises only the rows that it looks up."""
    lazy: LazyTable | None = None
    """The table, if a step writes only the rows that it looks up."""

    def now(self) -> Any:
        """Return its present value."""
        return ops.convert_to_tensor(self.variable) if self.lazy is None else self.lazy.now()

    def value(self, lam: Any) -> Any:
        """Return lam * P(w) at its present value, a scalar of float32 or wider."""
        w = ops.cast(self.now(), widest_dtype(self.variable.dtype))
        origin = None if self.term.origin is None else ops.cast(self.term.origin, w.dtype)
        return replace(self.term, origin=origin).value(w, ops.cast(lam, w.dtype))


def add_gradients(
    grads: Iterable[Any], keys: Iterable[Any], key_of: Callable[[Any], Any], weights: Iterable[Penalised], lam: Any
) -> list[Any]:
    """Return gradients with those of the penalty, of which each replica gives its share: they will be summed.

    Args:
        grads: Gradients, None where there is none.
        keys: What their variables are known by.
        key_of: Returns that of a variable.
        weights: Which are penalised, and how.
        lam: Strength.
    """
    grads, place = list(grads), {key: i for i, key in enumerate(keys)}
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    share = lam if replicas == 1 else lam / replicas
    for weight in weights:
        i = place.get(key_of(weight.variable))
        if i is None or weight.lazy is not None:
            continue
        if weight.touched and isinstance(grads[i], tf.IndexedSlices):
            grads[i] = _added_to_rows(grads[i], weight, share)
        else:
            w = ops.convert_to_tensor(weight.variable)
            grads[i] = _sum(grads[i], weight.term.gradient(w, _cast(share, w)))
    return grads


def decay_rows(
    grads: Iterable[Any],
    keys: Iterable[Any],
    key_of: Callable[[Any], Any],
    weights: Iterable[Penalised],
    lam: Any,
    rate: Any,
) -> None:
    """Decay the tables of which a step writes only the rows that it looks up, as their gradients tell.

    Args:
        grads: Gradients, None where there is none.
        keys: What their variables are known by.
        key_of: Returns that of a variable.
        weights: Which are penalised, and how.
        lam: Strength.
        rate: Step size.

    Raises:
        ValueError: If a gradient is dense: other parts of the model read the table too, past the lookup.
    """
    given = dict(zip(keys, grads, strict=True))
    for weight in weights:
        grad = given.get(key_of(weight.variable))
        if weight.lazy is None or grad is None:
            continue
        if not isinstance(grad, tf.IndexedSlices):
            raise ValueError(
                f'rows="lazy" takes sparse gradients, and that of {weight.variable.path} is dense: the model reads the '
                f'table in other ways than by looking rows up. Attach with rows="all".'
            )
        weight.lazy.step(grad.indices, ops.cast(rate, "float64") * ops.cast(lam, "float64") * weight.term.factor)


def decay(weights: Iterable[Penalised], lam: Any, rate: Any) -> None:
    """Shrink weights beside the optimizer's step, before it."""
    update(weights, lambda w, weight: w - _cast(rate, w) * weight.term.gradient(w, _cast(lam, w)))


def shrink(optimizer: Any, weights: Iterable[Penalised], lam: Any, rate: Any) -> None:
    """Apply the proximal operator, after a step that the optimizer made and has not yet counted."""
    update(weights, lambda w, weight: weight.term.prox(w, _cast(lam, w), step_size(optimizer, weight.variable, rate)))


def update(weights: Iterable[Penalised], change: Callable[[Any, Penalised], Any]) -> None:
    """Change weights in place, on every replica, as Keras' optimizers do (`TFOptimizer._apply_weight_decay`).

    Args:
        weights: Which.
        change: Returns the new value of a weight from its value and the penalty on it.
    """

    def on_all_replicas(strategy: Any, weights: Iterable[Penalised]) -> None:
        for weight in weights:
            strategy.extended.update(
                weight.variable.value,
                lambda w, weight=weight: w.assign(change(ops.convert_to_tensor(w), weight)),
                group=False,
            )

    tf.__internal__.distribute.interim.maybe_merge_call(on_all_replicas, tf.distribute.get_strategy(), weights)


def _cast(number: Any, w: Any) -> Any:
    return ops.convert_to_tensor(number, w.dtype)


def _sum(grad: Any, own: Any) -> Any:
    if grad is None:
        return own
    if isinstance(grad, tf.IndexedSlices):
        return tf.tensor_scatter_nd_add(own, grad.indices[:, None], ops.cast(grad.values, own.dtype))
    return grad + ops.cast(own, grad.dtype)


def _added_to_rows(grad: Any, weight: Penalised, lam: Any) -> Any:
    """Return a sparse gradient with that of the penalty on its rows, on each once however often it occurs.

    Sorting tells the first of equal indices, under XLA too, where the number of different ones is not known.
    """
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        raise ValueError(
            'rows="touched" is for one replica: another one cannot tell whether a row was penalised here. Attach with '
            'rows="all".'
        )
    order = tf.argsort(grad.indices)
    rows = tf.gather(grad.indices, order)
    first = tf.concat([[True], rows[1:] != rows[:-1]], axis=0)
    w = tf.gather(weight.variable.value, rows)
    own = tf.where(first[:, None], weight.term.gradient(w, _cast(lam, w)), 0)
    return tf.IndexedSlices(tf.gather(grad.values, order) + ops.cast(own, grad.values.dtype), rows, grad.dense_shape)
