"""The interface of a penalty. Other modules use this interface only, and do not test the class of a penalty.

`_path/_budget_words.py` alone names classes: it has numbers that were measured for each.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from shrinkage._penalties._how import How

Tensor = Any  # a NumPy array or a tensor of the Keras backend


class Penalty(Protocol):
    """A penalty P(w) on weights; see `L2` for the arguments of its methods."""

    @property
    def name(self) -> str:
        """The name of the penalty for tables and messages."""
        ...

    @property
    def default_how(self) -> How:
        """The part of a training step that applies the penalty, if `how` is None."""
        ...

    @property
    def sparse(self) -> bool:
        """Whether `prox` gives exact zeros."""
        ...

    @property
    def elementwise(self) -> bool:
        """Whether P is a sum over single weights. Other penalties have a method `zero_groups`."""
        ...

    @property
    def can_decay(self) -> bool:
        """Whether a step multiplies the weights, or w - w0 with `toward`, so that `Decoupled` can apply the penalty."""
        ...

    @property
    def rho(self) -> float:
        """The share of L1, from 0 (P grows with the square of the weights) to 1 (P grows linearly)."""
        ...

    @property
    def toward(self) -> str | Sequence[Any] | None:
        """The point that the penalty draws the weights towards, as in `L2`; None for 0."""
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
        """Return the distance of each weight from a stationary point, of the shape of `w`."""
        ...
