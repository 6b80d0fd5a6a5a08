"""The objective without the penalty: the weighted sum of the losses of all outputs, as passed to `compile`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from shrinkage._data._data import WeightedTargets
from shrinkage._host._compiled import CompileLoss, get_loss, list_flat_losses
from shrinkage._host._private import UnsupportedVersion
from shrinkage._messages._note import Note, quote
from shrinkage._model._losses import (
    check_compilable,
    compute_batch_losses,
    compute_keras_row_losses,
    get_loss_name,
    is_classification,
    is_listed,
    mixes_rows,
    resolve_loss,
)


@dataclass(frozen=True)
class OutputLoss:
    """The loss of an output."""

    place: int
    """The index of the output in the flattened outputs of the model."""
    loss: keras.losses.Loss
    weight: float
    """The weight in `loss_weights`."""
    by_rows: bool
    """Whether the loss has a value per row that does not depend on other rows."""


@dataclass(frozen=True)
class Objective:
    """The sum over outputs of weight times loss."""

    terms: tuple[OutputLoss, ...]
    has_weights: bool = False
    """Whether the rows have different sample weights."""

    @property
    def by_rows(self) -> bool:
        """Whether all losses have a value per row."""
        return all(term.by_rows for term in self.terms)

    @property
    def dtype(self) -> str:
        """The precision of the losses."""
        return self.terms[0].loss.dtype

    @property
    def single_loss(self) -> keras.losses.Loss | None:
        """The loss of a model with a single loss of weight 1, or None."""
        (term, *others) = self.terms
        return None if others or term.weight != 1 else term.loss

    def find_term(self, place: int) -> OutputLoss | None:
        """Return the term of an output, or None if it has no loss."""
        return next((term for term in self.terms if term.place == place), None)

    def find_classification_output(self) -> int | None:
        """Return the index of the first output with a classification loss, or None."""
        return next((term.place for term in self.terms if is_classification(term.loss)), None)

    def as_per_member(self, *, include_listed: bool = True) -> "Objective":
        """Return the same objective with losses that are called once per member, as Keras calls them.

        Args:
            include_listed: Whether to change Keras losses with a value per row too.
        """
        terms = (replace(t, by_rows=t.by_rows and not include_listed and is_listed(t.loss)) for t in self.terms)
        return replace(self, terms=tuple(terms))

    def compute_row_losses(self, y: Any, predictions: Any, weight: Any) -> Any:
        """Return the objective per row, (f, s, batch); the mean weighted by `weight` is the objective on the batch.

        A loss that mixes rows is divided equally among the rows of the batch.

        Args:
            y: Targets, a tree of (f, batch, ...), or `WeightedTargets` of it.
            predictions: Predictions, a tree of (f, s, batch, ...).
            weight: Sample weights, (f, batch).
        """
        y, by_output = y if isinstance(y, WeightedTargets) else (y, None)
        targets, outputs = tree.flatten(y), tree.flatten(predictions)
        weight = ops.cast(weight, self.dtype)
        total: Any = 0.0
        for term in self.terms:
            target, output = targets[term.place], outputs[term.place]
            part = None if by_output is None else ops.cast(by_output[..., term.place], self.dtype)
            if term.by_rows:
                if len(output.shape) == 3 and is_listed(term.loss):  # an output without an axis of units
                    output = ops.expand_dims(output, -1)
                share = compute_keras_row_losses(term.loss, target, output)
                if part is not None:
                    part = ops.cast(ops.expand_dims(part, 1), share.dtype)
                    share = ops.where(part > 0, share, 0) * part  # 0 for an infinite loss at weight 0
            else:
                counts = weight if part is None else weight * part
                whole = compute_batch_losses(term.loss, target, output, counts if self.has_weights else None)
                mean = ops.expand_dims(ops.mean(weight, axis=-1), -1)
                share = ops.expand_dims(ops.divide_no_nan(whole, ops.cast(mean, whole.dtype)), -1)
            total = total + term.weight * ops.cast(share, self.dtype)
        return ops.broadcast_to(total, (*total.shape[:2], weight.shape[-1]))


def make_objective(
    loss: Any, loss_weights: Any, names: Sequence[str] | None, y: Any, predictions: Any, labels: Sequence[str]
) -> Objective:
    """Return the objective for the arguments of `compile`, resolved with some real rows.

    Args:
        loss, loss_weights: Arguments of `compile`.
        names: The names of the outputs, or None.
        y: Targets in the structure of `predictions`, with None for an output without targets.
        predictions: Predictions of the model, a tree of (n, ...).
        labels: The names of the targets in error messages.

    Raises:
        ValueError: If Keras refuses `loss` or `loss_weights`, or a loss is not supported.
    """
    leaves, outputs = tree.flatten(y), tree.flatten(predictions)
    stand_in = [output if leaf is None else leaf for leaf, output in zip(leaves, outputs, strict=True)]
    compiled = CompileLoss(loss, loss_weights, output_names=names)
    try:
        compiled.build(tree.pack_sequence_as(predictions, stand_in), predictions)
    except UnsupportedVersion:
        raise
    except Exception as error:  # of any class: Keras does not check the arguments
        raise ValueError(
            Note(
                f"$loss and `loss_weights` must fit the outputs of the model. Received: loss={quote(loss)}, "
                f"loss_weights={quote(loss_weights)}. Change them in model.compile. Keras says: {error}"
            )
        ) from error
    places = tree.pack_sequence_as(predictions, list(range(len(outputs))))
    terms = []
    for path, compiled_loss, weight in list_flat_losses(compiled):
        place = _follow(places, path)
        if tree.is_nested(place) or any(term.place == place for term in terms):
            raise ValueError(Note(f"$loss must have one loss per output. Received: {loss!r}."))
        if leaves[place] is None:
            raise ValueError(f"{labels[place]} must be given, because the output has a loss. Received: None.")
        output_loss = resolve_loss(compiled_loss)
        by_rows = is_listed(output_loss) or not _mixes(output_loss, leaves[place], outputs[place])
        if not is_listed(output_loss):
            check_compilable(output_loss, leaves[place], outputs[place])
        terms.append(OutputLoss(place, output_loss, 1.0 if weight is None else float(weight), by_rows))
    if not terms:
        raise ValueError(Note(f"$loss must have a loss for at least one output. Received: {loss!r}."))
    return Objective(tuple(terms))


def get_compiled_loss_name(loss: Any) -> str:
    """Return the snake-case name of the argument `loss` of `compile`; "loss" if the outputs have different losses."""
    names = {get_loss_name(each) for each in list_compiled_losses(loss)}
    return names.pop() if len(names) == 1 else "loss"


def list_compiled_losses(loss: Any) -> list[keras.losses.Loss]:
    """Return the losses in the argument `loss` of `compile`, as `resolve_loss` does.

    Raises:
        ValueError: If Keras does not know a loss, or one is not supported.
    """
    rows = np.zeros((1, 2))
    return [resolve_loss(get_loss(leaf, rows, rows)) for leaf in tree.flatten(loss) if leaf is not None]


def takes_logits(loss: Any) -> bool:
    """Return whether a loss in the argument `loss` of `compile` takes predictions as logits, not as probabilities."""
    losses = [leaf for leaf in tree.flatten(loss) if isinstance(leaf, keras.losses.Loss)]
    return any(bool(leaf.get_config().get("from_logits")) for leaf in losses)


def _follow(places: Any, path: Sequence[Any]) -> Any:
    """Return the entry of the output structure at a path of keys; a single output has no path."""
    for key in path if tree.is_nested(places) else ():
        places = places[key]
    return places


def _mixes(loss: keras.losses.Loss, y: np.ndarray, predictions: np.ndarray) -> bool:
    try:
        return mixes_rows(loss, y, predictions)
    except UnsupportedVersion:
        raise
    except Exception:  # of any class: from custom code
        pass
    try:
        value = loss(y, predictions)
    except UnsupportedVersion:
        raise
    except Exception as error:
        raise ValueError(
            Note(
                f"$loss ({get_loss_name(loss)}) must accept the targets and the output. Received: targets of shape "
                f"{y.shape} for an output of shape {predictions.shape}, where it failed on the first rows ({error}). "
                f"Change the loss, or the shape of the targets."
            )
        ) from error
    if tuple(value.shape) != ():
        received = f"Received: shape {tuple(value.shape)}."
        raise ValueError(Note(f"$loss ({get_loss_name(loss)}) must return a scalar. {received}"))
    return True
