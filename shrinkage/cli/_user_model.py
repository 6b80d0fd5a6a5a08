"""The user's own model for `shrinkage fit`: a function in a Python file, or a model that Keras saved."""

import importlib.util
import inspect
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shrinkage._host._private import UnsupportedVersion
from shrinkage._messages._note import quote

from ._errors import BadInput, get_error_text

if TYPE_CHECKING:
    import keras

    from ._columns import Task

_BUILT_IN_MODELS = ("mlp", "linear")


def is_user_model(name: str) -> bool:
    """Whether `--model` names a file of the user.

    >>> is_user_model("mlp"), is_user_model("nets.py:small"), is_user_model("net.keras")
    (False, True, True)
    """
    return name not in _BUILT_IN_MODELS


def check_model_option(name: str) -> None:
    """Refuse a value of `--model` that is no model's name and no file, before a table is read."""
    if not is_user_model(name):
        return
    file, colon, function = name.rpartition(":")
    is_code = bool(colon) and file.endswith(".py") and function.isidentifier()
    if not is_code and not name.endswith(".keras"):
        code = name.rstrip(":")
        advice = f"Name a function of the file, as in {code}:function." if code.endswith(".py") else "Correct the name."
        raise BadInput(f"--model must be mlp, linear, FILE.py:function or MODEL.keras. Received: {name!r}. {advice}")
    place = Path(file if is_code else name)
    if not place.is_file():
        raise BadInput(
            f"--model must name a file. Received: {name}, but {place} does not exist or is not a file. Correct the "
            "path."
        )


def make_user_model(name: str, n_inputs: int, n_outputs: int, task: "Task") -> "keras.Model":
    """Return the user's compiled model.

    Args:
        name: FILE.py:function or MODEL.keras, checked.
        n_inputs: The number of encoded input columns.
        n_outputs: The number of outputs of the task.
        task: The task, which decides the form of the targets.

    Raises:
        BadInput: If the file or function gives no compiled model with one input and one output of the given shapes, and
            a loss for the targets.
    """
    import keras

    model = _load(name) if name.endswith(".keras") else _call(name, n_inputs, n_outputs)
    if not isinstance(model, keras.Model):
        raise BadInput(
            f"--model must give a keras.Model. Received: {name}, which gives {quote(model)}. Let it give the compiled "
            "model."
        )
    if not getattr(model, "compiled", False) or getattr(model, "loss", None) is None:
        raise BadInput(
            f"--model must be compiled with a loss. Received: {name}, which is not. Call "
            "model.compile(optimizer, loss) first."
        )
    _check_shapes(name, model, n_inputs, n_outputs)
    _check_loss(name, model, task)
    _check_no_regularizers(name, model)
    return model


_LOSSES: dict["Task", str] = {
    "regression": "mean_squared_error for a target of numbers, which are standardised",
    "binary": "a loss such as binary_crossentropy for a target of two classes, 0 and 1",
    "multi-class": "sparse_categorical_crossentropy for a target of class numbers",
}


def _check_loss(name: str, model: "keras.Model", task: "Task") -> None:
    """Refuse a loss that does not take the targets, in the form that they have for the task."""
    from shrinkage._model._losses import get_loss_name, is_listed, takes_labels
    from shrinkage._model._objective import list_compiled_losses

    try:
        (loss, *_) = list_compiled_losses(model.loss)
    except (TypeError, ValueError):  # `fit` says what is wrong
        return
    loss_name = get_loss_name(loss)
    fits = {
        "regression": loss_name == "mean_squared_error",
        "binary": not (is_listed(loss) and "categorical" in loss_name),
        "multi-class": not is_listed(loss) or takes_labels(loss),
    }
    if not fits[task]:
        raise BadInput(
            f"--model must be compiled with {_LOSSES[task]}. Received: {name}, compiled with {loss_name}. Change the "
            "loss in model.compile."
        )


