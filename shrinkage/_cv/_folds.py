"""The split of the rows: which are held out in which fold."""

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

from shrinkage._note import Classes, Note

_EXPECTED = "`cv` must be a whole number of 2 or more, the folds, or a share between 0 and 1 of rows to hold out once."


@dataclass(frozen=True, eq=False)
class Folds:
    """Which rows each fold trains on, and which it holds out.

    Attributes:
        train: one sorted, read-only int64 array of row numbers per fold.
        held_out: the same for the rows held out. Row numbers in `train` and `held_out` of one fold never overlap.
        n_rows: the number of rows that were split.
        kind: "k-fold", "stratified k-fold", "hold-out", "stratified hold-out" or "given".
        notes: what a user should know about the split, in sentences.

    Example:
        >>> make_folds(10, 5).held_out[0].size
        2
    """

    train: tuple[np.ndarray, ...]
    held_out: tuple[np.ndarray, ...]
    n_rows: int
    kind: str
    notes: tuple[str, ...] = ()

    @property
    def all_rows(self) -> np.ndarray:
        """The rows that the final models train on: all, but for those that were given to be held out."""
        return self.train[0] if self.kind == "given" else np.arange(self.n_rows)

    @property
    def hash(self) -> str:
        """SHA-256 of the row numbers, in hexadecimal: equal exactly when the split is."""
        digest = hashlib.sha256()
        for rows in (*self.train, *self.held_out):
            digest.update(np.int64(rows.size).tobytes() + rows.tobytes())
        return digest.hexdigest()


def make_folds(n_rows: int, cv: int | float, *, classes: np.ndarray | None = None, seed: int = 0) -> Folds:
    """Split rows at random into folds, or into one training and one held-out part.

    Args:
        n_rows: the number of rows, n.
        cv: an integer K >= 2 for K folds, or the share of rows to hold out, between 0 and 1.
        classes: one integer label per row (n,): every fold then has nearly the same share of each class.
        seed: the same seed gives the same split.

    Returns:
        K folds whose sizes differ by at most one row (or, stratified, one row per class); or a single one.

    Raises:
        ValueError: if `cv` is neither, there are too few rows, or a hold-out leaves one part empty.

    Example:
        >>> folds = make_folds(6, 3, classes=np.array([0, 0, 0, 1, 1, 1]))
        >>> folds.kind, [rows.size for rows in folds.held_out]
        ('stratified k-fold', [2, 2, 2])
    """
    if isinstance(cv, bool) or not isinstance(cv, Real):
        raise ValueError(f"{_EXPECTED} Received: {cv!r}. {_way_out(cv)}")
    if isinstance(cv, Integral) and cv >= 2:
        return _k_folds(n_rows, int(cv), classes, seed)
    if 0 < cv < 1:
        return _hold_out(n_rows, float(cv), classes, seed)
    whole = f"cv={int(cv)}" if cv >= 2 and float(cv).is_integer() else "cv=5"
    raise ValueError(f"{_EXPECTED} Received: {cv!r}. Say {whole}, or cv=0.2 for a single split.")


def _way_out(cv: object) -> str:
    """Say what stands for scikit-learn's splitters and for lists of rows."""
    n_splits = getattr(cv, "n_splits", None)
    if isinstance(n_splits, int) and n_splits >= 2:
        return (
            f"Say cv={n_splits}, which stratifies by the classes; for rows that belong together or are in an order "
            "hold out rows of your own: validation_data=(x[rows], y[rows])."
        )
    if isinstance(cv, Iterable) and not isinstance(cv, str):
        return "To hold out rows of your own say validation_data=(x[rows], y[rows])."
    return "Say cv=5, or cv=0.2 for a single split."


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
    return _to_folds([(np.arange(n_train), np.arange(n_train, n_rows))], n_rows, "given")


def with_rows_that_do_not_count(folds: Folds, weight: np.ndarray, seed: int) -> Folds:
    """Return a split of the rows that count as one of all rows: the others are dealt to its parts at random.

    Args:
        folds: the split of the rows of a weight above 0, numbered among themselves.
        weight: weights of all rows, (n,).
        seed: the same seed gives the same split.

    Example:
        >>> folds = with_rows_that_do_not_count(make_folds(4, 2), np.array([1, 0, 1, 0, 1, 1]), seed=0)
        >>> [rows.size for rows in folds.held_out], sum(int((rows % 2 == 1).sum()) for rows in folds.held_out)
        ([3, 3], 3)
    """
    counting, idle = (
        np.flatnonzero(weight > 0),
        np.random.default_rng((seed, 5)).permutation(np.flatnonzero(weight == 0)),
    )
    if len(folds.train) > 1:
        dealt = np.array_split(idle, len(folds.train))
    else:
        dealt = [idle[: round(len(idle) * len(folds.held_out[0]) / len(counting))]]
    held_out = [np.concatenate([counting[rows], more]) for rows, more in zip(folds.held_out, dealt, strict=True)]
    everything = np.arange(len(weight))
    return _to_folds(
        ((np.setdiff1d(everything, rows), rows) for rows in held_out), len(weight), folds.kind, folds.notes
    )


