"""Columns of a table: their kinds, those that are left out, and the record of them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from shrinkage.cli._columns import Columns
from shrinkage.cli._encoder import matrix, odd_cells, read_cells
from shrinkage.cli._errors import BadInput
from shrinkage.cli._infer import infer_columns
from shrinkage.cli._prepare import Wishes, prepare
from shrinkage.cli._target import drop_unlabelled
from shrinkage.cli._values import as_categories, kind_of

# --- kinds


KINDS: dict[str, Any] = {
    "numbers": (["1", "-2.5e3", None], "number"),
    "true and false": (["true", "FALSE"], "boolean"),
    "booleans": ([True, None], "boolean"),
    "whole numbers": ([1, 2], "number"),
    "numbers and letters": (["1", "b"], "category"),
    "codes with leading zeros": (["00501", "10001"], "category"),
    "0 and fractions": (["0.5", "0"], "number"),
    "infinity": (["inf", "1"], "number"),
    "time stamps": ([pd.Timestamp("2020-01-01")], None),
    "lists": ([[1], [2]], None),
    "dates and a gap": (["2024-05-01", None, "2024-05-02"], None),
    "dates with slashes": (["01/05/2024", "31/12/2023"], None),
    "dates and times with points": (["1.5.24 10:30", "2.5.24 9:05:10"], None),
    "times with zones": (["2024-05-01T10:30:00Z", "2024-05-01T10:30:00+02:00"], None),
    "names of months": (["5 May 2024", "12-JUN-23"], None),
    "months first": (["May 5, 2024", "June 12, 2023"], None),
    "times of day": (["08:30", "17:45"], None),
    "ranges": (["10-12", "13-15"], "category"),
    "fractions": (["1/2", "3/4"], "category"),
    "versions": (["1.2.103", "1.2.4"], "category"),
    "percent": (["40%", "7.5 %"], None),
    "dollars": (["$8,050.00", "-$12"], None),
    "euros": (["EUR 5", "12"], None),
    "spaces between thousands": (["8 050,5", "12"], None),
    "apostrophes between thousands": (["1'234", "12"], None),
    "decimal commas and points": (["0,5", "0.5"], None),
    "percent and a word": (["40%"] * 19 + ["unknown"], None),
    "half words": (["40%", "half"], "category"),
    "codes and a number": (["00501", "1,5"], "category"),
    "codes with a letter first": (["A12", "B13"], "category"),
    "numbers and a code": (["1", "2", "3A"], "category"),
    "addresses": (["10.0.0.1", "192.168.0.1"], "category"),
}


@pytest.mark.parametrize(("cells", "kind"), KINDS.values(), ids=KINDS)
def test_kinds(cells, kind):
    assert kind_of(pd.Series(cells, dtype=None if kind == "number" else object)) == kind


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
            "when": pd.date_range("2020", periods=n),
            "used": [0.0, 1.0] * (n // 2),
            "filled": ["1", None] * (n // 2),
        }
    )
    numbers, categories, dropped = infer_columns(frame)
    assert [column.name for column in numbers] == ["used"]
    assert [(column.name, column.categories) for column in categories] == [("filled", ("", "1"))]
    assert dropped.keys() == {"id", "name", "one", "same", "nearly", "empty", "when"}
    assert "nearly unique" in dropped["name"] and "numbers the rows" in dropped["id"] and "dates" in dropped["when"]


@pytest.mark.parametrize("first", [0, 1])
def test_a_column_that_numbers_the_rows_in_the_files_order_is_dropped_whatever_its_name(first):
    n = 40
    frame = pd.DataFrame({"PassengerId": np.arange(n) + first, "age": np.arange(n)[::-1], "t": [1.0, None] * (n // 2)})
    numbers, _, dropped = infer_columns(drop_unlabelled(frame, "t").drop(columns="t"))
    assert [column.name for column in numbers] == ["age"] and dropped == {"PassengerId": "it numbers the rows"}


def test_why_text_is_not_used():
    n = 40
    frame = pd.DataFrame(
        {
            "share": [f"{i % 20}%" for i in range(n)],
            "day": ["2024-05-01", "2024-05-02"] * (n // 2),
            "used": [0.0, 1.0] * (n // 2),
        }
    )
    _, _, dropped = infer_columns(frame)
    assert dropped == {
        "share": "it looks like numbers, written as '0%'; write 0% as 0",
        "day": "dates and times are not used",
    }


def test_missing_numbers_get_an_indicator_and_rare_categories_share_a_column():
    n = 100
    frame = pd.DataFrame({"x": np.arange(n) ** 2.0, "c": ["a"] * 60 + ["b"] * 34 + ["r1", "r2"] * 3})
    frame.loc[:9, "x"] = np.nan
    numbers, categories, _ = infer_columns(frame)
    assert numbers[0].indicator and numbers[0].centre == np.median(np.arange(10, n) ** 2.0)
    assert categories[0].categories == ("a", "b") and categories[0].other


def test_infinite_numbers_are_all_named():
    frame = pd.DataFrame({"a": [1.0, np.inf, 2.0], "b": ["1e400", "-inf", "3"], "c": [1.0, 2.0, 3.0]})
    with pytest.raises(BadInput, match=r"a \(1 of 3 rows\), b \(2 of 3 rows\)"):
        infer_columns(frame)


def test_numbers_that_float32_cannot_hold_are_dropped():
    frame = pd.DataFrame({"a": np.linspace(1, 2, 50) * 1e37, "b": np.arange(50) ** 2})
    numbers, _, dropped = infer_columns(frame)
    assert [column.name for column in numbers] == ["b"] and "is out of float32's range" in dropped["a"]


def test_nothing_to_predict_from():
    with pytest.raises(BadInput, match="constant"):
        infer_columns(pd.DataFrame({"a": [1, 1, 1]}))


# --- numbers and categories


CLOSE = {
    "milliseconds": 1.7e12 + np.arange(120.0) * 1000,
    "whole numbers": 1e15 + np.arange(120.0),
    "thousandths": 1e6 + 1e-3 * np.arange(120),
}


@pytest.mark.parametrize("values", CLOSE.values(), ids=CLOSE)
def test_large_numbers_close_together_are_not_constant(values):
    frame = pd.DataFrame({"t": values[::-1]})
    (column,), _, dropped = infer_columns(frame)
    columns = Columns("y", "regression", (), (column,), (), dropped)
    encoded = matrix(columns, read_cells(columns, frame))[:, 0]
    exact = (values - column.centre)[::-1]
    np.testing.assert_allclose(encoded * column.scale, exact, atol=1e-6 * np.ptp(values))


def test_numbers_that_float64_cannot_tell_apart_are_not_called_constant():
    with pytest.raises(BadInput, match="same first 16 digits"):
        infer_columns(pd.DataFrame({"t": [str(10**18 + i) for i in range(60)]}))


ODD_CELLS: dict[str, Any] = {
    "a word among numbers": ([*map(str, range(100, 219)), "oops"], 1),
    "a quarter of them": ([*map(str, range(100, 190)), *["n.a."] * 30], 30),
    "a word among decimal commas": ([*(f"{i},5" for i in range(119)), "oops"], 1),
    "a word among booleans": (["true", "false"] * 59 + ["true", "oops"], 1),
    "a word among codes": (["1", "2", "3"] * 39 + ["3", "2", "oops"], 1),
}


@pytest.mark.parametrize(("cells", "n_odd"), ODD_CELLS.values(), ids=ODD_CELLS)
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
    _, (column,), _ = infer_columns(pd.DataFrame({"c": cells[::-1]}))
    assert "other" in column.categories
    as_numbers, _, _ = infer_columns(pd.DataFrame({"c": cells[::-1]}), number=["c"])
    assert as_numbers[0].marks == ("other",)
    _, (coded,), _ = infer_columns(pd.DataFrame({"c": pd.Series([1, 2, 3] * 20, dtype="category")}))
    assert coded.categories == ("1", "2", "3")


def test_more_categories_than_the_limit():
    frame = pd.DataFrame({"c": [f"c{i}" for i in range(250)] * 8, "a": np.arange(2000) % 7})
    _, categories, dropped = infer_columns(frame)
    assert not categories and "limit is 100" in dropped["c"] and "unique" not in dropped["c"]
    _, (every,), _ = infer_columns(frame, category=["c"])
    assert len(every.categories) == 250
    frame.loc[:99, "c"] = ["c0", "c1"] * 50
    _, (two,), _ = infer_columns(frame)
    assert {"c0", "c1"} <= set(two.categories) and two.other
    assert len(two.categories) + two.n_beyond == 250


def test_categories_beyond_the_limit_are_said(tmp_path):
    names = [f"c{i % 150}" for i in range(1500)] + ["c0", "c1"] * 50
    frame = pd.DataFrame({"c": names, "y": np.arange(1600.0) ** 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = prepare(tmp_path / "t.csv", "y", None, 2).describe()
    assert "categories beyond the 100 with an input each, which share one: c 148; --category NAME gives each" in words


def test_what_the_user_says_of_columns(tmp_path):
    n = 60
    frame = pd.DataFrame(
        {"id": range(n), "zip": ["01", "02"] * 30, "x": np.append(np.arange(n - 1) % 9, 1e6), "y": np.arange(n) ** 2}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    told = prepare(tmp_path / "t.csv", "y", None, 5, Wishes(drop=("x",), number=("id",), category=("zip",)))
    assert told.columns.names == ("id", "zip") and told.columns.dropped == {"x": "--drop"}
    clipped, free = (
        prepare(tmp_path / "t.csv", "y", None, 5, Wishes(clip=clip)).matrix()[:, 0].max() for clip in (True, False)
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


def test_categories_of_numbers_in_parquet(tmp_path):
    """Pandas reads them as numbers; the file says what they were."""
    codes = np.arange(40) % 4
    frame = pd.DataFrame({"code": pd.Categorical(codes), "same": codes, "y": pd.Categorical(codes % 3)})
    frame.to_parquet(tmp_path / "t")
    found = prepare(tmp_path / "t", "y", None, 2)
    assert [column.name for column in found.columns.categories] == ["code"]
    assert [column.name for column in found.columns.numbers] == ["same"]
    assert found.target.task == "multi-class" and "--task regression" in found.target.reason


TIMES = {"dates": pd.date_range("2020", periods=30), "durations": pd.to_timedelta(np.arange(30), unit="s")}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
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


# --- the record


def test_columns_survive_json(tmp_path):
    frame = pd.DataFrame({"km/h": [1.0, 2.0, None] * 10, "c": ["é", "b", None] * 10})
    columns = Columns("t", "binary", (False, True), *infer_columns(frame))
    columns.save(tmp_path / "columns.json")
    assert Columns.load(tmp_path / "columns.json") == columns
    assert columns.features == ("km/h", "km/h is missing", "c is missing", "c = b", "c = é")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 99}'])
def test_a_columns_file_of_another_kind(tmp_path, text):
    file = tmp_path / "columns.json"
    file.write_text(text)
    with pytest.raises(BadInput, match="not a columns.json"):
        Columns.load(file)
