"""The selection of the weights to penalise, and `shrinkage.describe`, which shows the selection as a table."""

from dataclasses import dataclass, replace
from math import prod
from pathlib import PurePath
from typing import Any

import keras

from shrinkage._host._attributes import get_stored
from shrinkage._host._layers import get_direct_trainable_variables, list_sublayers
from shrinkage._weights._first_call import create_weights
from shrinkage._weights._kinds import find_input_axes, find_unit_axes
from shrinkage._weights._matching import Selector, resolve_selector
from shrinkage._weights._scale import find_scale_invariant_weights


@dataclass(frozen=True)
class Weight:
    """A trainable variable of a model, and whether it is penalised.

    Attributes:
        layer: path of the layer that owns the variable.
        path: path of the variable.
        shape: shape of the variable.
        size: number of parameters.
        factor: multiplier of the strength; 0 for a variable that is not penalised.
        reason: why the variable is penalised or not.
        per_unit: axes, as negative numbers, that span the weights into a unit.
        per_input: axes, as negative numbers, that span the weights out of an input.
        lam: strength of the attached penalty, or None without an attached penalty.
    """

    layer: str
    path: str
    shape: tuple[int, ...]
    size: int
    factor: float
    reason: str
    per_unit: tuple[int, ...]
    per_input: tuple[int, ...]
    lam: float | None = None

    @property
    def penalised(self) -> bool:
        """Whether the variable is penalised."""
        return self.factor > 0


