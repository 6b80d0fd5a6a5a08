"""Access to the parts of MultiHeadAttention and GroupQueryAttention. All trained weights are in the projections."""

from dataclasses import dataclass
from typing import Any

import keras

from shrinkage._host._private import get_private


@dataclass(frozen=True)
class Attention:
    """The parts of a built attention layer."""

    layer: Any
    query: Any
    """The projection of the query, an `EinsumDense` like the other projections."""
    key: Any
    value: Any
    output: Any
    gate: Any
    """The projection of the query to a gate on the input of the output projection; None without a gate."""
    dropout: Any
    combine: str
    """The einsum equation of the sum of the values, weighted by the attention scores."""
    scale: float
    """The factor on the query, 1/√(key dimension)."""

    @property
    def is_grouped(self) -> bool:
        """Whether several heads share keys and values."""
        return isinstance(self.layer, keras.layers.GroupQueryAttention)

    def make_mask(self, *arguments: Any) -> Any:
        """Return the attention mask, (batch, query positions, key positions).

        Args:
            *arguments: Projected query and value; `query_mask`, `value_mask`, `key_mask`, `attention_mask`;
                `use_causal_mask`.
        """
        return get_private(self.layer, "_compute_attention_mask")(*arguments)

    def softmax(self, scores: Any, mask: Any) -> Any:
        """Return the attention scores: the softmax over the key positions that are not masked."""
        return get_private(self.layer, "_masked_softmax")(scores, mask)

    def attend(self, q: Any, k: Any, v: Any, mask: Any, weighs: bool) -> tuple[Any, Any]:
        """Return the attention output without dropout, and the attention scores if `weighs`."""
        attend = get_private(self.layer, "_compute_attention")
        if not self.is_grouped:
            return attend(q, k, v, mask, False, weighs)
        get_private(self.layer, "_return_attention_scores")
        self.layer._return_attention_scores = weighs  # as its `call` does
        return attend(q, k, v, mask, False)


def get_regularizer_attribute(layer: Any) -> str:
    """Return the name of the attribute that an attention layer saves as `kernel_regularizer`.

    The layer passes this regularizer to the projections. The projections are not saved separately.
    """
    return "kernel_regularizer" if isinstance(layer, keras.layers.GroupQueryAttention) else "_kernel_regularizer"


def get_attention(layer: Any) -> Attention:
    """Return the parts of an attention layer."""
    grouped = isinstance(layer, keras.layers.GroupQueryAttention)
    return Attention(
        layer,
        query=get_private(layer, "_query_dense"),
        key=get_private(layer, "_key_dense"),
        value=get_private(layer, "_value_dense"),
        output=get_private(layer, "_output_dense"),
        gate=get_private(layer, "_gate_dense") if layer.get_config().get("use_gate") else None,  # from Keras 3.14 on
        dropout=get_private(layer, "_dropout_layer"),
        combine=get_private(layer, "_combine_equation"),
        scale=get_private(layer, "_inverse_sqrt_head_dim" if grouped else "_inverse_sqrt_key_dim"),
    )
