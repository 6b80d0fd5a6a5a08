"""Dropout and noise: one draw per fold, shared by all its strengths, so that they differ by lambda alone.

Given its random numbers each of these layers is affine, y = slope·x + offset. Both are had from the layer itself, which
draws from the fold's own seed when it is called on ones and zeros.
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
    """Multiply by the mask or the noise that the layer makes of ones."""
    if not training or layer.rate == 0:
        return x
    return x * _of_constant(layer, state, x, ops.ones)


@rule(layers.GaussianNoise)
def gaussian_noise(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Add the noise that the layer makes of zeros."""
    if not training or layer.stddev == 0:
        return x
    return x + _of_constant(layer, state, x, ops.zeros)


@rule(layers.AlphaDropout)
def alpha_dropout(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Keep or replace, then scale and shift: y = slope·x + offset, both from the same draw."""
    if not training or layer.rate == 0:
        return x
    seed = layer.seed_generator.state
    before = state[seed]
    offset = _of_constant(layer, state, x, ops.zeros)
    state[seed] = before
    slope = _of_constant(layer, state, x, ops.ones) - offset
    return x * slope + offset


def _of_constant(layer: Any, state: State, x: Any, constant: Any) -> Any:
    """Call the layer on a constant of one strength in the shape of `x`: (f, 1, batch, ...)."""
    return unroll(layer, state, (constant((x.shape[0], 1, *x.shape[2:]), dtype=x.dtype),), {}, training=True)
