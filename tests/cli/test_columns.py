"""What becomes of the columns of a table: kinds, odd cells, categories, and the options of columns."""

import numpy as np
import pandas as pd
import pytest

from shrinkage.cli._columns import Columns
from shrinkage.cli._encoder import count_odd_cells, encode_matrix, read_cells
from shrinkage.cli._errors import BadInput
from shrinkage.cli._infer import infer_columns
from shrinkage.cli._prepare import TableOptions, prepare_table
from tests.cli.files import parquet, write


@pytest.mark.parametrize(
    "values", [1.7e12 + np.arange(120.0) * 1000, 1e15 + np.arange(120.0), 1e6 + 1e-3 * np.arange(120)]
)
def test_large_numbers_close_together_are_not_constant(values):
    frame = pd.DataFrame({"t": values[::-1]})
    (column,), _, dropped, _ = infer_columns(frame)
    columns = Columns("y", "regression", (), (column,), (), dropped)
    encoded = encode_matrix(columns, read_cells(columns, frame))[:, 0]
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
    prepared = prepare_table(tmp_path / "t.csv", "y", None, 5)
    (column,) = prepared.columns.numbers
    assert prepared.odd_cells == {"z": {cells[-1]: n_odd}} and column.marks == (cells[-1],)
    assert f"z {n_odd} (such as '{cells[-1]}')" in prepared.describe()
    alone = pd.DataFrame({"z": [cells[-1]]})
    assert np.isnan(read_cells(prepared.columns, alone)["z"]).all() and count_odd_cells(prepared.columns, alone)


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
    words = prepare_table(tmp_path / "t.csv", "y", None, 2, TableOptions(model="linear")).describe()
    assert "categories beyond the 100 with an input each, which share one: c 148; --category NAME gives each" in words


def test_what_the_user_says_of_columns(tmp_path):
    n = 60
    frame = pd.DataFrame(
        {"id": range(n), "zip": ["01", "02"] * 30, "x": np.append(np.arange(n - 1) % 9, 1e6), "y": np.arange(n) ** 2}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    told = prepare_table(tmp_path / "t.csv", "y", None, 5, TableOptions(drop=("x",), number=("id",), category=("zip",)))
    assert told.columns.names == ("id", "zip") and told.columns.dropped == {"x": "--drop"}
    clipped, free = (
        prepare_table(tmp_path / "t.csv", "y", None, 5, TableOptions(clip=clip, model="net.py:make"))
        .encode()[0][:, 0]
        .max()
        for clip in (True, False)
    )
    assert clipped > 3 and 7 < free < 8  # of one in sixty, (n - 1) / sqrt(n - 1)
    for wishes, words in (
        (TableOptions(drop=("X",)), "--drop must be a column of DATA. Received: X. Did you mean x?"),
        (
            TableOptions(number=("y",)),
            "--number must be a column other than the target. Received: y, the target. Choose its type",
        ),
        (
            TableOptions(number=("x",), category=("x",)),
            "--number must name another column than --category. Received: --category x and --number x.",
        ),
    ):
        with pytest.raises(BadInput) as refusal:
            prepare_table(tmp_path / "t.csv", "y", None, 5, wishes)
        assert words in str(refusal.value)


def test_categories_of_numbers_in_parquet(tmp_path):
    """Pandas reads them as numbers; the file says what they were."""
    codes = np.arange(40) % 4
    frame = pd.DataFrame({"code": pd.Categorical(codes), "same": codes, "y": pd.Categorical(codes % 3)})
    found = prepare_table(write(tmp_path, parquet(frame)), "y", None, 2)
    assert [c.name for c in found.columns.categories] == ["code"] and [c.name for c in found.columns.numbers] == [
        "same"
    ]
    assert found.target.task == "multi-class" and "--task regression" in found.target.reason


def test_columns_that_differ_in_case_are_named():
    numbers = pd.DataFrame({"a": np.arange(30.0) ** 2, "b": np.arange(30) % 7})
    columns = Columns("y", "regression", (), *infer_columns(numbers))
    with pytest.raises(BadInput, match="a table without a. Rename 'A' to 'a'"):
        read_cells(columns, numbers.rename(columns={"a": "A"}))
