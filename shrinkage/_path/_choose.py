"""`path.choose`: the strength by a metric of the held-out predictions, in place of the loss."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from shrinkage._cv._choice import choose_strengths
from shrinkage._cv._statistics import summarise
from shrinkage._messages._note import quote
from shrinkage._model._metrics import RunningMetrics
from shrinkage._path._curve import Curve
from shrinkage._path._held_out import HeldOut, collect_held_out_rows
from shrinkage._path._words import format_lam

if TYPE_CHECKING:
    from shrinkage._model._template import Template

Array = np.ndarray
Values = Callable[[HeldOut], Array]
"""A function from held-out rows to the metric of every strength, (S,)."""


class MetricChoice(float):
    """A strength chosen by a metric; see `Path.choose`.

    Attributes:
        metric: the name of the metric.
        rule: "min" or "1se".
        index: the index of the strength in `lams`, counted from 0.
        mean: (S,) the metric of every strength, averaged over folds; NaN where a model diverged.
        se: (S,) the standard error of `mean`; NaN for a single split.
        fold_values: (F, S) the metric of every fold.
    """

    metric: str
    rule: Literal["min", "1se"]
    index: int
    mean: Array
    se: Array
    fold_values: Array
    _words: str

    def __repr__(self) -> str:
        return self._words

    __str__ = __repr__


def choose_by_metric(curve: Curve, template: Template, metric: Any, rule: Literal["min", "1se"]) -> MetricChoice:
    """Choose a strength by a metric; see `Path.choose`."""
    if rule not in ("min", "1se"):
        raise ValueError(f'`rule` must be "min" or "1se". Received: {quote(rule)}.')
    if not (isinstance(metric, str) or callable(metric)):
        raise TypeError(
            f"`metric` must be a name, a scorer or a function of sklearn.metrics. Received: {quote(metric)}."
        )
    curve.index  # noqa: B018 (raises NothingToChoose)
    folds = collect_held_out_rows(curve, template)
    name, values, sign = _resolve_metric(curve, template, metric)
    if rule == "1se" and len(folds) == 1:
        raise ValueError(
            '`rule` must be "min" for a single split: a metric has a standard error over folds alone. Received: "1se".'
        )
    found = np.array([_compute_values(fold, name, values) for fold in folds])
    found[:, curve.failed] = np.nan
    weight, split = [fold.total_weight for fold in folds], curve.folds
    mean, se = summarise(found, weight, overlap=split.overlap)
    best, parsimonious = choose_strengths(-sign * mean, se)
    index = best if rule == "min" else parsimonious
    choice = MetricChoice(curve.lams[index])
    choice.metric, choice.rule, choice.index = name, rule, index
    choice.mean, choice.se, choice.fold_values = mean, se, found
    choice._words = _describe_choice(curve, choice)
    return choice


def _describe_choice(curve: Curve, choice: MetricChoice) -> str:
    """Say what was chosen, and what the default, the loss, chooses."""

    def value(index: int) -> str:
        error = choice.se[index]
        return f"{choice.mean[index]:.4g}" + (f" (se {error:.2g})" if np.isfinite(error) else "")

    how = "" if choice.rule == "min" else ", the largest within one standard error of the best"
    start = f"lambda = {format_lam(float(choice))} by {choice.metric}{how}: {value(choice.index)} on held-out rows."
    if choice.index == curve.index:
        return f"{start} The loss, the default, chooses the same."
    least = value(curve.index)
    return f"{start} The loss, the default, chooses {format_lam(curve.lam)}, where {choice.metric} is {least}."


def _compute_values(fold: HeldOut, name: str, values: Values) -> Array:
    """Return the metric of a fold, (S,), or say why it is not defined there."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a metric is undefined is said below
            found = np.asarray(values(fold), float)
    except (ValueError, TypeError, AttributeError) as error:
        # An attribute is missing of the stand-in for an estimator, which nobody but this module knows.
        reason = "it needs scores of classes" if isinstance(error, AttributeError) else str(error).rstrip(".")
        raise ValueError(
            f"`metric` must be computable for the held-out rows of every fold. Received: {name!r}, which cannot be "
            f"computed for fold {fold.number + 1}, where the model predicts {_PREDICTIONS[fold.kind]} ({reason}). "
            f"Choose another metric."
        ) from error
    if not np.isfinite(found[fold.usable]).all():
        few = ", which holds out rows of one class" if fold.has_one_class else ""
        raise ValueError(
            f"`metric` must be defined for the held-out rows of every fold. Received: {name!r}, which is not defined "
            f"for fold {fold.number + 1}{few}. Choose another metric, or other folds."
        )
    return found


_PREDICTIONS = {
    "numbers": "numbers",
    "classes": "probabilities of classes",
    "labels": "probabilities of several labels",
    "margins": "margins of classes",
}


