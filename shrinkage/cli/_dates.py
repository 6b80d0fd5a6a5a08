"""Dates and times: read as seconds since 1970, and as a place in the year, the week and the day."""

import numpy as np
import pandas as pd

from ._formats import DATES, TYPE_SHARE, are_dates
from ._values import as_numbers, convert_by_value

ISO = "ISO8601"
_DAYS = (
    "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y",
    "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y",
)  # fmt: skip
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMS = (ISO, *(f"{day}{time}" for day in _DAYS for time in _TIMES))
"""Formats of text. Numbers between slashes are in either order, which the cells must show."""

_SAMPLE, _FORMAT_SHARE = 1000, 0.5  # distinct cells that are tried in all formats, and the share that must have one
DAY = 86_400.0
PERIODS = {"year": 365.2425 * DAY, "week": 7 * DAY, "day": DAY}
"""The cycles of a calendar, in seconds."""


class NoDates(Exception):
    """Cells that are not dates of one format; the argument is the reason."""


def parse(texts: pd.Series, form: str) -> pd.Series:
    """Return times in UTC, without a zone; those that do not have the format are NaT."""
    times = pd.to_datetime(texts, errors="coerce", format=form, utc=True)
    return times.dt.tz_localize(None)


def find_form(cells: pd.Series) -> str:
    """Return the format of dates in a column: one of `FORMS`, or "" where the cells are dates and not text.

    Raises:
        NoDates: If most cells have no format, or several formats fit and give other dates.
    """
    filled_cells = cells.dropna()
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return ""
    if not filled_cells.map(lambda cell: isinstance(cell, str)).all():
        kinds = filled_cells.map(lambda cell: hasattr(cell, "year"))  # dates of Python, as in Parquet
        if kinds.all() and not pd.isna(pd.to_datetime(filled_cells, errors="coerce", utc=True)).any():
            return ""
        raise NoDates(DATES)
    if not are_dates(filled_cells):
        raise NoDates(DATES)
    some = filled_cells.drop_duplicates().iloc[:_SAMPLE]
    read = {form: parse(filled_cells, form) for form in FORMS if parse(some, form).notna().mean() >= _FORMAT_SHARE}
    most = max((int(times.notna().sum()) for times in read.values()), default=0)
    if most < TYPE_SHARE * len(filled_cells):
        raise NoDates("times without a date, or dates of another format or several; write them as 2024-01-31 18:30")
    found = {form: times for form, times in read.items() if times.notna().sum() == most}
    first = next(iter(found))
    if any(not times.equals(found[first]) for times in found.values()):
        raise NoDates(f"dates such as {filled_cells.iloc[0]}, where the day or the month may be the first number")
    return first


def as_seconds(cells: pd.Series, form: str) -> np.ndarray:
    """Return (n,) float64: seconds since 1970-01-01, and NaN for cells that are missing or not dates."""
    return convert_by_value(lambda distinct: _as_seconds(distinct, form))(cells)


def _as_seconds(cells: pd.Series, form: str) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(cells.dtype) and not cells.isna().all():
        return as_numbers(cells) * np.nan  # pandas would take them as nanoseconds
    if form and not pd.api.types.is_datetime64_any_dtype(cells.dtype):
        times = parse(cells.astype(object).map(str, na_action="ignore"), form)
    else:
        # New rows may have text where the training rows had dates, as CSV and Parquet do.
        times = parse(cells, ISO)
    exact = times.to_numpy().astype("datetime64[us]")  # nanoseconds begin in 1677
    return np.where(np.isnat(exact), np.nan, exact.astype(np.int64) / 1e6)


def find_cycles(seconds: np.ndarray) -> tuple[str, ...]:
    """Return the cycles that times pass through at least once, and in which they have different places.

    >>> find_cycles(np.arange(800) * DAY), find_cycles(np.arange(800) * 3600.0)
    (('year', 'week'), ('week', 'day'))
    """
    times = seconds[~np.isnan(seconds)]
    span = np.ptp(times) if len(times) else 0.0
    return tuple(
        name
        for name, period in PERIODS.items()
        if span >= period and max(np.ptp(compute_cycle_place(times, period, np), axis=0)) > _SAME_PLACE
    )


_SAME_PLACE = 0.1
"""The first of January has a place in the year that varies by a quarter of a day."""


def compute_cycle_place(seconds: np.ndarray, period: float, ops) -> np.ndarray:
    """Return the place in a cycle as sine and cosine, (n, 2), by the functions of NumPy or `keras.ops`."""
    angle = ops.mod(seconds, period) * (2 * np.pi / period)
    return ops.stack([ops.sin(angle), ops.cos(angle)], axis=-1)
