"""The encoder as Keras layers equals the encoder in NumPy, and its file needs nothing but Keras."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shrinkage._host._quiet import require_tensorflow
from shrinkage.cli._columns import Columns, Task, input_name
from shrinkage.cli._encoder import (
    assemble,
    count_clipped,
    count_unseen,
    encoder,
    matrix,
    missing,
    number_matrix,
    predict,
    read_cells,
)
from shrinkage.cli._errors import BadInput
from shrinkage.cli._infer import infer_columns

require_tensorflow()
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

N = 200


@pytest.fixture
def frame() -> pd.DataFrame:
    """Every kind of column, missing cells, large numbers close together, and names that Keras uses itself."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "cast": 1.6e9 + 1e3 * rng.normal(size=N),
            "km/h": rng.integers(0, 5, N).astype(float),
            "flag": rng.random(N) < 0.5,
            "occupants": np.append(rng.lognormal(1, 0.4, N - 2), [-1e38, 1243.0]),
            "shrinkage_encoder_": ["a", "b"] * 97 + ["r1", "r2", "r3"] * 2,
            "matrix": rng.choice(np.array(["yes", "no", None], dtype=object), N),
        }
    )
    frame.loc[:20, "cast"] = np.nan
    frame["flag"] = frame["flag"].astype(object)
    frame.loc[5:30, "flag"] = None
    return frame


def understood(frame: pd.DataFrame, task: Task = "regression", labels=()) -> Columns:
    return Columns("t", task, labels, *infer_columns(frame))


def later(frame: pd.DataFrame) -> pd.DataFrame:
    """New rows: unseen categories, and missing cells where there were none."""
    new = frame.copy()
    new.loc[:3, "shrinkage_encoder_"] = "unseen"
    new.loc[4:6, "shrinkage_encoder_"] = None
    new.loc[7:9, "km/h"] = np.nan
    new.loc[10:12, "occupants"] = [-3e38, 3e38, np.nan]
    return new


def through_keras(columns: Columns, cells: dict[str, np.ndarray]) -> np.ndarray:
    numbers = [tf.constant(number_matrix(columns, cells))] if columns.numbers else []
    texts = [tf.constant(cells[input_name(column.name)].tolist()) for column in columns.categories]
    return np.asarray(encoder(columns)([*numbers, *texts]))


def test_both_routes_give_the_same_matrix(frame):
    columns = understood(frame)
    for rows in (frame, later(frame)):
        cells = read_cells(columns, rows)
        expected = matrix(columns, cells)
        assert expected.shape == (N, len(columns.features)) and expected.dtype == np.float32
        np.testing.assert_array_equal(through_keras(columns, cells), expected)


def test_the_training_matrix_has_no_constant_column(frame):
    columns = understood(frame)
    assert matrix(columns, read_cells(columns, frame)).std(axis=0).min() > 0


def test_large_numbers_close_together_keep_their_digits(frame):
    columns = understood(frame[["cast"]])
    encoded = matrix(columns, read_cells(columns, frame))[21:, 0]
    exact = frame["cast"].to_numpy()[21:]
    # float32 holds 1.6e9 to within 64, and the standard deviation is 1e3.
    assert np.corrcoef(encoded, exact)[0, 1] > 0.998


def test_cells_far_outside_do_not_rule_a_column(frame):
    columns = understood(frame)
    (column,) = (column for column in columns.numbers if column.name == "occupants")
    assert -30 < column.low < 0 and 10 < column.high < 50
    ordinary = frame["occupants"].iloc[:-2]
    assert column.scale < 3 * ordinary.std()
    cells = read_cells(columns, frame)
    assert count_clipped(columns, cells) == {"occupants": 2}
    assert count_clipped(columns, read_cells(columns, later(frame))) == {"occupants": 4}
    encoded = matrix(columns, cells)[:, columns.features.index("occupants")]
    assert np.abs(encoded).max() < 30
    np.testing.assert_allclose(encoded[:-2], (ordinary - column.centre) / column.scale, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "numbers",
    [
        np.arange(60.0)[::-1],  # a trend
        np.random.default_rng(0).normal(size=20_000),
        np.random.default_rng(0).exponential(size=20_000),
        np.random.default_rng(0).uniform(size=60),
        np.repeat([0.0, 1.0], [190, 10]),
        np.append(np.zeros(990), np.arange(10.0) ** 3),  # few are not 0, and they are what it says
    ],
)
def test_ordinary_columns_are_not_clipped(numbers):
    frame = pd.DataFrame({"x": numbers})
    columns = understood(frame)
    assert count_clipped(columns, read_cells(columns, frame)) == {}


