"""What is said of an exact path: nothing of epochs or learning rates; notes; files and records."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from keras import layers

import shrinkage as sh
from tests.plan.exact.heads import CLASSES, LABELS, D, N, X, Y, linear

RNG = np.random.default_rng(7)
NOISE = RNG.normal(size=(N, 1))
WIDE, FEW = RNG.normal(size=(60, 50)), 40
OUTLIER = np.where(np.arange(N) == 3, 1e4, X[:, 0])[:, None] * np.ones(D)
OPTIONS: dict[str, Any] = {"penalty": "l2", "solver": "exact", "cv": 3}
SAYINGS: dict[str, tuple[Any, ...]] = {
    "gain": (lambda: linear(columns=50), WIDE, WIDE @ RNG.normal(size=(50, 1)) / 5 + RNG.normal(size=(60, 1))),
    "no gain": (linear, X, Y),
    "noise": (linear, X, NOISE),
    "noise of another unit": (linear, X, 1000 * NOISE),
    "outlier": (linear, OUTLIER, NOISE),
    "separable": (lambda: linear("binary_crossentropy", 1, "sigmoid"), X, (X[:, 0] > 1).astype(float)),
    "classes": (lambda: linear("sparse_categorical_crossentropy", 3, "softmax"), 1000 * X, CLASSES),
    "wide noise": (lambda: linear("binary_crossentropy", 1, "sigmoid", columns=50), WIDE, RNG.integers(0, 2, 60)),
    "no bias": (lambda: linear(use_bias=False), X, 50 + NOISE),
}
TRAINING = re.compile(
    r"epoch|learning rate|train longer|hardly begun|diverged|so far|unsteady|stop early", re.IGNORECASE
)


@pytest.mark.parametrize("name", SAYINGS)
def test_nothing_is_said_of_training(name):
    make, x, y = SAYINGS[name]
    path = sh.fit(make(), x, y, **OPTIONS)
    assert TRAINING.findall(str(path)) == []
    assert "unit size" not in str(path) and len(path.verdict()) > 30
    has_minimum = path.status != sh.Status.NO_MINIMUM
    assert path.cv_loss.shape[2] == 1 and np.isfinite(path.cv_loss[has_minimum]).all() and has_minimum[:, :-1].all()


def test_the_same_sentences_warn_of_training_by_gradient():
    """The check above can fail."""
    assert TRAINING.findall(str(sh.fit(linear(), X, Y, penalty="l2", epochs=1, cv=3)))


def test_separable_classes_have_no_minimum_without_a_penalty():
    """The sign of one column is the class: the weights grow without end, and the classes are right."""
    y = (X[:, 0] > 1).astype(float)
    path = sh.fit(linear("binary_crossentropy", 1, "sigmoid", metrics=["accuracy"]), X, y, lams=[1.0, 1e-3], **OPTIONS)
    assert path.failed.tolist() == [False, False, True] and path.full_status[-1] is sh.Status.NO_MINIMUM
    assert path.verdict().startswith("Use L2 at 1.00e-03: it has the least log loss")
    assert "Without a penalty the log loss has no minimum, as the inputs separate classes." in path.verdict()
    assert "4 of 12 models have no minimum, as the inputs separate classes: at lambda = 0. Not chosen." in str(path)
    assert path.metrics["accuracy"][-1] > 0.9 and path.norm[-1] > 10 * path.norm[-2]
    with pytest.raises(ValueError, match="whose model has no minimum, as the inputs separate classes. Choose another"):
        path.model("none")


def test_without_a_penalty_alone_separable_classes_leave_nothing_to_choose():
    path = sh.fit(linear("binary_crossentropy", 1, "sigmoid"), X, (X[:, 0] > 1).astype(float), lams=[0], **OPTIONS)
    assert path.verdict().startswith(
        "Take strengths above 0: give `lams`. Without a penalty the log loss has no minimum"
    )
    assert "learning rate" not in str(path)


FRAME = pd.DataFrame(X, columns=[f"c{i}" for i in range(D)])
NOTED: dict[str, tuple[Any, ...]] = {
    "columns": (linear, X * [1, 1000, 1, 1, 0.01], {}, r"from 0.0\d+ \(column 4\) to .* \(column 1\): L2 draws"),
    "names": (linear, FRAME.assign(c2=1000 * FRAME["c2"]), {}, r"from .* \(column 'c\d'\) to .* \(column 'c2'\)"),
    "equal columns of another unit": (linear, 1000 * X, {}, None),
    "a constant column": (linear, X * [1, 0, 1, 1, 1], {}, None),
    "normalised": (lambda: linear(before=[layers.Normalization()]), X * [1, 1000, 1, 1, 0.01], {}, None),
    "no bias": (lambda: linear(use_bias=False), X, {}, "no bias: the penalty draws predictions to 0, .* use_bias=True"),
    "no bias, standardised": (lambda: linear(use_bias=False), X, {"standardize_target": True}, None),
}


@pytest.mark.parametrize("name", NOTED)
def test_what_a_penalty_treats_unlike_is_said(name):
    make, x, options, said = NOTED[name]
    notes = sh.fit(make(), x, 5 + NOISE, **OPTIONS, **options).notes
    found = [note for note in notes if "standard deviations" in note or "no bias" in note]
    assert len(found) == (said is not None) and all(re.search(said, note) for note in found)


def test_random_layers_are_off():
    path = sh.fit(linear(before=[layers.Dropout(0.5, name="drop")]), X, Y, lams=[0.1], **OPTIONS)
    assert path.notes == (
        'drop: random only in training, and not with solver="exact", which runs all layers in inference mode.',
    )
    plain = sh.fit(linear(), X, Y, lams=[0.1], **OPTIONS)
    np.testing.assert_allclose(path.cv_loss, plain.cv_loss, rtol=1e-6)


def test_the_arguments_of_training_are_ignored():
    plain = sh.fit(linear(), X, Y, **OPTIONS)
    other = sh.fit(
        linear(optimizer="adam"), X, Y, epochs=7, batch_size=11, patience=2, epoch=5, init="fresh", **OPTIONS
    )
    np.testing.assert_array_equal(other.cv_loss, plain.cv_loss)
    np.testing.assert_array_equal(other.weights[0], plain.weights[0])


def test_regularizers_of_the_model_are_a_strength():
    path = sh.fit(linear(kernel_regularizer="l2"), X, Y, penalty="model", solver="exact")
    assert path.lam_model == pytest.approx(0.02) and path.lam_model in path.lams


def test_a_saved_path_is_exact(tmp_path):
    path = sh.fit(linear("binary_crossentropy", 1, "sigmoid"), X, LABELS[:, 0], **OPTIONS)
    path.save(tmp_path / "path")
    loaded = sh.Path.load(tmp_path / "path")
    assert (loaded.solver, loaded.plan, str(loaded)) == ("exact", path.plan, str(path))
    np.testing.assert_array_equal(loaded.model()(X), path.model()(X))
    np.testing.assert_array_equal(path.table()["loss"], path.mean)


def test_a_record_is_read_again_and_is_of_the_solver(tmp_path):
    first = sh.fit(linear(), X, Y, run=tmp_path / "run", **OPTIONS)
    again = sh.fit(linear(), X, Y, run=tmp_path / "run", **OPTIONS)
    np.testing.assert_array_equal(again.cv_loss, first.cv_loss)
    with pytest.raises(ValueError, match="the record of another fit"):
        sh.fit(linear(), X, Y, run=tmp_path / "run", **OPTIONS | {"solver": "gradient", "epochs": 1})


def test_the_plan_is_printed(capsys):
    sh.fit(linear(), X, Y, verbose=True, **OPTIONS)
    assert capsys.readouterr().err.startswith(
        "Plan: exact, by eigenvalues of a Gram matrix for each fold; 21 strengths"
    )
