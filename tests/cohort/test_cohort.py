"""The contract of the cohort: every member equals the same model trained alone by plain Keras on the same batches."""

from collections import OrderedDict

import keras
import numpy as np
import pytest

from shrinkage import L1, L2, Coupled, Decoupled, Proximal
from shrinkage._problem._problem import Problem
from tests.cohort.training import (
    assert_member_equals_plain_keras,
    cohort_of,
    compiled,
    likeliest_way,
    problem_of,
    train_cohort,
    train_one_step,
)
from tests.daily import full
from tests.versions import NO_FLOAT64_L1
from tests.zoo import MODELS, SLOW, rows
from tests.zoo.tables import mlp

COMPILED = {"mlp", "batch_normalized", "dropped_out", "embedded", "convolved"}  # the full tests compile all models


@pytest.mark.parametrize("name", [n if n not in SLOW else pytest.param(n, marks=pytest.mark.full) for n in MODELS])
def test_member_equals_plain_keras(name, floatx):
    if NO_FLOAT64_L1 and (name, floatx) == ("activity_regularized", "float64"):
        pytest.skip("before Keras 3.14, its own L1 fails on float64 weights")
    make, kind, unrolled = MODELS[name]
    problem = problem_of(compiled(make(), keras.optimizers.Adam(0.02)), *rows(kind))
    assert bool(likeliest_way(problem).unrolled_layers) == unrolled
    xla = name in COMPILED
    cohort = train_cohort(problem, xla)
    for fold, s in ((0, 0), (1, weakest(kind))):
        assert_member_equals_plain_keras(problem, cohort, fold, s, xla=xla, floatx=floatx)


def weakest(kind: str) -> int:
    """Return the place of the weakest strength that equals plain Keras.

    Without a penalty plain Keras gives Adam the sparse gradient of an embedding, and Adam then squares the slices of a
    token that is there twice one by one; the gradient is their sum.
    """
    return 1 if kind == "tokens" else 2


NOT_FOR_XLA = {"augmented"}  # TensorFlow has no compiled form of what moves images


@pytest.mark.full
@pytest.mark.parametrize("xla", [True, False], ids=["xla", "no xla"])
@pytest.mark.parametrize("rules", [True, False], ids=["rules", "unrolled"])
@pytest.mark.parametrize("name", MODELS)
def test_every_way_equals_plain_keras(name, rules, xla, floatx):
    if xla and name in NOT_FOR_XLA:
        pytest.skip("not compiled by XLA")
    make, kind, _ = MODELS[name]
    problem = problem_of(compiled(make(), keras.optimizers.Adam(0.02)), *rows(kind))
    if rules and not likeliest_way(problem).rules:
        pytest.skip("there is no rule")
    cohort = train_cohort(problem, xla, rules)
    assert_member_equals_plain_keras(problem, cohort, 1, weakest(kind), xla=xla, floatx=floatx)


