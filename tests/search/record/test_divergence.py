"""A run with models that diverge is recorded as any other: `RUNS` has it, and these tests say what it is."""

import keras
import numpy as np
import pytest

import shrinkage as sh
from shrinkage._search import _search
from tests.fit.fitting import TARGET, X, line
from tests.search.record.runs import FINISHED, OPTIONS, assert_equal, count_events, files, kill_at, with_divergence


def test_one_strength_of_the_run_diverges_in_every_fold():
    """Not in the first epoch, so that checkpoints have a member that is about to diverge, and one that did."""
    path = with_divergence()
    assert (path.status == sh.Status.DIVERGED).tolist() == [[True, False, False, False]] * 3
    assert np.isnan(path.cv_loss[:, 0]).any(axis=1).all() and np.isfinite(path.cv_loss[:, 0, 0]).all()
    assert path.full_status[0] == sh.Status.DIVERGED and path.index_min > 0


def all_diverge(**options) -> sh.Path:
    """The loss is no number from the first epoch on, at every strength."""
    model = line(optimizer=keras.optimizers.SGD(1e30))
    return sh.fit(model, X, TARGET, **{**OPTIONS, "plan": {"chunk": 3, "xla": False}, **options})


def test_a_run_in_which_all_diverge_is_finished_and_read(tmp_path, monkeypatch):
    plain = all_diverge()
    assert np.isnan(plain.cv_loss).all() and not plain.has_model.any()
    assert_equal(all_diverge(run=tmp_path), plain, weights=False)
    assert files(tmp_path) == FINISHED
    monkeypatch.setattr(_search, "score", None)
    monkeypatch.setattr(_search, "refit", None)
    again = all_diverge(run=tmp_path)
    assert_equal(again, plain, weights=False)
    assert_equal(sh.Path.load(tmp_path), plain, weights=False)
    with pytest.raises(sh.NothingToChoose):
        again.model()


def test_a_killed_run_in_which_all_diverge_goes_on(tmp_path, monkeypatch):
    plain, events = all_diverge(), count_events(monkeypatch, all_diverge, tmp_path / "whole")
    for number in (2, len(events) // 2, len(events) - 1):
        kill_at(monkeypatch, all_diverge, tmp_path / f"{number}", number)
        assert_equal(all_diverge(run=tmp_path / f"{number}"), plain, weights=False)
