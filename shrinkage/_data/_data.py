"""Checked arrays of rows, and the batches that each fold trains on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from keras import tree

from shrinkage._data._arrays import as_array, from_list
from shrinkage._data._sparse import concatenate
from shrinkage._data._tables import get_table_library

ALL_ROWS = 2**32 - 1
"""Fold number of the members that train on all rows. No fold has this number."""


class WeightedTargets(NamedTuple):
    """Targets of several outputs with weights per output."""

    y: Any
    """Targets, a tree of (n, ...)."""
    share: np.ndarray
    """Weight of each output in the loss of a row, as a multiple of the weight of the row, (n, outputs)."""


@dataclass(frozen=True)
class Data:
    """Arrays that fit the model. They are finite, but for missing numbers of a model that takes them."""

    x: Any
    """Inputs, (n, ...): an array, or a tree of arrays with the structure of the model inputs."""
    y: Any
    """Targets, (n, ...): an array, or a tree of arrays with the structure of the model outputs; `WeightedTargets` with
    weights per output."""
    weight: np.ndarray
    """Weights of the rows in the loss, (n,). The mean is 1 after `scale_weights`."""
    notes: tuple[str, ...] = ()
    """Sentences about changes to the data."""
    is_padded: bool = False
    """Whether rows of sequences were padded with zeros at the end, without an effect on the predictions."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.weight)

    @property
    def targets(self) -> Any:
        """The targets without weights per output."""
        return self.y.y if isinstance(self.y, WeightedTargets) else self.y

    def get_weight(self, place: int) -> np.ndarray:
        """Return the weights of the rows in the loss of an output, (n,)."""
        return self.weight * self.y.share[:, place] if isinstance(self.y, WeightedTargets) else self.weight


@dataclass(frozen=True)
class TargetUnits:
    """Units of standardised regression targets, (y - offset) / scale, for several sets of rows."""

    offset: np.ndarray
    """Mean of the targets in each set of rows, (F,)."""
    scale: np.ndarray
    """Standard deviation of the targets in each set of rows, (F,)."""
    reference: float
    """Standard deviation of the targets in all rows. The reported losses are in units of the square."""

    def take(self, part: slice) -> "TargetUnits":
        """Return the units of a slice of the members."""
        return TargetUnits(self.offset[part], self.scale[part], self.reference)

    def standardize(self, y: Any, f: int) -> Any:
        """Return targets in the units of member `f`."""
        return tree.map_structure(lambda a: ((a - self.offset[f]) / self.scale[f]).astype(a.dtype), y)

    def restore(self, loss: np.ndarray, predictions: Any, f: int) -> tuple[np.ndarray, Any]:
        """Return squared errors of member `f` in the units of all rows, and predictions in the original units."""
        restored = tree.map_structure(lambda a: a * self.scale[f] + self.offset[f], predictions)
        return loss * (self.scale[f] / self.reference) ** 2, restored


def make_data(
    x: Any,
    y: Any,
    sample_weight: Any,
    dtype: str,
    *,
    names: tuple[Sequence[str], Sequence[str]] | None = None,
    allows_missing: bool = False,
) -> Data:
    """Return checked arrays: finite, of equal length, floating-point values as `dtype`. The weights are not scaled.

    Args:
        x, y: Trees of arrays from `as_tree`. A target may be None.
        sample_weight: Weights of the rows, (n,), or None.
        dtype: Data type of floating-point values.
        names: Names of the leaves of `x` and `y` in errors. None uses the names from `list_leaf_names`.
        allows_missing: Whether `x` may contain NaN, for missing numbers.

    Raises:
        TypeError: If a leaf of `x` or `y` is not an array of numbers.
        ValueError: If lengths differ, a value is NaN or infinite, or a weight is negative.
    """
    named = names or (list_leaf_names("x", x), list_leaf_names("y", y))
    x, y = _check_arrays(x, named[0], dtype, allows_missing), _check_arrays(y, named[1], dtype)
    sizes = [(name, len(a)) for part, some in zip((x, y), named, strict=True) for name, a in _list_leaves(part, some)]
    (first, n), *others = sizes
    for name, length in others:
        if length != n:
            hint = _suggest_joining("x", x, y) or _suggest_joining("y", y, x)
            raise ValueError(
                f"{first} and {name} must have the same number of rows. Received: {n} and {length} rows.{hint}"
            )
    if n == 0:
        raise ValueError(f"{first} must have rows. Received: none.")
    if sample_weight is None:
        return Data(x, y, np.ones(n, dtype))
    return Data(x, y, as_row_weights("`sample_weight`", sample_weight, n, dtype))


