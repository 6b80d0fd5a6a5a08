"""Compiled steps are kept: chunks, cohorts, and later fits of the same model reuse them."""

from collections import OrderedDict
from typing import Any

from shrinkage._cohort._cohort import Task
from shrinkage._cohort._first import seed_variables, shared
from shrinkage._cohort._forward import forward
from shrinkage._cohort._state import State
from shrinkage._cohort._tensorflow import Engine, Pass
from shrinkage._cohort._unroll import unroll
from shrinkage._cohort._update import Update
from shrinkage._plan._fingerprint import fingerprint
from shrinkage._plan._plan import Plan, scores_by_calls

_KEPT = 16  # of all fits in this process; the oldest go first
_SHARED: OrderedDict[tuple[Any, ...], Engine] = OrderedDict()


class Engines:
    """The compiled steps of one task.

    TensorFlow never gives back what it has compiled. Steps are therefore shared by all fits in a process whose
    computation is sure to be the same, which models with code of the user's own are not.
    """

    def __init__(self, task: Task):
        self._task = task
        self._fingerprint = fingerprint(task.template, task.objective, task.terms, task.how)
        self._own: OrderedDict[tuple[Any, ...], Engine] = OrderedDict()

    def get(self, plan: Plan, strengths: int) -> Engine:
        """Return the steps of `strengths` members of one fold."""
        kept = self._own if self._fingerprint is None else _SHARED
        key = (self._fingerprint, plan.rules, plan.xla, strengths)
        if key not in kept:
            kept[key] = _make(self._task, plan, strengths)
        kept.move_to_end(key)
        while len(kept) > _KEPT:
            kept.popitem(last=False)
        return kept[key]


def _make(task: Task, plan: Plan, strengths: int) -> Engine:
    network = task.template.network

    def by_rules(state: State, x: Any, training: bool) -> Any:
        return forward(network, state, x, training)

    def called(state: State, x: Any, training: bool) -> Any:
        return unroll(network, state, (x,), {}, training)

    training = evaluation = Pass(by_rules if plan.rules else called, plan.xla)
    if plan.rules and scores_by_calls(network, rules=plan.rules, xla=plan.xla):
        evaluation = Pass(called, False)
    update = Update(
        network.trainable_variables,
        task.template.optimizer,
        terms=task.terms,
        how=task.how,
        strengths=strengths,
    )
    return Engine(
        network,
        training,
        evaluation,
        objective=task.objective,
        update=update,
        seeds=seed_variables(network),
        shared=shared(network, task.behaviour.written),
        strengths=strengths,
    )
