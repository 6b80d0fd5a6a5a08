"""The penalty on each weight of a model: groups, factor on the strength, and origin."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shrinkage._penalties._group_lasso import GroupLasso

Tensor = Any  # a NumPy array or a tensor of the Keras backend


@dataclass(frozen=True)
class Term:
    """The penalty on a weight: lam * factor * P(w - origin)."""

    penalty: Any
    factor: float = 1.0
    origin: Tensor | None = None
    """The value of `L2(toward=...)` for this weight, of the shape of the weight; None for 0."""

    def value(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * factor * P, a scalar."""
        return self.penalty.value(self._shift(w), lam * self.factor)

    def gradient(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * factor * ∂P/∂w, of the shape of `w`."""
        return self.penalty.gradient(self._shift(w), lam * self.factor)

    def prox(self, w: Tensor, lam: Tensor, step: Tensor) -> Tensor:
        """Return the weights after the proximal step from `w`."""
        moved = self.penalty.prox(self._shift(w), lam * self.factor, step)
        return moved if self.origin is None else moved + self.origin

    def _shift(self, w: Tensor) -> Tensor:
        return w if self.origin is None else w - self.origin


def make_terms(penalty: Any, weights: Sequence[Any]) -> tuple[Term | None, ...]:
    """Return the term of each weight of a model; None for weights that are not penalised.

    Args:
        penalty: Any penalty.
        weights: The weights of a `Selection`.

    Raises:
        ValueError: If a penalised weight does not have the axes in `groups` of a group lasso.
    """
    pairs = zip(make_weight_penalties(penalty, weights), weights, strict=True)
    return tuple(Term(part, weight.factor) if weight.penalised else None for part, weight in pairs)


def make_weight_penalties(penalty: Any, weights: Sequence[Any]) -> tuple[Any, ...]:
    """Return the penalty for each weight of a model; a group lasso gets the axes of the weight as `groups`."""
    if not isinstance(penalty, GroupLasso):
        return (penalty,) * len(weights)
    return tuple(_make_weight_penalty(penalty, weight) if weight.penalised else penalty for weight in weights)


def _make_weight_penalty(penalty: GroupLasso, weight: Any) -> GroupLasso:
    groups = penalty.groups
    if isinstance(groups, str):
        groups = {"units": weight.per_unit, "inputs": weight.per_input}[groups]
    elif min(groups, default=0) < -len(weight.shape):
        raise ValueError(
            f"`groups` must be axes of each penalised weight. Received: {groups}, which {weight.path} of shape "
            f"{weight.shape} does not have. Say by `on` which weights are penalised, or give "
            'groups="units" or "inputs".'
        )
    return GroupLasso(groups)
