"""The split of the rows into folds, and the units of the targets."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import keras
import numpy as np
from sklearn.model_selection import TimeSeriesSplit

from shrinkage._cv._folds import Folds, add_zero_weight_rows, make_validation_folds
from shrinkage._cv._given import is_splitter, read_folds
from shrinkage._cv._rung import LEAST_HELD_OUT, make_rung_folds, size_rung
from shrinkage._cv._splits import make_folds
from shrinkage._data._data import Data, TargetUnits, join_validation, list_leaf_names
from shrinkage._data._dataset import DatasetRows, is_shuffled
from shrinkage._messages._note import Classes, Note
from shrinkage._model._losses import get_loss_name
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template
from shrinkage._problem._groups import number_groups, read_groups
from shrinkage._problem._request import Request
from shrinkage._problem._rows import read_rows
from shrinkage._problem._targets import as_classes

_LEAST_SHARE = 0.5
"""Of the rows of a rung, that whole groups must fill: beside a large group there may be room for a few rows only."""


@dataclass(frozen=True)
class SplitInputs:
    """The values of all rows that a split depends on. The rows of `validation_data` come last."""

    weight: np.ndarray
    """Weights of the rows, (n,)."""
    classes: np.ndarray | None
    """Class of each row for stratification, (n,), or whether each label applies, (n, L); None without classes."""
    target: np.ndarray | None
    """Targets of the first output with classes, or else of the first output, (n, ...); None if not needed."""
    counts: dict[str, np.ndarray]
    """Whether each row has a weight above 0 in the loss of an output, (n,), by the name of the output in errors."""
    class_name: str = ""
    """Name of the output with classes."""
    n_validation: int = 0
    """Number of rows of `validation_data`."""


def split(
    template: Template,
    objective: Objective,
    data: Data,
    request: Request,
    validation: DatasetRows | None,
    batch_size: int,
) -> tuple[Folds, Data, SplitInputs]:
    """Return the folds, and all rows with the values that the split depends on. Rows of `validation_data` come last."""
    n_rows = data.n_rows
    if validation is not None:
        data = join_validation(data, read_validation(template, objective, validation, request))
    inputs = replace(make_split_inputs(data, objective), n_validation=data.n_rows - n_rows)
    return choose_folds(inputs, request, batch_size), data, inputs


def make_split_inputs(data: Data, objective: Objective) -> SplitInputs:
    """Return the values of some rows that a split depends on."""
    place = objective.find_classification_output()
    leaves, names = keras.tree.flatten(data.targets), list_leaf_names("y", data.targets)
    counts = {names[term.place]: data.get_weight(term.place) > 0 for term in objective.terms}
    classes, class_name = (None, "") if place is None else (as_classes(leaves[place]), names[place])
    return SplitInputs(data.weight, classes, leaves[place or 0], counts, class_name)


def choose_folds(inputs: SplitInputs, request: Request, batch_size: int) -> Folds:
    """Return the folds.

    Raises:
        ValueError: If the split does not fit the rows.
    """
    if rung := _choose_rung(inputs, request, batch_size):
        folds = rung
    elif inputs.n_validation:
        folds = make_validation_folds(len(inputs.weight) - inputs.n_validation, inputs.n_validation)
    else:
        folds = _split_within_budget(inputs, request)
    for name, counts in inputs.counts.items():
        _check_weights(folds, counts, name)
    return replace(folds, notes=(*folds.notes, *_describe_unseen_classes(folds, inputs)))


def describe_repeated_rows(x: Any, n_validation: int) -> list[str]:
    """Return a note if the last `n_validation` rows are those of `validation_data`, and repeat rows of training.

    All training rows, the first and the last of them are looked at: other rows are not given by mistake.
    """
    leaves = keras.tree.flatten(x)
    n_rows = len(leaves[0]) - n_validation
    if not 0 < n_validation <= n_rows or not all(isinstance(leaf, np.ndarray) for leaf in leaves):
        return []
    first, last = slice(0, n_validation), slice(n_rows - n_validation, n_rows)
    if not any(all(np.array_equal(leaf[rows], leaf[n_rows:]) for leaf in leaves) for rows in (first, last)):
        return []
    return [
        Note(
            "$validation_data repeats rows of $training_data: its losses are of rows that were trained on, and say "
            "nothing about new rows. Leave the rows out of $training_data, or leave $validation_data out, and ${cv_}5 "
            "holds out other rows in turn."
        )
    ]


def _split_within_budget(inputs: SplitInputs, request: Request) -> Folds:
    """Return the folds of the whole grid, which is trained if a budget has no room for a search."""
    try:
        return _split_rows(inputs, request)
    except ValueError as error:
        if request.budget is None:
            raise
        cause = error.args[0]
        text, values = (cause.text, cause.values) if isinstance(cause, Note) else (cause, {})
        raise ValueError(
            Note(
                "$budget needs room for a search, or rows for the whole grid in five folds. Received: a budget of "
                f"{request.budget} without room for a search. {text} Leave $budget out to give $cv.",
                **values,
            )
        ) from error


def _choose_rung(inputs: SplitInputs, request: Request, batch_size: int) -> Folds | None:
    """Return the split of a search within a budget; None without a budget, or if the budget is too small."""
    if request.budget is None:
        return None
    counts, n_given = inputs.weight > 0, inputs.n_validation
    n_rows = len(counts) - n_given
    if 0 < n_given < LEAST_HELD_OUT:
        raise ValueError(
            Note(
                f"$validation_data must have at least {LEAST_HELD_OUT} rows with $budget, whose choice rests on their "
                f"losses. Received: {n_given}. Give more rows, or leave $validation_data out."
            )
        )
    sizes = size_rung(
        int(counts[:n_rows].sum()), request.budget, epochs=request.epochs or 1, epoch=request.epoch,
        batch_size=batch_size, n_validation=n_given,
    )  # fmt: skip
    groups = read_groups(request.groups, len(counts))
    numbers = None if groups is None else number_groups(groups)
    if sizes is None:
        return None
    folds = make_rung_folds(
        counts, sizes, classes=inputs.classes, groups=numbers, n_validation=n_given, seed=request.seed
    )
    return None if folds is None or folds.train.sizes[0] < _LEAST_SHARE * sizes[0] else folds


def _check_weights(folds: Folds, weight: np.ndarray, name: str) -> None:
    """Refuse a fold if all training rows or all held-out rows have weight 0 in an output."""
    output = "" if name == "`y`" else f" in the loss of {name}"
    sides = {"training": folds.train.have_any_of(weight), "held-out": folds.held_out.have_any_of(weight)}
    for place in range(len(folds.train)):
        for side, found in sides.items():
            if not found[place]:
                raise ValueError(
                    f"`sample_weight` (times `class_weight`) must be above 0 for some training and some held-out rows "
                    f"of every fold{output}. Received: weight 0 for all {side} rows of fold {place + 1}. Change `cv`, "
                    f"or leave the fold out."
                )


def check_split_arguments(request: Request) -> None:
    """Refuse conflicting or unused arguments about the split."""
    cv, number = request.cv, _is_number(request.cv)
    if request.validation_data is not None:
        for name, used in (
            ("cv", not number),
            ("groups", request.groups is not None),
            ("repeats", request.repeats > 1),
        ):
            if used:
                raise ValueError(
                    f"`{name}` must be left out with `validation_data`, which is held out in its place, once. "
                    f"Received: both. To split the rows of `x` leave `validation_data` out."
                )
    by_row = isinstance(cv, TimeSeriesSplit) or not (number or is_splitter(cv) or isinstance(cv, str))
    for name, used in (("cv", by_row), ("groups", request.groups is not None)):
        if used and is_shuffled(request.x):
            raise ValueError(
                f"`x` must give the rows in one order with `{name}`, which names them by their places. Received: a "
                f"dataset that shuffles. Leave .shuffle() out: `fit` shuffles the rows in every epoch."
            )
    if request.repeats > 1 and not number:
        splits = getattr(cv, "n_splits", 5)
        hint = "a splitter that repeats, such as cv=RepeatedKFold(n_splits=5, n_repeats=3)"
        raise ValueError(
            f"`repeats` needs a number of folds or a share as `cv`: nothing else can be drawn anew. Received: "
            f"repeats={request.repeats} with a {type(cv).__name__}. Say cv={splits if type(splits) is int else 5}, or "
            f"give {hint}."
        )


def _is_number(cv: object) -> bool:
    return isinstance(cv, Real)


def _describe_unseen_classes(folds: Folds, inputs: SplitInputs) -> tuple[Note, ...]:
    """Return a note on classes or labels that a fold holds out and does not train on, with the number of rows."""
    classes, counts = inputs.classes, inputs.counts.get(inputs.class_name)
    if classes is None or counts is None:
        return ()
    missed = _count_missed_rows(folds, classes, counts)
    if not missed:
        return ()
    found = Classes(tuple(missed.items()))
    noun = "label" if classes.ndim == 2 else "class"
    if folds.is_rung:
        text = (
            f"The rung has no training row of {noun} $classes, which the held-out loss contains: a larger $budget "
            f"has more rows."
        )
    elif folds.kind == "given":
        text = (
            f"$validation_data has rows of {noun} $classes, and $training_data has none: the models do not learn it, "
            "and the held-out loss contains these rows."
        )
    elif "k-fold" in folds.kind:
        text = (
            f"All rows of {noun} $classes fall into one fold: its models do not learn that {noun}, and its held-out "
            f"loss contains it."
        )
    else:
        text = (
            f"A fold that holds out rows of {noun} $classes trains on none: its models do not learn that {noun}, and "
            f"its held-out loss contains it."
        )
    return (Note(text, classes=found),)


def _count_missed_rows(folds: Folds, classes: np.ndarray, counts: np.ndarray) -> dict[int, int]:
    """Return the number of rows that a fold holds out, by class or label, if the fold trains on none of these."""
    several = classes.ndim == 2
    names = np.arange(classes.shape[1]) if several else np.unique(classes)

    def find_classes(part: slice, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows of a part, and the place of a class of each; a row with several labels occurs several times."""
        chosen = np.flatnonzero(rows & counts[part])
        if several:
            row, label = np.nonzero(classes[part][chosen])
            return chosen[row], label
        return chosen, np.searchsorted(names, classes[part][chosen])

    trained = np.zeros((len(folds.train), len(names)), bool)
    for part, inside in folds.train.iterate_parts():
        for f, rows in enumerate(inside):
            trained[f, find_classes(part, rows)[1]] = True
    if trained.all():
        return {}
    n_missed = np.zeros(len(names), np.int64)
    for part, inside in folds.held_out.iterate_parts():
        chosen, label = find_classes(part, np.logical_or.reduce(inside))
        n_missed += np.bincount(label[(inside[:, chosen] & ~trained[:, label]).any(axis=0)], minlength=len(names))
    return {int(name): int(count) for name, count in zip(names, n_missed, strict=True) if count}


