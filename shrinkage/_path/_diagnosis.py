"""The findings of `path.diagnose()`: the sentences of the verdict as records, and findings that it leaves out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from shrinkage._cv._statistics import Difference
from shrinkage._messages._finding import SEVERITIES, Finding
from shrinkage._messages._note import Note
from shrinkage._path._choice_findings import disagreeing_folds, dominant_rows, flat_strengths, shrinks_by
from shrinkage._path._curve import Curve
from shrinkage._path._findings import far_folds, gap, overfitting_without_penalty, training_curve
from shrinkage._path._fixes import fix_of
from shrinkage._path._kinds import KINDS
from shrinkage._path._words import Said, at_min, fold_text, held_out_folds, lam_text


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
    curve: Curve, said: list[Said], title: str, plan: Mapping[str, Any], seed: int, *, scheduled: bool
) -> Diagnosis:
    """Return the findings of a path; see `Path.diagnose`.

    Args:
        curve: the curve of the path.
        said: the sentences of the verdict.
        title: the title of the path.
        plan, seed: as in `Path`.
        scheduled: whether the learning rate follows a schedule, which no fix can lower.
    """
    judged = _OF_PENALTY & {each.code for each in said}
    every = [*said, *(_find_further(curve) if judged else [])]
    return Diagnosis(title, tuple(_finding(curve, each, plan, seed, scheduled=scheduled) for each in every))


def _finding(curve: Curve, said: Said, plan: Mapping[str, Any], seed: int, *, scheduled: bool) -> Finding:
    code = said.code
    folds = _folds(curve, code)
    about = tuple(fold_text(curve, fold) for fold in folds)
    fix = fix_of(curve, code, plan, seed, folds=folds, scheduled=scheduled)
    return Finding(KINDS[code].severity, code, about, Note(said.words), fix, _evidence(curve, code))


# --- findings that the verdict leaves out


_OF_PENALTY = {"penalty-helps", "penalty-unclear", "no-penalty-needed"}
"""The verdict says one of these unless the choice means nothing, for example because training has hardly begun."""


def _find_further(curve: Curve) -> list[Said]:
    sentences = [
        Said("choice-not-sharp", _sharpness_words(curve)),
        Said("penalty-idle", _idle_words(curve)),
        Said("folds-disagree", _disagreement_words(curve)),
    ]
    return [each for each in sentences if each.words]


def _sharpness_words(curve: Curve) -> str:
    if (found := flat_strengths(curve)) is None:
        return ""
    return (
        f"The choice is not sharp: from lambda = {lam_text(found[1])} to {lam_text(found[0])} the loss is within one "
        f"standard error of the least."
    )


def _idle_words(curve: Curve) -> str:
    share = shrinks_by(curve)
    if share is None or not abs(share) < 0.01:
        return ""
    return (
        f"The penalty hardly acts at the choice: with {at_min(curve)} the size of the penalised weights differs by "
        f"{100 * abs(share):.1g} % from that without a penalty."
    )


def _disagreement_words(curve: Curve) -> str:
    folds = disagreeing_folds(curve)
    if not folds:
        return ""
    return (
        f"The folds disagree: with {at_min(curve)} the loss is higher than without a penalty in {len(folds)} of "
        f"{len(curve.fold_weight)} folds ({held_out_folds(curve, folds)}).{_dominant_words(curve, folds)}"
    )


def _dominant_words(curve: Curve, folds: list[int]) -> str:
    """Name the rows or groups without which the loss would not be higher in these folds, if they are few."""
    if (found := dominant_rows(curve, folds)) is None:
        return ""
    *others, last = found.names
    names = f"{', '.join(others)} and {last}" if others else last
    where = "these folds" if len(folds) > 1 else "this fold"
    return f" Without {found.things}{'s' * bool(others)} {names} it would not be higher in {where}."


# --- evidence


def _evidence(curve: Curve, code: str) -> dict[str, float]:
    """Return the numbers behind a finding, by name."""
    make = _EVIDENCE.get(code)
    found = {} if make is None else make(curve)
    return {name: float(value) for name, value in found.items()}


def _of_gain(curve: Curve) -> dict[str, Any]:
    index = curve.index
    return {**_interval("gain", curve.gain), "lam": curve.lam, "loss": curve.mean[index], "loss_none": curve.mean[-1]}


def _of_constant(curve: Curve) -> dict[str, Any]:
    return {**_interval("gain", curve.null_gain), "null_loss": curve.null_loss, "loss": curve.mean[curve.index]}


def _interval(name: str, found: Difference) -> dict[str, float]:
    return {name: found.mean, "low": found.low, "high": found.high}


def _of_overfitting(curve: Curve) -> dict[str, Any]:
    found = overfitting_without_penalty(curve, scheduled=False)
    return {} if found is None else vars(found)


def _of_gap(curve: Curve) -> dict[str, Any]:
    difference, error = gap(curve)
    return {"gap": difference, "se": error, "training_loss": curve.train_mean[-1], "loss": curve.mean[-1]}


def _of_epochs(curve: Curve) -> dict[str, Any]:
    training = training_curve(curve)[-1]
    return {
        "epoch_none": curve.epochs[-1],
        "epoch": curve.epochs[curve.index],
        "training_loss": training[curve.epochs[-1] - 1],
    }


def _of_rows(curve: Curve) -> dict[str, Any]:
    learned = curve.learning_curve
    if learned is None or not all(map(math.isfinite, vars(learned.fall).values())):
        return {}
    rows = {"half_of_rows": learned.rows[-2], "rows": learned.rows[-1]}
    return {**_interval("fall", learned.fall), **rows, "loss": learned.mean[-1, 0]}


def _of_null(curve: Curve) -> dict[str, Any]:
    return {
        "share": curve.mean[curve.index] / curve.null_loss,
        "loss": curve.mean[curve.index],
        "null_loss": curve.null_loss,
    }


def _of_edge(curve: Curve) -> dict[str, Any]:
    return {"lam": curve.lam, "largest": curve.lams[0], "smallest": curve.lams[curve.lams > 0][-1]}


def _of_flat(curve: Curve) -> dict[str, Any]:
    largest, smallest = flat_strengths(curve) or (math.nan, math.nan)
    return {"lam": curve.lam, "smallest": smallest, "largest": largest}


def _of_far_folds(curve: Curve) -> dict[str, Any]:
    return {f"fold {fold + 1}": max(times.values()) for fold, times in far_folds(curve).items()}


def _of_disagreement(curve: Curve) -> dict[str, Any]:
    gains = curve.fold_loss[:, -1] - curve.fold_loss[:, curve.index]
    return {f"fold {fold + 1}": gains[fold] for fold in range(len(gains))}


_EVIDENCE = {
    **dict.fromkeys(
        ("penalty-helps", "penalty-unclear", "no-penalty-needed", "small-gain", "rows-vary", "more-repeats"), _of_gain
    ),
    **dict.fromkeys(("worse-than-constant", "no-better-than-constant", "constant-unclear"), _of_constant),
    **dict.fromkeys(("gap", "gap-narrowed", "gap-unclear", "not-overfitting", "underfits"), _of_gap),
    **dict.fromkeys(("hardly-trained", "still-falling"), _of_epochs),
    **dict.fromkeys(
        ("more-rows-help", "more-rows-or-epochs-help", "more-rows-hardly-help", "more-rows-unclear"), _of_rows
    ),
    "overfits": _of_overfitting,
    "nearly-perfect": _of_null,
    "edge-of-grid": _of_edge,
    "choice-not-sharp": _of_flat,
    "penalty-idle": lambda curve: {"norm": curve.norm[curve.index], "norm_none": curve.norm[-1]},
    "outlying-fold": _of_far_folds,
    "folds-disagree": _of_disagreement,
}


def _folds(curve: Curve, code: str) -> list[int]:
    """Return the folds that a finding is about, counted from 0."""
    if code == "outlying-fold":
        return list(far_folds(curve))
    return disagreeing_folds(curve) if code == "folds-disagree" else []
