"""Targets, losses and predictions of a linear head in float64, equal to those of Keras."""

from typing import Any

import numpy as np
from keras import activations
from scipy.special import logsumexp, softmax

from shrinkage._plan._exact._head import Head, Kind


def compute_head_targets(head: Head, y: Any) -> np.ndarray:
    """Return targets in float64, (n, units): values, or probabilities of labels or classes.

    Raises:
        ValueError: If the targets of classes are not probabilities.
    """
    y, units = np.asarray(y), head.units
    is_labels = head.kind == "classes" and y.size == len(y) and units > 1
    y = np.eye(units)[y.reshape(-1).astype(int)] if is_labels else y.reshape(len(y), units).astype(np.float64)
    if head.kind == "classes" and not np.allclose(y.sum(axis=1), 1, atol=1e-5):
        raise ValueError(
            '`y` must have a sum of 1 in each row, one probability per class, for solver="exact". Received: sums from '
            f'{y.sum(axis=1).min():.4g} to {y.sum(axis=1).max():.4g}. Say solver="gradient".'
        )
    if head.smoothing:
        return y * (1 - head.smoothing) + head.smoothing / (units if head.kind == "classes" else 2)
    return y


def compute_head_losses(kind: Kind, y: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the loss of each row, (n, S).

    Args:
        kind: The kind of the head.
        y: Targets from `compute_head_targets`, (n, k).
        scores: Outputs without the activation, (n, k, S).
    """
    y = y[:, :, None]
    if kind == "squared error":
        return ((scores - y) ** 2).mean(axis=1)
    if kind == "binary":
        return (_compute_softplus(scores) - y * scores).mean(axis=1)
    return logsumexp(scores, axis=1) - (y * scores).sum(axis=1)


def _compute_softplus(scores: np.ndarray) -> np.ndarray:
    """Return log(1 + exp(score)) in half of the time of `np.logaddexp`."""
    found = np.abs(scores)
    np.negative(found, out=found)
    np.log1p(np.exp(found, out=found), out=found)
    found += np.maximum(scores, 0)
    return found


def compute_head_predictions(head: Head, scores: np.ndarray) -> np.ndarray:
    """Return the outputs of the layer from scores (n, k, S): probabilities, unless the loss takes logits."""
    return scores if head.layer.activation is activations.linear else compute_head_probabilities(head.kind, scores)


def compute_head_probabilities(kind: Kind, scores: np.ndarray) -> np.ndarray:
    """Return the probabilities of labels or classes from scores (n, k, S)."""
    if kind == "classes":
        return softmax(scores, axis=1)
    found = -scores
    with np.errstate(over="ignore"):
        np.exp(found, out=found)  # several times as fast as scipy.special.expit
    found += 1
    return np.reciprocal(found, out=found)
