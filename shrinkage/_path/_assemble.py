"""Conversion of the outcome of a search to the path that `fit` returns."""

from typing import Any

import numpy as np
from keras import tree

from shrinkage._cohort._initial import initial_values, origins
from shrinkage._data._data import ALL_ROWS
from shrinkage._model._metrics import metrics_of, null_scores
from shrinkage._path._curve import Status
from shrinkage._path._path import Path
from shrinkage._plan._runner import Runner
from shrinkage._problem._problem import Problem
from shrinkage._search._search import Outcome


def assemble(runner: Runner, outcome: Outcome, *, seconds: float) -> Path:
    """Return the path: losses and predictions of the folds, and weights of the models trained on all rows."""
    problem, scores = runner.problem, outcome.scores
    training, folds = problem.training, problem.folds
    held = folds.held_out_rows
    predictions = _own_structure(scores.predictions)
    null = null_scores(
        training.template, training.data, training.objective, folds, scores.predictions, problem.target, problem.stored
    )
    return Path(
        lams=outcome.lams,
        cv_loss=scores.cv_loss,
        train_loss=scores.train_loss,
        fold_weight=problem.fold_weight,
        train_weight=problem.train_weight,
        epochs=outcome.epochs,
        held_out_rows=held,
        predictions=predictions,
        row_loss=scores.row_loss,
        row_weight=training.data.weight[held] if np.ptp(training.data.weight[held]) else None,
        metrics=_known_metrics(metrics_of(training.template, training.data, held, scores.predictions), predictions),
        status=_status(scores.diverged),
        template=training.template,
        loss_name=training.template.loss_name,
        penalty=training.penalty,
        how=training.how,
        selection=problem.selection,
        folds=folds,
        n_rows=problem.n_rows,
        seed=training.seed,
        plan=runner.record,
        notes=(*problem.notes, *runner.notes, *outcome.notes),
        seconds=seconds,
        target_mean=0.0 if problem.target is None else float(problem.target.offset[-1]),
        target_sd=1.0 if problem.target is None else problem.target.reference,
        lam_model=problem.lam_model,
        **_final_models(problem, outcome),
        **null,
    )


def _final_models(problem: Problem, outcome: Outcome) -> dict[str, Any]:
    """Return the fields of a path about the models trained on all rows; NaN and empty if no model was trained."""
    groups = not problem.training.penalty.elementwise
    values = outcome.values
    if not values:
        n_lams = len(outcome.lams)
        unknown, status = np.full(n_lams, np.nan), np.full(n_lams, Status.SKIPPED, dtype=object)
        none = {"norm": unknown, "nonzero": unknown, "zero_groups": unknown if groups else None}
        return none | {"full_status": status, "weights": ()}
    penalised = _penalised_values(problem, values)
    return {
        "norm": _norms(problem, penalised),
        "nonzero": np.array([sum(int(np.count_nonzero(w)) for w in member) for member in penalised]),
        "zero_groups": _zero_groups(problem, penalised) if groups else None,
        "full_status": _status(outcome.diverged),
        "weights": tuple(np.stack(value) for value in zip(*values, strict=True)),
    }


def _known_metrics(metrics: dict[str, np.ndarray], predictions: Any) -> dict[str, np.ndarray]:
    """Set metrics to NaN where a prediction is NaN: an accuracy of NaN predictions would look valid."""
    leaves = [leaf for leaf in tree.flatten(predictions) if np.issubdtype(leaf.dtype, np.floating)]
    lost = np.any([np.isnan(leaf).any(axis=(0, *range(2, leaf.ndim))) for leaf in leaves], axis=0)
    return {name: np.where(lost, np.nan, values) for name, values in metrics.items()}


def _norms(problem: Problem, penalised: list[list[np.ndarray]]) -> np.ndarray:
    """Return the Euclidean norm of the penalised weights for each strength, or their distance from the origins."""
    training = problem.training
    rows, number = [problem.rows_of_x], [ALL_ROWS]
    (first,) = initial_values(training.template, training.data, rows, number, seed=training.seed, init=training.init)
    (origin,) = origins(training.penalty.toward, training.template, [first])
    drawn = [0.0] * len(training.terms) if origin is None else [value[0] for value in origin]
    drawn = [value for value, term in zip(drawn, training.terms, strict=True) if term is not None]
    squares = [
        sum(float(((w - o).astype(np.float64) ** 2).sum()) for w, o in zip(member, drawn, strict=True))
        for member in penalised
    ]
    return np.sqrt(squares)


def _zero_groups(problem: Problem, penalised: list[list[np.ndarray]]) -> np.ndarray:
    groups = [term.penalty for term in problem.training.terms if term is not None]
    return np.array([sum(g.zero_groups(w) for g, w in zip(groups, member, strict=True)) for member in penalised])


def _own_structure(predictions: Any) -> Any:
    """Return an array for a single output, or a structure with tuples in place of lists: a path is immutable."""
    leaves = tree.flatten(predictions)
    return leaves[0] if len(leaves) == 1 else tree.lists_to_tuples(predictions)


def _status(diverged: np.ndarray) -> np.ndarray:
    return np.array([Status.OK, Status.DIVERGED])[diverged.astype(int)]


def _penalised_values(problem: Problem, values: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    network = problem.training.template.network
    ids = {id(v) for v, on in zip(network.trainable_variables, problem.selection.mask, strict=True) if on}
    places = [i for i, variable in enumerate(network.variables) if id(variable) in ids]
    return [[member[i] for i in places] for member in values]
