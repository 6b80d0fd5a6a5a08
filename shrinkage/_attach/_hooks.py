"""`Hooks`: the attachments of a model, for the hooks of the model and of the optimizers."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from shrinkage._attach._attachment import Attachment
from shrinkage._attach._lam import find_widest_dtype, read_lam, unwrap_optimizer
from shrinkage._attach._lazy import LazyTable, check_lazy_optimizer
from shrinkage._attach._terms import PenalisedWeight
from shrinkage._host._attributes import get_attributes
from shrinkage._host._callers import warn_keras_caller
from shrinkage._host._optimizers import decays, get_variable_key
from shrinkage._host._tensorflow import call_after_trace, find_assigned_variables, get_traced_graph
from shrinkage._model._attached import get_hooks
from shrinkage._penalties import Decoupled, Proximal
from shrinkage._penalties._steps import check_proximal

_PENALISED = WeakKeyDictionary[Any, set[int]]()
"""For each graph, the variables that a penalised step of any attached model changes."""


class Hooks:
    """The attachments of a model, and the state of the hooks."""

    def __init__(self, model: keras.Model):
        self.attachments: tuple[Attachment, ...] = ()
        self.optimizers: list[Any] = []
        """The hooked optimizers."""
        self._steppers: dict[int, Any] = {}
        self._elsewhere_weights: dict[int, Any] = {}
        self._start_values: dict[int, float] = {}
        self._values: dict[int, float] = {}
        self._warned_ids: set[int] = set()
        self._graphs = WeakSet[Any]()
        """Graphs that were watched while they were traced."""
        with model.distribute_strategy.scope():
            self.penalty_variable = keras.Variable(
                0.0, trainable=False, dtype=find_widest_dtype(*(v.dtype for v in model.weights))
            )
        self.retrace()

    def retrace(self) -> None:
        """Make penalty and strengths compile again, after a change of weights, attachments or optimizers."""
        for table in self.list_tables():
            table.hook()
        self._penalty_function, self._keys = None, []
        self._steppers, self._elsewhere_weights = {}, {}

    def record_step(self, optimizer: Any, variables: Iterable[Any]) -> None:
        """Record that a hooked optimizer steps these variables. A compiled step calls this once, when it is traced.

        Raises:
            ValueError: If the optimizer cannot take penalised steps on penalised variables.
        """
        keys = {get_variable_key(optimizer, v) for v in variables}
        mine = [v for _, (v, *_) in self._list_pairs() if get_variable_key(optimizer, v) in keys]
        self.record_penalty(mine)
        new = [v for v in mine if id(v) not in self._steppers]
        if new:
            check_penalised_optimizer(optimizer, self, self.attachments, new)
            self._steppers |= {id(v): optimizer for v in new}
            self._elsewhere_weights = {
                key: v for key, v in self._elsewhere_weights.items() if key not in self._steppers
            }
            self._penalty_function = None

    @tf.autograph.experimental.do_not_convert
    def record_penalty(self, variables: Iterable[Any]) -> None:
        """Record that the step that is being traced penalises these variables."""
        graph = get_traced_graph()
        if graph is not None:
            _PENALISED.setdefault(graph, set()).update(map(id, variables))

    @tf.autograph.experimental.do_not_convert
    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch the variables that a compiled step changes, of this model or of a model that contains it."""
        graph = get_traced_graph()
        if graph is None:
            yield
            return
        if graph not in self._graphs:
            self._graphs.add(graph)
            call_after_trace(graph, lambda: self._check_step(graph))
        here = tf.compat.v1.get_default_graph()
        before = len(here.get_operations())
        yield
        # `SpectralNormalization` assigns to a kernel when it is called: that is no step past the optimizer.
        stepped = [v for _, (v, *_) in self._list_pairs() if id(v) in self._steppers]
        self.record_penalty(find_assigned_variables(here, stepped, start=before))

    def _check_step(self, graph: Any) -> None:
        """Say which penalised weights a traced step changes without their penalty."""
        penalised = _PENALISED.get(graph, ())
        self._say(
            {
                id(v): v
                for v in find_assigned_variables(
                    graph, [v for _, (v, *_) in self._list_pairs() if id(v) not in penalised]
                )
            }
        )

    def start(self) -> None:
        """Record the penalty on each weight. Keras resets the metrics at the start of an epoch, which calls this."""
        self.compute_penalty()
        self._start_values = self._values

    def end(self) -> None:
        """Warn of penalised weights that changed in this epoch without a step of a hooked optimizer."""
        waiting = {id(v): v for _, (v, *_) in self._list_pairs() if id(v) not in self._steppers}
        if not waiting.keys() - self._elsewhere_weights.keys():
            return
        self.compute_penalty()
        self._say({key: v for key, v in waiting.items() if self._has_changed(key)})

    def _say(self, variables: dict[int, Any]) -> None:
        """Say once of weights that training changes them without their penalty."""
        if variables.keys() - self._elsewhere_weights.keys():
            self._elsewhere_weights |= variables
            self._penalty_function = None
            warn_keras_caller(f"{_describe_elsewhere(self.attachments[0].model, variables.values())} {ADVICE}")

    def _has_changed(self, key: int) -> bool:
        """Whether the penalty on a weight has changed since the start of the epoch, by more than rounding."""
        before, now = self._start_values.get(key), self._values.get(key)
        return before is not None and now is not None and not abs(now - before) <= 1e-6 * max(abs(now), abs(before))

    @property
    def elsewhere_text(self) -> str:
        """A sentence that names the penalised weights that no hooked optimizer trains; empty if none is known."""
        model = self.attachments[0].model
        return _describe_elsewhere(model, self._elsewhere_weights.values()) if self._elsewhere_weights else ""

    @property
    def elsewhere_paths(self) -> list[str]:
        """The paths of the penalised weights that no hooked optimizer trains."""
        return [variable.path for variable in self._elsewhere_weights.values()]

    def acts_on(self, variable: Any) -> bool:
        """Whether a known training step penalises a variable."""
        return id(variable) in self._steppers

    def describe_idle(self) -> tuple[str, ...]:
        """Return a sentence for each attachment that acts on no weight."""
        return tuple(f"{each!r} acts on nothing: {each.idle}." for each in self.attachments if each.idle)

    def compute_penalty(self) -> Any:
        """Return the penalty at the weights, and store it in `penalty_variable`, where compiled steps read it."""
        pairs = self._list_pairs()
        keys = [id(v) for _, (v, *_) in pairs]
        if self._penalty_function is None or keys != self._keys:
            self._penalty_function, self._keys = (
                tf.function(self._compute_penalty_and_lams, autograph=False).get_concrete_function(),
                keys,
            )
        penalty, values, lams = self._penalty_function()
        self.penalty_variable.assign(penalty)
        if not tf.inside_function():
            self._values = dict(zip(keys, np.array(values).tolist(), strict=True))
            self._warn(pairs, np.array(lams).tolist())
        return ops.convert_to_tensor(self.penalty_variable)

    def _list_pairs(self) -> list[tuple[Attachment, PenalisedWeight]]:
        return [(each, weight) for each in self.attachments for weight in each.weights]

    def _compute_penalty_and_lams(self) -> tuple[Any, Any, Any]:
        """Return the penalty of the weights that training is known to change, and P and lam of each weight."""
        dtype, pairs = self.penalty_variable.dtype, self._list_pairs()
        is_known = bool(self._steppers or self._elsewhere_weights)
        values = [ops.cast(weight.value(ops.ones(())), dtype) for _, weight in pairs]
        lams = [ops.cast(read_lam(each.lam, self._get_optimizer(each, weight)), dtype) for each, weight in pairs]
        counted = [
            lam * value
            for (_, weight), lam, value in zip(pairs, lams, values, strict=True)
            if id(weight.variable) in self._steppers or not is_known
        ]
        none = ops.zeros((0,), dtype)
        return sum(counted, ops.zeros((), dtype)), *(ops.stack(each) if each else none for each in (values, lams))

    def _get_optimizer(self, attachment: Attachment, weight: PenalisedWeight) -> Any:
        """Return the optimizer that counts the steps on a weight, for a strength that is a function of the step."""
        return self._steppers.get(id(weight.variable)) or get_optimizer(attachment.model)

    def _warn(self, pairs: list[tuple[Attachment, PenalisedWeight]], lams: list[float]) -> None:
        """Warn once for each attachment with a negative strength. Compiled steps cannot warn."""
        for (each, weight), lam in zip(pairs, lams, strict=True):
            if id(each) not in self._warned_ids and not lam >= 0:
                self._warned_ids.add(id(each))
                optimizer = self._get_optimizer(each, weight)
                step = "" if optimizer is None else f" at step {int(optimizer.iterations)}"
                warnings.warn(
                    f"lam is {lam:g}{step}, of {each!r}. It must stay 0 or more: a negative lam makes weights grow. In "
                    f"a function of the step take keras.ops.maximum(..., 0).",
                    stacklevel=2,
                )

    def list_tables(self) -> list[LazyTable]:
        """Return the embedding tables with pending decay."""
        return [table for each in self.attachments for table in each.tables]

    def catch_up(self) -> None:
        """Apply the pending decay to all rows, before the weights are read."""
        for table in self.list_tables():
            table.catch_up()

    def compute_strengths(self) -> dict[int, float]:
        """Return the present strength on each penalised variable, by `id(variable)`; `describe` shows it."""
        return {
            id(weight.variable): float(read_lam(each.lam, self._get_optimizer(each, weight))) * weight.term.factor
            for each, weight in self._list_pairs()
        }

    def select_weights(
        self, how: type, optimizer: Any, variables: Iterable[Any]
    ) -> Iterator[tuple[list[PenalisedWeight], Any]]:
        """Yield the penalised weights among the variables and the strength, for each attachment with this `how`."""
        keys = {get_variable_key(optimizer, v) for v in variables}
        for each in self.attachments:
            if isinstance(each.how, how):
                weights = [weight for weight in each.weights if get_variable_key(optimizer, weight.variable) in keys]
                yield weights, read_lam(each.lam, optimizer)


