"""The verdict of a comparison in sentences: the least loss, the ties, the gain, and how far to trust the least."""

import math
from collections import Counter
from collections.abc import Sequence

from shrinkage._compare._entry import EARLY_STOPPING, Entry
from shrinkage._compare._nested import NestedEstimate
from shrinkage._compare._ranking import Ranking
from shrinkage._compare._text import classify_entry, count_digits, format_difference, format_p_value
from shrinkage._messages._note import Argument, Note
from shrinkage._path._convergence import Convergence
from shrinkage._path._findings import assess_convergence_at, assess_convergence_without_penalty
from shrinkage._path._path import Path
from shrinkage._path._words import format_fixed_point, format_loss_name, format_rough_duration


def make_comparison_verdict(ranking: Ranking) -> Note:
    """Return the verdict; see `Comparison.verdict`."""
    least = ranking.least
    if least is None:
        return Note("There is nothing to compare: every model diverged. Lower $learning_rate$or_scale_inputs.")
    if _list_undertrained(ranking):
        return _make_premature_verdict(ranking, least)
    sentences = [
        _describe_null_loss(least),
        _describe_prematurity(ranking),
        _describe_least(ranking, least),
        _describe_results(ranking, least),
        _describe_zeros(ranking, least),
        _describe_falling(ranking),
        _describe_divergence(ranking),
        _describe_bias(ranking, least),
        _describe_split(ranking, least),
    ]
    return Note(" ".join(filter(None, sentences)), more_epochs=_make_epochs_argument(ranking, 2))


def _make_premature_verdict(ranking: Ranking, least_entry: Entry) -> Note:
    """Return the verdict if training has hardly begun: the next step, and no winner."""
    models = [name.rpartition(": ")[0] for name in _list_undertrained(ranking)]
    training = f"training of {_join_names(models)}" if all(models) else "training"
    loss = (
        f"{format_loss_name(least_entry.path.loss_name)}, {format_fixed_point(least_entry.loss, count_digits(ranking))}"
    )
    sentences = [
        f"The comparison is premature: {training} without a penalty has hardly begun. Compare again with $more_epochs.",
        f"So far {least_entry.name} has the least {loss}, which more training may change.",
        _describe_divergence(ranking),
        "" if ranking.nested is None else _describe_nested(ranking.nested, count_digits(ranking)),
    ]
    return Note(" ".join(filter(None, sentences)), more_epochs=_make_epochs_argument(ranking, 4))


def _make_epochs_argument(ranking: Ranking, times: int) -> Argument:
    """Return the argument `epochs` of a longer training, which is so many times as long."""
    return Argument("epochs", times * max(entry.path.cv_loss.shape[2] for entry in ranking.entries))


def _list_undertrained(ranking: Ranking) -> list[str]:
    """Return the names of the rows without a penalty whose training has hardly begun, one for each model."""
    baselines = {entry.baseline: entry.path for entry in ranking.entries if entry.name != entry.baseline}
    return [name for name, path in baselines.items() if _has_hardly_begun(path)]


def _describe_null_loss(least_entry: Entry) -> str:
    path = least_entry.path
    if math.isfinite(path.null_loss) and least_entry.loss >= path.null_loss:
        return "No model predicts better than the best constant does: there is little to compare."
    return ""


def _describe_prematurity(ranking: Ranking) -> str:
    if not _is_premature(ranking):
        return ""
    return (
        "The comparison is premature: the held-out loss of every entry still fell at the last epoch. "
        "Compare again with $more_epochs."
    )


def _describe_least(ranking: Ranking, least_entry: Entry) -> str:
    digits, loss = count_digits(ranking), format_loss_name(least_entry.path.loss_name)
    so_far = "So far " * _is_premature(ranking)
    sentence = f"{so_far}{least_entry.name} has the least {loss}, {format_fixed_point(least_entry.loss, digits)}"
    gain = ranking.gains[ranking.entries.index(least_entry)]
    if gain is None:
        return f"{sentence}: no penalty gains anything here."
    interval = format_difference(gain, digits)
    if math.isnan(gain.p):
        return f"{sentence}; without a penalty it is not known well enough to compare."
    if gain.is_clear:
        return f"{sentence}, which is {interval} less than none ({_describe_p_value(gain.p)})."
    if gain.difference.mean == 0:
        return f"{sentence}, the same as none."
    return f"{sentence}; the gain over none, {interval}, may be chance ({_describe_p_value(gain.p)})."


def _describe_p_value(p: float) -> str:
    text = format_p_value(p)
    return f"p {'< 0.001' if text.startswith('<') else f'= {text}'}, adjusted by Holm's method"


