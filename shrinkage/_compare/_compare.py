"""The function `sh.compare`."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from typing import Any

import keras
import numpy as np

from shrinkage._compare._arguments import (
    DEFAULT,
    HINTS,
    Contestant,
    add_arguments_of_fit,
    check_contestants,
    read_models,
    read_penalties,
)
from shrinkage._compare._comparison import Comparison
from shrinkage._compare._entry import Entry, make_entries
from shrinkage._compare._model_facts import compute_model_facts, time_prediction
from shrinkage._compare._names import Paths
from shrinkage._compare._nested import Pairs, estimate_nested_loss, split_inside
from shrinkage._fit._fit import fit
from shrinkage._messages._hints import give_hints
from shrinkage._messages._hints_of_fit import describe_missing_argument
from shrinkage._messages._note import Note
from shrinkage._messages._user_values import check_flag
from shrinkage._path._curve import Status
from shrinkage._path._files import FILES
from shrinkage._path._path import Path
from shrinkage._penalties import L2, Penalty
from shrinkage._plan._cluster._connection import check_cluster, connect
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request
from shrinkage._problem._source import read_dataset_arguments
from shrinkage._search._record._folder import JOURNAL, check_run

_PATH_ARGUMENTS = {each.name for each in fields(Request)}
"""The arguments of `fit` that decide the path. The others are about a record, and what is shown."""


@give_hints(HINTS, describe_missing_argument)
@add_arguments_of_fit
def compare(
    model: keras.Model
    | Callable[[], keras.Model]
    | Sequence[keras.Model]
    | Mapping[str, keras.Model | Callable[[], keras.Model]],
    x: Any,
    y: Any = None,
    *,
    penalties: Sequence[str | Penalty | tuple[Penalty, Any]] = DEFAULT,
    nested: bool = False,
    **arguments: Any,
) -> Comparison:
    """Train a path for each of several penalties, and compare the choices on the same held-out rows.

    No penalty after the last epoch ("none"), no penalty at its best epoch ("early stopping") and each penalty at its
    choice are compared. All of them have the same folds, batches and first weights, so that differences are paired.
    With the differences `d_f` of J fold losses and their variance s², the interval is
    `mean ± t(0.975; J - 1) √((1/J + n_test/n_train) s²)`, as for `path.gain`; for a single split it is over rows or
    groups. The p-values are adjusted by Holm's method, once for the differences to none and once for the differences to
    the least loss. What cannot be told from the least is a tie.

    Args:
        model: A model as for `fit`; or several: a list of models, or a dictionary from names to models or functions.
            They must have the same loss. Each model is compared with itself without a penalty, and all with the least.
        x, y: As for `fit`. A dataset with rows that fit into memory is read once for all penalties.
        penalties: Penalties, or their names: "l2", "l1", "elastic-net", "group-lasso", and "decoupled" for L2 with
            `Decoupled()`. A pair such as (L2(), Decoupled()) says where a penalty enters.
        nested: Whether to estimate the loss of the winner by nested cross-validation: the choice of penalty, strength
            and epoch is repeated inside each fold, and scored on the rows that the fold holds out. It takes about as
            much time again for each fold.
        arguments: The other arguments of `fit`, such as `epochs`, `cv` and `patience`. `run` is a folder, which gets a
            folder for each path. `lams` are then the strengths of every penalty.

    Returns:
        A `Comparison`: table, verdict, pictures, and the path of each penalty.

    Raises:
        TypeError, ValueError: If an argument is not valid, before any training.

    Source: C. Nadeau and Y. Bengio, Inference for the generalization error, Machine Learning 52 (2003), 239-281, for
    the intervals. G. C. Cawley and N. L. C. Talbot, On over-fitting in model selection, Journal of Machine Learning
    Research 11 (2010), 2079-2107, for nested cross-validation.

    Example:
        >>> import keras, shrinkage as sh
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.preprocessing import scale
        >>> x, y = load_wine(return_X_y=True)
        >>> model = keras.Sequential([keras.Input((13,)), keras.layers.Dense(3, "softmax")], name="linear")
        >>> model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        >>> comparison = sh.compare(model, scale(x), y, penalties=["l2", "l1"], epochs=5)
        >>> comparison.table()["name"].tolist()
        ['none', 'early stopping', 'L2', 'L1']
        >>> print(comparison)
        2 penalties of linear...
    """
    began = time.monotonic()
    check_flag("nested", nested)
    models, contestants = read_models(model), read_penalties(penalties)
    shared = {"x": x, "y": y, **arguments}
    request = {name: value for name, value in shared.items() if name in _PATH_ARGUMENTS}
    check_contestants(models, contestants, request)
    _check_run_folder(arguments.get("run"))
    first = Request(**{**request, "model": next(iter(models.values())), "penalty": contestants[0].penalty})
    first = replace(first, how=contestants[0].how)
    rows = read_dataset_arguments(first)
    first, shared = replace(first, **rows), {**shared, **rows}
    inside = split_inside(first) if nested else []
    _check_folds(models, first)
    with _open_connection(arguments.get("cluster")):
        runs = [_train(name, one, contestants, shared) for name, one in models.items()]
        paths = {name: path for run in runs for name, path in run.paths.items()}
        found = None
        if nested:
            fits = {name: each for run in runs for name, each in run.fits.items()}
            found = estimate_nested_loss(paths, inside, lambda name, path, pairs: _fit_inside(fits[name], path, pairs))
    entries = tuple(entry for run in runs for entry in run.entries)
    notes = dict.fromkeys(note for run in runs for note in run.notes)
    return Comparison(Paths(paths), _add_facts(entries), found, tuple(notes), time.monotonic() - began)


def _open_connection(cluster: str | None) -> AbstractContextManager[None]:
    """Return a connection to a cluster that all fits use, as a context; nothing without a cluster."""
    check_cluster(cluster)
    return nullcontext() if cluster is None else connect(cluster)


@dataclass(frozen=True)
class _Run:
    """The paths of a model, the entries that they give, and notes for the user."""

    paths: dict[str, Path]
    fits: dict[str, dict[str, Any]]
    """The arguments of `fit` of each path."""
    entries: list[Entry]
    notes: list[str]


def _train(name: str, model: Any, contestants: Sequence[Contestant], shared_arguments: Mapping[str, Any]) -> _Run:
    """Train a model with each penalty in turn, all by the plan of the first."""
    prefix = f"{name}: " if name else ""
    paths, fits = {}, {}
    shared_arguments = {**shared_arguments, "model": model}
    for contestant in contestants:
        label = prefix + contestant.name
        fits[label] = {**shared_arguments, "penalty": contestant.penalty, "how": contestant.how}
        paths[label] = fit(**_add_run_folder(fits[label], label))
        shared_arguments["plan"] = next(iter(paths.values())).plan  # equal sums are then equal to the bit
    stops = shared_arguments.get("epoch", "best") == "best" and shared_arguments.get("solver", "gradient") == "gradient"
    first = next(iter(paths.values()))
    lacking = first.single_split or shared_arguments.get("patience") is not None
    none = _fit_none(shared_arguments, prefix) if stops and lacking else None
    entries = make_entries(
        {label.removeprefix(prefix): p for label, p in paths.items()}, none, stops_early=stops, prefix=prefix
    )
    return _Run(paths, fits, entries, [*_note_differences(paths), *_collect_notes(paths)])


def _fit_none(shared_arguments: Mapping[str, Any], prefix: str) -> Path:
    """Train strength 0 alone for all epochs, where a path has not its losses there.

    A path that chose the best epochs has the losses of single rows at these epochs alone; with `patience`, strength 0
    is not trained to the end.
    """
    changes = {"penalty": L2(), "how": None, "lams": [0.0], "epoch": "last", "patience": None, "learning_curve": False}
    return fit(**_add_run_folder({**shared_arguments, **changes}, f"{prefix}none"))


def _fit_inside(arguments: Mapping[str, Any], path: Path, pairs: Pairs) -> Path:
    """Train a path at the same strengths with other folds; models of all rows are not needed."""
    changes = {"cv": pairs, "groups": None, "repeats": 1, "lams": path.lams, "models": "chosen", "plan": path.plan}
    return fit(**{**arguments, **changes, "learning_curve": False, "run": None, "tensorboard": None})


def _check_run_folder(run: Any) -> None:
    """Refuse the folder of a run of `fit`, of Python or of the shell: each path of a comparison has a folder in it."""
    folder = None if run is None else check_run(run)
    if folder is not None and any((folder / name).exists() for name in (*FILES, JOURNAL, "command.json")):
        raise ValueError(
            f"`run` must be an absent or empty folder, or the folder of an earlier `compare`. Received: '{folder}', "
            f"which holds a run of `fit`. Choose another folder."
        )


def _add_run_folder(arguments: dict[str, Any], label: str) -> dict[str, Any]:
    """Give each path its own folder for the record."""
    run = arguments.get("run")
    if run is None:
        return arguments
    name = "".join(c if c.isalnum() else "-" for c in label).strip("-")
    return {**arguments, "run": check_run(run) / name}


def _add_facts(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Add the facts about the models. Prediction is timed once for each model: zeros do not change the time."""
    seconds: dict[str, float] = {}
    described = []
    for entry in entries:
        index = entry.index
        if index is None or entry.path.full_status[index] != Status.OK or entry.epoch != entry.path.epochs[index]:
            described.append(entry)
            continue
        if entry.baseline not in seconds:
            seconds[entry.baseline] = time_prediction(entry.path.model(entry.lam))
        described.append(entry.add_facts(compute_model_facts(entry.path, index, seconds[entry.baseline])))
    return tuple(described)


