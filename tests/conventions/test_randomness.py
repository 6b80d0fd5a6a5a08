"""Randomness."""

import numpy as np

from tests.conventions.models import W0, batches, dropped_out


def test_the_same_call_gives_the_same_bits():
    first, other = dropped_out(), dropped_out(seed=1)
    dropped_out.cache_clear()
    again = dropped_out()
    np.testing.assert_array_equal(first.cv_loss, again.cv_loss)
    np.testing.assert_array_equal(first.model().get_weights()[0], again.model().get_weights()[0])
    assert (first.cv_loss != other.cv_loss).any()
    assert (batches(0) != batches(1)).any()


def test_lams_share_their_randomness():
    tiny, zero = (dropped_out().model(lam).get_weights() for lam in dropped_out().lams)
    for a, b in zip(tiny, zero, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.allclose(tiny[0], W0)
