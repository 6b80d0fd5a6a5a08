"""Checks of attached penalties."""

from collections.abc import Iterator
from typing import Any

from shrinkage._attach._attachment import Attachment
from shrinkage._attach._hooks import find_optimizers, get_optimizer
from shrinkage._attach._lam import read_lam
from shrinkage._attach._terms import PenalisedWeight
from shrinkage._doctor._case import Case, to_array
from shrinkage._doctor._check import Symptom, check
from shrinkage._doctor._code import attach_again
from shrinkage._doctor._words import format_noun_count
from shrinkage._model._attached import get_attachments, get_hooks
from shrinkage._weights._expressions import find_layer_expression
from shrinkage._weights._matching import format_selector


@check("error")
def attached_inside(case: Case) -> Iterator[Symptom]:
    """A penalty is attached to an inner model, and does not act when the outer model is trained."""
    covered, optimizers = {id(weight.variable) for weight in case.attached_weights}, find_optimizers(case.model)
    for inner in (layer for layer in case.layers if layer is not case.model):
        lost = _find_unused_attachments(inner, optimizers, covered, are_covered=False)
        weights = [weight.variable for _, found in lost for weight in found]
        covered |= set(map(id, weights))
        if weights:
            each = " and ".join(repr(attached) for attached, _ in lost)
            yield (
                [variable.path for variable in weights],
                f"{each} is attached to the inner model, and acts only when the inner model is trained. Training "
                f"{case.model.name!r} leaves it out, on {format_noun_count(len(weights), 'weight')}. Attach to the "
                "model that is trained.",
                attach_again(case, lost, inner),
            )


@check("note")
def replaced_inside(case: Case) -> Iterator[Symptom]:
    """A penalty of an inner model does not act where the outer model has a penalty on the same weights."""
    covered, optimizers = {id(weight.variable) for weight in case.attached_weights}, find_optimizers(case.model)
    for inner in (layer for layer in case.layers if layer is not case.model):
        found = _find_unused_attachments(inner, optimizers, covered, are_covered=True)
        if found:
            names = [weight.variable.path for _, weights in found for weight in weights]
            yield (
                names,
                f"{' and '.join(repr(each) for each, _ in found)} acts when the inner model is trained. Training "
                f"{case.model.name!r} takes the penalty of {case.model.name!r} in its place, on "
                f"{format_noun_count(len(names), 'weight')}.",
                f"sh.detach({find_layer_expression(case.model, inner)})  # unless the inner model is trained alone too",
            )


def _find_unused_attachments(
    inner_model: Any, optimizers: list[Any], covered_ids: set[int], *, are_covered: bool
) -> list[tuple[Attachment, list[PenalisedWeight]]]:
    """Return the attachments of an inner model that training the outer model leaves out, each with the weights.

    Attachments on an optimizer of the outer model act.

    Args:
        inner_model: The inner model, or any layer.
        optimizers: The optimizers of the outer model.
        covered_ids: Identities of the weights that another penalty acts on.
        are_covered: Whether to return the weights that are covered, or the others.
    """
    if any(get_optimizer(inner_model) is each for each in optimizers):
        return []

    def is_left_out(weight: PenalisedWeight) -> bool:
        return (id(weight.variable) in covered_ids) == are_covered and not get_hooks(inner_model).acts_on(
            weight.variable
        )

    found = [
        (each, [weight for weight in each.weights if is_left_out(weight)]) for each in get_attachments(inner_model)
    ]
    return [(each, weights) for each, weights in found if weights]


@check("error")
def stepped_elsewhere(case: Case) -> Iterator[Symptom]:
    """Weights with a penalty attached are trained by an optimizer that the model does not hold (seen in `fit`)."""
    hooks = get_hooks(case.model)
    to_come = any(get_hooks(each) is None for each in find_optimizers(case.model))  # the next `fit` hooks them
    if hooks is not None and hooks.elsewhere_text and not to_come:
        yield (
            hooks.elsewhere_paths,
            f"{hooks.elsewhere_text} `compile` sets an optimizer as an attribute of the model; attached penalties "
            f"act in the steps of all optimizers that are attributes.",
            "model.second_optimizer = optimizer  # the optimizer of these weights; then call fit again\n"
            "# if it is a part of another model: model.compile(optimizer), and compile the other model again",
        )


@check("warning")
def attached_to_nothing(case: Case) -> Iterator[Symptom]:
    """An attached penalty acts on no weight: the selected weights are frozen, or no longer in the model."""
    found = get_attachments(case.model)
    for each in found:
        if each.idle:
            off = "sh.detach(model)" if len(found) == 1 else "sh.detach(reg)  # reg is what sh.attach returned"
            wait = "# or unfreeze its weights, and compile\n" if each.named else ""
            yield (
                (case.model.name,),
                f"{each.penalty!r} is attached with on={format_selector(each.on)} and acts on nothing: {each.idle}.",
                f"{wait}{off}",
            )


@check("warning")
def strength_too_large(case: Case) -> Iterator[Symptom]:
    """An attached penalty is over a hundred times the data loss (seen once the model has trained)."""
    for each in get_attachments(case.model):
        share = compute_loss_share(case, each)
        if share is not None and share > _LARGEST_LOSS_SHARE:
            yield (
                [weight.variable.path for weight in each.weights],
                f"the penalty of {each!r} is {float(each.value()):,.3g} at the present weights, and the data loss was "
                f"{case.data_loss:.3g}: training shrinks these weights, and hardly fits the data. Find a strength with "
                f"sh.fit(model, x, y, penalty=..., epochs=...).",
                f"reg.lam = {compute_lam_for_share(case, each, 0.1):.1g}  # reg is what sh.attach returned; a tenth "
                "of the data loss",
            )


_LARGEST_LOSS_SHARE = 100.0  # times the data loss


def compute_loss_share(case: Case, attachment: Attachment) -> float | None:
    """Return an attached penalty as a share of the data loss; None if the data loss is not known."""
    return None if case.data_loss is None else float(attachment.value()) / case.data_loss


def compute_lam_for_share(case: Case, attachment: Attachment, share: float) -> float:
    """Return the strength that makes an attached penalty this share of the data loss, at the present weights."""
    lam, now = float(to_array(read_lam(attachment.lam, case.optimizer))), compute_loss_share(case, attachment)
    return lam * share / now if now else lam


@check("warning")
def drawn_to_nothing(case: Case) -> Iterator[Symptom]:
    """`L2(toward=...)` leaves out weights that the model got after the penalty was attached."""
    acts = {id(weight.variable) for weight in case.attached_weights}
    for each in get_attachments(case.model):
        late = [variable.path for variable in each.late if variable.trainable and id(variable) not in acts]
        if late and not each.idle:
            lam = f"{float(to_array(read_lam(each.lam, case.optimizer))):g}"
            yield (
                late,
                f"the model got {format_noun_count(len(late), 'weight')} after {each.penalty!r} was attached, which "
                "has no values to draw them towards: nothing penalises them.",
                f"sh.attach(model, sh.L2(), lam={lam}, on=lambda layer, v: v.path in {late})  # towards 0",
            )
