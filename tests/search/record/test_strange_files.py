"""Files made by hand in the place of a record: an error in words, and no wait and no large allocation."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from shrinkage._search._record._arrays import read_tree
from shrinkage._search._record._folder import JOURNAL
from shrinkage._search._record._journal import Journal, read_journal
from shrinkage._search._record._status import read_status
from tests.search.record.runs import without_xla


def pipe(file: Path) -> None:
    os.mkfifo(file)


def device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def folder(file: Path) -> None:
    file.mkdir()


@pytest.mark.parametrize("make", [pipe, device, folder])
def test_a_journal_that_is_no_file(make, tmp_path):
    make(tmp_path / JOURNAL)
    for read in (lambda: read_status(tmp_path), lambda: without_xla(run=tmp_path)):
        with pytest.raises(
            ValueError, match="^`run` must have a file as its journal. Received: '.*', a (folder|pipe or a device). "
        ):
            read()


@pytest.mark.parametrize("structure", ['{"dict": 3}', "[" * 100_000, '{"list": [3]}', '{"other": 1, "value": 2}', "x"])
def test_a_structure_made_by_hand(structure, tmp_path):
    save_file({"0": np.zeros(2)}, tmp_path / "file", metadata={"structure": structure})
    with pytest.raises(ValueError):  # noqa: PT011  some are refused by JSON
        read_tree(tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "value"), [("n_rows", "many"), ("n_folds", None), ("seconds", "\x1b[2J"), ("description", {"lams": 3})]
)
def test_an_entry_with_values_of_another_type(name, value, tmp_path):
    without_xla(run=tmp_path)
    begin = json.loads((tmp_path / JOURNAL).read_bytes().partition(b"\n")[0].partition(b" ")[2])
    (tmp_path / JOURNAL).unlink()
    Journal(tmp_path / JOURNAL, read_journal(tmp_path / JOURNAL)).append({**begin, "n": 0, name: value})
    with pytest.raises(ValueError, match="with an entry that cannot be read"):
        read_status(tmp_path)
