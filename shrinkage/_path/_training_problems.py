"""Sentences of the verdict if the penalty cannot be judged: training failed, learnt nothing, or has hardly begun."""

import math

import numpy as np

from shrinkage._path._cautions import describe_epoch_limit
from shrinkage._path._convergence import FEW_EPOCHS, Convergence, compute_late_speed
from shrinkage._path._curve import Curve, Status
from shrinkage._path._findings import (
    assess_convergence_without_penalty,
    compute_held_out_curve,
    compute_least_training_loss,
    find_overfitting_without_penalty,
    has_far_target,
    has_raw_target,
    is_above_constant,
    is_far_above_constant,
    training_is_stuck,
    training_rises,
    trains_above_constant,
)
from shrinkage._path._overfitting import describe_overfitting
from shrinkage._path._words import (
    Sentence,
    capitalise,
    format_chosen_strength,
    format_figures,
    format_gain_interval,
    format_loss,
)
from shrinkage._problem._unit_size import names_inputs, names_targets

_WORSE = "The models on this path predict worse than a constant"
_NO_ERROR = 1e-9  # of a loss that is the rounding of a mean


def describe_nothing_to_choose(curve: Curve) -> Sentence:
    """Return the sentences for a path without a choice, with the cause and advice."""
    if curve.solver == "exact":
        words = (
            "Take strengths above 0: $give_lams. Without a penalty the log loss has no minimum, as the inputs separate "
            "classes, and there is nothing to choose from."
        )
        return Sentence("no-minimum", words)
    hit = curve.status == Status.DIVERGED
    whole = np.flatnonzero(hit.all(axis=1))
    where = ""
    if not hit.any():
        where = "The folds' models finished, and those on all rows diverged."
    elif 0 < len(whole) < len(hit) and not np.delete(hit, whole, axis=0).any():
        numbers = ", ".join(str(fold + 1) for fold in whole)
        rows = ", ".join(f"${{trained_on}}[{fold}]$in_python" for fold in whole)
        where = f"It was fold{'s' * (len(whole) > 1)} {numbers}, and no other: look for outliers in the rows that "
        where += f"{'its models' if len(whole) == 1 else 'they'} trained on, {rows}."
    unit = ", or say standardize_target=True" if has_far_target(curve) and curve.null_loss > 10 else ""
    words = (
        f"Lower $learning_rate$or_scale_inputs{unit}. There is nothing to choose from: at every strength a model "
        f"diverged.{where and f' {where}'}{_describe_loss_domain(curve)}"
    )
    return Sentence("diverged", words)


def _describe_loss_domain(curve: Curve) -> str:
    """Return advice on the output activation if the loss is not finite for some predictions."""
    if curve.loss_name.lower() != "poisson":
        return ""
    return (
        " The Poisson loss is NaN for a negative prediction: give the output layer activation='exponential' or "
        "'softplus', if it has none."
    )


def describe_unbeaten_constant(
    curve: Curve, loss: str, notes: tuple[str, ...], *, has_schedule: bool
) -> list[Sentence]:
    """Return the sentences if no strength clearly beats the best constant, with advice on the likely cause."""
    if abs(curve.null_loss) < _NO_ERROR * abs(curve.mean[curve.index]):
        words = "A constant predicts the target without error: there is nothing to learn from the inputs."
        return [Sentence("no-better-than-constant", words)]
    if trains_above_constant(curve):
        return [_describe_undertraining(curve, loss, notes)]
    best, null = float(curve.mean[curve.index]), curve.null_loss
    overfitting = find_overfitting_without_penalty(curve, has_schedule=has_schedule)
    how_far = assess_convergence_without_penalty(curve)
    if overfitting and overfitting.best_loss < null <= best:
        words = f"No strength beats the best constant ({loss} {format_figures(null)}) at its chosen epoch."
        return [Sentence("no-better-than-constant", words), *describe_overfitting(curve, loss, overfitting)]
    if how_far is Convergence.BEGINNING:
        unclear = Sentence(
            "constant-unclear", f"{_describe_null_gain(curve, loss, is_preliminary=True)}.", _lowers_constant(curve)
        )
        return [describe_beginning(curve, loss, notes), unclear]
    if how_far is Convergence.FALLING:
        words = (
            f"Train longer (raise $epochs). {_describe_null_gain(curve, loss, is_preliminary=True)}. The inputs may "
            f"have little to do with the target, or training is too short. {describe_epoch_limit(curve)}"
        )
        return [Sentence("still-falling", words, _lowers_constant(curve))]
    sentence = _describe_levelled_training(curve, loss, notes, has_schedule=has_schedule)
    return [sentence._replace(has_interval=_lowers_constant(curve))]


def _describe_levelled_training(curve: Curve, loss: str, notes: tuple[str, ...], *, has_schedule: bool) -> Sentence:
    """Return the sentences if training has levelled off and does not clearly beat the best constant."""
    best, null, exact = float(curve.mean[curve.index]), curve.null_loss, curve.solver == "exact"
    start = _describe_null_gain(curve, loss, is_preliminary=False)
    if is_far_above_constant(curve, best):
        advice = "Look for outliers." if exact else "Lower $learning_rate, or look for outliers."
        words = (
            f"{advice} {_WORSE} on held-out rows, though not in training. {start}. "
            f"The least held-out loss is {format_figures(best)}."
        )
        return Sentence("worse-than-constant", words)
    none = float(curve.candidates[-1])
    if none and is_far_above_constant(curve, none) and not has_schedule:
        words = (
            f"Lower $learning_rate. Without a penalty the {loss} is {format_figures(none)} at its best epoch, far "
            f"above the best constant's. {start}."
        )
        return Sentence("learning-rate", words)
    if not exact and (has_far_target(curve) or names_targets(notes)):
        return Sentence("target-not-scaled", f"{_describe_target_advice(curve)} {start}.")
    above = is_above_constant(curve)
    advice = f"Do not use these models. {_WORSE}" if above else "Do not rely on these models"
    training = curve.train_mean[curve.index]
    idle = ", the model may not learn at all (not even its training loss is far below)"
    idle *= bool(training > 0.97 * null) and not exact
    words = (
        f"{advice}. {start} (training {format_figures(training)}, held out {format_figures(best)}). The inputs may "
        f"have little to do with the target{idle}, or the rows may be too few to show it."
    )
    below = "constant-unclear" if best < null else "no-better-than-constant"
    return Sentence("worse-than-constant" if above else below, words)


