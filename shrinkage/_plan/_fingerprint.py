"""Fingerprints: fits with the same fingerprint share compiled steps."""

import json
from typing import Any

import keras
from keras import layers, tree

from shrinkage._host._layers import list_sublayers
from shrinkage._host._private import UnsupportedVersion
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template

# Layers with state or code that the configuration does not contain.
_HIDDEN_STATE = (
    layers.Lambda, layers.Normalization, layers.Discretization, layers.IntegerLookup, layers.StringLookup,
    layers.TextVectorization,
)  # fmt: skip


def compute_fingerprint(template: Template, objective: Objective, *others: Any) -> str | None:
    """Return a string that is equal only for models with the same steps, or None for models with custom code.

    The fingerprint contains the configuration of model, loss and optimizer. Names that Keras generates with a counter
    are replaced by numbers, so a model that is built twice has the same fingerprint. Custom code may use any other
    state, so a model with custom code has no fingerprint.

    Args:
        template: The template of the model.
        objective: The losses of the model.
        others: Further objects that the steps depend on, included by their `repr`.
    """
    network = template.network
    hidden = [layer for layer in list_sublayers(network) if isinstance(layer, _HIDDEN_STATE)]
    if not all(map(_is_rule_state, hidden)):
        return None
    attached = [(v.regularizer, v.constraint) for v in network.variables]  # set by the layer or by the caller
    losses = [term.loss for term in objective.terms]
    parts = network, template.optimizer, *losses, *(part for pair in attached for part in pair if part is not None)
    try:
        configs = [keras.saving.serialize_keras_object(part) for part in parts]
    except UnsupportedVersion:
        raise
    except Exception:  # a custom class may raise anything
        return None
    if not all(_is_keras_config(config) for config in configs):
        return None
    states = [(tuple(v.shape), v.dtype, v.trainable) for v in network.variables]
    states += [tuple(part is not None for part in pair) for pair in attached]
    terms = [(term.place, term.weight, term.by_rows, term.loss.dtype) for term in objective.terms]
    settings = (terms, objective.has_weights, keras.config.floatx(), keras.config.epsilon(), keras.config.backend())
    numbered_configs = _number_names(configs, dict.fromkeys(_find_meaningful_names(network, configs), ""))
    return json.dumps(numbered_configs, sort_keys=True, default=str) + repr((states, settings, others))


def compute_portable_fingerprint(template: Template, objective: Objective) -> str:
    """Return a string that is equal for the same model in another process.

    Unlike `fingerprint`, it exists for models with custom code. It contains the configuration of each layer, the names
    of custom classes and functions, and the shapes of the weights, but no code: an edited function has the same string.

    Args:
        template: The template of the model.
        objective: The losses of the model.
    """
    found = compute_fingerprint(template, objective)
    if found is not None:
        return found
    parts = (*list_sublayers(template.network), template.optimizer, *(term.loss for term in objective.terms))
    weights = [(tuple(v.shape), v.dtype, v.trainable) for v in template.network.variables]
    configs = [(type(part).__name__, _get_portable_config(part)) for part in parts]
    return json.dumps(_number_names(configs, {}), sort_keys=True) + repr(weights)


def _get_portable_config(part: Any) -> Any:
    """Return the configuration of a layer, an optimizer or a loss; None if it has none."""
    try:
        return _remove_code(keras.saving.serialize_keras_object(part))
    except UnsupportedVersion:
        raise
    except Exception:  # a custom class may raise anything
        return None


def _remove_code(config: Any) -> Any:
    """Return a configuration of plain values, without what differs between processes: code, modules and addresses."""
    if isinstance(config, dict):
        if config.get("class_name") == "__lambda__":
            return "lambda"
        return {str(key): _remove_code(value) for key, value in config.items() if key not in _PROCESS_KEYS}
    if isinstance(config, (list, tuple)):
        return [_remove_code(part) for part in config]
    return config if config is None or isinstance(config, (str, int, float)) else type(config).__name__


def _is_rule_state(layer: Any) -> bool:
    """Return whether a layer with hidden state is a Normalization layer with the statistics in variables."""
    return type(layer) is layers.Normalization and layer.input_mean is None


def _is_keras_config(config: Any) -> bool:
    """Return whether a configuration contains only classes and functions of Keras."""
    if isinstance(config, dict):
        module = config.get("module", "keras")  # None for a class of a script or notebook
        is_keras_module = module is not None and (module == "builtins" or module.split(".")[0] == "keras")
        is_function = config.get("class_name") in ("function", "__lambda__")
        return is_keras_module and not is_function and all(map(_is_keras_config, config.values()))
    if isinstance(config, (list, tuple)):
        return all(map(_is_keras_config, config))
    return not (isinstance(config, str) and ">" in config)  # a registered name, "package>name"


_PROCESS_KEYS = ("module", "registered_name", "shared_object_id")
"""A class of a script is in the module `__main__`, and elsewhere in the module of the script."""
_NAMES = ("name", "keras_history", "input_layers", "output_layers")


def _number_names(config: Any, numbers: dict[str, str]) -> Any:
    """Replace the names in a configuration by numbers, in the order of first occurrence."""
    if isinstance(config, dict):
        return {
            key: tree.map_structure(lambda leaf: _number_name(leaf, numbers), value)
            if key in _NAMES
            else _number_names(value, numbers)
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return [_number_names(part, numbers) for part in config]
    return config


def _number_name(name: Any, numbers: dict[str, str]) -> Any:
    if not isinstance(name, str):
        return name
    return numbers.setdefault(name, f"#{len(numbers)}") or name


def _find_meaningful_names(network: Any, configs: Any) -> set[str]:
    """Return the names that affect the computation: keys of structures, and names of several inputs or outputs."""
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
