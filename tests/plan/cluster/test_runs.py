"""A fit on two workers equals the fit in this process to the bit.

Products of the small networks here run in one thread, whatever the number of threads that are allowed.
"""

import os
import signal
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import psutil
import pytest
from keras import layers

import shrinkage as sh
from shrinkage._data import _dataset
from shrinkage._search._record import _record
from tests.daily import full
from tests.fit.fitting import arrays, classifier, fit
from tests.search.record import runs

RUNS = [
    pytest.param(run, id=name, marks=() if name == "rows on disk" else pytest.mark.full)
    for name, run in runs.RUNS.items()
]


def assert_equal(found: sh.Path, expected: sh.Path) -> None:
    a, b = arrays(found), arrays(expected)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], name)
    assert np.nanstd(found.cv_loss) > 0


@pytest.mark.parametrize("run", RUNS)
def test_workers_and_this_process_give_the_same_path(run, cluster, monkeypatch):
    monkeypatch.setattr(_dataset, "_READ", (500, 2**24))  # a dataset of 2,000 rows goes to disk
    found = run(cluster=cluster)
    assert_equal(found, run())
    assert found.plan["threads"] == 1


def kill_workers(number: int) -> None:
    """Kill workers of this process, as the system does when memory runs out."""
    found = [each for each in psutil.Process().children(recursive=True) if each.name().startswith("ray::Worker")]
    assert len(found) >= number
    for each in found[:number]:
        os.kill(each.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("lost", "chunk", "record"),
    [
        full(1, 4, False),
        full(2, 4, False),
        full(1, 1, False),
        full(1, 4, True),
    ],
)
def test_a_killed_worker_is_replaced(lost, chunk, record, cluster, tmp_path, monkeypatch):
    """Another begins at the last checkpoint if there is a record, and else anew."""
    monkeypatch.setattr(_record, "_SHARE", 1e6)
    options: dict[str, Any] = {"plan": {"chunk": chunk, "xla": False}, "models": "chosen"}
    run = tmp_path / "run" if record else None
    killed = []

    def kill(epoch: Any) -> None:
        if epoch.number == 2 and not killed:
            killed.append(epoch.number)
            kill_workers(lost)

    found = fit(classifier(runs.noisy), lams=[0.3, 0.03, 0.01], cluster=cluster, on_epoch=kill, run=run, **options)
    assert_equal(found, fit(classifier(runs.noisy), lams=[0.3, 0.03, 0.01], **options))
    assert killed


@pytest.mark.full
def test_a_worker_that_is_lost_again_and_again_ends_the_run(cluster):
    fatal = os.getpid()

    class Fatal(keras.layers.Layer):
        def call(self, x):
            if os.getpid() != fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return x

    model = keras.Sequential([keras.Input((6,)), Fatal(), layers.Dense(3, "softmax")])
    with pytest.raises(RuntimeError, match="was lost 3 times in the same step"):
        fit(classifier(lambda: model), cluster=cluster)


class Unlucky(ValueError):
    """An error of the user's code."""


@pytest.mark.full
def test_an_error_of_the_users_code_arrives_and_is_not_retried(cluster, tmp_path):
    here = os.getpid()

    class Failing(keras.layers.Layer):
        def call(self, x, training=False):
            if os.getpid() != here and training:
                (tmp_path / f"called-{len(list(tmp_path.iterdir()))}").touch()
                raise Unlucky("seven")
            return x

    model = keras.Sequential([keras.Input((6,)), Failing(), layers.Dense(3, "softmax")])
    with pytest.raises(Unlucky, match="seven") as error:
        fit(classifier(lambda: model), cluster=cluster, plan={"rules": False, "xla": False, "chunk": 3})
    assert "raise Unlucky" in "".join(error.value.__notes__)  # the line in the worker
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("begun", "chunk"),
    [full(True, 4), full(False, 4), full(True, 1), full(False, 1)],
)
def test_a_run_goes_on_elsewhere(begun, chunk, cluster, tmp_path, monkeypatch):
    """From a checkpoint if the strengths were trained together, and else with the strengths that are left."""
    monkeypatch.setattr(_record, "_SHARE", 1e6)

    def stop(epoch: Any) -> None:
        if epoch.number == 2 and epoch.lams.min() < 0.02:
            raise Unlucky

    places = {True: {"cluster": cluster}, False: {}}
    options: dict[str, Any] = {"lams": [0.3, 0.03, 0.01], "plan": {"chunk": chunk, "xla": False}}
    with pytest.raises(Unlucky):
        fit(classifier(runs.noisy), on_epoch=stop, run=tmp_path / "run", **places[begun], **options)
    files = [each.name for each in (tmp_path / "run").glob("part-*")]
    assert any("epoch-0001" in name for name in files) if chunk == 4 else files
    with pytest.warns(UserWarning, match="`threads` is 2, and was 1") if begun else nullcontext():
        found = fit(classifier(runs.noisy), run=tmp_path / "run", **places[not begun], **options)
    assert_equal(found, fit(classifier(runs.noisy), **options))


@pytest.mark.full
@pytest.mark.parametrize("begun", [True, False], ids=["begun on the cluster", "begun here"])
def test_rows_on_disk_go_on_elsewhere(begun, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(_dataset, "_READ", (500, 2**24))
    monkeypatch.setattr(_record, "_SHARE", 1e6)

    def stop(epoch: Any) -> None:
        if epoch.number == 2:
            raise Unlucky

    places = {True: {"cluster": cluster}, False: {}}
    options: dict[str, Any] = {"plan": {"rules": True, "xla": False, "chunk": 4}}
    with pytest.raises(Unlucky):
        runs.on_disk(on_epoch=stop, run=tmp_path / "run", **places[begun], **options)
    assert [*(tmp_path / "run").glob("part-*-epoch-0001*")]
    with pytest.warns(UserWarning, match="`threads` is 2, and was 1") if begun else nullcontext():
        found = runs.on_disk(run=tmp_path / "run", **places[not begun], **options)
    assert_equal(found, runs.on_disk(**options))


@pytest.mark.full
def test_memory_that_runs_out_makes_smaller_parts(cluster, tmp_path):
    here, told = os.getpid(), tmp_path / "told"

    class Greedy(keras.layers.Layer):
        def call(self, x, training=False):
            if os.getpid() != here and training and not hasattr(x, "numpy") and not told.exists():  # in a step
                told.touch()
                raise MemoryError("no memory for so many")
            return x

    def make() -> keras.Model:
        return keras.Sequential([keras.Input((6,)), Greedy(), layers.Dense(3, "softmax")])

    options: dict[str, Any] = {"lams": [0.3, 0.03, 0.01], "models": "chosen"}
    plan = {"rules": False, "xla": False}
    found = fit(classifier(make), cluster=cluster, plan=plan | {"chunk": 4}, **options)
    assert "Memory ran out with 4 strengths at a time. At most 2 are trained at a time." in str(found)
    assert_equal(found, fit(classifier(make), plan=plan | {"chunk": 2}, **options))
