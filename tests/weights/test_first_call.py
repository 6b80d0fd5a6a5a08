"""Weights that layers make at their first call are there before anything is chosen or trained."""

import keras
import numpy as np
import pytest
from keras import layers

from shrinkage._weights._first_call import create_weights


class Late(layers.Layer):
    """Has a layer inside that Keras does not build, as the output's shape is known without a call."""

    refuses = False

    def build(self, input_shape):
        self.dense = layers.Dense(2)

    def call(self, x):
        if self.refuses:
            raise RuntimeError("the rows are empty")
        return self.dense(x)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2)


class Outer(keras.Model):
    def __init__(self):
        super().__init__()
        self.late = Late()

    def call(self, x):
        return self.late(x)

    def build(self, input_shape):
        self.late.build(input_shape)


def test_a_subclassed_model_is_called_with_the_shape_it_was_built_with():
    model = Outer()
    model.build((None, 3))
    assert model.weights == []
    create_weights(model)
    assert [tuple(weight.shape) for weight in model.weights] == [(3, 2), (2,)]


def test_a_model_that_takes_no_row_of_zeros_is_to_be_called_by_the_user():
    model = keras.Sequential([keras.Input((3,)), Late(name="late")])
    model.layers[0].refuses = True
    with pytest.raises(
        ValueError,
        match=r"accept a row of zeros, .* first call \(.*\)\. Received: a model that fails there: the rows are",
    ):
        create_weights(model)
    model.layers[0].refuses = False
    model(np.ones((1, 3)))
    create_weights(model)
    assert len(model.weights) == 2
