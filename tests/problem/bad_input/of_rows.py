"""Cases of folds, validation rows and the weights of rows."""

from typing import Any

import numpy as np

from tests.problem.bad_input.good import N, X, Y, model, regression, with_bad

# name: (what differs from a good call; a function is called to make the model), the error, and what it must say
CASES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    # folds
    "fewer rows than folds": (
        {"x": X[:3], "y": Y[:3] * 0 + [0, 1, 2]},
        ValueError,
        "at most the number of rows.* cv=5 for 3 rows. Give a smaller",
    ),
    "one row": (
        {"model": lambda: model(regression, loss="mse"), "x": X[:1], "y": Y[:1]},
        ValueError,
        "cv=5 for 1 row. Give more rows.",
    ),
    "one fold": ({"cv": 1}, ValueError, "whole number of 2 or more, the folds"),
    "no folds": ({"cv": 0}, ValueError, "Received: 0. Say cv=5"),
    "a share above one": ({"cv": 1.5}, ValueError, "Received: 1.5. Say cv=5"),
    "cv is text": ({"cv": "5"}, ValueError, "Received: '5'. Say cv=5"),
    "validation_data": ({"validation_data": X}, ValueError, r"`validation_data` must be .*\(x, y\).* Received"),
    "validation_data of other shape": ({"validation_data": (X[:, :2], Y)}, ValueError, "`validation_data`.*shape"),
    "NaN in validation_data": (
        {"validation_data": (with_bad(X, {(0, 2): np.nan}), Y)},
        ValueError,
        "`validation_data`.* finite.* column 2",
    ),
    "labels of validation_data": (
        {"validation_data": (X, Y + 1)},
        ValueError,
        "`validation_data`.* class labels 0 to 2",
    ),
    # weights
    "a class that no row has": (
        {"class_weight": {0: 1, 5: 2}},
        ValueError,
        "`class_weight` must name classes of `y`, which are 0, 1, 2. Received: a weight for 5",
    ),
    "classes of numbers": (
        {"model": lambda: model(regression, loss="mse"), "y": Y + 0.3, "class_weight": {0: 1, 1: 5}},
        ValueError,
        "`class_weight` needs class labels as targets. Received: [12].3 and other numbers as `y`.* `sample_weight`",
    ),
    "no class that counts": (
        {"class_weight": {0: 0, 1: 0, 2: 0}},
        ValueError,
        "^`class_weight` must give some rows a weight above 0. Received: {0: 0, 1: 0, 2: 0}, which gives all rows 0",
    ),
    "weights of another length": (
        {"sample_weight": np.ones(3)},
        ValueError,
        r"`sample_weight` must be 40 weights.*\(3,\)",
    ),
    "negative weight": ({"sample_weight": with_bad(np.ones(N), {(0,): -1})}, ValueError, "`sample_weight` .* least -1"),
    "a fold without weight": (
        {"sample_weight": with_bad(np.zeros(N), {(0,): 1})},
        ValueError,
        r"`sample_weight` must leave enough rows with a weight above 0 for `cv`. Received: 1 of 40 rows. `cv` must "
        r"be .*cv=5 for 1 row\.",
    ),
    "weights of 0, and another argument at fault": (
        {"sample_weight": with_bad(np.ones(N), {(0,): 0}), "cv": 1},
        ValueError,
        "^`cv` must be",
    ),
    "weights of an unknown output": (
        {"sample_weight": {"a": np.ones(N)}},
        ValueError,
        "`sample_weight` must be one array. Received: a dictionary with keys 'a'",
    ),
    "no weight": ({"sample_weight": np.zeros(N)}, ValueError, "`sample_weight` .* not all zero"),
    "NaN weight": (
        {"sample_weight": with_bad(np.ones(N), {(0,): np.nan})},
        ValueError,
        "`sample_weight` must be finite",
    ),
}
