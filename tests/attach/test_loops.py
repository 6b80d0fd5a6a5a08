"""Loops."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

import shrinkage as sh
from tests.attach.models import LAM, X, Y, assert_same, attached, compiled, network


def test_a_loop_with_the_models_optimizer(float64):
    theirs, mine = compiled(network(keras.regularizers.L2(LAM / 2)), "adam"), compiled(network(), "adam")
    sh.attach(mine, sh.L2(), lam=LAM)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((mine(X) - Y) ** 2)
        variables = mine.trainable_variables
        mine.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    for _ in range(5):
        step()
        theirs.train_on_batch(X, Y)
    assert_same(mine, theirs)


def loop(model: keras.Model, reg: Any, step: Callable[[Any, Any], Any], told: Any) -> None:
    """Train five steps without `model.optimizer`."""
    for _ in range(5):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(X) - Y) ** 2)
        variables = model.trainable_variables
        step(reg.gradients(tape.gradient(loss, variables), variables), variables)
        reg.after_step(told)


def descend(grads: Any, variables: Any) -> None:
    for grad, variable in zip(grads, variables, strict=True):
        variable.assign_sub(0.05 * grad)


@pytest.mark.parametrize("penalty", [sh.L1(), sh.L2()])
def test_a_loop_without_it(float64, penalty):
    mine, theirs = network(), compiled(network(), keras.optimizers.SGD(0.05))
    loop(mine, sh.attach(mine, penalty, lam=LAM), descend, 0.05)
    sh.attach(theirs, penalty, lam=LAM)
    for _ in range(5):
        theirs.train_on_batch(X, Y)
    assert_same(mine, theirs)


def test_a_loop_with_another_optimizer(float64):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 0.5)
    mine, theirs = network(), compiled(network(), keras.optimizers.Adam(schedule))
    optimizer = keras.optimizers.Adam(schedule)
    loop(mine, sh.attach(mine, sh.L1(), lam=LAM), optimizer.apply, optimizer)
    sh.attach(theirs, sh.L1(), lam=LAM)
    for _ in range(5):
        theirs.train_on_batch(X, Y)
    assert_same(mine, theirs)
    assert (mine.get_weights()[0] == 0).any() and int(optimizer.iterations) == 5


def test_a_loop_may_not_penalise_twice():
    model = compiled(network())
    reg = sh.attach(model, sh.L2(), lam=LAM)
    with pytest.raises(ValueError, match="would count twice"):
        reg.gradients([None] * 4, model.trainable_variables)
    with pytest.raises(ValueError, match="would count twice"):
        reg.after_step(0.1)
    decoupled = sh.attach(network(), sh.L2(), lam=LAM, how=sh.Decoupled())
    with pytest.raises(ValueError, match="before the step"):
        decoupled.after_step(0.1)
    scheduled = sh.attach(network(), sh.L2(), lam=lambda step: 0.1)
    with pytest.raises(ValueError, match="cannot count the steps. Received: lam=<lambda>, a function"):
        scheduled.gradients([None] * 4, scheduled.model.trainable_variables)
    accumulating = sh.attach(network(), sh.L1(), lam=LAM)
    with pytest.raises(ValueError, match="accumulate"):
        accumulating.after_step(keras.optimizers.SGD(gradient_accumulation_steps=2))


PAGE = (Path(__file__).parents[2] / "docs" / "attach.md").read_text("utf-8")


@pytest.mark.parametrize("code", re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
def test_the_page_works_as_printed(code, capsys):
    exec(compile(code, "attach.md", "exec"), {})
    printed = capsys.readouterr().out
    expected = re.search(r"# (\[.*\])", code)
    assert printed == (f"{expected[1]}\n" if expected else printed) and len(printed) > 4


def test_an_attached_model_has_no_path():
    model = attached()
    with pytest.raises(ValueError, match="Call shrinkage.detach"):
        sh.fit(model, X, Y, penalty=sh.L2(), epochs=1)
