"""What a path says in words: whether the penalty gained anything, and why or why not.

`_findings` decides, from numbers; here it is said.
"""

import math

import numpy as np

from shrinkage._path._curve import Curve, Status
from shrinkage._path._findings import (
    FEW_EPOCHS,
    Overfitting,
    Progress,
    beats_constant,
    closes_the_gap,
    falls_towards,
    far_folds,
    gap,
    has_far_target,
    held_out_curve,
    is_near_perfect,
    is_unsteady,
    late_speed,
    least_training_loss,
    losses_at_one_epoch,
    main_progress,
    matters,
    none_and_min,
    overfitting_without_penalty,
    progress_at,
    scale_of,
    training_is_stuck,
    trains_above_constant,
    tried_strengths,
    without_stopping,
)
from shrinkage._path._words import (
    capital,
    figures,
    flat_range,
    interval_text,
    lam_text,
    loss_text,
    loss_words,
    strength_text,
)

_FAR_TARGET = "The unit of the target may be the cause: say standardize_target=True, and judge then."


def verdict(curve: Curve) -> str:
    """Say what the curve shows; see `Path.verdict`."""
    loss = loss_words(curve.loss_name)
    if curve.failed.all():
        sentences = [_nothing_to_choose_words(curve)]
    elif not beats_constant(curve):
        trained = main_progress(curve) is Progress.LEVELLED and not trains_above_constant(curve)
        sentences = [_no_better_words(curve, loss), _edge_words(curve) if trained else "", _few_tried_words(curve)]
        sentences += [_far_fold_words(curve, loss)]
    elif main_progress(curve) is Progress.BEGINNING:
        sentences = [_beginning_words(curve, loss), _few_tried_words(curve), _far_fold_words(curve, loss)]
    else:
        sentences = [
            _gain_words(curve, loss),
            _near_perfect_words(curve, loss),
            _edge_words(curve),
            _few_tried_words(curve),
            "" if is_near_perfect(curve) else _far_fold_words(curve, loss),
            _epoch_limit_words(curve, loss),
        ]
    return " ".join(" ".join(sentences).split())  # some are empty


# --- where the penalty is not to be judged


def _nothing_to_choose_words(curve: Curve) -> str:
    """Say that no strength can be chosen, and where that came from."""
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
    return (
        f"Nothing to choose from: at every strength a model diverged. {where} "
        f"Lower $learning_rate$or_scale_inputs{unit}."
    )


def _no_better_words(curve: Curve, loss: str) -> str:
    """Say that a constant does as well, and that more training or a larger model is not what is missing."""
    if trains_above_constant(curve):
        return _undertrained_words(curve, loss)
    best, null = float(curve.mean[curve.index_min]), curve.null_loss
    constant = f"the best constant ({loss} {figures(null)})"
    if best >= null:
        start = f"No strength beats {constant}: nothing was learnt that shows on held-out rows"
    elif curve.nonzero[curve.index_min] == 0:
        start = f"No strength beats {constant}: {_at_min(curve)} is the best, and leaves no penalised weight"
    else:
        subject = _at_min(curve) if curve.lam_min > 0 else "training without a penalty"  # "no penalty" would mean none
        start = (
            f"No strength clearly beats {constant}: {subject} lowers it by "
            f"{interval_text(curve, curve.null_gain)}, which may be chance"
        )
    found = overfitting_without_penalty(curve)
    if found and found.best < null <= best:
        return f"No strength beats {constant} at its chosen epoch. {_overfitting_words(curve, loss, found)}"
    if main_progress(curve) is Progress.BEGINNING:
        return f"{start}, so far. {_beginning_words(curve, loss)}"
    if main_progress(curve) is Progress.FALLING:
        start += ", so far: the inputs may have little to do with the target, or training is too short"
        return f"{start}. {_epoch_limit_words(curve, loss)}"
    if best > 10 * null:
        return f"{start}. The least held-out loss is {figures(best)}: lower $learning_rate, or look for outliers."
    if has_far_target(curve):
        return f"{start}. {_FAR_TARGET}"
    training = curve.train_mean[curve.index_min]
    idle = ", the model may not learn at all (not even its training loss is far below)" * bool(training > 0.97 * null)
    return (
        f"{start} (training {figures(training)}, held out {figures(best)}). The inputs may have little to do with "
        f"the target{idle}, or the rows may be too few to show it."
    )


