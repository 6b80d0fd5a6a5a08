"""The target of a table: its task, and cells that are no target."""

import numpy as np
import pandas as pd
import pytest

from shrinkage.cli._columns import Columns
from shrinkage.cli._encoder import read_cells
from shrinkage.cli._errors import BadInput
from shrinkage.cli._infer import infer_columns
from shrinkage.cli._target import read_target


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
    with pytest.raises(BadInput, match="column a must hold numbers. Received: other values in 30 of 30"):
        read_cells(columns, numbers.assign(a=times))
    with pytest.raises(BadInput, match="--number must be a column with a number in some cell. Received: a,"):
        infer_columns(numbers.assign(a=times), number=["a"])
