"""Sets of rows in one bit per row: equal to sets of numbers."""

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shrinkage._cv import _row_sets
from shrinkage._cv._folds import Folds
from shrinkage._cv._row_sets import RowSets


@given(
    st.integers(1, 40).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.sets(st.integers(0, n - 1)), min_size=1, max_size=6))
    )
)
def test_row_sets_equal_sets_of_numbers(case):
    n_rows, sets = case
    found = RowSets.from_rows([sorted(rows) for rows in sets], n_rows)
    assert len(found) == len(sets) and [set(rows.tolist()) for rows in found] == sets
    assert all((np.diff(rows) > 0).all() and rows.dtype == np.int64 and not rows.flags.writeable for rows in found)
    assert found.sizes.tolist() == [len(rows) for rows in sets]
    everything = set().union(*sets)
    assert set(found.union.tolist()) == everything and found.union_size == len(everything)
    rows = np.random.default_rng(0).integers(n_rows, size=20)
    np.testing.assert_array_equal(
        found.contain(rows), np.array([[r in one for r in rows.tolist()] for one in sets]).reshape(len(sets), 20)
    )
    assert [set(rows.tolist()) for rows in found[1:] + found[:1]] == sets[1:] + sets[:1]


def test_parts_of_rows_equal_the_whole(monkeypatch):
    monkeypatch.setattr(_row_sets, "_PART", 16)
    random = np.random.default_rng(0)
    masks = random.uniform(size=(3, 61)) < [[0.0], [0.2], [0.9]]
    sets = RowSets.from_rows(masks, 61)
    joined = np.zeros_like(masks)
    for part, inside in sets.iterate_parts():
        joined[:, part] = inside
    np.testing.assert_array_equal(joined, masks)
    np.testing.assert_array_equal(sets.mask(2), masks[2])
    np.testing.assert_array_equal(sets.select_from_union(np.arange(0, sets.union_size, 7)), sets.union[::7])
    assert sets.have_any_of(masks[1]).tolist() == [False, True, bool((masks[1] & masks[2]).any())]
    assert sets.have_any_of(~masks[1] & ~masks[2]).tolist() == [False, False, False]


def test_folds_that_an_earlier_version_pickled_are_restored():
    """It had tuples of arrays in place of sets."""
    folds = Folds.__new__(Folds)
    state = {"train": (np.array([0, 1]),), "held_out": (np.array([2]),), "n_rows": 3, "kind": "given", "notes": ()}
    folds.__setstate__(state)
    again = pickle.loads(pickle.dumps(folds))
    assert again.train[0].tolist() == [0, 1] and again.held_out.union_size == 1 and again.hash == folds.hash
