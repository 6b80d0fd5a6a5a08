"""Reading tables and understanding their columns."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage.cli._columns import Columns
from shrinkage.cli._errors import BadInput
from shrinkage.cli._infer import infer_columns
from shrinkage.cli._tables import read_table
from shrinkage.cli._target import drop_unlabelled, read_target
from shrinkage.cli._values import as_categories, infer_kind


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


@pytest.mark.parametrize(
    ("separator", "cells", "expected"),
    [
        (",", ["8,050.00", "12", "-1,234,567.5", ".5"], ["8050.00", "12", "-1234567.5", ".5"]),
        (",", ["1,234", "12,345"], ["1234", "12345"]),
        (",", ["1,5", "0,25"], ["1.5", "0.25"]),
        (";", ["1.234,5", "1.234.567", "7", "0,5"], ["1234.5", "1234567", "7", "0.5"]),
        (";", ["1,234", "2,345"], ["1.234", "2.345"]),
        (";", ["1,234.5", "2,345"], ["1234.5", "2345"]),
        (";", ["1.234", "2.345"], ["1.234", "2.345"]),
        (",", ["1,2,3", "4,5,6"], ["1,2,3", "4,5,6"]),
        (",", ["0,5", "0.5"], ["0,5", "0.5"]),
        (",", ["1,234", "about 2,000"], ["1,234", "about 2,000"]),
    ],
)
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

    def refuse(self, mode):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BadInput, match="data.csv, which cannot be read: Permission denied"):
        read_table(file)


def test_parquet_is_known_by_its_content(tmp_path):
    frame = pd.DataFrame({"a": [1.5, None], "b": ["x", None]})
    frame.to_parquet(tmp_path / "data.bin")
    assert read_table(tmp_path / "data.bin").frame["a"].tolist()[0] == 1.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n", "with a header and no rows"),
        ("a,b,a\n1,2,3\n", "the same name for several columns: a"),
        (b"PAR1 and no more", "not a readable Parquet file"),
        (gzip.compress(b"a,b\n1,2\n")[:-9], "is compressed \\(gzip\\) and damaged"),
    ],
)
def test_unreadable_files(tmp_path, text, message):
    with pytest.raises(BadInput, match=rf"{message}.*\.$"):
        read_table(write(tmp_path, text))


def test_a_damaged_schema_of_parquet_is_refused_in_a_sentence(tmp_path):
    file = tmp_path / "t.parquet"
    pd.DataFrame({"a": [1, 2]}).to_parquet(file)
    start = file.read_bytes().index(b"ARROW:schema") + 40
    file.write_bytes(file.read_bytes()[:start] + b"\xfc" + file.read_bytes()[start + 1 :])
    with pytest.raises(BadInput, match=r"is not a readable Parquet file \(.*[a-z0-9]\)\. [^()]*\.$"):
        read_table(file)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        read_table(tmp_path / "no.csv")
    with pytest.raises(BadInput, match="is a folder. Give the file"):
        read_table(tmp_path)


# --- kinds


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2.5e3", None], "number"),
        (["true", "FALSE"], "boolean"),
        ([True, None], "boolean"),
        ([1, 2], "number"),
        (["1", "b"], "category"),
        (["00501", "10001"], "category"),
        (["0.5", "0"], "number"),
        (["inf", "1"], "number"),
        ([pd.Timestamp("2020-01-01")], None),
        ([[1], [2]], None),
        (["2024-05-01", None, "2024-05-02"], None),
        (["01/05/2024", "31/12/2023"], None),
        (["1.5.24 10:30", "2.5.24 9:05:10"], None),
        (["2024-05-01T10:30:00Z", "2024-05-01T10:30:00+02:00"], None),
        (["5 May 2024", "12-JUN-23"], None),
        (["May 5, 2024", "June 12, 2023"], None),
        (["08:30", "17:45"], None),
        (["10-12", "13-15"], "category"),
        (["1/2", "3/4"], "category"),
        (["1.2.103", "1.2.4"], "category"),
        (["40%", "7.5 %"], None),
        (["$8,050.00", "-$12"], None),
        (["EUR 5", "12"], None),
        (["8 050,5", "12"], None),
        (["1'234", "12"], None),
        (["0,5", "0.5"], None),
        (["40%"] * 19 + ["unknown"], None),
        (["40%", "half"], "category"),
        (["00501", "1,5"], "category"),
        (["A12", "B13"], "category"),
        (["1", "2", "3A"], "category"),
        (["10.0.0.1", "192.168.0.1"], "category"),
    ],
)
def test_kinds(cells, kind):
    assert infer_kind(pd.Series(cells, dtype=None if kind == "number" else object)) == kind


def test_whole_numbers_as_categories_do_not_depend_on_missing_neighbours():
    assert as_categories(pd.Series([1, 2])).tolist() == ["1", "2"]
    assert as_categories(pd.Series([1, None])).tolist() == ["1", ""]


def test_columns_that_say_nothing_are_dropped_with_the_reason():
    n = 40
    frame = pd.DataFrame(
        {
            "id": range(n, 0, -1),
            "name": [f"person {i}" for i in range(n)],
            "one": 1.0,
            "same": "x",
            "nearly": [1.0] + [0.0] * (n - 1),
            "empty": [None] * n,
            "when": pd.timedelta_range("1 day", periods=n),
            "used": [0.0, 1.0] * (n // 2),
            "filled": ["1", None] * (n // 2),
        }
    )
    numbers, categories, dropped, _ = infer_columns(frame)
    assert [column.name for column in numbers] == ["used"]
    assert [(column.name, column.categories) for column in categories] == [("filled", ("", "1"))]
    assert dropped.keys() == {"id", "name", "one", "same", "nearly", "empty", "when"}
    assert "nearly unique" in dropped["name"] and "an identifier" in dropped["id"] and "dates" in dropped["when"]


@pytest.mark.parametrize("first", [0, 1])
def test_a_column_that_numbers_the_rows_in_the_files_order_is_dropped_whatever_its_name(first):
    n = 40
    frame = pd.DataFrame({"PassengerId": np.arange(n) + first, "age": np.arange(n)[::-1], "t": [1.0, None] * (n // 2)})
    numbers, _, dropped, _ = infer_columns(drop_unlabelled(frame, "t").drop(columns="t"))
    assert [column.name for column in numbers] == ["age"] and dropped == {"PassengerId": "it numbers the rows"}


def test_why_text_is_not_used():
    n = 40
    frame = pd.DataFrame(
        {
            "share": [f"{i % 20}%" for i in range(n)],
            "hour": [f"{i % 24}:30" for i in range(n)],
            "day": ["01/02/2024", "03/02/2024"] * (n // 2),
            "used": [0.0, 1.0] * (n // 2),
        }
    )
    _, _, dropped, _ = infer_columns(frame)
    assert dropped == {
        "share": "it looks like numbers, written as '0%'; write 0% as 0",
        "hour": "times without a date, or dates of another format or several; write them as 2024-01-31 18:30",
        "day": "dates such as 01/02/2024, where the day or the month may be the first number",
    }


def test_missing_numbers_get_an_indicator_and_rare_categories_share_a_column():
    n = 100
    frame = pd.DataFrame({"x": np.arange(n) ** 2.0, "c": ["a"] * 60 + ["b"] * 34 + ["r1", "r2"] * 3})
    frame.loc[:9, "x"] = np.nan
    numbers, categories, *_ = infer_columns(frame)
    assert numbers[0].indicator and numbers[0].centre == np.median(np.arange(10, n) ** 2.0)
    assert categories[0].categories == ("a", "b") and categories[0].other


def test_infinite_numbers_are_all_named():
    frame = pd.DataFrame({"a": [1.0, np.inf, 2.0], "b": ["inf", "-inf", "3"], "c": [1.0, 2.0, 3.0]})
    with pytest.raises(BadInput, match=r"a \(1 of 3 rows\), b \(2 of 3 rows\)"):
        infer_columns(frame)


def test_numbers_that_float32_cannot_hold_are_dropped():
    frame = pd.DataFrame({"a": np.linspace(1, 2, 50) * 1e37, "b": np.arange(50) ** 2})
    numbers, _, dropped, _ = infer_columns(frame)
    assert [column.name for column in numbers] == ["b"] and "is out of float32's range" in dropped["a"]


def test_nothing_to_predict_from():
    with pytest.raises(BadInput, match="constant"):
        infer_columns(pd.DataFrame({"a": [1, 1, 1]}))


# --- the target


@pytest.mark.parametrize(
    ("cells", "task", "labels"),
    [
        (["yes", "no"] * 50, "binary", ("no", "yes")),
        (["0", "1"] * 50, "binary", (0, 1)),
        ([True, False] * 50, "binary", (False, True)),
        (["a", "b", "c"] * 50, "multi-class", ("a", "b", "c")),
        ([1, 2, 3, 4, 5] * 50, "multi-class", (1, 2, 3, 4, 5)),
        ([1, 2, 3, 4, 5] * 2, "regression", ()),
        (np.linspace(0, 1, 100), "regression", ()),
        (np.repeat([0.5, 1.5, 2.5], 50), "regression", ()),
    ],
)
def test_tasks(cells, task, labels):
    target = read_target(pd.Series(cells, name="t"), None)
    assert (target.task, target.labels) == (task, labels)


def test_the_user_may_say_the_task():
    grades = pd.Series([1, 2, 3, 4, 5] * 50, name="t")
    target = read_target(grades, "regression")
    assert target.task == "regression" and target.values.tolist() == grades.tolist()
    assert read_target(pd.Series([1, 2] * 5, name="t"), "multi-class").labels == (1, 2)


def test_odd_cells_of_classes_that_the_user_asked_for_are_a_class():
    cells = pd.Series(["1", "2", "3"] * 40 + ["odd"], name="t")
    assert read_target(cells, "multi-class").labels == ("1", "2", "3", "odd")
    with pytest.raises(BadInput, match="odd"):
        read_target(cells, "regression")


def test_categories_that_are_numbers_may_be_quantities():
    cells = pd.Series(pd.Categorical([1, 2, 4] * 40), name="t")
    assert read_target(cells, None).labels == ("1", "2", "4")
    assert read_target(cells, "regression").values.tolist() == [1.0, 2.0, 4.0] * 40


@pytest.mark.parametrize(
    ("cells", "task", "message"),
    [
        (["a"] * 9, None, "single value a"),
        ([3.0] * 9, None, "single value 3.0"),
        ([1.0, np.inf, 2.0], None, "infinite in 1 of 3 rows"),
        (["a", "b", "c"] * 9, "binary", "two classes"),
        (["a", "b", "c"] * 9, "regression", "must be a column of numbers for"),
        ([f"name {i}" for i in range(9)], None, "at most half as many classes as rows. Received: t, which has 9"),
        (list(pd.date_range("2020", periods=9)), None, "dates"),
        ([f"2024-05-{i:02}" for i in range(1, 10)], None, "dates"),
        ([f"${i},000" for i in range(1, 10)], None, "looks like numbers"),
        ([[1], [2]] * 9, None, "cells of type list are not used"),
        ([f"123456789012345678{i}" for i in range(9)] * 9, None, "Subtract 1234567890123456768 from them"),
    ],
)
def test_targets_that_cannot_be_used(cells, task, message):
    with pytest.raises(BadInput, match=message):
        read_target(pd.Series(cells, name="t"), task)


def test_rows_without_a_target():
    frame = pd.DataFrame({"price": [1.0, None, 3.0]})
    assert drop_unlabelled(frame, "price")["price"].tolist() == [1.0, 3.0]
    with pytest.raises(BadInput, match="Did you mean price"):
        drop_unlabelled(frame, "Pirce")
    with pytest.raises(BadInput, match="every row"):
        drop_unlabelled(frame.iloc[1:2], "price")


# --- the record


def test_columns_survive_json(tmp_path):
    frame = pd.DataFrame({"km/h": [1.0, 2.0, None] * 10, "c": ["é", "b", None] * 10})
    columns = Columns("t", "binary", (False, True), *infer_columns(frame))
    columns.save(tmp_path / "columns.json")
    assert Columns.load(tmp_path / "columns.json") == columns
    assert columns.features == ("km/h", "km/h is missing", "c is missing", "c = b", "c = é")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 99}'])
def test_a_columns_file_of_another_kind(tmp_path, text):
    with pytest.raises(BadInput, match="must hold an intact columns.json of this version"):
        Columns.load(write(tmp_path, text, "columns.json"))


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
