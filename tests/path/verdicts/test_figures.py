"""Losses and differences in a verdict have the figures that they need."""

import pytest

from shrinkage._cv._statistics import Difference
from shrinkage._path._words import format_gain_interval, format_loss
from tests.path.verdicts.curves import flat


@pytest.mark.parametrize(
    ("gain", "half", "text"),
    [
        (0.013, 0.011, "0.013 (95 % interval 0.002 to 0.024)"),
        (2e-5, 1e-5, "0.00002 (95 % interval 0.00001 to 0.00003)"),
        (2e-6, 1e-6, "2.00e-06 (95 % interval 1.00e-06 to 3.00e-06)"),
        (1e-5, 0.03, "less than 0.001 (95 % interval -0.030 to 0.030)"),
        (0.0, 0.03, "0.000 (95 % interval -0.030 to 0.030)"),
    ],
)
def test_a_difference_has_figures(gain, half, text):
    path = flat([0.5] * 4, [0.5] * 4, spread=0.02)
    assert format_gain_interval(path, Difference(gain, gain - half, gain + half)) == text


def test_a_loss_has_two_figures_however_large_others_are():
    path = flat([17.0] * 4, [15.0] * 4, null=1.0936, spread=30.0)
    assert "best constant 1.09" in path.verdict()
    assert repr(path).splitlines()[2].split()[:2] == ["null", "1.09"]
    assert [format_loss(path, value) for value in (17.0, 2.43, 0.0123, 0.0)] == ["17.0", "2.4", "0.012", "0.0"]
