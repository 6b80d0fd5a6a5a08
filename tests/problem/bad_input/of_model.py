"""Cases of models that cannot be trained."""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from tests.problem.bad_input.good import X, Y, model
from tests.zoo import rows
from tests.zoo.tables import mlp


def dense(**options: Any) -> Callable[[], keras.Model]:
    return lambda: keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax", **options)])


def trained() -> keras.Model:
    made = model()
    made.fit(X, Y, verbose=0)
    return made


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


class OwnLoss(keras.Sequential):
    def compute_loss(self, *args, **kwargs):
        return super().compute_loss(*args, **kwargs)


class NeedsArgument(keras.Model):
    """A model that Keras cannot clone: its configuration is not known."""

    def __init__(self, hidden: layers.Layer):
        super().__init__()
        self.hidden = hidden

    def call(self, inputs):
        return self.hidden(inputs)


def not_clonable() -> keras.Model:
    made = NeedsArgument(layers.Dense(3, "softmax"))
    made(X[:1])
    return made


def unbuilt() -> keras.Model:
    return keras.Sequential([layers.Dense(3, "softmax")])


def frozen() -> keras.Model:
    made = mlp()
    made.trainable = False
    return made


def stateful() -> keras.Model:
    return keras.Sequential(
        [keras.Input((5, 4), batch_size=4), layers.GRU(3, stateful=True), layers.Dense(3, "softmax")]
    )


def mixed(policy: str) -> Callable[[], keras.Model]:
    return lambda: keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax", dtype=policy)])


def constrained_by_hand() -> keras.Model:
    made = model()
    made.trainable_variables[0].constraint = keras.constraints.NonNeg()
    return made


# name: (what differs from a good call; a function is called to make the model), the error, and what it must say
CASES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no model": ({"model": lambda: "a model"}, TypeError, "`model` must be a compiled keras.Model .* Received: str"),
    "None": ({"model": lambda: None}, TypeError, "`model` must be a compiled keras.Model .* Received: NoneType"),
    "a layer": ({"model": lambda: layers.Dense(3)}, TypeError, "`model` must be a compiled keras.Model or a function"),
    "not built": (
        {"model": lambda: model(unbuilt)},
        ValueError,
        r"`model` .* must be built.* Received: a model that is not built. Add keras.Input",
    ),
    "not compiled": (
        {"model": mlp},
        ValueError,
        r"`model` .* must be compiled .* that is not compiled. Call model.compile",
    ),
    "no loss": (
        {"model": lambda: model(loss=None)},
        ValueError,
        r"`model` .* must be compiled with a loss.* Received: a model without a loss",
    ),
    "all frozen": (
        {"model": lambda: model(frozen)},
        ValueError,
        "`model` .* trainable weights.*layer.trainable = True",
    ),
    "own train_step": (
        {"model": lambda: model(lambda: OwnStep([keras.Input((6,)), layers.Dense(3)]))},
        ValueError,
        r"(?s)`model` .* must not override `train_step`.* Received: class OwnStep"
        r".* shrinkage.attach\(model, shrinkage.L2\(\), lam=1e-4\)",
    ),
    "own compute_loss": (
        {"model": lambda: model(lambda: OwnLoss([keras.Input((6,)), layers.Dense(3)]))},
        ValueError,
        r"(?s)`model` .* must not override `compute_loss`.* Received: class OwnLoss"
        r".* shrinkage.attach\(model, shrinkage.L2\(\), lam=1e-4\)",
    ),
    "run_eagerly": (
        {"model": lambda: model(run_eagerly=True)},
        ValueError,
        "`model` .* Received: run_eagerly=True.* without it",
    ),
    "mixed_float16": (
        {"model": lambda: model(mixed("mixed_float16"))},
        ValueError,
        "`model` .* loss scale .* Received: layer dense.* in mixed_float16.* dtype='mixed_bfloat16' or 'float32'",
    ),
    "bfloat16": (
        {"model": lambda: model(mixed("bfloat16"))},
        ValueError,
        "`model` .* lose small steps.* in bfloat16.* dtype='mixed_bfloat16' or 'float32'",
    ),
    "constraint that the layer does not know": (
        {"model": lambda: constrained_by_hand()},
        ValueError,
        "`model` must .* Received: a constraint on .*kernel that is not in the configuration. .*kernel_constraint=",
    ),
    "stateful": (
        {"model": lambda: model(stateful), "x": rows("series")[0], "y": rows("series")[1]},
        ValueError,
        "`model` .* no stateful layer. Received: gru.* stateful=False",
    ),
    "not clonable": (
        {"model": lambda: model(not_clonable)},
        ValueError,
        r"`model` must be of a class that can be cloned. Received: NeedsArgument .* Give a function",
    ),
    "function of no model": (
        {"function": lambda: None},
        TypeError,
        "`model` is a function and must return a keras.Model. Received: NoneType",
    ),
    "function, not compiled": ({"function": mlp}, ValueError, "`model` .* must be compiled"),
    "already penalised": (
        {"model": lambda: model(dense(kernel_regularizer="l2"))},
        ValueError,
        r"(?s)`model` must have no regularizers .* Received:.*"
        r"kernel_regularizer=keras.regularizers.L2\(0.01\).*penalty=.model",
    ),
    "trained": ({"model": trained}, ValueError, '`init` must be .*trained .* 2 steps.*init="keep".*init="fresh"'),
}
