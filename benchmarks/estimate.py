"""Are the seconds and the memory of `sh.estimate` right? Writes a table of docs/progress.md.

python -m benchmarks.estimate
"""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import numpy as np

from benchmarks._page import DOCS, machine, markdown, write


def _model(shape: tuple[int, ...], *inner: Any, units: int = 10) -> Any:
    import keras

    ends = [keras.layers.Dense(units, "softmax")]
    model = keras.Sequential([keras.Input(shape), *inner, *ends])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def _rows(n_rows: int, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random inputs, and classes that depend on them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n_rows, *shape)).astype("float32")
    scores = x.reshape(n_rows, -1)[:, :10] + rng.normal(size=(n_rows, 10))
    return x, scores.argmax(axis=1)


def _dense(*units: int) -> list[Any]:
    from keras import layers

    return [layers.Dense(each, "relu") for each in units]


def digits() -> dict[str, Any]:
    """MLP 64-64 on digits, 20 epochs"""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return {"model": _model((64,), *_dense(64, 64)), "x": x / 16, "y": y, "epochs": 20}


def wide() -> dict[str, Any]:
    """MLP 512-512 on 4,000 rows, 10 strengths, 3 folds, 3 epochs"""
    x, y = _rows(4000, 64)
    return {"model": _model((64,), *_dense(512, 512)), "x": x, "y": y, "epochs": 3, "batch_size": 128, **_few(10)}


def convolutions() -> dict[str, Any]:
    """CNN 16-32 on 2,000 images of 14 x 14, 6 strengths, 3 folds, 4 epochs"""
    from keras import layers

    x, y = _rows(2000, 14, 14, 1)
    inner = [layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(32, 3, activation="relu")]
    model = _model((14, 14, 1), *inner, layers.Flatten())
    return {"model": model, "x": x, "y": y, "epochs": 4, "batch_size": 64, **_few(6)}


def recurrent() -> dict[str, Any]:
    """LSTM 32 on 1,000 sequences of 30 steps, 8 strengths, 3 folds, 4 epochs"""
    from keras import layers

    x, y = _rows(1000, 30, 8)
    return {"model": _model((30, 8), layers.LSTM(32)), "x": x, "y": y % 8, "epochs": 4, "batch_size": 64, **_few(8)}


def million() -> dict[str, Any]:
    """MLP 32 on 1,000,000 rows of 20 columns, 4 strengths, 2 folds, 2 epochs"""
    x, y = _rows(1_000_000, 20)
    few = _few(4) | {"cv": 2}
    return {"model": _model((20,), *_dense(32)), "x": x, "y": y, "epochs": 2, "batch_size": 4096, **few}


def on_disk() -> dict[str, Any]:
    """MLP 32 on 1,000,000 rows of 20 columns on disk, 4 strengths, 2 folds, 2 epochs"""
    import tensorflow as tf

    arguments = million()
    rows = tf.data.Dataset.from_tensor_slices((arguments.pop("x"), arguments.pop("y"))).batch(4096)
    return {**arguments, "x": rows, "max_memory": 320e6}


def budget() -> dict[str, Any]:
    """MLP 256-256 on 10,000 rows, budget=1.5, 10 epochs"""
    x, y = _rows(10_000, 64)
    return {"model": _model((64,), *_dense(256, 256)), "x": x, "y": y, "epochs": 10, "budget": 1.5}


def exact() -> dict[str, Any]:
    """exact, 50,000 rows of 100 columns"""
    import keras

    x, _ = _rows(50_000, 100)
    model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(1)])
    model.compile("adam", "mean_squared_error")
    return {"model": model, "x": x, "y": x[:, :10].sum(axis=1), "solver": "exact"}


def _few(strengths: int) -> dict[str, Any]:
    return {"cv": 3, "lams": [*np.geomspace(1e-1, 1e-5, strengths - 1), 0.0]}


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    case.__name__: case for case in (digits, wide, convolutions, recurrent, million, on_disk, budget, exact)
}


def _bytes(kind: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(kind))


def _predicted(case: str) -> dict[str, Any]:
    import shrinkage as sh

    found = sh.estimate(**CASES[case](), penalty="l2")
    return {"seconds": found.seconds, "memory": found.memory}


def _real(case: str) -> dict[str, Any]:
    import shrinkage as sh

    options, _ = CASES[case](), sh.fit
    before = _bytes("VmRSS")
    path = sh.fit(**options, penalty="l2", progress=False)
    return {"seconds": path.seconds, "memory": _bytes("VmHWM") - before}


def _in_new_process(case: str, part: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.estimate", "--case", case, "--part", part]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def row(case: str) -> list[str]:
    """Return a row of the table: each part is measured in a new process, one after the other."""
    predicted, real = _in_new_process(case, "predicted"), _in_new_process(case, "real")
    name = (CASES[case].__doc__ or case).strip()
    cells = [name]
    for key, unit in (("seconds", 1.0), ("memory", 2**20)):
        if predicted[key] is None:
            cells += ["–", f"{real[key] / unit:,.1f}", "–"]
            continue
        cells += [f"{each[key] / unit:,.{int(unit == 1)}f}" for each in (predicted, real)]
        cells.append(f"{predicted[key] / real[key]:.2f}")
    return cells


@click.command()
@click.option("--case", "cases", multiple=True, type=click.Choice(list(CASES)), help="Only these cases.")
@click.option("--part", type=click.Choice(["predicted", "real"]), help="Only a part, as JSON.")
def main(cases: tuple[str, ...], part: str | None) -> None:
    """Compare predicted with real seconds and memory."""
    if part:
        return print(json.dumps((_predicted if part == "predicted" else _real)(cases[0])))
    head = ["run", "s predicted", "s", "ratio", "MiB predicted", "MiB", "ratio"]
    rows = []
    for case in cases or CASES:
        rows.append(row(case))
        print(rows[-1], flush=True)
    table = f"{markdown(head, rows)}\n\n{machine()}"
    print(table)
    if not cases:
        write(DOCS / "progress.md", "estimate", table)


if __name__ == "__main__":
    main()
