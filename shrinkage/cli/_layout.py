"""Find the table in a text: encoding, separator, header, and lines above the header."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

SEPARATORS = (",", ";", "\t")
UTF_8 = "utf-8-sig"
# Byte order marks. UTF-32 first, because its mark begins with the mark of UTF-16.
_MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEP_LINE = re.compile(r'"?sep=([^\r\n]?)"?[,;\t ]*(?:\r\n|\r|\n)', re.IGNORECASE)  # Excel reads and writes it
_NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?")
_SAMPLE = 50  # rows for detecting the layout
_MOST_ZEROS = 0.01  # a larger share of zero bytes is not text with a few damaged lines
_MOST_LINES = 10 * _SAMPLE  # a row may have several lines
_MOST_CHARACTERS = 2**24


@dataclass(frozen=True)
class Layout:
    """Where the table in a text is, and how its cells are separated."""

    separator: str
    names: list[str]
    """The cells of the header."""
    n_above: int
    """The number of lines above the header."""
    titles: tuple[str, ...] = ()
    """Titles above the header, which are left out."""
    n_comments: int = 0
    """The number of comments above the header."""
    has_single_quotes: bool = False
    """Whether the names were in single quotes; cells may then be too."""

    def list_notes(self, n_below: int, n_blank: int = 0) -> list[str]:
        """Return cautions, and messages about lines that were left out.

        Args:
            n_below: The number of comments below the header.
            n_blank: The number of blank lines between rows.
        """
        notes = [f"left out above the header: {', '.join(map(repr, self.titles))}"] if self.titles else []
        if count := self.n_comments + n_below:
            notes.append(f"left out: {count:,} comment line{'s' if count > 1 else ''} (#)")
        if n_blank:
            notes.append(f"left out: {n_blank:,} blank line{'s' if n_blank > 1 else ''} between rows")
        if self.has_single_quotes:
            notes.append("left out: the single quotes around names")
        if all(map(is_number_cell, self.names)):
            notes.append(
                f"caution: the first line, {', '.join(self.names[:5])}{', ...' * (len(self.names) > 5)}, was read as "
                "the columns' names; if it is a row, write a line with names above it"
            )
        return notes


def find_encoding(head: bytes) -> tuple[str, str | None]:
    """Return the encoding and, if it is a guess, a note, else None; raise `ValueError` for binary content."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding, None
    if b"\0" in head:
        # In western text in UTF-16, every second byte is zero.
        halves = {"utf-16-le": head[1:2000:2], "utf-16-be": head[:2000:2]}
        for encoding, half in halves.items():
            if half.count(0) > 0.6 * len(half) and "\0" not in head[:2000].decode(encoding, "replace"):
                return encoding, "not UTF-8: read as UTF-16; if letters look wrong, save it as UTF-8"
        if head.count(0) > _MOST_ZEROS * len(head):
            raise ValueError("zero bytes")
    return UTF_8, None


def find_table(head: list[str], separator: str | None = None) -> Layout | None:
    """Find the table in a text; None if there is no row.

    - The separator is the argument, or given by a first line such as `sep=;`, else the character that cuts the rows
      into the most cells. A space stands for any number of spaces and tabs.
    - Lines at the top that begin with # are comments. The last of them is the header if it has as many cells as the
      rows, and the line below does not look like a header.
    - Lines above the header with a single filled cell, the first, are titles, if the header has no number.

    Args:
        head: The first lines, as `take_head` returns them.
        separator: The separator, or None to find it.

    Raises:
        csv.Error: If a cell is too long, for example.
    """
    sep_line = _SEP_LINE.match(head[0]) if head else None
    if sep_line:
        separator, head = separator or sep_line[1] or None, head[1:]
    if separator == " ":
        head = [replace_tabs(line) for line in head]
    n_comments = _count_comments(head)
    comments, sample = head[:n_comments], head[n_comments : n_comments + _MOST_LINES]
    separator = separator or max(SEPARATORS, key=lambda each: _rate_separator(sample, each))
    rows = list(islice(_split_rows(sample, separator), _SAMPLE))
    if not rows:
        return None
    _, start = _find_shape([row for row, _ in rows])
    titles = tuple(row[0].strip() for row, _ in rows[:start])
    names = rows[start][0]
    first = n_comments + rows[start][1]
    marked = [i for i, line in enumerate(comments) if line.startswith("#")]
    if marked and not start and (header := _find_header(comments[marked[-1]], separator, [row for row, _ in rows])):
        names, first, marked = header, marked[-1], marked[:-1]
    single_quotes = all(re.fullmatch(r"\s*'[^']+'\s*", name) for name in names)
    if single_quotes:
        names = [name.strip()[1:-1] for name in names]
    return Layout(separator, names, first + bool(sep_line), titles, len(marked), single_quotes)


