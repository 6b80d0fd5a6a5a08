"""Tables and columns of Polars and PyArrow are read as those of pandas are."""

from datetime import date, timedelta
from typing import Any

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import shrinkage
from shrinkage._data._arrays import as_array
from shrinkage._data._data import as_tree
from shrinkage._data._tables import split_table_columns

VALUES = {"size": [0.5, 1.5, 2.5], "rooms": [1, 2, 3], "garden": [True, False, True]}
LIBRARIES = ["pandas", "polars", "pyarrow"]


def table(library: str, values: dict[str, Any]) -> Any:
    """Return a table of a library, which may not be installed."""
    if library == "pandas":
        return pd.DataFrame(values)
    return pytest.importorskip("polars").DataFrame(values) if library == "polars" else pa.table(values)


def column(library: str, values: list[Any]) -> Any:
    """Return a column of a library, which may not be installed."""
    if library == "pandas":
        return pd.Series(values)
    return pytest.importorskip("polars").Series(values) if library == "polars" else pa.chunked_array([values])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_table_is_the_array_of_its_columns(library):
    array = as_array("`x`", table(library, VALUES), "float32")
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [[0.5, 1, 1], [1.5, 2, 0], [2.5, 3, 1]])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("values", [[1, 2, 3], [0.5, 1.5, 2.5], [True, False, True]], ids=["ints", "floats", "bools"])
def test_a_column_is_an_array(library, values):
    array = as_array("`y`", column(library, values), "float32")
    assert array.dtype == (np.int64 if values == [1, 2, 3] else np.float32)
    assert array.tolist() == values


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_list_of_columns_is_several_inputs(library):
    first, second = as_tree([column(library, [1, 2]), column(library, [3, 4])])
    assert as_array("`x[0]`", first, "float32").tolist() == [1, 2]
    assert as_array("`x[1]`", second, "float32").tolist() == [3, 4]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("values", [[1, None, 3], [0.5, None, 2.5], [True, None, True], [None] * 3])
def test_nulls_are_named_by_their_column(library, values):
    count = values.count(None)
    with pytest.raises(ValueError, match=rf"`x` must be finite.*in {count} of 3 rows in column 'age'\."):
        as_array("`x`", table(library, VALUES | {"age": values}), "float32")
    with pytest.raises(ValueError, match=f"`y` must be finite.*{count} NaN or infinite values? in {count} of 3 rows"):
        as_array("`y`", column(library, values), "float32")


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_code_of_a_refusal_encodes_text(library):
    x = table(library, {"rooms": [1, 2, 3], "town": ["b", "a", "b"]})
    with pytest.raises(TypeError, match="Received: dtype object, from column 'town'. Encode text") as caught:
        as_array("`x`", x, "float32")
    code = str(caught.value).split("for example by ")[1].split(", or by")[0]
    array = as_array("`x`", eval(code, {"pandas": pd, "x": x}), "float32")
    np.testing.assert_array_equal(array[:, [0, *np.argsort(array[0, 1:]) + 1]], [[1, 0, 1], [2, 1, 0], [3, 0, 1]])


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_code_of_a_refusal_encodes_categories(library):
    if library == "pyarrow":
        x = pa.table({"town": pa.array(["b", "a", "b"]).dictionary_encode()})
    elif library == "polars":
        polars = pytest.importorskip("polars")
        x = polars.DataFrame({"town": polars.Series(["b", "a", "b"], dtype=polars.Categorical)})
    else:
        x = pd.DataFrame({"town": pd.Categorical(["b", "a", "b"])})
    with pytest.raises(TypeError, match="dtype object, from column 'town'. Encode text and categories") as caught:
        as_array("`x`", x, "float32")
    code = str(caught.value).split("for example by ")[1].split(", or by")[0]
    array = as_array("`x`", eval(code, {"pandas": pd, "x": x}), "float32")
    assert sorted(map(tuple, array.T)) == [(0, 1, 0), (1, 0, 1)]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("value", [date(2026, 1, 2), timedelta(days=1)], ids=["dates", "durations"])
@pytest.mark.parametrize("alone", [True, False])
def test_times_are_no_numbers(library, value, alone):
    values = {"when": [value] * 3} | ({} if alone else {"rooms": [1, 2, 3]})
    with pytest.raises(TypeError, match=r"`x` must be an array of real numbers.*durations as numbers|.*times as numb"):
        as_array("`x`", table(library, values), "float32")


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_columns_of_a_table_are_the_inputs_of_a_model_by_their_names(library):
    found = split_table_columns(table(library, VALUES), ["rooms", "garden", "size"])
    assert list(found) == ["rooms", "garden", "size"]
    for name, values in found.items():
        assert as_array(name, values, "float32").tolist() == VALUES[name]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_table_must_have_the_columns_of_the_inputs(library):
    with pytest.raises(ValueError, match="inputs, 'rooms', 'age'. Received: a table without 'age'"):
        split_table_columns(table(library, VALUES), ["rooms", "age"])
    x = table(library, VALUES)
    with pytest.raises(ValueError, match=r"Received: a table with 'garden' besides. Say x") as caught:
        split_table_columns(x, ["rooms", "size"])
    assert list(split_table_columns(eval(str(caught.value).split("Say ")[1][:-1], {"x": x}), ["rooms", "size"]))


def several_inputs() -> keras.Model:
    """Return a model of two named inputs, compiled."""
    keras.utils.set_random_seed(0)
    inputs = {name: keras.Input((1,), name=name) for name in ("b", "a")}
    hidden = keras.layers.Concatenate()([inputs["b"], inputs["a"]])
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    model.compile(keras.optimizers.SGD(0.1), "mean_squared_error")
    return model


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_table_gives_the_path_of_a_dictionary_of_arrays(library):
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=40) for name in ("a", "b")}
    y, weight = x["a"] - 2 * x["b"], rng.uniform(1, 2, 40)
    model, options = several_inputs(), {"penalty": "l2", "epochs": 3, "lams": [0.1], "progress": False}
    expected = shrinkage.fit(model, x, y, sample_weight=weight, **options)
    given = [column(library, values.tolist()) for values in (y, weight)]
    found = shrinkage.fit(model, table(library, x), given[0], sample_weight=given[1], **options)
    assert expected.mean.min() < 0.9 * np.var(y)
    np.testing.assert_array_equal(found.mean, expected.mean)
    np.testing.assert_array_equal(found.row_loss, expected.row_loss)
