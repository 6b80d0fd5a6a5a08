"""Attributes in the dictionary of a layer, model, optimizer or loss, and not of its class.

Keras has no public list of the attributes. Its `__setattr__` tracks layers and variables, converts lists and
dictionaries, and refuses variables in a layer that is built. `store` does none of this.
"""

from typing import Any

from shrinkage._host._private import get_private

_WRAPPED_METHODS = {"build", "quantize"}  # methods that Keras wraps, and stores on each new layer


def get_attributes(obj: Any) -> dict[str, Any]:
    """Return the attributes of a layer, without the tracking lists of Keras and TensorFlow and the wrapped methods."""
    hidden = {"_layers", *_WRAPPED_METHODS}
    return {k: v for k, v in _get_dictionary(obj).items() if k not in hidden and not k.startswith("_self_")}


def get_stored(obj: Any, name: str, default: Any = None) -> Any:
    """Return an attribute that is stored on an object itself, or a default. A property of the class is not called."""
    return _get_dictionary(obj).get(name, default)


def store(obj: Any, **attributes: Any) -> None:
    """Store attributes on an object past Keras' `__setattr__`. A function takes the place of a method of that name.

    Keras calls `call`, `save_own_variables` and `load_own_variables` of a layer by the object, and so finds it.
    """
    _get_dictionary(obj).update(attributes)


def remove_stored(obj: Any, *names: str) -> None:
    """Remove attributes that `store` has stored, if they are there. A method of the class acts again."""
    for name in names:
        _get_dictionary(obj).pop(name, None)


def _get_dictionary(obj: Any) -> dict[str, Any]:
    return get_private(obj, "__dict__")