def _suggest_joining(name: str, values: Any, others: Any) -> str:
    """Return code for a list of single rows, or of parts of the rows, which is several inputs or outputs; or "".

    Args:
        name: The name of the argument.
        values: The tree of arrays of the argument.
        others: The tree of arrays of the other argument, which tells the number of rows.
    """
    n_rows = {len(leaf) for leaf in tree.flatten(others) if leaf is not None}
    if not isinstance(values, tuple) or not all(hasattr(value, "ndim") for value in values):
        return ""
    join = "stack" if {len(values)} == n_rows else "concatenate" if {sum(map(len, values))} == n_rows else ""
    several = {"x": "inputs", "y": "outputs"}[name]
    return f" A list of arrays is several {several}. Say numpy.{join}({name}) for one array of rows." if join else ""


def as_row_weights(name: str, values: Any, n_rows: int, dtype: str) -> np.ndarray:
    """Return checked weights of the rows, (n,)."""
    weight = as_array(name, values, dtype)
    weight = weight[:, 0] if weight.shape == (n_rows, 1) else weight
    if weight.shape != (n_rows,) or (weight < 0).any():
        raise ValueError(
            f"{name} must be {n_rows} weights, one a row, none negative and not all zero. "
            f"Received: shape {weight.shape}, least {weight.min() if weight.size else 'none'}."
        )
    return weight


