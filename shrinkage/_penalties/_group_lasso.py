"""The group lasso: weights in groups that are all zero together, such as all that lead into one unit."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from shrinkage._penalties._how import Proximal
from shrinkage._penalties._strength import no_strength, without_strength

Tensor = Any  # a NumPy array or what the Keras backend makes of one

_ITERATIONS = 5  # of Newton's method: where step sizes lie twelve decades apart, they leave 1e-12 of the largest weight


@without_strength("shrinkage.GroupLasso()")
@dataclass(frozen=True)
class GroupLasso:
    """The group lasso P(w) = Σ_g √|g| * ‖w_g‖, |g| being how many weights are in group g.

    It zeroes whole groups at once: a unit whose weights are all zero gives the same output for every row, and can be
    taken out of the network; so can an input of which none of the weights is left.

    Args:
        groups: "units" for a group of all weights into a unit (a filter, a coordinate of an embedding, a gate of a
            recurrent unit); "inputs" for one of all weights out of an input (a feature, a channel, a token); or the
            axes that a group spans, each counted from the last: (-2,) is "units" of a Dense kernel (inputs, units).
            A bias has no inputs: with "units", each of its weights is a group.

    Raises:
        ValueError: if `groups` is none of these.

    The methods take one kernel as Keras lays it out, (..., inputs, units). Where the axes are given, more axes may
    stand in front, and `lam` may have members along them.

    Source: Yuan & Lin (2006), Model selection and estimation in regression with grouped variables.

    Example:
        >>> import numpy as np, shrinkage as sh
        >>> w = np.array([[3.0, 0.0], [-4.0, 0.0]])  # two inputs, two units
        >>> [round(float(sh.GroupLasso(groups).value(w, lam=0.1)), 4) for groups in ("units", "inputs")]
        [0.7071, 0.9899]
        >>> sh.GroupLasso().zero_groups(w)
        1
    """

    groups: str | Sequence[int] = "units"
    default_how = Proximal()
    sparse = True
    elementwise = False
    can_decay = False
    rho = 1.0  # ‖w‖ grows with the first power of the weights
    toward = None

    def __post_init__(self) -> None:
        groups = self.groups
        if not isinstance(groups, str) and isinstance(groups, Iterable):
            groups = tuple(groups)
            if len(set(groups)) == len(groups) and all(type(axis) is int and axis < 0 for axis in groups):
                object.__setattr__(self, "groups", groups)
                return
        if groups not in ("units", "inputs"):
            raise ValueError(
                f'`groups` must be "units", "inputs", or a tuple of the axes that a group spans, counted from the '
                f"last, such as (-2,). Received: {self.groups!r}.{no_strength('shrinkage.GroupLasso()', self.groups)}"
            )

    @property
    def name(self) -> str:
        """What it is called in words."""
        return f"group lasso ({self.groups})" if isinstance(self.groups, str) else f"group lasso (axes {self.groups})"

    def value(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * Σ_g √|g| * ‖w_g‖, a scalar; arguments as for `L1.value`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> float(sh.GroupLasso((-1,)).value(np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]), lam=0.5))
            2.0
        """
        return ops.sum(self._strength(w, lam) * self._lengths(w))

    def gradient(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * √|g| * w_g / ‖w_g‖, of the shape of `w`: the subgradient that is 0 where a group is.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> np.asarray(sh.GroupLasso((-1,)).gradient(np.array([[0.0, 0.0], [0.0, -3.0]]), lam=0.5)).round(4)
            array([[ 0.    ,  0.    ],
                   [ 0.    , -0.7071]])
        """
        return self._strength(w, lam) * ops.divide_no_nan(w, self._lengths(w))

    def prox(self, w: Tensor, lam: Tensor, step: Tensor) -> Tensor:
        """Return argmin over z of Σ ½(z - w)² / step + lam * P(z): each group shortened, or zero.

        Where all weights of a group have one step size, z_g = w_g * max(0, 1 - step * lam * √|g| / ‖w_g‖). Otherwise
        z_i = w_i * r / (r + t_i) with t_i = step_i * lam * √|g|, and r = ‖z_g‖ solves S(r) = Σ (w_i / (r + t_i))² = 1,
        unless S(0) <= 1, where z_g = 0. The root of 1/√S - 1, which is concave and almost straight, is found by
        Newton's method from below, as in trust-region methods (Conn, Gould & Toint 2000, section 7.3). The arguments
        are those of `L1.prox`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> np.asarray(sh.GroupLasso((-1,)).prox(np.array([[3.0, 4.0], [0.3, 0.4]]), lam=2**0.5, step=0.5)).round(4)
            array([[2.4, 3.2],
                   [0. , 0. ]])
        """
        w = ops.convert_to_tensor(w)
        t = step * self._strength(w, lam) + ops.zeros_like(w)
        r = self._reduce_groups(ops.max, ops.abs(w) - t)
        r = ops.relu(ops.maximum(r, self._lengths(w) - self._reduce_groups(ops.max, t)))
        for _ in range(
            _ITERATIONS if len(getattr(step, "shape", ())) else 1
        ):  # one step size for all makes 1/√S straight
            squares = ops.square(w / (r + t))
            total = self._reduce_groups(ops.sum, squares)
            r = r + total * (ops.sqrt(total) - 1) / self._reduce_groups(ops.sum, squares / (r + t))
        at_zero = self._reduce_groups(
            ops.sum, ops.square(w / ops.maximum(t, 1e-37))
        )  # without a penalty infinite, or 0
        return ops.where(at_zero <= 1, ops.zeros_like(w), w * (r / (r + t)))

    def residual(self, w: Tensor, grad: Tensor, lam: Tensor) -> Tensor:
        """Return the distance of -grad to lam * ∂P(w), shared out over the weights: a group's norm is its distance.

        That is |grad + lam * ∂P/∂w|, and where a group is zero |grad| * max(0, 1 - lam * √|g| / ‖grad_g‖); arguments as
        for `L1.residual`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> grad = np.array([[3.0, 4.0], [0.3, 0.4]])
            >>> np.asarray(sh.GroupLasso((-1,)).residual(np.zeros((2, 2)), grad, lam=2**-0.5)).round(4)
            array([[2.4, 3.2],
                   [0. , 0. ]])
        """
        at_zero = ops.abs(grad) * ops.relu(1 - ops.divide_no_nan(self._strength(w, lam), self._lengths(grad)))
        return ops.where(self._lengths(w) > 0, ops.abs(grad + self.gradient(w, lam)), at_zero)

    def zero_groups(self, w: np.ndarray) -> int:
        """Return how many groups of one kernel are all zero."""
        return int(np.all(w == 0, axis=self._axes(w)).sum())

    def _axes(self, w: Tensor) -> tuple[int, ...]:
        if not isinstance(self.groups, str):
            return tuple(self.groups)
        apart = {"units": -1, "inputs": -2}[self.groups]
        return tuple(axis for axis in range(-len(w.shape), 0) if axis != apart)

    def _reduce_groups(self, reduce: Any, values: Tensor) -> Tensor:
        """Reduce the axes that a group spans, and keep them as axes of one."""
        return reduce(values, axis=self._axes(values), keepdims=True)

    def _lengths(self, w: Tensor) -> Tensor:
        return ops.sqrt(self._reduce_groups(ops.sum, ops.square(w)))

    def _strength(self, w: Tensor, lam: Tensor) -> Tensor:
        return lam * math.sqrt(math.prod(w.shape[axis] for axis in self._axes(w)))
