"""The call that a report shows repeats the path to the bit."""

import html
import re

import keras
import numpy as np
import pytest

import shrinkage as sh
from shrinkage._messages._note import PYTHON
from shrinkage._path._outputs import make_path_page

ROWS = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
TARGETS = ROWS @ np.array([1.0, -2.0, 0.0], "float32")


def model() -> keras.Model:
    made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)], name="small")
    made.compile("sgd", "mean_squared_error")
    return made


@pytest.mark.parametrize(
    "options",
    [
        {"penalty": sh.L1(), "cv": 3, "repeats": 2, "seed": 5, "batch_size": 7},
        {"penalty": sh.L2(), "how": sh.Decoupled(), "cv": 0.25, "models": "chosen", "standardize_target": True},
        {"penalty": sh.ElasticNet(0.3), "cv": [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))]},
    ],
    ids=["repeats", "single split", "pairs"],
)
def test_the_call_of_a_report_repeats_the_path(options):
    path = sh.fit(model(), ROWS, TARGETS, lams=[0.1, 0.01], epochs=3, **options)
    code = re.findall(r"<pre><code>(.*?)</code>", make_path_page(path, PYTHON), re.DOTALL)[0]
    again = eval(html.unescape(code), {"sh": sh, "model": model(), "x": ROWS, "y": TARGETS, "path": path})
    np.testing.assert_array_equal(again.cv_loss, path.cv_loss)
    assert np.isfinite(path.cv_loss).all() and again.lam == path.lam and again.folds.hash == path.folds.hash
    for ours, theirs in zip(again.weights, path.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
