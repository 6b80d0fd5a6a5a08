"""How repeats shorten the interval of the gain, and at which cost: writes the table of docs/choice.md.

python -m benchmarks.repeats
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.preprocessing import scale

from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._host._quiet import require_tensorflow

SETS = ("diabetes", "breast_cancer")
SPLITS: dict[str, dict[str, Any]] = {
    "cv=0.2": {"cv": 0.2},
    "cv=5": {"cv": 5},
    "cv=5, repeats=2": {"cv": 5, "repeats": 2},
    "cv=5, repeats=4": {"cv": 5, "repeats": 4},
}
HEADER = (
    "data",
    "split",
    "CPU time",
    "interval of the gain",
    "se",
    "range of the gain over seeds",
    "distinct lambda_min",
)


@dataclass(frozen=True)
class Found:
    """One path."""

    seconds: float
    """CPU seconds of the fit, its steps compiled before."""
    width: float
    """Half the width of the interval of the gain over no penalty."""
    se: float
    """Standard error of the least loss."""
    gain: float
    lam: float


def measure(data: str, seeds: Sequence[int], epochs: int = 60, strengths: int = 12) -> dict[str, list[Found]]:
    """Return a path for every split and seed; the seed draws the split and everything else."""
    require_tensorflow()
    rows: Any = load_diabetes() if data == "diabetes" else load_breast_cancer()
    x, y = scale(rows.data), scale(rows.target) if data == "diabetes" else rows.target
    lams = np.geomspace(30, 0.1, strengths) / len(y)
    found: dict[str, list[Found]] = {name: [] for name in SPLITS}
    for seed in seeds:
        for name, options in SPLITS.items():
            _path(x, y, lams, seed, 1, options)  # compiles
            found[name].append(_path(x, y, lams, seed, epochs, options))
    return found


def _path(x: np.ndarray, y: np.ndarray, lams: np.ndarray, seed: int, epochs: int, options: dict[str, Any]) -> Found:
    import keras

    import shrinkage as sh

    classes = set(np.unique(y)) == {0, 1}
    hidden = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
    output = keras.layers.Dense(1, activation="sigmoid" if classes else None)
    model = keras.Sequential([keras.Input(x.shape[1:]), *hidden, output])
    model.compile("adam", "binary_crossentropy" if classes else "mean_squared_error")
    started = time.process_time()
    plan = {"rules": True, "xla": True, "chunk": len(lams) + 1}
    path = sh.fit(model, x, y, penalty=sh.L2(), lams=lams, epochs=epochs, seed=seed, plan=plan, **options)
    seconds, gain = time.process_time() - started, path.gain
    return Found(seconds, (gain.high - gain.low) / 2, float(path.se[path.index_min]), gain.mean, path.lam_min)


def table(found: dict[str, dict[str, list[Found]]]) -> str:
    """Return medians over seeds, as multiples of those of `cv=5`."""
    rows = []
    for data, splits in found.items():
        medians = {name: _medians(paths) for name, paths in splits.items()}
        base = medians["cv=5"]
        for name, paths in splits.items():
            seconds, width, se = (value / one for value, one in zip(medians[name], base, strict=True))
            gains = [path.gain for path in paths]
            changed = len({round(float(np.log10(path.lam + 1e-12)), 6) for path in paths})
            cells = f"{seconds:.2f}", f"{width:.2f}", f"{se:.2f}", f"{np.ptp(gains):.4f}", f"{changed} of {len(paths)}"
            rows.append((data, f"`{name}`", *cells))
    return markdown(HEADER, rows)


def _medians(paths: list[Found]) -> tuple[float, float, float]:
    seconds, width, se = (float(np.median([getattr(p, name) for p in paths])) for name in ("seconds", "width", "se"))
    return seconds, width, se


@click.command()
@click.option("--seeds", default=10, show_default=True)
def main(seeds: int) -> None:
    """Measure, print the table, and write it to docs/choice.md."""
    found = {data: measure(data, range(seeds)) for data in SETS}
    text = f"{table(found)}\n\nMedians over {seeds} seeds. {machine()}"
    click.echo(text)
    write(DOCS / "choice.md", "repeats", text)


if __name__ == "__main__":
    main()
