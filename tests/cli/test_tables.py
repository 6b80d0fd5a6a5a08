"""Tables in several files: patterns, folders and partitions."""

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from shrinkage.cli._errors import BadInput
from shrinkage.cli._numerals import NO_FACTS, CsvFacts
from shrinkage.cli._prepare import TableOptions, prepare_table
from shrinkage.cli._tables import find_sources, read_sources


def write(name: str, content: str | bytes) -> Path:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Path(name)


def read(*places: str, known: CsvFacts = NO_FACTS, **options) -> pd.DataFrame:
    return read_sources(find_sources([Path(place) for place in places]), known, **options).frame


def test_columns_are_matched_by_name_and_rows_keep_the_order_of_the_files():
    write("b.csv", "x,y\n1,a\n2,b\n")
    write("a.csv.gz", gzip.compress(b"y;x\nc;3\n"))
    write("c.csv", "x\ty\n4\té\n".encode("cp1252"))
    frame = read("b.csv", "a.csv.gz", "c.csv")
    assert frame.index.tolist() == [0, 1, 2, 3]
    assert frame.to_dict("list") == {"x": ["1", "2", "3", "4"], "y": ["a", "b", "c", "é"]}
    assert read("*.csv")["x"].tolist() == ["1", "2", "4"]
    assert read("c.csv", "b.csv")["x"].tolist() == ["4", "1", "2"]


def test_one_file_shows_the_decimal_sign_of_all():
    write("a.csv", "x;y\n3.652;1\n")
    write("b.csv", "x;y\n1,5;1\n")
    assert read("a.csv")["x"].tolist() == ["3.652"]
    assert read("a.csv", "b.csv")["x"].tolist() == ["3652", "1.5"]


def test_partitions_are_columns_as_in_pyarrow():
    rows = pd.DataFrame({"x": np.arange(6.0), "year": [2023, 2024] * 3, "town": ["Ulm", "Bad Ems", None] * 2})
    table = pa.Table.from_pandas(rows)
    partitioning = ds.partitioning(pa.schema([("year", pa.int64()), ("town", pa.string())]), flavor="hive")
    ds.write_dataset(table, "rows", format="parquet", partitioning=partitioning)
    write("rows/_SUCCESS", "")
    write("rows/year=2023/.part.crc", "x")
    found = read("rows").sort_values("x")
    assert found["year"].tolist() == ["2023", "2024"] * 3
    assert found["town"].fillna("-").tolist() == ["Ulm", "Bad Ems", "-"] * 2
    assert sorted(read("rows")["x"]) == rows["x"].tolist()


def test_categories_of_files_stay_categories():
    for name, codes in (("a", [1, 2]), ("b", [3, 1])):
        pd.DataFrame({"c": pd.Categorical(codes)}).to_parquet(f"{name}.parquet")
    assert isinstance(read("a.parquet", "b.parquet")["c"].dtype, pd.CategoricalDtype)


def test_a_file_without_rows_is_said():
    write("a.csv", "x,y\n1,2\n")
    write("b.csv", "x,y\n")
    table = read_sources(find_sources([Path("a.csv"), Path("b.csv")]))
    assert len(table.frame) == 1 and table.notes == ("b.csv: a header and no rows; the file adds none",)


@pytest.mark.parametrize(
    ("files", "places", "message"),
    [
        ({"a.csv": "x\n1\n"}, ["a.csv", "no.csv"], "no.csv, which does not exist"),
        ({"a.csv": "x\n1\n"}, ["b*.csv"], "Received: b\\*.csv, which matches none"),
        ({"a.csv": "x\n1\n"}, ["a.csv", "a*.csv"], "Received: a.csv twice"),
        ({"d/_SUCCESS": ""}, ["d"], "Received: d, a folder without one"),
        ({"a.csv": "x\n1\n", "b.csv": ""}, ["*.csv"], "b.csv, which is empty"),
        ({"a.csv": "x\n1\n", "b.csv": "x,x\n1,2\n", "c.csv": "x\n1\n"}, ["*.csv"], "b.csv, with the same name"),
        ({"a.csv": "x\n1\n", "b.csv": b"PAR1 and no more", "c.csv": "x\n1\n"}, ["*.csv"], "b.csv, which is not a rea"),
        ({"a.csv": "x\n", "b.csv": "x\n"}, ["*.csv"], "a.csv and all other files, with a header and no"),
        ({"a.csv": "x,y\n1,2\n", "b.csv": "x\n1\n"}, ["*.csv"], "b.csv without y, and a.csv with y. Add the column"),
        (
            {"a.csv": "x\n1\n2\n", "b.csv": "x\nbig\nsmall\n"},
            ["*.csv"],
            "x must .* text in b.csv, such as 'big', and num",
        ),
        ({"a.csv": "x\ntrue\n", "b.csv": "x\nbig\n"}, ["*.csv"], "x must .* text in b.csv, such as 'big', and boo"),
    ],
)
def test_files_that_do_not_fit(files, places, message):
    for name, content in files.items():
        write(name, content)
    with pytest.raises(BadInput, match=message):
        read(*places)


def test_csv_and_parquet_are_not_mixed():
    write("a.csv", "x\n1\n")
    pd.DataFrame({"x": [1.0]}).to_parquet("b.parquet")
    with pytest.raises(BadInput, match="a.csv, which is CSV, and b.parquet, which is Parquet"):
        read("a.csv", "b.parquet")


def test_columns_that_are_not_used_may_differ():
    write("a.csv", "x,y,z\n1,2,3\n2,3,4\n")
    write("b.csv", "x,y\nbig,1\n")
    assert len(read("*.csv", uses=lambda name: name == "y")) == 3
    known = CsvFacts(categories={"x": None})
    assert read("*.csv", known=known, uses=lambda name: name != "z")["x"].tolist() == ["1", "2", "big"]


def test_a_few_odd_cells_in_a_file_are_no_other_type():
    write("a.csv", "x\n" + "\n".join(map(str, range(100))) + "\n")
    write("b.csv", "x\nn.a.\n")
    assert len(read("*.csv")) == 101


def test_files_are_the_same_as_their_rows_in_one_file():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=40), "b": rng.choice(["p", "q"], 40), "y": rng.normal(size=40)})
    frame.to_csv("all.csv", index=False)
    for number in range(4):
        Path("parts").mkdir(exist_ok=True)
        frame[10 * number : 10 * number + 10].to_csv(f"parts/{number}.csv", index=False)
    one, several = (
        prepare_table(Path("all.csv"), "y", None, 5),
        prepare_table([Path("parts")], "y", None, 5, TableOptions()),
    )
    assert one.columns == several.columns and np.ptp(one.encode()[0]) > 1
    for encoded, expected in zip(several.encode(), one.encode(), strict=True):
        np.testing.assert_array_equal(encoded, expected)
    np.testing.assert_array_equal(one.target.values, several.target.values)
    assert several.describe().startswith("parts (4 files): 40 rows;") and os.sep not in one.file