def _undertrained_words(curve: Curve, loss: str) -> str:
    """Not even in training is the best constant beaten: that says nothing yet of what there is to learn."""
    least, null = (loss_text(curve, value) for value in (least_training_loss(curve), curve.null_loss))
    losses = f"({loss} {least} in training at the least, best constant {null})"
    if has_far_target(curve):
        return f"Training has not got as far as the best constant {losses}. {_FAR_TARGET}"
    if training_is_stuck(curve):
        return (
            f"Training does not beat the best constant on the rows that it trains on, and no longer falls {losses}: "
            "lower $learning_rate, or raise it. If that changes nothing, the inputs may have little to do with the "
            "target."
        )
    return f"Training has not got as far as the best constant {losses}: {_longer(curve)}."


def _beginning_words(curve: Curve, loss: str) -> str:
    """Say that training has hardly begun: then all strengths are nearly alike, and none is idle for that."""
    losses, n_epochs = held_out_curve(curve)[-1], int(curve.epochs[-1])
    first, last = (loss_text(curve, value) for value in (losses[0], losses[n_epochs - 1]))
    so_far = ""
    if curve.lam_min > 0 and curve.gain.low > 0:
        so_far = f" So far {_at_min(curve)} lowers the {loss} by {interval_text(curve, curve.gain)} against no penalty."
    if n_epochs <= FEW_EPOCHS:
        fell = f": without a penalty the {loss} fell from {first} after the first to {last} after the last"
        return (
            f"After {n_epochs} epoch{'s' * (n_epochs > 1)} the penalty cannot be judged yet{fell * (n_epochs > 1)}. "
            f"{capital(_longer(curve))}.{so_far}"
        )
    share = max(late_speed(losses, null) for null in (curve.null_loss, math.nan))
    speed = "as fast as on average" if share > 0.95 else f"at {100 * share:.0f} % of its average speed"
    return (
        f"Training has hardly begun: without a penalty the {loss} is {first} after the first epoch and {last} after "
        f"the last ({n_epochs}), and in the last tenth of the epochs it fell {speed}. {capital(_longer(curve))}; until "
        f"then the strengths cannot be compared.{so_far}"
    )


def _longer(curve: Curve) -> str:
    """A higher rate is no advice where models diverged at this one."""
    return "train longer (raise $epochs)" + " or raise $learning_rate" * (not curve.failed.any())


# --- what the penalty gains


def _gain_words(curve: Curve, loss: str) -> str:
    if curve.failed[-1]:
        least = loss_text(curve, curve.mean[curve.index_min])
        return (
            f"Without a penalty training diverged; {_at_min(curve)} has the least {loss}, {least}. Lower the learning "
            f"rate to see what the penalty gains."
        )
    if curve.lam_min == 0 and not tried_strengths(curve).any():
        return _only_none_words(curve)
    if not math.isfinite(curve.se[curve.index_min]):
        least, none = (loss_text(curve, curve.mean[index]) for index in (curve.index_min, -1))
        return (
            f"The least {loss} is {least}, at lambda = {lam_text(curve.lam_min)}, and {none} without a penalty: "
            f"there is no standard error to judge the difference by."
        )
    if found := overfitting_without_penalty(curve):
        return _overfitting_words(curve, loss, found)
    if curve.lam_min == 0:
        return _no_penalty_words(curve, loss)
    lowers = f"lowers the {loss} by {interval_text(curve, curve.gain)} against no penalty"
    if curve.gain.low > 0:
        return f"{capital(_at_min(curve))} {lowers}{_why_it_helps(curve)}.{_small_words(curve)}"
    if curve.mean[-1] <= curve.mean[curve.index_min] + curve.se[curve.index_min]:
        return (
            f"Flat{_so_far(curve)}: {flat_range(curve)} the {loss} is within one standard error of the least; "
            f"{_at_min(curve)} lowers it by {interval_text(curve, curve.gain)} against no penalty, which may be "
            f"chance. {_gap_words(curve)}"
        )
    return f"No clear gain: {_at_min(curve)} {lowers}, and the interval contains 0. {_gap_words(curve)}"


def _only_none_words(curve: Curve) -> str:
    if not (curve.lams > 0).any():
        return "Only lambda = 0 was trained: there is nothing to compare."
    return (
        "At every strength above 0 a model diverged, and only lambda = 0 is left: nothing is known of the penalty. "
        "Lower $learning_rate$or_smaller_lams."
    )


