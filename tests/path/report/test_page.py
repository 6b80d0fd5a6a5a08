"""The page of a report by its text; `test_browser.py` looks at it in a browser."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from shrinkage._messages._note import PYTHON, Note
from shrinkage._path._curve import Status
from shrinkage._path._outputs import make_path_page
from shrinkage._path._path import Path
from shrinkage._penalties import L1, Coupled
from shrinkage._weights._selection import Selection, Weight
from shrinkage.cli._terms import make_shell_terms
from tests.path.predicted import N, of_a_number, of_a_probability, of_classes
from tests.synthetic_path import LAMS, StubTemplate, diverged, learning_curve, make_path

TITLES = re.compile(r"<h2>(.*?)</h2>")


def page(path: Path, **options) -> str:
    return make_path_page(path, options.pop("terms", PYTHON), **options)


def visible(html: str) -> str:
    """The page without scripts and style."""
    return re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)


def figures(html: str) -> list[dict]:
    """The data of the figures, as the page's script reads them."""
    text = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL)
    assert text is not None
    return json.loads(text[1])


def test_the_answer_is_on_top_in_words_and_numbers():
    path = make_path()
    text = visible(page(path))
    verdict = path.verdict()
    lead = re.sub(r"<[^>]+>", "", text.split('class="lead">')[1].split("</p>")[0])
    assert lead.replace("\N{NO-BREAK SPACE}", " ") in verdict
    for value in ("3.16e-04", "log loss", "126 models in 5.9 s", '<td class="words">1se</td>'):
        assert value in text
    assert text.index("lead") < text.index("<h2>")


@pytest.mark.parametrize(
    ("path", "titles"),
    [
        (of_classes(), ["Weights of each layer", "Fold by fold", "Calibration", "Loss of each class"]),
        (of_a_number(), ["Weights of each layer", "Fold by fold", "Residuals"]),
        (
            make_path(template=StubTemplate(loss_name="hinge")),
            ["Weights of each layer", "Fold by fold", "Loss of each class"],
        ),
    ],
    ids=["classes", "a number", "hinge"],
)
def test_the_sections_are_those_of_the_task(path, titles):
    expected = ["Held-out loss against the strength", "Training, epoch by epoch", *titles]
    expected += ["Rows with the largest loss", "Which weights are penalised", "How it was trained"]
    assert TITLES.findall(page(path)) == expected


def test_the_figures_have_the_numbers_of_the_path():
    path = of_classes()
    loss, epochs, weights, folds, calibration, classes = figures(page(path))
    held_out = next(trace for trace in loss["data"] if "error_y" in trace)
    shown = held_out["customdata"]
    np.testing.assert_allclose(held_out["y"], path.mean[shown], rtol=1e-5)
    np.testing.assert_allclose(held_out["error_y"]["array"], path.se[shown], rtol=1e-5)
    place = shown.index(path.index)
    for part in ("λ = 3.16e-04", f"δ = nλ = {200 * path.lam:.3g}", "epoch 4"):
        assert part in held_out["hovertext"][place]
    slider = epochs["slider"]
    assert slider["index"] == path.index and slider["names"][20] == "none" and slider["names"][path.index] == "min"
    np.testing.assert_allclose(slider["losses"][0][path.index], path.cv_loss.mean(axis=0)[path.index], rtol=1e-5)
    assert len(weights["data"]) == 1 and len(folds["data"]) == 7
    assert len(calibration["data"]) == 3 and [len(trace["x"]) for trace in classes["data"]] == [3, 3]


# --- escaping

HOSTILE = (
    "</script><script>document.title='hit'</script><img src=x onerror=\"document.title='hit'\">\u2028<!--<b>x</b>-->"
)


def hostile_path(**changes) -> Path:
    """A path in which everything that data or users may name is a script."""
    weights = (
        Weight(HOSTILE, f"{HOSTILE}/kernel", (2, 2), 4, 1.0, HOSTILE, (-2,), (-1,)),
        Weight(HOSTILE, f"{HOSTILE}/bias", (3,), 3, 0.0, "bias", (), (-1,)),
    )
    fields = {
        "template": StubTemplate(name=HOSTILE), "selection": Selection(weights), "notes": (HOSTILE, Note(HOSTILE)),
        "metrics": {HOSTILE: np.ones(21)},
        "plan": {"reason": HOSTILE, "versions": {HOSTILE: HOSTILE}, "batch_size": 32},
    }  # fmt: skip
    return of_classes(**fields | changes)


