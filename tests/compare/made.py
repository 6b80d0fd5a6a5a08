"""Comparisons of paths that were made without training."""

from dataclasses import replace

import numpy as np

from shrinkage._compare._comparison import Comparison
from shrinkage._compare._entry import make_entries
from shrinkage._compare._model_facts import ModelFacts
from shrinkage._penalties import L1, L2
from tests.synthetic_path import path_of_curves

LAMS = [0.1, 0.01, 0.0]
# Held-out losses by strength and epoch: without a penalty the second epoch is the best, and then training overfits.
WITHOUT = [0.90, 0.50, 0.80]
CURVES = {"L2": [[0.9, 0.7, 0.6], [0.8, 0.5, 0.40], WITHOUT], "L1": [[0.9, 0.8, 0.7], [0.8, 0.6, 0.41], WITHOUT]}


def make_paths(n_folds=5, **changes):
    """Make a path for each penalty, equal without a penalty."""
    training = np.array([[0.9, 0.6, 0.5], [0.8, 0.4, 0.3], [0.7, 0.3, 0.1]])
    own = {"L2": {"penalty": L2()}, "L1": {"penalty": L1()}}
    paths = {
        name: path_of_curves(curves, training, LAMS, n_folds=n_folds, **{**own[name], **changes})
        for name, curves in CURVES.items()
    }
    # The noise of the folds is drawn alike: those of L1 change places, but without a penalty.
    held_out = paths["L1"].cv_loss.copy()
    noise = held_out[:, :-1] - held_out[:, :-1].mean(axis=0)
    held_out[:, :-1] += np.roll(noise, 1, axis=0) - noise
    return {**paths, "L1": replace(paths["L1"], cv_loss=held_out)}


def make_comparison(paths=None, *, facts=None, seconds=60.0, **changes):
    """Make a comparison of paths; `facts` are those about the models, by name."""
    paths = make_paths() if paths is None else paths
    entries = [
        entry.add_facts((facts or {}).get(entry.name, ModelFacts(zeros=0, zero_units=0, zero_inputs=0)))
        for entry in make_entries(paths)
    ]
    return Comparison(paths, tuple(entries), seconds=seconds, **changes)