def _no_penalty_words(curve: Curve, loss: str) -> str:
    tried = " that did not diverge" if curve.failed.any() else ""
    if curve.index_1se == curve.index_min:
        return (
            f"No penalty is best{_so_far(curve)}: at every other strength{tried} the {loss} is more than one standard "
            f"error higher. {_gap_words(curve)}"
        )
    return (
        f"No penalty is best{_so_far(curve)}, but {flat_range(curve)} the {loss} is within one standard error of the "
        f"least: the penalty does not matter there. {_gap_words(curve)}"
    )


def _so_far(curve: Curve) -> str:
    return " so far" * (main_progress(curve) is Progress.FALLING)


def _small_words(curve: Curve) -> str:
    """Say that a gain is clear and yet hardly matters: large data show the smallest differences."""
    gain, none = curve.gain.mean, curve.mean[-1]
    if gain >= 0.01 * abs(none) or gain >= 0.01 * abs(scale_of(curve)):
        return ""
    return f" The gain is clear, and small: {100 * gain / abs(none):.1g} % of the loss without a penalty."


def _why_it_helps(curve: Curve) -> str:
    """Tell less overfitting, a narrower gap between training and held-out loss, from a lower training loss."""
    if not (pairs := losses_at_one_epoch(curve)):
        return ""
    (train_none, train_min), (held_out_none, held_out_min) = pairs
    if train_none - train_min > (held_out_none - held_out_min) / 2:
        return ", mostly by a lower training loss: it helped the training itself"
    if not matters(held_out_none - train_none, held_out_none, scale_of(curve)):
        return ""
    losses = f"{loss_text(curve, train_none)} in training and {loss_text(curve, held_out_none)} held out"
    return f": it was overfitting ({losses} after as many epochs without a penalty)"


# --- overfitting


def _overfitting_words(curve: Curve, loss: str, found: Overfitting) -> str:
    """Say both losses without a penalty, at its best epoch and at the end, and which remedy mends it."""
    best, last, training = (loss_text(curve, value) for value in (found.best, found.last, found.training))
    start = (
        f"Training overfits: without a penalty the {loss} is {best} at its best epoch, {found.best_epoch}, and {last} "
        f"after all {found.last_epoch} (training {training})."
    )
    stopped = curve.epochs[-1] <= found.best_epoch
    remedy = _beyond_stopping_words(curve) if stopped else _instead_of_stopping_words(curve, found)
    return f"{start} {remedy} {_unstopped_words(curve, found)}"


def _beyond_stopping_words(curve: Curve) -> str:
    """Compare with no penalty at its best epoch, which `none` is: what the penalty adds to early stopping."""
    if curve.lam_min == 0:
        return "Stopping early mends it, and no penalty lowers it further."
    lowers = f"{_at_min(curve)} lowers it by a further {interval_text(curve, curve.gain)}"
    if curve.gain.low > 0:
        return f"Stopping early mends part of it; {lowers}.{_small_words(curve)}"
    return f"Stopping early mends it; {lowers}, which may be chance."


def _instead_of_stopping_words(curve: Curve, found: Overfitting) -> str:
    """Compare with no penalty at a later epoch than its best, as `epoch` asked for."""
    chosen, early = int(curve.epochs[-1]), loss_text(curve, found.best)
    stopping = f"stopping without a penalty at epoch {found.best_epoch} gives {early}"
    if curve.lam_min == 0:
        return f"No penalty lowers the loss at epoch {chosen}; {stopping}."
    chance = "" if curve.gain.low > 0 else ", which may be chance"
    least = loss_text(curve, curve.mean[curve.index_min])
    return (
        f"At epoch {chosen} {_at_min(curve)} lowers it by {interval_text(curve, curve.gain)}{chance}, to {least}; "
        f"{stopping}."
    )


def _unstopped_words(curve: Curve, found: Overfitting) -> str:
    """Say whether a penalty can stand in for early stopping: what the strengths give after all of their epochs."""
    if not tried_strengths(curve).any():
        return ""
    index, n_epochs, least, stands_in = without_stopping(curve, found)
    end = f"{loss_text(curve, least)} after all {n_epochs}"
    if stands_in:
        return f"With {strength_text(curve, index)} training need not be stopped: {end}."
    return f"No strength stands in for stopping early: the least is {end}, with {strength_text(curve, index)}."


