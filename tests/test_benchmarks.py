"""The benchmarks run, in their smallest configuration, and write where they should; no test looks at a time."""

import json
from collections import OrderedDict
from dataclasses import asdict, replace
from functools import partial
from pkgutil import resolve_name

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import (
    _page,
    attach,
    budget,
    budget_penalties,
    choice,
    compare,
    data,
    default,
    estimators,
    exact,
    more_rows,
    path_cost,
    power,
    record,
    repeats,
    report,
)
from benchmarks._judged import gains_table, judge, main_table, others_table
from benchmarks._measure import measure
from benchmarks._phases import EPOCHS, phases
from benchmarks._rows import ROWS, Case
from shrinkage._cv._choice import choose_epochs
from tests.daily import some_every_day
from tests.path.test_repeats import repeated
from tests.synthetic_path import make_path
from tests.versions import locked

pytestmark = locked

SMALL = Case(width=4, epochs=1, strengths=2, folds=2, rows=200)


@pytest.mark.parametrize("name", some_every_day((name for name, row in ROWS.items() if row.processes == 1), "reused"))
def test_every_way_runs_and_is_extrapolated_to_all_its_fits(name):
    cost = measure(ROWS[name], SMALL)
    assert cost.wall > 0 and cost.peak > 0
    assert cost.fits == ROWS[name].fits(SMALL) >= cost.measured >= 1


@pytest.mark.full
def test_attaching_is_measured_against_the_bare_model_and_keras_own():
    found = attach.measured("Perceptron, 3 kernels", rounds=1)
    assert list(found) == ["bare", "Keras' own", "attached"] and found["bare"][1] == 1
    assert all(seconds > 0 for seconds, _ in found.values())


def test_the_parts_of_a_fit_are_all_found_and_put_back(monkeypatch):
    monkeypatch.setattr("shrinkage._plan._engines._SHARED_ENGINES", OrderedDict())  # or nothing is compiled again
    before = resolve_name("shrinkage._fit._fit.prepare_problem")
    parts = phases(SMALL)
    assert all(seconds > 0 for seconds in parts.values())
    assert resolve_name("shrinkage._fit._fit.prepare_problem") is before


def test_a_part_of_a_path_is_extrapolated_by_epochs_and_models():
    parts = dict.fromkeys(["Compiling", *EPOCHS], 1.0)
    part, whole = Case(strengths=4, epochs=4), Case(strengths=9, epochs=8)
    assert path_cost._whole(parts, part, whole) == 1 + 4 + 4


@pytest.mark.full
def test_the_table_of_costs_is_measured_in_new_processes():
    small = json.dumps({"width": 4, "epochs": 1, "strengths": 2, "folds": 2, "rows": 200})
    result = CliRunner().invoke(path_cost.main, ["--row", "grid", "--repeats", "1", "--no-widths", "--case", small])
    assert result.exit_code == 0, result.output
    assert "GridSearchCV" in result.output and "Training" in result.output


@pytest.mark.full
def test_the_tables_of_choices_have_all_ways():
    found = choice.compare(choice.Split("wine", 0, (), epochs=2))
    assert found.oracle <= min(found.none, found.min, found.one_se) and found.rows == 119
    sets = {"wine": choice.columns([found, found])}
    for table, header in ((choice.losses_table, choice.LOSSES), (choice.gains_table, choice.GAINS)):
        lines = table(sets).splitlines()
        assert [line.count("|") for line in lines] == [len(header) + 1] * 3
    summary = choice.summary_table(sets)
    assert f"gain of min over none | {found.none - found.min:+.3f} |" in summary and "of 2 |" in summary


