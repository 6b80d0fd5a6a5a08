"""Compiled steps are kept: chunks, cohorts, and later fits of the same model reuse them."""

from collections import OrderedDict
from typing import Any

from shrinkage._cohort._first import seed_variables, shared
from shrinkage._cohort._forward import forward
from shrinkage._cohort._state import State
from shrinkage._cohort._tensorflow import Engine, Pass
from shrinkage._cohort._unroll import unroll
from shrinkage._cohort._update import Update
from shrinkage._plan._fingerprint import fingerprint
from shrinkage._plan._plan import Plan, scores_by_calls
from shrinkage._problem._problem import Training

_KEPT = 16  # of all fits in this process; the oldest go first
_SHARED: OrderedDict[tuple[Any, ...], Engine] = OrderedDict()


class Engines:
    """The compiled steps of one training.

    TensorFlow never gives back what it has compiled. Steps are therefore shared by all fits in a process whose
    computation is sure to be the same, which models with code of the user's own are not.
    """

    def __init__(self, training: Training):
        self._training = training
        self._fingerprint = fingerprint(training.template, training.objective, training.terms, training.how)
        self._own: OrderedDict[tuple[Any, ...], Engine] = OrderedDict()

    def get(self, plan: Plan, strengths: int) -> Engine:
        """Return the steps of `strengths` members of one fold."""
        kept = self._own if self._fingerprint is None else _SHARED
        key = (self._fingerprint, plan.rules, plan.xla, strengths)
        if key not in kept:
            kept[key] = _make(self._training, plan, strengths)
        kept.move_to_end(key)
        while len(kept) > _KEPT:
            kept.popitem(last=False)
        return kept[key]


def _make(training: Training, plan: Plan, strengths: int) -> Engine:
    network = training.template.network

    def by_rules(state: State, x: Any, training: bool) -> Any:
        return forward(network, state, x, training)

    def called(state: State, x: Any, training: bool) -> Any:
        return unroll(network, state, (x,), {}, training)

    step = evaluation = Pass(by_rules if plan.rules else called, plan.xla)
    if plan.rules and scores_by_calls(network, rules=plan.rules, xla=plan.xla):
        evaluation = Pass(called, False)
    update = Update(
        network.trainable_variables,
        training.template.optimizer,
        terms=training.terms,
        how=training.how,
        strengths=strengths,
    )
    return Engine(
        network,
        step,
        evaluation,
        objective=training.objective,
        update=update,
        seeds=seed_variables(network),
        shared=shared(network, training.behaviour.assigned_variables),
        strengths=strengths,
    )
