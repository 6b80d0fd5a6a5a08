"""Conversion of arrays, tensors and tables to NumPy arrays of finite real numbers. Errors suggest code for a fix."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from numbers import Real
from os import PathLike, fspath
from typing import Any

import numpy as np
import pandas as pd

from shrinkage._data._dataset import is_dataset
from shrinkage._data._sparse import SparseRows, is_sparse
from shrinkage._data._tables import get_column_names, get_table_library, to_pandas
from shrinkage._host._private import UnsupportedVersion
from shrinkage._messages._hints_of_fit import describe_stream, is_stream

_FEW = 0.1
"""Largest share of texts that are taken for mistakes among numbers."""
_TEXTS, _TIMES = ("string", "categorical"), ("date", "datetime", "datetime64", "timedelta", "timedelta64")


def as_array(name: str, values: Any, dtype: str, allows_missing: bool = False) -> Any:
    """Convert values to an array (n, ...) of finite numbers. Floats and booleans become `dtype`.

    `SparseRows` are checked and remain sparse.

    Args:
        name: Name of the argument in errors.
        values: An array, a tensor, a data frame, or another object that NumPy converts to an array.
        dtype: Data type of floating-point values.
        allows_missing: Whether NaN is allowed, for missing numbers.

    Raises:
        TypeError: If the values are not numbers. The message contains code for the conversion.
        ValueError: If a value is missing, NaN or infinite.
    """
    if isinstance(values, SparseRows):
        _check_finite(name, values.matrix.data, None, allows_missing)
        return values
    _check_kind(name, values)
    columns, user_values = get_column_names(values) or None, values
    values = to_pandas(values) if get_table_library(values) else values
    array = _as_numbers(name, values)
    if array.ndim == 0:
        raise TypeError(
            f"{name} must be an array with rows. Received: {type(values).__name__}. "
            f"{_suggest_rows(name.strip('`'), values)}".rstrip()
        )
    if array.dtype == bool or array.dtype.name == "bfloat16":  # which NumPy does not know as a number
        array = array.astype(dtype)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"{name} must be an array of real numbers. Received: dtype {array.dtype}{_describe_text_columns(values)}. "
            f"{_suggest_encoding(name.strip('`'), values, user_values) or _suggest_conversion(name.strip('`'), array)}"
        )
    if np.issubdtype(array.dtype, np.floating):
        _check_finite(name, array, columns, allows_missing)
        with np.errstate(over="ignore"):
            array = array.astype(dtype, copy=False)
        _check_finite(name, array, columns, allows_missing)  # a float64 may overflow float32
    return array


def from_list(values: Sequence[Any]) -> np.ndarray:
    """Convert a list to an array, of objects for lists of different lengths, and for numbers among text."""
    try:
        array = np.asarray(values)
        return np.array(values, object) if array.dtype.kind in "US" else array  # NumPy makes text of numbers
    except ValueError:  # the rows have different lengths
        ragged = np.empty(len(values), object)
        ragged[:] = list(values)
        return ragged


def _check_kind(name: str, values: Any) -> None:
    """Refuse types that NumPy cannot convert, or converts to a wrong result."""
    called, kind = name.strip("`"), type(values).__name__
    if is_dataset(values):
        raise TypeError(
            f"{name} must be an array. Received: {kind}. A dataset gives inputs and targets: "
            "shrinkage.fit(model, dataset)."
        )
    if is_stream(values):
        raise TypeError(f"{name} must be an array. Received: {kind}. {describe_stream(values)}")
    if kind == "LazyFrame":  # Polars is not imported
        raise TypeError(f"{name} must be an array. Received: a LazyFrame. Say {called}.collect().")
    if values is None:
        hint = " For an autoencoder y is x." if called.startswith("y") else ""
        raise TypeError(f"{name} must be an array. Received: None.{hint}")
    if is_sparse(values):
        raise TypeError(f"{name} must be a dense array. Received: a {kind}. Say {called}.toarray().")
    if kind in ("SparseTensor", "RaggedTensor"):
        code = {"SparseTensor": f"tensorflow.sparse.to_dense({called})", "RaggedTensor": f"{called}.to_tensor()"}[kind]
        raise TypeError(f"{name} must be a dense array. Received: a {kind}. Say {code}, which fills up with zeros.")
    if isinstance(values, np.ma.MaskedArray) and (count := int(np.ma.count_masked(values))):
        rows = int(np.ma.getmaskarray(values).reshape(len(values), -1).any(axis=1).sum())
        raise ValueError(
            f"{name} must have no masked values, as their masks would be lost. Received: {count} masked values in "
            f"{rows} of {len(values)} rows. {_suggest_fill(called, values)}"
        )


def _suggest_fill(argument: str, values: np.ma.MaskedArray) -> str:
    """Suggest code for masked values. Rows with weight 0 do not count."""
    if argument == "sample_weight":
        return "Say sample_weight.filled(0), under which these rows do not count."
    if argument == "y" and values.size == len(values):
        return (
            "Drop these rows, or let them not count:\n"
            "    sample_weight = 1.0 - numpy.ma.getmaskarray(y).reshape(len(y))\n"
            "    y = y.filled(y.mean())"
        )
    return f"Say {argument}.filled(value) with a value that means missing to the model, or drop these rows."


def _suggest_rows(argument: str, values: Any) -> str:
    """Suggest code for the conversion of a value without rows."""
    if isinstance(values, str | PathLike):
        return (
            f"If it is a column of a table, say {argument}=table[{fspath(values)!r}]. Read a file first, for example "
            "by pandas.read_csv; the command `shrinkage fit` takes tables."
        )
    return f"Say numpy.array(list({argument}))." if isinstance(values, Collection) else ""


def _as_numbers(name: str, values: Any) -> np.ndarray:
    """Convert values to an array. Numbers of dtype object, as in some data frames, become floats."""
    try:
        array = np.asarray(values)
    except UnsupportedVersion:
        raise
    except Exception as error:  # of any class: a tensor may be symbolic or on another device
        raise TypeError(
            f"{name} must be an array. Received: {type(values).__name__}, of which NumPy can make none: {error}"
        ) from error
    if array.dtype == object and hasattr(values, "to_numpy") and not _has_times(values):
        try:
            return values.to_numpy(dtype="float64", na_value=np.nan)
        except (TypeError, ValueError):  # text or other values that are not numbers
            pass
    if array.dtype == object and array.size and all(isinstance(value, Real) for value in array.flat):
        return array.astype(np.float64)
    return array


def _has_times(values: Any) -> bool:
    """Whether a data frame has a column of times or durations, which pandas would convert to nanoseconds."""
    dtypes: Any = getattr(values, "dtypes", None)
    return hasattr(dtypes, "items") and any(getattr(dtype, "kind", "") in "mM" for _, dtype in dtypes.items())


def _describe_text_columns(values: Any) -> str:
    """Describe the non-numeric columns of a data frame."""
    found = _list_non_numeric_columns(values)
    names = ", ".join(map(repr, found[:3])) + ", ..." * (len(found) > 3)
    return f", from column{'s' * (len(found) > 1)} {names}" if found else ""


def _list_non_numeric_columns(values: Any) -> list[Any]:
    dtypes: Any = getattr(values, "dtypes", None)
    if not hasattr(dtypes, "items"):  # not a pandas data frame
        return []
    kinds = {column: getattr(dtype, "type", object) for column, dtype in dtypes.items()}
    return [c for c, kind in kinds.items() if not issubclass(kind, (np.number, np.bool_)) or kind is np.timedelta64]


def _suggest_encoding(argument: str, values: Any, user_values: Any) -> str:
    """Suggest code for the conversion of a table or column to numbers.

    Args:
        argument: Name of the argument.
        values: The table or column in pandas.
        user_values: The table or column before the conversion to pandas.
    """
    library = get_table_library(user_values)
    pandas = f"{argument}{'.to_pandas()' * bool(library)}"
    columns = [values] if isinstance(values, pd.Series) else [values[c] for c in _list_non_numeric_columns(values)]
    kinds = [pd.api.types.infer_dtype(column, skipna=True) for column in columns]
    if library and set(kinds) & set(_TIMES):
        return f"Say {argument} = {pandas} first, and give times and durations as numbers."
    lists = [column for column in columns if len(column) and np.ndim(column.iloc[0]) > 0]
    if lists and (library or isinstance(values, pd.DataFrame)):
        held = f"[{lists[0].name!r}]" * isinstance(values, pd.DataFrame)
        return f"It holds arrays: if these have equal shapes, give them alone, numpy.stack(list({pandas}{held}))."
    if argument.startswith("y") or not kinds or not set(kinds) <= set(_TEXTS) or _are_numbers(values):
        return ""
    if library == "polars":
        names = "" if isinstance(values, pd.Series) else repr([column.name for column in columns])
        code = f"{argument}.to_dummies({names})"
    else:
        code = f"pandas.get_dummies({pandas})"
    return (
        f"Encode text and categories as numbers, for example by {code}, or by keras.layers.StringLookup; or give a "
        f"file to the command `shrinkage fit`, which does."
    )


def _suggest_conversion(argument: str, array: np.ndarray) -> str:
    """Suggest code for the conversion of an array to numbers."""
    if array.dtype.kind == "M":
        return (
            f"Give times as numbers, for example ({argument} - {argument}.min()) / numpy.timedelta64(1, 'D') in days."
        )
    if array.dtype.kind == "m":
        return f"Give durations as numbers, for example {argument} / numpy.timedelta64(1, 'D') in days."
    if array.dtype.kind == "c":
        return f"Give both parts as columns: numpy.stack([{argument}.real, {argument}.imag], axis=-1)."
    if array.dtype.names:
        return f"Say numpy.lib.recfunctions.structured_to_unstructured({argument})."
    if odd := _describe_text_among_numbers(array):
        return odd
    first = array.flat[0] if array.size else 0
    if array.dtype == object and np.ndim(first) > 0:
        lengths = {np.shape(value) for value in array.flat}
        if len(lengths) == 1:
            return f"Say numpy.stack(list({argument})), as its rows have equal shapes."
        return (
            f"Its rows have different lengths: say keras.utils.pad_sequences({argument}, padding='post'), with "
            f"dtype='float32' where they are no tokens."
        )
    if any(isinstance(value, str | bytes) for value in array.flat[:100]):
        if _are_numbers(array):
            return f"It holds numbers as text: say {argument}.astype('float32')."
        if argument.startswith("y"):
            return f"Number the classes: classes, {argument} = numpy.unique({argument}, return_inverse=True)."
        return (
            "Encode text and categories as numbers first, for example by pandas.get_dummies or "
            "keras.layers.StringLookup; or give a file to the command `shrinkage fit`, which does."
        )
    if array.dtype == object and any(isinstance(value, date | timedelta) for value in array[:1].flat):
        return (
            f"Give times and durations as numbers, for example "
            f"{argument}['a'] = ({argument}['a'] - {argument}['a'].min()).dt.total_seconds()."
        )
    return (
        f"Say {argument}.astype('float32'), if all in it are numbers; a missing one then is NaN, to drop or to impute."
    )


def _describe_text_among_numbers(array: np.ndarray) -> str:
    """Return a sentence on a few texts among numbers in an array of objects; "" for other arrays."""
    if array.dtype != object or array.ndim > 2:
        return ""
    odd, n_values = list[tuple[int, Any]](), 0
    for number, row in enumerate(array):
        for value in row if isinstance(row, list | tuple | np.ndarray) else (row,):
            n_values += isinstance(value, str | Real)
            if isinstance(value, str):
                odd.append((number, value))
    if not odd or len(odd) > _FEW * n_values:
        return ""
    (row, text), n_odd = odd[0], len(odd)
    return (
        f"It holds numbers, and {text!r} in row {row}{f' ({n_odd} such values in all)' * (n_odd > 1)}: correct "
        f"{'these rows' if n_odd > 1 else 'this row'}, or leave {'them' if n_odd > 1 else 'it'} out."
    )


def _are_numbers(array: Any) -> bool:
    """Whether all values, such as text, can be converted to numbers."""
    try:
        np.asarray(array).astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _check_finite(name: str, array: np.ndarray, columns: list[Any] | None, allows_missing: bool) -> None:
    bad = np.isinf(array) if allows_missing else ~np.isfinite(array)
    if not bad.any():
        return
    rows, n_bad = int(bad.reshape(len(array), -1).any(axis=1).sum()), int(bad.sum())
    where = ""
    if array.ndim == 2 and array.shape[1] > 1:
        counts = bad.sum(axis=0)
        worst = [int(column) for column in np.argsort(-counts, kind="stable")[:3] if counts[column]]
        named = [f"{columns[c]!r}" if columns else f"{c}" for c in worst]
        if len(worst) > 1:
            named = [f"{name} ({counts[column]})" for name, column in zip(named, worst, strict=True)]
        where = f" in column{'s' * (len(worst) > 1)} {', '.join(named)}"
        where += " and others" if (counts > 0).sum() > 3 else ""
    raise ValueError(
        f"{name} must be finite in {array.dtype}. Received: {n_bad} NaN or infinite value{'s' * (n_bad > 1)} in "
        f"{rows} of {len(array)} rows{where}. {_suggest_finite_values(name.strip('`'), array)}"
    )


def _suggest_finite_values(argument: str, array: np.ndarray) -> str:
    """Suggest code for values that are not finite. Some custom losses skip NaN labels."""
    if not argument.startswith("y"):
        return "Drop or impute these rows."
    if array.size > len(array):
        return (
            "Drop these rows; or, where some labels of a row are missing and a loss of your own skips NaN, let it skip "
            f"a number that no label has, such as -1, and say {argument} = numpy.nan_to_num({argument}, nan=-1)."
        )
    weights = f"numpy.isfinite({argument}).astype('float32')"
    if argument.startswith("y['"):  # an output with a name has weights of its own
        weights = f"{{{argument[2:-1]}: {weights}}}"
    return (
        "Drop these rows, or let them not count:\n"
        f"    sample_weight = {weights}\n"
        f"    {argument} = numpy.nan_to_num({argument}, posinf=0, neginf=0)"
    )
