"""Which weights of a model are penalised: decided by layer and variable, resolved to the variables themselves."""

from dataclasses import dataclass, replace
from math import prod
from pathlib import PurePath
from typing import Any

import keras

from shrinkage._host._layers import own_trainable, sublayers
from shrinkage._weights._first_call import create_weights
from shrinkage._weights._kinds import per_input, per_unit
from shrinkage._weights._matching import Selector, resolve
from shrinkage._weights._scale import scale_invariant


@dataclass(frozen=True)
class Weight:
    """One trainable variable of a model, and whether it is penalised.

    Attributes:
        layer: path of the layer that owns it.
        path: path of the variable.
        shape: its shape.
        size: its number of parameters.
        factor: what its strength is multiplied by; 0 where the penalty does not cover it.
        reason: why, or why not.
        per_unit: the axes, counted from the last, of the weights that lead into one unit.
        per_input: those of the weights that lead out of one input.
        lam: the strength that `attach` has put on it, or None.
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
        """Whether the penalty covers it."""
        return self.factor > 0


@dataclass(frozen=True, repr=False)
class Selection:
    """The trainable variables of a model, each penalised or not; printed as a table.

    Attributes:
        weights: one `Weight` per entry of `model.trainable_variables`, in the same order.
        idle: what is attached and has no weight to act on, in sentences.

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
        """What the strength of each entry of `model.trainable_variables` is multiplied by."""
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
        rows = [("layer", "weight", "shape", "parameters", "penalised"), *map(_cells, self.weights)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [_line(row, widths) for row in rows]
        share = 100 * self.n_penalised // max(self.n_weights, 1)  # rounded down: 100 % means all
        count = f"{self.n_penalised:,} of {self.n_weights:,} parameters penalised ({share} %)"
        return "\n".join([*lines, count, *self.idle])


def _cells(weight: Weight) -> tuple[str, ...]:
    verdict = f"{'yes' if weight.penalised else 'no'}: {weight.reason}"
    verdict += "" if weight.lam is None else f"; attached with lam = {weight.lam:g}"
    return weight.layer, weight.path.rpartition("/")[2], str(weight.shape), f"{weight.size:,}", verdict


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    layer, weight, shape, size, verdict = widths
    return f"{cells[0]:<{layer}}  {cells[1]:<{weight}}  {cells[2]:<{shape}}  {cells[3]:>{size}}  {cells[4]}"


def describe(model: keras.Model, on: Selector = "kernels") -> Selection:
    """Show which weights of a model a penalty would cover, which not, and why; nothing is changed.

    Where a normalization follows, the scale of a kernel does not matter, and the table says so: there lam acts only
    through eta * lam, as part of the step size (van Laarhoven 2017).
    Of a model with a penalty attached it also shows how strongly each weight is penalised now, and whether what is
    attached has no weight to act on.

    Args:
        model: a built Keras model, compiled or not.
        on: which weights, as one of these:

            - "kernels", the default of `fit`: the kernels of dense, convolutional and recurrent layers and of attention
              projections, recurrent and depthwise kernels, embeddings, and of a layer of your own every variable with
              two axes or more that are longer than 1; never biases, gains and offsets, which in a layer of your own
              are told by words in their names, such as `attention_bias` or `layer_scale_gamma`.
            - "all": every trainable weight.
            - a kind of weight: "kernel", "recurrent", "embedding", "depthwise", "bias", "gain" or "offset".
            - a class of layers or a layer: of these, what "kernels" names, in layers inside them too.
            - a pattern of the variable's path with `*`, `?` or `/` in it, such as "*dense_1/*" (`fnmatch`).
            - a variable of the model.
            - a function of (layer, variable) that returns whether to penalise the variable.
            - a list of these, for the weights that one of them names.
            - a dictionary from these (a variable needs a function there) to factors of 0 or more, such as
              {"kernel": 1, "recurrent": 0.1}: the strength of a weight is lam times its factor (glmnet's
              `penalty.factor`, which is not rescaled here). No two may name the same weight, and a weight that none
              names is not penalised.

    Returns:
        A `Selection`, which prints as a table.

    Raises:
        TypeError, ValueError: if the model is not built or has no trainable weight, or if `on` is of no such form, or a
            rule in it matches none or one that another names.

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
    hooks = vars(model).get("_shrinkage")  # `attach` leaves this note in the model
    if hooks is None:
        selection, attached, idle = select(model, on), {}, ()
    else:  # Keras may have replaced all variables that are penalised
        found = select_frozen_too(model, on, strict=False)
        selection = Selection(tuple(found[id(v)] for v in model.trainable_variables))
        attached, idle = hooks.strengths(), hooks.idle()
    free = scale_invariant(model)
    pairs = zip(selection.weights, model.trainable_variables, strict=True)
    weights = [replace(_of_free_scale(w) if id(v) in free else w, lam=attached.get(id(v))) for w, v in pairs]
    return Selection(tuple(weights), (*idle, *_not_shown(model)))


def _not_shown(model: keras.Model) -> list[str]:
    """Say what else shrinks weights of the model and is not in the table."""
    others = ["regularizers of layers"] * any(v.regularizer is not None for v in model.trainable_variables)
    others += ["the optimizer's weight_decay"] * bool(getattr(getattr(model, "optimizer", None), "weight_decay", None))
    return [f"Not in this table: {' and '.join(others)}. See shrinkage.doctor(model)."] if others else []


def _of_free_scale(weight: Weight) -> Weight:
    reason = f"{weight.reason}; scale-invariant: lam acts only through eta * lam"
    return replace(weight, reason=reason) if weight.penalised else weight


def select(model: keras.Model, on: Selector = "kernels") -> Selection:
    """Resolve a rule to the variables of a built model; see `describe`.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> select(model, on="all").n_penalised
        8
    """
    _check_built(model)
    if not model.trainable_variables:
        raise ValueError(f"Model {model.name!r} has no trainable weights: there is nothing to penalise.")
    return _select(model, on, model.trainable_variables)


def select_frozen_too(model: keras.Model, on: Selector = "kernels", *, strict: bool = True) -> dict[int, Weight]:
    """Resolve a rule to the variables of a built model and to those that training would change if none were frozen.

    Args:
        model: The model.
        on: The rule.
        strict: Whether a rule that names nothing is an error, as it is when it is given.

    Returns:
        What the rule says of each, by the identity of the variable.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> model.trainable = False
        >>> [weight.penalised for weight in select_frozen_too(model).values()]
        [True, False]
    """
    if strict:
        _check_built(model)
    known = owners_of(model)
    variables = [variable for variable in model.weights if id(variable) in known]
    if strict and not variables:
        raise ValueError(f"Model {model.name!r} has no weights that can be trained: there is nothing to penalise.")
    return dict(zip(map(id, variables), _select(model, on, variables, strict).weights, strict=True))


def _select(model: keras.Model, on: Selector, variables: list[keras.Variable], strict: bool = True) -> Selection:
    known = owners_of(model)
    pairs = [(known.get(id(variable), model), variable) for variable in variables]
    found = zip(pairs, resolve(model, on, pairs, strict=strict), strict=True)
    return Selection(tuple(_weight(*pair, *verdict) for pair, verdict in found))


def check_model(model: Any) -> None:
    """Refuse what is no Keras model, each with the way to one.

    Raises:
        TypeError: Saying what was received.
    """
    if isinstance(model, keras.Model):
        return
    received, hint = type(model).__name__, ""
    if isinstance(model, type):
        received, hint = f"the class {model.__name__}", f" Make a model of it: {model.__name__}(...)."
    elif isinstance(model, (str, PurePath)):
        hint = " Say keras.models.load_model(file)."
    elif isinstance(model, keras.Layer):
        hint = " Put it in one: keras.Sequential([keras.Input(shape), layer])."
    elif hasattr(model, "template"):
        hint = " Of a path say path.model()."
    elif callable(model):
        hint = " Call it, and give what it returns."
    raise TypeError(f"`model` must be a keras.Model. Received: {received}.{hint}")


def _check_built(model: keras.Model) -> None:
    if not model.built:
        raise ValueError(
            f"Model {model.name!r} is not built, so it has no weights yet. Start it with keras.Input(shape), "
            "or call model.build((None, number_of_features)), or call it once on some rows."
        )
    create_weights(model)


def owners_of(model: keras.Model) -> dict[int, keras.Layer]:
    """The layer that created each variable, by the variable's identity, wrappers and nested models looked through."""
    owned: dict[int, keras.Layer] = {}
    for layer in sublayers(model):
        for variable in own_trainable(layer):
            owned.setdefault(id(variable), layer)
    return owned


def _weight(layer: keras.Layer, variable: keras.Variable, factor: float, reason: str) -> Weight:
    shape = tuple(int(n) for n in variable.shape)
    path = variable.path.rpartition("/")[0] or layer.name
    return Weight(
        path, variable.path, shape, prod(shape), factor, reason, per_unit(layer, variable), per_input(layer, variable)
    )
