"""Checks of Keras' regularizers: the weights with and without one."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras

from shrinkage._doctor._case import Case, TrainableWeight, get_size, read_strengths
from shrinkage._doctor._check import Symptom, check
from shrinkage._doctor._code import (
    find_attribute_name,
    find_layer_expression,
    find_regularizer_argument,
    make_loop_code,
    make_regularizer_code,
    make_retrace_code,
    set_regularizer,
)
from shrinkage._doctor._words import format_noun_count, format_parameter_count, format_weight_names, list_weight_paths
from shrinkage._host._attributes import get_attributes
from shrinkage._weights._kinds import is_of_keras


@check("error")
def regularizer_ignored(case: Case) -> Iterator[Symptom]:
    """A regularizer was set on a layer that was already built, and penalises nothing."""
    ignored = list(_find_ignored_regularizers(case))
    for name, acting in dict.fromkeys((name, _describe_regularizer(variable)) for _, name, _, variable in ignored):
        found = [each for each in ignored if (each[1], _describe_regularizer(each[3])) == (name, acting)]
        lines = dict[str, list[keras.Layer]]()
        for holder, _, layer, variable in found:
            own = holder is layer and name == find_regularizer_argument(layer, variable)
            source = f"layer.{name}" if holder is layer else f"{find_layer_expression(case.model, holder)}.{name}"
            value = source if own else f"layer.{find_regularizer_argument(layer, variable)} = {source}"
            lines.setdefault(f"layer.{find_attribute_name(layer, variable)}.regularizer = {value}", []).append(layer)
        count, size = format_noun_count(len(found), "weight"), sum(get_size(variable) for *_, variable in found)
        yield (
            (variable.path for *_, variable in found),
            f"{name} was set after the layer was built, and is read only when it is built: {acting} {count} "
            f"with {size:,} parameters. Where the layer saves it, it begins to act when the model is loaded.",
            "".join(make_loop_code(case, layers, line) for line, layers in lines.items()) + make_retrace_code(case),
        )


def _find_ignored_regularizers(case: Case) -> Iterator[tuple[keras.Layer, str, keras.Layer, keras.Variable]]:
    """Yield (layer, name, owner, weight): the layer's regularizer `name` is not on the weight of the owner layer."""
    for holder in filter(is_of_keras, case.layers):  # a custom layer may use `add_loss`
        regularizers = {
            name: value for name, value in get_attributes(holder).items() if name.endswith("_regularizer") and value
        }
        for variable in holder.trainable_variables if regularizers.keys() - {"activity_regularizer"} else ():
            layer = case.owners.get(id(variable))
            if layer is not None and (variable.regularizer is None or holder is layer):
                right = find_regularizer_argument(layer, variable)
                names = [right, f"_{right}", f"{variable.name}_regularizer"]  # MultiHeadAttention has an underscore
                for name in [name for name in names if name in regularizers][:1]:
                    if not _are_alike(variable.regularizer, regularizers[name]):
                        yield holder, name, layer, variable


def _are_alike(regularizer: Any, other: Any) -> bool:
    """Whether two regularizers are the same object, or L1, L2 or L1L2 of Keras with the same strengths."""
    return regularizer is other or (
        type(regularizer) is type(other) and read_strengths(regularizer) == read_strengths(other) != (0.0, 0.0, True)
    )


def _describe_regularizer(variable: keras.Variable) -> str:
    """Return a phrase with the regularizer that acts on a weight."""
    l1, l2, acts = read_strengths(variable.regularizer)
    if not acts:
        return "nothing penalises"
    kind = make_regularizer_code(l1, l2) if l1 or l2 else type(variable.regularizer).__name__
    return f"{kind} goes on penalising"


@check("warning")
def regularizer_lost_on_save(case: Case) -> Iterator[Symptom]:
    """A regularizer is on a variable and not in its layer's configuration: saving and cloning lose it."""
    lost = [
        w
        for w in case.penalised_weights
        if is_of_keras(w.layer) and _find_configured_regularizer(w.layer, w.variable) is None
    ]
    lines = dict[str, list[keras.Layer]]()
    for weight in lost:
        argument = find_regularizer_argument(weight.layer, weight.variable)
        line = f"layer.{argument} = layer.{find_attribute_name(weight.layer, weight.variable)}"
        lines.setdefault(f"{line}.regularizer", []).append(weight.layer)
    if lost:
        yield (
            list_weight_paths(lost),
            f"{format_noun_count(len(lost), 'regularizer')} (on {format_weight_names(lost)}) would be gone after "
            "model.save and load_model, or clone_model: they are rebuilt from the layers' configuration, which does "
            "not name them.",
            "".join(make_loop_code(case, layers, line) for line, layers in lines.items()),
        )


