"""What a search says of itself, on runs of every kind."""

import itertools
import statistics
import time
from typing import Any

import numpy as np
import pytest

import shrinkage as sh
from shrinkage._cohort._cohort import Cohort, count_parallel_folds, has_idle_thread
from shrinkage._progress import _monitor
from shrinkage._progress._monitor import Monitor
from shrinkage._progress._snapshot import Snapshot
from shrinkage._search import _search
from tests.daily import some_every_day
from tests.fit.fitting import TARGET, classifier, fit, line, small_blocks
from tests.search.record import runs


@pytest.fixture
def shown(monkeypatch) -> list[tuple[float, Snapshot]]:
    """Every snapshot of the runs of a test, with its time."""
    found: list[tuple[float, Snapshot]] = []
    real = Monitor.show

    def show(self: Monitor, snapshot: Snapshot) -> None:
        found.append((time.monotonic(), snapshot))
        real(self, snapshot)

    monkeypatch.setattr(Monitor, "show", show)
    monkeypatch.setattr(_monitor, "_INTERVAL", 0.0)
    return found


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch, tmp_path):
    yield from small_blocks(monkeypatch, tmp_path, block=500, sample=100, read=200)


def stages(shown: list[tuple[float, Snapshot]]) -> list[str]:
    return [stage for stage, _ in itertools.groupby(snapshot.stage for _, snapshot in shown)]


def of_stage(shown: list[tuple[float, Snapshot]], stage: str) -> list[Snapshot]:
    return [snapshot for _, snapshot in shown if snapshot.stage == stage]


def exact(**options: Any) -> sh.Path:
    return fit(line(), y=TARGET, solver="exact", epochs=None, batch_size=None, **options)


def single_split(**options: Any) -> sh.Path:
    return fit(classifier(), cv=0.3, plan={"chunk": 2, "xla": False}, **options)


def chosen(**options: Any) -> sh.Path:
    return fit(classifier(), models="chosen", epoch="last", plan={"xla": False}, **options)


FEW = [chosen, runs.within_budget]
RUNS = [runs.arrays_at_once, runs.without_xla, runs.extended, runs.on_disk, runs.within_budget]


@pytest.mark.parametrize("run", [*RUNS, exact, single_split, chosen], ids=lambda run: run.__name__)
def test_every_kind_of_run_says_its_strengths_and_the_best(run, shown):
    path = run()
    folds, all_rows = of_stage(shown, "folds"), of_stage(shown, "all rows")
    joins_all_rows = run is runs.arrays_at_once and has_idle_thread(3, xla=True)
    assert stages(shown)[-1] == "assembling" and folds and bool(all_rows) != joins_all_rows
    assert (of_stage(shown, "reading") != []) == (run is runs.on_disk)
    assert folds[0].lams_done == 0 and {snapshot.folds for snapshot in folds} == {path.cv_loss.shape[0]}
    assert folds[-1].lams == len(path.lams) == max(snapshot.lams for snapshot in folds)
    epochs = [snapshot.epoch for snapshot in folds]
    assert max(epochs) == path.cv_loss.shape[2] <= folds[0].epochs and min(epochs) == 0
    if joins_all_rows:
        return
    assert all_rows[-1].lams == len(path.weights[0]) and (len(path.weights[0]) < len(path.lams)) == (run in FEW)
    assert all_rows[-1].epoch == all_rows[-1].epochs <= folds[0].epochs
    best, index = all_rows[-1].best, int(np.nanargmin(path.mean))
    assert best is not None and best.lam == path.lams[index]
    np.testing.assert_allclose([best.loss, best.se], [path.mean[index], path.se[index]], rtol=1e-12)


def test_the_best_so_far_is_that_of_the_epochs_so_far(shown):
    path = fit(classifier(), cv=3, plan={"xla": False}, epochs=6)
    last = {snapshot.epoch: snapshot for snapshot in of_stage(shown, "folds")}
    for n in range(1, 7):
        best, curves = last[n].best, np.average(path.cv_loss, axis=0, weights=path.fold_weight)[:, :n].min(axis=1)
        assert best is not None and best.lam == path.lams[np.argmin(curves)]
        np.testing.assert_allclose(best.loss, curves.min(), rtol=1e-12)
        assert 0 < best.se < best.loss


def test_no_strength_is_the_best_if_all_diverge(shown):
    path = fit(line(), y=TARGET * np.float32(1e30), plan={"xla": False})
    assert path.failed.all() and {snapshot.best for _, snapshot in shown} == {None}