@dataclass(frozen=True, repr=False)
class Selection:
    """The trainable variables of a model with the decision to penalise each of them; prints as a table.

    Attributes:
        weights: a `Weight` for each entry of `model.trainable_variables`, in the same order.
        idle: sentences about attached penalties without weights.

    Example:
        >>> import keras, shrinkage as sh
        >>> sh.describe(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])).mask
        (True, False)
    """

    weights: tuple[Weight, ...]
    idle: tuple[str, ...] = ()

    @property
    def mask(self) -> tuple[bool, ...]:
        """Whether each entry of `model.trainable_variables` is penalised."""
        return tuple(weight.penalised for weight in self.weights)

    @property
    def factors(self) -> tuple[float, ...]:
        """The multiplier of the strength for each entry of `model.trainable_variables`."""
        return tuple(weight.factor for weight in self.weights)

    @property
    def n_weights(self) -> int:
        """The number of trainable parameters."""
        return sum(weight.size for weight in self.weights)

    @property
    def n_penalised(self) -> int:
        """The number of penalised parameters."""
        return sum(weight.size for weight in self.weights if weight.penalised)

    def __repr__(self) -> str:
        rows = [("layer", "weight", "shape", "parameters", "penalised"), *map(_format_cells, self.weights)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [_format_line(row, widths) for row in rows]
        share = 100 * self.n_penalised // max(self.n_weights, 1)  # rounded down: 100 % means all
        count = f"{self.n_penalised:,} of {self.n_weights:,} parameters penalised ({share} %)"
        return "\n".join([*lines, count, *self.idle])


def _format_cells(weight: Weight) -> tuple[str, ...]:
    verdict = f"{'yes' if weight.penalised else 'no'}: {weight.reason}"
    verdict += "" if weight.lam is None else f"; attached with lam = {weight.lam:g}"
    return weight.layer, weight.path.rpartition("/")[2], str(weight.shape), f"{weight.size:,}", verdict


def _format_line(cells: tuple[str, ...], widths: list[int]) -> str:
    layer, weight, shape, size, verdict = widths
    return f"{cells[0]:<{layer}}  {cells[1]:<{weight}}  {cells[2]:<{shape}}  {cells[3]:>{size}}  {cells[4]}"


def describe(model: keras.Model, on: Selector = "kernels") -> Selection:
    """Show which weights of a model a penalty selects, and why. The model does not change.

    The table marks scale-invariant kernels, which a normalization follows: there lam acts only through eta * lam, as
    part of the step size (van Laarhoven 2017). For a model with an attached penalty, the table also shows the present
    strength on each weight, and attached penalties without weights.

    Args:
        model: a built Keras model, compiled or not.
        on: the weights to penalise:

            - "kernels", the default of `fit`: the kernels of dense, convolutional and recurrent layers and of attention
              projections, recurrent and depthwise kernels, embeddings, and every variable of a custom layer with at
              least two axes longer than 1; never biases, gains and offsets, which are recognised in a custom layer by
              words in the variable names, such as `attention_bias` or `layer_scale_gamma`.
            - "all": every trainable weight.
            - a kind of weight: "kernel", "recurrent", "embedding", "depthwise", "bias", "gain" or "offset".
            - a class of layers or a layer: the weights in them that "kernels" selects, including nested layers.
            - a pattern of variable paths with `*`, `?` or `/`, such as "*dense_1/*" (`fnmatch`).
            - a variable of the model.
            - a function of (layer, variable) that returns whether to penalise the variable.
            - a list of the above, which selects the union.
            - a dictionary from the above (use a function for a variable) to factors of 0 or more, such as
              {"kernel": 1, "recurrent": 0.1}: the strength on a weight is lam times the factor (`penalty.factor` of
              glmnet, without rescaling). No two keys may select the same weight. Weights that no key selects are not
              penalised.

    Returns:
        A `Selection`, which prints as a table.

    Raises:
        TypeError, ValueError: if the model is not built or has no trainable weights, or if `on` has another form,
            contains a selector that matches nothing, or has two keys that select the same weight.

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
    check_model(model)
    hooks = get_stored(model, "_shrinkage")  # set by `attach`
    if hooks is None:
        selection, attached, idle = select(model, on), {}, ()
    else:  # not strict: Keras may have replaced all penalised variables
        found = select_frozen_too(model, on, strict=False)
        selection = Selection(tuple(found[id(v)] for v in model.trainable_variables))
        attached, idle = hooks.compute_strengths(), hooks.describe_idle()
    invariant = find_scale_invariant_weights(model)
    pairs = zip(selection.weights, model.trainable_variables, strict=True)
    weights = [replace(_mark_invariant(w) if id(v) in invariant else w, lam=attached.get(id(v))) for w, v in pairs]
    return Selection(tuple(weights), (*idle, *_describe_others(model)))


def _describe_others(model: keras.Model) -> list[str]:
    """Return a sentence about other causes of shrinkage that the table does not show; empty without any."""
    others = ["regularizers of layers"] * any(v.regularizer is not None for v in model.trainable_variables)
    others += ["the optimizer's weight_decay"] * bool(getattr(getattr(model, "optimizer", None), "weight_decay", None))
    return [f"Not in this table: {' and '.join(others)}. See shrinkage.doctor(model)."] if others else []


def _mark_invariant(weight: Weight) -> Weight:
    reason = f"{weight.reason}; scale-invariant: lam acts only through eta * lam"
    return replace(weight, reason=reason) if weight.penalised else weight


def select(model: keras.Model, on: Selector = "kernels") -> Selection:
    """Resolve a selector to the trainable variables of a built model; see `describe`.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> select(model, on="all").n_penalised
        8
    """
    _check_built(model)
    if not model.trainable_variables:
        raise ValueError(
            f"`model` ({model.name}) must have trainable weights to penalise. Received: none. Set trainable=True on a "
            f"layer."
        )
    return _select(model, on, model.trainable_variables)


def select_frozen_too(model: keras.Model, on: Selector = "kernels", *, strict: bool = True) -> dict[int, Weight]:
    """Resolve a selector to the variables of a built model that are trainable or frozen.

    Args:
        model: The model.
        on: The selector.
        strict: Whether to raise an error for a selector that matches nothing. Use False after the first resolution.

    Returns:
        The `Weight` of each variable, by the id of the variable.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> model.trainable = False
        >>> [weight.penalised for weight in select_frozen_too(model).values()]
        [True, False]
    """
    if strict:
        _check_built(model)
    owners = find_owners(model)
    variables = [variable for variable in model.weights if id(variable) in owners]
    if strict and not variables:
        raise ValueError(
            f"`model` ({model.name}) must have weights that can be trained. Received: none. Add a layer that has some, "
            f"such as Dense."
        )
    return dict(zip(map(id, variables), _select(model, on, variables, strict).weights, strict=True))


def _select(model: keras.Model, on: Selector, variables: list[keras.Variable], strict: bool = True) -> Selection:
    owners = find_owners(model)
    pairs = [(owners.get(id(variable), model), variable) for variable in variables]
    verdicts = resolve_selector(model, on, pairs, strict=strict)
    return Selection(tuple(_make_weight(*pair, *verdict) for pair, verdict in zip(pairs, verdicts, strict=True)))


def check_model(model: Any) -> None:
    """Check that `model` is a Keras model.

    Raises:
        TypeError: If it is not. The message shows how to get a model from the received object.
    """
    if isinstance(model, keras.Model):
        return
    received, hint = type(model).__name__, ""
    if isinstance(model, type):
        received, hint = f"the class {model.__name__}", f" Create a model: {model.__name__}(...)."
    elif isinstance(model, (str, PurePath)):
        hint = " Say keras.models.load_model(file)."
    elif isinstance(model, keras.Layer):
        hint = " Put the layer into a model: keras.Sequential([keras.Input(shape), layer])."
    elif hasattr(model, "template"):
        hint = " For a path say path.model()."
    elif callable(model):
        hint = " Call the function, and give the result."
    raise TypeError(f"`model` must be a keras.Model. Received: {received}.{hint}")


def _check_built(model: keras.Model) -> None:
    if not model.built:
        raise ValueError(
            f"`model` ({model.name}) must be built, so that it has weights. Received: a model that is not built. Start "
            f"it with keras.Input(shape), call model.build((None, number_of_features)), or call it once on some rows."
        )
    create_weights(model)


def find_owners(model: keras.Model) -> dict[int, keras.Layer]:
    """Return the layer that created each variable, by the id of the variable, including nested models and wrappers."""
    owners: dict[int, keras.Layer] = {}
    for layer in list_sublayers(model):
        for variable in get_direct_trainable_variables(layer):
            owners.setdefault(id(variable), layer)
    return owners


def _make_weight(layer: keras.Layer, variable: keras.Variable, factor: float, reason: str) -> Weight:
    shape = tuple(int(n) for n in variable.shape)
    path = variable.path.rpartition("/")[0] or layer.name
    return Weight(
        path,
        variable.path,
        shape,
        prod(shape),
        factor,
        reason,
        find_unit_axes(layer, variable),
        find_input_axes(layer, variable),
    )
