"""Search an architecture with Optuna: each trial is one `sh.fit`, which chooses the strength itself.

A trial trains all strengths in all folds at once, and reports the lowest mean held-out loss after every epoch. The
pruner so compares means over the folds of whole networks. (`pip install optuna`.)

Run it:  python examples/optuna_architecture.py
"""

import keras
import numpy as np
import optuna
from sklearn.datasets import load_wine

import shrinkage as sh


def network(n_inputs: int, layers: int, units: int) -> keras.Model:
    """Return a compiled network for three classes."""
    hidden = [keras.layers.Dense(units, activation="relu") for _ in range(layers)]
    model = keras.Sequential(
        [keras.Input((n_inputs,)), keras.layers.Normalization(), *hidden, keras.layers.Dense(3, activation="softmax")]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return model


def objective(trial: optuna.Trial, x: np.ndarray, y: np.ndarray, epochs: int) -> float:
    """Return the lowest mean held-out loss of the architecture of a trial, unless the trial is pruned."""
    model = network(x.shape[1], trial.suggest_int("layers", 1, 2), trial.suggest_categorical("units", [2, 16]))

    def report(epoch) -> None:
        trial.report(float(np.nanmin(epoch.mean, initial=np.inf)), epoch.number)  # NaN: diverged, or stopped
        if trial.should_prune():
            raise optuna.TrialPruned  # ends the run

    path = sh.fit(model, x, y, penalty="l2", cv=3, epochs=epochs, on_epoch=report)
    trial.set_user_attr("lam", path.lam)
    return float(path.mean[path.index])


def main(n_trials: int = 8, epochs: int = 20) -> optuna.Study:
    """Search, and print the best architecture and its strength."""
    x, y = load_wine(return_X_y=True)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=epochs // 4)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), pruner=pruner)
    study.optimize(lambda trial: objective(trial, x, y, epochs), n_trials)
    best = study.best_trial
    print(f"loss {best.value:.3f} with {best.params} at lambda {best.user_attrs['lam']:.3g}")
    return study


if __name__ == "__main__":
    main()
