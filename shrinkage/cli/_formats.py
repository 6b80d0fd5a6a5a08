"""Text formats of numbers, dates and times."""

import re
from typing import Literal

import numpy as np
import pandas as pd

PLAIN = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_EXPONENT = r"(?:[eE][+-]?\d+)?"
# With a separator between thousands or without: 8,050.00 and 8.050,00.
DECIMAL_POINT = rf"[+-]?(?:[1-9]\d{{0,2}}(?:,\d{{3}})+(?:\.\d*)?|(?=\.?\d)\d*(?:\.\d*)?{_EXPONENT})"
DECIMAL_COMMA = rf"[+-]?(?:[1-9]\d{{0,2}}(?:\.\d{{3}})+(?:,\d*)?|(?=,?\d)\d*(?:,\d*)?{_EXPONENT})"
Sign = Literal[".", ","]
# By decimal sign: the pattern of numbers, and the separator between thousands.
FORMATS: dict[Sign, tuple[re.Pattern[str], str]] = {
    ".": (re.compile(DECIMAL_POINT), ","),
    ",": (re.compile(DECIMAL_COMMA), "."),
}

# Further marks of a quantity. Text such as 00123 is a code (a postcode, an article number), not a quantity.
LEADING_ZERO = r"[+-]?0\d+"
_SPACE = r"[\s\u00a0\u202f]*"
_MONEY = r"[$€£¥₹]|USD|EUR|GBP|CHF|JPY"
_GROUPS = r"(?:(?:[1-9]\d{0,2}(?:[.,'’\u00a0\u202f ]\d{3})+|\d+)(?:[.,]\d+)?|[.,]\d+)"
# Single letters are units or powers of ten, or else codes (3A, 12b). 1st and 9am are not units.
_WORD = r"(?!(?:st|nd|rd|th|am|pm)\b)[^\W\d_]{2,10}|[kKMmgltshWVJN]"
_UNIT = rf"{_MONEY}|[%‰]|°[CF]?|(?:{_WORD})[²³]?(?:/(?:{_WORD}|h)[²³]?)?"
QUANTITY = (
    rf"(?P<bracket>\()?(?P<minus>[+-]?)(?:{_MONEY}|%)?{_SPACE}(?P<sign>[+-]?)(?P<number>{_GROUPS}){_SPACE}"
    rf"(?P<unit>{_UNIT})?(?P<trailing>-?)\)?"
)
_QUANTITY = re.compile(QUANTITY)
_POWERS = {"k": 3, "K": 3, "M": 6}
MOST_UNITS = 3  # with more, the cells are names that begin with a number
# If this share of cells has a type, the column has this type, and the other cells are odd.
MOST = 0.9

_DAY = r"(?:[0-2]?\d|3[01])"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_DATE = "|".join(
    [
        rf"\d{{4}}([-/.]){_DAY}\1{_DAY}",
        rf"{_DAY}([-/.]){_DAY}\2(?:\d{{4}}|\d{{2}})",
        rf"{_DAY}[ -]{_MONTH},?[ -]\d{{2,4}}",
        rf"{_MONTH} {_DAY},? \d{{4}}",
    ]
)
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[ap]m)?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?"
DATE_OR_TIME = rf"(?i:(?:{_DATE})(?:[T ]+{_TIME})?|{_TIME})"
_DATE_OR_TIME = re.compile(DATE_OR_TIME)
DATES = "dates and times are not used"


def decimal_sign(cells: list[str], most: float = MOST) -> Sign | Literal["either", ""]:
    """Return the decimal sign of numbers: "." or ",", "either" if both are possible, "" without a sign.

    Args:
        cells: Distinct texts.
        most: The share of `cells` that must be numbers.

    >>> [decimal_sign(cells) for cells in (["1.234,5", "0,7"], ["0.5"], ["1.234", "950"], ["7", "12"])]
    [',', '.', 'either', '']
    """
    counts: dict[Sign, int] = {
        sign: sum(map(bool, map(pattern.fullmatch, cells))) for sign, (pattern, _) in FORMATS.items()
    }
    if not cells or max(counts.values()) < most * len(cells):
        return ""
    if counts["."] != counts[","]:
        return max(FORMATS, key=lambda sign: counts[sign])
    return "either" if any("." in cell or "," in cell for cell in cells if is_number(cell)) else ""


