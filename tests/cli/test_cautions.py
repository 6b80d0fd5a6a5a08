"""What may not be as it looks is said, and ordinary tables are not spoken of."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from shrinkage._cv._splits import make_folds
from shrinkage._messages._note import Note
from shrinkage.cli import main
from shrinkage.cli._columns import Columns
from shrinkage.cli._encoder import read_cells
from shrinkage.cli._errors import BadInput
from shrinkage.cli._prepare import TableOptions, prepare_table
from shrinkage.cli._tables import read_table
from shrinkage.cli._terms import SHELL_TERMS, make_shell_terms

N = 120
RNG = np.random.default_rng(0)
Y = RNG.normal(size=N)


def described(folder: Path, target: str = "y", **columns: Any) -> str:
    frame = pd.DataFrame({"x": RNG.normal(size=N).round(3), **columns})
    if target == "y":
        frame["y"] = Y
    frame.to_csv(folder / "t.csv", index=False)
    return prepare_table(folder / "t.csv", target, None, 5).describe()


def ages(low: int, high: int, count: int, code: float) -> np.ndarray:
    """Numbers from `low` to `high`, and a code in `count` of them."""
    numbers = RNG.integers(low, high, N).astype(float)
    numbers[:count] = code
    return RNG.permutation(numbers)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"c": ["Berlin", "berlin", "BERLIN", "Ulm"] * 30}, "differ in case or spaces alone (BERLIN, Berlin, berlin)"),
        ({"c": ["New York", "New  york", "Ulm"] * 40}, "(New  york, New York)"),
        ({"c": ages(0, 80, 12, -999)}, "c is -999 in 12 rows, and otherwise between 0 and 79; if -999 stands for"),
        ({"c": ages(1, 9, 12, 99)}, "c is 99 in 12 rows"),
        ({"c": ages(0, 5, 12, -9)}, "c is -9 in 12 rows"),
        ({"c": ages(0, 800, 12, 9999)}, "c is 9999 in 12 rows"),
        ({"c": [1.5, 2, None, 4] * 30, "d": [1.5, 2, None, 4] * 30}, "d has the cells of c in all rows; --drop d"),
        ({"c": [*"abca"] * 30, "d": [*"abca"] * 30}, "d has the cells of c in all rows; --drop d leaves it out"),
    ],
)  # fmt: skip
def test_what_may_not_be_as_it_looks_is_said(tmp_path, columns, said):
    (line,) = (line for line in described(tmp_path, **columns).splitlines() if line.startswith("caution: "))
    assert said in line


@pytest.mark.parametrize("target", [["Yes", "yes", "No", "no"] * 30, [*["Yes", "No"] * 55, *["no"] * 10]])
def test_classes_that_differ_in_case_are_said(tmp_path, target):
    assert "caution: t has categories that differ in case or spaces alone (No, no" in described(tmp_path, "t", t=target)


@pytest.mark.parametrize(
    "columns",
    [
        {"c": ["a", "B", "c"] * 40},
        {"c": ages(0, 100, 12, 99)},  # an age
        {"c": ages(0, 80, 5, -999)},  # fewer than one in twenty
        {"c": ages(0, 80, 12, 120)},
        {"width": RNG.permutation(10**6)[:N], "acid": RNG.permutation(10**6)[:N]},
        {"customer_id": RNG.integers(0, 50, N)},
        {"c": RNG.integers(19_000_000, 20_250_000, N)},
        {"amount": RNG.normal(1e4, 1e3, N).round(2)},
    ],
)
def test_ordinary_columns_are_not_spoken_of(tmp_path, columns):
    words = described(tmp_path, **columns)
    assert "caution" not in words and "not used" not in words and "folds" not in words


DATES = pd.date_range("1958-03-29", periods=N)


@pytest.mark.parametrize("days", [DATES.strftime("%Y%m%d"), DATES.strftime("%Y-%m-%d"), DATES.strftime("%d.%m.%Y")])
def test_dates_and_the_order_of_time_is_spoken_of(tmp_path, days):
    words = described(tmp_path, day=days)
    written_as_number = days[0].isdigit()
    assert ("caution: day seems to hold dates, such as 19580329" in words) == written_as_number
    assert ("day     date " in words) == (not written_as_number)
    assert "the folds are drawn at random: to predict later from earlier rows, say --time NAME" in words


# --- headers and separators


def test_a_file_without_a_header_is_asked_for_one(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text(
        "53.46,5.68,27.68\n" + "".join(f"{a:.2f},{b:.2f},{c:.2f}\n" for a, b, c in RNG.normal(size=(60, 3)))
    )
    with pytest.raises(
        BadInput, match="first line that was read as the names: 53.46, 5.68, 27.68. If it is a row, write"
    ):
        prepare_table(file, "y", None, 5)
    words = prepare_table(file, "27.68", None, 5).describe()
    assert "caution: the first line, 53.46, 5.68, 27.68, was read as the columns' names" in words
    file.write_text("5,0,0,1\n" + "1,2,3,4\n" * 9)
    with pytest.raises(
        BadInput, match="same name for several columns: 0. Names are read from the first line. If it is"
    ):
        read_table(file)


@pytest.mark.parametrize(
    ("option", "separator"), [("|", "|"), (":", ":"), ("space", "   "), ("space", " \t"), ("tab", "\t"), ("\\t", "\t")]
)
def test_the_separator_that_the_user_names(tmp_path, monkeypatch, option, separator):
    monkeypatch.chdir(tmp_path)
    rows = ["a_b", "y"], *([f"{i * i % 13}", f"{i * 7 % 5}"] for i in range(20))
    Path("t.csv").write_text("".join(separator.join(row) + " \n" for row in rows))
    asked = ["fit", "t.csv", "--target", "z", "--sep", option]
    done = CliRunner().invoke(main, asked)
    columns = prepare_table(
        Path("t.csv"),
        "y",
        None,
        5,
        TableOptions(separator={"space": " ", "tab": "\t", "\\t": "\t"}.get(option, option)),
    ).columns
    assert columns.names == ("a_b",)
    if "\t" not in separator:
        words = "that the model was fitted with. Received: a table without a_b. DATA was read as .* column.*--sep"
        with pytest.raises(BadInput, match=words):
            read_cells(columns, read_table(Path("t.csv"), columns.to_csv_facts()).frame)
    assert done.exit_code == 2 and "DATA has the columns a" in done.stderr and done.stderr.rstrip().endswith("b, y.")
    if "\t" not in separator:
        with pytest.raises(BadInput, match=f"single column.*--sep '?{'[|]' if option == '|' else option}"):
            prepare_table(Path("t.csv"), "z", None, 5)


@pytest.mark.parametrize("option", ["", ";;", '"', "a", "\n"])
def test_separators_that_are_none(tmp_path, option):
    done = CliRunner().invoke(main, ["fit", "t.csv", "--target", "z", "--sep", option])
    assert done.exit_code == 2 and "--sep must be `tab`, `space` or one character" in done.stderr


def test_single_quotes_around_cells(tmp_path):
    (tmp_path / "t.csv").write_text("'a'\t'b'\n'x'\t1\n'y'\t2\n")
    table = read_table(tmp_path / "t.csv")
    assert table.frame.to_dict("list") == {"a": ["x", "y"], "b": ["1", "2"]}
    assert "single quotes" in str(table.notes)
    (tmp_path / "t.csv").write_text("'a'\tb\n'x'\t1\n")
    assert read_table(tmp_path / "t.csv").frame.columns.tolist() == ["'a'", "b"]


# --- names


def test_inputs_with_another_name_are_said_and_found(tmp_path):
    name = "od280/od315_of_diluted_wines"
    words = described(tmp_path, "y", **{name: RNG.normal(size=N)})
    assert f"because Keras allows no slash: {name} is od280_od315_of_diluted_wines" in words
    columns: Columns = prepare_table(tmp_path / "t.csv", "y", None, 5).columns
    new = read_table(tmp_path / "t.csv").frame.rename(columns={name: "od280_od315_of_diluted_wines"})
    with pytest.raises(BadInput, match=f"without {name}. Rename 'od280_od315_of_diluted_wines' to '{name}'"):
        read_cells(columns, new)


# --- words of the library in the shell


def test_rows_of_a_fold_are_named_so_that_python_finds_them():
    said = SHELL_TERMS.say(Note("Look for outliers in its rows, ${held_out}[3]$in_python. More."))
    assert "shrinkage.Path.load(FOLDER).folds.held_out[3] in Python" in said and said.endswith("0. More.")


@pytest.mark.parametrize(("n_small", "more"), [(15, False), (16, True), (90, True)])
def test_of_many_small_classes_fifteen_are_named(n_small, more):
    classes = np.concatenate([np.repeat([0], 200), np.arange(1, n_small + 1)])
    (note,) = make_folds(len(classes), 5, classes=classes).notes
    assert note.count("(1 row)") == 15 and (f" and {n_small - 15} more" in note) == more
    labels = [f"class-{i}" for i in range(n_small + 1)]
    said = make_shell_terms(labels).say(note)
    assert said.count("class-") == 15 and (f" and {n_small - 15} more" in said) == more
