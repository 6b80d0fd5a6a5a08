"""The numbers, the table and the words of comparisons that were made without training."""

import math
from typing import Any

import numpy as np
import pytest

import shrinkage as sh
from shrinkage._compare._comparison import Comparison
from shrinkage._compare._entry import make_entries
from shrinkage._compare._model_facts import ModelFacts
from shrinkage._compare._nested import NestedEstimate
from shrinkage._cv._statistics import estimate_optimism
from shrinkage._messages._note import PYTHON
from shrinkage.cli._terms import SHELL_TERMS
from tests.compare.made import CURVES, LAMS, make_comparison, make_paths
from tests.synthetic_path import diverged, path_of_curves


def _by_name(comparison):
    return comparison.table().set_index("name")


def test_the_intervals_are_those_of_the_paths():
    comparison = make_comparison()
    for name, path in comparison.paths.items():
        stopped = next(entry for entry in comparison.entries if entry.name == "early stopping")
        chosen = next(entry for entry in comparison.entries if entry.name == name)
        found = stopped.subtract(chosen)
        assert found == path.gain  # early stopping is strength 0 at its best epoch
        assert found.low < found.mean < found.high


def test_the_intervals_of_a_single_split_are_those_of_the_paths():
    paths = make_paths(n_folds=1)
    stopped, chosen = (entry for entry in make_entries(paths) if entry.name in ("early stopping", "L2"))
    assert stopped.subtract(chosen) == paths["L2"].gain
    assert stopped.subtract(chosen).low < stopped.subtract(chosen).high


def test_the_losses_are_those_of_the_curves():
    table = _by_name(make_comparison())
    assert table["loss"].to_dict() == pytest.approx({"none": 0.8, "early stopping": 0.5, "L2": 0.4, "L1": 0.41})
    assert table["epoch"].to_dict() == {"none": 3, "early stopping": 2, "L2": 3, "L1": 3}
    assert table["lam"].to_dict() == {"none": 0, "early stopping": 0, "L2": 0.01, "L1": 0.01}
    assert table["gain"].to_dict() == pytest.approx(
        {"none": np.nan, "early stopping": 0.3, "L2": 0.4, "L1": 0.39}, nan_ok=True
    )
    assert table["above"].to_dict() == pytest.approx(
        {"none": 0.4, "early stopping": 0.1, "L2": np.nan, "L1": 0.01}, nan_ok=True
    )
    assert table["result"].to_dict() == {"none": "worse", "early stopping": "worse", "L2": "least", "L1": "tied"}


def test_p_values_are_adjusted_for_the_tests_of_each_kind():
    comparison = make_comparison(make_paths(wiggle=0.05))
    for tests in (comparison.gains, comparison.regrets):
        made = [test for test in tests if test is not None]
        pairs = list(zip(comparison.entries, tests, strict=True))
        raw = sorted(entry.compute_p_value(test.difference) for entry, test in pairs if test is not None)
        assert len(made) == 3
        assert sorted(test.p for test in made)[0] == pytest.approx(3 * raw[0])


def test_entries_that_more_epochs_may_change_are_named():
    """The paths say so of themselves, but their verdicts are not shown."""
    said = make_comparison().verdict()
    assert "The held-out loss still fell at the last epoch: L2 and L1. Raise `epochs`." in said
    assert all("raise `epochs`" in path.verdict().lower() for path in make_paths().values())
    flat = {name: path_of_curves([[0.9, 0.5, 0.52]] * 3, [[0.9, 0.4, 0.3]] * 3, LAMS) for name in ("L2", "L1")}
    assert "last epoch" not in make_comparison(flat).verdict()


SLOW = [[0.9, 0.89, 0.88], [0.89, 0.88, 0.87], [0.9, 0.892, 0.884]]  # by strength and epoch
FALLING = 0.5 + 0.4 * np.exp(-np.arange(40) / 18)
EARLY = {
    "one epoch": ([curve[:1] for curve in SLOW], "training without a penalty has hardly begun", 4),
    "straight lines": (SLOW, "training without a penalty has hardly begun", 12),
    "all still falling": (
        [FALLING + 0.02, FALLING, FALLING + 0.01],
        "the held-out loss of every entry still fell at the last epoch",
        80,
    ),
}