@pytest.mark.full
def test_the_table_of_repeats_is_in_multiples_of_one(monkeypatch):
    monkeypatch.setattr(repeats, "SPLITS", {name: repeats.SPLITS[name] for name in ("cv=5", "cv=5, repeats=2")})
    found = repeats.measure("diabetes", [0, 1], epochs=2, strengths=2)
    assert all(path.seconds > 0 and path.width > 0 and path.se > 0 for paths in found.values() for path in paths)
    lines = repeats.table({"diabetes": found}).splitlines()
    assert len(lines) == 4 and "| diabetes | `cv=5` | 1.00 | 1.00 | 1.00 |" in lines[2] and "repeats=2" in lines[3]


@pytest.mark.parametrize("classes", [False, True], ids=["squared error", "log loss"])
def test_an_exact_path_is_measured_against_training_and_scikit_learn(classes, monkeypatch):
    monkeypatch.setattr(exact, "LAMS", exact.LAMS[4:10:2])
    found = exact.compare(exact.make_rows(400, 5, classes=classes), epochs=1, full=2, repeats=1)
    first, *_, last = found.values()
    assert len(found) == 4 and all(way.seconds > 0 for way in found.values())
    assert first.lam == last.lam and first.loss == pytest.approx(last.loss, rel=1e-4)
    assert all(way.loss >= first.loss for way in list(found.values())[1:3])
    assert [line[3] for line in exact.table("loss", found)][0] == "1.0"


def test_the_interval_of_the_gain_is_judged_by_the_gain_on_the_test_rows():
    """Gains of 0.1, -0.1, 0.005 and 0.2 with intervals that cover two of them, and miss one on the wrong side."""
    columns = {name: np.zeros(4) for name in ("early", "plain", "one_se", "oracle", "min")}
    columns |= {"none": np.array([0.1, -0.1, 0.005, 0.2])}
    columns |= {"low": np.array([0.05, 0.01, -0.1, -0.1]), "high": np.array([0.15, 0.05, 0.1, 0.1])}
    summary = choice.summary_table({"one": columns})
    assert "covers the gain on the test rows | 0.50 | 2 of 4" in summary
    assert "where the gain is above 0.01 | 0.50 | 1 of 2" in summary
    assert "on the wrong side | 0.25 | 1 of 4" in summary


def test_the_strength_without_a_search_trains_at_both_ends(monkeypatch):
    monkeypatch.setattr(default, "DELTAS", (1000.0, default.DELTA))
    found = default.measure(default.Run(default.Pair("diabetes", 240, 2), 0, ()))
    assert default.strengths(240).tolist() == [1000 / 240, 10 / 240, 2e-4, 0]
    assert found.losses.shape == (4, 2) and (found.best <= found.rule).all()
    assert found.losses[0, 1] > found.losses[-1, 1], "1000/n lets nothing be learnt"


def test_the_strength_without_a_search_is_compared_with_none_and_the_best():
    losses = np.full((2, len(default.DELTAS) + 2, 2), 0.5)
    losses[0, default.DELTAS.index(default.DELTA)] = 0.3, 0.45  # 0.2 and 0.05 better than none
    losses[1, default.DELTAS.index(default.DELTA)] = 0.6, 0.5  # 0.1 worse, and the same
    losses[1, 0] = 0.4
    pairs = {default.Pair(name, 10, 1): [default.Found(part, 1.0)] for name, part in zip("ab", losses, strict=True)}
    summary, table, each = (make(pairs) for make in (default.summary, default.table, default.strengths_table))
    assert "| gain of the worst run | -0.100 | +0.000 |" in summary
    assert "worse than no penalty by more than 0.01 | 1 of 2 | 0 of 2 |" in summary
    assert "share of the gap to the best strength | 33 % | 33 % |" in summary  # 0.05 of 0.15, and 0.025 of 0.075
    assert "| a, MLP 64-64 | 10 | 0.500 | 0.300 | 0.500 | 0.300 | +0.200 | +0.200 | 100 % |" in table
    assert "| 10/n | +0.050 | -0.100 | 1 of 2 | 1 of 2 | +0.025 | +0.000 | 0 of 2 | 1 of 2 |" in each


