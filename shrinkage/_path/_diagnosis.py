"""The findings of `path.diagnose()`: the sentences of the verdict as records, and findings that it leaves out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from shrinkage._cv._statistics import Difference
from shrinkage._messages._finding import SEVERITIES, Finding
from shrinkage._messages._note import Note
from shrinkage._path._choice_findings import (
    compute_norm_reduction,
    find_disagreeing_folds,
    find_dominant_rows,
    find_flat_strengths,
)
from shrinkage._path._curve import Curve
from shrinkage._path._findings import (
    compute_gap,
    compute_training_curve,
    find_far_folds,
    find_overfitting_without_penalty,
)
from shrinkage._path._fixes import make_fix
from shrinkage._path._kinds import KINDS
from shrinkage._path._words import Sentence, format_chosen_strength, format_fold, format_folds, format_lam


@dataclass(frozen=True, repr=False)
class Diagnosis(Sequence[Finding]):
    """The findings of a path, in the order of the verdict; printed as text.

    Attributes:
        title: the title of the path.
        findings: all findings, a tuple.
    """

    title: str
    findings: tuple[Finding, ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings."""
        return tuple(finding.code for finding in self.findings)

    @overload
    def __getitem__(self, place: int) -> Finding: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, place: int | slice) -> Finding | tuple[Finding, ...]:
        return self.findings[place]

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __repr__(self) -> str:
        ordered = sorted(self.findings, key=lambda finding: SEVERITIES.index(finding.severity))
        return "\n\n".join([self.title, *map(str, ordered)])


def diagnose(
    curve: Curve, sentences: list[Sentence], title: str, plan: Mapping[str, Any], seed: int, *, has_schedule: bool
) -> Diagnosis:
    """Return the findings of a path; see `Path.diagnose`.

    Args:
        curve: the curve of the path.
        sentences: the sentences of the verdict.
        title: the title of the path.
        plan, seed: as in `Path`.
        has_schedule: whether the learning rate follows a schedule, which no fix can lower.
    """
    judged = _PENALTY_CODES & {each.code for each in sentences}
    every = [*sentences, *(_find_further(curve) if judged else [])]
    return Diagnosis(title, tuple(_make_finding(curve, each, plan, seed, has_schedule=has_schedule) for each in every))


def _make_finding(
    curve: Curve, sentence: Sentence, plan: Mapping[str, Any], seed: int, *, has_schedule: bool
) -> Finding:
    code = sentence.code
    folds = _find_folds(curve, code)
    about = tuple(format_fold(curve, fold) for fold in folds)
    fix = make_fix(curve, code, plan, seed, folds=folds, has_schedule=has_schedule)
    return Finding(KINDS[code].severity, code, about, Note(sentence.words), fix, _collect_evidence(curve, code))


# --- findings that the verdict leaves out


_PENALTY_CODES = {"penalty-helps", "penalty-unclear", "no-penalty-needed"}
"""The verdict says one of these unless the choice means nothing, for example because training has hardly begun."""


def _find_further(curve: Curve) -> list[Sentence]:
    sentences = [
        Sentence("choice-not-sharp", _describe_sharpness(curve)),
        Sentence("penalty-idle", _describe_idle_penalty(curve)),
        Sentence("folds-disagree", _describe_disagreement(curve)),
    ]
    return [each for each in sentences if each.words]


def _describe_sharpness(curve: Curve) -> str:
    if (found := find_flat_strengths(curve)) is None:
        return ""
    return (
        f"The choice is not sharp: from lambda = {format_lam(found[1])} to {format_lam(found[0])} the loss is within "
        "one standard error of the least."
    )


def _describe_idle_penalty(curve: Curve) -> str:
    share = compute_norm_reduction(curve)
    if share is None or not abs(share) < 0.01:
        return ""
    return (
        f"The penalty hardly acts at the choice: with {format_chosen_strength(curve)} the size of the penalised "
        f"weights differs by {100 * abs(share):.1g} % from that without a penalty."
    )


def _describe_disagreement(curve: Curve) -> str:
    folds = find_disagreeing_folds(curve)
    if not folds:
        return ""
    return (
        f"The folds disagree: with {format_chosen_strength(curve)} the loss is higher than without a penalty in "
        f"{len(folds)} of {len(curve.fold_weight)} folds "
        f"({format_folds(curve, folds)}).{_describe_dominant_rows(curve, folds)}"
    )


def _describe_dominant_rows(curve: Curve, folds: list[int]) -> str:
    """Name the rows or groups without which the loss would not be higher in these folds, if they are few."""
    if (found := find_dominant_rows(curve, folds)) is None:
        return ""
    *others, last = found.names
    names = f"{', '.join(others)} and {last}" if others else last
    where = "these folds" if len(folds) > 1 else "this fold"
    return f" Without {found.unit}{'s' * bool(others)} {names} it would not be higher in {where}."


