"""Descriptions of a problem, which tell whether a run can go on to the same result."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from keras import tree

from shrinkage._data._sparse import SparseRows
from shrinkage._host._layers import list_seed_generators, list_sublayers
from shrinkage._penalties._record import penalty_to_record
from shrinkage._plan._any_runner import AnyRunner
from shrinkage._plan._fingerprint import compute_portable_fingerprint
from shrinkage._problem._problem import Problem

_DIGESTS = (
    "model",
    "weights",
    "frozen weights",
    "groups",
    "x",
    "y",
    "sample weights",
    "rows of the dataset",
    "folds",
    "toward",
)
"""Entries that are checksums: a message cannot show their values."""
_NEW_ENTRIES = ("frozen weights", "groups")
"""Entries that earlier versions did not write, and therefore cannot be compared with."""


def describe_run(runner: AnyRunner) -> dict[str, Any]:
    """Return everything that the result of a run depends on; arrays and the model as checksums."""
    problem, training = runner.problem, runner.problem.training
    toward = training.penalty.toward
    description = {
        "model": _compute_text_digest(compute_portable_fingerprint(training.template, training.objective)),
        "weights": _compute_digest(_get_first_weights(problem)) if training.init == "keep" else None,
        "frozen weights": None if training.init == "keep" else _compute_digest(_get_frozen_weights(problem)),
        "groups": None if problem.groups is None else _compute_digest(problem.groups),
        **_describe_rows(problem),
        "folds": _compute_digest([problem.folds.train.bits, problem.folds.held_out.bits]),
        "penalty": _format_call(training.penalty),
        "strength in the model": problem.lam_model,
        "toward": None if toward is None or isinstance(toward, str) else _compute_digest(toward),
        "how": _format_call(training.how),
        "metrics": training.template.metric_names,
        "on": [weight.factor for weight in problem.selection.weights],
        "lams": problem.lams.tolist(),
        "epochs": problem.epochs,
        "patience": problem.patience,
        "epoch": problem.epoch,
        "models": problem.models,
        "budget": None if problem.rung is None else problem.rung.budget,
        "batch_size": training.batch_size,
        "init": training.init,
        "standardize_target": problem.target is not None,
        "seed": training.seed,
        **({"solver": problem.solver} if problem.solver != "gradient" else {}),
        **({"learning_curve": True} if problem.subsets else {}),
    }
    return json.loads(json.dumps(description, default=_to_json))


def _get_first_weights(problem: Problem) -> list[np.ndarray]:
    """Return the values that the models begin with, without those that an exact solver computes."""
    template = problem.training.template
    pairs = zip(template.network.variables, template.get_source_values(), strict=True)
    return [value for variable, value in pairs if problem.solver == "gradient" or not variable.trainable]


def _get_frozen_weights(problem: Problem) -> list[np.ndarray]:
    """Return the values that are not drawn anew, such as a frozen body, without the states of random layers."""
    template = problem.training.template
    random = {id(each.state) for layer in list_sublayers(template.network) for each in list_seed_generators(layer)}
    pairs = zip(template.network.variables, template.get_source_values(), strict=True)
    return [value for variable, value in pairs if not variable.trainable and id(variable) not in random]


def _format_call(instance: Any) -> str:
    """Return a penalty or a `how` object as a call, such as ElasticNet(rho=0.5)."""
    name, *arguments = penalty_to_record(instance).items()
    return f"{name[1]}({', '.join(f'{key}={value!r}' for key, value in arguments if value is not None)})"


def fill_description(description: dict[str, Any]) -> dict[str, Any]:
    """Return a description with the entries that are written only if they differ from these values."""
    return {"solver": "gradient", "learning_curve": False, **description}


def remove_new_entries(description: dict[str, Any], recorded_description: dict[str, Any]) -> dict[str, Any]:
    """Return a description without the entries that the version which wrote `recorded_description` did not have."""
    return {
        name: value for name, value in description.items() if name in recorded_description or name not in _NEW_ENTRIES
    }


def list_differences(recorded_description: dict[str, Any], description: dict[str, Any]) -> list[str]:
    """Return the differences between two descriptions in words, such as "`seed` is 1, and was 0"."""
    return [
        f"`{name}` differs"
        if name in _DIGESTS
        else f"`{name}` is {value!r}, and was {recorded_description.get(name)!r}"
        for name, value in description.items()
        if recorded_description.get(name) != value
    ]


def find_source(recorded_description: dict[str, Any], description: dict[str, Any], rows: tuple[int, int]) -> str:
    """Return the word of the shell for the source of differences; its command is the same, and most follow from it.

    Args:
        recorded_description: The description in the record.
        description: The description now.
        rows: The number of rows now, and in the record.
    """
    if rows[0] != rows[1]:
        return "$other_rows"
    changed = {name for name, value in description.items() if recorded_description.get(name) != value}
    if "model" in changed:
        return "$other_columns"
    return "$other_values" if changed & {"x", "y", "groups", "rows of the dataset"} else "$other_packages"


def _describe_rows(problem: Problem) -> dict[str, Any]:
    if problem.stored_rows is not None:
        return {"rows of the dataset": problem.stored_rows.checksum}
    data = problem.training.data
    return {
        "x": _compute_digest(data.x),
        "y": _compute_digest(tree.map_structure(_widen, data.y)),
        "sample weights": _compute_digest(data.weight),
    }


def _widen(labels: np.ndarray) -> np.ndarray:
    """Return integers as int64: the same labels in another type are the same data."""
    return labels.astype(np.int64) if labels.dtype.kind in "iu" else labels


def _compute_digest(values: Any) -> str:
    """Return the SHA-256 of the arrays of a tree, with shapes and data types."""
    digest = hashlib.sha256()
    for array in _iterate_arrays(values):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def _iterate_arrays(values: Any) -> Iterable[np.ndarray]:
    for leaf in tree.flatten(values):
        if isinstance(leaf, SparseRows):
            yield from (np.asarray(leaf.shape), leaf.matrix.indptr, leaf.matrix.indices, leaf.matrix.data)
        else:
            yield np.asarray(leaf)


def _compute_text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _to_json(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)
