"""Train the path of an estimator: the network of `model=`, and the defaults of the command line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from shrinkage._data._sparse import is_sparse
from shrinkage._fit._fit import fit
from shrinkage._host._private import UnsupportedVersion
from shrinkage._model._objective import get_compiled_loss_name, takes_logits
from shrinkage._model._template import Template
from shrinkage._path._path import Path
from shrinkage._penalties import Coupled, as_how
from shrinkage._problem._arguments import check_count
from shrinkage._problem._defaults import FULL_BATCHES, HIDDEN_UNITS, MINI_BATCHES, PATIENCE
from shrinkage.cli._columns import Columns
from shrinkage.cli._network import TargetScale, compile_network
from shrinkage.cli._user_model import count_parameters


def train_estimator(
    options: Mapping[str, Any], columns: Columns, inputs: Sequence[Any], y: np.ndarray, **rows: Any
) -> Path:
    """Return the path, in the units of the target.

    Args:
        options: The parameters of the estimator, all but `choose` and `class_weight`.
        columns: The columns, with task and classes.
        inputs: The inputs of the network, (n, ...) each; one may be a sparse matrix.
        y: (n,) class numbers or quantities.
        rows: Weights and groups of the rows, as `fit` takes them.
    """
    arguments = dict(options)
    model, hidden = arguments.pop("model"), arguments.pop("hidden")
    training = make_training_options(arguments, model, len(y))
    if training["epochs"] is not None:  # the learning rate of a network depends on them
        check_count("epochs", training["epochs"])
    network = _make_network(model, hidden, columns, inputs, training)
    built = network() if isinstance(network, _Builder) else network
    if not isinstance(model, str):
        _check_network(built, columns, inputs[0])
    scale = None
    if arguments.get("standardize_target"):
        _check_squared_error(built)
        scale = TargetScale.from_values("regression", y)
        targets = scale.encode(y)
    else:
        targets = _make_targets(built, columns, y)
    x = inputs[0] if len(inputs) == 1 else list(inputs)
    path = fit(network, x, targets, **{**arguments, **training}, **rows)
    return path if scale is None else scale.in_target_units(path)


def make_training_options(parameters: Mapping[str, Any], model: Any, n_rows: int) -> dict[str, Any]:
    """Return the arguments of `fit` for solver, epochs, batches and early stopping, with defaults for those not given.

    The defaults are those of the command line. A linear model with `L2` is computed. With other penalties, full batches
    and a large, falling learning rate reach its minimum.
    """
    names = ("solver", "epochs", "batch_size", "patience", "epoch")
    solver, epochs, batch_size, patience, epoch = (parameters[name] for name in names)
    linear = isinstance(model, str) and model == "linear"
    of_training = [epochs, batch_size, patience, epoch, parameters["budget"]]
    if solver is None:
        computed = linear and _is_coupled_l2(parameters) and all(value is None for value in of_training)
        solver = "exact" if computed else "gradient"
    if solver == "exact":
        options = {"epochs": epochs, "batch_size": batch_size, "patience": patience, "epoch": epoch or "best"}
        return {**options, "solver": solver}
    if linear and batch_size is None and parameters["budget"] is None:
        defaults = {**FULL_BATCHES, "batch_size": n_rows, "epoch": "last", "patience": None}
    else:
        waits = epochs is None and parameters["budget"] is None and not isinstance(epoch, int)
        defaults = {**MINI_BATCHES, "epoch": "best", "patience": PATIENCE if waits else None}
    told = {"epochs": epochs, "batch_size": batch_size, "patience": patience, "epoch": epoch}
    return {name: defaults[name] if value is None else value for name, value in told.items()} | {"solver": solver}


def _is_coupled_l2(parameters: Mapping[str, Any]) -> bool:
    penalty, how = parameters["penalty"], parameters["how"]
    return getattr(penalty, "name", penalty) in ("L2", "l2") and isinstance(as_how(how), Coupled | None)


def _make_network(
    model: Any, hidden: Any, columns: Columns, inputs: Sequence[Any], training: Mapping[str, Any]
) -> "keras.Model | _Builder":
    """Return the network, or a function that builds it."""
    if isinstance(model, str):
        layers = () if model == "linear" else HIDDEN_UNITS if hidden is None else tuple(hidden)
        full = model == "linear" and training["epochs"] is not None and training["batch_size"] == inputs[0].shape[0]
        rate, steps = (FULL_BATCHES["learning_rate"], training["epochs"]) if full else (1e-3, None)
        return compile_network(columns, inputs, layers, rate, steps)
    n_outputs = max(1, len(columns.labels) * (columns.task == "multi-class"))
    return model if isinstance(model, keras.Model) else _Builder(model, inputs[0].shape[1:], (n_outputs,))


@dataclass(frozen=True)
class _Builder:
    """A function of the user that builds a model, with its arguments."""

    build: Callable[..., Any]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    def __call__(self) -> Any:
        return self.build(*(self.input_shape, self.output_shape)[: count_parameters(self.build)])


def _check_network(network: Any, columns: Columns, x: Any) -> None:
    """Refuse a model of the user that does not fit to the rows or to the target."""
    if not isinstance(network, keras.Model):
        raise TypeError(f"`model` must return a compiled keras.Model. Received: {type(network).__name__}.")
    if not network.built:
        raise ValueError(
            f"`model` must be built, so that it has weights. Received: {type(network).__name__}, which is not built. "
            f"Start it with keras.Input(({x.shape[1]},))."
        )
    classes = len(columns.labels)
    expected = [(None, 1)] if columns.task == "regression" else [(None, classes)] + [(None, 1)] * (classes == 2)
    if network.output_shape not in expected:
        words = " or ".join(map(str, expected))
        raise ValueError(
            f"`model` must have the output shape {words} for the target. Received: {network.output_shape}. "
            f"{_SHAPES_ADVICE}"
        )
    if not _takes(network, x):
        if columns.as_matrix:
            raise ValueError(
                f"`model` must have the input shape (None, {x.shape[1]}): a data frame is encoded, with more than one "
                "input for a column of categories, dates, texts or missing cells. "
                f"Received: {network.input_shape}. {_SHAPES_ADVICE}"
            )
        return  # `fit` says why
    if columns.task != "regression" and network.compiled:
        _check_probabilities(network, x)


_SHAPES_ADVICE = "A function of (input_shape, output_shape) receives both shapes."


def _takes(network: keras.Model, x: Any) -> bool:
    """Whether a model has one input, of the shape of the rows."""
    shape = network.input_shape
    if not isinstance(shape, tuple) or len(shape) != len(x.shape):
        return False
    return all(size in (None, given) for size, given in zip(shape[1:], x.shape[1:], strict=True))


def _check_probabilities(network: keras.Model, x: Any) -> None:
    """Refuse a classifier whose outputs are not probabilities, such as a linear one with a squared error.

    `fit` refuses such outputs for log losses only.
    """
    probabilities = compute_probabilities(call_network(network, [x[:_BATCH]]), from_logits=takes_logits(network.loss))
    one, sums = network.output_shape[-1] == 1, probabilities.sum(axis=1)
    outputs = probabilities[:, 1:] if one else probabilities
    least, most = outputs.min(), outputs.max()
    beyond = least < -_ROUNDING or most > 1 + _ROUNDING
    if beyond or (abs(sums - 1) > _ROUNDING).any():
        activation, loss = ("sigmoid", "BinaryCrossentropy") if one else ("softmax", "SparseCategoricalCrossentropy")
        found = f"from {least:.3g} to {most:.3g}" if beyond else f"with sums from {sums.min():.3g} to {sums.max():.3g}"
        raise ValueError(
            f"`model` must give the probabilities of the classes. Received: outputs {found}. Give its last layer "
            f"activation='{activation}', or no activation and compile with keras.losses.{loss}(from_logits=True)."
        )


_ROUNDING = 0.01  # of float16


def _check_squared_error(network: Any) -> None:
    """Refuse a model with another loss than the squared error, whose targets are not standardised."""
    loss = get_compiled_loss_name(network.loss)
    if network.compiled and loss != "mean_squared_error":
        raise ValueError(
            f"`model` must have loss='mean_squared_error' for a target that is standardised. Received: {loss}. Say "
            "standardize_target=False: then `fit` takes y as it is."
        )


def _make_targets(network: Any, columns: Columns, y: np.ndarray) -> np.ndarray:
    """Return targets as output and loss of a network take them: (n, 1) numbers, (n,) classes, or (n, k) one-hot."""
    if columns.task == "regression" or network.output_shape[-1] == 1:
        return y.astype(np.float32)[:, None]
    loss = network.loss
    name = loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", "")
    return y if "sparse" in name else np.eye(len(columns.labels), dtype=np.float32)[y]


def make_portable_copy(model: keras.Model) -> keras.Model:
    """Return a copy of a model that Keras pickles without a warning, for a model that is supported."""
    try:
        template = Template(model)
    except UnsupportedVersion:
        raise
    except (TypeError, ValueError):  # `fit` says why
        return model
    return template.make_model(template.get_source_values())


def compute_probabilities(outputs: np.ndarray, *, from_logits: bool) -> np.ndarray:
    """Return the probability of each class, (n, k), for outputs of a network, (n, 1) or (n, k)."""
    if from_logits:
        activate = keras.ops.sigmoid if outputs.shape[-1] == 1 else keras.ops.softmax
        outputs = np.asarray(activate(outputs))
    return np.concatenate([1 - outputs, outputs], axis=-1) if outputs.shape[-1] == 1 else outputs


def call_network(network: Any, inputs: Sequence[Any]) -> np.ndarray:
    """Return the outputs of a network, (n, ...), batch by batch; Keras' `predict` would first be traced."""
    parts = []
    for start in range(0, inputs[0].shape[0], _BATCH):
        batch = [_to_dense(part[start : start + _BATCH]) for part in inputs]
        parts.append(np.asarray(network(batch[0] if len(batch) == 1 else batch, training=False)))
    return np.concatenate(parts)


def _to_dense(rows: Any) -> np.ndarray:
    return rows.toarray() if is_sparse(rows) else rows


_BATCH = 1024
