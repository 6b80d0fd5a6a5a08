"""Conversion of a request to a checked problem, before any training. Only the plan is checked later."""

from dataclasses import replace

import numpy as np

from shrinkage._cv._folds import Folds
from shrinkage._cv._strengths import include
from shrinkage._data._data import Data, TargetUnits, batches_of, take
from shrinkage._data._dataset import Rows
from shrinkage._data._stored import StoredRows
from shrinkage._model._behaviour import Behaviour, observe
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template
from shrinkage._note import Note, warn_caller
from shrinkage._penalties import terms_of
from shrinkage._problem._arguments import check_counts, check_init, of_solver, read_model_and_penalty
from shrinkage._problem._budget import check_budget, check_penalty_of_budget, read_rung
from shrinkage._problem._grid import make_grid, sizes, stored_sizes
from shrinkage._problem._groups import plain_labels, read_groups
from shrinkage._problem._learning_curve import check_learning_curve, read_subsets, refuse_on_disk
from shrinkage._problem._problem import Problem, Training
from shrinkage._problem._request import Request
from shrinkage._problem._rows import read_rows
from shrinkage._problem._scales import note_of_inputs, note_of_targets, note_of_unequal_inputs
from shrinkage._problem._source import training_rows, validation_rows
from shrinkage._problem._split import check_split, check_standardize, split, standardize
from shrinkage._problem._stream import store_rows
from shrinkage._problem._targets import check_class_weight
from shrinkage._progress._monitor import Monitor

_BATCH_SIZE = 32


def prepare(request: Request, monitor: Monitor | None = None) -> Problem:
    """Check the arguments of `fit` against each other and against the model.

    Args:
        request: The arguments.
        monitor: The monitor of the run, which shows how many rows were read.

    Raises:
        TypeError, ValueError: If an argument is invalid.
    """
    request = of_solver(request)
    epochs = request.epochs or 1
    check_counts(request)
    check_budget(request)
    check_learning_curve(request)
    template, penalty, how, selection, lam_model = read_model_and_penalty(request)
    check_penalty_of_budget(request, penalty)
    init = check_init(template, request)
    rows = training_rows(request, template.network)
    batch_size = request.batch_size or rows.batch_size or _BATCH_SIZE
    stored, data, folds, target, objective, read_notes = _read_and_split(
        template, rows, request, batch_size, monitor or Monitor()
    )
    if stored is not None:
        rows = rows._replace(x=data.x, y=None, sample_weight=None)  # frees the first rows, which are also on disk
    notes = list(read_notes)
    behaviour = observe(template, data.x)
    if request.validation_data is not None and request.cv != Request.cv:  # `split` refuses a `cv` that is no number
        notes.append(f"cv={request.cv!r} was not used: `validation_data` is held out in its place.")
    check_class_weight(data.y, request.class_weight)
    notes += folds.notes
    for note in folds.notes:
        warn_caller(note)  # before the training, which may take long
    objective = replace(objective, weighted=bool(np.ptp(data.weight)))
    notes += _notes_of_batches(request, folds, data.n_rows, batch_size)
    batch_size = min(batch_size, data.n_rows)
    trained = folds.rows_of_x if stored is None else np.arange(data.n_rows)
    loss_size, variance = 1.0, 1.0
    if target is None:
        loss_size, variance = sizes(data, objective, trained) if stored is None else stored_sizes(stored, objective)
    n_rows = len(trained) if stored is None else int(stored.n_train[-1])
    rung, notes_of_budget = read_rung(request, folds, n_rows)
    notes += notes_of_budget
    grid = make_grid(
        request.lams, penalty, how, template, selection.mask, loss_size=loss_size, target_variance=variance,
        n_rows=int((data.weight[trained] > 0).sum()) if stored is None else stored.n_counting,
        steps=epochs * batches_of(n_rows, batch_size)[0], rung=rung,
    )  # fmt: skip
    if lam_model is not None:
        grid = replace(grid, lams=include(grid.lams, lam_model, filled=grid.lam_max is not None))
    notes += grid.notes
    counting = data.x if data.weight.all() else take(data.x, data.weight > 0)
    if request.solver == "gradient":  # sizes matter to steps of an optimizer
        notes.append(note_of_inputs(template.network, counting, rows.x))
        if target is None:
            notes.append(note_of_targets(data, objective, trained))
    else:
        notes.append(note_of_unequal_inputs(template.network, counting, rows.x))
    notes += _notes(behaviour, batch_size)
    if len(folds.train) == 1:
        notes += _notes_of_one_split(objective, behaviour)
    groups = read_groups(request.groups, folds.n_rows)
    terms = terms_of(penalty, selection.weights)
    training = Training(template, data, objective, penalty, terms, how, batch_size, init, request.seed, behaviour)
    return Problem(
        training, folds, grid, selection, epochs, request.patience, request.epoch, target,
        request.models if rung is None else "chosen",
        tuple(filter(None, notes)),
        lam_model, rung, stored, request.solver,
        None if groups is None else plain_labels(groups), read_subsets(request, folds, data, objective, groups),
        unshown_arguments=request.unshown_arguments,
    )  # fmt: skip


