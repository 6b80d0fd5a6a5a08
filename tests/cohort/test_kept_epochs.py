"""The epoch that a strength keeps: the best, the last, or a number."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage._cohort._cohort import Evaluation
from shrinkage._cohort._train import Progress
from shrinkage._cv._choice import choose_epochs

EPOCHS, ROWS, STRENGTHS = 6, 12, 4
seeds = st.integers(0, 2**32 - 1)


def draw_losses(seed: int) -> np.ndarray:
    """Return losses of rows (E, m, S), some of which differ little between epochs, and some of which diverge."""
    random = np.random.default_rng(seed)
    steps = random.normal(scale=random.choice([0.02, 0.3], STRENGTHS), size=(EPOCHS, 1, STRENGTHS))
    noise = random.normal(scale=random.choice([0.02, 0.3]), size=(EPOCHS, ROWS, STRENGTHS))
    losses = random.random((1, ROWS, 1)) + 2 + steps + noise
    losses[random.integers(1, EPOCHS) :, :, random.integers(STRENGTHS)] *= random.choice([1.0, np.nan])
    return losses


def train(losses: np.ndarray, keep: Any) -> Progress:
    """Return the state after the epochs."""
    progress = Progress.begin((1, STRENGTHS))
    for loss in losses:
        mean, diverged = loss.mean(axis=0)[None], np.zeros((1, STRENGTHS), bool)
        evaluation = Evaluation(mean, mean, loss.copy(), loss * 2)
        progress.add(diverged, evaluation, keep=keep, average=lambda each: each[0])
    return progress


def assert_kept(progress: Progress, losses: np.ndarray, epochs: np.ndarray) -> None:
    """Check the kept epochs, and that the kept losses and predictions of the rows are of these epochs."""
    np.testing.assert_array_equal(progress.kept_epoch, epochs)
    row_loss, predictions, _ = progress.kept
    kept = losses[np.asarray(epochs) - 1, :, np.arange(STRENGTHS)].T
    valid = np.isfinite(losses).all(axis=(0, 1))
    assert valid.sum() >= STRENGTHS - 1
    np.testing.assert_array_equal(row_loss[:, valid], kept[:, valid])
    np.testing.assert_array_equal(predictions[:, valid], 2 * kept[:, valid])


@given(seeds)
@pytest.mark.parametrize("keep", ["best", "last", 3])
def test_the_kept_epoch_is_that_of_the_mean_curve(keep, seed):
    losses = draw_losses(seed)
    progress = train(losses, keep)
    assert_kept(progress, losses, choose_epochs(np.stack(progress.cv_loss, axis=-1), [1.0], keep))