def get_optimizer(model: Any) -> Any:
    """Return the optimizer that takes a model's steps, inside a `LossScaleOptimizer` if there is one, or None."""
    return unwrap_optimizer(getattr(model, "optimizer", None))


def find_optimizers(model: Any) -> list[Any]:
    """Return the optimizers in a model's attributes, each once: a custom `compile` may set several."""
    found, seen, waiting = {}, set(), [get_attributes(model)]
    while waiting:
        each = waiting.pop()
        if isinstance(each, keras.Optimizer):
            found[id(unwrap_optimizer(each))] = unwrap_optimizer(each)
        elif isinstance(each, (list, tuple, dict)) and id(each) not in seen:
            seen.add(id(each))
            waiting += each.values() if isinstance(each, dict) else each
    return list(found.values())


ADVICE = (
    "Attach to the model that is trained, and make that optimizer an attribute of that model, as in "
    "model.second_optimizer = optimizer. Or compile the part of the model that has these weights with that optimizer, "
    "and attach to the part. Then compile the model that is trained again. If these weights need no penalty, exclude "
    "them with on=."
)


def _describe_elsewhere(model: keras.Model, variables: Iterable[Any]) -> str:
    paths = [variable.path for variable in variables]
    return (
        f"The penalty attached to model {model.name!r} does not act on weights that training changes: "
        f"{', '.join(paths[:3])}{f' and {len(paths) - 3} more' if len(paths) > 3 else ''}. The optimizer that trains "
        f"them is not an attribute of this model."
    )


