"""Squared error with an L2 penalty: all strengths of a set of rows from one eigendecomposition of its Gram matrix."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from shrinkage._data._data import TargetUnits
from shrinkage._plan._exact._head import Head
from shrinkage._plan._exact._moments import Moments, compute_set_moments
from shrinkage._plan._exact._rows import ExactRows

Solution = tuple[np.ndarray, np.ndarray]
"""The coefficients of a set at S strengths, (P, k, S), and whether they are minima, (S,)."""


class Ridge:
    """The minima of mean squared error plus L2 penalty.

    Args:
        rows: The rows.
        head: The head of the model.
        target: Units of the targets in each set, or None.
    """

    def __init__(self, rows: ExactRows, head: Head, target: TargetUnits | None):
        self._rows, self._head, self._target = rows, head, target
        self._spectra: dict[int, Spectrum] = {}

    def solve(self, sets: Sequence[int], lam: np.ndarray) -> list[Solution]:
        """Return the solution of each set at strengths (f, S)."""
        return [self._solve(f, strengths) for f, strengths in zip(sets, lam, strict=True)]

    def _solve(self, f: int, lam: np.ndarray) -> Solution:
        """Return the solution of a set.

        Keras averages the squared error over the k targets: half of k times lam is the ridge parameter of the sum.
        """
        if f not in self._spectra:
            self._spectra[f] = self._compute_spectrum(f)
        kernel, _ = self._head.factors
        ridge = self._head.units / 2 * self._rows.n_train[f] * kernel * lam
        return self._spectra[f].solve(ridge), np.ones(len(lam), bool)

    @cached_property
    def _moments(self) -> tuple[np.ndarray, list[Moments]]:
        return compute_set_moments(self._rows, self._head, self._rows.get_design)

    def _compute_spectrum(self, f: int) -> "Spectrum":
        shift, sums = self._moments
        found, k = sums[f], self._head.units
        offset, scale = (0.0, 1.0) if self._target is None else (self._target.offset[f], self._target.scale[f])
        n_columns = len(shift) - k
        if not self._head.has_intercept:
            gram, total = found.gram, found.total
            products = gram[:n_columns, n_columns:] - offset * total[:n_columns, None]
            return Spectrum(gram[:n_columns, :n_columns], products / scale, None)
        mean = found.total / found.weight
        gram = found.gram - found.weight * np.outer(mean, mean)
        gram, n_columns = np.delete(np.delete(gram, n_columns - 1, 0), n_columns - 1, 1), n_columns - 1
        mean = shift + mean
        means = np.delete(mean, n_columns)
        return Spectrum(
            gram[:n_columns, :n_columns], gram[:n_columns, n_columns:] / scale,
            (means[:n_columns], (means[n_columns:] - offset) / scale),
        )  # fmt: skip


class Spectrum:
    """The eigenvalues of the normal equations of a set of rows, G w = c.

    Args:
        gram: G, (d, d).
        products: c, (d, k).
        means: The means of columns and targets, for an intercept; None without an intercept.
    """

    def __init__(self, gram: np.ndarray, products: np.ndarray, means: tuple[np.ndarray, np.ndarray] | None):
        self._gram, self._products, self._means = gram, products, means
        values, self._vectors = np.linalg.eigh(gram)
        self._values = np.maximum(values, 0)  # the smallest ones may be below 0 by rounding

    def solve(self, ridge: np.ndarray) -> np.ndarray:
        """Return the solutions of (G + ridge I) w = c, with intercepts last, (P, k, S)."""
        rotated = self._vectors.T @ self._products
        positive = np.where(ridge > 0, ridge, 1.0)
        shares = rotated[:, :, None] / (self._values[:, None] + positive)[:, None]
        weights = np.tensordot(self._vectors, shares, 1)
        if (ridge == 0).any():
            weights[:, :, ridge == 0] = self._solve_unpenalised()[:, :, None]
        if self._means is None:
            return weights
        columns, targets = self._means
        return np.concatenate([weights, (targets[:, None] - np.tensordot(columns, weights, 1))[None]])

    def _solve_unpenalised(self) -> np.ndarray:
        """Return the solution without a penalty, (d, k); for dependent columns that of least norm in standard units."""
        size = np.sqrt(np.maximum(np.diag(self._gram), 0))
        size = np.where(size > 0, size, 1.0)
        values, vectors = np.linalg.eigh(self._gram / np.outer(size, size))
        is_positive = values > len(values) * np.finfo(float).eps * 10 * max(values.max(initial=0.0), 1.0)
        inverse = np.where(is_positive, 1 / np.where(is_positive, values, 1), 0)
        return (vectors * inverse) @ (vectors.T @ (self._products / size[:, None])) / size[:, None]
