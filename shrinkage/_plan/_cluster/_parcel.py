"""The transport of a problem to a worker: by value, with the classes and functions of the user.

The rows are not part of it: Ray keeps them once on each machine.
"""

import io
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import keras
import numpy as np
from keras import tree
from ray import cloudpickle

from shrinkage._data._data import Data, take
from shrinkage._host._attributes import get_attributes, store
from shrinkage._host._compiled import get_compile_loss_weights, get_compile_metrics
from shrinkage._host._layers import list_sublayers, replace_lambdas
from shrinkage._host._private import UnsupportedVersion
from shrinkage._host._random import keep_random_state
from shrinkage._messages._note import Note
from shrinkage._model._behaviour import COMPARED_ROWS, describe_difference
from shrinkage._model._template import PACKAGE_LAYERS, Template, get_optimizer_config
from shrinkage._plan._cluster._connection import strip_colors
from shrinkage._problem._problem import Problem
from shrinkage._weights._kinds import collect_custom_objects

_ADVICE = "Give a function that builds, compiles and returns the model: shrinkage.fit(lambda: make_model(), ...)."
_LEAVE_OUT = "Leave $cluster out, or change the model."
_MOST_CHARACTERS = 500
"""Characters of an error of the model that a message quotes."""


@dataclass(frozen=True)
class _Model:
    """A compiled model as bytes of a `.keras` file, with all that Keras does not find or keep by itself."""

    file: bytes
    classes: dict[str, Any]
    """The custom classes and functions by name."""
    optimizer: tuple[Any, dict[str, Any]]
    """Class and configuration, with the schedule of the learning rate as an object."""
    loss: Any
    loss_weights: Any
    metrics: tuple[Any, Any]
    """Metrics and weighted metrics, which workers compute for rows on disk; else none."""

    def make(self) -> keras.Model:
        """Return the model, compiled."""
        with tempfile.TemporaryDirectory() as folder, keep_random_state():
            file = Path(folder, "model.keras")
            file.write_bytes(self.file)
            model: Any = keras.models.load_model(file, PACKAGE_LAYERS | self.classes, compile=False, safe_mode=False)
        optimizer, config = self.optimizer
        metrics, weighted = self.metrics
        model.compile(
            optimizer.from_config(config), self.loss, loss_weights=self.loss_weights, metrics=metrics,
            weighted_metrics=weighted,
        )  # fmt: skip
        return model


@dataclass(frozen=True)
class _Parcel:
    """A problem, and its template in parts."""

    problem: Problem
    """The problem without rows, template and selection, which the terms of the penalty came from."""
    model: _Model | Callable[[], keras.Model]
    without_regularizers: bool
    values: list[np.ndarray]
    """The values of the variables of the template."""
    rows: Any
    """Inputs of a few rows, a tree of arrays."""
    predictions: list[np.ndarray]
    """Predictions for the rows, an array for each output."""


def pack(problem: Problem) -> bytes:
    """Return a problem without the rows, `problem.training.data`.

    Raises:
        ValueError: If the model cannot be sent.
    """
    training, template = problem.training, problem.training.template
    rows = take(training.data.x, np.arange(min(COMPARED_ROWS, training.data.n_rows)))
    values, nothing = template.get_source_values(), dict[str, Any](template=None, data=None)
    bare = replace(problem, training=replace(training, **nothing), **dict[str, Any](selection=None))
    with _pickle_custom_modules():
        try:
            parcel = _Parcel(
                bare, template.function or _pack_model(template, with_metrics=problem.stored_rows is not None),
                template.without_regularizers, values, rows, _predict(template, values, rows),
            )  # fmt: skip
            return _dumps(parcel)
        except UnsupportedVersion:
            raise
        except Exception as error:  # of any class: from Keras, from pickle or from custom code
            raise _make_refusal("be sent to", error, is_function=template.is_function) from error


