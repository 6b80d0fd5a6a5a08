"""How a run is planned: which ways there are, when two are timed, what is fixed, memory, and what is reused."""

import json
import subprocess
import sys
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import psutil
import pytest
from keras import layers

import shrinkage as sh
from shrinkage._data._memory_limit import get_free_memory
from shrinkage._model._template import Template
from shrinkage._plan import _engines, _memory_maps, _probe, _runner
from shrinkage._plan._fingerprint import compute_fingerprint
from shrinkage._plan._memory import Memory
from shrinkage._plan._plan import Way, check_user_plan, make_plan, select_allowed_ways, ways
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request
from tests import peak_memory
from tests.zoo import MODELS, rows
from tests.zoo.tables import dropped_out, mlp

XLA, NO_XLA, WHOLE = Way(True, True), Way(True, False), Way(False, False, ("net",))
ALONE, WHOLE_ALONE = replace(XLA, trains_alone=True), replace(WHOLE, trains_alone=True)


def compiled(
    model: keras.Model, optimizer: Any = "adam", loss: Any = "sparse_categorical_crossentropy", **options: Any
) -> keras.Model:
    model.compile(optimizer, loss, **options)
    return model


def fit(model: keras.Model | None = None, **changes) -> sh.Path:
    x, y = rows("table")
    arguments: dict[str, Any] = {"penalty": sh.L2(), "lams": [0.1, 0.01], "cv": 2, "epochs": 2, "batch_size": 8}
    return sh.fit(model or compiled(mlp()), x, y, **(arguments | changes))


# --- the table of ways


@pytest.mark.parametrize(
    ("name", "agrees", "expected"),
    [
        ("mlp", True, [(True, True, 0), (True, False, 0), (True, True, 0)]),
        ("nested", True, [(True, True, 0), (True, False, 0), (True, True, 0)]),
        ("own_layer", True, [(True, False, 1), (False, False, 1), (False, False, 1)]),
        ("subclassed", True, [(False, False, 1), (False, False, 1)]),
        ("mlp", False, [(False, False, 1), (False, False, 1)]),
        ("convolved", True, [(True, True, 0), (False, False, 1), (False, False, 1)]),
    ],
)
def test_ways_of_a_model(name, agrees, expected):
    found = ways(MODELS[name][0](), agrees=agrees, batch_size=8)
    assert [(way.rules, way.xla, len(way.unrolled_layers)) for way in found] == expected
    assert [way.trains_alone for way in found] == [*[False] * (len(expected) - 1), True]
    assert len({str(way) for way in found}) == len(found)
    assert str(found[-1]).startswith("one strength at a time, ")


def test_large_convolutions_are_tensorflows_own():
    found = ways(MODELS["convolved"][0](), agrees=True, batch_size=10**6)
    assert [(way.rules, way.xla, way.scores_by_calls) for way in found] == [(False, False, True)]
    assert [way.trains_alone for way in found] == [True]
    assert [way.trains_alone for way in select_allowed_ways(found, {"chunk": 2})] == [False]


def test_one_strength_at_a_time_is_the_first_way_of_a_large_model():
    def found(units: int) -> list[Way]:
        sizes = [keras.Input((64,)), layers.Dense(units), layers.Dense(units), layers.Dense(1)]
        return ways(keras.Sequential(sizes), agrees=True, batch_size=32)

    assert [way.trains_alone for way in found(64)] == [False, False, True]
    assert [way.trains_alone for way in found(512)] == [True, False, False]
    assert {str(way) for way in found(64)} == {str(way) for way in found(512)}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({}, [XLA, NO_XLA, ALONE]),
        ({"chunk": 2}, [XLA, NO_XLA]),
        ({"chunk": 1}, [XLA, NO_XLA]),
        ({"xla": False}, [NO_XLA]),
        ({"rules": True, "xla": True}, [XLA, ALONE]),
        ({"rules": True, "xla": True, "chunk": 1}, [XLA]),
        ({"rules": False, "xla": True}, [Way(False, True)]),
    ],
)
def test_a_given_plan_leaves_ways(given, left):
    found = select_allowed_ways([XLA, NO_XLA, ALONE], given)
    assert [(way.rules, way.xla, way.trains_alone) for way in found] == [
        (way.rules, way.xla, way.trains_alone) for way in left
    ]


