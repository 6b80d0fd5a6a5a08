"""Passes over the rows that several computations share.

A computation is a generator. It yields a `Pass`, and is sent the sum over all rows. Computations of several folds take
turns at each block, so that a block on disk is read once for all of them.
"""

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from operator import add
from typing import Any, TypeVar

import numpy as np

from shrinkage._data._stored import Block
from shrinkage._plan._exact._rows import ExactRows

Result = TypeVar("Result")

_SHARE = 0.95  # of the rows of a block: with fewer training rows, a copy of these is faster than all rows


@dataclass
class RowPart:
    """Training rows of a set that are computed with together."""

    design: Callable[[], np.ndarray]
    """Returns the columns of the linear model, (n, P)."""
    weight: np.ndarray
    """Weights of the rows, (n,), 0 for rows of other sets."""
    targets: np.ndarray
    """Targets, (n, k)."""
    stays: bool
    """Whether the next pass has the same part, so that it can keep arrays."""
    probabilities: np.ndarray | None = None
    """The probabilities that an earlier pass computed."""


@dataclass(frozen=True)
class Pass:
    """A function of each part, and of two results, which combines them."""

    call: Callable[[RowPart], list[Any]]
    combine: Callable[[Any, Any], Any] = add


Computation = Generator[Pass, list[Any], Result]
"""A computation that needs the combined results of passes."""


def run_passes(
    rows: ExactRows,
    computations: Mapping[int, Computation[Result]],
    stride: int = 1,
    weigh: Callable[[Block, int], np.ndarray] | None = None,
) -> list[Result]:
    """Return the results of computations, one for each set of rows.

    Sets of rows on disk with the same columns share each pass. Other sets come one after another: the parts of one are
    kept in memory, or its columns on disk.

    Args:
        rows: The rows.
        computations: A computation for each set.
        stride: Of this number of rows, one is in the passes; those of a stride above 1 are kept in memory.
        weigh: A function that returns the weights of the rows of a block for a set; by default those of its loss.
    """
    found = []
    weigh = weigh or rows.compute_weight
    for group in [computations] if rows.are_shared else [{f: each} for f, each in computations.items()]:
        found += _take_turns(rows, _make_source(rows, [*group], stride, weigh), group)
        rows.remove_stored_designs(group)
    return found


Source = Callable[[Sequence[int]], Iterable[tuple[int, list[RowPart]]]]
"""A function that yields each of some sets of rows with parts of it, for a pass."""


def _make_source(
    rows: ExactRows, sets: Sequence[int], stride: int, weigh: Callable[[Block, int], np.ndarray]
) -> Source:
    if rows.are_on_disk and stride == 1:
        return partial(_make_parts_on_disk, rows, weigh=weigh)
    parts_by_set = {f: [*_make_parts_in_memory(rows, f, stride, weigh)] for f in sets}
    return lambda sets: ((f, parts_by_set[f]) for f in sets)


def _take_turns(rows: ExactRows, source: Source, computations: Mapping[int, Computation[Result]]) -> list[Result]:
    """Return the results of computations that take turns at the parts of a pass."""
    passes = {f: next(computation) for f, computation in computations.items()}
    found = dict[int, Result]()
    while passes:
        totals = dict[int, list[Any]]()
        for f, parts in source([*passes]):
            for results in rows.map_in_parallel(passes[f].call, parts):
                totals[f] = [*map(passes[f].combine, totals[f], results)] if f in totals else results
        for f, total in totals.items():
            try:
                passes[f] = computations[f].send(total)
            except StopIteration as end:
                found[f] = end.value
                del passes[f]
    return [found[f] for f in computations]


def _make_parts_in_memory(
    rows: ExactRows, f: int, stride: int, weigh: Callable[[Block, int], np.ndarray]
) -> Iterator[RowPart]:
    """Yield a part of each block, which has each `stride`-th training row of the set."""
    bytes_left = rows.bytes_left
    for number, block in itertools.chain.from_iterable(rows.read_small_blocks()):
        get_design = partial(rows.get_stored_design, number, block, f)
        design = get_design()  # here, and not in parallel: layers before the head run
        weight, targets = weigh(block, f), rows.get_targets(number, block)
        used = np.flatnonzero(weight > 0)[::stride]
        if stride > 1 or (len(used) < _SHARE * len(weight) and design.nbytes <= bytes_left):
            bytes_left -= design[:1].nbytes * len(used)
            get_design = cache(partial(np.take, design, used, axis=0))  # in parallel, in the first pass
            weight, targets = weight[used], targets[used]
        yield RowPart(get_design, weight, targets, stays=True)


def _make_parts_on_disk(
    rows: ExactRows, sets: Sequence[int], weigh: Callable[[Block, int], np.ndarray]
) -> Iterator[tuple[int, list[RowPart]]]:
    """Yield each set with the parts of some blocks, whose columns are in memory and the same in all sets."""
    for blocks in rows.read_small_blocks():
        designs = [rows.get_stored_design(number, block, sets[0]) for number, block in blocks]
        for f in sets:
            yield (
                f,
                [
                    RowPart(
                        partial(np.asarray, design),
                        weigh(block, f),
                        rows.get_targets(number, block),
                        stays=False,
                    )
                    for (number, block), design in zip(blocks, designs, strict=True)
                ],
            )
