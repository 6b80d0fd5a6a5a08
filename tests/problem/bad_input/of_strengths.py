"""Cases of strengths, the penalty, and numbers."""

from typing import Any

import keras
import numpy as np

import shrinkage as sh
from tests.problem.bad_input.good import ONE_HOT, N, linear_three, model, regression

# name: (what differs from a good call; a function is called to make the model), the error, and what it must say
CASES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    # strengths and penalty
    "a count of strengths": ({"lams": 20}, ValueError, r"geomspace\(1e-1, 1e-6, 20\); .* say lams=\[20.0\]"),
    "negative lam": (
        {"lams": [0.1, -1.0]},
        ValueError,
        "`lams` must be finite and not negative. Received: -1.0 among them",
    ),
    "NaN lam": (
        {"lams": [0.1, np.nan]},
        ValueError,
        "`lams` must be finite and not negative. Received: nan among them",
    ),
    "infinite lam": ({"lams": [np.inf]}, ValueError, "`lams` must be finite"),
    "no lams": ({"lams": []}, ValueError, "`lams` must be"),
    "lams are True": ({"lams": True}, ValueError, "`lams` must be .* at least one number. Received: True"),
    "lams are text": ({"lams": "all"}, ValueError, '`lams` must be "auto" or a list'),
    "penalty by another name": ({"penalty": "ridge"}, ValueError, "'l2', 'l1', 'elastic-net', 'group-lasso'.* 'ridge'"),
    "Keras' penalty": ({"penalty": keras.regularizers.L2(0.1)}, TypeError, r"`penalty` must be shrinkage.L2\(\)"),
    "the class": ({"penalty": sh.L2}, TypeError, r"`penalty` must be shrinkage.L2\(\)"),
    "how": ({"how": "adamw"}, TypeError, r"`how` must be shrinkage.Coupled\(\)"),
    "decoupled L1": (
        {"penalty": sh.L1(), "how": sh.Decoupled()},
        ValueError,
        r"`how` must .* for L1\(\). Received: Decoupled\(\), which is weight decay.* Say shrinkage.Proximal\(\)",
    ),
    "a decay without a learning rate": (
        {"model": lambda: model(optimizer=keras.optimizers.SGD(0.0)), "how": sh.Decoupled()},
        ValueError,
        "above 0 in some step .*no learning rate above 0. Compile .*, train for longer, or give `lams`",
    ),
    "weights of another model": (
        {"penalty": sh.L2(toward=[np.zeros((6, 5))])},
        ValueError,
        r"`penalty`: L2\(toward=...\) must be finite weights as model.get_weights\(\).* Received: \[\(6, 5\)\]",
    ),
    "axes that a weight does not have": (
        {"penalty": sh.GroupLasso((-3,))},
        ValueError,
        r"`groups` must .* Received: \(-3,\), which .*kernel of shape \(6, 5\) does not have",
    ),
    "selects nothing": ({"on": lambda layer, variable: False}, ValueError, "matches none of the 6 .* Give on="),
    "on by another name": ({"on": "weights"}, ValueError, 'on= must be .* Received: "weights".'),
    # truth values
    "a truth value as text": ({"standardize_target": "no"}, TypeError, "must be True or False. Received: 'no'"),
    "progress as text": ({"progress": "no"}, TypeError, "`progress` must be True, False or None. Received: 'no'"),
    "verbose as text": ({"verbose": "x"}, TypeError, "`verbose` must be True, False, 0, 1, 2 or 'auto'"),
    # numbers
    "several numbers of epochs": ({"epochs": np.array([5, 9])}, ValueError, "`epochs` must be a whole number"),
    "no epochs": ({"epochs": 0}, ValueError, "`epochs` must be a whole number of at least 1. Received: 0"),
    "half an epoch": ({"epochs": 1.5}, ValueError, "`epochs` must be a whole number"),
    "True epochs": ({"epochs": True}, ValueError, "`epochs` must be a whole number"),
    "no batch": ({"batch_size": 0}, ValueError, "`batch_size` must be a whole number of at least 1"),
    "a large seed": ({"seed": 2**40}, ValueError, "`seed` must be below 2\\*\\*32. Received: 1099511627776."),
    "no seed": ({"seed": -1}, ValueError, "`seed` must be a whole number of at least 0"),
    "no patience": ({"patience": 0}, ValueError, "`patience` must be None or a whole number of at least 1"),
    "an epoch too late": ({"epoch": 3}, ValueError, "`epoch` must be .* 1 to epochs=2. Received: 3"),
    "another epoch": ({"epoch": "first"}, ValueError, '`epoch` must be "best", "last"'),
    "init": ({"init": "zeros"}, ValueError, '`init` must be "fresh" or "keep"'),
    "standardised classes": (
        {"standardize_target": True},
        ValueError,
        "`standardize_target` needs loss='mean_squared_error'",
    ),
    "standardised columns": (
        {"model": lambda: model(linear_three, loss="mse"), "y": ONE_HOT, "standardize_target": True},
        ValueError,
        r"`standardize_target` needs .* Divide y yourself: y = \(y - y.mean\(axis=0\)\) / y.std\(axis=0\)",
    ),
    "a constant target": (
        {"model": lambda: model(regression, loss="mse"), "y": np.ones(N), "standardize_target": True},
        ValueError,
        "`y` must vary",
    ),
}
