"""The record of a run in a folder.

A run that goes on makes the same calls again, and takes the results of the finished parts from the record.
"""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shrinkage._cohort._run_part import ChunkReduction, RunPart, Summary
from shrinkage._data._memory_limit import read_memory_limit
from shrinkage._host._private import UnsupportedVersion
from shrinkage._messages._note import Differences, Note, warn_caller
from shrinkage._plan._any_runner import AnyRunner
from shrinkage._plan._environment import get_environment
from shrinkage._search._record._arrays import count_tree_bytes
from shrinkage._search._record._description import (
    describe_run,
    fill_description,
    find_source,
    list_differences,
    remove_new_entries,
)
from shrinkage._search._record._folder import SCHEMA, RunFolder, describe_damaged_entry
from shrinkage._search._record._interrupts import Interrupts

_SHARE = 0.02
"""Maximum share of the time of a run for checkpoints."""
_FIRST_SECONDS, _BYTES_PER_SECOND = 0.02, 2e8
"""Expected time of the first checkpoint: a time for small files, and a rate for large files."""


class Record:
    """The record of a run in a folder, which is locked for this process.

    Args:
        path: The folder.

    Attributes:
        notes: sentences for the user about damage, failed writes and other machines.

    Raises:
        ValueError, OSError: If the folder cannot be used.
    """

    def __init__(self, path: Path):
        self._folder = RunFolder(path)
        self.interrupts = Interrupts()
        self.notes: list[str] = []
        self._begin: dict[str, Any] = {}
        self._machines = list[dict[str, Any]]()
        self._end: dict[str, Any] | None = None
        self._finished_parts, self._checkpoints, self._chunks = (dict[int, Any]() for _ in range(3))
        self._smallest_chunk = math.inf
        self._seconds_before = 0.0
        self._is_saved, self._is_reported = True, False
        try:
            for entry in self._folder.records:
                self._take(entry)
        except (KeyError, TypeError, AttributeError) as error:  # the checksum does not protect from a file made by hand
            self._folder.release()
            raise ValueError(describe_damaged_entry(path, error)) from error
        if self._folder.damage:
            self._say(f"The record in '{path}' was damaged ({self._folder.damage}): what followed is trained again.")
        self._n_parts = 0
        self._checkpoint_seconds: float | None = None
        self._checkpoint_bytes: int | None = None
        self._start_time = self._save_time = time.monotonic()

    def _take(self, entry: dict[str, Any]) -> None:
        """Take over an entry of the journal."""
        kind = entry["kind"]
        if kind == "begin":
            self._begin = entry
            self._machines.append(entry["environment"])
        elif kind == "machine":
            self._machines.append(entry["environment"])
        elif kind == "part":
            (self._finished_parts if entry["finished"] else self._checkpoints)[entry["part"]] = entry
        elif kind == "chunk":
            self._chunks[entry["part"]] = ChunkReduction(entry["chunk"], entry["cause"])
            self._smallest_chunk = min(self._smallest_chunk, entry["chunk"])
        elif kind == "end":
            self._end = entry
        self._seconds_before = entry["seconds"]

    def __enter__(self) -> "Record":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.release()

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder.path

    @property
    def seconds(self) -> float:
        """Seconds of the run, earlier calls included."""
        return self._seconds_before + time.monotonic() - self._start_time

    # --- the beginning

    def get_memory_limit(self, max_memory: float | None) -> float:
        """Return the memory limit of the run in bytes: the recorded limit, or `max_memory` at the beginning."""
        return self._begin["max_memory"] if self._begin else read_memory_limit(max_memory)

    @property
    def decision(self) -> dict[str, Any] | None:
        """The recorded `Runner.decision`, or None at the beginning."""
        return self._begin.get("decision")

    @property
    def threads(self) -> int | None:
        """The recorded number of threads for an operation, or None at the beginning."""
        return self._begin["environment"]["threads"] if self._begin else None

    def begin(self, runner: AnyRunner, user_plan: Mapping[str, Any] | None, max_memory: float) -> None:
        """Record what was asked, or compare it with the record.

        Raises:
            ValueError: If the record is of another model, other data or other arguments.
        """
        description = describe_run(runner)
        machine = get_environment() | {"threads": runner.record["threads"]}  # of the workers on a cluster
        if not self._begin:
            template, n_folds = runner.problem.training.template, len(runner.problem.folds.train)
            self._begin = {
                **{"kind": "begin", "schema": SCHEMA, "description": description, "environment": machine},
                **{"decision": runner.decision, "max_memory": max_memory, "model": template.name},
                **{"loss": template.loss_name, "n_rows": runner.problem.n_rows, "n_folds": n_folds},
            }
            self._folder.append({**self._begin, "seconds": self.seconds})  # an error before training costs nothing
            return
        settings = self._begin["decision"]["settings"]
        asked = {name: value for name, value in (user_plan or {}).items() if name in settings}
        if asked.get("chunk", math.inf) < settings["chunk"]:
            self._train_fewer_together(asked.pop("chunk"))
        recorded = self._begin["description"]
        comparable = remove_new_entries(fill_description(description), recorded)
        found = list_differences(fill_description(recorded), comparable) + list_differences(settings, asked)
        if found:
            rows = runner.problem.n_rows, self._begin["n_rows"]
            differences = Differences(tuple(found), find_source(recorded, comparable, rows), rows)
            raise ValueError(Note("$another_fit $differences. $same_fit", differences=differences))
        if machine not in self._machines:
            self._append({"kind": "machine", "environment": machine})
        if found := list(dict.fromkeys(each for other in self._machines for each in list_differences(other, machine))):
            alike = all(each.startswith("`threads`") for each in found)
            elsewhere = "with another number of threads" if alike else "on another machine"
            text = f"A part of the run was trained {elsewhere}: {'; '.join(found)}."
            self._say(f"{text} The last bits of the result may differ.")

    def _train_fewer_together(self, chunk: int) -> None:
        """Take fewer strengths at a time from the next part on, because the system killed the run for its memory."""
        if chunk < self._smallest_chunk:
            entry = {"kind": "chunk", "part": len(self._finished_parts), "chunk": chunk, "cause": "plan"}
            self._append(entry)
            self._take({**entry, "seconds": self._seconds_before})

    # --- parts

    def make_part(self, stage: str, lams: np.ndarray) -> RunPart:
        entry = {"kind": "part", "part": self._n_parts, "stage": stage, "lams": lams.tolist()}
        self._n_parts += 1
        recorded = [entries.get(entry["part"], {}) for entries in (self._finished_parts, self._checkpoints)]
        # After memory ran out, an earlier checkpoint is of other strengths.
        fitting = [each if entry.items() <= each.items() else None for each in recorded]
        result, state = (None if each is None else self._folder.read(each) for each in fitting)
        if result is None and state is None and any(fitting):
            self._say("A file of the run is damaged or absent: its strengths are trained again.")
        return RecordedPart(self, entry, result, state)

    def pop_chunk(self) -> ChunkReduction | None:
        return self._chunks.pop(self._n_parts, None)  # once: the part may run out of memory again

    def shrink(self, chunk: int, n_parts: int) -> None:
        self._n_parts -= n_parts
        self._append({"kind": "chunk", "part": self._n_parts, "chunk": chunk, "cause": "memory"})

    def keeps(self, state: Callable[[], Any]) -> bool:
        """Return whether it is time for a checkpoint, so that checkpoints take a small share of the run."""
        allowed = _SHARE * (time.monotonic() - self._save_time)
        if self.interrupts.is_requested:
            return True
        if self._checkpoint_seconds is not None:
            return allowed >= self._checkpoint_seconds
        if allowed < _FIRST_SECONDS:
            return False
        if self._checkpoint_bytes is None:  # the state is copied once to measure it
            self._checkpoint_bytes = count_tree_bytes(state())
        return allowed >= self._checkpoint_bytes / _BYTES_PER_SECOND

    def save(self, entry: dict[str, Any], make_tree: Callable[[], Any], summary: Summary) -> None:
        """Save a checkpoint or the result of a part. The earlier checkpoint is removed after that."""
        began = time.monotonic()
        tree = make_tree()  # a copy of the state takes part of the time
        name = f"part-{entry['part']:04d}" + ("" if entry["finished"] else f"-epoch-{entry['epoch']:04d}")
        try:
            entry = {**entry, **self._folder.write(name, tree), "summary": summary, "seconds": self.seconds}
            self._folder.append(entry)
        except OSError as error:
            self._report(error)
        else:
            self._is_saved = True
            (self._finished_parts if entry["finished"] else self._checkpoints)[entry["part"]] = entry
            if entry["finished"]:
                self._checkpoints.pop(entry["part"], None)
            self._remove_files()
        self._save_time = time.monotonic()
        if not entry["finished"]:
            self._checkpoint_seconds = self._save_time - began

    def _remove_files(self) -> None:
        self._folder.remove_files(
            {each["file"] for each in (*self._finished_parts.values(), *self._checkpoints.values())}
        )

    def stop_if_requested(self, *, has_state: bool = True) -> None:
        """Raise `KeyboardInterrupt` if the user asked to stop.

        Args:
            has_state: Whether the strengths in training have checkpoints.
        """
        if self.interrupts.is_requested:
            saved = "is saved" if self._is_saved else "could not be saved at this epoch, but at an earlier one,"
            if not has_state:
                saved = "is saved without the strengths in training, which begin anew,"
            raise KeyboardInterrupt(
                f"The run {saved} in '{self.path}'. Call with the same model, data and arguments to go on."
            )

    # --- the end

    @property
    def is_finished(self) -> bool:
        """Whether the folder has the result of the whole run."""
        if self._end is None:
            return False
        if all(map(self._folder.is_intact, self._end["files"])):
            self._folder.remove_files(set())  # a kill after the last entry left them
            return True
        self._say(f"The result in '{self.path}' is damaged or incomplete, and is trained again.")
        self._finished_parts, self._checkpoints = {}, {}  # their files were removed
        return False

    def finish(self, save: Callable[[], None], names: Sequence[str]) -> None:
        """Save the result in the folder, record the files, and remove the files of the parts.

        Args:
            save: A function that writes the files.
            names: The names of the files.
        """
        try:
            save()
            checksums = [self._folder.compute_checksum(name) for name in names]
        except UnsupportedVersion:
            raise
        except OSError as error:
            self._report(error)
            return
        except Exception as error:  # of the code of a model: the result is returned in any case
            reason = " ".join(str(error).split())
            self._append({"kind": "not stored", "reason": reason})
            self._say(
                f"The run in '{self.path}' is trained, but its result cannot be stored there ({reason}). The same call "
                f"returns it again from the recorded parts."
            )
            return
        if self._append({"kind": "end", "files": checksums}):
            self._folder.remove_files(set())

    def _append(self, entry: dict[str, Any]) -> bool:
        """Add an entry to the journal, and return whether it could be written."""
        try:
            self._folder.append({**entry, "seconds": self.seconds})
        except OSError as error:
            self._report(error)
            return False
        return True

    def _report(self, error: OSError) -> None:
        """Say once that the run goes on without a record, because a result is worth more than a record."""
        if self._is_reported:
            return
        self._is_saved, self._is_reported = False, True
        reason = os.strerror(error.errno) if error.errno else error
        self._say(
            f"The run could not be saved in '{self.path}' ({reason}). It goes on without this part of its record."
        )

    def _say(self, note: str) -> None:
        self.notes.append(note)
        warn_caller(note)


class RecordedPart(RunPart):
    """A part of a run in a record."""

    def __init__(self, record: Record, entry: dict[str, Any], result: Any, state: Any):
        self._record, self._entry, self.result, self.state = record, entry, result, state

    def keep(self, n_epochs: int, state: Callable[[], Any], summary: Callable[[], Summary]) -> None:
        if self._record.keeps(state):
            self._record.save({**self._entry, "epoch": n_epochs, "finished": False}, state, summary())
        self._record.stop_if_requested()

    def stop_if_requested(self) -> None:
        self._record.stop_if_requested(has_state=False)

    def finish(self, result: Any, summary: Summary) -> None:
        self._record.save({**self._entry, "epoch": None, "finished": True}, lambda: result, summary)
