"""Read a file by content, not by name: unpack compressed files, and refuse other formats."""

import bz2
import contextlib
import gzip
import io
import json
import lzma
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, BinaryIO

import pyarrow

from ._bounds import bound_unpacked
from ._errors import BadInput, get_error_text

_ZSTD = b"\x28\xb5\x2f\xfd"
_PACKINGS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", _ZSTD: "Zstandard"}
# PK\x05\x06 begins an archive without files.
_PACKINGS |= {b"PK\x03\x04": "zip", b"PK\x05\x06": "zip"}
_SPREADSHEET = "is a spreadsheet ({}). Save the sheet as CSV (UTF-8) there, or in Python: {}"
_EXCEL = _SPREADSHEET.format("Excel", "pandas.read_excel('{}').to_csv('table.csv', index=False).")
_IN_PYTHON = "is {}, not CSV or Parquet. In Python: pandas.read_{}('{{}}').to_csv('table.csv', index=False)."
_UNPACK = "is an archive ({}). Unpack it, and give the table in it."
# How other formats begin, and what to do with them.
_OTHER_FORMATS = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": _EXCEL,
    b"ARROW1": _IN_PYTHON.format("an Arrow (Feather) file", "feather"),
    b"ORC": _IN_PYTHON.format("an ORC file", "orc"),
    b"\x89HDF\r\n\x1a\n": _IN_PYTHON.format("an HDF5 file", "hdf"),
    b"SQLite format 3\x00": "is a database (SQLite). Export the table as CSV, and give that.",
    b"\x93NUMPY": "is a NumPy array, not CSV or Parquet. Save it with the columns' names as CSV.",
    b"%PDF-": "is a PDF document, not CSV or Parquet.",
    b"<?xml": _IN_PYTHON.format("XML", "xml"),
    b"<stata_dta>": _IN_PYTHON.format("a Stata file", "stata"),
    b"$FL2@(#)": _IN_PYTHON.format("an SPSS file", "spss"),
    b"@relation": "is an ARFF file, not CSV or Parquet. In Python: scipy.io.arff.loadarff('{}') reads it.",
    b"7z\xbc\xaf\x27\x1c": _UNPACK.format("7z"),
    b"Rar!\x1a\x07": _UNPACK.format("rar"),
    b"\x04\x22\x4d\x18": _UNPACK.format("lz4"),
}
_JSON = _IN_PYTHON.format("JSON", "json")
_JSON_LINES = (
    "is JSON, not CSV or Parquet. In Python: pandas.read_json('{}', lines=True).to_csv('table.csv', index=False)."
)
# A tag or a comment of HTML; where a separator follows, it is a column's name: <DATE>,<OPEN>.
_TAG = re.compile(
    rb"<(?:!--|!doctype|html[\s>]|/?[a-z][a-z0-9]*(?:\s[^,;]*)?/?>(?![ ]*[,;|\t\"]))",
    re.IGNORECASE,
)
_HTML = "is a web page (HTML) or a part of one, not CSV or Parquet: the download may have failed."
PARQUET = b"PAR1"
_HEAD = 2**20  # bytes that show the format
_MOST_PACKINGS = 3


