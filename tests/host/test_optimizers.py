"""Rates, steps, slots, clipping and decay are those of a step of the optimizer."""

import contextlib
import gc
import time
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from shrinkage._host import _optimizers
from tests.host.models import values


def stepped(optimizer, steps=1, gradient=(3.0, 4.0)):
    """Return a variable after some steps."""
    variable = keras.Variable(np.ones(2, "float32"))
    optimizer.build([variable])
    for _ in range(steps):
        optimizer.apply([ops.convert_to_tensor(np.array(gradient, "float32"))])
    return variable


def test_the_rate_is_as_it_was_given():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    assert _optimizers.get_rate(keras.optimizers.SGD(schedule)) is schedule
    optimizer = keras.optimizers.SGD(0.25)
    assert float(_optimizers.get_rate(optimizer)) == 0.25
    optimizer.learning_rate = 0.5
    assert float(_optimizers.get_rate(optimizer)) == 0.5


def test_steps_are_counted_also_those_that_accumulate():
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=3)
    variable = stepped(optimizer, steps=4)
    assert int(_optimizers.get_step_count(optimizer)) == 4 and int(optimizer.iterations) == 1
    assert any(_optimizers.get_step_count(optimizer) is each for each in optimizer.variables)
    assert _optimizers.list_stepped_variables(optimizer) == [variable]
    (total,) = _optimizers.get_gradient_sums(optimizer)
    np.testing.assert_allclose(total, [3, 4])  # of the one since the last step
    assert _optimizers.get_gradient_sums(keras.optimizers.SGD()) == []


@pytest.mark.parametrize(
    ("optimizer", "names"),
    [
        (keras.optimizers.Adam(amsgrad=True), ("momentums", "velocities", "velocity_hats")),
        (keras.optimizers.AdamW(), ("velocities",)),
        (keras.optimizers.Nadam(), ("velocities",)),
        (keras.optimizers.RMSprop(centered=True), ("velocities", "average_gradients")),
        (keras.optimizers.Adagrad(initial_accumulator_value=0.0), ("accumulators",)),
        (keras.optimizers.Adamax(), ("u",)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_slots_are_averages_of_the_gradients(optimizer, names):
    """One step from nothing: each is a power of the gradient times a factor, and one of the optimizer's variables."""
    variable = stepped(optimizer)
    for name in names:
        slot = _optimizers.get_slot(optimizer, name, variable)
        assert _optimizers.get_slots(optimizer, name)[0] is slot and any(slot is each for each in optimizer.variables)
        power = 1 if name in ("momentums", "average_gradients", "u") else 2
        small, large = values(slot)[0]
        assert 0 < small and large / small == pytest.approx((4 / 3) ** power, rel=1e-5)


def test_slots_go_by_variable():
    one, two = keras.Variable([1.0]), keras.Variable([1.0])
    optimizer = keras.optimizers.Adam()
    optimizer.build([one, two])
    optimizer.apply([ops.convert_to_tensor([1.0]), ops.convert_to_tensor([2.0])])
    first, second = (float(_optimizers.get_slot(optimizer, "velocities", v)[0]) for v in (one, two))
    assert second / first == pytest.approx(4, rel=1e-5)


def test_moving_averages_are_what_the_weights_become_in_the_end():
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    variable = stepped(optimizer, steps=3)
    (average,) = _optimizers.get_moving_averages(optimizer)
    expected = values(average)[0].copy()
    assert not np.allclose(values(variable)[0], expected)
    optimizer.finalize_variable_values([variable])
    np.testing.assert_array_equal(variable, expected)
    assert _optimizers.get_moving_averages(keras.optimizers.SGD()) == []


def test_variables_of_keras_and_tensorflow_have_one_key():
    optimizer, one, two = keras.optimizers.SGD(), keras.Variable(1.0), keras.Variable(1.0)
    keys = [_optimizers.get_variable_key(optimizer, each) for each in (one, one.value, two)]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"clipnorm": 1.0}, [0.6, 0.8]),
        ({"global_clipnorm": 1.0}, [0.6, 0.8]),
        ({"clipvalue": 3.5}, [3, 3.5]),
        ({}, [3, 4]),
    ],
)
def test_gradients_are_clipped_as_in_a_step(options, expected):
    optimizer = keras.optimizers.SGD(1.0, **options)
    (clipped,) = _optimizers.clip(optimizer, [ops.convert_to_tensor([3.0, 4.0])])
    np.testing.assert_allclose(clipped, expected, rtol=1e-6)
    np.testing.assert_allclose(clipped, 1 - values(stepped(optimizer))[0], rtol=1e-6)


