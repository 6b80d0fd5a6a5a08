"""The contract of the optimizers: whatever steps the members, each steps as plain Keras steps the same model alone."""

import inspect
import textwrap

import keras
import numpy as np
import pytest
from keras import layers, ops

from shrinkage import L1, Decoupled, Proximal
from shrinkage._model._optimizers import ELEMENTWISE_OPTIMIZERS, PER_MEMBER_OPTIMIZERS, summarise_learning_rates
from shrinkage._plan._rules_check import check_rules
from shrinkage._problem._problem import Problem
from tests.cohort.training import (
    EPOCHS,
    assert_member_equals_plain_keras,
    cohort_of,
    compiled,
    problem_of,
    train_cohort,
)
from tests.oracle import trained_alone
from tests.versions import KERAS
from tests.zoo import MODELS, rows
from tests.zoo.tables import mlp

Decay = keras.optimizers.schedules.ExponentialDecay

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "nesterov": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.02),
    "amsgrad": lambda: keras.optimizers.Adam(0.02, amsgrad=True),
    "adamw": lambda: keras.optimizers.AdamW(0.02, weight_decay=0.0),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "nadam": lambda: keras.optimizers.Nadam(0.02),
    "lion": lambda: keras.optimizers.Lion(0.01),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "adadelta": lambda: keras.optimizers.Adadelta(5.0),
    "adamax": lambda: keras.optimizers.Adamax(0.02),
    "ftrl": lambda: keras.optimizers.Ftrl(0.1),
    "schedule_free": lambda: keras.optimizers.ScheduleFreeAdamW(0.02, warmup_steps=2),
    "adafactor": lambda: keras.optimizers.Adafactor(0.1),
    "lamb": lambda: keras.optimizers.Lamb(0.02),
    "muon": lambda: keras.optimizers.Muon(0.02, weight_decay=0.0, adam_weight_decay=0.0),
    "schedule": lambda: keras.optimizers.Adam(Decay(0.05, 3, 0.7)),
    "clipvalue": lambda: keras.optimizers.SGD(0.1, clipvalue=0.05),
    "clipnorm": lambda: keras.optimizers.SGD(0.1, momentum=0.5, clipnorm=0.2),
    "global_clipnorm": lambda: keras.optimizers.SGD(0.1, momentum=0.5, global_clipnorm=0.3),
    "loss_scale": lambda: keras.optimizers.Adam(0.02, loss_scale_factor=8.0),
    "average": lambda: keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.8),
    "overwritten": lambda: keras.optimizers.RMSprop(0.02, use_ema=True, ema_momentum=0.6, ema_overwrite_frequency=2),
    "accumulated": lambda: keras.optimizers.Nadam(0.02, gradient_accumulation_steps=2),
    "everything": lambda: keras.optimizers.Lamb(
        Decay(0.05, 3, 0.7), global_clipnorm=0.1, gradient_accumulation_steps=3,
        use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=2,
    ),
}  # fmt: skip
if KERAS < (3, 14):
    del OPTIMIZERS["schedule_free"]
RARE = {"sgd", "adam", "adamw", "schedule", "loss_scale", "accumulated", "overwritten"}  # parts of others


@pytest.fixture
def _as_documented(monkeypatch):
    """Keep the momentum that ScheduleFreeAdamW means to: on TensorFlow `.value` is the variable it then changes."""
    if KERAS < (3, 14):
        return  # it has none
    step = keras.optimizers.ScheduleFreeAdamW.update_step
    code = textwrap.dedent(inspect.getsource(step)).replace("= momentum.value", "= ops.copy(momentum)")
    names = dict(step.__globals__)
    exec(code, names)
    monkeypatch.setattr(keras.optimizers.ScheduleFreeAdamW, "update_step", names["update_step"])


DECOUPLED_DAILY = {"nesterov", "amsgrad", "schedule", "muon", "everything"}