def _describe_null_gain(curve: Curve, loss: str, *, is_preliminary: bool) -> str:
    """Return a clause: no strength beats the best constant, or none clearly does."""
    null = curve.null_loss
    constant, no = f"the best constant ({loss} {format_figures(null)})", "So far no" if is_preliminary else "No"
    if curve.mean[curve.index] >= null:
        return f"{no} strength beats {constant}: nothing was learnt that shows on held-out rows"
    if not _lowers_constant(curve):
        choice = format_chosen_strength(curve)
        return f"{no} strength beats {constant}: {choice} is the best, and leaves no penalised weight"
    subject = (
        format_chosen_strength(curve) if curve.lam > 0 else "training without a penalty"
    )  # "no penalty" would be ambiguous
    return (
        f"{no} strength clearly beats {constant}: {subject} lowers it by "
        f"{format_gain_interval(curve, curve.null_gain)}, which may be chance"
    )


def _lowers_constant(curve: Curve) -> bool:
    """Whether the least loss is below the best constant's, and its model is more than a constant."""
    return not (curve.mean[curve.index] >= curve.null_loss or curve.nonzero[curve.index] == 0)


def _describe_undertraining(curve: Curve, loss: str, notes: tuple[str, ...]) -> Sentence:
    """Return advice if not even the training loss is below the loss of the best constant."""
    least, null = compute_least_training_loss(curve), curve.null_loss
    losses = f"({loss} {format_loss(curve, least)} in training at the least, best constant {format_figures(null)})"
    code, state, more = "learning-rate", "Training has not got as far as the best constant", ""
    if names_inputs(notes):
        code = "inputs-not-scaled"
        advice = "Standardise the inputs, which are far from unit size (see the note on them)."
    elif has_far_target(curve) or names_targets(notes):
        code, advice = "target-not-scaled", _describe_target_advice(curve)
    elif training_rises(curve):
        advice = "Lower $learning_rate."
        state = (
            f"In training the {loss} is higher after the last epoch than after the first, and does not get as far as "
            f"the best constant"
        )
    elif is_far_above_constant(curve, least):
        advice, state = "Lower $learning_rate.", "Training stays far above the best constant"
    elif training_is_stuck(curve):
        advice = "Lower $learning_rate, or raise it."
        state = "Training does not beat the best constant on the rows that it trains on, and no longer falls"
        more = " If another learning rate changes nothing, the inputs may have little to do with the target."
    else:
        code, advice = "hardly-trained", f"{capitalise(_describe_longer_training(curve, notes))}."
    more += f" {_WORSE}, on held-out rows too." if is_above_constant(curve) else ""
    return Sentence(code, f"{advice} {state} {losses}.{more}")


def _describe_target_advice(curve: Curve) -> str:
    if has_raw_target(curve):
        return "Say standardize_target=True, and judge then: the unit of the target may be the cause."
    return "Divide the targets by their standard deviations, and judge then: their unit may be the cause."


def describe_beginning(curve: Curve, loss: str, notes: tuple[str, ...]) -> Sentence:
    """Return the sentences if training has hardly begun: the strengths cannot be compared yet."""
    losses, n_epochs = compute_held_out_curve(curve)[-1], int(curve.epochs[-1])
    first, last = (format_loss(curve, value) for value in (losses[0], losses[n_epochs - 1]))
    longer = capitalise(_describe_longer_training(curve, notes))
    so_far = ""
    if curve.lam > 0 and curve.gain.low > 0:
        lowers = f"lowers the {loss} by {format_gain_interval(curve, curve.gain)} against no penalty"
        so_far = f" So far {format_chosen_strength(curve)} {lowers}, which more training may change."
    if n_epochs <= FEW_EPOCHS:
        fell = f": without a penalty the {loss} fell from {first} after the first to {last} after the last"
        words = (
            f"{longer}. After {n_epochs} epoch{'s' * (n_epochs > 1)} the penalty cannot be judged yet"
            f"{fell * (n_epochs > 1)}.{so_far}"
        )
        return Sentence("hardly-trained", words, bool(so_far))
    share = max(compute_late_speed(losses, null) for null in (curve.null_loss, math.nan))
    speed = "as fast as on average" if share > 0.95 else f"at {100 * share:.0f} % of its average speed"
    words = (
        f"{longer}, and compare the strengths then. Training has hardly begun: without a penalty the {loss} is {first} "
        f"after the first epoch and {last} after the last ({n_epochs}), and in the last tenth of the epochs it fell "
        f"{speed}.{so_far}"
    )
    return Sentence("hardly-trained", words, bool(so_far))


def _describe_longer_training(curve: Curve, notes: tuple[str, ...]) -> str:
    """Return advice to train longer, and to raise the learning rate unless models diverged or inputs are large."""
    higher = " or raise $learning_rate" * (not curve.failed.any() and not names_inputs(notes))
    return f"train longer (raise $epochs){higher}"
