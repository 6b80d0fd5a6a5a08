"""Normalise the numbers of a file: detect decimal and minus signs, and write numbers in the form of Python."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pandas as pd

from ._formats import (
    FORMATS,
    LEADING_ZERO,
    PLAIN_NUMBER,
    TYPE_SHARE,
    Sign,
    extract_numbers,
    find_decimal_sign,
    is_decimal_number,
    to_plain_number,
)

_PLAIN_NUMBER = re.compile(PLAIN_NUMBER)
_LEADING_ZERO = re.compile(LEADING_ZERO)
# Accountants' minus, (1,234); SAP's, 4.50-; the typographer's.
_MINUS = re.compile(r"\((?P<bracket>[\d.,]*\d[.,]?)\)|(?P<trailing>[\d.,]*\d[.,]?)-|\u2212(?P<long>[\d.,]+)")
_FEW_CELLS = 20  # so few distinct cells in brackets may be footnotes
_SAMPLE = 1000  # distinct cells of a text that may show the decimal sign beside a unit


@dataclass(frozen=True)
class CsvFacts:
    """Known facts about a CSV before reading."""

    separator: str | None = None
    decimal: Sign | None = None
    """The decimal sign, used if the file does not show one."""
    numbers: Collection[str] = ()
    """Columns to read as numbers where possible."""
    categories: Mapping[str, Collection[str] | None] = field(default_factory=dict)
    """Categories by column: cells in the collection are not changed; None for all cells."""


NO_FACTS = CsvFacts()


@dataclass(frozen=True)
class _Survey:
    """The number format of a column."""

    sign: str
    """The result of `decimal_sign`."""
    are_numbers: bool
    """Whether the cells are numbers, to be normalised; else only the sign is used."""
    example: str = ""
    """An ambiguous cell, for messages."""


@dataclass(frozen=True)
class Formats:
    """The form of numbers in the columns of a file."""

    signs: Mapping[str, Sign]
    """The decimal sign of each column of numbers."""
    categories: Mapping[str, Collection[str]]
    """Categories by column: a cell that is a number, and a category in the form of Python, is written so."""
    category_signs: tuple[Sign, ...]
    """The decimal signs that such a cell may have."""
    decimal: Sign | None
    """The decimal sign of the file; None if no column shows one."""
    cautions: tuple[str, ...] = ()

    def write_plainly(self, columns: dict[str, pd.Series]) -> dict[str, pd.Series]:
        """Return text columns with the numbers in the form of Python."""
        written = {name: _rewrite(text, self.signs[name]) for name, text in columns.items() if name in self.signs}
        for name, categories in self.categories.items():
            if name in columns:
                written[name] = _as_categories(columns[name], categories, self.category_signs)
        return {**columns, **written}


def find_formats(columns: dict[str, pd.Series], comma_separates: bool, facts: CsvFacts) -> Formats:
    """Return how columns of text write numbers.

    Unambiguous columns determine the sign: `0,5` and `1.400.000` show a comma, `0.5` and `12.25` a point.
    Columns in which every number has three digits after a single sign, such as `3.652`, follow this sign.

    Args:
        columns: (n,) text or missing, by name.
        comma_separates: Whether commas separate the cells: 1,234 is then more likely a thousand.
        facts: The default sign, and known facts about columns.
    """
    others = {name: text for name, text in columns.items() if name not in facts.categories}
    surveys = {name: _survey(text, is_chosen=name in facts.numbers) for name, text in others.items()}
    shown, contradict = _find_file_sign(list(surveys.values()), comma_separates)
    file_sign = shown or facts.decimal
    used, signs = file_sign, dict[str, Sign]()
    unsure: dict[Sign, dict[str, str]] = {}  # an example by column
    for name, survey in surveys.items():
        if not survey.are_numbers:
            continue
        sign: Sign = "," if survey.sign == "," else "."
        if survey.sign == "either":
            sign = file_sign or _guess_sign(survey.example, comma_separates)
            used = used or sign
            if file_sign is None or contradict:
                unsure.setdefault(sign, {})[name] = survey.example
        signs[name] = sign
    categories = {name: cells for name, cells in facts.categories.items() if cells is not None}
    cautions = tuple(_describe_ambiguity(sign, found, contradict) for sign, found in unsure.items())
    return Formats(signs, categories, (file_sign,) if file_sign else (".", ","), used, cautions)


def _survey(text: pd.Series, is_chosen: bool) -> _Survey:
    distinct = text.dropna().unique().tolist()
    if all(map(_PLAIN_NUMBER.fullmatch, distinct)):  # at once: a table may have thousands of columns
        return _survey_plain(distinct)
    if any(map(_LEADING_ZERO.fullmatch, distinct)) and not is_chosen:
        return _Survey("", are_numbers=False)  # codes
    cells = _normalise_minuses(distinct, is_chosen)
    numbers = [cell for cell in cells if is_decimal_number(cell)]
    if is_chosen or _are_numbers(
        text, [old for old, cell in zip(distinct, cells, strict=True) if not is_decimal_number(cell)]
    ):
        sign = find_decimal_sign(numbers, min_share=0 if is_chosen else TYPE_SHARE)
        example = next((cell for cell in numbers if re.search("[.,]", cell)), "")
        return _Survey(sign, are_numbers=sign != "" or not example, example=example)
    bare = extract_numbers(distinct[:_SAMPLE])
    return _Survey(
        find_decimal_sign(bare) if len(bare) >= TYPE_SHARE * len(distinct[:_SAMPLE]) else "", are_numbers=False
    )


def _are_numbers(text: pd.Series, odd_cells: list[str]) -> bool:
    """Whether cells are numbers except for a few odd cells or a single mark, by the rule of `kind_of`."""
    n_cells, n_distinct = int(text.notna().sum()), int(text.nunique())
    if len(odd_cells) <= (1 - TYPE_SHARE) * n_distinct:
        return True
    n_odd = int(text.isin(odd_cells).sum())
    return n_odd <= (1 - TYPE_SHARE) * n_cells or (
        len(odd_cells) == 1 and n_distinct > _FEW_CELLS and n_odd <= n_cells / 2
    )


def _survey_plain(distinct_cells: list[str]) -> _Survey:
    pattern = FORMATS[","][0]
    with_point = [cell for cell in distinct_cells if "." in cell]
    if any(not pattern.fullmatch(cell) for cell in with_point):
        return _Survey(".", are_numbers=True)
    return _Survey("either" if with_point else "", are_numbers=True, example=with_point[0] if with_point else "")


def _normalise_minuses(cells: list[str], is_chosen: bool) -> list[str]:
    """Return cells with the minus in front, unless all cells are few and in brackets, like footnotes."""
    marked = [cell for cell in cells if _MINUS.fullmatch(cell)]
    if not marked or (len(marked) == len(cells) <= _FEW_CELLS and not is_chosen):
        return cells
    return [_normalise_minus(cell) for cell in cells]


def _normalise_minus(cell: str) -> str:
    found = _MINUS.fullmatch(cell)
    return f"-{found['bracket'] or found['trailing'] or found['long']}" if found else cell


def _find_file_sign(surveys: list[_Survey], comma_separates: bool) -> tuple[Sign | None, bool]:
    """Return the sign that the columns show, and whether columns contradict each other.

    A decimal comma is deliberate, while a point may come from a program, so one column with commas is enough. Where
    commas separate cells, `1,2` may be a list in quotes, so the majority of columns decides.
    """
    commas, points = (sum(survey.sign == sign for survey in surveys) for sign in (",", "."))
    if not commas and not points:
        return None, False
    comma = commas >= points or (commas > 0 and not comma_separates)
    return "," if comma else ".", commas > 0 and points > 0


def _guess_sign(example: str, comma_separates: bool) -> Sign:
    return "," if "," in example and not comma_separates else "."


def _rewrite(text: pd.Series, sign: Sign) -> pd.Series:
    distinct = text.dropna().unique().tolist()
    if sign == "." and all(map(_PLAIN_NUMBER.fullmatch, distinct)):
        return text
    cells = _normalise_minuses(distinct, is_chosen=True)
    pattern = FORMATS[sign][0]
    new = {
        old: to_plain_number(cell, sign) for old, cell in zip(distinct, cells, strict=True) if pattern.fullmatch(cell)
    }
    return text.map(lambda cell: new.get(cell, cell), na_action="ignore")


def _as_categories(text: pd.Series, categories: Collection[str], signs: tuple[Sign, ...]) -> pd.Series:
    """Normalise cells that are numbers if the result is a category of the training rows."""
    new = {
        cell: to_plain_number(cell, sign)
        for cell in text.dropna().unique().tolist()
        for sign in signs
        if cell not in categories and FORMATS[sign][0].fullmatch(cell) and to_plain_number(cell, sign) in categories
    }
    return text.map(lambda cell: new.get(cell, cell), na_action="ignore") if new else text


def _describe_ambiguity(sign: Sign, examples: dict[str, str], has_contradictions: bool) -> str:
    names, example = list(examples), next(iter(examples.values()))
    other: Sign = "," if sign == "." else "."
    why = "the file's columns differ in it" if has_contradictions else "nothing in the file shows which"
    places = ", ".join(names[:5]) + f" and {len(names) - 5} more" * (len(names) > 5)
    return (
        f"caution: {example} (in {places}) was read as {to_plain_number(example, sign)}, and may be "
        f"{to_plain_number(example, other)}, because {why}; if so, write it as {to_plain_number(example, other)}"
    )
