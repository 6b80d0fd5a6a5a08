"""Sentences of the verdict if training without a penalty overfits."""

from shrinkage._path._curve import Curve
from shrinkage._path._findings import Overfitting, is_small, strength_without_stopping, usable_strengths
from shrinkage._path._words import Said, at_min, interval_text, loss_text, strength_text


def overfitting_words(curve: Curve, loss: str, overfitting: Overfitting) -> list[Said]:
    """Return the advice, the losses without a penalty at the best and last epochs, and a comparison of remedies."""
    best, last, training = (
        loss_text(curve, value)
        for value in (overfitting.best_loss, overfitting.last_loss, overfitting.last_training_loss)
    )
    losses = (
        f"Training overfits: without a penalty the {loss} is {best} at its best epoch, {overfitting.best_epoch}, and "
        f"{last} after all {overfitting.last_epoch} (training {training})."
    )
    stopped = curve.epochs[-1] <= overfitting.best_epoch
    remedy = _beyond_stopping_words(curve) if stopped else _instead_of_stopping_words(curve, overfitting)
    words = f"{losses} {remedy} {_unstopped_words(curve, overfitting)}"
    return [_advice(curve, overfitting), Said("overfits", words, has_interval=curve.lam != 0)]


def _advice(curve: Curve, overfitting: Overfitting) -> Said:
    if overfitting.best_epoch == 1:
        words = "without a penalty the first epoch is the best, and what lies before it is not seen."
        return Said("first-epoch-is-best", f"Lower $learning_rate: {words}")
    early = f"stop at epoch {overfitting.best_epoch}"
    stopped = curve.epochs[-1] <= overfitting.best_epoch
    if curve.lam == 0:
        return Said("no-penalty-needed", f"You do not need this penalty if you {early}.")
    if curve.gain.low > 0 and (stopped or curve.mean[curve.index] < overfitting.best_loss):
        _, _, _, stands_in = strength_without_stopping(curve, overfitting)
        stop = f", and stop at epoch {curve.epochs[curve.index]}" * (not stands_in)
        return Said("penalty-helps", f"Use {at_min(curve)}{stop}.")
    return Said("penalty-unclear", f"You do not clearly need this penalty if you {early}.")


def _beyond_stopping_words(curve: Curve) -> str:
    """Return the gain of the penalty over early stopping, if `none` keeps the best epoch."""
    if curve.lam == 0:
        return "Stopping early mends it, and no penalty lowers it further."
    lowers = f"{at_min(curve)} lowers it by a further {interval_text(curve, curve.gain)}"
    if curve.gain.low > 0:
        return f"Stopping early mends part of it; {lowers}.{small_words(curve)}"
    return f"Stopping early mends it; {lowers}, which may be chance."


def _instead_of_stopping_words(curve: Curve, overfitting: Overfitting) -> str:
    """Return the gain of the penalty without early stopping, if `none` keeps a later epoch because of `epoch`."""
    chosen, early = int(curve.epochs[-1]), loss_text(curve, overfitting.best_loss)
    stopping = f"stopping without a penalty at epoch {overfitting.best_epoch} gives {early}"
    if curve.lam == 0:
        return f"No penalty lowers the loss at epoch {chosen}; {stopping}."
    chance = "" if curve.gain.low > 0 else ", which may be chance"
    least = loss_text(curve, curve.mean[curve.index])
    return (
        f"At epoch {chosen} {at_min(curve)} lowers it by {interval_text(curve, curve.gain)}{chance}, to {least}; "
        f"{stopping}."
    )


def _unstopped_words(curve: Curve, overfitting: Overfitting) -> str:
    """Return a sentence on whether a penalty can replace early stopping, with the smallest loss after all epochs."""
    if not usable_strengths(curve).any():
        return ""
    index, n_epochs, least, stands_in = strength_without_stopping(curve, overfitting)
    end = f"{loss_text(curve, least)} after all {n_epochs}"
    if stands_in:
        return f"With {strength_text(curve, index)} training need not be stopped: {end}."
    return f"No strength stands in for stopping early: the least is {end}, with {strength_text(curve, index)}."


def small_words(curve: Curve) -> str:
    """Return a sentence if a gain is significant but small, as happens with large data."""
    gain, none = curve.gain.mean, curve.mean[-1]
    if not is_small(curve, gain):
        return ""
    return f" The gain is clear, and small: {100 * gain / abs(none):.1g} % of the loss without a penalty."