def scored_training_rows(
    train: Sequence[np.ndarray], held_out: Sequence[np.ndarray], weight: np.ndarray, seed: int
) -> list[np.ndarray]:
    """Choose the rows whose loss is each fold's training loss: of those it trains on, as many as it holds out.

    In cross-validation these are the rows that the next fold holds out. Over all folds training and held-out loss are
    then means over the same rows, the gap between them is paired, and neither is known better than the other. A single
    fold draws them at random.

    Args:
        train, held_out: Each fold's rows.
        weight: Weights of all rows, (n,); a row of weight 0 is not drawn, and counts nowhere.
        seed: The run's seed.

    Example:
        >>> folds = make_folds(6, 3)
        >>> rows = scored_training_rows(folds.train, folds.held_out, np.ones(6), seed=0)
        >>> bool((rows[0] == folds.held_out[1]).all())
        True
    """
    if len(train) > 1:
        return [*held_out[1:], held_out[0]]
    drawn = np.random.default_rng((seed, 4)).permutation(train[0][weight[train[0]] > 0])
    return [np.sort(drawn[: int((weight[held_out[0]] > 0).sum())])]


def _k_folds(n_rows: int, k: int, classes: np.ndarray | None, seed: int) -> Folds:
    if n_rows < k:
        raise ValueError(f"cv={k} needs at least {k} rows, one per fold, and there are {n_rows}. Give a smaller cv.")
    if classes is None:
        return _to_folds(KFold(k, shuffle=True, random_state=seed).split(np.zeros(n_rows)), n_rows, "k-fold")
    sizes = _class_sizes(classes, n_rows)
    if max(sizes.values()) < k:
        note = f"No class has {k} rows, one per fold: the folds are not stratified."
        return _to_folds(KFold(k, shuffle=True, random_state=seed).split(np.zeros(n_rows)), n_rows, "k-fold", (note,))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)  # said in notes
        splits = list(StratifiedKFold(k, shuffle=True, random_state=seed).split(np.zeros(n_rows), classes))
    return _to_folds(splits, n_rows, "stratified k-fold", _too_small(sizes, k))


def _hold_out(n_rows: int, share: float, classes: np.ndarray | None, seed: int) -> Folds:
    held_out = int(np.ceil(share * n_rows))  # scikit-learn's rounding
    if not 1 <= held_out < n_rows:
        raise ValueError(
            f"cv={share} of {n_rows} rows leaves {n_rows - held_out} to train on and holds out {held_out}; both parts "
            "need at least one. Give more rows or another share."
        )
    notes: tuple[str, ...] = ()
    if classes is not None:
        sizes = _class_sizes(classes, n_rows)
        if min(sizes.values()) >= 2 and len(sizes) <= min(held_out, n_rows - held_out):
            splitter = StratifiedShuffleSplit(1, test_size=held_out, random_state=seed)
            return _to_folds(splitter.split(np.zeros(n_rows), classes), n_rows, "stratified hold-out")
        notes = ("A class has a single row, or there are more classes than rows in a part: not stratified.",)
    splitter = ShuffleSplit(1, test_size=held_out, random_state=seed)
    return _to_folds(splitter.split(np.zeros(n_rows)), n_rows, "hold-out", notes)


def _class_sizes(classes: np.ndarray, n_rows: int) -> dict[int, int]:
    labels = np.asarray(classes)
    if labels.shape != (n_rows,):
        raise ValueError(f"classes must hold one label per row, shape ({n_rows},), and has shape {labels.shape}.")
    names, counts = np.unique(labels, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _too_small(sizes: dict[int, int], k: int) -> tuple[str, ...]:
    small = {label: n for label, n in sizes.items() if n < k}
    if not small:
        return ()
    text = f"Fewer rows than the {k} folds in class $classes: some folds hold out none of them."
    return (Note(text, classes=Classes(tuple(small.items()))),)


def _to_folds(
    splits: Iterable[tuple[np.ndarray, np.ndarray]], n_rows: int, kind: str, notes: tuple[str, ...] = ()
) -> Folds:
    train, held_out = zip(*((_rows(t), _rows(h)) for t, h in splits), strict=True)
    return Folds(train, held_out, n_rows, kind, notes)


def _rows(rows: np.ndarray) -> np.ndarray:
    rows = np.sort(rows).astype(np.int64)
    rows.flags.writeable = False
    return rows
