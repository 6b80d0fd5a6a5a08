"""What is attached to a model: where the hooks of the model and of its optimizer look it up."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from shrinkage._attach._attachment import Attachment
from shrinkage._attach._lam import inner, read_lam, widest_dtype
from shrinkage._attach._lazy import LazyTable, check_lazy_optimizer
from shrinkage._attach._terms import Penalised
from shrinkage._host._callers import say
from shrinkage._host._optimizers import decays, variable_key
from shrinkage._model._attached import hooks_of
from shrinkage._penalties import Proximal
from shrinkage._penalties._steps import check_proximal


class Hooks:
    """The attachments of a model, and what its hooks and those of its optimizer need of all of them."""

    def __init__(self, model: keras.Model):
        self.attachments: tuple[Attachment, ...] = ()
        self.optimizers: list[Any] = []
        """Those that are hooked."""
        self._stepped: dict[int, Any] = {}
        self._elsewhere: dict[int, Any] = {}
        self._before: dict[int, float] = {}
        self._values: dict[int, float] = {}
        self._warned: set[int] = set()
        with model.distribute_strategy.scope():
            self.seen = keras.Variable(0.0, trainable=False, dtype=widest_dtype(*(v.dtype for v in model.weights)))
        self.retrace()

    def retrace(self) -> None:
        """Let the penalty's value and strengths be compiled anew, for other weights, attachments or optimizers."""
        for table in self.tables():
            table.hook()
        self._now, self._keys = None, []
        self._stepped, self._elsewhere = {}, {}

    def steps(self, optimizer: Any, variables: Iterable[Any]) -> None:
        """Record that a hooked optimizer steps these variables; a compiled step tells it once.

        Raises:
            ValueError: If it cannot take penalised steps on those of them that are penalised.
        """
        keys = {variable_key(optimizer, v) for v in variables}
        mine = [v for _, (v, *_) in self._pairs() if variable_key(optimizer, v) in keys and id(v) not in self._stepped]
        if mine:
            check_optimizer(optimizer, self, self.attachments, mine)
            self._stepped |= {id(v): optimizer for v in mine}
            self._elsewhere = {key: v for key, v in self._elsewhere.items() if key not in self._stepped}
            self._now = None

    def start(self) -> None:
        """Note the penalty on each weight: metrics are reset where an epoch starts."""
        self.look()
        self._before = self._values

    def end(self) -> None:
        """Say which penalised weights have changed in this epoch by no step of a hooked optimizer."""
        waiting = {id(v): v for _, (v, *_) in self._pairs() if id(v) not in self._stepped}
        if not waiting.keys() - self._elsewhere.keys():
            return
        self.look()
        changed = {key: v for key, v in waiting.items() if self._has_changed(key)}
        if changed.keys() - self._elsewhere.keys():
            self._elsewhere |= changed
            self._now = None
            say(f"{_trained_elsewhere(self.attachments[0].model, changed.values())} {HOLD}")

    def _has_changed(self, key: int) -> bool:
        """Whether the penalty on a weight is another than when the epoch started, but for the rounding of sums."""
        before, now = self._before.get(key), self._values.get(key)
        return before is not None and now is not None and not abs(now - before) <= 1e-6 * max(abs(now), abs(before))

    @property
    def elsewhere(self) -> str:
        """Which penalised weights are trained by no optimizer that is hooked, as a sentence; empty if none is known."""
        model = self.attachments[0].model
        return _trained_elsewhere(model, self._elsewhere.values()) if self._elsewhere else ""

    @property
    def trained_elsewhere(self) -> list[str]:
        """The paths of these weights."""
        return [variable.path for variable in self._elsewhere.values()]

    def acts_on(self, variable: Any) -> bool:
        """Whether a training step is known that penalises a variable."""
        return id(variable) in self._stepped

    def idle(self) -> tuple[str, ...]:
        """Say which attachments have no weight to act on."""
        return tuple(f"{each!r} acts on nothing: {each.idle}." for each in self.attachments if each.idle)

    def look(self) -> Any:
        """Return the penalty at the present weights, which a compiled step then reads in `seen`."""
        pairs = self._pairs()
        keys = [id(v) for _, (v, *_) in pairs]
        if self._now is None or keys != self._keys:
            self._now, self._keys = tf.function(self._penalty_and_lams, autograph=False).get_concrete_function(), keys
        penalty, values, lams = self._now()
        self.seen.assign(penalty)
        if not tf.inside_function():
            self._values = dict(zip(keys, np.array(values).tolist(), strict=True))
            self._warn(pairs, np.array(lams).tolist())
        return ops.convert_to_tensor(self.seen)

    def _pairs(self) -> list[tuple[Attachment, Penalised]]:
        return [(each, weight) for each in self.attachments for weight in each.weights]

    def _penalty_and_lams(self) -> tuple[Any, Any, Any]:
        """Return the penalty of the weights that training changes, as far as that is known, and P and lam of each."""
        dtype, pairs = self.seen.dtype, self._pairs()
        known = bool(self._stepped or self._elsewhere)
        values = [ops.cast(weight.value(ops.ones(())), dtype) for _, weight in pairs]
        lams = [ops.cast(read_lam(each.lam, self._optimizer(each, weight)), dtype) for each, weight in pairs]
        counted = [
            lam * value
            for (_, weight), lam, value in zip(pairs, lams, values, strict=True)
            if id(weight.variable) in self._stepped or not known
        ]
        none = ops.zeros((0,), dtype)
        return sum(counted, ops.zeros((), dtype)), *(ops.stack(each) if each else none for each in (values, lams))

    def _optimizer(self, each: Attachment, weight: Penalised) -> Any:
        """Return the optimizer whose steps a strength counts on a weight: that which takes them, once it is known."""
        return self._stepped.get(id(weight.variable)) or optimizer_of(each.model)

    def _warn(self, pairs: list[tuple[Attachment, Penalised]], lams: list[float]) -> None:
        """Say once of an attachment that its strength has become negative, which no compiled step can."""
        for (each, weight), lam in zip(pairs, lams, strict=True):
            if id(each) not in self._warned and not lam >= 0:
                self._warned.add(id(each))
                optimizer = self._optimizer(each, weight)
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
            id(weight.variable): float(read_lam(each.lam, self._optimizer(each, weight))) * weight.term.factor
            for each, weight in self._pairs()
        }

    def of(self, how: type, optimizer: Any, variables: Iterable[Any]) -> Iterator[tuple[list[Penalised], Any]]:
        """Return what each attachment of a kind penalises of these variables, and its strength at this step."""
        keys = {variable_key(optimizer, v) for v in variables}
        for each in self.attachments:
            if isinstance(each.how, how):
                weights = [weight for weight in each.weights if variable_key(optimizer, weight.variable) in keys]
                yield weights, read_lam(each.lam, optimizer)


