"""Newton's method for the minima of a log loss with an L2 penalty, at all strengths of a set of rows together.

A step solves H s = g by preconditioned conjugate gradients, so that the Hessian H of all classes is never made. First
the preconditioner is the Hessian of a squared error of the same curvature, which has the eigenvectors of a Gram matrix
for all strengths. For labels, the Hessians themselves are computed once, near the minima of all rows. With the Gram
matrix of a fold they are nearly the Hessians of the fold too, and then a step is H^-1 g.

Source: Nocedal & Wright (2006), Numerical Optimization, chapters 3.3, 5.1 and 7.1.
"""

from typing import Any

import numpy as np

from shrinkage._plan._exact._log_loss import LogLoss, dot
from shrinkage._plan._exact._passes import Computation
from shrinkage._plan._exact._ridge import Solution

_LARGEST_SCORE_CHANGE = 0.1
"""Without a penalty the weights are not at a minimum if the last step changed the score of a row by more, and by more
than a share of the largest score. Where inputs separate classes, the gradient vanishes, and each step adds about 1 to a
score, without end."""
_LARGEST_SHARE = 1e-3
_LARGEST_SHARE_IF_FAST = 1e-2
"""The share where a step is much smaller than the last: where inputs separate classes, it is 0.6 of the last."""
_LEAST_UNCERTAINTY = 1e-3
"""With a smaller uncertainty of all rows together, the inputs separate the classes. Otherwise, a row on the side of
another class alone has 0.5."""
_STEPS = 60
"""Maximum number of Newton steps. Usually 4 to 12 suffice; for classes that are separated it takes about 40."""
_INNER_STEPS = 60
_ACCURATE = np.array([1e-3])
"""The relative accuracy of a step that decides whether classes are separated, (1,)."""
NEAR = 0.05
"""Hessians are computed as soon as a step changes the scores by less, in the root mean square, as they then hardly
change."""
_LEAST_CURVATURE = 1e-3
"""With a smaller mean curvature in the scores, few rows determine a Hessian, and it changes with each step."""
_FAST = 0.2
"""Steps H^-1 g with the Hessians suffice while they are small, and each is smaller than the last by this factor."""


def minimise(
    loss: LogLoss, ridge: np.ndarray, tolerance: float, start: np.ndarray | None = None, *, makes_hessians: bool = False
) -> Computation[Solution]:
    """Minimise the loss of a set plus 1/2 ridge times the squared penalised coefficients, for all strengths (S,).

    Args:
        loss: The loss.
        ridge: The strengths on the sum of the losses, (S,).
        tolerance: A strength has converged if a step would change the scores by less, in the root mean square.
        start: The coefficients to begin at, (P, k, S); None for 0.
        makes_hessians: Whether Hessians are computed, if the loss has none.

    Returns:
        The coefficients of the columns, (P, k, S), and whether they are minima, (S,).
    """
    descent = _Descent(loss, ridge, tolerance, start)
    for number in range(_STEPS):
        begins = makes_hessians and start is not None and number == 0
        dtype = loss.rough_dtype if begins else np.float64
        places = yield from descent.take_steps(dtype)
        size = descent.compute_direct_steps(places)
        is_near = size.max(initial=0.0) <= NEAR and descent.curvature.min() >= _LEAST_CURVATURE
        if makes_hessians and loss.curvature is None and is_near:
            yield from loss.compute_curvature(ridge, descent.curvature)
            size = descent.compute_direct_steps(places)
        yield from descent.find_minima(places, size, is_exact=dtype is np.float64)
        if descent.converged.all():
            break
        yield from descent.compute_newton_steps(places)
    return loss.to_raw(descent.w), descent.settled


