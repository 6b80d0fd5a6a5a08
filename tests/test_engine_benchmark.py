"""The engine's benchmark runs, in its smallest configuration, for every kind of network; no test looks at a time."""

import gzip
import json
import struct

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks import _curves, _page, _pairs, _sets, engine
from benchmarks._profile import KINDS, REST, profile, shares
from benchmarks._store import Store, changed
from benchmarks._ways import PARTS, WAYS, Cost, ways_for
from benchmarks._works import DENSE, WORKS
from tests.versions import locked

pytestmark = locked

SMALL = {"rows": 64, "epochs": 1, "strengths": 2, "folds": 2, "searched": 1, "trial": 2, "batch_size": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a few rows of each data set, in the form in which it is published."""
    folder, generator = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    images, labels = generator.integers(0, 256, (64, 28, 28)), np.arange(64) % 10
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (folder / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))
    below = folder / "below"
    below.mkdir()
    adult = {"age": np.arange(64), "work": ["Private", "State"] * 32, "income": ["<=50K", ">50K."] * 32}
    pd.DataFrame(adult).to_csv(below / "adult.csv", index=False)
    ratings = "".join(f"{1 + i % 3}\t{1 + i % 5}\t{1 + i % 4}\t0\n" for i in range(64))
    (below / "u.data").write_text(ratings)
    return str(folder)


@pytest.mark.parametrize("name", [*WORKS])
def test_every_network_takes_its_data(name, folder):
    work = changed(WORKS[name], {"rows": 64})
    x, y = _sets.load(work.data, (folder,), work.rows)
    assert len(x) == len(y) == 64 and np.std(x) > 0 and np.std(y) > 0
    for unroll in (False, True) if work.recurrent else (False,):
        network = work.network(work, x, unroll)
        network.compile(loss=work.loss)
        assert np.isfinite(network.evaluate(x, y, verbose=0))


def test_users_and_items_are_numbers_of_one_table(folder):
    x, _ = _sets.load("movielens", (folder,))
    assert set(x[:, 0]) == {0, 1, 2} and set(x[:, 1]) == {3, 4, 5, 6, 7}


def test_what_is_not_there_is_named(tmp_path):
    assert _sets.find_missing("digits", ()) == []
    assert _sets.find_missing("fashion28", (str(tmp_path),)) == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]
    result = CliRunner().invoke(engine.main, ["--no-curves", "--work", "adult", "--data", str(tmp_path)])
    assert result.exit_code == 0 and "adult is skipped: no adult.parquet.brotli" in result.stderr


@pytest.mark.parametrize("way", [way for way in ways_for("mlp", WORKS["mlp"]) if way not in ("grid2", "vmap", "trial")])
def test_every_way_is_extrapolated_to_the_whole(way):
    work = changed(WORKS["mlp"], SMALL)
    cost = WAYS[way](work, _sets.load("digits", (), work.rows), {"jit_compile": False})
    assert cost.seconds > 0
    if way in ("loop", "ours", "ours_again"):
        assert cost.seconds >= cost.one_final > cost.step / 1000 > 0
    if way == "ours":
        assert all(cost.parts[part] > 0 for part in PARTS if part != "compiling")  # an earlier test may have done that
        assert sum(cost.parts.values()) < cost.seconds


@pytest.mark.full
@pytest.mark.parametrize("way", ["trial", "loop", "ours"])
@pytest.mark.parametrize("name", [*WORKS])
def test_every_work_runs_in_every_way(name, way, folder):
    work = changed(WORKS[name], SMALL)
    cost = WAYS[way](work, _sets.load(work.data, (folder,), work.rows), {"jit_compile": False, "unroll": False})
    assert cost.seconds > 0 and cost.step > 0
    assert way != "trial" or cost.step == min(cost.parts.values())


def test_results_are_kept_and_not_measured_again(tmp_path, monkeypatch):
    out, arguments = (
        tmp_path / "out.jsonl",
        ["--no-curves", "--work", "mlp", "--row", "grid", "--case", json.dumps(SMALL)],
    )
    first = CliRunner().invoke(engine.main, [*arguments, "--out", str(out)])
    assert first.exit_code == 0, first.output
    assert "GridSearchCV" in first.stdout and len(out.read_text().splitlines()) == 1
    monkeypatch.setattr(Store, "_in_new_process", None)
    assert CliRunner().invoke(engine.main, [*arguments, "--out", str(out)]).stdout == first.stdout


def test_what_fails_is_shown_and_the_others_go_on():
    ours = Cost(2.0, 2.0, 0.5, 800.0, parts=dict.fromkeys(("compiling", "training", "scoring", "on all rows"), 0.5))
    loop = Cost(20.0, 18.0, 1.0, 700.0, "3 of 105 fits", {"jit_compile": True, "unroll": True})
    tables = engine.works_tables({"mlp": {"plain": None, "loop": loop, "ours": ours}, "gru": {"ours": None}})
    works, steps = (tables[name].splitlines()[2:] for name in ("engine_works", "engine_steps"))
    assert "| - | 20.0 | 2.0 | 10x | 9x |" in works[0] and "| - | - | - | - | - |" in works[1]
    assert "| 1.00 | 0.50 | 0.5 | 50% |" in steps[0] and "XLA, unrolled" in steps[0]


def test_curves_come_from_costs_and_the_machines_rate(tmp_path, monkeypatch):
    ours = {"seconds": 1.0, "step": 0.01, "parts": {"training": 0.1, "scoring": 0.05}}

    rate = {"numpy": 100.0, "tensorflow": 50.0, "memory": 10.0}
    shares = dict.fromkeys([*KINDS, REST], 0.125)

    def value(self, job):
        return {"rate": rate, "profile": shares}.get(job["name"], ours)

    monkeypatch.setattr(Store, "value", value)
    tables = _curves.tables(Store(None, (), 1), {}, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000
    base = [line for line in tables["engine_curves"].splitlines() if line.startswith("| width | 64 |")]
    arithmetic = 2 * 32 * (3 * (64 * 64 + 64 * 64 + 64 * 10) - 64 * 64) / 100e9 * 1e6
    assert f"| 10.0 | {arithmetic:,.1f} | {arithmetic / 10:.0%} |" in base[0]
    assert len(tables["engine_inside"].splitlines()) == 2 + len(_curves.INSIDE)


def test_pairs_of_runs_come_by_turns(tmp_path, monkeypatch):
    asked = []

    def value(self, job):
        asked.append((job["way"], job.get("pair")))
        if (job["way"], job.get("pair")) == ("loop", 3):
            return None  # given up
        return {"seconds": 0.0, "one_final": {"loop": 20.0, "chosen": 10.0, "trial": 0.0}[job["way"]]}

    monkeypatch.setattr(Store, "value", value)
    ratios, both = _pairs.measure(Store(None, (), 1), "dense", {}, 4)
    assert asked == [
        ("trial", None), ("chosen", 0), ("loop", 0), ("loop", 1), ("chosen", 1), ("chosen", 2), ("loop", 2),
        ("loop", 3), ("chosen", 3),
    ]  # fmt: skip
    assert ratios.tolist() == [2, 2, 2] and both.tolist() == [[10, 20]] * 3
    lines = _pairs.table(Store(None, (), 1), 2, lambda name: name == "mlp", ("mlp", "adult"), (64,), {}).splitlines()
    assert lines[2:] == [
        "| MLP 64-64 on digits | 2 | 20.0 | 10.0 | 2.00x | 2.00x to 2.00x |",
        "| MLP 64-64 on 5,000 digits | 2 | 20.0 | 10.0 | 2.00x | 2.00x to 2.00x |",
    ]


def test_the_interval_of_a_ratio_is_that_of_the_logarithms():
    low, high = _pairs.interval(np.array([1.0, 4.0]))
    assert (low * high, np.log(high / 2)) == pytest.approx((4, 12.706 * np.log(4) / 2), rel=1e-4)  # t with 1 degree


@pytest.mark.parametrize("units", _pairs.WIDTHS)
def test_wide_networks_have_fewer_steps(units):
    changes = _pairs.of_width(units)
    work = changed(DENSE, changes)
    steps = work.epochs * work.steps(5_000)
    assert work.hidden == (units, units) and work.epochs >= 1
    assert steps <= max(2 * _pairs._STEPS * 64 / max(64, units), work.steps(5_000))


def test_operations_are_told_by_their_names_and_the_rest_is_left_over():
    spent = {"dot.3": 4, "copy_bitcast_fusion.1": 1, "multiply_add_fusion": 2, "maximum_bitcast_fusion": 1, "dot.27": 1}
    found = shares([*spent.items(), ("CpuExecutable::ExecuteAsyncOnStream", 10), ("while.2", 9), ("_train", 10)])
    assert list(found.values()) == pytest.approx([0.5, 0.1, 0.2, 0, 0.1, 0.1])


def test_the_training_loop_is_taken_apart():
    found = profile(changed(DENSE, {"rows": 64, "strengths": 2, "folds": 2, "epochs": 2}))
    assert list(found) == [*KINDS, REST] and sum(found.values()) == pytest.approx(1)
    assert found["products"] > 0 and found["optimizer and penalty"] > 0


def test_a_curves_work_names_only_what_is_changed():
    changes = _curves.with_epochs({"batch_size": 32, "hidden": [1024, 1024]})
    assert changes == {"epochs": 1, "hidden": [1024, 1024]}
    assert changed(DENSE, changes).hidden == (1024, 1024)


@pytest.mark.parametrize(
    "name", ["works", "steps", "others", "pairs", "picture", "rate", "curves", "inside", "machine"]
)
def test_the_page_has_its_markers(name):
    assert engine.PAGE.read_text("utf-8").count(f"<!-- table:engine_{name} -->") == 1
    assert engine.PAGE.parent == _page.DOCS