def is_number(cell: str) -> bool:
    """Whether a text is a number with a decimal point or a decimal comma."""
    return any(pattern.fullmatch(cell) for pattern, _ in FORMATS.values())


def are_dates(column: pd.Series) -> bool:
    """Whether cells of text are dates or times."""
    counts = column.dropna().astype(str).value_counts()
    n_dates = sum(count for cell, count in counts.items() if _DATE_OR_TIME.fullmatch(str(cell)))
    return len(counts) > 0 and bool(n_dates >= MOST * counts.sum())


def are_dates_as_numbers(values: np.ndarray) -> bool:
    """Whether numbers are dates such as 20240131.

    >>> are_dates_as_numbers(np.array([19580329.0, 19580330, np.nan, 19581231]))
    True
    >>> are_dates_as_numbers(np.array([19580329.0, 19581329, 19580330]))
    False
    """
    numbers = np.unique(values[np.isfinite(values)])
    if len(numbers) < 3 or numbers[0] < 15_000_101 or numbers[-1] > 22_001_231 or (numbers != np.floor(numbers)).any():
        return False
    month, day = numbers // 100 % 100, numbers % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def quantity(column: pd.Series) -> str | None:
    """Return advice for text that looks like numbers, with an example of the plain form; None for other text.

    >>> quantity(pd.Series(["$8,050.00", "$12"]))
    "it looks like numbers, written as '$8,050.00'; write $8,050.00 as 8050.00"
    >>> quantity(pd.Series(["5,7 kg", "12 kg", "1,2 kg"]))
    "it looks like numbers, written as '5,7 kg'; write 5,7 kg as 5.7"
    >>> quantity(pd.Series(["00501", "10-12", "a"])), quantity(pd.Series(["3A", "12b"]))
    (None, None)
    """
    cells = column.dropna().astype(str)
    distinct = cells.unique().tolist()
    found = {cell: match for cell in distinct if (match := _QUANTITY.fullmatch(cell))}
    marked = [cell for cell in found if not re.fullmatch(PLAIN, cell)]
    if (
        not marked
        or cells.isin(list(found)).mean() < MOST
        or any(re.fullmatch(LEADING_ZERO, m["number"]) for m in found.values())
    ):
        return None
    units = {found[cell]["unit"].lower() for cell in marked if found[cell]["unit"]}
    if len(units) > MOST_UNITS:
        return None
    example, plain = _example(marked, found)
    return f"it looks like numbers, written as {example!r}; write {example} as {plain}" + (
        ", all in the same unit" if len(units) > 1 and not units <= set(map(str.lower, _POWERS)) else ""
    )


def bare_numbers(cells: list[str]) -> list[str]:
    """Return the numbers in quantities: without units, and without spaces between thousands."""
    found = (_QUANTITY.fullmatch(cell) for cell in cells)
    return [_spaceless(match["number"]) for match in found if match]


def _spaceless(number: str) -> str:
    return re.sub(r"['’\u00a0\u202f ]", "", number)


def _example(marked: list[str], found: dict[str, re.Match[str]]) -> tuple[str, str]:
    """Return a cell of the column, and the number to write in place of it."""
    numbers = {cell: _spaceless(found[cell]["number"]) for cell in marked}
    of_column = decimal_sign(list(numbers.values()), most=0)
    same = [cell for cell in marked if of_column in (".", ",") and decimal_sign([numbers[cell]]) == of_column]
    example = (same or marked)[0]
    sign = decimal_sign([numbers[example]]) or "."
    if sign == "either":
        sign = of_column if of_column in (".", ",") else "," if "." in numbers[example] else "."
    plain, match = plainly(numbers[example], sign), found[example]
    if power := _POWERS.get(match["unit"] or ""):
        plain = f"{float(plain) * 10**power:.12g}"
    negative = match["bracket"] or "-" in (match["minus"] + match["sign"] + match["trailing"])
    return example, f"-{plain}" if negative else plain


def plainly(number: str, sign: Sign) -> str:
    """Return a number in the form of Python, with a decimal point and no other separator.

    >>> plainly("1.234,5", ",")
    '1234.5'
    """
    return number.replace(FORMATS[sign][1], "").replace(sign, ".")
