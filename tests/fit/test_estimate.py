"""`sh.estimate`: the arguments of `fit`, and what it predicts."""

import inspect
from typing import Any

import numpy as np
import pytest

import shrinkage as sh
from shrinkage._cohort._cohort import Cohort
from shrinkage._fit._estimate import Estimate
from shrinkage._problem._request import Request
from tests.fit.fitting import LAMS, TARGET, X, Y, classifier, line

SHOWN = {"cluster", "run", "progress", "verbose", "tensorboard", "on_epoch"}
OPTIONS: dict[str, Any] = {"penalty": "l2", "lams": LAMS, "cv": 3, "epochs": 3, "batch_size": 8}


def estimate(**options: Any) -> Estimate:
    return sh.estimate(options.pop("model", None) or classifier(), X, options.pop("y", Y), **{**OPTIONS, **options})


def test_the_arguments_are_those_of_fit():
    fit = [p for p in inspect.signature(sh.fit).parameters.values() if p.name not in SHOWN]
    found = inspect.signature(sh.estimate)
    assert [(p.name, p.kind, p.default) for p in found.parameters.values()] == [
        (p.name, p.kind, p.default) for p in fit
    ]
    assert found.return_annotation is Estimate


def test_a_wrong_argument_is_answered_as_by_fit():
    with pytest.raises(
        TypeError, match=r"^Keywords of estimate\(\) must be names of its arguments. Received: `callbacks`."
    ):
        sh.estimate(classifier(), X, Y, penalty="l2", epochs=3, callbacks=[])  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValueError, match="`epochs`"):
        estimate(epochs=0)


def test_nothing_is_trained(monkeypatch):
    def refuse(self, epoch):
        raise AssertionError("trained")

    monkeypatch.setattr(Cohort, "train_epoch", refuse)
    model = classifier()
    before = model.get_weights()
    found = estimate(model=model)
    assert found.lams == (0.3, 0.01, 0.0) and (found.folds, found.models, found.epochs) == (3, 12, 3)
    assert found.steps == 3 * (5 + 8) and found.models_in_a_step == 9
    assert found.seconds is not None and 0 < found.seconds < 100 and found.memory > 1e6
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


WORDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a grid": ({}, ["strengths: 2 from 0.3 to 0.01, and 0", "models: 12 of ", "3 epochs"]),
    "patience": ({"patience": 2}, ["fewer for a strength that no longer improves"]),
    "only the choices": ({"models": "chosen"}, ["models: 11 of"]),
    "a single split": ({"cv": 0.3}, ["in 1 fold, and on all rows"]),
    "no penalty": ({"lams": [0.0]}, ["strengths: 0 alone"]),
    "exact": (
        {"model": line(), "y": TARGET, "solver": "exact", "epochs": None, "batch_size": None},
        ["computed exactly", "memory: about"],
    ),
}


@pytest.mark.parametrize("name", WORDS)
def test_words(name):
    options, words = WORDS[name]
    found = estimate(**options)
    assert [word for word in words if word not in repr(found)] == []
    assert ("time:" in repr(found)) == (found.seconds is not None) == (name != "exact")


def test_a_budget_is_said_as_by_fit():
    rows = np.resize(np.arange(len(X)), 1300)
    found = sh.estimate(classifier(), X[rows], Y[rows], penalty="l2", epochs=4, budget=1.5)
    assert "Search: at most 5 strengths" in repr(found) and found.models == 6


def test_the_record_of_a_call_keeps_its_arguments_apart():
    """Arguments after `y` have names, in `estimate` as in `fit`."""
    with pytest.raises(TypeError):
        Request(classifier(), X, Y, "l2")  # pyright: ignore[reportCallIssue]
