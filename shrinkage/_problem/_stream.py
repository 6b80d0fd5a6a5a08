"""Rows that do not fit into memory: a single pass checks all rows and writes them to disk, then folds are chosen."""

import itertools
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from keras import tree

from shrinkage._cv._folds import Folds, select_scored_rows
from shrinkage._cv._given import is_splitter
from shrinkage._cv._row_sets import RowSets
from shrinkage._data._data import Data, WeightedTargets, join_values, scale_weights, take
from shrinkage._data._dataset import DatasetRows
from shrinkage._data._memory_limit import format_bytes
from shrinkage._data._sparse import SparseRows
from shrinkage._data._spool import Spool, Writer
from shrinkage._data._stored import BLOCK_BYTES, BLOCK_ROWS, StoredRows, make_placement
from shrinkage._messages._note import Note
from shrinkage._model._behaviour import Behaviour, observe
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template
from shrinkage._problem._request import Request
from shrinkage._problem._rows import read_rows
from shrinkage._problem._split import (
    SplitInputs,
    check_standardize,
    choose_folds,
    compute_target_units,
    make_split_inputs,
    read_validation,
)
from shrinkage._problem._split_rows import SplitRows
from shrinkage._progress._monitor import Monitor
from shrinkage._progress._snapshot import Snapshot

_SAMPLE = 16_384
"""Maximum number of held-out rows with stored predictions and losses."""

_TARGET_VALUES = 16
"""Maximum number of target values per row that are kept in memory for a splitter."""


def check_row_losses(objective: Objective, behaviour: Behaviour) -> None:
    """Refuse a loss or a model that mixes the rows of a batch, as a batch must not extend over two blocks."""
    if not objective.by_rows or behaviour.mixes_rows:
        kind, owner = ("model", "$model") if objective.by_rows else ("loss", "The loss of $model")
        text = (
            f"{owner} must treat each row alone where the rows do not fit into memory. Received: a {kind} that mixes "
            f"the rows of a batch. Give a larger $max_memory, or fewer rows."
        )
        raise ValueError(Note(text))


def store_rows(
    template: Template,
    rows: DatasetRows,
    request: Request,
    batch_size: int,
    validation: DatasetRows | None,
    monitor: Monitor,
) -> SplitRows:
    """Check all rows, write them to disk in a single pass, choose the folds, and shuffle the rows.

    Args:
        template: The template of the model.
        rows: The first rows, and the remaining batches.
        request: The arguments of `fit`.
        batch_size: Number of rows per batch.
        validation: Rows of `validation_data`, or None.
        monitor: The monitor of the run, which shows how many rows were read.

    Raises:
        TypeError, ValueError: If `read_rows` refuses a row, or the split or the batch size do not fit the rows.
    """
    x, y, weight = (rows if rows.rest is None else next(_split_into_blocks(rows)))[:3]
    first, objective = read_rows(template, x, y, weight, request.class_weight, is_block=True)
    check_row_losses(objective, observe(template, first.x))
    if request.standardize_target:
        check_standardize(first, objective)

    def read(rows: DatasetRows) -> Data:
        x, y, weight = rows[:3]
        return read_rows(template, x, y, weight, request.class_weight, objective, is_block=True)[0]

    def read_held_out(rows: DatasetRows) -> Data:
        return read_validation(template, objective, rows, request, is_block=True)

    with Writer(_list_arrays(first), request.seed) as writer:
        inputs, notes = _write(writer, _read_parts(rows, read), objective, request, monitor)
        if validation is not None:
            held_out, _ = _write(writer, _read_parts(validation, read_held_out), objective, request, monitor)
            inputs = replace(join_inputs([inputs, held_out]), n_validation=len(held_out.weight))
        _check_classes(inputs, objective)
        folds = choose_folds(inputs, request, batch_size)
        if batch_size > folds.train.sizes.min():
            text = (
                f"$batch_size must be at most the {folds.train.sizes.min():,} training rows of a fold where the rows "
                f"do not fit into memory. Received: {batch_size}."
            )
            raise ValueError(Note(text))
        scored = select_scored_rows(folds, inputs.weight, request.seed)
        n_train = len(inputs.weight) - inputs.n_validation
        spool = writer.finish(*make_placement(folds, scored, inputs.weight, n_train))
    structure = tree.map_structure(lambda _: None, (first.x, first.y))
    stored_rows = _make_stored_rows(spool, structure, inputs, folds, scored, request.seed)
    data = stored_rows.sample(stored_rows.n_folds * batch_size + stored_rows.block_rows)
    target = compute_target_units(inputs, folds) if request.standardize_target else None
    return SplitRows(
        stored_rows,
        data,
        folds,
        target,
        objective,
        (*notes, _describe_stored_rows(stored_rows, folds.held_out.union_size)),
    )


def _write(
    writer: Writer, blocks: Iterator[Data], objective: Objective, request: Request, monitor: Monitor
) -> tuple[SplitInputs, tuple[str, ...]]:
    """Write checked rows; return the values of all of them that a split depends on, and the notes."""
    parts, notes, by_output = list[SplitInputs](), dict[str, None](), False
    for data in blocks:
        by_output = isinstance(data.y, WeightedTargets)
        writer.write(_list_arrays(data))
        monitor.show(Snapshot("reading", rows=writer.n_rows))
        found = make_split_inputs(data, objective)
        needed = request.standardize_target or is_splitter(request.cv)
        small = found.target is not None and math.prod(found.target.shape[1:]) <= _TARGET_VALUES
        parts.append(_compact_inputs(replace(found, target=found.target if needed and small else None)))
        notes |= dict.fromkeys(data.notes)
    inputs = join_inputs(parts)
    parts.clear()  # before more arrays of all rows are made
    weight, more = scale_weights(inputs.weight, by_output)
    return replace(inputs, weight=weight), (*more, *notes)


