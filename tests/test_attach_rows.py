"""Embeddings: all rows in every step, or each row that a step looks up, once."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh

LAM, ETA = 0.25, 0.125
TOKENS = np.array([[0, 3, 3], [3, 1, 5]])
Y = np.array([[1.0], [-1.0]])


def model(optimizer: Any = "SGD", regularizer: Any = None, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    table = layers.Embedding(7, 4, embeddings_regularizer=regularizer)
    made = keras.Sequential([keras.Input((3,)), table, layers.GlobalAveragePooling1D(), layers.Dense(1)])
    made.compile(getattr(keras.optimizers, optimizer)(ETA), "mean_squared_error", **options)
    return made


def bare_step(optimizer: str = "SGD") -> tuple[np.ndarray, np.ndarray]:
    """Return the table before and after a step without a penalty."""
    made = model(optimizer)
    before = made.get_weights()[0]
    made.train_on_batch(TOKENS, Y)
    return before, made.get_weights()[0]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_all_rows_as_keras_own(float64, optimizer):
    theirs, mine = model(optimizer, keras.regularizers.L2(LAM / 2)), model(optimizer)
    sh.attach(mine, sh.L2(), lam=LAM, on="embedding")
    for _ in range(3):
        theirs.train_on_batch(TOKENS, Y)
        mine.train_on_batch(TOKENS, Y)
    np.testing.assert_allclose(mine.get_weights()[0], theirs.get_weights()[0], rtol=0, atol=1e-12)
    assert np.abs(mine.get_weights()[0] - bare_step(optimizer)[0]).min() > 0


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}])
@pytest.mark.parametrize(("penalty", "slope"), [(sh.L2(), lambda w: w), (sh.L1(), np.sign)], ids=["L2", "L1"])
def test_touched_rows_once_however_often_they_occur(float64, penalty, slope, options):
    before, bare = bare_step()
    mine = model(**options)
    sh.attach(mine, penalty, lam=LAM, on="embedding", how=sh.Coupled(), rows="touched")
    mine.train_on_batch(TOKENS, Y)
    expected = bare.copy()
    expected[[0, 1, 3, 5]] -= ETA * LAM * slope(before[[0, 1, 3, 5]])
    np.testing.assert_allclose(mine.get_weights()[0], expected, rtol=0, atol=1e-12)
    assert np.abs(expected - bare)[[0, 1, 3, 5]].min() > 1e-5


def test_touched_keeps_the_gradient_sparse():
    mine, seen = model(), []
    sh.attach(mine, sh.L2(), lam=LAM, rows="touched")

    class Look(type(mine.optimizer)):
        def _backend_update_step(self, grads, trainable_variables, learning_rate):
            seen.extend(type(grad) for grad in grads)
            super()._backend_update_step(grads, trainable_variables, learning_rate)

    object.__setattr__(mine.optimizer, "__class__", Look)
    mine.train_on_batch(TOKENS, Y)
    assert seen[0] is tf.IndexedSlices and len(seen) == 3


def test_the_logged_penalty_is_that_of_the_whole_table():
    mine = model()
    reg = sh.attach(mine, sh.L2(), lam=LAM, on="embedding", rows="touched")
    assert float(reg.value()) == pytest.approx(LAM / 2 * (mine.get_weights()[0] ** 2).sum(), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rows": "lazy"}, 'rows must be "all" or "touched"'),
        ({"rows": "touched", "penalty": sh.L1()}, r"how=shrinkage.Coupled\(\)"),
        ({"rows": "touched", "how": sh.Decoupled()}, r"how=shrinkage.Coupled\(\)"),
        ({"rows": "touched", "penalty": sh.GroupLasso(), "how": sh.Coupled()}, "no group lasso"),
        ({"rows": "touched", "penalty": sh.L2(toward="initial")}, "draw towards"),
    ],
)
def test_what_touched_cannot_do_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        sh.attach(model(), **{"penalty": sh.L2(), "lam": LAM, **options})
