"""`shrinkage fit` with rows that belong together, are in an order of time, or have a fold number."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import TimeSeriesSplit

import shrinkage as sh
from shrinkage._problem import _arguments
from shrinkage.cli import _fit
from shrinkage.cli._prepare import TableOptions, prepare_table
from tests.cli.commands.running import N, run, write

RNG = np.random.default_rng(1)
WHO = RNG.permutation(np.repeat([f"p{i}" for i in range(12)], 5))
DAY = pd.Series(RNG.permutation(pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d").to_numpy()))
PART = np.arange(N) % 4 - 1


def call(fake_fit: Any, *options: object, **columns: Any) -> tuple[Any, str]:
    """Run `fit` without training; return its call of `shrinkage.fit`, and what it said."""
    done = run("fit", write(**columns), "--target", "price", *options)
    assert done.exit_code == 0, done.output
    (one,) = fake_fit.calls
    assert np.hstack(one.x).shape == (N, 8)  # the column of the split is no input
    return one, done.stdout


def test_the_order_of_time_takes_the_place_of_groups(fake_fit):
    done = run("fit", write(who=WHO, day=DAY), "--target", "price", "--group", "who")
    assert "say --time NAME, in place of --group, with that column" in done.stdout


def test_groups_are_held_out_together(fake_fit):
    made, said = call(fake_fit, "--group", "who", "--repeats", 3, "--folds", 4, who=WHO)
    assert (made.cv, made.repeats, made.groups.tolist()) == (4, 3, WHO.tolist())
    assert "groups: 12 values of who; the rows of a group are held out together" in said
    assert "3 repeats of 4 folds of groups of who, seed 0" in said
    assert re.search("who +not used +it decides the split, --group", said)


def test_fold_numbers_are_a_column(fake_fit):
    made, said = call(fake_fit, "--fold", "part", part=PART)
    assert made.cv.tolist() == PART.tolist() and made.groups is None and made.repeats == 1
    assert "folds: 3 numbers of part; 15 rows with -1 only train" in said and "3 folds by part, seed 0" in said


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y%m%d", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M"])
def test_folds_in_time_train_on_earlier_rows(fake_fit, form):
    day = pd.to_datetime(DAY).dt.strftime(form)
    made, said = call(fake_fit, "--time", "day", "--folds", 4, day=day.to_numpy())
    order = np.argsort(DAY.to_numpy())
    for pair, (train, held_out) in zip(TimeSeriesSplit(4).split(order), made.cv.split(np.zeros(N)), strict=True):
        assert [train.tolist(), held_out.tolist()] == [order[rows].tolist() for rows in pair]
        assert DAY[train].max() < DAY[held_out].min()
    assert "folds in the order of day: each trains on the rows before" in said
    assert "the rows of the file are not in the order of day, and are taken in that order" in said
    assert "4 folds in the order of day" in said and "drawn at random" not in said and "caution: in" not in said


def test_equal_times_are_said(fake_fit):
    _, said = call(fake_fit, "--time", "year", "--folds", 3, year=np.repeat([2019, 2020, 2021], 20))
    assert "caution: in 3 folds the first held-out row has the same year as the last training row" in said
    assert "not in the order" not in said


BAD: dict[str, tuple[list[object], dict[str, Any], str]] = {
    "no such column": (["--group", "whom"], {"who": WHO}, "--group must be a column of DATA. Received: whom."),
    "the target": (
        ["--time", "price"],
        {},
        "--time must be a column other than the target. Received: price, the target. Name another column.",
    ),
    "dropped too": (
        ["--group", "town", "--drop", "town"],
        {},
        "--group must name another column than --drop. Received: --drop town",
    ),
    "two splits": (
        ["--group", "town", "--time", "size"],
        {},
        "must not be given together. Received: --group town and --time size.",
    ),
    "repeated in time": (
        ["--time", "size", "--repeats", 2],
        {},
        "--repeats must be 1 with --time size, which is one split",
    ),
    "repeated numbers": (["--fold", "part", "--repeats", 2], {"part": PART}, "--repeats must be 1 with --fold part"),
    "folds beside numbers": (
        ["--fold", "part", "--folds", 5],
        {"part": PART},
        "--folds must be left out with --fold part, whose numbers are the folds.",
    ),
    "no name": (["--group", ""], {}, "--group must be a column of DATA. Received: ''. DATA has the columns size,"),
    "few groups": (["--group", "town"], {}, "Received: 5 for 2 groups of --group town. Give fewer --folds"),
    "one group": (["--group", "part"], {"part": np.ones(N, int)}, "for 1 group of --group part. Give another column."),
    "missing groups": (["--group", "size"], {}, "missing cells. Received: size, which is missing in 6 of 60 rows"),
    "halves": (["--fold", "part"], {"part": PART / 2}, "--fold must be a column of whole numbers"),
    "names": (["--fold", "town"], {}, "of which 60 of 60 cells are not, such as '"),
    "one number": (
        ["--fold", "part"],
        {"part": np.ones(N, int)},
        "holds out some rows and trains on others. Received: part, in which every cell is 1.",
    ),
    "only -1": (["--fold", "part"], {"part": -np.ones(N, int)}, "Received: part, in which every cell is -1."),
    "no times": (["--time", "town"], {}, "--time must be a column of numbers, or of dates such as 2024-01-31"),
    "two orders": (
        ["--time", "day"],
        {"day": ["01/02/2024", "03/04/2024"] * 30},
        "the day or the month may be the first",
    ),
    "odd dates": (
        ["--time", "day"],
        {"day": ["31/01/2024", *DAY[1:]]},
        "1 of 60 cells are not, such as '31/01/2024'",
    ),
    "more folds than rows": (
        ["--time", "day", "--folds", 60],
        {"day": DAY.to_numpy()},
        "Received: 60 for 60 rows with a target",
    ),
}


@pytest.mark.parametrize(("options", "columns", "message"), BAD.values(), ids=BAD)
def test_a_column_that_cannot_split_is_refused(fake_fit, options, columns, message):
    done = run("fit", write(**columns), "--target", "price", *options)
    assert done.exit_code == 2 and fake_fit.calls == []
    assert message in " ".join(done.stderr.split())


def test_a_run_with_groups_predicts_without_them():
    options = ["--epochs", 2, "--hidden", 4, "--folds", 2, "--group", "who", "--repeats", 2]
    done = run("fit", write(who=WHO), "--target", "price", *options)
    assert done.exit_code == 0, done.output
    path = sh.Path.load("houses-shrinkage")
    assert path.folds.repeats == 2 and path.folds.kind == "group k-fold"
    for train, held_out in zip(path.folds.train, path.folds.held_out, strict=True):
        assert not set(WHO[train]) & set(WHO[held_out])
    assert "x 2 repeats of 2 folds of groups" in done.stdout
    done = run("predict", "houses-shrinkage", write("new.csv"), "-o", "p.csv")
    assert done.exit_code == 0, done.output
    assert len(pd.read_csv("p.csv")) == N


def test_columns_of_the_split_are_left_out_of_the_inputs(tmp_path):
    prepared = prepare_table(tmp_path / write(part=PART), "price", None, 5, TableOptions(fold="part"))
    assert "part" not in prepared.columns.names and prepared.split.n_folds == 3
    assert prepared.columns.dropped["part"] == "it decides the split, --fold"


def test_the_limit_of_repeats_is_that_of_python():
    assert _fit.MOST_REPEATS == _arguments.MOST_REPEATS
