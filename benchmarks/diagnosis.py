"""Are the verdicts right? On problems whose truth is known from a large fresh sample: writes docs/diagnosis.md.

The rule was written down before the first run, on 2026-11-29. The truth is the mean loss on the fresh sample of models
that are trained on all training rows, for three seeds, with the strengths and the chosen epochs of the path. A verdict
has one claim about the penalty. With L the truth, and 1 % of the best constant's loss as the difference that matters:
- "the penalty helps" is right if L(min) < L(none);
- "no penalty is needed" is right if no strength of the path has an L that is lower than L(none) by more than 1 %;
- "no better than a constant" is right if L(choice) is not lower than the constant's loss by more than 1 %;
- "hardly trained", or another word that training must change before strengths are compared, is right if four times as
  many epochs lower the best loss without a penalty by more than 0.1 %;
- all else is "cannot tell".
The verdicts are calibrated if at least 90 % of the claims that are not "cannot tell" are right. Other claims are judged
beside it:
- "overfits": L(none) after the last epoch is higher than after the best epoch of the path;
- "a gap": L(none) minus its training loss matters, as in the verdict (5 % of the loss and 1 % of the constant's);
- "not overfitting": the same difference does not reach twice that size;
- "more epochs": as above, without a penalty or at min;
- "a larger model": layers twice as wide lower L at the best strength of the path.
Three things changed after the first results. After 60 problems, the last claim was measured for the first draw of each
problem alone, to save time. "More epochs" is judged at min too, which the sentence names: without a penalty alone, 9 of
the first 16 were right. "More rows may gain more" is judged by `benchmarks.more_rows`: here n and 2n rows were two
draws of a problem, and the sentence that more rows would show whether a gain is chance was counted too (28 of 34 were
right).

python -m benchmarks.diagnosis --data FOLDER --results FOLDER
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import _sets
from benchmarks._judged import gains_table, judge_all, main_table, others_table
from benchmarks._page import DOCS, machine, write
from benchmarks._problems import Problem, problems
from shrinkage._host._quiet import require_tensorflow

SEEDS = (1, 2, 3)
WIDTH = 32


def network(problem: Problem, x: np.ndarray, outputs: int, width: int = WIDTH) -> Any:
    """Return the compiled network: standardised inputs and two hidden layers."""
    import keras

    normalization = keras.layers.Normalization()
    normalization.adapt(x)
    hidden = [keras.layers.Dense(width, "relu") for _ in range(2)]
    last = keras.layers.Dense(outputs, None if problem.is_regression else "softmax")
    model = keras.Sequential([keras.Input(x.shape[1:]), normalization, *hidden, last], name="network")
    loss = "mean_squared_error" if problem.is_regression else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.003), loss)
    return model


def measure(problem: Problem, folder: Path) -> dict[str, Any]:
    """Fit and save the path, and return the truth: losses on the fresh sample, as lists."""
    require_tensorflow()
    import keras

    import shrinkage as sh

    keras.utils.set_random_seed(problem.draw)
    rows = problem.rows()
    outputs = 1 if problem.is_regression else int(max(rows.y.max(), rows.y_fresh.max())) + 1
    common: dict[str, Any] = {"penalty": sh.L2(), "progress": False}
    model = network(problem, rows.x, outputs)
    path = sh.fit(model, rows.x, rows.y, epochs=problem.epochs, seed=0, **common)
    path.save(folder, overwrite=True)

    def losses(lams: Any, epochs: int, *, width: int = WIDTH) -> np.ndarray:
        """Return losses on the fresh sample (2, seeds, S, E), and in training."""
        found = []
        for seed in SEEDS:
            made = sh.fit(
                network(problem, rows.x, outputs, width), rows.x, rows.y, lams=lams, epochs=epochs, seed=seed,
                validation_data=(rows.x_fresh, rows.y_fresh), models="chosen", **common,
            )  # fmt: skip
            found.append((made.cv_loss[0], made.train_loss[0]))
        null.setdefault("null", float(made.null_loss))  # pyright: ignore[reportPossiblyUnboundVariable]
        return np.asarray(found).swapaxes(0, 1)

    null: dict[str, float] = {}
    fresh, training = losses(path.lams, problem.epochs)
    at = np.broadcast_to(np.asarray(path.epochs)[:, None] - 1, (len(SEEDS), len(path.lams), 1))
    truth: dict[str, Any] = {
        "lams": path.lams, "fresh": np.take_along_axis(fresh, at, 2)[..., 0],
        "none": fresh[:, -1], "none_training": training[:, -1], **null,
    }  # fmt: skip
    if path.failed.all():
        return {name: np.asarray(value).tolist() for name, value in truth.items()}
    verdict, positive = path.verdict(), [path.lam] if path.lam else []
    if "raise `epochs`" in verdict:
        truth["longer"] = losses([*positive, 0.0], 4 * problem.epochs)[0].mean(axis=0).min(axis=-1)
    if "larger model" in verdict and problem.draw == 0:
        truth["wider"] = losses(path.lams[::2], problem.epochs, width=2 * WIDTH)[0].mean(axis=0).min(axis=-1)
    return {name: np.asarray(value).tolist() for name, value in truth.items()}


def measure_all(jobs: list[Problem], results: Path) -> None:
    """Measure all problems that have no result yet."""
    for problem in jobs:
        folder = results / problem.key
        if (folder / "truth.json").exists():
            continue
        began = time.monotonic()
        truth = measure(problem, folder)
        part = folder / "truth.part"
        part.write_text(json.dumps(truth), "utf-8")
        os.replace(part, folder / "truth.json")
        click.echo(f"{problem.key}: {time.monotonic() - began:.0f} s", err=True)


@click.command()
@_sets.folders_option
@click.option("--results", type=click.Path(path_type=Path), required=True, help="Folder of paths and truths.")
@click.option("--draws", default=3, show_default=True, help="Draws of rows for each problem.")
@click.option("--last-first", is_flag=True, help="Begin at the end, for a second process beside the first.")
def main(folders: tuple[str, ...], results: Path, draws: int, last_first: bool) -> None:
    """Measure what is not in the folder yet, print the tables, and write them to docs/diagnosis.md."""
    jobs = problems(range(draws), folders)
    measure_all(jobs[::-1] if last_first else jobs, results)
    found = judge_all(results)
    tables = {"main": main_table(found), "gains": gains_table(found), "others": others_table(found)}
    for name, text in tables.items():
        note = f"\n\n{len(found)} problems. {machine()}" * (name == "main")
        click.echo(f"\n{text}{note}")
        write(DOCS / "diagnosis.md", name, text + note)


if __name__ == "__main__":
    main()
