"""Checks of side effects of a penalty: missing zeros, other conventions, costs."""

from collections.abc import Iterator

import keras
import numpy as np

from shrinkage._attach._attachment import Attachment
from shrinkage._attach._lazy import describe_other_changes
from shrinkage._doctor._case import Case, TrainableWeight, to_array
from shrinkage._doctor._check import Symptom, check
from shrinkage._doctor._code import attach_again, attach_instead, set_regularizer
from shrinkage._doctor._words import format_parameter_count, list_weight_paths
from shrinkage._penalties import Coupled
from shrinkage._weights._scale import find_scale_invariant_weights

_BIG_TABLE = 1_000_000  # parameters of an embedding from which the cost of a dense gradient is felt
_ADAPTIVE = ("Adam", "AdamW", "Nadam", "Adamax", "RMSprop", "Adagrad", "Adadelta", "Adafactor", "Lamb")


@check("warning")
def l1_by_gradient(case: Case) -> Iterator[Symptom]:
    """Keras applies L1 by gradient, which does not give exact zeros."""
    found = [weight for weight in case.penalised_weights if weight.l1 and weight.is_kernel]
    if found:
        zeros = sum(int(np.sum(np.equal(to_array(weight.variable), 0))) for weight in found)
        yield (
            list_weight_paths(found),
            f"{zeros:,} of {format_parameter_count(found)} are exactly 0. A gradient step on |w| goes past 0 and back; "
            "a proximal step stops there, and leaves weights that can be removed.",
            attach_instead(case, found),
        )


@check("note")
def loss_contains_penalty(case: Case) -> Iterator[Symptom]:
    """The reported `loss` and `val_loss` contain the penalty: do not stop, select or compare models by them."""
    of_outputs = [layer.name for layer in case.layers if getattr(layer, "activity_regularizer", None) is not None]
    parts = [f"the penalty, now {case.penalty:.3g}"] if case.penalised_weights else []
    parts += [f"the value of activity_regularizer for the outputs of {', '.join(of_outputs)}"] if of_outputs else []
    if parts and case.callbacks is None:
        yield (
            ("loss, val_loss",),
            f"both contain {', and '.join(parts)}. Compare models and stop early by a metric; give "
            f"callbacks= to have them looked at.",
            "sh.doctor(model, callbacks=callbacks)",
        )


@check("note")
def keras_l2_has_no_half(case: Case) -> Iterator[Symptom]:
    """Keras' L2(l) is l Σw², without the usual ½: `sh.L2()` at lam = 2 l, or PyTorch's weight_decay = 2 l."""
    found = [weight for weight in case.penalised_weights if weight.l2]
    if found:
        values = sorted({weight.l2 for weight in found})
        same = ", ".join(f"L2({l2:g}) is sh.L2() at lam={2 * l2:g}" for l2 in values)
        yield (
            list_weight_paths(found),
            f"keras.regularizers.L2(l) adds l Σw², without the ½ of most books and of PyTorch's weight_decay: {same}.",
            "\n".join(f"sh.convert({l2:g}, 'keras.L2', 'shrinkage.L2')  # {2 * l2:g}" for l2 in values),
        )


@check("note")
def adaptive_and_coupled(case: Case) -> Iterator[Symptom]:
    """An adaptive optimizer divides the penalty's gradient too: weights with large gradients shrink less."""
    coupled = [w for w in case.attached_weights if any(isinstance(each.how, Coupled) for each, _ in w.attachments)]
    found = [weight for weight in case.penalised_weights if weight.l2] + coupled
    kind = type(case.optimizer).__name__
    if found and kind in _ADAPTIVE:
        yield (
            list_weight_paths(found),
            f"{kind} divides the gradient, which contains the gradient of the penalty, by a running mean of its size: "
            f"a weight with large gradients shrinks less, and the strength is not comparable to the weight_decay of "
            f"AdamW (Loshchilov & Hutter 2019). A strength found for {kind} holds for {kind}.",
            "# decay beside the step: keras.optimizers.AdamW(weight_decay=...), or sh.attach(..., how=sh.Decoupled())",
        )


@check("note")
def scale_invariant_kernel(case: Case) -> Iterator[Symptom]:
    """A normalization follows a penalised kernel: strength and learning rate act there as a product."""
    free = find_scale_invariant_weights(case.model)
    found = [weight for weight in case.weights if not weight.is_free and id(weight.variable) in free]
    if found:
        yield (
            list_weight_paths(found),
            "their scale does not change the model's output: shrinking them makes it no smoother, but lengthens the "
            "optimizer's steps, by learning rate times strength (van Laarhoven 2017). Choose the two together.",
            "print(sh.describe(model))  # names them",
        )


@check("note")
def dense_embedding_gradient(case: Case) -> Iterator[Symptom]:
    """A penalty on an embedding of 1,000,000 parameters or more: a step touches all rows, not only those looked up."""
    tables = [w for w in case.weights if isinstance(w.layer, keras.layers.Embedding) and w.size >= _BIG_TABLE]
    regularized = [weight for weight in tables if weight.penalised]
    attached = [w for w in tables if any(_has_sparse_form(each) for each, _ in w.attachments)]
    for found in (regularized, attached):
        if found:
            yield (
                list_weight_paths(found),
                f"each step has a gradient for all {format_parameter_count(found)}, and not only for the rows that it "
                "looks up: with a table of 500,000 x 32 a step took two to four times as long (docs/attach.md).",
                _make_sparse_code(case, found),
            )


def _has_sparse_form(attachment: Attachment) -> bool:
    """Whether an attachment has a dense gradient, and an equivalent with a sparse gradient."""
    penalty = attachment.penalty
    by_row = penalty.elementwise and penalty.toward is None
    return by_row and isinstance(attachment.how, Coupled) and attachment.rows == "all"


def _make_sparse_code(case: Case, tables: list[TrainableWeight]) -> str:
    """Return the lines for a penalty with a sparse gradient: rows="lazy" under plain SGD, else rows="touched"."""
    attached = next((each for each, _ in tables[0].attachments), None)
    decays = attached is None or attached.penalty.can_decay
    lazy = decays and case.optimizer is not None and not describe_other_changes(case.optimizer)
    rows = "'lazy'" if lazy else "'touched'"
    if attached:
        return attach_again(case, [(attached, attached.weights)], case.model, rows=rows)
    bare, lam = set_regularizer(case, tables, "None"), 2 * tables[0].l2
    return f"{bare}sh.attach(model, sh.L2(), lam={lam:g}, on='embedding', rows={rows})" if lam else bare
