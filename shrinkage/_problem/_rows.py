"""Conversion of `x` and `y` to checked arrays with the structure of the model inputs and outputs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._data._data import (
    Data,
    WeightedTargets,
    as_row_weights,
    as_tree,
    list_leaf_names,
    make_data,
    scale_weights,
    take,
)
from shrinkage._data._tables import split_table_columns
from shrinkage._host._compiled import list_flat_metrics
from shrinkage._host._errors import describe_keras_error
from shrinkage._host._graphs import get_graph
from shrinkage._host._private import UnsupportedVersion
from shrinkage._host._tensors import get_mask
from shrinkage._messages._note import Note, quote
from shrinkage._model._losses import get_loss_name, is_listed, takes_labels
from shrinkage._model._objective import Objective
from shrinkage._model._table_normalization import TableNormalization
from shrinkage._model._template import Template
from shrinkage._problem._ragged import Lengths, check_padding, pad_inputs
from shrinkage._problem._structure import find_leaf_places, get_structure_keys
from shrinkage._problem._targets import (
    check_targets,
    compute_class_weights,
    describe_negative_outputs,
    describe_target_values,
)
from shrinkage._problem._tokens import check_text, check_tokens, check_whole_numbers, look_up


def read_rows(
    template: Template,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
    objective: Objective | None = None,
    *,
    is_block: bool = False,
) -> tuple[Data, Objective]:
    """Return the rows as checked arrays that fit the model, and the objective.

    Args:
        template: The template of the model.
        x, y: Inputs and targets, in any form that `model.fit` accepts.
        sample_weight: Weights of the rows, (n,), or for several outputs a structure of weights; or None.
        class_weight: A dictionary from class labels to weights, or None. Multiplies `sample_weight`.
        objective: The objective of the training rows, for held-out rows; None creates the objective.
        is_block: Whether the rows are only a part of all rows. If so, a class may be missing, and the weights are not
            scaled.

    Raises:
        TypeError, ValueError: If the rows do not fit the model. The message names the input or output.
    """
    network = template.network
    check_text(network)
    dtype = network.trainable_variables[0].dtype
    (x, lengths), y, sample_weight = _read_inputs(template, x), as_tree(y), as_tree(sample_weight)
    by_output = tree.is_nested(sample_weight)
    allows_missing = any(isinstance(layer, TableNormalization) for layer in network.layers)
    data = make_data(x, y, None if by_output else sample_weight, dtype, allows_missing=allows_missing)
    if class_weight is not None:
        data = _weigh_classes(data, class_weight, dtype, is_block=is_block)
    data = data if is_block or by_output else _scale(data)
    data = replace(data, x=_fit_inputs(network, data.x))
    check_tokens(network, data.x)
    padding = check_padding(network, data.x, lengths)
    data = replace(data, notes=(*data.notes, *padding), is_padded=bool(padding))
    some = np.unique(np.linspace(0, data.n_rows - 1, 32).astype(int))
    outputs = _compute_outputs(network, take(data.x, some))
    names = list(getattr(network, "output_names", None) or range(len(tree.flatten(outputs))))
    keys = get_structure_keys(outputs, names)
    places = find_leaf_places("y", data.y, outputs, names, template.has_loss(keys))
    arrays, target_names = tree.flatten(data.y), list_leaf_names("y", y)
    leaves = [None if i is None else arrays[i] for i in places]
    called = [f"`y[{key!r}]`" if i is None else target_names[i] for i, key in zip(places, keys, strict=True)]
    if objective is None:
        sample = [None if leaf is None else leaf[some] for leaf in leaves]
        objective = template.make_objective(tree.pack_sequence_as(outputs, sample), outputs, called)
    fitting = []
    for place, output in enumerate(tree.flatten(outputs)):
        term = objective.find_term(place)
        fitting.append(
            _fit_targets(leaves[place], output, term and term.loss, called[place], data.n_rows, dtype, is_block)
        )
    more = []
    for term in objective.terms:
        output = tree.flatten(outputs)[term.place]
        more.append(describe_negative_outputs(output, term.loss))
        more.append(
            "" if is_block else describe_target_values(fitting[term.place], output, term.loss, called[term.place])
        )
    data = replace(data, y=tree.pack_sequence_as(outputs, fitting), notes=(*data.notes, *filter(None, more)))
    absent = [name if leaf is None else None for name, leaf in zip(called, leaves, strict=True)]
    _check_metrics(template, take(data.y, some), outputs, absent)
    if by_output:
        data = _weigh_outputs(data, sample_weight, outputs, names, objective, dtype)
        data = data if is_block else _scale(data)
    return data, objective


def _weigh_classes(data: Data, class_weight: Any, dtype: str, *, is_block: bool) -> Data:
    weight = (data.weight * compute_class_weights(data.y, class_weight)).astype(dtype)
    if not is_block and data.weight.any() and not weight.any():
        raise ValueError(
            f"`class_weight` must give some rows a weight above 0. Received: {quote(class_weight)}, which gives all "
            f"rows 0. Give a class of them a weight above 0."
        )
    return replace(data, weight=weight)


def _scale(data: Data) -> Data:
    weight, notes = scale_weights(data.weight, isinstance(data.y, WeightedTargets))
    return replace(data, weight=weight, notes=(*notes, *data.notes))


def _weigh_outputs(
    data: Data, sample_weight: Any, outputs: Any, names: Sequence[Any], objective: Objective, dtype: str
) -> Data:
    """Return the rows with weights per output. The weight of a row is the largest weight of its outputs with a loss.

    An output without weights has weight 1 in every row.
    """
    has_loss = [objective.find_term(place) is not None for place in range(len(tree.flatten(outputs)))]
    is_single = len(has_loss) == len(tree.flatten(sample_weight)) == 1
    places = find_leaf_places("sample_weight", sample_weight, outputs, names, has_loss)
    leaves, called = tree.flatten(sample_weight), list_leaf_names("sample_weight", sample_weight)
    weight = np.ones((data.n_rows, len(places)), dtype)
    for column, place in enumerate(places):
        if place is not None and leaves[place] is not None:
            weight[:, column] = as_row_weights(called[place], leaves[place], data.n_rows, dtype)
    largest = weight[:, has_loss].max(axis=1)
    share = np.divide(weight, largest[:, None], out=np.zeros_like(weight), where=largest[:, None] > 0)
    y = data.y if is_single else WeightedTargets(data.y, share)
    return replace(data, y=y, weight=data.weight * largest)


def _read_inputs(template: Template, x: Any) -> tuple[Any, Lengths]:
    """Return the network inputs as a tree, and the lengths of padded rows.

    Tables are split into columns, text is looked up, and sequences of different lengths are padded.
    """
    graph = get_graph(template.network if template.front is None else template.source)
    if graph is None:
        return as_tree(x), []
    names = [tensor.name for tensor in graph.inputs]
    x = split_table_columns(x, get_structure_keys(graph.input, names))
    if template.front is None:
        x, lengths = pad_inputs(template.network, x)
        return as_tree(x), lengths
    x = as_tree(x)
    leaves, called = tree.flatten(x), list_leaf_names("x", x)
    places = [i or 0 for i in find_leaf_places("x", x, graph.input, names)]  # an input is never missing
    return look_up(template, [leaves[i] for i in places], [called[i] for i in places]), []


def _compute_outputs(network: keras.Model, x: Any) -> Any:
    """Return the model outputs for the rows `x`, a tree of arrays."""
    try:
        with keras.StatelessScope():  # a layer may assign weights in every call
            outputs = network(x, training=False)
    except UnsupportedVersion:
        raise
    except Exception as error:  # of any class: a subclassed model runs code of the user
        raise ValueError(
            Note(
                "$model must accept the rows of $x. Received: an error at the first rows: "
                f"{describe_keras_error(error)}"
            )
        ) from error
    return tree.map_structure(_to_array, outputs)


def _check_metrics(template: Template, y: Any, outputs: Any, absent_names: Sequence[str | None]) -> None:
    """Call the compiled metrics on sample rows, to find errors before the training.

    Args:
        template: The template of the model.
        y, outputs: Targets and predictions, with the structure of the model outputs.
        absent_names: Name of the targets of each output if the targets are missing, and None otherwise.
    """
    metrics = template.make_metrics()
    if metrics is None:
        return
    try:
        metrics.update_state(y, outputs, np.ones(len(tree.flatten(y)[0])))
    except UnsupportedVersion:
        raise
    except Exception as error:  # of any class: a metric may be a function of the user
        raise ValueError(
            Note(f"$metrics must fit the model's outputs. Received: an error of Keras: {error}")
        ) from error
    missing_names = [
        name for name, own in zip(absent_names, list_flat_metrics(metrics), strict=True) if name and any(own)
    ]
    if missing_names:
        raise ValueError(f"{missing_names[0]} must be given, as that output has metrics. Received: none.")


def _to_array(output: Any) -> np.ndarray:
    if get_mask(output) is not None:
        raise ValueError(
            Note(
                "$model must give outputs without a mask. Received: a mask on its output (an Embedding with mask_zero, "
                "and a prediction for each time step), which is not supported yet. Build it without mask_zero, or let "
                "it give one prediction a row."
            )
        )
    array = keras.ops.convert_to_numpy(output)
    return array if array.dtype.kind == "f" else array.astype(np.float32)  # NumPy has no bfloat16


def _fit_inputs(network: keras.Model, x: Any) -> Any:
    """Return inputs with the structure, shapes and dtypes of the model. A model without a graph accepts any inputs."""
    graph = get_graph(network)
    if graph is None:
        return x
    structure, tensors = graph.input, graph.inputs
    places = find_leaf_places("x", x, structure, [tensor.name for tensor in tensors])
    leaves, called = tree.flatten(x), list_leaf_names("x", x)
    pairs = zip(places, tensors, strict=True)
    with np.errstate(over="ignore"):  # infinite values are refused later, with the name of the input
        fitting = [
            _fit_type(_fit_shape(leaves[i], tensor.shape, called[i]), tensor.dtype, called[i])
            for i, tensor in pairs
            if i is not None
        ]
    return tree.pack_sequence_as(structure, fitting)


def _fit_shape(x: np.ndarray, shape: tuple[int | None, ...], name: str) -> np.ndarray:
    if x.ndim == len(shape) - 1 and shape[-1] == 1:
        x = x[..., None]  # as in Keras
    if x.ndim != len(shape) or any(e not in (None, s) for e, s in zip(shape[1:], x.shape[1:], strict=True)):
        raise ValueError(
            f"{name} must have the shape of the model's input, (n, {', '.join(map(str, shape[1:]))}). "
            f"Received: {x.shape}."
        )
    return x


def _fit_type(x: np.ndarray, dtype: str, name: str) -> np.ndarray:
    if np.issubdtype(dtype, np.integer):
        check_whole_numbers(name, x, f"an input of type {dtype}")
    return x.astype(dtype, copy=False)


def _fit_targets(
    y: np.ndarray | None,
    output: np.ndarray,
    loss: keras.losses.Loss | None,
    name: str,
    n_rows: int,
    dtype: str,
    is_block: bool,
) -> np.ndarray:
    """Return the targets of an output in the form that the loss requires. Missing targets without a loss are zeros."""
    if y is None:
        if loss is not None:
            raise ValueError(f"{name} must be given, as that output has a loss. Received: none.")
        return np.zeros((n_rows, *[1] * (output.ndim - 1)), dtype)
    if loss is None:
        return y
    check_targets(y, (None, *output.shape[1:]), loss, name, is_block=is_block)
    _check_domain(output, loss)
    if takes_labels(loss):
        return y if is_listed(loss) else y.reshape(len(y))
    return (y.reshape(len(y), *(output.shape[1:] or (1,))) if is_listed(loss) else y).astype(dtype)


def _check_domain(output: np.ndarray, loss: keras.losses.Loss) -> None:
    """Refuse outputs outside the domain of the loss, such as a negative probability or rate.

    Keras would clip the outputs without a warning, or return NaN.
    """
    name = get_loss_name(loss)
    if is_listed(loss) and name == "poisson" and output.min() < 0:
        raise ValueError(
            Note(
                f"$model must give rates, which are not negative, for {name}: it is NaN below 0. Received: outputs "
                f"from {output.min():.3g} to {output.max():.3g}. Give its last layer activation='exponential' "
                f"or 'softplus'."
            )
        )
    is_divergence = name == "kl_divergence"
    if not is_listed(loss) or not ("crossentropy" in name or is_divergence) or loss.get_config().get("from_logits"):
        return
    if output.min() < -1e-6 or output.max() > 1 + 1e-6:
        activation = "sigmoid" if "binary" in name or output.shape[-1:] == (1,) else "softmax"
        logits = "" if is_divergence else f", or compile with keras.losses.{type(loss).__name__}(from_logits=True)"
        raise ValueError(
            Note(
                f"$model must give probabilities for {name}. Received: outputs from {output.min():.3g} to "
                f"{output.max():.3g}. Give its last layer activation='{activation}'{logits}."
            )
        )
