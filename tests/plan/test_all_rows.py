"""The members on all rows train together with the folds if a thread would be idle: the same models, to the bit."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from shrinkage._cohort import _cohort
from shrinkage._cohort._cohort import has_idle_thread
from shrinkage._plan import _runner
from shrinkage._search import _search
from tests.daily import full
from tests.fit.fitting import X, Y, classifier
from tests.search.record.runs import assert_equal, count_events, kill_at, noisy
from tests.zoo.tables import mlp

LAMS = [0.3, 0.1, 0.01, 0.0]


def fit(model: Any = noisy, **changes: Any) -> sh.Path:
    arguments: dict[str, Any] = {
        "penalty": "l2", "lams": LAMS, "cv": 3, "epochs": 4, "batch_size": 8, "plan": {"rules": True, "xla": True}
    }  # fmt: skip
    return sh.fit(classifier(model), X, Y, **(arguments | changes))


@pytest.fixture
def joined(monkeypatch) -> Any:
    """Return a function that says whether a thread is idle."""

    def decide(is_idle: bool) -> None:
        monkeypatch.setattr(_runner, "has_idle_thread", lambda folds, xla: is_idle)

    return decide


@pytest.fixture
def refitted(monkeypatch) -> list[int]:
    """Return the number of strengths of each training on all rows that is not together with the folds."""
    found, refit = list[int](), _search.refit

    def count(cohort: Any, lam: np.ndarray, *others: Any) -> Any:
        found.append(lam.shape[1])
        return refit(cohort, lam, *others)

    monkeypatch.setattr(_search, "refit", count)
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"epoch": "last"},
        {"epoch": 3},
        {"patience": 1, "epochs": 12},
        full({"plan": {"rules": True, "xla": True, "chunk": 2}}),
        {"cv": 0.3},
        {"how": sh.Decoupled()},
    ],
)
def test_the_models_are_those_of_a_later_training(changes, joined, refitted):
    joined(False)
    expected = fit(**changes)
    assert refitted
    refitted.clear()
    joined(True)
    assert_equal(fit(**changes), expected)
    assert not refitted, "the models are those that trained with the folds"


def test_a_scaled_target_has_the_units_of_all_rows(joined, refitted):
    def regressor() -> keras.Model:
        model = keras.Sequential([keras.Input((6,)), layers.Dense(5, "relu"), layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    def run() -> sh.Path:
        y = 100 + 30 * X[:, 0] * np.arange(len(X)) / len(X)  # the folds have other means than all rows
        return sh.fit(
            regressor(), X, y, penalty="l2", lams=LAMS, cv=3, epochs=3, batch_size=8, standardize_target=True,
            plan={"rules": True, "xla": True},
        )  # fmt: skip

    joined(False)
    expected = run()
    refitted.clear()
    joined(True)
    assert_equal(run(), expected)
    assert not refitted


def test_a_strength_that_diverges_in_a_fold_is_trained_again_if_its_epoch_differs(joined, refitted):
    """At the largest strength a step multiplies weights by -5e5: the last finite epoch is the first."""

    def run() -> sh.Path:
        model = mlp()
        model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
        lams = [1e7, 0.1, 0.01]
        plan = {"rules": True, "xla": True}
        return sh.fit(model, X, Y, penalty="l2", lams=lams, cv=3, epochs=4, batch_size=8, epoch="last", plan=plan)

    joined(False)
    expected = run()
    refitted.clear()
    joined(True)
    assert_equal(run(), expected)
    assert refitted == [1]


def test_nothing_is_trained_again_where_every_strength_diverges(joined, refitted):
    model = mlp()
    model.compile(keras.optimizers.SGD(1e30), "sparse_categorical_crossentropy")
    joined(True)
    plan = {"rules": True, "xla": True}
    path = sh.fit(model, X, Y, penalty="l2", lams=[0.1, 0.01], cv=3, epochs=3, batch_size=8, plan=plan)
    assert not refitted
    with pytest.raises(sh.NothingToChoose):
        path.model()


@pytest.mark.parametrize("is_idle", [True, full(False)])
def test_a_run_goes_on_as_it_began(is_idle, joined, tmp_path, monkeypatch):
    """Also on a machine with another number of threads."""

    def run(**options: Any) -> sh.Path:
        return fit(plan={"rules": True, "xla": True, "chunk": 2}, **options)

    joined(is_idle)
    plain, events = run(), count_events(monkeypatch, run, tmp_path / "whole")
    for share in (0.2, 0.5, 0.8):
        folder = tmp_path / f"{share}"
        kill_at(monkeypatch, run, folder, int(share * len(events)))
        joined(not is_idle)
        assert_equal(run(run=folder), plain)
        joined(is_idle)


@pytest.mark.parametrize(
    "changes",
    [{"models": "chosen"}, {"plan": {"rules": True, "xla": False}}, {"learning_curve": True, "models": "chosen"}],
)
def test_other_fits_train_on_all_rows_after_the_folds(changes, joined, refitted):
    joined(True)
    if not (plan := changes.get("plan", {"xla": True}))["xla"]:
        assert not has_idle_thread(3, plan["xla"])
        joined(False)
    fit(**changes)
    assert refitted


@pytest.mark.parametrize(
    ("folds", "threads", "is_idle"),
    [(5, 1, False), (5, 2, True), (10, 2, False), (5, 4, True), (5, 5, False), (5, 8, True), (1, 2, True)],
)
def test_a_thread_is_idle_if_the_folds_do_not_fill_the_last_round(folds, threads, is_idle, monkeypatch):
    monkeypatch.setattr(_cohort, "count_threads", lambda: threads)
    assert has_idle_thread(folds, True) == is_idle
    assert not has_idle_thread(folds, False), "without XLA the folds run one after another, on all cores"
