"""Variables and tensors: the precision that Keras casts to, and what it hangs on tensors."""

from typing import Any

from shrinkage._host._private import read

_MASK, _LOGITS = "_keras_mask", "_keras_logits"  # most tensors have neither


def stored_dtype(variable: Any) -> str:
    """Return the precision in which a variable is stored: `variable.dtype` is another inside an autocast scope."""
    return read(variable, "_dtype")


def is_autocast(variable: Any) -> bool:
    """Say whether a layer of mixed precision sees a variable cast: floating-point ones are, unless made without."""
    return bool(read(variable, "_autocast")) and "float" in stored_dtype(variable)


def mask_of(tensor: Any) -> Any:
    """Return the mask that a layer hung on its output for the next one, or None.

    A walk of a model's graph in Keras' place hands it on as Keras does.
    """
    return getattr(tensor, _MASK, None)


def set_mask(tensor: Any, mask: Any) -> None:
    """Hang a mask on a tensor; None hangs nothing."""
    if mask is not None:
        setattr(tensor, _MASK, mask)


def logits_of(tensor: Any) -> Any:
    """Return the argument that Keras' softmax or sigmoid hung on its result, or None.

    The cross-entropies use it in place of the clipped logarithm of the probability.
    """
    return getattr(tensor, _LOGITS, None)


def set_logits(tensor: Any, logits: Any) -> None:
    """Hang logits on a tensor of probabilities; None hangs nothing."""
    if logits is not None:
        setattr(tensor, _LOGITS, logits)
