"""Small models of given layers."""

import keras

IMAGE, SEQUENCE, VOLUME = (8, 8, 2), (6, 3), (5, 5, 5, 2)


def small_model(shape: tuple[int, ...], *stack: keras.Layer, dtype: str = "float32") -> keras.Model:
    return keras.Sequential([keras.Input(shape, dtype=dtype), *stack])
