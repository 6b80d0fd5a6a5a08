"""What a path with repeats says, and on which folds it rests."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from shrinkage._cv._folds import Folds
from shrinkage._cv._row_sets import RowSets
from shrinkage._path._findings import compute_gap, find_far_folds, find_overfitting_without_penalty
from shrinkage._path._path import Path
from shrinkage.cli._terms import SHELL_TERMS
from tests.path.verdicts.repeats import unclear
from tests.synthetic_path import make_path


def repeated(times: dict[int, float] | None = None, **changes: Any) -> Path:
    """Make a path of two repeats of five folds; the losses of some folds are multiplied."""
    one, folds = make_path(), make_path().folds
    cv_loss = np.concatenate([one.cv_loss, one.cv_loss[::-1] + 0.001])
    for fold, factor in (times or {}).items():
        cv_loss[fold] *= factor
    train_loss = np.concatenate([one.train_loss, one.train_loss]) * np.linspace(0.9, 1.1, 10)[:, None, None]
    held_out = *folds.held_out, *(np.sort(39 + 40 * f - rows % 40) for f, rows in enumerate(folds.held_out))
    fields: dict[str, Any] = {
        "cv_loss": cv_loss,
        "train_loss": train_loss,
        "fold_weight": np.full(10, 40.0),
        "train_weight": np.full(10, 40.0),
        "status": np.concatenate([one.status, one.status]),
        "folds": Folds(folds.train + folds.train, RowSets.from_rows(held_out, 200), 200, "k-fold", repeats=2),
    }
    return dataclasses.replace(one, **fields | changes)


def test_the_gap_is_paired_within_a_repeat():
    path = repeated()
    held_out, training = (loss[np.arange(10), -1, path.epochs[-1] - 1] for loss in (path.cv_loss, path.train_loss))
    before = [4, 0, 1, 2, 3, 9, 5, 6, 7, 8]
    difference = held_out - training[before]
    se = np.sqrt(np.mean([part.var(ddof=1) / 5 for part in (difference[:5], difference[5:])]))
    assert compute_gap(path) == pytest.approx((difference.mean(), se)) and se > 0
    assert compute_gap(path)[1] != pytest.approx(np.sqrt((held_out - np.roll(training, 1)).var(ddof=1) / 10))


def test_the_gap_of_folds_that_do_not_train_on_the_next_is_not_paired():
    whole = make_path().folds
    path = repeated(
        folds=Folds(
            RowSets.from_rows([whole.train[0]] * 10, 200), whole.held_out + whole.held_out, 200, "TimeSeriesSplit"
        )
    )
    difference = path.mean[-1] - path.train_mean[-1]
    assert path.folds.next_folds is None and compute_gap(path)[0] == pytest.approx(difference)


def test_a_far_fold_is_named_by_its_repeat():
    path = repeated({7: 9.0})
    assert list(find_far_folds(path)) == [7]
    assert "Fold 3 of repeat 2 is far from the others" in path.verdict()
    assert "path.folds.held_out[7]" in path.verdict()
    assert list(find_far_folds(repeated({2: 9.0, 7: 9.0}))) == [2]  # the same rows in both


def test_overfitting_is_judged_by_the_error_of_repeats():
    """The rise after the best epoch, against the standard error of rises that differ between the folds."""
    rise = np.linspace(-0.3, 0.5, 5)
    cv_loss = np.concatenate([rise, rise])[:, None, None] * np.linspace(0, 1, 6) + 1.0
    cv_loss = np.broadcast_to(cv_loss, (10, len(make_path().lams), 6))
    path = repeated(cv_loss=cv_loss, epochs=np.ones(len(make_path().lams), int), null_loss=1.5)
    assert path.se[-1] == 0
    error = rise.std(ddof=1) / np.sqrt(5)
    assert (
        error > rise.mean() > error / np.sqrt(2) and find_overfitting_without_penalty(path, has_schedule=False) is None
    )
    once = dataclasses.replace(
        path, folds=dataclasses.replace(path.folds, repeats=1, held_out=tuple(path.folds.held_out))
    )
    assert once.folds.overlap == 2 and find_overfitting_without_penalty(once, has_schedule=False) is None


def test_the_header_counts_repeats():
    text = repr(repeated())
    assert "21 strengths x 2 repeats of 5 folds, then all rows: 231 models" in text
    assert "Metrics are of averages of several models' predictions" in " ".join(text.split())


def test_repeats_are_advised_to_a_path_that_has_none():
    """The advice is in the shell's terms too, and a path that has repeats is not told to repeat."""
    path = unclear()
    once, twice = path.verdict(), dataclasses.replace(path, folds=dataclasses.replace(path.folds, repeats=5)).verdict()
    assert "`repeats=4` may show" in once and "--repeats 4 may show" in SHELL_TERMS.say(once)
    assert "the interval contains 0" in twice and "repeats" not in twice
