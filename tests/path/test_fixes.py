"""The next steps of findings: they run, keep the arguments of the caller that a path knows, and lead somewhere."""

import inspect
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import shrinkage as sh
from shrinkage._path._fixes import make_fix
from shrinkage._path._kinds import KINDS
from tests.synthetic_path import StubTemplate, diverged, learning_curve, make_path

ROWS = np.random.default_rng(0).normal(size=(60, 2))
GROUPS, WEIGHT = np.arange(60) // 2, np.linspace(0.5, 1.5, 60)
SMALL: dict[str, Any] = {
    **{"penalty": sh.L2(), "how": sh.Decoupled(), "lams": [0.1, 0.01], "cv": 2, "groups": GROUPS, "epochs": 1},
    **{"batch_size": 20, "standardize_target": True, "models": "chosen", "seed": 3},
    **{"on": "all", "patience": 2, "epoch": "last", "sample_weight": WEIGHT},
}
FITS = [code for code, kind in KINDS.items() if "{fit}" in kind.fix.code]


def fix(path, code, **options):
    return make_fix(path, code, path.plan, path.seed, folds=[1], **options)


def called(code, **names):
    """Return the arguments of the call of `fit` or `compare` in the code of a fix, without training."""
    calls = []

    def take(*arguments, **options):
        calls.append(inspect.signature(sh.fit).bind_partial(*arguments, **options).arguments)

    fake = SimpleNamespace(fit=take, compare=take)
    x_val, y_val = ROWS[:1], ROWS[:1, 0]
    model = SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.1))
    exec(code, {"sh": fake, "np": np, "model": model, "x": ROWS, "y": ROWS[:, 0], **locals(), **names})
    assert len(calls) == 1
    return {name: value for name, value in calls[0].items() if name not in ("model", "x", "y")}


# --- every fix runs


