"""PReLU: for negative inputs, each member has a separate slope."""

from typing import Any

from keras import layers, ops

from shrinkage._cohort._rules._registry import align, rule
from shrinkage._cohort._state import State


@rule(layers.PReLU)
def prelu(layer: Any, state: State, x: Any, training: bool) -> Any:
    """y = max(x, 0) - alpha·max(-x, 0)."""
    del training
    alpha = align(state[layer.alpha], x, tuple(range(3, len(x.shape))))
    return ops.relu(x) - alpha * ops.relu(-x)
