"""The losses of a search for TensorBoard: of each strength over the epochs, and over the strengths."""

from collections.abc import Sequence

import numpy as np

from shrinkage._cohort._train import Scores
from shrinkage._cv._choice import choose_epochs, get_losses_at_epochs
from shrinkage._cv._statistics import summarise, summarise_split
from shrinkage._problem._problem import Problem
from shrinkage._progress._snapshot import BestStrength
from shrinkage._progress._tensorboard import TensorBoard

HELD_OUT, TRAINING = "held-out loss", "training loss"


class Log:
    """Writes the losses of a search. Means are over the folds, as in the table of a path.

    Args:
        problem: The problem.
        board: The files.
    """

    def __init__(self, problem: Problem, board: TensorBoard):
        self._problem, self._board = problem, board
        self._weights = problem.fold_weight, problem.train_weight
        self._n_epochs = dict[float, int]()  # of each strength, as a part may begin again
        self._step = 0

    def write_epochs(
        self,
        lams: np.ndarray,
        cv_loss: Sequence[np.ndarray],
        train_loss: Sequence[np.ndarray],
        best: BestStrength | None,
    ) -> None:
        """Write the epochs that are not written yet.

        Args:
            lams: The strengths of a part, (s,).
            cv_loss: The held-out losses of each epoch so far, (f, s or more) each.
            train_loss: The training losses, in the same way.
            best: The best strength after these epochs.
        """
        first = self._n_epochs.get(lams[0], 0)
        for epoch, losses in enumerate(zip(cv_loss[first:], train_loss[first:], strict=True), first + 1):
            means = [summarise(loss, weight)[0] for loss, weight in zip(losses, self._weights, strict=True)]
            for lam, held_out, training in zip(lams.tolist(), *means, strict=False):
                self._board.write(self._board.get_run_name(lam), epoch, {HELD_OUT: held_out, TRAINING: training})
                self._n_epochs[lam] = epoch
            self._step += 1
        if len(cv_loss) > first and best is not None:
            self._board.write("search", self._step, {f"best {HELD_OUT}": best.loss, "best lambda": best.lam})

    def write_path(self, lams: np.ndarray, scores: Scores) -> None:
        """Write the curve over the strengths (S,), at the chosen epochs. The step is the index of the strength."""
        problem = self._problem
        epochs = choose_epochs(scores.cv_loss, problem.fold_weight, problem.epoch)
        fold_loss = get_losses_at_epochs(scores.cv_loss, epochs)
        rows = scores.row_loss, problem.row_weight, problem.row_groups
        mean, se = summarise_split(fold_loss, problem.fold_weight, problem.folds, *rows)
        training = summarise(get_losses_at_epochs(scores.train_loss, epochs), problem.train_weight)[0]
        for index, values in enumerate(zip(mean, se, training, lams, epochs, strict=True)):
            names = HELD_OUT, "standard error", TRAINING, "lambda", "epoch"
            self._board.write("path", index, dict(zip(names, map(float, values), strict=True)))