@pytest.mark.full
def test_mobile_net_equals_plain_keras(floatx):
    """A network of others: 155 layers, depthwise convolutions, BatchNormalization and residual adds."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(16, 32, 32, 3)), generator.integers(0, 3, 16)
    model = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=3)
    problem = problem_of(compiled(model, keras.optimizers.SGD(0.05)), x, y, lams=[0.25], batch_size=8)
    cohort = train_cohort(problem, xla=False)
    for fold, s in ((0, 0), (1, 1)):
        assert_member_equals_plain_keras(problem, cohort, fold, s, xla=False, floatx=floatx)


@pytest.mark.parametrize("xla", [True, False])
@pytest.mark.parametrize("floatx", ["float32"], indirect=True)
def test_float32_member_equals_plain_keras(floatx, xla):
    problem = problem_of(compiled(mlp(), keras.optimizers.Adam(0.02)), *rows("table"))
    cohort = train_cohort(problem, xla)
    assert_member_equals_plain_keras(problem, cohort, 1, 1, xla=xla, floatx=floatx)


@pytest.mark.parametrize("xla", [False, full(True)])
def test_sample_weight_equals_plain_keras(xla, floatx):
    x, y = rows("table")
    weight = np.random.default_rng(2).uniform(0, 3, len(x))
    problem = problem_of(compiled(mlp(), keras.optimizers.Adam(0.02)), x, y, sample_weight=weight)
    cohort = train_cohort(problem, xla)
    assert problem.training.data.weight.mean() == pytest.approx(1)
    assert_member_equals_plain_keras(problem, cohort, 0, 1, xla=xla, floatx=floatx)


@pytest.mark.parametrize("name", ["mlp", "batch_normalized", full("separably_convolved"), "own_layer"])
def test_evaluation_equals_plain_keras(name, floatx):
    make, kind, _ = MODELS[name]
    problem = problem_of(compiled(make()), *rows(kind))
    cohort = train_cohort(problem, xla=name in COMPILED)
    found, data, folds = cohort.evaluate(), problem.training.data, problem.folds
    held = np.sort(np.concatenate(folds.held_out))
    for fold, s in ((0, 0), (1, 2)):
        model = problem.training.template.make_model(cohort.get_values(fold, s))
        for expected_rows, loss in ((folds.held_out[fold], found.cv_loss), (folds.train[fold], found.train_loss)):
            expected = model.evaluate(data.x[expected_rows], data.y[expected_rows], verbose=0)
            assert loss[fold, s] == pytest.approx(expected, rel=1e-6)  # Keras adds up its batches in float32
        mine = np.isin(held, folds.held_out[fold])
        predicted = model.predict(data.x[held[mine]], verbose=0)
        np.testing.assert_allclose(found.predictions[mine, s], predicted, rtol=1e-9)


@pytest.mark.parametrize("toward", ["initial", "given"])
@pytest.mark.parametrize(("name", "xla"), [("mlp", False), full("mlp", True), full("own_layer", False)])
def test_l2_towards_other_weights_equals_plain_keras(name, xla, toward, floatx):
    """Of every fold its own first weights, or the same weights for all."""
    make, kind, _ = MODELS[name]
    model, elsewhere = compiled(make(), keras.optimizers.Adam(0.02)), make().get_weights()
    penalty = L2(toward="initial" if toward == "initial" else elsewhere)
    problem = problem_of(model, *rows(kind), penalty=penalty, lams=[2.0, 0.25])
    cohort = train_cohort(problem, xla)
    for fold, s in ((0, 0), (1, 1)):
        assert_member_equals_plain_keras(problem, cohort, fold, s, xla=xla, floatx=floatx)
    origin = problem.training.template.make_fresh_values((3, 1)) if toward == "initial" else elsewhere
    distances = [np.linalg.norm(cohort.get_values(1, s)[0] - origin[0]) for s in range(3)]
    assert distances[0] < 0.9 * distances[2]


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_proximal_l1_step_follows_its_formula(optimizer, floatx):
    """One step from equal weights: soft thresholding of the unpenalised step, in the optimizer's metric."""
    make = {
        "adam": lambda: keras.optimizers.Adam(0.02, epsilon=1e-7),
        "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.5),
    }[optimizer]
    x, y = rows("table")
    problem = problem_of(compiled(mlp(), make()), x, y, penalty=L1(), lams=[1.0], batch_size=20, cv=2)
    cohort = train_one_step(problem)
    kernel = next(i for i, v in enumerate(problem.training.template.network.variables) if v.path.endswith("kernel"))
    (penalised,), (free,) = ([cohort.get_values(0, s)[kernel]] for s in (0, 1))
    first = problem.training.template.make_fresh_values((3, 0))[kernel]
    if optimizer == "adam":  # the first step is η·g/(|g| + ε'), and so D = (step) / g up to ε
        gradient = gradient_at_first_batch(problem, kernel)
        size = 0.02 / (np.abs(gradient) + 1e-7 / np.sqrt(1 - 0.999))
    else:
        size = 0.1 / (1 - 0.5)
    expected = np.sign(free) * np.maximum(np.abs(free) - size * 1.0, 0)
    # Keras rounds Adam's beta_2 to float32 in its bias correction: 1 - beta_2 is off by 1e-5 of itself.
    np.testing.assert_allclose(penalised, expected, atol=1e-5)
    assert (expected == 0).any() and (expected != 0).any()
    assert not np.allclose(first, free)


