"""Conversion of the outcome of a search to the path that `fit` returns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import tree

from shrinkage._cohort._initial import list_origins, make_initial_values
from shrinkage._data._data import ALL_ROWS, take
from shrinkage._model._metrics import compute_metrics, compute_null_scores
from shrinkage._model._stored_null import compute_stored_null_scores
from shrinkage._path._curve import Status
from shrinkage._path._path import Path
from shrinkage._plan._any_runner import AnyRunner
from shrinkage._problem._problem import Problem
from shrinkage._search._search import Outcome


def assemble_path(runner: AnyRunner, outcome: Outcome, *, seconds: float, notes: Sequence[str] = ()) -> Path:
    """Return the path: losses and predictions of the folds, and weights of the models trained on all rows."""
    problem, scores = runner.problem, outcome.scores
    training, folds = problem.training, problem.folds
    predictions = _freeze_structure(scores.predictions)
    return Path(
        lams=outcome.lams,
        cv_loss=scores.cv_loss,
        train_loss=scores.train_loss,
        fold_weight=problem.fold_weight,
        train_weight=problem.train_weight,
        epochs=outcome.epochs,
        predictions=predictions,
        row_loss=scores.row_loss,
        status=_make_statuses(problem, outcome, scores.diverged),
        template=training.template,
        loss_name=training.template.loss_name,
        penalty=training.penalty,
        how=training.how,
        selection=problem.selection,
        folds=folds,
        n_rows=problem.n_rows,
        seed=training.seed,
        plan=runner.record,
        notes=(*problem.notes, *runner.notes, *outcome.notes, *notes),
        seconds=seconds,
        target_mean=0.0 if problem.target is None else float(problem.target.offset[-1]),
        target_sd=1.0 if problem.target is None else problem.target.reference,
        lam_model=problem.lam_model,
        solver=problem.solver,
        budget=None if problem.rung is None else problem.rung.budget,
        **_compute_all_rows_fields(problem, outcome),
        **_compute_held_out_fields(problem, outcome),
    )


def _compute_held_out_fields(problem: Problem, outcome: Outcome) -> dict[str, Any]:
    """Return the fields of a path about the held-out rows, or about a sample of them if the rows are on disk."""
    training, predictions, target = problem.training, outcome.scores.predictions, problem.target
    template, data, objective, stored = training.template, training.data, training.objective, problem.stored_rows
    rows = problem.held_out_rows
    if stored is None:
        metrics = compute_metrics(template, data, rows, predictions)
        null = compute_null_scores(template, data, objective, problem.folds, predictions, target, problem.row_groups)
    else:
        metrics = {name: values[0] for name, values in outcome.scores.metrics.items()}
        null = compute_stored_null_scores(
            template, stored, data, objective, problem.folds, predictions, target, problem.row_groups
        )
    targets = take(data.targets, rows) if stored is None else stored.read_sample_targets()
    leaves = tree.flatten(targets)
    with_loss = {term.place for term in objective.terms}
    targets = tree.pack_sequence_as(targets, [leaf if i in with_loss else None for i, leaf in enumerate(leaves)])
    return {
        **{"held_out_rows": rows, "row_weight": problem.row_weight, "targets": _freeze_structure(targets)},
        **{"metrics": metrics, **null, "groups": problem.row_groups},
    }


def _compute_all_rows_fields(problem: Problem, outcome: Outcome) -> dict[str, Any]:
    """Return the fields of a path about the models trained on all rows; NaN where no model was trained."""
    groups, models = not problem.training.penalty.elementwise, outcome.models
    status = np.full(len(outcome.lams), Status.NOT_TRAINED if models else Status.SKIPPED, dtype=object)
    diverged = np.zeros(len(outcome.lams), bool)
    diverged[list(models)] = [model.diverged for model in models.values()]
    status[list(models)] = _make_statuses(problem, outcome, diverged)[list(models)]

    def spread(numbers: Any) -> np.ndarray:
        """Return numbers of the models by strength."""
        if len(models) == len(outcome.lams):
            return np.asarray(numbers)
        found = np.full(len(outcome.lams), np.nan)
        found[list(models)] = numbers
        return found

    values = [models[index].values for index in models]
    penalised = _select_penalised_values(problem, values)
    return {
        "norm": spread(_compute_norms(problem, penalised) if models else []),
        "nonzero": spread([sum(int(np.count_nonzero(w)) for w in member) for member in penalised]),
        "zero_groups": spread(_count_zero_groups(problem, penalised)) if groups else None,
        "full_status": status,
        "weights": tuple(np.stack(value) for value in zip(*values, strict=True)),
    }


def _compute_norms(problem: Problem, penalised: list[list[np.ndarray]]) -> np.ndarray:
    """Return the Euclidean norm of the penalised weights for each strength, or their distance from the origins."""
    training = problem.training
    rows, number = [problem.rows_of_x], [ALL_ROWS]
    (first,) = make_initial_values(
        training.template, training.data, rows, number, seed=training.seed, init=training.init
    )
    (origin,) = list_origins(training.penalty.toward, training.template, [first])
    drawn = [0.0] * len(training.terms) if origin is None else [value[0] for value in origin]
    drawn = [value for value, term in zip(drawn, training.terms, strict=True) if term is not None]
    squares = [
        sum(float(((w - o).astype(np.float64) ** 2).sum()) for w, o in zip(member, drawn, strict=True))
        for member in penalised
    ]
    return np.sqrt(squares)


def _count_zero_groups(problem: Problem, penalised: list[list[np.ndarray]]) -> np.ndarray:
    groups = [term.penalty for term in problem.training.terms if term is not None]
    return np.array([sum(g.zero_groups(w) for g, w in zip(groups, member, strict=True)) for member in penalised])


def _freeze_structure(values: Any) -> Any:
    """Return an array for a single output, or a structure with tuples in place of lists: a path is immutable."""
    leaves = tree.flatten(values)
    return leaves[0] if len(leaves) == 1 else tree.lists_to_tuples(values)


def _make_statuses(problem: Problem, outcome: Outcome, diverged: np.ndarray) -> np.ndarray:
    """Return the statuses of members, (..., S), some of which diverged."""
    lost = np.full(len(outcome.lams), Status.DIVERGED, dtype=object)
    if problem.solver == "exact":
        lost[outcome.lams == 0] = Status.NO_MINIMUM
    statuses = np.full(diverged.shape, Status.OK, dtype=object)
    statuses[diverged] = np.broadcast_to(lost, diverged.shape)[diverged]
    return statuses


def _select_penalised_values(problem: Problem, values: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    places = problem.training.template.trained_places
    places = [place for place, on in zip(places, problem.selection.mask, strict=True) if on]
    return [[member[place] for place in sorted(places)] for member in values]