def _split_rows(inputs: SplitInputs, request: Request) -> Folds:
    """Split the rows, stratified by the first output with classes.

    If `cv` is a number, only the rows with a weight above 0 are split, and the other rows are added afterwards.
    Splitters, fold numbers and pairs of row numbers apply to all rows.
    """
    cv: Any = request.cv
    n_rows, classes = len(inputs.weight), inputs.classes
    groups = read_groups(request.groups, n_rows)
    if not _is_number(cv):
        y = classes if classes is not None else inputs.target
        return read_folds(cv, n_rows, y if y is None or y.shape[1:] != (1,) else y[:, 0], groups)
    counts = inputs.weight > 0
    options: dict[str, Any] = {"repeats": request.repeats, "seed": request.seed}
    numbers = None if groups is None else number_groups(groups)
    own: dict[str, Any] = {"classes": classes, "groups": numbers}
    rows: Any = slice(None) if counts.all() else counts
    counting = {name: None if labels is None else labels[rows] for name, labels in own.items()}
    try:
        folds = make_folds(int(counts.sum()), cv, **counting, **options)
    except ValueError as error:
        make_folds(len(counts), cv, **own, **options)  # raises a simpler error if the weights are not the cause
        raise ValueError(
            f"`sample_weight` must leave enough rows with a weight above 0 for `cv`. Received: {counts.sum()} of "
            f"{len(counts)} rows. {error}"
        ) from error
    return folds if counts.all() else add_zero_weight_rows(folds, inputs.weight, request.seed, numbers)


