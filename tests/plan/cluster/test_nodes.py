"""A cluster of several nodes, on this machine: each has a processor, and they come and go."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import shrinkage as sh
from shrinkage._plan._cluster import _crew
from shrinkage._plan._cluster._connection import import_ray
from tests.fit.fitting import classifier, fit
from tests.plan.cluster.test_runs import assert_equal
from tests.search.record import runs

pytestmark = pytest.mark.full
OPTIONS: dict[str, Any] = {"lams": [0.3, 0.03], "plan": {"chunk": 3, "xla": False}, "epochs": 4}


@pytest.fixture
def nodes() -> Iterator[Any]:
    """A cluster with a head that trains nothing, to which this process is connected."""
    ray = import_ray()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def expected() -> sh.Path:
    return fit(classifier(runs.noisy), **OPTIONS)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_number_of_workers_does_not_matter(nodes, count):
    for _ in range(count):
        nodes.add_node(num_cpus=1)
    assert_equal(fit(classifier(runs.noisy), cluster="local", **OPTIONS), expected())


@pytest.mark.parametrize("spare", [True, False])
def test_a_node_is_removed(nodes, spare):
    found = [nodes.add_node(num_cpus=1) for _ in range(2)]
    times = []

    def remove(epoch: Any) -> None:
        times.append(time.monotonic())
        if len(times) == 2:
            if spare:
                nodes.add_node(num_cpus=1)
            nodes.remove_node(found[0], allow_graceful=False)
            if not spare:
                nodes.add_node(num_cpus=1)

    path = fit(classifier(runs.noisy), cluster="local", on_epoch=remove, **OPTIONS)
    assert_equal(path, expected())
    print(f"a node was replaced in {np.diff(times).max():.1f} s")


def test_a_run_that_waits_in_vain_ends_in_words(nodes, monkeypatch, capsys):
    monkeypatch.setattr(_crew, "_LINE_SECONDS", 1.0)
    monkeypatch.setattr(_crew, "_TIMEOUT_SECONDS", 6.0)
    with pytest.raises(RuntimeError, match="The cluster had no free processor for 1 of 1 workers"):
        fit(classifier(runs.noisy), cluster="local", **OPTIONS)
    assert "Waiting for 1 of 1 workers: the cluster has no free processor." in capsys.readouterr().err
