"""Is the finding on more rows right? On problems whose truth is known from a large fresh sample; and what it costs.

The rule was written down before the first run, on 2026-11-29. A path with a learning curve is fitted to n rows. The
truth is the loss on the fresh sample, L(n) and L(2n), of models at the path's choice that are trained on the n rows and
on twice the rows, with the strength for the same n * lambda and as many epochs: the mean over three seeds, at the epoch
that is best on the fresh sample, for both alike. Then
- "more rows would help" is right if L(2n) < L(n);
- "more rows would hardly help" is right if L(n) - L(2n) is at most 1 % of the best constant's loss;
- "cannot be told" is no claim.
The finding is calibrated if at least 90 % of the claims are right. The second table shows what it says of falls of
several sizes, and so how often it is silent. The cost is the time of a call with the learning curve minus the time of a
call without, in plain `model.fit` with `validation_data` of the same network; each is the second call, as the first one
compiles.

Three things changed after the first results. After 61 problems, of which none said "hardly": before, a fall had to be
below 5 % of the loss too. After 120: n and 2n rows were drawn apart, with other fresh rows and other units of the
target, so that L(n) and L(2n) could not be compared; all was measured again with one draw of 2n rows, and their first
half. After 40 of these: a clear fall that may be 5 % of the loss is no longer "hardly", for a linear model whose loss
is far below the constant's, and falls by 8 %; the four problems that this changes were measured again at the end.

python -m benchmarks.more_rows --results FOLDER --draws 3
"""

import json
import os
import time
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

CLAIMS = {"more-rows-help": "more rows would help", "more-rows-hardly-help": "more rows would hardly help"}
SILENT = "cannot be told"
MATTERS = 0.01


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
    path = sh.fit(network(problem, x, outputs), x, y, learning_curve=True, **common)
    code = next((code for code in path.diagnose().codes if code.startswith("more-rows")), "")
    found: dict[str, Any] = {"code": code}
    if path.failed.all():
        return found
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
    """Return how often each claim is made and right, and how often there is none."""
    lines, every = [], []
    for code, name in CLAIMS.items():
        falls = [_fall(result) for result in found if result["code"] == code]
        right = [fall > 0 if code == "more-rows-help" else fall <= MATTERS for fall in falls]
        lines.append(share_line(name, right))
        every += right
    silent = len(found) - len(every)
    lines += [share_line("**all claims**", every)]
    lines += [[SILENT, f"{silent}", "", f"{silent / len(found):.2f} of all {len(found)}"]]
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
        ("more-rows-cost", f"{cost()} {machine()}"),
    ):
        click.echo(f"\n{text}")
        write(DOCS / "diagnosis.md", name, text)


if __name__ == "__main__":
    main()
