"""The split of the rows into folds, and the units of the targets."""

from dataclasses import replace
from numbers import Real
from typing import Any

import keras
import numpy as np

from shrinkage._cv._folds import Folds, given_folds, with_rows_that_do_not_count
from shrinkage._cv._given import is_splitter, read_folds
from shrinkage._cv._splits import make_folds
from shrinkage._data._data import Data, TargetUnits, join
from shrinkage._data._dataset import is_dataset
from shrinkage._hints._fit import stream_words
from shrinkage._model._losses import name_of
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template
from shrinkage._note import Classes, Note
from shrinkage._problem._groups import number_groups, read_groups
from shrinkage._problem._request import Request
from shrinkage._problem._rows import read_rows
from shrinkage._problem._source import validation_rows
from shrinkage._problem._targets import classes_of


def split(template: Template, objective: Objective, data: Data, request: Request) -> tuple[Folds, Data]:
    """Return the folds, and all rows. The rows of `validation_data` come last."""
    check_split(request)
    place = objective.classification_output()
    if request.validation_data is None:
        folds = _split_rows(data, place, request)
    else:
        validation = _validation_rows(template, objective, request)
        folds, data = given_folds(data.n_rows, validation.n_rows), join(data, validation)
    _check_weights(folds, data.weight)
    return replace(folds, notes=(*folds.notes, *_unseen(folds, data, place))), data


def _check_weights(folds: Folds, weight: np.ndarray) -> None:
    """Refuse a fold if all training rows or all held-out rows have weight 0."""
    for place, sides in enumerate(zip(folds.train, folds.held_out, strict=True)):
        for name, rows in zip(("training", "held-out"), sides, strict=True):
            if not weight[rows].any():
                raise ValueError(
                    f"`sample_weight` (times `class_weight`) must be above 0 for some training and some held-out rows "
                    f"of every fold. Received: weight 0 for all {name} rows of fold {place + 1}. Change `cv`, or leave "
                    f"the fold out."
                )


def check_split(request: Request) -> None:
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
    by_row = not (number or is_splitter(cv) or isinstance(cv, str))
    for name, used in (("cv", by_row), ("groups", request.groups is not None)):
        if used and is_dataset(request.x):
            raise ValueError(
                f"`{name}` names the rows of `x` by their places, which a dataset that shuffles changes. Received: a "
                f"dataset as `x`. Read it into arrays first, or say cv=5."
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


def _unseen(folds: Folds, data: Data, place: int | None) -> tuple[Note, ...]:
    """Return a note on classes or labels that a fold holds out and does not train on, with the number of rows."""
    classes = None if place is None else classes_of(keras.tree.flatten(data.y)[place])
    if classes is None:
        return ()
    counts = data.weight > 0
    missed = np.zeros(classes.shape, bool)  # (n,), or (n, L) for several labels per row
    for train, held_out in zip(folds.train, folds.held_out, strict=True):
        trained = classes[train[counts[train]]]
        if classes.ndim == 2:
            missed[held_out] |= classes[held_out] & ~trained.any(axis=0)
        else:
            missed[held_out] |= ~np.isin(classes[held_out], trained)
    missed[~counts] = False
    labels = np.nonzero(missed)[1] if classes.ndim == 2 else classes[missed]
    if not len(labels):
        return ()
    found = Classes(tuple(zip(*(part.tolist() for part in np.unique(labels, return_counts=True)), strict=True)))
    noun = "label" if classes.ndim == 2 else "class"
    if folds.kind == "given":
        text = (
            f"`validation_data` has rows of {noun} $classes, and `x` has none: the models do not learn it, and "
            "the held-out loss contains these rows."
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


def _split_rows(data: Data, place: int | None, request: Request) -> Folds:
    """Split the rows, stratified by the first output with classes.

    If `cv` is a number, only the rows with a weight above 0 are split, and the other rows are added afterwards.
    Splitters, fold numbers and pairs of row numbers apply to all rows.
    """
    cv: Any = request.cv
    leaves = keras.tree.flatten(data.y)
    classes = None if place is None else classes_of(leaves[place])
    groups = read_groups(request.groups, data.n_rows)
    if not _is_number(cv):
        y = classes if classes is not None else leaves[place or 0]
        return read_folds(cv, data.n_rows, y[:, 0] if y.shape[1:] == (1,) else y, groups)
    counts = data.weight > 0
    options: dict[str, Any] = {"repeats": request.repeats, "seed": request.seed}
    numbers = None if groups is None else number_groups(groups)
    own: dict[str, Any] = {"classes": classes, "groups": numbers}
    counting = {name: None if labels is None else labels[counts] for name, labels in own.items()}
    try:
        folds = make_folds(int(counts.sum()), cv, **counting, **options)
    except ValueError as error:
        make_folds(len(counts), cv, **own, **options)  # raises a simpler error if the weights are not the cause
        raise ValueError(
            f"`sample_weight` must leave enough rows with a weight above 0 for `cv`. Received: {counts.sum()} of "
            f"{len(counts)} rows. {error}"
        ) from error
    return folds if counts.all() else with_rows_that_do_not_count(folds, data.weight, request.seed, numbers)


def _validation_rows(template: Template, objective: Objective, request: Request) -> Data:
    validation_data = validation_rows(request, template.network)
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        size = f" of {len(validation_data)}" if isinstance(validation_data, (tuple, list)) else ""
        raise ValueError(
            "`validation_data` must be a tuple (x, y) or (x, y, sample_weight) of arrays, or a dataset of these. "
            f"Received: a {type(validation_data).__name__}{size}. {stream_words(validation_data, '_val')}".rstrip()
        )
    try:
        x, y, weight = (*validation_data, None)[:3]
        return read_rows(template, x, y, weight, request.class_weight, objective)[0]
    except (TypeError, ValueError) as error:
        raise type(error)(f"`validation_data`: {error}") from error


def standardize(data: Data, folds: Folds, objective: Objective) -> TargetUnits:
    """Return the mean and standard deviation of the targets in the training rows of each fold and, last, of `x`."""
    target, *others = keras.tree.flatten(data.y)
    if not is_one_squared_error(data, objective):
        axis = "axis=0" if target.shape[1:] != (1,) else ""
        numbers = (
            ""
            if objective.classification_output() is not None
            else f" Divide y yourself: y = (y - y.mean({axis})) / y.std({axis})."
        )
        raise ValueError(
            "`standardize_target` needs loss='mean_squared_error' and one output. "
            f"Received: {_loss_name(objective)}, targets of shape {', '.join(str(y.shape) for y in (target, *others))}."
            f"{numbers}"
        )
    moments = []
    for rows in (*folds.train, folds.rows_of_x):
        y, weight = target[rows, 0].astype(np.float64), data.weight[rows]
        mean = np.average(y, weights=weight)
        moments.append((mean, np.sqrt(np.average((y - mean) ** 2, weights=weight))))
    means, sds = np.array(moments).T
    if (sds == 0).any():
        raise ValueError(Note("$constant_target"))
    return TargetUnits(means, sds, float(sds[-1]))


def is_one_squared_error(data: Data, objective: Objective) -> bool:
    target, *others = keras.tree.flatten(data.y)
    return _loss_name(objective) == "mean_squared_error" and not others and target.shape[1:] == (1,)


def _loss_name(objective: Objective) -> str:
    return "several losses" if objective.single_loss is None else name_of(objective.single_loss)
