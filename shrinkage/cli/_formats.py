"""Cells of text that people read as numbers, dates or times."""

import re

import pandas as pd

PLAIN = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_PLAIN = re.compile(PLAIN)
# With a separator between thousands or without: 8,050.00 and 8.050,00.
_EXPONENT = r"(?:[eE][+-]?\d+)?"
DECIMAL_POINT = rf"[+-]?(?=\.?\d)(?:[1-9]\d{{0,2}}(?:,\d{{3}})+|\d*)(?:\.\d*)?{_EXPONENT}"
DECIMAL_COMMA = rf"[+-]?(?=,?\d)(?:[1-9]\d{{0,2}}(?:\.\d{{3}})+|\d*)(?:,\d*)?{_EXPONENT}"

# What else marks a quantity. Text such as 00123 is a code (a postcode, an article number), not a quantity.
LEADING_ZERO = r"[+-]?0\d+"
_UNIT = r"(?:[$€£¥₹%‰]|USD|EUR|GBP|CHF|JPY)?"
_SPACE = r"[\s\u00a0\u202f]*"
_GROUPS = r"(?:[1-9]\d{0,2}(?:[.,'’\u00a0\u202f ]\d{3})+|\d+)(?:[.,]\d+)?"
QUANTITY = rf"[+-]?{_UNIT}{_SPACE}[+-]?{_GROUPS}{_SPACE}{_UNIT}"
# What nearly all cells are, the column is: the others are odd ones.
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


def as_plain_numbers(texts: pd.Series, comma_separates: bool) -> pd.Series:
    """The same numbers as computers write them, where nearly all cells are numbers of one format; else as they are.

    Args:
        texts: (n,) text or missing.
        comma_separates: Whether the file's cells are separated by commas: then 1,234 is more likely a thousand.

    >>> as_plain_numbers(pd.Series(["8,050.00", "12"]), True).tolist()
    ['8050.00', '12']
    >>> as_plain_numbers(pd.Series(["1.234,5", "0,7"]), False).tolist()
    ['1234.5', '0.7']
    """
    distinct = texts.dropna().unique().tolist()
    if all(map(_PLAIN.fullmatch, distinct)):
        return texts  # at once: a table may have thousands of columns
    cells = pd.Series(distinct, dtype=str)
    plain = cells.str.fullmatch(PLAIN)
    formats = [(DECIMAL_POINT, ",", "."), (DECIMAL_COMMA, ".", ",")]
    formats = formats if comma_separates else formats[::-1]
    shares = [float(cells.str.fullmatch(pattern).mean()) for pattern, _, _ in formats]
    best = shares.index(max(shares))
    if shares[best] < MOST or (shares[best] < 1 and plain.mean() >= shares[best]):
        return texts
    pattern, thousands, decimal = formats[best]
    written = texts.str.replace(thousands, "", regex=False).str.replace(decimal, ".", regex=False)
    return texts.where(~texts.str.fullmatch(pattern).fillna(False).astype(bool), written)


def unusable(column: pd.Series) -> str | None:
    """Why a column of text is not to be taken as categories; None if it may.

    >>> unusable(pd.Series(["2024-05-01", "2024-05-02 10:30"]))
    'dates and times are not used'
    >>> unusable(pd.Series(["$8,050.00", "$12"]))
    "it looks like numbers, written as '$8,050.00'; write them as 8050.5"
    >>> unusable(pd.Series(["00501", "10-12", "a"]))
    """
    cells = column.dropna().astype(str)
    if cells.str.fullmatch(DATE_OR_TIME).mean() >= MOST:
        return "dates and times are not used"
    quantities = cells.str.fullmatch(QUANTITY)
    marked = cells.loc[quantities & ~cells.str.fullmatch(PLAIN)].tolist()
    if not marked or quantities.mean() < MOST or cells.str.fullmatch(LEADING_ZERO).any():
        return None
    return f"it looks like numbers, written as {marked[0]!r}; write them as 8050.5"
