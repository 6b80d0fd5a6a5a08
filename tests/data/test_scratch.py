"""Folders for temporary files are removed, also after a kill, and never while a process uses them."""

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from shrinkage._data._scratch import ScratchFolder, open_temporary_folder, open_temporary_folder_for, remove_leftovers

SCRIPT = """
import sys, time
from shrinkage._data._scratch import ScratchFolder, open_temporary_folder_for, open_temporary_folder, remove_leftovers
folder = ScratchFolder()
(folder.path / "rows").write_bytes(b"rows")
print(folder.path, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


@contextmanager
def _process_with_a_folder():
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Path(process.stdout.readline().strip())
        process.kill()


def _let_a_minute_pass(folder: Path) -> None:
    os.utime(folder / "lock", (0, 0))


def test_a_folder_of_a_killed_process_is_removed():
    with _process_with_a_folder() as left:
        pass
    assert (left / "rows").exists()
    ScratchFolder().remove()
    assert (left / "rows").exists(), "a lock is younger than a minute"
    _let_a_minute_pass(left)
    ScratchFolder().remove()
    assert not left.exists()


def test_a_folder_in_use_stays():
    mine = ScratchFolder()
    with _process_with_a_folder() as used:
        for folder in (used, mine.path):
            _let_a_minute_pass(folder)
        ScratchFolder().remove()
        assert (used / "rows").exists() and mine.path.exists()
    mine.remove()


def test_removal_leaves_nothing(tmp_path):
    folder = ScratchFolder()
    (folder.path / "rows").write_bytes(b"rows")
    assert [*tmp_path.iterdir()] == [folder.path]
    folder.remove()
    assert [*tmp_path.iterdir()] == []


def _planted(tmp_path: Path, how: str) -> Path:
    """Make what another user of the machine could make in a common folder for temporary files."""
    folder = tmp_path / "shrinkage-planted"
    if how == "a link to a folder":
        (tmp_path / "mine").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "mine")
        (folder / "lock").write_text("mine")
    else:
        folder.mkdir()
        folder.chmod(0o777)
        (folder / "lock").write_text("mine")
    return folder


@pytest.mark.parametrize("how", ["a link to a folder", "a folder open to others"])
def test_what_others_put_there_is_left_alone(tmp_path, how):
    folder = _planted(tmp_path, how)
    os.utime(folder / "lock", (0, 0))
    ScratchFolder().remove()
    assert (folder / "lock").read_text() == "mine", "some versions of filelock empty the file that they lock"


def test_a_folder_is_closed_to_others():
    before = os.umask(0)
    try:
        folder = ScratchFolder()
    finally:
        os.umask(before)
    assert folder.path.stat().st_mode & 0o077 == 0
    folder.remove()


# --- folders beside a target


def _leftover(place: Path, name: str = ".shrinkage-a1b2c3d4") -> Path:
    folder = place / name
    folder.mkdir(mode=0o700)
    (folder / "rows").write_bytes(b"rows")
    return folder


def _let_an_hour_pass(folder: Path) -> None:
    for each in (*folder.rglob("*"), folder):
        os.utime(each, (0, 0))


@pytest.mark.parametrize(
    "make",
    [open_temporary_folder, open_temporary_folder_for, lambda place: open_temporary_folder_for(place / "new")],
    ids=["in a folder", "for a folder", "for a new folder"],
)
def test_a_folder_beside_a_target_removes_what_a_kill_left_an_hour_ago(make, tmp_path):
    old, young, changed = (_leftover(tmp_path, f".shrinkage-{name * 8}") for name in "abc")
    others = _leftover(tmp_path, ".shrinkage-of-a-user"), _leftover(tmp_path, ".a-name-a1b2c3d4")
    for folder in (old, changed, *others):
        _let_an_hour_pass(folder)
    (changed / "rows").write_bytes(b"more rows")
    with make(tmp_path) as folder:
        (folder / "file").write_bytes(b"content")
        assert folder.parent == tmp_path and not folder.stat().st_mode & 0o077
    assert not old.exists() and not folder.exists()
    assert all((each / "rows").exists() for each in (young, changed, *others))


def test_a_file_has_no_folder_in_it(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(NotADirectoryError), open_temporary_folder(tmp_path / "file"):
        pass


def test_a_folder_that_nobody_else_writes_loses_young_leftovers_too(tmp_path):
    left, other = _leftover(tmp_path), _leftover(tmp_path, ".shrinkage-of-a-user")
    remove_leftovers(tmp_path)
    assert not left.exists() and other.exists()


def test_files_are_written_beside_their_place_in_one_way():
    """Whatever else writes to a temporary folder beside a target would leave it there after a kill."""
    package = Path(__file__).parents[2] / "shrinkage"
    found = [str(file.relative_to(package)) for file in package.rglob("*.py") if "(dir=" in file.read_text("utf-8")]
    assert found == ["_data/_scratch.py"]
