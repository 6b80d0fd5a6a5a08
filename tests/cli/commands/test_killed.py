"""`kill -9` of `shrinkage fit`: the run goes on to the result of a run without a kill, and nothing is left over."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import shrinkage as sh
from shrinkage.cli import _recorded
from tests.cli.commands.running import run, write
from tests.cli.commands.test_resume import FIT, same_numbers
from tests.daily import full

RESULTS = {"arrays.npz", "columns.json", "model.keras", "path.json", "path.png", "report.html", "template.keras"}


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """Start a process, which trains with XLA as a user does."""
    program = [sys.executable, "-c", "from shrinkage.cli import main; main()"]
    return subprocess.Popen([*program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def finish(*arguments: str) -> None:
    with start(*arguments) as process:
        assert process.wait() == 0


@pytest.mark.full
def test_a_killed_command_goes_on():
    """The signal comes when the journal has entries of training."""
    write()
    many = [*FIT, "--epochs", "400"]
    with start(*many) as process:
        journal = Path("run/record/journal.jsonl")
        while process.poll() is None and not (journal.exists() and journal.stat().st_size):
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL and Path("run/command.json").exists()
    refused = run(*many)
    assert refused.exit_code == 2 and "Go on with `shrinkage resume run`, add" in refused.stderr.replace("\n", " ")
    finish("resume", "run")
    for _ in range(5):  # a run chooses the plan by time, and another plan may give other bits
        finish(*many, "-o", "plain", "--overwrite")
        resumed, plain = sh.Path.load("run"), sh.Path.load("plain")
        np.testing.assert_allclose(resumed.mean, plain.mean, rtol=0.01)
        if plain.plan | {"reason": ""} == resumed.plan | {"reason": ""}:  # the reason has the times
            same_numbers("run", "plain")
            break
    assert RESULTS <= {file.name for file in Path("run").iterdir()}
    assert {file.name for file in Path("run").iterdir()} == {file.name for file in Path("plain").iterdir()}


class Killed(BaseException):
    """The end of the process."""


@pytest.mark.parametrize("name", [full("record.rename"), "command.unlink"])
def test_a_kill_while_the_record_is_removed_leaves_a_result(name, monkeypatch):
    """The results are in place. The record is either whole or absent, and the command counts only with a record."""
    write()

    def kill(self: Path, *arguments: object, **options: object) -> None:
        if self.name == ("record" if name == "record.rename" else _recorded.COMMAND):
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, name.partition(".")[2], kill)
        patch.setattr(_recorded, "remove_record", lambda _: None) if name == "record.rename" else None
        run(*FIT)
    predicted = run("predict", "run", "houses.csv", "-o", "out.csv")
    if name == "record.rename":  # before the record is removed, the run counts as unfinished, and is read again
        assert run("resume", "run").exit_code == 0
        predicted = run("predict", "run", "houses.csv", "-o", "out.csv", "--overwrite")
    assert predicted.exit_code == 0
    assert run("resume", "run").exit_code == 0
    refused = run(*FIT)
    assert refused.exit_code == 2 and "--overwrite to replace" in refused.stderr.replace("\n", " ")
    assert run(*FIT, "--overwrite").exit_code == 0
    assert not {"command.json", "record"} & {file.name for file in Path("run").iterdir()}


def test_a_command_is_written_whole_or_not_at_all(monkeypatch):
    write()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("shrinkage._data._scratch.sync_files", full)
        failed = run(*FIT)
    assert failed.exit_code == 2 and "no space left" in failed.stderr.lower()
    assert not Path("run").exists() or not list(Path("run").iterdir())
    shutil.rmtree("run", ignore_errors=True)
    assert run(*FIT).exit_code == 0
