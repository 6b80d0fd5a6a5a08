"""Formats of dates, seconds since 1970, and places in the year, the week and the day."""

import datetime

import numpy as np
import pandas as pd
import pytest

from shrinkage.cli._dates import DAY, ISO, PERIODS, NoDates, as_seconds, compute_cycle_place, find_cycles, find_form

DAYS = pd.date_range("2023-01-15 06:30", periods=200, freq="29h")


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y",
        "%d.%m.%y %H:%M", "%m/%d/%y %I:%M %p", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y %H:%M", "%d %B %Y",
    ],
)  # fmt: skip
def test_the_format_of_a_column_is_found_and_read(form):
    cells = pd.Series(DAYS.strftime(form))
    cells.iloc[7], cells.iloc[9] = None, "unknown"
    found = find_form(cells)
    assert found == (ISO if form.startswith("%Y") else form)
    # An independent reader, cell by cell.
    seconds = [
        datetime.datetime.strptime(cell, form).replace(tzinfo=datetime.UTC).timestamp()
        if isinstance(cell, str) and cell != "unknown"
        else np.nan
        for cell in cells
    ]
    np.testing.assert_array_equal(as_seconds(cells, found), seconds)
    assert np.isnan(seconds).sum() == 2 and np.nanmax(seconds) > 1.67e9


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["01/02/2023", "03/04/2023", "05/06/2023"], "where the day or the month may be the first number"),
        (["18:30", "06:15", "07:00"], "times without a date"),
        (["2023-01-15", "15.01.2023", "16.01.2023", "2023-01-16"], "of another format or several"),
        ([datetime.timedelta(1), datetime.timedelta(2)], "dates and times are not used"),
        (["monday", "tuesday"], "dates and times are not used"),
    ],
    ids=["ambiguous", "times of a day", "two formats", "durations", "words"],
)
def test_cells_without_one_format_are_refused_with_the_reason(cells, reason):
    with pytest.raises(NoDates, match=reason):
        find_form(pd.Series(cells, dtype=object if not isinstance(cells[0], str) else None))


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series(DAYS),
        pd.Series(DAYS.tz_localize("America/New_York")).dt.tz_convert("UTC"),
        pd.Series([*DAYS.date, None], dtype=object),
    ],
    ids=["times", "times with a zone", "dates of Python"],
)
def test_dates_that_are_no_text_have_no_format(cells):
    assert find_form(cells) == ""
    expected = pd.to_datetime(cells, utc=True)
    seconds = [np.nan if pd.isna(cell) else cell.timestamp() for cell in expected]
    np.testing.assert_allclose(as_seconds(cells, ""), seconds, rtol=1e-15)


def test_zones_are_converted_and_numbers_are_no_dates():
    cells = pd.Series(["2023-01-15T12:00:00+02:00", "2023-01-15T10:00:00Z"])
    assert np.ptp(as_seconds(cells, ISO)) == 0 and as_seconds(cells, ISO)[0] == 1673776800
    assert np.isnan(as_seconds(pd.Series([20230115.0, 1.0]), ISO)).all(), "not nanoseconds"
    old = as_seconds(pd.Series(["0001-01-01", "1970-01-01"]), ISO)
    assert old[1] == 0 and (np.isnan(old[0]) or old[0] == -62135596800)


@pytest.mark.parametrize(
    ("step", "count", "cycles"),
    [
        (DAY, 800, ("year", "week")), (3600.0, 100, ("day",)), (3600.0, 800, ("week", "day")), 
        (7 * DAY, 200, ("year",)), (DAY, 6, ()), (365.2425 * DAY, 20, ("week", "day")),
    ],
)  # fmt: skip
def test_cycles_are_those_that_times_pass_through_with_different_places(step, count, cycles):
    assert find_cycles(np.append(np.arange(count) * step, np.nan)) == cycles


def test_a_place_repeats_after_a_period_and_is_on_a_circle():
    seconds = np.linspace(-1e9, 2e9, 57)
    for period in PERIODS.values():
        found = compute_cycle_place(seconds, period, np)
        np.testing.assert_allclose(np.hypot(*found.T), 1.0)
        np.testing.assert_allclose(
            compute_cycle_place(seconds + 3 * period, period, np), found, atol=1e-6
        )  # of 1e9 s in float64
    assert find_cycles(np.full(5, np.nan)) == ()
    midnight, noon = compute_cycle_place(np.array([0.0, DAY / 2]), DAY, np)
    np.testing.assert_allclose([midnight, noon], [[0, 1], [0, -1]], atol=1e-12)
