"""Files that strangers may give, drawn by Hypothesis: tables of odd cells, in odd encodings, packed or damaged."""

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
from hypothesis import strategies as st

from tests.cli.files import parquet, zipped, zstd

MOST_ROWS, MOST_COLUMNS = 40, 6
HOSTILE = (
    *("", " ", "\t", "a/b", "a.b", "..", "../../x", "é", "日本", "\u202eabc", "\U0001f600", "\x1b[31mred", "\x00"),
    *(
        "y" * 300,
        "0",
        "-1",
        "1e3",
        "=1+1",
        "#",
        "#x",
        "'",
        '"',
        "a,b",
        "a;b",
        "a\nb",
        "a\r\nb",
        "<b>",
        "{}",
        "{0}",
        "%s",
    ),
    *(
        "nan",
        "NA",
        "true",
        "index",
        "prediction",
        "probability_a",
        "numbers",
        "marks",
        "embedded_0",
        "e\u0301",
        "\u00e9",
    ),
    *("\ufeffa", "$epochs", "[a]", "*", "\\"),
)
"""Names and cells that a careless program takes for something else."""
WORDS = "house street small large river 12 red the of".split()


def _among(cells: str | Sequence[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(cells.split() if isinstance(cells, str) else cells)


def _digits(least: int, most: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=least, max_size=most)


_DAY = st.builds("{:04d}-{:02d}-{:02d}".format, st.integers(1, 9999), st.integers(0, 13), st.integers(0, 32))
CELLS: dict[str, st.SearchStrategy[str]] = {
    "numbers": st.floats(-1e6, 1e6, width=32).map(str),
    "any floats": st.floats().map(repr),
    "whole": st.integers(-9, 9).map(str),
    "huge": st.one_of(_digits(15, 40), _digits(300, 400), st.integers(2**52, 2**66).map(str)),
    "tiny": st.floats(0, 1e-300).map(repr),
    "comma decimals": st.builds("{},{}".format, st.integers(-999, 999), _digits(1, 3)),
    "thousands": st.integers(-(10**9), 10**9).map("{:,}".format),
    "points": st.integers(0, 10**9).map(lambda number: f"{number:,}".replace(",", ".")),
    "exponents": _among("1e308 1e309 -1e400 1e-400 1E5 5e 0x1F 1_000 ٣ ² ½ +5 5- (5) −5 1.2.3 .5 5."),
    "NaN forms": _among("NaN nan NA N/A null None ? - -- . inf -inf Infinity #N/A 1.#QNAN <NA>"),
    "truth": _among("true false True FALSE yes no 1 0"),
    "classes": _among("a b c"),
    "two classes": _among("no yes"),
    "codes": _digits(1, 5),
    "days": st.dates().map(str),
    "odd days": _DAY,
    "German days": st.dates().map(lambda day: f"{day:%d.%m.%Y}"),
    "American days": st.datetimes().map(lambda time: f"{time:%m/%d/%y %I:%M %p}"),
    "times": st.datetimes(timezones=st.none() | st.timezones()).map(lambda time: time.isoformat()),
    "sentences": st.lists(_among(WORDS), max_size=12).map(" ".join),
    "units": st.builds("{} {}".format, st.integers(0, 99), _among("kg EUR % $")),
    "empty": st.just(""),
    "constant": st.just("7"),
    "hostile": st.sampled_from(HOSTILE),
    "text": st.text(max_size=8),
    "long": st.text("ab ", min_size=200, max_size=300),
}
"""The cells of a kind of column."""


@dataclass(frozen=True)
class Drawn:
    """A file, and the names of its columns."""

    name: str
    content: bytes
    columns: tuple[str, ...]
    how: str
    """How it was made, for a failure's message."""


_SANE = ("numbers", "two classes", "classes", "truth", "whole")
_PLAIN_NAME = st.text("abcxyz", min_size=1, max_size=3)
_ODD_NAME = st.sampled_from(HOSTILE) | st.text(max_size=5)


def _mostly(usual: st.SearchStrategy, odd: st.SearchStrategy) -> st.SearchStrategy:
    """Draw from the first in three of four cases, so that most files reach the later steps."""
    return st.integers(0, 3).flatmap(lambda number: odd if number == 3 else usual)


@st.composite
def columns(draw: st.DrawFn, sane: bool = False) -> dict[str, list[str]]:
    """Draw names with cells, the target first. Each column is of one kind, here and there with a cell of another.

    With `sane`, there are enough rows, and the target is one.
    """
    n_rows = draw(st.integers(24, MOST_ROWS) if sane else _mostly(st.integers(12, MOST_ROWS), st.integers(0, 11)))
    targets = st.sampled_from(_SANE)
    kinds = [draw(targets if sane else _mostly(targets, st.sampled_from([*CELLS])))]
    kinds += draw(st.lists(st.sampled_from([*CELLS]), min_size=1, max_size=MOST_COLUMNS - 1))
    table: dict[str, list[str]] = {}
    for kind in kinds:
        name = draw(_mostly(_PLAIN_NAME, _ODD_NAME))
        cells = draw(st.lists(CELLS[kind], min_size=n_rows, max_size=n_rows))
        if n_rows and not (sane and not table):
            other = CELLS[draw(st.sampled_from([*CELLS]))]
            for place in draw(_mostly(st.just([]), st.lists(st.integers(0, n_rows - 1), max_size=4))):
                cells[place] = draw(other)
        table[name if name not in table else f"{name}{len(table)}"] = cells
    return table


def _lines(table: dict[str, list[str]], separator: str, quoting: int, end: str) -> str:
    if quoting == csv.QUOTE_NONE:  # as careless programs write, also where a cell has the separator
        return "".join(separator.join(row) + end for row in (list(table), *zip(*table.values(), strict=True)))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)  # pyright: ignore
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return text.getvalue()


_ENCODINGS = (*["utf-8"] * 12, "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "shift_jis", "cp037")
_ABOVE = (*[""] * 20, "Sales\n\n", "# comment\n", "sep=;\n", "sep=\n", "\n\n", "\ufeff", "a,b,c\n", '"', "'")
_PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
    "zip": lambda content: zipped(**{"in/t.csv": content}),
    "twice": lambda content: gzip.compress(zipped(t=content)),
    "two files": lambda content: zipped(a=content, b=content),
    "a member above": lambda content: zipped(**{"../../x": content}),
}


@st.composite
def csv_files(draw: st.DrawFn) -> Drawn:
    """Draw a CSV, or something near to one."""
    table = draw(columns())
    separator, end = draw(st.sampled_from(",,,,,,,;;;\t\t| :")), draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    quoting = draw(st.sampled_from([*[csv.QUOTE_MINIMAL] * 6, csv.QUOTE_ALL, csv.QUOTE_NONE]))
    text = draw(st.sampled_from(_ABOVE)) + _lines(table, separator, quoting, end)
    encoding = draw(st.sampled_from(_ENCODINGS))
    content = _damaged(draw, text.encode(encoding, "replace"))
    pack = draw(st.sampled_from(["plain"] * 20 + [*_PACK]))
    content = _PACK[pack](content)
    content = _damaged(draw, content) if pack != "plain" else content
    name = draw(
        st.sampled_from(["t.csv"] * 20 + ["t.gz", "t.parquet", "-t.csv", "t t.csv", "[t].csv", "é\U0001f600.csv", "t"])
    )
    return Drawn(name, content, tuple(table), f"{separator!r}, {encoding}, {pack}")


def _damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Cut the bytes off, replace some, or leave them: most files are whole."""
    how = draw(st.sampled_from(["whole"] * 30 + ["cut", "replaced", "inserted"]))
    if how == "whole" or not content:
        return content
    place = draw(st.integers(0, len(content) - 1))
    if how == "cut":
        return content[:place]
    new = draw(
        st.binary(min_size=1, max_size=6) | st.sampled_from([b'"', b"\n", b",", b"\0", b"\xff", b"\xed\xa0\x80"])
    )
    return content[:place] + new + content[place + (len(new) if how == "replaced" else 0) :]


def _numbers(cells: list[str]) -> pd.Series:
    return pd.Series(pd.to_numeric(pd.Series(cells), errors="coerce"))


_TYPES: dict[str, Callable[[list[str]], object]] = {
    "text": lambda cells: cells,
    "numbers": lambda cells: _numbers(cells),
    "small": lambda cells: _numbers(cells).fillna(0).clip(-9, 9).astype("int8"),
    "nullable": lambda cells: pd.Series([len(cell) or None for cell in cells], dtype="Int64"),
    "truth": lambda cells: [len(cell) % 2 == 0 for cell in cells],
    "category": lambda cells: pd.Categorical(cells),
    "dates": lambda cells: pd.to_datetime(pd.Series(cells), errors="coerce", format="ISO8601", utc=True),
    "durations": lambda cells: pd.to_timedelta([len(cell) for cell in cells], unit="s"),
    "bytes": lambda cells: [cell.encode("utf-8", "replace") for cell in cells],
    "lists": lambda cells: [[len(cell)] for cell in cells],
    "decimals": lambda cells: pd.Series([None] * len(cells), dtype=object),
}


@st.composite
def parquet_files(draw: st.DrawFn) -> Drawn:
    """Draw a Parquet file with columns of several types, whole or damaged."""
    table = draw(columns())
    frame = pd.DataFrame({name: _TYPES[draw(st.sampled_from([*_TYPES]))](cells) for name, cells in table.items()})
    if draw(st.booleans()) and len(table) > 1:
        frame = frame.set_index(next(iter(table)))
    return Drawn("t.parquet", _damaged(draw, parquet(frame)), tuple(table), "Parquet")


@st.composite
def sane_files(draw: st.DrawFn) -> Drawn:
    """Draw a CSV that can be trained on, as a rule, with cells and names as odd as in others."""
    table = draw(columns(sane=True))
    content = _lines(table, ",", csv.QUOTE_MINIMAL, "\n").encode("utf-8", "replace")
    return Drawn("t.csv", content, tuple(table), "a table")


def files() -> st.SearchStrategy[Drawn]:
    """Draw a file."""
    noise = st.builds(Drawn, st.just("t.csv"), st.binary(max_size=200), st.just(("a",)), st.just("noise"))
    return st.one_of(csv_files(), csv_files(), csv_files(), csv_files(), parquet_files(), noise)
