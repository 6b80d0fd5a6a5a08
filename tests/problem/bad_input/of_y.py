"""Cases of `y`, and of losses that take other targets."""

from typing import Any

import numpy as np

from tests.problem.bad_input.good import ONE_HOT, N, Y, binary, linear_three, model, regression, with_bad

# name: (what differs from a good call; a function is called to make the model), the error, and what it must say
CASES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "a softmax of one unit": (
        {"model": lambda: model(binary, loss="categorical_crossentropy"), "y": (Y > 0).astype("float32")[:, None]},
        ValueError,
        "`model` must have an output unit for each class .* one unit, whose probability is always 1.*'sigmoid'",
    ),
    "the targets twice": ({"y": [Y, Y]}, ValueError, "`y` must be one array. .* Give one of them, or a model of 2 out"),
    "no y": ({"y": None}, TypeError, "`y` must be an array. Received: None. For an autoencoder y is x"),
    "lengths differ": ({"y": Y[:-1]}, ValueError, "`x` and `y` must have the same number of rows. Received: 40 and 39"),
    "NaN in y": ({"y": with_bad(Y, {(7,): np.nan})}, ValueError, "`y` must be finite.* 1 NaN .* in 1 of 40 rows. Drop"),
    "strings in y": (
        {"y": np.array(list("abcd") * 10)},
        TypeError,
        "`y` must be an array of real numbers.* Number the classes: .* numpy.unique",
    ),
    "labels too high": ({"y": Y + 1}, ValueError, "`y` must hold class labels 0 to 2 .* values from 1 to 3"),
    "labels negative": ({"y": Y - 1}, ValueError, "`y` must hold class labels 0 to 2 .* values from -1 to 1"),
    "labels not whole": ({"y": Y / 2}, ValueError, "`y` must hold whole numbers"),
    "one-hot for labels": (
        {"y": ONE_HOT},
        ValueError,
        "`y` must hold one class label .* loss='categorical_crossentropy'",
    ),
    "labels for one-hot": (
        {"model": lambda: model(loss="categorical_crossentropy")},
        ValueError,
        r"`y` must have the shape .*\(n, 3\).* loss='sparse_categorical_crossentropy'",
    ),
    "output too wide": ({"model": lambda: model(loss="mse")}, ValueError, r"`y` must have the shape .*\(n, 3\)"),
    "y too wide": (
        {"model": lambda: model(regression, loss="mse"), "y": ONE_HOT},
        ValueError,
        r"`y` must have the shape .*\(n, 1\).* Received: shape \(40, 3\)",
    ),
    "not 0 to 1": (
        {"model": lambda: model(binary, loss="binary_crossentropy")},
        ValueError,
        "`y` must lie between 0 and 1 .* values from 0 to 2",
    ),
    "negative counts": (
        {"model": lambda: model(regression, loss="poisson"), "y": Y - 1.0},
        ValueError,
        "`y` must not be negative for poisson",
    ),
    "negative amounts": (
        {"model": lambda: model(regression, loss="mean_squared_logarithmic_error"), "y": Y - 1.0},
        ValueError,
        "`y` must not be negative for mean_squared_logarithmic_error",
    ),
    "margins of three classes": (
        {"model": lambda: model(regression, loss="hinge")},
        ValueError,
        "`y` must hold classes -1 and 1, or 0 and 1, for hinge. Received: values from 0 to 2",
    ),
    "margins of labels": (
        {"model": lambda: model(loss="categorical_hinge"), "y": ONE_HOT * 2},
        ValueError,
        "`y` must hold one-hot rows of 0 and 1 for categorical_hinge",
    ),
    "no shares": (
        {"model": lambda: model(loss="kl_divergence"), "y": ONE_HOT * 2},
        ValueError,
        "`y` must hold probabilities, from 0 to 1, for kl_divergence",
    ),
    "outputs that are no shares": (
        {"model": lambda: model(linear_three, loss="kl_divergence"), "y": ONE_HOT},
        ValueError,
        "`model` must give probabilities for kl_divergence.*activation='softmax'[.]$",
    ),
    "outputs that are no rates": (
        {"model": lambda: model(regression, loss="poisson")},
        ValueError,
        "`model` must give rates, which are not negative.*activation='exponential' or 'softplus'",
    ),
    "a loss in NumPy": (
        {"model": lambda: model(regression, loss=lambda y_true, y_pred: np.mean((y_true - y_pred) ** 2))},
        ValueError,
        r"`loss` .* must be written with keras.ops",
    ),
    "a loss of each row in NumPy": (
        {"model": lambda: model(regression, loss=lambda y_true, y_pred: np.mean((y_true - y_pred) ** 2, axis=-1))},
        ValueError,
        r"`loss` .* must be written with keras.ops",
    ),
    "a single class": ({"y": np.zeros(N)}, ValueError, "`y` must hold at least two classes. Received: only class 0"),
    "a single binary class": (
        {"model": lambda: model(binary, loss="binary_crossentropy"), "y": np.ones(N)},
        ValueError,
        "`y` must hold at least two classes",
    ),
    "a single one-hot class": (
        {"model": lambda: model(loss="categorical_crossentropy"), "y": ONE_HOT[np.zeros(N, int)]},
        ValueError,
        "`y` must hold at least two classes",
    ),
}