@pytest.mark.parametrize("name", EARLY)
@pytest.mark.parametrize("terms", [PYTHON, SHELL_TERMS], ids=["Python", "shell"])
def test_a_comparison_after_hardly_any_training_is_premature(name, terms):
    """It names no winner, and says with how many epochs to compare again."""
    curves, reason, epochs = EARLY[name]
    paths = {each: path_of_curves(curves, curves, LAMS, null=1.0, wiggle=1e-4) for each in ("L2", "L1")}
    said = terms.say(make_comparison(paths).verdict())
    again = f"--epochs {epochs}" if terms.is_shell else f"epochs={epochs}"
    assert said.startswith(
        f"The comparison is premature: {reason}. Compare again with {again}. So far L2 has the least"
    )
    assert ("adjusted by Holm" in said) == ("The least of" in said) == (name == "all still falling")


def test_models_whose_training_has_hardly_begun_are_named():
    slow = {"L2": path_of_curves(SLOW, SLOW, LAMS)}
    entries = [*make_entries(slow, prefix="deep: "), *make_entries(make_paths(), prefix="wide: ")]
    paths = {"deep: L2": slow["L2"], **{f"wide: {name}": path for name, path in make_paths().items()}}
    said = Comparison(paths, tuple(entries)).verdict()
    assert "premature: training of deep without a penalty has hardly begun. Compare again with epochs=12." in said
    assert "So far wide: L2 has the least" in said


def test_noise_makes_ties():
    comparison = make_comparison(make_paths(wiggle=0.1))
    assert {entry.name for entry in comparison.tied} == {"early stopping", "L1"}
    said = comparison.verdict()
    assert "It is tied with early stopping and L1: these rows do not tell them apart." in said
    assert "Early stopping is the simplest of these." in said


def test_a_gain_that_may_be_chance_is_called_so():
    said = make_comparison(make_paths(wiggle=0.3)).verdict()
    assert "may be chance" in said and "Clearly worse" not in said


def test_a_clear_gain_and_what_is_clearly_worse_are_named():
    said = make_comparison().verdict()
    assert "L2 has the least log loss, 0.40" in said
    assert "less than none (p < 0.001, adjusted by Holm's method)" in said
    assert "It is tied with L1: these rows do not tell them apart. Clearly worse: none and early stopping." in said


def test_the_correction_for_the_choice_is_over_the_strengths_of_all_paths():
    comparison = make_comparison(make_paths(wiggle=0.1))
    least: Any = comparison.least
    losses = np.column_stack([path.fold_loss for path in comparison.paths.values()])
    place = list(comparison.paths).index(least.name) * len(LAMS) + least.index
    assert comparison.optimism == pytest.approx(estimate_optimism(losses, least.path.fold_weight, place))
    assert comparison.optimism > 0
    assert "The least of 4 looks better than it is" in comparison.verdict()
    assert ": report 0." in comparison.verdict()
    assert "`nested=True` estimates it on rows that no choice has seen, in about 5 min or less." in comparison.verdict()


def test_the_nested_estimate_is_reported_in_place_of_the_correction():
    nested = NestedEstimate(0.45, 0.01, ("L2", "L1", "L2", "L2", "L2"), (0.01,) * 5, 120.0)
    said = make_comparison(nested=nested).verdict()
    assert "Report 0.4500 (se 0.0100), the nested estimate" in said
    assert "repeated inside each fold in 2 min, and was L2 in 4 and L1 in 1 of 5 folds." in said


def test_a_nested_estimate_with_a_diverged_choice_is_not_known():
    nested = NestedEstimate(math.nan, math.nan, ("L2", "diverged"), (0.01, math.nan), 1.0)
    assert "The nested estimate is not known: a choice diverged." in make_comparison(nested=nested).verdict()


def test_the_most_zeros_of_the_ties_are_named():
    facts = {"L1": ModelFacts(zeros=100, zero_units=3, zero_inputs=2), "none": ModelFacts()}
    said = make_comparison(make_paths(wiggle=0.1), facts=facts).verdict()
    assert "L1 sets 100 of 8,832 penalised weights to exactly 0, the most of these" in said
    assert "3 units and 2 inputs can be removed" in said