def search_of(pair: str = "dna, MLP", loss: float = 0.3, *, held_out: int = 10) -> budget.Found:
    """A run with losses 1, 1.01, ... along the wide grid but 0.2 at n * lambda = 10, and 0.5 without a penalty.

    Its three trainings are equal but for the choice from the grid, which has 0.2, 0.25 and 0.15.
    """
    n = len(budget.DELTAS)
    grid = 1 + 0.01 * np.arange(n)
    choice, grid[-1] = int(np.argmin(np.abs(budget.DELTAS - 10))), 0.5
    trained = np.repeat(grid[:, None], budget.TRAININGS, axis=1)
    trained[choice] = 0.2, 0.25, 0.15
    scored = np.ones(n)
    scored[held_out] = 0.5
    budgets = [{"loss": [loss + place / 10] * 3, "cost": 1.4 + place, "seconds": 3.0} for place in range(3)]
    return budget.Found(pair, 3, trained.tolist(), scored.tolist(), choice, [0.6] * 3, [0.7] * 3, budgets, 2.0)


def test_a_random_search_takes_the_best_of_as_many_trials_as_the_budget_pays():
    """A trial costs 0.87 trainings: budgets of 1.5, 3 and 6 pay 1, 3 and 6 draws of 13 strengths, 0 is never drawn."""
    found = search_of()
    grid = np.mean(found.grid, axis=1)
    one = np.random.default_rng(3).integers(0, len(grid) - 1, (budget.DRAWS, 1))
    assert budget.random_search(found, 1.5) == budget.random_search(found, 0.1) == pytest.approx(grid[one].mean())
    ranked = np.argsort(found.held_out, kind="stable")
    assert ranked[0] == 10
    drawn = np.random.default_rng(3).integers(0, len(grid) - 1, (budget.DRAWS, 6))
    expected = [grid[10] if 10 in row else grid[row[0]] for row in drawn]  # all others are equal: the first
    assert budget.random_search(found, 6) == pytest.approx(np.mean(expected))
    alone = replace(found, grid=[[1.0] * 3] * (len(grid) - 1) + [[0.0] * 3])
    assert budget.random_search(alone, 6) == 1, "no penalty is not drawn"


def test_the_losses_of_the_ways_are_those_of_the_run():
    losses = budget.losses(search_of())
    assert [losses[way] for way in ("none", "10/n", "grid")] == pytest.approx([0.5, 0.2, 0.2])
    assert [losses[way] for way in ("lambda = 1e-4", "AdamW 0.004")] == pytest.approx([0.6, 0.7])
    assert budget.losses(search_of(), slice(1, 2))["grid"] == 0.25, "of the second training"
    assert [losses[f"budget {each}"] for each in ("1.5", "3", "6")] == pytest.approx([0.3, 0.4, 0.5])
    assert [way for way in losses if way.startswith("random")] == [
        f"random search, {each}" for each in ("1.5", "3", "6")
    ]


def test_the_tables_of_a_search_have_regrets_and_the_mean_of_each_pair():
    runs = [search_of(loss=0.2), search_of(loss=0.22), search_of("adult, MLP", loss=0.6)]
    ways, pairs = budget.tables(runs)
    # regrets of 0, 0.02 and 0.4; against none -0.3, -0.28 and 0.1
    assert "| budget 1.5 | +0.1400 | 33% | +0.400 | +0.1400 | 33% | +0.1600 | +0.100 |" in ways
    assert "| none | +0.3000 | 0% | +0.300 | +0.3000 | 0% | -0.0000 | +0.000 |" in ways
    assert "| grid | +0.0000 | 100% | +0.000 | +0.0000 | 100% | +0.3000 | -0.300 |" in ways
    first, second = pairs.splitlines()[2:]
    assert (
        first == "| dna, MLP | 1,600 | 0.2000 | 0.5000 | 0.2000 | 0.2000 | 0.2100 | 0.3100 | 0.4100 | 1.40 | 0.0667 |"
    )
    assert second.startswith("| adult, MLP | 10,000 | ") and " 0.6000 | 0.7000 | 0.8000 |" in second


