"""Conversion of a request to a checked problem, before any training. Only the plan is checked later."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from shrinkage._cv._folds import Folds
from shrinkage._cv._rung import Rung
from shrinkage._cv._strengths import include
from shrinkage._data._data import size_batches, take
from shrinkage._data._dataset import DatasetRows
from shrinkage._messages._note import Note, warn_caller
from shrinkage._model._behaviour import Behaviour, observe
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template
from shrinkage._penalties import make_terms
from shrinkage._problem._arguments import (
    PenalisedModel,
    apply_solver,
    check_init,
    check_plain_arguments,
    read_model_and_penalty,
)
from shrinkage._problem._budget import check_budget_argument, check_penalty_of_budget, describe_whole_grid, read_rung
from shrinkage._problem._grid import Grid, compute_loss_sizes, compute_stored_loss_sizes, make_grid
from shrinkage._problem._groups import as_plain_labels, read_groups
from shrinkage._problem._learning_curve import check_learning_curve, read_subsets, refuse_on_disk
from shrinkage._problem._problem import Problem, Training
from shrinkage._problem._request import Request
from shrinkage._problem._rows import read_rows
from shrinkage._problem._source import read_training_rows, read_validation_rows
from shrinkage._problem._split import (
    check_split_arguments,
    check_standardize,
    compute_target_units,
    describe_repeated_rows,
    split,
)
from shrinkage._problem._split_rows import SplitRows
from shrinkage._problem._stream import store_rows
from shrinkage._problem._targets import check_class_weight_labels
from shrinkage._problem._unit_size import describe_input_scale, describe_target_scale, describe_unequal_inputs
from shrinkage._progress._monitor import Monitor

_BATCH_SIZE = 32


def prepare_problem(request: Request, monitor: Monitor | None = None) -> Problem:
    """Check the arguments of `fit` against each other and against the model.

    Args:
        request: The arguments.
        monitor: The monitor of the run, which shows how many rows were read.

    Raises:
        TypeError, ValueError: If an argument is invalid.
    """
    request = apply_solver(request)
    check_plain_arguments(request)
    check_budget_argument(request)
    check_learning_curve(request)
    model = read_model_and_penalty(request)
    template, penalty, how, selection, lam_model = model
    check_penalty_of_budget(request, penalty)
    init = check_init(template, request)
    rows = read_training_rows(request, template.network)
    batch_size = request.batch_size or rows.batch_size or _BATCH_SIZE
    split_rows = _read_and_split(template, rows, request, batch_size, monitor or Monitor())
    data, folds, objective = split_rows.data, split_rows.folds, split_rows.objective
    if split_rows.stored_rows is not None:
        rows = rows._replace(x=data.x, y=None, sample_weight=None)  # frees the first rows, which are also on disk
    behaviour = observe(template, data.x)
    check_class_weight_labels(data.y, request.class_weight)
    for note in folds.notes:
        warn_caller(note)  # before the training, which may take long
    notes: list[str | None] = [*split_rows.notes, *_list_split_notes(request, folds, data.n_rows, batch_size)]
    batch_size = min(batch_size, data.n_rows)
    rung = read_rung(request, folds, split_rows.n_rows)
    grid = _make_grid(request, model, split_rows, batch_size, rung)
    note_of_budget = describe_whole_grid(request, split_rows, batch_size, len(grid.lams))
    if note_of_budget is not None:
        warn_caller(note_of_budget)  # the training takes many times as long as announced
    notes += [note_of_budget, *grid.notes, *_list_scale_notes(request, template, split_rows, rows.x)]
    notes += _list_behaviour_notes(behaviour, batch_size)
    if len(folds.train) == 1:
        notes += _list_single_split_notes(objective, behaviour)
    groups = read_groups(request.groups, folds.n_rows)
    terms = make_terms(penalty, selection.weights)
    training = Training(template, data, objective, penalty, terms, how, batch_size, init, request.seed, behaviour)
    return Problem(
        training, folds, grid, selection, request.epochs or 1, request.patience, request.epoch, split_rows.target,
        request.models if rung is None else "chosen",
        tuple(filter(None, notes)),
        lam_model, rung, split_rows.stored_rows, request.solver,
        None if groups is None else as_plain_labels(groups), read_subsets(request, folds, data, objective, groups),
        unshown_arguments=request.unshown_arguments,
    )  # fmt: skip


def _read_and_split(
    template: Template, rows: DatasetRows, request: Request, batch_size: int, monitor: Monitor
) -> SplitRows:
    """Check and split the rows, in memory, or on disk if they do not fit into memory."""
    check_split_arguments(request)
    validation = read_validation_rows(request, template.network)
    if rows.rest is not None or (validation is not None and validation.rest is not None):
        refuse_on_disk(request)
        found = store_rows(template, rows, request, batch_size, validation, monitor)
    else:
        found = _split_in_memory(template, rows, request, batch_size, validation)
    return replace(found, objective=replace(found.objective, has_weights=bool(np.ptp(found.data.weight))))


def _split_in_memory(
    template: Template, rows: DatasetRows, request: Request, batch_size: int, validation: DatasetRows | None
) -> SplitRows:
    data, objective = read_rows(template, rows.x, rows.y, rows.sample_weight, request.class_weight)
    notes = data.notes
    folds, data, inputs = split(template, objective, data, request, validation, batch_size)
    notes = (*notes, *describe_repeated_rows(data.x, inputs.n_validation))
    target = None
    if request.standardize_target:
        check_standardize(data, objective)
        target = compute_target_units(inputs, folds)
    return SplitRows(None, data, folds, target, objective, notes)


def _make_grid(request: Request, model: PenalisedModel, rows: SplitRows, batch_size: int, rung: Rung | None) -> Grid:
    """Return the strengths of the call, and the strength in the model's regularizers with `penalty="model"`."""
    template, penalty, how, selection, lam_model = model
    stored, objective = rows.stored_rows, rows.objective
    loss_size, variance = 1.0, 1.0
    if rows.target is None:
        found = (
            compute_loss_sizes(rows.data, objective, rows.trained_rows)
            if stored is None
            else compute_stored_loss_sizes(stored, objective)
        )
        loss_size, variance = found
    grid = make_grid(
        request.lams, penalty, how, template, selection.mask, loss_size=loss_size, target_variance=variance,
        n_rows=rows.n_counting, steps=(request.epochs or 1) * size_batches(rows.n_rows, batch_size)[0], rung=rung,
    )  # fmt: skip
    if lam_model is None:
        return grid
    return replace(grid, lams=include(grid.lams, lam_model, fills_gap=grid.lam_max is not None))


