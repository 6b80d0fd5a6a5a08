"""Checks of targets against the loss of the output, and class labels and class weights."""

from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._messages._note import Classes, Note
from shrinkage._model._losses import get_loss_name, is_classification, is_listed, takes_labels


def check_targets(
    y: np.ndarray, output_shape: tuple[int | None, ...], loss: keras.losses.Loss, name: str, *, is_block: bool = False
) -> None:
    """Refuse targets that do not fit the model output and the loss.

    Args:
        y: Targets, (n, ...).
        output_shape: Shape of the model output, (None, ...).
        loss: Loss of the output. The targets of a custom loss are not checked.
        name: Name of the targets in errors.
        is_block: Whether the rows are only a part of all rows. If so, a class may be missing.

    Raises:
        ValueError: If the shape or the values do not fit. The message states the expectation.
    """
    width, loss_name = output_shape[-1], get_loss_name(loss)
    if width == 1 and is_listed(loss) and "categorical" in loss_name and "crossentropy" in loss_name:
        raise ValueError(
            Note(
                f"$model must have an output unit for each class for {loss_name}. Received: one unit, whose "
                f"probability is always 1. For two classes give the last layer one unit with activation='sigmoid', "
                f"and compile with loss='binary_crossentropy'."
            )
        )
    if takes_labels(loss):
        values = y.reshape(len(y), -1)
        if y.ndim > 1 and tuple(y.shape[1:]) not in ((*output_shape[1:-1],), (*output_shape[1:-1], 1)):
            raise ValueError(
                f"{name} must hold one class label a row for {loss_name}. Received: shape {y.shape} for an output of "
                f"shape {output_shape}. For one-hot rows compile with loss='categorical_crossentropy'."
            )
        if (values != np.floor(values)).any():
            raise ValueError(
                f"{name} must hold whole numbers, the class labels, for {loss_name}. Received: values such as "
                f"{values[values != np.floor(values)][0]:g}. For regression compile with loss='mean_squared_error'."
            )
        if values.min() < 0 or (width is not None and values.max() >= width):
            shift = f" Subtract {values.min():g}." if np.ptp(values) < (width or 0) else ""
            raise ValueError(
                f"{name} must hold class labels 0 to {width - 1 if width else 'k - 1'} for {loss_name} and an output "
                f"of {width} units. Received: values from {values.min():g} to {values.max():g}.{shift}"
            )
        if not is_block and len(np.unique(values)) < 2:
            raise ValueError(f"{name} must hold at least two classes. Received: only class {values.flat[0]:g}.")
        return
    if not is_listed(loss):
        return
    expected = tuple(output_shape[1:]) or (1,)
    shape = tuple(y.shape[1:]) or (1,)
    if len(shape) != len(expected) or any(e not in (None, s) for e, s in zip(expected, shape, strict=True)):
        hint = ""
        if "categorical" in loss_name and y.ndim == 1:
            hint = " For class labels compile with loss='sparse_categorical_crossentropy'."
        raise ValueError(
            f"{name} must have the shape of the model's output, (n, {', '.join(map(str, expected))}), for {loss_name}. "
            f"Received: shape {y.shape}.{hint}"
        )
    _check_range(y, loss_name, name, is_block)


def _describe_labels(y: np.ndarray) -> str:
    """Return how to make 0 and 1 of two other numbers."""
    found = np.unique(y)
    return f" If {found[1]:g} is the label to predict, say y=(y == {found[1]:g})." if len(found) == 2 else ""


def _check_range(y: np.ndarray, loss_name: str, name: str, is_block: bool) -> None:
    """Refuse values outside the domain of the loss, such as negative counts."""
    if "crossentropy" in loss_name:
        if y.min() < 0 or y.max() > 1:
            raise ValueError(
                f"{name} must lie between 0 and 1 for {loss_name}. Received: values from {y.min():g} to {y.max():g}."
                + _describe_labels(y)
            )
        one_class = (
            y.min() == y.max() if "binary" in loss_name else (y.reshape(-1, y.shape[-1]).max(axis=0) > 0).sum() < 2
        )
        if one_class and not is_block:
            raise ValueError(f"{name} must hold at least two classes. Received: only one.")
    if loss_name in ("poisson", "mean_squared_logarithmic_error") and y.min() < 0:
        raise ValueError(f"{name} must not be negative for {loss_name}. Received: least value {y.min():g}.")
    if loss_name == "kl_divergence" and (y.min() < 0 or y.max() > 1):
        raise ValueError(
            f"{name} must hold probabilities, from 0 to 1, for {loss_name}. Received: values from {y.min():g} to "
            f"{y.max():g}."
        )
    if "hinge" in loss_name and not np.isin(y, (0, 1) if "categorical" in loss_name else (-1, 0, 1)).all():
        expected_text = "one-hot rows of 0 and 1" if "categorical" in loss_name else "classes -1 and 1, or 0 and 1,"
        raise ValueError(
            f"{name} must hold {expected_text} for {loss_name}. Received: values from {y.min():g} to {y.max():g}."
        )


def describe_negative_outputs(output: np.ndarray, loss: keras.losses.Loss) -> str:
    """Return a note if the loss treats negative predictions as 0 and an untrained model predicts such values.

    Args:
        output: Predictions for sample rows.
        loss: Loss of the output.

    Returns:
        The note, or an empty string.
    """
    if get_loss_name(loss) != "mean_squared_logarithmic_error" or not output.min() < 0:
        return ""
    return (
        "The model predicts values below 0, which mean_squared_logarithmic_error takes for 0: its gradient is 0 there, "
        "and such a row does not train. Give the output layer activation='softplus' or 'exponential'."
    )


