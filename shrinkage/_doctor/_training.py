"""Checks of the training: monitored losses, traced constants, and the size of the strength."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from shrinkage._doctor._attached import compute_lam_for_share, compute_loss_share
from shrinkage._doctor._case import Case, TrainableWeight, compute_weight_penalty, to_array
from shrinkage._doctor._check import Symptom, check
from shrinkage._doctor._code import attach_instead, decay_kernels, set_regularizer
from shrinkage._doctor._words import format_parameter_count, format_weight_names, list_weight_paths
from shrinkage._host._tensorflow import list_compiled_steps
from shrinkage._model._attached import get_attachments
from shrinkage._penalties import Coupled, Decoupled

_LEAST_SHRINKAGE = 0.01  # all steps together should shrink a weight by this share
_LEAST_LOSS_SHARE = 1e-6  # the share of the data loss that a penalty should have
_LARGEST_FLOAT16 = 65504.0  # the largest float16


@check("error")
def float16_overflow(case: Case) -> Iterator[Symptom]:
    """The penalty of weights in float16 is infinite, and so is the loss."""
    halves = [w for w in case.penalised_weights if w.variable.dtype == "float16" and (w.l1 or w.l2)]
    lost = [w for w in halves if not np.isfinite(float(w.variable.regularizer(to_array(w.variable))))]
    if lost:
        yield (
            list_weight_paths(lost),
            f"the penalty is {sum(map(compute_weight_penalty, lost)):,.4g}, and its sum over "
            f"{format_parameter_count(lost)} goes beyond float16, which ends at {_LARGEST_FLOAT16:,.0f}: the loss is "
            "infinite. Keep the weights in float32, as mixed_float16 does.",
            "keras.config.set_dtype_policy('mixed_float16')  # weights in float32; and build the model anew",
        )


@check("error")
def strength_changed_after_tracing(case: Case) -> Iterator[Symptom]:
    """A strength that is a Python number was changed after the first `fit`, and `fit` still uses the old value."""
    if not _has_custom_train_step(case.model):
        for about, what in _find_untraced_strengths(case):
            yield (
                about,
                f"{what}, and no training step was compiled with it: fit still uses the strength of the "
                f"first call, because Python numbers are compiled in.",
                "model.make_train_function(force=True)",
            )


@check("error")
def train_step_without_penalty(case: Case) -> Iterator[Symptom]:
    """A custom `train_step` leaves out the penalties of the regularizers (seen after training)."""
    if _has_custom_train_step(case.model):
        for about, what in _find_untraced_strengths(case):
            yield (
                about,
                f"{what}, and the training step of {type(case.model).__name__} was compiled without it: either it "
                f"leaves out self.losses, or the strength was changed after fit first ran.",
                "# in train_step: loss = self.compute_loss(x, y, y_pred), or add sum(self.losses) to your own\n"
                "model.make_train_function(force=True)",
            )


def _has_custom_train_step(model: keras.Model) -> bool:
    return type(model).train_step is not keras.Model.train_step


def _find_untraced_strengths(case: Case) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield strengths that are Python numbers and are in no compiled training step, if a step was compiled."""
    constants = _find_traced_constants(getattr(case.model, "train_function", None))
    if not constants:
        return
    for name in ("l1", "l2"):
        stale = [
            w for w in case.penalised_weights if getattr(w, name) and np.float32(getattr(w, name)) not in constants
        ]
        if stale:
            yield list_weight_paths(stale), f"the regularizer's {name} is {getattr(stale[0], name):g}"
    numbers = [w.decay for w in case.decayed_weights if isinstance(case.optimizer.weight_decay, (int, float))]
    if numbers and np.float32(numbers[0]) not in constants:
        yield ("optimizer",), f"weight_decay is {numbers[0]:g}"


def _find_traced_constants(function: Any) -> set[np.float32]:
    """Return the scalar constants in the graphs of a training step; empty if no graph was compiled.

    A strength may be among them by chance. A strength that is not among them was never compiled in.
    """
    found = set[np.float32]()
    for concrete in list_compiled_steps(function):
        definition = concrete.graph.as_graph_def()
        inner = (node for each in definition.library.function for node in each.node_def)
        for node in (*definition.node, *inner):
            tensor = node.attr["value"].tensor if node.op == "Const" else None
            if tensor is not None and not tensor.tensor_shape.dim and _is_number(tensor.dtype):
                found.add(np.float32(tf.make_ndarray(tensor)))
    return found


def _is_number(dtype: int) -> bool:
    kind = tf.dtypes.as_dtype(dtype)
    return kind.is_floating or kind.is_integer


