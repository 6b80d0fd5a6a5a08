"""Folds: training rows, held-out rows, and the rows for the training loss."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from shrinkage._cv._row_sets import RowSets
from shrinkage._messages._note import Note


@dataclass(frozen=True, eq=False)
class Folds:
    """Training rows and held-out rows of each fold.

    With R repeats of K folds there are F = R K folds: fold r K + f is fold f of repeat r, both counted from 0.

    Attributes:
        train: a sequence with a sorted, read-only int64 array of training row numbers per fold.
        held_out: a sequence with a sorted, read-only int64 array of held-out row numbers per fold, disjoint from
            `train`.
        n_rows: the number of rows in the split.
        kind: the kind of split: "k-fold" or "hold-out", with a prefix "stratified" or "group"; "given" for
            `validation_data`; "fold numbers" or "pairs of rows"; the class name of a splitter; or "rung" for a search
            within a budget, with the prefix "given" for `validation_data`.
        notes: sentences for the user about the split.
        repeats: the number of independent splits of all rows, R. A splitter with repeats counts as a single repeat.

    Example:
        >>> from shrinkage._cv._splits import make_folds
        >>> make_folds(10, 5).held_out[0].size
        2
    """

    train: RowSets
    held_out: RowSets
    n_rows: int
    kind: str
    notes: tuple[str, ...] = ()
    repeats: int = 1

    def __post_init__(self) -> None:
        for name in ("train", "held_out"):
            if not isinstance(rows := getattr(self, name), RowSets):
                object.__setattr__(self, name, RowSets.from_rows(rows, self.n_rows))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore pickled folds. Earlier versions pickled tuples of arrays."""
        self.__dict__.update(state)
        self.__post_init__()

    @property
    def rows_of_x(self) -> np.ndarray:
        """Numbers of the rows of `x`, on which the final models are trained: all but the rows of `validation_data`."""
        return np.flatnonzero(~self.held_out.mask(0)) if self._has_given_rows else np.arange(self.n_rows)

    @property
    def _has_given_rows(self) -> bool:
        """Whether the held-out rows are those of `validation_data`."""
        return self.kind.startswith("given")

    @property
    def names_rows(self) -> bool:
        """Whether the caller named the rows of the folds: by fold numbers, pairs or a splitter."""
        return not (self._has_given_rows or self.kind.endswith(("k-fold", "hold-out", "rung")))

    @property
    def is_rung(self) -> bool:
        """Whether the split is of a search within a budget, which trains on a part of the rows."""
        return self.kind.endswith("rung")

    @property
    def per_repeat(self) -> int:
        """Number of folds per repeat, K."""
        return len(self.train) // self.repeats

    @cached_property
    def held_out_rows(self) -> np.ndarray:
        """Distinct held-out rows of all folds in ascending order, (m,)."""
        return self.held_out.union

    @property
    def overlap(self) -> float:
        """Mean number of times that a repeat holds out a row, over the held-out rows. Cross-validation has overlap 1.

        Repeated hold-outs count as a single repeat.
        """
        times = int(self.held_out.sizes.sum()) / self.held_out.union_size
        return times / self.repeats if self.per_repeat > 1 else times

    @cached_property
    def next_folds(self) -> tuple[int, ...] | None:
        """Index of the next fold in the same repeat, for each fold. The first fold follows the last fold.

        None if a fold does not train on all held-out rows of the next fold, or if a repeat has a single fold.
        """
        if self.per_repeat < 2:
            return None
        places = np.arange(len(self.train)).reshape(self.repeats, -1)
        following = np.roll(places, -1, axis=1).ravel().tolist()
        pairs = zip(self.train.bits, following, strict=True)
        untrained = any((self.held_out.bits[place] & ~bits).any() for bits, place in pairs)
        return None if untrained else tuple(following)

    @property
    def hash(self) -> str:
        """SHA-256 of the row numbers in hexadecimal, which identifies the split."""
        digest = hashlib.sha256()
        for sets in (self.train, self.held_out):
            for place, size in enumerate(sets.sizes):
                digest.update(np.int64(size).tobytes())
                for part, inside in sets[[place]].iterate_parts():
                    digest.update((part.start + np.flatnonzero(inside[0])).astype(np.int64).tobytes())
        return digest.hexdigest()

    def iterate_training_parts(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield slices of rows, and whether each fold and, last, the final models train on each row, (F + 1, rows)."""
        for (part, inside), (_, held_out) in zip(
            self.train.iterate_parts(), self.held_out.iterate_parts(), strict=True
        ):
            of_x = ~held_out[:1] if self._has_given_rows else np.ones_like(inside[:1])
            yield part, np.concatenate([inside, of_x])


def to_folds(
    splits: Iterable[tuple[np.ndarray | slice, np.ndarray | slice]],
    n_rows: int,
    kind: str,
    notes: tuple[str, ...] = (),
    repeats: int = 1,
) -> Folds:
    """Create folds from pairs (train, held_out) of row numbers, masks or slices. One pair at a time is in memory."""
    sets = RowSets.from_rows((rows for pair in splits for rows in pair), n_rows)
    return Folds(sets[::2], sets[1::2], n_rows, kind, notes, repeats)


def make_validation_folds(n_train: int, n_validation: int) -> Folds:
    """Return a single fold that trains on rows 0 to n_train - 1 and holds out the remaining rows.

    Raises:
        ValueError: if a part has no rows.

    Example:
        >>> list(make_validation_folds(3, 2).held_out)
        [array([3, 4])]
    """
    for name, n in (("x", n_train), ("validation_data", n_validation)):
        if n < 1:
            raise ValueError(f"`{name}` must have at least one row. Received: none.")
    n_rows = n_train + n_validation
    return to_folds([(slice(n_train), slice(n_train, n_rows))], n_rows, "given")


def make_repeat_seed(seed: int, repeat: int) -> int:
    """Return the seed for the split of a repeat. The first repeat, number 0, uses `seed`.

    Example:
        >>> make_repeat_seed(7, 0), make_repeat_seed(7, 1) != make_repeat_seed(7, 2)
        (7, True)
    """
    return int(np.random.SeedSequence((seed, 6, repeat)).generate_state(1)[0]) if repeat else seed


def add_zero_weight_rows(folds: Folds, weight: np.ndarray, seed: int, groups: np.ndarray | None = None) -> Folds:
    """Extend a split of the rows with a weight above 0 to all rows. Rows with weight 0 are assigned at random.

    With groups, a row with weight 0 goes to the part of the group. A group without any other rows is assigned as a
    whole.

    Args:
        folds: the split of the rows with a weight above 0. Row numbers count only these rows.
        weight: weights of all rows, (n,).
        seed: the same seed gives the same split.
        groups: the group of each row as an integer from 0, (n,), or None without groups.

    Example:
        >>> from shrinkage._cv._splits import make_folds
        >>> folds = add_zero_weight_rows(make_folds(4, 2), np.array([1, 0, 1, 0, 1, 1]), seed=0)
        >>> [rows.size for rows in folds.held_out], sum(int((rows % 2 == 1).sum()) for rows in folds.held_out)
        ([3, 3], 3)
    """
    counts = weight > 0
    idle = _to_numbers(~counts if groups is None else _find_idle_groups(groups, counts))

    def splits() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for f, size in enumerate(folds.held_out.sizes.tolist()):
            repeat, place = divmod(f, folds.per_repeat)
            dealt = np.random.default_rng((make_repeat_seed(seed, repeat), 5)).permutation(idle)
            if folds.per_repeat > 1:
                dealt = np.array_split(dealt, folds.per_repeat)[place]
            else:
                dealt = dealt[: round(len(dealt) * size / folds.n_rows)]
            held_out = counts.copy() if groups is None else np.zeros(groups.max() + 1, bool)
            held_out[counts if groups is None else groups[counts]] = folds.held_out.mask(f)
            held_out[dealt] = True
            held_out = held_out if groups is None else held_out[groups]
            yield ~held_out, held_out

    return to_folds(splits(), len(weight), folds.kind, folds.notes, folds.repeats)


def _find_idle_groups(groups: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return whether each group has rows, but none that counts, (groups,)."""
    size = groups.max() + 1
    return _to_mask(groups, size) & ~_to_mask(groups[counts], size)


def _to_numbers(mask: np.ndarray) -> np.ndarray:
    """Return the numbers of the rows in a mask, in the smallest type."""
    return np.arange(len(mask), dtype=np.min_scalar_type(len(mask)))[mask]


def _to_mask(numbers: np.ndarray, size: int) -> np.ndarray:
    """Return which of the numbers from 0 to size - 1 occur, (size,)."""
    mask = np.zeros(size, bool)
    mask[numbers] = True
    return mask


def select_scored_rows(folds: Folds, weight: np.ndarray, seed: int) -> RowSets:
    """Choose the rows for the training loss of each fold: as many training rows as held-out rows.

    In cross-validation a fold uses the held-out rows of the next fold in the same repeat. Over all folds, the training
    loss and the held-out loss are then means over the same rows, so the difference is paired. Otherwise the rows are
    drawn at random: for a single fold, and if a fold does not train on the held-out rows of the next fold, as in a time
    series.

    Args:
        folds: The split.
        weight: Weights of all rows, (n,). Rows with weight 0 are not drawn.
        seed: Seed of the run.

    Example:
        >>> from shrinkage._cv._splits import make_folds
        >>> folds = make_folds(6, 3)
        >>> rows = select_scored_rows(folds, np.ones(6), seed=0)
        >>> bool((rows[0] == folds.held_out[1]).all())
        True
    """
    if folds.next_folds is not None:
        return folds.held_out[list(folds.next_folds)]
    return RowSets.from_rows(_draw_training_rows(folds, weight, seed), folds.n_rows)


def _draw_training_rows(folds: Folds, weight: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    counts = weight > 0
    for f in range(len(folds.train)):
        train, held_out = folds.train.mask(f), folds.held_out.mask(f)
        generator = np.random.default_rng((seed, 4, f) if f else (seed, 4))
        drawn = _to_numbers(train & counts)
        generator.shuffle(drawn)
        yield drawn[: int(np.count_nonzero(held_out & counts))]


def describe_uneven_sizes(folds: Folds) -> tuple[Note, ...]:
    """Return a note if a fold holds out more than twice as many rows as another fold."""
    sizes = folds.held_out.sizes
    if max(sizes) <= 2 * min(sizes):
        return ()
    return (
        Note(
            f"The folds hold out from {min(sizes):,} to {max(sizes):,} rows, as the groups differ in size: the mean "
            f"loss weighs each fold by its rows."
        ),
    )
