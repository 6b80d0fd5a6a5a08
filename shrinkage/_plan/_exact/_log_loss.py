"""The log loss of the training rows of a set, its derivatives, and approximate inverses of its Hessian."""

import math
from typing import Any

import numpy as np

from shrinkage._plan._exact._curvature import Curvature
from shrinkage._plan._exact._head import Head, Kind
from shrinkage._plan._exact._losses import compute_head_probabilities
from shrinkage._plan._exact._moments import Moments
from shrinkage._plan._exact._passes import Computation, Pass, RowPart

_ALIKE = 0.012
"""Strengths whose mean curvatures differ by less share a Hessian."""
_SAMPLE_STRIDE = 8  # of this number of rows, one is used for the mean curvature, which scales the preconditioner
_FARTHEST = 1e3
"""Columns whose means are more standard deviations from 0 lose too many digits in float32."""
_LARGEST_UNIT = 1e12
"""Columns with a larger standard deviation, or one smaller than its inverse, may exceed the range of float32."""


class LogLoss:
    """The sum of the losses of the training rows of a set, as a function of centred coefficients.

    With an intercept, the columns are centred: the intercept is then nearly independent of the other coefficients.
    Keras averages the log losses of k labels, so that the loss has the factor 1 / k.

    Args:
        head: The head of the model.
        shift: A shift of the columns, (P,).
        moments: The moments of the columns minus the shift, with the weights of the rows in the loss.
    """

    curvature: Curvature | None = None
    """Hessians near the minima, of this set of rows or adapted to it; None before they are known."""

    def __init__(self, head: Head, shift: np.ndarray, moments: Moments):
        self.kind: Kind = head.kind
        self.units: int = head.units
        self._raw_coefficients: np.ndarray = np.zeros((0, 0, 0))
        self.weight, gram = moments.weight, moments.gram
        mean = moments.total / self.weight
        self.penalised = np.ones(len(gram))
        self._mean = np.zeros(len(gram))
        if head.has_intercept:
            self.penalised[-1], mean[-1] = 0, 0
            self._mean = shift + mean
            gram = gram - self.weight * np.outer(mean, mean)
            gram[-1, :-1] = gram[:-1, -1] = 0
        self._gram, self._spectrum = gram, self._compute_eigenvalues(gram)
        unit = np.sqrt(np.diag(gram) / self.weight)
        has_digits = (np.abs(self._mean) <= _FARTHEST * unit) & (unit < _LARGEST_UNIT) & (1 / _LARGEST_UNIT < unit)
        self.rough_dtype: Any = np.float32 if (has_digits | (np.diag(gram) == 0)).all() else np.float64
        """The dtype of gradients far from a minimum."""

    def adopt(self, curvature: Curvature) -> None:
        """Take over the Hessians of a larger set of rows."""
        basis = self.to_centred(curvature.basis)
        self.curvature = curvature.adapt(basis.T @ self._gram @ basis, self.weight)

    def _compute_eigenvalues(self, gram: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return eigenvalues, eigenvectors, and whether each eigenvalue is above 0 beyond rounding.

        The last eigenvector is that of the intercept.
        """
        n = len(gram) if self.penalised[-1] else len(gram) - 1
        values, vectors = np.ones(len(gram)) * self.weight, np.eye(len(gram))
        values[:n], vectors[:n, :n] = np.linalg.eigh(gram[:n, :n])
        is_positive = values > len(gram) * np.finfo(float).eps * values[:n].max(initial=0.0)
        is_positive[n:] = True
        return np.maximum(values, 0), vectors, is_positive

    def to_raw(self, w: np.ndarray) -> np.ndarray:
        """Return the coefficients of the columns as they are."""
        if self.penalised[-1]:
            return w
        return np.concatenate([w[:-1], w[-1:] - np.tensordot(self._mean[:-1], w[:-1], 1)[None]])

    def to_centred(self, w: np.ndarray) -> np.ndarray:
        """Return the centred coefficients whose `to_raw` is w."""
        if self.penalised[-1]:
            return w
        return np.concatenate([w[:-1], w[-1:] + np.tensordot(self._mean[:-1], w[:-1], 1)[None]])

    def _shift_gradient(self, gradient: np.ndarray, sign: int) -> np.ndarray:
        """Return a gradient with respect to centred coefficients from that to raw ones (-1), or the reverse (1)."""
        return gradient + sign * self._mean.reshape(-1, *[1] * (gradient.ndim - 1)) * gradient[-1:]

    def drop_undetermined(self, w: np.ndarray) -> np.ndarray:
        """Return coefficients without the parts that change no score of a training row, (P, k, s)."""
        _, vectors, is_positive = self._spectrum
        return np.tensordot(vectors, np.tensordot(vectors.T, w, 1) * is_positive[:, None, None], 1)

    def evaluate(
        self, w: np.ndarray, places: np.ndarray, dtype: Any = np.float64
    ) -> Computation[tuple[np.ndarray, np.ndarray]]:
        """Return the gradient of the loss (P, k, s), and the mean curvature in the scores, (s,).

        Products with Hessians are at these coefficients from then on, and of this dtype.
        """
        raw = self.to_raw(w)
        if not len(self._raw_coefficients):  # the first call is of all strengths
            self._raw_coefficients = np.zeros(raw.shape)
        self._raw_coefficients[:, :, places] = raw

        def evaluate(part: RowPart) -> list[Any]:
            design, weight = _get_design(part, dtype), part.weight[:, None, None]
            found = self._compute_probabilities(design, raw)
            some = found[::_SAMPLE_STRIDE]
            curvature = (some * (1 - some) * weight[::_SAMPLE_STRIDE]).sum(axis=(0, 1))
            if part.stays and len(places) == self._raw_coefficients.shape[-1]:
                part.probabilities = found
            elif (kept := part.probabilities) is not None:
                kept[:, :, places] = found
            error = found - part.targets[:, :, None].astype(dtype, copy=False)
            if (part.weight != 1).any():
                error *= weight
            return [_sum_products(design, error), curvature, part.weight[::_SAMPLE_STRIDE].sum()]

        gradient, curvature, some_weight = yield Pass(evaluate)
        curvature = np.maximum(curvature / max(self.units * some_weight, 1e-300), 1e-300)
        return self._shift_gradient(gradient.reshape(w.shape), -1), curvature

    def _compute_probabilities(self, design: np.ndarray, raw: np.ndarray) -> np.ndarray:
        """Return the probabilities of labels or classes at coefficients (P, k, s), (n, k, s)."""
        scores = design @ raw.reshape(len(raw), -1).astype(design.dtype, copy=False)
        return compute_head_probabilities(self.kind, scores.reshape(len(scores), *raw.shape[1:]))

    def _get_probabilities(self, part: RowPart, places: np.ndarray) -> np.ndarray:
        """Return the probabilities at the coefficients last evaluated."""
        found = part.probabilities
        if found is None:
            return self._compute_probabilities(_get_design(part), self._raw_coefficients[:, :, places])
        return found if len(places) == found.shape[2] else found[:, :, places]

    def multiply_by_hessian(self, v: np.ndarray, places: np.ndarray) -> Computation[np.ndarray]:
        """Return the Hessian of the loss times vectors (P, k, s)."""
        flat = self.to_raw(v).reshape(len(v), -1)

        def multiply(part: RowPart) -> list[np.ndarray]:
            probabilities = self._get_probabilities(part, places)
            design = _get_design(part, probabilities.dtype)
            change = (design @ flat.astype(design.dtype, copy=False)).reshape(probabilities.shape)
            if self.kind == "classes":
                change -= (probabilities * change).sum(axis=1, keepdims=True)
            else:
                change *= 1 - probabilities
            change *= part.weight[:, None, None]
            change *= probabilities
            return [_sum_products(design, change)]

        (found,) = yield Pass(multiply)
        return self._shift_gradient(found.reshape(v.shape), -1)

    def compute_uncertainty(self, places: np.ndarray) -> Computation[np.ndarray]:
        """Return the sums of |p - y| + p (1 - p) over rows, at the coefficients last evaluated, (k or 1, s).

        For each label, or for all classes together. It is near 0 if all rows are certain, and right.
        """

        def compute(part: RowPart) -> list[np.ndarray]:
            found = self._get_probabilities(part, places)
            uncertainty = np.abs(found - part.targets[:, :, None]) + found * (1 - found)
            total = (uncertainty * part.weight[:, None, None]).sum(axis=0)
            return [total.sum(axis=0, keepdims=True) if self.kind == "classes" else total]

        (total,) = yield Pass(compute)
        return total

    def compute_curvature(self, ridge: np.ndarray, curvature: np.ndarray) -> Computation[None]:
        """Compute the Hessians of labels at strengths (S,), from the mean curvatures in the scores, (S,)."""
        values, vectors, is_positive = self._spectrum
        scale = 1 / np.sqrt(np.where(is_positive, values, 1.0))
        basis, (places, numbers) = self.to_raw(vectors * scale), _choose_strengths(curvature)
        factors = curvature / curvature[places][numbers]

        def sum_products(part: RowPart) -> list[np.ndarray]:
            bend = self._get_probabilities(part, places)
            bend = np.sqrt(bend * (1 - bend) * part.weight[:, None, None]).astype(np.float32)
            columns = (_get_design(part) @ basis).astype(np.float32, copy=False)
            found = np.empty((len(places), self.units, *basis.shape[1:] * 2), np.float32)
            for s, k in np.ndindex(*found.shape[:2]):
                root = columns * bend[:, k, s, None]
                found[s, k] = root.T @ root  # a product of a matrix with itself takes half of the time
            return [found]

        (hessians,) = yield Pass(sum_products)
        penalty = np.outer(ridge, scale**2 * self.penalised)
        self.curvature = Curvature(basis, hessians, numbers, factors, penalty, is_positive, self.weight)

    def find_largest_scores(self, w: np.ndarray) -> Computation[np.ndarray]:
        """Return the largest scores of a training row, in absolute value, (s,).

        Scores of several classes are relative to their mean: a number added to all of them changes nothing.
        """
        flat = self.to_raw(w).reshape(len(w), -1).astype(self.rough_dtype)

        def largest(part: RowPart) -> list[np.ndarray]:
            scores = (_get_design(part, self.rough_dtype) @ flat).reshape(-1, *w.shape[1:])[part.weight > 0]
            if self.kind == "classes":
                scores -= scores.mean(axis=1, keepdims=True)
            return [np.abs(scores).max(axis=(0, 1), initial=0)]

        (found,) = yield Pass(largest, np.maximum)
        return found

    def measure_steps(self, gradient: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Return the change of the scores by steps H^-1 g, in the root mean square with weights p (1 - p), (s,)."""
        return np.sqrt(np.maximum(dot(gradient, step), 0) / self.weight)

    def precondition(
        self, gradient: np.ndarray, curvature: np.ndarray, ridge: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """Return an approximate inverse of the Hessian of loss and penalty times a gradient (P, k, s).

        Before the Hessians are known, that of a squared error of the same curvature, (s,), takes their place.
        """
        values, vectors, is_positive = self._spectrum
        if self.curvature is not None:
            raw = self._shift_gradient(gradient, 1)
            step = self.to_centred(self.curvature.solve(raw, places))
            # A larger set of rows may determine more.
            return step if is_positive.all() else np.where(ridge > 0, step, self.drop_undetermined(step))
        size = curvature * values[:, None] + ridge * np.where(self.penalised, 1.0, 0.0)[:, None]
        usable = is_positive[:, None] | ((ridge > 0) & (self.penalised > 0)[:, None])
        inverse = np.where(usable, 1 / np.where(usable, size, 1.0), 0.0)
        return np.tensordot(vectors, np.tensordot(vectors.T, gradient, 1) * inverse[:, None], 1)


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the product of two vectors (P, k, s) for each strength, (s,)."""
    with np.errstate(over="ignore", invalid="ignore"):  # without a minimum, the curvature of the loss goes to 0
        return (a * b).sum(axis=(0, 1))


def _get_design(part: RowPart, dtype: Any = np.float64) -> np.ndarray:
    return part.design().astype(dtype, copy=False)


def _sum_products(design: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the sums over rows of columns (n, P) times values (n, k, s), (P, k * s)."""
    flat = values.reshape(len(values), math.prod(values.shape[1:]))  # not -1, as a part may have no rows
    return (flat.T @ design).T.astype(np.float64, copy=False)  # in half of the time of design.T @ values


def _choose_strengths(curvature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places of strengths of different curvature, and for each strength the number of the nearest of them."""
    places = list[int]()
    for place in np.argsort(curvature):
        if not places or curvature[place] > (1 + _ALIKE) * curvature[places[-1]]:
            places.append(int(place))
    places.sort()
    return np.array(places), np.abs(np.log(curvature[places] / curvature[:, None])).argmin(axis=1)
