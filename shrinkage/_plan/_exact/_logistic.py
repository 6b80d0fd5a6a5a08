"""The solver of log losses with an L2 penalty: from a sample to all rows, and from these to the folds."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from shrinkage._plan._exact._curvature import Curvature
from shrinkage._plan._exact._head import Head
from shrinkage._plan._exact._log_loss import LogLoss
from shrinkage._plan._exact._moments import Moments, compute_set_moments
from shrinkage._plan._exact._newton import NEAR, minimise
from shrinkage._plan._exact._passes import Computation, Pass, run_passes
from shrinkage._plan._exact._ridge import Solution
from shrinkage._plan._exact._rows import ExactRows

_TOLERANCES = {"float32": 1e-8, "float64": 1e-10}
"""A strength has converged if a Newton step would change the scores of the rows by less, in the root mean square."""
_HESSIAN_TOLERANCE = 1e-7
"""The same for float32 with Hessians, by which the change is exact. Weights that are rounded to float32 have it too."""
_SAMPLE_TOLERANCE = 1e-4
_SAMPLE_ROWS = 100
"""Rows of the sample for each coefficient: its minima are then near those of all rows."""
_LABEL_ROWS = 10
"""Rows of the sample with each label, and without it, for each column."""
_MOST_COLUMNS = 512
_ROWS_PER_COLUMN = 20
"""With more columns or fewer rows, Hessians take longer than the products that they save."""


class Logistic:
    """The minima of mean log loss plus L2 penalty.

    The minima of a sample come first, then those of all rows, then those of the folds. Each begins at the minima
    before: a convex function has one minimum, wherever the steps begin.

    Args:
        rows: The rows. Each product with a Hessian is a pass over those on disk.
        head: The head of the model.
    """

    def __init__(self, rows: ExactRows, head: Head):
        self._rows, self._head = rows, head
        self._all_rows_solutions: dict[float, tuple[np.ndarray, bool]] = {}
        self._curvature: tuple[list[float], Curvature | None] = [], None
        self._makes_hessians, dtype = has_hessians(head, rows), head.layer.compute_dtype
        self._tolerance = _TOLERANCES[dtype]
        if self._makes_hessians and dtype == "float32":
            self._tolerance = _HESSIAN_TOLERANCE

    def solve(self, sets: Sequence[int], lam: np.ndarray) -> list[Solution]:
        """Return the solution of each set at strengths (f, S)."""
        kernel, _ = self._head.factors
        ridges = self._rows.n_train[list(sets)][:, None] * kernel * lam
        begin, converged = self._solve_all_rows(ridges[0])  # the same in all sets
        if list(sets) == [self._rows.n_sets - 1]:
            return [(begin, converged)]
        # Without a minimum, weights of all rows would tell a fold about the rows that it holds out.
        begin = np.where(converged, begin, 0.0)
        keys, curvature = self._curvature
        curvature = curvature if keys == _make_keys(ridges[0]) else None
        losses = [self._make_loss(f, curvature) for f in sets]
        starts = [begin] * len(sets)
        if curvature is not None and converged.all() and self._holds_out_few(sets):
            starts = self._predict_minima(sets, losses, ridges, begin)
        computations = {
            f: minimise(loss, ridge, self._tolerance, start, makes_hessians=self._makes_hessians)
            for f, loss, ridge, start in zip(sets, losses, ridges, starts, strict=True)
        }
        return run_passes(self._rows, computations)

    def _holds_out_few(self, sets: Sequence[int]) -> bool:
        """Return whether each fold trains on more rows than it leaves out, and all sets have the same columns."""
        n_train = self._rows.n_train
        return not self._rows.adapts and 2 * n_train[list(sets)].min() > n_train[-1]

    def _predict_minima(
        self, sets: Sequence[int], losses: Sequence[LogLoss], ridges: np.ndarray, begin: np.ndarray
    ) -> list[np.ndarray]:
        """Return where each fold begins: a Newton step from the minima of all rows, (P, k, S)."""
        computations = {
            f: _step_from_all_rows(loss, ridge, begin) for f, loss, ridge in zip(sets, losses, ridges, strict=True)
        }
        return run_passes(self._rows, computations, weigh=self._rows.compute_left_out_weight)

    def _solve_all_rows(self, ridge: np.ndarray) -> Solution:
        keys = _make_keys(ridge)
        new = [place for place, key in enumerate(keys) if key not in self._all_rows_solutions]
        if new:
            f, start = self._rows.n_sets - 1, self._solve_sample(ridge[new])
            loss = self._make_loss(f)
            computation = minimise(loss, ridge[new], self._tolerance, start, makes_hessians=self._makes_hessians)
            ((found, converged),) = run_passes(self._rows, {f: computation})
            self._curvature = [keys[place] for place in new], loss.curvature
            for place, number in enumerate(new):
                self._all_rows_solutions[keys[number]] = found[:, :, place], bool(converged[place])
        weights, converged = zip(*(self._all_rows_solutions[key] for key in keys), strict=True)
        return np.stack(weights, axis=2), np.array(converged)

    def _solve_sample(self, ridge: np.ndarray) -> np.ndarray | None:
        """Return about the minima of a sample of all rows, (P, k, S); None if it would not be much smaller.

        A label with few rows needs a larger sample: without rows of a label the weights grow without limit.
        """
        f, n = self._rows.n_sets - 1, self._head.n_columns
        shift, moments = self._moments[0], self._moments[1][f]
        rarest = _find_rarest(moments.total[n:] + moments.weight * shift[n:], moments.weight)
        stride = int(2 * rarest // (_SAMPLE_ROWS * self._head.units * n))
        if stride < 4:
            return None
        computation = _minimise_sample(self._make_loss(f, share=1 / stride), ridge / stride)
        return run_passes(self._rows, {f: computation}, stride)[0]

    def _make_loss(self, f: int, curvature: Curvature | None = None, share: float = 1.0) -> LogLoss:
        n, shift, moments = self._head.n_columns, self._moments[0], self._moments[1][f]
        moments = Moments(moments.weight, moments.total[:n], moments.gram[:n, :n])
        loss = LogLoss(self._head, shift[:n], moments.scale(share * self._head.share))
        if curvature is not None:
            loss.adopt(curvature)
        return loss

    @cached_property
    def _moments(self) -> tuple[np.ndarray, list[Moments]]:
        """The shift of the columns of design and targets, and the moments of each set."""
        # Files of columns that differ between sets would all be on disk together.
        get_design = self._rows.get_design if self._rows.adapts else self._rows.get_stored_design
        return compute_set_moments(self._rows, self._head, get_design)


def _step_from_all_rows(loss: LogLoss, ridge: np.ndarray, begin: np.ndarray) -> Computation[np.ndarray]:
    """Return the coefficients after a Newton step from the minima of all rows, in a pass over the rows left out.

    At the minima of all rows, the gradient of the other rows' loss and the penalty is minus that of the rows left out.
    A large step is not taken, as the Hessian may have changed on it.

    Args:
        loss: The loss of the training rows.
        ridge: The strengths on the sum of the losses, (S,), the same as of all rows.
        begin: The minima of all rows, (P, k, S).
    """
    w, places = loss.to_centred(begin), np.arange(len(ridge))
    gradient, curvature = yield from loss.evaluate(w, places, loss.rough_dtype)
    step = loss.precondition(gradient, curvature, ridge, places)
    return loss.to_raw(np.where(loss.measure_steps(gradient, step) <= NEAR, w + step, w))


def _minimise_sample(loss: LogLoss, ridge: np.ndarray) -> Computation[np.ndarray | None]:
    """Return about the minima, 0 where there is none, or None if a label has too few rows."""
    total, n_rows = yield Pass(lambda part: [part.targets.sum(axis=0), len(part.targets)])
    if _find_rarest(total, n_rows) < _LABEL_ROWS * len(loss.penalised):
        return None
    found, converged = yield from minimise(loss, ridge, _SAMPLE_TOLERANCE)
    return np.where(converged, found, 0.0)


def _find_rarest(total: np.ndarray, n_rows: float) -> float:
    """Return the least number of rows with a label, or without it, of rows whose targets have these totals, (k,)."""
    return float(np.minimum(total, n_rows - total).min())


def has_hessians(head: Head, rows: ExactRows) -> bool:
    """Return whether the solver computes Hessians, (k, P, P) for each strength."""
    n, k = head.n_columns, head.units
    return head.kind == "binary" and k * n**2 <= _MOST_COLUMNS**2 and rows.n_train[-1] >= _ROWS_PER_COLUMN * n


def _make_keys(ridge: np.ndarray) -> list[float]:
    return [float(f"{value:.9e}") for value in ridge]  # folds multiply and divide by their numbers of rows