def test_a_run_that_goes_on_counts_what_is_done(shown, tmp_path, monkeypatch):
    options: dict[str, Any] = {"run": tmp_path / "run", "plan": {"chunk": 1, "xla": False}}
    monkeypatch.setattr("shrinkage._search._record._record.Record.keeps", lambda self, state: True)
    real, calls = Cohort.train_epoch, itertools.count()

    def stop(self, epoch):
        if next(calls) == 5:  # in the third epoch of the second strength
            raise KeyboardInterrupt
        return real(self, epoch)

    monkeypatch.setattr(Cohort, "train_epoch", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(classifier(), **options)
    shown.clear()
    fit(classifier(), **options)
    first = of_stage(shown, "folds")[0]
    assert (first.lams_done, first.lams, first.epoch, first.epochs) == (1, 3, 2, 3)
    assert first.seconds_left is None and first.best is not None  # nothing is measured yet
    shown.clear()
    fit(classifier(), **options)
    assert of_stage(shown, "folds") == []  # read from the folder


def test_a_part_that_runs_out_of_memory_begins_again(shown, monkeypatch):
    real = _search.score

    class Full(Exception):
        pass

    def failing(cohort, lam, **options):
        if lam.shape[1] > 2:
            raise Full
        return real(cohort, lam, **options)

    monkeypatch.setattr(_search, "score", failing)
    monkeypatch.setattr(_search, "get_memory_errors", lambda: Full)
    fit(classifier(), plan={"xla": False})
    folds = of_stage(shown, "folds")
    assert folds[0].lams == folds[-1].lams == 3 and sorted({snapshot.lams_done for snapshot in folds}) == [0, 2]


# --- the time


def slowly(monkeypatch, seconds: float) -> None:
    """Let epochs take a time for each training row, and for each scored row; folds run side by side on the cores."""
    train, evaluate = Cohort.train_epoch, Cohort.evaluate

    def wait(cohort: Any, sets: Any, share: float) -> None:
        rows, together = sum(map(len, sets)), count_parallel_folds(len(sets), cohort.engine.training.xla)
        time.sleep(share * seconds * rows * cohort.strengths / together)

    def slow_train(self: Any, epoch: int) -> Any:
        wait(self, self._train, 1.0)
        return train(self, epoch)

    def slow_evaluate(self: Any) -> Any:
        wait(self, self._held_out, 1.0)
        return evaluate(self)

    monkeypatch.setattr(Cohort, "train_epoch", slow_train)
    monkeypatch.setattr(Cohort, "evaluate", slow_evaluate)


TIMED: dict[str, dict[str, Any]] = {
    "a strength at a time": {"plan": {"chunk": 1, "xla": False}},
    "all together": {"plan": {"xla": False}},
    "side by side": {"plan": {"xla": True}},
    "one epoch": {"plan": {"chunk": 1, "xla": False}, "epochs": 1, "lams": [3e-1, 1e-1, 3e-2, 1e-2, 1e-3, 1e-4]},
    "the choices alone": {"plan": {"chunk": 1, "xla": False}, "models": "chosen"},
    "a single split": {"plan": {"chunk": 1, "xla": False}, "cv": 0.3},
}


@pytest.mark.parametrize("name", some_every_day(TIMED, "all together", "the choices alone"))
def test_at_half_time_the_seconds_left_are_right_within_a_factor_of_two(name, shown, monkeypatch):
    slowly(monkeypatch, 1e-4)
    fit(classifier(), **{"epochs": 12, "epoch": "last", **TIMED[name]})
    training = [(at, each.seconds_left) for at, each in shown if each.stage in ("folds", "all rows")]
    begin, end = training[0][0], training[-1][0]
    half = [left / (end - at) for at, left in training if left and 0.4 < (at - begin) / (end - begin) < 0.6]
    assert half and 0.5 < statistics.median(half) < 2, half


def test_compiling_is_not_taken_for_an_epoch(shown, monkeypatch):
    real = Cohort.start

    def slow(self, lam):
        time.sleep(0.5)
        real(self, lam)

    monkeypatch.setattr(Cohort, "start", slow)
    fit(classifier(), plan={"xla": False}, epochs=4)
    lefts = [snapshot.seconds_left for snapshot in of_stage(shown, "folds") if snapshot.epoch]
    assert lefts and all(left is not None and left < 2 for left in lefts)


def test_early_stopping_makes_the_time_a_limit(shown):
    fit(classifier(), patience=1, epochs=5, plan={"xla": False})
    assert {snapshot.stops_early for snapshot in of_stage(shown, "folds")} == {True}
    assert {snapshot.stops_early for snapshot in of_stage(shown, "all rows")} == {False}


def test_a_learning_curve_is_a_stage_with_its_rows(shown):
    path = runs.with_learning_curve()
    found = of_stage(shown, "learning curve")
    assert path.learning_curve is not None and stages(shown)[-3:] == ["compiling", "learning curve", "assembling"]
    rows = list(dict.fromkeys(snapshot.rows for snapshot in found))
    assert len(rows) == len(path.learning_curve.rows) - 1 and rows == sorted(rows)
    assert {(snapshot.lams, snapshot.folds, snapshot.best) for snapshot in found} == {(2, 3, None)}
    assert found[-1].seconds_left == 0.0
    before = of_stage(shown, "all rows")[-1].seconds_left
    assert before is not None and before > 0  # the learning curve is still to come