@pytest.mark.parametrize("plan", [None, {"xla": True}])
def test_a_process_near_the_limit_of_memory_maps_goes_on_without_xla(plan, monkeypatch):
    before = fit(plan=plan)
    assert before.plan["xla"] and not any("memory maps" in note for note in before.notes)
    monkeypatch.setattr(_memory_maps, "_count_maps", lambda: (62_000, 65_530))
    path = fit(plan=plan)
    assert not path.plan["xla"] and "without XLA" in path.plan["reason"]
    (note,) = [note for note in path.notes if "62,000 of the 65,530 memory maps" in note]
    assert note in repr(path).replace("\n", " ")
    np.testing.assert_allclose(path.cv_loss, before.cv_loss, rtol=1e-4)  # float32
    asked = fit(plan={"xla": False})
    assert not any("memory maps" in note for note in asked.notes)


def test_memory_maps_are_counted_where_linux_tells():
    taken, most = _memory_maps._count_maps()
    assert 0 <= taken < most


def test_rules_that_do_not_agree_cannot_be_had():
    with pytest.raises(ValueError, match="must not fix rules=True for this model.* Received: rules=True"):
        select_allowed_ways([WHOLE], {"rules": True})


# --- a plan that is given


def test_a_run_with_a_recorded_plan_repeats_to_the_bit():
    first = fit(compiled(dropped_out()), plan={"xla": False, "chunk": 2})
    again = fit(compiled(dropped_out()), plan=first.plan)
    assert (first.plan["xla"], first.plan["chunk"]) == (False, 2)
    assert {**first.plan, "reason": ""} == {**again.plan, "reason": ""}
    np.testing.assert_array_equal(again.cv_loss, first.cv_loss)
    for mine, theirs in zip(again.weights, first.weights, strict=True):
        if "int" not in str(mine.dtype):  # the states of random layers are the models' own
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("plan", "error", "message"),
    [
        ("fast", TypeError, "`plan` must be a dictionary such as path.plan. Received: str."),
        ({"xl": True}, ValueError, "`plan` must fix nothing but .* Received: 'xl'. Did you mean 'xla'"),
        ({"xla": 1}, ValueError, "`plan\\['xla'\\]` must be True or False. Received: 1"),
        ({"chunk": 0}, ValueError, "`plan\\['chunk'\\]` must be a whole number of at least 1. Received: 0"),
        ({"evaluated_rows": 2.5}, ValueError, "`plan\\['evaluated_rows'\\]` must be a whole number"),
    ],
)
def test_a_wrong_plan_is_refused(plan, error, message):
    with pytest.raises(error, match=message.replace("(", r"\(")):
        fit(plan=plan)


def test_the_parts_of_a_recorded_plan_are_known():
    path = fit()
    assert check_user_plan(path.plan) == {name: path.plan[name] for name in ("rules", "xla", "chunk", "evaluated_rows")}


