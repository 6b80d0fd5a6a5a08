"""A cache of compiled steps for chunks, cohorts, and later fits of the same model."""

import weakref
from collections import OrderedDict
from typing import Any

from shrinkage._cohort._forward import forward
from shrinkage._cohort._initial import find_shared, list_seed_variables
from shrinkage._cohort._rules._registry import find_rule
from shrinkage._cohort._state import State
from shrinkage._cohort._tensorflow import Engine, ForwardPass
from shrinkage._cohort._unroll import unroll
from shrinkage._cohort._update import Update
from shrinkage._host._layers import list_sublayers
from shrinkage._host._tensorflow import release_kernels
from shrinkage._plan._fingerprint import compute_fingerprint
from shrinkage._plan._plan import Plan, scores_by_calls
from shrinkage._problem._problem import Training

_MAX_ENGINES = 16  # in a cache; the least recently used engine is dropped
_SHARED_ENGINES: OrderedDict[tuple[Any, ...], Engine] = OrderedDict()


class Engines:
    """The engines of a training, by plan and number of strengths.

    All fits in a process share engines if their computation is surely the same. Models with custom code do not share
    engines. TensorFlow keeps compiled functions until its kernels are released, which is done with these engines.
    """

    def __init__(self, training: Training):
        self._training = training
        rules = [find_rule(layer) for layer in list_sublayers(training.template.network)]
        parts = training.objective, training.terms, training.how, rules
        self._fingerprint = compute_fingerprint(training.template, *parts)
        self._private_engines: OrderedDict[tuple[Any, ...], Engine] = OrderedDict()
        if self._fingerprint is None:
            weakref.finalize(self, release_kernels).atexit = False

    @property
    def has_rules(self) -> bool:
        """Whether a fit in this process has made an engine for the same computation by rules."""
        return self._fingerprint is not None and any(key[:2] == (self._fingerprint, True) for key in _SHARED_ENGINES)

    def get(self, plan: Plan, strengths: int, stretch: float = 1.0) -> Engine:
        """Return the engine for `strengths` members of a fold; see `Update` for `stretch`."""
        engines = self._private_engines if self._fingerprint is None else _SHARED_ENGINES
        key = (self._fingerprint, plan.rules, plan.xla, strengths, stretch)
        if key not in engines:
            engines[key] = _make_engine(self._training, plan, strengths, stretch)
        engines.move_to_end(key)
        while len(engines) > _MAX_ENGINES:
            engines.popitem(last=False)
        return engines[key]


def _make_engine(training: Training, plan: Plan, strengths: int, stretch: float) -> Engine:
    network = training.template.network

    def by_rules(state: State, x: Any, training: bool) -> Any:
        return forward(network, state, x, training)

    def by_calls(state: State, x: Any, training: bool) -> Any:
        return unroll(network, state, (x,), {}, training)

    step = evaluation = ForwardPass(by_rules if plan.rules else by_calls, plan.xla)
    if plan.rules and scores_by_calls(network, rules=plan.rules, xla=plan.xla):
        evaluation = ForwardPass(by_calls, False)
    update = Update(
        network.trainable_variables,
        training.template.optimizer,
        terms=training.terms,
        how=training.how,
        strengths=strengths,
        stretch=stretch,
    )
    return Engine(
        network,
        step,
        evaluation,
        objective=training.objective,
        update=update,
        seeds=list_seed_variables(network),
        is_shared=find_shared(network, training.behaviour.assigned_variables),
        strengths=strengths,
    )
