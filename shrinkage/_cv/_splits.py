"""Random splits as in scikit-learn: K folds or a hold-out, optionally stratified, grouped and repeated."""

import warnings
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, KFold, StratifiedGroupKFold

from shrinkage._cv._folds import Folds, describe_uneven_sizes, make_repeat_seed, to_folds
from shrinkage._cv._labels import spread_labels
from shrinkage._cv._random_parts import (
    make_hold_out_part,
    make_k_fold_parts,
    make_stratified_hold_out_part,
    make_stratified_parts,
)
from shrinkage._cv._row_sets import RowSets
from shrinkage._messages._note import Classes, Note

EXPECTED_CV = (
    "`cv` must be a whole number of 2 or more, the folds, or a share between 0 and 1 of rows to hold out once; or a "
    "splitter of scikit-learn, one fold number a row, or pairs (training rows, held-out rows)."
)


def make_folds(
    n_rows: int,
    cv: int | float,
    *,
    classes: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    repeats: int = 1,
    seed: int = 0,
) -> Folds:
    """Split rows at random into folds, or into one training and one held-out part.

    Args:
        n_rows: the number of rows, n.
        cv: an integer K >= 2 for K folds, or the share of rows to hold out, between 0 and 1; the share of groups if
            `groups` is passed.
        classes: an integer label per row, (n,), or 0 or 1 for each row and label, (n, L). Every fold has nearly the
            same share of each class or label.
        groups: a group label per row, (n,). The rows of a group are on the same side of each fold.
        repeats: number of splits, each with a different seed.
        seed: the same seed gives the same split.

    Returns:
        K folds or a single hold-out per repeat. The sizes of K folds differ by at most one row, or one row per class if
        stratified. With groups, the numbers of groups differ by at most one.

    Raises:
        ValueError: if `cv` is invalid, there are too few rows or groups, or a hold-out has an empty part.

    Example:
        >>> folds = make_folds(6, 3, classes=np.array([0, 0, 0, 1, 1, 1]))
        >>> folds.kind, [rows.size for rows in folds.held_out]
        ('stratified k-fold', [2, 2, 2])
        >>> folds = make_folds(6, 2, groups=np.array([0, 0, 0, 1, 2, 2]), repeats=3)
        >>> folds.kind, len(folds.train), folds.per_repeat
        ('group k-fold', 6, 2)
    """
    if isinstance(cv, bool) or not isinstance(cv, Real):
        raise ValueError(f"{EXPECTED_CV} Received: {cv!r}. Say cv=5, or cv=0.2 for a single split.")
    is_share = 0 < cv < 1
    if not is_share and not (isinstance(cv, Integral) and cv >= 2):
        whole = f"cv={int(cv)}" if cv >= 2 and float(cv).is_integer() else "cv=5"
        raise ValueError(f"{EXPECTED_CV} Received: {cv!r}. Say {whole}, or cv=0.2 for a single split.")
    seeds = [make_repeat_seed(seed, repeat) for repeat in range(repeats)]
    if is_share:
        parts = [_hold_out(n_rows, float(cv), classes, groups, each) for each in seeds]
    else:
        parts = [_make_k_folds(n_rows, int(cv), classes, groups, each) for each in seeds]
    train, held_out = (
        RowSets(np.concatenate([getattr(part, name).bits for part in parts]), n_rows) for name in ("train", "held_out")
    )
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    folds = Folds(train, held_out, n_rows, parts[0].kind, notes, repeats)
    more = (*(() if groups is None else describe_uneven_sizes(folds)), *_describe_equal_repeats(parts))
    return replace(folds, notes=(*notes, *more)) if more else folds


def _describe_equal_repeats(parts: list[Folds]) -> tuple[str, ...]:
    """Return a note if all repeats have the same folds in different order, as with one group per fold."""
    first, *others = ({bits.tobytes() for bits in part.held_out.bits} for part in parts)
    if not others or any(other != first for other in others):
        return ()
    return ("All repeats hold out the same parts of the rows: only the random numbers of training differ.",)


