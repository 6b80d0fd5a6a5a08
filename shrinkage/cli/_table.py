"""Reading a CSV or Parquet file. Cells of a CSV stay text here: `_values` gives them a type."""

import contextlib
import csv
import warnings
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import cast

import pandas as pd

from ._errors import BadInput
from ._formats import as_plain_numbers

SEPARATORS = (",", ";", "\t")
# The second is what Excel writes in western Europe and America unless told otherwise.
ENCODINGS = ("utf-8-sig", "cp1252")
_PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ")  # as gzip, zip, bzip2 and xz begin
# Beyond pandas' own list ("", NA, NaN, null, None, ...): the UCI repository's mark.
MISSING = ("?",)


def read_table(file: Path) -> pd.DataFrame:
    """The rows of a CSV (separated by comma, semicolon or tab) or Parquet file.

    Args:
        file: Its content decides the format, not its name.

    Returns:
        A frame with unique text column names and at least one row.

    Raises:
        BadInput: Missing, empty, a header alone, not readable, or column names that repeat.
    """
    if not file.is_file():
        raise BadInput(f"{file} does not exist or is not a file.")
    if file.stat().st_size == 0:
        raise BadInput(f"{file} is empty.")
    frame = _read_parquet(file) if _starts_like_parquet(file) else _read_csv(file)
    if len(frame) == 0:
        raise BadInput(f"{file} has a header and no rows.")
    return frame


def column(frame: pd.DataFrame, name: str) -> pd.Series:
    """One column of a frame whose names are unique."""
    return cast(pd.Series, frame[name])


def _starts_like_parquet(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(4) == b"PAR1"


def _read_parquet(file: Path) -> pd.DataFrame:
    import pyarrow.parquet

    try:
        names = pyarrow.parquet.read_schema(file).names
        _check_names(file, names)
        frame = pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise BadInput(f"{file} is not a readable Parquet file: {error}") from error
    return frame.set_axis([str(name) for name in frame.columns], axis="columns").reset_index(drop=True)


def _read_csv(file: Path) -> pd.DataFrame:
    encoding = _encoding(file)
    try:
        separator = _separator(file, encoding)
        # pandas renames repeated columns silently, so the header is read here.
        names = _header(file, separator, encoding)
        _check_names(file, names)
        return _cells(file, separator, names, encoding)
    except (csv.Error, pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        reason = str(error).replace("Error tokenizing data. C error: ", "").strip()
        raise BadInput(f"{file} is not a regular table: {reason}") from error


def encoding_note(file: Path) -> str | None:
    """What to say of a file that `read_table` could read only by guessing its encoding."""
    if _starts_like_parquet(file) or _encoding(file) == ENCODINGS[0]:
        return None
    return "not UTF-8: read as cp1252 (Windows, western European); if letters look wrong, save it as UTF-8"


def _encoding(file: Path) -> str:
    """The first of `ENCODINGS` that can be; raise `BadInput` if none can."""
    text = file.read_bytes()
    if text.startswith(_PACKED):
        raise BadInput(f"{file} is compressed; unpack it first.")
    if b"\0" not in text:  # UTF-16, which cp1252 would read as rubbish
        for encoding in ENCODINGS:
            with contextlib.suppress(UnicodeDecodeError):
                text.decode(encoding)
                return encoding
    raise BadInput(f"{file} is neither Parquet nor UTF-8 text; save it as one of them.")


def _separator(file: Path, encoding: str) -> str:
    """The separator that cuts the first rows into the most cells, the same number in every row if possible."""

    def quality(separator: str) -> tuple[bool, int]:
        try:
            # Strict: where a closing quote is not followed by the separator, it is the wrong one.
            widths = [len(row) for row in islice(_rows(file, separator, encoding, strict=True), 50)]
        except csv.Error:
            return False, 0
        return len(set(widths)) == 1 and widths[0] > 1, min(widths, default=0)

    return max(SEPARATORS, key=quality)


def _header(file: Path, separator: str, encoding: str) -> list[str]:
    row = next(_rows(file, separator, encoding), None)
    if row is None:
        raise BadInput(f"{file} is empty.")
    # The name pandas gives to a column without one, typically an index that was written out.
    return [name.strip() or f"Unnamed: {place}" for place, name in enumerate(row)]


def _rows(file: Path, separator: str, encoding: str, strict: bool = False) -> Iterator[list[str]]:
    with file.open(newline="", encoding=encoding) as stream:
        reader = csv.reader(stream, delimiter=separator, skipinitialspace=True, strict=strict)
        yield from (row for row in reader if any(row))


def _check_names(file: Path, names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise BadInput(f"{file} has columns with the same name: {', '.join(repeated)}; rename them.")


def _cells(file: Path, separator: str, names: list[str], encoding: str) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # raised where cells would be lost
        frame = pd.read_csv(
            file,
            sep=separator,
            header=0,
            names=names,
            index_col=False,
            dtype=str,
            na_values=list(MISSING),
            skipinitialspace=True,
            encoding=encoding,
        )
    texts = {name: column(frame, name).str.strip() for name in names}
    return pd.DataFrame({name: as_plain_numbers(text, separator == ",") for name, text in texts.items()})