def _make_stored_rows(
    spool: Spool, structure: Any, inputs: SplitInputs, folds: Folds, scored_rows: RowSets, seed: int
) -> StoredRows:
    random, n_held_out = np.random.default_rng((seed, 11)), folds.held_out.union_size
    places = np.sort(random.choice(n_held_out, min(_SAMPLE, n_held_out), replace=False))
    sample, weight = folds.held_out.select_from_union(places), inputs.weight[: len(inputs.weight) - inputs.n_validation]
    return StoredRows(
        spool, structure, np.append(folds.train.sizes, len(weight)), _sum_weights(folds.held_out, inputs.weight),
        _sum_weights(scored_rows, inputs.weight), int(np.count_nonzero(weight > 0)), sample, inputs.weight[sample],
        _compute_checksum(spool, inputs.weight),
    )  # fmt: skip


def _compute_checksum(spool: Spool, weight: np.ndarray) -> int:
    """Return the checksum of the rows, and of their weights if they differ."""
    return zlib.crc32(np.ascontiguousarray(weight).data, spool.checksum) if np.ptp(weight) else spool.checksum


def _sum_weights(sets: RowSets, weight: np.ndarray) -> np.ndarray:
    """Return the sum of the weights of the rows in each set, (sets,)."""
    if not np.ptp(weight):
        return np.array([weight[:size].sum() for size in sets.sizes], np.float64)
    return np.array([weight[sets.mask(place)].sum() for place in range(len(sets))], np.float64)


def _compact_inputs(part: SplitInputs) -> SplitInputs:
    """Return the same values in arrays that take little memory."""
    classes = part.classes
    if classes is not None and classes.ndim == 1:
        classes = classes.astype(np.result_type(*map(np.min_scalar_type, (classes.min(), classes.max()))))
    counts = {name: join_values([counts]) for name, counts in part.counts.items()}
    return replace(part, weight=join_values([part.weight]), classes=classes, counts=counts)


def join_inputs(parts: Sequence[SplitInputs]) -> SplitInputs:
    """Concatenate the values of several blocks.

    One-hot rows are classes only if all rows are one-hot; otherwise a row has several labels.
    """
    weight = join_values([part.weight for part in parts])
    classes, targets = [part.classes for part in parts], [part.target for part in parts]
    class_parts = [part for part in classes if part is not None]
    width = max((part.shape[1] for part in class_parts if part.ndim > 1), default=0)
    if width:
        class_parts = [part if part.ndim > 1 else part[:, None] == np.arange(width) for part in class_parts]
    joined = np.concatenate(class_parts) if len(class_parts) == len(parts) else None
    target = None if any(part is None for part in targets) else np.concatenate([t for t in targets if t is not None])
    counts = {name: join_values([part.counts[name] for part in parts]) for name in parts[0].counts}
    return SplitInputs(weight, joined, target, counts, parts[0].class_name)


def _check_classes(inputs: SplitInputs, objective: Objective) -> None:
    """Refuse labels of a single class. This check is possible only after the last row."""
    classes = None if inputs.classes is None else inputs.classes[: len(inputs.weight) - inputs.n_validation]
    if objective.find_classification_output() is not None and classes is not None and classes.min() == classes.max():
        raise ValueError(f"`y` must hold at least two classes. Received: only {classes.min()}.")


def _describe_stored_rows(stored_rows: StoredRows, n_held_out: int) -> Note:
    size, n_sample = stored_rows.spool.n_rows * stored_rows.spool.dtype.itemsize, len(stored_rows.sample_rows)
    sample = (
        f" Losses and metrics are over all held-out rows. $kept_rows of a random sample of {n_sample:,} of the "
        f"{n_held_out:,} held-out rows$numbers_of_rows."
    )
    return Note(
        f"The {stored_rows.spool.n_rows:,} rows ({format_bytes(size)}) were written to disk, and are read in "
        f"{stored_rows.n_blocks} blocks.{sample if n_sample < n_held_out else ''}"
    )


def _list_arrays(data: Data) -> list[np.ndarray]:
    leaves = tree.flatten((data.x, data.y))
    return [leaf[np.arange(data.n_rows)] if isinstance(leaf, SparseRows) else leaf for leaf in leaves]


def _read_parts(rows: DatasetRows, read: Callable[[DatasetRows], Data]) -> Iterator[Data]:
    """Yield checked rows in parts of limited size."""
    if rows.rest is not None:
        yield from map(read, _split_into_blocks(rows))
        return
    data = read(rows)
    for start in range(0, data.n_rows, BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        yield replace(data, x=take(data.x, part), y=take(data.y, part), weight=data.weight[part])


def _split_into_blocks(rows: DatasetRows) -> Iterator[DatasetRows]:
    """Yield the rows of a dataset in parts of limited size."""
    for block in itertools.chain([rows[:3]], rows.rest or ()):
        leaves = tree.flatten(block)
        n_rows = len(leaves[0])
        n_bytes = sum(leaf.nbytes for leaf in leaves if leaf is not None) // n_rows
        at_once = max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(1, n_bytes)))
        for start in range(0, n_rows, at_once):
            part = slice(start, start + at_once)
            x, y, sample_weight = (None if each is None else take(each, part) for each in (*block, None)[:3])
            yield DatasetRows(x, y, sample_weight, None)
