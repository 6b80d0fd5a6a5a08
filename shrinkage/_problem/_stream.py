"""Rows that do not fit into memory: a single pass checks the rows, assigns folds, and writes the rows to disk."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from keras import tree

from shrinkage._cv._folds import Folds, to_folds
from shrinkage._data._data import Data, take
from shrinkage._data._dataset import Rows
from shrinkage._data._spool import Dealer, Writer
from shrinkage._data._stored import BLOCK_BYTES, BLOCK_ROWS, StoredRows
from shrinkage._model._behaviour import Behaviour
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template
from shrinkage._problem._request import Request
from shrinkage._problem._rows import read_rows
from shrinkage._problem._targets import classes_of

_SAMPLE = 16_384
"""Maximum number of held-out rows with stored predictions and losses."""

_NOT_COUNTING, _NO_CLASS = -1, -2
"""Class labels of rows with weight 0, and of rows without classes."""


@dataclass(frozen=True)
class Stream:
    """Stored rows, and a sample of the rows in memory."""

    stored: StoredRows
    data: Data
    """The sample, with as many rows as a buffer of the cohort."""
    folds: Folds
    """Folds of the first rows of the sample."""
    objective: Objective
    notes: tuple[str, ...]


def check_stream(request: Request) -> None:
    """Refuse arguments that require all rows in memory."""
    number = isinstance(request.cv, Real)
    for name, used, way in (
        ("cv", not number or request.cv < 2, "Say cv=5."),
        ("repeats", request.repeats > 1, "Leave it out."),
        ("validation_data", request.validation_data is not None, "Leave it out for cv=5."),
        ("standardize_target", request.standardize_target, "Divide the targets in the dataset: dataset.map(...)."),
    ):
        if used:
            raise ValueError(
                f"`{name}` needs rows that fit into memory. Received: a dataset that takes more than a quarter of what "
                f"is allowed, beside {name}={getattr(request, name)!r}. {way} Or give a larger max_memory."
            )


def check_by_rows(objective: Objective, behaviour: Behaviour) -> None:
    """Refuse a loss or a model that mixes the rows of a batch, as a batch must not extend over two blocks."""
    if not objective.by_rows or behaviour.mixes_rows:
        kind = "`model` must treat" if objective.by_rows else "`loss` must treat"
        raise ValueError(
            f"{kind} each row alone where the rows do not fit into memory. Received: one that mixes the rows of a "
            f"batch. Give a larger max_memory, or fewer rows: dataset.take(n)."
        )


def store_rows(template: Template, rows: Rows, request: Request, batch_size: int) -> Stream:
    """Check all rows, assign folds, and write the rows to disk, in a single pass.

    Args:
        template: The template of the model.
        rows: The first rows, and the remaining batches.
        request: The arguments of `fit`.
        batch_size: Number of rows per batch.

    Raises:
        TypeError, ValueError: If `read_rows` refuses a row.
    """
    check_stream(request)
    n_folds = int(request.cv)
    dealer, blocks = Dealer(n_folds, request.seed), _blocks(rows)
    data, objective = read_rows(template, *next(blocks), request.class_weight, is_block=True)
    structure, notes = (data.x, data.y), dict.fromkeys(data.notes)
    weights, n_counting = np.zeros(n_folds), 0
    with Writer(_arrays(data), n_folds, request.seed) as writer:
        while True:
            sections = dealer.deal(_classes(data, objective))
            writer.write(_arrays(data), sections)
            weights += np.bincount(sections, data.weight, n_folds)
            n_counting += int((data.weight > 0).sum())
            block = next(blocks, None)
            if block is None:
                break
            data, _ = read_rows(template, *block, request.class_weight, objective, is_block=True)
            notes |= dict.fromkeys(data.notes)
        _check_classes(dealer, objective)
        spool = writer.finish()
    mean = weights.sum() / spool.n_rows
    stored = StoredRows(spool, structure, float(mean), weights / mean, n_counting)
    data, sections = stored.sample(n_folds * batch_size + stored.block_rows)
    if batch_size > stored.n_train.min():
        raise ValueError(
            f"`batch_size` must be at most the {stored.n_train.min():,} training rows of a fold where the rows do not "
            f"fit into memory. Received: {batch_size}."
        )
    n_sample = min(max(_SAMPLE, 2 * batch_size), stored.n_rows)  # a fold of the sample trains on a batch at least
    folds = _sample_folds(sections[:n_sample], stored, dealer.classes != [_NO_CLASS])
    return Stream(stored, data, folds, objective, (*notes, _note(stored, folds.n_rows)))


def _check_classes(dealer: Dealer, objective: Objective) -> None:
    """Refuse labels of a single class. This check is possible only after the last row."""
    counting = [label for label in dealer.classes if label != _NOT_COUNTING]
    if objective.classification_output() is not None and dealer.classes != [_NO_CLASS] and len(counting) < 2:
        raise ValueError(f"`y` must hold at least two classes. Received: only {counting or 'rows of weight 0'}.")


def _note(stored: StoredRows, n_sample: int) -> str:
    size = stored.n_rows * stored.spool.dtype.itemsize / 2**20
    return (
        f"The {stored.n_rows:,} rows ({size:,.0f} MiB) were written to disk, and are read in {stored.n_blocks} blocks. "
        f"Means and standard errors are over all held-out rows. `predictions`, `row_loss` and `metrics` are of a "
        f"random sample of {n_sample:,} rows, which `held_out_rows` numbers."
    )


def _arrays(data: Data) -> list[np.ndarray]:
    return [*tree.flatten((data.x, data.y)), data.weight]


def _blocks(rows: Rows) -> Iterator[tuple[Any, Any, Any]]:
    """Yield (x, y, sample_weight) in parts of limited size."""
    for block in itertools.chain([rows[:3]], rows.rest or ()):
        leaves = tree.flatten(block)
        n_rows = len(leaves[0])
        n_bytes = sum(leaf.nbytes for leaf in leaves if leaf is not None) // n_rows
        at_once = max(1, min(BLOCK_ROWS, BLOCK_BYTES // max(1, n_bytes)))
        for start in range(0, n_rows, at_once):
            part = slice(start, start + at_once)
            x, y, sample_weight = (None if each is None else take(each, part) for each in (*block, None)[:3])
            yield x, y, sample_weight


def _classes(data: Data, objective: Objective) -> np.ndarray:
    """Return the class of each row for stratification, (n,). Rows with weight 0 form a separate class."""
    place = objective.classification_output()
    found = None if place is None else classes_of(tree.flatten(data.y)[place])
    classes = np.full(data.n_rows, _NO_CLASS) if found is None or found.ndim > 1 else found
    return np.where(data.weight > 0, classes, _NOT_COUNTING)


def _sample_folds(sections: np.ndarray, stored: StoredRows, is_stratified: bool) -> Folds:
    """Return the folds of the first rows of the sample."""
    n_rows = len(sections)
    rows = np.arange(n_rows)
    split = ((rows[sections != f], rows[sections == f]) for f in range(len(stored.spool.sizes)))
    return to_folds(split, n_rows, "stratified k-fold" if is_stratified else "k-fold")
