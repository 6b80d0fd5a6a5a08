"""The example with Optuna searches an architecture, and its pruner ends runs by the mean over the folds."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_wine

EXAMPLE = Path(__file__).parents[1] / "examples" / "optuna_architecture.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location(EXAMPLE.stem, EXAMPLE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return module


def test_a_study_searches_the_architecture(example, capsys):
    study = example.main(n_trials=3, epochs=4)
    assert len(study.trials) == 3 and study.best_trial.user_attrs["lam"] >= 0
    assert study.best_value == min(study.best_trial.intermediate_values.values())
    assert list(study.best_trial.intermediate_values) == [1, 2, 3, 4]
    assert "at lambda" in capsys.readouterr().out


def test_a_trial_is_pruned_by_the_mean_over_the_folds(example):
    class Worse(optuna.pruners.BasePruner):
        """Ends a trial at the second epoch."""

        def prune(self, study, trial):
            return trial.last_step == 2

    study = optuna.create_study(pruner=Worse())
    x, y = load_wine(return_X_y=True)
    study.optimize(lambda trial: example.objective(trial, x, y, 4), 1)
    (trial,) = study.trials
    assert trial.state is optuna.trial.TrialState.PRUNED
    assert list(trial.intermediate_values) == [1, 2] and np.isfinite(list(trial.intermediate_values.values())).all()