# --- evidence


def _collect_evidence(curve: Curve, code: str) -> dict[str, float]:
    """Return the numbers behind a finding, by name."""
    make = _EVIDENCE.get(code)
    found = {} if make is None else make(curve)
    return {name: float(value) for name, value in found.items()}


def _collect_gain_evidence(curve: Curve) -> dict[str, Any]:
    index = curve.index
    return {
        **_collect_interval("gain", curve.gain),
        "lam": curve.lam,
        "loss": curve.mean[index],
        "loss_none": curve.mean[-1],
    }


def _collect_constant_evidence(curve: Curve) -> dict[str, Any]:
    return {**_collect_interval("gain", curve.null_gain), "null_loss": curve.null_loss, "loss": curve.mean[curve.index]}


def _collect_interval(name: str, difference: Difference) -> dict[str, float]:
    return {name: difference.mean, "low": difference.low, "high": difference.high}


def _collect_overfitting_evidence(curve: Curve) -> dict[str, Any]:
    found = find_overfitting_without_penalty(curve, has_schedule=False)
    return {} if found is None else vars(found)


def _collect_gap_evidence(curve: Curve) -> dict[str, Any]:
    difference, error = compute_gap(curve)
    return {"gap": difference, "se": error, "training_loss": curve.train_mean[-1], "loss": curve.mean[-1]}


def _collect_epochs_evidence(curve: Curve) -> dict[str, Any]:
    training = compute_training_curve(curve)[-1]
    return {
        "epoch_none": curve.epochs[-1],
        "epoch": curve.epochs[curve.index],
        "training_loss": training[curve.epochs[-1] - 1],
    }


def _collect_rows_evidence(curve: Curve) -> dict[str, Any]:
    learned = curve.learning_curve
    if learned is None or not all(map(math.isfinite, vars(learned.fall).values())):
        return {}
    rows = {"half_of_rows": learned.rows[-2], "rows": learned.rows[-1]}
    return {**_collect_interval("fall", learned.fall), **rows, "loss": learned.mean[-1, 0]}


def _collect_share_evidence(curve: Curve) -> dict[str, Any]:
    return {
        "share": curve.mean[curve.index] / curve.null_loss,
        "loss": curve.mean[curve.index],
        "null_loss": curve.null_loss,
    }


def _collect_edge_evidence(curve: Curve) -> dict[str, Any]:
    return {"lam": curve.lam, "largest": curve.lams[0], "smallest": curve.lams[curve.lams > 0][-1]}


def _collect_flatness_evidence(curve: Curve) -> dict[str, Any]:
    largest, smallest = find_flat_strengths(curve) or (math.nan, math.nan)
    return {"lam": curve.lam, "smallest": smallest, "largest": largest}


def _collect_far_folds_evidence(curve: Curve) -> dict[str, Any]:
    return {f"fold {fold + 1}": max(times.values()) for fold, times in find_far_folds(curve).items()}


def _collect_disagreement_evidence(curve: Curve) -> dict[str, Any]:
    gains = curve.fold_loss[:, -1] - curve.fold_loss[:, curve.index]
    return {f"fold {fold + 1}": gains[fold] for fold in range(len(gains))}


_EVIDENCE = {
    **dict.fromkeys(
        ("penalty-helps", "penalty-unclear", "no-penalty-needed", "small-gain", "rows-vary", "more-repeats"),
        _collect_gain_evidence,
    ),
    **dict.fromkeys(("worse-than-constant", "no-better-than-constant", "constant-unclear"), _collect_constant_evidence),
    **dict.fromkeys(("gap", "gap-narrowed", "gap-unclear", "not-overfitting", "underfits"), _collect_gap_evidence),
    **dict.fromkeys(("hardly-trained", "still-falling"), _collect_epochs_evidence),
    **dict.fromkeys(
        ("more-rows-help", "more-rows-or-epochs-help", "more-rows-hardly-help", "more-rows-unclear"),
        _collect_rows_evidence,
    ),
    "overfits": _collect_overfitting_evidence,
    "nearly-perfect": _collect_share_evidence,
    "edge-of-grid": _collect_edge_evidence,
    "choice-not-sharp": _collect_flatness_evidence,
    "penalty-idle": lambda curve: {"norm": curve.norm[curve.index], "norm_none": curve.norm[-1]},
    "outlying-fold": _collect_far_folds_evidence,
    "folds-disagree": _collect_disagreement_evidence,
}


def _find_folds(curve: Curve, code: str) -> list[int]:
    """Return the folds that a finding is about, counted from 0."""
    if code == "outlying-fold":
        return list(find_far_folds(curve))
    return find_disagreeing_folds(curve) if code == "folds-disagree" else []
