"""The grid of strengths: its exact values, what is refused, and when it is extended."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage._cv._strengths import check_lams, compute_fold_lams, find_extension, include, make_automatic_grid

GRID = make_automatic_grid(100)


def test_the_automatic_grid():
    delta = 1797 * make_automatic_grid(1797)
    assert delta.shape == (21,) and delta[-1] == 0
    expected = [56.2341325, 31.6227766, 17.7827941, 10, 5.62341325, 3.16227766, 1.77827941, 1]
    np.testing.assert_allclose(delta[:8], expected, rtol=1e-8)
    np.testing.assert_allclose(delta[19], 1e-3, rtol=1e-12)
    np.testing.assert_allclose(delta[:19] / delta[1:20], 10**0.25, rtol=1e-12)
    np.testing.assert_allclose(make_automatic_grid(50, scale=4.0), 8 * GRID, rtol=1e-12)


@pytest.mark.parametrize(
    ("n", "scale"), [(0, 1.0), (float("inf"), 1.0), (10, 0.0), (10, -1.0), (10, float("nan")), (10, float("inf"))]
)
def test_the_automatic_grid_needs_positive_numbers(n, scale):
    with pytest.raises(ValueError, match="must be positive"):
        make_automatic_grid(n, scale)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_checked_lams_descend_to_zero_and_lose_none(lams):
    checked, notes = check_lams(lams)
    assert checked[-1] == 0 and np.all(np.diff(checked) < 0)
    assert set(checked) == {0.0, *lams}
    assert (notes == ()) == np.array_equal([*lams, *[0.0] * (0 not in lams)], checked)
    assert check_lams(checked)[1] == ()


def test_notes_say_what_was_changed():
    checked, notes = check_lams([0.1, 1, 0.1])
    assert checked.tolist() == [1.0, 0.1, 0.0]
    assert notes == (
        "lams: sorted in descending order.",
        "lams: repeated values kept once.",
    )
    assert check_lams(0.5)[0].tolist() == [0.5, 0.0]


@pytest.mark.parametrize(
    ("lams", "message"),
    [
        ([0.1, -0.2], "-0.2 among them"),
        ([float("nan")], "nan among them"),
        ([1.0, float("inf")], "inf among them"),
        ([], "at least one number"),
        ([[0.1], [0.2]], r"at least one number. Received: \[\[0.1\], \[0.2\]\]"),
        ("automatic", 'must be "auto" or a list of numbers'),
        (None, "at least one number. Received: None"),
        (["a"], "list of numbers"),
        ([[1, 2], [3]], "list of numbers"),
    ],
)
def test_bad_lams_are_errors(lams, message):
    with pytest.raises(ValueError, match=message):
        check_lams(lams)


def _curve(best: int, zero: float = 1.0) -> np.ndarray:
    mean = 0.5 + 0.01 * np.abs(np.arange(GRID.size) - best)
    mean[-1] = zero
    return mean


def test_no_extension_with_the_minimum_inside():
    for best in (1, 10, 18):
        assert find_extension(GRID, _curve(best), decades_up=0, decades_down=0) is None


@pytest.mark.parametrize(("decades", "extended"), [(0, True), (2, True), (3, False)])
def test_extension_upwards(decades, extended):
    new = find_extension(GRID, _curve(0), decades_up=decades, decades_down=0)
    assert (new is not None) == extended
    if new is not None:
        np.testing.assert_allclose(new / GRID[0], 10 ** np.array([1, 0.75, 0.5, 0.25]), rtol=1e-12)


@pytest.mark.parametrize(("top", "extended"), [(0.0, True), (-0.0099, False)], ids=["falling", "flat"])
def test_extension_upwards_for_1se(top, extended):
    mean = _curve(3)
    mean[0] += top  # with -0.0099 equal to its neighbour but for 0.02 %
    assert find_extension(GRID, mean, decades_up=0, decades_down=0) is None
    assert find_extension(GRID, mean, decades_up=0, decades_down=0, index_1se=1) is None
    new = find_extension(GRID, mean, decades_up=0, decades_down=0, index_1se=0)
    assert (new is not None) == extended and (new is None or new[-1] > GRID[0])


@pytest.mark.parametrize(("decades", "extended"), [(0, True), (2, True), (3, False)])
def test_extension_downwards(decades, extended):
    new = find_extension(GRID, _curve(19), decades_up=0, decades_down=decades)
    assert (new is not None) == extended
    if new is not None:
        np.testing.assert_allclose(new / GRID[19], 10 ** -np.array([0.25, 0.5, 0.75, 1]), rtol=1e-12)


@pytest.mark.parametrize("zero", [0.5, 0.4, float("nan")])
def test_no_extension_downwards_where_zero_is_as_good(zero):
    assert find_extension(GRID, _curve(19, zero), decades_up=0, decades_down=0) is None


def test_diverged_strengths_are_no_candidates():
    mean = _curve(1)
    mean[1] = np.nan
    assert find_extension(GRID, mean, decades_up=0, decades_down=0) is not None  # 0 is now the least
    mean[0] = np.nan
    assert find_extension(GRID, mean, decades_up=0, decades_down=0) is None
    assert find_extension(GRID, np.full(GRID.size, np.nan), decades_up=0, decades_down=0) is None


def test_a_grid_of_one_strength_is_extended_and_one_of_zero_is_not():
    assert find_extension(np.array([1.0, 0.0]), np.array([0.1, 0.2]), decades_up=0, decades_down=0) is not None
    assert find_extension(np.array([0.0]), np.array([0.2]), decades_up=0, decades_down=0) is None


@pytest.mark.parametrize("up", [True, False])
def test_extending_keeps_the_grid_descending(up):
    new = find_extension(GRID, _curve(0 if up else 19), decades_up=0, decades_down=0)
    assert new is not None
    joined = check_lams(np.concatenate([GRID, new]))[0]
    assert joined.size == GRID.size + 4
    np.testing.assert_allclose(joined[:-2] / joined[1:-1], 10**0.25, rtol=1e-9)


def test_a_grid_keeps_below_a_largest_strength():
    lam_max = 2.0 * GRID[3]
    grid = make_automatic_grid(100, lam_max=lam_max)
    assert 0 < len(GRID) - len(grid) < 3 and grid[0] <= lam_max < 10**0.25 * grid[0]
    for bound, extended in ((GRID[0] * 10, 4), (GRID[0] * 2, 1), (GRID[0], None)):
        more = find_extension(GRID, _curve(0), decades_up=0, decades_down=0, lam_max=bound)
        assert (None if more is None else len(more)) == extended
        assert more is None or more.max() <= bound * (1 + 1e-12)


@pytest.mark.parametrize("lam", [40.0, 0.3, 1e-9, 1e-6, 0.05, 1e9])
def test_the_way_to_a_strength_far_outside_the_grid_is_filled(lam):
    """The best strength may lie between: by quarter decades as far as the grid may grow, then by decades."""
    grid = make_automatic_grid(1000)
    lams = include(grid, lam, fills_gap=True)
    assert lam in lams and set(grid) <= set(lams) and (np.diff(lams) < 0).all()
    steps = -np.diff(np.log10(lams[:-1]))
    near = (lams[:-2] < 1001 * grid[0]) & (lams[1:-1] > grid[-2] / 1001)
    assert steps[near].max() < 0.2751 and steps.max() < 1.0251 and len(lams) < 21 + 12 + 13
    assert set(include(grid, lam)) <= {*grid, lam}  # a user's own strengths are left as they are


def test_a_decay_is_the_same_in_every_fold():
    lams = np.array([0.3, 0.0])
    np.testing.assert_array_equal(compute_fold_lams(lams, 100, np.array([80, 90]), is_decoupled=True), [lams, lams])


def test_fold_lams_keep_delta():
    lams, n_train = np.array([0.3, 0.1, 0.0]), np.array([80, 90])
    members = compute_fold_lams(lams, 100, n_train)
    assert members.shape == (2, 3)
    np.testing.assert_allclose(members * n_train[:, None], [lams * 100] * 2, rtol=1e-12)
