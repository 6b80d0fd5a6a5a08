"""Rows of a `tf.data.Dataset` or a `keras.utils.PyDataset`, read once into arrays.

A shuffling dataset changes the order of the rows in every pass, so folds by position would hold out rows from earlier
training. The dataset is therefore read only once, and every epoch of the cohort shuffles the rows.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from keras import tree, utils

from shrinkage._data._sparse import is_sparse
from shrinkage._host._errors import get_first_line, is_of_unequal_rows
from shrinkage._host._private import UnsupportedVersion
from shrinkage._host._tensorflow import iterate_transformations

_READ = 8192, 16 * 2**20
"""Maximum number of rows and bytes per read from a `tf.data.Dataset`. Many small reads are slow."""
_BLOCK_BYTES = 64 * 2**20
"""Number of bytes per block of joined batches. The C library returns freed memory of this size to the system."""
_INFINITE = -1  # `tf.data.Dataset.cardinality` of an infinite dataset


class DatasetRows(NamedTuple):
    """The rows of a dataset, or arrays as the user gives them."""

    x: Any
    """Inputs, a tree of arrays (n, ...)."""
    y: Any
    """Targets, a tree of arrays (n, ...)."""
    sample_weight: Any
    """Weights of the rows, (n,), or None."""
    batch_size: int | None
    """Number of rows in a batch of the dataset; None if the dataset yields single rows."""
    rest: Iterator[tuple[Any, ...]] | None = None
    """The remaining blocks of rows, (x, y) or (x, y, sample_weight), if the rows need more memory than allowed."""


def is_dataset(x: Any) -> bool:
    """Whether `x` is a `tf.data.Dataset` or a `keras.utils.PyDataset`."""
    return isinstance(x, utils.PyDataset) or (hasattr(x, "element_spec") and callable(getattr(x, "batch", None)))


def is_shuffled(x: Any) -> bool:
    """Whether a `tf.data.Dataset` is known to shuffle its rows."""
    return any("Shuffle" in name for name in iterate_transformations(x))


def read_dataset(
    name: str, dataset: Any, *, shape: tuple[int | None, ...] | None, steps: int | None, limit: int
) -> DatasetRows:
    """Read the rows of a dataset of (x, y) or (x, y, sample_weight), once.

    Args:
        name: Name of the dataset in errors.
        dataset: A `tf.data.Dataset` or a `keras.utils.PyDataset`.
        shape: Shape of the model input, (None, ...); None if the model has several inputs or an unknown shape.
        steps: Number of batches to read, or of rows if the dataset has no batches. None reads all.
        limit: Approximate number of bytes to read into memory. The remaining batches are returned in `rest`.

    Raises:
        TypeError: If the dataset yields no targets.
        ValueError: If the dataset is empty, infinite or fails, or if the shapes of the rows differ.
    """
    _check_spec(name, dataset)
    _check_end(name, dataset, steps)
    try:
        batches, batch_size = _make_batches(dataset, shape, steps)
    except UnsupportedVersion:
        raise
    except Exception as error:  # of any class: the pipeline may run code of the user
        raise ValueError(_describe_failure(name, "at the first rows", error)) from error
    batches = _check_batches(name, batches)
    first = next(batches, None)
    if first is None:
        raise ValueError(f"{name} must have rows. Received: a dataset that gives none.")
    if batch_size == 0:  # the first batch of a `PyDataset` determines the batch size
        batch_size = len(tree.flatten(first)[0])
    source = _join_to_blocks(name, itertools.chain([first], batches), min(_BLOCK_BYTES, limit // 8))
    blocks = list(_take_blocks(limit, source))
    following = next(source, None)
    if following is None:
        x, y, sample_weight = (*join_batches(name, blocks), None)[:3]
        return DatasetRows(x, y, sample_weight, batch_size)
    if any(map(_is_ragged, tree.flatten(blocks))):
        raise ValueError(
            f"{name} must give rows of one length where the rows do not fit into memory. Received: ragged tensors. "
            f"Give a larger max_memory, or pad the rows to one length: "
            f"dataset.map(lambda x, y: (x.to_tensor(shape=(None, 100)), y))."
        )
    x, y, sample_weight = (*blocks.pop(0), None)[:3]
    rest = itertools.chain(_drain(blocks), [following], source)
    return DatasetRows(x, y, sample_weight, batch_size, rest)


def _make_batches(
    dataset: Any, shape: tuple[int | None, ...] | None, steps: int | None
) -> tuple[Iterator[Any], int | None]:
    """Return an iterator of batches, and the number of rows per batch: 0 if the first batch determines the number."""
    if isinstance(dataset, utils.PyDataset):
        return (dataset[i] for i in range(steps or dataset.num_batches or 0)), 0
    dataset = dataset if steps is None else dataset.take(steps)
    first = next(iter(dataset.take(1)), None)
    if first is None or not _is_batched(dataset, first, shape):
        return iter(dataset.batch(_count_rows_per_read(dataset, 1)).as_numpy_iterator()), None
    batch_size = int(tree.flatten(first)[0].shape[0])
    if callable(getattr(dataset, "rebatch", None)) and all(
        shape.rank and shape[1:].is_fully_defined() for shape in _list_shapes(dataset)
    ):
        dataset = dataset.rebatch(_count_rows_per_read(dataset, batch_size))
    return iter(dataset.as_numpy_iterator()), batch_size


def _check_spec(name: str, dataset: Any) -> None:
    """Refuse sparse tensors. The message contains code for the conversion to dense tensors."""
    if any(type(spec).__name__ == "SparseTensorSpec" for spec in tree.flatten(getattr(dataset, "element_spec", ()))):
        code = "dataset.map(lambda x, y: (tensorflow.sparse.to_dense(x), y))"
        raise TypeError(_describe_sparse_tensor(name, code))


def _describe_sparse_tensor(name: str, code: str) -> str:
    return f"{name} must give dense tensors. Received: a SparseTensor. Say {code}, which fills up with zeros."


def _check_end(name: str, dataset: Any, steps: int | None) -> None:
    if isinstance(dataset, utils.PyDataset):
        n_batches = math.inf if dataset.num_batches is None else dataset.num_batches
    else:
        n_batches = math.inf if (n := int(dataset.cardinality())) == _INFINITE else n
    if steps is None and n_batches == math.inf:
        way = "Say steps_per_epoch=100" if name == "`x`" else "Say dataset.take(100)"
        raise ValueError(
            f"{name} must have an end. Received: a dataset that repeats without end. {way} for as many batches, or "
            f"leave .repeat() out: all epochs use the same rows."
        )
    if steps is not None and 0 <= n_batches < steps:
        raise ValueError(
            f"`steps_per_epoch` must be at most the {n_batches} batches of {name}. Received: {steps}. Leave it out to "
            f"use all."
        )


def _list_shapes(dataset: Any) -> list[Any]:
    return [spec.shape for spec in tree.flatten(dataset.element_spec)]


def _is_batched(dataset: Any, first: Any, shape: tuple[int | None, ...] | None) -> bool:
    """Whether a `tf.data.Dataset` yields batches, judged by the model input, the element shapes or the operations."""
    leaves = tree.flatten(first)
    if any(len(leaf.shape) == 0 for leaf in leaves):
        return False
    if shape is not None and shape[-1] != 1:  # a last axis of size 1 is optional
        return len(leaves[0].shape) == len(shape)
    if all(spec.rank and spec[0] is None for spec in _list_shapes(dataset)):
        return True
    last = next((name for name in iterate_transformations(dataset) if "Batch" in name or "Unbatch" in name), "Unbatch")
    return "Unbatch" not in last


def _count_rows_per_read(dataset: Any, batch_size: int) -> int:
    """Return the number of rows per read, a multiple of the batch size."""
    sizes = [shape[1:] if batch_size > 1 else shape for shape in _list_shapes(dataset)]
    values = sum(math.prod(size or 1 for size in shape) if shape.rank is not None else 1 for shape in sizes)
    rows = max(1, min(_READ[0], _READ[1] // (8 * values)))
    return max(1, rows // batch_size) * batch_size


def _check_batches(name: str, batches: Iterator[Any]) -> Iterator[Any]:
    """Yield checked batches, as tuples (x, y) or (x, y, sample_weight) of arrays."""
    n_rows = 0
    for number in itertools.count():
        try:
            batch = next(batches, None)
        except UnsupportedVersion:
            raise
        except Exception as error:  # of any class: the pipeline may run code of the user
            where = f"after {n_rows:,} rows" if n_rows else "at the first rows"
            raise ValueError(_describe_failure(name, where, error)) from error
        if batch is None:
            return
        if not isinstance(batch, tuple) or len(batch) not in (2, 3):
            raise TypeError(
                f"{name} must give (x, y) or (x, y, sample_weight), as for model.fit. Received: "
                f"{_describe_batch(batch)}. {_suggest_targets(batch)}"
            )
        batch = batch[:2] if batch[-1] is None else batch  # no weights
        if any(type(leaf).__name__ == "SparseTensor" for leaf in tree.flatten(batch)):
            raise TypeError(_describe_sparse_tensor(name, "tensorflow.sparse.to_dense(x)"))
        arrays = tree.map_structure(_to_array, batch)
        sizes = {len(array) if array.ndim else -1 for array in tree.flatten(arrays)}
        if len(sizes) > 1 or -1 in sizes:
            raise ValueError(
                f"{name} must give batches whose parts have the same number of rows. Received: batch {number + 1} of "
                f"shapes {_format_shapes(arrays)}."
            )
        n_rows += sizes.pop()
        yield arrays


def _format_shapes(arrays: Any) -> str:
    shapes = [str(array.shape) for array in tree.flatten(arrays)]
    hint = ". Give arrays, not lists of numbers" * (len(shapes) > 3 and set(shapes) == {"()"})
    return ", ".join(shapes[:6]) + " and more" * (len(shapes) > 6) + hint


def _describe_failure(name: str, where: str, error: Exception) -> str:
    """Return a message with the first line of an error of a dataset, and a hint."""
    lengths = " Pad rows of different lengths with zeros by dataset.padded_batch(32), in place of batch(32)."
    return (
        f"{name} must give rows without an error. Received: an error {where}: {get_first_line(error)}"
        + lengths * is_of_unequal_rows(error)
    )


def _is_ragged(array: np.ndarray) -> bool:
    """Whether an array holds rows of different lengths, rather than numbers or text."""
    return array.dtype == object and array.size > 0 and isinstance(array.flat[0], np.ndarray)


def _count_array_bytes(array: np.ndarray) -> int:
    return array.nbytes + (sum(row.nbytes for row in array.flat) if _is_ragged(array) else 0)


def _to_array(value: Any) -> np.ndarray:
    if type(value).__name__.startswith("Ragged"):  # an array of rows
        rows = np.empty(value.shape[0], object)
        rows[:] = [np.asarray(row) for row in value.to_list()]
        return rows
    if is_sparse(value):
        return value.toarray()
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)


def _describe_batch(batch: Any) -> str:
    if isinstance(batch, tuple):
        return f"tuples of {len(batch)}"
    return f"a {type(batch).__name__}" + (
        f" with keys {', '.join(map(repr, batch))}" if isinstance(batch, dict) else ""
    )


def _suggest_targets(batch: Any) -> str:
    if isinstance(batch, dict):
        return "Take the targets out: dataset.map(lambda row: (row, row.pop('target')))."
    if isinstance(batch, tuple) and len(batch) > 3:
        return "Join the inputs: dataset.map(lambda *parts: (parts[:-1], parts[-1]))."
    if isinstance(batch, list):
        return "Give tuples: return x, y."
    return "For an autoencoder say dataset.map(lambda x: (x, x))."


def _join_to_blocks(name: str, batches: Iterator[Any], n_bytes: int) -> Iterator[Any]:
    """Join consecutive batches to blocks of at least `n_bytes`, except the last block."""
    parts, size = list[Any](), 0
    for batch in batches:
        parts.append(batch)
        size += _count_batch_bytes(batch)
        if size >= n_bytes:
            yield join_batches(name, parts)
            size = 0
    if parts:
        yield join_batches(name, parts)


def _take_blocks(limit: int, blocks: Iterator[Any]) -> Iterator[Any]:
    """Yield blocks until they have more than `limit` bytes together."""
    n_bytes = 0
    while n_bytes <= limit and (block := next(blocks, None)) is not None:
        n_bytes += _count_batch_bytes(block)
        yield block


def _drain(blocks: list[Any]) -> Iterator[Any]:
    """Yield the blocks, and remove each from the list first."""
    while blocks:
        yield blocks.pop(0)


def _count_batch_bytes(batch: Any) -> int:
    return sum(map(_count_array_bytes, tree.flatten(batch)))


def join_batches(name: str, parts: list[Any]) -> tuple[Any, ...]:
    """Concatenate the arrays of all batches. The list is emptied to avoid a second copy of the rows in memory."""
    structure, leaves = parts[0], [tree.flatten(part) for part in parts]
    parts.clear()
    if any(len(each) != len(leaves[0]) for each in leaves):
        raise ValueError(
            f"{name} must give batches of one structure. Received: batches of different numbers of arrays."
        )
    joined = []
    for place in range(len(leaves[0])):
        arrays = [each[place] for each in leaves]
        for each in leaves:
            each[place] = None
        joined.append(_concatenate(name, arrays))
    return tree.pack_sequence_as(structure, joined)


def _concatenate(name: str, arrays: list[np.ndarray]) -> np.ndarray:
    """Concatenate arrays along the first axis. The list is emptied, and each array is freed as soon as it is copied."""
    if len(arrays) == 1:
        return arrays[0]
    shape = arrays[0].shape[1:]
    for array in arrays:
        if array.shape[1:] != shape:
            raise ValueError(
                f"{name} must give rows of one shape. Received: rows of shape {shape} first, and of shape "
                f"{array.shape[1:]} later. Pad them to one length: dataset.padded_batch(32, padded_shapes=...)."
            )
    whole = np.empty((sum(map(len, arrays)), *shape), np.result_type(*(array.dtype for array in arrays)))
    start = 0
    while arrays:
        array = arrays.pop(0)
        whole[start : start + len(array)] = array
        start += len(array)
    return whole
