"""Text formats of numbers, dates and times."""

import re
from typing import Literal

import numpy as np
import pandas as pd

PLAIN_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
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
TYPE_SHARE = 0.9

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


def find_decimal_sign(cells: list[str], min_share: float = TYPE_SHARE) -> Sign | Literal["either", ""]:
    """Return the decimal sign of numbers: "." or ",", "either" if both are possible, "" without a sign.

    Args:
        cells: Distinct texts.
        min_share: The share of `cells` that must be numbers.

    >>> [find_decimal_sign(cells) for cells in (["1.234,5", "0,7"], ["0.5"], ["1.234", "950"], ["7", "12"])]
    [',', '.', 'either', '']
    """
    counts: dict[Sign, int] = {
        sign: sum(map(bool, map(pattern.fullmatch, cells))) for sign, (pattern, _) in FORMATS.items()
    }
    if not cells or max(counts.values()) < min_share * len(cells):
        return ""
    if counts["."] != counts[","]:
        return max(FORMATS, key=lambda sign: counts[sign])
    return "either" if any("." in cell or "," in cell for cell in cells if is_decimal_number(cell)) else ""


def is_decimal_number(cell: str) -> bool:
    """Whether a text is a number with a decimal point or a decimal comma."""
    return any(pattern.fullmatch(cell) for pattern, _ in FORMATS.values())


def are_dates(column: pd.Series) -> bool:
    """Whether cells of text are dates or times."""
    counts = column.dropna().astype(str).value_counts()
    n_dates = sum(count for cell, count in counts.items() if _DATE_OR_TIME.fullmatch(str(cell)))
    return len(counts) > 0 and bool(n_dates >= TYPE_SHARE * counts.sum())


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


def describe_quantity(column: pd.Series) -> str | None:
    """Return advice for text that looks like numbers, with an example of the plain form; None for other text.

    >>> describe_quantity(pd.Series(["$8,050.00", "$12"]))
    "it looks like numbers, written as '$8,050.00'; write $8,050.00 as 8050.00"
    >>> describe_quantity(pd.Series(["5,7 kg", "12 kg", "1,2 kg"]))
    "it looks like numbers, written as '5,7 kg'; write 5,7 kg as 5.7"
    >>> describe_quantity(pd.Series(["00501", "10-12", "a"])), describe_quantity(pd.Series(["3A", "12b"]))
    (None, None)
    """
    cells = column.dropna().astype(str)
    distinct = cells.unique().tolist()
    found = {cell: match for cell in distinct if (match := _QUANTITY.fullmatch(cell))}
    marked = [cell for cell in found if not re.fullmatch(PLAIN_NUMBER, cell)]
    if (
        not marked
        or cells.isin(list(found)).mean() < TYPE_SHARE
        or any(re.fullmatch(LEADING_ZERO, m["number"]) for m in found.values())
    ):
        return None
    units = {found[cell]["unit"].lower() for cell in marked if found[cell]["unit"]}
    if len(units) > MOST_UNITS:
        return None
    example, plain = _find_example(marked, found)
    return f"it looks like numbers, written as {example!r}; write {example} as {plain}" + (
        ", all in the same unit" if len(units) > 1 and not units <= set(map(str.lower, _POWERS)) else ""
    )


def extract_numbers(cells: list[str]) -> list[str]:
    """Return the numbers in quantities: without units, and without spaces between thousands."""
    found = (_QUANTITY.fullmatch(cell) for cell in cells)
    return [_remove_spaces(match["number"]) for match in found if match]


def _remove_spaces(number: str) -> str:
    return re.sub(r"['’\u00a0\u202f ]", "", number)


def _find_example(marked_cells: list[str], matches: dict[str, re.Match[str]]) -> tuple[str, str]:
    """Return a cell of the column, and the number to write in place of it."""
    numbers = {cell: _remove_spaces(matches[cell]["number"]) for cell in marked_cells}
    of_column = find_decimal_sign(list(numbers.values()), min_share=0)
    same = [
        cell for cell in marked_cells if of_column in (".", ",") and find_decimal_sign([numbers[cell]]) == of_column
    ]
    example = (same or marked_cells)[0]
    sign = find_decimal_sign([numbers[example]]) or "."
    if sign == "either":
        sign = of_column if of_column in (".", ",") else "," if "." in numbers[example] else "."
    plain, match = to_plain_number(numbers[example], sign), matches[example]
    if power := _POWERS.get(match["unit"] or ""):
        plain = f"{float(plain) * 10**power:.12g}"
    negative = match["bracket"] or "-" in (match["minus"] + match["sign"] + match["trailing"])
    return example, f"-{plain}" if negative else plain


def to_plain_number(number: str, sign: Sign) -> str:
    """Return a number in the form of Python, with a decimal point and no other separator.

    >>> to_plain_number("1.234,5", ",")
    '1234.5'
    """
    return number.replace(FORMATS[sign][1], "").replace(sign, ".")
