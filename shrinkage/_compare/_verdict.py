"""The verdict of a comparison in sentences: the least loss, the ties, the gain, and how far to trust the least."""

import math
from collections import Counter
from collections.abc import Sequence

from shrinkage._compare._entry import EARLY_STOPPING, Entry
from shrinkage._compare._nested import Nested
from shrinkage._compare._ranking import Ranking
from shrinkage._compare._text import digits_of, interval_text, p_text, result_of
from shrinkage._messages._note import Argument, Note
from shrinkage._path._convergence import Convergence
from shrinkage._path._findings import convergence_at, convergence_without_penalty
from shrinkage._path._path import Path
from shrinkage._path._words import fixed_text, loss_words, rough_duration


def verdict(ranking: Ranking) -> Note:
    """Return the verdict; see `Comparison.verdict`."""
    least = ranking.least
    if least is None:
        return Note("There is nothing to compare: every model diverged. Lower $learning_rate$or_scale_inputs.")
    if _hardly_begun(ranking):
        return _premature_verdict(ranking, least)
    sentences = [
        _no_better_words(least),
        _all_fall_words(ranking),
        _least_words(ranking, least),
        _result_words(ranking, least),
        _zeros_words(ranking, least),
        _falling_words(ranking),
        _diverged_words(ranking),
        _bias_words(ranking, least),
        _split_words(ranking, least),
    ]
    return Note(" ".join(filter(None, sentences)), more_epochs=_more_epochs(ranking, 2))


def _premature_verdict(ranking: Ranking, least: Entry) -> Note:
    """Return the verdict if training has hardly begun: the next step, and no winner."""
    models = [name.rpartition(": ")[0] for name in _hardly_begun(ranking)]
    training = f"training of {_join_names(models)}" if all(models) else "training"
    loss = f"{loss_words(least.path.loss_name)}, {fixed_text(least.loss, digits_of(ranking))}"
    sentences = [
        f"The comparison is premature: {training} without a penalty has hardly begun. Compare again with $more_epochs.",
        f"So far {least.name} has the least {loss}, which more training may change.",
        _diverged_words(ranking),
        "" if ranking.nested is None else _nested_words(ranking.nested, digits_of(ranking)),
    ]
    return Note(" ".join(filter(None, sentences)), more_epochs=_more_epochs(ranking, 4))


def _more_epochs(ranking: Ranking, times: int) -> Argument:
    """Return the argument `epochs` of a longer training, which is so many times as long."""
    return Argument("epochs", times * max(entry.path.cv_loss.shape[2] for entry in ranking.entries))


def _hardly_begun(ranking: Ranking) -> list[str]:
    """Return the names of the rows without a penalty whose training has hardly begun, one for each model."""
    baselines = {entry.baseline: entry.path for entry in ranking.entries if entry.name != entry.baseline}
    return [name for name, path in baselines.items() if _has_hardly_begun(path)]


def _no_better_words(least: Entry) -> str:
    path = least.path
    if math.isfinite(path.null_loss) and least.loss >= path.null_loss:
        return "No model predicts better than the best constant does: there is little to compare."
    return ""


def _all_fall_words(ranking: Ranking) -> str:
    if not _is_premature(ranking):
        return ""
    return (
        "The comparison is premature: the held-out loss of every entry still fell at the last epoch. "
        "Compare again with $more_epochs."
    )


def _least_words(ranking: Ranking, least: Entry) -> str:
    digits, loss = digits_of(ranking), loss_words(least.path.loss_name)
    sentence = (
        f"{'So far ' * _is_premature(ranking)}{least.name} has the least {loss}, {fixed_text(least.loss, digits)}"
    )
    gain = ranking.gains[ranking.entries.index(least)]
    if gain is None:
        return f"{sentence}: no penalty gains anything here."
    interval = interval_text(gain, digits)
    if math.isnan(gain.p):
        return f"{sentence}; without a penalty it is not known well enough to compare."
    if gain.is_clear:
        return f"{sentence}, which is {interval} less than none ({_p_words(gain.p)})."
    if gain.difference.mean == 0:
        return f"{sentence}, the same as none."
    return f"{sentence}; the gain over none, {interval}, may be chance ({_p_words(gain.p)})."