def _make_k_folds(n_rows: int, k: int, classes: np.ndarray | None, groups: np.ndarray | None, seed: int) -> Folds:
    if n_rows < k:
        raise ValueError(
            Note(
                f"$cv must be at most the number of rows, one row per fold. Received: ${{cv_}}{k} for {n_rows} "
                f"row{'s' * (n_rows != 1)}. Give {'a smaller $cv' if n_rows > 1 else 'more rows'}."
            )
        )
    if groups is not None:
        return _make_group_folds(n_rows, k, classes, groups, seed)
    if classes is not None and classes.ndim == 2:
        sizes = [n_rows // k + (f < n_rows % k) for f in range(k)]
        notes = _describe_small_classes(_count_label_rows(classes), k, "with label")
        return _make_part_folds(spread_labels(classes, sizes, seed), range(k), "stratified k-fold", notes)
    if classes is None:
        return _make_part_folds(make_k_fold_parts(n_rows, k, seed), range(k), "k-fold")
    sizes = _count_class_rows(classes, n_rows)
    if max(sizes.values()) < k:
        note = f"No class has {k} rows, one per fold: the folds are not stratified."
        return _make_part_folds(make_k_fold_parts(n_rows, k, seed), range(k), "k-fold", (note,))
    return _make_part_folds(
        make_stratified_parts(classes, k, seed), range(k), "stratified k-fold", _describe_small_classes(sizes, k)
    )


def _make_group_folds(n_rows: int, k: int, classes: np.ndarray | None, groups: np.ndarray, seed: int) -> Folds:
    names, place = np.unique(groups, return_inverse=True)
    if len(names) < k:
        raise ValueError(
            f"`groups` must have at least cv={k} different values, one per fold. Received: {len(names)}. Give "
            f"{'a smaller `cv`' if len(names) > 1 else 'more groups, or leave `groups` out'}."
        )
    if classes is not None and classes.ndim == 1 and max(_count_class_rows(classes, n_rows).values()) >= k:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            splitter = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
            splits = splitter.split(np.zeros(n_rows), classes, groups)
            folds = to_folds(
                splits,
                n_rows,
                "stratified group k-fold",
                _describe_small_classes(_count_class_rows(classes, n_rows), k),
            )
        if folds.held_out.sizes.all():  # a fold may be empty if there are few groups
            return folds
    # Equals GroupKFold(k, shuffle=True), which requires scikit-learn 1.6.
    held_out = [np.isin(place, part) for _, part in KFold(k, shuffle=True, random_state=seed).split(names)]
    splits = [(np.flatnonzero(~part), np.flatnonzero(part)) for part in held_out]
    notes = () if classes is None else ("With these groups the folds are not stratified by classes.",)
    return to_folds(splits, n_rows, "group k-fold", notes)


def _hold_out(n_rows: int, share: float, classes: np.ndarray | None, groups: np.ndarray | None, seed: int) -> Folds:
    thing, n = ("row", n_rows) if groups is None else ("group", len(np.unique(groups)))
    held_out = int(np.ceil(share * n))  # rounds as scikit-learn does
    if not 1 <= held_out < n:
        raise ValueError(
            f"`cv` must leave {thing}s to train on, and hold {thing}s out. Received: cv={share} of {n} "
            f"{thing}{'s' * (n != 1)}, which leaves {n - held_out} and holds out {held_out}. Give more {thing}s"
            f"{', or another share' if n > 1 else ''}."
        )
    if groups is not None:
        splitter = GroupShuffleSplit(1, test_size=held_out, random_state=seed)
        return to_folds(splitter.split(np.zeros(n_rows), groups=groups), n_rows, "group hold-out")
    notes: tuple[str, ...] = ()
    if classes is not None and classes.ndim == 2:
        return _make_part_folds(spread_labels(classes, [n - held_out, held_out], seed), [1], "stratified hold-out")
    if classes is not None:
        sizes = _count_class_rows(classes, n_rows)
        if min(sizes.values()) >= 2 and len(sizes) <= min(held_out, n_rows - held_out):
            return _make_part_folds(make_stratified_hold_out_part(classes, held_out, seed), [1], "stratified hold-out")
        notes = ("A class has a single row, or there are more classes than rows in a part: not stratified.",)
    return _make_part_folds(make_hold_out_part(n_rows, held_out, seed), [1], "hold-out", notes)


def _make_part_folds(parts: np.ndarray, held_out: range | list[int], kind: str, notes: tuple[str, ...] = ()) -> Folds:
    """Return a fold per part that is held out; `parts` has the part of each row, (n,)."""
    return to_folds(((parts != part, parts == part) for part in held_out), len(parts), kind, notes)


def _count_label_rows(labels: np.ndarray) -> dict[int, int]:
    counts = labels.astype(bool).sum(axis=0)
    return {label: int(count) for label, count in enumerate(counts) if count}


def _count_class_rows(classes: np.ndarray, n_rows: int) -> dict[int, int]:
    labels = np.asarray(classes)
    if labels.shape != (n_rows,):
        raise ValueError(f"`classes` must have one label per row, shape ({n_rows},). Received: shape {labels.shape}.")
    names, counts = np.unique(labels, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _describe_small_classes(sizes: dict[int, int], k: int, phrase: str = "in class") -> tuple[str, ...]:
    small = {label: n for label, n in sizes.items() if n < k}
    if not small:
        return ()
    text = f"Fewer rows than the {k} folds {phrase} $classes: some folds hold out none of them."
    return (Note(text, classes=Classes(tuple(small.items()))),)
