"""A model around each of Keras' layers that has trainable weights, and the names of the layers that have none."""

from collections.abc import Callable

import keras
from keras import layers

_VECTOR, _SEQUENCE, _IMAGE, _VOLUME = (5,), (6, 3), (8, 8, 3), (5, 5, 5, 3)
_FILMS = {1: (4, 6, 3), 2: (4, 6, 6, 3), 3: (4, 5, 5, 5, 3)}


def _on(shape: tuple[int, ...], make: Callable[[], keras.Layer], dtype: str = "float32") -> Callable[[], keras.Model]:
    return lambda: keras.Sequential([keras.Input(shape, dtype=dtype), make()])


def _of_several(make: Callable[[], keras.Layer], count: int) -> Callable[[], keras.Model]:
    def build() -> keras.Model:
        x = keras.Input(_SEQUENCE)
        return keras.Model(x, make()(*[x] * count) if count > 1 else make()([x, x]))

    return build


def _cell(make: Callable[[], keras.Layer]) -> Callable[[], keras.Model]:
    return _on(_SEQUENCE, lambda: layers.RNN(make()))


WITH_WEIGHTS: dict[str, Callable[[], keras.Model]] = {
    "Dense": _on(_VECTOR, lambda: layers.Dense(2)),
    "EinsumDense": _on(_SEQUENCE, lambda: layers.EinsumDense("abc,cd->abd", (None, 2), bias_axes="d")),
    "Conv1D": _on(_SEQUENCE, lambda: layers.Conv1D(2, 3)),
    "Conv2D": _on(_IMAGE, lambda: layers.Conv2D(2, 3)),
    "Conv3D": _on(_VOLUME, lambda: layers.Conv3D(2, 3)),
    "Conv1DTranspose": _on(_SEQUENCE, lambda: layers.Conv1DTranspose(2, 3)),
    "Conv2DTranspose": _on(_IMAGE, lambda: layers.Conv2DTranspose(2, 3)),
    "Conv3DTranspose": _on(_VOLUME, lambda: layers.Conv3DTranspose(2, 3)),
    "DepthwiseConv1D": _on(_SEQUENCE, lambda: layers.DepthwiseConv1D(3)),
    "DepthwiseConv2D": _on(_IMAGE, lambda: layers.DepthwiseConv2D(3)),
    "SeparableConv1D": _on(_SEQUENCE, lambda: layers.SeparableConv1D(2, 3)),
    "SeparableConv2D": _on(_IMAGE, lambda: layers.SeparableConv2D(2, 3)),
    "SimpleRNN": _on(_SEQUENCE, lambda: layers.SimpleRNN(2)),
    "GRU": _on(_SEQUENCE, lambda: layers.GRU(2)),
    "LSTM": _on(_SEQUENCE, lambda: layers.LSTM(2)),
    "ConvLSTM1D": _on(_FILMS[1], lambda: layers.ConvLSTM1D(2, 3)),
    "ConvLSTM2D": _on(_FILMS[2], lambda: layers.ConvLSTM2D(2, 3)),
    "ConvLSTM3D": _on(_FILMS[3], lambda: layers.ConvLSTM3D(2, 3)),
    "SimpleRNNCell": _cell(lambda: layers.SimpleRNNCell(2)),
    "GRUCell": _cell(lambda: layers.GRUCell(2)),
    "LSTMCell": _cell(lambda: layers.LSTMCell(2)),
    "StackedRNNCells": _cell(lambda: layers.StackedRNNCells([layers.LSTMCell(2), layers.GRUCell(2)])),
    "RNN": _cell(lambda: layers.GRUCell(2)),
    "Bidirectional": _on(_SEQUENCE, lambda: layers.Bidirectional(layers.GRU(2))),
    "TimeDistributed": _on(_SEQUENCE, lambda: layers.TimeDistributed(layers.Dense(2))),
    "SpectralNormalization": _on(_VECTOR, lambda: layers.SpectralNormalization(layers.Dense(2))),
    "Embedding": _on(_VECTOR, lambda: layers.Embedding(7, 3), "int32"),
    "ReversibleEmbedding": _on(_VECTOR, lambda: layers.ReversibleEmbedding(7, 3, tie_weights=False), "int32"),
    "MultiHeadAttention": _of_several(lambda: layers.MultiHeadAttention(2, 2), 2),
    "GroupQueryAttention": _of_several(lambda: layers.GroupQueryAttention(2, 4, 2), 2),
    "Attention": _of_several(lambda: layers.Attention(use_scale=True, score_mode="concat"), 1),
    "AdditiveAttention": _of_several(lambda: layers.AdditiveAttention(), 1),
    "BatchNormalization": _on(_IMAGE, lambda: layers.BatchNormalization()),
    "LayerNormalization": _on(_IMAGE, lambda: layers.LayerNormalization()),
    "GroupNormalization": _on(_IMAGE, lambda: layers.GroupNormalization(3)),
    "RMSNormalization": _on(_IMAGE, lambda: layers.RMSNormalization()),
    "PReLU": _on(_IMAGE, lambda: layers.PReLU()),
}
"""A model of each layer with trainable weights: cells in an `RNN`, wrappers around a layer."""

WITHOUT_WEIGHTS = frozenset(
    """
Activation ActivityRegularization Add AlphaDropout Average Concatenate Dot Dropout ELU Flatten GaussianDropout
GaussianNoise Identity InputLayer Lambda LeakyReLU Masking Maximum Minimum Multiply Normalization Permute ReLU
RepeatVector Reshape Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D Subtract UnitNormalization
AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D
AdaptiveMaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D Cropping1D Cropping2D Cropping3D
GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D
GlobalMaxPooling3D MaxPooling1D MaxPooling2D MaxPooling3D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D
ZeroPadding2D ZeroPadding3D
AugMix AutoContrast CategoryEncoding CenterCrop ContrastLimitedAdaptiveHistogramEqualization CutMix Discretization
Equalization HashedCrossing Hashing IntegerLookup MaxNumBoundingBoxes MelSpectrogram MixUp Pipeline RandAugment
RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomElasticTransform
RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom Rescaling
Resizing STFTSpectrogram Solarization StringLookup TextVectorization
""".split()
)
"""Layers without trainable weights."""

BASES = frozenset({"Layer", "Wrapper"})
FOREIGN = frozenset({"TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper"})
"""Layers around what was made elsewhere: selected as a layer of the user's own."""


def unknown() -> list[str]:
    """Return the names of Keras' layers that are in none of these lists."""
    known = {getattr(layers, name, None) for name in {*WITH_WEIGHTS, *WITHOUT_WEIGHTS, *BASES, *FOREIGN}}
    public = {name: value for name, value in vars(layers).items() if isinstance(value, type)}
    return sorted(name for name, value in public.items() if issubclass(value, keras.Layer) and value not in known)
