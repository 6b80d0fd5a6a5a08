"""Folds: training rows, held-out rows, and the rows for the training loss."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shrinkage._note import Note


@dataclass(frozen=True, eq=False)
class Folds:
    """Training rows and held-out rows of each fold.

    With R repeats of K folds there are F = R K folds: fold r K + f is fold f of repeat r, both counted from 0.

    Attributes:
        train: a sorted, read-only int64 array of training row numbers per fold.
        held_out: a sorted, read-only int64 array of held-out row numbers per fold, disjoint from `train`.
        n_rows: the number of rows in the split.
        kind: the kind of split: "k-fold" or "hold-out", with a prefix "stratified" or "group"; "given" for
            `validation_data`; "fold numbers" or "pairs of rows"; or the class name of a splitter.
        notes: sentences for the user about the split.
        repeats: the number of independent splits of all rows, R. A splitter with repeats counts as a single repeat.

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
    def rows_of_x(self) -> np.ndarray:
        """Numbers of the rows of `x`, on which the final models are trained: all but the rows of `validation_data`."""
        return self.train[0] if self.kind == "given" else np.arange(self.n_rows)

    @property
    def per_repeat(self) -> int:
        """Number of folds per repeat, K."""
        return len(self.train) // self.repeats

    @cached_property
    def held_out_rows(self) -> np.ndarray:
        """Distinct held-out rows of all folds in ascending order, (m,)."""
        return np.unique(np.concatenate(self.held_out))

    @property
    def overlap(self) -> float:
        """Mean number of times that a repeat holds out a row, over the held-out rows. Cross-validation has overlap 1.

        Repeated hold-outs count as a single repeat.
        """
        times = sum(map(len, self.held_out)) / len(self.held_out_rows)
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
        pairs = zip(self.train, following, strict=True)
        trained = all(np.isin(self.held_out[after], rows, assume_unique=True).all() for rows, after in pairs)
        return tuple(following) if trained else None

    @property
    def hash(self) -> str:
        """SHA-256 of the row numbers in hexadecimal, which identifies the split."""
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
    """Create folds from pairs (train, held_out) of row numbers."""
    train, held_out = zip(*((_rows(t), _rows(h)) for t, h in splits), strict=True)
    return Folds(train, held_out, n_rows, kind, notes, repeats)


def given_folds(n_train: int, n_validation: int) -> Folds:
    """Return a single fold that trains on rows 0 to n_train - 1 and holds out the remaining rows.

    Raises:
        ValueError: if a part has no rows.

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
    """Return the seed for the split of a repeat. The first repeat, number 0, uses `seed`.

    Example:
        >>> repeat_seed(7, 0), repeat_seed(7, 1) != repeat_seed(7, 2)
        (7, True)
    """
    return int(np.random.SeedSequence((seed, 6, repeat)).generate_state(1)[0]) if repeat else seed


def with_rows_that_do_not_count(folds: Folds, weight: np.ndarray, seed: int, groups: np.ndarray | None = None) -> Folds:
    """Extend a split of the rows with a weight above 0 to all rows. Rows with weight 0 are assigned at random.

    With groups, a row with weight 0 goes to the part of the group. A group without any other rows is assigned as a
    whole.

    Args:
        folds: the split of the rows with a weight above 0. Row numbers count only these rows.
        weight: weights of all rows, (n,).
        seed: the same seed gives the same split.
        groups: the group of each row as an integer, (n,), or None without groups.

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
    """Choose the rows for the training loss of each fold, equal in number to the held-out rows.

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
    """Return a note if a fold holds out more than twice as many rows as another fold."""
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
