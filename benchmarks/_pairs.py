"""Is ours ever slower than the best loop? Paired runs of both, with one final model, and the interval of the ratio."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks._page import markdown
from benchmarks._store import Store, changed
from benchmarks._works import DENSE, WORKS

PAIRS = ("work", "pairs", "(b) with one final model, seconds", "ours, seconds", "speed-up", "95 % interval")
WIDTHS: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 1024, 2048)
_STEPS = 2_000
"""Steps of a member, at most; fewer where a step is long."""


def of_width(units: int) -> dict[str, Any]:
    """Return what is other than in `DENSE`: the width, and sizes that keep a run below some minutes."""
    large = units >= 512
    work = changed(DENSE, {"hidden": [units, units], "strengths": 10 if large else DENSE.strengths})
    epochs = max(1, round(_STEPS / max(1, units / 64) / work.steps(work.rows or 0)))
    return {"hidden": [units, units], "strengths": work.strengths, "epochs": epochs}


def table(
    store: Store,
    pairs: int,
    is_there: Callable[[str], bool],
    names: tuple[str, ...],
    widths: tuple[int, ...],
    changes: dict[str, Any],
) -> str:
    """Measure works and widths in pairs, in new processes and by turns, and return the table.

    Args:
        store: Measures, or has the results of earlier runs.
        pairs: Number of pairs for each line.
        is_there: Whether the data of a work are there.
        names: The works.
        widths: Units of the hidden layers of the dense network.
        changes: Other numbers for all of them.
    """
    jobs: list[tuple[str, str, dict[str, Any]]] = [(WORKS[name].title, name, {}) for name in names if is_there(name)]
    jobs += [(f"MLP {units}-{units} on 5,000 digits", "dense", of_width(units)) for units in widths]
    lines = []
    for title, name, own in jobs:
        ratios, both = measure(store, name, own | changes, pairs)
        if len(ratios):
            ours, loop = np.median(both, axis=0)
            lines.append(
                [title, str(len(ratios)), f"{loop:.1f}", f"{ours:.1f}", f"{mean(ratios):.2f}x", _interval(ratios)]
            )
    return markdown(PAIRS, lines)


def measure(store: Store, name: str, changes: Mapping[str, Any], pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ratios (pairs,) of the loop's time to ours, and the seconds of ours and of the loop, (pairs, 2)."""
    trial = store.cost(name, "trial", dict(changes))
    if trial is None:
        return np.zeros(0), np.zeros((0, 2))
    found = []
    for pair in range(pairs):
        jobs: dict[str, dict[str, Any]] = {
            way: {"name": name, "way": way, "changes": dict(changes), "variant": variant, "pair": pair}
            for way, variant in (("loop", trial.variant), ("chosen", {}))
        }
        order = ["loop", "chosen"] if pair % 2 else ["chosen", "loop"]
        values = {way: store.value(jobs[way]) for way in order}
        if None not in values.values():
            found.append((values["chosen"]["one_final"], values["loop"]["one_final"]))
    both = np.array(found).reshape(-1, 2)
    return both[:, 1] / both[:, 0], both


def mean(ratios: np.ndarray) -> float:
    """Return the geometric mean."""
    return float(np.exp(np.log(ratios).mean()))


def interval(ratios: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the geometric mean of ratios, by Student's t of their logarithms."""
    from scipy.stats import t

    logs = np.log(ratios)
    half = t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / len(logs) ** 0.5
    return float(np.exp(logs.mean() - half)), float(np.exp(logs.mean() + half))


def _interval(ratios: np.ndarray) -> str:
    if len(ratios) < 2:
        return "-"
    low, high = interval(ratios)
    return f"{low:.2f}x to {high:.2f}x"
