"""What a file holds decides how it is read, and what goes wrong is one sentence."""

import bz2
import gzip
import io
import json
import lzma
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import shrinkage as sh
from shrinkage.cli import main
from shrinkage.cli._columns import Columns
from shrinkage.cli._encoder import matrix, odd_cells, read_cells
from shrinkage.cli._errors import BadInput
from shrinkage.cli._infer import infer_columns
from shrinkage.cli._numerals import Known
from shrinkage.cli._prepare import Wishes, prepare
from shrinkage.cli._tables import read_table
from shrinkage.cli._target import read_target

TEXT = "a,b\n1,x\n2,y\n"


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def zstd(content: bytes) -> bytes:
    return pyarrow.compress(content, codec="zstd", asbytes=True)


def parquet(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream)
    return stream.getvalue()


def write(folder: Path, content: bytes | str, name: str = "t.csv") -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


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
        (b'[{"a": 1}, {"a": 2}]', "is JSON"),
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


# --- columns


@pytest.mark.parametrize(
    "values", [1.7e12 + np.arange(120.0) * 1000, 1e15 + np.arange(120.0), 1e6 + 1e-3 * np.arange(120)]
)
def test_large_numbers_close_together_are_not_constant(values):
    frame = pd.DataFrame({"t": values[::-1]})
    (column,), _, dropped, _ = infer_columns(frame)
    columns = Columns("y", "regression", (), (column,), (), dropped)
    encoded = matrix(columns, read_cells(columns, frame))[:, 0]
    exact = (values - column.centre)[::-1]
    np.testing.assert_allclose(encoded * column.scale, exact, atol=1e-6 * np.ptp(values))


def test_numbers_that_float64_cannot_tell_apart_are_not_called_constant():
    with pytest.raises(BadInput, match="same first 16 digits"):
        infer_columns(pd.DataFrame({"t": [str(10**18 + i) for i in range(60)]}))


@pytest.mark.parametrize(
    ("cells", "n_odd"),
    [
        ([*map(str, range(100, 219)), "oops"], 1),
        ([*map(str, range(100, 190)), *["n.a."] * 30], 30),
        ([*(f"{i},5" for i in range(119)), "oops"], 1),
        (["true", "false"] * 59 + ["true", "oops"], 1),
        (["1", "2", "3"] * 39 + ["3", "2", "oops"], 1),
    ],
)
def test_odd_cells_among_numbers_are_missing_ones(tmp_path, cells, n_odd):
    frame = pd.DataFrame({"z": cells, "y": np.arange(len(cells)) ** 2})
    frame.to_csv(tmp_path / "t.csv", index=False, sep=";")
    prepared = prepare(tmp_path / "t.csv", "y", None, 5)
    (column,) = prepared.columns.numbers
    assert prepared.odd == {"z": {cells[-1]: n_odd}} and column.marks == (cells[-1],)
    assert f"z {n_odd} (such as '{cells[-1]}')" in prepared.describe()
    alone = pd.DataFrame({"z": [cells[-1]]})
    assert np.isnan(read_cells(prepared.columns, alone)["z"]).all() and odd_cells(prepared.columns, alone)


def test_categories_stay_categories():
    cells = ["1", "2", "3", "other"] * 6 + ["1", "2", "3"] * 32
    _, (column,), *_ = infer_columns(pd.DataFrame({"c": cells[::-1]}))
    assert "other" in column.categories
    as_numbers, _, *_ = infer_columns(pd.DataFrame({"c": cells[::-1]}), number=["c"])
    assert as_numbers[0].marks == ("other",)
    _, (coded,), *_ = infer_columns(pd.DataFrame({"c": pd.Series([1, 2, 3] * 20, dtype="category")}))
    assert coded.categories == ("1", "2", "3")


def test_more_categories_than_the_limit():
    frame = pd.DataFrame({"c": [f"c{i}" for i in range(250)] * 8, "a": np.arange(2000) % 7})
    _, categories, dropped, _ = infer_columns(frame)
    assert not categories and "limit is 100" in dropped["c"] and "unique" not in dropped["c"]
    _, (every,), *_ = infer_columns(frame, category=["c"])
    assert len(every.categories) == 250
    frame.loc[:99, "c"] = ["c0", "c1"] * 50
    _, (two,), *_ = infer_columns(frame)
    assert {"c0", "c1"} <= set(two.categories) and two.other
    assert len(two.categories) + two.n_beyond == 250


