"""Cohorts of small problems, and the comparison of a member with the same model trained alone."""

import keras
import numpy as np

from shrinkage import L2
from shrinkage._cohort._cohort import Cohort
from shrinkage._plan._engines import Engines
from shrinkage._plan._plan import Plan, Way, ways
from shrinkage._plan._rules_check import check_rules
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._problem import Problem
from shrinkage._problem._request import Request
from tests.oracle import trained_alone

EPOCHS = 3
LAMS = [0.25, 2.0**-7]  # and 0; exact in float32, to which Keras' own L2 rounds its factor

# float64: several epochs leave 1e-12; 1e-8 of the layer's largest weight is the promise.
# float32: ten times what two plain Keras runs differ by that are compiled with and without XLA (about 1e-6 here).
TOLERANCE = {"float64": 1e-8, "float32": 2e-5}


def problem_of(model: keras.Model, x, y, **changes) -> Problem:
    arguments = {"penalty": L2(), "lams": LAMS, "cv": 2, "epochs": EPOCHS, "batch_size": 7, "seed": 3}
    return check_rules(prepare_problem(Request(model, x, y, **(arguments | changes))))[0]


def likeliest_way(problem: Problem) -> Way:
    training = problem.training
    return ways(training.template.network, agrees=check_rules(problem)[1], batch_size=training.batch_size)[0]


def cohort_of(problem: Problem, xla: bool | None = None, rules: bool | None = None) -> Cohort:
    """All folds and strengths of a problem, at the start; lam is on each fold's own rows."""
    folds, strengths, first = problem.folds, len(problem.lams), likeliest_way(problem)
    rules, xla = first.rules if rules is None else rules, first.xla if xla is None else xla
    plan = Plan(rules, xla, strengths, problem.training.data.n_rows)
    engine = Engines(problem.training).get(plan, strengths)
    numbers = range(len(folds.train))
    cohort = Cohort(
        problem.training,
        engine,
        plan.evaluated_rows,
        folds.train,
        folds.held_out,
        problem.scored_training_rows,
        numbers,
    )
    cohort.start(np.repeat(problem.lams[None], len(folds.train), axis=0))
    return cohort


def train_cohort(problem: Problem, xla: bool, rules: bool | None = None) -> Cohort:
    cohort = cohort_of(problem, xla, rules)
    for epoch in range(EPOCHS):
        assert not cohort.train_epoch(epoch).any()
    return cohort


def assert_member_equals_plain_keras(
    problem: Problem, cohort: Cohort, fold: int, s: int, *, xla: bool, floatx: str
) -> None:
    folds, lam = problem.folds, float(problem.lams[s])
    alone = trained_alone(problem.training, folds.train, fold, lam, steps=cohort.steps, epochs=EPOCHS, xla=xla)
    together = cohort.get_values(fold, s)
    network = problem.training.template.network
    moved = 0
    for variable, mine, plain, first in zip(
        network.variables,
        together,
        alone,
        problem.training.template.make_fresh_values((problem.training.seed, fold)),
        strict=True,
    ):
        if "seed_generator" in variable.path:
            continue
        # Some have no gradient but rounding, as a key's bias: optimizers divide that by its own size or by epsilon.
        scale = max(float(np.abs(plain).max()), 1e-2)
        np.testing.assert_allclose(mine, plain, rtol=0, atol=TOLERANCE[floatx] * scale, err_msg=variable.path)
        moved += not np.allclose(plain, first, atol=1e-3)
    assert moved >= 2, "training must have changed the weights, or equality shows nothing"


def compiled(model: keras.Model, optimizer="adam", loss="sparse_categorical_crossentropy", **kwargs) -> keras.Model:
    model.compile(keras.optimizers.get(optimizer), loss, **kwargs)
    return model


def train_one_step(problem: Problem) -> Cohort:
    cohort = cohort_of(problem, xla=False)
    assert cohort.steps == 1
    cohort.train_epoch(0)
    return cohort
