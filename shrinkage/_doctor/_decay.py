"""Checks of the optimizer's `weight_decay`."""

from collections.abc import Iterator

import numpy as np
from keras import backend

from shrinkage._doctor._case import Case, to_array
from shrinkage._doctor._check import Symptom, check
from shrinkage._doctor._code import decay_kernels, make_compile_code, make_optimizer_code
from shrinkage._doctor._words import format_noun_count, format_parameter_count, format_weight_names, list_weight_paths
from shrinkage._host._optimizers import get_excluded_names

_DTYPE_BITS = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}  # bits of the fraction


@check("error")
def nothing_decayed(case: Case) -> Iterator[Symptom]:
    """The optimizer has a `weight_decay`, and its exclusions cover every weight."""
    option = getattr(case.optimizer, "weight_decay", None)
    decay = 0.0 if option is None else float(to_array(option))
    if decay and case.weights and not case.decayed_weights:
        yield (
            ("optimizer",),
            f"{type(case.optimizer).__name__} has weight_decay={decay:g}, and its exclusions cover all "
            f"{format_noun_count(len(case.weights), 'weight')}: nothing is decayed.{_describe_exclusions(case)}",
            decay_kernels(case),
        )


@check("warning")
def bias_decayed(case: Case) -> Iterator[Symptom]:
    """The optimizer's `weight_decay` shrinks biases, or gains and offsets of normalizations, too."""
    found = [weight for weight in case.decayed_weights if not weight.is_kernel]
    if found:
        yield (
            list_weight_paths(found),
            f"weight_decay={found[0].decay:g} shrinks {format_weight_names(found)} too "
            f"({format_parameter_count(found)}): Keras decays every weight that is not "
            f"excluded.{_describe_exclusions(case)} A .keras file does not keep exclusions: after loading, give them "
            "again.",
            decay_kernels(case),
        )


def _describe_exclusions(case: Case) -> str:
    pattern = get_excluded_names(case.optimizer)
    if pattern is None:
        return ""
    hit = sorted({w.variable.name for w in case.weights if pattern.search(w.variable.name)})
    words = ", ".join(sorted(pattern.pattern.split("|")))
    found = ", ".join(hit) or "none"
    return f" Its exclusions ({words}) are searched in names of variables, not in paths, and match {found}."


@check("warning")
def exclusion_catches_kernel(case: Case) -> Iterator[Symptom]:
    """A name excluded from `weight_decay`, such as "bias", is in the name of a kernel, which is excluded too."""
    pattern = get_excluded_names(case.optimizer)
    if pattern is None or not case.decayed_weights:
        return
    spared_names = {w.variable.name for w in case.weights if not w.is_kernel} | {"bias", "gamma", "beta"}
    words = [word for word in pattern.pattern.split("|") if word in spared_names]
    kernels = [w for w in case.weights if w.is_kernel and not w.decay and w.variable.name not in words]
    caught = [weight for weight in kernels if any(word in weight.variable.name for word in words)]
    if caught:
        yield (
            list_weight_paths(caught),
            f"the optimizer excludes every variable with {', '.join(sorted(words))} in its name from weight_decay, and "
            f"so {format_weight_names(caught)} too ({format_parameter_count(caught)}). Exclude variables, and not "
            "names.",
            decay_kernels(case),
        )


@check("warning")
def coupled_and_decoupled(case: Case) -> Iterator[Symptom]:
    """A regularizer and the optimizer's `weight_decay` act on the same weights."""
    both = [weight for weight in case.decayed_weights if weight.penalised]
    if both:
        first = next((weight for weight in both if weight.l2), both[0])
        coupled = f" (L2({first.l2:g}), which is {2 * first.l2:g} times the weight in the gradient)" if first.l2 else ""
        yield (
            list_weight_paths(both),
            f"a regularizer{coupled} and weight_decay={first.decay:g}, beside the step, both shrink "
            f"{format_noun_count(len(both), 'weight')} with {format_parameter_count(both)}. AdamW and Muon have a "
            "weight_decay unless told otherwise.",
            make_optimizer_code(case, **_make_no_decay_options(case)) + make_compile_code(case),
        )


def _make_no_decay_options(case: Case) -> dict[str, float]:
    options = ("weight_decay", "adam_weight_decay")
    return {option: 0.0 for option in options if getattr(case.optimizer, option, None) is not None}


@check("error")
def decay_rounds_away(case: Case) -> Iterator[Symptom]:
    """Learning rate times `weight_decay` is below the precision of the weights: the decay changes nothing."""
    steps = case.steps[0] if case.steps else 0  # unknown steps: a schedule may still rise
    if not case.decayed_weights or (case.has_schedule and not steps):
        return
    rate = float(case.compute_rates(steps).max())
    lost = [w for w in case.decayed_weights if w.is_kernel and rate * w.decay < _compute_least_change(w.variable.dtype)]
    if lost and rate:
        dtype, decay = backend.standardize_dtype(lost[0].variable.dtype), lost[0].decay
        yield (
            list_weight_paths(lost),
            f"a step takes {rate:g} x {decay:g} = {rate * decay:.1e} of a weight away, and {dtype} rounds changes "
            f"below {_compute_least_change(dtype):.1e} to nothing: {format_noun_count(len(lost), 'weight')} with "
            f"{format_parameter_count(lost)} stay as they are.",
            decay_kernels(case, weight_decay=float(f"{100 * _compute_least_change(dtype) / rate:.1g}"))
            if dtype not in ("float16", "bfloat16")
            else f"keras.config.set_dtype_policy('mixed_{dtype}')  # weights in float32; and build the model anew",
        )


def _compute_least_change(dtype: str) -> float:
    """Return the relative change below which rounding restores every number: a quarter of the spacing after 1."""
    return float(np.exp2(-_DTYPE_BITS.get(backend.standardize_dtype(dtype), 23) - 2))
