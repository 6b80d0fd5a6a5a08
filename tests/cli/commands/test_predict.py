"""`shrinkage predict`."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shrinkage.cli._columns import Columns
from shrinkage.cli._encoder import encode, read_cells
from shrinkage.cli._tables import read_table
from tests.cli.commands.running import N, houses, run, write
from tests.daily import each_value


def fitted(target: str, **changes) -> None:
    done = run("fit", write(**changes), "--target", target, "-o", "run")
    assert done.exit_code == 0, done.output


def test_predict_equals_the_network_on_the_encoded_rows_in_the_targets_units(fake_fit):
    fitted("price")
    done = run("predict", "run", "houses.csv", "-o", "out.csv")
    assert done.exit_code == 0, done.output
    call, columns = fake_fit.calls[0], Columns.load(Path("run/columns.json"))
    encoded = encode(columns, read_cells(columns, read_table(Path("houses.csv")).frame))
    for found, expected in zip(call.x, encoded, strict=True):
        np.testing.assert_array_equal(found, expected)
    price = houses()["price"]
    expected = price.mean() + price.std(ddof=0) * call.model.predict(call.x, verbose=0)[:, 0]
    got = pd.read_csv("out.csv")
    assert got.columns.tolist() == ["prediction"] and np.ptp(expected) > 1
    np.testing.assert_allclose(got["prediction"], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("target", "labels"), [("garden", [False, True]), ("kind", ["flat", "house", "villa"]), ("stars", [1, 2])]
)
def test_predict_writes_labels_and_probabilities(fake_fit, target, labels):
    fitted(target, stars=[1, 2] * (N // 2))
    done = run("predict", "run", "houses.csv", "-o", "out.parquet")
    assert done.exit_code == 0, done.output
    got = pd.read_parquet("out.parquet")
    probabilities = got.drop(columns="prediction")
    assert probabilities.columns.tolist() == [f"probability_{label}" for label in labels]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert got["prediction"].tolist() == [labels[place] for place in probabilities.to_numpy().argmax(axis=1)]


def test_images_are_not_predicted_with_a_run_on_a_table(fake_fit):
    fitted("price")
    Path("1.png").write_bytes(b"\x89PNG")
    done = run("predict", "run", "1.png", "-o", "out.csv")
    assert done.exit_code == 2 and "1.png, an image" in done.stderr


def test_predict_says_what_is_new_and_ignores_what_it_does_not_know(fake_fit):
    about = ["a large and bright house with", "a small flat with"]
    texts = {"about": [f"{about[row % 2]} {row} doors" for row in range(N)]}
    fitted("price", **texts)
    new = houses(extra=1, **texts).drop(columns="price")
    new.loc[:1, "town"], new.loc[2:4, "kind"], new.loc[5, "about"] = "Jena", None, "maison claire et grande"
    new.to_csv("new.csv", index=False)
    done = run("predict", "run", "new.csv", "-o", "out.csv", "--format", "json")
    document = json.loads(done.stdout)
    assert document["unseen"] == {"town": 2, "about": 1} and document["missing"] == {"size": 6, "kind": 3}
    assert "knows no word: about 1" in done.stderr
    assert "town 2" in done.stderr and document["rows"] == N
    assert not np.isnan(pd.read_csv("out.csv")["prediction"].to_numpy()).any()


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda frame: frame.drop(columns=["town", "size"]), [], "Received: a table without size, town"),
        (
            lambda frame: frame.assign(size="big"),
            [],
            "column size must hold numbers. Received: other values in 60 of 60 cells",
        ),
        (lambda frame: frame, ["-o", "out.xlsx"], "must end in .csv or .parquet"),
        (lambda frame: frame, ["-o", "houses.csv"], "-o must be a file that does not exist. Received: houses.csv."),
        (lambda frame: frame, ["-o", "new.csv", "--overwrite"], "-o must not be a file of DATA. Received: new.csv."),
        (lambda frame: frame, ["-o", "run"], "must end in"),
    ],
)
def test_predict_refuses(fake_fit, change, arguments, message):
    fitted("price")
    change(houses()).to_csv("new.csv", index=False)
    done = run("predict", "run", "new.csv", *(arguments or ["-o", "out.csv"]))
    assert done.exit_code == 2 and message in done.stderr
    assert not Path("out.csv").exists()


def test_predict_needs_a_run():
    done = run("predict", "nowhere", write(), "-o", "out.csv")
    assert (
        done.exit_code == 2
        and "RUN must be the folder of a run. Received: nowhere, which does not exist." in done.stderr
    )


def test_predict_with_a_damaged_model(fake_fit):
    fitted("price")
    Path("run/model.keras").write_text("not a model")
    done = run("predict", "run", "houses.csv", "-o", "out.csv")
    assert done.exit_code == 2 and "RUN must hold a model that Keras can load" in done.stderr


@pytest.mark.parametrize(("name", "target"), each_value(["out.csv", "out.parquet"], ["price", "kind"]))
def test_a_table_in_many_parts_is_predicted_as_the_whole(fake_fit, monkeypatch, target, name):
    """The rows are read in parts of seven rows, from a CSV in two files and from Parquet."""
    fitted(target)
    frame = houses().drop(columns=target)
    frame.loc[40:41, "town"], frame.loc[50, "size"] = "Jena", 1e9
    frame[:20].to_csv("1.csv", index=False)
    frame[20:].to_csv("2.csv", index=False)
    frame.to_parquet("new.parquet")

    def predict(*data: str) -> tuple[pd.DataFrame, dict]:
        done = run("predict", "run", *data, "-o", name, "--overwrite", "--format", "json")
        assert done.exit_code == 0, done.output
        return (pd.read_csv if name.endswith("csv") else pd.read_parquet)(name), json.loads(done.stdout)

    whole, document = predict("1.csv", "2.csv")
    monkeypatch.setattr("shrinkage.cli._table.CHUNK_CELLS", 7 * 4)
    monkeypatch.setattr("shrinkage.cli._predict._SAMPLE", 500)
    for data in (["1.csv", "2.csv"], ["new.parquet"]):
        parts, told = predict(*data)
        # float32 sums in another order; the values are of size 1 to 100
        pd.testing.assert_frame_equal(parts, whole, rtol=1e-5)
        assert told == document and told["unseen"] == {"town": 2} and told["clipped"] == {"size": 1}
    assert len(set(whole["prediction"])) > 2 and len(whole) == N


def test_a_part_of_odd_cells_is_no_fault_and_a_table_of_them_is(fake_fit, monkeypatch):
    fitted("price")
    monkeypatch.setattr("shrinkage.cli._table.CHUNK_CELLS", 40)
    for n_odd, code in ((5, 0), (7, 2)):
        houses().astype({"size": object}).assign(size=["oops"] * n_odd + [1.0] * (N - n_odd)).to_csv("new.csv")
        done = run("predict", "run", "new.csv", "-o", "out.csv")
        assert done.exit_code == code and Path("out.csv").exists() == (code == 0), done.output
        Path("out.csv").unlink(missing_ok=True)
    assert "7 of 60 cells, such as 'oops'" in done.stderr
