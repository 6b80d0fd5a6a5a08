"""Limits for reading an untrusted file, which may unpack to terabytes or have a line without end."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ._errors import BadInput

MOST_CHARACTERS = 2**26
"""The longest line, and the longest row of several lines."""
_ALWAYS_UNPACKED = 2**30  # bytes
_MOST_RATIO = 200  # the text of a table becomes five to twenty times smaller


def bound_unpacked(stream: BinaryIO, file: Path) -> BinaryIO:
    """Return an unpacked stream that raises `BadInput` once it is far larger than the file that it comes from."""
    most, n_read = max(_ALWAYS_UNPACKED, _MOST_RATIO * file.stat().st_size), 0

    def check(block: memoryview) -> None:
        nonlocal n_read
        n_read += len(block)
        if n_read > most:
            raise BadInput(
                f"DATA must unpack to at most {most / 2**20:,.0f} MiB, far more than a table of its size holds. "
                f"Received: {file}, which holds more. If that is right, unpack it, and give the table in it."
            )

    return _check_on_read(stream, check)


def bound_lines(stream: BinaryIO, file: Path) -> BinaryIO:
    """Return a stream of text that raises `BadInput` in a line that does not end."""
    n_since_end = 0

    def check(block: memoryview) -> None:
        nonlocal n_since_end
        text = bytes(block)
        end = max(text.rfind(b"\n"), text.rfind(b"\r"))
        n_since_end = len(text) - end - 1 if end >= 0 else n_since_end + len(text)
        if n_since_end > MOST_CHARACTERS:
            raise BadInput(
                f"DATA must be a table with lines of at most {MOST_CHARACTERS:,} bytes. Received: {file}, which has a "
                "longer line. Give another file."
            )

    return _check_on_read(stream, check)


def _check_on_read(stream: BinaryIO, check: Callable[[memoryview], None]) -> BinaryIO:
    return io.BufferedReader(_CheckedStream(stream, check), 2**18)


class _CheckedStream(io.RawIOBase):
    """A stream whose bytes are shown to a function as they are read."""

    def __init__(self, stream: Any, check: Callable[[memoryview], None]):
        self._stream, self._check = stream, check

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n_read = self._stream.readinto(buffer)
        self._check(memoryview(buffer)[:n_read])
        return n_read
