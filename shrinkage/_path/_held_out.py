"""Held-out targets and predictions of a path, fold by fold, as metrics of Keras and scikit-learn take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np
from keras import tree

if TYPE_CHECKING:
    from shrinkage._path._path import Path

Array = np.ndarray
Kind = Literal["numbers", "probabilities", "margins"]


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
    """What is predicted."""

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
        if targets.ndim == 2 and self.predictions.shape[2:] == targets.shape[1:] and (targets.sum(axis=1) == 1).all():
            return targets.argmax(axis=1)  # one-hot
        return targets.astype(int)

    @property
    def has_one_class(self) -> bool:
        """Whether all rows are of one class."""
        return self.kind != "numbers" and self.labels.ndim == 1 and len(np.unique(self.labels)) == 1

    def estimator(self) -> Any:
        """Return an estimator of scikit-learn whose inputs are the predictions of a strength."""
        from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

        def squeezed(outputs: Array) -> Array:
            return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs

        class Numbers(RegressorMixin, BaseEstimator):
            def predict(self, x: Array) -> Array:
                return squeezed(x)

        class Classes(ClassifierMixin, BaseEstimator):
            def predict(self, x: Array) -> Array:
                x = squeezed(x)
                if x.ndim == 2 and labels.ndim == 1:
                    return x.argmax(axis=1)
                return np.where(x > level, 1, low)

            def predict_proba(self, x: Array) -> Array:
                x = squeezed(x)
                return np.stack([1 - x, x], axis=1) if x.ndim == 1 else x

        class Margins(Classes):
            predict_proba = None  # pyright: ignore[reportAssignmentType]

            def decision_function(self, x: Array) -> Array:
                return squeezed(x)

        if self.kind == "numbers":
            return Numbers()
        labels, outputs = self.labels, self.predictions.shape[2:]
        level, low = (0.5, 0) if self.kind == "probabilities" else (0.0, int(min(labels.min(), 0)))
        estimator = Classes() if self.kind == "probabilities" else Margins()
        n_classes = outputs[0] if outputs and outputs[0] > 1 else 0
        estimator.classes_ = np.arange(n_classes) if n_classes else np.array([low, 1])  # type: ignore[union-attr]
        return estimator


def held_out(path: Path) -> list[HeldOut]:
    """Return the held-out rows of each fold; of repeats, of the folds of the first.

    Raises:
        ValueError: if the path has no targets or several outputs, or if no row of a fold is known.
    """
    if path.targets is None:
        raise ValueError("`metric` needs `path.targets`, which a path of an earlier version does not have: fit again.")
    if not isinstance(path.predictions, np.ndarray) or not isinstance(path.targets, np.ndarray):
        raise ValueError("`metric` must be of a model with one output: use `path.predictions` and `path.targets`.")
    kind, predictions = _kind_and_predictions(path)
    folds = path.folds.held_out[: path.folds.per_repeat] if path.folds.per_repeat > 1 else path.folds.held_out
    inside = folds.contain(path.held_out_rows)
    known = ~path.failed
    parts = []
    for number, rows in enumerate(inside):
        if not rows.any():
            raise ValueError(
                f"`metric` needs rows of every fold: the sample of held-out rows has none of {number + 1}."
            )
        weight = None if path.row_weight is None else path.row_weight[rows]
        parts.append(HeldOut(number, path.targets[rows], predictions[rows], weight, known, kind))
    return parts


def _kind_and_predictions(path: Path) -> tuple[Kind, Array]:
    """Return what the model predicts, by its loss, and the predictions; of logits, the probabilities."""
    name, predictions = path.loss_name.lower().replace("_", ""), path.predictions
    if "hinge" in name:
        return ("margins" if predictions.shape[2:] in ((), (1,)) else "probabilities"), predictions
    if "crossentropy" not in name:
        return "numbers", predictions
    if _from_logits(path):
        squash = keras.ops.sigmoid if "binary" in name else keras.ops.softmax
        predictions = keras.ops.convert_to_numpy(squash(predictions))
    return "probabilities", predictions


def _from_logits(path: Path) -> bool:
    losses = [keras.losses.get(loss) for loss in tree.flatten(path.template.source.loss)]
    return any(bool(loss.get_config().get("from_logits")) for loss in losses if isinstance(loss, keras.losses.Loss))
