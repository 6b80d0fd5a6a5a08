"""Checks of attached penalties: whether they act."""

from collections.abc import Iterator

from shrinkage._attach._attach import attachments
from shrinkage._doctor._case import Case, attached_to
from shrinkage._doctor._check import Symptom, check
from shrinkage._doctor._code import attach_again, reach
from shrinkage._doctor._words import plural


@check("error")
def attached_inside(case: Case) -> Iterator[Symptom]:
    """A penalty is attached to a model inside this one, and does not act when this one is trained."""
    for layer in case.layers:
        for each in attachments(layer) if layer is not case.model else ():  # pyright: ignore[reportArgumentType]
            inner = reach(case.model, layer)
            paths = [weight.variable.path for weight in attached_to(each)]
            yield (
                paths or [layer.name],
                f"{each!r} is attached to the inner model, whose own training it is part of: training "
                f"{case.model.name!r} leaves {plural(len(paths), 'weight')} unpenalised. Attach to the model that is "
                f"trained.",
                attach_again(each, inner, on=inner),
            )


@check("error")
def attached_to_nothing(case: Case) -> Iterator[Symptom]:
    """A penalty is attached, and all of its weights are frozen."""
    for each in attachments(case.model):
        if not attached_to(each) and case.weights:
            yield (
                (case.model.name,),
                f"{each.penalty!r} is attached with on={each.on!r}, which names none of the "
                f"{plural(len(case.weights), 'trainable weight')}: those that it named are frozen, and compile "
                f"will refuse.",
                "sh.detach(model)  # or unfreeze its weights, and compile",
            )