@pytest.fixture(scope="module")
def small():
    """A small path of which no argument is the default, and the names that fixes use."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="line")
    model.compile(keras.optimizers.SGD(0.01), "mean_squared_error")
    names = {"model": model, "x": ROWS, "y": ROWS @ [1.0, 2.0], "groups": GROUPS, "np": np, "sh": sh}
    names["sample_weight"] = WEIGHT
    return names | {"path": sh.fit(model, ROWS, names["y"], **SMALL)}


@pytest.mark.parametrize("code", [code for code, kind in KINDS.items() if kind.fix.code])
def test_the_fix_runs(small, code):
    path, names = small["path"], dict(small)
    if code == "no-minimum":
        path = replace(path, how=sh.Coupled(), target_mean=0.0, target_sd=1.0)  # an exact path has no other
    code = fix(path, code)
    exec(compile(code, "fix", "exec"), names)
    if "sh.fit(" in code:
        made = names["path"]
        assert made is not path and made.penalty == path.penalty and made.seed == 3
    if "epochs=" in code and "sh.fit(" in code:
        assert names["path"].cv_loss.shape[2] >= path.cv_loss.shape[2]
    if "np.append" in code:
        assert len(names["path"].lams) > len(path.lams)
    if "rows =" in code:
        assert np.array_equal(names["rows"], path.folds.held_out[1])
    if "compare" in code:
        assert list(names["comparison"].paths) and names["comparison"].entries[0].path.cv_loss.shape[::2] == (2, 1)


# --- they keep the arguments of the caller


@pytest.mark.parametrize("code", FITS)
def test_a_fix_keeps_the_arguments_that_are_not_the_defaults(small, code):
    path, changes = small["path"], set(KINDS[code].fix.changes)
    given = called(fix(path, code), path=path, groups=GROUPS, sample_weight=WEIGHT)
    same = {**SMALL, "lams": path.lams}
    kept = set(same) - changes - ({"epochs"} if "solver" in changes else set())
    assert set(given) == kept | {name for name in changes if KINDS[code].fix.changes[name]}
    for name in kept:
        assert np.array_equal(given[name], same[name])


FOLDS = make_path().folds
DEFAULT = make_path(plan={"batch_size": 32, "init": "fresh", "models": "all"})
# name: (path, arguments of a fix that lowers the learning rate beside penalty and epochs)
PATHS = {
    "defaults": (DEFAULT, {}),
    "the model's own penalty": (replace(DEFAULT, lam_model=float(DEFAULT.lams[3])), {"penalty": "model"}),
    "the model's own penalty between others": (
        make_path(np.sort([*DEFAULT.lams, 0.02])[::-1], lam_model=0.02),
        {"penalty": "model"},
    ),
    "strengths": (make_path([0.1, 0.01, 0.0]), {"lams"}),
    "kept weights": (replace(DEFAULT, plan={"init": "keep", "batch_size": 64}), {"init": "keep", "batch_size": 64}),
    "repeats": (replace(DEFAULT, folds=replace(FOLDS, repeats=5)), {"cv": 1, "repeats": 5}),
    "groups": (replace(DEFAULT, folds=replace(FOLDS, kind="stratified group k-fold")), {"groups": "groups"}),
    "pairs": (replace(DEFAULT, folds=replace(FOLDS, kind="TimeSeriesSplit")), {"cv"}),
    "one split": (make_path(n_folds=1), {"cv": 0.2}),
    "validation data": (replace(DEFAULT, folds=replace(make_path(n_folds=1).folds, kind="given")), {"validation_data"}),
    "a budget": (replace(DEFAULT, budget=3.0, folds=replace(FOLDS, kind="hold-out rung")), {"budget": 3.0}),
    "of training": (
        replace(DEFAULT, plan={"arguments": {"patience": "4", "on": "['dense']"}}),
        {"patience": 4, "on": ["dense"]},
    ),
    "exact": (replace(DEFAULT, solver="exact"), {"solver": "exact"}),
    "a learning curve": (
        replace(DEFAULT, learning_curve=learning_curve(DEFAULT, [0.1], 0.1)),
        {"learning_curve": True},
    ),
}


@pytest.mark.parametrize("name", PATHS)
def test_what_a_path_knows_of_its_call(name):
    path, expected = PATHS[name]
    given = called(fix(path, "unsteady"), path=path, groups="groups")
    expected = dict.fromkeys(expected) if isinstance(expected, set) else expected
    assert set(given) == {"penalty", *({"epochs"} if name != "exact" else ()), *expected}
    assert all(given[key] == value for key, value in expected.items() if value is not None)
    assert given["penalty"] == expected.get("penalty", path.penalty)


# --- they lead somewhere


@pytest.mark.parametrize(
    ("folds", "changed"),
    [
        ({"kind": "k-fold"}, {"repeats": 4}),
        ({"kind": "stratified k-fold", "repeats": 5}, {"repeats": 10}),
        ({"kind": "TimeSeriesSplit"}, None),  # whose folds at random would train on later rows
        ({"kind": "given"}, None),
    ],
    ids=lambda value: value["kind"] if value and "kind" in value else None,
)
@pytest.mark.parametrize("code", [code for code, kind in KINDS.items() if "repeats" in kind.fix.changes])
def test_only_folds_at_random_are_repeated(code, folds, changed):
    path = make_path()
    path = replace(path, folds=replace(path.folds, **folds))
    found = fix(path, code)
    assert bool(found) == bool(changed)
    assert changed is None or changed.items() <= called(found, path=path).items()


def test_a_single_split_gets_folds_and_keeps_its_groups():
    path = make_path(n_folds=1)
    for code in ("penalty-unclear", "one-split"):
        assert called(fix(path, code), path=path)["cv"] == 5
    learned = replace(path, learning_curve=learning_curve(path, [0.1], 0.1))
    again = called(fix(learned, "more-rows-unclear"), path=learned)
    assert again["learning_curve"] is True and again["cv"] == 5
    grouped = replace(path, folds=replace(path.folds, kind="group hold-out"), groups=np.arange(40))
    assert called(fix(grouped, "one-split"), path=grouped, groups=GROUPS)["groups"] is GROUPS


def test_a_gap_leads_to_a_learning_curve_where_there_is_none():
    path = make_path()
    assert called(fix(path, "gap"), path=path)["learning_curve"] is True
    known = replace(path, learning_curve=learning_curve(path, [0.1], 0.1))
    on_disk = replace(path, plan={**path.plan, "blocks": 3})
    assert fix(known, "gap") == fix(on_disk, "gap") == "model = path.model()"


def test_only_strength_0_leads_to_a_grid():
    path = make_path([0.0])
    assert "lams" not in called(fix(path, "nothing-to-compare"), path=path)


def test_a_search_that_was_too_short_leads_to_the_whole_grid():
    path, _ = PATHS["a budget"]
    assert "budget" not in called(fix(path, "search-too-short"), path=path)


def test_a_schedule_has_no_fix_that_would_fail_or_change_nothing():
    base = make_path(template=StubTemplate(has_schedule=True))
    path = make_path(template=StubTemplate(has_schedule=True), **diverged(base, np.ones(len(base.lams), bool)))
    assert path.diagnose()[0].fix == ""


@pytest.mark.parametrize("name", ["exact", "the model's own penalty"])
def test_what_cannot_be_compared_has_no_comparison(name):
    assert fix(PATHS[name][0], "small-gain") == "" and "sh.compare(" in fix(make_path(), "small-gain")


def test_a_long_call_has_several_lines():
    path = replace(make_path([0.1, 0.01, 0.0]), folds=replace(FOLDS, kind="TimeSeriesSplit"), seed=123456)
    code = fix(path, "edge-of-grid")
    assert max(map(len, code.splitlines())) <= 110 and "np.geomspace" in code
    assert {"cv", "lams", "seed"} <= set(called(code, path=path))
