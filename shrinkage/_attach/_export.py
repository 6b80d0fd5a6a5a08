"""`export`: an attached model as a file of plain Keras, with the penalties that Keras has."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from shrinkage._attach._attachment import Attachment
from shrinkage._attach._hooked import as_before
from shrinkage._attach._hooks import get_optimizer
from shrinkage._attach._terms import PenalisedWeight
from shrinkage._data._scratch import open_temporary_folder
from shrinkage._host._attention import get_regularizer_attribute
from shrinkage._host._layers import get_direct_trainable_variables, list_sublayers
from shrinkage._host._private import UnsupportedVersion
from shrinkage._host._random import keep_random_state
from shrinkage._messages._file_names import check_file_name, explain_write_errors
from shrinkage._model._attached import get_attachments
from shrinkage._penalties import Coupled, Decoupled
from shrinkage._weights._kinds import collect_custom_objects
from shrinkage._weights._selection import check_model

Change = Callable[[Any, str, Any], None]

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
"""The name of a weight, and the layer's argument for the regularizer of this weight."""


def export(model: keras.Model, path: str | Path) -> tuple[str, ...]:
    """Save an attached model as a `.keras` file that Keras loads without this package.

    A `Coupled` L2, L1 or elastic net becomes the regularizer of the layer, with the present strength. A `Decoupled` L2
    becomes the `weight_decay` of the optimizer, if it is the same for all weights. Every other penalty is missing from
    the file, which a warning says. The model is not changed. The file appears only when it is complete.

    Args:
        model: a model with a penalty attached.
        path: the file to write; the name must end in `.keras`.

    Returns:
        One sentence for each penalty that is missing from the file, in whole or in part; () if none is missing.

    Raises:
        TypeError, ValueError: if no penalty is attached, `path` does not end in `.keras`, or Keras cannot save or load
            the model. No file is then written, and an earlier file stays.

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
    check_model(model)
    if not get_attachments(model):
        raise ValueError(
            f"`model` must have a penalty attached. Received: model {model.name!r} without one. Write it with "
            f"model.save(path)."
        )
    path = check_file_name("`path`", path, 'a file name, such as "plain.keras"')
    if path.suffix != ".keras":
        raise ValueError(f"`path` must end in .keras, the format that keeps regularizers. Received: '{path}'.")
    regularizers: dict[int, Any] = {}
    missing: list[str] = []
    with (
        keep_random_state(),
        explain_write_errors("`path`", path),
        open_temporary_folder(path.absolute().parent) as folder,
    ):
        written = folder / path.name  # moved to `path` when it is known to be right
        with as_before(model), _undo_changes() as change:
            for each in get_attachments(model):
                if isinstance(each.how, Decoupled):
                    missing += _set_weight_decay(each, model, change)
                elif why := each.idle or _describe_obstacle(each):
                    missing.append(f"{each!r}: {why}.")
                else:
                    regularizers |= {id(w.variable): _make_regularizer(w, float(each.lam)) for w in each.weights}
            _set_regularizers(model, regularizers, change)
            _build_optimizer(model, change)
            model.save(written)
        missing += _describe_lost_weights(model, _read(model, written), regularizers)
        written.replace(path)
    for sentence in missing:
        warnings.warn(f"Not in {path}: {sentence}", stacklevel=2)
    return tuple(missing)


@contextmanager
def _undo_changes() -> Iterator[Change]:
    """Yield a function that sets attributes as `setattr` does; all attributes are restored at the end."""
    before: list[tuple[Any, str, Any]] = []

    def change(target: Any, name: str, value: Any) -> None:
        before.append((target, name, getattr(target, name)))
        setattr(target, name, value)

    try:
        yield change
    finally:
        for thing, name, value in reversed(before):
            setattr(thing, name, value)


def _read(model: keras.Model, path: Path) -> Any:
    """Load the file of a model with plain Keras, given the classes and functions of the model.

    Raises:
        ValueError: If the file cannot be loaded.
    """
    try:
        return keras.models.load_model(
            path, collect_custom_objects(model), compile=False, safe_mode=False
        )  # it has just been written
    except UnsupportedVersion:
        raise
    except Exception as error:
        raise ValueError(
            f"`model` must be a model that Keras saves and loads. Received: {model.name!r}, of which Keras cannot load "
            f"the saved file ({type(error).__name__}: {str(error).splitlines()[0]}). Give its classes get_config() and "
            f"from_config()."
        ) from error


def _describe_obstacle(attachment: Attachment) -> str:
    """Return the reason why Keras has no such regularizer; empty if Keras has one."""
    if not isinstance(attachment.how, Coupled):
        return "Keras has no proximal step"
    if not isinstance(attachment.lam, keras.Variable):
        return "Keras' regularizers have a fixed strength"
    if not attachment.penalty.elementwise or attachment.toward is not None:
        return "Keras has no such regularizer that can be saved"
    return "Keras' regularizers penalise all rows of a table" if attachment.rows == "touched" else ""


def _make_regularizer(weight: PenalisedWeight, lam: float) -> Any:
    penalty, lam = weight.term.penalty, lam * weight.term.factor
    if penalty.rho == 0:
        return keras.regularizers.L2(lam / 2)
    if penalty.rho == 1:
        return keras.regularizers.L1(lam)
    return keras.regularizers.L1L2(l1=lam * penalty.rho, l2=lam * (1 - penalty.rho) / 2)


def _set_weight_decay(attachment: Attachment, model: keras.Model, change: Change) -> list[str]:
    """Set the weight decay of the optimizer if it is equivalent; else return the reason why it is not."""
    optimizer = get_optimizer(model)
    if optimizer is None:
        return [f"{attachment!r}: the model is not compiled, so it has no optimizer with a weight_decay."]
    if not isinstance(attachment.lam, keras.Variable) or attachment.toward is not None:
        return [f"{attachment!r}: Keras' weight_decay has a fixed strength, towards 0."]
    if [w.term.factor for w in attachment.weights] != [1.0] * len(model.trainable_variables):
        return [f"{attachment!r}: Keras' weight_decay is on all weights; those excluded from it are not saved."]
    change(optimizer, "weight_decay", float(attachment.lam))
    return []


def _set_regularizers(model: Any, regularizers: dict[int, Any], change: Change) -> None:
    """Set regularizers on weights, which act in training, and on their layers, which are saved."""
    for layer in list_sublayers(model):
        for variable in get_direct_trainable_variables(layer):
            if id(variable) in regularizers:
                change(variable, "regularizer", regularizers[id(variable)])
                depthwise = variable.name == "kernel" and hasattr(layer, "depthwise_regularizer")
                argument = "depthwise_regularizer" if depthwise else _ARGUMENTS.get(variable.name, "")
                if hasattr(layer, argument):
                    change(layer, argument, variable.regularizer)
    for layer in list_sublayers(model):
        if isinstance(layer, (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)):
            found = [v.regularizer for v in layer.trainable_variables if v.name == "kernel"]
            if found and all(_get_config(each) == _get_config(found[0]) for each in found):
                change(layer, get_regularizer_attribute(layer), found[0])  # the projections' regularizers are not saved


def _build_optimizer(model: Any, change: Change) -> None:
    """Build an optimizer that has taken no step: without variables in the file, Keras warns at loading."""
    optimizer = get_optimizer(model)
    if optimizer is not None and not optimizer.built:
        built = type(model.optimizer).from_config(model.optimizer.get_config())
        built.build(model.trainable_variables)
        change(model, "optimizer", built)


def _describe_lost_weights(model: Any, plain_model: Any, regularizers: dict[int, Any]) -> list[str]:
    """Name the weights that have another regularizer, or none, after loading."""
    return [
        f"{mine.path}: the layer does not save a regularizer for this weight."
        for mine, theirs in zip(model.weights, plain_model.weights, strict=True)
        if id(mine) in regularizers and _get_config(theirs.regularizer) != _get_config(regularizers[id(mine)])
    ]


def _get_config(regularizer: Any) -> Any:
    return keras.regularizers.serialize(regularizer) if regularizer is not None else None
