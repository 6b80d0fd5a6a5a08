"""Hessians of a log loss near its minima, which serve sets of similar rows too."""

import numpy as np
from scipy.linalg import cho_factor, get_lapack_funcs

(_solve,) = get_lapack_funcs(["potrs"], dtype=np.float64)  # `cho_solve` without checks, for many small systems
_SMALLEST = 1e-6
"""Added to the diagonals of Hessians, relative to their traces, as they are summed in float32."""


class Curvature:
    """The Hessians of the log loss of k labels at S strengths, in coordinates whose Gram matrix is 1.

    The Hessian of a part of the rows is about that of all rows times the part's share of the weights.

    Args:
        basis: The coefficients of a step of 1 in each coordinate, (P, P).
        hessians: Hessians without the penalty, (H, k, P, P).
        numbers: The number of the Hessian of each strength, (S,).
        ridge: The penalty of each coordinate, (S, P).
        has_effect: Whether a step in a coordinate changes scores, (P,).
        weight: The sum of the weights of the rows.
    """

    def __init__(
        self,
        basis: np.ndarray,
        hessians: np.ndarray,
        numbers: np.ndarray,
        ridge: np.ndarray,
        has_effect: np.ndarray,
        weight: float,
    ):
        self._basis, self._hessians, self._numbers = basis, hessians, numbers
        self._ridge, self._usable, self._weight = ridge, has_effect | (ridge > 0), weight
        self._factors: dict[float, list[list[np.ndarray]]] = {}

    def solve(self, gradient: np.ndarray, places: np.ndarray, weight: float) -> np.ndarray:
        """Return the inverses of the Hessians of loss and penalty times gradients (P, k, s).

        Args:
            gradient: The gradients.
            places: The numbers of the strengths, (s,).
            weight: The sum of the weights of the rows of the loss.
        """
        share = round(weight / self._weight, 2)
        if share not in self._factors:
            self._factors[share] = [self._factorise(s, share) for s in range(len(self._ridge))]
        inner = np.tensordot(self._basis.T, gradient, 1) * self._usable[places].T[:, None]
        for place, s in enumerate(places):
            for label, factor in enumerate(self._factors[share][s]):
                inner[:, label, place], _ = _solve(factor, inner[:, label, place])
        return np.tensordot(self._basis, inner * self._usable[places].T[:, None], 1)

    def _factorise(self, s: int, share: float) -> list[np.ndarray]:
        """Return the Cholesky factors of the Hessian of loss and penalty of each label at a strength."""
        penalty = np.diag(np.where(self._usable[s], self._ridge[s], 1.0))
        found = []
        for hessian in self._hessians[self._numbers[s]]:
            size = share * hessian.astype(float)
            smallest = _SMALLEST * np.trace(size) + np.finfo(float).tiny
            factor, _ = cho_factor(size + penalty + smallest * np.eye(len(size)), overwrite_a=True)
            found.append(factor)
        return found