@pytest.mark.usefixtures("_as_documented")
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in DECOUPLED_DAILY else pytest.mark.full) for n in OPTIMIZERS]
)
def test_decoupled_is_the_weight_decay_of_keras(name, floatx):
    x, y = rows("table")
    strong = 2.0  # or the decay was a small part of the step
    problem = problem_of(compiled(mlp(), OPTIMIZERS[name]()), x, y, how=Decoupled(), lams=[strong])
    cohort = train_cohort(problem, xla=False)
    assert_member_equals_plain_keras(problem, cohort, 1, 0, xla=False, floatx=floatx)
    kernels = [member[0] for member in (cohort.get_values(1, 0), cohort.get_values(1, 1))]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.01, "the decay must have moved the weights"


def test_learning_rates_are_those_that_move_the_weights():
    adam, constant = keras.optimizers.Adam, summarise_learning_rates(keras.optimizers.SGD(0.25), steps=12)
    assert constant == (3.0, 0.25)
    assert summarise_learning_rates(adam(Decay(0.5, 1, 0.5), gradient_accumulation_steps=3), steps=8) == (
        pytest.approx(0.5 * 0.5**2 + 0.5 * 0.5**5),
        pytest.approx(0.5 * 0.5**2),
    )
    assert summarise_learning_rates(adam(0.1, gradient_accumulation_steps=3), steps=2) == (0.0, 0.0)
    total, largest = summarise_learning_rates(adam(Decay(0.1, 5000, 0.5)), steps=20_000)
    every = 0.1 * 0.5 ** (np.arange(20_000) / 5000)
    assert total == pytest.approx(every.sum(), rel=1e-2) and largest == pytest.approx(0.1)  # a thousand stand for all


def test_every_optimizer_of_keras_is_known():
    of_keras = {
        name
        for name, found in vars(keras.optimizers).items()
        if isinstance(found, type) and issubclass(found, keras.optimizers.Optimizer)
    }
    known = {name for name in (*ELEMENTWISE_OPTIMIZERS, *PER_MEMBER_OPTIMIZERS) if hasattr(keras.optimizers, name)}
    assert {*ELEMENTWISE_OPTIMIZERS, *PER_MEMBER_OPTIMIZERS} - known == (
        {"ScheduleFreeAdamW"} if KERAS < (3, 14) else set()
    )
    assert of_keras - {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"} == known
    made = {type(make()).__name__ for make in OPTIMIZERS.values()}
    assert made == known


@pytest.mark.usefixtures("_as_documented")
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.full if n in RARE else ()) for n in OPTIMIZERS])
def test_optimizer_equals_plain_keras(name, floatx):
    problem = problem_of(compiled(mlp(), OPTIMIZERS[name]()), *rows("table"))
    cohort = train_cohort(problem, xla=False)
    assert_member_equals_plain_keras(problem, cohort, 1, 0, xla=False, floatx=floatx)


@pytest.mark.full
@pytest.mark.usefixtures("_as_documented")
@pytest.mark.parametrize("xla", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["mlp", "batch_normalized", "own_layer"])
def test_every_optimizer_equals_plain_keras(name, optimizer, xla, floatx):
    make, kind, unrolled = MODELS[name]
    if unrolled and xla:
        pytest.skip("an unrolled layer is never compiled by XLA")
    problem = problem_of(compiled(make(), OPTIMIZERS[optimizer]()), *rows(kind))
    cohort = train_cohort(problem, xla)
    for fold, s in ((0, 0), (1, 2)):
        assert_member_equals_plain_keras(problem, cohort, fold, s, xla=xla, floatx=floatx)


