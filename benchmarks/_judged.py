"""Claims of a diagnosis, judged by the truth as `benchmarks.diagnosis` wrote it down before the first run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._page import markdown
from shrinkage._path._diagnosis import Diagnosis
from shrinkage._path._path import Path as Fitted

MATTERS, MORE_EPOCHS = 0.01, 0.001
"""Shares of the best constant's loss."""
MAIN = {
    "penalty-helps": "the penalty helps", "no-penalty-needed": "no penalty is needed",
    "worse-than-constant": "no better than a constant", "no-better-than-constant": "no better than a constant",
    "hardly-trained": "hardly trained", "still-falling": "hardly trained",
    "penalty-unclear": "cannot tell", "constant-unclear": "cannot tell",
}  # fmt: skip
"""The claims of a verdict about the penalty, by the code of the first finding that makes one."""


@dataclass(frozen=True)
class Judged:
    """What a diagnosis claims, and whether it is right."""

    key: str
    main: str
    right: bool | None
    """None for "cannot tell"."""
    gain: float
    """L(none) - L(min), in shares of the best constant's loss; NaN if a model diverged."""
    others: dict[str, bool]


def judge(key: str, path: Fitted, truth: dict[str, Any]) -> Judged:
    """Return the claims of a path, and whether they are right."""
    found = path.diagnose()
    main = next((MAIN[code] for code in found.codes if code in MAIN), "cannot tell")
    if path.failed.all():
        return Judged(key, "cannot tell", None, np.nan, {})
    loss, null = np.mean(truth["fresh"], axis=0), truth["null"]
    gain = float((loss[-1] - loss[path.index]) / null)
    return Judged(key, main, _main_is_right(main, path, truth), gain, _others(found, path, truth))


def _main_is_right(main: str, path: Fitted, truth: dict[str, Any]) -> bool | None:
    loss, null = np.mean(truth["fresh"], axis=0), truth["null"]
    if main == "the penalty helps":
        return bool(loss[path.index] < loss[-1])
    if main == "no penalty is needed":
        return bool(loss[-1] - np.nanmin(loss[~path.failed]) <= MATTERS * null)
    if main == "no better than a constant":
        return bool(loss[path.index] >= (1 - MATTERS) * null)
    if main == "hardly trained":
        return _longer_is_better(truth)
    return None


def _longer_is_better(truth: dict[str, Any]) -> bool:
    before = np.mean(truth["none"], axis=0).min()
    return bool(truth["longer"][-1] < before - MORE_EPOCHS * truth["null"])


def _longer_at_min(path: Fitted, truth: dict[str, Any]) -> bool:
    """Return the same for the strength at `min`, where the loss at its chosen epoch is compared."""
    before = float(np.mean(truth["fresh"], axis=0)[path.index])
    return truth["longer"][0] < before - MORE_EPOCHS * truth["null"]


def _others(found: Diagnosis, path: Fitted, truth: dict[str, Any]) -> dict[str, bool]:
    """Return the claims beside the main one."""
    loss, null = np.mean(truth["fresh"], axis=0), truth["null"]
    none, training = (np.mean(truth[name], axis=0) for name in ("none", "none_training"))
    gap = none[path.epochs[-1] - 1] - training[path.epochs[-1] - 1]
    enough = max(0.05 * none[path.epochs[-1] - 1], 0.01 * null)
    claims: dict[str, bool] = {}
    for finding in found:
        if finding.code == "overfits":
            claims["overfits"] = bool(none[-1] > none[int(finding.evidence["best_epoch"]) - 1])
        elif finding.code in ("gap", "gap-narrowed"):
            claims["a gap"] = bool(gap >= enough)
        elif finding.code in ("not-overfitting", "underfits"):
            claims["not overfitting"] = bool(gap < 2 * enough)
        if finding.code in ("hardly-trained", "still-falling") and "longer" in truth:
            claims["more epochs"] = _longer_is_better(truth) or (bool(path.lam) and bool(_longer_at_min(path, truth)))
        if "larger model" in finding.sentence and "wider" in truth:
            claims["a larger model"] = bool(min(truth["wider"]) < np.nanmin(loss[~path.failed]))
    return claims


def judge_all(results: Path) -> list[Judged]:
    """Judge every problem with a result."""
    done = sorted(file.parent for file in results.glob("*/truth.json"))
    return [judge(each.name, Fitted.load(each), json.loads((each / "truth.json").read_text("utf-8"))) for each in done]


# --- tables

HEADER = ("claim of the verdict", "problems", "right", "share (95 % interval)")


def main_table(found: Sequence[Judged]) -> str:
    """Return how often each claim about the penalty is made and right, and how often the verdict cannot tell."""
    claims = [judged for judged in found if judged.right is not None]
    names = dict.fromkeys(MAIN.values())
    lines = [share_line(name, [bool(claim.right) for claim in claims if claim.main == name]) for name in names]
    lines = [line for line in lines if line[1] != "0"]
    lines += [share_line("**all claims**", [bool(claim.right) for claim in claims])]
    silent = len(found) - len(claims)
    lines += [["cannot tell", f"{silent}", "", f"{silent / len(found):.2f} of all {len(found)}"]]
    return markdown(HEADER, lines)


def others_table(found: Sequence[Judged]) -> str:
    """Return how often each other claim is made and right."""
    names = dict.fromkeys(name for judged in found for name in judged.others)
    return markdown(
        HEADER, [share_line(name, [judged.others[name] for judged in found if name in judged.others]) for name in names]
    )


def gains_table(found: Sequence[Judged]) -> str:
    """Return what the verdict says of gains of several sizes on the fresh sample."""
    header = ("gain on the fresh sample, % of the constant's loss", "problems", *dict.fromkeys(MAIN.values()))
    ends = (-np.inf, 0.0, 0.01, 0.03, np.inf)
    lines = []
    for low, high in zip(ends[:-1], ends[1:], strict=True):
        here = [judged for judged in found if low < judged.gain <= high]
        name = f"over {100 * low:.0f}" if high == np.inf else f"{100 * low:.0f} to {100 * high:.0f}"
        name = "none" if low == -np.inf else name
        counts = [sum(one.main == claim for one in here) for claim in header[2:]]
        lines.append([name, f"{len(here)}", *map(str, counts)])
    return markdown(header, lines)


def share_line(name: str, right: list[bool]) -> list[str]:
    if not right:
        return [name, "0", "", ""]
    from scipy.stats import binomtest

    interval = binomtest(sum(right), len(right)).proportion_ci(method="wilson")
    share = f"{np.mean(right):.2f} ({interval.low:.2f} to {interval.high:.2f})"
    return [name, f"{len(right)}", f"{sum(right)}", share]
