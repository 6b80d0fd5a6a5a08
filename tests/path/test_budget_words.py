"""The words on a search within a budget, and the tables of docs/budget.md that they come from."""

from dataclasses import replace
from typing import Any

import pytest

import shrinkage as sh
from benchmarks._page import DOCS
from shrinkage._path._budget_words import budget_words
from shrinkage._penalties import Penalty
from tests.synthetic_path import make_path


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
    return budget_words(replace(make_path(), penalty=penalty, how=how))[-1].words


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
