"""After power loss a run goes on to the same path, from files that were flushed."""

from pathlib import Path

import pytest

import shrinkage as sh
from shrinkage._data._scratch import make_synced_folder
from tests.search.record.power import Disk
from tests.search.record.runs import FINISHED, assert_equal, count_events, files, kill_at, without_xla

SOME = [0.0, 0.3, 0.6, 0.99]


def check(share: float, folder: Path, monkeypatch: pytest.MonkeyPatch, plain: sh.Path, n_events: int) -> None:
    """Kill a run in a new folder after a share of its events, lose what was not flushed, and go on."""
    folder.mkdir()
    with monkeypatch.context() as patch:
        disk = Disk(folder, patch)
        kill_at(monkeypatch, without_xla, folder / "run", int(share * n_events))
        disk.lose_power()
    assert_equal(without_xla(run=folder / "run"), plain)
    assert files(folder / "run") == FINISHED


@pytest.mark.full
@pytest.mark.parametrize("shares", [SOME, []], ids=["some", "every event"])
def test_a_run_goes_on_after_power_loss(shares, tmp_path, monkeypatch):
    plain, n_events = without_xla(), len(count_events(monkeypatch, without_xla, tmp_path / "whole"))
    for number, share in enumerate(shares or [event / n_events for event in range(n_events)]):
        check(share, tmp_path / f"{number}", monkeypatch, plain, n_events)


def test_a_finished_run_is_on_the_disk(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        disk = Disk(tmp_path, patch)
        path = without_xla(run=tmp_path / "first" / "run")
        assert len(files(tmp_path / "first" / "run")) == len(FINISHED)
        disk.lose_power()
    assert_equal(sh.Path.load(tmp_path / "first" / "run"), path)


def test_a_saved_path_is_on_the_disk(tmp_path, monkeypatch):
    path = without_xla()
    with monkeypatch.context() as patch:
        disk = Disk(tmp_path, patch)
        path.save(tmp_path / "new" / "saved")
        path.save(tmp_path / "new" / "saved", overwrite=True)
        disk.lose_power()
    assert_equal(sh.Path.load(tmp_path / "new" / "saved"), path)


def test_the_disk_of_these_tests_loses_files_that_were_not_flushed(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        disk = Disk(tmp_path, patch)
        make_synced_folder(tmp_path / "named")
        (tmp_path / "named" / "file").write_text("not flushed")
        (tmp_path / "other").mkdir()
        disk.lose_power()
    assert [each.relative_to(tmp_path).as_posix() for each in tmp_path.rglob("*")] == ["named"]
