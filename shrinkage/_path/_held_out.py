"""Held-out targets and predictions of a path, fold by fold, as metrics of Keras and scikit-learn take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np

if TYPE_CHECKING:
    from shrinkage._model._template import Template
    from shrinkage._path._curve import Curve

Array = np.ndarray
Kind = Literal["numbers", "classes", "labels", "margins"]
"""The kind of predictions: numbers, probabilities of classes or of several labels, or margins of two classes."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The held-out rows of a fold, in the units of `y`."""

    number: int
    """The fold, counted from 0."""
    targets: Array
    """(m, ...) targets as in `y`."""
    predictions: Array
    """(m, S, ...) predictions; of logits, the probabilities."""
    weight: Array | None
    """(m,) sample weights, or None."""
    usable: Array
    """(S,) whether the models of a strength did not diverge."""
    kind: Kind
    """The kind of predictions."""

    @property
    def total_weight(self) -> float:
        """The number of rows, or the sum of their weights."""
        return float(len(self.targets) if self.weight is None else self.weight.sum())

    @property
    def labels(self) -> Array:
        """Targets as scikit-learn takes them: numbers, (m,) or (m, outputs), or classes, (m,)."""
        targets = self.targets[:, 0] if self.targets.ndim == 2 and self.targets.shape[1] == 1 else self.targets
        if self.kind == "numbers":
            return targets
        if targets.ndim == 2 and self.kind == "classes":
            return targets.argmax(axis=1)  # one-hot
        return targets.astype(int)

    @property
    def has_one_class(self) -> bool:
        """Whether all rows are of one class."""
        return self.kind != "numbers" and self.labels.ndim == 1 and len(np.unique(self.labels)) == 1

    def make_estimator(self) -> Any:
        """Return an estimator of scikit-learn whose inputs are the predictions of a strength."""
        from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

        def squeeze(outputs: Array) -> Array:
            return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs

        class Numbers(RegressorMixin, BaseEstimator):
            def predict(self, x: Array) -> Array:
                return squeeze(x)

        class Classes(ClassifierMixin, BaseEstimator):
            def predict(self, x: Array) -> Array:
                x = squeeze(x)
                if x.ndim == 2 and kind == "classes":
                    return x.argmax(axis=1)
                return np.where(x > level, 1, low)

            def predict_proba(self, x: Array) -> Array:
                x = squeeze(x)
                return np.stack([1 - x, x], axis=1) if x.ndim == 1 else x

        class Margins(Classes):
            predict_proba = None  # pyright: ignore[reportAssignmentType]

            def decision_function(self, x: Array) -> Array:
                return squeeze(x)

        if self.kind == "numbers":
            return Numbers()
        kind, labels, outputs = self.kind, self.labels, self.predictions.shape[2:]
        level, low = (0.5, 0) if kind != "margins" else (0.0, int(min(labels.min(), 0)))
        estimator = Margins() if kind == "margins" else Classes()
        n_classes = outputs[0] if outputs and outputs[0] > 1 else 0
        estimator.classes_ = np.arange(n_classes) if n_classes else np.array([low, 1])  # type: ignore[union-attr]
        return estimator


def collect_held_out_rows(curve: Curve, template: Template) -> list[HeldOut]:
    """Return the held-out rows of each fold; of repeats, of the folds of the first.

    Raises:
        ValueError: if the path has no targets or several outputs, or if no row of a fold is known.
    """
    if curve.targets is None:
        raise ValueError(
            "`metric` needs `path.targets`. Received: a path of an earlier version, without them. Fit again."
        )
    if not isinstance(curve.predictions, np.ndarray) or not isinstance(curve.targets, np.ndarray):
        raise ValueError(
            f"`metric` needs a path of a model with one output. Received: a path with a "
            f"{type(curve.predictions).__name__} of outputs. Use `path.predictions` and `path.targets`."
        )
    kind, predictions = _get_kind_and_predictions(curve, template)
    folds = curve.folds.held_out[: curve.folds.per_repeat] if curve.folds.per_repeat > 1 else curve.folds.held_out
    inside = folds.contain(curve.held_out_rows)
    is_usable = ~curve.failed
    parts = []
    for number, rows in enumerate(inside):
        if not rows.any():
            raise ValueError(
                f"`metric` needs held-out rows of every fold. Received: a sample of held-out rows, which has none of "
                f"fold {number + 1}. Choose by the loss, the default, which is of all rows."
            )
        weight = None if curve.row_weight is None else curve.row_weight[rows]
        parts.append(HeldOut(number, curve.targets[rows], predictions[rows], weight, is_usable, kind))
    return parts


def _get_kind_and_predictions(curve: Curve, template: Template) -> tuple[Kind, Array]:
    """Return what the model predicts, by its loss, and the predictions; of logits, the probabilities."""
    name, predictions = curve.loss_name.lower().replace("_", ""), curve.predictions
    one = predictions.shape[2:] in ((), (1,))
    if "hinge" in name:
        return ("margins" if one else "classes"), predictions
    if "crossentropy" not in name:
        return "numbers", predictions
    if template.from_logits:
        squash = keras.ops.sigmoid if "binary" in name else keras.ops.softmax
        predictions = keras.ops.convert_to_numpy(squash(predictions))
    return ("labels" if "binary" in name and not one else "classes"), predictions
