"""Is the finding on more rows right? On problems whose truth is known from a large fresh sample; and what it costs.

The rule was written down before the first run, on 2026-11-29. A path with a learning curve is fitted to n rows. The
truth is the loss on the fresh sample, L(n) and L(2n), of models at the path's choice that are trained on the n rows and
on twice the rows, with the strength for the same n * lambda and as many epochs: the mean over three seeds, at the epoch
that is best on the fresh sample, for both alike. Then
- "more rows would help" is right if L(2n) < L(n), and so is "more rows or more epochs would help", as twice the rows
  have twice the steps;
- "more rows would hardly help" is right if L(n) - L(2n) is at most 1 % of the best constant's loss;
- "cannot be told" is no claim.
The finding is calibrated if at least 90 % of the claims are right. The guess of a path without a learning curve, "more
rows may gain more", is judged beside it: it is right if L(2n) < L(n). The second table shows what the finding says of
falls of several sizes, and so how often it is silent; the third, what four repeats of the folds change, on the problems
where they were measured. The cost is the time of a call with the learning curve minus the time of a call without, in
plain `model.fit` with `validation_data` of the same network; each is the second call, as the first one compiles.

Four things changed after the first results. After 61 problems, of which none said "hardly": before, a fall had to be
below 5 % of the loss too. After 120: n and 2n rows were drawn apart, with other fresh rows and other units of the
target, so that L(n) and L(2n) could not be compared; all was measured again with one draw of 2n rows, and their first
half. After 40 of these: a clear fall that may be 5 % of the loss is no longer "hardly", for a linear model whose loss
is far below the constant's, and falls by 8 %; the four problems that this changes were measured again at the end.
At the end, when all truths were known: a clear fall after a training on half of the rows that had not levelled off is
"more rows or more epochs would help", and was "cannot be told" before. The guess and the repeats came last too.

python -m benchmarks.more_rows --data FOLDER --results FOLDER --draws 3
"""

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import _sets
from benchmarks._judged import HEADER, share_line
from benchmarks._page import DOCS, machine, markdown, write
from benchmarks._problems import Problem, problems
from benchmarks.diagnosis import SEEDS, network
from shrinkage._host._quiet import require_tensorflow

CLAIMS = {
    "more-rows-help": "more rows would help",
    "more-rows-or-epochs-help": "more rows or more epochs would help",
    "more-rows-hardly-help": "more rows would hardly help",
}
SILENT, GUESS = "cannot be told", "more rows may gain more"
MATTERS = 0.01
REPEATS = 4


def measure(problem: Problem) -> dict[str, Any]:
    """Return the finding of a path, and the truth."""
    require_tensorflow()
    import keras

    import shrinkage as sh

    keras.utils.set_random_seed(problem.draw)
    rows = problem.rows(2)  # once, so that the fresh sample and the unit of the target are the same for n and 2n rows
    outputs = 1 if problem.is_regression else int(max(rows.y.max(), rows.y_fresh.max())) + 1
    common: dict[str, Any] = {"penalty": sh.L2(), "progress": False, "epochs": problem.epochs}
    x, y = rows.x[: problem.n], rows.y[: problem.n]

    def fit(repeats: int) -> Any:
        return sh.fit(network(problem, x, outputs), x, y, learning_curve=True, repeats=repeats, **common)

    path = fit(1)
    found: dict[str, Any] = {"code": _code(path)}
    if path.failed.all():
        return found
    found["guess"] = GUESS in replace(path, learning_curve=None).verdict()
    found |= _beside(path, fit(REPEATS))
    for name, times in (("once", 1), ("twice", 2)):
        some, losses = slice(problem.n * times), []
        for seed in SEEDS:
            made = sh.fit(
                network(problem, rows.x[some], outputs), rows.x[some], rows.y[some], lams=[path.lam / times, 0.0],
                seed=seed, validation_data=(rows.x_fresh, rows.y_fresh), models="chosen", **common,
            )  # fmt: skip
            losses.append(made.cv_loss[0, 0 if path.lam else -1])
            found["null"] = float(made.null_loss)
        found[name] = float(np.mean(losses, axis=0).min())
    return found


def _code(path: Any) -> str:
    return next((code for code in path.diagnose().codes if code.startswith("more-rows")), "")


def _beside(once: Any, often: Any) -> dict[str, Any]:
    """Return the finding of a path with repeats, and the lengths of the intervals without and with them."""
    if often.failed.all():
        return {}
    falls = (path.learning_curve.fall for path in (once, often))
    return {"repeats": _code(often), "lengths": [fall.high - fall.low for fall in falls]}


def measure_all(jobs: list[Problem], results: Path) -> None:
    """Measure all problems that have no result yet."""
    results.mkdir(parents=True, exist_ok=True)
    for problem in jobs:
        file = results / f"{problem.key}.json"
        if file.exists():
            continue
        began = time.monotonic()
        part = file.with_suffix(".part")
        part.write_text(json.dumps(measure(problem)), "utf-8")
        os.replace(part, file)
        click.echo(f"{problem.key}: {time.monotonic() - began:.0f} s", err=True)


def claims_table(found: list[dict[str, Any]]) -> str:
    """Return how often each claim is made and right, how often there is none, and the same of the guess."""
    lines, every = [], []
    for code, name in CLAIMS.items():
        right = [_is_right(result, code) for result in found if result["code"] == code]
        lines.append(share_line(name, right))
        every += right
    silent = len(found) - len(every)
    lines += [share_line("**all claims**", every)]
    lines += [[SILENT, f"{silent}", "", f"{silent / len(found):.2f} of all {len(found)}"]]
    guesses = [result for result in found if result["guess"]]
    lines += [share_line(f"without a learning curve: {GUESS}", [_fall(result) > 0 for result in guesses])]
    return markdown(HEADER, lines)


