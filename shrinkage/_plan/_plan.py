"""The plan of a run: by rules or unrolled, with or without XLA, how many strengths and rows at a time.

`ways` selects a few ways to run a model. If the run is long enough, `_probe.py` times those that may be the fastest.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import keras

from shrinkage._cohort._forward import iterate_operations, run_mode
from shrinkage._plan._memory import Memory
from shrinkage._plan._memory_maps import describe_map_limit

_UNROLLED_MEMBERS = 20  # in a function: each member takes 0.06 to 0.4 s to trace
_LARGE_CONVOLUTIONS = 1e8  # multiplications per step; above, TensorFlow's convolutions are twice as fast as the rules
SMALL_STEP = 1e7
"""Multiplications per step; below, a member takes about a tenth of the time if all members are trained together."""
_MANY_CONVOLUTIONS = 12  # this many small convolutions took 4.9 s by rules with compiling, and 2.7 s unrolled
_MANY_WEIGHTS = 2e5  # two layers of 384: one strength at a time took 0.8 of the time for a step, and at 256 the same
_EVALUATED_VALUES = 2**21  # in a layer's output, 8 MB of float32: fewer need more calls, more do not fit the cache


@dataclass(frozen=True)
class Plan:
    """The settings that, with the seed, determine the results to the last bit on a machine."""

    rules: bool
    """Whether layers with a rule run for all members at once; if not, the model is called once per member."""
    xla: bool
    """Whether XLA compiles training and evaluation."""
    chunk: int
    """Number of strengths that are trained together."""
    evaluated_rows: int
    """Number of rows that are evaluated together."""


@dataclass(frozen=True)
class Way:
    """A way to run a model: by rules or not, with XLA or not, which layers are called once per member, and whether
    strengths are trained together."""

    rules: bool
    xla: bool
    unrolled_layers: tuple[str, ...] = ()
    scores_by_calls: bool = False
    """Whether evaluation calls the model once per member."""
    trains_alone: bool = False
    """Whether strengths are trained one after another, by one compiled step that takes the strength as an argument."""

    def __str__(self) -> str:
        mode = "all layers by rules" if self.rules and not self.unrolled_layers else "the model once per member"
        if self.rules and self.unrolled_layers:
            names = ", ".join(self.unrolled_layers[:3]) + (" and others" if len(self.unrolled_layers) > 3 else "")
            mode = f"{names} once per member and the rest by rules"
        order = "one strength at a time, " if self.trains_alone else ""
        return f"{order}{mode}, {'with' if self.xla else 'without'} XLA"


def ways(network: keras.Model, *, agrees: bool, batch_size: int) -> list[Way]:
    """Return the ways to run a model, first the way that is probably the fastest.

    One way trains one strength at a time. It is the fastest where arithmetic takes the time of a step: the values of
    one member stay in the cache, and a model that is called once per member is traced once. It is the first way for a
    large model, and the last for others.

    Args:
        network: The model.
        agrees: Whether the rules give the same results as calls of the model.
        batch_size: Number of rows in a batch.
    """
    together = _list_joint_ways(network, agrees=agrees, batch_size=batch_size)
    # A single member gains nothing from rules that avoid calls, and most from the compiler that fits the layers.
    best = together[0] if together[-1].rules else together[-1]
    alone = replace(best, trains_alone=True)
    weights = sum(math.prod(variable.shape) for variable in network.trainable_variables)
    if not best.rules and batch_size * count_multiplications(network) > _LARGE_CONVOLUTIONS:
        return [alone]  # a step takes as long together, and tracing and timing would take longer
    return [alone, *together] if weights > _MANY_WEIGHTS else [*together, alone]


def select_joint_ways(candidates: list[Way]) -> list[Way]:
    """Return the ways that train strengths together, at least one."""
    return [way for way in candidates if not way.trains_alone] or [replace(candidates[0], trains_alone=False)]


def _list_joint_ways(network: keras.Model, *, agrees: bool, batch_size: int) -> list[Way]:
    """Return one or two ways that train strengths together, first the way that is probably faster."""
    whole = Way(rules=False, xla=False, unrolled_layers=(network.name,), scores_by_calls=True)
    if not agrees or run_mode(network) == "unroll":
        return [whole]
    plain = Way(rules=True, xla=False, unrolled_layers=_list_unrolled_layers(network, xla=False))
    if _list_unrolled_layers(network, xla=True):  # tracing a layer many times for XLA costs more than XLA saves
        return [plain, whole]
    if not plain.unrolled_layers:  # XLA makes fewer calls; TensorFlow may multiply large matrices faster
        return [Way(rules=True, xla=True), plain]
    if (
        batch_size * count_multiplications(network) > _LARGE_CONVOLUTIONS
        or len(plain.unrolled_layers) > _MANY_CONVOLUTIONS
    ):
        return [whole]
    return [Way(rules=True, xla=True, scores_by_calls=scores_by_calls(network, rules=True, xla=True)), whole]


def scores_by_calls(network: keras.Model, *, rules: bool, xla: bool) -> bool:
    """Return whether evaluation calls the model once per member.

    It does for convolutions by XLA. Their gradients are faster with XLA, but a forward pass alone takes half the time
    with TensorFlow's convolutions.
    """
    return not rules or (xla and bool(_list_unrolled_layers(network, xla=False)))


def count_multiplications(network: keras.Model) -> int:
    """Return the number of multiplications of kernels and inputs for a row, for the layers in the model's graph."""
    total = 0
    for operation in iterate_operations(network):
        kernels = [v for v in getattr(operation, "trainable_variables", []) if len(v.shape) > 1]
        try:
            positions = math.prod(size or 1 for size in operation.output.shape[1:-1])
        except (AttributeError, ValueError):  # several outputs, or never called on symbolic tensors
            positions = 1
        total += positions * sum(math.prod(kernel.shape) for kernel in kernels)
    return total


