"""How a cohort is run: which way each layer goes, with XLA or without, and how many strengths at a time."""

import math
import os
from dataclasses import dataclass
from typing import Any

import keras

from shrinkage._cohort._forward import nodes, way

_UNROLLED_MEMBERS = 20  # a member costs 0.06 to 0.4 s of tracing: more of them in one function do not pay
_EVALUATED_VALUES = 2**22  # of one layer's output at a time: 16 MB of float32
_COPIES = 6  # of a member's weights: themselves, gradients, Adam's two moments, and what is being computed


@dataclass(frozen=True)
class Plan:
    """What decides, beside the seed, the last bit of the results on one machine."""

    unrolled: tuple[str, ...]
    """Layers that are called once per member; of the others, all members are computed at once."""
    xla: bool
    """Whether training and evaluation are compiled by XLA."""
    chunk: int
    """Strengths that are trained together."""
    evaluated_rows: int
    """Rows evaluated together."""


def make_plan(network: keras.Model, *, whole: bool, folds: int, strengths: int, rows: int, batch_size: int) -> Plan:
    """Choose how to run F x S members.

    Args:
        network: The model.
        whole: Unroll the model as a whole.
        folds: F.
        strengths: S.
        rows: Rows of the data.
        batch_size: Rows in a batch.
    """
    operations = [network] if whole else list(nodes(network))
    unrolled = tuple(operation.name for operation in operations if whole or way(operation) == "unroll")
    affordable = int(_free_memory() / 2 / _member_bytes(network, min(batch_size, rows)) / folds)
    most = max(1, min(strengths, affordable, _UNROLLED_MEMBERS if unrolled else strengths))
    chunk = math.ceil(strengths / math.ceil(strengths / most))
    widest = max((math.prod(shape) for shape in _outputs(network)), default=1)
    evaluated = max(min(batch_size, rows), _EVALUATED_VALUES // (widest * chunk))
    return Plan(unrolled, not unrolled, chunk, min(rows, evaluated))


def _member_bytes(network: keras.Model, batch_size: int) -> int:
    weights = sum(math.prod(v.shape) for v in network.trainable_variables)
    activations = sum(math.prod(shape) for shape in _outputs(network)) * batch_size
    return int(4 * (_COPIES * weights + 3.5 * activations)) + 1


def _outputs(network: Any) -> list[tuple[int, ...]]:
    """Return the shapes of a row's value after each layer, as far as the model's graph tells."""
    shapes = []
    for operation in nodes(network):
        try:
            tensors = keras.tree.flatten(operation.output)
        except (AttributeError, ValueError):  # never called on symbolic tensors
            continue
        shapes += [tuple(size or 1 for size in tensor.shape[1:]) for tensor in tensors]
    return shapes


def _free_memory() -> int:
    """Return the bytes of memory that are free, or 4 GiB where the system does not say."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30