def describe_target_values(y: np.ndarray, output: np.ndarray, loss: keras.losses.Loss, name: str) -> str:
    """Return a note if no row has one of the classes of the output, or if all numbers are equal; else an empty string.

    Args:
        y: Targets of all rows, (n, ...), in the form that the loss requires.
        output: Predictions for sample rows, (m, ...).
        loss: Loss of the output. The targets of a custom loss have an unknown meaning.
        name: Name of the targets in the note.
    """
    if not is_listed(loss):
        return ""
    if is_classification(loss):
        absent = _find_absent_classes(y, output) if "categorical" in get_loss_name(loss) else []
        found = Classes(tuple((int(number), 0) for number in absent))
        text = f"The model has an output for class $classes, which {name} does not have: it learns never to predict it."
        return Note(text, classes=found) if len(absent) else ""
    if np.ptp(y, axis=0).any():
        return ""
    value = f"{y.flat[0]:g} " if y[:1].size == 1 else ""
    return f"{name} is the same {value}in every row: a constant predicts it, and there is nothing to learn from `x`."


def _find_absent_classes(y: np.ndarray, output: np.ndarray) -> np.ndarray:
    """Return the classes of an output (m, k) that no row has; none for sequences, in which few of many words occur."""
    if output.ndim != 2:
        return np.empty(0)
    one_hot = y.shape == (len(y), output.shape[1]) and output.shape[1] > 1
    present = np.flatnonzero(y.any(axis=0)) if one_hot else np.unique(y).astype(int)
    return np.setdiff1d(np.arange(output.shape[1]), present)


def as_classes(y: np.ndarray) -> np.ndarray | None:
    """Return class labels for stratification: an integer per row (n,), or a boolean per row and label (n, L).

    The result is None for other targets, such as proportions or a label per time step.
    """
    if y.ndim == 2 and y.shape[1] > 1:
        if not np.isin(y, (0, 1)).all():
            return None
        return y.argmax(axis=1) if (y.sum(axis=1) == 1).all() else y.astype(bool)
    if y.ndim > 2 or not (y == np.floor(y)).all():
        return None
    return y.reshape(len(y)).astype(np.int64)


def compute_class_weights(y: Any, class_weight: Any) -> np.ndarray:
    """Return the weight of each row, (n,), as in `model.fit(class_weight=...)`. Classes without a weight have weight 1.

    Args:
        y: Targets, (n,), (n, 1) or one-hot (n, k).
        class_weight: A dictionary from class labels to weights.

    Raises:
        TypeError, ValueError: If `class_weight` is not such a dictionary, or the model has several outputs.
    """
    if not isinstance(class_weight, dict):
        raise TypeError(
            f"`class_weight` must be a dictionary from class labels to weights, such as {{0: 1.0, 1: 5.0}}. "
            f"Received: {type(class_weight).__name__}."
        )
    leaves = tree.flatten(y)
    if len(leaves) > 1 or leaves[0].ndim > 2:
        shapes = ", ".join(str(leaf.shape) for leaf in leaves)
        raise ValueError(
            f"`class_weight` needs one output and one label a row, as in Keras. Received: targets of shape {shapes}. "
            f"Give `sample_weight` in its place."
        )
    try:
        found = {int(label): float(weight) for label, weight in class_weight.items() if int(label) == label}
    except (TypeError, ValueError):
        found = {}
    if len(found) < len(class_weight) or not all(0 <= weight < np.inf for weight in found.values()):
        raise ValueError(
            f"`class_weight` must give whole numbers, the class labels, finite weights that are not negative. "
            f"Received: {class_weight!r}."
        )
    _check_labels(leaves[0])
    labels, which = np.unique(_as_labels(leaves[0]), return_inverse=True)
    return np.array([found.get(int(label), 1.0) for label in labels])[which]


def check_class_weight_labels(y: Any, class_weight: Any) -> None:
    """Refuse a weight for a class outside the range of the class labels.

    Args:
        y: Targets of all rows, including `validation_data`.
        class_weight: A dictionary from class labels to weights, already checked by `compute_class_weights`, or None.
    """
    if class_weight is None:
        return
    labels = np.unique(_as_labels(tree.flatten(y)[0])).astype(int)
    absent = [label for label in class_weight if not labels.min() <= label <= labels.max()]
    if absent:
        labels_text = ", ".join(map(str, labels[:15])) + ", ..." * (len(labels) > 15)
        raise ValueError(
            f"`class_weight` must name classes of `y`, which are {labels_text}. Received: a weight for "
            f"{', '.join(f'{label}' for label in absent)}, which no row has."
        )


def _check_labels(y: np.ndarray) -> None:
    """Refuse targets that are no labels, which Keras rounds. Smoothed labels, from 0 to 1, are rounded here too."""
    if y.ndim > 1 and y.shape[-1] > 1:
        return
    odd = y[(y != np.round(y)) & ((y < 0) | (y > 1))]
    if len(odd):
        raise ValueError(
            f"`class_weight` needs class labels as targets. Received: {odd[0]:.4g} and other numbers as `y`. Give "
            f"`sample_weight` in its place."
        )


def _as_labels(y: np.ndarray) -> np.ndarray:
    """Return the label of each row, (n,)."""
    return np.round(y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y)))