def optimizer_of(model: Any) -> Any:
    """Return the optimizer that takes a model's steps, or None: `LossScaleOptimizer` has one inside."""
    return inner(getattr(model, "optimizer", None))


def optimizers_in(model: Any) -> list[Any]:
    """Return the optimizers that a model holds in its attributes, each once: `compile` of a class may set several."""
    found, seen, waiting = {}, set(), [vars(model)]
    while waiting:
        each = waiting.pop()
        if isinstance(each, keras.Optimizer):
            found[id(inner(each))] = inner(each)
        elif isinstance(each, (list, tuple, dict)) and id(each) not in seen:
            seen.add(id(each))
            waiting += each.values() if isinstance(each, dict) else each
    return list(found.values())


HOLD = (
    "Let the model hold that optimizer, as in model.second_optimizer = optimizer, and call fit again; or attach to the "
    "part of the model that has these weights, compiled with it. If they are not to be penalised, leave them out: on=."
)


def _trained_elsewhere(model: keras.Model, variables: Iterable[Any]) -> str:
    paths = [variable.path for variable in variables]
    return (
        f"The penalty attached to model {model.name!r} does not act on weights that training changes: "
        f"{', '.join(paths[:3])}{f' and {len(paths) - 3} more' if len(paths) > 3 else ''}. Their steps are taken by no "
        f"optimizer that the model holds."
    )


def check_optimizer(
    optimizer: Any, hooks: Hooks | None, attachments: Iterable[Attachment], variables: Sequence[Any] | None = None
) -> None:
    """Refuse an optimizer that cannot take penalised steps, or penalises the same weights by itself.

    Args:
        optimizer: The optimizer.
        hooks: Of the model that it is for.
        attachments: What is attached to that.
        variables: Which weights it steps; None for all that are trainable.

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
    stepped = None if variables is None else set(map(id, variables))
    for each in attachments:
        weights = [weight for weight in each.weights if stepped is None or id(weight.variable) in stepped]
        if stepped is not None and not weights:
            continue
        if isinstance(each.how, Proximal):
            check_proximal(optimizer)
        if any(weight.lazy for weight in weights):
            check_lazy_optimizer(optimizer)
        for option in ("weight_decay", "adam_weight_decay"):
            decay = getattr(optimizer, option, None)
            decayed = [v.path for v, *_ in weights if decays(optimizer, v)]
            if decay is not None and float(decay) and decayed:
                raise ValueError(
                    f"The optimizer already decays these weights ({option}={float(decay):g}), beside the penalty: "
                    f"{', '.join(decayed)}. Compile the model with {option}=0.0; for the decay itself attach "
                    f"shrinkage.L2() with how=shrinkage.Decoupled()."
                )
