"""The memory limit of a run."""

from pathlib import Path
from typing import Any

import numpy as np
import psutil


def memory_limit(max_memory: Any) -> int:
    """Return the memory limit of a run in bytes: `max_memory`, or half of the free memory.

    Raises:
        ValueError: If `max_memory` is neither None nor a number above 0.
    """
    if max_memory is None:
        return free_memory() // 2
    if isinstance(max_memory, bool) or not isinstance(max_memory, (int, float, np.number)) or not max_memory > 0:
        raise ValueError(f"`max_memory` must be None or a number of bytes, such as 4e9. Received: {max_memory!r}.")
    return int(max_memory)


def free_memory() -> int:
    """Return the free memory in bytes, within the limit of the container."""
    free = psutil.virtual_memory().available
    try:  # control groups of Linux, version 2
        group = Path("/sys/fs/cgroup")
        most, used = ((group / name).read_text("utf-8") for name in ("memory.max", "memory.current"))
        return min(free, int(most) - int(used))
    except (OSError, ValueError):  # no such file, or "max"
        return free
