"""How fast the cohort is for every kind of model, and where its time goes: writes the tables of docs/engine.md.

Every measurement runs in a new process, and imports and loading are left out. Run it with nothing else running:

    python -m benchmarks.engine --data FOLDER
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks import _curves, _pairs, _sets
from benchmarks._page import DOCS, machine, markdown, write
from benchmarks._store import Store, changed
from benchmarks._ways import Cost, measure, ways_for
from benchmarks._works import DENSE, WORKS

PAGE = DOCS / "engine.md"
Costs = dict[str, dict[str, Cost | None]]
"""For each work, what each way costs, or None where it failed."""


@click.command()
@_sets.folders_option
@click.option("--works/--no-works", default=True, show_default=True, help="Compare the ways for all works.")
@click.option("--curves/--no-curves", default=True, show_default=True, help="Measure how cost grows.")
@click.option("--pairs", default=5, show_default=True, help="Paired runs of ours and (b); 0 measures none.")
@click.option(
    "--width", "widths", type=int, multiple=True, help="Only these widths in paired runs; no page is written."
)
@click.option(
    "--work", "names", type=click.Choice([*WORKS]), multiple=True, help="Only these works; no page is written."
)
@click.option("--row", "rows", multiple=True, help='Only these ways, such as "loop"; no page is written.')
@click.option(
    "--repeats", default=1, show_default=True, help="Processes for each figure, of which the median is shown."
)
@click.option("--case", default="{}", help='Other numbers for all works, as JSON: {"rows": 200}; no page is written.')
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Keep results here; what it has stands.")
@click.option("--measure", "one", hidden=True, help="In a new process: print the result of this job.")
def main(
    folders: tuple[str, ...], works: bool, curves: bool, pairs: int, widths: tuple[int, ...], names: tuple[str, ...],
    rows: tuple[str, ...], repeats: int, case: str, out: Path | None, one: str | None,
) -> None:  # fmt: skip
    """Measure and print the tables, and write them to docs/engine.md."""
    if one:
        click.echo(json.dumps(result(json.loads(one), folders)))
        return
    store, changes = Store(out, folders, repeats), json.loads(case)
    tables = {}
    if works:
        tables |= works_tables(compare(store, folders, names or tuple(WORKS), rows, changes))
    if curves:
        tables |= _curves.tables(store, changes, None if changes else DOCS / "engine.png")
    if pairs and not rows:
        tables["engine_pairs"] = _pairs.table(
            store, pairs, lambda name: not _sets.find_missing(WORKS[name].data, folders),
            names or (() if widths else tuple(WORKS)), widths or (() if names else _pairs.WIDTHS), changes,
        )  # fmt: skip
    tables["engine_machine"] = machine()
    for name, text in tables.items():
        click.echo(f"\n{text}")
        if not (names or rows or widths or changes):
            write(PAGE, name, text)


def result(job: dict[str, Any], folders: tuple[str, ...]) -> Any:
    """Return what a job of the store measures, as plain values."""
    if job["name"] in _curves.JOBS:
        return _curves.JOBS[job["name"]](job)
    work = changed({**WORKS, "dense": DENSE}[job["name"]], job["changes"])
    return measure(job["way"], work, lambda: _sets.load(work.data, folders, work.rows), job["variant"])


def compare(
    store: Store, folders: tuple[str, ...], names: Sequence[str], rows: Sequence[str], changes: dict[str, Any]
) -> Costs:
    """Measure the works whose data are there, in all their ways, or in some."""
    found: Costs = {}
    for name in names:
        if absent := _sets.find_missing(WORKS[name].data, folders):
            click.echo(f"{name} is skipped: no {' and no '.join(absent)} in the folders of --data.", err=True)
            continue
        costs = found[name] = {}
        for way in ways_for(name, WORKS[name]):
            if not rows or way in rows or (way == "trial" and "loop" in rows):
                form = costs["trial"].variant if way == "loop" and costs["trial"] else None
                costs[way] = store.cost(name, way, changes, form)
    return found


def works_tables(found: Costs) -> dict[str, str]:
    """Return the tables of the works: seconds and speed-up, steps and memory, and other libraries."""
    speed, inside, others = [], [], []
    for name, costs in found.items():
        work = WORKS[name]
        plain, loop, own = costs.get("plain"), costs.get("loop"), costs.get("ours")
        models = f"{work.strengths} x {work.folds} + {work.strengths}"
        times = [_seconds(cost and cost.seconds) for cost in (plain, loop, own)]
        ratios = [_ratio(loop and loop.seconds, own), _ratio(loop and loop.one_final, own)]
        speed.append([work.title, str(work.batch_size), models, str(work.epochs), *times, *ratios, work.goal])
        steps = [_number(cost and cost.step, 2) for cost in (loop, own)]
        ours_parts = own.parts if own else {}
        shares = [
            _number(ours_parts.get("compiling"), 1),
            _percent(ours_parts.get("scoring"), ours_parts.get("training")),
        ]
        peaks = [_number(cost and cost.peak, 0) for cost in (plain, loop, own)]
        inside.append([work.title, *steps, *shares, *peaks, _form(loop), loop.measured if loop else "-"])
        for way, title in OTHERS.items():
            if way in costs:
                cost, ours = costs[way], costs.get("ours_again") if way == "jax_again" else own
                figures = [_seconds(cost and cost.seconds), _ratio(cost and cost.seconds, ours)]
                figures += [_ratio(cost and cost.one_final, ours), _number(cost and cost.peak, 0)]
                others.append([title, work.title, *figures, cost.measured if cost else "-"])
    return {
        "engine_works": markdown(SPEED, speed),
        "engine_steps": markdown(INSIDE, inside),
        "engine_others": markdown(OTHER, others),
    }


SPEED = (
    "work", "batch", "models", "epochs", "(a) seconds", "(b) seconds", "ours seconds", "speed-up over (b)",
    "over (b) with one final model", "to reach, goal",
)  # fmt: skip
INSIDE = (
    "work", "(b) ms a step", "ours ms a model-step", "ours compiling, seconds", "scoring's share of an epoch",
    "(a) peak MiB", "(b) peak MiB", "ours peak MiB", "fastest form of (b)", "measured of (b)",
)  # fmt: skip
OTHER = ("way", "work", "seconds", "ours is faster", "with one final model", "peak MiB", "measured")
OTHERS = {
    "grid": "scikit-learn: `GridSearchCV(MLPClassifier)`",
    "grid2": "The same in 2 processes",
    "vmap": "PyTorch, `torch.func.vmap` by hand",
    "jax": "JAX by hand: `vmap`, a compiled loop, two threads",
    "jax_again": "The same for the second time in a process, against ours for the second time",
}


def _form(loop: Cost | None) -> str:
    if loop is None:
        return "-"
    return ("XLA" if loop.variant.get("jit_compile") else "no XLA") + (", unrolled" * loop.variant.get("unroll", False))


def _ratio(other: float | None, own: Cost | None) -> str:
    return "-" if other is None or own is None else f"{other / own.seconds:.2g}x"


def _percent(part: float | None, rest: float | None) -> str:
    return "-" if part is None or rest is None else f"{part / (part + rest):.0%}"


def _seconds(value: float | None) -> str:
    return _number(value, 1 if value is None or value < 100 else 0)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    main()
