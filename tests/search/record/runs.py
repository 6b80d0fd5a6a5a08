"""Runs with a record, and kills at each write of the record."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import shrinkage as sh
from shrinkage._search._record import _record
from shrinkage._search._record._folder import RunFolder
from shrinkage._search._record._journal import Journal
from tests.fit.fitting import N, X, Y, arrays, classifier
from tests.zoo.tables import mlp

OPTIONS: dict[str, Any] = {"penalty": "l2", "lams": [0.3, 0.1, 0.01], "cv": 3, "epochs": 3, "batch_size": 8}


def noisy() -> keras.Model:
    """A model with state beside the weights, and random layers."""
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3, "softmax"),
        ]
    )


def arrays_at_once(**options: Any) -> sh.Path:
    return sh.fit(classifier(noisy), X, Y, **{**OPTIONS, "plan": {"chunk": 2, "xla": True}, **options})


def without_xla(**options: Any) -> sh.Path:
    return sh.fit(classifier(mlp), X, Y, **{**OPTIONS, "plan": {"chunk": 3, "xla": False}, **options})


def extended(**options: Any) -> sh.Path:
    """The minimum is at an end of the grid, which is extended; strengths stop early."""
    wide = {"lams": "auto", "patience": 1, "epochs": 4, "plan": {"chunk": 11, "xla": False}}
    return sh.fit(classifier(mlp), X, Y, **{**OPTIONS, **wide, **options})


def on_disk(**options: Any) -> sh.Path:
    """Rows that do not fit into memory, with rows left over at the end of an epoch."""
    rows = np.resize(np.arange(N), 2000)
    dataset = tf.data.Dataset.from_tensor_slices((X[rows].astype("float32"), Y[rows])).batch(100)
    small = {"max_memory": 4e4, "plan": {"rules": True, "xla": False, "chunk": 2}, "epochs": 2, "batch_size": 64}
    return sh.fit(classifier(noisy), dataset, **{**OPTIONS, **small, **options})


def within_budget(**options: Any) -> sh.Path:
    """A search on a part of the rows, of which not every epoch is scored."""
    rows = np.resize(np.arange(N), 1300)
    given = {name: value for name, value in OPTIONS.items() if name not in ("lams", "cv")}
    search = {"budget": 1.5, "epochs": 12, "epoch": 5, "plan": {"rules": True, "xla": False}, "batch_size": 16}
    return sh.fit(classifier(noisy), X[rows], Y[rows], **{**given, **search, **options})


def with_learning_curve(**options: Any) -> sh.Path:
    """Parts of the rows are trained after all rows."""
    small = {"lams": [0.3], "epochs": 2, "learning_curve": True, "plan": {"chunk": 2, "xla": False}}
    return sh.fit(classifier(noisy), X, Y, **{**OPTIONS, **small, **options})


def with_divergence(**options: Any) -> sh.Path:
    """The first strength diverges in every fold beside one that does not: its steps multiply weights by -5e5."""
    model = mlp()
    model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
    small = {"lams": [1e7, 0.1, 0.01], "plan": {"chunk": 2, "xla": False}}
    return sh.fit(model, X, Y, **{**OPTIONS, **small, **options})


RUNS: dict[str, Callable[..., sh.Path]] = {
    "batch normalization and dropout, XLA": arrays_at_once,
    "without XLA": without_xla,
    "extended grid, early stopping": extended,
    "rows on disk": on_disk,
    "within a budget": within_budget,
    "learning curve": with_learning_curve,
    "a strength diverges": with_divergence,
}


class Killed(BaseException):
    """The end of the process."""


@contextmanager
def writes(monkeypatch: Any, watch: Callable[[str, Any], None]) -> Iterator[None]:
    """Call `watch` before and after each write of the record, with a name of the event and the arguments."""
    with monkeypatch.context() as patch:
        patch.setattr(_record, "_SHARE", np.inf)  # a checkpoint after every epoch

        def watched(kind: type, method: str) -> None:
            original = getattr(kind, method)

            def call(self: Any, *arguments: Any) -> Any:
                watch(f"before {method}", (self, *arguments))
                result = original(self, *arguments)
                watch(f"after {method}", (self, *arguments))
                return result

            patch.setattr(kind, method, call)

        watched(RunFolder, "write")
        watched(Journal, "append")
        yield


def count_events(monkeypatch: Any, fit: Callable[..., sh.Path], folder: Path) -> list[str]:
    """Return the events of a whole run."""
    events = list[str]()
    with writes(monkeypatch, lambda event, _: events.append(event)):
        fit(run=folder)
    return events


def kill_at(monkeypatch: Any, fit: Callable[..., sh.Path], folder: Path, number: int) -> None:
    """Run until an event, and leave what a kill would leave."""
    events = list[str]()

    def watch(event: str, arguments: Any) -> None:
        events.append(event)
        if len(events) - 1 == number:
            if event == "before write":
                for name in (f"{arguments[1]}.unfinished", ".tmpBicfya"):  # safetensors writes to a file of its own
                    (arguments[0].path / name).write_bytes(b"the beginning of a file")
            if (folder / "journal.jsonl").exists():  # the result may have been in work
                leftover = folder / ".shrinkage-a1b2c3d4"
                leftover.mkdir(mode=0o700, exist_ok=True)
                (leftover / "path.json").write_bytes(b"{")
            if event == "before append":
                with (folder / "journal.jsonl").open("ab") as journal:
                    journal.write(b'12345678 {"n": ')  # torn
            raise Killed

    with writes(monkeypatch, watch):
        try:
            fit(run=folder)
        except Killed:
            return
    raise AssertionError(f"the run has only {len(events)} events")


def assert_equal(path: sh.Path, other: sh.Path, *, notes: bool = True, weights: bool = True) -> None:
    """Compare all numbers of two paths to the bit, and the notes; `weights` is whether a strength has a model."""
    one, two = arrays(path), arrays(other)
    assert one.keys() == two.keys() and any(name.startswith("weights") for name in one) == weights
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
    assert not notes or path.notes == other.notes


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


FINISHED = ["arrays.npz", "journal.jsonl", "lock", "path.json", "template.keras"]
