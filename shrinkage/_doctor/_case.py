"""`Case`: the facts about a model that the checks read: weights, penalties and optimizer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import keras
import numpy as np

from shrinkage._attach._attachment import Attachment
from shrinkage._attach._lam import read_lam
from shrinkage._host._layers import list_sublayers
from shrinkage._host._optimizers import decays, get_rate, steps_by_adam
from shrinkage._model._attached import get_attachments
from shrinkage._weights._kinds import PENALISED_KINDS, find_weight_kind
from shrinkage._weights._selection import find_owners

_LEAST_STEPS = 1000  # fewer steps of an optimizer are a trial, not a training


@dataclass(frozen=True, eq=False)
class TrainableWeight:
    """A trainable variable and the penalties on it."""

    variable: keras.Variable
    layer: keras.Layer
    """The layer that owns the variable."""
    kind: str | None
    """The kind of weight, as `find_weight_kind` returns."""
    l1: float
    l2: float
    """Strengths of a Keras regularizer, l1 Σ|w| + l2 Σw²; 0 for a custom regularizer."""
    penalised: bool
    """Whether a regularizer penalises the variable."""
    decay: float
    """The optimizer's `weight_decay`, 0 for an excluded variable."""
    attachments: tuple[tuple[Attachment, float], ...]
    """The attachments on the variable, each with the present strength."""

    @property
    def is_kernel(self) -> bool:
        """Whether a penalty covers the weight by default; False for biases, gains and offsets."""
        return self.kind in PENALISED_KINDS

    @property
    def is_free(self) -> bool:
        """Whether no penalty and no decay acts on the weight."""
        return not (self.penalised or self.decay or self.attachments)

    @property
    def path(self) -> str:
        return self.variable.path

    @property
    def size(self) -> int:
        return get_size(self.variable)


@dataclass(frozen=True)
class Case:
    """A built model, with the known facts about the training."""

    model: keras.Model
    callbacks: Sequence[keras.callbacks.Callback] | None
    planned_steps: int | None
    """The number of steps that the user plans, or None."""

    @cached_property
    def optimizer(self) -> Any:
        """The optimizer that takes the steps, or None."""
        optimizer = getattr(self.model, "optimizer", None)
        return getattr(optimizer, "inner_optimizer", optimizer)

    @cached_property
    def layers(self) -> tuple[keras.Layer, ...]:
        """All layers, nested layers included."""
        return tuple(list_sublayers(self.model))

    @cached_property
    def weights(self) -> tuple[TrainableWeight, ...]:
        """A `TrainableWeight` for each trainable variable."""
        return tuple(self._make_weight(self.owners.get(id(v), self.model), v) for v in self.model.trainable_variables)

    def _make_weight(self, layer: keras.Layer, variable: keras.Variable) -> TrainableWeight:
        kind, decay = find_weight_kind(layer, variable), get_decay(self.optimizer, variable)
        attached = self._attachments.get(id(variable), ())
        return TrainableWeight(variable, layer, kind, *read_strengths(variable.regularizer), decay, tuple(attached))

    @cached_property
    def _attachments(self) -> dict[int, list[tuple[Attachment, float]]]:
        found = dict[int, list[tuple[Attachment, float]]]()
        for each in get_attachments(self.model):
            lam = float(to_array(read_lam(each.lam, self.optimizer)))
            for weight in each.weights:
                found.setdefault(id(weight.variable), []).append((each, lam * weight.term.factor))
        return found

    @cached_property
    def owners(self) -> dict[int, keras.Layer]:
        """The layer that created each variable, by `id(variable)`; frozen variables included."""
        return find_owners(self.model)

    @property
    def penalised_weights(self) -> list[TrainableWeight]:
        """The weights that a regularizer penalises."""
        return [weight for weight in self.weights if weight.penalised]

    @property
    def decayed_weights(self) -> list[TrainableWeight]:
        """The weights that the optimizer's `weight_decay` shrinks."""
        return [weight for weight in self.weights if weight.decay]

    @property
    def attached_weights(self) -> list[TrainableWeight]:
        """The weights that have a penalty attached."""
        return [weight for weight in self.weights if weight.attachments]

    @property
    def penalty(self) -> float:
        """The penalty in the reported losses, at the present weights."""
        of_regularizers = sum(compute_weight_penalty(weight) for weight in self.penalised_weights)
        return float(of_regularizers + sum(float(each.value()) for each in get_attachments(self.model)))

    @cached_property
    def data_loss(self) -> float | None:
        """The data loss, if a model with an attached penalty has been trained or evaluated; else None."""
        trackers = [metric for metric in getattr(self.model, "metrics", ()) if metric.name == "loss"]
        if not get_attachments(self.model) or not trackers:
            return None
        loss = float(to_array(trackers[0].result())) - sum(map(compute_weight_penalty, self.penalised_weights))
        return loss if np.isfinite(loss) and loss > 0 else None

    def list_siblings(self, weight: TrainableWeight) -> Iterator[TrainableWeight]:
        """The other weights of the same layer."""
        return (other for other in self.weights if other.layer is weight.layer and other is not weight)

    @cached_property
    def steps(self) -> tuple[int, str] | None:
        """The number of steps of the training, and a phrase that says how it is known; None if it is not known."""
        if self.planned_steps is not None:
            return self.planned_steps, f"over {self.planned_steps:,} steps"
        if self.optimizer is None:
            return None
        schedule = get_rate(self.optimizer)
        if isinstance(schedule, keras.optimizers.schedules.CosineDecay):
            end = int(schedule.decay_steps + schedule.warmup_steps)
            return end, f"over the {end:,} steps of the schedule"
        taken = int(to_array(self.optimizer.iterations))
        return (taken, f"over the {taken:,} steps taken so far") if taken >= _LEAST_STEPS else None

    @property
    def has_schedule(self) -> bool:
        """Whether the learning rate follows a schedule."""
        return isinstance(get_rate(self.optimizer), keras.optimizers.schedules.LearningRateSchedule)

    def compute_rates(self, steps: int) -> np.ndarray:
        """Learning rates at up to 200 steps spread evenly over the training."""
        if self.has_schedule:
            schedule = get_rate(self.optimizer)
            return np.array([float(schedule(step)) for step in _spread(steps)])
        return np.array([float(to_array(self.optimizer.learning_rate))])


