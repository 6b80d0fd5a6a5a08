"""Windows of images and series as strided slices. XLA compiles slices well, but window operations are slow."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from keras import ops

FIRST = 3  # the first spatial axis in (f, s, batch, *spatial, channels)


def move_channels_last(layer: Any, x: Any) -> Any:
    """Move the channels of `x` to the last axis, if the layer's data format is "channels_first"."""
    return x if layer.data_format == "channels_last" else ops.moveaxis(x, FIRST, -1)


def restore_channels(layer: Any, y: Any) -> Any:
    """Move the channels of `y` from the last axis to the axis of the layer's data format."""
    return y if layer.data_format == "channels_last" else ops.moveaxis(y, -1, FIRST)


def iterate_windows(x: Any, size: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> Iterator[Any]:
    """Yield for each position in a window, last axis fastest, the values of all windows, (f, s, batch, *out, ...)."""
    spatial = x.shape[FIRST : FIRST + len(size)]
    out = [(n - (k - 1) * d - 1) // step + 1 for n, k, step, d in zip(spatial, size, strides, dilation, strict=True)]
    for place in itertools.product(*map(range, size)):
        axes = zip(place, out, strides, dilation, strict=True)
        yield x[
            (slice(None),) * FIRST + tuple(slice(k * d, k * d + (n - 1) * step + 1, step) for k, n, step, d in axes)
        ]


def compute_same_padding(
    x: Any, size: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """Return the "same" padding (before, after) of each spatial axis: half before, the rest after."""
    totals = [
        max((-(-n // step) - 1) * step + (k - 1) * d + 1 - n, 0)
        for n, k, step, d in zip(x.shape[FIRST:-1], size, strides, dilation, strict=True)
    ]
    return [(total // 2, total - total // 2) for total in totals]


def pad(x: Any, paddings: Sequence[tuple[int, int]], value: float = 0.0) -> Any:
    """Pad the spatial axes of `x`."""
    if not any(map(any, paddings)):
        return x
    return ops.pad(x, [(0, 0)] * FIRST + list(paddings) + [(0, 0)], constant_values=value)


def overlap_add(parts: Sequence[Any], size: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> Any:
    """Sum `parts`, ordered and shaped as `windows` yields them, at their positions: the transpose of `windows`."""
    total: Any = 0
    for place, part in zip(itertools.product(*map(range, size)), parts, strict=True):
        for axis, step in enumerate(strides, FIRST):
            part = _insert_zeros(part, axis, step)
        paddings = [(k * d, (n - 1 - k) * d) for k, n, d in zip(place, size, dilation, strict=True)]
        total = total + pad(part, paddings)
    return total


def _insert_zeros(x: Any, axis: int, step: int) -> Any:
    """Insert `step` - 1 zeros between neighbours along an axis."""
    if step == 1:
        return x
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    x = ops.reshape(x, (*before, n, 1, *after))
    x = ops.pad(x, [(0, step - 1) if a == axis + 1 else (0, 0) for a in range(len(x.shape))])
    x = ops.reshape(x, (*before, n * step, *after))
    return x[(slice(None),) * axis + (slice((n - 1) * step + 1),)]
