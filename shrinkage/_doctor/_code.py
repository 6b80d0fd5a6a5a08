"""Fixes as code: lines that reach a layer, set a regularizer, or exclude weights from decay."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import keras

from shrinkage._attach._attachment import Attachment
from shrinkage._attach._terms import PenalisedWeight
from shrinkage._doctor._case import Case, TrainableWeight, to_array
from shrinkage._weights._expressions import find_attribute_name as find_attribute_name
from shrinkage._weights._expressions import find_layer_expression as find_layer_expression
from shrinkage._weights._expressions import find_regularizer_argument as find_regularizer_argument

_WIDTH = 96  # of a list of names


def make_loop_code(case: Case, layers: Iterable[keras.Layer], line: str) -> str:
    """Return a loop over layers, with `line` as the body, which refers to `layer`."""
    layers = list(dict.fromkeys(layers))
    reached = [find_layer_expression(case.model, layer) for layer in layers]
    return f"for layer in {_make_list_code(reached, [layer.name for layer in layers])}:\n    {line}\n"


def _make_list_code(expressions: list[str], names: list[str]) -> str:
    """Return expressions as the code of a list; `map(model.get_layer, names)` where possible."""
    models = {each.removesuffix(f".get_layer({name!r})") for each, name in zip(expressions, names, strict=True)}
    if len(expressions) == 1:
        return f"[{expressions[0]}]"
    if len(models) == 1 and models.isdisjoint(expressions):
        wrapped = textwrap.fill(", ".join(map(repr, names)), _WIDTH, initial_indent="    ", subsequent_indent="    ")
        return f"map({models.pop()}.get_layer, [\n{wrapped},\n])"
    return "[\n" + "".join(f"    {each},\n" for each in expressions) + "]"


def set_regularizer(case: Case, weights: Iterable[TrainableWeight], value: str) -> str:
    """Return the lines that set a regularizer on variables, where it acts, and on layers, where it is saved."""
    lines = dict[str, list[keras.Layer]]()
    for weight in weights:
        layer, variable = weight.layer, weight.variable
        argument, attribute = find_regularizer_argument(layer, variable), find_attribute_name(layer, variable)
        line = f"layer.{argument} = layer.{attribute}.regularizer = {value}"
        lines.setdefault(line, []).append(layer)
    return "".join(make_loop_code(case, layers, line) for line, layers in lines.items()) + make_retrace_code(case)


def make_retrace_code(case: Case) -> str:
    """Return the line that retraces the training step, empty for a model that has not trained."""
    return "model.make_train_function(force=True)\n" if getattr(case.model, "train_function", None) else ""


def make_regularizer_code(l1: float, l2: float) -> str:
    """Return a Keras regularizer as code.

    >>> make_regularizer_code(0.0, 0.01)
    'keras.regularizers.L2(0.01)'
    """
    if l1 and l2:
        return f"keras.regularizers.L1L2({l1:g}, {l2:g})"
    return f"keras.regularizers.L1({l1:g})" if l1 else f"keras.regularizers.L2({l2:g})"


def make_optimizer_code(case: Case, **changes: Any) -> str:
    """Return the line that makes a new optimizer of the same configuration, with some options changed."""
    name = type(case.optimizer).__name__
    kind = f"keras.optimizers.{name}" if hasattr(keras.optimizers, name) else "type(model.optimizer)"
    inner = ".inner_optimizer" if case.model.optimizer is not case.optimizer else ""
    config = f"model.optimizer{inner}.get_config()"
    if changes:
        config = f"{{**{config}, {', '.join(f'{option!r}: {value!r}' for option, value in changes.items())}}}"
    return f"optimizer = {kind}.from_config({config})\n"


def make_compile_code(case: Case) -> str:
    """Return the line that compiles the model with `optimizer`."""
    loss = getattr(case.model, "loss", None)
    return f"model.compile(optimizer, {repr(loss) if isinstance(loss, str) else 'model.loss'})  # and your metrics\n"


def decay_kernels(case: Case, **changes: Any) -> str:
    """Return the lines for a new optimizer that decays kernels only. Exclusions come before the optimizer is built."""
    spared = [weight for weight in case.weights if not weight.is_kernel]
    names = sorted({weight.variable.name for weight in spared})
    clear = not {weight.variable.name for weight in case.weights if weight.is_kernel} & set(names)
    which = f"v.name in {names}" if clear else f"v.path in {sorted(weight.path for weight in spared)}"
    exclude = f"optimizer.exclude_from_weight_decay([v for v in model.trainable_variables if {which}])\n"
    return make_optimizer_code(case, **changes) + exclude + make_compile_code(case)


def attach_instead(case: Case, weights: list[TrainableWeight]) -> str:
    """Return the lines that replace Keras' L1 or L1L2 by an attached penalty."""
    lines = [set_regularizer(case, weights, "None")]
    groups = dict[tuple[float, float], list[TrainableWeight]]()
    for weight in weights:
        groups.setdefault((weight.l1, weight.l2), []).append(weight)
    kernels = [weight for weight in case.weights if weight.is_kernel]
    for (l1, l2), group in groups.items():
        lam = l1 + 2 * l2
        penalty = f"sh.ElasticNet({l1 / lam:g})" if l2 else "sh.L1()"
        which = f", on=lambda layer, v: v.path in {sorted(w.path for w in group)}" if group != kernels else ""
        lines.append(f"sh.attach(model, {penalty}, lam={lam:g}{which})\n")
    return "".join(lines)


