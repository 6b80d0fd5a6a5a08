"""The epoch that a strength keeps: the best, the last, a number, or the latest that is close to the best."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage._cohort._cohort import Evaluation
from shrinkage._cohort._train import Progress
from shrinkage._cv._choice import choose_epochs, find_close_losses

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


def train(losses: np.ndarray, scored: np.ndarray, **options: Any) -> Progress:
    """Return the state after the epochs, of which some are scored."""
    progress = Progress.begin((1, STRENGTHS))
    for loss, is_scored in zip(losses, scored, strict=True):
        if is_scored:
            mean, diverged = loss.mean(axis=0)[None], np.zeros((1, STRENGTHS), bool)
            evaluation = Evaluation(mean, mean, loss.copy(), loss * 2)
            progress.add(diverged, evaluation, average=lambda each: each[0], **options)
        else:
            progress.add_unscored(np.zeros((1, STRENGTHS), bool))
    return progress


def assert_kept(progress: Progress, losses: np.ndarray, epochs: np.ndarray) -> None:
    """Check the kept epochs, and that the kept losses and predictions of the rows are of these epochs."""
    np.testing.assert_array_equal(progress.kept_epoch, epochs)
    row_loss, predictions, _ = progress.kept
    kept = losses[np.asarray(epochs) - 1, :, np.arange(STRENGTHS)].T
    np.testing.assert_array_equal(row_loss, kept)
    np.testing.assert_array_equal(predictions, 2 * kept)


@given(seeds, seeds, st.sampled_from(["weights", "groups", "none"]))
def test_the_latest_epoch_within_two_paired_errors_of_the_best_is_kept(seed, other, kind):
    losses = draw_losses(seed)
    scored = np.random.default_rng(other).random(EPOCHS) < 0.7
    scored[[0, -1]] = True
    groups = np.arange(ROWS) // 2 if kind == "groups" else None
    weight = np.repeat([1.0, 0.0], ROWS // 2) if kind == "weights" else None
    rows = slice(0, ROWS // 2) if kind == "weights" else slice(None)
    used = losses.copy()
    if kind == "weights":  # the mean is over the rows with a weight
        used[:, ROWS // 2 :] = used[:, : ROWS // 2]
    progress = train(used, scored, keep="best", is_close=partial(find_close_losses, weight=weight, groups=groups))
    expected = []
    for strength in range(STRENGTHS):
        loss = np.where(scored[:, None], used[:, rows, strength], np.nan)
        mean = loss.mean(axis=1)
        best = int(np.nanargmin(mean))
        units = loss if groups is None else loss.reshape(EPOCHS, -1, 2).mean(axis=2)
        error = (units - units[best]).std(axis=1, ddof=1) / np.sqrt(units.shape[1])
        expected.append(1 + int(np.flatnonzero(mean <= mean[best] + 2 * error + 1e-12)[-1]))
    assert_kept(progress, used, np.array(expected))


@given(seeds)
@pytest.mark.parametrize("keep", ["best", "last", 3])
def test_without_it_the_epoch_is_that_of_the_mean_curve(keep, seed):
    losses = draw_losses(seed)
    progress = train(losses, np.ones(EPOCHS, bool), keep=keep)
    assert_kept(progress, losses, choose_epochs(np.stack(progress.cv_loss, axis=-1), [1.0], keep))


def test_an_epoch_is_close_to_the_best_by_chance_alone():
    """Of two epochs with the same difference of the means, that with the larger differences of the rows is close."""
    best, noise = np.full(ROWS, 0.5), np.tile([-1.0, 1.0], ROWS // 2)
    row_loss = np.stack([best + 0.1 + 0.01 * noise, best + 0.1 + noise], axis=1)
    mean, of_best = row_loss.mean(axis=0), np.stack([best, best], axis=1)
    assert find_close_losses(mean, of_best.mean(axis=0), row_loss, of_best).tolist() == [False, True]
