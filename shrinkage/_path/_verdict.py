"""The verdict of a path in sentences: first the advice, then the numbers behind it.

`_findings` and `_convergence` make the decisions. This module and the modules that it imports contain the sentences,
each with the code of its finding. `_diagnosis` makes the findings of `path.diagnose()` of them.
"""

import math

from shrinkage._path._budget_words import budget_words
from shrinkage._path._cautions import (
    edge_words,
    epoch_limit_words,
    far_fold_words,
    few_tried_words,
    near_perfect_words,
)
from shrinkage._path._convergence import Convergence
from shrinkage._path._curve import Curve
from shrinkage._path._findings import (
    beats_constant,
    closes_the_gap,
    convergence_without_penalty,
    falls_towards_none,
    far_above_constant,
    far_folds,
    gap,
    is_near_perfect,
    is_unsteady,
    losses_at_one_epoch,
    matters,
    overfitting_without_penalty,
    scale_of,
    trains_above_constant,
    usable_strengths,
)
from shrinkage._path._more_rows import more_rows_words
from shrinkage._path._overfitting import overfitting_words, small_words
from shrinkage._path._split_words import one_split_words, repeats_words
from shrinkage._path._training_problems import beginning_words, no_better_words, nothing_to_choose_words
from shrinkage._path._words import (
    NOTHING,
    Said,
    at_min,
    figures,
    flat_range,
    interval_text,
    lam_text,
    loss_text,
    loss_words,
)
from shrinkage._problem._scales import names_inputs


def verdict(
    curve: Curve, notes: tuple[str, ...] = (), *, scheduled: bool = False, seconds: float = math.nan
) -> list[Said]:
    """Return the sentences of the verdict in order, none of them empty; see `Path.verdict`.

    Args:
        curve: the curve.
        notes: the notes of the path, which tell whether inputs or targets are far from unit size.
        scheduled: whether the learning rate follows a schedule. An exact path has none to advise on either.
        seconds: the time of the run, or NaN if it is not known.
    """
    loss, scheduled = loss_words(curve.loss_name), scheduled or curve.solver == "exact"
    if curve.failed.all():
        sentences = [nothing_to_choose_words(curve)]
    elif curve.budget is not None:
        sentences = budget_words(curve)
    elif not beats_constant(curve):
        trained = convergence_without_penalty(curve) is Convergence.LEVELLED and not trains_above_constant(curve)
        sentences = [
            *no_better_words(curve, loss, notes, scheduled=scheduled),
            Said("edge-of-grid", edge_words(curve) if trained else ""),
            Said("strengths-diverged", few_tried_words(curve)),
            Said("outlying-fold", "" if trains_above_constant(curve) else far_fold_words(curve, loss)),
        ]
    elif convergence_without_penalty(curve) is Convergence.BEGINNING:
        sentences = [
            beginning_words(curve, loss, notes),
            Said("strengths-diverged", few_tried_words(curve)),
            Said("outlying-fold", far_fold_words(curve, loss)),
        ]
    else:
        sentences = [
            *_gain_words(curve, loss, notes, scheduled=scheduled),
            Said("nearly-perfect", near_perfect_words(curve, loss)),
            Said("edge-of-grid", edge_words(curve)),
            Said("strengths-diverged", few_tried_words(curve)),
            Said("outlying-fold", "" if is_near_perfect(curve) else far_fold_words(curve, loss)),
            Said("still-falling", epoch_limit_words(curve)),
            Said("learning-rate", "" if scheduled else _rate_words(curve, loss)),
        ]
        sentences += [Said("more-repeats", repeats_words(curve, sentences, seconds))]
    if names_inputs(notes) and sentences[0].code != "inputs-not-scaled":
        sentences += [Said("inputs-not-scaled", _INPUTS)]
    sentences += [more_rows_words(curve)]
    sentences += [Said("one-split", one_split_words(curve, sentences))]
    return [each._replace(words=" ".join(each.words.split())) for each in sentences if each.words]


_INPUTS = "The inputs are far from unit size (see the note on them): scaled, the same training may get further."


def _rate_words(curve: Curve, loss: str) -> str:
    """Return advice if the learning rate is too high without a penalty."""
    none = float(curve.candidates[-1])
    if math.isfinite(none) and far_above_constant(curve, none):
        return (
            f"Without a penalty the {loss} is far above the best constant's ({figures(curve.null_loss)}): lower "
            f"$learning_rate, and compare then."
        )
    return ""


# --- what the penalty gains


def _gain_words(curve: Curve, loss: str, notes: tuple[str, ...], *, scheduled: bool) -> list[Said]:
    if curve.failed[-1]:
        return [_none_failed_words(curve, loss)]
    if curve.lam == 0 and not usable_strengths(curve).any():
        return [_only_none_words(curve)]
    if not math.isfinite(curve.se[curve.index]):
        least, none = (loss_text(curve, curve.mean[index]) for index in (curve.index, -1))
        words = (
            f"The least {loss} is {least}, at lambda = {lam_text(curve.lam)}, and {none} without a penalty: "
            f"there is no standard error to judge the difference by."
        )
        return [Said("no-standard-error", words)]
    if overfitting := overfitting_without_penalty(curve, scheduled=scheduled):
        return overfitting_words(curve, loss, overfitting)
    gap_words = _gap_words(curve, larger=not names_inputs(notes))
    if curve.lam == 0:
        return [Said("no-penalty-needed", _no_penalty_words(curve, loss)), gap_words]
    lowers = f"lowers the {loss} by {interval_text(curve, curve.gain)} against no penalty"
    if curve.gain.low > 0:
        use = Said("penalty-helps", f"Use {at_min(curve)}: it {lowers}.", has_interval=True)
        return [use, _why_it_helps(curve), Said("small-gain", small_words(curve))]
    if curve.mean[-1] <= curve.mean[curve.index] + curve.se[curve.index]:
        unclear = (
            f"{_begin(curve)} do not clearly need this penalty: {flat_range(curve)} the {loss} is within one standard "
            f"error of the least. {at_min(curve)} lowers it by {interval_text(curve, curve.gain)} against no penalty, "
            f"which may be chance."
        )
    else:
        unclear = f"It is not clear that you need this penalty: {at_min(curve)} {lowers}, and the interval contains 0."
    return [Said("penalty-unclear", unclear, has_interval=True), Said("rows-vary", _size_words(curve)), gap_words]


