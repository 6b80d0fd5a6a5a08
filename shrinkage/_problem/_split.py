"""Which rows are held out, and the units that their targets are trained in."""

from dataclasses import replace

import keras
import numpy as np

from shrinkage._cv._folds import Folds, given_folds, make_folds, with_rows_that_do_not_count
from shrinkage._data._data import Data, TargetUnits, join
from shrinkage._hints._fit import stream_words
from shrinkage._model._losses import name_of
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template
from shrinkage._note import Classes, Note
from shrinkage._problem._request import Request
from shrinkage._problem._rows import read_rows
from shrinkage._problem._source import validation_rows
from shrinkage._problem._targets import classes_of


def split(template: Template, objective: Objective, data: Data, request: Request) -> tuple[Folds, Data]:
    """Return the folds, and all rows: those of `validation_data` come after the others."""
    if request.validation_data is None:
        folds = _split_rows(data, objective, request.cv, request.seed)
    else:
        validation = _validation_rows(template, objective, request)
        folds, data = given_folds(data.n_rows, validation.n_rows), join(data, validation)
    return replace(folds, notes=(*folds.notes, *_unseen(folds, data, objective))), data


def _unseen(folds: Folds, data: Data, objective: Objective) -> tuple[Note, ...]:
    """Say which classes a fold holds out and does not train on, each with so many rows held out."""
    place = objective.classification_output()
    classes = None if place is None else classes_of(keras.tree.flatten(data.y)[place])
    if classes is None:
        return ()
    counts = dict[int, int]()
    for train, held_out in zip(folds.train, folds.held_out, strict=True):
        trained = classes[train[data.weight[train] > 0]]
        held_out = classes[held_out[data.weight[held_out] > 0]]
        for label, n in zip(*np.unique(held_out[~np.isin(held_out, trained)], return_counts=True), strict=True):
            counts[int(label)] = counts.get(int(label), 0) + int(n)
    if not counts:
        return ()
    text = (
        "`validation_data` has rows of class $classes, and `x` has none: what the models predict for these is not "
        "learnt, and the held-out loss contains it."
        if folds.kind == "given"
        else "All rows of class $classes fall into one fold: its models do not learn that class, and its held-out loss "
        "contains it."
    )
    return (Note(text, classes=Classes(tuple(sorted(counts.items())))),)


def _split_rows(data: Data, objective: Objective, cv: int | float, seed: int) -> Folds:
    """Split the rows, those that count as if there were no others, by the labels of the first output with classes."""
    counts, place = data.weight > 0, objective.classification_output()
    classes = None if place is None else classes_of(keras.tree.flatten(data.y)[place])
    try:
        folds = make_folds(int(counts.sum()), cv, classes=None if classes is None else classes[counts], seed=seed)
    except ValueError as error:
        make_folds(len(counts), cv, classes=classes, seed=seed)  # fails too where the weights are not the cause
        raise ValueError(
            f"`sample_weight` must leave enough rows with a weight above 0 for `cv`. Received: {counts.sum()} of "
            f"{len(counts)} rows. {error}"
        ) from error
    return folds if counts.all() else with_rows_that_do_not_count(folds, data.weight, seed)


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
    """Return the mean and standard deviation of the targets in each fold's training rows and, last, in all rows."""
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
    for rows in (*folds.train, folds.all_rows):
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
