"""Saving and loading of paths: `path.json`, readable for people, `arrays.npz`, and `template.keras`; no pickle."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from operator import eq
from pathlib import Path as File
from typing import Any

import numpy as np

from shrinkage import __version__
from shrinkage._data._scratch import make_synced_folder, open_temporary_folder_for, sync_files, sync_folder
from shrinkage._data._untrusted import read_arrays, read_json
from shrinkage._host._errors import find_uncreated_class, find_unknown_code, is_lambda_lost, is_lambda_refused
from shrinkage._host._private import UnsupportedVersion
from shrinkage._messages._file_names import check_file_name, explain_write_errors
from shrinkage._messages._note import Note, quote
from shrinkage._messages._note import note_from_record as note_from_record
from shrinkage._messages._note import note_to_record as note_to_record
from shrinkage._messages._user_values import check_flag
from shrinkage._path._curve import Status
from shrinkage._path._learning_curve import LearningCurve
from shrinkage._penalties import Penalty
from shrinkage._penalties._record import penalty_from_record, penalty_to_record

SCHEMA = 2
FILES = _JSON, _ARRAYS, _TEMPLATE = "path.json", "arrays.npz", "template.keras"
"""The files of a saved path."""
_NUMBERS = (
    *("lams", "cv_loss", "train_loss", "fold_weight", "epochs", "held_out_rows", "row_loss"),
    *("norm", "nonzero", "null_loss", "null_se"),
)
_OPTIONAL = ("zero_groups", "row_weight", "null_fold_loss", "null_row_loss", "train_weight", "groups")
_STATUSES = ("status", "full_status")
_TEXTS = (*_STATUSES, "groups")
"""Arrays that may have text; groups may be numbers too."""
_AXES = {
    **{"lams": "S", "cv_loss": "FSE", "train_loss": "FSE", "fold_weight": "F", "train_weight": "F", "epochs": "S"},
    **{"held_out_rows": "m", "row_loss": "mS", "row_weight": "m", "norm": "S", "nonzero": "S", "zero_groups": "S"},
    **{"status": "FS", "full_status": "S", "null_loss": "", "null_se": "", "null_fold_loss": "F", "null_row_loss": "m"},
    "groups": "m",
    **{"learning_curve.rows": "P", "learning_curve.lams": "C", "learning_curve.epochs": "PC"},
    **dict.fromkeys(("learning_curve.mean", "learning_curve.se", "learning_curve.train_mean"), "PC"),
    **dict.fromkeys(("learning_curve.cv_loss", "learning_curve.train_loss"), "PFCD"),
}
"""The axes of each array, as in the docstring of `Path`."""
_PLAIN = ("n_rows", "seed", "plan", "seconds", "target_mean", "target_sd", "lam_model", "budget", "solver")

_EXPECTED_FOLDER = 'a folder, such as "digits-path"'

_DEFAULTS = {"notes_in_terms": None, "lam_model": None, "budget": None, "solver": "gradient", "targets": None}
"""Values of entries that earlier versions did not write."""


def write_saved_path(folder: Any, values: Mapping[str, Any], words: Mapping[str, Any], *, overwrite: bool) -> None:
    """Write a path to a folder; see `Path.save`.

    Args:
        folder: The folder.
        values: The fields of the path.
        words: Further entries of `path.json`, for people.
        overwrite: Whether an existing folder may be used.
    """
    folder = check_file_name("`folder`", folder, _EXPECTED_FOLDER)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"`folder` must be a folder. Received: '{folder}', a file. Give another folder.")
    check_flag("overwrite", overwrite)
    if folder.exists() and not overwrite:
        raise FileExistsError(
            f"`folder` must be absent. Received: '{folder}', which exists. Choose another, or say `overwrite=True`."
        )
    with explain_write_errors("`folder`", folder, "folder"):
        _write_files(folder, values, words)
    _warn_unless_readable(values["template"], folder / _TEMPLATE)


def _write_files(folder: File, values: Mapping[str, Any], words: Mapping[str, Any]) -> None:
    make_synced_folder(folder.absolute().parent)
    # Write to a temporary folder first, so that an interrupted save does not change an earlier path.
    with open_temporary_folder_for(folder) as scratch:
        fresh = scratch / "path"
        fresh.mkdir()
        np.savez(fresh / _ARRAYS, **_collect_arrays(values))
        values["template"].save(fresh / _TEMPLATE)
        record = json.dumps(_make_record(values, words), indent=1, default=_to_plain) + "\n"
        (fresh / _JSON).write_text(record, encoding="utf-8")
        sync_files(fresh)
        _move(fresh, folder)
        sync_folder(folder)
        sync_folder(folder.absolute().parent)


def _move(source: File, folder: File) -> None:
    """Move the files of a saved path to the folder, which may contain an earlier path and other files."""
    if not folder.exists():
        source.rename(folder)
        return
    # Remove path.json first: if the process is killed here, a mixture of two paths is not read as a saved path.
    (folder / _JSON).unlink(missing_ok=True)
    for name in (_ARRAYS, _TEMPLATE, _JSON):
        (source / name).replace(folder / name)


def read_saved_path(folder: Any, template: Any = None) -> dict[str, Any]:
    """Return the fields of a saved path; see `Path.load`.

    Args:
        folder: The folder.
        template: The template of the model. None reads the saved model.
    """
    folder = check_file_name("`folder`", folder, _EXPECTED_FOLDER)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "which does not exist"
        raise FileNotFoundError(f"`folder` must be a folder that `Path.save` wrote. Received: '{folder}', {found}.")
    record = _read_record(folder)
    try:
        for name, default in _DEFAULTS.items():
            record.setdefault(name, default)
        return _restore(record, *_read_parts(folder, record, template))
    except UnsupportedVersion:
        raise
    except Exception as error:  # any class: values of the wrong type fail anywhere
        if problem := _describe_custom_code(error):
            text = "$saved_folder must be a folder with a model that Keras can read. Received: "
            raise ValueError(Note(f"{text}'{folder}', with {problem}")) from error
        raise _make_damage_error(folder, error, "$save_again") from error


def _make_damage_error(folder: File, error: Exception, advice: str) -> ValueError:
    """Return the refusal of a folder that lacks a file, or has one that cannot be read, with the advice."""
    absent = [name for name in FILES if not (folder / name).is_file()]
    reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
    problem = f"has no {', no '.join(absent)}" if absent else f"is damaged ({reason})"
    return ValueError(Note(f"$saved_folder must be $saved_path. Received: '{folder}', which {problem}. {advice}"))


def _warn_unless_readable(template: Any, file: File) -> None:
    """Warn at saving if `load` cannot read the model, because the model's code may not be available later."""
    problem = _find_read_problem(template, file, None)
    if not problem:
        return
    more = _find_read_problem(template, file, template.custom_objects)  # remains after the custom classes are found
    more = f" It also has {more}" if more and more != problem else ""
    warnings.warn(f"The path is saved, but `Path.load` cannot read its model: it has {problem}{more}", stacklevel=4)


