"""The verdict of a path in sentences: first the advice, then the numbers behind it.

`_findings` and `_convergence` make the decisions. This module and the modules that it imports contain the sentences,
each with the code of its finding. `_diagnosis` makes the findings of `path.diagnose()` of them.
"""

import math

from shrinkage._path._budget_words import describe_budget_search
from shrinkage._path._cautions import (
    describe_diverged_strengths,
    describe_epoch_limit,
    describe_far_folds,
    describe_grid_edge,
    describe_near_perfect_loss,
)
from shrinkage._path._convergence import Convergence
from shrinkage._path._curve import Curve
from shrinkage._path._findings import (
    assess_convergence_without_penalty,
    beats_constant,
    closes_the_gap,
    compute_gap,
    compute_losses_at_same_epoch,
    falls_towards_none,
    find_far_folds,
    find_overfitting_without_penalty,
    find_usable_strengths,
    get_loss_scale,
    is_far_above_constant,
    is_near_perfect,
    is_unsteady,
    matters,
    trains_above_constant,
)
from shrinkage._path._more_rows import describe_more_rows
from shrinkage._path._overfitting import describe_overfitting, describe_small_gain
from shrinkage._path._split_words import describe_repeats, describe_single_split
from shrinkage._path._training_problems import (
    describe_beginning,
    describe_nothing_to_choose,
    describe_unbeaten_constant,
)
from shrinkage._path._words import (
    NOTHING,
    Sentence,
    describe_flat_range,
    format_chosen_strength,
    format_figures,
    format_gain_interval,
    format_lam,
    format_loss,
    format_loss_name,
)
from shrinkage._problem._unit_size import names_inputs


def make_path_verdict(
    curve: Curve, notes: tuple[str, ...] = (), *, has_schedule: bool = False, seconds: float = math.nan
) -> list[Sentence]:
    """Return the sentences of the verdict in order, none of them empty; see `Path.verdict`.

    Args:
        curve: the curve.
        notes: the notes of the path, which tell whether inputs or targets are far from unit size.
        has_schedule: whether the learning rate follows a schedule. An exact path has none to advise on either.
        seconds: the time of the run, or NaN if it is not known.
    """
    loss, has_schedule = format_loss_name(curve.loss_name), has_schedule or curve.solver == "exact"
    if curve.failed.all():
        sentences = [describe_nothing_to_choose(curve)]
    elif curve.budget is not None:
        sentences = describe_budget_search(curve)
    elif not beats_constant(curve):
        trained = assess_convergence_without_penalty(curve) is Convergence.LEVELLED and not trains_above_constant(curve)
        sentences = [
            *describe_unbeaten_constant(curve, loss, notes, has_schedule=has_schedule),
            Sentence("edge-of-grid", describe_grid_edge(curve) if trained else ""),
            Sentence("strengths-diverged", describe_diverged_strengths(curve)),
            Sentence("outlying-fold", "" if trains_above_constant(curve) else describe_far_folds(curve, loss)),
        ]
    elif assess_convergence_without_penalty(curve) is Convergence.BEGINNING:
        sentences = [
            describe_beginning(curve, loss, notes),
            Sentence("strengths-diverged", describe_diverged_strengths(curve)),
            Sentence("outlying-fold", describe_far_folds(curve, loss)),
        ]
    else:
        sentences = [
            *_describe_gain(curve, loss, notes, has_schedule=has_schedule),
            Sentence("nearly-perfect", describe_near_perfect_loss(curve, loss)),
            Sentence("edge-of-grid", describe_grid_edge(curve)),
            Sentence("strengths-diverged", describe_diverged_strengths(curve)),
            Sentence("outlying-fold", "" if is_near_perfect(curve) else describe_far_folds(curve, loss)),
            Sentence("still-falling", describe_epoch_limit(curve)),
            Sentence("learning-rate", "" if has_schedule else _describe_learning_rate(curve, loss)),
        ]
        sentences += [Sentence("more-repeats", describe_repeats(curve, sentences, seconds))]
    if names_inputs(notes) and sentences[0].code != "inputs-not-scaled":
        sentences += [Sentence("inputs-not-scaled", _INPUTS)]
    sentences += [describe_more_rows(curve)]
    sentences += [Sentence("one-split", describe_single_split(curve, sentences))]
    return [each._replace(words=" ".join(each.words.split())) for each in sentences if each.words]


