"""MultiHeadAttention and GroupedQueryAttention: stacked projections around the attention of the Keras layer."""

from typing import Any

from keras import layers, ops

from shrinkage._cohort._rules._dense import einsum_dense
from shrinkage._cohort._rules._dropout import dropout
from shrinkage._cohort._rules._registry import find_rule, fold_members, rule, unfold_members
from shrinkage._cohort._state import State
from shrinkage._host._attention import Attention, get_attention
from shrinkage._host._layers import list_sublayers

_MAX_PAIRS = 16 * 16
"""Pairs of positions up to which XLA adds up products faster than it multiplies many small matrices: 83 µs in place of
271 for a step of a member with 8 x 8 pairs, 301 in place of 461 with 16 x 16, but 1,370 in place of 1,100 with 32 x 32.
"""


def _covers(layer: Any) -> bool:
    projections = [sub for sub in list_sublayers(layer, include_self=False) if isinstance(sub, layers.EinsumDense)]
    return all(find_rule(projection) is einsum_dense for projection in projections)


@rule(layers.MultiHeadAttention, _covers)
@rule(layers.GroupQueryAttention, _covers)
def attention(
    layer: Any,
    state: State,
    query: Any,
    training: bool,
    value: Any,
    key: Any = None,
    query_mask: Any = None,
    value_mask: Any = None,
    key_mask: Any = None,
    attention_mask: Any = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    """Compute the output projection of softmax(Q·Kᵀ/√d)·V, where Q, K and V are projections of query, key and value.

    Only the projections have weights. The attention between them therefore runs on the layer's code, with the member
    axes folded into the batch.
    """
    parts = get_attention(layer)
    gate = None if parts.gate is None else einsum_dense(parts.gate, state, query, training)
    q = einsum_dense(parts.query, state, query, training)
    k = einsum_dense(parts.key, state, value if key is None else key, training)
    v = einsum_dense(parts.value, state, value, training)
    members = max(t.shape[0] for t in (q, k, v)), max(t.shape[1] for t in (q, k, v))

    def fold(t: Any) -> Any:
        return t if t is None or not ops.is_tensor(t) else fold_members(t, members)

    q, k, v = fold(q), fold(k), fold(v)
    if parts.is_grouped:
        k, v = (ops.repeat(t, layer.num_repeats, axis=2) for t in (k, v))
    mask = parts.make_mask(
        q, v, fold(query_mask), fold(value_mask), fold(key_mask), fold(attention_mask), use_causal_mask
    )
    has_dropout = training and parts.dropout.rate > 0
    needs_weights = return_attention_scores or has_dropout
    if state.xla and len(q.shape) == 4 and q.shape[1] * k.shape[1] <= _MAX_PAIRS:
        y, weights = _attend_by_sums(parts, q, k, v, mask, needs_weights=needs_weights or parts.dropout.rate > 0)
    else:
        y, weights = parts.attend(q, k, v, mask, needs_weights)
    if has_dropout:
        dropped = dropout(parts.dropout, state, unfold_members(weights, members), training)
        y = ops.einsum(parts.combine, fold_members(dropped, members), v)
    y = unfold_members(y, members)
    y = einsum_dense(parts.output, state, y if gate is None else y * gate, training)
    return (y, unfold_members(weights, members)) if return_attention_scores else y


def _attend_by_sums(parts: Attention, q: Any, k: Any, v: Any, mask: Any, *, needs_weights: bool) -> tuple[Any, Any]:
    """Attend with q (b, t, n, d), k and v (b, u, n, ·) of n heads by sums of products; return y and the weights.

    Keras masks differently with and without explicit weights. The results differ for a position that may attend to
    no other position.
    """
    q, k, v = (ops.transpose(t, (0, 2, 3, 1)) for t in (q * ops.cast(parts.scale, q.dtype), k, v))  # (b, n, d, t)
    scores = ops.sum(q[..., :, None] * k[..., None, :], axis=2)
    if needs_weights or mask is None:
        weights = parts.softmax(scores, mask)
    else:
        mask = ops.reshape(mask, (-1, *[1] * (4 - len(mask.shape)), *mask.shape[1:]))
        weights = ops.softmax(ops.where(ops.cast(mask, "bool"), scores, -1e38))
    y = ops.sum(weights[:, :, None] * v[..., None, :], axis=-1)
    return ops.transpose(y, (0, 3, 1, 2)), weights
