"""The errors that Keras and TensorFlow raise are recognised by their words: each test provokes the real error."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from shrinkage._host import _errors
from tests.unregistered import OwnRegularizer, own_activation


def loading(tmp_path, layer, **options):
    """Return the error of loading a saved model with a layer."""
    keras.Sequential([keras.Input((3,)), layer]).save(file := tmp_path / "m.keras")
    with pytest.raises((TypeError, ValueError)) as found:
        keras.models.load_model(file, **options)
    return found.value


class OwnLayer(layers.Dense):
    pass


class OwnInitializer(keras.initializers.Zeros):
    pass


class OwnConstraint(keras.constraints.NonNeg):
    __module__ = None  # as of a class in a notebook  # pyright: ignore[reportAssignmentType]


class Needy(layers.Dense):
    """A layer whose configuration lacks an argument of its class."""

    def __init__(self, size, **options):
        super().__init__(size, **options)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: OwnLayer(1), ("class", "OwnLayer")),
        (lambda: layers.Dense(1, activation=own_activation), ("function", "own_activation")),
        (lambda: layers.Dense(1, kernel_regularizer=OwnRegularizer()), ("class", "OwnRegularizer")),
        (lambda: layers.Dense(1, kernel_initializer=OwnInitializer()), ("class", "OwnInitializer")),
        (lambda: layers.Dense(1, kernel_constraint=OwnConstraint()), ("class", "OwnConstraint")),
    ],
)
def test_code_that_keras_does_not_find_is_named(make, expected, tmp_path):
    error = loading(tmp_path, make())
    assert _errors.find_unknown_code(error) == expected and not _errors.is_lambda_refused(error)


def test_the_name_is_without_the_package_of_the_registration(tmp_path):
    kind = keras.saving.register_keras_serializable("mine")(type("Elsewhere", (keras.regularizers.L2,), {}))
    layer = layers.Dense(1, kernel_regularizer=kind(0.1))
    assert keras.saving.get_custom_objects().pop("mine>Elsewhere") is kind
    assert _errors.find_unknown_code(loading(tmp_path, layer)) == ("class", "Elsewhere")


def test_a_class_that_keras_finds_and_cannot_create_is_named(tmp_path):
    error = loading(tmp_path, Needy(1), custom_objects={"Needy": Needy})
    assert _errors.find_uncreated_class(error) == "Needy" and _errors.find_unknown_code(error) is None
    assert not _errors.is_lambda_refused(error) and _errors.find_uncreated_class(ValueError("damaged")) is None


def test_a_lambda_layer_that_keras_refuses_is_known(tmp_path):
    error = loading(tmp_path, layers.Lambda(lambda x: x))
    assert _errors.is_lambda_refused(error) and not _errors.is_lambda_lost(error)
    assert _errors.find_unknown_code(error) is _errors.find_uncreated_class(error) is None


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("safe_mode", [True, False])
def test_a_lambda_that_keras_cannot_read_is_known(safe_mode, tmp_path):
    error = loading(tmp_path, layers.Dense(1, activation=lambda x: x), safe_mode=safe_mode)
    assert _errors.is_lambda_lost(error) and not _errors.is_lambda_refused(error)
    assert _errors.find_unknown_code(error) is None


class Failing(layers.Layer):
    def call(self, x):
        raise ValueError(f"Rows of {x.shape[-1]} numbers\nare not enough")


@pytest.mark.parametrize("wrap", [lambda layer: layer, lambda layer: keras.Sequential([layer])])
def test_the_reason_of_a_failing_layer_is_what_its_code_says(wrap):
    with pytest.raises(ValueError, match="Exception encountered when calling") as found:
        wrap(Failing())(np.ones((2, 3), "float32"))
    assert "Arguments received by" in str(found.value)
    assert _errors.describe_keras_error(found.value) == "Rows of 3 numbers are not enough."
    assert _errors.describe_keras_error(KeyError()) == "KeyError."


def test_rows_of_different_lengths_cannot_be_batched():
    rows = tf.data.Dataset.from_generator(
        lambda: (np.ones(5 + row) for row in range(4)), output_signature=tf.TensorSpec((None,))
    )
    with pytest.raises(tf.errors.InvalidArgumentError) as found:
        list(rows.batch(4))
    assert _errors.is_of_unequal_rows(found.value) and not _errors.is_of_unequal_rows(ValueError())
    line = _errors.get_first_line(found.value)
    assert line.startswith("Cannot batch tensors with different shapes") and line in str(found.value)
    assert "{{" in str(found.value) and "Op:" in str(found.value) and "{{" not in line and "Op:" not in line


@pytest.mark.parametrize("function", [lambda x: np.mean(x), lambda x: x.numpy(), lambda x: np.asarray(x).sum()])
def test_numpy_in_a_compiled_function_is_known(function):
    with pytest.raises(Exception) as found:  # noqa: PT011  of several classes
        tf.function(function, autograph=False).get_concrete_function(tf.ones(3))
    assert _errors.is_of_numpy(found.value)
    with pytest.raises(ValueError, match="Dimensions must be equal") as other:
        tf.function(lambda x: x + tf.ones(2)).get_concrete_function(tf.ones(3))
    assert not _errors.is_of_numpy(other.value)
