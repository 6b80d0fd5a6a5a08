"""What is pickled is read back, and warnings point to the caller."""

import io
import pickle

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from shrinkage._host import _callers, _origin, _saving


def test_the_unpickler_reads_what_reduce_writes():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    function, (file,) = model.__reduce__()
    assert function == _saving.get_unpickler(keras.Sequential)
    copy = _saving.get_unpickler(keras.Model)(io.BytesIO(file.getvalue()))
    np.testing.assert_array_equal(copy.get_weights()[0], model.get_weights()[0])
    assert _saving.get_unpickler(keras.optimizers.Adam)
    assert type(pickle.loads(pickle.dumps(model))) is keras.Sequential


def test_the_modules_that_ask_for_a_configuration(tmp_path):
    asked = []

    class Net(keras.Sequential):
        def get_config(self):
            asked.append(_callers.get_caller())
            return super().get_config()

    model = Net([keras.Input((3,)), layers.Dense(1)])
    model.save(tmp_path / "model.keras")
    assert asked == [_callers.WRITING_MODULES[0]]
    asked.clear()
    model.save(tmp_path / "model.h5")
    assert (
        set(asked) <= {_callers.OLD_FORMAT_MODULE, _callers.WRITING_MODULES[1]}
        and asked[0] == _callers.OLD_FORMAT_MODULE
    )
    asked.clear()
    keras.models.clone_model(model)
    assert set(asked) <= {_callers.CLONING_MODULE}


def test_warnings_point_to_who_called_keras():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    sh.attach(model, sh.L2(), lam=0.1)
    with pytest.warns(UserWarning, match="without its penalty") as found:
        keras.models.clone_model(model)
    assert {each.filename for each in found} == {__file__}
    for call in (lambda: _callers.warn_keras_caller("It is so."), lambda: _callers.warn_about_clone(model)):
        with pytest.warns(UserWarning) as found:
            call()
        assert found[0].filename == __file__


def test_what_is_from_keras():
    class Dense(layers.Dense):
        pass

    assert all(map(_origin.is_from_keras, (layers.Dense, keras.activations.relu, keras.losses.Huber)))
    assert not any(map(_origin.is_from_keras, (Dense, test_what_is_from_keras, dict, None, np.add)))