def test_categories_beyond_the_limit_are_said(tmp_path):
    names = [f"c{i % 150}" for i in range(1500)] + ["c0", "c1"] * 50
    frame = pd.DataFrame({"c": names, "y": np.arange(1600.0) ** 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = prepare(tmp_path / "t.csv", "y", None, 2, Wishes(model="linear")).describe()
    assert "categories beyond the 100 with an input each, which share one: c 148; --category NAME gives each" in words


def test_a_separator_goes_with_text(tmp_path):
    file = write(tmp_path, parquet(pd.DataFrame({"a": [1.0]})))
    with pytest.raises(BadInput, match="--sep goes with CSV, and .* is a Parquet file"):
        read_table(file, Known(separator=","))


def test_what_the_user_says_of_columns(tmp_path):
    n = 60
    frame = pd.DataFrame(
        {"id": range(n), "zip": ["01", "02"] * 30, "x": np.append(np.arange(n - 1) % 9, 1e6), "y": np.arange(n) ** 2}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    told = prepare(tmp_path / "t.csv", "y", None, 5, Wishes(drop=("x",), number=("id",), category=("zip",)))
    assert told.columns.names == ("id", "zip") and told.columns.dropped == {"x": "--drop"}
    clipped, free = (
        prepare(tmp_path / "t.csv", "y", None, 5, Wishes(clip=clip, model="net.py:make")).encode()[0][:, 0].max()
        for clip in (True, False)
    )
    assert clipped > 3 and 7 < free < 8  # of one in sixty, (n - 1) / sqrt(n - 1)
    for wishes, words in (
        (Wishes(drop=("X",)), "--drop X: there is no column X in the data; did you mean x?"),
        (Wishes(number=("y",)), "y is the target"),
        (Wishes(number=("x",), category=("x",)), "contradict"),
    ):
        with pytest.raises(BadInput) as refusal:
            prepare(tmp_path / "t.csv", "y", None, 5, wishes)
        assert words in str(refusal.value)


# --- the target


@pytest.mark.parametrize(
    ("cells", "option"),
    [
        ([1, 2, 3, 4] * 15, "--task multi-class"),
        ([1, 2, 3, 4] * 30, "--task regression"),
        ([0.5, 1.5, 2.5] * 30, "--task multi-class"),
        ([0, 1] * 30, "--task regression"),
        (np.linspace(0, 1, 60), None),
        (["a", "b", "c"] * 20, None),
    ],
)
def test_the_other_task_is_named(cells, option):
    reason = read_target(pd.Series(cells, name="y"), None).reason
    assert (option in reason) if option else ("--task" not in reason)


def test_a_targets_error_shows_the_bad_cell():
    cells = pd.Series([*map(str, range(59)), "oops"], name="y")
    for task in (None, "regression"):
        with pytest.raises(BadInput, match="1 of 60 cells.*'oops'"):
            read_target(cells, task)
    assert read_target(pd.Series([1, 2, 3] * 20, name="y", dtype="category"), None).task == "multi-class"


# --- options and errors


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((o, v) for o in ("--learning-rate", "--rho") for v in ("nan", "inf", "-inf")),
        ("--seed", 10**30),
        ("--epochs", 10**12),
    ]
    + [("--hidden", 10**9), ("--hidden", "nan"), ("--folds", "nan"), ("--batch-size", "inf")],
)
def test_numbers_that_are_none_are_refused_as_json_too(tmp_path, option, value):
    asked = [
        "fit",
        str(write(tmp_path, TEXT)),
        "--target",
        "a",
        "--penalty",
        "elastic-net",
        option,
        str(value),
        "--format",
        "json",
    ]
    done = CliRunner().invoke(main, asked)
    document = json.loads(done.stdout)
    assert done.exit_code == 2 and option in document["error"] and document["exit_code"] == 2


def test_hidden_units_of_a_linear_model(tmp_path):
    asked = ["fit", str(write(tmp_path, TEXT)), "--target", "a", "--model", "linear", "--hidden", "8"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 2 and "--hidden goes with --model mlp" in done.stderr


def shell(folder: Path, limit: tuple[int, int] | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A process under a limit could not save its coverage, and would say so.
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, "-c", "from shrinkage.cli import main; main()", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**unmeasured, "PYTHONPATH": str(Path(sh.__file__).parents[1])},
        preexec_fn=(lambda: resource.setrlimit(limit[0], (limit[1], limit[1]))) if limit else None,
    )


def test_a_disk_without_room_costs_no_table(tmp_path):
    frame = pd.DataFrame({"a": np.arange(60.0)[::-1], "b": np.arange(60) % 7, "y": np.arange(60.0) ** 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    done = shell(
        tmp_path, (resource.RLIMIT_FSIZE, 20_000), "fit", "t.csv", "--target", "y", "--epochs", "1", "--folds", "2"
    )
    assert done.returncode == 2 and "was not written" in done.stderr and "Traceback" not in done.stderr
    assert "lambda" in done.stdout and not (tmp_path / "t-shrinkage").exists()


def test_memory_that_runs_out_is_a_sentence(tmp_path):
    write(tmp_path, b"a,b\n" + b"x" * 300_000_000 + b",1\n")
    done = shell(tmp_path, (resource.RLIMIT_AS, 700_000_000), "fit", "t.csv", "--target", "b")
    assert done.returncode == 3 and done.stderr.startswith("Error: memory ran out."), done.stderr[-500:]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x05\x06" + bytes(18), "zip archive of no file"),
        (b"<!-- saved --><TABLE><tr><td>1</td></tr></TABLE>", "web page"),
        ('{"a": 1, "y": 2}\n{"a": 2, "y": 3}\n'.encode("utf-16"), "is JSON, .*lines=True"),
        ("<html><body></body></html>".encode("utf-16"), "web page"),
        (b'<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en" dir="ltr" class="no-js">', "web page"),
        (b"@relation r\n@attribute a numeric\n@data\n1\n", "loadarff"),
        (bytes(12) + b"\xc2\xea\x81\x60" + bytes(200), "neither Parquet nor UTF-8 text"),  # SAS
        (zipped(**{"x.npy": b"1", "y.npy": b"2"}), "holds NumPy arrays"),
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
    with pytest.raises(BadInput, match=r"single column 'a\|y'.*sep=\|"):
        prepare(write(tmp_path, "a|y\n" + rows), "y", None, 2)
    assert prepare(write(tmp_path, "sep=|\na|y\n" + rows), "y", None, 2).columns.target == "y"


def test_categories_of_numbers_in_parquet(tmp_path):
    """Pandas reads them as numbers; the file says what they were."""
    codes = np.arange(40) % 4
    frame = pd.DataFrame({"code": pd.Categorical(codes), "same": codes, "y": pd.Categorical(codes % 3)})
    found = prepare(write(tmp_path, parquet(frame)), "y", None, 2)
    assert [c.name for c in found.columns.categories] == ["code"] and [c.name for c in found.columns.numbers] == [
        "same"
    ]
    assert found.target.task == "multi-class" and "--task regression" in found.target.reason


def test_names_that_repeat_in_parquet(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0], "y": [1.0, 2.0]}, index=pd.Index([1, 2], name="a"))
    with pytest.raises(BadInput, match="columns with the same name: a; rename"):
        read_table(write(tmp_path, parquet(frame)))


@pytest.mark.parametrize(("unit", "words"), [(1e300, "as large as"), (1e-300, "apart"), (1e31, "as large as")])
def test_a_target_that_float32_cannot_hold(unit, words):
    """Its predictions would be infinite or NaN."""
    with pytest.raises(BadInput, match=f"{words}.*another unit"):
        read_target(pd.Series(np.linspace(1, 2, 50) * unit, name="y"), None)


@pytest.mark.parametrize("times", [pd.date_range("2020", periods=30), pd.to_timedelta(np.arange(30), unit="s")])
def test_times_are_no_numbers(times):
    """Pandas would give nanoseconds, which `predict` would take for numbers far outside."""
    numbers = pd.DataFrame({"a": np.arange(30.0) ** 2, "b": np.arange(30) % 7})
    columns = Columns("y", "regression", (), *infer_columns(numbers))
    with pytest.raises(BadInput, match="column a should hold numbers; 30 of 30"):
        read_cells(columns, numbers.assign(a=times))
    with pytest.raises(BadInput, match="--number a: no cell is a number"):
        infer_columns(numbers.assign(a=times), number=["a"])


def test_columns_that_differ_in_case_are_named():
    numbers = pd.DataFrame({"a": np.arange(30.0) ** 2, "b": np.arange(30) % 7})
    columns = Columns("y", "regression", (), *infer_columns(numbers))
    with pytest.raises(BadInput, match="lacks a, .*; rename 'A' to 'a'"):
        read_cells(columns, numbers.rename(columns={"a": "A"}))


# --- anything

PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


@given(st.lists(st.lists(PRINTABLE, min_size=2, max_size=3), min_size=1, max_size=12), st.sampled_from(",;\t"))
def test_any_printable_cells_are_read_or_refused_in_a_sentence(tmp_path_factory, rows, separator):
    file = write(tmp_path_factory.mktemp("any"), "\n".join(map(separator.join, rows)))
    try:
        table = read_table(file)
        prepare(file, table.frame.columns[0], None, 2)
    except BadInput as refusal:
        assert refusal.message and "Traceback" not in refusal.message
