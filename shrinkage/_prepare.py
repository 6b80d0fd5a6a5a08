"""Everything that can be refused is refused here, before any training: arguments in, one checked problem out."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from shrinkage._cohort._check import agrees
from shrinkage._cohort._cohort import Task
from shrinkage._cohort._first import seed_variables
from shrinkage._cohort._forward import way
from shrinkage._cohort._optimizers import check_optimizer
from shrinkage._data import Data, TargetUnits, check_targets, classes_of, join, make_data
from shrinkage._folds import Folds, given_folds, make_folds
from shrinkage._losses import is_classification, name_of, resolve
from shrinkage._penalties import L1, L2, Coupled, Proximal
from shrinkage._selection import Selection, select
from shrinkage._strengths import automatic_grid, check_lams
from shrinkage._template import Template


@dataclass(frozen=True)
class Problem:
    """A checked call of `fit`."""

    task: Task
    """What the members train."""
    folds: Folds
    """The split."""
    lams: np.ndarray
    """Strengths, descending, 0 last, (S,)."""
    extendable: bool
    """Whether the grid may grow at an end."""
    selection: Selection
    """Which weights are penalised."""
    target: TargetUnits | None
    """The units that targets are trained in, in each fold and last in all rows, (F + 1,), if they are standardised."""
    agrees: bool
    """Whether members computed together are what the model itself gives."""
    notes: tuple[str, ...]
    """What was changed, in words."""

    @property
    def all_rows(self) -> np.ndarray:
        """The rows that the final models train on: all of `x`."""
        return self.folds.train[0] if self.folds.kind == "given" else np.arange(self.folds.n_rows)


def prepare(
    model: keras.Model | Callable[[], keras.Model],
    x: Any,
    y: Any,
    *,
    penalty: Any,
    lams: Any,
    cv: int | float,
    validation_data: tuple[Any, ...] | None,
    epochs: int,
    batch_size: int,
    patience: int | None,
    sample_weight: Any,
    on: Any,
    how: Any,
    init: str | None,
    epoch: str | int,
    standardize_target: bool,
    seed: int,
) -> Problem:
    """Check the arguments of `fit`, which documents them, against each other and against the model.

    Raises:
        TypeError, ValueError: Naming the argument, what was expected, what was received, and what to do.
    """
    _check_counts(epochs=epochs, batch_size=batch_size, seed=seed, patience=patience, epoch=epoch)
    how = _check_penalty(penalty, how)
    template = Template(model)
    loss = resolve(template.loss)
    check_optimizer(template.optimizer, proximal=isinstance(how, Proximal))
    selection = select(template.network, on)
    _check_unpenalised(template.network, selection)
    init = _check_init(template, init, seed)
    data = _rows(template, loss, x, y, sample_weight)
    notes = list(data.notes)
    if validation_data is None:
        classes = classes_of(data.y) if is_classification(loss) else None
        folds = make_folds(data.n_rows, cv, classes=classes, seed=seed)
    else:
        validation = _validation_rows(template, loss, validation_data)
        folds = given_folds(data.n_rows, validation.n_rows)
        data = join(data, validation)
    notes += folds.notes
    for note in folds.notes:
        warnings.warn(note, stacklevel=3)  # before the training, which may be long, and not only with the path
    _check_weights(data, folds)
    smallest = min(map(len, folds.train))
    if batch_size > smallest:
        notes.append(
            f"batch_size={batch_size} is larger than the {smallest} training rows of a fold: there {smallest} is used."
        )
        batch_size = min(batch_size, data.n_rows)
    target = _standardized(data, folds, loss) if standardize_target else None
    lams, extendable, more = _lams(lams, data, folds, loss, target)
    together = _agrees(template, loss, data, folds, batch_size, target)
    if not together:
        notes.append(
            "Computing all members at once did not agree with the model itself (does a layer mix rows?): the model is "
            "called once per member, which is slower."
        )
    task = Task(template, data, loss, penalty, how, selection.mask, batch_size, init, seed)
    return Problem(task, folds, lams, extendable, selection, target, together, tuple(notes) + more)


def _check_counts(*, epochs: Any, batch_size: Any, seed: Any, patience: Any, epoch: Any) -> None:
    for name, value, least in (("epochs", epochs, 1), ("batch_size", batch_size, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"`{name}` must be a whole number of at least {least}. Received: {value!r}.")
    if patience is not None and (isinstance(patience, bool) or not isinstance(patience, int) or patience < 1):
        raise ValueError(f"`patience` must be None or a whole number of at least 1. Received: {patience!r}.")
    number = isinstance(epoch, (int, np.integer)) and not isinstance(epoch, bool) and 1 <= epoch <= epochs
    if epoch not in ("best", "last") and not number:
        raise ValueError(f'`epoch` must be "best", "last" or a number from 1 to epochs={epochs}. Received: {epoch!r}.')
    if number and patience is not None:
        raise ValueError(
            f"`epoch={epoch}` needs that epoch to be trained, and `patience` may stop before it. Leave `patience` out."
        )


def _check_penalty(penalty: Any, how: Any) -> Any:
    if not isinstance(penalty, (L1, L2)):
        raise TypeError(f"`penalty` must be shrinkage.L2() or shrinkage.L1(). Received: {penalty!r}.")
    how = penalty.default_how if how is None else how
    if not isinstance(how, (Coupled, Proximal)):
        raise TypeError(f"`how` must be shrinkage.Coupled() or shrinkage.Proximal(). Received: {how!r}.")
    return how


def _check_unpenalised(network: keras.Model, selection: Selection) -> None:
    """Refuse a penalty that the model already carries on a weight that is to be penalised."""
    for variable, penalised in zip(network.trainable_variables, selection.mask, strict=True):
        if penalised and variable.regularizer is not None:
            name = type(variable.regularizer).__name__
            raise ValueError(
                f"`model` already carries a penalty on {variable.path} ({name}), which would be added to shrinkage's. "
                f"Build the layer without it, for example keras.layers.Dense(..., kernel_regularizer=None)."
            )


def _check_init(template: Template, init: str | None, seed: int) -> str:
    if init not in (None, "fresh", "keep"):
        raise ValueError(f'`init` must be "fresh" or "keep". Received: {init!r}.')
    if init is None and not template.is_function and (signs := template.trained_signs(seed)):
        raise ValueError(
            f'`model` has been trained or loaded: {signs}. Say init="keep" to start every member from its weights (if '
            f'they come from rows in `x`, they leak into the held-out loss), or init="fresh" to draw new ones.'
        )
    return init or "fresh"


def _rows(template: Template, loss: keras.losses.Loss, x: Any, y: Any, sample_weight: Any = None) -> Data:
    network = template.network
    dtype = network.trainable_variables[0].dtype
    data = make_data(x, y, sample_weight, dtype)
    if inputs := getattr(network, "inputs", None):
        data = replace(data, x=_shaped(data.x, inputs[0].shape).astype(inputs[0].dtype))
    elif np.issubdtype(data.x.dtype, np.floating):
        data = replace(data, x=data.x.astype(dtype))
    output = network(data.x[:32], training=False)
    if getattr(output, "_keras_mask", None) is not None:
        raise ValueError(
            "`model` puts a mask on its output (an Embedding with mask_zero, and a prediction for each time step), "
            "which is not supported yet. Build it without mask_zero, or let it give one prediction a row."
        )
    _check_probabilities(keras.ops.convert_to_numpy(output), loss)
    output_shape = tuple(output.shape)
    check_targets(data.y, (None, *output_shape[1:]), name_of(loss))
    if name_of(loss) != "sparse_categorical_crossentropy":
        data = replace(data, y=data.y.reshape(len(data.y), *output_shape[1:]).astype(dtype))
    return data


def _check_probabilities(output: np.ndarray, loss: keras.losses.Loss) -> None:
    """Refuse an output that the loss takes for a probability and that is none: Keras would clip it and say nothing."""
    name = name_of(loss)
    if "crossentropy" not in name or loss.get_config().get("from_logits"):
        return
    if output.min() < -1e-6 or output.max() > 1 + 1e-6:
        activation = "sigmoid" if "binary" in name else "softmax"
        raise ValueError(
            f"`model` must give probabilities for {name}. Received: outputs from {output.min():.3g} to "
            f"{output.max():.3g}. Give its last layer activation='{activation}', or compile with "
            f"keras.losses.{type(loss).__name__}(from_logits=True)."
        )


def _shaped(x: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    if x.ndim == len(shape) - 1 and shape[-1] == 1:
        x = x[..., None]  # as Keras does
    if x.ndim != len(shape) or any(e not in (None, s) for e, s in zip(shape[1:], x.shape[1:], strict=True)):
        raise ValueError(
            f"`x` must have the shape of the model's input, (n, {', '.join(map(str, shape[1:]))}). Received: {x.shape}."
        )
    return x


def _check_weights(data: Data, folds: Folds) -> None:
    if any(data.weight[rows].sum() == 0 for rows in (*folds.train, *folds.held_out)):
        raise ValueError(
            "`sample_weight` must leave rows that count in every fold. Drop the rows whose weight is zero."
        )


def _validation_rows(template: Template, loss: keras.losses.Loss, validation_data: Any) -> Data:
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        raise ValueError(
            "`validation_data` must be a tuple (x, y) or (x, y, sample_weight) of arrays. "
            f"Received: a {type(validation_data).__name__}."
        )
    try:
        return _rows(template, loss, *validation_data)
    except (TypeError, ValueError) as error:
        raise type(error)(f"`validation_data`: {error}") from error


def _standardized(data: Data, folds: Folds, loss: keras.losses.Loss) -> TargetUnits:
    """Return the mean and standard deviation of the targets in each fold's training rows and, last, in all rows."""
    if name_of(loss) != "mean_squared_error" or data.y.shape[1:] != (1,):
        raise ValueError(
            "`standardize_target` needs loss='mean_squared_error' and one output. "
            f"Received: {name_of(loss)}, targets of shape {data.y.shape}."
        )
    everything = folds.train[0] if folds.kind == "given" else np.arange(folds.n_rows)
    moments = []
    for rows in (*folds.train, everything):
        y, weight = data.y[rows, 0].astype(np.float64), data.weight[rows]
        mean = np.average(y, weights=weight)
        moments.append((mean, np.sqrt(np.average((y - mean) ** 2, weights=weight))))
    means, sds = np.array(moments).T
    if (sds == 0).any():
        raise ValueError("`y` must vary within every fold's training rows to be standardised. Received: a constant.")
    return TargetUnits(means, sds, float(sds[-1]))


