"""Memory maps: Linux allows a process so many, XLA takes some for good with each compilation, and without one it ends.

About 118 are taken by a `fit` of a new architecture, so that some 500 of them reach the default of `vm.max_map_count`.
"""

from pathlib import Path

_SPARE_MAPS = 4000  # some thirty architectures: threads and large arrays take maps too


def maps_note() -> str:
    """Say that the process is near Linux's limit; empty if it is not, or the system does not tell."""
    n_maps, max_maps = _count_maps()
    if max_maps - n_maps >= _SPARE_MAPS:
        return ""
    return (
        f"Trained without XLA: this process has {n_maps:,} of the {max_maps:,} memory maps that Linux allows "
        f"(vm.max_map_count), of which XLA takes about 118 with each new architecture. Train further networks in new "
        f"processes, or raise the limit: sysctl vm.max_map_count={4 * max_maps}."
    )


def _count_maps() -> tuple[int, float]:
    """Return how many maps the process has, and how many it may have."""
    try:
        max_maps = int(Path("/proc/sys/vm/max_map_count").read_text("ascii"))
        with open("/proc/self/maps", "rb") as maps:
            return sum(1 for _ in maps), max_maps
    except (OSError, ValueError):
        return 0, float("inf")
