"""Sentences of the verdict if training without a penalty overfits."""

from shrinkage._path._curve import Curve
from shrinkage._path._findings import Overfitting, find_strength_without_stopping, find_usable_strengths, is_small
from shrinkage._path._words import Sentence, format_chosen_strength, format_gain_interval, format_loss, format_strength


def describe_overfitting(curve: Curve, loss: str, overfitting: Overfitting) -> list[Sentence]:
    """Return the advice, the losses without a penalty at the best and last epochs, and a comparison of remedies."""
    best, last, training = (
        format_loss(curve, value)
        for value in (overfitting.best_loss, overfitting.last_loss, overfitting.last_training_loss)
    )
    losses = (
        f"Training overfits: without a penalty the {loss} is {best} at its best epoch, {overfitting.best_epoch}, and "
        f"{last} after all {overfitting.last_epoch} (training {training})."
    )
    stopped = curve.epochs[-1] <= overfitting.best_epoch
    remedy = _describe_gain_over_stopping(curve) if stopped else _describe_gain_without_stopping(curve, overfitting)
    words = f"{losses} {remedy} {_describe_stopping_replacement(curve, overfitting)}"
    return [_describe_advice(curve, overfitting), Sentence("overfits", words, has_interval=curve.lam != 0)]


def _describe_advice(curve: Curve, overfitting: Overfitting) -> Sentence:
    if overfitting.best_epoch == 1:
        words = "without a penalty the first epoch is the best, and what lies before it is not seen."
        return Sentence("first-epoch-is-best", f"Lower $learning_rate: {words}")
    early = f"stop at epoch {overfitting.best_epoch}"
    stopped = curve.epochs[-1] <= overfitting.best_epoch
    if curve.lam == 0:
        return Sentence("no-penalty-needed", f"You do not need this penalty if you {early}.")
    if curve.gain.low > 0 and (stopped or curve.mean[curve.index] < overfitting.best_loss):
        _, _, _, stands_in = find_strength_without_stopping(curve, overfitting)
        stop = f", and stop at epoch {curve.epochs[curve.index]}" * (not stands_in)
        return Sentence("penalty-helps", f"Use {format_chosen_strength(curve)}{stop}.")
    return Sentence("penalty-unclear", f"You do not clearly need this penalty if you {early}.")


def _describe_gain_over_stopping(curve: Curve) -> str:
    """Return the gain of the penalty over early stopping, if `none` keeps the best epoch."""
    if curve.lam == 0:
        return "Stopping early mends it, and no penalty lowers it further."
    lowers = f"{format_chosen_strength(curve)} lowers it by a further {format_gain_interval(curve, curve.gain)}"
    if curve.gain.low > 0:
        return f"Stopping early mends part of it; {lowers}.{describe_small_gain(curve)}"
    return f"Stopping early mends it; {lowers}, which may be chance."


def _describe_gain_without_stopping(curve: Curve, overfitting: Overfitting) -> str:
    """Return the gain of the penalty without early stopping, if `none` keeps a later epoch because of `epoch`."""
    chosen, early = int(curve.epochs[-1]), format_loss(curve, overfitting.best_loss)
    stopping = f"stopping without a penalty at epoch {overfitting.best_epoch} gives {early}"
    if curve.lam == 0:
        return f"No penalty lowers the loss at epoch {chosen}; {stopping}."
    chance = "" if curve.gain.low > 0 else ", which may be chance"
    least = format_loss(curve, curve.mean[curve.index])
    return (
        f"At epoch {chosen} {format_chosen_strength(curve)} lowers it by "
        f"{format_gain_interval(curve, curve.gain)}{chance}, to {least}; {stopping}."
    )


def _describe_stopping_replacement(curve: Curve, overfitting: Overfitting) -> str:
    """Return a sentence on whether a penalty can replace early stopping, with the smallest loss after all epochs."""
    if not find_usable_strengths(curve).any():
        return ""
    index, n_epochs, least, stands_in = find_strength_without_stopping(curve, overfitting)
    end = f"{format_loss(curve, least)} after all {n_epochs}"
    if stands_in:
        return f"With {format_strength(curve, index)} training need not be stopped: {end}."
    return f"No strength stands in for stopping early: the least is {end}, with {format_strength(curve, index)}."


def describe_small_gain(curve: Curve) -> str:
    """Return a sentence if a gain is significant but small, as happens with large data."""
    gain, none = curve.gain.mean, curve.mean[-1]
    if not is_small(curve, gain):
        return ""
    return f" The gain is clear, and small: {100 * gain / abs(none):.1g} % of the loss without a penalty."