def _find_read_problem(template: Any, file: File, scope: dict[str, Any] | None) -> str:
    """Return why Keras cannot read a file with these custom objects, by name; empty if it can."""
    try:
        template.load(file, **({} if scope is None else {"scope": scope}))
    except UnsupportedVersion:
        raise
    except Exception as error:  # any class: it comes from the code of the layers
        return _describe_custom_code(error) or f"something that Keras cannot read back ({error})."
    return ""


def _describe_custom_code(error: Exception) -> str:
    """Return which custom code Keras cannot find, create or load, or "" if the error has another cause."""
    if found := find_unknown_code(error):
        kind, name = found
        return (
            f"the {kind} {name}, which is not registered with Keras. Put @keras.saving.register_keras_serializable() "
            f"before its definition, fit and save again, and import it before loading; or load this folder inside "
            f"`with keras.saving.custom_object_scope({{'{name}': {name}}}):`."
        )
    if is_lambda_refused(error) or is_lambda_lost(error):
        return (
            "a Python lambda, which Keras does not load from a file. Write it as a layer or function with a name, "
            "registered by @keras.saving.register_keras_serializable(), and fit again."
        )
    if name := find_uncreated_class(error):
        return (
            f"the class {name}, which Keras cannot create from its configuration. Let get_config() return exactly the "
            f"arguments of __init__ (or define from_config() for the configuration), and fit and save again."
        )
    return ""


