"""Functions and datasets of TensorFlow tell how they were made."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from shrinkage._host import _tensorflow
from shrinkage._host._private import UnsupportedVersion, get_private


def test_a_function_tells_what_it_was_traced_to():
    function = tf.function(lambda x: x + 2.0)
    assert _tensorflow.list_concrete_functions(function) == [] and _tensorflow.list_concrete_functions(abs) is None
    for value in (1.0, [1.0]):
        function(tf.constant(value))
    concrete = _tensorflow.list_concrete_functions(function)
    assert concrete is not None and len(concrete) == 2
    assert all("Const" in str(one.graph.as_graph_def()) for one in concrete)


@pytest.mark.parametrize(("options", "compiles"), [({}, True), ({"run_eagerly": True}, False)])
def test_the_compiled_steps_are_those_of_training(options, compiles):
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    assert _tensorflow.list_compiled_steps(None) == _tensorflow.list_compiled_steps(abs) == []
    model.compile("sgd", "mse", **options)
    model.make_train_function()
    assert _tensorflow.list_compiled_steps(model.train_function) == []
    model.fit(np.ones((1, 1)), np.ones((1, 1)), verbose=0)
    steps = _tensorflow.list_compiled_steps(model.train_function)
    assert bool(steps) == compiles
    assert any(v is model.weights[0].value for step in steps for v in step.variables) == compiles


def test_a_train_function_without_a_closure_is_said():
    kind = type("TrainFunction", (), {"__module__": "keras.src.trainers", "__call__": abs})
    with pytest.raises(UnsupportedVersion, match=r"^shrinkage needs TrainFunction\.__closure__, which Keras"):
        _tensorflow.list_compiled_steps(kind())


def test_a_function_that_is_traced_often_warns_unless_allowed(caplog):
    def warnings_of(allow):
        caplog.clear()
        for size in range(1, 9):
            function = tf.function(lambda x: x, autograph=False)
            if allow:
                _tensorflow.allow_tracing(function)
            function(tf.ones(size))
        return [record for record in caplog.records if "retracing" in record.message]

    tf.get_logger().propagate, before = True, tf.get_logger().propagate
    try:
        assert not warnings_of(True) and warnings_of(False)
    finally:
        tf.get_logger().propagate = before


@pytest.mark.parametrize("nested", [False, True])
def test_a_traced_step_tells_what_it_assigns(nested):
    one, other, third = (keras.Variable(np.ones(2)) for _ in range(3))
    found = []

    def step(x):
        graph = _tensorflow.get_traced_graph()
        _tensorflow.call_after_trace(
            graph, lambda: found.append((graph, _tensorflow.find_assigned_variables(graph, [one, other, third])))
        )
        one.assign(other + x)
        before = len(graph.get_operations())
        third.assign_add(x)
        late = _tensorflow.find_assigned_variables(graph, [one, other, third], start=before)
        assert nested or (len(late) == 1 and late[0] is third)
        assert not found

    inner = tf.function(step, jit_compile=True)
    function = tf.function(lambda x: inner(x)) if nested else inner
    assert _tensorflow.get_traced_graph() is None
    function(tf.ones(2))
    ((graph, written),) = found
    assert graph is function.get_concrete_function(tf.ones(2)).graph
    assert len(written) == 2 and written[0] is one and written[1] is third
    np.testing.assert_array_equal(one.numpy(), [2.0, 2.0])


def test_a_dataset_tells_what_it_was_made_by():
    rows = tf.data.Dataset.from_tensor_slices(np.arange(4))
    batches = rows.shuffle(4).batch(2)
    assert list(_tensorflow.iterate_transformations(rows)) == ["TensorSlice"]
    assert list(_tensorflow.iterate_transformations(batches.map(abs))) == ["Map", "Batch", "Shuffle", "TensorSlice"]
    first, *rest = _tensorflow.iterate_transformations(rows.padded_batch(2).unbatch())
    assert first == "Unbatch" and "PaddedBatch" in rest
    several = (
        batches.concatenate(batches), tf.data.Dataset.zip(rows, batches),
        tf.data.Dataset.choose_from_datasets([batches, batches], tf.data.Dataset.range(2)),
    )  # fmt: skip
    for dataset in several:
        assert list(_tensorflow.iterate_transformations(dataset))[1:] == ["Batch", "Shuffle", "TensorSlice"]
    assert list(_tensorflow.iterate_transformations(np.arange(4))) == []


def test_a_dataset_without_inputs_is_said(monkeypatch):
    rows = tf.data.Dataset.range(4)
    monkeypatch.setattr(_tensorflow, "get_private", lambda thing, name: get_private(thing, f"{name}_gone"))
    with pytest.raises(UnsupportedVersion, match=r"^shrinkage needs _RangeDataset\._inputs_gone, which TensorFlow"):
        list(_tensorflow.iterate_transformations(rows))


def test_a_function_whose_kernels_were_released_is_called_as_before():
    function = tf.function(lambda x: 2 * x)
    before = function(tf.ones(3))
    _tensorflow.release_kernels()
    np.testing.assert_array_equal(function(tf.ones(3)), before)


def test_kernels_that_cannot_be_released_are_said(monkeypatch):
    monkeypatch.setattr(_tensorflow, "_context", lambda: object())
    with pytest.raises(UnsupportedVersion, match=r"^shrinkage needs object\.clear_kernel_cache"):
        _tensorflow.release_kernels()