def test_the_strength_that_is_best_in_the_other_trainings_does_not_see_the_training_that_judges_it():
    """Two strengths, with no penalty as a third: the first has two low losses, and a high loss in the last training."""
    found = replace(search_of(), grid=[[0.2, 0.2, 0.6], [0.3, 0.3, 0.3], *[[0.5] * 3] * (len(budget.DELTAS) - 2)])
    table = budget.single_trainings([found])
    # 0.3, 0.3 and 0.6, where the least are 0.2, 0.2 and 0.3
    assert "| best in the other trainings | +0.1667 | 0% | 33% | +0.100 |" in table
    assert "| budget 1.5 | +0.0667 | 33% | 0% | -0.200 |" in table  # 0.3 always


@pytest.mark.full
def test_a_search_is_measured_against_the_wide_grid(monkeypatch):
    random = np.random.default_rng(0)
    x = random.normal(size=(1500, 4)).astype("float32")
    monkeypatch.setattr(budget, "PAIRS", {"small": budget.Pair("made", partial(budget._mlp, width=4), 1250, 1, 32)})
    monkeypatch.setattr(budget, "DELTAS", np.array([100.0, 10.0, 0.0]))
    monkeypatch.setattr(budget, "BUDGETS", (1.5,))
    monkeypatch.setattr("benchmarks._sets.load", lambda *_: (x, (x[:, 0] > 0).astype(int)))
    found = budget.compare("small", 0, ())
    assert len(found.grid) == len(found.held_out) == 3 and 0 <= found.min < 3 and found.seconds > 0
    assert found.budgets[0]["cost"] <= 1.5 and 3 <= found.budgets[0]["members"] <= 6
    assert all(0 < loss < 3 for loss in budget.losses(found).values())
    again = budget.Found(**json.loads(json.dumps(asdict(found))))
    assert again == found, "runs are kept as lines of JSON"


def test_the_table_of_penalties_has_the_regret_and_the_share_near_the_grid():
    def found(penalty: str, searched: float) -> budget_penalties.Found:
        return budget_penalties.Found("dna, MLP", 10, penalty, [0.3, 0.2, 0.25, 0.5], 2, searched, 1.4)

    table = budget_penalties.table([found("L1", 0.255), found("L1", 0.6), found("group", 0.2)])
    assert "| L1 | 2 | none | +0.3000 | 0% | +0.300 | 0% | +0.000 |" in table
    assert "| L1 | 2 | grid | +0.0500 | 0% | +0.050 | 100% | -0.250 |" in table
    assert "| L1 | 2 | budget 1.5 | +0.2275 | 0% | +0.400 | 50% | +0.100 |" in table
    assert "| group lasso | 1 | budget 1.5 | +0.0000 | 100% | +0.000 | 100% | -0.300 |" in table


def test_the_interval_of_repeats_is_that_of_the_first_folds():
    """The first folds of a path with repeats give the interval of a path without, and all folds that of the path."""
    once, twice = make_path(), repeated()  # whose first folds are the same
    test = np.linspace(1, 2, len(once.lams) * 6).reshape(-1, 6)
    for path, times in ((once, 1), (twice, 2)):
        path = replace(path, epochs=choose_epochs(path.cv_loss, path.fold_weight))
        found, at = power._interval(twice, test, times), test[np.arange(len(path.lams)), path.epochs - 1]
        assert (found.low, found.high) == pytest.approx((path.gain.low, path.gain.high)) and path.gain.high > 0
        assert found.gain == pytest.approx(at[-1] - at[path.index_min]) and found.gain > 0


def test_the_intervals_are_measured_on_draws_of_rows(monkeypatch):
    monkeypatch.setattr(power, "FOLDS", 2)
    monkeypatch.setattr(power, "REPEATS", (1, 2))
    found = power.measure(power.Draw("breast_cancer", 0, (), epochs=1))
    assert len(found) == 2 and all(interval.high > interval.low for interval in found)


