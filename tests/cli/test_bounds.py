"""Reading a file of a stranger ends: bombs, lines and rows without an end, archives that hold themselves."""

import csv
import gzip
import io
import zipfile

import pytest

from shrinkage.cli import _bounds, _rows
from shrinkage.cli._content import find_content
from shrinkage.cli._errors import BadInput
from shrinkage.cli._rows import ignore
from shrinkage.cli._table import open_table
from shrinkage.cli._tables import read_table
from tests.cli.files import write, zipped

ROW = "0,1,2,3,4,5\n"


@pytest.fixture(autouse=True)
def _low_bounds(monkeypatch):
    """Bounds that small files reach: the bounds themselves take seconds and gigabytes."""
    monkeypatch.setattr(_bounds, "_ALWAYS_UNPACKED", 2**20)
    for module in (_bounds, _rows):
        monkeypatch.setattr(module, "MOST_CHARACTERS", 2**16)


def _deflated(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", content)
    return stream.getvalue()


TABLE = ("a,b,c,d,e,f\n" + ROW * 400_000).encode()
BOMBS = {"gzip": gzip.compress(TABLE), "zip": _deflated(TABLE), "zip in gzip": gzip.compress(zipped(t=TABLE))}


@pytest.mark.parametrize("packing", BOMBS)
def test_a_bomb_is_refused_with_a_way_out(tmp_path, packing):
    assert len(TABLE) > 200 * len(BOMBS["gzip"])
    with pytest.raises(BadInput, match="^DATA must unpack to at most .* MiB, far more .*unpack it"):
        read_table(write(tmp_path, BOMBS[packing], "t.csv.gz"))


def test_a_table_that_packs_well_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(_bounds, "_ALWAYS_UNPACKED", 2**23)
    assert len(read_table(write(tmp_path, BOMBS["gzip"], "t.csv.gz")).frame) == 400_000


def test_an_archive_that_holds_itself_is_not_unpacked_for_ever(tmp_path):
    content = b"a,b\n1,2\n"
    for _ in range(3):
        content = gzip.compress(content)
    assert find_content(write(tmp_path, content)).head == b"a,b\n1,2\n"
    with pytest.raises(BadInput, match="compressed at most 3 times"):
        find_content(write(tmp_path, gzip.compress(content)))


@pytest.mark.parametrize("begin", [b"", b"a,b\n1,2\n"], ids=["header", "row"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_line_without_an_end_is_refused(tmp_path, begin, encoding):
    content = (begin.decode() + "x," * 2**21).encode(encoding)
    with pytest.raises(
        BadInput, match="a table with lines of at most 65,536 bytes. Received: .*, which has a longer line"
    ):
        read_table(write(tmp_path, content))


def test_a_row_without_an_end_is_a_bad_row(tmp_path):
    endless = '"\n' + '","\n' * 40_000
    file = write(tmp_path, "a,b\n1,2\n" + endless)
    with pytest.raises(BadInput, match=r"line 3: the row has more than 65,536 characters: '\"'"):
        read_table(file)
    rows = []
    for chunk in open_table(file).read_chunks(["a", "b"], ignore):
        rows += chunk.table.to_pylist()
    assert rows[0] == {"a": "1", "b": "2"}


@pytest.fixture
def _short_cells():
    before = csv.field_size_limit(50)
    yield
    csv.field_size_limit(before)


@pytest.mark.usefixtures("_short_cells")
def test_quotes_without_an_end_are_bad_rows_however_many(tmp_path):
    """Lines that are read again must not nest: a hundred thousand levels would end the process."""
    n_quotes = 20_000
    file = write(tmp_path, "a,b\n" + "1,2\n" * 600 + ('"x,1\n' + "1,2\n" * 20) * n_quotes)
    bad: list[int] = []
    chunks = open_table(file).read_chunks(["a", "b"], lambda row: bad.append(row.line))
    assert sum(chunk.n_rows for chunk in chunks) == 600 + 20 * n_quotes
    assert bad == [*range(602, 602 + 21 * n_quotes, 21)]


def test_a_member_that_claims_another_size_is_refused(tmp_path):
    content = bytearray(_deflated(TABLE[: 2**18]))
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = (2**31).to_bytes(4, "little")
    with pytest.raises(BadInput, match="t.zip"):
        read_table(write(tmp_path, bytes(content), "t.zip"))
