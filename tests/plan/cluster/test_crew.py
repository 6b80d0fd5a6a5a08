"""The crew without workers: what it says of unlike machines, and of runs that are too short."""

from contextlib import nullcontext
from typing import Any

import pytest

from shrinkage._plan._cluster import _crew
from shrinkage._plan._cluster._crew import Crew, Seat
from shrinkage._plan._environment import get_environment

HERE = get_environment()


def crew_of(monkeypatch: Any, *machines: dict[str, Any]) -> Crew:
    """Return a crew whose workers are on these machines."""
    crew = Crew("local")
    monkeypatch.setattr(crew, "run", lambda calls: [HERE | each for each in machines])
    crew.meet([Seat({}, 1) for _ in machines])
    return crew


@pytest.mark.parametrize(
    ("machines", "expected"),
    [
        ([{}, {}], []),
        ([{"processor": "A", "cores": 4, "threads": 1}] * 2, []),  # all workers have the same, unlike this process
        ([{"processor": "A"}, {"processor": "B"}], ["A worker has processor B for A: "]),
        ([{"Keras": "1.0"}], [f"A worker has Keras 1.0 for {HERE['Keras']}: "]),
        ([{"processor": "A"}, {"processor": "B"}, {"processor": "B"}], ["A worker has processor B for A: "]),
    ],
    ids=["equal", "elsewhere", "unlike processors", "unlike packages", "said once"],
)
def test_what_the_last_bits_may_depend_on_is_noted(machines, expected, monkeypatch):
    notes = crew_of(monkeypatch, *machines).notes
    assert len(notes) == len(expected)
    for note, words in zip(notes, expected, strict=True):
        assert note == words + "the last bits of the result may depend on that."


@pytest.mark.parametrize(
    ("starting", "rest", "workers", "is_said"),
    [
        (14.0, 4.0, 2, True),
        (14.0, 13.0, 2, True),  # one process would take at most 26 s, and this took 27
        (14.0, 15.0, 2, False),
        (14.0, 4.0, 9, False),  # one process may take 36 s
        (14.0, 100.0, 1, True),
        (14.0, 150.0, 1, False),  # a worker elsewhere may be what is wanted
    ],
)
def test_a_run_that_is_too_short_for_a_cluster(starting, rest, workers, is_said, monkeypatch):
    crew = Crew("local")
    vars(crew).update(_size=workers, _seats=[Seat({}, 1)] * workers, _starting=starting, _began=0.0)
    monkeypatch.setattr(_crew.time, "monotonic", lambda: starting + rest)
    assert [note[:28] for note in crew.notes] == ["Starting the workers took 14"] * is_said


def test_gpus_that_workers_do_not_use_are_noted(monkeypatch):
    nodes = [{"Alive": alive, "Resources": {"CPU": 2.0, "GPU": 4.0}} for alive in (True, True, False)]
    monkeypatch.setattr(_crew, "connect", lambda cluster: nullcontext())
    monkeypatch.setattr(_crew.ray, "nodes", lambda: nodes)
    monkeypatch.setattr(_crew, "_count_free_processors", lambda total: total)
    crew = Crew("local")
    assert crew.size == 4
    assert "The cluster has 8 GPUs, and workers use processors alone." in crew.notes


def test_processors_of_workers_that_were_just_dismissed_are_waited_for(monkeypatch):
    found = iter([0.0, 1.0, 2.0])
    monkeypatch.setattr(_crew.ray, "available_resources", lambda: {"CPU": next(found)})
    assert _crew._count_free_processors(2.0) == 2.0
    monkeypatch.setattr(_crew, "_MOMENT", 0.2)
    monkeypatch.setattr(_crew.ray, "available_resources", dict)
    assert _crew._count_free_processors(2.0) == 0.0
