"""Models that mix the rows of a batch."""

import keras
import numpy as np
import pytest
from keras import layers

from shrinkage._model._behaviour import observe
from shrinkage._model._template import Template
from tests.fit.models.fitting import MIXERS, X, Y, compiled, fit, mixer
from tests.zoo import MODELS
from tests.zoo import rows as zoo_rows


@pytest.mark.parametrize("name", MIXERS)
def test_models_that_mix_rows_are_found(name):
    assert observe(Template(mixer(name)), X).mixes_rows
    function = MIXERS[name]
    inputs = keras.Input((3,))
    assert observe(Template(compiled(keras.Model(inputs, layers.Dense(1)(function(inputs))))), X).mixes_rows


def test_a_model_that_mixes_rows_is_scored_as_keras_does():
    """In batches of the held-out rows alone; no other plan changes that, and nothing has a loss by row."""
    model = mixer("mean")
    paths = [fit(model, init="keep", epochs=1, batch_size=10, plan={"evaluated_rows": rows}) for rows in (64, 15)]
    np.testing.assert_array_equal(paths[0].cv_loss, paths[1].cv_loss)
    for path in paths:
        for f, held in enumerate(path.folds.held_out):
            expected = model.evaluate(X[held], Y[held], batch_size=10, verbose=0)
            np.testing.assert_allclose(path.cv_loss[f, :, 0], expected, rtol=1e-6)
        assert np.isnan(path.row_loss).all() and any("evaluate(batch_size=10)" in note for note in path.notes)
    together = np.mean((model.predict(X, batch_size=64, verbose=0)[:, 0] - Y) ** 2)
    assert abs(together - paths[0].mean[0]) > 1e-3  # the batch does matter
    path = fit(model, cv=0.3, init="keep", epochs=1)
    assert np.isnan(path.se).all() and any("The model mixes the rows" in note for note in path.notes)


@pytest.mark.parametrize("name", MODELS)
def test_no_other_model_is_said_to_mix_rows(name):
    make, kind, _ = MODELS[name]
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy")
    x = zoo_rows(kind)[0]
    found = observe(Template(model), x)
    assert (found.mixes_rows, found.equal_calls_differ) == (name == "mixes_rows", False)
