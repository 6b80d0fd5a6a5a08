"""Verdicts of models that are really trained, and how far their training got."""

import math
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import shrinkage as sh
from shrinkage._path._convergence import Convergence, assess_convergence
from shrinkage._path._findings import compute_held_out_curve
from tests.daily import full, some_every_day
from tests.path.verdicts.curves import ADVICE, FLAT, LARGER

# --- how far training got


def _share_to_come(curve: Callable[[np.ndarray], np.ndarray], n_epochs: int) -> float:
    """How far the loss falls when trained four times as long, relative to its fall so far."""
    first, now, later = curve(np.array([1, n_epochs, 4 * n_epochs]))
    return float((now - later) / (first - now))


@pytest.mark.parametrize("n_epochs", [5, 20, 60, 200])
@pytest.mark.parametrize(
    "shape",
    [
        *(lambda t, u=u: np.exp(-u * (t - 1)) for u in (0.3, 1.0, 1.5, 2.5, 6.0)),
        *(lambda t, u=u: (1 + 10 * t) ** -u for u in (0.2, 0.5, 1.0)),
        *(lambda t, u=u: 1 / (1 + np.exp(u * (t - 1))) for u in (1, 3, 8)),
    ],
)
def test_training_has_hardly_begun_where_four_times_as_long_it_would_gain_much_more(shape, n_epochs):
    def curve(epochs):
        return 0.5 + shape(epochs / n_epochs)

    held_out = curve(np.arange(1, n_epochs + 1))
    found, more = assess_convergence(held_out, n_epochs, 0.05, math.nan), _share_to_come(curve, n_epochs)
    if more > 0.5:
        assert found is Convergence.BEGINNING
    if more < 0.1:
        assert found is not Convergence.BEGINNING


# --- really trained


def network(hidden: tuple[int, ...], loss: str = "mse", units: int = 1, rate: float = 1e-3, activation: Any = None):
    layers = [keras.layers.Dense(width, "relu") for width in hidden]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(units, activation)])
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


X = np.random.default_rng(5).normal(size=(120, 8))
NOISE = np.random.default_rng(6).normal(size=120)
SIGNAL = X @ np.array([1.5, -1.2, 0.9, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("model", "y", "epochs", "said", "unsaid"),
    [
        (network(()), SIGNAL + NOISE, 20, ["hardly begun|not got as far", "raise"], [FLAT, *ADVICE]),
        full(network((16,)), NOISE, 40, ["beats the best constant", "little to do with"], [FLAT, *ADVICE]),
        full(
            network((16,), "sparse_categorical_crossentropy", 3, activation="softmax"),
            np.arange(120) % 3,
            40,
            ["beats the best constant"],
            [FLAT, "Stopping", *ADVICE],
        ),
        (network((8,)), np.full(120, 0.7), 5, ["there is nothing to learn from the inputs"], [FLAT, "raise", *ADVICE]),
        full(network((), rate=0.1), SIGNAL, 200, ["nearly perfect"], [*LARGER, "gap"]),
        (network((64, 64), rate=0.01), SIGNAL + 2 * NOISE, 60, ["Training overfits", "after all 60"], [FLAT]),
    ],
    ids=[
        "hardly any training",
        "noise",
        "classes that are noise",
        "a constant target",
        "an exact function",
        "a large network on few rows",
    ],
)
def test_of_what_is_trained(model, y, epochs, said, unsaid):
    words = sh.fit(model, X, y, penalty=sh.L2(), cv=5, epochs=epochs).verdict()
    assert not [text for text in said if not re.search(text, words)], words
    assert not [text for text in unsaid if text in words], words


@pytest.mark.parametrize("rate", some_every_day([1e-3, 1e-2, 0.1], 0.1))
def test_training_that_goes_on_bears_out_what_was_said_of_its_beginning(rate):
    model = network((16,), rate=rate)
    path = sh.fit(model, X, SIGNAL + NOISE, penalty=sh.L2(), lams=[0.1], cv=3, epochs=120)
    curve = compute_held_out_curve(path)[-1]
    found = {}
    for n_epochs in (5, 30):
        begun = curve[:n_epochs]
        found[n_epochs] = assess_convergence(begun, int(begun.argmin()) + 1, path.se[-1], path.null_loss)
        more = (begun.min() - curve[: 4 * n_epochs].min()) / (max(begun[0], path.null_loss) - begun.min())
        if found[n_epochs] is Convergence.BEGINNING:
            assert more > 0.15
        else:
            assert more < 0.35
    assert rate > 1e-3 or found[5] is Convergence.BEGINNING
    assert rate < 0.1 or found[30] is Convergence.LEVELLED
