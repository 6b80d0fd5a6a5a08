"""`shrinkage fit --dry-run`: the training that is to come, without the training."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._console import Console, plural
from ._terms import with_labels

if TYPE_CHECKING:
    from shrinkage._exact._runner import AnyRunner


def forecast(runner: "AnyRunner") -> dict[str, Any]:
    """Return the size of the training: models, steps, memory and time. Steps are the most that can be needed.

    Models that are computed exactly have no steps and epochs, and their time is not predicted.
    """
    from shrinkage._plan._runner import Runner

    problem, chunk = runner.problem, runner.plan.chunk
    n_folds, n_lams, batch = len(problem.folds.train), len(problem.lams), problem.training.batch_size
    size = {
        "solver": problem.solver,
        "strengths": problem.lams.tolist(),
        "folds": n_folds,
        "models": n_lams * (n_folds + 1),
        "parameters": problem.training.template.network.count_params(),
        "memory": runner.record["memory"],
        "search": runner.search_text,
    }
    if not isinstance(runner, Runner):
        return size
    chunks = math.ceil(n_lams / chunk)
    longest = [int(problem.folds.train.sizes.max()), problem.n_rows]
    return {
        **size,
        "steps": sum(chunks * problem.epochs * math.ceil(rows / batch) for rows in longest),
        "models_in_a_step": min(chunk, n_lams) * n_folds,
        "epochs": problem.epochs,
        "patience": problem.patience,
        "seconds": runner.predict_seconds(),
    }


def say_forecast(console: Console, runner: "AnyRunner", labels: Sequence[object], document: dict[str, Any]) -> None:
    """Print the forecast, or with it the document for programs."""
    found = forecast(runner)
    console.say(_words(found, [with_labels(labels).say(note) for note in runner.notes]))
    console.result({**document, "forecast": found, "dry_run": True})


def _words(found: dict[str, Any], notes: Sequence[str]) -> str:
    """Return the forecast, as text."""
    exact = found["solver"] == "exact"
    above = [lam for lam in found["strengths"] if lam > 0]
    if found["search"]:
        memory = f"memory: about {found['memory'] / 2**20:,.0f} MiB"
        return "\n".join([found["search"], memory, *notes, "Dry run: nothing was trained or written."])
    lines = [
        f"strengths: {len(above)} from {max(above):.3g} to {min(above):.3g}, and 0; more where the minimum lies at an "
        "end",
        f"models: {found['models']:,} of {plural(found['parameters'], 'parameter')}: each strength in "
        f"{plural(found['folds'], 'fold')}, and on all rows{', computed exactly' * exact}",
        f"memory: about {found['memory'] / 2**20:,.0f} MiB",
    ]
    lines[2:2] = [] if exact else [_steps_line(found)]
    lines += [] if exact else [_time_line(found)]
    return "\n".join([*lines, *notes, "Dry run: nothing was trained or written."])


def _steps_line(found: dict[str, Any]) -> str:
    together = plural(found["models_in_a_step"], "model")
    return f"steps: about {found['steps']:,} at most, each of up to {together} together"


def _time_line(found: dict[str, Any]) -> str:
    from shrinkage._note import duration

    early = "; fewer for a strength that no longer improves" if found["patience"] else ""
    epochs = plural(found["epochs"], "epoch")
    return f"time: about {duration(found['seconds'])} for compiling and the steps of {epochs}{early}"