def test_what_is_new_is_counted(frame):
    columns, new = understood(frame), later(frame)
    cells = read_cells(columns, new)
    assert count_unseen(columns, cells) == {"shrinkage_encoder_": 4 + 6}  # unseen and rare
    assert missing(columns, cells)["km/h"] == 3 and missing(columns, cells)["shrinkage_encoder_"] == 3


def test_an_unseen_category_without_a_column_for_others_is_all_zeros():
    columns = understood(pd.DataFrame({"c": ["a", "b"] * 10}))
    cells = read_cells(columns, pd.DataFrame({"c": ["z", None, "a"]}))
    assert matrix(columns, cells).tolist() == [[0, 0], [0, 0], [1, 0]]
    assert through_keras(columns, cells).tolist() == [[0, 0], [0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns=["flag", "km/h"]), "lacks km/h, flag"),
        (lambda frame: frame.assign(**{"km/h": "fast"}), "column km/h should hold numbers; 200 of 200 .* 'fast'"),
        (lambda frame: frame.assign(flag="perhaps"), "column flag should hold true or false"),
        (lambda frame: frame.assign(**{"km/h": np.inf}), "column km/h is infinite in 200 of 200"),
    ],
)
def test_new_data_that_does_not_fit(frame, change, message):
    columns = understood(frame)
    with pytest.raises(BadInput, match=message):
        read_cells(columns, change(frame))


def test_the_whole_model_is_encoder_network_and_target_units(frame):
    columns = understood(frame)
    network = keras.Sequential([keras.Input((len(columns.features),)), keras.layers.Dense(1)])
    cells = read_cells(columns, later(frame))
    expected = 3.0 + 2.0 * network.predict(matrix(columns, cells), verbose=0)  # pyright: ignore[reportArgumentType]
    got = predict(assemble(columns, network, 3.0, 2.0), columns, cells)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


PLAIN_KERAS = """
import json, sys
sys.modules["shrinkage"] = None  # an import of it now fails
import keras, tensorflow as tf
model = keras.models.load_model(sys.argv[1])
cells = json.loads(sys.argv[2])
texts = {name for name, part in model.input.items() if part.dtype == "string"}
inputs = {name: tf.constant(x, None if name in texts else "float64") for name, x in cells.items()}
print(json.dumps(model(inputs).numpy().tolist()))
"""


def test_plain_keras_loads_the_file_and_predicts_the_same(frame, tmp_path):
    columns = understood(frame)
    network = keras.Sequential([keras.Input((len(columns.features),)), keras.layers.Dense(1)])
    model = assemble(columns, network, 3.0, 2.0)
    model.save(tmp_path / "model.keras")
    cells = read_cells(columns, later(frame).iloc[:30])
    sent = json.dumps({name: x.tolist() for name, x in cells.items()})
    command = [sys.executable, "-c", PLAIN_KERAS, str(tmp_path / "model.keras"), sent]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout.splitlines()[-1]), predict(model, columns, cells), rtol=1e-5)


# --- any table


def _cells(values: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(st.none() | values, min_size=12, max_size=12)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)
KINDS = st.one_of(
    _cells(st.floats(-(2.0**90), 2.0**90, width=32, allow_subnormal=False)),
    _cells(st.integers(-3, 3)),
    _cells(st.booleans()),
    _cells(st.sampled_from(["a", "b", "[UNK]", " ", "ü"])),
    _cells(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=3)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, KINDS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_any_table(data, random):
    frame = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in data.items()})
    try:
        columns = understood(frame)
    except BadInput:
        return
    if len({name.replace("/", "_") for name in columns.names}) < len(columns.names):
        return  # refused by `prepare`
    cells = read_cells(columns, frame)
    encoded = matrix(columns, cells)
    assert np.isfinite(encoded).all() and (encoded.max(axis=0) > encoded.min(axis=0)).all()
    np.testing.assert_allclose(through_keras(columns, cells), encoded, rtol=1e-6)
