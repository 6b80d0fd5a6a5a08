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
_SPREADSHEET = "a spreadsheet ({}). Save the sheet as CSV (UTF-8) in its program, or in Python: {}"
_EXCEL = _SPREADSHEET.format("Excel", "pandas.read_excel('{}').to_csv('table.csv', index=False).")
_IN_PYTHON = "{}. Convert it in Python: pandas.read_{}('{{}}').to_csv('table.csv', index=False)."
_UNPACK = "an archive ({}). Unpack it, and give the table in it."
# How other formats begin, and what to do with them.
_OTHER_FORMATS = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": _EXCEL,
    b"ARROW1": _IN_PYTHON.format("an Arrow (Feather) file", "feather"),
    b"ORC": _IN_PYTHON.format("an ORC file", "orc"),
    b"\x89HDF\r\n\x1a\n": _IN_PYTHON.format("an HDF5 file", "hdf"),
    b"SQLite format 3\x00": "a database (SQLite). Export the table as CSV, and give that.",
    b"\x93NUMPY": "a NumPy array. Save it with the columns' names as CSV.",
    b"%PDF-": "a PDF document. Save the table in it as CSV.",
    b"<?xml": _IN_PYTHON.format("XML", "xml"),
    b"<stata_dta>": _IN_PYTHON.format("a Stata file", "stata"),
    b"$FL2@(#)": _IN_PYTHON.format("an SPSS file", "spss"),
    b"@relation": "an ARFF file. Read it in Python with scipy.io.arff.loadarff('{}'), and save it as CSV.",
    b"7z\xbc\xaf\x27\x1c": _UNPACK.format("7z"),
    b"Rar!\x1a\x07": _UNPACK.format("rar"),
    b"\x04\x22\x4d\x18": _UNPACK.format("lz4"),
}
_JSON = _IN_PYTHON.format("JSON", "json")
_JSON_LINES = "JSON. Convert it in Python: pandas.read_json('{}', lines=True).to_csv('table.csv', index=False)."
# A tag or a comment of HTML; where a separator follows, it is a column's name: <DATE>,<OPEN>.
_TAG = re.compile(
    rb"<(?:!--|!doctype|html[\s>]|/?[a-z][a-z0-9]*(?:\s[^,;]*)?/?>(?![ ]*[,;|\t\"]))",
    re.IGNORECASE,
)
_HTML = "a web page (HTML) or a part of one. Download the table again: the download may have failed."
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
        raise BadInput(f"DATA must name files. Received: {file}, which is a folder. Give the file of the table.")
    if not file.is_file():
        reason = "is not a regular file" if file.exists() else "does not exist"
        raise BadInput(f"DATA must name regular files that exist. Received: {file}, which {reason}. Correct the name.")
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
                f"DATA must be compressed at most {_MOST_PACKINGS} times. Received: {file}, which is compressed more "
                "often. Unpack it, and give the table in it."
            )
    if not content.head:
        raise BadInput(
            f"DATA must be a table with a header and rows. Received: {file}, which is empty. Give another file."
        )
    if way_out := _describe_other_format(content.head):
        raise BadInput(_describe_refusal(file, way_out))
    return content


def _get_file_version(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def _describe_refusal(file: Path, way_out: str) -> str:
    """Return the message for a file of another format. `way_out` names the format, and says what to do."""
    return f"DATA must be CSV or Parquet. Received: {file}, which is {way_out.format(file)}"


def _describe_damage(file: Path, packings: tuple[str, ...], error: Exception) -> str:
    if packings:
        reason = f"is compressed ({packings[-1]}) and damaged: {get_error_text(error)}. Copy or download it again."
    else:
        text = getattr(error, "strerror", None) or get_error_text(error)
        reason = f"cannot be read: {text}. Make it readable, or give another file."
    return f"DATA must be a file that can be read. Received: {file}, which {reason}"


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
        raise BadInput(
            f"DATA must be a table, or an archive that can be unpacked. Received: {file}, a zip archive that cannot be "
            f"unpacked here: {get_error_text(error)}. Unpack it with another program, and give the table in it."
        ) from error


def _find_table_name(file: Path, members: list[str]) -> str:
    names = [name for name in members if not name.endswith("/")]
    if "[Content_Types].xml" in names:
        raise BadInput(_describe_refusal(file, _EXCEL))
    if "mimetype" in names:
        raise BadInput(_describe_refusal(file, _EXCEL.replace("Excel", "OpenDocument")))
    # macOS adds hidden files.
    names = [name for name in names if not name.startswith("__MACOSX/") and not Path(name).name.startswith(".")]
    if names and all(name.endswith(".npy") for name in names):
        raise BadInput(_describe_refusal(file, "an archive of NumPy arrays. Save them as columns with names, as CSV."))
    if len(names) != 1:
        names_text = f"{len(names)} files: {', '.join(names[:5])}{', ...' * (len(names) > 5)}" if names else "no file"
        advice = "Unpack it, and give the table in it." if names else "Give another file."
        raise BadInput(
            f"DATA must be a table or an archive of one file. Received: {file}, a zip archive of {names_text}. {advice}"
        )
    return names[0]


def _describe_other_format(content: bytes) -> str | None:
    """Return the format of a file that is neither CSV nor Parquet and advice, with {} for its name; None for CSV."""
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
