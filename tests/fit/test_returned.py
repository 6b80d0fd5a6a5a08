"""What `sh.fit` returns: shapes, numbers that fit together, notes, and odd problems."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh
from tests.fit.fitting import EPOCHS, TARGET, N, X, Y, classifier, fit, held_by, line, three_folds

# --- shapes


@pytest.mark.parametrize(
    ("split", "folds", "held"),
    [({"cv": 3}, 3, N), ({"cv": 0.25}, 1, 15), ({"validation_data": (X[:20], Y[:20])}, 1, 20)],
    ids=["k-fold", "hold-out", "given"],
)
def test_axes_are_fold_lam_epoch(split, folds, held):
    path = three_folds() if split == {"cv": 3} else fit(classifier(), **split)
    assert path.lams.tolist() == [0.3, 0.01, 0.0]
    assert path.cv_loss.shape == path.train_loss.shape == (folds, 3, EPOCHS)
    assert np.isfinite(path.cv_loss).all() and np.isfinite(path.train_loss).all()
    assert path.fold_weight.shape == (folds,) and path.fold_weight.sum() == held
    assert path.epochs.shape == path.norm.shape == path.nonzero.shape == path.mean.shape == path.se.shape == (3,)
    assert path.predictions.shape == (held, 3, 3) and path.row_loss.shape == (held, 3)
    assert path.held_out_rows.shape == (held,) and (np.diff(path.held_out_rows) > 0).all()
    assert path.status.shape == (folds, 3) and path.full_status.shape == (3,)
    assert set(path.metrics) == set(path.null_metrics) == {"accuracy"} and path.metrics["accuracy"].shape == (3,)
    assert [w.shape for w in path.weights] == [(3, *v.shape) for v in path.template.network.variables]
    assert path.n_rows == N and len(path.folds.train) == folds
    assert (path.se > 0).all() and (path.norm > 0).all() and (np.diff(path.norm) > 0).all()
    if "validation_data" in split:
        assert path.held_out_rows[0] == N, "they come after the rows of x"


def test_numbers_fit_together():
    """Losses, predictions and metrics are three views of the same held-out rows."""
    path = three_folds()
    np.testing.assert_array_equal(path.targets, Y[path.held_out_rows])
    chosen = np.take_along_axis(path.predictions, Y[path.held_out_rows, None, None], axis=2)[..., 0]
    np.testing.assert_allclose(path.row_loss, -np.log(chosen), rtol=1e-4)
    for fold in range(3):
        np.testing.assert_allclose(path.fold_loss[fold], path.row_loss[held_by(path, fold)].mean(axis=0), rtol=1e-5)
    right = path.predictions.argmax(axis=2) == Y[path.held_out_rows, None]
    np.testing.assert_allclose(path.metrics["accuracy"], right.mean(axis=0), rtol=1e-6)
    assert 0.2 < right.mean() < 1


def test_the_null_model_is_each_folds_frequencies():
    path = three_folds()
    loss, shares = np.zeros(N), list[np.ndarray]()
    for train, held_out in zip(path.folds.train, path.folds.held_out, strict=True):
        shares.append(np.bincount(Y[train], minlength=3) / len(train))
        loss[held_out] = -np.log(shares[-1][Y[held_out]])
    by_fold = np.array([loss[held_out].mean() for held_out in path.folds.held_out])
    assert path.null_loss == pytest.approx(loss.mean(), rel=1e-5)
    weight = np.array([20, 19, 19]) / N
    assert path.null_se == pytest.approx(np.sqrt(weight @ (by_fold - loss.mean()) ** 2 / 2), rel=1e-3)
    assert path.null_se > 1e-3
    assert path.null_metrics["accuracy"] == pytest.approx((Y == np.mean(shares, axis=0).argmax()).mean())


@pytest.mark.parametrize("options", [{}, {"max_memory": 2e4}], ids=["in memory", "on disk"])
def test_a_constant_ranks_no_rows(options):
    """The constants of the folds differ, but a row is not ranked by the fold that holds it out."""
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    x, y = np.resize(X, (1000, 6)).astype("float32"), np.resize((Y == 1).astype("float32"), 1000)
    rows = tf.data.Dataset.from_tensor_slices((x, y)).batch(50)
    path = sh.fit(model, rows, penalty="l2", lams=[0.1], cv=5, epochs=1, batch_size=50, **options)
    assert path.null_metrics["auc"] == pytest.approx(0.5)


def test_printed_with_its_notes():
    path = fit(classifier(), lams=[0.01, 0.3, 0.3], batch_size=1000, epochs=1)
    for note in (
        "lams: sorted in descending order.",
        "lams: repeated values kept once.",
        "batch_size=1000 is larger than the 38 training rows of a fold: its batch is all of them.",
    ):
        assert note in path.notes and note in repr(path)
    assert "3 strengths x 3 folds, then all rows: 12 models" in repr(path)


# --- the smallest and the odd


def test_one_row_held_out_has_no_standard_error():
    path = fit(line(), x=X[:5], y=TARGET[:5], cv=0.2, epochs=1)
    assert path.cv_loss.shape[0] == 1 and len(path.held_out_rows) == 1
    assert np.isnan(path.se).all() and path.lam_1se == path.lam_min


@pytest.mark.parametrize(
    "loss", ["mean_absolute_error", "poisson", "huber", "categorical_hinge", "binary_focal_crossentropy"]
)
def test_other_losses(loss):
    width = 3 if loss == "categorical_hinge" else 1
    activation = {"poisson": "softplus", "binary_focal_crossentropy": "sigmoid"}.get(loss)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(width, activation)])
    model.compile("adam", loss)
    y = {"poisson": Y, "categorical_hinge": np.eye(3)[Y], "binary_focal_crossentropy": Y > 0}.get(loss, TARGET)
    path = fit(model, y=y, epochs=2, lams=[0.1], cv=2)
    assert np.isfinite(path.mean).all() and path.model().evaluate(X, y.astype(float), verbose=0) > 0
    assert np.isnan(path.null_loss) == (loss not in ("mean_absolute_error", "poisson"))
    assert str(path)


def test_progress_goes_to_standard_error(capsys):
    fit(line(), y=TARGET, epochs=1, progress=True)
    fit(line(), y=TARGET, epochs=1, progress=False)
    assert capsys.readouterr().out == ""


@keras.saving.register_keras_serializable("tests")
class Nameless(keras.Model):
    """Keras draws a name for each: its configuration has none."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.dense = layers.Dense(1)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, inputs):
        return self.dense(inputs)


def nameless() -> keras.Model:
    model = Nameless()
    model.build((None, 6))
    model.compile("sgd", "mean_squared_error")
    return model


def unnamed_line() -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    return model


@pytest.mark.parametrize("make", [unnamed_line, nameless, lambda: nameless], ids=["graph", "model", "function"])
def test_a_path_has_its_models_name_when_it_is_loaded(make, tmp_path):
    model: Any = unnamed_line if make is unnamed_line else make()
    path = fit(model, y=TARGET, lams=[0.1], epochs=1)
    path.save(tmp_path / "run")
    assert repr(sh.Path.load(tmp_path / "run")) == repr(path)


def test_an_output_without_a_loss_has_no_targets(tmp_path):
    inputs = keras.Input((6,))
    outputs = {"a": layers.Dense(1, name="a")(inputs), "b": layers.Dense(2, name="b")(inputs)}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", {"a": "mean_squared_error"})
    path = fit(model, y={"a": TARGET})
    assert path.targets["b"] is None
    np.testing.assert_allclose(path.targets["a"][:, 0], TARGET[path.held_out_rows], rtol=1e-6)  # float32
    path.save(tmp_path / "path")
    assert sh.Path.load(tmp_path / "path").targets["b"] is None
