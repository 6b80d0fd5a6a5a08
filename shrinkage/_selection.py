"""Which weights of a model are penalised: decided by layer and variable, resolved to the variables themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import keras

Rule = str | Callable[[keras.Layer, keras.Variable], bool]

# What Keras' layers call the weights that multiply their inputs. Recurrent layers and attention own none themselves:
# their cells and projections do. With LoRA, two factors stand in for the frozen kernel.
_KERNELS = frozenset(
    ["kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel", "lora_kernel_a", "lora_kernel_b"]
    + ["embeddings", "reverse_embeddings", "lora_embeddings_a", "lora_embeddings_b"]
)
_NEVER = {"bias": "bias", "gamma": "normalization gain", "beta": "normalization offset"}


@dataclass(frozen=True)
class Weight:
    """One trainable variable of a model, and whether it is penalised.

    Attributes:
        layer: path of the layer that owns it.
        path: path of the variable.
        shape: its shape.
        size: its number of parameters.
        penalised: whether the penalty covers it.
        reason: why, or why not.
    """

    layer: str
    path: str
    shape: tuple[int, ...]
    size: int
    penalised: bool
    reason: str


@dataclass(frozen=True, repr=False)
class Selection:
    """The trainable variables of a model, each penalised or not; printed as a table.

    Attributes:
        weights: one `Weight` per entry of `model.trainable_variables`, in the same order.

    Example:
        >>> import keras, shrinkage as sh
        >>> sh.describe(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])).mask
        (True, False)
    """

    weights: tuple[Weight, ...]

    @property
    def mask(self) -> tuple[bool, ...]:
        """Whether each entry of `model.trainable_variables` is penalised."""
        return tuple(weight.penalised for weight in self.weights)

    @property
    def n_weights(self) -> int:
        """The number of trainable parameters."""
        return sum(weight.size for weight in self.weights)

    @property
    def n_penalised(self) -> int:
        """The number of penalised parameters."""
        return sum(weight.size for weight in self.weights if weight.penalised)

    def __repr__(self) -> str:
        rows = [("layer", "weight", "shape", "parameters", "penalised"), *map(_cells, self.weights)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [_line(row, widths) for row in rows]
        share = 100 * self.n_penalised // max(self.n_weights, 1)  # rounded down: 100 % means all
        return "\n".join([*lines, f"{self.n_penalised:,} of {self.n_weights:,} parameters penalised ({share} %)"])


def _cells(weight: Weight) -> tuple[str, ...]:
    verdict = f"{'yes' if weight.penalised else 'no'}: {weight.reason}"
    return weight.layer, weight.path.rpartition("/")[2], str(weight.shape), f"{weight.size:,}", verdict


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    layer, weight, shape, size, verdict = widths
    return f"{cells[0]:<{layer}}  {cells[1]:<{weight}}  {cells[2]:<{shape}}  {cells[3]:>{size}}  {cells[4]}"


def describe(model: keras.Model, on: Rule = "kernels") -> Selection:
    """Show which weights of a model a penalty would cover, which not, and why; nothing is changed.

    Args:
        model: a built Keras model, compiled or not.
        on: "kernels" (the default of `fit`): the kernels of dense, convolutional and recurrent layers and of attention
            projections, recurrent kernels, embeddings, and of a layer of your own every variable with two axes or
            more; never biases, or the gains and offsets of normalizations. "all": every trainable weight. Or a
            function of (layer, variable) that returns whether to penalise the variable.

    Returns:
        A `Selection`, which prints as a table.

    Raises:
        ValueError: if the model is not built, has no trainable weight, or `on` matches none.

    Example:
        >>> import keras, shrinkage as sh
        >>> hidden, output = keras.layers.Dense(4, name="hidden"), keras.layers.Dense(1, name="output")
        >>> model = keras.Sequential([keras.Input((8,)), hidden, output], name="net")
        >>> sh.describe(model)
        layer       weight  shape   parameters  penalised
        net/hidden  kernel  (8, 4)          32  yes: kernel of Dense
        net/hidden  bias    (4,)             4  no: bias
        net/output  kernel  (4, 1)           4  yes: kernel of Dense
        net/output  bias    (1,)             1  no: bias
        36 of 41 parameters penalised (87 %)
    """
    return select(model, on)


def select(model: keras.Model, on: Rule = "kernels") -> Selection:
    """Resolve a rule to the variables of a built model; see `describe`.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> select(model, on="all").n_penalised
        8
    """
    _check_rule(on)
    _check_built(model)
    owners = _owners(model)
    weights = [_weight(owners.get(id(variable), model), variable, on) for variable in model.trainable_variables]
    if not any(weight.penalised for weight in weights):
        names = ", ".join(weight.path for weight in weights)
        raise ValueError(
            f"on={_spell(on)} matches none of the {len(weights)} trainable weights of model {model.name!r}: {names}. "
            'Give on="all", or a function of (layer, variable) that is true for the weights to penalise.'
        )
    return Selection(tuple(weights))


def _check_rule(on: Any) -> None:
    if on not in ("kernels", "all") and not callable(on):
        raise ValueError(f'on must be "kernels", "all" or a function of (layer, variable), and is {on!r}.')


def _check_built(model: keras.Model) -> None:
    if not model.built:
        raise ValueError(
            f"Model {model.name!r} is not built, so it has no weights yet. Start it with keras.Input(shape), "
            "or call model.build((None, number_of_features)), or call it once on some rows."
        )
    if not model.trainable_variables:
        raise ValueError(f"Model {model.name!r} has no trainable weights: there is nothing to penalise.")


def _owners(model: keras.Model) -> dict[int, keras.Layer]:
    """The layer that created each variable, by the variable's identity: wrappers and nested models are looked through.

    `_flatten_layers` and `_trainable_variables` are private, and the only way to a layer's own variables.
    """
    owned: dict[int, keras.Layer] = {}
    for layer in model._flatten_layers():
        for variable in layer._trainable_variables:
            owned.setdefault(id(variable), layer)
    return owned


def _weight(layer: keras.Layer, variable: keras.Variable, on: Rule) -> Weight:
    penalised, reason = _verdict(layer, variable, on)
    shape = tuple(int(n) for n in variable.shape)
    path = variable.path.rpartition("/")[0] or layer.name
    return Weight(path, variable.path, shape, prod(shape), penalised, reason)


def _verdict(layer: keras.Layer, variable: keras.Variable, on: Rule) -> tuple[bool, str]:
    if callable(on):
        penalised = bool(on(layer, variable))
        return penalised, "chosen by on" if penalised else "not chosen by on"
    if on == "all":
        return True, 'on="all"'
    return _kernel_verdict(layer, variable)


def _kernel_verdict(layer: keras.Layer, variable: keras.Variable) -> tuple[bool, str]:
    name, kind = variable.name, type(layer).__name__
    if name in _NEVER:
        return False, _NEVER[name]
    if name in _KERNELS:
        return True, f"{name} of {kind}"
    if type(layer).__module__.startswith("keras."):
        return False, f"{name} of {kind}, not a kernel"
    if len(variable.shape) >= 2:
        return True, f"{kind} is a custom layer: 2 axes or more"
    return False, f"{kind} is a custom layer: fewer than 2 axes"


def _spell(on: Rule) -> str:
    return getattr(on, "__name__", repr(on)) if callable(on) else f'"{on}"'