def _gap_words(curve: Curve) -> str:
    """Tell under- from overfitting where the penalty gained nothing: by the gap between the losses without it.

    What would gain more is left to the words on a far fold or on the last epoch, where there are any.
    """
    train, held_out = curve.train_mean[-1], curve.mean[-1]
    losses = f"(training {loss_text(curve, train)}, held out {loss_text(curve, held_out)}, without a penalty)"
    if not math.isfinite(train) or is_near_perfect(curve):
        return ""
    difference, error = gap(curve)
    real, large = difference > error, matters(difference, held_out, scale_of(curve))
    far = bool(far_folds(curve))
    if real and large:
        if closes_the_gap(curve):
            at_min = curve.train_mean[curve.index_min], curve.mean[curve.index_min]
            both = " and ".join(loss_text(curve, value) for value in at_min)
            return f"The penalty closes the gap {losses[:-1]}; {both} with it) and gains nothing clear by it."
        return f"There is a gap that this penalty does not close {losses}{': more rows may gain more' * (not far)}."
    if large:
        return f"The gap is within one standard error {losses}: whether it is overfitting cannot be told." * (not far)
    remedy = "" if far or curve.failed.any() or _epoch_limit_words(curve, "") else ": a larger model may gain more"
    if is_unsteady(curve):
        remedy = ", and training is unsteady: lower $learning_rate"
    return f"It is {'hardly' if real else 'not'} overfitting {losses}{remedy}."


# --- what else is to be known


def _near_perfect_words(curve: Curve, loss: str) -> str:
    if not is_near_perfect(curve):
        return ""
    share = curve.mean[curve.index_min] / curve.null_loss
    return (
        f"The {loss} is nearly perfect, {share:.1g} of the best constant's. If that is a "
        f"surprise, look for a column that gives the target away, or for rows that are there twice."
    )


def _few_tried_words(curve: Curve) -> str:
    """Say where strengths diverged that might have been chosen."""
    positive, tried = curve.lams > 0, tried_strengths(curve)
    if tried.sum() == positive.sum() or not tried.any():
        return ""
    if curve.lam_min > 0 and curve.index_min == np.flatnonzero(tried)[0] and curve.index_min > 0:
        return "All larger strengths diverged, and one of them may be better: lower $learning_rate to try them."
    if 2 * tried.sum() <= positive.sum():
        return f"Only {tried.sum()} of {positive.sum()} strengths above 0 did not diverge: lower $learning_rate."
    return ""


def _far_fold_words(curve: Curve, loss: str) -> str:
    sentences = []
    for fold, times in far_folds(curve).items():
        (first, ratio), *more = times.items()
        also = "".join(f" ({ratio:.1f} times at {lam_text(lam)})" for lam, ratio in more)
        sentences.append(
            f"Fold {fold + 1} is far from the others: its {loss} is {ratio:.1f} times the median of theirs at lambda = "
            f"{lam_text(first)}{also}. Look for outliers in its rows, ${{held_out}}[{fold}]$in_python."
        )
    return " ".join(sentences)


def _epoch_limit_words(curve: Curve, loss: str) -> str:
    """Name the strengths, of none and `min`, whose chosen epoch is the last one only because training ended there."""
    where = [i for i in none_and_min(curve) if curve.epochs[i] > 1 and progress_at(curve, i) is not Progress.LEVELLED]
    if not where:
        return ""
    falling = " and ".join(f"at lambda = {lam_text(curve.lams[i])}" for i in where)
    return f"The held-out loss still fell at the last epoch ({curve.epochs[where[0]]}), {falling}: raise $epochs."


def _edge_words(curve: Curve) -> str:
    """Say where strengths beyond those tried are likely to be better; a flat curve has its minimum anywhere."""
    last = int(np.sum(curve.lams > 0)) - 1  # of the strengths above 0
    if last >= 0 and curve.lam_min == 0 and falls_towards(curve, last):
        return "Every strength above 0 is clearly too large: $extend_lams downwards."
    if 0 == curve.index_min < last and falls_towards(curve, 1):
        return "The minimum lies at the largest strength of the grid: $extend_lams upwards."
    if 0 < curve.index_min == last and falls_towards(curve, last - 1) and curve.gain.low > 0:
        return "The minimum lies at the smallest strength above 0: $extend_lams downwards."
    return ""


# --- pieces of sentences


def _at_min(curve: Curve) -> str:
    return strength_text(curve, curve.index_min)
