"""The target of a table: its task, its labels, and targets that are refused."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from shrinkage.cli._errors import BadInput
from shrinkage.cli._target import drop_unlabelled, read_target

TASKS: dict[str, Any] = {
    "yes and no": (["yes", "no"] * 50, "binary", ("no", "yes")),
    "0 and 1 as text": (["0", "1"] * 50, "binary", (0, 1)),
    "booleans": ([True, False] * 50, "binary", (False, True)),
    "letters": (["a", "b", "c"] * 50, "multi-class", ("a", "b", "c")),
    "five numbers often": ([1, 2, 3, 4, 5] * 50, "multi-class", (1, 2, 3, 4, 5)),
    "five numbers seldom": ([1, 2, 3, 4, 5] * 2, "regression", ()),
    "fractions": (np.linspace(0, 1, 100), "regression", ()),
    "three fractions": (np.repeat([0.5, 1.5, 2.5], 50), "regression", ()),
}


@pytest.mark.parametrize(("cells", "task", "labels"), TASKS.values(), ids=TASKS)
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


UNUSABLE_TARGETS: dict[str, Any] = {
    "one class": (["a"] * 9, None, "single value a"),
    "one number": ([3.0] * 9, None, "single value 3.0"),
    "infinity": ([1.0, np.inf, 2.0], None, "infinite in 1 of 3 rows"),
    "three classes as two": (["a", "b", "c"] * 9, "binary", "two classes"),
    "classes as numbers": (["a", "b", "c"] * 9, "regression", "needs numbers"),
    "names": ([f"name {i}" for i in range(9)], None, "too many for classes"),
    "time stamps": (list(pd.date_range("2020", periods=9)), None, "dates"),
    "dates": ([f"2024-05-{i:02}" for i in range(1, 10)], None, "dates"),
    "money": ([f"${i},000" for i in range(1, 10)], None, "looks like numbers"),
    "lists": ([[1], [2]] * 9, None, "cells of type list are not used"),
    "numbers with equal first digits": (
        [f"123456789012345678{i}" for i in range(9)] * 9,
        None,
        "subtract 1234567890123456768 from them",
    ),
}


@pytest.mark.parametrize(("cells", "task", "message"), UNUSABLE_TARGETS.values(), ids=UNUSABLE_TARGETS)
def test_targets_that_cannot_be_used(cells, task, message):
    with pytest.raises(BadInput, match=message):
        read_target(pd.Series(cells, name="t"), task)


def test_rows_without_a_target():
    frame = pd.DataFrame({"price": [1.0, None, 3.0]})
    assert drop_unlabelled(frame, "price")["price"].tolist() == [1.0, 3.0]
    with pytest.raises(BadInput, match="did you mean price"):
        drop_unlabelled(frame, "Pirce")
    with pytest.raises(BadInput, match="every row"):
        drop_unlabelled(frame.iloc[1:2], "price")


OTHER_TASKS: dict[str, Any] = {
    "four numbers seldom": ([1, 2, 3, 4] * 15, "--task multi-class"),
    "four numbers often": ([1, 2, 3, 4] * 30, "--task regression"),
    "three fractions": ([0.5, 1.5, 2.5] * 30, "--task multi-class"),
    "0 and 1": ([0, 1] * 30, "--task regression"),
    "fractions": (np.linspace(0, 1, 60), None),
    "letters": (["a", "b", "c"] * 20, None),
}


@pytest.mark.parametrize(("cells", "option"), OTHER_TASKS.values(), ids=OTHER_TASKS)
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
