"""What is attached to a model: where the hooks of the model and of its optimizer look it up."""

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from shrinkage._attach._attachment import Attachment
from shrinkage._attach._lam import inner, read_lam, wide
from shrinkage._attach._lazy import LazyTable, check_lazy_optimizer
from shrinkage._attach._terms import Penalised
from shrinkage._penalties import Proximal
from shrinkage._steps import check_proximal

KEY = "_shrinkage"
"""Where it is in the `__dict__` of a model and of its optimizer, past Keras' tracking of attributes."""


class Hooks:
    """The attachments of a model, and what its hooks and those of its optimizer need of all of them."""

    def __init__(self, model: keras.Model):
        self.attachments: tuple[Attachment, ...] = ()
        self._warned: set[int] = set()
        with model.distribute_strategy.scope():
            self.seen = keras.Variable(0.0, trainable=False, dtype=wide(*(v.dtype for v in model.weights)))
        self.retrace()

    def retrace(self) -> None:
        """Let the penalty's value and strengths be compiled anew, for other weights or attachments."""
        for table in self.tables():
            table.hook()
        self._now = None

    def look(self) -> Any:
        """Return the penalty at the present weights, which a compiled step then reads in `seen`."""
        self._now = self._now or tf.function(self._penalty_and_lams).get_concrete_function()
        penalty, lams = self._now()
        self.seen.assign(penalty)
        if not tf.inside_function():
            self._warn(lams)
        return ops.convert_to_tensor(self.seen)

    def _penalty_and_lams(self) -> tuple[Any, list[Any]]:
        penalty = sum(ops.cast(each.value(), self.seen.dtype) for each in self.attachments)
        return penalty, [read_lam(each.lam, optimizer_of(each.model)) for each in self.attachments]

    def _warn(self, lams: list[Any]) -> None:
        """Say once of an attachment that its strength has become negative, which no compiled step can."""
        for each, lam in zip(self.attachments, map(float, lams), strict=True):
            if id(each) not in self._warned and not lam >= 0:
                self._warned.add(id(each))
                optimizer = optimizer_of(each.model)
                step = "" if optimizer is None else f" at step {int(optimizer.iterations)}"
                warnings.warn(
                    f"lam is {lam:g}{step}, of {each!r}. It must stay 0 or more: a negative one makes weights grow. In "
                    f"a function of the step take keras.ops.maximum(..., 0).",
                    stacklevel=2,
                )

    def tables(self) -> list[LazyTable]:
        """Return the tables whose rows may be behind in their decay."""
        return [table for each in self.attachments for table in each.tables]

    def catch_up(self) -> None:
        """Give all rows their decay, for whoever reads the weights next."""
        for table in self.tables():
            table.catch_up()

    def strengths(self) -> dict[int, float]:
        """Return the present strength on each penalised variable, by its identity; `describe` shows it."""
        return {
            id(variable): float(read_lam(each.lam, optimizer_of(each.model))) * term.factor
            for each in self.attachments
            for variable, term, *_ in each.weights
        }

    def of(self, how: type, optimizer: Any, variables: Iterable[Any]) -> Iterator[tuple[list[Penalised], Any]]:
        """Return what each attachment of a kind penalises of these variables, and its strength at this step."""
        keys = {optimizer._var_key(v) for v in variables}
        for each in self.attachments:
            if isinstance(each.how, how):
                weights = [weight for weight in each.weights if optimizer._var_key(weight.variable) in keys]
                yield weights, read_lam(each.lam, optimizer)


def hooks_of(model: Any) -> Any:
    """Return the `Hooks` of a model or an optimizer, or None."""
    return vars(model).get(KEY)


def optimizer_of(model: Any) -> Any:
    """Return the optimizer that takes a model's steps, or None: `LossScaleOptimizer` has one inside."""
    return inner(getattr(model, "optimizer", None))


def check_optimizer(optimizer: Any, hooks: Hooks | None, attachments: Iterable[Attachment]) -> None:
    """Refuse an optimizer that cannot take penalised steps, or penalises the same weights by itself.

    Raises:
        TypeError, ValueError: Saying what to do.
    """
    if not isinstance(optimizer, keras.Optimizer):
        raise TypeError(f"The model must have a keras.optimizers optimizer. Received: {type(optimizer).__name__}.")
    if hooks_of(optimizer) not in (None, hooks):
        raise ValueError(
            f"The {type(optimizer).__name__} is the optimizer of another model with a penalty attached. Compile each "
            f"model with an optimizer of its own."
        )
    for each in attachments:
        if isinstance(each.how, Proximal):
            check_proximal(optimizer)
        if any(weight.lazy for weight in each.weights):
            check_lazy_optimizer(optimizer)
        for option in ("weight_decay", "adam_weight_decay"):
            decay = getattr(optimizer, option, None)
            decayed = [v.path for v, *_ in each.weights if optimizer._use_weight_decay(v)]
            if decay is not None and float(decay) and decayed:
                raise ValueError(
                    f"The optimizer already decays these weights ({option}={float(decay):g}), beside the penalty: "
                    f"{', '.join(decayed)}. Compile the model with {option}=0.0; for the decay itself attach "
                    f"shrinkage.L2() with how=shrinkage.Decoupled()."
                )