def read_validation(
    template: Template, objective: Objective, rows: DatasetRows, request: Request, *, is_block: bool = False
) -> Data:
    """Return rows of `validation_data` as checked arrays that fit the model; see `read_rows`."""
    try:
        x, y, weight = rows[:3]
        return read_rows(template, x, y, weight, request.class_weight, objective, is_block=is_block)[0]
    except (TypeError, ValueError) as error:
        raise type(error)(f"`validation_data`: {error}") from error


def check_standardize(data: Data, objective: Objective) -> None:
    """Refuse `standardize_target` for another loss than a squared error of one output."""
    target, *others = keras.tree.flatten(data.y)
    if is_single_squared_error(data, objective):
        return
    axis = "axis=0" if target.shape[1:] != (1,) else ""
    fix = f" Divide y yourself: y = (y - y.mean({axis})) / y.std({axis})."
    if objective.find_classification_output() is not None:
        fix = ""
    elif len(objective.terms) == 1 and objective.terms[0].weight != 1:
        fix = " Leave loss_weights out."
    shapes = ", ".join(str(y.shape) for y in (target, *others))
    raise ValueError(
        Note(
            "$standardize_target needs loss='mean_squared_error' and one output. Received: "
            f"{_describe_losses(objective)}, targets of shape {shapes}.{fix}"
        )
    )


