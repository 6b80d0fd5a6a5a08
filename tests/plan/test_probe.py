"""When ways are timed, and which one is taken."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import shrinkage as sh
from shrinkage._plan import _engines, _probe, _runner
from shrinkage._plan._plan import Way
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request
from tests.daily import full
from tests.plan.test_plan import ALONE, NO_XLA, WHOLE, WHOLE_ALONE, XLA, compiled, fit
from tests.zoo import MODELS, rows
from tests.zoo.tables import mlp


def timing(compiling: float, step: float) -> _probe.Timing:
    return _probe.Timing(compiling, step)


@pytest.mark.parametrize(
    ("first", "second", "steps", "chosen", "timed"),
    [
        ((0.5, 1e-3), (0.5, 1e-4), 1e3, XLA, 1),  # 1.5 s of training: not worth another compilation
        ((0.5, 1e-3), (0.5, 5e-4), 1e5, NO_XLA, 2),
        ((0.5, 1e-3), (0.5, 2e-3), 1e5, XLA, 2),
        ((0.5, 1e-3), (90.0, 5e-4), 1e5, XLA, 2),  # faster, and not in time
        ((20.0, 1e-3), (0.5, 1e-4), 1e5, XLA, 1),  # compiling another may take longer than a tenth of the run
    ],
)
def test_the_probe_takes_the_faster_way_where_it_pays(first, second, steps, chosen, timed):
    times = {XLA: timing(*first), NO_XLA: timing(*second)}
    asked = []

    def timed_way(way: Way, _: object) -> _probe.Timing:
        asked.append(way)
        return times[way]

    best, reason = _probe.choose_way([XLA, NO_XLA], timed_way, steps)
    assert (best, len(asked)) == (chosen, timed)
    assert reason.startswith(str(chosen))


@pytest.mark.parametrize(
    ("times", "chosen", "timed", "reason"),
    [
        pytest.param({WHOLE: (1.0, 2e-3), WHOLE_ALONE: (0.1, 1e-3)}, WHOLE_ALONE, 2, "timed for", id="arithmetic"),
        pytest.param({WHOLE: (1.0, 1e-3), WHOLE_ALONE: (0.1, 2e-3)}, WHOLE, 2, "timed for", id="stacked is faster"),
        pytest.param({WHOLE: (1.0, 9e-5), WHOLE_ALONE: (0.1, 1e-9)}, WHOLE, 1, "too short to train", id="short steps"),
        pytest.param({WHOLE: (60.0, 1e-3), WHOLE_ALONE: (3.0, 1e-3)}, WHOLE_ALONE, 2, "timed for", id="slow to trace"),
        pytest.param(
            {XLA: (0.5, 1e-3), NO_XLA: (0.5, 8e-4), ALONE: (0.5, 5e-4)}, ALONE, 3, "timed for", id="three ways"
        ),
        pytest.param(
            {XLA: (0.5, 9e-5), NO_XLA: (0.5, 8e-5), ALONE: (0.5, 5e-5)}, NO_XLA, 2, "timed for", id="two of three ways"
        ),
        pytest.param(
            {XLA: (20.0, 9e-5), NO_XLA: (0.5, 8e-5), ALONE: (0.5, 5e-5)}, XLA, 1, "would take too long", id="none"
        ),
        pytest.param(
            {XLA: (20.0, 1e-3), NO_XLA: (0.5, 8e-4), ALONE: (0.5, 9e-4)},
            ALONE,
            2,
            "timed for",
            id="no time for XLA off",
        ),
        pytest.param(
            {ALONE: (0.5, 5e-3), XLA: (0.5, 6e-3), NO_XLA: (0.5, 4e-3)}, NO_XLA, 3, "timed for", id="a large model"
        ),
        pytest.param({ALONE: (0.1, 1e-5), XLA: (0.5, 5e-6)}, ALONE, 1, "too short to time", id="a short run"),
    ],
)
def test_one_strength_at_a_time_is_timed_where_a_step_is_long(times, chosen, timed, reason):
    asked = []

    def timed_way(way: Way, _: object) -> _probe.Timing:
        asked.append(way)
        return timing(*times[way])

    best, why = _probe.choose_way([*times], timed_way, 2e5)
    assert (best, len(asked)) == (chosen, timed)
    assert why.startswith(f"{chosen}: ") and reason in why


def test_one_way_is_not_timed():
    assert _probe.choose_way([WHOLE], lambda *_: pytest.fail("timed"), 1e9)[0] == WHOLE


def test_a_probe_times_both_ways_and_leaves_no_trace_in_the_result(monkeypatch):
    plain = fit(plan={"chunk": 3})
    monkeypatch.setattr(_probe, "_MIN_SECONDS_TO_TIME", 0.0)
    probed = fit(plan={"chunk": 3})
    assert "timed for a step of one member" in probed.plan["reason"]
    if probed.plan["xla"] == plain.plan["xla"]:
        np.testing.assert_array_equal(probed.cv_loss, plain.cv_loss)


class Clocked:
    """A cohort whose calls take a time that is known.

    Args:
        steps: Steps of an epoch.
        without: Seconds of a call without steps.
        step: Seconds of a step.
    """

    def __init__(self, steps: int, without: float, step: float):
        self.steps, self._without, self._step = steps, without, step
        self.seconds = 0.0

    def time_steps(self, steps: int) -> float:
        found = self._without + steps * self._step
        self.seconds += found
        return found


@pytest.mark.parametrize(
    ("steps", "without", "step"),
    [(4000, 0.3, 2e-4), (4000, 0.0, 2e-4), (10, 0.3, 2e-4), (4000, 0.01, 0.5), (1, 0.01, 0.5)],
    ids=["many rows", "short steps", "few steps", "long steps", "one step"],
)
def test_shuffling_many_rows_is_not_the_time_of_a_step(steps, without, step):
    cohort: Any = Clocked(steps, without, step)
    found = _probe.time_steps(cohort, lambda _: None, members=6)
    epoch = (without + steps * step) / 6
    assert found.step_seconds * steps == pytest.approx(epoch, rel=1e-6)
    assert cohort.seconds < 10 * without + 5 * max(0.15, step)


@pytest.mark.parametrize(
    ("step", "model_steps", "is_precise"),
    [
        (1e-5, 1e5, False),  # a second of training
        (1e-5, 5e5, True),  # five seconds: three times as long, another way would be worth timing
        (1e-5, 1e7, True),
    ],
)
def test_a_short_run_is_timed_by_a_few_steps(step, model_steps, is_precise):
    """A timing of a seventh of a second would be a part of a short run, and change no decision."""
    slower, asked = {XLA: 1, NO_XLA: 2, ALONE: 2}, []
    cohorts = {way: Clocked(4000, 0.001, 6 * step * times) for way, times in slower.items()}

    def time_way(way: Way, suffices: Any) -> _probe.Timing:
        asked.append(_probe.time_steps(cohorts[way], lambda _: None, 6, suffices))  # type: ignore[arg-type]
        return asked[-1]

    best, reason = _probe.choose_way([XLA, NO_XLA, ALONE], time_way, model_steps)
    precise = _probe.choose_way([XLA, NO_XLA, ALONE], lambda way, _: time_way(way, None), model_steps)
    assert (best, reason) == precise
    assert asked[0].is_precise == is_precise
    assert asked[0].step_seconds == pytest.approx(step, rel=0.1)
    assert cohorts[XLA].seconds > 0.1 or not is_precise


def test_a_prediction_of_seconds_times_precisely(monkeypatch):
    """The run is too short for more than a coarse timing, and an estimate is asked for seconds."""
    x, y = rows("table")
    request = Request(compiled(mlp()), x, y, penalty=sh.L2(), lams=[0.1, 0.0], cv=2, epochs=2, batch_size=2)
    runner, calls = _runner.Runner(prepare_problem(request)), []
    (coarse,) = runner._timings.values()
    real = _runner.time_steps
    monkeypatch.setattr(_runner, "time_steps", lambda *args: calls.append(args) or real(*args))
    seconds = runner.predict_seconds()
    (precise,) = runner._timings.values()
    assert not coarse.is_precise and precise.is_precise and len(calls) == 1
    assert precise.compile_seconds == coarse.compile_seconds > 0.01
    assert seconds > coarse.compile_seconds
    runner.predict_seconds()
    assert len(calls) == 1


# --- one strength at a time


@pytest.fixture
def arithmetic_rules(monkeypatch):
    """The probe finds that one strength at a time is the fastest way."""
    monkeypatch.setattr(_probe, "_MIN_SECONDS_TO_TIME", 0.0)
    monkeypatch.setattr(_probe, "_MIN_SECONDS_TO_TIME_ALONE", 0.0)
    monkeypatch.setattr(_runner, "time_steps", lambda _, start, members, suffices: timing(0.0, 1e-3 * members))


@pytest.mark.parametrize("name", ["mlp", full("dropped_out"), "normalized", "subclassed"])
def test_one_strength_at_a_time_gives_the_same_path(name, arithmetic_rules):
    alone = fit(compiled(MODELS[name][0]()))
    together = fit(compiled(MODELS[name][0]()), plan={**alone.plan, "chunk": 3})
    assert (together.plan["chunk"], alone.plan["chunk"]) == (3, 1)
    np.testing.assert_allclose(alone.cv_loss, together.cv_loss, rtol=1e-4)  # float32
    assert alone.plan["memory"] <= together.plan["memory"]


@pytest.mark.parametrize("name", ["mlp", "subclassed"])
def test_a_recorded_plan_of_one_strength_at_a_time_repeats_to_the_bit(name, arithmetic_rules):
    model = compiled(MODELS[name][0]())
    first = fit(model)
    assert first.plan["chunk"] == 1
    assert first.plan["reason"].startswith("one strength at a time, ")
    again = fit(model, plan=first.plan)
    assert {**first.plan, "reason": "", "memory": 0} == {**again.plan, "reason": "", "memory": 0}
    assert first.plan["memory"] > again.plan["memory"], "the timing of three strengths together took more"
    np.testing.assert_array_equal(again.cv_loss, first.cv_loss)
    for mine, theirs in zip(again.weights, first.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_one_strength_at_a_time_compiles_one_step_for_folds_and_all_rows(monkeypatch, arithmetic_rules):
    kept: OrderedDict = OrderedDict()
    monkeypatch.setattr(_engines, "_SHARED_ENGINES", kept)
    fit(batch_size=4, lams=[0.4, 0.3, 0.2])
    found = {strengths: engine.traces for (*_, strengths, _), engine in kept.items()}
    assert found[1] == 2  # training and evaluation


def test_a_record_goes_on_one_strength_at_a_time(tmp_path, monkeypatch, arithmetic_rules):
    whole, ticks = fit(), []

    def stop(self, n_epochs: int, *_: object) -> None:
        ticks.append(n_epochs)
        if len(ticks) == 4:
            raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("shrinkage._search._record._record.RecordedPart.keep", stop)
        with pytest.raises(RuntimeError, match="killed"):
            fit(run=tmp_path / "run")
    monkeypatch.setattr(_runner, "time_steps", None)
    path = fit(run=tmp_path / "run")
    assert path.plan == whole.plan and path.plan["chunk"] == 1
    np.testing.assert_array_equal(path.cv_loss, whole.cv_loss)
