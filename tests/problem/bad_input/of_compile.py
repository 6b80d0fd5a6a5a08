"""Cases of losses and optimizers."""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

import shrinkage as sh
from tests.problem.bad_input.good import model
from tests.zoo import rows


def masked() -> keras.Model:
    tokens = layers.Embedding(7, 4, mask_zero=True)
    return keras.Sequential(
        [keras.Input((5,), dtype="int32"), tokens, layers.LSTM(3, return_sequences=True), layers.Dense(3, "softmax")]
    )


def sgd(**options: Any) -> Callable[[], keras.Model]:
    return lambda: model(optimizer=keras.optimizers.SGD(0.1, **options))


# name: (what differs from a good call; a function is called to make the model), the error, and what it must say
CASES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "weight decay": (
        {"model": sgd(weight_decay=1e-4)},
        ValueError,
        r"weight_decay=0.0001.* keras.optimizers.SGD\(...\)\. .*penalty='l2' with how='decoupled'",
    ),
    "AdamW": (
        {"model": lambda: model(optimizer="adamw")},
        ValueError,
        r"weight_decay=.* or with keras.optimizers.Adam\. .*how='decoupled'",
    ),
    "AdamW, and a decoupled penalty": (
        {"model": lambda: model(optimizer="adamw"), "how": sh.Decoupled()},
        ValueError,
        r"weight_decay=.* or with keras.optimizers.Adam\.$",
    ),
    "Muon": (
        {"model": lambda: model(optimizer=keras.optimizers.Muon(weight_decay=0.004, adam_weight_decay=0.004))},
        ValueError,
        r"weight_decay=0.004.* keras.optimizers.Muon\(..., weight_decay=0.0, adam_weight_decay=0.0\)",
    ),
    "scaled loss": (
        {"model": lambda: model(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)))},
        ValueError,
        "one of SGD, Adam.* Received: optimizer LossScaleOptimizer",
    ),
    "no metric for L1": (
        {"model": lambda: model(optimizer="lion"), "penalty": sh.L1()},
        ValueError,
        r"Proximal\(\) needs .* Received: Lion.* how='coupled'",
    ),
    "averages of L1": (
        {"model": sgd(use_ema=True), "penalty": sh.L1()},
        ValueError,
        r"Proximal\(\) needs .* exact zeros. Received: use_ema=True.* without it, or use how='coupled'",
    ),
    "unknown loss": (
        {"model": lambda: model(loss="no loss")},
        ValueError,
        "`loss` .* must fit .* Received: loss='no loss', .* Could not interpret",
    ),
    "a loss that fails": (
        {"model": lambda: model(loss=lambda y, p: y - p)},
        ValueError,
        r"`loss` \(.*lambda.*\) must .* targets of shape \(32,\) for an output of shape \(32, 3\), where it .*\)",
    ),
    "too many loss_weights": (
        {"model": lambda: model(loss_weights=[2.0, 1.0])},
        ValueError,
        r"`loss` and `loss_weights` must fit .* loss_weights=\[2.0, 1.0\].* must match the number of losses",
    ),
    "a class to ignore": (
        {"model": lambda: model(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=0))},
        ValueError,
        "`loss` must count every row. Received: ignore_class=0. Drop",
    ),
    "masked output": (
        {"model": lambda: model(masked), "x": rows("tokens")[0], "y": rows("tokens")[0] % 3},
        ValueError,
        "`model` must give outputs without a mask.* without mask_zero",
    ),
    "sum of losses": (
        {"model": lambda: model(loss=keras.losses.SparseCategoricalCrossentropy(reduction="sum"))},
        ValueError,
        "`loss` must average over rows .* Received: reduction='sum'",
    ),
}
