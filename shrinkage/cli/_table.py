"""Read a CSV or Parquet file in chunks of rows. Cells of a CSV stay text; `_values` converts them."""

import contextlib
import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
from pyarrow import parquet

from ._bounds import bound_lines
from ._content import Content, find_content, make_seekable
from ._errors import BadInput, get_error_text
from ._layout import UTF_8, Layout, find_encoding, find_table, is_number_cell, take_head
from ._numerals import NO_FACTS, CsvFacts
from ._rows import UNDECODABLE, Decoder, OnBadRow, Splitter, refuse

_compute: Any = pyarrow.compute  # whose functions are made at run time
# The list of pandas, and the mark of the UCI repository.
MISSING = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null", "?",
)  # fmt: skip
CHUNK_CELLS = 2**18
_CHUNK_CHARACTERS = 2**25
_INDEX = re.compile(r"__index_level_\d+__")  # an index of pandas without a name


def count_chunk_rows(n_columns: int) -> int:
    """Return the number of rows of this many cells that are read together."""
    return max(1, CHUNK_CELLS // max(1, n_columns))


@dataclass(frozen=True)
class TableChunk:
    """Consecutive rows of a file."""

    file: Path
    table: pa.Table
    lines: np.ndarray
    """The first line of each row in a CSV, the number of each row in a Parquet file, (n,). Both begin with 1."""
    unit: str = "line"
    """The thing that `lines` counts: "line" or "row"."""

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.lines)

    def drop_cells(self) -> "TableChunk":
        """Return the places of the rows alone."""
        return TableChunk(self.file, pa.table({}), self.lines, self.unit)


class CsvFile:
    """A CSV. The file is opened for each reading.

    Args:
        content: The content of the file.
        facts: Known facts about the CSV.

    Raises:
        BadInput: If the file is empty, is not text, or has repeated names.
    """

    def __init__(self, content: Content, facts: CsvFacts):
        self.file, self._content = content.file, content
        try:
            self._encoding, self._note = find_encoding(content.head)
        except ValueError as error:
            raise BadInput(
                f"DATA must be CSV or Parquet. Received: {self.file}, which is neither Parquet nor UTF-8 text. "
                "Save it as one of them."
            ) from error
        with self._open_lines() as decoder:
            self._layout = self._find_table(take_head(iter(decoder)), facts.separator)
        self._notes: tuple[str, ...] = ()
        # pandas' name for a column without a name, such as a saved index.
        self.names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(self._layout.names)]
        _check_names(self.file, self.names)

    categorical: Sequence[str] = ()

    @property
    def separator(self) -> str | None:
        """The separator."""
        return self._layout.separator

    @property
    def notes(self) -> tuple[str, ...]:
        """Messages about guesses, and about lines that were left out; complete after a reading."""
        return self._notes

    def read_chunks(self, names: Collection[str], on_bad_row: OnBadRow = refuse) -> Iterator[TableChunk]:
        """Yield the rows, as text or missing, in chunks that fit into memory.

        Args:
            names: The columns to read.
            on_bad_row: See `Splitter`.
        """
        places = [place for place, name in enumerate(self.names) if name in names]
        with self._open_lines() as decoder:
            lines = iter(decoder)
            for _ in range(self._layout.n_above):
                next(lines)
            splitter = Splitter(self.file, lines, self._layout, self.names, on_bad_row)
            for rows, numbers in _group(splitter, len(self.names)):
                yield TableChunk(self.file, self._make_table(rows, places), np.array(numbers))
            found = (self._note, decoder.note, *self._layout.list_notes(splitter.n_comments, splitter.n_blank))
            self._notes = tuple(note for note in found if note)

    @contextlib.contextmanager
    def _open_lines(self) -> Iterator[Decoder]:
        errors = "surrogateescape" if self._encoding == UTF_8 else "strict"
        with self._content.open() as stream:
            text = io.TextIOWrapper(bound_lines(stream, self.file), self._encoding, errors, newline="")
            try:
                yield Decoder(text, self._encoding)
            except UnicodeDecodeError as error:
                raise BadInput(
                    f"DATA must be valid text. Received: {self.file}, which is not valid {self._encoding.upper()} "
                    "text. Save it as UTF-8."
                ) from error
            finally:
                text.detach()

    def _find_table(self, head: list[str], separator: str | None) -> Layout:
        try:
            layout = find_table(head, separator)
        except csv.Error as error:
            raise BadInput(
                f"DATA must be a regular table. Received: {self.file}, which is not ({get_error_text(error)}). Correct "
                "the file."
            ) from error
        if layout is None:
            raise BadInput(
                f"DATA must be a table with a header and rows. Received: {self.file}, which is empty. Give another "
                "file."
            )
        return layout

    def _make_table(self, rows: list[list[str]], places: list[int]) -> pa.Table:
        columns = list(zip(*rows, strict=True))
        return pa.table({self.names[place]: self._clean_cells(columns[place]) for place in places})

    def _clean_cells(self, cells: tuple[str, ...]) -> pa.Array:
        found = _compute.utf8_trim_whitespace(pa.array(cells, pa.string()))
        if self._layout.has_single_quotes:
            found = _compute.replace_substring_regex(found, "(?s)^'(.*)'$", r"\1")
        return _compute.if_else(_compute.is_in(found, pa.array(MISSING)), None, found)