def _spread(steps: int) -> list[int]:
    return np.linspace(0, steps, min(steps, 200), endpoint=False).astype(int).tolist()


def to_array(variable: Any) -> np.ndarray:
    """Return the value of a variable, which may have replicas on several devices, or of a number."""
    return variable.numpy() if isinstance(variable, keras.Variable) else np.asarray(variable)


def get_size(variable: keras.Variable) -> int:
    """Return the number of a variable's parameters."""
    return prod(int(n) for n in variable.shape)


def read_strengths(regularizer: Any) -> tuple[float, float, bool]:
    """Return l1, l2 and whether the regularizer does anything.

    >>> read_strengths(keras.regularizers.L2(0.5)), read_strengths(None)
    ((0.0, 0.5, True), (0.0, 0.0, False))
    """
    if regularizer is None:
        return 0.0, 0.0, False
    kinds = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
    l1, l2 = (float(getattr(regularizer, name, 0.0)) if type(regularizer) in kinds else 0.0 for name in ("l1", "l2"))
    return l1, l2, type(regularizer) not in kinds or l1 + l2 > 0


def get_decay(optimizer: Any, variable: keras.Variable) -> float:
    """Return the decoupled decay that an optimizer applies to a variable, 0 for none."""
    if optimizer is None or not decays(optimizer, variable):
        return 0.0
    decay = optimizer.adam_weight_decay if steps_by_adam(optimizer, variable) else optimizer.weight_decay
    return 0.0 if decay is None else float(to_array(decay))


def compute_weight_penalty(weight: TrainableWeight) -> float:
    """Return the value of the weight's regularizer; L1, L2 and L1L2 of Keras are computed in float64."""
    if weight.l1 or weight.l2:
        w = to_array(weight.variable).astype(np.float64)
        return float(weight.l1 * np.abs(w).sum() + weight.l2 * np.square(w).sum())
    return float(weight.variable.regularizer(to_array(weight.variable)))
