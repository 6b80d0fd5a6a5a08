"""Checks of attached penalties."""

from collections.abc import Iterator
from typing import Any

from shrinkage._attach._attachment import Attachment
from shrinkage._attach._hooks import optimizer_of, optimizers_in
from shrinkage._attach._lam import read_lam
from shrinkage._attach._terms import Penalised
from shrinkage._doctor._case import Case, value_of
from shrinkage._doctor._check import Symptom, check
from shrinkage._doctor._code import attach_again
from shrinkage._doctor._words import plural
from shrinkage._model._attached import attachments, hooks_of
from shrinkage._weights._matching import spell
from shrinkage._weights._reach import reach


@check("error")
def attached_inside(case: Case) -> Iterator[Symptom]:
    """A penalty is attached to an inner model, and does not act when the outer model is trained."""
    covered, optimizers = {id(weight.variable) for weight in case.attached}, optimizers_in(case.model)
    for inner in (layer for layer in case.layers if layer is not case.model):
        lost = _left_out(inner, optimizers, covered, are_covered=False)
        weights = [weight.variable for _, found in lost for weight in found]
        covered |= set(map(id, weights))
        if weights:
            each = " and ".join(repr(attached) for attached, _ in lost)
            yield (
                [variable.path for variable in weights],
                f"{each} is attached to the inner model, and acts only when the inner model is trained. Training "
                f"{case.model.name!r} leaves it out, on {plural(len(weights), 'weight')}. Attach to the model that is "
                f"trained.",
                attach_again(case, lost, inner),
            )


@check("note")
def replaced_inside(case: Case) -> Iterator[Symptom]:
    """A penalty of an inner model does not act where the outer model has a penalty on the same weights."""
    covered, optimizers = {id(weight.variable) for weight in case.attached}, optimizers_in(case.model)
    for inner in (layer for layer in case.layers if layer is not case.model):
        found = _left_out(inner, optimizers, covered, are_covered=True)
        if found:
            names = [weight.variable.path for _, weights in found for weight in weights]
            yield (
                names,
                f"{' and '.join(repr(each) for each, _ in found)} acts when the inner model is trained. Training "
                f"{case.model.name!r} takes the penalty of {case.model.name!r} in its place, on "
                f"{plural(len(names), 'weight')}.",
                f"sh.detach({reach(case.model, inner)})  # unless the inner model is trained alone too",
            )


def _left_out(
    inner: Any, optimizers: list[Any], covered: set[int], *, are_covered: bool
) -> list[tuple[Attachment, list[Penalised]]]:
    """Return the attachments of an inner model that training the outer model leaves out, each with the weights.

    Attachments on an optimizer of the outer model act.

    Args:
        inner: The inner model, or any layer.
        optimizers: The optimizers of the outer model.
        covered: Identities of the weights that another penalty acts on.
        are_covered: Whether to return the weights that are covered, or the others.
    """
    if any(optimizer_of(inner) is each for each in optimizers):
        return []

    def is_left_out(weight: Penalised) -> bool:
        return (id(weight.variable) in covered) == are_covered and not hooks_of(inner).acts_on(weight.variable)

    found = [(each, [weight for weight in each.weights if is_left_out(weight)]) for each in attachments(inner)]
    return [(each, weights) for each, weights in found if weights]


@check("error")
def stepped_elsewhere(case: Case) -> Iterator[Symptom]:
    """Weights with a penalty attached are trained by an optimizer that the model does not hold (seen in `fit`)."""
    hooks = hooks_of(case.model)
    to_come = any(hooks_of(each) is None for each in optimizers_in(case.model))  # the next `fit` hooks them
    if hooks is not None and hooks.elsewhere and not to_come:
        yield (
            hooks.trained_elsewhere,
            f"{hooks.elsewhere} `compile` sets an optimizer as an attribute of the model; attached penalties "
            f"act in the steps of all optimizers that are attributes.",
            "model.second_optimizer = optimizer  # the optimizer of these weights; then call fit again\n"
            "# if it is a part of another model: model.compile(optimizer), and compile the other model again",
        )


@check("warning")
def attached_to_nothing(case: Case) -> Iterator[Symptom]:
    """An attached penalty acts on no weight: the selected weights are frozen, or no longer in the model."""
    found = attachments(case.model)
    for each in found:
        if each.idle:
            off = "sh.detach(model)" if len(found) == 1 else "sh.detach(reg)  # reg is what sh.attach returned"
            wait = "# or unfreeze its weights, and compile\n" if each.named else ""
            yield (
                (case.model.name,),
                f"{each.penalty!r} is attached with on={spell(each.on)} and acts on nothing: {each.idle}.",
                f"{wait}{off}",
            )


@check("warning")
def strength_too_large(case: Case) -> Iterator[Symptom]:
    """An attached penalty is over a hundred times the data loss (seen once the model has trained)."""
    for each in attachments(case.model):
        share = share_of_loss(case, each)
        if share is not None and share > _DWARFS:
            yield (
                [weight.variable.path for weight in each.weights],
                f"the penalty of {each!r} is {float(each.value()):,.3g} at the present weights, and the data loss was "
                f"{case.data_loss:.3g}: training shrinks these weights, and hardly fits the data. Find a strength with "
                f"sh.fit(model, x, y, penalty=..., epochs=...).",
                f"reg.lam = {lam_for(case, each, 0.1):.1g}  # reg is what sh.attach returned; a tenth of the data loss",
            )


_DWARFS = 100.0  # times the data loss


def share_of_loss(case: Case, each: Attachment) -> float | None:
    """Return an attached penalty as a share of the data loss; None if the data loss is not known."""
    return None if case.data_loss is None else float(each.value()) / case.data_loss


def lam_for(case: Case, each: Attachment, share: float) -> float:
    """Return the strength that makes an attached penalty this share of the data loss, at the present weights."""
    lam, now = float(value_of(read_lam(each.lam, case.optimizer))), share_of_loss(case, each)
    return lam * share / now if now else lam


@check("warning")
def drawn_to_nothing(case: Case) -> Iterator[Symptom]:
    """`L2(toward=...)` leaves out weights that the model got after the penalty was attached."""
    acts = {id(weight.variable) for weight in case.attached}
    for each in attachments(case.model):
        late = [variable.path for variable in each.late if variable.trainable and id(variable) not in acts]
        if late and not each.idle:
            lam = f"{float(value_of(read_lam(each.lam, case.optimizer))):g}"
            yield (
                late,
                f"the model got {plural(len(late), 'weight')} after {each.penalty!r} was attached, which has no values "
                f"to draw them towards: nothing penalises them.",
                f"sh.attach(model, sh.L2(), lam={lam}, on=lambda layer, v: v.path in {late})  # towards 0",
            )
