"""The group lasso, which sets groups of weights to zero together, such as all weights into a unit."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from shrinkage._penalties._how import Proximal
from shrinkage._penalties._strength import describe_misplaced_strength, refuse_strength

Tensor = Any  # a NumPy array or a tensor of the Keras backend

_ITERATIONS = 5  # of Newton's method: the error is 1e-12 of the largest weight for step sizes twelve decades apart


@refuse_strength("shrinkage.GroupLasso()")
@dataclass(frozen=True)
class GroupLasso:
    """The group lasso P(w) = Σ_g √|g| * ‖w_g‖, where |g| is the number of weights in group g.

    It sets whole groups of weights to zero. A unit with zero weights gives the same output for every row and can be
    removed from the network. An input with zero weights can be removed too.

    Args:
        groups: "units": a group is all weights into a unit (a filter, a coordinate of an embedding, a gate of a
            recurrent unit). "inputs": a group is all weights out of an input (a feature, a channel, a token). A tuple
            of negative axes: a group spans the axes; (-2,) is "units" of a Dense kernel (inputs, units). With "units",
            each weight of a bias is a group.

    Raises:
        ValueError: If `groups` has another value.

    The methods take a kernel in the layout of Keras, (..., inputs, units). If `groups` is a tuple of axes, the kernel
    may have additional leading axes, such as folds and strengths, and `lam` may vary along them.

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
            if all(type(axis) is int and axis < 0 for axis in groups) and len(set(groups)) == len(groups):
                object.__setattr__(self, "groups", groups)
                return
        if groups not in ("units", "inputs"):
            raise ValueError(
                f'`groups` must be "units", "inputs", or a tuple of the axes that a group spans, counted from the '
                "last, such as (-2,). Received: "
                f"{self.groups!r}.{describe_misplaced_strength('shrinkage.GroupLasso()', self.groups)}"
            )

    @property
    def name(self) -> str:
        """The name of the penalty for tables and messages."""
        return f"group lasso ({self.groups})" if isinstance(self.groups, str) else f"group lasso (axes {self.groups})"

    def value(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * Σ_g √|g| * ‖w_g‖, a scalar; arguments as for `L1.value`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> float(sh.GroupLasso((-1,)).value(np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]), lam=0.5))
            2.0
        """
        return ops.sum(self._compute_strength(w, lam) * self._compute_lengths(w))

    def gradient(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * √|g| * w_g / ‖w_g‖, of the shape of `w`: the subgradient that is 0 for a group of zeros.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> np.asarray(sh.GroupLasso((-1,)).gradient(np.array([[0.0, 0.0], [0.0, -3.0]]), lam=0.5)).round(4)
            array([[ 0.    ,  0.    ],
                   [ 0.    , -0.7071]])
        """
        return self._compute_strength(w, lam) * ops.divide_no_nan(w, self._compute_lengths(w))

    def prox(self, w: Tensor, lam: Tensor, step: Tensor) -> Tensor:
        """Return argmin over z of Σ ½(z - w)² / step + lam * P(z); arguments as for `L1.prox`.

        If all weights of a group have the same step size, z_g = w_g * max(0, 1 - step * lam * √|g| / ‖w_g‖). Otherwise
        z_i = w_i * r / (r + t_i) with t_i = step_i * lam * √|g|, and r = ‖z_g‖ solves S(r) = Σ (w_i / (r + t_i))² = 1.
        If S(0) <= 1, z_g = 0. The function 1/√S - 1 is concave and almost linear; Newton's method finds the root from
        below, as in trust-region methods (Conn, Gould & Toint 2000, section 7.3).

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> np.asarray(sh.GroupLasso((-1,)).prox(np.array([[3.0, 4.0], [0.3, 0.4]]), lam=2**0.5, step=0.5)).round(4)
            array([[2.4, 3.2],
                   [0. , 0. ]])
        """
        w = ops.convert_to_tensor(w)
        t = step * self._compute_strength(w, lam) + ops.zeros_like(w)
        r = self._reduce_groups(ops.max, ops.abs(w) - t)
        r = ops.relu(ops.maximum(r, self._compute_lengths(w) - self._reduce_groups(ops.max, t)))
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
        """Return |grad + lam * ∂P/∂w|; in a group of zeros, |grad| * max(0, 1 - lam * √|g| / ‖grad_g‖).

        The norm over a group is the distance of -grad to lam * ∂P(w) for that group. Arguments as for `L1.residual`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> grad = np.array([[3.0, 4.0], [0.3, 0.4]])
            >>> np.asarray(sh.GroupLasso((-1,)).residual(np.zeros((2, 2)), grad, lam=2**-0.5)).round(4)
            array([[2.4, 3.2],
                   [0. , 0. ]])
        """
        at_zero = ops.abs(grad) * ops.relu(
            1 - ops.divide_no_nan(self._compute_strength(w, lam), self._compute_lengths(grad))
        )
        return ops.where(self._compute_lengths(w) > 0, ops.abs(grad + self.gradient(w, lam)), at_zero)

    def zero_groups(self, w: np.ndarray) -> int:
        """Return the number of groups of zeros in a kernel."""
        return int(np.all(w == 0, axis=self._find_axes(w)).sum())

    def _find_axes(self, w: Tensor) -> tuple[int, ...]:
        if not isinstance(self.groups, str):
            return tuple(self.groups)
        apart = {"units": -1, "inputs": -2}[self.groups]
        return tuple(axis for axis in range(-len(w.shape), 0) if axis != apart)

    def _reduce_groups(self, reduce: Any, values: Tensor) -> Tensor:
        """Reduce `values` over the axes of a group, with `keepdims=True`."""
        return reduce(values, axis=self._find_axes(values), keepdims=True)

    def _compute_lengths(self, w: Tensor) -> Tensor:
        return ops.sqrt(self._reduce_groups(ops.sum, ops.square(w)))

    def _compute_strength(self, w: Tensor, lam: Tensor) -> Tensor:
        return lam * math.sqrt(math.prod(w.shape[axis] for axis in self._find_axes(w)))