def test_gradients_are_clipped_along_axes():
    optimizer = keras.optimizers.SGD(clipnorm=1.0)
    clipped = _optimizers.clip_by_norm(optimizer, ops.convert_to_tensor([[3.0, 4.0], [0.3, 0.4]]), (1,))
    np.testing.assert_allclose(clipped, [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)


def test_an_update_is_the_step_without_what_is_around_it():
    optimizer, variable = keras.optimizers.SGD(0.1, clipvalue=1.0, weight_decay=0.5), keras.Variable([1.0])
    optimizer.build([variable])
    _optimizers.run_update_step(optimizer, [ops.convert_to_tensor([2.0])], [variable], 0.25)
    np.testing.assert_allclose(variable, [0.5])
    assert int(optimizer.iterations) == 0


def test_decay_is_on_what_is_not_excluded():
    kernel, bias, optimizer = keras.Variable([1.0], name="kernel"), keras.Variable([1.0], name="bias"), None
    for arguments in ({"var_names": ["bias", "gamma"]}, {"var_list": [bias]}):
        optimizer = keras.optimizers.SGD(0.5, weight_decay=0.5)
        assert _optimizers.get_excluded_names(optimizer) is None
        optimizer.exclude_from_weight_decay(**arguments)
        pattern = _optimizers.get_excluded_names(optimizer)
        assert (pattern and set(pattern.pattern.split("|"))) == (set(arguments.get("var_names", ())) or None)
        optimizer.build([kernel, bias])
        before = [float(v[0]) for v in (kernel, bias)]
        optimizer.apply([ops.zeros(1), ops.zeros(1)])
        shrunk = [float(v[0]) < old for v, old in zip((kernel, bias), before, strict=True)]
        assert [_optimizers.decays(optimizer, v) for v in (kernel, bias)] == shrunk == [True, False]


def test_what_muon_leaves_to_adam_has_adams_decay():
    kernel, bias = keras.Variable(np.ones((2, 2), "float32")), keras.Variable(np.ones(2, "float32"))
    optimizer = keras.optimizers.Muon(1.0, weight_decay=0.5, adam_weight_decay=0.25)
    assert [_optimizers.steps_by_adam(optimizer, v) for v in (kernel, bias)] == [False, True]
    assert not _optimizers.steps_by_adam(keras.optimizers.Adam(), kernel)
    # Their momentum is of Adam's kind, which remembers squares, for the bias alone.
    optimizer.build([kernel, bias])
    shapes = [tuple(v.shape) for v in optimizer.variables]
    assert shapes.count((2,)) > shapes.count((2, 2)) > 0


def test_a_stateless_optimizer_steps_inside_a_scope_alone():
    """As in a plain step, with all that Adam remembers; nothing outside the scope changes."""
    gradient, plain = ops.convert_to_tensor([2.0]), keras.Variable([1.0])
    expected = keras.optimizers.Adam(0.1)
    expected.build([plain])
    expected.apply([gradient])
    optimizer, variable = keras.optimizers.Adam(0.1), keras.Variable([1.0])
    optimizer.__class__ = type("Adam", (_optimizers.Stateless, keras.optimizers.Adam), {})
    optimizer.build([variable])
    (before,) = values(_optimizers.get_slot(optimizer, "velocities", variable))
    with keras.StatelessScope() as scope:
        _optimizers.run_update_step(optimizer, [gradient], [variable], 0.1)
        new = scope.get_current_value(variable)
        velocity = scope.get_current_value(_optimizers.get_slot(optimizer, "velocities", variable))
    np.testing.assert_allclose(new, plain, rtol=1e-6)
    np.testing.assert_allclose(velocity, _optimizers.get_slot(expected, "velocities", plain), rtol=1e-6)
    assert (
        values(variable)[0] == 1 and values(_optimizers.get_slot(optimizer, "velocities", variable))[0] == before == 0
    )


@pytest.mark.parametrize("stateless", [True, False])
def test_a_traced_step_of_a_stateless_optimizer_is_freed(stateless):
    """Keras' own is not: TensorFlow registers the custom gradient of its sum over replicas, with the whole graph."""
    graphs: list[weakref.ref] = []

    def trace():
        optimizer, variable = keras.optimizers.SGD(0.1), keras.Variable([1.0])
        if stateless:
            optimizer.__class__ = type("SGD", (_optimizers.Stateless, keras.optimizers.SGD), {})
        optimizer.build([variable])

        def step(gradient):
            graphs.append(weakref.ref(tf.compat.v1.get_default_graph()))
            _optimizers.run_update_step(optimizer, [gradient], [variable], 0.1)

        with keras.StatelessScope() if stateless else contextlib.nullcontext():
            tf.function(step, autograph=False)(ops.convert_to_tensor([2.0]))

    trace()
    # While another thread collects garbage, for seconds on a busy machine, `gc.collect` returns at once.
    for _ in range(100 if stateless else 2):
        gc.collect()
        if all(graph() is None for graph in graphs):
            break
        time.sleep(0.1)
    assert graphs
    alive = [graph() for graph in graphs if graph() is not None]
    assert bool(alive) != stateless, [type(holder) for graph in alive for holder in gc.get_referrers(graph)]