def gradient_at_first_batch(problem: Problem, kernel: int) -> np.ndarray:
    """Return ∂L/∂w by central differences of plain Keras' loss."""
    values = problem.training.template.make_fresh_values((3, 0))
    x, y = (part[problem.folds.train[0]] for part in (problem.training.data.x, problem.training.data.y))
    model = problem.training.template.make_model(values)
    loss = keras.losses.SparseCategoricalCrossentropy()
    gradient, variable = np.zeros_like(values[kernel]), model.variables[kernel]
    for place in np.ndindex(gradient.shape):
        sides = []
        for step in (1e-5, -1e-5):
            moved = values[kernel].copy()
            moved[place] += step
            variable.assign(moved)
            sides.append(float(loss(y, model(x))))
        gradient[place] = (sides[0] - sides[1]) / 2e-5
    return gradient


def test_members_do_not_touch_each_other(floatx):
    """One member that diverges leaves the others as they are without it."""
    x, y = rows("table")
    make = lambda: compiled(mlp(), keras.optimizers.SGD(0.5))  # noqa: E731
    wild, tame = (problem_of(make(), x, y, lams=lams) for lams in ([1e9, 0.01], [0.02, 0.01]))
    cohorts = []
    for problem in (wild, tame):
        cohort = cohort_of(problem)
        diverged = [cohort.train_epoch(epoch) for epoch in range(40)]
        cohorts.append((cohort, np.any(diverged, axis=0)))
    assert cohorts[0][1].tolist() == [[True, False, False]] * 2
    assert not cohorts[1][1].any()
    for s in (1, 2):
        for mine, plain in zip(cohorts[0][0].get_values(1, s), cohorts[1][0].get_values(1, s), strict=True):
            np.testing.assert_array_equal(mine, plain)


def test_run_repeats_to_the_bit():
    x, y = rows("table")
    problems = [problem_of(compiled(MODELS["dropped_out"][0]()), x, y) for _ in range(2)]
    runs = [train_cohort(problem, True) for problem in problems]
    values = [run.get_values(1, 1) for run in runs]
    for variable, mine, other in zip(problems[0].training.template.network.variables, *values, strict=True):
        if "seed_generator" not in variable.path:  # the caller's two models differ in these
            np.testing.assert_array_equal(mine, other)


def test_steps_are_traced_once_for_all_chunks_epochs_and_strengths(monkeypatch):
    monkeypatch.setattr("shrinkage._plan._engines._SHARED_ENGINES", OrderedDict())
    problem = problem_of(compiled(mlp()), *rows("table"))
    cohort = train_cohort(problem, True)
    cohort.start(np.repeat(problem.lams[None] * 2, 2, axis=0))
    cohort.train_epoch(0)
    cohort.evaluate()
    cohort.evaluate()
    assert cohort.engine.traces == 2  # of training, and of evaluating


@pytest.mark.full
def test_l2_forms_have_one_minimum():
    """All three enter differently, and with plain SGD stop at the same weights: a full-batch linear model, to
    convergence; Coupled and Decoupled take the same steps to there.
    """
    x, y = rows("table")
    found = []
    for how in (Coupled(), Proximal(), Decoupled()):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, "softmax")])
        problem = problem_of(compiled(model, keras.optimizers.SGD(0.2)), x, y, lams=[0.1], how=how, batch_size=20)
        cohort = train_one_step(problem)
        for epoch in range(1, 600):
            cohort.train_epoch(epoch)
        found.append(cohort.get_values(0, 0)[0])
    assert np.abs(found[0]).max() > 0.1
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)  # what is left of float32 and 600 steps
    np.testing.assert_allclose(found[0], found[2], atol=1e-6)
