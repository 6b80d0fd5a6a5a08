"""What the path of a network costs, beside other ways to get it: writes the tables of docs/cost.md.

Every row runs in new processes of its own, in turns, and imports are left out. Run it with nothing else running:

    python -m benchmarks.path_cost
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any

import click

from benchmarks._measure import Cost, measure
from benchmarks._page import DOCS, machine, markdown, write
from benchmarks._phases import EPOCHS, phases
from benchmarks._rows import ROWS, Case

CASE = Case()
# Where a net's own arithmetic is the cost, a part of the path tells the whole.
WIDTHS = (CASE, replace(CASE, width=256), replace(CASE, width=1024, strengths=4, epochs=4))


@click.command()
@click.option("--row", "names", type=click.Choice([*ROWS]), multiple=True, help="Only these rows of the first table.")
@click.option("--repeats", default=3, show_default=True, help="Processes for each row, of which the median is shown.")
@click.option("--full", is_flag=True, help="Measure every fit of the loops (ten minutes more), extrapolate none.")
@click.option("--widths/--no-widths", default=True, show_default=True, help="Measure wider networks too.")
@click.option("--case", default="{}", help='A smaller job as JSON, such as {"rows": 200}; then no page is written.')
@click.option("--measure", "one", hidden=True, help="In a new process: print the costs of this row.")
def main(names: tuple[str, ...], repeats: int, full: bool, widths: bool, case: str, one: str | None) -> None:
    """Measure and print the tables of costs, and write them to docs/cost.md."""
    job = replace(CASE, **json.loads(case))
    if one:
        click.echo(json.dumps(phases(job) if one == "phases" else asdict(measure(ROWS[one], job, full=full))))
        return
    tables = {
        "path_cost": costs_table(costs(names or tuple(ROWS), job, repeats, full)),
        "path_phases": phases_table([phases_of(job) for _ in range(repeats)]),
    }
    if widths:
        tables["path_widths"] = widths_table(WIDTHS, repeats)
    tables["path_machine"] = machine()
    for name, text in tables.items():
        click.echo(f"\n{text}")
        if job == CASE and not names:
            write(DOCS / "cost.md", name, text)


def costs(names: Sequence[str], case: Case, repeats: int, full: bool) -> dict[str, list[Cost]]:
    """Measure rows in turns, so that a slow minute of the machine does not hit all repeats of one row."""
    found: dict[str, list[Cost]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            found[name].append(Cost(**_in_new_process(name, case, full)))
            click.echo(f"{name}: {found[name][-1].wall:.2f} s", err=True)
    return found


def phases_of(case: Case) -> dict[str, float]:
    """Return the seconds of each part of our row, measured in a new process."""
    return _in_new_process("phases", case, False)


def _in_new_process(name: str, case: Case, full: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.path_cost", "--measure", name, "--case", json.dumps(asdict(case))]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command + full * ["--full"], capture_output=True, text=True, env=quiet, cwd=DOCS.parent)
    if done.returncode:
        raise click.ClickException(f"Measuring {name!r} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def costs_table(found: dict[str, list[Cost]]) -> str:
    """Return medians of each row, and how often one plain fit its time is."""
    unit = median(cost.wall for cost in found["plain"]) if "plain" in found else float("nan")
    lines = []
    for name, repeats in found.items():
        wall, cpu, peak, grown = (median(getattr(c, key) for c in repeats) for key in ("wall", "cpu", "peak", "grown"))
        low, high = min(cost.wall for cost in repeats), max(cost.wall for cost in repeats)
        fits, measured = repeats[0].fits, repeats[0].measured
        how = "all" if measured == fits else f"{measured} of {fits} fits"
        times = [_seconds(wall), f"{_seconds(low)} to {_seconds(high)}", f"{wall / unit:.2f}", _seconds(cpu)]
        lines.append([ROWS[name].title, *times, f"{peak:.0f}", f"{grown:.0f}", how])
    header = ["", "seconds", "of repeats", "x plain", "processor seconds", "peak MiB", "since imports", "measured"]
    return markdown(header, lines)


def phases_table(repeats: Sequence[dict[str, float]]) -> str:
    """Return the median seconds of each part, and its share of their sum."""
    seconds = {part: median(repeat[part] for repeat in repeats) for part in repeats[0]}
    whole = sum(seconds.values())
    return markdown(["", "seconds", "share"], [[p, f"{s:.2f}", f"{s / whole:.0%}"] for p, s in seconds.items()])


def widths_table(cases: Sequence[Case], repeats: int) -> str:
    """Return for each width the cost of our path in units of the best loop's."""
    lines = []
    for case in cases:
        full = replace(case, strengths=CASE.strengths, epochs=CASE.epochs)
        loop = median(_in_new_process("reused", full, False)["wall"] for _ in range(repeats))
        own = median(_whole(phases_of(case), case, full) for _ in range(repeats))
        measured = "all" if case == full else f"{case.strengths} strengths, {case.epochs} epochs"
        net = f"64-{case.width}-{case.width}-10"
        lines.append([net, _seconds(own), _seconds(loop), f"{own / loop:.2f}", measured])
    return markdown(["network", "`shrinkage.fit`", "best loop", "ratio", "measured of ours"], lines)


def _whole(parts: dict[str, float], case: Case, full: Case) -> float:
    """Extrapolate seconds from a part of a path: what is done every epoch grows with epochs and models."""
    factor = full.epochs * (full.strengths + 1) / (case.epochs * (case.strengths + 1))
    return sum(seconds * (factor if part in EPOCHS else 1) for part, seconds in parts.items())


def _seconds(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


if __name__ == "__main__":
    main()