class Compared:
    """A comparison with hostile names, in the shape of the result of `shrinkage.compare`."""

    paths = {HOSTILE: make_path(), "L1": make_path(penalty=L1())}

    def table(self) -> pd.DataFrame:
        return pd.DataFrame({HOSTILE: [HOSTILE, "L1"], "loss": [0.123456, np.nan], "tied": [True, False]})

    def verdict(self) -> str:
        return HOSTILE


def hostile_page() -> str:
    x = pd.DataFrame({HOSTILE: [HOSTILE] * N, "b": np.arange(N)})
    return page(
        hostile_path(), x=x, comparison=Compared(), command=HOSTILE, terms=make_shell_terms([HOSTILE, "b", "c"])
    )


def test_every_name_and_value_is_escaped():
    html = hostile_page()
    assert HOSTILE not in html and "<img" not in html and "\u2028<!--" not in visible(html).replace("&lt;!--", "")
    tags = re.findall(r"<(/?\w+)", html.split("<body>")[1])
    assert tags.count("script") == tags.count("/script") == 3 and "b" not in tags
    assert visible(html).count("&lt;img") > 10
    text = html.split('id="figures">')[1].split("</script>")[0]
    assert not set("<>&\u2028") & set(text)
    names = {trace["name"] for figure in figures(html) for trace in figure["data"]}
    assert not any("<" in name for name in names)  # plotly.js would read tags
    assert any("&lt;img" in name for name in names)


def test_a_notebook_shows_an_escaped_table():
    html = hostile_path()._repr_html_()
    assert HOSTILE not in html and "<img" not in html and "&lt;img" in html
    path = make_path()
    html = path._repr_html_()
    for row in repr(path).splitlines()[1:6]:
        assert all(f">{cell}<" in html for cell in row.split("  ") if cell.strip() and not cell.startswith(" "))
    assert "3.16e-04" in html and re.sub(r"<[^>]+>|`", "", html).count("Tibshirani") == repr(path).count("Tibshirani")
    assert "#" not in html  # no colours of its own, so that it fits light and dark


def test_only_the_scripts_of_the_page_may_run():
    html = page(make_path())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None and policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1].split("script-src")[1].split(";")[0]
    assert not re.search(r'(?:src|href)="', visible(html))


# --- what else is shown


def test_a_comparison_is_shown_by_its_words_its_table_and_its_curves():
    html = page(make_path(), comparison=Compared())
    assert TITLES.findall(html)[0] == "Comparison"
    assert ">0.1235</td>" in html and ">–</td>" in html and ">yes</td>" in html
    assert len(figures(html)[0]["data"]) == 2


def test_rows_are_numbers_unless_their_values_are_given():
    path = of_classes()
    worst = np.argsort(-path.row_loss[:, path.index])[:10]
    table = pd.DataFrame({"height": np.arange(N) + 0.5, "name": [f"name {row}" for row in range(N)]})
    for x in (None, table, table.assign(a=1).to_numpy()):
        section = page(path, x=x).split("Rows with the largest loss")[1].split("<h2>")[0]
        rows = re.findall(r"<tr>\s*<td>(\d+)</td>", section)
        assert rows == [str(path.held_out_rows[place]) for place in worst]
        assert (f"name {rows[0]}<" in section) == (x is not None)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (np.zeros((N, 2, 2)), TypeError, r"of shape \(200, 2, 2\)"),
        ("table.csv", TypeError, "`x` must be a table of pandas.*Received: str"),
        (np.zeros((7, 2)), ValueError, "`x` must have the 200 rows of the fit.*Received: 7 rows"),
    ],
)
def test_wrong_rows_are_refused(x, error, words):
    with pytest.raises(error, match=words):
        page(make_path(), x=x)


def test_the_words_are_those_of_the_shell_with_its_labels():
    path = of_classes(notes=(Note("Raise $epochs: $classes"),))
    html = page(path, terms=make_shell_terms(["red", "green", "blue"]), command="shrinkage fit a.csv")
    assert "Raise --epochs" in html and ">shrinkage fit a.csv<" in html and "sh.fit(" not in html
    assert figures(html)[-1]["layout"]["yaxis"]["ticktext"] == ["red", "green", "blue"]


# --- states