@check("warning")
def strength_too_small(case: Case) -> Iterator[Symptom]:
    """Strength times the sum of learning rates hardly shrinks the weights (give `steps=`)."""
    yield from _find_tiny_penalties(case)
    if case.steps is None or case.optimizer is None:
        return
    steps, span = case.steps
    total = float(case.compute_rates(steps).mean() * steps)
    for strength, weights in _group_kernels(case).items():
        taken = -np.expm1(-strength * total)
        if taken < _LEAST_SHRINKAGE and total:
            goal = -np.log1p(-0.1) / total
            yield (
                list_weight_paths(weights),
                f"{span} the learning rates sum to {total:.3g}, and times {strength:g} that is {strength * total:.1e}: "
                f"the penalty takes {100 * taken:.2g} % of the size of {format_weight_names(weights)} away; {goal:.1g} "
                "would take 10 %.",
                _make_strength_code(case, weights, float(f"{goal:.1g}")),
            )


def _find_tiny_penalties(case: Case) -> Iterator[Symptom]:
    """Yield coupled penalties that are tiny beside the data loss, under an optimizer that rescales gradients.

    Under such an optimizer the rate of shrinking is not known. The penalty's share of the loss is known after training.
    """
    for each in get_attachments(case.model):
        share = compute_loss_share(case, each)
        plain = type(case.optimizer).__name__ == "SGD"
        if isinstance(each.how, Coupled) and not plain and share is not None and 0 < share < _LEAST_LOSS_SHARE:
            yield (
                [weight.variable.path for weight in each.weights],
                f"the penalty of {each!r} is {float(each.value()):.1g} at the present weights, and the data loss was "
                f"{case.data_loss:.3g}: its gradient is lost in the gradient of the data loss. Find a strength with "
                f"sh.fit(model, x, y, penalty=..., epochs=...).",
                f"reg.lam = {compute_lam_for_share(case, each, 0.01):.1g}  # reg is what sh.attach returned; 1 % of "
                "the data loss",
            )


def _group_kernels(case: Case) -> dict[float, list[TrainableWeight]]:
    """Return kernels by their rate of shrinking per unit of learning rate; for coupled L2 it exists under SGD only."""
    groups = dict[float, list[TrainableWeight]]()
    plain = type(case.optimizer).__name__ == "SGD"
    longer = 1 / (1 - case.optimizer.momentum) if plain else 0.0
    for weight in case.weights:
        rate = weight.decay + 2 * weight.l2 * longer
        for each, lam in weight.attachments:
            if each.penalty.can_decay and each.penalty.toward is None:
                rate += lam * (1.0 if isinstance(each.how, Decoupled) else longer)
        if weight.is_kernel and not weight.l1 and rate:
            groups.setdefault(rate, []).append(weight)
    return groups


def _make_strength_code(case: Case, weights: list[TrainableWeight], strength: float) -> str:
    if weights[0].decay:
        return decay_kernels(case, weight_decay=strength)
    if weights[0].attachments:
        strength *= 1.0 if isinstance(weights[0].attachments[0][0].how, Decoupled) else 1 - case.optimizer.momentum
        return f"reg.lam = {strength:.1g}  # reg is what sh.attach returned"
    strength *= 1 - case.optimizer.momentum
    return set_regularizer(case, weights, f"keras.regularizers.L2({strength / 2:.1g})")


@check("warning")
def penalised_loss_monitored(case: Case) -> Iterator[Symptom]:
    """A callback stops, saves or slows on `loss` or `val_loss`, which contain the penalty (give `callbacks=`)."""
    deciding = [(i, each) for i, each in enumerate(case.callbacks or ()) if _decides_by_loss(each)]
    if (case.penalised_weights or case.attached_weights) and deciding:
        names = [f"{type(callback).__name__}(monitor={callback.monitor!r})" for _, callback in deciding]
        lines = [
            f"callbacks[{i}].monitor, callbacks[{i}].mode = {callback.monitor.replace('loss', 'data_loss')!r}, 'min'\n"
            for i, callback in deciding
        ]
        yield (
            names,
            f"they go by the data loss plus the penalty, now {case.penalty:.3g}: that falls where only the weights "
            f"shrink, and a smaller strength looks better than it is. Monitor the data loss.",
            _make_data_loss_code(case) + "".join(lines),
        )


def _decides_by_loss(callback: Any) -> bool:
    decides = not isinstance(callback, keras.callbacks.ModelCheckpoint) or callback.save_best_only
    return decides and getattr(callback, "monitor", None) in ("loss", "val_loss")


def _make_data_loss_code(case: Case) -> str:
    """Return the lines that make `fit` log `data_loss`."""
    if case.attached_weights:  # it does
        return ""
    loss = case.model.loss
    if not (isinstance(loss, str) or callable(loss)):  # several outputs
        return attach_instead(case, case.penalised_weights)
    function = "model.loss.call" if isinstance(loss, keras.Loss) else "keras.losses.get(model.loss)"
    return (
        f"data_loss = keras.metrics.MeanMetricWrapper({function}, name='data_loss')\n"
        f"model.compile(model.optimizer, model.loss, metrics=[data_loss])  # and your metrics\n"
    )
