"""Folds: training rows, held-out rows, and the rows of the training loss."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shrinkage._note import Note


@dataclass(frozen=True, eq=False)
class Folds:
    """Which rows each fold trains on, and which it holds out.

    With R repeats of K folds there are F = R K folds: fold r K + f is fold f of repeat r, both counted from 0.

    Attributes:
        train: one sorted, read-only int64 array of row numbers per fold.
        held_out: the same for the rows held out. Row numbers in `train` and `held_out` of one fold never overlap.
        n_rows: the number of rows that were split.
        kind: how they were split: "k-fold" or "hold-out", with "stratified" or "group" before it; "given" for
            `validation_data`; "fold numbers" or "pairs of rows"; or the class of a splitter.
        notes: what a user should know about the split, in sentences.
        repeats: how many times all rows were split anew, R. A splitter that repeats itself counts as one repeat.

    Example:
        >>> from shrinkage._cv._splits import make_folds
        >>> make_folds(10, 5).held_out[0].size
        2
    """

    train: tuple[np.ndarray, ...]
    held_out: tuple[np.ndarray, ...]
    n_rows: int
    kind: str
    notes: tuple[str, ...] = ()
    repeats: int = 1

    @property
    def all_rows(self) -> np.ndarray:
        """The rows that the final models train on: all, but for those that were given to be held out."""
        return self.train[0] if self.kind == "given" else np.arange(self.n_rows)

    @property
    def per_repeat(self) -> int:
        """The number of folds in a repeat, K."""
        return len(self.train) // self.repeats

    @cached_property
    def held_out_rows(self) -> np.ndarray:
        """The rows that some fold holds out, each once, in ascending order (m,)."""
        return np.unique(np.concatenate(self.held_out))

    @property
    def overlap(self) -> float:
        """How often a repeat holds out a row, as a mean over the rows that are held out: 1 in cross-validation.

        Repeated hold-outs count as one repeat.
        """
        times = sum(map(len, self.held_out)) / len(self.held_out_rows)
        return times / self.repeats if self.per_repeat > 1 else times

    @cached_property
    def next_folds(self) -> tuple[int, ...] | None:
        """The place of the next fold of the same repeat, for each fold; the first fold follows the last.

        None if some fold does not train on all rows that the next fold holds out, or if a repeat has one fold.
        """
        if self.per_repeat < 2:
            return None
        places = np.arange(len(self.train)).reshape(self.repeats, -1)
        following = np.roll(places, -1, axis=1).ravel().tolist()
        pairs = zip(self.train, following, strict=True)
        trained = all(np.isin(self.held_out[after], rows, assume_unique=True).all() for rows, after in pairs)
        return tuple(following) if trained else None

    @property
    def hash(self) -> str:
        """SHA-256 of the row numbers, in hexadecimal: equal exactly when the split is."""
        digest = hashlib.sha256()
        for rows in (*self.train, *self.held_out):
            digest.update(np.int64(rows.size).tobytes() + rows.tobytes())
        return digest.hexdigest()


def to_folds(
    splits: Iterable[tuple[np.ndarray, np.ndarray]],
    n_rows: int,
    kind: str,
    notes: tuple[str, ...] = (),
    repeats: int = 1,
) -> Folds:
    """Return the folds of (train, held_out) pairs of row numbers."""
    train, held_out = zip(*((_rows(t), _rows(h)) for t, h in splits), strict=True)
    return Folds(train, held_out, n_rows, kind, notes, repeats)


def given_folds(n_train: int, n_validation: int) -> Folds:
    """One fold from data that is already split: rows 0 to n_train - 1 train, the rows after them are held out.

    Raises:
        ValueError: if one of the two parts has no rows.

    Example:
        >>> given_folds(3, 2).held_out
        (array([3, 4]),)
    """
    for name, n in (("training", n_train), ("validation", n_validation)):
        if n < 1:
            raise ValueError(f"The {name} data has no rows; it needs at least one.")
    n_rows = n_train + n_validation
    return to_folds([(np.arange(n_train), np.arange(n_train, n_rows))], n_rows, "given")


def repeat_seed(seed: int, repeat: int) -> int:
    """Return the seed of the split of a repeat, counted from 0: that of the first is the run's own.

    Example:
        >>> repeat_seed(7, 0), repeat_seed(7, 1) != repeat_seed(7, 2)
        (7, True)
    """
    return int(np.random.SeedSequence((seed, 6, repeat)).generate_state(1)[0]) if repeat else seed


def with_rows_that_do_not_count(folds: Folds, weight: np.ndarray, seed: int, groups: np.ndarray | None = None) -> Folds:
    """Return a split of the rows that count as one of all rows: the others are dealt to its parts at random.

    With groups, these go where their group is, and groups of which no row counts are dealt as a whole.

    Args:
        folds: the split of the rows of a weight above 0, numbered among themselves.
        weight: weights of all rows, (n,).
        seed: the same seed gives the same split.
        groups: the group of each row as an integer, (n,), or None if each row is one.

    Example:
        >>> from shrinkage._cv._splits import make_folds
        >>> folds = with_rows_that_do_not_count(make_folds(4, 2), np.array([1, 0, 1, 0, 1, 1]), seed=0)
        >>> [rows.size for rows in folds.held_out], sum(int((rows % 2 == 1).sum()) for rows in folds.held_out)
        ([3, 3], 3)
    """
    groups = np.arange(len(weight)) if groups is None else groups
    counting = np.flatnonzero(weight > 0)
    idle = np.setdiff1d(groups, groups[counting])
    held_out = []
    for f, rows in enumerate(folds.held_out):
        repeat, place = divmod(f, folds.per_repeat)
        dealt = np.random.default_rng((repeat_seed(seed, repeat), 5)).permutation(idle)
        if folds.per_repeat > 1:
            dealt = np.array_split(dealt, folds.per_repeat)[place]
        else:
            dealt = dealt[: round(len(dealt) * len(rows) / len(counting))]
        held_out.append(np.flatnonzero(np.isin(groups, np.concatenate([groups[counting[rows]], dealt]))))
    everything = np.arange(len(weight))
    splits = ((np.setdiff1d(everything, rows), rows) for rows in held_out)
    return to_folds(splits, len(weight), folds.kind, folds.notes, folds.repeats)


def scored_training_rows(folds: Folds, weight: np.ndarray, seed: int) -> list[np.ndarray]:
    """Choose the rows of each fold's training loss: as many training rows as the fold holds out.

    In cross-validation these are the rows that the next fold of the same repeat holds out. Over all folds training and
    held-out loss are then means over the same rows, and the gap between them is paired. Where a fold does not train on
    the held-out rows of the next fold, as in a time series, or is the only fold, the rows are drawn at random.

    Args:
        folds: The split.
        weight: Weights of all rows, (n,); a row of weight 0 is not drawn, and counts nowhere.
        seed: The run's seed.

    Example:
        >>> from shrinkage._cv._splits import make_folds
        >>> folds = make_folds(6, 3)
        >>> rows = scored_training_rows(folds, np.ones(6), seed=0)
        >>> bool((rows[0] == folds.held_out[1]).all())
        True
    """
    if folds.next_folds is not None:
        return [folds.held_out[f] for f in folds.next_folds]
    chosen = []
    for f, (train, held_out) in enumerate(zip(folds.train, folds.held_out, strict=True)):
        generator = np.random.default_rng((seed, 4, f) if f else (seed, 4))
        drawn = generator.permutation(train[weight[train] > 0])
        chosen.append(np.sort(drawn[: int((weight[held_out] > 0).sum())]))
    return chosen


def uneven_sizes(folds: Folds) -> tuple[Note, ...]:
    """Say it where a fold holds out more than twice as many rows as another of its repeat."""
    sizes = [len(rows) for rows in folds.held_out]
    if max(sizes) <= 2 * min(sizes):
        return ()
    return (
        Note(
            f"The folds hold out from {min(sizes):,} to {max(sizes):,} rows, as the groups differ in size: the mean "
            f"loss weighs each fold by its rows."
        ),
    )


def _rows(rows: np.ndarray) -> np.ndarray:
    rows = np.sort(rows).astype(np.int64)
    rows.flags.writeable = False
    return rows
