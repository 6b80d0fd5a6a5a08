"""What every penalty has: the rest of the package asks a penalty, and never which one it is."""

from collections.abc import Sequence
from typing import Any, Protocol

from shrinkage._penalties._how import How

Tensor = Any  # a NumPy array or what the Keras backend makes of one


class Penalty(Protocol):
    """A penalty P(w) on weights; see `L2` for the arguments of its methods."""

    @property
    def name(self) -> str:
        """What it is called in words."""
        ...

    @property
    def default_how(self) -> How:
        """Where it enters a training step, if nothing else is said."""
        ...

    @property
    def sparse(self) -> bool:
        """Whether it gives exact zeros."""
        ...

    @property
    def elementwise(self) -> bool:
        """Whether P is a sum over single weights; of the others, `zero_groups` counts groups that are all zero."""
        ...

    @property
    def can_decay(self) -> bool:
        """Whether `Decoupled` is a form of it."""
        ...

    @property
    def rho(self) -> float:
        """The share of L1 in it, from 0 to 1: how it grows with a weight."""
        ...

    @property
    def toward(self) -> str | Sequence[Any] | None:
        """What it draws the weights towards, as `L2` has it; None for 0."""
        ...

    def value(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * P, a scalar."""
        ...

    def gradient(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * ∂P/∂w, of the shape of `w`."""
        ...

    def prox(self, w: Tensor, lam: Tensor, step: Tensor) -> Tensor:
        """Return the weights after the proximal step from `w`."""
        ...

    def residual(self, w: Tensor, grad: Tensor, lam: Tensor) -> Tensor:
        """Return how far each weight is from a stationary point."""
        ...