@dataclass(frozen=True)
class Content:
    """The content of a CSV or Parquet file, unpacked where it is compressed."""

    file: Path
    packings: tuple[str, ...]
    """The formats of compression, the outer one first."""
    head: bytes
    """The first bytes, unpacked."""
    version: tuple[int, int]
    """Size and time of the last change of the file."""

    @property
    def is_parquet(self) -> bool:
        """Whether the file is a Parquet file."""
        return self.head.startswith(PARQUET)

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the content for reading, from the first byte.

        Raises:
            BadInput: If the file is damaged, cannot be read, or is no longer the file that was found.
        """
        try:
            if _get_file_version(self.file) != self.version:
                raise BadInput(f"{self.file} changed while it was read. Run the command again.")
            with contextlib.ExitStack() as stack:
                yield _unpack(self.file, self.packings, stack)
        except FileNotFoundError as error:
            raise BadInput(f"{self.file} disappeared while it was read.") from error
        except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
            raise BadInput(_describe_damage(self.file, self.packings, error)) from error


def find_content(file: Path) -> Content:
    """Find how a CSV or Parquet file is compressed (gzip, bzip2, xz, Zstandard or zip, also within each other).

    Raises:
        BadInput: Not there, not readable, empty, damaged, an archive of several files, or of another format.
    """
    if file.is_dir():
        raise BadInput(f"{file} is a folder; give the file of the table.")
    if not file.is_file():
        raise BadInput(f"{file} does not exist or is not a file.")
    content = Content(file, (), b"", _get_file_version(file))
    while True:
        with content.open() as stream:
            content = replace(content, head=stream.read(_HEAD))
        packing = _find_packing(content.head)
        if packing is None:
            break
        content = replace(content, packings=(*content.packings, packing))
        if len(content.packings) > _MOST_PACKINGS:  # an archive may even hold itself
            raise BadInput(
                f"{file} is compressed more than {_MOST_PACKINGS} times. Unpack it, and give the table in it."
            )
    if not content.head:
        raise BadInput(f"{file} is empty.")
    if way_out := _describe_other_format(content.head):
        raise BadInput(f"{file} {way_out.format(file)}")
    return content


def _get_file_version(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def _describe_damage(file: Path, packings: tuple[str, ...], error: Exception) -> str:
    if packings:
        return f"{file} is compressed ({packings[-1]}) and damaged: {get_error_text(error)}."
    return f"{file} cannot be read: {getattr(error, 'strerror', None) or get_error_text(error)}."


def _find_packing(content: bytes) -> str | None:
    if content.startswith(b"BZh") and content[4:10] not in (b"1AY&SY", b"\x17rE8P\x90"):
        return None  # text
    return next((name for magic, name in _PACKINGS.items() if content.startswith(magic)), None)


def _unpack(file: Path, packings: tuple[str, ...], stack: contextlib.ExitStack) -> BinaryIO:
    """Return the unpacked content as a stream. Only as much is unpacked as is read."""
    stream: Any = stack.enter_context(file.open("rb"))
    for i, packing in enumerate(packings):
        if packing == "zip":
            stream = _open_single_member(file, make_seekable(stream, stack) if i else stream, stack)
        elif packing == "Zstandard":
            stream = io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.PythonFile(stream, "r"), "zstd"))
        else:
            stream = stack.enter_context({"gzip": gzip, "bzip2": bz2, "xz": lzma}[packing].open(stream))
        stream = bound_unpacked(stream, file)
    return stream


def make_seekable(stream: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    """Return a temporary file with the content of a stream."""
    copy = stack.enter_context(tempfile.TemporaryFile())
    shutil.copyfileobj(stream, copy)
    copy.seek(0)
    return copy


def _open_single_member(file: Path, stream: BinaryIO, stack: contextlib.ExitStack) -> IO[bytes]:
    try:
        archive = stack.enter_context(zipfile.ZipFile(stream))
        return stack.enter_context(archive.open(_find_table_name(file, archive.namelist())))
    # An encrypted file is a RuntimeError, and an unknown compression is a NotImplementedError, which is one too.
    except (zipfile.BadZipFile, RuntimeError) as error:
        raise BadInput(f"{file} is a zip archive that cannot be unpacked here: {get_error_text(error)}.") from error


def _find_table_name(file: Path, members: list[str]) -> str:
    names = [name for name in members if not name.endswith("/")]
    if "[Content_Types].xml" in names:
        raise BadInput(f"{file} {_EXCEL.format(file)}")
    if "mimetype" in names:
        raise BadInput(f"{file} {_EXCEL.replace('Excel', 'OpenDocument').format(file)}")
    # macOS adds hidden files.
    names = [name for name in names if not name.startswith("__MACOSX/") and not Path(name).name.startswith(".")]
    if names and all(name.endswith(".npy") for name in names):
        raise BadInput(f"{file} holds NumPy arrays, not CSV or Parquet. Save them as columns with names, as CSV.")
    if len(names) != 1:
        names_text = f"{len(names)} files: {', '.join(names[:5])}{', ...' * (len(names) > 5)}" if names else "no file"
        raise BadInput(f"{file} is a zip archive of {names_text}. Unpack it, and give the table in it.")
    return names[0]


def _describe_other_format(content: bytes) -> str | None:
    """Return advice for a file that is neither CSV nor Parquet, with {} for the name of the file; None for CSV."""
    if content[257:262] == b"ustar":
        return _UNPACK.format("tar")
    content = _as_utf8(content)
    begin = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, way_out in _OTHER_FORMATS.items():
        if content.startswith(magic) or begin.lower().startswith(magic):
            # A column of a CSV may be called ORC.
            if magic not in (b"ORC", b"ARROW1") or b"\0" in content[:64]:
                return way_out
    if _TAG.match(begin):
        return _HTML
    return _describe_json_format(content) if begin[:1] in (b"{", b"[") else None


def _as_utf8(content: bytes) -> bytes:
    """Return text with a UTF-16 mark as UTF-8, because formats are recognised by their first bytes in UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) and not content.startswith(b"\xff\xfe\0\0"):
        return content.decode("utf-16", errors="replace").encode()
    return content


def _describe_json_format(content: bytes) -> str | None:
    text = content.removeprefix(b"\xef\xbb\xbf").strip()
    first, _, rest = text.partition(b"\n")
    if rest and _is_json(first):
        return _JSON_LINES
    return _JSON if _is_json(text) or text.startswith((b'{"', b"[{")) else None


def _is_json(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False
