"""What a path says in words: whether the penalty gained anything, and why or why not.

`_path_findings` decides, from numbers; here it is said.
"""

import math

import numpy as np

from shrinkage._path import Path, Status
from shrinkage._path_findings import (
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
from shrinkage._path_words import (
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


def verdict(path: Path) -> str:
    """Say what the curve shows; see `Path.verdict`."""
    loss = loss_words(path.template.loss_name)
    if path.failed.all():
        sentences = [_nothing_to_choose_words(path)]
    elif not beats_constant(path):
        trained = main_progress(path) is Progress.LEVELLED and not trains_above_constant(path)
        sentences = [_no_better_words(path, loss), _edge_words(path) if trained else "", _few_tried_words(path)]
        sentences += [_far_fold_words(path, loss)]
    elif main_progress(path) is Progress.BEGINNING:
        sentences = [_beginning_words(path, loss), _few_tried_words(path), _far_fold_words(path, loss)]
    else:
        sentences = [
            _gain_words(path, loss),
            _near_perfect_words(path, loss),
            _edge_words(path),
            _few_tried_words(path),
            "" if is_near_perfect(path) else _far_fold_words(path, loss),
            _epoch_limit_words(path, loss),
        ]
    return " ".join(" ".join(sentences).split())  # some are empty


# --- where the penalty is not to be judged


def _nothing_to_choose_words(path: Path) -> str:
    """Say that no strength can be chosen, and where that came from."""
    hit = path.status == Status.DIVERGED
    whole = np.flatnonzero(hit.all(axis=1))
    where = ""
    if not hit.any():
        where = "The folds' models finished, and those on all rows diverged."
    elif 0 < len(whole) < len(hit) and not np.delete(hit, whole, axis=0).any():
        numbers = ", ".join(str(fold + 1) for fold in whole)
        rows = ", ".join(f"path.folds.train[{fold}]" for fold in whole)
        where = f"It was fold{'s' * (len(whole) > 1)} {numbers}, and no other: look for outliers in the rows that "
        where += f"{'its models' if len(whole) == 1 else 'they'} trained on, {rows}."
    unit = ", or say standardize_target=True" if has_far_target(path) and path.null_loss > 10 else ""
    return (
        f"Nothing to choose from: at every strength a model diverged. {where} "
        f"Lower the learning rate, or scale the inputs{unit}."
    )


def _no_better_words(path: Path, loss: str) -> str:
    """Say that a constant does as well, and that more training or a larger model is not what is missing."""
    if trains_above_constant(path):
        return _undertrained_words(path, loss)
    best, null = float(path.mean[path.index_min]), path.null_loss
    constant = f"the best constant ({loss} {figures(null)})"
    if best >= null:
        start = f"No strength beats {constant}: nothing was learnt that shows on held-out rows"
    elif path.nonzero[path.index_min] == 0:
        start = f"No strength beats {constant}: {_at_min(path)} is the best, and leaves no penalised weight"
    else:
        subject = _at_min(path) if path.lam_min > 0 else "training without a penalty"  # "no penalty" would mean none
        start = (
            f"No strength clearly beats {constant}: {subject} lowers it by "
            f"{interval_text(path, path.null_gain)}, which may be chance"
        )
    found = overfitting_without_penalty(path)
    if found and found.best < null <= best:
        return f"No strength beats {constant} at its chosen epoch. {_overfitting_words(path, loss, found)}"
    if main_progress(path) is Progress.BEGINNING:
        return f"{start}, so far. {_beginning_words(path, loss)}"
    if main_progress(path) is Progress.FALLING:
        start += ", so far: the inputs may have little to do with the target, or training is too short"
        return f"{start}. {_epoch_limit_words(path, loss)}"
    if best > 10 * null:
        return f"{start}. The least held-out loss is {figures(best)}: lower the learning rate, or look for outliers."
    if has_far_target(path):
        return f"{start}. {_FAR_TARGET}"
    training = path.train_mean[path.index_min]
    idle = ", the model may not learn at all (not even its training loss is far below)" * bool(training > 0.97 * null)
    return (
        f"{start} (training {figures(training)}, held out {figures(best)}). The inputs may have little to do with "
        f"the target{idle}, or the rows may be too few to show it."
    )


def _undertrained_words(path: Path, loss: str) -> str:
    """Not even in training is the best constant beaten: that says nothing yet of what there is to learn."""
    least, null = (loss_text(path, value) for value in (least_training_loss(path), path.null_loss))
    losses = f"({loss} {least} in training at the least, best constant {null})"
    if has_far_target(path):
        return f"Training has not got as far as the best constant {losses}. {_FAR_TARGET}"
    if training_is_stuck(path):
        return (
            f"Training does not beat the best constant on the rows that it trains on, and no longer falls {losses}: "
            "lower the learning rate, or raise it. If that changes nothing, the inputs may have little to do with the "
            "target."
        )
    return f"Training has not got as far as the best constant {losses}: {_longer(path)}."


def _beginning_words(path: Path, loss: str) -> str:
    """Say that training has hardly begun: then all strengths are nearly alike, and none is idle for that."""
    curve, n_epochs = held_out_curve(path)[-1], int(path.epochs[-1])
    first, last = (loss_text(path, value) for value in (curve[0], curve[n_epochs - 1]))
    so_far = ""
    if path.lam_min > 0 and path.gain.low > 0:
        so_far = f" So far {_at_min(path)} lowers the {loss} by {interval_text(path, path.gain)} against no penalty."
    if n_epochs <= FEW_EPOCHS:
        fell = f": without a penalty the {loss} fell from {first} after the first to {last} after the last"
        return (
            f"After {n_epochs} epoch{'s' * (n_epochs > 1)} the penalty cannot be judged yet{fell * (n_epochs > 1)}. "
            f"{capital(_longer(path))}.{so_far}"
        )
    share = max(late_speed(curve, null) for null in (path.null_loss, math.nan))
    speed = "as fast as on average" if share > 0.95 else f"at {100 * share:.0f} % of its average speed"
    return (
        f"Training has hardly begun: without a penalty the {loss} is {first} after the first epoch and {last} after "
        f"the last ({n_epochs}), and in the last tenth of the epochs it fell {speed}. {capital(_longer(path))}; until "
        f"then the strengths cannot be compared.{so_far}"
    )


def _longer(path: Path) -> str:
    """A higher rate is no advice where models diverged at this one."""
    return "train longer (raise `epochs`)" + " or raise the learning rate" * (not path.failed.any())


# --- what the penalty gains


def _gain_words(path: Path, loss: str) -> str:
    if path.failed[-1]:
        least = loss_text(path, path.mean[path.index_min])
        return (
            f"Without a penalty training diverged; {_at_min(path)} has the least {loss}, {least}. Lower the learning "
            f"rate to see what the penalty gains."
        )
    if path.lam_min == 0 and not tried_strengths(path).any():
        return _only_none_words(path)
    if not math.isfinite(path.se[path.index_min]):
        least, none = (loss_text(path, path.mean[index]) for index in (path.index_min, -1))
        return (
            f"The least {loss} is {least}, at lambda = {lam_text(path.lam_min)}, and {none} without a penalty: "
            f"there is no standard error to judge the difference by."
        )
    if found := overfitting_without_penalty(path):
        return _overfitting_words(path, loss, found)
    if path.lam_min == 0:
        return _no_penalty_words(path, loss)
    lowers = f"lowers the {loss} by {interval_text(path, path.gain)} against no penalty"
    if path.gain.low > 0:
        return f"{capital(_at_min(path))} {lowers}{_why_it_helps(path)}.{_small_words(path)}"
    if path.mean[-1] <= path.mean[path.index_min] + path.se[path.index_min]:
        return (
            f"Flat{_so_far(path)}: {flat_range(path)} the {loss} is within one standard error of the least; "
            f"{_at_min(path)} lowers it by {interval_text(path, path.gain)} against no penalty, which may be chance. "
            f"{_gap_words(path)}"
        )
    return f"No clear gain: {_at_min(path)} {lowers}, and the interval contains 0. {_gap_words(path)}"


def _only_none_words(path: Path) -> str:
    if not (path.lams > 0).any():
        return "Only lambda = 0 was trained: there is nothing to compare."
    return (
        "At every strength above 0 a model diverged, and only lambda = 0 is left: nothing is known of the penalty. "
        "Lower the learning rate, or give smaller `lams`."
    )


def _no_penalty_words(path: Path, loss: str) -> str:
    tried = " that did not diverge" if path.failed.any() else ""
    if path.index_1se == path.index_min:
        return (
            f"No penalty is best{_so_far(path)}: at every other strength{tried} the {loss} is more than one standard "
            f"error higher. {_gap_words(path)}"
        )
    return (
        f"No penalty is best{_so_far(path)}, but {flat_range(path)} the {loss} is within one standard error of the "
        f"least: the penalty does not matter there. {_gap_words(path)}"
    )


def _so_far(path: Path) -> str:
    return " so far" * (main_progress(path) is Progress.FALLING)


def _small_words(path: Path) -> str:
    """Say that a gain is clear and yet hardly matters: large data show the smallest differences."""
    gain, none = path.gain.mean, path.mean[-1]
    if gain >= 0.01 * abs(none) or gain >= 0.01 * abs(scale_of(path)):
        return ""
    return f" The gain is clear, and small: {100 * gain / abs(none):.1g} % of the loss without a penalty."


def _why_it_helps(path: Path) -> str:
    """Tell less overfitting, a narrower gap between training and held-out loss, from a lower training loss."""
    if not (pairs := losses_at_one_epoch(path)):
        return ""
    (train_none, train_min), (held_out_none, held_out_min) = pairs
    if train_none - train_min > (held_out_none - held_out_min) / 2:
        return ", mostly by a lower training loss: it helped the training itself"
    if not matters(held_out_none - train_none, held_out_none, scale_of(path)):
        return ""
    losses = f"{loss_text(path, train_none)} in training and {loss_text(path, held_out_none)} held out"
    return f": it was overfitting ({losses} after as many epochs without a penalty)"


# --- overfitting


def _overfitting_words(path: Path, loss: str, found: Overfitting) -> str:
    """Say both losses without a penalty, at its best epoch and at the end, and which remedy mends it."""
    best, last, training = (loss_text(path, value) for value in (found.best, found.last, found.training))
    start = (
        f"Training overfits: without a penalty the {loss} is {best} at its best epoch, {found.best_epoch}, and {last} "
        f"after all {found.last_epoch} (training {training})."
    )
    stopped = path.epochs[-1] <= found.best_epoch
    remedy = _beyond_stopping_words(path) if stopped else _instead_of_stopping_words(path, found)
    return f"{start} {remedy} {_unstopped_words(path, found)}"


def _beyond_stopping_words(path: Path) -> str:
    """Compare with no penalty at its best epoch, which `none` is: what the penalty adds to early stopping."""
    if path.lam_min == 0:
        return "Stopping early mends it, and no penalty lowers it further."
    lowers = f"{_at_min(path)} lowers it by a further {interval_text(path, path.gain)}"
    if path.gain.low > 0:
        return f"Stopping early mends part of it; {lowers}.{_small_words(path)}"
    return f"Stopping early mends it; {lowers}, which may be chance."


def _instead_of_stopping_words(path: Path, found: Overfitting) -> str:
    """Compare with no penalty at a later epoch than its best, as `epoch` asked for."""
    chosen, early = int(path.epochs[-1]), loss_text(path, found.best)
    stopping = f"stopping without a penalty at epoch {found.best_epoch} gives {early}"
    if path.lam_min == 0:
        return f"No penalty lowers the loss at epoch {chosen}; {stopping}."
    chance = "" if path.gain.low > 0 else ", which may be chance"
    least = loss_text(path, path.mean[path.index_min])
    return (
        f"At epoch {chosen} {_at_min(path)} lowers it by {interval_text(path, path.gain)}{chance}, to {least}; "
        f"{stopping}."
    )


def _unstopped_words(path: Path, found: Overfitting) -> str:
    """Say whether a penalty can stand in for early stopping: what the strengths give after all of their epochs."""
    if not tried_strengths(path).any():
        return ""
    index, n_epochs, least, stands_in = without_stopping(path, found)
    end = f"{loss_text(path, least)} after all {n_epochs}"
    if stands_in:
        return f"With {strength_text(path, index)} training need not be stopped: {end}."
    return f"No strength stands in for stopping early: the least is {end}, with {strength_text(path, index)}."


def _gap_words(path: Path) -> str:
    """Tell under- from overfitting where the penalty gained nothing: by the gap between the losses without it.

    What would gain more is left to the words on a far fold or on the last epoch, where there are any.
    """
    train, held_out = path.train_mean[-1], path.mean[-1]
    losses = f"(training {loss_text(path, train)}, held out {loss_text(path, held_out)}, without a penalty)"
    if not math.isfinite(train) or is_near_perfect(path):
        return ""
    difference, error = gap(path)
    real, large = difference > error, matters(difference, held_out, scale_of(path))
    far = bool(far_folds(path))
    if real and large:
        if closes_the_gap(path):
            at_min = path.train_mean[path.index_min], path.mean[path.index_min]
            both = " and ".join(loss_text(path, value) for value in at_min)
            return f"The penalty closes the gap {losses[:-1]}; {both} with it) and gains nothing clear by it."
        return f"There is a gap that this penalty does not close {losses}{': more rows may gain more' * (not far)}."
    if large:
        return f"The gap is within one standard error {losses}: whether it is overfitting cannot be told." * (not far)
    remedy = "" if far or path.failed.any() or _epoch_limit_words(path, "") else ": a larger model may gain more"
    if is_unsteady(path):
        remedy = ", and training is unsteady: lower the learning rate"
    return f"It is {'hardly' if real else 'not'} overfitting {losses}{remedy}."


# --- what else is to be known


def _near_perfect_words(path: Path, loss: str) -> str:
    if not is_near_perfect(path):
        return ""
    share = path.mean[path.index_min] / path.null_loss
    return (
        f"The {loss} is nearly perfect, {share:.1g} of the best constant's. If that is a "
        f"surprise, look for a column that gives the target away, or for rows that are there twice."
    )


def _few_tried_words(path: Path) -> str:
    """Say where strengths diverged that might have been chosen."""
    positive, tried = path.lams > 0, tried_strengths(path)
    if tried.sum() == positive.sum() or not tried.any():
        return ""
    if path.lam_min > 0 and path.index_min == np.flatnonzero(tried)[0] and path.index_min > 0:
        return "All larger strengths diverged, and one of them may be better: lower the learning rate to try them."
    if 2 * tried.sum() <= positive.sum():
        return f"Only {tried.sum()} of {positive.sum()} strengths above 0 did not diverge: lower the learning rate."
    return ""


def _far_fold_words(path: Path, loss: str) -> str:
    sentences = []
    for fold, times in far_folds(path).items():
        (first, ratio), *more = times.items()
        also = "".join(f" ({ratio:.1f} times at {lam_text(lam)})" for lam, ratio in more)
        sentences.append(
            f"Fold {fold + 1} is far from the others: its {loss} is {ratio:.1f} times the median of theirs at lambda = "
            f"{lam_text(first)}{also}. Look for outliers in its rows, path.folds.held_out[{fold}]."
        )
    return " ".join(sentences)


def _epoch_limit_words(path: Path, loss: str) -> str:
    """Name the strengths, of none and `min`, whose chosen epoch is the last one only because training ended there."""
    where = [i for i in none_and_min(path) if path.epochs[i] > 1 and progress_at(path, i) is not Progress.LEVELLED]
    if not where:
        return ""
    falling = " and ".join(f"at lambda = {lam_text(path.lams[i])}" for i in where)
    return f"The held-out loss still fell at the last epoch ({path.epochs[where[0]]}), {falling}: raise `epochs`."


def _edge_words(path: Path) -> str:
    """Say where strengths beyond those tried are likely to be better; a flat curve has its minimum anywhere."""
    last = int(np.sum(path.lams > 0)) - 1  # of the strengths above 0
    if last >= 0 and path.lam_min == 0 and falls_towards(path, last):
        return "Every strength above 0 is clearly too large: extend `lams` downwards."
    if 0 == path.index_min < last and falls_towards(path, 1):
        return "The minimum lies at the largest strength of the grid: extend `lams` upwards."
    if 0 < path.index_min == last and falls_towards(path, last - 1) and path.gain.low > 0:
        return "The minimum lies at the smallest strength above 0: extend `lams` downwards."
    return ""


# --- pieces of sentences


def _at_min(path: Path) -> str:
    return strength_text(path, path.index_min)