def _none_failed_words(curve: Curve, loss: str) -> Said:
    least = loss_text(curve, curve.mean[curve.index])
    if curve.solver == "exact":
        words = (
            f"Use {at_min(curve)}: it has the least {loss}, {least}. Without a penalty the {loss} has no minimum, as "
            f"the inputs separate classes."
        )
        return Said("no-minimum-without-penalty", words)
    words = (
        f"Lower $learning_rate to see what the penalty gains. Without a penalty training diverged; {at_min(curve)} has "
        f"the least {loss}, {least}."
    )
    return Said("none-diverged", words)


def _begin(curve: Curve) -> str:
    return "So far you" if convergence_without_penalty(curve) is Convergence.FALLING else "You"


def _size_words(curve: Curve) -> str:
    """Return a sentence if the gain is large but not significant."""
    share = curve.gain.mean / abs(curve.mean[-1]) if curve.mean[-1] else 0.0
    if share < 0.1:
        return ""
    vary = curve.error_units if curve.single_split else "folds"
    return f"That is {100 * share:.0f} % of the loss, but the {vary} vary too much to be sure."


def _only_none_words(curve: Curve) -> Said:
    if not (curve.lams > 0).any():
        return Said("nothing-to-compare", "Only lambda = 0 was trained: there is nothing to compare.")
    words = (
        "Lower $learning_rate$or_smaller_lams. At every strength above 0 a model diverged, and only lambda = 0 is "
        "left: nothing is known of the penalty."
    )
    return Said("strengths-diverged", words)


def _no_penalty_words(curve: Curve, loss: str) -> str:
    tried = " that did not diverge" if curve.failed.any() else ""
    need = f"{_begin(curve)} do not need this penalty"
    if falls_towards_none(curve):
        still_falls = convergence_without_penalty(curve) is Convergence.FALLING
        need = f"{'So far these' if still_falls else 'These'} strengths do not help"
    if curve.index_1se == curve.index:
        return (
            f"{need}. No penalty is best: at every other strength{tried} the {loss} is "
            f"more than one standard error higher."
        )
    near = f"{flat_range(curve)} the {loss} is within one standard error of the least"
    if falls_towards_none(curve):
        return f"{need}. No penalty is best: {near}, and yet clearly higher, fold by fold."
    return f"{need}. No penalty is best, but {near}: it does not matter there."


def _why_it_helps(curve: Curve) -> Said:
    """Return a sentence on how the penalty helps: by a lower training loss or by less overfitting."""
    if not (pairs := losses_at_one_epoch(curve)):
        return NOTHING
    (train_none, train_min), (held_out_none, held_out_min) = pairs
    if curve.solver == "gradient" and train_none - train_min > (held_out_none - held_out_min) / 2:
        return Said("penalty-helps-training", "Mostly its training loss is lower: it helped the training itself.")
    if not matters(held_out_none - train_none, held_out_none, scale_of(curve)):
        return NOTHING
    losses = f"{loss_text(curve, train_none)} in training and {loss_text(curve, held_out_none)} held out"
    when = " after the same number of epochs" * (curve.solver == "gradient")
    return Said("gap", f"Without a penalty it was overfitting ({losses}{when}).")


def _gap_words(curve: Curve, *, larger: bool) -> Said:
    """Return a sentence on over- or underfitting, from the gap between training and held-out loss without a penalty.

    The sentence contains no remedy if other sentences, on an outlying fold or on the last epoch, contain one.

    Args:
        curve: the curve.
        larger: whether a larger model may be advised.
    """
    train, held_out = curve.train_mean[-1], curve.mean[-1]
    losses = f"(training {loss_text(curve, train)}, held out {loss_text(curve, held_out)}, without a penalty)"
    if not math.isfinite(train) or is_near_perfect(curve):
        return NOTHING
    difference, error = gap(curve)
    real, large = difference > error, matters(difference, held_out, scale_of(curve))
    far = bool(far_folds(curve))
    if real and large:
        if closes_the_gap(curve):
            at_min = curve.train_mean[curve.index], curve.mean[curve.index]
            both = " and ".join(loss_text(curve, value) for value in at_min)
            words = f"The penalty narrows the gap between training and held-out loss {losses[:-1]}; {both} with it)."
            return Said("gap-narrowed", words)
        more = ": more rows may gain more" * (not far and curve.learning_curve is None)
        return Said("gap", f"There is a gap that this penalty does not close {losses}{more}.")
    if large:
        words = f"The gap is within one standard error {losses}: whether it is overfitting cannot be told." * (not far)
        return Said("gap-unclear", words)
    words = f"It is {'hardly' if real else 'not'} overfitting {losses}"
    if is_unsteady(curve):
        return Said("unsteady", f"{words}, and training is unsteady: lower $learning_rate.")
    if far or curve.failed.any() or epoch_limit_words(curve) or not larger:
        return Said("not-overfitting", f"{words}.")
    return Said("underfits", f"{words}: a larger model may gain more.")
