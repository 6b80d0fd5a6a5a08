"""How files write numbers: every column is read as the file as a whole shows, and what stays unread is said."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shrinkage.cli._columns import Columns
from shrinkage.cli._encoder import read_cells
from shrinkage.cli._errors import BadInput
from shrinkage.cli._infer import infer_columns
from shrinkage.cli._prepare import TableOptions, prepare_table
from shrinkage.cli._tables import read_table
from shrinkage.cli._target import read_target
from shrinkage.cli._values import infer_kind

N = 60
WHOLE = np.random.default_rng(0).integers(1, 90_000, N) // 7 * 7 + 1  # some below 1,000 and most above
PARTS = np.random.default_rng(1).normal(size=N).round(2)


def german(number: float, digits: int) -> str:
    return f"{number:,.{digits}f}".translate(str.maketrans(",.", ".,"))


def english(number: float, digits: int) -> str:
    return f"{number:,.{digits}f}"


def write(folder: Path, separator: str = ";", **columns) -> Path:
    stream = io.StringIO()
    rows = csv.writer(stream, delimiter=separator)
    rows.writerow(columns)
    rows.writerows(zip(*columns.values(), strict=True))
    (folder / "t.csv").write_text(stream.getvalue())
    return folder / "t.csv"


# --- decimals and thousands


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("style", [german, english])
@pytest.mark.parametrize(
    "shown",
    [
        lambda style: [style(part, 2) for part in PARTS],
        lambda style: [style(part, 1) + " kg" for part in PARTS],
        lambda style: [style(abs(part), 1) + " %" for part in PARTS],
        lambda style: [style(10**6 + n, 0) for n in range(N)],
        lambda style: [style(part, 3) if i else style(0.5, 1) for i, part in enumerate(PARTS + 5)],
    ],
)
def test_thousands_are_read_as_another_column_shows(tmp_path, separator, style, shown):
    """`3.652` is 3652 where `0,13`, `5,7 kg` or `1.400.000` is in the file, and `950` stays: in English the same."""
    file = write(
        tmp_path, separator, amount=[style(n, 0) for n in WHOLE], other=shown(style), y=[f"{n}" for n in WHOLE]
    )
    table = read_table(file)
    assert (WHOLE < 1000).any() and (WHOLE > 1000).sum() > N / 2
    assert table.frame["amount"].astype(float).tolist() == WHOLE.tolist()
    assert table.decimal == ("," if style is german else ".") and table.notes == ()


def test_a_target_shows_it_and_is_read_by_it(tmp_path):
    file = write(tmp_path, a=[german(p, 2) for p in PARTS], y=[german(n, 0) for n in WHOLE])
    assert prepare_table(file, "y", "regression", 5).target.values.tolist() == WHOLE.tolist()
    file = write(tmp_path, a=[german(n, 0) for n in WHOLE], y=[german(p, 2) for p in PARTS])
    assert prepare_table(file, "y", None, 5).cells["a"][:, 0].tolist() == WHOLE.tolist()


@pytest.mark.parametrize(
    "cells", [[f"{n:.3e}" for n in WHOLE], [f"{n / 10**5:.3f}" for n in WHOLE], ["1.2.103", "1.2"] * 30]
)
def test_other_points_are_no_thousands(tmp_path, cells):
    file = write(tmp_path, a=cells, b=[german(part, 2) for part in PARTS])
    assert read_table(file).frame["a"].tolist() == cells


@pytest.mark.parametrize(
    ("separator", "written", "read"), [(";", "3.652", "3.652"), (";", "3,652", "3.652"), (",", "3,652", "3652")]
)
def test_in_a_file_that_shows_nothing_the_reading_is_said(tmp_path, separator, written, read):
    table = read_table(write(tmp_path, separator, a=[written, "950"], b=["x", "y"]))
    assert table.frame["a"].tolist() == [read, "950"]
    other = "3652" if read == "3.652" else "3.652"
    (note,) = table.notes
    assert (
        f"caution: {written} (in a) was read as {read}, and may be {other}" in note and f"write it as {other}" in note
    )


@pytest.mark.parametrize(("separator", "read"), [(";", ["1234", "2345"]), (",", ["1.234", "2.345"])])
def test_columns_that_contradict_each_other_are_said(tmp_path, separator, read):
    file = write(tmp_path, separator, a=["1.234", "2.345"], b=["0,5", "0,6"], c=["0.5", "0.6"], d=["1.5", "1.6"])
    table = read_table(file)
    assert table.frame["a"].tolist() == read
    assert "caution: 1.234 (in a)" in str(table.notes) and "differ" in str(table.notes)
    assert table.frame[["b", "c"]].to_numpy().tolist() == [["0.5", "0.5"], ["0.6", "0.6"]]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("a;b\n12500;x\n", 12500),
        ("a;b\n12.500;x\n", 12500),
        ("a;b\n12.500,0;x\n", 12500),
        ("a;b;c\n12.5;x;0.5\n", 12.5),  # a file that shows a point
        ("a,b\n12500,x\n", 12500),
        ("a;b\n12.500-;x\n", -12500),
        ("a;b\n(12.500);x\n", -12500),
    ],
)
def test_new_rows_are_read_as_those_of_the_training(tmp_path, text, amount):
    """`12.500` alone shows nothing, but the training file did."""
    file = write(tmp_path, a=[german(n, 0) for n in WHOLE], b=["x", "z"] * 30, y=[german(p, 2) for p in PARTS])
    prepare_table(file, "y", None, 5).columns.save(tmp_path / "columns.json")
    columns = Columns.load(tmp_path / "columns.json")
    (tmp_path / "new.csv").write_text(text)
    table = read_table(tmp_path / "new.csv", columns.to_csv_facts())
    assert read_cells(columns, table.frame)["a"].tolist() == [[amount]] and table.notes == ()


@pytest.mark.parametrize("category", ["1,5", "2.500", "A-"])
def test_categories_are_the_same_text_in_new_rows(tmp_path, category):
    file = write(tmp_path, c=[category, "B"] * 30, x=[german(p, 2) for p in PARTS], y=[german(n, 1) for n in WHOLE])
    columns = prepare_table(file, "y", None, 5).columns
    assert category in columns.categories[0].categories
    (tmp_path / "new.csv").write_text(f"c;x\n{category};0,5\n")
    table = read_table(tmp_path / "new.csv", columns.to_csv_facts())
    assert read_cells(columns, table.frame)["c"].tolist() == [[category]]


@pytest.mark.parametrize("head", ["x;y\n", "Sales\n\nx;y\n", "# made today\nx;y\n"])
def test_decimal_commas_are_no_separators_of_cells(tmp_path, head):
    """Every row has one comma, as a table of two columns does; the header has none."""
    (tmp_path / "t.csv").write_text(
        head + "".join(f"{n};{german(p, 2)} €\n" for n, p in zip(WHOLE, PARTS, strict=True))
    )
    assert read_table(tmp_path / "t.csv").frame.columns.tolist() == ["x", "y"]


@pytest.mark.parametrize("marks", [["k.A."] * 12, ["oops"], [""] * 20])
def test_odd_cells_do_not_keep_thousands_from_being_read(tmp_path, marks):
    amounts = [german(n, 0) for n in WHOLE]
    amounts[: len(marks)] = marks
    few = ["1.500", "2.500"] * 30
    few[0] = marks[0]
    prepared = prepare_table(
        write(tmp_path, a=amounts, few=few, b=[german(p, 2) for p in PARTS], y=WHOLE), "y", None, 5
    )
    assert prepared.cells["a"][len(marks) :, 0].tolist() == WHOLE[len(marks) :].tolist()
    assert set(prepared.cells["few"][1:, 0]) == {1500, 2500}


@pytest.mark.parametrize("cells", [["1.500", "A"], ["1.500", ""], ["1.500"] * 9 + ["A"]])
def test_numbers_that_are_categories_are_found_in_new_rows(tmp_path, cells):
    file = write(tmp_path, c=(cells * 60)[:N], b=[german(p, 2) for p in PARTS], y=WHOLE)
    columns = prepare_table(file, "y", None, 5, TableOptions()).columns
    assert [column.name for column in columns.categories] == ["c"]
    (tmp_path / "new.csv").write_text("c;b\n1.500;0,5\n")
    (row,) = read_cells(columns, read_table(tmp_path / "new.csv", columns.to_csv_facts()).frame)["c"].tolist()
    assert row[0] in columns.categories[0].categories


# --- minus


@pytest.mark.parametrize("minus", ["({})", "{}-", "\u2212{}", "-{}"])
@pytest.mark.parametrize("told", [(), ("a",)])
@pytest.mark.parametrize("style", [german, english])
def test_the_minus_of_accountants_is_read(tmp_path, minus, told, style):
    values = WHOLE * np.where(PARTS < 0, -1, 1)
    cells = [minus.format(style(-v, 2)) if v < 0 else style(v, 2) for v in values]
    prepared = prepare_table(write(tmp_path, a=cells, y=PARTS), "y", None, 5, TableOptions(number=told))
    assert (values < 0).sum() > 10
    assert prepared.cells["a"][:, 0].tolist() == values.tolist()


def test_numbers_of_notes_are_no_negative_numbers(tmp_path):
    table = read_table(write(tmp_path, a=["(1)", "(2)", "(3)"], b=["A-", "B-", "18-25"]))
    assert table.frame.to_numpy().tolist() == [["(1)", "A-"], ["(2)", "B-"], ["(3)", "18-25"]]


# --- units


UNITS = ["{} %", "{}%", "${}", "{} €", "{} kg", "{}kg", "{}k", "{}M", "{}m", "{} km/h", "{} m²", "{} °C", "{} Stück"]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("style", "power"), [(english, 1), (german, 1)])
def test_quantities_are_treated_alike_and_shown_as_they_are(unit, style, power):
    cells = pd.Series([unit.format(style(i + 0.7, 1)) for i in range(40)], name="w")
    power = {"{}k": 1000, "{}M": 1_000_000}.get(unit, 1)
    said = f"it looks like numbers, written as '{cells[0]}'; write {cells[0]} as {0.7 * power:g}"
    _, _, dropped, _ = infer_columns(pd.DataFrame({"w": cells, "x": np.arange(40) ** 2}))
    if power < 1_000_000:
        assert dropped == {"w": said}
    with pytest.raises(BadInput, match=r"--target must be .* Received: w \(it looks like numbers, written as"):
        read_target(cells, None)
    with pytest.raises(
        BadInput, match="--number must be .* Received: w, in which no cell is one: it looks like numbers"
    ):
        infer_columns(pd.DataFrame({"w": cells}), number=["w"])
    assert len(read_target(pd.Series([*cells, *cells], name="w"), "multi-class").labels) == 40  # who says so has it


def test_quantities_in_several_units():
    with pytest.raises(BadInput, match="write 5 kg as 5, all in the same unit"):
        read_target(pd.Series([f"{i} kg" for i in range(5, 30)] + ["800 g", "900 g"], name="w"), None)


@pytest.mark.parametrize("unit", UNITS)
def test_few_quantities_are_categories_and_said(tmp_path, unit):
    file = write(tmp_path, term=[unit.format(n) for n in (36, 60)] * 30, x=WHOLE, y=PARTS)
    prepared = prepare_table(file, "y", None, 5)
    assert len(prepared.columns.categories[0].categories) == 2
    assert "caution: term is taken as categories, and it looks like numbers, written as" in prepared.describe()


@pytest.mark.parametrize(
    "cells",
    [
        [f"{i}{letter}" for i in range(30) for letter in "ab"],
        [f"{i}{'st' if i == 1 else 'nd' if i == 2 else 'th'}" for i in range(1, 40)],
        [f"{i} {name}" for i in range(12) for name in ("Main St", "High St", "Park Av")],
        [f"{i:05d} Ulm" for i in range(40)],
        [f"{i}{code}" for i in range(9) for code in ("ab", "cd", "ef", "gh")],
    ],
)
def test_codes_and_names_that_begin_with_numbers_are_no_quantities(cells):
    assert infer_kind(pd.Series(cells)) == "category"


# --- what the user says wins, or is refused


def test_categories_that_the_user_names_need_two_rows(tmp_path):
    codes = [f"K{i // 2:03d}" for i in range(300)]
    frame = pd.DataFrame({"k": codes, "x": np.arange(300) % 17, "y": np.arange(300) ** 2.0})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert "k" in prepare_table(tmp_path / "t.csv", "y", None, 5).columns.dropped
    (column,) = prepare_table(tmp_path / "t.csv", "y", None, 5, TableOptions(category=("k",))).columns.categories
    assert len(column.categories) == 150


@pytest.mark.parametrize(
    ("option", "cells", "reason"),
    [
        ("category", [f"K{i}" for i in range(N)], "each value is in a single row"),
        ("category", ["a"] * N, "it is constant"),
        ("category", [""] * N, "every cell is missing"),
        ("number", ["7"] * N, "it is constant"),
        ("number", ["five"] * N, "in which no cell is one: the first is 'five'"),
    ],
)
def test_an_option_that_cannot_be_followed_is_refused(tmp_path, option, cells, reason):
    file = write(tmp_path, k=cells, x=WHOLE, y=PARTS)
    with pytest.raises(BadInput, match=rf"--{option} must be .* Received: k.*{reason}"):
        prepare_table(
            file, "y", None, 5, TableOptions(category=("k",)) if option == "category" else TableOptions(number=("k",))
        )
