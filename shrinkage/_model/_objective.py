"""What is minimised beside the penalty: the weighted sum of the losses of a model's outputs, as `compile` says it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from shrinkage._host._compiled import CompileLoss, flat_losses, get_loss
from shrinkage._host._private import UnsupportedVersion
from shrinkage._model._losses import (
    batch_losses,
    check_compiled,
    is_classification,
    is_listed,
    mixes_rows,
    name_of,
    resolve,
    row_losses,
)


@dataclass(frozen=True)
class OutputLoss:
    """The loss of one output."""

    place: int
    """The output's place among the leaves of the model's outputs."""
    loss: keras.losses.Loss
    weight: float
    """As in `loss_weights`."""
    by_rows: bool
    """Whether each row has a loss of its own, which the other rows do not change."""


@dataclass(frozen=True)
class Objective:
    """The sum over outputs of weight times loss."""

    terms: tuple[OutputLoss, ...]
    weighted: bool = False
    """Whether some rows weigh more than others."""

    @property
    def by_rows(self) -> bool:
        """Whether each row has a loss of its own."""
        return all(term.by_rows for term in self.terms)

    @property
    def dtype(self) -> str:
        """The precision of the losses."""
        return self.terms[0].loss.dtype

    @property
    def only(self) -> keras.losses.Loss | None:
        """The loss, if there is one, with weight one; or None."""
        (term, *others) = self.terms
        return None if others or term.weight != 1 else term.loss

    def term_of(self, place: int) -> OutputLoss | None:
        """Return the term of an output, or None if it has no loss."""
        return next((term for term in self.terms if term.place == place), None)

    def stratifying(self) -> int | None:
        """Return the place of the first output whose loss compares with classes, or None."""
        return next((term.place for term in self.terms if is_classification(term.loss)), None)

    def alone(self, *, listed: bool = True) -> "Objective":
        """Return the same objective, its losses called once per member as plain Keras calls them.

        Args:
            listed: Whether those too that are known to have a value per row.
        """
        terms = (replace(t, by_rows=t.by_rows and not listed and is_listed(t.loss)) for t in self.terms)
        return replace(self, terms=tuple(terms))

    def rows(self, y: Any, predictions: Any, weight: Any) -> Any:
        """Return each row's share (f, s, batch) of the objective: its mean, weighted by `weight`, is the batch's loss.

        A loss that mixes rows is shared equally by the rows of the batch.

        Args:
            y: Targets, a tree of (f, batch, ...).
            predictions: A tree of (f, s, batch, ...).
            weight: Weights of the rows, (f, batch).
        """
        targets, outputs = tree.flatten(y), tree.flatten(predictions)
        weight = ops.cast(weight, self.dtype)
        total: Any = 0.0
        for term in self.terms:
            target, output = targets[term.place], outputs[term.place]
            if term.by_rows:
                if len(output.shape) == 3 and is_listed(term.loss):  # one number a row, without an axis of its own
                    output = ops.expand_dims(output, -1)
                share = row_losses(term.loss, target, output)
            else:
                whole = batch_losses(term.loss, target, output, weight if self.weighted else None)
                mean = ops.expand_dims(ops.mean(weight, axis=-1), -1)
                share = ops.expand_dims(ops.divide_no_nan(whole, ops.cast(mean, whole.dtype)), -1)
            total = total + term.weight * ops.cast(share, self.dtype)
        return ops.broadcast_to(total, (*total.shape[:2], weight.shape[-1]))


def make_objective(
    loss: Any, loss_weights: Any, names: Sequence[str] | None, y: Any, predictions: Any, labels: Sequence[str]
) -> Objective:
    """Return the objective that `compile(loss=..., loss_weights=...)` means for some real rows.

    Args:
        loss, loss_weights: As they were given to `compile`.
        names: The model's names of its outputs, if it has any.
        y: Targets in the structure of `predictions`; None where there are none.
        predictions: The model's, a tree of (n, ...).
        labels: What to call the targets in errors.

    Raises:
        ValueError: If Keras does not understand `loss` or `loss_weights`, or a loss is of a kind that is not supported.
    """
    leaves, outputs = tree.flatten(y), tree.flatten(predictions)
    stand_in = [output if leaf is None else leaf for leaf, output in zip(leaves, outputs, strict=True)]
    compiled = CompileLoss(loss, loss_weights, output_names=names)
    try:
        compiled.build(tree.pack_sequence_as(predictions, stand_in), predictions)
    except UnsupportedVersion:
        raise
    except Exception as error:  # of any class: Keras does not check what it is given
        raise ValueError(f"`loss` or `loss_weights` does not fit the model's outputs. Keras says: {error}") from error
    places = tree.pack_sequence_as(predictions, list(range(len(outputs))))
    terms = []
    for path, given, weight in flat_losses(compiled):
        place = _follow(places, path)
        if tree.is_nested(place) or any(term.place == place for term in terms):
            raise ValueError(f"`loss` must name one loss an output. Received: {loss!r}.")
        if leaves[place] is None:
            raise ValueError(f"{labels[place]} must be given, as that output has a loss. Received: None.")
        found = resolve(given)
        by_rows = is_listed(found) or not _mixes(found, leaves[place], outputs[place])
        if not is_listed(found):
            check_compiled(found, leaves[place], outputs[place])
        terms.append(OutputLoss(place, found, 1.0 if weight is None else float(weight), by_rows))
    if not terms:
        raise ValueError(f"`loss` must name a loss for some output. Received: {loss!r}.")
    return Objective(tuple(terms))


def loss_name(loss: Any) -> str:
    """Return the snake-case name of what was given to `compile`: "loss" where outputs have different ones."""
    names = set()
    for given in tree.flatten(loss):
        if given is not None:
            names.add(name_of(resolve(get_loss(given, *[np.zeros((1, 2))] * 2))))
    return names.pop() if len(names) == 1 else "loss"


def _follow(places: Any, path: Sequence[Any]) -> Any:
    """Follow a path of Keras into the structure of outputs; one output needs none."""
    for key in path if tree.is_nested(places) else ():
        places = places[key]
    return places


def _mixes(loss: keras.losses.Loss, y: np.ndarray, predictions: np.ndarray) -> bool:
    try:
        return mixes_rows(loss, y, predictions)
    except UnsupportedVersion:
        raise
    except Exception:  # of any class: it comes from the user's own function
        pass
    try:
        value = loss(y, predictions)
    except UnsupportedVersion:
        raise
    except Exception as error:
        raise ValueError(
            f"`loss` ({name_of(loss)}) failed on the first rows: {error}. Received: targets of shape {y.shape} for "
            f"an output of shape {predictions.shape}."
        ) from error
    if tuple(value.shape) != ():
        raise ValueError(f"`loss` ({name_of(loss)}) must give one number. Received: shape {tuple(value.shape)}.")
    return True
