"""Sentences on the split of the rows: the number of folds, the rows they hold out, and the rows they train on."""

import math
from collections.abc import Sequence

from shrinkage._path._curve import Curve
from shrinkage._path._findings import is_small
from shrinkage._path._words import Sentence, format_rough_duration

_WORDS = {"group k-fold": " of groups", "stratified group k-fold": " of groups", "fold numbers": ", as given"}
_BUILT_IN_KINDS = (
    "k-fold",
    "stratified k-fold",
    *_WORDS,
    "pairs of rows",
    "hold-out",
    "stratified hold-out",
    "group hold-out",
)


def format_split(curve: Curve) -> str:
    """Say how the rows were split: `1 split`, `5 folds`, `4 repeats of 5 folds`, `5 folds of TimeSeriesSplit`."""
    folds = curve.folds
    n_folds = folds.per_repeat
    if curve.budget is not None:
        return f"1 split of {folds.train.sizes[0]:,} rows"
    if curve.single_split:
        return "1 split"
    if n_folds == 1:
        return f"{folds.repeats} hold-outs{' of groups' * folds.kind.startswith('group')}"
    more = _WORDS.get(folds.kind, "" if folds.kind in _BUILT_IN_KINDS else f" of {folds.kind}")
    return f"{f'{folds.repeats} repeats of ' * (folds.repeats > 1)}{n_folds} folds{more}"


def describe_single_split(curve: Curve, sentences: Sequence[Sentence]) -> str:
    """Return the caution about the interval of a single split, where sentences have an interval."""
    if not (curve.single_split and any(each.has_interval for each in sentences)):
        return ""
    return (
        "One split does not show the noise of training, and its intervals are too short: those of several folds are "
        "longer."
    )


_REPEATS = 4  # as in `more_repeats` of the vocabularies


def describe_repeats(curve: Curve, sentences: Sequence[Sentence], seconds: float) -> str:
    """Return what repeats would cost, where sentences say that the gain may be chance and repeats may show it.

    The folds are then trained so many times. Compiling, and training on all rows, are done once as before: the time is
    split between folds and all rows by the rows that pass through the models, and the cost is that or less.
    """
    folds = curve.folds
    if not ("k-fold" in folds.kind and folds.repeats == 1 and math.isfinite(seconds)):
        return ""
    if not any(each.has_interval for each in sentences) or curve.gain.low > 0:
        return ""
    if is_small(curve, curve.gain.high):
        return ""  # whether it is chance does not matter
    in_folds, of_all_rows = int(folds.train.sizes.sum()) * len(curve.lams), folds.n_rows * int(curve.has_model.sum())
    cost = seconds * (_REPEATS * in_folds + of_all_rows) / (in_folds + of_all_rows)
    return f"$more_repeats may show whether it is chance, and would take about {format_rough_duration(cost)} or less."


def describe_held_out_rows(curve: Curve) -> str:
    """Say which rows the losses are of, where the folds do not hold out each row once."""
    folds, n_held_out = curve.folds, curve.folds.held_out.union_size
    if curve.single_split:
        return ""
    times = folds.held_out.sizes.sum() / n_held_out
    sentences = []
    if n_held_out < folds.n_rows:
        sentences.append(f"The folds hold out {n_held_out:,} of the {folds.n_rows:,} rows; the others only train.")
    if folds.overlap > 1:
        same = len(folds.held_out) <= folds.overlap
        error = "and the folds give no standard error" if same else "which the standard error allows for"
        sentences.append(f"A row is held out {times:.1f} times on average, {error}.")
    if curve.metrics and times > 1:
        sentences.append("Metrics are of averages of several models' predictions, and may be better than one model's.")
    sizes = folds.train.sizes
    if 2 * min(sizes) < folds.n_rows:
        sentences.append(
            f"The folds train on {min(sizes):,} to {max(sizes):,} rows, the final models on {folds.n_rows:,}; "
            f"they may be better than the held-out loss says."
        )
    return " ".join(sentences)