class _Descent:
    """The steps of Newton's method at strengths (S,)."""

    def __init__(self, loss: LogLoss, ridge: np.ndarray, tolerance: float, start: np.ndarray | None):
        self._loss, self._ridge, self._tolerance = loss, ridge, tolerance
        self._penalised = loss.penalised[:, None, None]
        shape = len(loss.penalised), loss.units, len(ridge)
        self.w = np.zeros(shape) if start is None else loss.to_centred(start)
        """The centred coefficients, (P, k, S)."""
        if not ridge.all():  # where no penalty draws the parts that the loss does not depend on to 0
            self.w = np.where(ridge > 0, self.w, loss.drop_undetermined(self.w))
        self._step, self._gradient = np.zeros(shape), np.zeros(shape)
        self.curvature = np.ones(len(ridge))
        """The mean curvature in the scores, (S,)."""
        self.size = np.full(len(ridge), np.inf)
        """The change of the scores by the last step, in the root mean square, (S,)."""
        self.converged, self.settled = np.zeros(len(ridge), bool), np.zeros(len(ridge), bool)
        self._is_fast = np.zeros(len(ridge), bool)

    def take_steps(self, dtype: Any) -> Computation[np.ndarray]:
        """Take the steps of the strengths that have not converged; return the places of those that moved."""
        tried = np.flatnonzero(~self.converged)
        step = self._step[:, :, tried]
        trial = self.w[:, :, tried] - step
        slope, curvature = yield from self._loss.evaluate(trial, tried, dtype)
        slope = slope + self._ridge[tried] * self._penalised * trial
        # The objective is convex: it may rise in the end of a step if it has turned upwards steeply.
        before, after = dot(self._gradient[:, :, tried], step), dot(slope, step)
        fits = after >= -0.9 * before
        self._step[:, :, tried[~fits]] /= 2
        moved = tried[fits]
        self.w[:, :, moved], self._gradient[:, :, moved] = trial[:, :, fits], slope[:, :, fits]
        self.curvature[moved] = curvature[fits]
        return moved

    def compute_direct_steps(self, places: np.ndarray) -> np.ndarray:
        """Set the next steps to the preconditioned gradients; return their sizes, (s,)."""
        gradient = self._gradient[:, :, places]
        self._direct = self._loss.precondition(gradient, self.curvature[places], self._ridge[places], places)
        return self._loss.measure_steps(gradient, self._direct)

    def find_minima(self, places: np.ndarray, size: np.ndarray, *, is_exact: bool) -> Computation[None]:
        """Find the strengths that have converged: none by a gradient in float32, which is not exact."""
        loss = self._loss
        rate, was_fast = size / self.size[places], self._is_fast[places]
        is_fast = (rate <= _FAST) & (size <= NEAR) & (loss.curvature is not None)
        # The next step would be as much smaller than this step as this step is smaller than the last.
        is_last = is_exact & is_fast & was_fast & (rate * size <= self._tolerance)
        self.w[:, :, places[is_last]] -= self._direct[:, :, is_last]
        ends = is_last | (is_exact & (size <= self._tolerance))
        self.size[places], self._is_fast[places], self.converged[places] = size, is_fast, ends
        self.settled[places] = ends & (self._ridge[places] > 0)
        looks_certain = self.curvature[places] * loss.weight < _LEAST_UNCERTAINTY
        for i in np.flatnonzero((ends | looks_certain) & (self._ridge[places] == 0)):
            place = places[[i]]
            is_separated = (yield from loss.compute_uncertainty(place)).min() < _LEAST_UNCERTAINTY
            self.converged[place] |= is_separated
            if ends[i] and not is_separated:
                share = _LARGEST_SHARE_IF_FAST if rate[i] <= _FAST else _LARGEST_SHARE
                self.settled[place] = yield from self._is_settled(place, share)

    def _is_settled(self, place: np.ndarray, share: float) -> Computation[bool]:
        """Return whether the last step of a strength without a penalty was small, as near a minimum.

        Of classes the next step must be small too: the last may lack the part along which some classes are separated.
        """
        last, following = self._step[:, :, place], np.zeros_like(self._step[:, :, place])
        if self._loss.kind == "classes":
            following = yield from _solve_by_conjugate_gradients(
                self._loss, self._gradient[:, :, place], self.curvature[place], self._ridge[place], _ACCURATE, place
            )
        both = np.concatenate([last, following, self.w[:, :, place]], axis=2)
        change, next_change, size = yield from self._loss.find_largest_scores(both)
        return bool(change <= max(_LARGEST_SCORE_CHANGE, share * size) and next_change <= _LARGEST_SCORE_CHANGE)

    def compute_newton_steps(self, places: np.ndarray) -> Computation[None]:
        """Compute the next steps of the strengths at some places."""
        self._step[:, :, places] = self._direct
        slow = places[~self._is_fast[places] & ~self.converged[places]]
        if len(slow):
            self._step[:, :, slow] = yield from _solve_by_conjugate_gradients(
                self._loss, self._gradient[:, :, slow], self.curvature[slow], self._ridge[slow],
                np.minimum(0.1, self.size[slow]), slow,
            )  # fmt: skip


def _solve_by_conjugate_gradients(
    loss: LogLoss,
    gradient: np.ndarray,
    curvature: np.ndarray,
    ridge: np.ndarray,
    accuracy: np.ndarray,
    places: np.ndarray,
) -> Computation[np.ndarray]:
    """Solve H s = g by preconditioned conjugate gradients, each strength to a relative accuracy, (s,)."""
    penalised, left = loss.penalised[:, None, None], gradient.copy()
    steps = np.zeros_like(left)
    direction = towards = loss.precondition(left, curvature, ridge, places)
    now = begin = dot(left, towards)
    goes_on = np.full(len(ridge), True)
    for _ in range(_INNER_STEPS):
        bent = (yield from loss.multiply_by_hessian(direction, places)) + ridge * penalised * direction
        along = dot(direction, bent)
        goes_on &= along > 0  # else rounding rules
        length = np.where(goes_on, now / np.where(goes_on, along, 1.0), 0.0)
        steps, left = steps + length * direction, left - length * bent
        towards = loss.precondition(left, curvature, ridge, places)
        after = dot(left, towards)
        goes_on &= after > accuracy**2 * begin
        if not goes_on.any():
            break
        direction = towards + np.where(goes_on, after / np.where(now > 0, now, 1.0), 0.0) * direction
        now = after
    return steps