def compute_target_units(inputs: SplitInputs, folds: Folds) -> TargetUnits:
    """Return the mean and standard deviation of the targets in the training rows of each fold and, last, of `x`."""
    if inputs.target is None:
        raise ValueError("`y` must be given to be standardised. Received: none.")
    means, variances = _compute_moments(inputs.target, inputs.weight, folds)
    sds = np.sqrt(variances)
    if (sds == 0).any():
        raise ValueError(Note("$constant_target"))
    return TargetUnits(means, sds, float(sds[-1]))


def _compute_moments(target: np.ndarray, weight: np.ndarray, folds: Folds) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of the targets in the training rows of each fold and, last, of `x`, (F + 1,) each."""

    def average(values: Callable[[int, np.ndarray], np.ndarray]) -> np.ndarray:
        sums = np.zeros((2, len(folds.train) + 1))
        for part, inside in folds.iterate_training_parts():
            for f, rows in enumerate(inside):
                w = weight[part][rows].astype(np.float64)
                y = target[part][rows, 0].astype(np.float64)
                sums[:, f] += (w * values(f, y)).sum(), w.sum()
        return sums[0] / sums[1]

    means = average(lambda _, y: y)
    return means, average(lambda f, y: (y - means[f]) ** 2)


def is_single_squared_error(data: Data, objective: Objective) -> bool:
    target, *others = keras.tree.flatten(data.y)
    return _describe_losses(objective) == "mean_squared_error" and not others and target.shape[1:] == (1,)


def _describe_losses(objective: Objective) -> str:
    (term, *others) = objective.terms
    weight = "" if term.weight == 1 else f" with a weight of {term.weight:g}"
    return "several losses" if others else f"{get_loss_name(term.loss)}{weight}"