def _group(splitter: Splitter, width: int) -> Iterator[tuple[list[list[str]], list[int]]]:
    """Yield (rows, lines) of as many rows as fit into a chunk."""
    rows, lines, n_characters, most = [], [], 0, count_chunk_rows(width)
    for cells, line, size in splitter:
        rows.append(cells)
        lines.append(line)
        n_characters += size
        if len(rows) >= most or n_characters >= _CHUNK_CHARACTERS:
            yield rows, lines
            rows, lines, n_characters = [], [], 0
    if rows:
        yield rows, lines


class ParquetFile:
    """A Parquet file. Only the columns that are asked for are read."""

    separator: str | None = None
    notes: tuple[str, ...] = ()

    def __init__(self, content: Content, facts: CsvFacts):
        self.file, self._content = content.file, content
        if facts.separator is not None:
            raise BadInput(
                f"--sep must be given for CSV only. Received: {self.file}, which is a Parquet file. Leave --sep out."
            )
        with self._open() as file:
            schema = file.schema_arrow
        named = [name for name in schema.names if not _INDEX.fullmatch(name)]
        _check_names(self.file, [*named, *_list_index_names(schema)])
        index = [name for name in _list_index_columns(schema) if name in named]
        self.names = [*index, *(name for name in named if name not in index)]
        self.categorical = _list_categoricals(schema)

    def read_chunks(self, names: Collection[str], on_bad_row: OnBadRow = refuse) -> Iterator[TableChunk]:
        """Yield the rows in chunks that fit into memory; see `CsvFile.chunks`."""
        columns, first = [name for name in self.names if name in names], 1
        with self._open() as file:
            for batch in file.iter_batches(count_chunk_rows(len(columns)), columns=columns):
                table = pa.Table.from_batches([batch]).select(columns).replace_schema_metadata()
                yield TableChunk(self.file, table, np.arange(first, first + batch.num_rows), "row")
                first += batch.num_rows

    @contextlib.contextmanager
    def _open(self) -> Iterator[parquet.ParquetFile]:
        try:
            with contextlib.ExitStack() as stack:
                stream = stack.enter_context(self._content.open())
                stream = make_seekable(stream, stack) if self._content.packings else stream
                yield stack.enter_context(parquet.ParquetFile(stream, buffer_size=2**20, pre_buffer=False))
        except (OSError, ValueError, KeyError, NotImplementedError) as error:
            raise BadInput(
                f"DATA must be a file that can be read. Received: {self.file}, which is not a readable Parquet file "
                f"({get_error_text(error)}). Write it again, or give another file."
            ) from error


def _list_index_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that were an index in pandas."""
    return [name for name in (schema.pandas_metadata or {}).get("index_columns", []) if isinstance(name, str)]


def _list_index_names(schema: pa.Schema) -> list[str]:
    """Return the names of an index of pandas that is stored under another name, as a column has the same name."""
    columns = (schema.pandas_metadata or {}).get("columns", [])
    return [each["name"] for each in columns if _INDEX.fullmatch(str(each.get("field_name"))) and each["name"]]


def _list_categoricals(schema: pa.Schema) -> list[str]:
    """Return the columns that were categorical in pandas. Parquet stores categories that are numbers as numbers."""
    recorded = (schema.pandas_metadata or {}).get("columns", [])
    return [column["name"] for column in recorded if column.get("pandas_type") == "categorical"]


def open_table(file: Path, facts: CsvFacts = NO_FACTS) -> CsvFile | ParquetFile:
    """Open a CSV (separated by comma, semicolon or tab) or Parquet file, which may be compressed.

    Args:
        file: The file. Its content determines the format, not its name.
        facts: Known facts about a CSV.

    Raises:
        BadInput: If the file is missing, empty, not readable or of another format, or has repeated names.
    """
    content = find_content(file)
    return ParquetFile(content, facts) if content.is_parquet else CsvFile(content, facts)


def to_frame(tables: Sequence[pa.Table], categorical: Collection[str]) -> pd.DataFrame:
    """Return tables of one file as a frame.

    Args:
        tables: The tables, which have the same columns.
        categorical: Columns that are categories, whatever their cells are.
    """
    frame = pa.concat_tables(tables).to_pandas(date_as_object=False)  # Python has only the years 1 to 9999
    told = [name for name in categorical if name in frame.columns]
    return frame.astype(dict.fromkeys(told, "category")) if told else frame


def get_column(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return a column of a frame with unique names."""
    return cast(pd.Series, frame[name])


def _check_names(file: Path, names: list[str]) -> None:
    if any(map(UNDECODABLE.search, names)):
        raise BadInput(
            f"DATA must have columns whose names are text. Received: {file}, in which names have bytes that are not "
            "text in its encoding. Save it as UTF-8."
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        way_out = (
            "Names are read from the first line. If it is a row, write a line with names above it."
            if all(map(is_number_cell, names))
            else "Rename them."
        )
        raise BadInput(
            f"DATA must have columns with different names. Received: {file}, with the same name for several columns: "
            f"{', '.join(repeated)}. {way_out}"
        )
