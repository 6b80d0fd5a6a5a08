"""The page on scikit-learn, Keras and Optuna works as printed."""

import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate

import shrinkage as sh
from shrinkage._progress._epoch import Epoch
from tests.estimators.test_estimators import small_network

PAGE = (Path(__file__).parents[2] / "docs" / "sklearn.md").read_text("utf-8")
LOSSES = np.array([[0.5, np.nan, 0.3]])
EPOCH = Epoch(7, np.array([1.0, 0.1, 0.0]), LOSSES, LOSSES, LOSSES[0])


def run_block(word: str, **names: Any) -> dict[str, Any]:
    """Run the block of Python that contains a word, with few epochs and strengths, and return its names."""
    (code,) = (
        block for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) if word in block
    )
    data: Any = load_wine(return_X_y=True)
    validate: Any = cross_validate
    x, y = data
    few: dict[str, Any] = {"cv": 2, "epochs": 2, "lams": [0.1, 0.01]}
    library = SimpleNamespace(PathClassifier=partial(sh.PathClassifier, **few), fit=sh.fit, L2=sh.L2)
    names |= {"X": x, "y": y, "X_new": x[:3], "np": np, "sklearn": sklearn, "build": small_network}
    names |= {"cross_validate": partial(validate, error_score="raise"), "GroupKFold": lambda k: GroupKFold(2)}
    names |= {"GridSearchCV": partial(GridSearchCV, cv=2), "groups": np.arange(len(y)) // 2, "weight": np.ones(len(y))}
    names |= {"model": small_network((13,), (3,)), "x": x}
    exec(compile(code.replace("import shrinkage as sh", ""), "sklearn.md", "exec"), {"sh": library} | names, names)
    return names


@pytest.mark.parametrize("word", ["predict_proba", "cross_validate", "GridSearchCV"])
def test_a_block_runs(word):
    run_block(word)


def test_the_log_passes_over_members_that_diverged_or_stopped(capsys):
    run_block("def log")["log"](EPOCH)
    assert capsys.readouterr().out.split()[-3:] == ["7", "0.0", "0.3"]


def test_the_trial_is_told_the_lowest_loss_that_there_is():
    class Trial(SimpleNamespace):
        def suggest_int(self, name, low, high):
            return low

        def suggest_categorical(self, name, values):
            return values[0]

        def report(self, value, step):
            self.told.append((value, step))

        def should_prune(self):
            return False

    def fit(model, x, y, *, on_epoch, **options):
        on_epoch(EPOCH)
        return SimpleNamespace(mean=EPOCH.mean, index=2)

    trial = Trial(told=[])
    names = run_block("def objective", optuna=None, network=lambda layers, units: keras.Sequential())
    names["objective"].__globals__.update(names, sh=SimpleNamespace(fit=fit))
    assert names["objective"](trial) == 0.3 and trial.told == [(0.3, 7)]