# --- from what the user gave to a function


def _resolve_metric(curve: Curve, template: Template, metric: Any) -> tuple[str, Values, int]:
    """Return the name of a metric, the function that computes it, and 1 if larger values are better, else -1."""
    from sklearn import metrics as of_sklearn

    if isinstance(metric, str):
        if metric in curve.metrics:
            return (
                metric,
                lambda fold: _compute_metrics(template, fold).result()[metric],
                _get_sign(collect_held_out_rows(curve, template)[0], template, metric),
            )
        scorer = _get_scorer(curve, metric)
        return metric, lambda fold: _compute_scores(fold, scorer), 1
    name = getattr(metric, "__name__", "scorer")
    if not hasattr(metric, "__name__"):  # a scorer, which is an object
        return name, lambda fold: _compute_scores(fold, metric), 1
    smaller, larger = name.endswith(("_error", "_loss", "_deviance")), hasattr(of_sklearn, name)
    if not (smaller or larger):
        raise ValueError(
            f"`metric` must say whether larger values are better. Received: the function {name}. Pass "
            f"sklearn.metrics.make_scorer({name}, greater_is_better=...)."
        )
    response = "predict_proba" if name in _PROBABILITY_METRICS else "predict"
    scorer = of_sklearn.make_scorer(metric, response_method=response)
    return name, lambda fold: _compute_scores(fold, scorer), -1 if smaller else 1


_PROBABILITY_METRICS = {
    "roc_auc_score", "average_precision_score", "log_loss", "brier_score_loss", "top_k_accuracy_score",
    "d2_log_loss_score", "d2_brier_score",
}  # fmt: skip
"""Functions of sklearn.metrics that take probabilities; the others take classes or numbers."""


def _get_scorer(curve: Curve, name: str) -> Any:
    from sklearn.metrics import get_scorer, get_scorer_names

    several = getattr(curve.predictions, "shape", ())[2:] not in ((), (1,), (2,))
    scorer_name = {"auc": "roc_auc_ovr" if several else "roc_auc"}.get(name, name)
    if scorer_name not in get_scorer_names():
        compiled = f"a compiled metric ({', '.join(curve.metrics)}), " if curve.metrics else ""
        raise ValueError(
            f'`metric` must be {compiled}"auc", or a name of sklearn.metrics.get_scorer_names(). Received: {name!r}.'
            f"{_suggest_name(name, [*curve.metrics, *get_scorer_names()])}"
        )
    return get_scorer(scorer_name)


_KERAS_NAMES = {"mae": "mean_absolute_error", "mse": "mean_squared_error", "rmse": "root_mean_squared_error"}
_KERAS_NAMES |= {"acc": "accuracy", "log_loss": "neg_log_loss", "mape": "mean_absolute_percentage_error"}


def _suggest_name(name: str, known_names: list[str]) -> str:
    """Return a question with the nearest known name; "" if none is near. Errors are "neg_..." in scikit-learn."""
    plain = name.lower().removesuffix("_score").replace("-", "_")
    near = difflib.get_close_matches(
        _KERAS_NAMES.get(plain, plain), [each.removeprefix("neg_") for each in known_names], n=1
    )
    found = [each for each in known_names if near and each in (near[0], f"neg_{near[0]}")]
    return f" Do you mean {found[0]!r}?" if found else ""


def _compute_scores(fold: HeldOut, scorer: Any) -> Array:
    """Return the score of every strength, by a scorer of scikit-learn that gets the stored predictions."""
    weight = {} if fold.weight is None else {"sample_weight": fold.weight}
    found = np.full(len(fold.usable), np.nan)
    for s in np.flatnonzero(fold.usable):
        found[s] = scorer(fold.make_estimator(), fold.predictions[:, s], fold.labels, **weight)
    return found


def _compute_metrics(template: Template, fold: HeldOut) -> RunningMetrics:
    """Return the compiled metrics of a fold, in the units of `y`."""
    metrics = RunningMetrics(template, fold.predictions.shape[1])
    weight = None if fold.weight is None else fold.weight.astype("float32")
    metrics.add(fold.targets, weight, fold.predictions)
    return metrics


def _get_sign(fold: HeldOut, template: Template, metric: str) -> int:
    """Return 1 if larger values of a compiled metric are better, else -1."""
    running = _compute_metrics(template, fold)
    running.result()
    direction = running.directions.get(metric)
    if direction is None:
        raise ValueError(
            f"`metric` must be a compiled metric of which Keras knows whether larger values are better. Received: "
            f"{metric!r}. Pass sklearn.metrics.make_scorer(function, greater_is_better=...)."
        )
    return 1 if direction == "up" else -1