def test_the_table_of_intervals_counts_gains_that_are_covered_and_found():
    one, four = power.Interval(-0.1, 0.3, 0.1), power.Interval(0.05, 0.15, 0.1)
    none, wrong = power.Interval(0.0, 0.0, 0.0), power.Interval(0.01, 0.02, -0.1)
    sets = {"diabetes": [[one, one, four], [none, wrong, four]]}
    lines = power.table(sets).splitlines()
    assert lines[2].startswith("| 1 | 1 of 2 | 1.00 (1 of 1) | 1.00 (1 of 1) | 0.00 (0 of 1) | 0.00 (0 of 1) |")
    assert lines[3].startswith("| 2 | 2 of 2 | 0.50 (1 of 2) | 0.50 (1 of 2) | 0.00 (0 of 1) | 0.50 (1 of 2) |")
    assert lines[4].startswith("| 4 | 2 of 2 | 1.00 (2 of 2) | 1.00 (2 of 2) | 1.00 (2 of 2) | 0.00 (0 of 2) |")
    assert "| diabetes | 290 | +0.100 | 1 of 1 | 1 | 0 | 2 of 2 | 2 | 2 |" in power.sets_table(sets)


def test_a_table_replaces_the_one_between_its_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- table:one -->\nold\n<!-- end -->\nb\n<!-- table:two -->\n<!-- end -->\n")
    _page.write(page, "one", r"new \1")
    assert page.read_text() == "a\n<!-- table:one -->\n\nnew \\1\n\n<!-- end -->\nb\n<!-- table:two -->\n<!-- end -->\n"
    with pytest.raises(ValueError, match="table:three"):
        _page.write(page, "three", "")


@pytest.mark.parametrize(
    ("page", "name"), [("cost.md", "path_cost"), ("cost.md", "path_phases"), ("cost.md", "path_widths"),
                       ("cost.md", "path_machine"), ("choice.md", "choice_losses"), ("choice.md", "choice_gains"),
                       ("choice.md", "choice_summary"), ("choice.md", "repeats"), ("choice.md", "power"),
                       ("choice.md", "power_sets"), ("choice.md", "default_summary"), ("choice.md", "default"),
                       ("choice.md", "default_strengths"), ("linear.md", "linear"),
                       ("linear.md", "exact"), ("sklearn.md", "estimators_numbers"),
                       ("sklearn.md", "estimators_classes"), ("diagnosis.md", "main"), ("diagnosis.md", "gains"),
                       ("diagnosis.md", "others"), ("diagnosis.md", "more-rows"), ("diagnosis.md", "more-rows-falls"),
                       ("diagnosis.md", "more-rows-repeats"), ("diagnosis.md", "more-rows-cost"),
                       ("budget.md", "ways"), ("budget.md", "pairs"), ("budget.md", "penalties")],
)  # fmt: skip
def test_the_pages_have_their_markers(page, name):
    assert (_page.DOCS / page).read_text("utf-8").count(f"<!-- table:{name} -->") == 1


@pytest.mark.full
def test_every_way_over_a_file_is_measured(tmp_path):
    file = tmp_path / "rows.parquet"
    data.write_generated(20_000, file)
    found = {
        way: data.measure(data.Job(way, str(file), 1, 2e6, folds=2, strengths=2, batch_size=512)) for way in data.WAYS
    }
    assert {way: cost.member_rows for way, cost in found.items()} == {
        "fit": 20_000, "best": 20_000, "arrays": 80_000, "stream": 80_000, "sorted": 80_000,
    }  # fmt: skip
    assert found["stream"].parts["storing"] > 0 and found["stream"].parts["waiting"] > 0
    assert "storing" not in found["arrays"].parts, "rows in memory"
    lines = data.costs_table(found).splitlines()
    assert [line.count("|") for line in lines] == [len(data.COSTS) + 1] * (2 + len(data.WAYS))
    assert "%" in data.shares_table({"rows": found})


