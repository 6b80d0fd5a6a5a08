"""Models of images: convolutions and random changes."""

import keras
from keras import layers


def convolved() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )


def convolved_without_xla() -> keras.Model:
    """A layer that must be unrolled, so that XLA compiles nothing and all convolutions are."""
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 3, activation="tanh", activity_regularizer=keras.regularizers.L2(0.05)),
            layers.MaxPooling2D(),
            layers.Conv2D(3, 2, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )


def separably_convolved() -> keras.Model:
    """Strides, groups, a separable convolution, and one in front of a normalization, without a bias."""
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, strides=2, padding="same", groups=2, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.SeparableConv2D(3, 2, depth_multiplier=2, activation="tanh"),
            layers.MaxPooling2D(2, strides=1, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, "softmax"),
        ]
    )


def convolved_images_of_images() -> keras.Model:
    """Convolutions in three dimensions, and a frozen one in front, which all strengths share."""
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, activation="relu", trainable=False),
            layers.Reshape((4, 4, 4, 1)),
            layers.Conv3D(3, (2, 3, 2), activation="tanh"),
            layers.Conv3DTranspose(2, 2, activation="tanh"),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )


def augmented() -> keras.Model:
    """Random changes of the images: the same for all strengths, that before the first weights and that behind them."""
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.RandomFlip(),
            layers.RandomTranslation(0.2, 0.2),
            layers.Dense(2),
            layers.RandomContrast(0.3, value_range=(-5, 5)),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )
