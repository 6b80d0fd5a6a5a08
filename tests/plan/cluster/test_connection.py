"""Connections to Ray: arguments, what is refused, and nothing that is left."""

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shrinkage
from shrinkage._compare import _compare
from shrinkage._plan._cluster import _connection
from shrinkage._plan._cluster._connection import ClusterError, check_cluster
from tests.fit.fitting import X, Y, classifier, fit, line

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("given", [3, ["local"], object()])
def test_other_types_are_refused(given):
    with pytest.raises(TypeError, match="`cluster` must be None, .* Received: "):
        check_cluster(given)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "here",
        "ray://10.0.0.5:10001",
        "10.0.0.5",
        "a b:1",
        "10.0.0.5:port",
        "10.0.0.5:0",
        "10.0.0.5:65536",
        "::1:6379",
    ],
)
def test_other_text_is_refused_before_rows_are_read(given):
    with pytest.raises(ValueError, match="`cluster` must be None, .* Received: "):
        fit(classifier(), x=None, cluster=given)


def test_without_ray_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ImportError, match=r"`cluster` needs Ray, which is not installed. Say pip install 'shrinkage\[ray\]'"
    ):
        check_cluster("local")


def test_the_exact_solver_stays_here():
    with pytest.raises(
        ValueError, match="`cluster` needs a solver that trains. Received: the exact solver, .* Leave `cluster` out"
    ):
        fit(line(), y=X @ np.arange(6.0), solver="exact", epochs=None, batch_size=None, cluster="local")


def test_an_address_without_ray_is_an_error_that_says_what_to_do():
    with pytest.raises(
        ClusterError, match="`cluster` must be .* Received: '127.0.0.1:9', where no Ray can .*ray start"
    ):
        fit(classifier(), cluster="127.0.0.1:9")


def test_an_address_of_another_service_is_an_error_before_ray_tries_for_minutes(monkeypatch):
    monkeypatch.setattr(_connection, "_ANSWER_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as service:
        address = f"127.0.0.1:{service.getsockname()[1]}"
        with pytest.raises(
            ClusterError, match=f"Received: '{address}', .*something else than the head of a Ray cluster"
        ):
            fit(classifier(), cluster=address)


def test_an_address_may_be_of_version_6():
    check_cluster("[::1]:6379")


def test_a_comparison_connects_once(monkeypatch):
    began = []

    @contextmanager
    def connect(cluster):
        began.append(cluster)
        yield

    monkeypatch.setattr(_compare, "connect", connect)
    monkeypatch.setattr(_compare, "fit", lambda cluster, **arguments: fit(**arguments))
    comparison = shrinkage.compare(classifier(), X, Y, penalties=["l2", "l1"], epochs=1, batch_size=20, cluster="local")
    assert began == ["local"] and [*comparison.paths] == ["L2", "L1"]


def test_a_comparison_refuses_a_cluster_that_is_none():
    with pytest.raises(ValueError, match="`cluster` must be None, .* Received: 'here'"):
        shrinkage.compare(classifier(), X, Y, penalties=["l2"], epochs=1, cluster="here")


def test_another_address_than_that_of_the_connection_is_refused():
    _connection._check_address("10.0.0.5:6379", "local")
    _connection._check_address("10.0.0.5:6379", "head.example:6379")
    with pytest.raises(
        ClusterError, match="`cluster` must be 'local' .* Received: '10.0.0.5:6380' with a connection to 10.0.0.5:6379"
    ):
        _connection._check_address("10.0.0.5:6379", "10.0.0.5:6380")


def fit_alone() -> None:
    """Fit twice, each time on a new cluster, and print what is left."""
    import psutil

    options = {"cluster": "local", "models": "chosen", "plan": {"xla": False}, "progress": False}
    paths = [fit(classifier(), **options) for _ in range(2)]
    path = paths[1]
    np.testing.assert_array_equal(path.cv_loss, paths[0].cv_loss)
    left = [each.name() for each in psutil.Process().children(recursive=True) if each.is_running()]
    print(json.dumps({"loss": np.nanmin(path.cv_loss), "left": left, "notes": [*path.notes]}))


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, Any]:
    """A fit in a new process, with new folders for temporary files and for the home."""
    temporary, home = tmp_path_factory.mktemp("temporary"), tmp_path_factory.mktemp("home")
    settings = {**os.environ, "TMPDIR": str(temporary), "HOME": str(home), "PYTHONPATH": str(ROOT)}
    settings |= {"TF_CPP_MIN_LOG_LEVEL": "2", "RAY_ADDRESS": "127.0.0.1:9"}  # which is not what was asked for
    code = "from tests.plan.cluster.test_connection import fit_alone; fit_alone()"
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    files = [str(each) for folder in (temporary, home) for each in folder.rglob("*")]
    return {**json.loads(done.stdout), "files": files, "lines": (done.stdout + done.stderr).splitlines()}


@pytest.mark.full
def test_nothing_is_left(alone):
    assert alone["left"] == [] and [name for name in alone["files"] if "ray" in name] == []


@pytest.mark.full
def test_nothing_is_printed(alone):
    noise = re.compile("WARNING: All log messages before absl|oneDNN|^To enable|cpu_feature_guard")
    assert len([line for line in alone["lines"] if not noise.search(line)]) == 1


@pytest.mark.full
def test_the_result_is_that_of_this_process(alone):
    assert alone["loss"] == np.nanmin(fit(classifier(), models="chosen", plan={"xla": False}).cv_loss)


@pytest.mark.full
def test_a_small_fit_says_that_a_cluster_costs_more(alone):
    (note,) = [note for note in alone["notes"] if "workers" in note]
    assert re.fullmatch(
        r"Starting the workers took .*, and the rest .*: without `cluster` this fit would take less\.", note
    )


def test_folders_are_short_and_those_of_killed_processes_are_removed(monkeypatch, tmp_path):
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    monkeypatch.setattr(_connection.tempfile, "tempdir", str(deep))
    folder = _connection._make_folder()
    assert len(str(folder)) < 47 and folder.is_dir()  # sockets are in it
    folder.rmdir()
    with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as short:
        monkeypatch.setattr(_connection.tempfile, "tempdir", short)
        ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
        old, other = (Path(short, f"{_connection._PREFIX}{name}") for name in (f"{int(ended.stdout)}-a", "mine"))
        old.mkdir()
        other.mkdir()
        mine = [_connection._make_folder() for _ in range(2)]
        assert not old.exists() and all(each.is_dir() for each in (other, *mine))
