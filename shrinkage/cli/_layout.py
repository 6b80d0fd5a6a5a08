"""Find the table in a text: encoding, separator, header, and lines that are not rows."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

SEPARATORS = (",", ";", "\t")
# cp1252 is the default of Excel in western Europe and America.
ENCODINGS = ("utf-8-sig", "cp1252")
# Byte order marks. UTF-32 first, because its mark begins with the mark of UTF-16.
_MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEP_LINE = re.compile(r'"?sep=([^\r\n]?)"?[,;\t ]*(?:\r\n|\r|\n)', re.IGNORECASE)  # Excel reads and writes it
_NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?")
_SAMPLE = 50  # rows for detecting the layout


@dataclass(frozen=True)
class Layout:
    """A table in a text."""

    separator: str
    names: list[str]
    """The cells of the header."""
    body: str
    """The header and the rows, with blank lines in place of other lines."""
    notes: tuple[str, ...]
    """Messages: lines that were left out, and cautions."""
    single_quotes: bool = False
    """Whether the names were in single quotes; cells may then be too."""


def decode(content: bytes) -> tuple[str, str | None]:
    """Return the text and, if the encoding is a guess, a note, else None; raise `ValueError` for binary content."""
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding), None
    if b"\0" in content:
        # In western text in UTF-16, every second byte is zero.
        halves = {"utf-16-le": content[1:2000:2], "utf-16-be": content[:2000:2]}
        for encoding, half in halves.items():
            text = content.decode(encoding) if half.count(0) > 0.6 * len(half) else "\0"
            if "\0" not in text:
                return text, "not UTF-8: read as UTF-16; if letters look wrong, save it as UTF-8"
        raise ValueError("zero bytes")
    try:
        return content.decode(ENCODINGS[0]), None
    except UnicodeDecodeError:
        note = "not UTF-8: read as cp1252 (Windows, western European); if letters look wrong, save it as UTF-8"
        return content.decode(ENCODINGS[1]), note


def find_table(text: str, separator: str | None = None) -> Layout | None:
    """Find the table in a text; None if there is no row.

    - The separator is the argument, or given by a first line such as `sep=;`, else the character that cuts the rows
      into the most cells. A space stands for any number of spaces and tabs.
    - Lines at the top that begin with # are comments. The last of them is the header if it has as many cells as the
      rows, and the line below does not look like a header.
    - Further down, a line that begins with # is a comment unless it has as many cells as the header.
    - Lines above the header with a single filled cell, the first, are titles, if the header has no number.

    Raises:
        csv.Error: For example, if a quote is not closed.
    """
    if given := _SEP_LINE.match(text):
        separator, text = separator or given[1] or None, text[given.end() :]
    if separator == " ":
        text = re.sub(r"[ \t]+(?=[\r\n]|$)", "", text.replace("\t", " "))
    lines = _lines(text)
    n_comments = next((i for i, line in enumerate(lines) if not line.startswith("#") and line.strip()), 0)
    comments, sample = lines[:n_comments], lines[n_comments : n_comments + 10 * _SAMPLE]
    separator = separator or max(SEPARATORS, key=lambda each: _quality(sample, each))
    rows = list(islice(_rows(sample, separator), _SAMPLE))
    if not rows:
        return None
    width, start = _shape([row for row, _ in rows])
    titles = [row[0].strip() for row, _ in rows[:start]]
    names = rows[start][0]
    first = n_comments + rows[start][1]
    marked = [i for i, line in enumerate(comments) if line.startswith("#")]
    if marked and not start and (header := _header_in(comments[marked[-1]], separator, [row for row, _ in rows])):
        names, first, marked = header, marked[-1], marked[:-1]
    body, n_below = _without_comments(lines[first:], separator, len(names))
    body = "\n" * (first + bool(given)) + body  # errors then name the lines of the file
    notes = [f"left out above the header: {', '.join(map(repr, titles))}"] if titles else []
    if marked or n_below:
        count = len(marked) + n_below
        notes.append(f"left out: {count:,} comment line{'s' if count > 1 else ''} (#)")
    single_quotes = all(re.fullmatch(r"\s*'[^']+'\s*", name) for name in names)
    if single_quotes:
        names = [name.strip()[1:-1] for name in names]
        notes.append("left out: the single quotes around names")
    if all(map(is_number, names)):
        notes.append(
            f"caution: the first line, {', '.join(names[:5])}{', ...' * (len(names) > 5)}, was read as the columns' "
            "names; if it is a row, write a line with names above it"
        )
    return Layout(separator, names, body, tuple(notes), single_quotes)


def _lines(text: str) -> list[str]:
    return list(io.StringIO(text, newline=""))


def _rows(lines: list[str], separator: str, strict: bool = False) -> Iterator[tuple[list[str], int]]:
    """Yield the rows that are not blank, each with the index of the first line."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=strict)
    begin = 0
    for row in reader:
        if any(row):
            yield row, begin
        begin = reader.line_num


def _quality(lines: list[str], separator: str) -> tuple[bool, int, float, int]:
    """Return a score of a separator: equally many cells, few titles, a large share of such rows, many cells.

    A separator that also cuts the header is better: in x;y above 80,5;130,25 the commas are no separators.
    """
    try:
        # Strict: where a closing quote is not followed by the separator, it is the wrong one.
        rows = [row for row, _ in islice(_rows(lines, separator, strict=True), _SAMPLE)]
    except csv.Error:
        return False, 0, 0, 0
    if not rows:
        return False, 0, 0, 0
    width, start = _shape(rows)
    share = sum(len(row) == width for row in rows[start:]) / len(rows[start:])
    whole = share == 1
    return (whole, -start if whole else 0, share, width) if width > 1 else (False, 0, 0, width)


def _shape(rows: list[list[str]]) -> tuple[int, int]:
    """Return the number of cells in most rows, and the index of the header, below any titles."""
    counts = Counter(map(len, rows))
    width = max(counts, key=lambda length: (counts[length], length))
    header = next((i for i, row in enumerate(rows) if len(row) == width and not _is_title(row)), 0)
    if width == 1 or not all(map(_is_title, rows[:header])) or any(map(is_number, rows[header])):
        return width, 0
    return width, header


def _is_title(row: list[str]) -> bool:
    return bool(row[0].strip()) and not any(cell.strip() for cell in row[1:])


def _header_in(comment: str, separator: str, rows: list[list[str]]) -> list[str] | None:
    """Return the cells of a comment line if it is the header, else None."""
    cells = next((row for row, _ in _rows([comment.removeprefix("#")], separator)), [])
    below = rows[1:10]
    numeric = any(all(is_number(row[i]) for row in below if i < len(row)) for i in range(len(rows[0]))) and below
    if len(cells) < 2 or len(cells) != len(rows[0]) or (numeric and not any(map(is_number, rows[0]))):
        return None
    return [cells[0].strip() or "#", *cells[1:]]


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with or without separators of thousands."""
    return bool(_NUMBER.fullmatch(cell.strip()))


def _without_comments(lines: list[str], separator: str, width: int) -> tuple[str, int]:
    """Return the lines of a table with blank lines in place of comments, and the number of comments."""
    if not any(line.startswith("#") for line in lines[1:]):
        return "".join(lines), 0
    kept, n_comments, begin = [], 0, 0
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    for place, row in enumerate(reader):
        comment = place > 0 and lines[begin].startswith("#") and len(row) != width
        n_comments += comment
        kept += ["\n"] * (reader.line_num - begin) if comment else lines[begin : reader.line_num]
        begin = reader.line_num
    return "".join(kept), n_comments