def attach_again(
    case: Case, pairs: Iterable[tuple[Attachment, Sequence[PenalisedWeight]]], inner_model: keras.Layer, **changes: str
) -> str:
    """Return the lines that attach penalties again, each to the given weights, with some arguments changed.

    Args:
        case: The model to attach to.
        pairs: The attachments, each with the weights.
        inner_model: The model with the present attachments: the same model, or a model inside it.
        **changes: Arguments of `attach`, as code.
    """
    pairs = list(pairs)
    spared = _make_exclusion_code(case, [weight for _, weights in pairs for weight in weights])
    lines = [spared, f"sh.detach({find_layer_expression(case.model, inner_model)})\n"]
    for each, weights in pairs:
        lam, penalty = each.lam, repr(each.penalty)
        arguments = {"lam": "lam", "how": f"sh.{each.how!r}"}
        if isinstance(lam, keras.Variable):
            arguments["lam"] = f"{float(to_array(lam)):g}"
        else:
            lines.append("# lam: the function of the step that you gave\n")
        if not isinstance(each.penalty.toward, str | None):
            lines.append("# toward: weights as model.get_weights() gives them\n")
            penalty = "L2(toward=toward)"
        if each.rows != "all":
            arguments["rows"] = repr(each.rows)
        on = _make_rule_code(case, each, weights, inner_model)
        arguments |= {} if on is None else {"on": on}
        arguments_text = ", ".join(f"{name}={value}" for name, value in {**arguments, **changes}.items())
        lines.append(f"sh.attach(model, sh.{penalty}, {arguments_text})\n")
    return "".join(lines)


def _make_exclusion_code(case: Case, weights: Iterable[PenalisedWeight]) -> str:
    """Return the lines that exclude weights from decay before they get a penalty: `attach` refuses both."""
    chosen = {id(weight.variable) for weight in weights}
    if not any(id(weight.variable) in chosen for weight in case.decayed_weights):
        return ""
    free = sorted(w.path for w in case.weights if id(w.variable) in chosen or not w.decay)
    exclude = f"optimizer.exclude_from_weight_decay([v for v in model.trainable_variables if v.path in {free}])\n"
    return make_optimizer_code(case) + exclude + make_compile_code(case)


def _make_rule_code(
    case: Case, attachment: Attachment, weights: Sequence[PenalisedWeight], inner_model: keras.Layer
) -> str | None:
    """Return the selector of the weights, as code; None for the default."""
    if inner_model is case.model and isinstance(attachment.on, str):
        return None if attachment.on == "kernels" else repr(attachment.on)
    paths = dict[float, list[str]]()
    for weight in weights:
        paths.setdefault(weight.term.factor, []).append(weight.variable.path)
    rules = {factor: f"lambda layer, v: v.path in {sorted(found)}" for factor, found in paths.items()}
    if set(rules) != {1.0}:
        return "{" + ", ".join(f"({rule}): {factor:g}" for factor, rule in rules.items()) + "}"
    within = set(map(id, inner_model.trainable_variables))
    kernels = {id(weight.variable) for weight in case.weights if weight.is_kernel} & within
    if {id(weight.variable) for weight in weights} == kernels:
        return None if inner_model is case.model else find_layer_expression(case.model, inner_model)
    return rules[1.0]
