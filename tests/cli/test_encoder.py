"""The encoder as Keras layers equals the encoder in NumPy, and its file needs nothing but Keras."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shrinkage._host._quiet import require_tensorflow
from shrinkage.cli._columns import Columns, Task, to_input_name
from shrinkage.cli._dates import as_seconds
from shrinkage.cli._encoder import (
    assemble_model,
    check_encoder_model,
    count_clipped,
    count_missing,
    count_unread,
    count_unseen,
    encode,
    encode_matrix,
    make_encoder,
    make_number_matrix,
    predict_cells,
    read_cells,
)
from shrinkage.cli._errors import BadInput
from shrinkage.cli._infer import infer_columns
from shrinkage.cli._network import make_network
from shrinkage.cli._settings import Settings
from tests.daily import full

require_tensorflow()
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from shrinkage._model._table_normalization import TableNormalization  # noqa: E402

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
    days = pd.date_range("2019-12-30 08:00", periods=N, freq="57h")
    frame["day"] = days.strftime("%d.%m.%Y %H:%M")
    frame["stamp"] = days
    frame.loc[3:20, "day"] = None
    frame["shop"] = [f"shop {i % 25}" for i in range(N - 1)] + ["rare"]
    words = np.array("A good, BAD red blue table's chair house".split())
    frame["note"] = [" ".join(rng.choice(words, rng.integers(3, 9))) + f" w{i}" for i in range(N)]
    frame.loc[30:50, "note"] = None
    return frame


def understood(frame: pd.DataFrame, task: Task = "regression", labels=(), *, embeds=False, as_matrix=False) -> Columns:
    columns = Columns("t", task, labels, *infer_columns(frame, embeds=embeds), as_matrix=as_matrix)
    assert any(c.embedded for c in columns.categories) == ("shop" in frame and embeds)
    return columns


@pytest.fixture(autouse=True)
def few_categories(monkeypatch):
    """Twenty categories and more are embedded, where the network embeds."""
    monkeypatch.setattr("shrinkage.cli._infer.MAX_CATEGORIES", 20)


def later(frame: pd.DataFrame) -> pd.DataFrame:
    """New rows: unseen categories, and missing cells where there were none."""
    new = frame.copy()
    new.loc[:3, "shrinkage_encoder_"] = "unseen"
    new.loc[4:6, "shrinkage_encoder_"] = None
    new.loc[7:9, "km/h"] = np.nan
    new.loc[7:9, "note"] = ["...", "unknown words", "GOOD  good\tchair\nx"]
    new.loc[7:9, "day"] = ["31.02.2020 10:00", "01.01.1850 00:00", None]
    new.loc[7:9, "stamp"] = pd.NaT
    new.loc[7:9, "shop"] = [None, "shop 26", "shop 3"]
    new.loc[10:12, "occupants"] = [-3e38, 3e38, np.nan]
    return new


def through_keras(columns: Columns, cells: dict[str, np.ndarray]) -> list[np.ndarray]:
    numbers = [tf.constant(make_number_matrix(columns, cells))] if columns.numbers else []
    others = (*columns.categories, *columns.texts)
    outputs = make_encoder(columns)([*numbers, *(tf.constant(cells[to_input_name(c.name)].tolist()) for c in others)])
    return [np.asarray(output) for output in (outputs if isinstance(outputs, list) else [outputs])]


@pytest.mark.parametrize("embeds", [True, False])
@pytest.mark.parametrize("as_matrix", [True, False])
def test_both_routes_give_the_same_inputs(frame, embeds, as_matrix):
    if embeds and as_matrix:
        pytest.skip("a matrix has no embeddings")
    columns = understood(frame, embeds=embeds, as_matrix=as_matrix)
    kinds = {column.kind for column in columns.all}
    assert kinds == {"number", "boolean", "date", "category", "text"}
    for rows in (frame, later(frame)):
        cells = read_cells(columns, rows)
        expected = encode(columns, cells)
        assert len(expected) == (1 if as_matrix else 4 if embeds else 2)
        for found, inputs in zip(through_keras(columns, cells), expected, strict=True):
            assert len(inputs) == N and inputs.dtype in (np.float32, np.int32) and np.nanmax(inputs) > np.nanmin(inputs)
            # The sines of dates may differ in the last digit of float32.
            np.testing.assert_allclose(found, inputs, rtol=1e-6, atol=1e-6)


def test_dates_have_a_place_in_the_year_the_week_and_the_day(frame):
    columns = understood(frame[["stamp"]])
    (column,) = columns.numbers
    assert column.cycles == ("year", "week", "day") and column.form == ""
    _, marks = encode(columns, read_cells(columns, frame))
    stamp = frame["stamp"].dt
    angle = 2 * np.pi * (stamp.hour + stamp.minute / 60) / 24
    np.testing.assert_allclose(marks[:, -2:], np.stack([np.sin(angle), np.cos(angle)], axis=1), atol=1e-6)
    monday = (stamp.day_of_week + stamp.hour / 24).to_numpy()
    angle = 2 * np.pi * (monday - 3) / 7  # 1970 began with a Thursday
    np.testing.assert_allclose(marks[:, 2:4], np.stack([np.sin(angle), np.cos(angle)], axis=1), atol=1e-6)


def test_columns_of_an_earlier_version_are_those_of_a_matrix(frame, tmp_path):
    columns = understood(frame.drop(columns=["day", "stamp", "shop", "note"]), as_matrix=True)
    columns.save(tmp_path / "columns.json")
    document = json.loads((tmp_path / "columns.json").read_text("utf-8"))
    del document["texts"], document["as_matrix"]
    for each in document["numbers"]:
        del each["form"], each["cycles"]
    for each in document["categories"]:
        del each["embedded"]
    (tmp_path / "columns.json").write_text(json.dumps(document), "utf-8")
    assert Columns.load(tmp_path / "columns.json") == columns


def test_the_training_matrix_has_no_constant_column(frame):
    columns = understood(frame)
    assert encode_matrix(columns, read_cells(columns, frame)).std(axis=0).min() > 0


def test_large_numbers_close_together_keep_their_digits(frame):
    columns = understood(frame[["cast"]])
    encoded = encode_matrix(columns, read_cells(columns, frame))[21:, 0]
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
    assert count_clipped(columns, read_cells(columns, later(frame))) == {"occupants": 4, "day": 1}
    encoded = encode_matrix(columns, cells)[:, columns.features.index("occupants")]
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
    assert count_unread(columns, cells) == {"note": 2} and count_unread(columns, read_cells(columns, frame)) == {}
    assert count_missing(columns, cells)["km/h"] == 3 and count_missing(columns, cells)["shrinkage_encoder_"] == 3


def test_an_unseen_category_without_a_column_for_others_is_all_zeros():
    columns = understood(pd.DataFrame({"c": ["a", "b"] * 10}))
    cells = read_cells(columns, pd.DataFrame({"c": ["z", None, "a"]}))
    assert encode_matrix(columns, cells).tolist() == [[0, 0], [0, 0], [1, 0]]
    assert through_keras(columns, cells)[0].tolist() == [[0, 0], [0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns=["flag", "km/h"]), "a table without km/h, flag"),
        (
            lambda frame: frame.assign(**{"km/h": "fast"}),
            "column km/h must hold numbers. Received: other values in 200 of 200 cells, such as 'fast'",
        ),
        (lambda frame: frame.assign(flag="perhaps"), "column flag must hold true or false"),
        (
            lambda frame: frame.assign(**{"km/h": np.inf}),
            "column km/h must hold finite numbers. Received: infinity in 200 of 200",
        ),
    ],
)
def test_new_data_that_does_not_fit(frame, change, message):
    columns = understood(frame)
    with pytest.raises(BadInput, match=message):
        read_cells(columns, change(frame))


def fitted(columns: Columns, cells: dict[str, np.ndarray], model: str = "mlp") -> keras.Model:
    """A network with weights and statistics that are not the initial ones."""
    settings = Settings.from_options(
        model=model, hidden=(4,), penalty="l2", rho=None, groups=None, how=None, epochs=1, batch_size=32,
        learning_rate=0.1, folds=2, seed=0, choose="min",
    )  # fmt: skip
    keras.utils.set_random_seed(1)  # four units of relu may all be idle
    inputs = encode(columns, cells)
    made = make_network(columns, inputs, settings)
    for layer in made.layers:
        if isinstance(layer, TableNormalization):
            pairs = zip(layer.statistics, layer.compute_statistics(inputs[0], np.ones(len(inputs[0]))), strict=True)
            for variable, value in pairs:
                variable.assign(value)
    made.fit(inputs if len(inputs) > 1 else inputs[0], np.arange(N) % 7 / 7, epochs=2, verbose=0)  # pyright: ignore
    return made


@pytest.mark.parametrize("embeds", [True, False])
def test_the_whole_model_is_encoder_network_and_target_units(frame, embeds):
    columns = understood(frame, embeds=embeds)
    made = fitted(columns, read_cells(columns, frame))
    cells = read_cells(columns, later(frame))
    expected = 3.0 + 2.0 * made.predict(encode(columns, cells), verbose=0)  # pyright: ignore[reportArgumentType]
    model = assemble_model(columns, made, 3.0, 2.0)
    check_encoder_model(model, columns)
    assert np.ptp(expected) > 0.1 and np.isfinite(expected).all()
    np.testing.assert_allclose(predict_cells(model, columns, cells), expected, rtol=1e-5, atol=1e-5)


def test_a_missing_number_is_the_mean_and_numbers_far_outside_are_clipped(frame):
    columns = understood(frame[["occupants", "km/h"]])
    made = fitted(columns, read_cells(columns, frame))
    new = pd.DataFrame({"occupants": [np.nan, 3e38, columns.numbers[0].high, 3.0], "km/h": [1.0] * 4})
    values = encode(columns, read_cells(columns, new))[0]
    (layer,) = (layer for layer in made.layers if isinstance(layer, TableNormalization))
    standardised = np.asarray(layer(values))
    ordinary = frame["occupants"].clip(columns.numbers[0].low, columns.numbers[0].high)
    assert standardised[0, 0] == 0
    np.testing.assert_allclose(standardised[1, 0], standardised[2, 0], rtol=1e-5)
    np.testing.assert_allclose(standardised[3, 0], (3.0 - ordinary.mean()) / ordinary.std(ddof=0), rtol=1e-3)


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


@pytest.mark.parametrize("embeds", [True, full(False)])
def test_plain_keras_loads_the_file_and_predicts_the_same(frame, tmp_path, embeds):
    columns = understood(frame, embeds=embeds)
    model = assemble_model(columns, fitted(columns, read_cells(columns, frame)), 3.0, 2.0)
    model.save(tmp_path / "model.keras")
    cells = read_cells(columns, later(frame).iloc[:60])
    sent = json.dumps({name: x.tolist() for name, x in cells.items()})
    command = [sys.executable, "-c", PLAIN_KERAS, str(tmp_path / "model.keras"), sent]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert np.ptp(found) > 0.01
    np.testing.assert_allclose(found, predict_cells(model, columns, cells), rtol=1e-5)


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
    encoded = encode_matrix(columns, cells)
    assert np.isfinite(encoded).all() and (encoded.max(axis=0) > encoded.min(axis=0)).all()
    columns = replace(columns, as_matrix=True)
    np.testing.assert_allclose(through_keras(columns, cells)[0], encoded, rtol=1e-6, atol=1e-6)


@pytest.mark.filterwarnings("error")
def test_text_in_new_rows_is_read_where_the_training_rows_had_dates():
    """A Parquet file has dates, and a CSV of new rows their text; dates whose day may be the month are missing."""
    found = as_seconds(pd.Series(["2024-01-02", "03.04.2024", None]), "")
    np.testing.assert_array_equal(found, [1704153600.0, np.nan, np.nan])
