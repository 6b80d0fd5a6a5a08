"""Cells of text are converted once for each distinct cell: equal to the conversion of every cell."""

from decimal import Decimal
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage.cli import _values
from shrinkage.cli._dates import as_seconds
from shrinkage.cli._formats import DATE_OR_TIME, TYPE_SHARE, are_dates
from shrinkage.cli._values import as_booleans, as_categories, as_numbers, convert_by_value, infer_kind

ODD = [
    None, "", " ", "nan", "NaN", "None", "NA", "n.a.", "-", "?", "inf", "-inf", "1", "1.0", "01", "007", " 7", "1e5",
    "1E400", "-.5", "+3", "3.", "0x10", "1_000", "1,5", "9007199254740993", "18446744073709551616",
    "123456789012345678901234567890",
    "true", "TRUE", "False", "yes", "t", "Köln", "a b", "2024-01-31", "31.12.2023", "18:30", "3 kg", "$5", "½",
    "１", "\u2212 4",
]  # fmt: skip
CELLS = st.one_of(
    st.lists(st.sampled_from(ODD), min_size=1, max_size=60),
    st.lists(st.one_of(st.none(), st.text(max_size=4)), min_size=1, max_size=30),
    st.tuples(st.lists(st.integers(-99, 10**19).map(str), min_size=20, max_size=60), st.sampled_from(ODD)).map(
        lambda case: [*case[0], *case[0], case[1]]
    ),
)


def text(cells: list[str | None]) -> pd.Series:
    """Cells as a file has them."""
    return pa.array(cells, pa.string()).to_pandas()


def cell_by_cell() -> Any:
    """Convert and examine every cell, as in columns that are not text."""
    return patch.object(_values, "is_text_column", lambda column: False)


@given(CELLS)
def test_conversions_of_distinct_cells_equal_those_of_all_cells(cells):
    column = text(cells)
    for convert in (as_numbers, as_categories, as_booleans, partial(as_seconds, form="ISO8601")):
        found = convert(column)
        with cell_by_cell():
            for plain in (convert(column), convert(pd.Series(cells, dtype=object))):
                if found.dtype == float:  # pandas before 3 rounds large whole numbers otherwise beside a missing cell
                    np.testing.assert_allclose(found, plain, rtol=1e-15)
                else:
                    np.testing.assert_array_equal(found, plain)


@given(CELLS)
def test_the_kind_of_a_column_is_that_of_all_its_cells(cells):
    known = [cell for cell in cells if cell is not None]
    if not known:
        return
    found = infer_kind(text(cells))
    with cell_by_cell():
        assert found == infer_kind(text(cells)) == infer_kind(pd.Series(cells, dtype=object))
    assert are_dates(text(cells)) == (pd.Series(known).astype(object).str.fullmatch(DATE_OR_TIME).mean() >= TYPE_SHARE)


@pytest.mark.parametrize("cells", [["1", 2, "x"], [True, "true", 0], ["1", Decimal("2.5"), None], [1.0, "1", "1"]])
def test_cells_of_other_types_are_converted_each(cells):
    """To pandas, 1 and True are one value."""
    column = pd.Series(cells, dtype=object)
    assert not _values.is_text_column(column)
    with cell_by_cell():
        expected = as_numbers(column), as_categories(column).tolist(), infer_kind(column)
    np.testing.assert_array_equal(as_numbers(column), expected[0])
    assert (as_categories(column).tolist(), infer_kind(column)) == expected[1:]


def test_each_distinct_cell_is_converted_once():
    seen: list[int] = []

    @convert_by_value
    def lengths(column: pd.Series) -> np.ndarray:
        seen.append(len(column))
        return column.str.len().to_numpy(float)

    np.testing.assert_array_equal(lengths(text(["ab", None, "c", "ab"] * 100)), [2, np.nan, 1, 2] * 100)
    assert seen == [3], "two texts, and the missing cell"


@pytest.mark.parametrize("cells", [[], [None, None]], ids=["no cells", "missing cells"])
def test_columns_without_values(cells):
    assert np.isnan(as_numbers(text(cells))).all() and as_categories(text(cells)).tolist() == [""] * len(cells)
    assert not are_dates(text(cells))