def _p_words(p: float) -> str:
    text = p_text(p)
    return f"p {'< 0.001' if text.startswith('<') else f'= {text}'}, adjusted by Holm's method"


def _result_words(ranking: Ranking, least: Entry) -> str:
    """Say what is tied with the least, and what is clearly worse."""
    results = {"tied": [], "worse": [], "unknown": []}
    for entry, test in zip(ranking.entries, ranking.regrets, strict=True):
        results.get(result_of(ranking, entry, test), []).append(entry.name)
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


def _zeros_words(ranking: Ranking, least: Entry) -> str:
    """Name the entry with the most exact zeros among the least and those that are tied with it."""
    among = [least, *ranking.tied]
    most = max(among, key=lambda entry: -1.0 if math.isnan(entry.deployed.zeros) else entry.deployed.zeros)
    if not most.deployed.zeros > 0:
        return ""
    zeros, total = int(most.deployed.zeros), most.path.selection.n_penalised
    counts = ((most.deployed.zero_units, "unit"), (most.deployed.zero_inputs, "input"))
    removed = [f"{int(count)} {noun}{'s' * (count > 1)}" for count, noun in counts if count > 0]
    more = f", and {' and '.join(removed)} can be removed" if removed else ""
    rank = ", the most of these" if len(among) > 1 else ""
    return f"{most.name} sets {zeros:,} of {total:,} penalised weights to exactly 0{rank}{more}."


def _falling_words(ranking: Ranking) -> str:
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
    return convergence_at(path, index) is not Convergence.LEVELLED


def _has_hardly_begun(path: Path) -> bool:
    return not path.failed.all() and convergence_without_penalty(path) is Convergence.BEGINNING


def _diverged_words(ranking: Ranking) -> str:
    names = [entry.name for entry in ranking.entries if entry.diverged]
    return f"Diverged, and not compared: {_join_names(names)}. Lower $learning_rate." if names else ""


def _bias_words(ranking: Ranking, least: Entry) -> str:
    """Say that the least of several looks better than it is, and what it may be."""
    digits, n = digits_of(ranking), len(ranking.entries)
    bias = f"The least of {n} looks better than it is, as its penalty and strength were chosen on these rows"
    if ranking.nested is not None:
        return f"{bias}. {_nested_words(ranking.nested, digits)}"
    least_text = fixed_text(least.loss, digits)
    corrected = fixed_text(least.loss + ranking.optimism, digits)
    report = (
        ""
        if not math.isfinite(ranking.optimism) or corrected == least_text
        else f": report {corrected}, not {least_text}"
    )
    if least.path.single_split or not math.isfinite(ranking.seconds):
        return f"{bias}{report}."
    cost = rough_duration(ranking.seconds * len(least.path.fold_weight))
    return f"{bias}{report}. $nested estimates it on rows that no choice has seen, in about {cost} or less."


def _nested_words(nested: Nested, digits: int) -> str:
    if not math.isfinite(nested.loss):
        return "The nested estimate is not known: a choice diverged."
    counts = Counter(nested.choices)
    chosen = _join_names([f"{name} in {count}" for name, count in counts.most_common()])
    folds = f"of {len(nested.choices)} folds" if len(nested.choices) > 1 else "of 1 split"
    error = f" (se {fixed_text(nested.se, digits)})" if math.isfinite(nested.se) else ""
    return (
        f"Report {fixed_text(nested.loss, digits)}{error}, the nested estimate: the whole choice was repeated inside "
        f"each fold in {rough_duration(nested.seconds)}, and was {chosen} {folds}."
    )


def _split_words(ranking: Ranking, least: Entry) -> str:
    if not least.path.single_split:
        return ""
    return (
        "One split does not show the noise of training, and its intervals are too short: those of several folds are "
        "longer."
    )


def _join_names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
