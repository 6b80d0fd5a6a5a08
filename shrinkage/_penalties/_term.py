"""A penalty as it stands on one weight of a model."""

from dataclasses import dataclass
from typing import Any

Tensor = Any


@dataclass(frozen=True)
class Term:
    """The penalty on one weight: its own P, of w or of w - origin, at lam times a factor."""

    penalty: Any
    factor: float = 1.0
    origin: Tensor | None = None
    """What `L2(toward=...)` draws the weight towards; None for 0."""

    def gradient(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * ∂P/∂w, of the shape of `w`."""
        return self.penalty.gradient(self._moved(w), lam * self.factor)

    def prox(self, w: Tensor, lam: Tensor, step: Tensor) -> Tensor:
        """Return the weights after the proximal step."""
        moved = self.penalty.prox(self._moved(w), lam * self.factor, step)
        return moved if self.origin is None else moved + self.origin

    def _moved(self, w: Tensor) -> Tensor:
        return w if self.origin is None else w - self.origin
