"""The penalised linear layer at the end of a model, and the layers before it, which are not trained."""

from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import keras
import numpy as np
from keras import activations, layers, losses

from shrinkage._host._compiled import get_loss_arguments
from shrinkage._host._graphs import get_graph, list_nodes
from shrinkage._host._layers import list_sublayers
from shrinkage._model._losses import get_loss_name
from shrinkage._penalties import Coupled
from shrinkage._problem._problem import Problem, Training

Kind = Literal["squared error", "binary", "classes"]


@dataclass(frozen=True)
class Head:
    """A `Dense` layer that is trained alone, with its loss and its penalty."""

    layer: Any
    kind: Kind
    """Squared error; log loss of one unit per label, or of the classes."""
    smoothing: float
    """`label_smoothing` of the loss."""
    kernel: int
    """The index of the kernel in the variables of the network."""
    bias: int | None
    """The index of the bias, or None without a bias."""
    factors: tuple[float, float]
    """The factors of the strength on kernel and bias; 0 for a bias that is not penalised."""

    @property
    def units(self) -> int:
        """Number of outputs."""
        return self.layer.units

    @property
    def n_columns(self) -> int:
        """Number of columns of the design, with or without a constant."""
        return self.layer.kernel.shape[0] + bool(self.constant)

    @property
    def share(self) -> float:
        """The factor of the sum of the outputs' losses: Keras averages the log losses of labels."""
        return 1 / self.units if self.kind == "binary" else 1.0

    @property
    def constant(self) -> float:
        """The value of a column of the design whose coefficient is the bias, with the kernel's penalty; 0 for none.

        A penalised bias is the coefficient of a constant column. Its size makes the penalty that of the bias.
        """
        kernel, bias = self.factors
        return 0.0 if self.bias is None else float(np.sqrt(kernel / bias)) if bias else 1.0

    @property
    def has_intercept(self) -> bool:
        """Whether the layer has a bias without a penalty."""
        return self.bias is not None and not self.factors[1]


def read_head(problem: Problem) -> Head:
    """Return the head of a model.

    Raises:
        ValueError: If the exact solver does not apply.
    """
    training = problem.training
    _check_penalty(training)
    network = training.template.network
    layer, _ = _find_last_layer(network)
    _check_layer(layer)
    _check_body(network, layer, training)
    kind, smoothing = _find_kind(training, layer)
    places = {id(variable): place for place, variable in enumerate(network.variables)}
    factor = {id(v): f for v, f in zip(network.trainable_variables, problem.selection.factors, strict=True)}
    kernel, bias = layer.kernel, layer.bias if layer.use_bias else None
    if not factor[id(kernel)]:
        _refuse("`on`", f"a selection with the kernel of {layer.name!r}", "a selection without it")
    return Head(
        layer, kind, smoothing, places[id(kernel)], None if bias is None else places[id(bias)],
        (factor[id(kernel)], 0.0 if bias is None else factor[id(bias)]),
    )  # fmt: skip


def make_body(network: keras.Model) -> keras.Model | None:
    """Return the model from the inputs of a model with a head to the input of the head; None if these are the same."""
    _, source = _find_last_layer(network)
    inputs = network.inputs
    return None if len(inputs) == 1 and source is inputs[0] else keras.Model(get_graph(network).input, source)


def _refuse(name: str, requirement: str, received_text: str, fix: str = "") -> NoReturn:
    fix = f"{fix} say" if fix else "Say"
    raise ValueError(
        f'{name} must be {requirement} for solver="exact". Received: {received_text}. {fix} solver="gradient".'
    )


def _check_penalty(training: Training) -> None:
    penalty = training.penalty
    if penalty.name != "L2":
        toward = f"{penalty!r}, which draws weights towards others than 0" if penalty.name == "L2-SP" else repr(penalty)
        _refuse("`penalty`", "L2()", toward)
    if not isinstance(training.how, Coupled):
        _refuse("`how`", "Coupled()", repr(training.how))


