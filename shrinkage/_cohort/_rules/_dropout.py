"""Dropout and noise: one draw per fold, shared by all strengths, so that members of a fold differ only in lambda.

For fixed random numbers each layer in this file is affine, y = slope·x + offset. Calls of the layer on ones and zeros,
with the seed of the fold, give the slope and the offset.
"""

from typing import Any

from keras import layers, ops

from shrinkage._cohort._rules._registry import rule
from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import unroll


@rule(layers.Dropout)
@rule(layers.SpatialDropout1D)
@rule(layers.SpatialDropout2D)
@rule(layers.SpatialDropout3D)
@rule(layers.GaussianDropout)
def dropout(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Multiply by the mask or noise that the layer returns for an input of ones."""
    if not training or layer.rate == 0:
        return x
    return x * _call_on_constant(layer, state, x, ops.ones)


@rule(layers.GaussianNoise)
def gaussian_noise(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Add the noise that the layer returns for an input of zeros."""
    if not training or layer.stddev == 0:
        return x
    return x + _call_on_constant(layer, state, x, ops.zeros)


@rule(layers.AlphaDropout)
def alpha_dropout(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Return y = slope·x + offset, with slope and offset from the same random draw."""
    if not training or layer.rate == 0:
        return x
    seed = layer.seed_generator.state
    before = state[seed]
    offset = _call_on_constant(layer, state, x, ops.zeros)
    state[seed] = before
    slope = _call_on_constant(layer, state, x, ops.ones) - offset
    return x * slope + offset


def _call_on_constant(layer: Any, state: State, x: Any, constant: Any) -> Any:
    """Call the layer on a constant input of shape (f, 1, batch, ...), like `x` at one strength."""
    return unroll(layer, state, (constant((x.shape[0], 1, *x.shape[2:]), dtype=x.dtype),), {}, training=True)
