"""Checks of what an estimator is given: parameters, targets and weights of rows."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import assert_all_finite, check_consistent_length
from sklearn.utils.validation import column_or_1d

from shrinkage._messages._note import quote
from shrinkage._messages._user_values import describe_function, takes_arguments


def check_parameters(model: Any, hidden: Any, choose: Any, budget: Any) -> None:
    """Refuse parameters of an estimator that are not arguments of `sh.fit`."""
    named = isinstance(model, str)
    if (named and model not in ("linear", "mlp")) or not (named or callable(model)):
        raise ValueError(
            '`model` must be "linear", "mlp", a compiled keras.Model, or a function of the shapes of a row of '
            f"inputs and of outputs that returns one. Received: {model!r}."
        )
    if not isinstance(model, str) and not any(takes_arguments(model, count) for count in (0, 1, 2)):
        raise ValueError(
            f"`model` must be a function of the shapes of a row of inputs and of outputs, or of fewer arguments. "
            f"Received: {describe_function(model)}. Give the other arguments a default."
        )
    if hidden is not None and not (named and model == "mlp"):
        raise ValueError(
            f'`model` must be "mlp" with `hidden`. Received: hidden={hidden!r}, model={model!r}. Leave `hidden` out.'
        )
    if hidden is not None and not _are_units(hidden):
        raise ValueError(
            "`hidden` must be a tuple of the units of each hidden layer, whole numbers of at least 1, such as "
            f"(64, 64). Received: {hidden!r}."
        )
    if choose not in ("min", "1se"):
        raise ValueError(f'`choose` must be "min" or "1se". Received: {choose!r}.')
    if choose == "1se" and budget is not None:
        raise ValueError(
            '`choose` must be "min" with `budget`, which chooses the largest strength within one standard error in any '
            "case. Received: both. Leave one out."
        )


def _are_units(hidden: Any) -> bool:
    if not isinstance(hidden, (Sequence, np.ndarray)) or isinstance(hidden, str):
        return False
    return all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 1 for n in hidden)


def check_class_weight(class_weight: Any, classes: np.ndarray) -> None:
    """Refuse class weights that are neither "balanced" nor a dictionary from classes that rows have to weights."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        return
    if not isinstance(class_weight, dict):
        raise TypeError(
            '`class_weight` must be None, "balanced", or a dictionary from class labels to weights. Received: '
            f"{quote(class_weight)}."
        )
    absent = [label for label in class_weight if label not in classes]
    if absent:
        raise ValueError(
            f"`class_weight` must name classes of `y`, which are {', '.join(map(str, classes))}. Received: a weight "
            f"for {', '.join(map(str, absent))}."
        )
    bad = [
        weight for weight in class_weight.values() if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf
    ]
    if bad:
        raise ValueError(
            f"`class_weight` must give classes finite weights that are not negative. Received: {quote(bad[0])}."
        )


def check_rows(n_rows: int, min_rows: int, shape: tuple[int, ...]) -> None:
    """Refuse a table of few rows, in the words of scikit-learn."""
    if n_rows < min_rows:
        raise ValueError(
            f"Found array with {n_rows} sample(s) (shape={shape}) while a minimum of {min_rows} is required."
        )


@contextmanager
def explain_text_error() -> Iterator[None]:
    """Add to scikit-learn's refusal of an array with text that a data frame may have text."""
    try:
        yield
    except ValueError as error:
        if "could not convert string to float" in str(error) or "arrays of bytes/strings" in str(error):
            raise ValueError(
                f"`X` must have numbers, unless it is a data frame, which may have text and dates. Received: "
                f"{re.sub(r'[.](?=[A-Z])', '. ', str(error)).rstrip('.')}. Say pandas.DataFrame(X)."
            ) from error
        raise


def check_target_column(y: Any, rows: Any) -> np.ndarray:
    """Return targets (n,) of the rows, without missing values."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None.")
    shape = getattr(y, "shape", ())
    if len(shape) == 2 and shape[1] > 1:
        raise ValueError(
            f"`y` must be one target: y should be a 1d array. Received: shape {tuple(shape)}. For several targets say "
            "sklearn.multioutput.MultiOutputRegressor(estimator), or MultiOutputClassifier."
        )
    y = column_or_1d(y, warn=True)
    if y.dtype == object and (n_missing := int(pd.isna(y).sum())):
        raise ValueError(
            f"`y` must have no missing values: Input y contains NaN or None. Received: {n_missing} of {len(y)} rows. "
            "Drop these rows."
        )
    assert_all_finite(y, input_name="y")
    check_consistent_length(rows, y)
    return y


def to_target_numbers(y: np.ndarray) -> np.ndarray:
    """Return targets as numbers that vary, (n,) float64."""
    try:
        y = np.asarray(y, np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"`y` must be numbers. Received: {error}. For class labels say shrinkage.PathClassifier."
        ) from error
    if not np.ptp(y):
        raise ValueError(f"`y` must vary. Received: {y[0]:g} in every row.")
    return y


def to_row_weights(sample_weight: Any, n_rows: int) -> np.ndarray | None:
    """Return weights of the rows, (n,) float64, or None without weights."""
    if sample_weight is None:
        return None
    try:
        weight = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(f"`sample_weight` must be numbers. Received: {error}.") from error
    if weight.shape != (n_rows,):
        raise ValueError(f"`sample_weight` must have the shape ({n_rows},). Received: {weight.shape}.")
    if (weight < 0).any():
        raise ValueError(f"`sample_weight` must not be negative. Received: {weight.min():g} as the least.")
    if not weight.any():
        raise ValueError("`sample_weight` must have a weight above 0. Received: only zeros.")
    return weight
