"""Files that are damaged, or change while they are read, and rows that cannot be read."""

import bz2
import gzip
import lzma
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shrinkage.cli._errors import BadInput
from shrinkage.cli._prepare import TableData, TableOptions, prepare_table
from shrinkage.cli._skipped import NAME
from shrinkage.cli._table import MISSING
from shrinkage.cli._tables import Files, find_sources, read_table

ROWS = [f"{i},{i * i % 7},{i}" for i in range(1, 60)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name: str, lines: list[str | bytes]) -> Path:
    content = [line.encode() if isinstance(line, str) else line for line in lines]
    Path(name).write_bytes(b"\n".join([b"a,b,y", *content, b""]))
    return Path(name)


def with_row(row: str | bytes, at: int = 30, name: str = "t.csv", other: str | None = None) -> Path:
    """Write a table with a row in line `at`, and perhaps other text in line 2."""
    lines: list[str | bytes] = [*ROWS]
    lines[0] = other or lines[0]
    lines.insert(at - 2, row)
    return write(name, lines)


BAD = [
    ("7,8", "line 30: the row has 2 cells, and the header 3 names: '7,8'"),
    ("7,8,9,10", "line 30: the row has 4 cells, and the header 3 names (a cell that holds"),
    ('7,"8,9', "line 30: a quote opens and does not close: '7,\"8,9'"),
    (b"7,\xff,9", r"line 30, column b: the bytes are not text in the encoding of the file: '7,\\xff,9'"),
    (b"7,\0,9", "line 30, column b: the bytes are not text"),
    ("7,8,none", "line 30, column y: the target is not a finite number: 'none'"),
    ("7,8,inf", "line 30, column y: the target is not a finite number: 'inf'"),
]


@pytest.mark.parametrize(("row", "words"), BAD)
def test_a_bad_row_is_named_or_left_out(row, words):
    """The letter in line 2 makes the file UTF-8: otherwise a byte 255 would be a letter of cp1252."""
    file = with_row(row, other="é,1,1")
    with pytest.raises(BadInput) as refusal:
        prepare_table(file, "y", None, 5)
    assert f"t.csv, {words}" in refusal.value.message and "--on-bad-row skip" in refusal.value.message
    found = prepare_table(file, "y", None, 5, TableOptions(on_bad_row="skip"))
    assert (
        len(found.skipped_rows) == 1
        and f"skipped: 1 row, which {NAME} lists; the first is t.csv, {words}" in found.describe()
    )
    whole = prepare_table(write("whole.csv", ["é,1,1", *ROWS[1:]]), "y", None, 5)
    np.testing.assert_array_equal(np.hstack(found.encode()), np.hstack(whole.encode()))
    np.testing.assert_array_equal(found.target.values, whole.target.values)
    assert np.ptp(found.target.values) > 1


def test_skipped_rows_are_written_with_their_places():
    file = with_row("7,8", at=30)
    found = prepare_table([file, with_row("7,8,x", 12, "u.csv")], "y", None, 5, TableOptions(on_bad_row="skip"))
    found.skipped_rows.save(Path())
    assert pd.read_csv(NAME)[["file", "line", "column", "text"]].fillna("").to_numpy().tolist() == [
        ["t.csv", 30, "", "7,8"],
        ["u.csv", 12, "y", "x"],
    ]
    assert found.to_document()["rows_skipped"] == 2


def test_a_line_number_counts_the_lines_of_comments_titles_and_cells():
    file = write("t.csv", ["# note", '1,"two', 'lines",3', "", *ROWS, "7"])
    with pytest.raises(BadInput, match=f"t.csv, line {len(ROWS) + 6}: the row has 1 cell,"):
        read_table(file)


def test_every_row_after_a_quote_that_does_not_close_is_read():
    file = write("t.csv", ['"1,2,3', *ROWS])
    lines: list[str] = []
    table = Files(find_sources([file])).read(on_bad_row=lambda row: lines.append(f"{row.line} {row.reason}"))
    assert lines == ["2 a quote opens and does not close"] and table.frame["a"].tolist() == [
        row.split(",")[0] for row in ROWS
    ]


@pytest.mark.parametrize("later", ['4,"5",6', '4,5",6'], ids=["a cell in quotes", "a quote at the end of a cell"])
def test_a_quote_that_closes_in_a_later_row_is_found(later):
    """The rows between would be text of one cell, without a word."""
    file = write("t.csv", ["1,2,3", '1,"2,3', *ROWS[:5], later, *ROWS[5:]])
    lines: list[str] = []
    table = Files(find_sources([file])).read(on_bad_row=lambda row: lines.append(f"{row.line} {row.reason}"))
    assert lines == ["3 a quote opens and does not close"] and len(table.frame) == len(ROWS) + 2


@pytest.mark.parametrize("cell", ["two\nlines", "a,b\nc,d\ne", 'say "so"\nand\n"so"'])
def test_a_cell_may_have_lines(cell):
    file = write("t.csv", ["1,2,3", f'1,"{cell.replace(chr(34), 2 * chr(34))}",3', *ROWS])
    table = read_table(file)
    assert len(table.frame) == len(ROWS) + 2 and table.frame["b"].iloc[1] == cell and table.notes == ()


