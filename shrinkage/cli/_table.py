"""Read a CSV or Parquet file. Cells of a CSV stay text; `_values` converts them."""

import csv
import io
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd
import pyarrow
from pyarrow import parquet

from ._content import PARQUET, read_content
from ._errors import BadInput
from ._formats import Sign
from ._layout import Layout, decode, find_table, is_number
from ._numerals import NOTHING, Known, write_plainly

# In addition to the list of pandas ("", NA, NaN, null, None, ...): the mark of the UCI repository.
MISSING = ("?",)


@dataclass(frozen=True)
class Table:
    """The table in a file."""

    frame: pd.DataFrame
    """A frame with unique names of columns, and at least one row."""
    notes: tuple[str, ...] = ()
    """Messages about guesses, and about lines that were left out."""
    decimal: Sign | None = None
    """The decimal sign of a CSV; None without decimals."""


@dataclass(frozen=True)
class Part:
    """A table as it is in one file: the cells of a CSV are text, and its numbers are not normalised."""

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    separator: str | None = None
    """The separator of a CSV; None for Parquet."""


def read_table(file: Path, known: Known = NOTHING) -> Table:
    """Read a CSV (separated by comma, semicolon or tab) or Parquet file, which may be compressed.

    Args:
        file: The file. Its content determines the format, not its name.
        known: Known facts about a CSV.

    Raises:
        BadInput: If the file is missing, empty, not readable or of another format, or has no rows or repeated names.
    """
    part = read_part(file, known)
    if len(part.frame) == 0:
        raise BadInput(f"{file} has a header and no rows.")
    return normalise(part, known)


def read_part(file: Path, known: Known) -> Part:
    """Read a file, which may have no rows, as `read_table` does, and leave its numbers as they are."""
    content = read_content(file)
    if not content.startswith(PARQUET):
        return _read_csv(file, content, known)
    if known.separator is not None:
        raise BadInput(f"--sep goes with CSV, and {file} is a Parquet file.")
    return Part(_read_parquet(file, content))


def normalise(part: Part, known: Known) -> Table:
    """Return the table with the numbers of a CSV in the form of Python."""
    if part.separator is None:
        return Table(part.frame, part.notes)
    texts = {name: column(part.frame, name) for name in part.frame.columns}
    cells, decimal, cautions = write_plainly(texts, part.separator == ",", known)
    return Table(pd.DataFrame(cells), (*part.notes, *cautions), decimal)


def column(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return a column of a frame with unique names."""
    return cast(pd.Series, frame[name])


def _read_parquet(file: Path, content: bytes) -> pd.DataFrame:
    try:
        schema = parquet.read_schema(io.BytesIO(content))
        _check_names(file, schema.names)  # pandas cannot read such a file
        frame = pd.read_parquet(io.BytesIO(content))
        # An index with a name is a column. An index without a name is the row numbers of pandas.
        named = [name for name in frame.index.names if name is not None]
        _check_names(file, [str(name) for name in (*frame.columns, *named)])
        frame = frame.reset_index(level=named)
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        raise BadInput(f"{file} is not a readable Parquet file: {error}") from error
    frame = frame.set_axis(list(map(str, frame.columns)), axis="columns").reset_index(drop=True)
    return frame.astype({name: "category" for name in _categoricals(schema) if name in frame.columns})


def _categoricals(schema: "pyarrow.Schema") -> list[str]:
    """Return the columns that were categorical in pandas, which reads categories that are numbers as numbers."""
    recorded = (schema.pandas_metadata or {}).get("columns", [])
    return [column["name"] for column in recorded if column.get("pandas_type") == "categorical"]


def _read_csv(file: Path, content: bytes, known: Known) -> Part:
    try:
        text, encoding = decode(content)
    except ValueError as error:
        raise BadInput(f"{file} is neither Parquet nor UTF-8 text; save it as one of them.") from error
    try:
        layout = find_table(text, known.separator)
        if layout is None:
            raise BadInput(f"{file} is empty.")
        # pandas' name for a column without a name, such as a saved index.
        names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(layout.names)]
        # pandas renames repeated columns silently.
        _check_names(file, names)
        notes = tuple(note for note in (encoding, *layout.notes) if note)
        return Part(pd.DataFrame(_texts(layout, names)), notes, layout.separator)
    except (csv.Error, pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        reason = str(error).replace("Error tokenizing data. C error: ", "").strip()
        if "out of memory" in reason:
            raise MemoryError(reason) from error
        if "Length of header" in reason:
            reason = "the rows have more cells than the header has names. Name every column"
        elif "Expected" in reason:
            reason = f"{reason}. Correct that line; a cell that holds the separator belongs in quotes"
        raise BadInput(f"{file} is not a regular table: {reason.rstrip('.')}.") from error


def _check_names(file: Path, names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        way_out = (
            "is there a header line? Names are read from the first line, so write them above the rows"
            if all(map(is_number, names))
            else "rename them"
        )
        raise BadInput(f"{file} has columns with the same name: {', '.join(repeated)}; {way_out}.")


def _texts(layout: Layout, names: list[str]) -> dict[str, pd.Series]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # raised where cells would be lost
        frame = pd.read_csv(
            io.StringIO(layout.body),
            sep=layout.separator,
            header=0,
            names=names,
            index_col=False,
            dtype=str,
            na_values=list(MISSING),
            skipinitialspace=True,
        )
    texts = {name: column(frame, name).str.strip() for name in names}
    return {name: _unquoted(text) for name, text in texts.items()} if layout.single_quotes else texts


def _unquoted(text: pd.Series) -> pd.Series:
    """Return a column without single quotes around the cells, if all cells have them."""
    quoted = text.dropna().str.fullmatch("'.*'").all()
    return text.str[1:-1] if quoted else text
