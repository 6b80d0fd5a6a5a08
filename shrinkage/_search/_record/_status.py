"""The state of a run, read from the journal while another process may write it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shrinkage._search._record._folder import JOURNAL, describe_damaged_entry, is_in_use, read_records


@dataclass(frozen=True)
class Strength:
    """A strength in all folds, as far as it is trained."""

    lam: float
    loss: float | None
    """Lowest mean held-out loss so far; None if a member diverged."""
    epoch: int
    """The epoch of this loss, counted from 1."""
    epochs: int
    """Number of recorded epochs."""


@dataclass(frozen=True)
class RunStatus:
    """A run as far as it is recorded."""

    model: str
    """Name of the model."""
    loss: str
    """Name of the loss."""
    n_rows: int
    n_folds: int
    n_lams: int
    """Number of strengths in the grid."""
    epochs: int
    """Maximum number of epochs."""
    strengths: tuple[Strength, ...]
    """The recorded strengths, descending."""
    models: str
    """The strengths that are to be trained on all rows: "all", or "chosen"."""
    all_rows: int
    """Number of strengths that are trained on all rows."""
    is_finished: bool
    is_running: bool
    """Whether a process trains the run."""
    storage_error: str
    """The reason why the result of a trained run cannot be stored, or ""."""
    seconds: float
    """Seconds of training until the last entry."""
    age: float
    """Seconds since the last entry."""
    damage: str
    """Damage of the journal in words, or ""."""


def read_status(path: Path) -> RunStatus | None:
    """Return the state of the run in a folder, or None if the folder has no record.

    Raises:
        ValueError: If the record cannot be used.
    """
    reading = read_records(path)
    try:
        return _make_status(reading.records, reading.damage, path) if reading.records else None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(describe_damaged_entry(path, error)) from error


def _make_status(records: list[dict[str, Any]], damage: str, path: Path) -> RunStatus:
    parts = {entry["part"]: entry for entry in records if entry["kind"] == "part"}
    strengths = [
        Strength(float(lam), None if loss is None else float(loss), int(epoch), int(entry["summary"]["epochs"]))
        for entry in parts.values()
        if entry["stage"] == "folds"
        for lam, loss, epoch in zip(entry["lams"], entry["summary"]["loss"], entry["summary"]["epoch"], strict=False)
    ]
    begin, description = records[0], records[0]["description"]
    stage_of_models = "folds" if begin["decision"].get("joins_all_rows") else "all rows"
    return RunStatus(
        model=str(begin["model"]),
        loss=str(begin["loss"]),
        n_rows=int(begin["n_rows"]),
        n_folds=int(begin["n_folds"]),
        n_lams=max(len(description["lams"]), len(strengths)),  # the grid may have been extended
        epochs=int(description["epochs"]),
        strengths=tuple(sorted(strengths, key=lambda strength: -strength.lam)),
        models="chosen" if description.get("budget") else description.get("models", "all"),
        all_rows=sum(
            len(entry["lams"]) for entry in parts.values() if entry["stage"] == stage_of_models and entry["finished"]
        ),
        is_finished=records[-1]["kind"] == "end",
        is_running=is_in_use(path),
        storage_error=str(records[-1]["reason"]) if records[-1]["kind"] == "not stored" else "",
        seconds=float(records[-1]["seconds"]),
        age=max(0.0, time.time() - (path / JOURNAL).stat().st_mtime),
        damage=damage,
    )
