"""Read a table that lies in several files: files as given, a pattern of names, or a folder, also with partitions."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from glob import glob, has_magic
from pathlib import Path
from urllib.parse import unquote

import pandas as pd

from shrinkage._data._memory import free_memory

from ._errors import BadInput
from ._numerals import NOTHING, Known
from ._table import Part, Table, column, normalise, read_part, read_table
from ._values import kind_of

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
            raise BadInput(f"{sources[number].file} is given twice; its rows would be held out and trained on.")
    return sources


def _find(place: Path) -> list[Source]:
    if place.is_dir():
        return _in_folder(place)
    if place.exists() or not has_magic(str(place)):
        return [Source(place)]
    files = sorted(Path(name) for name in glob(str(place), recursive=True) if os.path.isfile(name))
    if not files:
        raise BadInput(f"no file has a name like {place}; correct the pattern or the folder.")
    return [Source(file) for file in files]


def _in_folder(folder: Path) -> list[Source]:
    """Return the files in a folder and the folders in it, without hidden files and marks such as _SUCCESS."""
    sources = []
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        *folders, name = file.relative_to(folder).parts
        if not any(part.startswith((".", "_")) for part in (*(f for f in folders if "=" not in f), name)):
            pairs = (part.split("=", 1) for part in folders if "=" in part)
            sources.append(Source(file, {unquote(key): unquote(value) for key, value in pairs}))
    if not sources:
        raise BadInput(f"{folder} is a folder without a file; give a folder of CSV or Parquet files.")
    return sources


def name_sources(data: Sequence[Path], sources: Sequence[Source]) -> str:
    """Return a name of the table for messages: the file, or the first place and the number of files."""
    return (
        str(data[0]) if [source.file for source in sources] == list(data[:1]) else f"{data[0]} ({len(sources)} files)"
    )


def read_sources(
    sources: Sequence[Source], known: Known = NOTHING, uses: Callable[[str], bool] = lambda name: True
) -> Table:
    """Read files into one table. Columns are matched by name; rows are in the order of the files.

    Args:
        sources: The files, all CSV or all Parquet.
        known: Known facts about a CSV, the same in all files. Named columns may change their type between files.
        uses: Whether a column is used. Others may be missing in some files, and change their type.

    Raises:
        BadInput: As `read_table` does, and if files are too large for the memory, of different formats, or differ in
            the columns or their types.
    """
    _check_size(sources)
    if len(sources) == 1 and not sources[0].partition:
        return read_table(sources[0].file, known)
    parts = [_read(source, known) for source in sources]
    files = [source.file for source in sources]
    _check_formats(files, parts)
    _check_columns(files, parts, uses)
    notes = _join_notes(files, parts)
    filled = [(file, part) for file, part in zip(files, parts, strict=True) if len(part.frame)]
    if not filled:
        raise BadInput(f"{files[0]} and all other files have a header and no rows.")
    table = normalise(_join([part for _, part in filled], notes), known)
    told = {*known.numbers, *known.categories}
    checked = [name for name in table.frame.columns if uses(name) and name not in told]
    _check_kinds([file for file, _ in filled], [len(part.frame) for _, part in filled], table.frame, checked)
    return table


def _check_size(sources: Sequence[Source]) -> None:
    """Refuse files that are larger than the memory. Rows take more in memory than in a file."""
    size = sum(source.file.stat().st_size for source in sources if source.file.is_file())
    free = free_memory()
    if size > free:
        raise BadInput(
            f"the {'files hold' if len(sources) > 1 else 'file holds'} {size / 2**30:.1f} GiB, and {free / 2**30:.1f} "
            "GiB of memory are free: all rows are read into memory. Give fewer rows."
        )


def _read(source: Source, known: Known) -> Part:
    part = read_part(source.file, known)
    cells = {name: None if cell == _NO_VALUE else cell for name, cell in source.partition.items()}
    added = {name: pd.Series(cell, part.frame.index, dtype=object) for name, cell in cells.items()}
    new = {name: cells for name, cells in added.items() if name not in part.frame.columns}
    return Part(part.frame.assign(**new), part.notes, part.separator)


def _check_formats(files: Sequence[Path], parts: Sequence[Part]) -> None:
    texts = [part.separator is not None for part in parts]
    if len(set(texts)) > 1:
        names = {True: "CSV", False: "Parquet"}
        other = files[texts.index(not texts[0])]
        raise BadInput(
            f"{files[0]} is {names[texts[0]]}, and {other} is {names[not texts[0]]}; give files of one format."
        )


def _check_columns(files: Sequence[Path], parts: Sequence[Part], uses: Callable[[str], bool]) -> None:
    has: dict[str, Path] = {}  # the first file with a column
    for file, part in zip(files, parts, strict=True):
        has |= {name: file for name in part.frame.columns if name not in has and uses(name)}
    for file, part in zip(files, parts, strict=True):
        lacking = [name for name in has if name not in part.frame.columns]
        if lacking:
            more = f" and {len(lacking) - 5} more" * (len(lacking) > 5)
            raise BadInput(
                f"{file} has no column {', '.join(lacking[:5])}{more}, and {has[lacking[0]]} has. Add the column "
                "(empty cells are missing), leave it out of all files, or leave the file out."
            )


def _check_kinds(files: Sequence[Path], sizes: Sequence[int], frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse text in one file, and numbers or booleans in another, that together are categories."""
    ends = pd.Series(sizes).cumsum().tolist()
    for name in names:
        cells = column(frame, name)
        if isinstance(cells.dtype, pd.CategoricalDtype) or kind_of(cells) != "category":
            continue
        found = {}
        for file, size, end in zip(files, sizes, ends, strict=True):
            if (piece := cells.iloc[end - size : end].dropna().infer_objects()).size:
                found.setdefault(kind_of(piece), (file, piece.iloc[0]))
        if "category" in found and len(found) > 1:
            file, text = found.pop("category")
            kind, (other, _) = next(iter(found.items()))
            raise BadInput(
                f"column {name} holds text in {file}, such as {text!r}, and {_KINDS[kind]} in {other}. Correct the "
                f"file, or tell the type: --category {name} or --number {name}; --drop {name} leaves the column out."
            )


_KINDS = {"number": "numbers", "boolean": "booleans", None: "dates or amounts"}


def _join(parts: Sequence[Part], notes: tuple[str, ...]) -> Part:
    frames = [part.frame for part in parts]
    categories = {
        name for frame in frames for name in frame.columns if isinstance(frame[name].dtype, pd.CategoricalDtype)
    }
    # Categories of two files that differ would become numbers where they are numbers.
    joined = pd.concat(frames, ignore_index=True).astype(dict.fromkeys(categories, "category"))
    separators = {part.separator for part in parts}
    return Part(joined, notes, separators.pop() if len(separators) == 1 else ";")


def _join_notes(files: Sequence[Path], parts: Sequence[Part]) -> tuple[str, ...]:
    said: dict[str, list[Path]] = {}
    for file, part in zip(files, parts, strict=True):
        empty = () if len(part.frame) else ("a header and no rows; the file adds none",)
        for note in (*part.notes, *empty):
            said.setdefault(note, []).append(file)
    return tuple(
        f"{found[0]}{f' and {len(found) - 1} more' * (len(found) > 1)}: {note}" for note, found in said.items()
    )