def _list_split_notes(request: Request, folds: Folds, n_rows: int, batch_size: int) -> list[str]:
    """Return the notes of the folds, of a `cv` that is not used, and of a batch that has more rows than a fold."""
    notes = []
    if request.validation_data is not None and request.cv != Request.cv:  # `split` refuses a `cv` that is no number
        notes.append(f"cv={request.cv!r} was not used: `validation_data` is held out in its place.")
    notes += folds.notes
    smallest = int(folds.train.sizes.min())
    if batch_size > smallest and request.batch_size not in (None, n_rows):
        more = f"is larger than the {smallest} training rows of a fold: its batch is all of them."
        notes.append(Note(f"${{batch_size_}}{batch_size} {more}"))
    return notes


def _list_scale_notes(request: Request, template: Template, rows: SplitRows, x: Any) -> Sequence[str | None]:
    """Return notes on the sizes of inputs and targets, which matter to steps of an optimizer, or to L2."""
    data = rows.data
    counting = data.x if data.weight.all() else take(data.x, data.weight > 0)
    if request.solver == "exact":
        return [describe_unequal_inputs(template.network, counting, x)]
    notes = [describe_input_scale(template.network, counting, x)]
    return (
        notes if rows.target is not None else [*notes, describe_target_scale(data, rows.objective, rows.trained_rows)]
    )


def _list_single_split_notes(objective: Objective, behaviour: Behaviour) -> list[str]:
    """Return a note if there are no losses of rows, and so no standard error."""
    return [_describe_no_standard_error(objective, behaviour)] if not objective.by_rows or behaviour.mixes_rows else []


def _describe_no_standard_error(objective: Objective, behaviour: Behaviour) -> str:
    """Explain why a single split has no standard error if there is no loss per row."""
    cause = "loss mixes the rows of a batch" if not objective.by_rows else "model mixes the rows of a batch"
    if objective.by_rows and behaviour.depends_on_position:
        cause = "model draws random numbers when it predicts"
    return Note(
        f"The {cause}, so that there is no loss per held-out row: a single split then has no standard error, and "
        f"lam_1se is lam_min. Give ${{cv_}}5 for one."
    )


def _list_behaviour_notes(behaviour: Behaviour, batch_size: int) -> list[str]:
    """Return notes on random numbers and on mixed rows in predictions of the model."""
    notes = []
    if behaviour.equal_calls_differ:
        notes.append(
            "The model gives other predictions when it is called twice with the same weights and rows: it draws random "
            "numbers outside Keras' seed generators (such as tf.random), or keeps something outside its variables. Two "
            "equal calls of fit will differ, and so will strengths, by chance. Draw by keras.random, with "
            "seed=keras.random.SeedGenerator(...). Meanwhile the model is called once per member, which is slower."
        )
    if behaviour.depends_on_position:
        notes.append(
            f"The model draws random numbers when it predicts, too: the prediction for a row depends on the position "
            f"of the row in the batch. Held-out losses contain that noise; held-out rows are scored in batches of "
            f"{batch_size}, without training rows. Draw only in training: if training: ..."
        )
    elif behaviour.mixes_rows:
        notes.append(
            Note(
                f"The model mixes the rows of a batch: the prediction for a row depends on the other rows. Held-out "
                f"rows are scored in batches of {batch_size}, without training rows, as "
                f"model.evaluate(batch_size={batch_size}) does; another $batch_size gives other losses."
            )
        )
    return notes
