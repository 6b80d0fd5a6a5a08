"""`shrinkage fit --dry-run`: the columns and the training that is to come, without the training."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._columns import MISSING, CategoryColumn, Column, TextColumn, input_name
from ._console import Console, plural
from ._encoder import missing
from ._network import WORD_WIDTH, embedding_width
from ._prepare import Prepared
from ._terms import with_labels

if TYPE_CHECKING:
    from shrinkage._plan._runner import Runner


def column_table(prepared: Prepared) -> pd.DataFrame:
    """Return a row for each column with kind, missing cells, number of distinct values, and treatment."""
    columns, rows = prepared.columns, []
    counts = missing(columns, prepared.cells)
    for column in columns.all:
        cells = prepared.cells[input_name(column.name)]
        n_values = len(pd.unique(cells[:, 0][~pd.isna(cells[:, 0]) & (cells[:, 0] != MISSING)]))
        rows.append([column.name, column.kind, counts.get(column.name, 0), n_values, _treatment(column)])
    rows += [[name, "not used", "", "", reason] for name, reason in columns.dropped.items()]
    target = prepared.target
    n_labels = len(np.unique(target.values))
    rows.append([columns.target, "target", prepared.n_unlabelled, n_labels, target.task])
    return pd.DataFrame(rows, columns=["column", "kind", "missing", "values", "treatment"])


def _treatment(column: Column) -> str:
    """Return how a column enters the network."""
    if isinstance(column, TextColumn):
        n_words = plural(len(column.words), "word")
        if column.embedded:
            return f"embedding of {n_words} with {WORD_WIDTH} numbers each, averaged over {column.length} words at most"
        return f"{n_words}, an input each"
    if isinstance(column, CategoryColumn):
        n_inputs = len(column.categories) + column.other
        others = ", of which one for other values" * column.other
        if column.embedded:
            return f"embedding of {n_inputs:,} values with {embedding_width(n_inputs)} numbers each{others}"
        return f"one-hot, {plural(n_inputs, 'input')}{others}"
    cycles = f", with its place in the {' and the '.join(column.cycles)}" if column.cycles else ""
    return f"standardised{cycles}{', missing cells are marked' * column.indicator}"


def forecast(runner: "Runner") -> dict[str, Any]:
    """Return the size of the training: models, steps and memory. Steps are the most that can be needed."""
    problem, chunk = runner.problem, runner.plan.chunk
    n_folds, n_lams, batch = len(problem.folds.train), len(problem.lams), problem.training.batch_size
    chunks = math.ceil(n_lams / chunk)
    longest = [max(map(len, problem.folds.train)), len(problem.all_rows)]
    return {
        "strengths": problem.lams.tolist(),
        "folds": n_folds,
        "models": n_lams * (n_folds + 1),
        "parameters": problem.training.template.network.count_params(),
        "steps": sum(chunks * problem.epochs * math.ceil(rows / batch) for rows in longest),
        "models_in_a_step": min(chunk, n_lams) * n_folds,
        "memory": runner.record["memory"],
    }


def say_forecast(console: Console, runner: "Runner", labels: Sequence[object], document: dict[str, Any]) -> None:
    """Print the forecast, or with it the document for programs."""
    found = forecast(runner)
    console.say(_words(found, [with_labels(labels).say(note) for note in runner.notes]))
    console.result({**document, "forecast": found, "dry_run": True})


def _words(found: dict[str, Any], notes: Sequence[str]) -> str:
    """Return the forecast, as text."""
    above = [lam for lam in found["strengths"] if lam > 0]
    lines = [
        f"strengths: {len(above)} from {max(above):.3g} to {min(above):.3g}, and 0; more where the minimum lies at an "
        "end",
        f"models: {found['models']:,} of {plural(found['parameters'], 'parameter')}: each strength in "
        f"{plural(found['folds'], 'fold')}, and on all rows",
        f"steps: about {found['steps']:,} at most, each of up to {plural(found['models_in_a_step'], 'model')} together",
        f"memory: about {found['memory'] / 2**20:,.0f} MiB",
    ]
    return "\n".join([*lines, *notes, "Dry run: nothing was trained or written."])
