"""Every changed or missing byte of a record is noticed, and costs no more than training again."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shrinkage._search._record._arrays import read_tree, write_tree
from shrinkage._search._record._folder import JOURNAL, RunFolder
from shrinkage._search._record._journal import Journal, read_journal
from shrinkage._search._record._status import read_status
from tests.daily import each_value
from tests.search.record.runs import FINISHED, assert_equal, count_events, files, kill_at, without_xla

RECORDS = [{"kind": "begin", "schema": 1}, {"kind": "part", "lams": [0.5, 0.25]}, {"kind": "end", "text": "é"}]


def journal(folder: Path) -> bytes:
    writer = Journal(folder / JOURNAL, read_journal(folder / JOURNAL))
    for record in RECORDS:
        writer.append(record)
    return (folder / JOURNAL).read_bytes()


def changes(whole: bytes) -> dict[str, bytes]:
    """Return the content with each byte flipped in two ways, and cut at each byte."""
    found = {}
    for place in range(len(whole)):
        for bits in (1, 255):
            found[f"byte {place} ^ {bits}"] = whole[:place] + bytes([whole[place] ^ bits]) + whole[place + 1 :]
        found[f"first {place} bytes"] = whole[:place]
    return found


def test_a_changed_byte_of_a_journal_ends_what_is_read(tmp_path):
    whole = journal(tmp_path)
    records = read_journal(tmp_path / JOURNAL).records
    assert [record["kind"] for record in records] == ["begin", "part", "end"]
    ends = [0, *(i + 1 for i, byte in enumerate(whole) if byte == 10)]
    for change, content in changes(whole).items():
        (tmp_path / JOURNAL).write_bytes(content)
        found = read_journal(tmp_path / JOURNAL)
        place = int(change.split()[1])
        n_intact = sum(end <= place for end in ends) - 1
        assert found.records == records[:n_intact] and found.n_bytes == ends[n_intact], change
        is_torn = change.startswith("first") or place == len(whole) - 1  # as a kill leaves it
        assert bool(found.damage) != is_torn, change
    print(f"{len(changes(whole))} changes of {len(whole)} bytes")


def test_a_journal_goes_on_after_its_last_intact_line(tmp_path):
    whole = journal(tmp_path)
    (tmp_path / JOURNAL).write_bytes(whole[:-5])
    Journal(tmp_path / JOURNAL, read_journal(tmp_path / JOURNAL)).append(RECORDS[2])
    assert (tmp_path / JOURNAL).read_bytes() == whole


@pytest.mark.parametrize(
    "line", [b'{"n": 0}', b"[" * 100_000, b'{"n": 1, "kind": "begin"}', b"[0]"], ids=["short", "deep", "number", "list"]
)
def test_a_journal_made_by_hand_is_read_as_far_as_it_is_one(line, tmp_path):
    import zlib

    (tmp_path / JOURNAL).write_bytes(b"%08x %s\n" % (zlib.crc32(line), line))
    found = read_journal(tmp_path / JOURNAL)
    assert found.records == ([{"n": 0}] if line == b'{"n": 0}' else []) and bool(found.damage) != bool(found.records)


def test_a_changed_byte_of_a_checkpoint_is_noticed(tmp_path):
    folder = RunFolder(tmp_path / "run")
    tree = {"members": [np.arange(3.0), np.array(True)], "left": None}
    entry = folder.write("part-0000", tree)
    file = tmp_path / "run" / entry["file"]
    whole = file.read_bytes()
    np.testing.assert_array_equal(folder.read(entry)["members"][0], np.arange(3.0))
    for change, content in changes(whole).items():
        file.write_bytes(content)
        assert folder.read(entry) is None, change
    print(f"{len(changes(whole))} changes of {len(whole)} bytes")
    file.unlink()
    assert folder.read(entry) is None
    folder.release()


@pytest.mark.parametrize("name", ["../part.safetensors", "/etc/passwd", "a/b"])
def test_a_record_names_no_file_outside_its_folder(name, tmp_path):
    folder = RunFolder(tmp_path / "run")
    entry = folder.write("part-0000", [np.zeros(3)])
    (tmp_path / "part.safetensors").write_bytes((tmp_path / "run" / entry["file"]).read_bytes())
    assert folder.read(entry) is not None and folder.read({**entry, "file": name}) is None
    folder.release()


def flip(file: Path, share: float) -> None:
    content = bytearray(file.read_bytes())
    content[int(share * len(content))] ^= 255
    file.write_bytes(content)


@pytest.mark.parametrize(("pattern", "share"), each_value([JOURNAL, "part-0000*", "part-0001*"], [0.7, 0.99]))
def test_a_damaged_record_costs_training_and_not_the_result(pattern, share, tmp_path, monkeypatch):
    n_events = len(count_events(monkeypatch, without_xla, tmp_path / "whole"))
    kill_at(monkeypatch, without_xla, tmp_path / "run", n_events - 8)
    (file,) = (tmp_path / "run").glob(pattern)
    flip(file, share)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = without_xla(run=tmp_path / "run")
    plain = without_xla()
    assert "damaged" in " ".join(path.notes[len(plain.notes) :])
    assert_equal(path, plain, notes=False)
    assert files(tmp_path / "run") == FINISHED


@pytest.mark.full
@pytest.mark.parametrize("kind", ["journal", "checkpoint"])
def test_a_byte_of_a_killed_run_that_changes_costs_training_and_not_the_result(kind, tmp_path, monkeypatch):
    """A damaged line or checkpoint is a note; only a last line that a kill may have torn is none."""
    events, killed = count_events(monkeypatch, without_xla, tmp_path / "whole"), tmp_path / "killed"
    lines = [number for number, event in enumerate(events) if event == "before append"]
    kill_at(monkeypatch, without_xla, killed, lines[7])
    last = read_journal(killed / JOURNAL).records[-1]
    assert last["part"] == 1 and not last["finished"], "a finished part, and a checkpoint"
    name = JOURNAL if kind == "journal" else last["file"]
    whole, plain = (killed / name).read_bytes(), without_xla()
    end_of_first, end_of_last = whole.find(b"\n"), whole.rfind(b"\n")
    places, quiet = np.linspace(0, len(whole) - 1, 60).astype(int).tolist(), list[int]()
    if kind == "journal":
        places.append(end_of_last)
    for place in places:
        folder = tmp_path / f"{place}"
        shutil.copytree(killed, folder)
        (folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "journal" and place <= end_of_first:
                with pytest.raises(ValueError, match="damaged at its beginning"):
                    without_xla(run=folder)
                continue
            path = without_xla(run=folder)
        assert_equal(path, plain, notes=False)
        assert files(folder) == FINISHED
        if "damaged" not in " ".join(path.notes[len(plain.notes) :]):
            quiet.append(place)
    assert all(kind == "journal" and place >= end_of_last for place in quiet), quiet
    print(f"{len(places)} bytes of {len(whole)}, {len(quiet)} of them without a note")


@pytest.mark.parametrize("name", ["arrays.npz", "path.json", "template.keras"])
def test_a_damaged_result_is_trained_again(name, tmp_path):
    plain = without_xla(run=tmp_path)
    flip(tmp_path / name, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = without_xla(run=tmp_path)
    assert "is trained again" in path.notes[-1]
    assert_equal(path, plain, notes=False)


def test_a_damaged_beginning_is_an_error_that_says_so(tmp_path):
    without_xla(run=tmp_path)
    flip(tmp_path / JOURNAL, 0.0)
    with pytest.raises(ValueError, match="damaged at its beginning"):
        without_xla(run=tmp_path)


def test_a_record_of_another_schema_is_an_error_that_says_so(tmp_path):
    Journal(tmp_path / JOURNAL, read_journal(tmp_path / JOURNAL)).append({"kind": "begin", "schema": 99})
    with pytest.raises(ValueError, match="with a run in schema 99, written by another version"):
        without_xla(run=tmp_path)


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "part"},
        {"kind": "part", "part": 0, "finished": True},
        {"kind": "chunk"},
        {},
        {"kind": "part", "part": {}},
    ],
    ids=["no part", "no seconds", "no chunk", "no kind", "another type"],
)
def test_an_entry_made_by_hand_is_an_error_that_says_so(entry, tmp_path):
    without_xla(run=tmp_path)
    Journal(tmp_path / JOURNAL, read_journal(tmp_path / JOURNAL)).append(entry)
    for read in (lambda: without_xla(run=tmp_path), lambda: read_status(tmp_path)):
        with pytest.raises(ValueError, match="with an entry that cannot be read"):
            read()


DTYPES = ["float32", "float64", "float16", "int32", "int64", "uint8", "bool", "complex64", ml_dtypes.bfloat16]
LEAVES = st.one_of(
    st.none(), st.integers(-(2**40), 2**40), st.booleans(), st.text(),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: st.builds(
            lambda shape, fill: np.full(shape, fill).astype(dtype),
            arrays.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=3), st.integers(0, 1),
        )
    ),
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda part: st.one_of(
        st.lists(part, max_size=3), st.lists(part, max_size=3).map(tuple), st.dictionaries(st.text(), part, max_size=3)
    ),
)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if type(one) is not type(other) or isinstance(one, (list, tuple, dict)) and len(one) != len(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return all(map(same, one, other)) if isinstance(one, (list, tuple)) else one == other


@given(TREES)
def test_a_tree_is_read_as_it_was_written(tree):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_tree(Path(folder, "tree"), tree)
        assert same(read_tree(Path(folder, "tree")), tree)