def unpack(parcel: bytes, data: Data) -> Problem:
    """Return the problem of `pack`, with its rows.

    Raises:
        ValueError: If the model cannot be made from what was sent, or if it predicts otherwise; if rows on disk are not
            there.
    """
    sent: _Parcel = cloudpickle.loads(parcel)
    stored = sent.problem.stored_rows
    if stored is not None and not stored.spool.is_complete:
        text = "TMPDIR must be a folder that all nodes of $cluster share, if rows are on disk. Received: rows in"
        text += f" {stored.spool.folder}, which a node does not have."
        raise ValueError(Note(f"{text} Set TMPDIR to a folder that all nodes share, or give more $max_memory."))
    is_function = not isinstance(sent.model, _Model)
    try:
        model = sent.model.make() if isinstance(sent.model, _Model) else sent.model
        template = Template(model, without_regularizers=sent.without_regularizers)
        for variable, value in zip(template.network.variables, sent.values, strict=True):
            variable.assign(value)
        training = replace(sent.problem.training, template=template, data=data)
        difference = describe_difference(template, training.behaviour, sent.values, sent.rows, sent.predictions)
    except UnsupportedVersion:
        raise
    except Exception as error:  # of any class: from Keras or from custom code
        raise _make_refusal("be made in", error, is_function=is_function) from error
    if difference:
        text = "$model must predict the same in the workers of $cluster. Received: a model that predicts differently."
        raise ValueError(Note(f"{text} {_LEAVE_OUT if is_function else _ADVICE}"))
    return replace(sent.problem, training=training)


def _predict(template: Template, values: list[np.ndarray], rows: Any) -> list[np.ndarray]:
    model = template.get_trained_part(template.make_model(values))
    return [keras.ops.convert_to_numpy(output) for output in tree.flatten(model(rows, training=False))]


def _make_refusal(action: str, error: Exception, *, is_function: bool) -> ValueError:
    reason = " ".join(strip_colors(error).split()) or type(error).__name__
    if len(reason) > _MOST_CHARACTERS:  # Keras says the cause at the end
        reason = f"{reason[: _MOST_CHARACTERS // 2]} ... {reason[-_MOST_CHARACTERS // 2 :]}"
    text = (
        f"$model must be a model that can {action} the workers of $cluster. Received: a model that cannot ({reason})."
    )
    return ValueError(Note(f"{text} {_LEAVE_OUT if is_function else _ADVICE}"))


def _pack_model(template: Template, *, with_metrics: bool) -> _Model:
    """Return the model of a template in parts."""
    source, copy = template.source, template.make_model(template.get_source_values())
    classes = collect_custom_objects(source)
    classes |= {keras.saving.get_registered_name(code): code for code in classes.values()}

    def name_lambda(function: Any) -> Any:
        """Give a name to a lambda, so that it is sent with its globals. Keras saves only its code."""
        if not isinstance(function, FunctionType) or function.__name__ != "<lambda>":
            return function
        named = _rename(function, f"shrinkage_lambda_{len(classes)}")
        return classes.setdefault(named.__name__, named)

    for layer in list_sublayers(copy):
        if isinstance(layer, keras.layers.Lambda):
            replace_lambdas(layer, name_lambda)
    copy.compiled = False  # a custom loss may not have a configuration
    with tempfile.TemporaryDirectory() as folder:
        copy.save(file := Path(folder, "model.keras"))
        content = file.read_bytes()
    optimizer = type(source.optimizer), get_optimizer_config(source.optimizer)
    metrics = get_compile_metrics(source) if with_metrics else (None, None)
    return _Model(content, classes, optimizer, source.loss, get_compile_loss_weights(source), metrics)


def _rename(function: FunctionType, name: str) -> FunctionType:
    parts = function.__code__, function.__globals__, name, function.__defaults__, function.__closure__
    return FunctionType(*parts)


class _Pickler(cloudpickle.Pickler):
    """Pickles losses with their attributes, and metrics with their configuration.

    Keras would write a file, and find only the classes of Keras again.
    """

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, keras.Loss):
            return _make_loss, (type(obj), get_attributes(obj))
        if isinstance(obj, keras.Metric):
            return _make_metric, (type(obj), obj.get_config())
        return super().reducer_override(obj)


def _make_loss(kind: Any, attributes: dict[str, Any]) -> Any:
    loss = kind.__new__(kind)
    store(loss, **attributes)
    return loss


def _make_metric(kind: Any, config: dict[str, Any]) -> Any:
    return kind.from_config(config)


def _dumps(value: Any) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer).dump(value)
    return buffer.getvalue()


@contextmanager
def _pickle_custom_modules() -> Iterator[None]:
    """Pickle what modules of the user define by value: a worker may not have their files."""
    modules = [module for module in list(sys.modules.values()) if _is_of_user(module)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _is_of_user(module: ModuleType) -> bool:
    """Return whether a module is neither installed, nor of Python, nor of this package."""
    file, name = getattr(module, "__file__", None), getattr(module, "__name__", "__main__")
    if not isinstance(file, str) or not file.endswith(".py") or name.partition(".")[0] in ("__main__", "shrinkage"):
        return False
    installed = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return sys.modules.get(name) is module and not any(Path(file).is_relative_to(folder) for folder in installed)
