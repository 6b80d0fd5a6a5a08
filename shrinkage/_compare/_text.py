"""The table of a comparison, as text and as records."""

import math
import textwrap
from typing import Any

from shrinkage._compare._entry import Entry
from shrinkage._compare._ranking import Contrast, Ranking
from shrinkage._messages._note import Vocabulary, format_duration
from shrinkage._path._split_words import format_split
from shrinkage._path._words import count_decimals, format_fixed_point, format_lam, format_loss_name

_WIDTH = 110


def make_records(ranking: Ranking) -> list[dict[str, Any]]:
    """Return a dictionary for each entry; `Comparison.table` documents the keys."""
    rows = zip(ranking.entries, ranking.gains, ranking.regrets, strict=True)
    return [_make_record(ranking, *row) for row in rows]


def _make_record(ranking: Ranking, entry: Entry, gain: Contrast | None, regret: Contrast | None) -> dict[str, Any]:
    model = entry.facts
    return {
        **{"name": entry.name, "lam": entry.lam, "epoch": entry.epoch, "loss": entry.loss, "se": entry.se},
        **_collect_numbers("gain", gain),
        **_collect_numbers("above", regret),
        "result": classify_entry(ranking, entry, regret),
        **{"zeros": model.zeros, "zero_units": model.zero_units, "zero_inputs": model.zero_inputs},
        **{"size": model.size, "zipped": model.zipped, "predict_seconds": model.predict_seconds},
        "seconds": entry.seconds,
    }


def _collect_numbers(name: str, test: Contrast | None) -> dict[str, float]:
    values = [math.nan] * 4 if test is None else [*vars(test.difference).values(), test.p]
    return dict(zip((name, f"{name}_low", f"{name}_high", f"{name}_p"), values, strict=True))


def classify_entry(ranking: Ranking, entry: Entry, regret: Contrast | None) -> str:
    """Return "least", "tied", "worse" or "diverged"; "unknown" where a single split has no loss of each row."""
    if entry.diverged:
        return "diverged"
    if entry is ranking.least:
        return "least"
    if regret is None or (math.isnan(regret.p) and regret.difference.mean != 0):
        return "unknown"
    return "worse" if regret.is_clear else "tied"


def lay_out_comparison(ranking: Ranking, verdict: str, terms: Vocabulary) -> str:
    """Lay out a comparison as a path is: a header, the losses, the models, the verdict, and the notes."""
    words = [terms.say(text) for text in (verdict, _describe_units(ranking), *ranking.notes)]
    tables = [*_format_losses(ranking), "", *_format_models(ranking), ""]
    return "\n".join([_format_header(ranking), *tables, *(textwrap.fill(w, _WIDTH) for w in words if w)])


def _describe_units(ranking: Ranking) -> str:
    some = ranking.entries[0].path
    if (some.target_mean, some.target_sd) == (0, 1):
        return ""
    return f"Losses are in units of the target's variance (sd {some.target_sd:.4g})."


def _format_header(ranking: Ranking) -> str:
    paths = list(ranking.paths.values())
    n_models = sum(len(path.lams) * len(path.fold_weight) + int(path.has_model.sum()) for path in paths)
    names = list(dict.fromkeys(path.template.name for path in paths))
    models = len({entry.baseline for entry in ranking.entries})
    n_penalties = len(paths) // models
    what = f"{n_penalties} penalties" if n_penalties > 1 else "1 penalty"
    of = f"of {names[0]}" if models == 1 else f"of {models} models"
    return (
        f"{what} {of} on the same {format_split(paths[0])}, batches and first weights: {n_models:,} models in "
        f"{format_duration(ranking.seconds)}"
    )


def _format_losses(ranking: Ranking) -> list[str]:
    some = ranking.entries[0].path
    digits = count_digits(ranking)
    titles = ["lambda", format_loss_name(some.loss_name), f"se ({some.error_units})" if some.single_split else "se"]
    rows = {"": [*titles, "gain over none (95 %)", "p", "above the least (95 %)", "p", ""]}
    for entry, gain, above in zip(ranking.entries, ranking.gains, ranking.regrets, strict=True):
        cells = [format_lam(entry.lam) if not entry.diverged else "-"]
        cells += [format_fixed_point(entry.loss, digits), format_fixed_point(entry.se, digits)]
        rows[entry.name] = [
            *cells, *_format_test(gain, digits), *_format_test(above, digits), classify_entry(ranking, entry, above)
        ]  # fmt: skip
    return _lay_out(rows)


def _format_models(ranking: Ranking) -> list[str]:
    sparse = any(entry.facts.zeros > 0 for entry in ranking.entries)
    timed = len({entry.baseline for entry in ranking.entries}) > 1
    titles = ["zeros", "units", "inputs"] * sparse + ["KiB zipped"] + ["us a row"] * timed + ["seconds"]
    rows = {"": titles}
    for entry in ranking.entries:
        model = entry.facts
        cells = [_format_count(model.zeros), _format_count(model.zero_units), _format_count(model.zero_inputs)] * sparse
        cells += [_format_number(model.zipped / 1024)] + [_format_number(1e6 * model.predict_seconds)] * timed
        rows[entry.name] = [*cells, _format_number(entry.seconds)]
    return _lay_out(rows)


def _lay_out(rows: dict[str, list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows.values(), strict=True)]
    longest = max(map(len, rows))
    return [f"{label:{longest}}" + _join_cells(cells, widths) for label, cells in rows.items()]


def count_digits(ranking: Ranking) -> int:
    """Return the number of decimals of losses: two significant figures of the standard error of the least."""
    least = ranking.least
    return 3 if least is None else count_decimals(least.se if least.se > 0 else least.loss)


def format_difference(test: Contrast, digits: int) -> str:
    """Return a difference with its interval, such as "0.012 (0.003 to 0.021)"."""
    found = test.difference
    half = (found.high - found.low) / 2
    digits = max(digits, min(count_decimals(half), digits + 1)) if half else digits
    mean, low, high = (format_fixed_point(value, digits) for value in (found.mean, found.low, found.high))
    return f"{mean} ({low} to {high})" if math.isfinite(half) else mean


def format_p_value(p: float) -> str:
    """Return a p-value with two significant figures, or "<0.001"."""
    if math.isnan(p):
        return "-"
    return "<0.001" if p < 0.001 else "1" if p >= 0.995 else f"{p:.2g}"


def _format_test(test: Contrast | None, digits: int) -> list[str]:
    if test is None or math.isnan(test.difference.mean):
        return ["", ""]
    return [format_difference(test, digits), format_p_value(test.p)]


def _join_cells(cells: list[str], widths: list[int]) -> str:
    return "".join("  " + cell.rjust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _format_count(value: float) -> str:
    return f"{int(value):,}" if math.isfinite(value) else "-"


def _format_number(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