def _lams(
    lams: Any, data: Data, folds: Folds, loss: keras.losses.Loss, target: Any
) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """Return the strengths, whether they may be extended, and notes."""
    if isinstance(lams, str):
        if lams != "auto":
            raise ValueError(f'`lams` must be "auto" or a list of strengths. Received: {lams!r}.')
        n_rows = len(folds.train[0]) if folds.kind == "given" else data.n_rows
        return automatic_grid(n_rows, _scale(data, loss, target)), True, ()
    checked, notes = check_lams(lams)
    return checked, False, notes


def _scale(data: Data, loss: keras.losses.Loss, target: Any) -> float:
    """Return the size of the loss that the automatic grid is in proportion to: a squared error has its target's."""
    if name_of(loss) != "mean_squared_error" or target is not None:
        return 1.0
    return float(np.average(data.y.astype(np.float64).var(axis=0))) or 1.0


def _agrees(template: Template, loss: Any, data: Data, folds: Folds, batch_size: int, target: Any) -> bool:
    """Say whether members computed together, by rules, are what the model itself gives."""
    network = template.network
    if way(network) == "unroll":
        return True  # each member calls the model, and nothing is to be compared
    size = min(batch_size, *map(len, folds.train))
    rows = np.stack([folds.train[0][:size], folds.train[-1][-size:]])
    y = data.y[rows] if target is None else (data.y[rows] - target.offset[-1]) / target.scale[-1]
    return agrees(network, loss, data.x[rows], y.astype(data.y.dtype), seed_variables(network))
