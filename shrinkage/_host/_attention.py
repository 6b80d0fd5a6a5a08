"""MultiHeadAttention and GroupQueryAttention in parts: between their projections they hold nothing that is trained."""

from dataclasses import dataclass
from typing import Any

import keras

from shrinkage._host._private import read


@dataclass(frozen=True)
class Attention:
    """The parts of a built attention layer."""

    layer: Any
    query: Any
    """The projection of the query, an `EinsumDense` as the others are."""
    key: Any
    value: Any
    output: Any
    gate: Any
    """Of the query, to multiply what comes out before the last projection with; None for a layer without."""
    dropout: Any
    combine: str
    """The equation by which the weights of positions sum the values."""
    scale: float
    """What the query is multiplied with."""

    @property
    def grouped(self) -> bool:
        """Whether several heads share keys and values."""
        return isinstance(self.layer, keras.layers.GroupQueryAttention)

    def mask(self, *arguments: Any) -> Any:
        """Return the mask of pairs of positions.

        Args:
            *arguments: Projected query and value; the masks of query, value, key and pairs; whether it is causal.
        """
        return read(self.layer, "_compute_attention_mask")(*arguments)

    def softmax(self, scores: Any, mask: Any) -> Any:
        """Return the weights of positions."""
        return read(self.layer, "_masked_softmax")(scores, mask)

    def attend(self, q: Any, k: Any, v: Any, mask: Any, weighs: bool) -> tuple[Any, Any]:
        """Return what comes out without dropout, and the weights of positions if they are asked for."""
        attend = read(self.layer, "_compute_attention")
        if not self.grouped:
            return attend(q, k, v, mask, False, weighs)
        read(self.layer, "_return_attention_scores")
        self.layer._return_attention_scores = weighs  # as its `call` does
        return attend(q, k, v, mask, False)


def regularizer_attribute(layer: Any) -> str:
    """Return the attribute of an attention layer that its configuration has as `kernel_regularizer`.

    It goes to the projections, which are not saved by themselves.
    """
    return "kernel_regularizer" if isinstance(layer, keras.layers.GroupQueryAttention) else "_kernel_regularizer"


def attention_of(layer: Any) -> Attention:
    """Return the parts of an attention layer."""
    grouped = isinstance(layer, keras.layers.GroupQueryAttention)
    return Attention(
        layer,
        query=read(layer, "_query_dense"),
        key=read(layer, "_key_dense"),
        value=read(layer, "_value_dense"),
        output=read(layer, "_output_dense"),
        gate=read(layer, "_gate_dense") if getattr(layer, "use_gate", False) else None,  # from Keras 3.14 on
        dropout=read(layer, "_dropout_layer"),
        combine=read(layer, "_combine_equation"),
        scale=read(layer, "_inverse_sqrt_head_dim" if grouped else "_inverse_sqrt_key_dim"),
    )