def _check_folds(models: Mapping[str, Any], request: Request) -> None:
    """Refuse models that the rows are split for in different ways, for example by the labels of other outputs."""
    if len(models) < 2:
        return
    hashes = {name: prepare_problem(replace(request, model=model)).folds.hash for name, model in models.items()}
    if len(set(hashes.values())) > 1:
        raise ValueError(
            "`model` must have models for which the rows are split in the same way. Received: different folds, as the "
            "first outputs have other targets. Give `cv` as fold numbers."
        )


def _note_differences(paths: Mapping[str, Path]) -> list[str]:
    """Return a note if the members of strength 0 are not the same to the bit in all paths."""
    first, *others = paths.values()
    same = [path for path in others if path.cv_loss.shape == first.cv_loss.shape]
    apart = [float(np.nanmax(np.abs(path.cv_loss[:, -1] - first.cv_loss[:, -1]), initial=0)) for path in same]
    if not any(apart):
        return []
    other_rows = ", or the dataset gave other rows each time" if first.plan.get("blocks", 1) > 1 else ""
    return [
        f"Without a penalty, the paths differ by up to {max(apart):.1g} in a held-out loss: sums were rounded "
        f"differently{other_rows}. none and early stopping are those of the first."
    ]


def _collect_notes(paths: Mapping[str, Path]) -> list[str]:
    """Return the notes of the paths; a note that not all paths have is said with the names of those that have it."""
    owners: dict[str, list[str]] = {}
    for name, path in paths.items():
        for note in path.notes:
            owners.setdefault(note, []).append(name)
    found = []
    for note, names in owners.items():
        if len(names) == len(paths):
            found.append(note)
        elif isinstance(note, Note):
            found.append(Note(f"{', '.join(names)}: {note.text}", **note.values))
        else:
            found.append(f"{', '.join(names)}: {note}")
    return found