def test_the_table_of_the_record_has_all_shares():
    case = record.Case("small", (4,), 60, 2, strengths=2)
    (*_, line) = record.report((case,), lambda _: None).splitlines()
    assert line.startswith("| small | 15 |") and line.count("%") == 2
    assert record.measure(case).result_seconds > 0


def test_a_claim_is_right_where_the_truth_agrees():
    path = make_path()  # whose penalty helps
    loss = path.mean.copy()
    none = np.full((3, 6), loss[-1])
    truth = {"fresh": [loss] * 3, "none": none, "none_training": none - 0.2, "null": path.null_loss}
    good = judge("good", path, truth)
    assert (good.main, good.right) == ("the penalty helps", True) and good.others["a gap"]
    assert good.gain == pytest.approx((loss[-1] - loss[path.index]) / path.null_loss)
    loss[path.index] = loss[-1] + 0.1
    bad = judge("bad", path, truth | {"fresh": [loss] * 3, "none_training": none})
    assert (bad.right, bad.others["a gap"]) == (False, False) and bad.gain < 0
    assert "| **all claims** | 2 | 1 | 0.50 (0.09 to 0.91) |" in main_table([good, bad])
    assert "| a gap | 2 | 1 |" in others_table([good, bad]) and "| none | 1 | 1 |" in gains_table([good, bad])


def test_a_finding_on_more_rows_is_right_where_the_loss_falls():
    help_, hardly, unclear = "more-rows-help", "more-rows-hardly-help", "more-rows-unclear"
    cases = ((help_, help_, True, 0.45), (unclear, help_, True, 0.51), (hardly, unclear, False, 0.4),
             (hardly, hardly, False, 0.499))  # fmt: skip
    found = [
        {"code": code, "repeats": often, "lengths": [0.2, 0.1], "guess": guess, "once": 0.5, "twice": twice, "null": 1}
        for code, often, guess, twice in cases
    ]
    table = more_rows.claims_table(found)
    assert "| more rows would help | 1 | 1 |" in table and "| more rows would hardly help | 2 | 1 |" in table
    assert "| without a learning curve: more rows may gain more | 2 | 1 | 0.50" in table
    beside = more_rows.repeats_table(
        [*found, {**found[0], "lengths": [0.2, np.nan]}, {"code": "", "once": 1, "twice": 1}]
    )
    assert "| 5 problems | one repeat | `repeats=4` |" in beside
    assert "| more rows would help | 2, 2 right | 3, 2 right |" in beside and "| 2 of 3 | 2 of 3 |" in beside
    assert "| 1 | 0.50 (0.50 to 0.50 in half of them) |" in beside


def test_a_comparison_counts_the_planted_inputs_of_each_path(monkeypatch, tmp_path):
    monkeypatch.setattr(compare, "penalties", lambda: ["l1"])
    (tmp_path / "compare.md").write_text(
        "".join(f"<!-- table:{name} -->\n<!-- end -->\n" for name in ("compare_losses", "compare_inputs"))
    )
    result = CliRunner().invoke(compare.main, ["--set", "wine", "--epochs", "2", "--docs", str(tmp_path)])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "compare.md").read_text()
    assert "| early stopping |" in page and "| wine, L1 | 13 of 13, 20 of 20 |" in page
    assert (tmp_path / "weights.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["diabetes", "wine"])
def test_the_estimators_are_measured_beside_those_of_scikit_learn(name):
    found = estimators.compare(name, (), most=100, quick=True)
    assert len(found) >= 2 and all(0 < each.loss < 1 and each.seconds > 0 for each in found.values())
    assert estimators.table({name: found}).splitlines()[2].startswith(f"| {name} | ")


def test_the_table_of_the_report_has_its_sizes_and_times():
    row = report.table(((3, 2, 2),)).splitlines()[2]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0] == "3 strengths, 2 folds, 2 epochs" and all(float(cell) > 0 for cell in cells[1:])
