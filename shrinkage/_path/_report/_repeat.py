"""The call of `shrinkage.fit` that repeats a path."""

from __future__ import annotations

from shrinkage._path._call import make_call_arguments
from shrinkage._path._curve import Curve
from shrinkage._path._report._provenance import Provenance


def format_repeat_call(curve: Curve, provenance: Provenance) -> str:
    """Return the call, in which `model`, `x`, `y`, `path` and other rows and functions are variables of the reader."""
    arguments = {**make_call_arguments(curve, provenance.plan, provenance.seed), "plan": "path.plan"}
    lines = [f"    {name}={value}," for name, value in arguments.items()]
    return "\n".join(["sh.fit(", "    model, x, y,", *lines, ")"])
