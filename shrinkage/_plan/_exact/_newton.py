"""Log loss with an L2 penalty: Newton's method for all strengths of a set of rows at once.

A step solves H s = g by conjugate gradients, so that the Hessian H of all classes is never made. The preconditioner is
the Hessian of a squared error of the same curvature. It has the eigenvectors of one Gram matrix for all strengths.

Source: Nocedal & Wright (2006), Numerical Optimization, chapters 5.1 and 7.1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shrinkage._plan._exact._head import Head, Kind
from shrinkage._plan._exact._losses import ACTIVATIONS
from shrinkage._plan._exact._passes import Computation, Pass, RowPart, run_passes
from shrinkage._plan._exact._ridge import Moments, Solution, compute_moments
from shrinkage._plan._exact._rows import ExactRows

_TOLERANCES = {"float32": 1e-8, "float64": 1e-10}
"""A strength has converged if a Newton step would change the scores of the rows by less, in the root mean square: far
less than the precision of the weights in float32."""
_LARGEST_SCORE_CHANGE = 0.1
"""Without a penalty the weights are not at a minimum if the last step changed the score of a row by more. Where inputs
separate classes, the gradient vanishes, and each step adds about 1 to a score, without end."""
_STEPS = 60
"""Maximum number of Newton steps. Usually 4 to 12 suffice; for classes that are separated it takes about 40."""
_INNER_STEPS = 60
_SAMPLE_STRIDE = 8  # of this number of rows, one is used for the mean curvature, which scales the preconditioner


class Logistic:
    """The minima of mean log loss plus L2 penalty.

    The minima of all rows come first, and are near those of a fold: a fold's steps begin there. A convex function has
    one minimum, wherever the steps begin.

    Args:
        rows: The rows. Each product with a Hessian is a pass over those on disk.
        head: The head of the model.
    """

    def __init__(self, rows: ExactRows, head: Head):
        self._rows, self._head = rows, head
        self._all_rows_solutions: dict[float, tuple[np.ndarray, bool]] = {}

    def solve(self, sets: Sequence[int], lam: np.ndarray) -> list[Solution]:
        """Return the solution of each set at strengths (f, S)."""
        kernel, _ = self._head.factors
        ridges = self._rows.n_train[list(sets)][:, None] * kernel * lam
        begin, converged = self._solve_all_rows(ridges[0])  # the same in all sets
        if list(sets) == [self._rows.n_sets - 1]:
            return [(begin, converged)]
        # Without a minimum, weights of all rows would tell a fold about the rows that it holds out.
        begin = np.where(converged, begin, 0.0)
        return self._minimise({f: (ridge, begin) for f, ridge in zip(sets, ridges, strict=True)})

    def _minimise(self, sets: Mapping[int, tuple[np.ndarray, np.ndarray | None]]) -> list[Solution]:
        """Return the solution of each set, from strengths and coefficients to begin at."""
        return run_passes(self._rows, {f: minimise(self._head, *arguments) for f, arguments in sets.items()})

    def _solve_all_rows(self, ridge: np.ndarray) -> Solution:
        keys = [float(f"{value:.9e}") for value in ridge]  # folds multiply and divide by their numbers of rows
        new = [place for place, key in enumerate(keys) if key not in self._all_rows_solutions]
        if new:
            ((found, converged),) = self._minimise({self._rows.n_sets - 1: (ridge[new], None)})
            for place, number in enumerate(new):
                self._all_rows_solutions[keys[number]] = found[:, :, place], bool(converged[place])
        weights, converged = zip(*(self._all_rows_solutions[key] for key in keys), strict=True)
        return np.stack(weights, axis=2), np.array(converged)


class _Loss:
    """The sum of the losses of the training rows of a set, as a function of centred coefficients.

    With an intercept, the columns are centred: the intercept is then nearly independent of the other coefficients.
    Keras averages the log losses of k labels, so that the loss has the factor 1 / k.

    Args:
        head: The head of the model.
        moments: The moments of the columns.
    """

    def __init__(self, head: Head, moments: Moments):
        self.kind: Kind = head.kind
        self.units, self.tolerance = head.units, _TOLERANCES[head.layer.compute_dtype]
        self._share, self._raw_coefficients = head.share, np.zeros(0)
        self.weight, gram = moments.weight, moments.gram
        self._mean = moments.total / self.weight
        self.penalised = np.ones(len(gram))
        if head.has_intercept:
            self.penalised[-1], self._mean[-1] = 0, 0
            centre = np.append(self._mean[:-1], 0.0)
            gram = gram - self.weight * np.outer(centre, centre)
            gram[-1, :-1] = gram[:-1, -1] = 0
        else:
            self._mean = np.zeros(len(gram))
        self._spectrum = self._compute_eigenvalues(gram)

    def _compute_eigenvalues(self, gram: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return eigenvalues, eigenvectors, and whether each eigenvalue is above 0 beyond rounding.

        An intercept has its own eigenvector, the last.
        """
        n = len(gram) if self.penalised[-1] else len(gram) - 1
        values, vectors = np.ones(len(gram)) * self.weight, np.eye(len(gram))
        values[:n], vectors[:n, :n] = np.linalg.eigh(gram[:n, :n])
        is_positive = values > len(gram) * np.finfo(float).eps * values.max(initial=0.0)
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

    def _centre_gradient(self, gradient: np.ndarray) -> np.ndarray:
        return gradient - self._mean.reshape(-1, *[1] * (gradient.ndim - 1)) * gradient[-1:]

    def evaluate(self, w: np.ndarray, places: np.ndarray) -> Computation[tuple[np.ndarray, np.ndarray]]:
        """Return the gradient of the loss (P, k, s), and the mean curvature in the scores, (s,).

        What `hessian` needs is kept, at the places of these strengths.
        """
        raw = self.to_raw(w)
        if not len(self._raw_coefficients):  # the first call is of all strengths
            self._raw_coefficients = np.zeros(raw.shape)
        self._raw_coefficients[:, :, places] = raw

        def evaluate(part: RowPart) -> list[Any]:
            design, weight = part.design(), part.weight[:, None, None]
            found = self._compute_probabilities(design, raw)
            some = found[::_SAMPLE_STRIDE]
            curvature = (some * (1 - some) * weight[::_SAMPLE_STRIDE]).sum(axis=(0, 1))
            if part.stays:
                if part.factors is None:
                    part.factors = np.zeros((len(found), *self._raw_coefficients.shape[1:]))
                part.factors[:, :, places] = self._compute_factors(part, found)
            found -= part.targets[:, :, None]
            found *= weight
            return [design.T @ found.reshape(len(found), -1), curvature, part.weight[::_SAMPLE_STRIDE].sum()]

        gradient, curvature, some_weight = yield Pass(evaluate)
        curvature = np.maximum(curvature / max(self.units * some_weight, 1e-300), 1e-300)
        return self._centre_gradient(gradient.reshape(w.shape)), curvature * self._share

    def _compute_probabilities(self, design: np.ndarray, raw: np.ndarray) -> np.ndarray:
        """Return the probabilities of labels or classes at coefficients (P, k, s), (n, k, s)."""
        scores = design @ raw.reshape(len(raw), -1)
        return ACTIVATIONS[self.kind](scores.reshape(len(scores), *raw.shape[1:]))

    def _compute_factors(self, part: RowPart, probabilities: np.ndarray) -> np.ndarray:
        """Return the factors of the Hessian from probabilities (n, k, s): these, or for labels their variances."""
        if self.kind == "classes":
            return probabilities
        bend = 1 - probabilities
        bend *= probabilities
        bend *= part.weight[:, None, None]
        return bend

    def hessian(self, v: np.ndarray, places: np.ndarray) -> Computation[np.ndarray]:
        """Return the Hessian of the loss times vectors (P, k, s), at the coefficients last evaluated."""
        flat, at = self.to_raw(v).reshape(len(v), -1), self._raw_coefficients[:, :, places]

        def multiply(part: RowPart) -> list[np.ndarray]:
            design = part.design()
            if part.factors is None:
                factors = self._compute_factors(part, self._compute_probabilities(design, at))
            else:
                factors = part.factors if len(places) == part.factors.shape[2] else part.factors[:, :, places]
            change = (design @ flat).reshape(factors.shape)
            if self.kind == "classes":
                change -= (factors * change).sum(axis=1, keepdims=True)
                change *= part.weight[:, None, None]
            change *= factors
            return [design.T @ change.reshape(len(change), -1)]

        (found,) = yield Pass(multiply)
        return self._centre_gradient(found.reshape(v.shape))

    def find_largest_score(self, w: np.ndarray) -> Computation[np.ndarray]:
        """Return the largest score of a training row, in absolute value, (s,).

        Scores of several classes are relative to their mean: a number added to all of them changes nothing.
        """
        flat = self.to_raw(w).reshape(len(w), -1)

        def largest(part: RowPart) -> list[np.ndarray]:
            scores = (part.design() @ flat).reshape(-1, *w.shape[1:])[part.weight > 0]
            if self.kind == "classes":
                scores -= scores.mean(axis=1, keepdims=True)
            return [np.abs(scores).max(axis=(0, 1), initial=0)]

        (found,) = yield Pass(largest, np.maximum)
        return found

    def precondition(self, gradient: np.ndarray, curvature: np.ndarray, ridge: np.ndarray) -> np.ndarray:
        """Return the inverse of curvature * G + ridge times a gradient (P, k, s), for each strength, (s,)."""
        values, vectors, is_positive = self._spectrum
        size = curvature * values[:, None] + ridge * np.where(self.penalised, 1.0, 0.0)[:, None]
        usable = is_positive[:, None] | ((ridge > 0) & (self.penalised > 0)[:, None])
        inverse = np.where(usable, 1 / np.where(usable, size, 1.0), 0.0)
        return np.tensordot(vectors, np.tensordot(vectors.T, gradient, 1) * inverse[:, None], 1)


