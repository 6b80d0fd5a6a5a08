"""Hints of the estimators for arguments of `sh.fit`, Keras and scikit-learn."""

from collections.abc import Mapping

from shrinkage._messages._hints_of_fit import HINTS as OF_FIT

_IN_FIT = "It belongs to the rows: say estimator.fit(X, y, {name}=...)."

HINTS: Mapping[str, str] = {
    **OF_FIT,
    "": 'Name the arguments: model="mlp", penalty="l2".',
    **{name: _IN_FIT.format(name=name) for name in ("groups", "sample_weight")},
    "validation_data": "Join the rows, and say cv=sklearn.model_selection.PredefinedSplit(...).",
    **dict.fromkeys(
        ("hidden_layer_sizes", "units", "layers"), "Say hidden={value}: the units of each hidden layer of an mlp."
    ),
    **dict.fromkeys(
        ("learning_rate", "lr", "learning_rate_init", "optimizer", "loss", "metrics"),
        "Say model=build: a function of the shapes of input and output that returns a compiled model.",
    ),
}