def _collect_arrays(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays of `arrays.npz`, by flat names."""
    arrays = {name: values[name] for name in _NUMBERS}
    for group in ("metrics", "null_metrics"):
        arrays |= {f"{group}.{name}": value for name, value in values[group].items()}
    arrays |= _flatten("predictions", values["predictions"]) | _flatten("targets", values["targets"])
    arrays |= {name: values[name] for name in _OPTIONAL if values[name] is not None}
    if (learned := values["learning_curve"]) is not None:
        arrays |= {f"learning_curve.{name}": value for name, value in vars(learned).items()}
    for name in _STATUSES:
        arrays[name] = np.vectorize(lambda status: status.name, otypes=["U16"])(values[name])
    folds, toward = values["folds"], _get_toward(values["penalty"])
    arrays |= {f"{name}_bits": getattr(folds, name).bits for name in ("train", "held_out")}
    for name, part in {"weights": values["weights"], "toward": toward}.items():
        arrays |= {f"{name}.{index}": value for index, value in enumerate(part)}
    return arrays


def _get_toward(penalty: Penalty) -> tuple[Any, ...]:
    """Return the weights given as `toward`, or an empty tuple."""
    toward = penalty.toward
    return toward if isinstance(toward, tuple) else ()


def _make_record(values: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    folds = values["folds"]
    return {
        "format": "shrinkage path",
        "schema": SCHEMA,
        "shrinkage": __version__,
        "penalty": penalty_to_record(values["penalty"]),
        "how": penalty_to_record(values["how"]),
        "model": values["template"].name,
        **words,
        "notes": values["notes"],
        "notes_in_terms": [note_to_record(note) for note in values["notes"]],  # of Python and of the shell
        **{name: _make_structure(name, values[name]) for name in ("predictions", "targets")},
        **{name: values[name] for name in _PLAIN},
        "folds": {name: getattr(folds, name) for name in ("n_rows", "kind", "notes", "repeats", "hash")},
        "selection": [asdict(weight) for weight in values["selection"].weights],
    }


def _read_record(folder: File) -> dict[str, Any]:
    try:
        record = read_json(folder / _JSON)
        if not isinstance(record, dict) or record.get("format") != "shrinkage path":
            found = record.get("format") if isinstance(record, dict) else record
            raise ValueError(f"the format in {_JSON} is {quote(found)}")
        schema = int(record["schema"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        is_path = all((folder / name).is_file() for name in (_ARRAYS, _TEMPLATE))
        raise _make_damage_error(folder, error, "$save_again" if is_path else "Give another folder.") from error
    if schema != SCHEMA:
        raise ValueError(
            Note(
                f"$saved_folder must be a folder with a path in schema {SCHEMA}, which this version ({__version__}) "
                f"reads. Received: '{folder}', with a path in schema {schema}, written by shrinkage "
                f"{record.get('shrinkage')}. Use the version that wrote it, or fit again."
            )
        )
    return record


def _read_parts(folder: File, record: dict[str, Any], template: Any) -> tuple[dict[str, Any], Any]:
    from shrinkage._model._template import Template  # imported here because it imports Keras

    arrays = read_arrays(folder / _ARRAYS)
    for array in arrays.values():
        array.setflags(write=False)
    if template is not None:
        return arrays, template
    options: dict[str, Any] = {"name": record["model"]} if "model" in record else {}  # missing in earlier versions
    # Custom code may set the regularizers again when the model is loaded.
    return arrays, Template.load(folder / _TEMPLATE, without_regularizers=record["lam_model"] is not None, **options)


def _check_axes(arrays: dict[str, Any]) -> None:
    """Refuse arrays that do not fit together, or are not numbers: they would fail wherever they are used."""
    sizes: dict[str, int] = {}
    for name, axes in _AXES.items():
        if (array := arrays.get(name)) is None:
            continue
        same = len(axes) == array.ndim and all(map(eq, map(sizes.setdefault, axes, array.shape), array.shape))
        kinds = "U" * (name in _TEXTS) + "biuf" * (name not in _STATUSES)
        if not same or array.dtype.kind not in kinds:
            raise ValueError(f"the array {name} of type {array.dtype} has the shape {array.shape}")


def _make_folds(record: dict[str, Any], arrays: dict[str, Any]) -> Any:
    from shrinkage._cv._folds import Folds
    from shrinkage._cv._row_sets import RowSets

    fields: dict[str, Any] = record | {"notes": tuple(record["notes"])}
    fields.pop("hash", None)  # for people: it follows from the rows
    n_rows = record["n_rows"]
    for name in ("train", "held_out"):
        bits = arrays.get(f"{name}_bits")  # earlier versions wrote an array of row numbers per fold
        rows = _list_arrays(arrays, f"{name}.") if bits is None else RowSets(bits, n_rows)
        # The rows are unpacked: their number must not be larger than that of the bits, or far than that of the numbers.
        most = 10 * sum(map(len, rows)) if bits is None else 8 * bits.shape[-1]
        if not isinstance(n_rows, int) or not 0 < n_rows <= most:
            raise ValueError(f"the folds have {n_rows} rows, and the arrays at most {most}")
        fields[name] = rows
    return Folds(**fields)


def _restore(record: dict[str, Any], arrays: dict[str, Any], template: Any) -> dict[str, Any]:
    from shrinkage._weights._selection import Selection, Weight

    _check_axes(arrays)
    values: dict[str, Any] = {name: arrays[name] for name in _NUMBERS} | {name: record[name] for name in _PLAIN}
    values |= {name: arrays[name] for name in _OPTIONAL if name in arrays}  # the others have defaults
    values |= {name: float(values[name]) for name in ("null_loss", "null_se")}
    values["plan"] = _to_tuples(values["plan"])
    values |= {name: _to_statuses(arrays[name]) for name in _STATUSES}
    weights = (Weight(**_to_tuples(weight)) for weight in record["selection"])
    toward = _list_arrays(arrays, "toward.")
    null_metrics = {name: float(value) for name, value in _select_by_prefix(arrays, "null_metrics.").items()}
    return values | {
        **{name: _pack_tree(record[name], arrays) for name in ("predictions", "targets")},
        "metrics": _select_by_prefix(arrays, "metrics."),
        "null_metrics": null_metrics,
        "learning_curve": LearningCurve(**learned)
        if (learned := _select_by_prefix(arrays, "learning_curve."))
        else None,
        "weights": _list_arrays(arrays, "weights."),
        "folds": _make_folds(record["folds"], arrays),
        "selection": Selection(tuple(weights)),
        "penalty": penalty_from_record(record["penalty"], **({"toward": toward} if toward else {})),
        "how": penalty_from_record(record["how"]),
        "notes": tuple(map(note_from_record, record["notes_in_terms"] or record["notes"])),
        "template": template,
        "loss_name": template.loss_name,
    }


def _to_tuples(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with the lists of JSON replaced by tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}


def _to_statuses(names: Any) -> Any:
    return np.vectorize(lambda name: Status[name], otypes=[object])(names)


def _select_by_prefix(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _list_arrays(arrays: dict[str, Any], prefix: str) -> tuple[Any, ...]:
    found = _select_by_prefix(arrays, prefix)
    return tuple(found[str(index)] for index in range(len(found)))


def _make_structure(name: str, values: Any) -> Any:
    """Return the names of a tree's arrays in `arrays.npz`, in the structure of the tree; None for a leaf of None."""
    if isinstance(values, dict):
        return {key: _make_structure(f"{name}.{key}", value) for key, value in values.items()}
    if isinstance(values, tuple):
        return [_make_structure(f"{name}.{index}", value) for index, value in enumerate(values)]
    return None if values is None else name


def _flatten(name: str, values: Any) -> dict[str, Any]:
    if isinstance(values, (dict, tuple)):
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        return {key: array for index, value in pairs for key, array in _flatten(f"{name}.{index}", value).items()}
    return {} if values is None else {name: values}


def _pack_tree(structure: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(structure, dict):
        return {key: _pack_tree(value, arrays) for key, value in structure.items()}
    if isinstance(structure, list):
        return tuple(_pack_tree(value, arrays) for value in structure)
    return None if structure is None else arrays[structure]


def _to_plain(value: Any) -> Any:
    """Convert NumPy numbers and arrays, which a plan may contain, for JSON."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written to {_JSON}: {value!r}")
