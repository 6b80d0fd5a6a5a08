"""A run of two machines, and a disk that fails: the first is noted, the second is an error."""

from typing import Any

import numpy as np
import pytest

from shrinkage._data import _spool
from shrinkage._search._record import _record
from tests.search.record.runs import assert_equal, files, kill_at, on_disk, without_xla


def test_a_run_of_two_machines_says_so_wherever_it_ends(tmp_path, monkeypatch):
    """Begun on one machine, trained on another, and finished on the first."""
    kill_at(monkeypatch, without_xla, tmp_path, 6)
    environment = _record.get_environment
    with monkeypatch.context() as patch:
        patch.setattr(_record, "get_environment", lambda: environment() | {"processor": "another"})
        with pytest.warns(
            UserWarning, match="A part of the run was trained on another machine: `processor` is 'another'"
        ):
            kill_at(monkeypatch, without_xla, tmp_path, 5)
    with pytest.warns(UserWarning, match="on another machine: `processor` is '.*', and was 'another'"):
        path = without_xla(run=tmp_path)
    assert any("another machine" in note for note in path.notes)
    assert_equal(path, without_xla(), notes=False)


def test_a_file_of_rows_that_is_shorter_than_written_is_an_error(tmp_path, monkeypatch):
    """NumPy returns fewer records where a disk fails, and the run must not train on fewer rows."""
    read, reads = np.fromfile, list[int]()

    def fromfile(*arguments: Any, **options: Any) -> np.ndarray:
        reads.append(1)
        records = read(*arguments, **options)
        return records[:-1] if len(reads) > 150 else records

    with monkeypatch.context() as patch:
        patch.setattr(_spool.np, "fromfile", fromfile)
        with pytest.raises(OSError, match="Rows on disk cannot be read"):
            on_disk(run=tmp_path)
    assert "journal.jsonl" in files(tmp_path)
    assert_equal(on_disk(run=tmp_path), on_disk())
