"""What the diagnosis says is measured against rows that no training had."""

import json

import numpy as np
import pytest

from benchmarks import diagnosis, more_rows
from benchmarks._judged import judge_all
from benchmarks._problems import Problem
from tests.versions import locked

pytestmark = [locked, pytest.mark.full]


def test_a_diagnosis_is_measured_against_a_fresh_sample(tmp_path, monkeypatch):
    monkeypatch.setattr(diagnosis, "SEEDS", (1,))
    monkeypatch.setattr("benchmarks._problems.FRESH", 200)
    problem = Problem("noise_class", 60, 1.0, draw=2)
    diagnosis.measure_all([problem], tmp_path)
    truth = json.loads((tmp_path / problem.key / "truth.json").read_text("utf-8"))
    assert np.shape(truth["fresh"]) == (1, len(truth["lams"])) and np.shape(truth["none"]) == (1, 20)
    monkeypatch.setattr(diagnosis, "measure", None)  # which would fail
    diagnosis.measure_all([problem], tmp_path)
    (one,) = judge_all(tmp_path)
    assert one.key == "noise_class-60-1-2" and one.main not in ("the penalty helps", "no penalty is needed")


def test_a_finding_on_more_rows_is_measured_against_a_fresh_sample(tmp_path, monkeypatch):
    monkeypatch.setattr(more_rows, "SEEDS", (1,))
    monkeypatch.setattr(more_rows, "REPEATS", 2)
    monkeypatch.setattr("benchmarks._problems.FRESH", 200)
    monkeypatch.setattr(Problem, "epochs", 2)
    problem = Problem("sparse_linear", 60, 0.3, draw=2)
    more_rows.measure_all([problem], tmp_path)
    found = json.loads((tmp_path / f"{problem.key}.json").read_text("utf-8"))
    assert found["code"] == found["repeats"] == "more-rows-unclear" and found["guess"] is False  # hardly trained
    assert 0 < found["twice"] < found["once"] < 3 and min(found["lengths"]) > 0
    monkeypatch.setattr(more_rows, "measure", None)  # which would fail
    more_rows.measure_all([problem], tmp_path)
