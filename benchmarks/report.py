"""Size and time of the page of a report; writes the table of docs/report.md.

python -m benchmarks.report
"""

import tempfile
import time
from pathlib import Path

import click

from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._host._quiet import require_tensorflow

PAGE = DOCS / "report.md"
SIZES = ((20, 5, 40), (200, 10, 100))
"""Strengths above 0, folds and epochs."""


def measure(strengths: int, folds: int, epochs: int) -> list[str]:
    """Fit a small network to scikit-learn's diabetes data, and return a row of the table."""
    import keras
    import numpy as np
    from sklearn.datasets import load_diabetes

    import shrinkage as sh

    x, y = load_diabetes(return_X_y=True)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
    model.compile("adam", "mean_squared_error")
    lams = np.geomspace(10, 1e-6, strengths - 1)
    options = {"cv": folds, "epochs": epochs, "batch_size": 256, "standardize_target": True}
    path = sh.fit(model, x, y, penalty=sh.L2(), lams=lams, **options)
    with tempfile.TemporaryDirectory() as folder:
        file, seconds = Path(folder, "report.html"), []
        for _ in range(4):
            begin = time.perf_counter()
            path.report(file)
            seconds.append(time.perf_counter() - begin)
        megabytes = file.stat().st_size / 1e6
    size = f"{len(path.lams)} strengths, {folds} folds, {epochs} epochs"
    return [size, f"{seconds[0]:.2f}", f"{min(seconds[1:]):.2f}", f"{megabytes:.1f}"]


def table(sizes: tuple[tuple[int, int, int], ...] = SIZES) -> str:
    """Return the table: the first page of a process packs the library too."""
    header = ["path", "seconds, first page", "seconds, each other", "MB"]
    return markdown(header, [measure(*size) for size in sizes]) + f"\n\n{machine()}"


@click.command()
def main() -> None:
    """Measure, and write the table into the page."""
    require_tensorflow()
    write(PAGE, "report", table())


if __name__ == "__main__":
    main()