def scale_weights(weight: np.ndarray, has_output_weights: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the weights scaled to a mean of 1, and a note if this changes them.

    Keras divides the loss of a batch by the number of rows, not by the sum of the weights. Lambda is the strength on
    the mean loss only if the mean weight is 1.
    """
    mean = weight.mean()
    if mean == 0:
        raise ValueError(
            f"`sample_weight` must be {len(weight)} weights, one a row, none negative and not all zero. "
            f"Received: 0 for all rows."
        )
    divisor = "the mean of each row's largest weight" if has_output_weights else "their mean"
    note = () if np.isclose(mean, 1) else (f"The weights of the rows were divided by {divisor}, {mean:.4g}.",)
    if weight.strides == (0,):  # of `join_values`
        return np.broadcast_to((weight[:1] / mean).astype(weight.dtype), weight.shape), note
    return (weight / mean).astype(weight.dtype, copy=False), note


def join_values(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Concatenate arrays (n,). If all values are equal, the result is read-only and takes the memory of one value."""
    first, n_rows = parts[0][:1], sum(map(len, parts))
    if all(((part[:1] if part.strides == (0,) else part) == first).all() for part in parts):
        return np.broadcast_to(first.copy(), n_rows)
    return np.concatenate(parts)


def as_tree(values: Any) -> Any:
    """Return nested dictionaries, lists and tuples of arrays as a tree, and any other value as a single leaf.

    A list of numbers, or of lists of numbers, becomes an array. A list that holds an array or a dictionary becomes a
    tuple.
    """
    if isinstance(values, dict):
        return {key: as_tree(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)) and any(_holds_values(value) for value in values):
        return tuple(as_tree(value) for value in values)
    return from_list(values) if isinstance(values, (list, tuple)) else values


def _holds_values(value: Any) -> bool:
    """Whether an item of a list is an array, a table, a column or a dictionary, rather than a number."""
    return (
        isinstance(value, dict)
        or getattr(value, "ndim", 0) > 0
        or bool(get_table_library(value))
        and hasattr(value, "__len__")
    )


def list_leaf_names(name: str, values: Any) -> list[str]:
    """Return the names of the leaves of a tree in errors, such as `x`, `x['user']` or `x[0]`."""
    found = tree.flatten_with_path(values)
    return [f"`{name}{''.join(f'[{key!r}]' for key in path)}`" for path, _ in found]


def take(values: Any, rows: Any) -> Any:
    """Select rows of each array in a tree, whose leaves may be None."""
    return tree.map_structure(lambda array: None if array is None else array[rows], values)


def join_validation(train: Data, validation: Data) -> Data:
    """Concatenate training and validation rows, with the validation rows last."""
    train, validation = _add_output_weights(train, validation), _add_output_weights(validation, train)
    if train.is_padded or validation.is_padded:
        train, validation = _pad_like(train, validation), _pad_like(validation, train)
    for name, a, b in zip(
        list_leaf_names("x", train.x), tree.flatten(train.x), tree.flatten(validation.x), strict=True
    ):
        if a.shape[1:] != b.shape[1:]:
            raise ValueError(
                f"`validation_data` must have rows of one shape with {name}, {a.shape[1:]}. Received: {b.shape[1:]}. "
                f"Pad both to one length, for example by keras.utils.pad_sequences(x, maxlen, padding='post')."
            )
    parts = zip((train.x, train.y, train.weight), (validation.x, validation.y, validation.weight), strict=True)
    x, y, weight = (tree.map_structure(lambda *pair: concatenate(pair), *pair) for pair in parts)
    return replace(train, x=x, y=y, weight=weight)


def _pad_like(data: Data, other: Data) -> Data:
    """Pad sequences with zeros at the end, to the length of the sequences of `other` if these are longer."""

    def pad(array: Any, longer: Any) -> Any:
        n_missing = longer.shape[1] - array.shape[1] if array.ndim > 1 else 0
        return np.pad(array, [(0, 0), (0, n_missing), *[(0, 0)] * (array.ndim - 2)]) if n_missing > 0 else array

    return replace(data, x=tree.map_structure(pad, data.x, other.x))


def _add_output_weights(data: Data, other: Data) -> Data:
    """Give `data` weights per output, all equal, if only `other` has weights per output."""
    if not isinstance(other.y, WeightedTargets) or isinstance(data.y, WeightedTargets):
        return data
    return replace(data, y=WeightedTargets(data.y, np.ones((data.n_rows, other.y.share.shape[1]), data.weight.dtype)))


def _list_leaves(values: Any, names: Sequence[str]) -> list[tuple[str, Any]]:
    return [(name, leaf) for name, leaf in zip(names, tree.flatten(values), strict=True) if leaf is not None]


def _check_arrays(values: Any, names: Sequence[str], dtype: str, allows_missing: bool = False) -> Any:
    pairs = zip(names, tree.flatten(values), strict=True)
    arrays = [
        None if leaf is None and len(names) > 1 else as_array(name, leaf, dtype, allows_missing) for name, leaf in pairs
    ]
    return tree.pack_sequence_as(values, arrays)


def size_batches(n_train: int, batch_size: int) -> tuple[int, int]:
    """Return the number of steps per epoch and the number of rows per batch.

    Example:
        >>> size_batches(100, 32), size_batches(20, 32)
        ((3, 32), (1, 20))
    """
    return max(1, round(n_train / batch_size)), min(batch_size, n_train)


def select_batch_rows(
    train: np.ndarray, *, seed: int, fold: int, epoch: int, steps: int, batch_size: int
) -> np.ndarray:
    """Return the row numbers of the batches of an epoch, (steps, batch_size).

    A fold has an endless stream of rows: permutations of the training rows, joined and cut into batches of equal size.
    Every row is used equally often, without padding. A permutation depends only on the seed, the fold and the number of
    the permutation, so an epoch can be computed without the earlier epochs.

    Args:
        train: Training rows of the fold, (n_f,).
        seed: Seed of the run.
        fold: Number of the fold, or `ALL_ROWS`.
        epoch: Number of the epoch, from 0.
        steps: Number of batches per epoch.
        batch_size: Number of rows per batch.
    """
    start, stop = epoch * steps * batch_size, (epoch + 1) * steps * batch_size
    rows = np.empty(stop - start, train.dtype)
    for k in range(start // len(train), -(-stop // len(train))):
        order = np.random.default_rng((seed, 1, fold, k)).permutation(len(train))
        begin = k * len(train) - start  # place of the permutation in `rows`, negative if it began in an earlier epoch
        kept_rows = order[max(0, -begin) : stop - start - begin]
        rows[max(0, begin) : max(0, begin) + len(kept_rows)] = train[kept_rows]
    return rows.reshape(steps, batch_size)


def make_random_seeds(*, seed: int, fold: int, epoch: int, count: int, block: int = 0) -> np.ndarray:
    """Return seeds below 2**31, (count,), of the random layers for a fold, an epoch and a block, counted from 0."""
    key = (seed, 2, fold, epoch, block) if block else (seed, 2, fold, epoch)
    return np.random.default_rng(key).integers(2**31, size=count)
