"""The findings of `path.diagnose()`: the sentences of the verdict as records, and findings that it leaves out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from shrinkage._cv._choice import Difference
from shrinkage._finding import SEVERITIES, Finding
from shrinkage._note import Note
from shrinkage._path._choice_findings import disagreeing_folds, flat_strengths, shrinks_by
from shrinkage._path._curve import Curve
from shrinkage._path._findings import far_folds, gap, overfitting_without_penalty, training_curve
from shrinkage._path._kinds import KINDS
from shrinkage._path._words import Said, at_min, held_out_folds, lam_text

if TYPE_CHECKING:
    from shrinkage._path._path import Path


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


def diagnose(path: Path, said: list[Said], title: str) -> Diagnosis:
    """Return the findings of a path; see `Path.diagnose`.

    Args:
        path: the path.
        said: the sentences of its verdict.
        title: the title of the path.
    """
    every = [*said, *_further(path)]
    return Diagnosis(title, tuple(_finding(path, code, words) for code, words in every))


def _finding(path: Path, code: str, words: str) -> Finding:
    kind = KINDS[code]
    folds = _folds(path, code)
    values = {"fit": _fit(path), "slower": _slower(path)}
    if "{fold}" in kind.fix:
        values["fold"] = str(folds[0])
    if "{epochs}" in kind.fix:
        values["epochs"] = str(int(path.cv_loss.shape[2]) * (4 if code == "hardly-trained" else 2))
    if "{lams}" in kind.fix:
        values["lams"] = _wider_grid(path)
    about = tuple(f"fold {fold + 1}" for fold in folds)
    return Finding(kind.severity, code, about, Note(words), kind.fix.format(**values), _evidence(path, code))


# --- findings that the verdict leaves out


def _further(curve: Curve) -> list[Said]:
    if curve.failed.all() or curve.budget is not None:
        return []
    said = [
        Said("choice-not-sharp", _sharpness_words(curve)),
        Said("penalty-idle", _idle_words(curve)),
        Said("folds-disagree", _disagreement_words(curve)),
    ]
    return [each for each in said if each.words]


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
        f"{len(curve.fold_weight)} folds ({held_out_folds(curve, folds)})."
    )


# --- evidence


def _evidence(path: Path, code: str) -> dict[str, float]:
    """Return the numbers behind a finding, by name."""
    make = _EVIDENCE.get(code)
    found = {} if make is None else make(path)
    return {name: float(value) for name, value in found.items()}


def _of_gain(path: Path) -> dict[str, Any]:
    index = path.index
    return {**_interval("gain", path.gain), "lam": path.lam, "loss": path.mean[index], "loss_none": path.mean[-1]}


def _of_constant(path: Path) -> dict[str, Any]:
    return {**_interval("gain", path.null_gain), "null_loss": path.null_loss, "loss": path.mean[path.index]}


def _interval(name: str, found: Difference) -> dict[str, float]:
    return {name: found.mean, "low": found.low, "high": found.high}


def _of_overfitting(path: Path) -> dict[str, Any]:
    found = overfitting_without_penalty(path, scheduled=path.template.has_schedule)
    return {} if found is None else vars(found)


def _of_gap(path: Path) -> dict[str, Any]:
    difference, error = gap(path)
    return {"gap": difference, "se": error, "training_loss": path.train_mean[-1], "loss": path.mean[-1]}


def _of_epochs(path: Path) -> dict[str, Any]:
    training = training_curve(path)[-1]
    return {
        "epoch_none": path.epochs[-1],
        "epoch": path.epochs[path.index],
        "training_loss": training[path.epochs[-1] - 1],
    }


def _of_null(path: Path) -> dict[str, Any]:
    return {"share": path.mean[path.index] / path.null_loss, "loss": path.mean[path.index], "null_loss": path.null_loss}


def _of_edge(path: Path) -> dict[str, Any]:
    return {"lam": path.lam, "largest": path.lams[0], "smallest": path.lams[path.lams > 0][-1]}


def _of_flat(path: Path) -> dict[str, Any]:
    largest, smallest = flat_strengths(path) or (math.nan, math.nan)
    return {"lam": path.lam, "smallest": smallest, "largest": largest}


def _of_far_folds(path: Path) -> dict[str, Any]:
    return {f"fold {fold + 1}": max(times.values()) for fold, times in far_folds(path).items()}


def _of_disagreement(path: Path) -> dict[str, Any]:
    gains = path.fold_loss[:, -1] - path.fold_loss[:, path.index]
    return {f"fold {fold + 1}": gains[fold] for fold in range(len(gains))}


_EVIDENCE = {
    **dict.fromkeys(
        ("penalty-helps", "penalty-unclear", "no-penalty-needed", "small-gain", "rows-vary", "more-repeats"), _of_gain
    ),
    **dict.fromkeys(("worse-than-constant", "no-better-than-constant", "constant-unclear"), _of_constant),
    **dict.fromkeys(("gap", "gap-narrowed", "gap-unclear", "not-overfitting", "underfits"), _of_gap),
    **dict.fromkeys(("hardly-trained", "still-falling"), _of_epochs),
    "overfits": _of_overfitting,
    "nearly-perfect": _of_null,
    "edge-of-grid": _of_edge,
    "choice-not-sharp": _of_flat,
    "penalty-idle": lambda path: {"norm": path.norm[path.index], "norm_none": path.norm[-1]},
    "outlying-fold": _of_far_folds,
    "folds-disagree": _of_disagreement,
}


# --- the next step as code


def _fit(path: Path) -> str:
    return f"path = sh.fit(model, x, y, penalty=sh.{path.penalty!r}"


def _slower(path: Path) -> str:
    """Return a line that lowers the learning rate; none for a schedule, which the user writes anew."""
    if path.template.has_schedule:
        return ""
    return "model.optimizer.learning_rate = float(model.optimizer.learning_rate) / 10\n"


def _wider_grid(path: Path) -> str:
    """Return a grid with the strengths of the path and a decade more, at the end where the minimum lies."""
    if path.index == 0:
        return "np.append(np.geomspace(10 * path.lams[0], path.lams[0], 5), path.lams[1:])"
    return "np.append(path.lams[:-2], np.geomspace(path.lams[-2], path.lams[-2] / 10, 5))"


def _folds(path: Path, code: str) -> list[int]:
    """Return the folds that a finding is about, counted from 0."""
    if code == "outlying-fold":
        return list(far_folds(path))
    return disagreeing_folds(path) if code == "folds-disagree" else []