def falls_table(found: list[dict[str, Any]]) -> str:
    """Return what the finding says of falls of several sizes on the fresh sample."""
    header = ("fall with twice the rows, % of the constant's loss", "problems", *CLAIMS.values(), SILENT)
    ends, lines = (-np.inf, 0.0, 0.01, 0.03, np.inf), []
    for low, high in zip(ends[:-1], ends[1:], strict=True):
        here = [CLAIMS.get(result["code"], SILENT) for result in found if low < _fall(result) <= high]
        name = f"over {100 * low:.0f}" if high == np.inf else f"{100 * low:.0f} to {100 * high:.0f}"
        counts = [str(here.count(claim)) for claim in header[2:]]
        lines.append(["none" if low == -np.inf else name, f"{len(here)}", *counts])
    return markdown(header, lines)


def repeats_table(found: list[dict[str, Any]]) -> str:
    """Return what the finding says without and with repeats, on the problems where both were measured."""
    both = [result for result in found if "repeats" in result]
    lines = []
    for code, name in CLAIMS.items():
        cells = []
        for key in ("code", "repeats"):
            right = [_is_right(result, code) for result in both if result[key] == code]
            cells.append(f"{len(right)}, {sum(right)} right")
        lines.append([name, *cells])
    large = [result for result in both if _fall(result) > 3 * MATTERS]
    helps = ("more-rows-help", "more-rows-or-epochs-help")
    counts = (sum(result[key] in helps for result in large) for key in ("code", "repeats"))
    lines.append(["falls over 3 % of the constant's loss that are found", *(f"{n} of {len(large)}" for n in counts)])
    ratios = [result["lengths"][1] / result["lengths"][0] for result in both if np.isfinite(result["lengths"]).all()]
    low, median, high = np.quantile(ratios, (0.25, 0.5, 0.75))
    shorter = f"{median:.2f} ({low:.2f} to {high:.2f} in half of them)"
    lines.append(["length of the interval, relative to one repeat", "1", shorter])
    return markdown((f"{len(both)} problems", "one repeat", f"`repeats={REPEATS}`"), lines)


def _is_right(result: dict[str, Any], code: str) -> bool:
    return _fall(result) <= MATTERS if code == "more-rows-hardly-help" else _fall(result) > 0


def _fall(result: dict[str, Any]) -> float:
    """Return how much the loss falls with twice the rows, as a share of the best constant's loss."""
    return (result["once"] - result["twice"]) / result["null"]


def cost() -> str:
    """Return the cost of a learning curve in plain fits, for the network and the rows of the README's price."""
    require_tensorflow()
    import keras
    from sklearn.datasets import load_digits

    import shrinkage as sh

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")

    def model() -> Any:
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(64, "relu"), keras.layers.Dense(64, "relu"), keras.layers.Dense(10, "softmax")]
        made = keras.Sequential([keras.Input((64,)), *layers])
        made.compile(keras.optimizers.Adam(0.001), "sparse_categorical_crossentropy")
        return made

    def seconds(call: Any) -> float:
        began = time.monotonic()
        call()
        return time.monotonic() - began

    fit: dict[str, Any] = {"penalty": sh.L2(), "epochs": 20, "progress": False}
    rest = len(x) // 5
    calls = {
        "plain": lambda: model().fit(
            x[rest:], y[rest:], epochs=20, batch_size=32, validation_data=(x[:rest], y[:rest]), verbose=0
        ),
        "path": lambda: sh.fit(model(), x, y, **fit),
        "with": lambda: sh.fit(model(), x, y, learning_curve=True, **fit),
    }
    first = {name: seconds(call) for name, call in calls.items()}
    took = {name: min(seconds(call) for _ in range(2)) for name, call in calls.items()}
    more = took["with"] - took["path"]
    return (
        f"One plain fit {took['plain']:.1f} s, the path {took['path']:.1f} s, the learning curve {more:.1f} s more: "
        f"{more / took['plain']:.2f} plain fits. The first call in a process compiles it for two strengths, which took "
        f"{first['with'] - took['with']:.1f} s."
    )


@click.command()
@_sets.folders_option
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder of results.")
@click.option("--draws", default=1, show_default=True, help="Draws of rows for each problem.")
def main(folders: tuple[str, ...], results: Path, draws: int) -> None:
    """Measure what is not in the folder yet, print the tables, and write them to docs/diagnosis.md."""
    jobs = [
        problem for problem in problems(range(draws), folders) if problem.name != "digits" or problem.n <= 500
    ]  # of 1,797 rows in all
    measure_all(jobs, results)
    found = [json.loads(file.read_text("utf-8")) for file in sorted(results.glob("*.json"))]
    found = [result for result in found if "once" in result]  # a strength could be chosen
    for name, text in (
        ("more-rows", f"{claims_table(found)}\n\n{len(found)} problems. {machine()}"),
        ("more-rows-falls", falls_table(found)),
        ("more-rows-repeats", repeats_table(found)),
        ("more-rows-cost", f"{cost()} {machine()}"),
    ):
        click.echo(f"\n{text}")
        write(DOCS / "diagnosis.md", name, text)


if __name__ == "__main__":
    main()
