"""Functions and datasets of TensorFlow tell how they were made."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from shrinkage._host import _tensorflow


def test_a_function_tells_what_it_was_traced_to():
    function = tf.function(lambda x: x + 2.0)
    assert _tensorflow.concrete_functions(function) == [] and _tensorflow.concrete_functions(abs) is None
    for value in (1.0, [1.0]):
        function(tf.constant(value))
    concrete = _tensorflow.concrete_functions(function)
    assert concrete is not None and len(concrete) == 2
    assert all("Const" in str(one.graph.as_graph_def()) for one in concrete)
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((1, 1)), np.ones((1, 1)), verbose=0)
    held = [cell.cell_contents for cell in model.train_function.__closure__ or ()]  # where Keras keeps its own
    assert any(_tensorflow.concrete_functions(each) for each in [model.train_function, *held])


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


def test_a_dataset_tells_what_it_was_made_from():
    rows = tf.data.Dataset.from_tensor_slices(np.arange(4))
    batches = rows.batch(2)
    assert _tensorflow.dataset_before(batches.map(lambda x: x)) is batches
    assert _tensorflow.dataset_before(batches) is rows and _tensorflow.dataset_before(rows) is None
