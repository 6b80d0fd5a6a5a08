"""What a file holds decides how it is read, and what goes wrong is one sentence."""

import bz2
import gzip
import lzma

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage.cli._errors import BadInput
from shrinkage.cli._numerals import CsvFacts
from shrinkage.cli._prepare import prepare_table
from shrinkage.cli._tables import read_table
from tests.cli.files import parquet, write, zipped, zstd

TEXT = "a,b\n1,x\n2,y\n"


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.zip", "t.parquet", "t.xlsx", "t.json"])
@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        *(pack(TEXT.encode()) for pack in (gzip.compress, bz2.compress, lzma.compress, zstd)),
        zipped(**{"in/": b"", "in/t.csv": TEXT.encode(), "__MACOSX/._t.csv": b"x"}),
        gzip.compress(zipped(t=TEXT.encode())),
        gzip.compress(parquet(pd.DataFrame({"a": ["1", "2"], "b": ["x", "y"]}))),
        *(TEXT.encode(encoding) for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")),
        ("sep=;\r\n" + TEXT.replace(",", ";")).encode(),
        ("sep=|\n" + TEXT.replace(",", "|")).encode(),
        ("# made by a program, today\n#\n" + TEXT).encode(),
        (b"# a,b\n1,x\n2,y\n"),
        ("Sales, in total\n\n" + TEXT.replace(",", ";")).encode(),
        ("Sales,\n" + TEXT).encode(),
        (TEXT + "# the end\n").encode(),
        TEXT.replace("\n", "\r").encode(),
    ],
)
def test_a_table_is_read_whatever_it_is_called(tmp_path, content, name):
    frame = read_table(write(tmp_path, content, name)).frame
    assert frame.columns.tolist() == ["a", "b"] and frame.to_numpy().tolist() == [["1", "x"], ["2", "y"]]


def test_what_is_left_out_is_said_and_data_is_not(tmp_path):
    notes = read_table(write(tmp_path, "Sales\n" + TEXT + "# note\n# note\n")).notes
    assert notes == ("left out above the header: 'Sales'", "left out: 2 comment lines (#)")
    named = read_table(write(tmp_path, "#,name\n3,x\n#2,#y\n"))
    assert named.frame.to_dict("list") == {"#": ["3", "#2"], "name": ["x", "#y"]} and named.notes == ()
    quoted = 'a,b\n1,"x\n# no comment"\n'
    assert read_table(write(tmp_path, quoted)).frame["b"].tolist() == ["x\n# no comment"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(**{"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "spreadsheet (Excel)"),
        (zipped(a=b"1", b=b"2"), "a zip archive of 2 files: a, b."),
        (gzip.compress(b""), "is empty"),
        (bz2.compress(TEXT.encode())[:-5], "damaged"),
        (lzma.compress(TEXT.encode())[:-5], "damaged"),
        (zstd(TEXT.encode() * 99)[:-9], "damaged"),
        (zipped(a=b"1")[:-30], "cannot be unpacked here"),
        (b'[{"a": 1}, {"a": 2}]', "is JSON."),
        (b'{"a": 1}\n{"a": 2}\n', "lines=True"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"SQLite format 3\0 and more", "database"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "spreadsheet (Excel)"),
    ],
)
def test_other_formats_are_refused_with_a_way_out(tmp_path, content, words):
    with pytest.raises(BadInput) as refusal:
        read_table(write(tmp_path, content))
    assert words in str(refusal.value)


def test_an_index_of_parquet_is_a_column_if_it_has_a_name(tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=pd.Index([7, 8, 9], name="day"))
    assert read_table(write(tmp_path, parquet(frame))).frame.columns.tolist() == ["day", "a"]
    for index in (None, [5, 6, 9], ["x", "y", "z"]):
        unnamed = pd.DataFrame({"a": [1, 2, 3]}, index=index)
        assert read_table(write(tmp_path, parquet(unnamed))).frame.columns.tolist() == ["a"]


def test_a_separator_goes_with_text(tmp_path):
    file = write(tmp_path, parquet(pd.DataFrame({"a": [1.0]})))
    with pytest.raises(BadInput, match="--sep must be given for CSV only. Received: .*, which is a Parquet file"):
        read_table(file, CsvFacts(separator=","))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x05\x06" + bytes(18), "zip archive of no file. Give another file"),
        (b"<!-- saved --><TABLE><tr><td>1</td></tr></TABLE>", "web page"),
        ('{"a": 1, "y": 2}\n{"a": 2, "y": 3}\n'.encode("utf-16"), r"is JSON\. .*lines=True"),
        ("<html><body></body></html>".encode("utf-16"), "web page"),
        (b'<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en" dir="ltr" class="no-js">', "web page"),
        (b"@relation r\n@attribute a numeric\n@data\n1\n", "loadarff"),
        (bytes(12) + b"\xc2\xea\x81\x60" + bytes(200), "neither Parquet nor UTF-8 text"),  # SAS
        (zipped(**{"x.npy": b"1", "y.npy": b"2"}), "an archive of NumPy arrays"),
        (zipped(mimetype=b"application/vnd.oasis.opendocument.spreadsheet"), "OpenDocument"),
        (bytes(257) + b"ustar" + bytes(250), "tar"),
        (b"a,b\n1,2,3\n1,2,3\n", "line 2: the row has 3 cells, and the header 2 names .*every column needs a name"),
        (b"sep=,\nTitle\n\n# note\na,b\n1,2\n# note\n1,2,3\n" + b"1,2\n" * 9, "line 8: the row has 3 cells"),
    ],
)
def test_what_is_no_table_is_said_with_a_way_out(tmp_path, content, words):
    with pytest.raises(BadInput, match=words):
        read_table(write(tmp_path, content))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_names_in_angle_brackets_are_no_page(tmp_path, separator):
    table = read_table(write(tmp_path, f"<DATE>{separator}<OPEN>\n1{separator}2\n"))
    assert table.frame.columns.tolist() == ["<DATE>", "<OPEN>"]


def test_a_table_with_another_separator_names_the_way_to_say_it(tmp_path):
    rows = "".join(f"{i * i % 13}|{i * 7 % 5}\n" for i in range(20))
    with pytest.raises(BadInput, match=r"single column 'a\|y'\. Give --sep '\|'\."):
        prepare_table(write(tmp_path, "a|y\n" + rows), "y", None, 2)
    assert prepare_table(write(tmp_path, "sep=|\na|y\n" + rows), "y", None, 2).columns.target == "y"


def test_names_that_repeat_in_parquet(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0], "y": [1.0, 2.0]}, index=pd.Index([1, 2], name="a"))
    with pytest.raises(BadInput, match="with the same name for several columns: a. Rename"):
        read_table(write(tmp_path, parquet(frame)))


# --- anything

PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


@given(st.lists(st.lists(PRINTABLE, min_size=2, max_size=3), min_size=1, max_size=12), st.sampled_from(",;\t"))
def test_any_printable_cells_are_read_or_refused_in_a_sentence(tmp_path_factory, rows, separator):
    file = write(tmp_path_factory.mktemp("any"), "\n".join(map(separator.join, rows)))
    try:
        table = read_table(file)
        prepare_table(file, table.frame.columns[0], None, 2)
    except BadInput as refusal:
        assert refusal.message and "Traceback" not in refusal.message
