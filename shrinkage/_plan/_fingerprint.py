"""What a compiled step depends on beside its arguments: two fits with one fingerprint share their compiled steps."""

import json
from typing import Any

import keras
from keras import layers, tree

from shrinkage._host._layers import sublayers
from shrinkage._host._private import UnsupportedVersion
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template

# They keep what they learnt from data, or code, in places that a configuration does not show.
_HIDDEN_STATE = (
    layers.Lambda, layers.Normalization, layers.Discretization, layers.IntegerLookup, layers.StringLookup,
    layers.TextVectorization,
)  # fmt: skip


def fingerprint(template: Template, objective: Objective, *others: Any) -> str | None:
    """Return a text that is equal only for models whose steps are the same computation, or None where none is sure.

    It is the configuration of model, loss and optimizer, with numbers in place of the names that Keras counts through
    the process, so that a model built twice has one fingerprint. Code of the user's own may read anything: a
    model that has some gets None.

    Args:
        template: The model.
        objective: Its losses.
        others: More that the steps depend on; their `repr` is added.
    """
    network = template.network
    hidden = [layer for layer in sublayers(network) if isinstance(layer, _HIDDEN_STATE)]
    if not all(map(_is_rule_state, hidden)):
        return None
    attached = [(v.regularizer, v.constraint) for v in network.variables]  # by the layer, or by the caller
    losses = [term.loss for term in objective.terms]
    parts = network, template.optimizer, *losses, *(part for pair in attached for part in pair if part is not None)
    try:
        configs = [keras.saving.serialize_keras_object(part) for part in parts]
    except UnsupportedVersion:
        raise
    except Exception:  # a class of the user's own may raise anything
        return None
    if not all(_is_keras_config(config) for config in configs):
        return None
    states = [(tuple(v.shape), v.dtype, v.trainable) for v in network.variables]
    states += [tuple(part is not None for part in pair) for pair in attached]
    terms = [(term.place, term.weight, term.by_rows, term.loss.dtype) for term in objective.terms]
    settings = (terms, objective.weighted, keras.config.floatx(), keras.config.epsilon(), keras.config.backend())
    numbered_configs = _number_names(configs, dict.fromkeys(_meaningful_names(network, configs), ""))
    return json.dumps(numbered_configs, sort_keys=True, default=str) + repr((states, settings, others))


def _is_rule_state(layer: Any) -> bool:
    """Say whether a Normalization layer holds its statistics as variables, which members have values of."""
    return type(layer) is layers.Normalization and layer.input_mean is None


def _is_keras_config(config: Any) -> bool:
    """Say whether a configuration names no class or function from outside Keras."""
    if isinstance(config, dict):
        module = config.get("module", "keras")
        is_keras_module = module is None or module == "builtins" or module.split(".")[0] == "keras"
        is_function = config.get("class_name") in ("function", "__lambda__")
        return is_keras_module and not is_function and all(map(_is_keras_config, config.values()))
    if isinstance(config, (list, tuple)):
        return all(map(_is_keras_config, config))
    return not (isinstance(config, str) and ">" in config)  # a registered name, "package>name"


_NAMES = ("name", "keras_history", "input_layers", "output_layers")


def _number_names(config: Any, numbers: dict[str, str]) -> Any:
    """Return a configuration with the names in it replaced by numbers in the order in which they first come."""
    if isinstance(config, dict):
        return {
            key: tree.map_structure(lambda leaf: _number(leaf, numbers), value)
            if key in _NAMES
            else _number_names(value, numbers)
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return [_number_names(part, numbers) for part in config]
    return config


def _number(name: Any, numbers: dict[str, str]) -> Any:
    if not isinstance(name, str):
        return name
    return numbers.setdefault(name, f"#{len(numbers)}") or name


def _meaningful_names(network: Any, configs: Any) -> set[str]:
    """Return the names that mean something: keys of structures, and inputs and outputs where there are several."""
    found: set[str] = set()

    def collect(config: Any) -> None:
        if isinstance(config, dict):
            found.update(config)
        for part in (
            config.values() if isinstance(config, dict) else config if isinstance(config, (list, tuple)) else ()
        ):
            collect(part)

    collect(configs)
    ends = [*(getattr(network, "input_names", None) or []), *(getattr(network, "output_names", None) or [])]
    return found | set(ends if len(ends) > 2 else [])
