"""An attached model as plain Keras: the same penalty where Keras has it, and a sentence where it has not."""

import warnings
from pathlib import Path
from typing import Any

import keras

from shrinkage._attach._attach import attachments
from shrinkage._attach._attachment import Attachment
from shrinkage._attach._hooked import as_before
from shrinkage._attach._terms import Penalised
from shrinkage._penalties import L1, L2, Coupled, Decoupled, ElasticNet

_ARGUMENTS = {
    "kernel": "kernel_regularizer",
    "recurrent_kernel": "recurrent_regularizer",
    "depthwise_kernel": "depthwise_regularizer",
    "pointwise_kernel": "pointwise_regularizer",
    "embeddings": "embeddings_regularizer",
    "bias": "bias_regularizer",
    "gamma": "gamma_regularizer",
    "beta": "beta_regularizer",
}
"""What layers call the regularizer of a weight."""


def export(model: keras.Model, path: str | Path) -> tuple[str, ...]:
    """Write an attached model as a `.keras` file that plain Keras loads, and that penalises the same where Keras can.

    A `Coupled` L2, L1 or elastic net becomes the regularizer of the layer, with its strength of now; a `Decoupled` L2
    the optimizer's `weight_decay`, where all weights have the same. Whatever is said not to be in the file is also a
    warning. The model stays as it is.

    Args:
        model: a model with a penalty attached.
        path: the file, which ends in `.keras`.

    Returns:
        A sentence for each attachment that plain Keras cannot express, or not on all its weights; () if there is none.

    Raises:
        TypeError, ValueError: before anything is written: if no penalty is attached, or `path` is no path that ends in
            `.keras`.

    Example:
        >>> import keras, shrinkage as sh, tempfile
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> reg = sh.attach(model, sh.L2(), lam=0.25)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     missing = sh.export(model, f"{folder}/plain.keras")
        ...     plain = keras.models.load_model(f"{folder}/plain.keras")
        >>> missing, float(plain.layers[0].kernel_regularizer.l2)
        ((), 0.125)
    """
    if not attachments(model):
        raise ValueError(f"No penalty is attached to model {model.name!r}: write it with model.save(path).")
    if not isinstance(path, (str, Path)):
        raise TypeError(f"`path` must be a str or a pathlib.Path that ends in .keras. Received: {path!r}.")
    if not str(path).endswith(".keras"):
        raise ValueError(f"`path` must end in .keras, the format that keeps regularizers. Received: {str(path)!r}.")
    with as_before(model), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Skipping variable loading")  # of an optimizer that has taken no step
        model.save(path)
        plain: Any = keras.models.load_model(path, safe_mode=False)  # which has just been written
    place = {id(w): i for i, w in enumerate(model.weights)}
    wanted: dict[int, Any] = {}
    missing = []
    for each in attachments(model):
        if isinstance(each.how, Decoupled):
            missing += _decay(each, model, plain)
        elif why := _inexpressible(each):
            missing.append(f"{each!r}: {why}.")
        else:
            wanted |= {place[id(weight.variable)]: _regularizer(weight, float(each.lam)) for weight in each.weights}
    _regularize(plain, wanted)
    plain.save(path)
    missing += _lost(keras.models.load_model(path, safe_mode=False), wanted)
    for sentence in missing:
        warnings.warn(f"Not in {path}: {sentence}", stacklevel=2)
    return tuple(missing)


def _inexpressible(each: Attachment) -> str:
    """Say why Keras has no such regularizer, or nothing."""
    if not isinstance(each.how, Coupled):
        return "Keras has no proximal step"
    if not isinstance(each.lam, keras.Variable):
        return "Keras' regularizers have a fixed strength"
    if not isinstance(each.penalty, (L1, L2, ElasticNet)) or each.toward is not None:
        return "Keras has no such regularizer that can be saved"
    return "Keras' regularizers penalise all rows of a table" if each.rows == "touched" else ""


def _regularizer(weight: Penalised, lam: float) -> Any:
    penalty, lam = weight.term.penalty, lam * weight.term.factor
    if isinstance(penalty, L2):
        return keras.regularizers.L2(lam / 2)
    if isinstance(penalty, L1):
        return keras.regularizers.L1(lam)
    return keras.regularizers.L1L2(l1=lam * penalty.rho, l2=lam * (1 - penalty.rho) / 2)


def _decay(each: Attachment, model: keras.Model, plain: Any) -> list[str]:
    """Set the optimizer's weight decay if that is the same; else say why it is not."""
    optimizer = getattr(plain, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if optimizer is None:
        return [f"{each!r}: the model is not compiled, so it has no optimizer with a weight_decay."]
    if not isinstance(each.lam, keras.Variable) or each.toward is not None:
        return [f"{each!r}: Keras' weight_decay has a fixed strength, towards 0."]
    if [w.term.factor for w in each.weights] != [1.0] * len(model.trainable_variables):
        return [f"{each!r}: Keras' weight_decay is on all weights; those excluded from it are not saved."]
    optimizer.weight_decay = float(each.lam)
    return []


def _regularize(model: Any, wanted: dict[int, Any]) -> None:
    """Give weights a regularizer, and their layers, which are asked for it when they are saved."""
    given = {id(model.weights[place]): regularizer for place, regularizer in wanted.items()}
    for layer in model._flatten_layers():
        for variable in layer._trainable_variables:
            if id(variable) in given:
                variable.regularizer = given[id(variable)]
                depthwise = variable.name == "kernel" and hasattr(layer, "depthwise_regularizer")
                argument = "depthwise_regularizer" if depthwise else _ARGUMENTS.get(variable.name, "")
                if hasattr(layer, argument):
                    setattr(layer, argument, variable.regularizer)
    for layer in model._flatten_layers():
        if isinstance(layer, (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)):
            found = [v.regularizer for v in layer.trainable_variables if v.name == "kernel"]
            if found and all(_config(each) == _config(found[0]) for each in found):
                layer._kernel_regularizer = found[0]  # of its projections, whose own is not saved


def _lost(model: Any, wanted: dict[int, Any]) -> list[str]:
    """Say which weights have come back from the file without their regularizer, or with one of others."""
    return [
        f"{weight.path}: its layer does not save a regularizer of its own for it."
        for place, weight in enumerate(model.weights)
        if place in wanted and _config(weight.regularizer) != _config(wanted[place])
    ]


def _config(regularizer: Any) -> Any:
    return keras.regularizers.serialize(regularizer) if regularizer is not None else None