def test_verbose_prints_the_plan_and_why(capsys):
    path = fit(verbose=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert path.plan["reason"] in printed.err and "MiB of memory expected" in printed.err


# --- memory

SMALL = Memory(
    member=4000, weights=1000, activations=100, output=12, widest_output=10, data=1000, scored_rows=50,
    held_out_rows=50,
    held_out_sum=50, folds=2, strengths=20, batch_size=8, limit=2**40,
)  # fmt: skip


def test_chunks_keep_to_the_limit():
    everything = make_plan(NO_XLA, SMALL, {}, strengths=20)
    assert everything.chunk == 20
    needed = SMALL.predict(20, xla=False, evaluated_rows=8)
    tight = replace(SMALL, limit=needed - 1)
    plan = make_plan(NO_XLA, tight, {}, strengths=20)
    assert plan.chunk == 10  # two chunks of equal size
    assert tight.predict(plan.chunk, xla=False, evaluated_rows=8) <= tight.limit


def test_a_run_that_cannot_keep_to_the_limit_says_so():
    path = fit(max_memory=1e6)
    assert path.plan["chunk"] == 1
    (note,) = (note for note in path.notes if "of max_memory" in note)
    assert "more than the 977 KiB of max_memory: compiled steps and rows alone take" in note and "give more" in note


@pytest.mark.parametrize("limit", [0, -1, "4 GB", True, float("nan")])
def test_a_wrong_limit_is_refused(limit):
    with pytest.raises(ValueError, match="`max_memory` must be None or a number of bytes, such as 4e9"):
        fit(max_memory=limit)


@pytest.mark.parametrize(
    ("changes", "least"),
    [
        pytest.param({"listed_rows": 10**7}, 8 * 10**7, id="numbers of the rows of all sets"),
        pytest.param({"rows": 10**7}, 32 * 10**7, id="permutations and batches of an epoch"),
        pytest.param({"data": 10**8}, 10**8 - 1000, id="tensors of the rows"),
        pytest.param({"data": 10**8, "stored_rows": 1000}, 6 * 10**8, id="copies of a block on disk"),
    ],
)
@pytest.mark.parametrize("xla", [True, False])
def test_memory_of_rows_is_told(changes, least, xla):
    before, after = (memory.predict(1, xla=xla, evaluated_rows=8) for memory in (SMALL, replace(SMALL, **changes)))
    assert least <= after - before <= 3 * least


def test_the_folds_of_rows_on_disk_are_chosen_before_steps_are_compiled():
    many, more = (replace(SMALL, stored_rows=1000, splitting_bytes=size) for size in (10**6, 10**9))
    few = replace(SMALL, stored_rows=1000)
    found = [memory.predict(1, xla=True, evaluated_rows=8) for memory in (few, many, more)]
    assert found[0] == found[1] and 10**9 <= found[2] < 1.01 * 10**9


@pytest.mark.full
@pytest.mark.parametrize("name", peak_memory.CASES)
def test_memory_is_told_within_30_percent(name):
    """In a new process each, of the memory that the fit takes beside what the process had."""
    command = [sys.executable, "-m", "tests.peak_memory", name]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    assert found["taken"] > 2**26
    assert found["told"] == pytest.approx(found["taken"], rel=0.3)


def test_free_memory_is_what_the_system_says():
    assert 2**26 < get_free_memory() <= psutil.virtual_memory().total


# --- reuse


@pytest.fixture
def shared(monkeypatch) -> OrderedDict:
    kept: OrderedDict = OrderedDict()
    monkeypatch.setattr(_engines, "_SHARED_ENGINES", kept)
    return kept


def traces(kept: OrderedDict) -> int:
    return sum(engine.traces for engine in kept.values())


def test_fits_of_the_same_shapes_trace_once(shared):
    fit(batch_size=4)
    once = traces(shared)
    fit(batch_size=4)  # another model of the same making
    fit(batch_size=4, lams=[3.0, 0.2], seed=5, cv=2)
    fit(batch_size=4, plan={"chunk": 3})
    assert once == traces(shared) > 0
    assert len(shared) == 1
    fit(batch_size=5)
    assert len(shared) == 1 and traces(shared) > once  # a new shape of the same step


def test_the_rules_of_equal_models_are_checked_once(shared, monkeypatch):
    real, checked = _runner.check_rules, []
    monkeypatch.setattr(_runner, "check_rules", lambda problem: checked.append(problem) or real(problem))
    first, second, other = fit(), fit(), fit(compiled(dropped_out()))
    assert len(checked) == 2
    assert first.plan["rules"] and second.plan["rules"] and other.plan["rules"]
    np.testing.assert_array_equal(first.cv_loss, second.cv_loss)


def test_chunks_share_one_compiled_step(shared):
    fit(batch_size=4, lams=[0.4, 0.3, 0.2, 0.1, 0.05], plan={"chunk": 2})
    assert len(shared) == 1 and traces(shared) == 2


def test_reused_steps_give_what_fresh_ones_give(shared):
    first = fit(compiled(dropped_out()))
    again = fit(compiled(dropped_out()))
    shared.clear()
    fresh = fit(compiled(dropped_out()))
    np.testing.assert_array_equal(again.cv_loss, first.cv_loss)
    np.testing.assert_array_equal(again.cv_loss, fresh.cv_loss)


def net(units: int = 4, activation: str = "tanh", **options) -> keras.Model:
    hidden = layers.Dense(units, activation, **options)
    return keras.Sequential([keras.Input((6,)), hidden, layers.Dense(3, "softmax")])


def frozen_net() -> keras.Model:
    model = net()
    model.layers[0].trainable = False
    return model


DIFFERENT = {
    "units": lambda: compiled(net(5)),
    "activation": lambda: compiled(net(activation="relu")),
    "bias": lambda: compiled(net(use_bias=False)),
    "frozen": lambda: compiled(frozen_net()),
    "optimizer": lambda: compiled(net(), "sgd"),
    "learning rate": lambda: compiled(net(), keras.optimizers.Adam(0.02)),
    "loss weights": lambda: compiled(net(), loss_weights=[2.0]),
    "loss": lambda: compiled(net(), loss="kl_divergence"),
    "regularizer": lambda: compiled(net(bias_regularizer="l2")),
    "float64": lambda: compiled(net(dtype="float64")),
}


def print_of(model: keras.Model, *others: Any) -> str | None:
    """Return the fingerprint of a model of three outputs with its own loss."""
    template = Template(model)
    return compute_fingerprint(template, template.make_objective(np.eye(3), np.eye(3), ["`y`"]), *others)


@pytest.mark.parametrize("change", DIFFERENT)
def test_models_that_compute_something_else_share_nothing(change):
    first, again = (print_of(compiled(net())) for _ in range(2))
    assert first is not None and first == again
    assert print_of(DIFFERENT[change]()) != first


def test_what_else_a_step_depends_on_is_part_of_the_fingerprint():
    assert print_of(compiled(net()), sh.L2()) != print_of(compiled(net()), sh.L1())


@pytest.mark.parametrize("name", ["own_layer", "subclassed", "mixes_rows"])
def test_a_users_own_code_is_not_shared(name):
    """It may read anything, a global variable say, that no configuration shows."""
    assert print_of(compiled(MODELS[name][0]())) is None


@keras.saving.register_keras_serializable("plan")
def doubled(x):
    return 2 * x


def notebook_layer(call: Any) -> Any:
    """Make a layer of a class that a notebook defines."""
    return type("Own", (layers.Layer,), {"call": lambda _, inputs: call(inputs), "__module__": "__main__"})()


def with_layer(layer: Any) -> keras.Model:
    inner = [keras.Input((6,)), layers.Dense(4, "tanh"), layer]
    return compiled(keras.Sequential([*inner, layers.Dense(3, "softmax")]))


def test_a_layer_that_a_notebook_defines_again_is_trained_as_it_is_now():
    """Keras gives the module of such a class as None, and the class before and after an edit has one configuration."""
    before, after = notebook_layer(lambda x: 2.0 * x), notebook_layer(lambda x: 0.0 * x + 2.0)
    assert keras.saving.serialize_keras_object(before)["module"] is None, "if not, this test has lost its subject"
    assert print_of(with_layer(before)) is None
    first, path = fit(with_layer(before)), fit(with_layer(after))
    # The second layer gives a constant, so that a fold has the same prediction for all its rows.
    distinct = [len(np.unique(each.predictions[:, 0, 0].round(5))) for each in (first, path)]
    assert distinct[0] > 10 and distinct[1] <= 2
    assert not any("predicts differently" in note for note in path.notes)


def test_a_users_own_activation_is_not_shared():
    assert print_of(compiled(net(activation=doubled))) is None  # type: ignore[arg-type]


def test_folds_have_their_own_statistics_by_rules_and_unrolled():
    """A Normalization layer that is called keeps constants; members have statistics of their own training rows."""
    paths = [fit(compiled(MODELS["normalized"][0]()), plan={"rules": rules, "xla": False}) for rules in (True, False)]
    np.testing.assert_allclose(paths[0].cv_loss, paths[1].cv_loss, rtol=1e-5)
    x, y = rows("table")
    other = sh.fit(
        compiled(MODELS["normalized"][0]()), x * 10 - 3, y, penalty=sh.L2(), lams=[0.1, 0.01], cv=2, epochs=2,
        batch_size=8, plan={"rules": False},
    )  # fmt: skip
    np.testing.assert_allclose(other.cv_loss, paths[1].cv_loss, rtol=1e-3)  # and so units do not matter


def test_the_predicted_time_contains_compiling_once_and_a_second_prediction_too(monkeypatch):
    """A second timing would find the steps compiled."""
    timings = iter([_probe.Timing(7.0, 1e-9), _probe.Timing(0.0, 1e-9)])
    monkeypatch.setattr(_runner, "time_steps", lambda *_: next(timings))
    x, y = rows("table")
    request = Request(compiled(mlp()), x, y, penalty=sh.L2(), lams=[0.1], cv=2, epochs=2, batch_size=8)
    runner = _runner.Runner(prepare_problem(request))
    assert 7 < runner.predict_seconds() < 7.1
    assert 7 < runner.predict_seconds() < 7.1