def test_the_zeros_of_a_model_that_is_clearly_worse_are_not_named():
    said = make_comparison(facts={"early stopping": ModelFacts(zeros=100)}).verdict()
    assert "to exactly 0" not in said


def test_a_penalty_that_diverged_is_said_and_left_out():
    paths = make_paths()
    broken = path_of_curves(CURVES["L1"], CURVES["L1"], LAMS, **diverged(paths["L1"], np.ones(3, bool)))
    comparison = make_comparison({"L2": paths["L2"], "L1": broken})
    table = _by_name(comparison)
    assert table.loc["L1", "result"] == "diverged" and math.isnan(table.loc["L1", "loss"])
    assert "Diverged, and not compared: L1." in comparison.verdict()
    assert comparison.least is comparison.entries[2]


def test_no_penalty_that_diverged_leaves_the_gains_open():
    paths = make_paths()
    changes = diverged(paths["L2"], np.array([False, False, True]))
    broken = {name: path_of_curves(CURVES[name], CURVES[name], LAMS, **changes) for name in paths}
    comparison = make_comparison(broken)
    table = _by_name(comparison)
    assert table.loc[["none", "early stopping"], "result"].tolist() == ["diverged"] * 2
    assert np.isnan(table["gain"]).all()
    assert comparison.least is not None and "not known well enough" in comparison.verdict()


def test_nothing_is_compared_if_every_model_diverged():
    paths = make_paths()
    changes = diverged(paths["L2"], np.ones(3, bool))
    broken = {name: path_of_curves(CURVES[name], CURVES[name], LAMS, **changes) for name in paths}
    comparison = make_comparison(broken)
    assert comparison.least is None and math.isnan(comparison.optimism)
    assert comparison.verdict().startswith("There is nothing to compare: every model diverged.")
    assert "diverged" in repr(comparison)
    comparison.plot()
    with pytest.raises(sh.NothingToChoose, match="every model diverged"):
        comparison.model()


def test_paths_that_kept_another_epoch_have_no_early_stopping():
    names = [entry.name for entry in make_entries(make_paths(), stops_early=False)]
    assert names == ["none", "L2", "L1"]


def test_the_printed_table():
    lines = repr(make_comparison()).splitlines()
    assert (
        lines[0] == "2 penalties of sequential on the same 5 folds, batches and first weights: 36 models in 1 min 0 s"
    )
    assert lines[1].split()[:4] == ["lambda", "log", "loss", "se"]
    assert [line.split("  ")[0] for line in lines[2:6]] == ["none", "early stopping", "L2", "L1"]
    assert lines[7].split() == ["KiB", "zipped", "seconds"]
    assert [line.split("  ")[0] for line in lines[8:12]] == ["none", "early stopping", "L2", "L1"]
    assert all(len(line) <= 125 for line in lines)


def test_models_of_rows():
    comparison = make_comparison()
    assert comparison.model()[0] == pytest.approx(comparison.paths["L2"].model("min")[0])
    assert comparison.model("early stopping")[0] == pytest.approx(comparison.paths["L2"].model("none")[0])
    with pytest.raises(ValueError, match="for 3 epochs without a penalty. Call comparison.model.'early stopping'."):
        comparison.model("none")
    with pytest.raises(ValueError, match="`name` must be one of 'none', 'early stopping', 'L2', 'L1'. Received: 'L3'"):
        comparison.model("L3")


def test_the_picture_shows_the_intervals():
    comparison = make_comparison()
    axes: Any = comparison.plot().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["none", "early stopping", "L2", "L1"]
    points = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert points == pytest.approx([0.8, 0.5, 0.4, 0.41])
    bars = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"]
    first: Any = comparison.regrets[0]
    above = first.difference
    assert bars[0] == pytest.approx([0.4 + above.low, 0.4 + above.high])
    with pytest.raises(ValueError, match="`kind` must be"):
        comparison.plot(kind="loss")  # pyright: ignore[reportArgumentType]