def _find_last_layer(network: keras.Model) -> tuple[Any, Any]:
    """Return the last layer and the tensor that is its input."""
    one_dense = "a model that ends in one Dense layer"
    graph = get_graph(network)
    if graph is None:
        _refuse(
            "`model`", f"{one_dense}, Sequential or functional", f"{type(network).__name__}, whose layers are hidden"
        )
    if len(network.outputs) != 1:
        _refuse("`model`", "a model with one output", f"{len(network.outputs)} outputs")
    output, nodes = network.outputs[0], list_nodes(graph)
    last = next(node for node in nodes if any(tensor is output for tensor in node.outputs))
    layer = last.operation
    if type(layer) is not layers.Dense:
        fix = "Give the activation to Dense, or" if isinstance(layer, (layers.Activation, layers.Softmax)) else ""
        _refuse("`model`", one_dense, f"{layer.name!r}, of class {type(layer).__name__} at the end", fix)
    if sum(node.operation is layer for node in nodes) > 1:
        _refuse("`model`", f"{one_dense}, called once", f"{layer.name!r}, called several times")
    source = last.input_tensors[0]
    if len(source.shape) != 2:
        _refuse("`model`", f"{one_dense} on inputs (rows, columns)", f"inputs {tuple(source.shape)}")
    return layer, source


def _check_layer(layer: Any) -> None:
    carried = [
        name
        for name in ("kernel_constraint", "bias_constraint", "kernel_regularizer", "bias_regularizer",
                     "activity_regularizer")
        if getattr(layer, name) is not None
    ]  # fmt: skip
    if carried:
        _refuse(
            "`model`",
            f"a model whose last layer, {layer.name!r}, has no {carried[0]}",
            f"{getattr(layer, carried[0])!r}",
        )
    if layer.compute_dtype not in ("float32", "float64"):
        _refuse("`model`", f"a model whose last layer, {layer.name!r}, is of float32 or float64", layer.compute_dtype)


def _check_body(network: keras.Model, layer: Any, training: Training) -> None:
    head = {id(layer.kernel)} | ({id(layer.bias)} if layer.use_bias else set())
    trained = [variable.path for variable in network.trainable_variables if id(variable) not in head]
    if len(trained) + len(head) > len(network.trainable_variables):
        _refuse(
            "`model`", f"a model whose last layer, {layer.name!r}, is trained", f"{layer.name!r} with frozen weights"
        )
    adapting = [
        part.name
        for part in list_sublayers(network)
        if isinstance(part, layers.BatchNormalization) and part.trainable and not trained
    ]
    if trained or adapting:
        _refuse(
            "`model`", f"a model in which only the last layer, {layer.name!r}, is trained",
            f"{trained[0]} is trained too" if trained else f"{adapting[0]} adapts its moving averages",
            "Set trainable = False on the layers before it, or",
        )  # fmt: skip
    behaviour = training.behaviour
    if behaviour.mixes_rows or behaviour.equal_calls_differ or behaviour.depends_on_position:
        _refuse("`model`", "a model that treats each row alone", "one that mixes the rows of a batch, or draws numbers")


_LOSSES = {
    losses.MeanSquaredError: ("squared error", None),
    losses.BinaryCrossentropy: ("binary", activations.sigmoid),
    losses.CategoricalCrossentropy: ("classes", activations.softmax),
    losses.SparseCategoricalCrossentropy: ("classes", activations.softmax),
}
"""For each loss the kind of the head, and the activation that it needs, unless the loss takes logits."""


def _find_kind(training: Training, layer: Any) -> tuple[Any, float]:
    """Return the kind of the head and the label smoothing of the loss."""
    loss, activation = training.objective.single_loss, layer.activation
    if type(loss) not in _LOSSES:
        names = "mean_squared_error, binary_crossentropy, categorical_crossentropy or sparse_categorical_crossentropy"
        _refuse("`loss`", f"{names}, without a weight", "a weighted loss" if loss is None else get_loss_name(loss))
    arguments = get_loss_arguments(loss)
    kind, needed = _LOSSES[type(loss)]
    needed = activations.linear if needed is None or arguments.get("from_logits") else needed
    if activation is not needed:
        activation_text = f"{activation.__name__!r}, with {get_loss_name(loss)}"
        if arguments.get("from_logits"):
            activation_text += "(from_logits=True)"
        fix = f"Give that layer activation={needed.__name__!r}, or"
        if arguments.get("from_logits"):  # probabilities, which the loss would take for logits
            fix = "Leave from_logits out, or give that layer activation='linear'; for another model"
        _refuse("`activation`", f"{needed.__name__!r} in the last layer, {layer.name!r},", activation_text, fix)
    if arguments.get("axis", -1) != -1:
        _refuse("`loss`", "a loss over the last axis", f"axis={arguments['axis']}")
    return kind, float(arguments.get("label_smoothing", 0.0))
