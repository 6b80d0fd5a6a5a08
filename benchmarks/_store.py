"""Measurements, each made in a new process, and kept in a file as they come, so that nothing is measured twice."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks._page import DOCS
from benchmarks._ways import Cost
from benchmarks._works import Work

LIMIT = 600
"""Seconds after which a measurement is given up."""


class Store:
    """Measures ways of works, or takes the results of an earlier run from a file of JSON lines.

    Args:
        file: The file, to which every new result is added, or None.
        folders: Where the data are.
        repeats: Processes for each result, of which medians are returned.
    """

    def __init__(self, file: Path | None, folders: tuple[str, ...], repeats: int):
        self._file, self._folders, self._repeats = file, folders, repeats
        lines = file.read_text("utf-8").splitlines() if file is not None and file.exists() else []
        self._found: dict[str, Any] = dict(map(json.loads, lines))

    def cost(self, name: str, way: str, changes: dict[str, Any], variant: dict[str, bool] | None = None) -> Cost | None:
        """Return what a way of a work costs, median over repeats, or None where it failed.

        Args:
            name: The work.
            way: The way.
            changes: What is other than in the work.
            variant: The form of the best loop.
        """
        repeats = 1 if way == "trial" else self._repeats
        jobs = [
            {"name": name, "way": way, "changes": changes, "variant": variant or {}, "repeat": repeat}
            for repeat in range(repeats)
        ]
        return _median([Cost(**found) for job in jobs if (found := self.value(job)) is not None])

    def value(self, job: dict[str, Any]) -> Any:
        """Return the result of a job, or None where it failed."""
        key = json.dumps(job, sort_keys=True)
        if key not in self._found:
            started = time.perf_counter()
            self._found[key], problem = self._in_new_process(key, job)
            words = problem or json.dumps(self._found[key])
            spent = time.perf_counter() - started
            title = " ".join(str(job[part]) for part in ("name", "way", "changes", "threads") if job.get(part))
            click.echo(f"{title} ({spent:.0f} s): {words}", err=True)
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps([key, self._found[key]]) + "\n")
        return self._found[key]

    def _in_new_process(self, key: str, job: dict[str, Any]) -> tuple[Any, str]:
        """Return the result and what went wrong."""
        folders = [part for folder in self._folders for part in ("--data", folder)]
        command = [sys.executable, "-m", "benchmarks.engine", "--measure", key, *folders]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
        pipes: Any = {"capture_output": True, "text": True, "cwd": DOCS.parent, "timeout": LIMIT}
        try:
            done = subprocess.run(command, env=environment, **pipes)
        except subprocess.TimeoutExpired:
            return None, f"given up after {LIMIT} s"
        if done.returncode:
            return None, f"failed\n{done.stderr[-2000:]}"
        return json.loads(done.stdout.splitlines()[-1]), ""


def _median(costs: list[Cost]) -> Cost | None:
    """Return medians of what is a number, and the first of all else."""
    if not costs:
        return None
    every = list(map(asdict, costs))
    numbers = {key: median(one[key] for one in every) for key, value in every[0].items() if isinstance(value, float)}
    parts = {key: median(one["parts"][key] for one in every) for key in every[0]["parts"]}
    return Cost(**{**every[0], **numbers, "parts": parts})


def changed(work: Work, changes: dict[str, Any]) -> Work:
    """Return a work with other numbers, as JSON gives them."""
    lists = {key: tuple(value) if isinstance(value, list) else value for key, value in changes.items()}
    return Work(**{**vars(work), **lists})
