"""Tables larger than the memory limit, read and encoded in parts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shrinkage as sh
from shrinkage.cli._encoder import encode, read_cells
from shrinkage.cli._errors import BadInput
from shrinkage.cli._network import TargetScale
from shrinkage.cli._prepare import TableData, TableOptions, prepare_table
from shrinkage.cli._skipped import NAME
from shrinkage.cli._tables import read_table
from tests.cli.commands.running import run

N, LIMIT = 3000, 200_000


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("shrinkage.cli._table.CHUNK_CELLS", 400)


def rows(**changes) -> pd.DataFrame:
    """Rows sorted by the target, with missing cells, a rare class and rows without a target."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=N).round(4)
    y = np.sort(x + rng.normal(size=N)).round(4)
    kind = np.append(rng.choice(["a", "b"], N - 1), "rare")
    frame = pd.DataFrame({"x": x, "town": rng.choice(["Ulm", "Bonn", "Jena"], N), "y": y, "kind": kind, "g": range(N)})
    frame["g"] //= 100
    frame.loc[5:9, "x"], frame.loc[20:29, ["y", "kind"]] = np.nan, None
    return frame.assign(**changes)


def read(prepared: TableData) -> tuple[list[np.ndarray], np.ndarray]:
    """Return inputs and targets of all parts."""
    assert prepared.stream is not None
    scale = TargetScale.from_values(prepared.columns.task, prepared.target.values)
    dataset = prepared.stream.make_dataset(scale.encode)
    parts = [dataset[i] for i in range(dataset.num_batches)]
    assert len(parts) > 5
    inputs = [np.concatenate(arrays) for arrays in zip(*(x for x, _ in parts), strict=True)]
    values = np.concatenate([y for _, y in parts])
    return inputs, values if prepared.target.labels else scale.centre + scale.size * values[:, 0].astype(float)


@pytest.mark.parametrize("target", ["y", "kind"])
@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_the_parts_of_a_table_are_the_whole_table(target, name):
    frame = rows().drop(columns={"y": "kind", "kind": "y"}[target])
    frame.to_csv(name, index=False) if name.endswith("csv") else frame.to_parquet(name)
    prepared = prepare_table(Path(name), target, None, 5, TableOptions(max_memory=LIMIT))
    inputs, values = read(prepared)
    labelled = read_table(Path(name)).frame.dropna(subset=[target])
    expected = encode(prepared.columns, read_cells(prepared.columns, labelled))
    assert 100 < len(prepared.target.values) < N / 2 < len(values) == N - 10
    for got, whole in zip(inputs, expected, strict=True):
        np.testing.assert_array_equal(got, whole)
    if target == "kind":
        assert prepared.target.labels == ("a", "b", "rare") and np.bincount(values)[2] == 1
    else:  # float32 of numbers up to 5
        np.testing.assert_allclose(values, labelled[target].astype(float), atol=1e-5)
    assert prepared.stream is not None and prepared.stream.counts.missing_cells == {"x": 5}
    assert "random sample" in prepared.describe() and "2,990 rows with a target" in prepared.describe_counts()


def test_a_sample_of_sorted_rows_is_random():
    rows().to_csv("t.csv", index=False)
    values = prepare_table(Path("t.csv"), "y", None, 5, TableOptions(max_memory=LIMIT)).target.values
    # four standard errors of a mean of hundreds of rows
    assert abs(values.mean() - rows()["y"].mean()) < 4 * rows()["y"].std() / np.sqrt(len(values))


@pytest.mark.parametrize("place", [50, N - 2])
def test_a_bad_target_is_found_wherever_it_is(place):
    frame = rows().astype({"y": object})
    frame.loc[place, "y"] = "oops"
    frame.to_csv("t.csv", index=False)
    words = f"t.csv, line {place + 2}, column y: the target is not a finite number: 'oops'"
    with pytest.raises(BadInput, match=words):
        read(prepare_table(Path("t.csv"), "y", None, 5, TableOptions(max_memory=LIMIT)))
    skipping = TableOptions(max_memory=LIMIT, on_bad_row="skip", group="g")
    prepared = prepare_table(Path("t.csv"), "y", None, 5, skipping)
    assert len(read(prepared)[1]) == N - 11 and words in prepared.describe_counts()
    prepared.skipped_rows.save(Path())
    assert pd.read_csv(NAME)["line"].tolist() == [place + 2]  # once, though the rows were read three times
    assert prepared.split.groups is not None and len(prepared.split.groups) == N - 11


@pytest.fixture
def arguments(monkeypatch) -> dict:
    """The arguments of `sh.fit`, which is not run."""
    found = {}

    def fit(**options):
        found.update(options)
        raise BadInput("no training")

    monkeypatch.setattr(sh, "fit", fit, raising=False)
    return found


def test_fit_trains_on_all_rows_and_says_so(arguments):
    rows().to_csv("t.csv", index=False)
    done = run("fit", "t.csv", "--target", "y", "--max-memory", "200kB", "-o", "run")
    assert "no training" in done.stderr
    assert arguments["max_memory"] == LIMIT and "y" not in arguments and arguments["x"].num_batches > 5
    assert "larger than the memory limit: the columns were inferred from a random sample of" in done.stdout
    assert "of which the table below has the counts" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("left out: "))
    assert "in the sample without a target" in line
    refused = run("fit", "t.csv", "--target", "y", "--max-memory", "200kB", "--model", "linear", "--epochs", "9")
    assert refused.exit_code == 2 and "--batch-size 256" in refused.stderr


@pytest.mark.parametrize(("text", "size"), [("200kB", 200_000), ("1.5 GiB", 1.5 * 2**30), ("4e9", 4e9), ("2G", 2e9)])
def test_sizes_of_memory(arguments, text, size):
    rows().to_csv("t.csv", index=False)
    run("fit", "t.csv", "--target", "y", "--max-memory", text, "-o", "run")
    assert arguments["max_memory"] == size
    refused = run("fit", "t.csv", "--target", "y", "--max-memory", "much")
    assert refused.exit_code == 2 and "500MB or 2GB" in refused.stderr
