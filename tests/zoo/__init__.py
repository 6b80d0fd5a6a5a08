"""Small models of every kind that the cohort must train as plain Keras does, with data that fits them.

No model has a bias in front of a normalization: its gradient is zero but for rounding, which Adam magnifies.
"""

from collections.abc import Callable

import keras
import numpy as np

from tests.zoo import images, series, tables

Rows = tuple[np.ndarray, np.ndarray]


def rows(kind: str, count: int = 40) -> Rows:
    """Return inputs of a kind ("table", "tokens", "images", "series") and labels 0, 1, 2 that depend on them."""
    generator = np.random.default_rng(1)
    shape = {"table": (6,), "tokens": (5,), "images": (6, 6, 2), "series": (5, 4)}[kind]
    if kind == "tokens":
        x = generator.integers(0, 7, (count, *shape))
        score = np.stack([(x == k).sum(axis=1) for k in (0, 1, 2)], axis=1) + generator.normal(size=(count, 3))
    else:
        x = generator.normal(size=(count, *shape)) * 2 + 1
        score = x.reshape(count, -1) @ generator.normal(size=(x[0].size, 3))
    return x, score.argmax(axis=1)


MODELS: dict[str, tuple[Callable[[], keras.Model], str, bool]] = {
    # name: (how to make it, the rows it takes, whether some layer is unrolled)
    "mlp": (tables.mlp, "table", False),
    "batch_normalized": (tables.batch_normalized, "table", False),
    "batch_normalized_input": (tables.batch_normalized_input, "table", False),
    "layer_normalized": (tables.layer_normalized, "table", False),
    "normalized": (tables.normalized, "table", False),
    "dropped_out": (tables.dropped_out, "table", False),
    "same_dropout_twice": (tables.same_dropout_twice, "table", False),
    "residual": (tables.residual, "table", False),
    "shared_layer": (tables.shared_layer, "table", False),
    "nested": (tables.nested, "table", False),
    "frozen": (tables.frozen, "table", False),
    "dense_on_series": (series.dense_on_series, "series", False),
    "time_distributed": (series.time_distributed, "series", False),
    "recurrent": (series.recurrent, "series", False),
    "recurrent_dropped_out": (series.recurrent_dropped_out, "series", False),
    "bidirectional": (series.bidirectional, "series", False),
    "encoder_decoder": (series.encoder_decoder, "series", False),
    "operations": (tables.operations, "table", False),
    "transformer": (series.transformer, "series", False),
    "masked_attention": (series.masked_attention, "tokens", False),
    "two_tables": (series.two_tables, "tokens", False),
    "noisy": (tables.noisy, "table", False),
    "root_mean_squares": (tables.root_mean_squares, "table", False),
    "augmented": (images.augmented, "images", True),
    "activity_regularized": (tables.activity_regularized, "table", True),
    "embedded": (series.embedded, "tokens", False),
    "convolved": (images.convolved, "images", False),
    "convolved_series": (series.convolved_series, "series", False),
    "separably_convolved": (images.separably_convolved, "images", False),
    "convolved_images_of_images": (images.convolved_images_of_images, "images", False),
    "convolved_without_xla": (images.convolved_without_xla, "images", True),
    "masked_series": (series.masked_series, "series", False),
    "own_layer": (tables.own_layer, "table", True),
    "subclassed": (tables.subclassed, "table", True),
    "mixes_rows": (tables.mixes_rows, "table", True),
}

# XLA takes long to compile them: they are compared in the full tests only.
SLOW = {
    "convolved_series", "separably_convolved", "convolved_images_of_images",
    "recurrent_dropped_out", "bidirectional", "encoder_decoder", "time_distributed",
    "transformer", "noisy", "root_mean_squares",
}  # fmt: skip
