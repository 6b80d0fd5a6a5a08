"""The memory limit of a run."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import psutil

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?(?:e\d+)?)\s*(?P<unit>[kmgt]?)(?P<binary>i?)b?", re.IGNORECASE)


def read_memory_limit(max_memory: Any) -> int:
    """Return the memory limit of a run in bytes: `max_memory`, or half of the free memory.

    Raises:
        ValueError: If `max_memory` is neither None nor a number above 0.
    """
    if max_memory is None:
        return get_free_memory() // 2
    if isinstance(max_memory, bool) or not isinstance(max_memory, (int, float, np.number)) or not max_memory > 0:
        raise ValueError(
            f"`max_memory` must be None or a number of bytes, such as 4e9. Received: {max_memory!r}."
            + (f" Say max_memory={size:g}.".replace("e+0", "e") if (size := parse_bytes(max_memory)) else "")
        )
    return int(min(max_memory, 2**62))  # infinity is no integer


def parse_bytes(text: Any) -> float | None:
    """Return the number of bytes in text such as "500MB" or "2 GiB"; None for anything else.

    >>> parse_bytes("500MB"), parse_bytes("2 GiB"), parse_bytes("many"), parse_bytes(None)
    (500000000.0, 2147483648.0, None, None)
    """
    found = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        return None
    power = " kmgt".index(found["unit"].lower() or " ")
    return float(found["number"]) * (1024 if found["binary"] else 1000) ** power


def format_bytes(size: float) -> str:
    """Return a number of bytes in words, in a unit in which it is not 0.

    >>> format_bytes(1000), format_bytes(4096), format_bytes(1.5 * 2**20), format_bytes(3 * 2**30)
    ('1,000 bytes', '4.0 KiB', '1.5 MiB', '3,072 MiB')
    """
    if size < 2**10:
        return f"{size:,.0f} bytes"
    number, unit = (size / 2**10, "KiB") if size < 2**20 else (size / 2**20, "MiB")
    return f"{number:,.{int(number < 10)}f} {unit}"


def get_free_memory() -> int:
    """Return the free memory in bytes, within the limit of the container."""
    free = psutil.virtual_memory().available
    try:  # control groups of Linux, version 2
        group = Path("/sys/fs/cgroup")
        most, used = ((group / name).read_text("utf-8") for name in ("memory.max", "memory.current"))
        return min(free, int(most) - int(used))
    except (OSError, ValueError):  # no such file, or "max"
        return free
