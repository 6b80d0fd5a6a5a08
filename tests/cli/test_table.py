"""Reading tables and understanding their columns."""

import csv
import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage.cli._errors import BadInput
from shrinkage.cli._table import read_table


def write(folder: Path, text: str | bytes, name: str = "data.csv") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


# --- reading


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators(tmp_path, separator):
    lines = [["a", "b b", "c"], ["1", "x", ""], ["2", '"p, q; r"', "?"]]
    table = read_table(write(tmp_path, "\n".join(separator.join(line) for line in lines))).frame
    assert table.columns.tolist() == ["a", "b b", "c"]
    assert table["b b"].tolist() == ["x", "p, q; r"]
    assert table["c"].dropna().empty


def test_one_column_is_a_table(tmp_path):
    assert read_table(write(tmp_path, "a\n1\n2\n")).frame.shape == (2, 1)


def test_decimal_commas_where_commas_do_not_separate(tmp_path):
    table = read_table(write(tmp_path, "a;b\n1,5;p,q\n2;r\n")).frame
    assert table["a"].tolist() == ["1.5", "2"]
    assert table["b"].tolist() == ["p,q", "r"]


THOUSANDS: dict[str, Any] = {
    "commas between thousands": (",", ["8,050.00", "12", "-1,234,567.5", ".5"], ["8050.00", "12", "-1234567.5", ".5"]),
    "commas between thousands alone": (",", ["1,234", "12,345"], ["1234", "12345"]),
    "decimal commas": (",", ["1,5", "0,25"], ["1.5", "0.25"]),
    "points between thousands": (";", ["1.234,5", "1.234.567", "7", "0,5"], ["1234.5", "1234567", "7", "0.5"]),
    "commas before three digits": (";", ["1,234", "2,345"], ["1.234", "2.345"]),
    "commas between thousands, points": (";", ["1,234.5", "2,345"], ["1234.5", "2345"]),
    "points before three digits": (";", ["1.234", "2.345"], ["1.234", "2.345"]),
    "lists": (",", ["1,2,3", "4,5,6"], ["1,2,3", "4,5,6"]),
    "both kinds": (",", ["0,5", "0.5"], ["0,5", "0.5"]),
    "prose": (",", ["1,234", "about 2,000"], ["1,234", "about 2,000"]),
}


@pytest.mark.parametrize(("separator", "cells", "expected"), THOUSANDS.values(), ids=THOUSANDS)
def test_separators_of_thousands(tmp_path, separator, cells, expected):
    frame = pd.DataFrame({"a": cells, "b": "x"})
    file = tmp_path / "data.csv"
    frame.to_csv(file, sep=separator, index=False)
    assert read_table(file).frame["a"].tolist() == expected


def test_byte_order_mark_spaces_and_blank_lines(tmp_path):
    table = read_table(write(tmp_path, "\ufeffa , b\n1 , x\n\n2, y \n")).frame
    assert table.columns.tolist() == ["a", "b"]
    assert table.to_numpy().tolist() == [["1", "x"], ["2", "y"]]


def test_windows_files_are_read_and_said(tmp_path):
    text = "Größe,Preis\n1,5 €\n"
    windows, utf8 = write(tmp_path, text.encode("cp1252"), "w.csv"), write(tmp_path, text, "u.csv")
    pd.testing.assert_frame_equal(read_table(windows).frame, read_table(utf8).frame)
    assert "cp1252" in str(read_table(windows).notes) and read_table(utf8).notes == ()
    read_table(utf8).frame.to_parquet(tmp_path / "p")
    assert read_table(tmp_path / "p").notes == ()


def test_codes_with_leading_zeros_keep_their_commas(tmp_path):
    table = read_table(write(tmp_path, "a;b\n007;0,5\n1,5;1,5\n"))
    assert table.frame["a"].tolist() == ["007", "1,5"] and table.frame["b"].tolist() == ["0.5", "1.5"]


def test_a_header_that_begins_as_bzip2_does_is_text(tmp_path):
    assert read_table(write(tmp_path, "BZh,b\n1,2\n")).frame.columns.tolist() == ["BZh", "b"]


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    file = write(tmp_path, "a\n1\n")

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(BadInput, match="data.csv cannot be read: Permission denied"):
        read_table(file)


def test_parquet_is_known_by_its_content(tmp_path):
    frame = pd.DataFrame({"a": [1.5, None], "b": ["x", None]})
    frame.to_parquet(tmp_path / "data.bin")
    assert read_table(tmp_path / "data.bin").frame["a"].tolist()[0] == 1.5


UNREADABLE: dict[str, Any] = {
    "nothing": ("", "is empty"),
    "blank lines": ("\n\n", "is empty"),
    "no rows": ("a,b\n", "has a header and no rows"),
    "names that repeat": ("a,b,a\n1,2,3\n", "columns with the same name: a"),
    "a long row": ("a,b\n1,2\n1,2,3\n", "not a regular table"),
    "long rows": ("a,b\n1,2,3\n1,2,3\n", "not a regular table"),
    "no encoding": (b"a,b\n\x81,2\n", "neither Parquet nor UTF-8 text"),
    "a part of Parquet": (b"PAR1 and no more", "not a readable Parquet file"),
    "a part of gzip": (gzip.compress(b"a,b\n1,2\n")[:-9], "is compressed \\(gzip\\) and damaged"),
}


@pytest.mark.parametrize(("text", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_files(tmp_path, text, message):
    with pytest.raises(BadInput, match=message):
        read_table(write(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        read_table(tmp_path / "no.csv")
    with pytest.raises(BadInput, match="is a folder; give the file"):
        read_table(tmp_path)


# --- any table that a program wrote

# What counts as missing is pandas' own list and "?"; spaces around a cell do not count.
WORDS = st.text(st.sampled_from("ab1.5-é,;\t\"' |"), max_size=6).map(str.strip).filter(lambda word: word != "")
NAMES = st.lists(WORDS, min_size=2, max_size=4, unique=True)


def as_number(cell: str) -> float:
    """A number with separators of thousands, or with a decimal comma."""
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return float(cell.replace(",", ""))


@given(st.data(), NAMES, st.sampled_from([",", ";", "\t"]))
def test_any_table_that_pandas_writes_is_read_back(tmp_path_factory, data, names, separator):
    rows = data.draw(
        st.lists(st.lists(WORDS | st.none(), min_size=len(names), max_size=len(names)), min_size=1, max_size=5)
    )
    frame = pd.DataFrame(rows, columns=names, dtype=object)
    file = tmp_path_factory.mktemp("any") / "data.csv"
    frame.to_csv(file, sep=separator, index=False, quoting=csv.QUOTE_ALL)
    table = read_table(file).frame
    assert table.columns.tolist() == names
    for name in names:
        got = [None if pd.isna(cell) else cell for cell in table[name]]
        wanted = frame[name].tolist()
        assert got == wanted or [cell and float(cell) for cell in got] == [cell and as_number(cell) for cell in wanted]
