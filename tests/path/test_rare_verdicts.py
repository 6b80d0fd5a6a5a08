"""Situations in which an early part of the verdict has nothing to go by, and what it says instead."""

from typing import Any

import numpy as np
import pytest

from shrinkage._path._path import Path
from tests.synthetic_path import StubTemplate, diverged, make_path, path_of_curves

LAMS = [0.1, 0.01, 0.0]
N_EPOCHS = 100
FALL = np.exp(-np.arange(1, N_EPOCHS + 1) / 5)


def flat(held_out: Any, training: Any, **changes: Any) -> Path:
    """Trainings that have levelled off at the given losses, without a penalty last."""
    held_out, training = (np.asarray(levels, float)[:, None] + FALL for levels in (held_out, training))
    return path_of_curves(held_out, training, LAMS, **changes)


def overfitting(penalised: float = 0.9, **changes: Any) -> Path:
    """Without a penalty the held-out loss is 0.5 at epoch 8 and 0.7 after 100; with one it levels off where told."""
    none = np.interp(np.arange(1, N_EPOCHS + 1), [0, 8, N_EPOCHS], [1.0, 0.5, 0.7])
    return path_of_curves([penalised + 0.1 * FALL] * 2 + [none], [0.3 + FALL] * 2 + [0.05 + FALL], LAMS, **changes)


def test_no_penalty_is_best_at_a_late_epoch_that_was_asked_for():
    words = overfitting(epoch=N_EPOCHS).verdict()
    assert "No penalty lowers the loss at epoch 100; stopping without a penalty at epoch 8 gives 0.5000." in words


def test_a_late_epoch_without_a_penalty_is_above_a_constant_that_its_best_is_below():
    words = overfitting(epoch=N_EPOCHS, null=0.6).verdict()
    assert words.startswith("No strength beats the best constant (log loss 0.6")
    assert "at its chosen epoch." in words and "0.5000 at its best epoch, 8" in words


def test_a_training_that_diverged_is_not_said_to_overfit():
    plain = flat([1.2, 1.2, 1.2], [1.1, 1.1, 1.1])
    without = path_of_curves(plain.cv_loss.mean(axis=0), plain.train_loss.mean(axis=0), LAMS)
    path = flat([1.2] * 3, [0.9] * 3, **diverged(without, np.array([False, False, True])))
    words = path.verdict()
    assert path.failed.tolist() == [False, False, True]
    assert "overfits" not in words and "best constant" in words


def test_a_gap_within_one_standard_error():
    """The gap of 0.1 varies over the folds by 1, so its standard error is about 0.4."""
    words = flat([0.3, 0.3, 0.3], [0.2, 0.2, 0.2], spread=1.0, null=5.0).verdict()
    assert "The gap is within one standard error (training 0.2" in words
    assert "whether it is overfitting cannot be told." in words


def test_a_gain_is_not_explained_by_a_training_loss_that_is_not_known():
    known = flat([0.3, 0.2, 0.5], [0.2, 0.1, 0.1])
    unknown = flat([0.3, 0.2, 0.5], [np.nan] * 3)
    assert "Without a penalty it was overfitting" in known.verdict()
    assert "Use L2 at 1.00e-02: it lowers" in unknown.verdict()
    assert "overfitting" not in unknown.verdict() and "training loss" not in unknown.verdict()


@pytest.mark.parametrize(("loss", "said"), [("poisson", True), ("mean_squared_error", False)])
def test_where_all_diverged_a_poisson_loss_has_a_reason_of_its_own(loss, said):
    template = StubTemplate(loss_name=loss)
    path = make_path(LAMS, template=template)
    words = make_path(LAMS, template=template, **diverged(path, np.full(3, True))).verdict()
    assert words.startswith("Lower the learning rate, or scale the inputs. There is nothing to choose from")
    assert ("give the output layer activation='exponential' or 'softplus'" in words) is said