def minimise(head: Head, ridge: np.ndarray, start: np.ndarray | None = None) -> Computation[Solution]:
    """Minimise the loss of a set plus 1/2 ridge times the squared penalised coefficients, for all strengths (S,).

    Args:
        head: The head of the model.
        ridge: The strengths on the sum of the losses, (S,).
        start: The coefficients to begin at, (P, k, S); None for 0.

    Returns:
        The coefficients of the columns, (P, k, S), and whether they are minima, (S,).
    """
    (moments,) = yield Pass(lambda part: [compute_moments(part.design(), part.weight)])
    loss = _Loss(head, moments)
    penalised = loss.penalised[:, None, None]
    shape = len(penalised), loss.units, len(ridge)
    w = np.zeros(shape) if start is None else loss.to_centred(start)
    step, gradient = np.zeros(shape), np.zeros(shape)
    curvature, converged, settled = np.ones(len(ridge)), np.zeros(len(ridge), bool), np.zeros(len(ridge), bool)
    for _ in range(_STEPS):
        tried = np.flatnonzero(~converged)
        trial = w[:, :, tried] - step[:, :, tried]
        slope, bend = yield from loss.evaluate(trial, tried)
        slope = slope + ridge[tried] * penalised * trial
        # The objective is convex: it may rise in the end of a step if it has turned upwards steeply.
        before, after = (_dot(each, step[:, :, tried]) for each in (gradient[:, :, tried], slope))
        fits = after >= -0.9 * before
        step[:, :, tried[~fits]] /= 2
        moved = tried[fits]
        w[:, :, moved], gradient[:, :, moved], curvature[moved] = trial[:, :, fits], slope[:, :, fits], bend[fits]
        direct = loss.precondition(gradient[:, :, moved], curvature[moved], ridge[moved])
        size = np.sqrt(np.maximum(_dot(gradient[:, :, moved], direct), 0) / loss.weight)
        converged[moved] = size <= loss.tolerance
        for place in moved[converged[moved]]:
            settled[place] = ridge[place] > 0 or (yield from _is_settled(loss, w[:, :, [place]], step[:, :, [place]]))
        moved, size = moved[~converged[moved]], size[~converged[moved]]
        if converged.all():
            break
        if len(moved):
            some = gradient[:, :, moved], curvature[moved], ridge[moved]
            step[:, :, moved] = yield from _compute_newton_steps(loss, *some, np.minimum(0.1, size), moved)
    return loss.to_raw(w), settled


