"""Read a table that lies in several files: files as given, a pattern of names, or a folder, also with partitions."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from glob import glob, has_magic
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa

from shrinkage._data._memory_limit import read_memory_limit

from ._errors import BadInput
from ._formats import Sign
from ._numerals import NO_FACTS, CsvFacts, Formats, find_formats
from ._rows import OnBadRow, ignore, refuse
from ._sample import Sample
from ._table import CsvFile, ParquetFile, TableChunk, count_chunk_rows, get_column, open_table, to_frame
from ._values import infer_kind

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Source:
    """A file of a table."""

    file: Path
    partition: dict[str, str] = field(default_factory=dict)
    """The cells that the names of folders give to all rows, such as year=2024."""


def find_sources(data: Sequence[Path]) -> list[Source]:
    """Return the files of a table: files as given; those of a pattern or a folder in the order of their names.

    Raises:
        BadInput: If a pattern or a folder has no file, or a file is named twice.
    """
    sources = [source for place in data for source in _find(place)]
    files = [source.file.resolve() for source in sources]
    for number, file in enumerate(files):
        if file in files[:number]:
            raise BadInput(
                f"DATA must name each file once, as a fit would hold out and train on the same rows. Received: "
                f"{sources[number].file} twice. Name it once."
            )
    return sources


def _find(place: Path) -> list[Source]:
    if place.is_dir():
        return _find_in_folder(place)
    if place.exists() or not has_magic(str(place)):
        return [Source(place)]
    files = sorted(Path(name) for name in glob(str(place), recursive=True) if os.path.isfile(name))
    if not files:
        raise BadInput(
            f"DATA must match a file. Received: {place}, which matches none. Correct the pattern or the folder."
        )
    return [Source(file) for file in files]


def _find_in_folder(folder: Path) -> list[Source]:
    """Return the files in a folder and the folders in it, without hidden files and marks such as _SUCCESS."""
    sources = []
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        *folders, name = file.relative_to(folder).parts
        if not any(part.startswith((".", "_")) for part in (*(f for f in folders if "=" not in f), name)):
            pairs = (part.split("=", 1) for part in folders if "=" in part)
            sources.append(Source(file, {unquote(key): unquote(value) for key, value in pairs}))
    if not sources:
        raise BadInput(
            f"DATA must have a file to read. Received: {folder}, a folder without one. Give a folder of CSV or Parquet "
            "files, or of images."
        )
    return sources


def name_sources(data: Sequence[Path], sources: Sequence[Source]) -> str:
    """Return a name of the table for messages: the file, or the first place and the number of files."""
    return (
        str(data[0]) if [source.file for source in sources] == list(data[:1]) else f"{data[0]} ({len(sources)} files)"
    )


@dataclass(frozen=True)
class SourceRows:
    """Rows of the files, with the places that they come from."""

    frame: pd.DataFrame
    """The cells. The index is the position of a row in the files, counted through from 0."""
    places: tuple[TableChunk, ...]
    """The chunks that the rows come from, one after the other."""
    n_above: int = 0
    """The number of rows in the chunks above the first row of the frame."""

    def locate(self, i: int) -> tuple[Path, str, int]:
        """Return the file, "line" or "row", and the number of row `i` of the frame."""
        i += self.n_above
        for chunk in self.places:
            if i < chunk.n_rows:
                return chunk.file, chunk.unit, int(chunk.lines[i])
            i -= chunk.n_rows
        raise IndexError(i)


@dataclass(frozen=True)
class SourceTable:
    """The table in one or several files, or a random sample of its rows that fits into memory."""

    rows: SourceRows
    """All rows, or the sample, in the order of the files. There is at least one row."""
    n_rows: int
    """The number of rows in the files."""
    n_chunks: int
    """The number of parts that `chunks` yields of a table that is not whole."""
    names: tuple[str, ...]
    """The names of all columns, also of those that were not read."""
    notes: tuple[str, ...]
    """Messages about guesses, and about lines that were left out."""
    formats: Formats | None
    """The form of the numbers in a CSV; None for Parquet."""
    _files: "Files"
    _used_names: tuple[str, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """The cells of `rows`."""
        return self.rows.frame

    @property
    def decimal(self) -> Sign | None:
        """The decimal sign of a CSV; None without decimals."""
        return self.formats.decimal if self.formats else None

    @property
    def is_whole(self) -> bool:
        """Whether `rows` has all rows."""
        return len(self.frame) == self.n_rows

    def read_chunks(self) -> Iterator[SourceRows]:
        """Yield all rows in the order of the files, in parts of limited size."""
        if self.is_whole:
            size = count_chunk_rows(len(self._used_names))
            for start in range(0, self.n_rows, size):
                yield SourceRows(self.frame.iloc[start : start + size], self.rows.places, start)
            return
        start = 0
        for part in self._files.parts:
            for chunk in part.read_chunks(self._used_names, ignore):  # bad rows were reported when the sample was drawn
                frame = _write_plainly(to_frame([chunk.table], part.categorical), self.formats)
                yield SourceRows(frame.set_axis(range(start, start + chunk.n_rows), axis="index"), (chunk,))
                start += chunk.n_rows


class Files:
    """The files of a table, open for reading.

    Args:
        sources: The files, all CSV or all Parquet.
        facts: Known facts about a CSV, the same in all files.

    Raises:
        BadInput: As `open_table` does, and if the files have different formats.
    """

    def __init__(self, sources: Sequence[Source], facts: CsvFacts = NO_FACTS):
        self.parts = [SourceFile(source, open_table(source.file, facts)) for source in sources]
        self._facts = facts
        _check_formats(self.parts)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns of all files."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.names))

    def read(
        self,
        uses: Callable[[str], bool] = lambda name: True,
        on_bad_row: OnBadRow = refuse,
        limit: int | None = None,
        target: str | None = None,
    ) -> SourceTable:
        """Read the files into one table. Columns are matched by name; rows are in the order of the files.

        Args:
            uses: Whether a column is used. Others are not read: they may be missing in some files, and change their
                type.
            on_bad_row: Called for each row that cannot be read.
            limit: About the largest number of bytes of the table. A random sample is returned of a larger table.
            target: A column whose classes are all in the sample.

        Raises:
            BadInput: If a file cannot be read, or files differ in the columns or their types.
        """
        _check_columns(self.parts, uses)
        used = tuple(name for name in self.names if uses(name))
        sample, n_rows = Sample(read_memory_limit(None) // SHARE if limit is None else limit, target), []
        n_chunks = 0
        for number, part in enumerate(self.parts):
            n_rows.append(0)
            for chunk in part.read_chunks(used, on_bad_row):
                sample.add(number, chunk)
                n_rows[-1] += chunk.n_rows
                n_chunks += 1
        if not sum(n_rows):
            files = f"{self.parts[0].file}{' and all other files' * (len(self.parts) > 1)}"
            raise BadInput(
                f"DATA must be a table with a header and rows. Received: {files}, with a header and no rows to use. "
                "Add rows, or give another file."
            )
        rows = _join_rows(sample, [part.categorical for part in self.parts])
        notes = _join_notes(self.parts, n_rows)
        formats = _find_formats(rows.frame, self.parts, self._facts)
        rows = SourceRows(_write_plainly(rows.frame, formats), rows.places)
        told = {*self._facts.numbers, *self._facts.categories}
        _check_kinds(rows, [name for name in used if name not in told])
        notes = (*notes, *(formats.cautions if formats else ()))
        return SourceTable(rows, sum(n_rows), n_chunks, self.names, notes, formats, self, used)


# The share of the memory limit that the sample of a table may take: its rows take more when they are encoded.
SHARE = 8


@dataclass(frozen=True)
class SourceFile:
    """A file of a table, with the cells that the names of folders give."""

    source: Source
    table: CsvFile | ParquetFile

    @property
    def file(self) -> Path:
        """The file."""
        return self.source.file

    @property
    def categorical(self) -> Sequence[str]:
        """The columns that are categories because the file says so."""
        return self.table.categorical

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [*self.table.names, *(name for name in self.source.partition if name not in self.table.names)]

    def read_chunks(self, names: Collection[str], on_bad_row: OnBadRow) -> Iterator[TableChunk]:
        """Yield the rows in chunks that fit into memory."""
        added = {name: self.source.partition[name] for name in self.names[len(self.table.names) :] if name in names}
        for chunk in self.table.read_chunks(names, on_bad_row):
            table = chunk.table
            for name, cell in added.items():
                cells = pa.nulls(chunk.n_rows, pa.string()) if cell == _NO_VALUE else pa.repeat(cell, chunk.n_rows)
                table = table.append_column(name, cells)
            yield replace(chunk, table=table)


def read_sources(sources: Sequence[Source], facts: CsvFacts = NO_FACTS, **options: Any) -> SourceTable:
    """Read files into one table: see `Files.read`."""
    return Files(sources, facts).read(**options)


def read_table(file: Path, facts: CsvFacts = NO_FACTS) -> SourceTable:
    """Read one file into a table."""
    return read_sources([Source(file)], facts)


def _write_plainly(frame: pd.DataFrame, formats: Formats | None) -> pd.DataFrame:
    """Return a frame with the numbers of a CSV in the form of Python."""
    if formats is None:
        return frame
    texts = {name: get_column(frame, name) for name in frame.columns}
    return pd.DataFrame(formats.write_plainly(texts), frame.index)


def _find_formats(frame: pd.DataFrame, parts: Sequence[SourceFile], facts: CsvFacts) -> Formats | None:
    separators = {part.table.separator for part in parts}
    if separators == {None}:
        return None
    return find_formats({name: get_column(frame, name) for name in frame.columns}, separators == {","}, facts)


def _join_rows(sample: Sample, categorical: Sequence[Collection[str]]) -> SourceRows:
    """Return the rows of a sample, joined into one frame."""
    numbers = sorted({number for number, _ in sample.parts})
    frames = [
        to_frame([chunk.table for each, chunk in sample.parts if each == number], categorical[number])
        for number in numbers
    ]
    joined = frames[0]
    if len(frames) > 1:
        # Categories of two files that differ would become numbers where they are numbers.
        categories = {name for f in frames for name in f.columns if isinstance(f[name].dtype, pd.CategoricalDtype)}
        joined = pd.concat(frames, ignore_index=True).astype(dict.fromkeys(categories, "category"))
    places = tuple(chunk.drop_cells() for _, chunk in sample.parts)
    return SourceRows(joined.set_axis(sample.positions, axis="index"), places)


def _check_formats(parts: Sequence[SourceFile]) -> None:
    texts = [part.table.separator is not None for part in parts]
    if len(set(texts)) > 1:
        names = {True: "CSV", False: "Parquet"}
        other = parts[texts.index(not texts[0])].file
        raise BadInput(
            f"DATA must be files of one format. Received: {parts[0].file}, which is {names[texts[0]]}, and {other}, "
            f"which is {names[not texts[0]]}. Save all in one format, or leave some out."
        )


def _check_columns(parts: Sequence[SourceFile], uses: Callable[[str], bool]) -> None:
    has: dict[str, Path] = {}  # the first file with a column
    for part in parts:
        has |= {name: part.file for name in part.names if name not in has and uses(name)}
    for part in parts:
        names = set(part.names)
        lacking = [name for name in has if name not in names]
        if lacking:
            more = f" and {len(lacking) - 5} more" * (len(lacking) > 5)
            raise BadInput(
                f"DATA must be files with the same columns. Received: {part.file} without "
                f"{', '.join(lacking[:5])}{more}, and {has[lacking[0]]} with {lacking[0]}. Add the column (empty cells "
                "are missing), leave it out of all files, or leave the file out."
            )


def _check_kinds(rows: SourceRows, names: Sequence[str]) -> None:
    """Refuse text in one file, and numbers or booleans in another, that together are categories."""
    files = [chunk.file for chunk in rows.places]
    if len(set(files)) == 1:
        return
    sizes = Counter[Path]()
    for chunk in rows.places:
        sizes[chunk.file] += chunk.n_rows
    for name in names:
        cells, start = get_column(rows.frame, name), 0
        if isinstance(cells.dtype, pd.CategoricalDtype) or infer_kind(cells) != "category":
            continue
        found = {}
        for file, size in sizes.items():
            if (piece := cells.iloc[start : start + size].dropna().infer_objects()).size:
                found.setdefault(infer_kind(piece), (file, piece.iloc[0]))
            start += size
        if "category" in found and len(found) > 1:
            file, text = found.pop("category")
            kind, (other, _) = next(iter(found.items()))
            raise BadInput(
                f"column {name} must be of one type in all files. Received: text in {file}, such as {text!r}, and "
                f"{_KINDS[kind]} in {other}. Correct the file, or train with --category {name}, --number {name} or "
                f"--drop {name}."
            )


_KINDS = {"number": "numbers", "boolean": "booleans", None: "dates or amounts"}


def _join_notes(parts: Sequence[SourceFile], n_rows: Sequence[int]) -> tuple[str, ...]:
    if len(parts) == 1:
        return parts[0].table.notes
    files_by_note: dict[str, list[Path]] = {}
    for part, n in zip(parts, n_rows, strict=True):
        for note in (*part.table.notes, *([] if n else ["a header and no rows; the file adds none"])):
            files_by_note.setdefault(note, []).append(part.file)
    return tuple(
        f"{found[0]}{f' and {len(found) - 1} more' * (len(found) > 1)}: {note}" for note, found in files_by_note.items()
    )