def _describe_results(ranking: Ranking, least_entry: Entry) -> str:
    """Say what is tied with the least, and what is clearly worse."""
    results = {"tied": [], "worse": [], "unknown": []}
    for entry, test in zip(ranking.entries, ranking.regrets, strict=True):
        results.get(classify_entry(ranking, entry, test), []).append(entry.name)
    sentences = []
    if results["tied"]:
        sentences.append(f"It is tied with {_join_names(results['tied'])}: these rows do not tell them apart.")
        if any(EARLY_STOPPING in name for name in results["tied"]):
            sentences.append("Early stopping is the simplest of these.")
    if results["worse"]:
        sentences.append(f"Clearly worse: {_join_names(results['worse'])}.")
    if results["unknown"]:
        sentences.append(f"Not compared, without a loss of each row: {_join_names(results['unknown'])}.")
    return " ".join(sentences)


def _describe_zeros(ranking: Ranking, least_entry: Entry) -> str:
    """Name the entry with the most exact zeros among the least and those that are tied with it."""
    among = [least_entry, *ranking.tied]
    most = max(among, key=lambda entry: -1.0 if math.isnan(entry.facts.zeros) else entry.facts.zeros)
    if not most.facts.zeros > 0:
        return ""
    zeros, total = int(most.facts.zeros), most.path.selection.n_penalised
    counts = ((most.facts.zero_units, "unit"), (most.facts.zero_inputs, "input"))
    removed = [f"{int(count)} {noun}{'s' * (count > 1)}" for count, noun in counts if count > 0]
    more = f", and {' and '.join(removed)} can be removed" if removed else ""
    rank = ", the most of these" if len(among) > 1 else ""
    return f"{most.name} sets {zeros:,} of {total:,} penalised weights to exactly 0{rank}{more}."


def _describe_falling(ranking: Ranking) -> str:
    """Name the entries whose loss still fell at the last epoch, which more epochs may rank otherwise."""
    falling = [entry.name for entry in ranking.entries if _still_falls(entry)]
    if not falling or _is_premature(ranking):
        return ""  # said at the beginning
    return f"The held-out loss still fell at the last epoch: {_join_names(falling)}. Raise $epochs."


def _is_premature(ranking: Ranking) -> bool:
    """Return whether the loss of every entry that did not diverge still fell at the last epoch."""
    return all(entry.diverged or _still_falls(entry) for entry in ranking.entries)


def _still_falls(entry: Entry) -> bool:
    path, index = entry.path, entry.index
    if index is None or entry.epoch == 1 or entry.epoch != path.epochs[index]:
        return False  # early stopping tells of an earlier epoch that it is better
    return assess_convergence_at(path, index) is not Convergence.LEVELLED


def _has_hardly_begun(path: Path) -> bool:
    return not path.failed.all() and assess_convergence_without_penalty(path) is Convergence.BEGINNING


def _describe_divergence(ranking: Ranking) -> str:
    names = [entry.name for entry in ranking.entries if entry.diverged]
    return f"Diverged, and not compared: {_join_names(names)}. Lower $learning_rate." if names else ""


def _describe_bias(ranking: Ranking, least_entry: Entry) -> str:
    """Say that the least of several looks better than it is, and what it may be."""
    digits, n = count_digits(ranking), len(ranking.entries)
    bias = f"The least of {n} looks better than it is, as its penalty and strength were chosen on these rows"
    if ranking.nested is not None:
        return f"{bias}. {_describe_nested(ranking.nested, digits)}"
    least_text = format_fixed_point(least_entry.loss, digits)
    corrected = format_fixed_point(least_entry.loss + ranking.optimism, digits)
    report = (
        ""
        if not math.isfinite(ranking.optimism) or corrected == least_text
        else f": report {corrected}, not {least_text}"
    )
    if least_entry.path.single_split or not math.isfinite(ranking.seconds):
        return f"{bias}{report}."
    cost = format_rough_duration(ranking.seconds * len(least_entry.path.fold_weight))
    return f"{bias}{report}. $nested estimates it on rows that no choice has seen, in about {cost} or less."


def _describe_nested(nested: NestedEstimate, digits: int) -> str:
    if not math.isfinite(nested.loss):
        return "The nested estimate is not known: a choice diverged."
    counts = Counter(nested.choices)
    chosen = _join_names([f"{name} in {count}" for name, count in counts.most_common()])
    folds = f"of {len(nested.choices)} folds" if len(nested.choices) > 1 else "of 1 split"
    error = f" (se {format_fixed_point(nested.se, digits)})" if math.isfinite(nested.se) else ""
    return (
        f"Report {format_fixed_point(nested.loss, digits)}{error}, the nested estimate: the whole choice was repeated "
        f"inside each fold in {format_rough_duration(nested.seconds)}, and was {chosen} {folds}."
    )


def _describe_split(ranking: Ranking, least_entry: Entry) -> str:
    if not least_entry.path.single_split:
        return ""
    return (
        "One split does not show the noise of training, and its intervals are too short: those of several folds are "
        "longer."
    )


def _join_names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