def _is_settled(loss: _Loss, w: np.ndarray, step: np.ndarray) -> Computation[bool]:
    """Return whether the last step without a penalty was small, as near a minimum; w and step are (P, k, 1)."""
    change = yield from loss.find_largest_score(step)
    size = yield from loss.find_largest_score(w)
    return bool(change[0] <= max(_LARGEST_SCORE_CHANGE, 1e-3 * size[0]))


def _compute_newton_steps(
    loss: _Loss,
    gradient: np.ndarray,
    curvature: np.ndarray,
    ridge: np.ndarray,
    accuracy: np.ndarray,
    places: np.ndarray,
) -> Computation[np.ndarray]:
    """Solve H s = g by preconditioned conjugate gradients, each strength to a relative accuracy, (s,)."""
    penalised, left = loss.penalised[:, None, None], gradient.copy()
    steps = np.zeros_like(left)
    direction = towards = loss.precondition(left, curvature, ridge)
    now = begin = _dot(left, towards)
    goes_on = np.full(len(ridge), True)
    for _ in range(_INNER_STEPS):
        bent = (yield from loss.hessian(direction, places)) + ridge * penalised * direction
        along = _dot(direction, bent)
        goes_on &= along > 0  # else rounding rules
        length = np.where(goes_on, now / np.where(goes_on, along, 1.0), 0.0)
        steps, left = steps + length * direction, left - length * bent
        towards = loss.precondition(left, curvature, ridge)
        after = _dot(left, towards)
        goes_on &= after > accuracy**2 * begin
        if not goes_on.any():
            break
        direction = towards + np.where(goes_on, after / np.where(now > 0, now, 1.0), 0.0) * direction
        now = after
    return steps


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the product of two vectors (P, k, s) for each strength, (s,)."""
    with np.errstate(over="ignore", invalid="ignore"):  # without a minimum, the curvature of the loss goes to 0
        return (a * b).sum(axis=(0, 1))
