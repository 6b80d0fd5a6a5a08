"""The table of a comparison, as text and as records."""

import math
import textwrap
from typing import Any

from shrinkage._compare._entry import Entry
from shrinkage._compare._ranking import Contrast, Ranking
from shrinkage._messages._note import Vocabulary, duration
from shrinkage._path._split_words import split_text
from shrinkage._path._words import decimals, fixed_text, lam_text, loss_words

_WIDTH = 110


def records(ranking: Ranking) -> list[dict[str, Any]]:
    """Return a dictionary for each entry; `Comparison.table` documents the keys."""
    rows = zip(ranking.entries, ranking.gains, ranking.regrets, strict=True)
    return [_record(ranking, *row) for row in rows]


def _record(ranking: Ranking, entry: Entry, gain: Contrast | None, above: Contrast | None) -> dict[str, Any]:
    model = entry.deployed
    return {
        **{"name": entry.name, "lam": entry.lam, "epoch": entry.epoch, "loss": entry.loss, "se": entry.se},
        **_numbers("gain", gain),
        **_numbers("above", above),
        "result": result_of(ranking, entry, above),
        **{"zeros": model.zeros, "zero_units": model.zero_units, "zero_inputs": model.zero_inputs},
        **{"size": model.size, "zipped": model.zipped, "predict_seconds": model.predict_seconds},
        "seconds": entry.seconds,
    }


def _numbers(name: str, test: Contrast | None) -> dict[str, float]:
    values = [math.nan] * 4 if test is None else [*vars(test.difference).values(), test.p]
    return dict(zip((name, f"{name}_low", f"{name}_high", f"{name}_p"), values, strict=True))


def result_of(ranking: Ranking, entry: Entry, above: Contrast | None) -> str:
    """Return "least", "tied", "worse" or "diverged"; "unknown" where a single split has no loss of each row."""
    if entry.diverged:
        return "diverged"
    if entry is ranking.least:
        return "least"
    if above is None or (math.isnan(above.p) and above.difference.mean != 0):
        return "unknown"
    return "worse" if above.is_clear else "tied"


def summary(ranking: Ranking, verdict: str, terms: Vocabulary) -> str:
    """Lay out a comparison as a path is: a header, the losses, the models, the verdict, and the notes."""
    words = [terms.say(text) for text in (verdict, _units(ranking), *ranking.notes)]
    tables = [*_losses_table(ranking), "", *_models_table(ranking), ""]
    return "\n".join([_header(ranking), *tables, *(textwrap.fill(w, _WIDTH) for w in words if w)])


def _units(ranking: Ranking) -> str:
    some = ranking.entries[0].path
    if (some.target_mean, some.target_sd) == (0, 1):
        return ""
    return f"Losses are in units of the target's variance (sd {some.target_sd:.4g})."


def _header(ranking: Ranking) -> str:
    paths = list(ranking.paths.values())
    n_models = sum(len(path.lams) * len(path.fold_weight) + int(path.has_model.sum()) for path in paths)
    names = list(dict.fromkeys(path.template.name for path in paths))
    models = len({entry.baseline for entry in ranking.entries})
    n_penalties = len(paths) // models
    what = f"{n_penalties} penalties" if n_penalties > 1 else "1 penalty"
    of = f"of {names[0]}" if models == 1 else f"of {models} models"
    return (
        f"{what} {of} on the same {split_text(paths[0])}, batches and first weights: {n_models:,} models in "
        f"{duration(ranking.seconds)}"
    )


def _losses_table(ranking: Ranking) -> list[str]:
    some = ranking.entries[0].path
    digits = digits_of(ranking)
    titles = ["lambda", loss_words(some.loss_name), f"se ({some.error_units})" if some.single_split else "se"]
    rows = {"": [*titles, "gain over none (95 %)", "p", "above the least (95 %)", "p", ""]}
    for entry, gain, above in zip(ranking.entries, ranking.gains, ranking.regrets, strict=True):
        cells = [lam_text(entry.lam) if not entry.diverged else "-"]
        cells += [fixed_text(entry.loss, digits), fixed_text(entry.se, digits)]
        rows[entry.name] = [
            *cells, *_test_cells(gain, digits), *_test_cells(above, digits), result_of(ranking, entry, above)
        ]  # fmt: skip
    return _lay_out(rows)


def _models_table(ranking: Ranking) -> list[str]:
    sparse = any(entry.deployed.zeros > 0 for entry in ranking.entries)
    timed = len({entry.baseline for entry in ranking.entries}) > 1
    titles = ["zeros", "units", "inputs"] * sparse + ["KiB zipped"] + ["us a row"] * timed + ["seconds"]
    rows = {"": titles}
    for entry in ranking.entries:
        model = entry.deployed
        cells = [_count(model.zeros), _count(model.zero_units), _count(model.zero_inputs)] * sparse
        cells += [_format_number(model.zipped / 1024)] + [_format_number(1e6 * model.predict_seconds)] * timed
        rows[entry.name] = [*cells, _format_number(entry.seconds)]
    return _lay_out(rows)


def _lay_out(rows: dict[str, list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows.values(), strict=True)]
    longest = max(map(len, rows))
    return [f"{label:{longest}}" + _join(cells, widths) for label, cells in rows.items()]


def digits_of(ranking: Ranking) -> int:
    """Return the number of decimals of losses: two significant figures of the standard error of the least."""
    least = ranking.least
    return 3 if least is None else decimals(least.se if least.se > 0 else least.loss)


def interval_text(test: Contrast, digits: int) -> str:
    """Return a difference with its interval, such as "0.012 (0.003 to 0.021)"."""
    found = test.difference
    half = (found.high - found.low) / 2
    digits = max(digits, min(decimals(half), digits + 1)) if half else digits
    mean, low, high = (fixed_text(value, digits) for value in (found.mean, found.low, found.high))
    return f"{mean} ({low} to {high})" if math.isfinite(half) else mean


def p_text(p: float) -> str:
    """Return a p-value with two significant figures, or "<0.001"."""
    if math.isnan(p):
        return "-"
    return "<0.001" if p < 0.001 else "1" if p >= 0.995 else f"{p:.2g}"


def _test_cells(test: Contrast | None, digits: int) -> list[str]:
    if test is None or math.isnan(test.difference.mean):
        return ["", ""]
    return [interval_text(test, digits), p_text(test.p)]


def _join(cells: list[str], widths: list[int]) -> str:
    return "".join("  " + cell.rjust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _count(value: float) -> str:
    return f"{int(value):,}" if math.isfinite(value) else "-"


def _format_number(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
