"""Checks of attached penalties: whether they act."""

from collections.abc import Iterator

import keras

from shrinkage._attach._attach import attachments
from shrinkage._attach._attachment import Attachment
from shrinkage._attach._terms import Penalised
from shrinkage._doctor._case import Case
from shrinkage._doctor._check import Symptom, check
from shrinkage._doctor._code import attach_again
from shrinkage._doctor._words import plural
from shrinkage._matching import spell


@check("error")
def attached_inside(case: Case) -> Iterator[Symptom]:
    """A penalty is attached to a model inside this one, and does not act when this one is trained."""
    covered = {id(weight.variable) for weight in case.attached}
    for inner in (layer for layer in case.layers if layer is not case.model):
        lost = _lost(inner, covered)
        weights = [weight.variable for _, found in lost for weight in found]
        covered |= set(map(id, weights))
        if weights:
            each = " and ".join(repr(attached) for attached, _ in lost)
            yield (
                [variable.path for variable in weights],
                f"{each} is attached to the inner model, whose own training it is part of: training "
                f"{case.model.name!r} leaves it out, on {plural(len(weights), 'weight')}. Attach to the model that is "
                f"trained.",
                attach_again(case, lost, inner),
            )


def _lost(inner: keras.Layer, covered: set[int]) -> list[tuple[Attachment, list[Penalised]]]:
    """What is attached to an inner model, each with the weights that no penalty of the model around it covers."""
    found = [
        (each, [weight for weight in each.weights if id(weight.variable) not in covered])
        for each in attachments(inner)  # pyright: ignore[reportArgumentType]
    ]
    return [(each, weights) for each, weights in found if weights]


@check("warning")
def attached_to_nothing(case: Case) -> Iterator[Symptom]:
    """A penalty is attached, and all of its weights are frozen: it acts on nothing until they are unfrozen."""
    found = attachments(case.model)
    for each in found:
        if not each.weights:
            off = "sh.detach(model)" if len(found) == 1 else "sh.detach(reg)  # reg is what sh.attach returned"
            yield (
                (case.model.name,),
                f"{each.penalty!r} is attached with on={spell(each.on)}, and the weights that this names are all "
                f"frozen: it acts on nothing until they are unfrozen and the model is compiled.",
                f"# or unfreeze its weights, and compile\n{off}",
            )
