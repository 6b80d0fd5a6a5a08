"""MultiHeadAttention and GroupedQueryAttention: stacked projections around the layer's own attention."""

from typing import Any

from keras import layers, ops

from shrinkage._cohort._rules._dense import einsum_dense
from shrinkage._cohort._rules._dropout import dropout
from shrinkage._cohort._rules._registry import fold_members, rule, rule_for, unfold_members
from shrinkage._cohort._state import State

_FEW = 16 * 16
"""Pairs of positions up to which XLA adds up products faster than it multiplies many small matrices: 83 µs in place of
271 for a step of a member with 8 x 8 pairs, 301 in place of 461 with 16 x 16, but 1,370 in place of 1,100 with 32 x 32.
"""


def _covers(layer: Any) -> bool:
    projections = [sub for sub in layer._flatten_layers(include_self=False) if isinstance(sub, layers.EinsumDense)]
    return all(rule_for(projection) is einsum_dense for projection in projections)


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
    """y = softmax(Q·Kᵀ/√d)·V projected, Q, K and V being projections of query, key and value.

    Between the projections nothing depends on the member: their axes are folded into the batch, and the layer attends.
    """
    gate = einsum_dense(layer._gate_dense, state, query, training) if hasattr(layer, "_gate_dense") else None
    q = einsum_dense(layer._query_dense, state, query, training)
    k = einsum_dense(layer._key_dense, state, value if key is None else key, training)
    v = einsum_dense(layer._value_dense, state, value, training)
    members = max(t.shape[0] for t in (q, k, v)), max(t.shape[1] for t in (q, k, v))

    def folded(t: Any) -> Any:
        return t if t is None or not ops.is_tensor(t) else fold_members(t, members)

    q, k, v = folded(q), folded(k), folded(v)
    if isinstance(layer, layers.GroupQueryAttention):
        k, v = (ops.repeat(t, layer.num_repeats, axis=2) for t in (k, v))
    mask = layer._compute_attention_mask(
        q, v, folded(query_mask), folded(value_mask), folded(key_mask), folded(attention_mask), use_causal_mask
    )
    drops = training and layer._dropout_layer.rate > 0
    weighs = return_attention_scores or drops
    if state.xla and len(q.shape) == 4 and q.shape[1] * k.shape[1] <= _FEW:
        y, weights = _by_sums(layer, q, k, v, mask, explicit=weighs or layer._dropout_layer.rate > 0)
    elif isinstance(layer, layers.GroupQueryAttention):
        layer._return_attention_scores = weighs  # as its `call` does
        y, weights = layer._compute_attention(q, k, v, mask, False)
    else:
        y, weights = layer._compute_attention(q, k, v, mask, False, weighs)
    if drops:
        dropped = dropout(layer._dropout_layer, state, unfold_members(weights, members), training)
        y = ops.einsum(layer._combine_equation, fold_members(dropped, members), v)
    y = unfold_members(y, members)
    y = einsum_dense(layer._output_dense, state, y if gate is None else y * gate, training)
    return (y, unfold_members(weights, members)) if return_attention_scores else y


def _by_sums(layer: Any, q: Any, k: Any, v: Any, mask: Any, *, explicit: bool) -> tuple[Any, Any]:
    """Attend with q (b, t, n, d), k and v (b, u, n, ·) of n heads by sums of products; return y and its weights.

    Keras masks in one way where it makes the weights explicit, and in another where it does not; they differ where a
    position may attend to none.
    """
    grouped = isinstance(layer, layers.GroupQueryAttention)
    scale = layer._inverse_sqrt_head_dim if grouped else layer._inverse_sqrt_key_dim
    q, k, v = (ops.transpose(t, (0, 2, 3, 1)) for t in (q * ops.cast(scale, q.dtype), k, v))  # (b, n, d, t)
    scores = ops.sum(q[..., :, None] * k[..., None, :], axis=2)
    if explicit or mask is None:
        weights = layer._masked_softmax(scores, mask)
    else:
        mask = ops.reshape(mask, (-1, *[1] * (4 - len(mask.shape)), *mask.shape[1:]))
        weights = ops.softmax(ops.where(ops.cast(mask, "bool"), scores, -1e38))
    y = ops.sum(weights[:, :, None] * v[..., None, :], axis=-1)
    return ops.transpose(y, (0, 3, 1, 2)), weights