def take_head(lines: Iterator[str]) -> list[str]:
    """Take as many lines as `find_table` needs."""
    head, n_characters = [], 0
    for line in lines:
        head.append(line)
        n_characters += len(line)
        enough = len(head) % _MOST_LINES == 0 and len(head) >= _count_comments(head) + _MOST_LINES
        if enough or n_characters > _MOST_CHARACTERS:
            break
    return head


def _count_comments(lines: list[str]) -> int:
    """Return the number of lines above the first that is neither a comment nor blank; 0 if there is none."""
    return next((i for i, line in enumerate(lines) if not line.startswith("#") and line.strip()), 0)


def replace_tabs(line: str) -> str:
    """Return a line with spaces in place of tabs, and without any at its end."""
    return re.sub(r"[ \t]+(?=[\r\n]|$)", "", line.replace("\t", " "))


def _split_rows(lines: list[str], separator: str, strict: bool = False) -> Iterator[tuple[list[str], int]]:
    """Yield the rows that are not blank, each with the index of the first line."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=strict)
    begin = 0
    for row in reader:
        if any(row):
            yield row, begin
        begin = reader.line_num


def _rate_separator(lines: list[str], separator: str) -> tuple[int, int, float, int]:
    """Return a score of a separator: equally many cells, few titles, a large share of such rows, many cells.

    A separator that also cuts the header is better: in x;y above 80,5;130,25 the commas are no separators.
    """
    rows, is_strict = [], True
    try:
        # Strict: where a closing quote is not followed by the separator, it is the wrong one, or a quote was forgotten.
        for row, _ in islice(_split_rows(lines, separator, strict=True), _SAMPLE):
            rows.append(row)
    except csv.Error as error:
        is_strict = "unexpected end" in str(error)  # a quote that does not close, or not in the sample
    width, start = _find_shape(rows) if rows else (0, 0)
    if width < 2:
        return 0, 0, 0, width
    share = sum(len(row) == width for row in rows[start:]) / len(rows[start:])
    if share == 1 and is_strict:
        return 3, -start, share, width
    return 2 if is_strict else 1, 0, share, width


def _find_shape(rows: list[list[str]]) -> tuple[int, int]:
    """Return the number of cells in most rows, and the index of the header, below any titles."""
    counts = Counter(map(len, rows))
    width = max(counts, key=lambda length: (counts[length], length))
    header = next((i for i, row in enumerate(rows) if len(row) == width and not _is_title(row)), 0)
    if width == 1 or not all(map(_is_title, rows[:header])) or any(map(is_number_cell, rows[header])):
        return width, 0
    return width, header


def _is_title(row: list[str]) -> bool:
    return bool(row[0].strip()) and not any(cell.strip() for cell in row[1:])


def _find_header(comment: str, separator: str, rows: list[list[str]]) -> list[str] | None:
    """Return the cells of a comment line if it is the header, else None."""
    cells = next((row for row, _ in _split_rows([comment.removeprefix("#")], separator)), [])
    below = rows[1:10]
    numeric = any(all(is_number_cell(row[i]) for row in below if i < len(row)) for i in range(len(rows[0]))) and below
    if len(cells) < 2 or len(cells) != len(rows[0]) or (numeric and not any(map(is_number_cell, rows[0]))):
        return None
    return [cells[0].strip() or "#", *cells[1:]]


def is_number_cell(cell: str) -> bool:
    """Whether a cell is a number, with or without separators of thousands."""
    return bool(_NUMBER.fullmatch(cell.strip()))
