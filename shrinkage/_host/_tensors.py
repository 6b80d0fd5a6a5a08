"""Variables and tensors: the stored precision, and the attributes that Keras sets on tensors."""

from typing import Any

from shrinkage._host._private import get_private

_MASK, _LOGITS = "_keras_mask", "_keras_logits"  # optional attributes of tensors


def get_stored_dtype(variable: Any) -> str:
    """Return the dtype in which a variable is stored. The public `variable.dtype` differs inside an autocast scope."""
    return get_private(variable, "_dtype")


def is_autocast(variable: Any) -> bool:
    """Return whether mixed-precision layers cast a variable: floating-point, and not made with `autocast=False`."""
    return bool(get_private(variable, "_autocast")) and "float" in get_stored_dtype(variable)


def get_mask(tensor: Any) -> Any:
    """Return the mask that a layer set on the output for the next layer, or None.

    Code that runs the graph of a model in place of Keras passes masks on like Keras.
    """
    return getattr(tensor, _MASK, None)


def set_mask(tensor: Any, mask: Any) -> None:
    """Set a mask on a tensor, unless it is None."""
    if mask is not None:
        setattr(tensor, _MASK, mask)


def get_logits(tensor: Any) -> Any:
    """Return the logits that the softmax or sigmoid of Keras set on the result, or None.

    The cross-entropy losses use the logits in place of the clipped logarithm of the probability.
    """
    return getattr(tensor, _LOGITS, None)


def set_logits(tensor: Any, logits: Any) -> None:
    """Set logits on a tensor of probabilities, unless they are None."""
    if logits is not None:
        setattr(tensor, _LOGITS, logits)