def test_blank_lines_between_rows_are_said():
    assert read_table(write("t.csv", [*ROWS[:4], "", ",,,", *ROWS[4:], "", ""])).notes == (
        "left out: 2 blank lines between rows",
    )
    assert read_table(write("u.csv", [*ROWS, "", ""])).notes == ()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_most_lines_decide_the_encoding(share):
    """Text in cp1252 with a few letters that are also UTF-8, and UTF-8 with a few damaged lines."""
    n_windows = int(share * 20)
    windows = ["ü,2,3".encode("cp1252")] * n_windows
    bad: list[int] = []
    table = Files(find_sources([write("t.csv", [*windows, *["ü,2,3"] * (20 - n_windows)])]))
    found = table.read(on_bad_row=lambda row: bad.append(row.line))
    if share > 0.5:
        assert bad == [] and found.frame["a"].tolist() == ["ü"] * n_windows + ["Ã¼"] * (20 - n_windows)
        assert "cp1252" in found.notes[0]
    else:
        assert bad == list(range(2, n_windows + 2)) and set(found.frame["a"]) == {"ü"} and not found.notes


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("ending", [*PACKERS, "parquet"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_truncated_file_is_refused(ending, share):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20_000, 3)), columns=["a", "b", "y"])
    file = Path(f"t.{ending}")
    if ending == "parquet":
        frame.to_parquet(file)
    else:
        file.write_bytes(PACKERS[ending](frame.to_csv(index=False).encode()))
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    words = rf"t\.{ending}, which is (compressed .* and damaged|not a readable Parquet file)"
    with pytest.raises(BadInput, match=words):
        read_table(file)


@pytest.mark.parametrize("change", ["delete", "replace"])
@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_file_that_changes_between_two_readings_is_refused(change, name):
    frame = pd.DataFrame({"a": np.arange(3000.0), "y": np.arange(3000.0)})
    save = frame.to_csv if name.endswith("csv") else frame.to_parquet
    save(name, index=False)
    table = Files(find_sources([Path(name)])).read(limit=10_000)
    assert not table.is_whole and sum(len(rows.frame) for rows in table.read_chunks()) == 3000
    if change == "delete":
        os.remove(name)
    else:
        frame.iloc[::-1].to_csv(name, index=False)
        os.utime(name, ns=(0, 0))
    with pytest.raises(BadInput, match="disappeared" if change == "delete" else "changed"):
        list(table.read_chunks())


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        ([], {}, "t.csv, with a header and no rows"),
        (["1,2,3"] * 9, {"group": "b"}, "Received: 5 for 1 group of --group b"),
        ([f"{i},{i % 3},{i}" for i in range(30)], {"group": "b"}, "Received: 5 for 3 groups of --group b"),
        (["1,2,3"] * 3, {}, "Received: 5 for 3 rows with a target"),
    ],
)
def test_tables_that_cannot_be_split(lines, options, words):
    with pytest.raises(BadInput, match=words):
        prepare_table(write("t.csv", lines), "y", None, 5, TableOptions(**options))


def test_times_without_order_and_with_ties_are_noted():
    found = prepare_table(
        write("t.csv", [f"{i % 7},{i // 7 * -1},{i}" for i in range(60)]), "y", None, 4, TableOptions(time="b")
    )
    notes = " ".join(found.split.notes)
    assert "not in the order of b" in notes and "in 4 folds the first held-out row has the same b" in notes


@pytest.mark.full
def test_a_table_of_ten_thousand_columns_is_read():
    values = np.random.default_rng(0).integers(0, 9, (100, 10_000))
    frame = pd.DataFrame(values, columns=[f"c{i}" for i in range(10_000)])
    frame.to_csv("t.csv", index=False)
    read = read_table(Path("t.csv")).frame
    assert read.shape == (100, 10_000) and read.to_numpy().astype(int).tolist() == values.tolist()


def test_missing_cells_are_those_of_pandas():
    frame = pd.DataFrame({"a": [*MISSING, "no", "nil", "-"], "b": "x"})
    frame.to_csv("t.csv", index=False)
    expected = pd.Series(pd.read_csv("t.csv", dtype=str, na_values=["?"])["a"]).isna()
    assert (
        read_table(Path("t.csv")).frame["a"].isna().tolist() == expected.tolist() == [True] * len(MISSING) + [False] * 3
    )


def test_unused_columns_of_parquet_are_not_read(monkeypatch):
    frame = pd.DataFrame({"a": np.arange(60.0) % 7, "b": [[1]] * 60, "y": np.arange(60.0)})
    frame.to_parquet("t.parquet")
    wanted = []
    import pyarrow.parquet

    read = pyarrow.parquet.ParquetFile.iter_batches
    monkeypatch.setattr(
        "pyarrow.parquet.ParquetFile.iter_batches",
        lambda self, size, columns: wanted.extend(columns) or read(self, size, columns=columns),
    )
    found: TableData = prepare_table(Path("t.parquet"), "y", None, 5, TableOptions(drop=("b",)))
    assert wanted == ["a", "y"] and found.columns.dropped == {"b": "--drop"}
