"""`shrinkage fit --dry-run`: the columns and the training that is to come, without the training."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._columns import MISSING, CategoryColumn, NumberColumn, input_name
from ._console import plural
from ._encoder import missing
from ._prepare import Prepared
from ._terms import with_labels

if TYPE_CHECKING:
    from shrinkage._plan._runner import Runner


def column_table(prepared: Prepared) -> pd.DataFrame:
    """Return a row for each column with kind, missing cells, number of distinct values, and treatment."""
    columns, rows = prepared.columns, []
    counts = missing(columns, prepared.cells)
    for column in (*columns.numbers, *columns.categories):
        cells = prepared.cells[input_name(column.name)]
        n_values = len(pd.unique(cells[:, 0][~pd.isna(cells[:, 0]) & (cells[:, 0] != MISSING)]))
        rows.append([column.name, _kind(column), counts.get(column.name, 0), n_values, _treatment(column)])
    rows += [[name, "not used", "", "", reason] for name, reason in columns.dropped.items()]
    target = prepared.target
    n_labels = len(np.unique(target.values))
    rows.append([columns.target, "target", prepared.n_unlabelled, n_labels, target.task])
    return pd.DataFrame(rows, columns=["column", "kind", "missing", "values", "treatment"])


def _kind(column: NumberColumn | CategoryColumn) -> str:
    if isinstance(column, CategoryColumn):
        return "category"
    return "boolean" if column.boolean else "number"


def _treatment(column: NumberColumn | CategoryColumn) -> str:
    if isinstance(column, CategoryColumn):
        n_inputs = len(column.categories) + column.other
        return f"one-hot, {plural(n_inputs, 'input')}{', of which one for other values' * column.other}"
    filled = ", missing cells become the median and are marked" if column.indicator else ""
    return f"standardised{filled}"


def forecast(runner: "Runner") -> dict[str, Any]:
    """Return the size of the training: models, steps and memory. Steps are the most that can be needed."""
    problem, chunk = runner.problem, runner.plan.chunk
    n_folds, n_lams, batch = len(problem.folds.train), len(problem.lams), problem.training.batch_size
    chunks = math.ceil(n_lams / chunk)
    longest = [max(map(len, problem.folds.train)), len(problem.rows_of_x)]
    return {
        "strengths": problem.lams.tolist(),
        "folds": n_folds,
        "models": n_lams * (n_folds + 1),
        "parameters": problem.training.template.network.count_params(),
        "steps": sum(chunks * problem.epochs * math.ceil(rows / batch) for rows in longest),
        "models_in_a_step": min(chunk, n_lams) * n_folds,
        "memory": runner.record["memory"],
    }


def forecast_words(runner: "Runner", prepared: Prepared) -> str:
    """Return the forecast, as text."""
    found = forecast(runner)
    above = [lam for lam in found["strengths"] if lam > 0]
    terms = with_labels(prepared.columns.labels)
    lines = [
        f"strengths: {len(above)} from {max(above):.3g} to {min(above):.3g}, and 0; more where the minimum lies at an "
        "end",
        f"models: {found['models']:,} of {plural(found['parameters'], 'parameter')}: each strength in "
        f"{plural(found['folds'], 'fold')}, and on all rows",
        f"steps: about {found['steps']:,} at most, each of up to {plural(found['models_in_a_step'], 'model')} together",
        f"memory: about {found['memory'] / 2**20:,.0f} MiB",
    ]
    return "\n".join([*lines, *(terms.say(note) for note in runner.notes), "Dry run: nothing was trained or written."])
