"""Every model has its graph or none, and a walk through it computes what the model does."""

import keras
import numpy as np
from keras import layers, ops

from shrinkage._host import _graphs
from tests.host.models import functional


def test_functional_is_the_class_of_a_model_of_inputs_and_outputs():
    assert type(functional()) is _graphs.Functional and issubclass(_graphs.Functional, keras.Function)


def test_every_kind_of_model_has_its_graph_or_none():
    class Net(keras.Model):
        def call(self, x):
            return x

    model, sequential = functional(), keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    assert _graphs.get_graph(model) is model
    graph = _graphs.get_graph(sequential)
    assert isinstance(graph, keras.Function) and graph.inputs == sequential.inputs and graph is not sequential
    function = keras.Function(x := keras.Input((3,)), ops.relu(x))
    assert _graphs.get_graph(function) is function
    for without in (Net(), keras.Sequential([layers.Dense(1)]), layers.Dense(1), ops.relu):
        assert _graphs.get_graph(without) is None


def test_nodes_come_after_what_they_are_given():
    graph, made = functional(), set()
    nodes = _graphs.list_nodes(graph)
    for node in nodes:
        assert {id(tensor) for tensor in node.input_tensors} <= made
        made |= {id(tensor) for tensor in node.outputs}
    assert {id(tensor) for tensor in graph.outputs} <= made and len(nodes) == 6
    assert {id(node.operation) for node in nodes} == {id(operation) for operation in graph.operations}


def test_a_walk_calls_every_operation_and_returns_what_the_model_does():
    model, called = functional(), []
    x = [np.ones((2, 4), "float32"), -np.ones((2, 3), "float32")]

    def call_of(operation):
        called.append(operation)
        return operation

    y = _graphs.run_through_graph(model, [ops.convert_to_tensor(part) for part in x], call_of)
    np.testing.assert_array_equal(y, model(x))
    rest = [operation for operation in model.operations if not isinstance(operation, layers.InputLayer)]
    assert len(called) == len(rest) == 4 and all(one in called for one in rest)


def test_the_layers_given_to_a_sequential_model_make_another():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    given = _graphs.list_layers(model)
    assert given[1:] == model.layers and isinstance(given[0], layers.InputLayer)
    assert keras.Sequential(given).built and not keras.Sequential(model.layers[:0]).built


def test_operations_are_known_by_their_class():
    x = keras.Input((3, 2))
    kinds = [_graphs.get_operation_kind(y._keras_history.operation) for y in (x + x, ops.reshape(x, (-1, 6)), x[:, 0])]
    assert kinds == ["Add", "Reshape", "GetItem"] and _graphs.get_operation_kind(layers.Add()) is None
