"""Models that look text up: the part in front that makes numbers of it, and the rest, which is trained.

The lookup has no weights and is the same for all members: it runs once per row, before these are trained.
"""

from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._host._graphs import get_graph, list_nodes, run_through_graph
from shrinkage._host._private import UnsupportedVersion


def has_text(model: Any) -> bool:
    """Whether an input of a model is text."""
    return any(tensor.dtype == "string" for tensor in getattr(model, "inputs", None) or ())


def make_front_model(model: keras.Model) -> keras.Model | None:
    """Return the part of a model from its text inputs to numbers, or None where it has none that is known to be fixed.

    It shares the layers of the model.
    """
    graph = get_graph(model)
    if graph is None or not has_text(model):
        return None
    numbers = [
        output
        for node in list_nodes(graph)
        if any(tensor.dtype == "string" for tensor in node.input_tensors)
        for output in node.output_tensors
        if output.dtype != "string"
    ]
    if not numbers or any(None in t.shape[1:] or t.ragged or t.sparse for t in numbers):
        return None
    try:
        front = keras.Model([tensor for tensor in graph.inputs if tensor.dtype == "string"], numbers)
    except ValueError:  # it depends on other inputs too
        return None
    return None if front.variables else front


def make_rest_model(model: keras.Model) -> keras.Model | None:
    """Return a model from the outputs of `make_front_model` and the inputs that are numbers, or None if there is none.

    It shares the layers of the model, which are called once more, and has its variables in their order.
    """
    graph, front = get_graph(model), make_front_model(model)
    if front is None:
        return None
    numbers = [tensor for tensor in graph.inputs if tensor.dtype != "string"]
    tensors = [*front.outputs, *numbers]
    try:
        cut = keras.Model(tensors, graph.output)
        shapes = [tuple(found.shape) for found in _call_on_row(front)]  # Keras declares others for TextVectorization
        inputs = [keras.Input(shape[1:], dtype=t.dtype) for shape, t in zip(shapes, front.outputs, strict=True)]
        inputs += [keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name) for tensor in numbers]
        outputs = run_through_graph(cut, inputs, lambda operation: operation)
        rest = keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name=model.name)
    except UnsupportedVersion:
        raise
    except Exception:  # of any class: text reaches the outputs by another way, or a lookup has no vocabulary yet
        return None
    return rest if [*map(id, rest.variables)] == [*map(id, model.variables)] else None


def _call_on_row(front: keras.Model) -> list[Any]:
    row = [np.full([1, *(size or 1 for size in tensor.shape[1:])], "", object) for tensor in front.inputs]
    return tree.flatten(front([keras.ops.convert_to_tensor(text, dtype="string") for text in row], training=False))
