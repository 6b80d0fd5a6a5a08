"""Models with an attached penalty."""

from typing import Any

import keras
from keras import layers

import shrinkage as sh
from tests.doctor.zoo.small import mlp, stack


def attached(optimizer: Any = "sgd", penalty: Any = None, lam: Any = 0.01, **options: Any) -> keras.Model:
    model = mlp(optimizer)
    sh.attach(model, penalty or sh.L2(), lam=lam, **options)
    return model


def attached_inside(around: Any = None, optimizer: Any = "sgd", **options: Any) -> keras.Model:
    """A model inside another with a penalty attached, and one attached to the other too if `around` names weights."""
    inner = mlp()
    sh.attach(inner, sh.L2(), **{"lam": 0.01, **options})
    model = stack((4,), inner, layers.Dense(1, name="out"))
    model.compile(optimizer, "mse")
    if around is not None:
        sh.attach(model, sh.L2(), lam=0.02, on=around)
    return model


def attached_inside_twice() -> keras.Model:
    model = attached_inside(on="*a/kernel")
    sh.attach(model.layers[0], sh.L1(), lam=0.03, on={"bias": 0.5, lambda layer, v: v.path.endswith("b/kernel"): 2})
    return model


def attached_to_frozen(**options: Any) -> keras.Model:
    model = attached(**{"on": lambda layer, variable: layer.name == "a", **options})
    model.layers[0].trainable = False
    return model


def attached_twice_and_frozen() -> keras.Model:
    model = attached(on="*a/kernel")
    sh.attach(model, sh.L1(), lam=0.1, on="*b/kernel")
    model.layers[0].trainable = False
    return model


def attached_and_all_frozen() -> keras.Model:
    model = attached()
    model.trainable = False
    return model


def attached_and_quantized() -> keras.Model:
    model = attached()
    for layer in model.layers:
        layer.quantize("int8")
    return model


def new_head(toward: Any = "initial") -> Any:
    model: Any = attached(penalty=sh.L2(toward=toward))
    model.pop()
    model.add(layers.Dense(1, name="c"))
    model.compile("sgd", "mse")
    return model
