"""Where progress is shown, and where it is not."""

import contextlib
import io
import logging
import os
import pty
import re
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from shrinkage._progress import _reporters
from shrinkage._progress._reporters import start_monitor
from shrinkage._progress._snapshot import Snapshot

ROOT = Path(__file__).parents[2]
FOLDS = Snapshot("folds", lams_done=1, lams=4, folds=5, epoch=2, epochs=9, seconds_left=60.0)
WORDS = r"5 folds \| lambda 1/4 \| epoch 2/9 \| 1 min 0 s left"
SHOW_CURSOR, ERASE_LINE = "\x1b[?25h", "\x1b[2K"


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(_reporters, "LINE_SECONDS", (0.02,))
    monkeypatch.setattr(_reporters, "_REFRESH", (0.02,))
    monkeypatch.setattr(_reporters, "_REFRESH_OUTPUT", (0.02,))


@contextmanager
def terminal(monkeypatch) -> Iterator[Callable[[], str]]:
    """Make standard error a pseudo terminal, and yield a function that returns what was written to it.

    No fixture: pytest replaces standard error between a fixture and its test.
    """
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")

    def read() -> str:
        found = b""
        while select.select([master], [], [], 0.1)[0]:
            found += os.read(master, 65536)
        return found.decode()

    with os.fdopen(slave, "w") as file, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", file)
        yield read
    os.close(master)


def run(progress: bool | None) -> None:
    with start_monitor(progress) as monitor:
        monitor.show(FOLDS)
        time.sleep(0.15)


@pytest.mark.parametrize("progress", [None, True])
def test_a_terminal_gets_one_line_that_is_removed(progress, monkeypatch):
    with terminal(monkeypatch) as read:
        run(progress)
        text = read()
    assert re.search(rf"0 s: {WORDS}", text)
    assert text.count("\n") == 1 and text.endswith(ERASE_LINE) and SHOW_CURSOR in text


def test_an_interrupt_leaves_the_terminal_clean(monkeypatch):
    with terminal(monkeypatch) as read:
        with pytest.raises(KeyboardInterrupt), start_monitor(None):
            time.sleep(0.1)
            raise KeyboardInterrupt
        text = read()
    assert text.endswith(ERASE_LINE) and text.rfind(SHOW_CURSOR) > text.rfind("reading rows")


def test_other_output_stays_above_the_line(monkeypatch):
    with terminal(monkeypatch) as read:
        with start_monitor(None):
            time.sleep(0.1)
            print("a warning", file=sys.stderr)
            time.sleep(0.1)
        text = read()
    assert re.search(r"\x1b\[2Ka warning\r\n", text)


def test_a_narrow_terminal_cuts_the_line(monkeypatch):
    with terminal(monkeypatch) as read:
        monkeypatch.setenv("COLUMNS", "20")
        run(None)
        text = read()
    assert "…" in text and "left" not in text


def test_a_pipe_gets_plain_lines_if_asked(monkeypatch):
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())
    run(True)
    first, *_, last = pipe.getvalue().splitlines()
    assert re.fullmatch(rf"shrinkage: 0 s: {WORDS}", first) and last == "shrinkage: training finished in 0 s"
    assert "\x1b" not in pipe.getvalue()


def test_an_interrupted_run_is_not_said_to_be_finished(monkeypatch):
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())
    with pytest.raises(KeyboardInterrupt), start_monitor(True):
        time.sleep(0.1)
        raise KeyboardInterrupt
    assert "reading" in pipe.getvalue() and "finished" not in pipe.getvalue()


SILENT = {"no terminal": (None, 0.02), "not wanted": (False, 0.02), "a short run": (True, 5.0)}


@pytest.mark.parametrize("name", SILENT)
def test_silence(name, monkeypatch):
    progress, seconds_before_the_first_line = SILENT[name]
    monkeypatch.setattr(_reporters, "LINE_SECONDS", (seconds_before_the_first_line,))
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())
    run(progress)
    assert pipe.getvalue() == ""


def test_not_wanted_on_a_terminal(monkeypatch):
    with terminal(monkeypatch) as read:
        run(False)
        assert read() == ""


def test_the_log_has_the_same_lines(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())
    with caplog.at_level(logging.INFO, logger="shrinkage"):
        run(None)
    first, *_, last = caplog.messages
    assert re.fullmatch(rf"0 s: {WORDS}", first) and last == "training finished in 0 s"
    assert {record.levelname for record in caplog.records} == {"INFO"} and pipe.getvalue() == ""


def test_a_notebook_gets_one_output_that_changes(monkeypatch):
    """IPython's functions, as far as they are used."""
    shown: list[str] = []

    def display(data, raw, display_id):
        assert raw and display_id
        shown.append(data["text/plain"])
        return SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))

    module = ModuleType("IPython.display")
    module.__dict__["display"] = display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr("builtins.get_ipython", type("ZMQInteractiveShell", (), {}), raising=False)
    run(None)
    assert shown[0] == "0 s: reading rows" and shown[-1] == "0 s: finished"
    assert re.fullmatch(rf"0 s: {WORDS}", shown[1])


def test_threads_end_with_the_run():
    before = threading.active_count()
    run(True)
    assert threading.active_count() == before


CODE = """
import shrinkage as sh
from tests.fit.fitting import classifier, fit
fit(classifier(), epochs=100_000, plan={"xla": False})
"""


def test_a_real_run_on_a_terminal_stopped_by_ctrl_c():
    pid, master = pty.fork()
    if pid == 0:  # pragma: no cover (another process)
        os.chdir(ROOT)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a process in the background ignores it, and so do its children
        os.execve(sys.executable, [sys.executable, "-c", CODE], {**os.environ, "TERM": "xterm", "COLUMNS": "200"})
    text, sent, deadline = "", False, time.monotonic() + 120
    try:
        while select.select([master], [], [], 60)[0] and time.monotonic() < deadline:
            text += os.read(master, 65536).decode(errors="replace")
            if not sent and re.search(r"3 folds \| lambda 0/3 \| epoch \d+/100000 \| best .* ± .* left", text):
                os.write(master, b"\x03")
                sent = True
    except OSError:  # the other side is closed
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert sent, text[-2000:]
    assert text.rfind(SHOW_CURSOR) > text.rfind("lambda 0/3") and "KeyboardInterrupt" in text.rpartition(SHOW_CURSOR)[2]
