"""Attributes in the dictionary of a layer, model, optimizer or loss, and not of its class.

Keras has no public list of the attributes. Its `__setattr__` tracks layers and variables, converts lists and
dictionaries, and refuses variables in a layer that is built. `store` does none of this.
"""

from typing import Any

from shrinkage._host._private import read

_REPLACED = {"build", "quantize"}  # methods that Keras wraps, and stores on each new layer


def held_attributes(thing: Any) -> dict[str, Any]:
    """Return the attributes of a layer, without the tracking lists of Keras and TensorFlow and the wrapped methods."""
    hidden = {"_layers", *_REPLACED}
    return {k: v for k, v in _dictionary(thing).items() if k not in hidden and not k.startswith("_self_")}


def get_stored(thing: Any, name: str, default: Any = None) -> Any:
    """Return an attribute that is stored on an object itself, or a default. A property of the class is not called."""
    return _dictionary(thing).get(name, default)


def store(thing: Any, **attributes: Any) -> None:
    """Store attributes on an object past Keras' `__setattr__`. A function takes the place of a method of that name.

    Keras calls `call`, `save_own_variables` and `load_own_variables` of a layer by the object, and so finds it.
    """
    _dictionary(thing).update(attributes)


def remove_stored(thing: Any, *names: str) -> None:
    """Remove attributes that `store` has stored, if they are there. A method of the class acts again."""
    for name in names:
        _dictionary(thing).pop(name, None)


def _dictionary(thing: Any) -> dict[str, Any]:
    return read(thing, "__dict__")
