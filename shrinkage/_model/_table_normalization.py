"""A layer that standardises the numbers of a table: fitted in each fold, with missing numbers and clipping."""

from typing import Any

import keras
import numpy as np
from keras import ops

from shrinkage._data._statistics import LARGEST, compute_column_statistics


@keras.saving.register_keras_serializable("shrinkage")
class TableNormalization(keras.layers.Layer):
    """Clip each column, standardise it, and replace missing numbers, which are NaN, by the mean, 0.

    `keras.layers.Normalization` supports neither missing numbers nor quantiles. As for that layer, the statistics are
    those of the training rows of each fold. `as_keras` returns the same computation as layers of Keras.

    Args:
        clip: Whether to clip numbers far outside the others.
    """

    def __init__(self, clip: bool = True, **options: Any):
        super().__init__(**options)
        self.clip = clip

    def build(self, input_shape: Any) -> None:
        """Make the statistics, which change nothing but missing numbers."""
        for name, value in (("low", -LARGEST), ("high", LARGEST), ("mean", 0.0), ("deviation", 1.0)):
            initializer = keras.initializers.Constant(value)
            setattr(self, name, self.add_weight((input_shape[-1],), initializer, trainable=False, name=name))

    @property
    def statistics(self) -> list[Any]:
        """The variables: lower bounds, upper bounds, means and standard deviations."""
        return [self.low, self.high, self.mean, self.deviation]

    def compute_statistics(self, x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the statistics of rows (n, d) with weights (n,)."""
        return compute_column_statistics(x, weight, self.clip)

    def call(self, inputs: Any) -> Any:
        """Return standardised numbers, (n, d)."""
        return standardize_columns(inputs, *self.statistics)

    def as_keras(self) -> keras.Model:
        """Return the same computation, with the statistics as constants, by layers and operations of Keras."""
        inputs = keras.Input(self.low.shape)
        statistics = map(ops.convert_to_numpy, self.statistics)
        return keras.Model(inputs, standardize_columns(inputs, *statistics), name=self.name)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the class."""
        return {**super().get_config(), "clip": self.clip}


def standardize_columns(x: Any, low: Any, high: Any, mean: Any, deviation: Any) -> Any:
    """Return (clip(x) - mean) / deviation, and 0 where `x` is NaN."""
    clipped = ops.minimum(ops.maximum(ops.nan_to_num(x), low), high)  # filled first, because NaN is not ordered
    return ops.where(ops.isnan(x), 0.0, (clipped - mean) / deviation)
