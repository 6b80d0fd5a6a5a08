"""Hessians of a log loss near its minima, which serve sets of similar rows too."""

import copy

import numpy as np
from scipy.linalg import cho_factor, get_lapack_funcs

(_solve,) = get_lapack_funcs(["potrs"], dtype=np.float64)  # `cho_solve` without checks, for many small systems
_SMALLEST = 1e-6
"""Added to the diagonals of Hessians, relative to their traces, as they are summed in float32."""
_FARTHEST = 10.0
"""Directions in which a part of the rows has more than this factor more or less variance than all rows are taken to
have this factor."""


class Curvature:
    """The Hessians of the log loss of k labels at S strengths, in coordinates whose Gram matrix is 1.

    Args:
        basis: The coefficients of a step of 1 in each coordinate, (P, P).
        hessians: Hessians without the penalty, (H, k, P, P).
        numbers: The number of the Hessian of each strength, (S,).
        scale: The factor of this Hessian for each strength, (S,).
        ridge: The penalty of each coordinate, (S, P).
        has_effect: Whether a step in a coordinate changes scores, (P,).
        weight: The sum of the weights of the rows.
    """

    def __init__(
        self,
        basis: np.ndarray,
        hessians: np.ndarray,
        numbers: np.ndarray,
        scale: np.ndarray,
        ridge: np.ndarray,
        has_effect: np.ndarray,
        weight: float,
    ):
        self.basis, self._hessians, self._numbers, self._scale = basis, hessians, numbers, scale
        self._ridge, self._usable, self._weight = ridge, has_effect | (ridge > 0), weight
        size = hessians.diagonal(axis1=2, axis2=3).mean(axis=1)[numbers].astype(float)
        self._loss_part = np.sqrt(size / np.maximum(size + ridge, np.finfo(float).tiny))
        """The root of the share of the loss in the curvature of loss and penalty, (S, P)."""
        self._share, self._correction = 1.0, np.zeros_like(basis)
        self._factors: dict[float, list[list[np.ndarray]]] = {}

    def adapt(self, gram: np.ndarray, weight: float) -> "Curvature":
        """Return the Hessians of a part of the rows.

        With the Gram matrix G of the part, the Hessian H of all rows becomes T H T, with T = G^(1/2).

        Args:
            gram: The Gram matrix of the part in the coordinates, (P, P).
            weight: The sum of the weights of the part.
        """
        part = copy.copy(self)  # with the same factors
        part._share = float(f"{weight / self._weight:.2g}")  # folds of about the same size share the factors
        values, vectors = np.linalg.eigh(gram / part._share)
        inverse = vectors * np.clip(values, 1 / _FARTHEST, _FARTHEST) ** -0.5 @ vectors.T
        part._correction = inverse - np.eye(len(gram))
        return part

    def solve(self, gradient: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return the inverses of the Hessians of loss and penalty times gradients (P, k, s).

        Args:
            gradient: The gradients.
            places: The numbers of the strengths, (s,).
        """
        if self._share not in self._factors:
            self._factors[self._share] = [self._factorise(s, self._share) for s in range(len(self._ridge))]
        inner = self._adapt_coordinates(np.tensordot(self.basis.T, gradient, 1), places)
        inner *= self._usable[places].T[:, None]
        for place, s in enumerate(places):
            for label, factor in enumerate(self._factors[self._share][s]):
                inner[:, label, place], _ = _solve(factor, inner[:, label, place])
        inner = self._adapt_coordinates(inner * self._usable[places].T[:, None], places)
        return np.tensordot(self.basis, inner, 1)

    def _adapt_coordinates(self, v: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return T^-1 times vectors (P, k, s).

        Coordinates with the curvature of the penalty stay nearly as they are: the penalty is the same for all rows.
        """
        part = self._loss_part[places].T[:, None]
        return v + part * np.tensordot(self._correction, part * v, 1)

    def _factorise(self, s: int, share: float) -> list[np.ndarray]:
        """Return the Cholesky factors of the Hessian of loss and penalty of each label at a strength."""
        penalty = np.diag(np.where(self._usable[s], self._ridge[s], 1.0))
        found = []
        for hessian in self._hessians[self._numbers[s]]:
            size = share * self._scale[s] * hessian.astype(float)
            smallest = _SMALLEST * np.trace(size) + np.finfo(float).tiny
            factor, _ = cho_factor(size + penalty + smallest * np.eye(len(size)), overwrite_a=True)
            found.append(factor)
        return found
