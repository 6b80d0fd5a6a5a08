"""Rows on disk: each once, with its number, in its section, in a random order."""

import gc
import resource
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage._data import _spool
from shrinkage._data._spool import Spool, Writer


def finished(writer: Writer, sections: np.ndarray) -> Spool:
    """The spool, with the section of each row stored beside the row."""
    return writer.finish(int(sections.max()) + 1, lambda rows: (sections[rows], [sections[rows].astype("int16")]))


def written(n_rows: int, sections: np.ndarray, part: int = 100) -> Spool:
    """Rows of two arrays, the first of which holds the number of the row."""
    numbers = np.arange(n_rows)
    arrays = [numbers, numbers[:, None] * np.ones((1, 3), "float32")]
    writer = Writer([array[:0] for array in arrays], seed=0)
    for start in range(0, n_rows, part):
        writer.write([array[start : start + part] for array in arrays])
    return finished(writer, sections)


@given(st.integers(1, 400), st.integers(1, 5), st.integers(1, 7), st.sampled_from([1, 150, 2**26]))
def test_blocks_hold_each_row_once_in_its_section(n_rows, n_sections, n_blocks, shuffled_bytes):
    sections = np.random.default_rng(n_rows).integers(n_sections, size=n_rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_spool, "_SHUFFLED_BYTES", max(shuffled_bytes, 20))
        patch.setattr(_spool, "_BUCKETS", 5)
        spool = written(n_rows, sections)
    found = []
    for records in spool.read_blocks(range(n_blocks), n_blocks, list):
        assert len(records) == len(spool.sizes)
        for section, part in enumerate(records):
            found.append(part["0"])
            assert (sections[part["0"]] == section).all() and (part["added0"] == section).all()
            np.testing.assert_array_equal(part["row"], part["0"])
            np.testing.assert_array_equal(part["1"], part["0"][:, None] * np.ones((1, 3)))
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(n_rows))


@pytest.mark.parametrize("shuffled_bytes", [2**26, 2000], ids=["at once", "in parts"])
def test_the_order_is_random(shuffled_bytes, monkeypatch):
    """A file that is sorted by the target is mended by it: every block has rows of the whole file."""
    monkeypatch.setattr(_spool, "_SHUFFLED_BYTES", shuffled_bytes)
    numbers = written(4000, np.zeros(4000, int)).read(0, 0, 4000)["0"]
    assert abs(np.corrcoef(numbers, np.arange(4000))[0, 1]) < 4 / np.sqrt(4000)  # four standard errors
    assert all(abs(part.mean() - 1999.5) < 4 * 1155 / np.sqrt(400) for part in np.split(numbers, 10))


def test_the_same_seed_gives_the_same_order():
    one, other = (written(500, np.zeros(500, int)).read(0, 0, 500) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_blocks_are_read_in_the_order_given():
    spool = written(300, np.arange(300) % 3)
    in_order = [
        block.tolist() for block in spool.read_blocks(range(3), 3, lambda records: np.concatenate(records)["row"])
    ]
    found = [
        block.tolist() for block in spool.read_blocks([2, 0, 1], 3, lambda records: np.concatenate(records)["row"])
    ]
    assert found == [in_order[2], in_order[0], in_order[1]] and found[0] != found[1]
    assert len(in_order[0]) == 99  # a third of 100 rows of each section


def test_nothing_is_left_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    numbers = np.arange(10)
    with Writer([numbers], seed=0) as writer:
        writer.write([numbers])
        spool = finished(writer, numbers % 2)
    with pytest.raises(KeyboardInterrupt), Writer([numbers], seed=0) as broken:
        broken.write([numbers])
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [spool.folder]
    assert sorted(file.name for file in spool.folder.iterdir()) == ["0", "1", "lock"]
    assert spool.folder.stat().st_mode & 0o077 == 0, "nobody else can read the rows"
    del spool, writer
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = np.zeros((2000, 8))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with (
        pytest.raises(OSError, match=f"no room for them in {tmp_path}.* TMPDIR"),
        Writer([rows], 0) as writer,
    ):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            writer.write([rows])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("later", [np.zeros((2, 1)), np.zeros((2, 4)), np.zeros((2, 3), complex)])
def test_rows_of_another_shape_or_type_are_refused(later):
    with pytest.raises(ValueError, match=r"rows of one shape and type.* \(3,\) and type float64 first"):
        with Writer([np.zeros((2, 3))], seed=0) as writer:
            writer.write([np.zeros((2, 3))])
            writer.write([later])