_INPUTS = "The inputs are far from unit size (see the note on them): scaled, the same training may get further."


def _describe_learning_rate(curve: Curve, loss: str) -> str:
    """Return advice if the learning rate is too high without a penalty."""
    none = float(curve.candidates[-1])
    if math.isfinite(none) and is_far_above_constant(curve, none):
        return (
            f"Without a penalty the {loss} is far above the best constant's ({format_figures(curve.null_loss)}): lower "
            f"$learning_rate, and compare then."
        )
    return ""


# --- what the penalty gains


def _describe_gain(curve: Curve, loss: str, notes: tuple[str, ...], *, has_schedule: bool) -> list[Sentence]:
    if curve.failed[-1]:
        return [_describe_none_failure(curve, loss)]
    if curve.lam == 0 and not find_usable_strengths(curve).any():
        return [_describe_lone_none(curve)]
    if not math.isfinite(curve.se[curve.index]):
        least, none = (format_loss(curve, curve.mean[index]) for index in (curve.index, -1))
        words = (
            f"Take several $folds to judge the penalty: there is no standard error. The least {loss} is {least}, "
            f"at lambda = {format_lam(curve.lam)}, and {none} without a penalty."
        )
        return [Sentence("no-standard-error", words)]
    if overfitting := find_overfitting_without_penalty(curve, has_schedule=has_schedule):
        return describe_overfitting(curve, loss, overfitting)
    gap_words = _describe_gap(curve, allows_larger=not names_inputs(notes))
    if curve.lam == 0:
        return [Sentence("no-penalty-needed", _describe_no_penalty(curve, loss)), gap_words]
    lowers = f"lowers the {loss} by {format_gain_interval(curve, curve.gain)} against no penalty"
    if curve.gain.low > 0:
        use = Sentence("penalty-helps", f"Use {format_chosen_strength(curve)}: it {lowers}.", has_interval=True)
        return [use, _describe_benefit(curve), Sentence("small-gain", describe_small_gain(curve))]
    if curve.mean[-1] <= curve.mean[curve.index] + curve.se[curve.index]:
        unclear = (
            f"{_begin(curve)} do not clearly need this penalty: {describe_flat_range(curve)} the {loss} is within one "
            f"standard error of the least. {format_chosen_strength(curve)} lowers it by "
            f"{format_gain_interval(curve, curve.gain)} against no penalty, which may be chance."
        )
    else:
        choice = format_chosen_strength(curve)
        unclear = f"It is not clear that you need this penalty: {choice} {lowers}, and the interval contains 0."
    return [
        Sentence("penalty-unclear", unclear, has_interval=True),
        Sentence("rows-vary", _describe_gain_size(curve)),
        gap_words,
    ]


def _describe_none_failure(curve: Curve, loss: str) -> Sentence:
    least = format_loss(curve, curve.mean[curve.index])
    if curve.solver == "exact":
        words = (
            f"Use {format_chosen_strength(curve)}: it has the least {loss}, {least}. Without a penalty the {loss} has "
            "no minimum, as the inputs separate classes."
        )
        return Sentence("no-minimum-without-penalty", words)
    words = (
        "Lower $learning_rate to see what the penalty gains. Without a penalty training diverged; "
        f"{format_chosen_strength(curve)} has the least {loss}, {least}."
    )
    return Sentence("none-diverged", words)


def _begin(curve: Curve) -> str:
    return "So far you" if assess_convergence_without_penalty(curve) is Convergence.FALLING else "You"


def _describe_gain_size(curve: Curve) -> str:
    """Return a sentence if the gain is large but not significant."""
    share = curve.gain.mean / abs(curve.mean[-1]) if curve.mean[-1] else 0.0
    if share < 0.1:
        return ""
    vary = curve.error_units if curve.single_split else "folds"
    return f"That is {100 * share:.0f} % of the loss, but the {vary} vary too much to be sure."


