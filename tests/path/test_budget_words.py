"""The words on a search within a budget, and the tables of docs/budget.md that they come from."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import shrinkage as sh
from benchmarks._page import DOCS
from shrinkage._path._budget_words import describe_budget_search
from shrinkage._penalties import Penalty
from tests.path.verdicts.curves import rung
from tests.synthetic_path import diverged, make_path


def cells(table: str) -> list[dict[str, str]]:
    """Return the rows of a table of docs/budget.md, by the names of the columns."""
    page = (DOCS / "budget.md").read_text("utf-8").split(f"<!-- table:{table} -->")[1].split("<!-- end -->")[0]
    header, _, *lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if "|" in line)
    return [dict(zip(header, line, strict=True)) | {"page": page} for line in lines]


def measured() -> dict[str, tuple[dict[str, str], dict[str, str], int]]:
    """Return the rows of no penalty and of the search, and the number of runs, by the penalty."""
    by_way = {row["way"]: row for row in cells("ways")}
    n_runs = int(by_way["none"]["page"].split(" runs. ")[0].split()[-1])
    found = {"L2": (by_way["none"], by_way["budget 1.5"], n_runs)}
    rows = {(row["penalty"], row["way"]): row for row in cells("penalties")}
    for name in {penalty for penalty, _ in rows}:
        none, search = rows[name, "none"], rows[name, "budget 1.5"]
        found[name] = none, search, int(search["runs"])
    return found


NUMBERS = dict(enumerate("one two three four five six seven eight nine ten eleven twelve".split(), start=1))
SEARCHES: dict[str, tuple[Penalty, Any]] = {
    "L2": (sh.L2(), sh.Coupled()),
    "L1": (sh.L1(), sh.Proximal()),
    "elastic net, rho 0.5": (sh.ElasticNet(0.5), sh.Proximal()),
    "group lasso": (sh.GroupLasso(), sh.Proximal()),
    "L2, decoupled": (sh.L2(), sh.Decoupled()),
}


def words_of(penalty: Penalty, how: Any) -> str:
    return describe_budget_search(replace(make_path(), penalty=penalty, how=how))[-1].words


@pytest.mark.parametrize("name", SEARCHES)
def test_what_is_said_of_a_search_is_in_the_tables_of_its_page(name):
    none, search, n_runs = measured()[name]
    misses = round(n_runs * (1 - int(search["at most 0.01 above grid"].rstrip("%")) / 100))
    words = words_of(*SEARCHES[name])
    assert f"one such search in {NUMBERS[round(n_runs / misses)]} lost more than 0.01 against" in words
    no_better = float(search["mean regret"]) >= float(none["mean regret"])
    assert ("were not better than no penalty on average" in words) == no_better


def test_nothing_is_said_of_a_search_that_was_not_measured():
    assert words_of(sh.L1(), sh.Decoupled()) == "No model was trained on all rows without a penalty."
    assert set(measured()) == set(SEARCHES)


def with_diverged(levels: list[float], hit: list[bool]) -> sh.Path:
    path = rung(levels)
    return replace(path, **diverged(path, np.array(hit)))


GRID = "leave `budget` out for the whole grid."
ALONE = "trained on 160 of 200 rows and scored on 40 others, "
SAID: dict[str, tuple[sh.Path, list[str], list[str]]] = {
    # name: (path, codes, words)
    "a choice that helps": (
        rung([0.9, 0.5, 0.6, 0.7]),
        ["choice-within-budget", "not-measured", "one-split"],
        [f"Use L2 at 1.00e-02 (n * lambda = 2): {ALONE}it lowers the log loss by 0.2", "The same rows chose it"],
    ),
    "no clear difference": (
        rung([0.9, 0.5, 0.5, 0.51], wiggle=0.05),
        ["choice-within-budget", "not-measured", "one-split"],
        [
            "The choice is L2 at 1.00e-02",
            "no clear difference was seen. These rows show no difference to 1.00e-03.",
            "0.500 with it and 0.510 without",
        ],
    ),
    "the largest strength": (
        rung([0.5, 0.6, 0.7, 0.8]),
        ["choice-within-budget", "search-too-short", "not-measured", "one-split"],
        [f"The choice is the largest strength tried, and a larger one may be better: {GRID}"],
    ),
    "a constant is as good without a penalty": (
        rung([0.9, 0.5, 0.6, 1.01]),
        ["choice-within-budget", "search-too-short", "not-measured", "one-split"],
        [f"Without a penalty the model is no better on this part of the rows than the best constant (1.0000): {GRID}"],
    ),
    "no penalty": (
        rung([0.9, 0.8, 0.7, 0.5]),
        ["choice-within-budget", "not-measured"],
        [
            f"No penalty: {ALONE}the log loss is 0.5000 without a penalty and 0.7000 with L2 at 1.00e-03, the best of",
            "Strengths below 1.00e-03 were not tried.",
            "No model was trained on all rows with a penalty.",
        ],
    ),
    "no choice beats the constant": (
        rung([1.3, 1.2, 1.1, 1.05]),
        ["no-better-than-constant", "not-measured"],
        [
            f"Do not rely on these models: {ALONE}none beats the best constant (log loss 1.00). ",
            "The least is 1.05, with no penalty. Training may be too short",
            GRID,
        ],
    ),
    "no choice clearly beats the constant": (
        rung([1.2, 0.995, 0.94, 1.02], wiggle=0.1),
        ["constant-unclear", "not-measured"],
        ["none clearly beats the best constant (log loss 1.00). The least is 0.940, with L2 at 1.00e-03.", GRID],
    ),
    "only the least is below the constant": (
        rung([1.2, 1.002, 0.99, 1.1], wiggle=0.05),
        ["constant-unclear", "not-measured"],
        ["none clearly beats the best constant (log loss 1.00). The least is 0.990, with L2 at 1.00e-03.", GRID],
    ),
    "the largest strength is no better than a constant": (
        rung([1.05, 1.1, 1.2, 1.3]),
        ["no-better-than-constant", "search-too-short", "not-measured"],
        ["The least is 1.05, with L2 at 1.00e-01.", f"a larger one may be better: {GRID}"],
    ),
    "every penalty diverged": (
        with_diverged([0.9, 0.8, 0.7, 0.5], [True, True, True, False]),
        ["choice-within-budget", "not-measured"],
        ["At every strength above 0 a model diverged: lower the learning rate. Nothing is known of the penalty."],
    ),
    "no penalty diverged": (
        with_diverged([0.9, 0.5, 0.6, 0.7], [False, False, False, True]),
        ["choice-within-budget", "not-measured"],
        ["Use L2 at 1.00e-02 (n * lambda = 2): ", "the log loss is 0.5000. Without a penalty it diverged."],
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_of_a_search(name):
    path, codes, words = SAID[name]
    assert [*path.diagnose().codes] == codes
    assert [part for part in words if part not in path.verdict()] == []
    assert ("search-too-short" in codes) == (
        "largest strength tried" in path.verdict() or "no better on" in path.verdict()
    )