def _list_unrolled_layers(network: keras.Model, *, xla: bool) -> tuple[str, ...]:
    return tuple(operation.name for operation in iterate_operations(network) if run_mode(operation, xla) == "unroll")


def make_plan(way: Way, memory: Memory, user_plan: Mapping[str, Any], *, strengths: int) -> Plan:
    """Return the plan for a way, with the number of strengths at a time that fits into memory.

    Args:
        way: The way to run the model.
        memory: The sizes that determine the memory of the run.
        user_plan: The parts of the plan that the user fixed.
        strengths: Number of strengths S.
    """
    most = min(strengths, memory.compute_max_chunk(way.xla), _UNROLLED_MEMBERS if way.unrolled_layers else strengths)
    most = 1 if way.trains_alone else most
    chunk = user_plan.get("chunk") or math.ceil(strengths / math.ceil(strengths / most))
    chunk = min(chunk, strengths)
    together = 1 if way.scores_by_calls else chunk
    rows = max(memory.batch_size, _EVALUATED_VALUES // max(memory.widest_output * together, memory.inputs))
    rows = math.ceil(
        memory.scored_rows / math.ceil(memory.scored_rows / rows)
    )  # parts of equal size need little padding
    return Plan(way.rules, way.xla, chunk, min(memory.scored_rows, user_plan.get("evaluated_rows") or rows))


_KINDS = {"rules": bool, "xla": bool, "chunk": int, "evaluated_rows": int}
_RECORD_NAMES = (
    "solver",
    "unrolled",
    "reason",
    "memory",
    "threads",
    "versions",
    "batch_size",
    "init",
    "blocks",
    "budget",
    "models",
    "rate_sum",
    "arguments",
)


def check_user_plan(plan: Any) -> dict[str, Any]:
    """Check a user's plan; return the parts that it fixes, without other entries of `path.plan`.

    Raises:
        TypeError: If `plan` is not a dictionary.
        ValueError: If a name or a value in `plan` is not valid.
    """
    if plan is None:
        return {}
    if not isinstance(plan, Mapping):
        raise TypeError(f"`plan` must be a dictionary such as path.plan. Received: {type(plan).__name__}.")
    for name, value in plan.items():
        if name in _RECORD_NAMES:
            continue
        if name not in _KINDS:
            close_names = get_close_matches(str(name), _KINDS, n=1)
            suggestion = f" Did you mean {close_names[0]!r}?" if close_names else ""
            raise ValueError(f"`plan` must fix nothing but {', '.join(_KINDS)}. Received: {name!r}.{suggestion}")
        is_valid = isinstance(value, bool) if _KINDS[name] is bool else type(value) is int and value >= 1
        if not is_valid:
            expected = "True or False" if _KINDS[name] is bool else "a whole number of at least 1"
            raise ValueError(f"`plan[{name!r}]` must be {expected}. Received: {value!r}.")
    return {name: plan[name] for name in _KINDS if name in plan}


def select_ways(candidates: list[Way], user_plan: Mapping[str, Any]) -> tuple[list[Way], str]:
    """Return the ways that a user's plan allows, and a note if XLA is left out because it could crash the process."""
    left = select_allowed_ways(candidates, user_plan)
    note = describe_map_limit() if any(way.xla for way in left) else ""
    return (select_allowed_ways(candidates, {**user_plan, "xla": False}), note) if note else (left, "")


def select_allowed_ways(candidates: list[Way], user_plan: Mapping[str, Any]) -> list[Way]:
    """Return the ways that a user's plan allows. If it allows no candidate, a candidate is changed to the plan.

    A given chunk says how many strengths are trained together, and leaves no choice of training them alone.

    Raises:
        ValueError: If the plan asks for rules that are missing, slow, or do not agree with calls of the model.
    """
    together = select_joint_ways(candidates)
    candidates = together if "chunk" in user_plan else candidates
    user_plan = {name: user_plan[name] for name in ("rules", "xla") if name in user_plan}
    left = [way for way in candidates if all(getattr(way, name) == value for name, value in user_plan.items())]
    if left or not user_plan:
        return left or candidates
    if user_plan.get("rules") and not any(way.rules for way in candidates):
        raise ValueError(
            "`plan` must not fix rules=True for this model, which has no rules, only slow rules, or rules that do not "
            "agree with it. Received: rules=True. Leave `rules` out."
        )
    return [
        replace(
            together[0] if user_plan.get("rules", together[0].rules) == together[0].rules else together[-1],
            **user_plan,
        )
    ]