def _describe_lone_none(curve: Curve) -> Sentence:
    if not (curve.lams > 0).any():
        return Sentence("nothing-to-compare", "Take strengths above 0 too: $give_lams. Only lambda = 0 was trained.")
    words = (
        "Lower $learning_rate$or_smaller_lams. At every strength above 0 a model diverged, and only lambda = 0 is "
        "left: nothing is known of the penalty."
    )
    return Sentence("strengths-diverged", words)


def _describe_no_penalty(curve: Curve, loss: str) -> str:
    tried = " that did not diverge" if curve.failed.any() else ""
    need = f"{_begin(curve)} do not need this penalty"
    if falls_towards_none(curve):
        still_falls = assess_convergence_without_penalty(curve) is Convergence.FALLING
        need = f"{'So far these' if still_falls else 'These'} strengths do not help"
    if curve.index_1se == curve.index:
        return (
            f"{need}. No penalty is best: at every other strength{tried} the {loss} is "
            f"more than one standard error higher."
        )
    near = f"{describe_flat_range(curve)} the {loss} is within one standard error of the least"
    if falls_towards_none(curve):
        return f"{need}. No penalty is best: {near}, and yet clearly higher, fold by fold."
    return f"{need}. No penalty is best, but {near}: it does not matter there."


def _describe_benefit(curve: Curve) -> Sentence:
    """Return a sentence on how the penalty helps: by a lower training loss or by less overfitting."""
    if not (pairs := compute_losses_at_same_epoch(curve)):
        return NOTHING
    (train_none, train_min), (held_out_none, held_out_min) = pairs
    if curve.solver == "gradient" and train_none - train_min > (held_out_none - held_out_min) / 2:
        return Sentence(
            "penalty-helps-training", "Mostly the training loss is lower: the penalty helped the training itself."
        )
    if not matters(held_out_none - train_none, held_out_none, get_loss_scale(curve)):
        return NOTHING
    losses = f"{format_loss(curve, train_none)} in training and {format_loss(curve, held_out_none)} held out"
    when = " after the same number of epochs" * (curve.solver == "gradient")
    return Sentence("gap", f"Without a penalty it was overfitting ({losses}{when}).")


def _describe_gap(curve: Curve, *, allows_larger: bool) -> Sentence:
    """Return a sentence on over- or underfitting, from the gap between training and held-out loss without a penalty.

    The sentence contains no remedy if other sentences, on an outlying fold or on the last epoch, contain one.

    Args:
        curve: the curve.
        allows_larger: whether a larger model may be advised.
    """
    train, held_out = curve.train_mean[-1], curve.mean[-1]
    losses = f"(training {format_loss(curve, train)}, held out {format_loss(curve, held_out)}, without a penalty)"
    if not math.isfinite(train) or is_near_perfect(curve):
        return NOTHING
    difference, error = compute_gap(curve)
    real, large = difference > error, matters(difference, held_out, get_loss_scale(curve))
    far = bool(find_far_folds(curve))
    if real and large:
        if closes_the_gap(curve):
            at_min = curve.train_mean[curve.index], curve.mean[curve.index]
            both = " and ".join(format_loss(curve, value) for value in at_min)
            words = f"The penalty narrows the gap between training and held-out loss {losses[:-1]}; {both} with it)."
            return Sentence("gap-narrowed", words)
        more = ": more rows may gain more" * (not far and curve.learning_curve is None)
        return Sentence("gap", f"There is a gap that this penalty does not close {losses}{more}.")
    if large:
        words = f"The gap is within one standard error {losses}: whether it is overfitting cannot be told." * (not far)
        return Sentence("gap-unclear", words)
    words = f"It is {'hardly' if real else 'not'} overfitting {losses}"
    if is_unsteady(curve):
        return Sentence("unsteady", f"{words}, and training is unsteady: lower $learning_rate.")
    if far or curve.failed.any() or describe_epoch_limit(curve) or not allows_larger:
        return Sentence("not-overfitting", f"{words}.")
    return Sentence("underfits", f"{words}: a larger model may gain more.")
