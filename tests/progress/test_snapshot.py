"""The line of a run."""

import pytest

from shrinkage._progress._snapshot import BestStrength, Snapshot, format_rounded_duration, format_snapshot

BEST = BestStrength(0.00316, 0.41234, 0.0126)
LINES = {
    "reading": (Snapshot("reading", rows=120_000), "reading rows (120,000 so far)"),
    "planning": (Snapshot("planning"), "choosing the plan, and compiling"),
    "before an epoch": (Snapshot("folds", lams=21, folds=5, epochs=50), "5 folds | lambda 0/21 | epoch 0/50"),
    "folds": (
        Snapshot("folds", lams_done=7, lams=21, folds=5, epoch=12, epochs=50, best=BEST, seconds_left=81.0),
        "5 folds | lambda 7/21 | epoch 12/50 | best 0.00316: loss 0.4123 ± 0.013 | 1 min 20 s left",
    ),
    "single split": (
        Snapshot("folds", lams=3, folds=1, epochs=9, best=BestStrength(0.0, 2.0, float("nan"))),
        "1 fold | lambda 0/3 | epoch 0/9 | best 0: loss 2",
    ),
    "patience": (
        Snapshot("folds", lams=3, folds=2, epochs=9, seconds_left=5, stops_early=True),
        "2 folds | lambda 0/3 | epoch 0/9 | at most 4 s left",
    ),
    "exact": (Snapshot("all rows", lams=3, folds=2, epochs=1), "all rows | lambda 0/3"),
    "learning curve": (
        Snapshot("learning curve", rows=1440, lams=2, folds=5, epoch=3, epochs=20, seconds_left=4),
        "learning curve, 5 folds of 1,440 rows | lambda 0/2 | epoch 3/20 | 3 s left",
    ),
    "late": (Snapshot("all rows", lams=3, epochs=1, seconds_left=0.5), "all rows | lambda 0/3 | 0 s left"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_says_what_is_known(name):
    snapshot, text = LINES[name]
    assert format_snapshot(snapshot, age=1.0) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(59.4, "59 s"), (59.6, "1 min 0 s"), (3599.7, "1 h 0 min"), (90_000, "25 h 0 min")]
)
def test_times_are_rounded_to_the_next_unit(seconds, text):
    assert format_rounded_duration(seconds) == text
