"""Rows in: the arrays, checked against the model, and the streams of batches that each fold trains on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Data:
    """Arrays that are known to fit the model and to be finite."""

    x: np.ndarray
    """Inputs, (n, ...)."""
    y: np.ndarray
    """Targets, (n, ...)."""
    weight: np.ndarray
    """Weights of the rows' losses, (n,), of mean one."""
    notes: tuple[str, ...] = ()
    """What was changed on the way in, in words."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.x)


@dataclass(frozen=True)
class TargetUnits:
    """The units that regression targets are trained in, (y - offset) / scale, for each of several sets of rows."""

    offset: np.ndarray
    """Means of the targets, (F,)."""
    scale: np.ndarray
    """Their standard deviations, (F,)."""
    reference: float
    """The standard deviation in all rows, whose square is the unit of the losses reported."""

    def take(self, part: slice) -> "TargetUnits":
        """Return the units of some members."""
        return TargetUnits(self.offset[part], self.scale[part], self.reference)

    def standardize(self, y: np.ndarray, f: int) -> np.ndarray:
        """Return targets in the units that member `f` trains in."""
        return ((y - self.offset[f]) / self.scale[f]).astype(y.dtype)

    def restore(self, loss: np.ndarray, predictions: np.ndarray, f: int) -> tuple[np.ndarray, np.ndarray]:
        """Return member `f`'s squared errors in units of all rows, and its predictions in the targets' own."""
        return loss * (self.scale[f] / self.reference) ** 2, predictions * self.scale[f] + self.offset[f]


def make_data(x: Any, y: Any, sample_weight: Any, dtype: str) -> Data:
    """Return checked arrays: floating-point values as `dtype`, finite, of equal length; weights scaled to mean one.

    Raises:
        TypeError: If `x` or `y` is no array of numbers.
        ValueError: If lengths differ or a value is NaN or infinite (naming its column), or a weight is negative.
    """
    x, y = _array("x", x, dtype), _array("y", y, dtype)
    if len(x) != len(y):
        raise ValueError(f"`x` and `y` must have as many rows. Received: {len(x)} and {len(y)} rows.")
    if len(x) == 0:
        raise ValueError("`x` must have rows. Received: none.")
    if sample_weight is None:
        return Data(x, y, np.ones(len(x), dtype))
    weight = _array("sample_weight", sample_weight, dtype)
    if weight.shape != (len(x),) or (weight < 0).any() or weight.sum() == 0:
        raise ValueError(
            f"`sample_weight` must be {len(x)} weights, one a row, none negative and not all zero. "
            f"Received: shape {weight.shape}, least {weight.min() if weight.size else 'none'}."
        )
    # Keras divides a batch's loss by its rows, not by their weights: only with mean one is lambda still the strength on
    # the mean loss.
    note = () if np.isclose(weight.mean(), 1) else (f"sample_weight was divided by its mean, {weight.mean():.4g}.",)
    return Data(x, y, (weight / weight.mean()).astype(dtype), note)


def join(train: Data, validation: Data) -> Data:
    """Return the rows of both, the validation rows last."""
    parts = zip((train.x, train.y, train.weight), (validation.x, validation.y, validation.weight), strict=True)
    x, y, weight = (np.concatenate(pair) for pair in parts)
    return replace(train, x=x, y=y, weight=weight)


def _array(name: str, values: Any, dtype: str) -> np.ndarray:
    if isinstance(values, Iterator) or hasattr(values, "element_spec") or callable(getattr(values, "batch", None)):
        raise TypeError(
            f"`{name}` must be an array. Received: a {type(values).__name__}; streams are not supported yet."
        )
    columns = list(getattr(values, "columns", [])) or None
    array = np.asarray(values)
    if array.ndim == 0:
        raise TypeError(f"`{name}` must be an array with rows. Received: a {type(values).__name__}.")
    if array.dtype == bool:
        array = array.astype(dtype)
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise TypeError(
            f"`{name}` must be an array of real numbers. Received: dtype {array.dtype}. "
            f"Encode text and categories as numbers first."
        )
    if np.issubdtype(array.dtype, np.floating):
        _check_finite(name, array, columns)
        with np.errstate(over="ignore"):
            array = array.astype(dtype)
        _check_finite(name, array, columns)  # a float64 may overflow float32
    return array


def _check_finite(name: str, array: np.ndarray, columns: list[Any] | None) -> None:
    bad = ~np.isfinite(array)
    if not bad.any():
        return
    rows = int(bad.reshape(len(array), -1).any(axis=1).sum())
    where = ""
    if array.ndim == 2 and array.shape[1] > 1:
        counts = bad.sum(axis=0)
        worst = [int(column) for column in np.argsort(-counts, kind="stable")[:3] if counts[column]]
        named = [f"{columns[c]!r}" if columns else f"{c}" for c in worst]
        where = " in column " + ", ".join(f"{n} ({counts[c]})" for n, c in zip(named, worst, strict=True))
        where += " and others" if (counts > 0).sum() > 3 else ""
    raise ValueError(
        f"`{name}` must be finite{' in ' + str(array.dtype)}. Received: {int(bad.sum())} NaN or infinite values in "
        f"{rows} of {len(array)} rows{where}. Drop or impute these rows."
    )


def check_targets(y: np.ndarray, output_shape: tuple[int | None, ...], loss_name: str) -> None:
    """Refuse targets that the model's output and loss do not fit.

    Args:
        y: Targets, (n, ...).
        output_shape: The model's, (None, ...).
        loss_name: The loss' name, as in `keras.losses`.

    Raises:
        ValueError: Naming the shape or the values expected.
    """
    width = output_shape[-1]
    if loss_name == "sparse_categorical_crossentropy":
        values = y.reshape(len(y), -1)
        if y.ndim > 1 and tuple(y.shape[1:]) not in ((*output_shape[1:-1],), (*output_shape[1:-1], 1)):
            raise ValueError(
                f"`y` must hold one class label a row for {loss_name}. Received: shape {y.shape} for an output of "
                f"shape {output_shape}. For one-hot rows compile with loss='categorical_crossentropy'."
            )
        if (values != np.floor(values)).any():
            raise ValueError(
                f"`y` must hold whole numbers, the class labels, for {loss_name}. Received: values such as "
                f"{values[values != np.floor(values)][0]:g}. For regression compile with loss='mean_squared_error'."
            )
        if values.min() < 0 or (width is not None and values.max() >= width):
            shift = f" Subtract {values.min():g}." if np.ptp(values) < (width or 0) else ""
            raise ValueError(
                f"`y` must hold class labels 0 to {width - 1 if width else 'k - 1'} for {loss_name} and an output of "
                f"{width} units. Received: values from {values.min():g} to {values.max():g}.{shift}"
            )
        if len(np.unique(values)) < 2:
            raise ValueError(f"`y` must hold at least two classes. Received: only class {values.flat[0]:g}.")
        return
    expected = tuple(output_shape[1:])
    shape = tuple(y.shape[1:]) or (1,)
    if len(shape) != len(expected) or any(e not in (None, s) for e, s in zip(expected, shape, strict=True)):
        hint = ""
        if "categorical" in loss_name and y.ndim == 1:
            hint = " For class labels compile with loss='sparse_categorical_crossentropy'."
        raise ValueError(
            f"`y` must have the shape of the model's output, (n, {', '.join(map(str, expected))}), for {loss_name}. "
            f"Received: shape {y.shape}.{hint}"
        )
    _check_range(y, loss_name)


def _check_range(y: np.ndarray, loss_name: str) -> None:
    """Refuse values that a probability's or a count's loss has no meaning for."""
    if "crossentropy" in loss_name:
        if y.min() < 0 or y.max() > 1:
            raise ValueError(
                f"`y` must lie between 0 and 1 for {loss_name}. Received: values from {y.min():g} to {y.max():g}."
            )
        one_class = (
            y.min() == y.max() if "binary" in loss_name else (y.reshape(-1, y.shape[-1]).max(axis=0) > 0).sum() < 2
        )
        if one_class:
            raise ValueError("`y` must hold at least two classes. Received: only one.")
    if loss_name == "poisson" and y.min() < 0:
        raise ValueError(f"`y` must not be negative for {loss_name}. Received: least value {y.min():g}.")


def classes_of(y: np.ndarray) -> np.ndarray | None:
    """Return one integer label a row, to stratify folds by, or None where rows hold several labels."""
    if y.ndim == 2 and y.shape[1] > 1:
        one_hot = np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()
        return y.argmax(axis=1) if one_hot else None
    if y.ndim > 2 or not (y == np.floor(y)).all():
        return None
    return y.reshape(len(y)).astype(np.int64)


def batch_rows(train: np.ndarray, *, seed: int, fold: int, epoch: int, steps: int, batch_size: int) -> np.ndarray:
    """Return the rows of one epoch's batches, (steps, batch_size), of a fold's endless stream.

    The stream is permutations of the fold's training rows joined end to end, cut into batches of equal size: every row
    is used equally often, with no padding. Each permutation depends on (seed, fold, its number) alone, so any epoch
    can be had without those before it.

    Args:
        train: The fold's training rows, (n_f,).
        seed: The run's seed.
        fold: The fold's number; all-rows members use the number of folds.
        epoch: Counted from 0.
        steps: Batches in an epoch.
        batch_size: Rows in a batch.
    """
    start, stop = epoch * steps * batch_size, (epoch + 1) * steps * batch_size
    first, last = start // len(train), -(-stop // len(train))
    rows = [train[np.random.default_rng((seed, 1, fold, k)).permutation(len(train))] for k in range(first, last)]
    offset = start - first * len(train)
    return np.concatenate(rows)[offset : offset + stop - start].reshape(steps, batch_size)


def random_seeds(*, seed: int, fold: int, epoch: int, count: int) -> np.ndarray:
    """Return the seeds, (count,) below 2**31, of a fold's random layers in one epoch."""
    return np.random.default_rng((seed, 2, fold, epoch)).integers(2**31, size=count)