def _check_no_regularizers(name: str, model: "keras.Model") -> None:
    from shrinkage._weights._regularizers import check_no_regularizers
    from shrinkage._weights._selection import select

    try:
        mask = select(model).mask
    except ValueError as error:
        raise BadInput(
            f"--model must have kernels that can be trained. Received: {name}, without any. Add a layer that has one, "
            "or set trainable=True on a layer."
        ) from error
    try:
        check_no_regularizers(model, mask)
    except ValueError as error:
        raise BadInput(
            f"--model must have kernels without regularizers, as --penalty takes their place. Received: {name}, with a "
            "regularizer on some. Leave kernel_regularizer out of the layers."
        ) from error


def _load(name: str) -> Any:
    import keras

    from shrinkage._data._untrusted import check_model_file

    try:
        with warnings.catch_warnings():
            # Keras warns of optimizer states and weights that it cannot load; they are not used.
            warnings.filterwarnings("ignore", message=r"(?s).*(could not be loaded|Skipping variable loading)")
            check_model_file(Path(name))
            return keras.models.load_model(Path(name), compile=True, safe_mode=True)
    except UnsupportedVersion:
        raise
    except Exception as error:  # any class: Keras trusts a configuration to have the right types
        raise BadInput(
            f"--model must be a file that Keras can load. Received: {name}, which cannot be loaded "
            f"({get_error_text(error)}). If it needs code of yours, give FILE.py:function."
        ) from error


def _call(name: str, n_inputs: int, n_outputs: int) -> Any:
    file, _, function = name.rpartition(":")
    build = getattr(_run(name, Path(file)), function, None)
    if not callable(build):
        raise BadInput(
            f"--model must name a function of the file. Received: {name}, but {file} has no function {function}. "
            "Correct the name."
        )
    sizes = (n_inputs, n_outputs)
    n_needed = count_parameters(build)
    if n_needed > len(sizes):
        raise BadInput(
            "--model must name a function of no parameters or of (n_inputs, n_outputs). Received: "
            f"{name}, which needs {n_needed}. Give the others a default."
        )
    try:
        return build(*sizes[:n_needed])
    except (Exception, SystemExit) as error:
        raise BadInput(
            f"--model must name a function that returns a model. Received: {name}, which raised "
            f"{type(error).__name__}: {get_error_text(error)}. Correct the function."
        ) from error


def _run(name: str, file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise BadInput(f"--model must name a file of Python code. Received: {name}, but {file} cannot be read as such.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise BadInput(
            f"--model must name a file that Python can run. Received: {name}, but {file} raised "
            f"{type(error).__name__}: {get_error_text(error)}. Correct the file."
        ) from error
    return module


def count_parameters(build: Any) -> int:
    """Return the number of parameters without a default."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is p.empty for p in inspect.signature(build).parameters.values())


def _check_shapes(name: str, model: "keras.Model", n_inputs: int, n_outputs: int) -> None:
    import keras

    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if inputs is None or outputs is None:
        way = (
            "Begin it with" if isinstance(model, keras.Sequential) else "Make it by keras.Model(inputs, outputs), from"
        )
        raise BadInput(
            f"--model must give a built Sequential or functional model. Received: {name}, which gives a "
            f"{type(model).__name__} without inputs. {way} keras.Input(({n_inputs},))."
        )
    if len(inputs) != 1 or len(outputs) != 1:
        raise BadInput(
            f"--model must have one input and one output. Received: {name}, with inputs: {len(inputs)}, outputs: "
            f"{len(outputs)}. Leave the others out."
        )
    dtype = str(inputs[0].dtype)
    if not dtype.startswith(("float", "bfloat")):
        raise BadInput(
            f"--model must take the numbers of the encoded table, most of which are not whole. Received: {name}, whose "
            f"input has the dtype {dtype}. Begin it with keras.Input(({n_inputs},))."
        )
    for end, tensors, size in (("input", inputs, n_inputs), ("output", outputs, n_outputs)):
        shape, needed = tuple(tensors[0].shape), (None, size)
        if shape != needed:
            raise BadInput(
                f"--model must have an {end} of the shape {needed} for the encoded table. Received: {name}, whose "
                f"{end} has the shape {shape}. Give a function of (n_inputs, n_outputs), which receives both sizes."
            )
