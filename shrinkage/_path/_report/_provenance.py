"""The content of a report that is not in the curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shrinkage._path._pictures._weights import WeightsData
from shrinkage._penalties import How
from shrinkage._weights._selection import Selection


@dataclass(frozen=True, eq=False)
class Provenance:
    """The content of a report that is not in the curve.

    Attributes:
        title: the title of the page.
        header: the number of weights and models, and the time.
        verdict: the verdict.
        selection: the weights that were penalised.
        weights: returns norms and zeros by layer.
        from_logits: whether predictions are logits.
        how, seed, plan, notes, seconds: as in `Path`.
    """

    title: str
    header: str
    verdict: str
    selection: Selection
    weights: Callable[[], WeightsData]
    from_logits: bool
    how: How
    seed: int
    plan: dict[str, Any]
    notes: tuple[str, ...]
    seconds: float
