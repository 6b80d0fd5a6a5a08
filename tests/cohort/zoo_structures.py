"""Small models with several inputs and outputs, of every structure and loss, with rows that fit them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

COUNT = 40


class Case(NamedTuple):
    """A model, what it is compiled with, and its rows as `model.fit` takes them."""

    model: keras.Model
    compiled: dict[str, Any]
    x: Any
    y: Any


def _table(width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(COUNT, width)) * 2 + 1


def _amount(x: np.ndarray, width: int = 1, seed: int = 5) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.tanh(x @ generator.normal(size=(x.shape[1], width))) + 0.1 * generator.normal(size=(COUNT, width))


def _labels(x: np.ndarray, classes: int = 3, seed: int = 6) -> np.ndarray:
    return _amount(x, classes, seed).argmax(axis=1)


A, B = _table(4, 1), _table(3, 2)
AMOUNT, LABELS = _amount(A), _labels(B)


def _two_inputs() -> tuple[Any, Any]:
    return keras.Input((4,), name="left"), keras.Input((3,), name="right")


def _join(left: Any, right: Any) -> Any:
    return layers.Concatenate()([layers.Dense(4, "tanh")(left), layers.Dense(3, "relu")(right)])


def two_inputs() -> Case:
    left, right = _two_inputs()
    model = keras.Model([left, right], layers.Dense(3, "softmax")(_join(left, right)))
    return Case(model, {"loss": "sparse_categorical_crossentropy"}, [A, B], LABELS)


def inputs_by_name() -> Case:
    """A list of inputs, given by their names, in another order."""
    case = two_inputs()
    return case._replace(x={"right": B, "left": A})


def two_outputs() -> Case:
    left, right = _two_inputs()
    hidden = _join(left, right)
    outputs = [layers.Dense(1, name="amount")(hidden), layers.Dense(3, "softmax", name="kind")(hidden)]
    return Case(
        keras.Model([left, right], outputs),
        {"loss": ["mse", "sparse_categorical_crossentropy"], "loss_weights": [0.5, 2.0]},
        [A, B],
        [AMOUNT, LABELS],
    )


def outputs_by_name() -> Case:
    """A list of outputs; losses, their weights and the targets by name."""
    case = two_outputs()
    loss = {"kind": "sparse_categorical_crossentropy", "amount": "mae"}
    weights = {"kind": 0.3, "amount": 1.5}
    return case._replace(compiled={"loss": loss, "loss_weights": weights}, y={"kind": LABELS, "amount": AMOUNT})


def dictionaries() -> Case:
    """Dictionaries in and out, with keys that are not in the order of the alphabet."""
    left, right = _two_inputs()
    hidden = _join(left, right)
    outputs = {"z": layers.Dense(1)(hidden), "b": layers.Dense(3, "softmax")(hidden)}
    return Case(
        keras.Model({"right": right, "left": left}, outputs),
        {"loss": {"z": "huber", "b": "sparse_categorical_crossentropy"}, "loss_weights": {"z": 2.0, "b": 1.0}},
        {"left": A, "right": B},
        {"b": LABELS, "z": AMOUNT},
    )


def an_output_without_a_loss() -> Case:
    """The second output, what the first is made of, is only looked at."""
    left, right = _two_inputs()
    hidden = _join(left, right)
    model = keras.Model([left, right], [layers.Dense(1)(hidden), hidden])
    return Case(model, {"loss": ["mse", None]}, [A, B], [AMOUNT, None])


def one_loss_for_all() -> Case:
    inputs = keras.Input((4,))
    hidden = layers.Dense(5, "tanh")(inputs)
    outputs = (layers.Dense(1)(hidden), layers.Dense(2)(hidden))
    return Case(keras.Model(inputs, outputs), {"loss": "mse"}, A, (AMOUNT, _amount(A, 2)))


def deep_structures() -> Case:
    left, right = _two_inputs()
    hidden = _join(left, right)
    outputs = {"first": (layers.Dense(1)(hidden), layers.Dense(2)(hidden)), "second": layers.Dense(1)(hidden)}
    model = keras.Model({"pair": (left, right)}, outputs)
    y = {"first": (AMOUNT, _amount(A, 2)), "second": _amount(B)}
    return Case(model, {"loss": {"first": ("mse", "mae"), "second": "log_cosh"}}, {"pair": (A, B)}, y)


def nested() -> Case:
    """A model of several inputs inside a model, called once by position and once by name."""
    inner = two_inputs().model
    left, right, other = *_two_inputs(), keras.Input((3,), name="other")
    hidden = layers.Add()([inner([left, right]), inner({"right": other, "left": left})])
    return Case(
        keras.Model([left, right, other], layers.Dense(3, "softmax")(hidden)),
        {"loss": "sparse_categorical_crossentropy"},
        [A, B, _table(3, 3)],
        LABELS,
    )


def nested_outputs() -> Case:
    """A model of several outputs inside a model."""
    inner = dictionaries().model
    left, right = _two_inputs()
    found = inner({"left": left, "right": right})
    joined = layers.Concatenate()([found["b"], found["z"]])
    return Case(keras.Model([left, right], layers.Dense(1)(joined)), {"loss": "mse"}, [A, B], AMOUNT)


def shared() -> Case:
    """Layers, a Normalization among them, that two inputs share."""
    one, two = keras.Input((3,), name="one"), keras.Input((3,), name="two")
    normalization, dense = layers.Normalization(), layers.Dense(4, "tanh")
    towers = [dense(normalization(tensor)) for tensor in (one, two)]
    model = keras.Model([one, two], layers.Dense(3, "softmax")(layers.Multiply()(towers)))
    return Case(model, {"loss": "sparse_categorical_crossentropy"}, [B, 3 * _table(3, 4)], LABELS)


def normalized() -> Case:
    """One of several inputs is normalized."""
    left, right = _two_inputs()
    hidden = _join(left, layers.Normalization()(right))
    return Case(keras.Model([left, right], layers.Dense(1)(hidden)), {"loss": "mse"}, [A, B], AMOUNT)


def residual() -> Case:
    left, right = _two_inputs()
    hidden = layers.Add()([left, layers.Dense(4, "tanh")(left)])
    gated = layers.Multiply()([hidden, layers.Dense(4, "sigmoid")(right)])
    outputs = [layers.Dense(1)(layers.Add()([gated, hidden])), layers.Dense(1, "sigmoid")(gated)]
    return Case(
        keras.Model([left, right], outputs),
        {"loss": ["mse", "binary_crossentropy"]},
        [A, B],
        [AMOUNT, (AMOUNT > 0).astype(int)],
    )


def wide_and_deep() -> Case:
    """Two integer inputs with embeddings, penalised, and dense features."""
    generator = np.random.default_rng(7)
    user, item = (keras.Input((1,), dtype="int32", name=name) for name in ("user", "item"))
    features = keras.Input((3,), name="features")
    deep = [layers.Flatten()(layers.Embedding(6, 3)(tensor)) for tensor in (user, item)]
    hidden = layers.Dense(5, "relu")(layers.Concatenate()([*deep, features]))
    rating = layers.Add()([layers.Dense(1)(hidden), layers.Dense(1)(features)])
    x = {"user": generator.integers(0, 6, COUNT), "item": generator.integers(0, 6, COUNT), "features": B}
    return Case(keras.Model({t.name: t for t in (user, item, features)}, rating), {"loss": "mse"}, x, AMOUNT)


@keras.saving.register_keras_serializable("zoo_structures")
class Subclassed(keras.Model):
    """A model of two named inputs and two named outputs that Keras sees as one layer."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.amount, self.kind = layers.Dense(5, "tanh"), layers.Dense(1), layers.Dense(3, "softmax")

    def call(self, inputs, training=None):
        hidden = self.hidden(ops.concatenate([inputs["left"], inputs["right"]], axis=-1))
        return {"amount": self.amount(hidden), "kind": self.kind(hidden)}


