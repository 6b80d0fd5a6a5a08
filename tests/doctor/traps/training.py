"""Run the doctor's fixes, and train models before and after them."""

import re
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import shrinkage as sh
from tests.doctor.zoo.small import X, Y, mlp


def fix(model: Any, code: str, **options: Any) -> None:
    """Run the fix that the doctor gives."""
    (finding,) = (finding for finding in sh.doctor(model, **options).findings if finding.code == code)
    exec(compile(finding.fix, code, "exec"), {"model": model, "keras": keras, "sh": sh, **options})


def penalty_steps(model: Any, n: int = 1) -> None:
    """Take steps of the model's optimizer on the penalties alone, as if the data loss were flat."""
    variables = model.trainable_variables
    model.optimizer.build(variables)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = sum(model.losses, start=ops.zeros(()))
        gradients = zip(tape.gradient(loss, variables), variables, strict=True)
        model.optimizer.apply([ops.zeros_like(v) if g is None else g for g, v in gradients], variables)

    for _ in range(n):
        step()


def number_after(word: str, text: str) -> float:
    return float(re.findall(rf"{word} ([\d.e-]*\d)", text)[0])


def values(model: Any) -> dict[str, np.ndarray]:
    return {variable.path: np.array(variable) for variable in model.trainable_variables}


def fit(model: Any, **options: Any) -> Any:
    return model.fit(X, Y, batch_size=16, shuffle=False, verbose=0, **options)


def as_built(model: Any, **options: Any) -> Any:
    """A network built with its regularizers from the start, with the same weights: the oracle."""
    oracle = mlp(**options)
    oracle.set_weights(model.get_weights())
    return oracle


def penalty_gradients(model: Any) -> dict[str, np.ndarray | None]:
    with tf.GradientTape() as tape:
        loss = sum(model.losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    return {
        v.path: None if g is None else np.array(g) for v, g in zip(model.trainable_variables, gradients, strict=True)
    }
