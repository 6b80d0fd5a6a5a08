"""The packages and the machine of a process, which the last bits of a result depend on."""

import os
import platform
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from shrinkage import __version__
from shrinkage._cohort._tensorflow import count_threads, get_devices


def get_environment() -> dict[str, Any]:
    """Return the packages and the machine: where they differ, the last bits of a result may differ."""
    packages = {"shrinkage": __version__, "Keras": keras.__version__, "NumPy": np.__version__}
    return {
        **packages,
        "Python": ".".join(map(str, sys.version_info[:3])),
        **get_devices(),
        "processor": _get_processor(),
        "cores": count_cores(),
        "threads": count_threads(),
        "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
        "XLA_FLAGS": os.environ.get("XLA_FLAGS"),
    }


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _get_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
