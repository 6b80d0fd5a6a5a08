"""Random numbers of layers."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from shrinkage._model._behaviour import Behaviour, observe
from shrinkage._model._template import Template
from tests.fit.models.fitting import Kept, X, fit, mixer, stack


class Noisy(layers.Layer):
    """Noise of a kind, in training or always."""

    def __init__(self, draw: Callable[[Any], Any], always: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.draw, self.always = draw, always

    def get_config(self):
        return {**super().get_config(), "draw": self.draw, "always": self.always}

    def call(self, x, training=False):
        return x + 0.1 * self.draw(x) if training or self.always else x


def of_tensorflow(x: Any) -> Any:
    return tf.random.normal(tf.shape(x), dtype=x.dtype)


def of_numpy(x: Any) -> Any:
    return np.random.normal(size=3)


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("draw", [of_tensorflow, of_numpy])
def test_random_numbers_outside_keras_are_said(draw, always):
    path = fit(stack(Noisy(draw, always)))
    (note,) = [note for note in path.notes if "random" in note]
    assert "keras.random.SeedGenerator" in note and not any("mix" in note for note in path.notes)


def test_random_numbers_of_the_global_generator_are_refused():
    with pytest.raises(
        ValueError, match="`model` .* must change no variables .*keras.random.*seed=self.seed_generator"
    ):
        fit(stack(Noisy(lambda x: keras.random.normal(ops.shape(x), dtype=x.dtype))))


def test_random_numbers_of_keras_own_generators_are_fine():
    model = stack(layers.Dropout(0.3), Kept())
    assert observe(Template(model), X) == Behaviour(assigned_variables=(0,))
    paths = [fit(model) for _ in range(2)]
    np.testing.assert_array_equal(paths[0].cv_loss, paths[1].cv_loss)


class Always(layers.Dropout):
    """Dropout in predictions too, as Monte Carlo dropout has it."""

    def call(self, inputs, training=False):
        return super().call(inputs, training=True)


def test_random_numbers_in_predictions_are_not_called_mixing():
    model = stack(layers.Dense(8), Always(0.5))
    assert (
        observe(Template(model), X).depends_on_position
        and not observe(Template(mixer("a little")), X).depends_on_position
    )
    for options in ({}, {"cv": 0.3}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            notes = fit(model, epochs=1, **options).notes
        assert any("draws random numbers when it predicts" in note for note in notes)
        assert not any("mixes the rows" in note for note in notes)