def subclassed() -> Case:
    model = Subclassed()
    model({"left": A[:1], "right": B[:1]})
    loss = {"amount": "mse", "kind": "sparse_categorical_crossentropy"}
    return Case(model, {"loss": loss}, {"left": A, "right": B}, {"amount": AMOUNT, "kind": LABELS})


@keras.saving.register_keras_serializable("zoo_structures")
class Apart(layers.Layer):
    """Keeps its two inputs apart, by a loss of its own."""

    def call(self, first, second):
        self.add_loss(0.1 * ops.mean(ops.square(ops.mean(first * second, axis=-1))))
        return ops.concatenate([first, second], axis=-1)


def own_losses() -> Case:
    left, right = _two_inputs()
    hidden = Apart()(layers.Dense(3, "tanh")(left), layers.Dense(3, "tanh")(right))
    return Case(keras.Model([left, right], layers.Dense(1)(hidden)), {"loss": "mse"}, [A, B], AMOUNT)


def multi_label() -> Case:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(5, "relu"), layers.Dense(3, "sigmoid")])
    return Case(model, {"loss": "binary_crossentropy"}, A, (_amount(A, 3) > 0).astype(int))


def multi_output_regression() -> Case:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(5, "relu"), layers.Dense(3)])
    return Case(model, {"loss": "mse"}, A, _amount(A, 3))


STRUCTURES: dict[str, tuple[Callable[[], Case], bool, bool]] = {
    # name: (the case, whether some layer is unrolled, whether it is tested daily)
    "two_inputs": (two_inputs, False, False),
    "inputs_by_name": (inputs_by_name, False, False),
    "two_outputs": (two_outputs, False, False),
    "outputs_by_name": (outputs_by_name, False, False),
    "dictionaries": (dictionaries, False, True),
    "an_output_without_a_loss": (an_output_without_a_loss, False, False),
    "one_loss_for_all": (one_loss_for_all, False, False),
    "deep_structures": (deep_structures, False, False),
    "nested": (nested, False, True),
    "nested_outputs": (nested_outputs, False, False),
    "shared": (shared, False, False),
    "normalized": (normalized, False, False),
    "residual": (residual, False, False),
    "wide_and_deep": (wide_and_deep, False, False),
    "subclassed": (subclassed, True, True),
    "own_losses": (own_losses, True, False),
    "multi_label": (multi_label, False, False),
    "multi_output_regression": (multi_output_regression, False, False),
}