@pytest.mark.full
@pytest.mark.parametrize("xla", [True, False])
@pytest.mark.parametrize("optimizer", ["momentum", "rmsprop", "nadam"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_with_other_optimizers_equals_plain_keras(name, optimizer, xla, floatx):
    make, kind, unrolled = MODELS[name]
    if unrolled and xla:
        pytest.skip("an unrolled layer is never compiled by XLA")
    problem = problem_of(compiled(make(), OPTIMIZERS[optimizer]()), *rows(kind))
    cohort = train_cohort(problem, xla)
    assert_member_equals_plain_keras(problem, cohort, 1, 0, xla=xla, floatx=floatx)


@pytest.mark.parametrize("optimizer", ["global_clipnorm", pytest.param("adafactor", marks=pytest.mark.full)])
def test_a_member_that_diverges_leaves_the_others(optimizer, floatx):
    """The square of a gradient of 1e200 is infinite, and the step is NaN: to the bit, no other member sees it."""
    members = []
    for lams in ([1e200, 0.01], [0.02, 0.01]):
        problem = problem_of(compiled(mlp(), OPTIMIZERS[optimizer]()), *rows("table"), lams=lams)
        cohort = cohort_of(problem, xla=False)
        diverged = [cohort.train_epoch(epoch) for epoch in range(EPOCHS)]
        members.append((np.any(diverged, axis=0), [cohort.get_values(1, s) for s in (1, 2)]))
    assert members[0][0].tolist() == [[True, False, False]] * 2
    assert not members[1][0].any()
    for beside_wild, beside_tame in zip(members[0][1], members[1][1], strict=True):
        for mine, other in zip(beside_wild, beside_tame, strict=True):
            np.testing.assert_array_equal(mine, other)


def test_averaged_weights_are_what_is_scored_and_kept(floatx):
    """As `Model.fit` of as many epochs leaves them; training goes on from the weights that are not averaged."""
    problem = problem_of(compiled(mlp(), OPTIMIZERS["average"]()), *rows("table"))
    cohort = cohort_of(problem, xla=False)
    cohort.train_epoch(0)
    first = cohort.get_values(1, 0)
    cohort.evaluate()
    cohort.train_epoch(1)
    for epochs, values in ((1, first), (2, cohort.get_values(1, 0))):
        alone = trained_alone(
            problem.training,
            problem.folds.train,
            1,
            float(problem.lams[0]),
            steps=cohort.steps,
            epochs=epochs,
            xla=False,
        )
        for mine, plain in zip(values, alone, strict=True):
            np.testing.assert_allclose(mine, plain, atol=1e-9)
    held, data = problem.folds.held_out[1], problem.training.data
    expected = problem.training.template.make_model(values).evaluate(data.x[held], data.y[held], verbose=0)
    assert cohort.evaluate().cv_loss[1, 0] == pytest.approx(expected, rel=1e-6)  # Keras adds up in float32
    raw = cohort._members[1][1][0, 0]
    assert np.abs(np.array(raw) - values[1]).max() > 1e-3


def test_accumulated_proximal_steps_are_those_of_larger_batches(floatx):
    """Twenty rows in two batches, whose gradients are averaged, and the same twenty rows in one."""
    x, y = rows("table")
    found = []
    for batch_size, steps in ((20, None), (10, 2)):
        optimizer = keras.optimizers.SGD(0.1, momentum=0.5, gradient_accumulation_steps=steps)
        problem = problem_of(
            compiled(mlp(), optimizer), x, y, penalty=L1(), how=Proximal(), lams=[0.3], batch_size=batch_size
        )
        cohort = cohort_of(problem, xla=False)
        assert cohort.steps == 20 // batch_size
        for epoch in range(EPOCHS):
            cohort.train_epoch(epoch)
        found.append(cohort.get_values(0, 0))
    assert sum((value == 0).sum() for value in found[0]) > 3
    for once, twice in zip(*found, strict=True):
        np.testing.assert_allclose(once, twice, atol=1e-12)


@keras.saving.register_keras_serializable("tests")
class HalfIfLarge(keras.constraints.Constraint):
    """A user's own constraint, on the whole weight."""

    def __call__(self, w):
        return ops.cond(ops.sum(ops.abs(w)) > 8.0, lambda: w / 2, lambda: w)

    def get_config(self):
        return {}


def constrained(kernel_constraint) -> keras.Model:
    hidden = layers.Dense(5, "relu", kernel_constraint=kernel_constraint, bias_constraint="non_neg")
    return keras.Sequential([keras.Input((6,)), hidden, layers.Dense(3, "softmax")])


@pytest.mark.parametrize("xla", [False, pytest.param(True, marks=pytest.mark.full)])
@pytest.mark.parametrize(
    "constraint",
    [
        pytest.param(keras.constraints.MaxNorm(0.8), marks=pytest.mark.full),
        pytest.param(keras.constraints.UnitNorm(), marks=pytest.mark.full),
        HalfIfLarge(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_constraint_equals_plain_keras(constraint, xla, floatx):
    problem = problem_of(compiled(constrained(constraint), keras.optimizers.Adam(0.05)), *rows("table"))
    cohort = train_cohort(problem, xla)
    for s in (0, 2):
        assert_member_equals_plain_keras(problem, cohort, 1, s, xla=xla, floatx=floatx)
    free = problem_of(compiled(constrained(None), keras.optimizers.Adam(0.05)), *rows("table"))
    assert not np.allclose(train_cohort(free, xla).get_values(1, 2)[0], cohort.get_values(1, 2)[0], atol=1e-3)


def test_a_constraint_comes_after_the_proximal_step(floatx):
    model = compiled(constrained("non_neg"), keras.optimizers.Adam(0.05))
    problem = problem_of(model, *rows("table"), penalty=L1(), how=Proximal(), lams=[0.02])
    kernel = train_cohort(problem, False).get_values(1, 0)[0]
    assert kernel.min() == 0 < kernel.max()


@pytest.fixture
def _mixed():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def distance(problem: Problem, values: list[np.ndarray], others: list[np.ndarray]) -> float:
    """Return the largest difference of two members' kernels, relative to the kernel's largest weight."""
    names = [variable.path for variable in problem.training.template.network.variables]
    pairs = [pair for name, *pair in zip(names, values, others, strict=True) if name.endswith("kernel")]
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


MIXED = [
    "mlp",
    "batch_normalized",
    "layer_normalized",
    "normalized",
    "dropped_out",
    "residual",
    "convolved",
    "embedded",
]
DAILY = {"batch_normalized"}


@pytest.mark.usefixtures("_mixed")
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in DAILY else pytest.mark.full) for n in MIXED])
def test_mixed_precision_equals_plain_keras(name):
    """Within ten times what two plain runs differ by that are compiled with XLA and without; weights are float32."""
    make, kind, unrolled = MODELS[name]
    problem = problem_of(compiled(make(), keras.optimizers.Adam(0.02)), *rows(kind))
    assert check_rules(problem)[1], "the rules must agree with the model itself"
    cohort = train_cohort(problem, xla=False)
    alone = [
        trained_alone(problem.training, problem.folds.train, 1, 0.25, steps=cohort.steps, epochs=EPOCHS, xla=xla)
        for xla in (False, True)
    ]
    mine = cohort.get_values(1, 0)
    assert {value.dtype.name for value in mine if value.dtype.kind not in "iu"} == {"float32"}
    tolerance = (
        10 * distance(problem, alone[1], alone[0]) if name != "dropped_out" else 0.1
    )  # it draws others under XLA
    assert distance(problem, mine, alone[0]) < tolerance
    assert distance(problem, mine, problem.training.template.make_fresh_values((3, 1))) > 2 * tolerance
    assert cohort.evaluate().predictions.dtype == np.float32


@pytest.mark.parametrize("input_dtype", ["float32", pytest.param("float64", marks=pytest.mark.full)])
def test_float64_layers_in_a_float32_process_equal_plain_keras(input_dtype):
    """The loss is float32 then, as in plain Keras, which cannot add a float64 penalty to it: lambda is 0."""
    model = keras.Sequential(
        [
            keras.Input((6,), dtype=input_dtype),
            layers.Dense(5, "relu", dtype="float64"),
            layers.Dense(3, "softmax", dtype="float64" if input_dtype == "float32" else "float32"),
        ]
    )
    problem = problem_of(compiled(model, keras.optimizers.Adam(0.02)), *rows("table"))
    cohort = train_cohort(problem, False)
    assert_member_equals_plain_keras(problem, cohort, 1, 2, xla=False, floatx="float32")


def test_frozen_weights_of_an_unrolled_layer_stay_shared(floatx):
    own = MODELS["own_layer"][0]()
    own.layers[1].trainable = False
    problem = problem_of(compiled(own, keras.optimizers.Adam(0.02)), *rows("table"))
    cohort = train_cohort(problem, False)
    assert_member_equals_plain_keras(problem, cohort, 1, 0, xla=False, floatx=floatx)
