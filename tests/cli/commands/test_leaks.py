"""No information passes from the held-out rows of a fold to its models, and a leak in the table is said."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shrinkage._cv._splits import make_folds
from shrinkage.cli._prepare import TableData, TableOptions, prepare_table
from shrinkage.cli._settings import Settings
from shrinkage.cli._split import read_split
from shrinkage.cli._train import train_path

N, N_FOLDS = 240, 3
RNG = np.random.default_rng(0)
OPTIONS = dict(
    model="mlp", hidden=(4,), penalty="l2", rho=None, groups=None, how=None, epochs=2, batch_size=16,
    learning_rate=0.01, folds=N_FOLDS, seed=0, choose="min",
)  # fmt: skip


def table(**columns) -> pd.DataFrame:
    frame = pd.DataFrame({"a": RNG.normal(50, 9, N), "b": RNG.lognormal(0, 1, N), "y": RNG.normal(size=N).round(3)})
    return frame.assign(fold=np.arange(N) % N_FOLDS, **columns)


def read(frame: pd.DataFrame, **wishes) -> TableData:
    frame.to_csv("t.csv", index=False)
    return prepare_table(Path("t.csv"), "y", None, N_FOLDS, TableOptions(**wishes))


def test_preprocessing_is_fitted_to_the_training_rows_of_each_fold():
    """Cells of the rows that fold 0 holds out change, and its models do not."""
    before = table()
    before.loc[RNG.random(N) < 0.2, "a"] = np.nan
    after, held_out = before.copy(), before["fold"] == 0
    after.loc[held_out, "a"] = 60 + 3 * after.loc[held_out, "a"]
    after.loc[held_out & (RNG.random(N) < 0.4), "b"] *= 1e3  # moves mean, deviation and the bounds of clipping
    loss, other = (
        train_path(read(frame, fold="fold"), Settings.from_options(**OPTIONS), None).train_loss
        for frame in (before, after)
    )
    # Numbers are stored as float32 in another unit: the first models differ by rounding alone.
    np.testing.assert_allclose(other[0], loss[0], rtol=1e-4)
    assert np.abs(other[1:] / loss[1:] - 1).max(axis=(1, 2)).min() > 1e-2


def test_the_mean_of_the_target_in_each_fold_gains_nothing():
    frame = table()
    leak = frame.groupby("fold")["y"].transform("mean")
    path = train_path(
        read(frame.assign(leak=leak), fold="fold"), Settings.from_options(**{**OPTIONS, "epochs": 30}), None
    )
    y, means = frame["y"].to_numpy(), leak.to_numpy()
    assert means.std() > 0
    # The best that the column could give: the mean of the held-out rows in place of the mean of the others.
    best = np.mean((y - means) ** 2) / y.var()
    assert path.mean.min() > best - 0.01 and path.null_loss - best < 0.03


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 9), min_size=30, max_size=60), st.integers(2, 4), st.integers(0, 9))
def test_groups_never_straddle_folds(numbers, n_folds, seed):
    names = pd.Series([f"g{number}" for number in numbers], name="group")
    if names.nunique() < n_folds:
        return
    split = read_split(names.to_frame(), n_folds, "group", "group")
    folds = make_folds(len(names), split.cv, groups=split.groups, seed=seed)
    assert len(folds.train) == n_folds
    for train_rows, held_out in zip(folds.train, folds.held_out, strict=True):
        assert len(held_out) and not set(names[train_rows]) & set(names[held_out])
    assert sorted(np.concatenate(folds.held_out)) == list(range(len(names)))


# --- leaks in the table


CLASS = np.array(["no", "yes"])[RNG.integers(0, 2, N)]
Y = RNG.normal(20, 5, N).round(2)


@pytest.mark.parametrize(
    ("target", "column"),
    [
        (Y, Y),
        (Y, Y * 1000),
        (Y, -Y),
        (Y, np.exp(Y)),
        (Y, np.where(np.arange(N) % 10, Y, np.nan)),
        (Y, Y.round()),  # in a coarser unit
        (CLASS, CLASS == "yes"),
        (CLASS, np.where(CLASS == "yes", 1, 0)),
        (CLASS, np.where(CLASS == "yes", "Y", "N")),
        (CLASS, [{"yes": "x"}.get(name) for name in CLASS]),
        (RNG.integers(0, 3, N).astype(str), None),
    ],
)
def test_the_target_in_another_form_is_said(target, column):
    column = target if column is None else column
    words = read(table(copy=column).assign(y=target)).describe()
    assert "caution: copy " in words and "--drop copy" in words and "caution: a " not in words


@pytest.mark.parametrize(
    ("target", "column"),
    [
        (Y, Y + RNG.normal(0, 0.5, N)),  # nearly
        (Y, np.where(np.arange(N) < 10, Y, np.nan)),  # few rows
        (Y, Y > 20),  # a part of the information
        (CLASS, np.where(np.arange(N) == 5, CLASS == "no", CLASS == "yes")),  # but for a row
        (np.where(np.arange(N) < 3, "yes", "no"), np.arange(N) < 3),  # by chance
        (CLASS, np.where(CLASS == "yes", Y + 100, Y)),
        (np.arange(N) // 10, np.arange(N)[::-1] % 7),
    ],
)
def test_other_columns_are_not_said_to_be_the_target(target, column):
    assert "another form" not in read(table(copy=column).assign(y=target)).describe()


UUIDS = [f"{a:08x}-{b:04x}-4000-8000-{a:012x}" for a, b in RNG.integers(0, 60_000, (N, 2))]


@pytest.mark.parametrize(
    ("name", "cells", "reason"),
    [
        ("PassengerId", RNG.permutation(10**6)[:N], "an identifier by its name"),
        ("customer_id", RNG.permutation(10**6)[:N], "an identifier by its name"),
        ("rownames", RNG.permutation(10**6)[:N], "an identifier by its name"),
        ("row.names", RNG.permutation(10**6)[:N], "an identifier by its name"),
        ("order no", RNG.permutation(10**6)[:N], "an identifier by its name"),
        ("id", np.arange(N) + 1000, "an identifier by its name"),
        ("anything", np.arange(N), "it numbers the rows"),
        ("uuid", UUIDS, "nearly unique"),
        ("order", [f"ORD-{i:05}" for i in RNG.permutation(10**5)[:N]], "nearly unique"),
        ("phone", [f"0{i}" for i in RNG.permutation(10**7)[:N]], "nearly unique"),
    ],
)
def test_identifiers_are_left_out_and_said(name, cells, reason):
    prepared = read(table(**{name: cells}))
    assert reason in prepared.columns.dropped[name] and re.search(f"{name} +not used +", prepared.describe())


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("size", RNG.normal(size=N)),
        ("width", RNG.permutation(10**6)[:N]),
        ("acid", RNG.permutation(10**6)[:N]),
        ("income", RNG.permutation(10**5)[:N] * 100),
        ("no_of_rooms", RNG.permutation(10**4)[:N]),
        ("customer_id", RNG.integers(0, 50, N)),
        ("id", RNG.normal(size=N)),
        ("seconds", 1_700_000_000 + np.arange(N)[::-1] * 60),
        ("when", pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d")),
    ],
)
def test_measurements_that_are_all_different_are_used(name, cells):
    assert name in read(table(**{name: cells})).columns.names