def _notes_of_batches(request: Request, folds: Folds, n_rows: int, batch_size: int) -> list[Note]:
    """Return a note if a batch has more rows than a fold; none for the default size or for full batches."""
    smallest = int(folds.train.sizes.min())
    if batch_size <= smallest or request.batch_size in (None, n_rows):
        return []
    more = f"is larger than the {smallest} training rows of a fold: its batch is all of them."
    return [Note(f"${{batch_size_}}{batch_size} {more}")]


def _read_and_split(
    template: Template, rows: Rows, request: Request, batch_size: int, monitor: Monitor
) -> tuple[StoredRows | None, Data, Folds, TargetUnits | None, Objective, tuple[str, ...]]:
    """Return the rows, the folds and the units of the targets.

    If the rows do not fit into memory, return the stored rows, and a sample of the training rows in place of all rows.
    """
    check_split(request)
    validation = validation_rows(request, template.network)
    if rows.rest is not None or (validation is not None and validation.rest is not None):
        refuse_on_disk(request)
        stream = store_rows(template, rows, request, batch_size, validation, monitor)
        return stream.stored, stream.data, stream.folds, stream.target, stream.objective, stream.notes
    data, objective = read_rows(template, rows.x, rows.y, rows.sample_weight, request.class_weight)
    notes = data.notes
    folds, data, inputs = split(template, objective, data, request, validation, batch_size)
    target = None
    if request.standardize_target:
        check_standardize(data, objective)
        target = standardize(inputs, folds)
    return None, data, folds, target, objective, notes


def _notes_of_one_split(objective: Objective, behaviour: Behaviour) -> list[str]:
    """Return a note if there are no losses of rows, and so no standard error."""
    return [_no_standard_error(objective, behaviour)] if not objective.by_rows or behaviour.mixes_rows else []


def _no_standard_error(objective: Objective, behaviour: Behaviour) -> str:
    """Explain why a single split has no standard error if there is no loss per row."""
    cause = "loss mixes the rows of a batch" if not objective.by_rows else "model mixes the rows of a batch"
    if objective.by_rows and behaviour.depends_on_position:
        cause = "model draws random numbers when it predicts"
    return (
        f"The {cause}, so that there is no loss per held-out row: a single split then has no standard error, and "
        f"lam_1se is lam_min. Give cv=5 for one."
    )


def _notes(behaviour: Behaviour, batch_size: int) -> list[str]:
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
            f"The model mixes the rows of a batch: the prediction for a row depends on the other rows. Held-out rows "
            f"are scored in batches of {batch_size}, without training rows, as model.evaluate(batch_size={batch_size}) "
            f"does; another batch_size gives other losses."
        )
    return notes
