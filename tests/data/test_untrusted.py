"""Files from strangers are refused before anything large is allocated, unpacked or run."""

import io
import json
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from shrinkage._data._untrusted import check_model_file, read_arrays, read_json

LITTLE = 4 * 2**20
"""Bytes that reading may take: far less than the files claim."""


def _header(shape: str, dtype: str = "<f8") -> bytes:
    """Return the beginning of a .npy file that claims a shape."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def _archive(file: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def _link(file: Path) -> Path:
    member = zipfile.ZipInfo("assets/x")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, "/etc/passwd")
    return file


def _twice(file: Path) -> Path:
    with zipfile.ZipFile(file, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.json", "{}")
        archive.writestr("config.json", "[]")
    return file


def _overlapping(file: Path, n_members: int = 500) -> Path:
    """Write an archive whose members are all the same bytes, so that it unpacks to far more than its size."""
    content = bytes(100_000)
    entry = _archive(file, {"a.npy": content}).read_bytes()
    body, directory = (
        entry[: entry.index(b"PK\x01\x02")],
        entry[entry.index(b"PK\x01\x02") : entry.index(b"PK\x05\x06")],
    )
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, n_members, n_members, len(directory) * n_members, len(body), 0)
    names = (directory.replace(b"a.npy", f"{number:05}".encode()) for number in range(n_members))
    file.write_bytes(body + b"".join(names) + end)
    return file


def _saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


ARRAYS = {
    "a bomb": lambda file: _archive(file, {"a.npy": _saved(np.zeros(2**22))}, zipfile.ZIP_DEFLATED),
    "a shape of terabytes": lambda file: _archive(file, {"a.npy": _header("(1000000, 1000000)")}),
    "texts of no characters": lambda file: _archive(file, {"a.npy": _header("(1000000000000,)", "<U0")}),
    "a negative shape": lambda file: _archive(file, {"a.npy": _header("(-1, 8)") + bytes(64)}),
    "a shape of words": lambda file: _archive(file, {"a.npy": _header("('a',)")}),
    "code in a header": lambda file: _archive(file, {"a.npy": _header("__import__('os').getcwd()")}),
    "a header of brackets": lambda file: _archive(file, {"a.npy": b"\x93NUMPY\x01\x00\x98\x3a" + b"(" * 15000}),
    "objects": lambda file: _archive(file, {"a.npy": _saved(np.array([{}], object))}),
    "a field of objects": lambda file: _archive(file, {"a.npy": _saved(np.zeros(1, [("a", "O")]))}),
    "no array": lambda file: _archive(file, {"a.npy": b"hello"}),
    "overlapping members": _overlapping,
    "no archive": lambda file: Path(file.write_bytes(b"hello") and file),
    "an empty file": lambda file: Path(file.write_bytes(b"") or file),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_of_a_stranger_are_refused_before_they_are_allocated(tmp_path, case):
    file = ARRAYS[case](tmp_path / "arrays.npz")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            read_arrays(file)
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()


def test_arrays_that_numpy_saved_are_read_whatever_their_names(tmp_path):
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "../x": np.array(["é"]),
        "": np.zeros((0, 3)),
        "f": np.ones((2, 2), order="F"),
    }
    np.savez(tmp_path / "a.npz", **arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert [*found] == [*arrays]
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"], "a name is no place"


MODELS = {
    "a place above": lambda file: _archive(file, {"config.json": b"{}", "../../x": b"x"}),
    "a place above, as in Windows": lambda file: _archive(file, {"assets\\..\\..\\x": b"x"}),
    "an absolute place": lambda file: _archive(file, {"/tmp/x": b"x"}),
    "a drive": lambda file: _archive(file, {"C:/x": b"x"}),
    "a link": _link,
    "a file twice": _twice,
    "a bomb": lambda file: _archive(file, {"model.weights.h5": bytes(2**28 + 1)}, zipfile.ZIP_DEFLATED),
    "no archive": lambda file: Path(file.write_bytes(b"hello") and file),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_model_file_of_a_stranger_is_refused_before_it_is_unpacked(tmp_path, case):
    file = MODELS[case](tmp_path / "model.keras")
    with pytest.raises(ValueError, match="archive"):
        check_model_file(file)
    assert [each.name for each in tmp_path.iterdir()] == ["model.keras"]


JSON = {
    "too deep": (b"[" * 100_000, "lists within lists|Expecting value"),
    "too deep, closed": (b"[" * 100_000 + b"]" * 100_000, "lists within lists"),
    "a number of many digits": (b"9" * 100_000, "limit"),
    "empty": (b" \n", "^path.json is empty$"),
    "not UTF-8": (b"\xff{}", "^path.json is not text in UTF-8$"),
    "cut off": (b'{"a": ', "^path.json is not JSON: Expecting value"),
}


@pytest.mark.parametrize("case", JSON)
def test_json_of_a_stranger(tmp_path, case):
    content, words = JSON[case]
    (tmp_path / "path.json").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_json(tmp_path / "path.json")


def test_json_of_gigabytes_is_not_read(tmp_path):
    with (tmp_path / "path.json").open("wb") as file:
        file.truncate(2**33)  # takes no room on the disk
    tracemalloc.start()
    with pytest.raises(ValueError, match="path.json has more than"):
        read_json(tmp_path / "path.json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


@pytest.mark.parametrize("read", [read_json, read_arrays, check_model_file])
def test_a_pipe_is_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="not a regular file"):
        read(tmp_path / "pipe")


def test_json_that_is_fine(tmp_path):
    (tmp_path / "path.json").write_text(json.dumps({"a": [1, 2.5, "é", None]}), "utf-8")
    assert read_json(tmp_path / "path.json") == {"a": [1, 2.5, "é", None]}
