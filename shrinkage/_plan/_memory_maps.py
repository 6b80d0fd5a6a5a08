"""Memory maps: XLA takes some with each compilation and never frees them, and a process at Linux's limit crashes.

A `fit` of a new architecture takes about 118 maps. About 500 architectures reach the default of `vm.max_map_count`.
"""

from pathlib import Path

_SPARE_MAPS = 4000  # about thirty architectures; threads and large arrays take maps too


def describe_map_limit() -> str:
    """Return a note if the process is near Linux's limit; empty if it is not, or if the limit is unknown."""
    n_maps, max_maps = _count_maps()
    if max_maps - n_maps >= _SPARE_MAPS:
        return ""
    return (
        f"Trained without XLA: this process has {n_maps:,} of the {max_maps:,} memory maps that Linux allows "
        f"(vm.max_map_count), of which XLA takes about 118 with each new architecture. Train further networks in new "
        f"processes, or raise the limit: sysctl vm.max_map_count={4 * max_maps}."
    )


def _count_maps() -> tuple[int, float]:
    """Return the number of maps of the process, and the limit; (0, inf) if they are unknown."""
    try:
        max_maps = int(Path("/proc/sys/vm/max_map_count").read_text("ascii"))
        with open("/proc/self/maps", "rb") as maps:
            return sum(1 for _ in maps), max_maps
    except (OSError, ValueError):
        return 0, float("inf")