def _find_configured_regularizer(layer: keras.Layer, variable: keras.Variable) -> Any:
    name = variable.name.removeprefix("lora_").removesuffix("_a").removesuffix("_b")  # LoRA factors take the kernel's
    stand_in = f"{name.removesuffix('_kernel')}_regularizer"
    return getattr(layer, find_regularizer_argument(layer, variable), None) or getattr(layer, stand_in, None)


@check("warning")
def only_frozen_penalised(case: Case) -> Iterator[Symptom]:
    """Every regularizer is on a frozen weight, so no regularizer acts."""
    frozen = [v for v in case.model.variables if not v.trainable and v.regularizer is not None and id(v) in case.owners]
    if frozen and case.weights and not case.penalised_weights and not case.decayed_weights:
        free = [weight for weight in case.weights if weight.is_kernel]
        yield (
            (v.path for v in frozen),
            f"this model has {format_noun_count(len(frozen), 'regularizer')}, on frozen weights, where they add "
            f"nothing to the loss; nothing penalises the trained weights, {format_weight_names(free)} with "
            f"{format_parameter_count(free)}.",
            set_regularizer(case, free, make_regularizer_code(*read_strengths(frozen[0].regularizer)[:2])),
        )


@check("warning")
def bias_penalised(case: Case) -> Iterator[Symptom]:
    """A regularizer is on a bias, or on the gain or offset of a normalization."""
    found = [weight for weight in case.penalised_weights if not weight.is_kernel]
    if found:
        yield (
            list_weight_paths(found),
            f"{format_parameter_count(found)} of {format_weight_names(found)} are penalised: biases and offsets say "
            "where the outputs lie and not how complex the model is, and gains are drawn to 0 although they begin at "
            "1.",
            set_regularizer(case, found, "None"),
        )


@check("warning")
def recurrent_kernel_free(case: Case) -> Iterator[Symptom]:
    """A recurrent layer's kernel is penalised and its recurrent kernel is not."""
    for like, found in _find_free_recurrent_kernels(case).items():
        sizes = [sum(w.size for w in found), sum(s.size for w in found for s in case.list_siblings(w) if s.penalised)]
        yield (
            list_weight_paths(found),
            f"kernel_regularizer is for the kernel alone: {format_noun_count(len(found), 'recurrent kernel')} with "
            f"{sizes[0]:,} parameters train unpenalised beside kernels with {sizes[1]:,}. Give recurrent_regularizer "
            "too.",
            set_regularizer(case, found, make_regularizer_code(*like)),
        )


def _find_free_recurrent_kernels(case: Case) -> dict[tuple[float, float], list[TrainableWeight]]:
    """Return unpenalised recurrent kernels beside a penalised kernel, by the strengths (l1, l2) of that kernel."""
    found = dict[tuple[float, float], list[TrainableWeight]]()
    for weight in case.weights:
        if weight.kind == "recurrent" and weight.is_free:
            for other in case.list_siblings(weight):
                if other.is_kernel and (other.l1 or other.l2):
                    found.setdefault((other.l1, other.l2), []).append(weight)
                    break
    return found


@check("note")
def depthwise_kernel_free(case: Case) -> Iterator[Symptom]:
    """Convolutions are penalised and depthwise kernels are not: they have a separate argument."""
    depthwise = [w for w in case.weights if w.kind == "depthwise"]
    free = [weight for weight in depthwise if weight.is_free]
    others = [w for w in case.penalised_weights if w.is_kernel and w not in depthwise and len(w.variable.shape) >= 3]
    if free and others:
        like = Counter((w.l1, w.l2) for w in others if w.l1 or w.l2).most_common(1)
        yield (
            list_weight_paths(free),
            f"{format_noun_count(len(free), 'depthwise kernel')} with {format_parameter_count(free)} train unpenalised "
            f"beside {format_noun_count(len(others), 'penalised convolution')} with {format_parameter_count(others)}: "
            "only depthwise_regularizer is for them. MobileNet's authors leave them free on purpose (Howard et al. "
            "2017, section 3.2).",
            set_regularizer(case, free, make_regularizer_code(*like[0][0])),
        )