@pytest.mark.parametrize(
    "changes",
    [
        diverged(make_path(), LAMS >= 0)
        | {"full_status": np.full(21, Status.SKIPPED, dtype=object), "weights": (), "norm": np.full(21, np.nan)},
        diverged(make_path(), LAMS > 0.5),
        {"n_folds": 1},
        {"solver": "exact"},
        {"row_loss": np.full((N, 21), np.nan)},
        {"null_loss": float("nan"), "null_se": float("nan")},
        {"predictions": (np.zeros((N, 21, 1)),) * 2, "targets": (np.zeros((N, 1)),) * 2},
        {"lams": [0.0], "metrics": {}},
        {"penalty": L1(), "lam_model": float(LAMS[3]), "how": Coupled()},
        {"lams": np.append(10.0 ** np.arange(6, -12, -1), 0.0)},
    ],
    ids=["all diverged", "some diverged", "single split", "exact", "no row loss", "no constant", "outputs", "only none",
         "model", "many decades"],
)  # fmt: skip
def test_every_state_has_a_page(changes):
    html = page(make_path(**changes))
    assert TITLES.findall(html)[-1] == "How it was trained"
    assert figures(html) and not re.search(r"\bnan\b", visible(html))


def test_a_path_of_an_earlier_version_says_that_it_has_no_targets():
    assert "An earlier version saved this path" in page(make_path())


# --- size and time


def test_a_large_path_takes_less_than_five_megabytes(tmp_path):
    """200 strengths x 10 folds x 100 epochs. `python -m benchmarks.report` measures the time."""
    lams = np.append(np.geomspace(10, 1e-8, 199), 0.0)
    rng = np.random.default_rng(0)
    losses = rng.random((10, 200, 100))
    path = make_path(lams=lams, n_folds=10, cv_loss=losses, train_loss=losses, epochs=rng.integers(1, 101, 200))
    path.report(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 5e6
    assert figures((tmp_path / "report.html").read_text("utf-8"))[1]["slider"]["every"] == 1


@pytest.mark.parametrize("name", ["r.pdf", "r.png", "r.report"])
def test_a_page_is_not_written_to_a_file_of_another_format(tmp_path, name):
    with pytest.raises(
        ValueError, match=f"`file` must be a file name that ends in .html, .* Received: '{name}'. Say 'r"
    ):
        make_path().report(tmp_path / name)
    assert not list(tmp_path.iterdir())
    for right in ("page.HTML", "page.htm", "page"):
        make_path().report(tmp_path / right)
    assert len(list(tmp_path.iterdir())) == 3


def test_of_many_epochs_a_part_is_kept_with_the_chosen_ones():
    losses = np.random.default_rng(0).random((2, 21, 20_000))
    path = make_path(n_folds=2, cv_loss=losses, train_loss=losses, epochs=np.arange(1, 22) * 731)
    html = page(path)
    slider = figures(html)[1]["slider"]
    assert len(slider["epochs"]) < 4000 and set(slider["chosen"]) <= set(slider["epochs"]) and len(html) < 5e6
    assert slider["epochs"][-1] == 20_000 and f"Every {slider['every']}th epoch is shown" in html


def test_the_call_names_what_the_path_knows():
    path = make_path(plan={"batch_size": 16, "init": "keep", "models": "chosen"}, seed=7)
    html = visible(page(path))
    for part in (
        "penalty=sh.L2(),",
        "lams=path.lams,",
        "cv=5,",
        "epochs=6,",
        "batch_size=16,",
        "init=",
        "models=",
        "seed=7,",
    ):
        assert part in html
    assert "cv=0.2," in visible(page(make_path(n_folds=1)))
    pairs = replace(path.folds, kind="TimeSeriesSplit")
    assert "cv=list(zip(path.folds.train, path.folds.held_out))," in visible(page(make_path(folds=pairs)))
    assert "validation_data=(x_val, y_val)," in visible(page(make_path(folds=replace(path.folds, kind="given"))))


def test_a_comparison_needs_its_three_parts_only():
    compared = SimpleNamespace(paths={}, table=lambda: pd.DataFrame({"a": [1]}), verdict=lambda: "No winner.")
    assert "No winner." in page(of_a_probability(), comparison=compared)


def test_a_learning_curve_has_a_section_and_other_paths_have_none():
    learned = learning_curve(make_path(), [0.5, 0.3, 0.2], 0.1)
    path = replace(make_path(), learning_curve=learned)
    html, without = page(path), page(make_path())
    assert "More rows" in TITLES.findall(html) and "More rows" not in TITLES.findall(without)
    assert "More rows would help: from 80 to 160 training rows" in visible(html)
    (drawn,) = [each for each in figures(html) if each["layout"]["xaxis"]["title"]["text"] == "training rows of a fold"]
    held_out, training = drawn["data"]
    assert held_out["x"] == training["x"] == [20, 40, 80, 160] and drawn["layout"]["xaxis"]["type"] == "log"
    np.testing.assert_allclose(held_out["y"], learned.mean[:, 0], rtol=1e-5)
    assert len(figures(html)) == len(figures(without)) + 1
