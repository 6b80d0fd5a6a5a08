"""A model of a path is exported as a SavedModel, and TensorFlow's own loader reads it."""

import keras
import numpy as np
import tensorflow as tf

import shrinkage as sh


def test_tensorflow_loads_an_exported_model(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2)).astype("float32")
    layers = [keras.layers.Normalization(), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile("adam", "mean_squared_error")
    path = sh.fit(model, x, x @ [1.0, 2.0], penalty=sh.L2(), lams=[0.1], cv=3, epochs=3)
    chosen = path.model()
    chosen.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    expected = chosen.predict(x, verbose=0)
    assert expected.std() > 0.01
    np.testing.assert_allclose(loaded.serve(x), expected, rtol=1e-5, atol=1e-6)