def check_penalised_optimizer(
    optimizer: Any, hooks: Hooks | None, attachments: Iterable[Attachment], variables: Sequence[Any] | None = None
) -> None:
    """Refuse an optimizer that cannot take penalised steps, or that decays the same weights.

    Args:
        optimizer: The optimizer.
        hooks: The hooks of the model.
        attachments: The attachments of the model.
        variables: The weights that the optimizer steps; None for all trainable weights.

    Raises:
        TypeError, ValueError: The message says how to compile the model.
    """
    if not isinstance(optimizer, keras.Optimizer):
        raise TypeError(f"The model must have a keras.optimizers optimizer. Received: {type(optimizer).__name__}.")
    if get_hooks(optimizer) not in (None, hooks):
        raise ValueError(
            f"The optimizer must belong to one model alone where a penalty is attached. Received: the "
            f"{type(optimizer).__name__} of another model with a penalty attached. Compile each model with a separate "
            f"optimizer."
        )
    stepped = None if variables is None else set(map(id, variables))
    for each in attachments:
        weights = [weight for weight in each.weights if stepped is None or id(weight.variable) in stepped]
        if stepped is not None and not weights:
            continue
        if isinstance(each.how, Proximal):
            check_proximal(optimizer)
        if any(weight.table for weight in weights):
            check_lazy_optimizer(optimizer)
        for option in ("weight_decay", "adam_weight_decay"):
            decay = getattr(optimizer, option, None)
            decayed = [v.path for v, *_ in weights if decays(optimizer, v)]
            if decay is not None and float(decay) and decayed:
                more = " To keep the decay, attach shrinkage.L2() with how=shrinkage.Decoupled()."
                more = "" if isinstance(each.how, Decoupled) else more
                raise ValueError(
                    f"The optimizer must not decay weights with a penalty. Received: {option}={float(decay):g}, "
                    f"which decays {', '.join(decayed)}. Compile the model with {option}=0.0.{more}"
                )
