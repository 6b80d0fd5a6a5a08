"""The random parts in small integers are those of scikit-learn's splitters."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

from shrinkage._cv._random_parts import (
    make_hold_out_part,
    make_k_fold_parts,
    make_stratified_hold_out_part,
    make_stratified_parts,
)

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def classes(draw: st.DrawFn) -> np.ndarray:
    """Labels of classes of different sizes, in a type that the rows on disk have."""
    random = np.random.default_rng(draw(SEEDS))
    names = draw(st.lists(st.integers(-3, 120), min_size=1, max_size=6, unique=True))
    drawn = random.choice(names, draw(st.integers(4, 600)), p=random.dirichlet(np.ones(len(names))))
    return drawn.astype(draw(st.sampled_from([np.int8, np.int16, np.int64])))


@given(st.integers(2, 600), st.integers(2, 9), SEEDS)
def test_k_folds(n_rows, k, seed):
    assume(n_rows >= k)
    parts = make_k_fold_parts(n_rows, k, seed)
    for f, (_, held_out) in enumerate(KFold(k, shuffle=True, random_state=seed).split(np.zeros(n_rows))):
        np.testing.assert_array_equal(np.flatnonzero(parts == f), held_out)


@pytest.mark.filterwarnings("ignore:The least populated class")
@given(classes(), st.integers(2, 9), SEEDS)
def test_stratified_folds(labels, k, seed):
    assume(np.unique(labels, return_counts=True)[1].max() >= k)
    parts = make_stratified_parts(labels, k, seed)
    splits = StratifiedKFold(k, shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels)
    for f, (_, held_out) in enumerate(splits):
        np.testing.assert_array_equal(np.flatnonzero(parts == f), held_out)


@given(st.integers(2, 600), st.floats(0, 1), SEEDS)
def test_a_hold_out(n_rows, share, seed):
    size = max(1, int(share * (n_rows - 1)))
    ((_, held_out),) = ShuffleSplit(1, test_size=size, random_state=seed).split(np.zeros(n_rows))
    np.testing.assert_array_equal(np.flatnonzero(make_hold_out_part(n_rows, size, seed)), np.sort(held_out))


@given(classes(), st.floats(0, 1), SEEDS)
def test_a_stratified_hold_out(labels, share, seed):
    sizes = np.unique(labels, return_counts=True)[1]
    n_held_out = max(1, int(share * (len(labels) - 1)))
    assume(sizes.min() >= 2 and len(sizes) <= min(n_held_out, len(labels) - n_held_out))
    splitter = StratifiedShuffleSplit(1, test_size=n_held_out, random_state=seed)
    ((_, held_out),) = splitter.split(np.zeros(len(labels)), labels)
    found = make_stratified_hold_out_part(labels, n_held_out, seed)
    np.testing.assert_array_equal(np.flatnonzero(found), np.sort(held_out))
    assert found.sum() == n_held_out
