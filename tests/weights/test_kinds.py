"""The kind of a weight, by its name and layer, and its axes."""

from typing import Any

import pytest
from keras import layers

from shrinkage._weights._kinds import describe_kind, find_weight_kind
from shrinkage._weights._selection import select
from tests.weights.models import IMAGE, SEQUENCE, small_model

AXES: dict[str, Any] = {
    "Dense": ((3,), lambda: layers.Dense(2), "kernel", (-2,), (-1,)),
    "LSTM": (SEQUENCE, lambda: layers.LSTM(2), "recurrent_kernel", (-2,), (-1,)),
    "Conv2D": (IMAGE, lambda: layers.Conv2D(2, 3), "kernel", (-4, -3, -2), (-4, -3, -1)),
    "Conv2DTranspose": (IMAGE, lambda: layers.Conv2DTranspose(3, 3), "kernel", (-4, -3, -1), (-4, -3, -2)),
    "DepthwiseConv2D": (IMAGE, lambda: layers.DepthwiseConv2D(3), "kernel", (-4, -3), (-4, -3, -1)),
    "SeparableConv1D by depth": (SEQUENCE, lambda: layers.SeparableConv1D(2, 3), "depthwise_kernel", (-3,), (-3, -1)),
    "SeparableConv1D by point": (
        SEQUENCE,
        lambda: layers.SeparableConv1D(2, 3),
        "pointwise_kernel",
        (-3, -2),
        (-3, -1),
    ),
    "EinsumDense to two axes": (
        (4, 3),
        lambda: layers.EinsumDense("abc,cde->abde", (None, 2, 5)),
        "kernel",
        (-3,),
        (-2, -1),
    ),
    "EinsumDense from two axes": ((4, 3), lambda: layers.EinsumDense("abc,bcd->ad", (2,)), "kernel", (-3, -2), (-1,)),
    "bias": ((3,), lambda: layers.Dense(2), "bias", (), (-1,)),
}


@pytest.mark.parametrize(("shape", "layer", "weight", "unit", "feature"), AXES.values(), ids=AXES)
def test_axes_of_the_weights_into_a_unit_and_out_of_an_input(shape, layer, weight, unit, feature):
    found = {w.path.rpartition("/")[2]: (w.per_unit, w.per_input) for w in select(small_model(shape, layer())).weights}
    assert found[weight] == (unit, feature)


class Own(layers.Layer):
    """A layer of the user's own."""


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("attention_bias", (4, 4), "bias"),
        ("qkvBias", (4, 4), "bias"),
        ("biases", (3, 4), "bias"),
        ("relative_position_bias_table", (9, 4), "bias"),
        ("layer_scale_gamma", (3, 4), "gain"),
        ("scale", (1, 4), "gain"),
        ("kernel_scale", (3, 4), "gain"),
        ("unbiased_scale", (3, 4), "gain"),
        ("gain_2", (3, 4), "gain"),
        ("beta", (3, 4), "offset"),
        ("query_offsets", (3, 4), "offset"),
        ("scale_kernel", (3, 4), "kernel"),
        ("upscale_matrix", (3, 4), "kernel"),
        ("multiscale", (3, 4), "kernel"),
        ("mixing", (3, 4), "kernel"),
        ("mixing", (1, 4), None),
        ("cls_token", (1, 1, 4), None),
        ("positions", (1, 9, 4), "kernel"),
        ("position_embedding", (1, 9, 4), "embedding"),
        ("sigma", (4,), None),
    ],
)
def test_words_in_the_names_of_own_weights(name, shape, expected):
    """As the variable's name, and as that of the attribute that holds it, alone or in a list."""
    for variable, held in ((name, "w"), ("v", name), ("v", [name])):
        layer = Own()
        weight = layer.add_weight(shape=shape, name=variable)
        setattr(layer, held if isinstance(held, str) else held[0], weight if isinstance(held, str) else [weight])
        assert find_weight_kind(layer, weight) == expected
        words = describe_kind(layer, weight)
        assert words.startswith(expected or "Own") or "axes" in words or words == "normalization offset"
