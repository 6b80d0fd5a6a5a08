"""A command with a time limit in a new folder, and the checks of its output and its exit code."""

import contextlib
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from click.testing import CliRunner, Result
from pytest import MonkeyPatch

from shrinkage._plan._probe import Timing
from shrinkage._plan._runner import Runner
from shrinkage.cli import main
from tests.fuzz.tables import Drawn
from tests.without_xla import without_xla

SECONDS = 600
"""Of a command; it takes about one. A busy machine is no hang."""


@contextlib.contextmanager
def folder_with(file: Drawn) -> Iterator[Path]:
    """Run in a new folder with the file."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        Path(file.name).write_bytes(file.content)
        yield Path()


def run(line: list[str]) -> Result:
    """Run a command without timing steps and without XLA, which take seconds and have tests of their own."""
    with without_xla(), _untimed(), _within(SECONDS):
        return CliRunner().invoke(main, line)


def check_end(result: Result, file: Drawn, folder: Path) -> None:
    """The command was successful, or refused in a sentence, and then left nothing behind."""
    check_words(result, 0, 2)
    if result.exit_code == 2:
        assert [each.name for each in folder.iterdir()] == [file.name]


def check_diverged(result: Result, folder: Path) -> None:
    """The training said that every strength diverged. Its folder has the losses, and nothing to predict with."""
    check_words(result, 3)
    assert "At every strength a model diverged" in result.stderr and "Lower --learning-rate" in result.stderr
    names = {each.name for each in (folder / "run").iterdir()}
    assert "path.json" in names and not names & {"model.keras", "record"}, names


def check_words(result: Result, *codes: int) -> None:
    """The command ended with one of the exit codes, without a traceback, and said what is wrong in a sentence."""
    assert result.exit_code in codes, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    if result.exit_code:
        *_, last = result.stderr.strip().split("Error: ")
        assert len(last) > 10 and last.endswith((".", ")", "?", "'")), last


@contextlib.contextmanager
def _untimed() -> Iterator[None]:
    with MonkeyPatch.context() as patch:
        patch.setattr(Runner, "_time_way", lambda self, way, suffices=None: Timing(0.1, 1e-4))
        patch.setattr(Runner, "_score_seconds", 1e-4)
        yield


class Hang(BaseException):
    """A command that does not end. No handler of `Exception` may catch it."""


@contextlib.contextmanager
def _within(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
