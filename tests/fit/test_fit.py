"""What `sh.fit` returns, how it gets there, and what it leaves alone."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from shrinkage._search._search import Search
from tests.zoo import mlp, recurrent, rows, subclassed

N, EPOCHS = 58, 3  # folds of 20, 19 and 19 rows
X, Y = rows("table", N)
LAMS = [0.3, 0.01]
TARGET = X @ [1.0, -2.0, 0.5, 0.0, 0.0, 1.0] + np.random.default_rng(5).normal(size=N)


def classifier(make: Callable[[], keras.Model] = mlp, **options: Any) -> keras.Model:
    model = make()
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def line(inputs: int = 6, optimizer: Any = None, **options: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((inputs,)), layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.SGD(0.05, momentum=0.5), "mean_squared_error", **options)
    return model


def fit(model: Any, x: Any = X, y: Any = Y, **options: Any) -> sh.Path:
    defaults: dict[str, Any] = {"penalty": sh.L2(), "lams": LAMS, "cv": 3, "epochs": EPOCHS, "batch_size": 8}
    return sh.fit(model, x, y, **(defaults | options))


@cache
def three_folds() -> sh.Path:
    return fit(classifier())


def arrays(path: sh.Path) -> dict[str, np.ndarray]:
    """Return all of a path's numbers but its seconds and its model's seeds, which are the caller's."""
    found = {f.name: getattr(path, f.name) for f in fields(path)}
    found = {
        name: value for name, value in found.items() if isinstance(value, np.ndarray | float) and name != "seconds"
    }
    found |= {f"weights[{i}]": w for i, w in enumerate(path.weights) if w.dtype.kind == "f"}
    return {name: np.asarray(value) for name, value in (found | path.metrics | path.null_metrics).items()}


def held_by(path: sh.Path, fold: int) -> np.ndarray:
    return np.isin(path.held_out_rows, path.folds.held_out[fold])


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
    chosen = np.take_along_axis(path.predictions, Y[path.held_out_rows, None, None], axis=2)[..., 0]
    np.testing.assert_allclose(path.row_loss, -np.log(chosen), rtol=1e-4)
    for fold in range(3):
        np.testing.assert_allclose(path.fold_loss[fold], path.row_loss[held_by(path, fold)].mean(axis=0), rtol=1e-5)
    right = path.predictions.argmax(axis=2) == Y[path.held_out_rows, None]
    np.testing.assert_allclose(path.metrics["accuracy"], right.mean(axis=0), rtol=1e-6)
    assert 0.2 < right.mean() < 1


def test_the_null_model_is_each_folds_frequencies():
    path = three_folds()
    loss, right = np.zeros(N), np.zeros(N)
    for train, held_out in zip(path.folds.train, path.folds.held_out, strict=True):
        share = np.bincount(Y[train], minlength=3) / len(train)
        loss[held_out], right[held_out] = -np.log(share[Y[held_out]]), Y[held_out] == share.argmax()
    by_fold = np.array([loss[held_out].mean() for held_out in path.folds.held_out])
    assert path.null_loss == pytest.approx(loss.mean(), rel=1e-5)
    weight = np.array([20, 19, 19]) / N
    assert path.null_se == pytest.approx(np.sqrt(weight @ (by_fold - loss.mean()) ** 2 / 2), rel=1e-3)
    assert path.null_se > 1e-3
    assert path.null_metrics["accuracy"] == pytest.approx(right.mean())


def test_printed_with_its_notes():
    path = fit(classifier(), lams=[0.01, 0.3, 0.3], batch_size=1000, epochs=1)
    for note in (
        "lams: sorted in descending order.",
        "lams: repeated values kept once.",
        "batch_size=1000 is larger than the 38 training rows of a fold: its batch is all of them.",
    ):
        assert note in path.notes and note in repr(path)
    assert "3 strengths x 3 folds, then all rows: 12 models" in repr(path)


# --- the same again


def test_the_same_call_gives_the_same_bits():
    path = fit(classifier(), seed=1)
    first, again, other = arrays(three_folds()), arrays(fit(classifier())), arrays(path)
    assert first.keys() == again.keys() and len(first) > 20
    for name, value in first.items():
        assert value.tobytes() == again[name].tobytes(), name
    assert not np.array_equal(first["cv_loss"], other["cv_loss"])
    assert not np.array_equal(first["weights[0]"], other["weights[0]"])
    assert three_folds().folds.hash != path.folds.hash


def test_saved_and_loaded_it_is_the_same(tmp_path):
    path = three_folds()
    path.save(tmp_path / "path")
    loaded = sh.Path.load(tmp_path / "path")
    for name, value in arrays(path).items():
        assert arrays(loaded)[name].tobytes() == value.tobytes(), name
    assert repr(loaded) == repr(path) and loaded.folds.hash == path.folds.hash
    assert {name: loaded.plan[name] for name in ("xla", "chunk", "versions")}.items() <= path.plan.items()
    for lam in ("min", "1se", 0.3):
        np.testing.assert_array_equal(loaded.model(lam).predict(X, verbose=0), path.model(lam).predict(X, verbose=0))


class Unregistered(layers.Dense):
    """A layer that Keras finds only where it is told of it."""


def unregistered_metric(y_true: Any, y_pred: Any) -> Any:
    return keras.ops.mean(keras.ops.abs(y_true - y_pred))


@pytest.mark.parametrize(
    ("layer", "metric", "name"),
    [
        (Unregistered, "mae", "class Unregistered"),
        (layers.Dense, unregistered_metric, "function unregistered_metric"),
    ],
)
def test_what_keras_cannot_read_back_is_said_when_saved_and_when_loaded(tmp_path, layer, metric, name):
    model = keras.Sequential([keras.Input((6,)), layer(1)])
    model.compile("sgd", "mse", metrics=[metric])
    path = fit(model, y=TARGET, lams=[0.1], epochs=1)
    with pytest.warns(UserWarning, match=f"saved, but .* the {name}, which is not registered with Keras"):
        path.save(tmp_path / "run")
    with pytest.raises(ValueError, match=f"cannot be read: it has the {name}.*register_keras_serializable"):
        sh.Path.load(tmp_path / "run")
    with keras.saving.custom_object_scope({name.split()[1]: layer if layer is Unregistered else metric}):
        assert sh.Path.load(tmp_path / "run").model().count_params() == 7


class Argumentless(keras.Model):
    """Its class takes nothing, and so not the configuration that Keras writes."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.003))

    def call(self, inputs):
        return self.dense(inputs)


def test_what_is_left_when_a_class_is_found_is_said(tmp_path):
    """A class that cannot be made again is no damaged file, and no scope mends it."""
    model = Argumentless()
    model(X[:1])
    model.compile("sgd", "mse")
    path = sh.fit(model, X, Y.astype(float), penalty="model", lams=[0.1], cv=3, epochs=1)
    words = "class Argumentless, which Keras cannot make again from its configuration: let its get_config"
    with pytest.warns(UserWarning, match=f"not registered with Keras.*It also has the {words}"):
        path.save(tmp_path / "path")
    with (
        pytest.raises(ValueError, match=f"cannot be read: it has the {words}"),
        keras.saving.custom_object_scope({"Argumentless": Argumentless}),
    ):
        sh.Path.load(tmp_path / "path")


def test_a_lambda_is_not_read_from_a_file(tmp_path):
    model = keras.Sequential([keras.Input((6,)), layers.Lambda(lambda x: 2 * x), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="a Python lambda, and Keras takes no code from files"):
        fit(model, y=TARGET, lams=[0.1], epochs=1).save(tmp_path / "run")
    with pytest.raises(ValueError, match="cannot be read: it has a Python lambda"):
        sh.Path.load(tmp_path / "run")


@pytest.mark.parametrize("make", [mlp, recurrent], ids=["together", "unrolled"])
def test_chunks_give_the_same_path(make):
    """Few strengths at a time, the last of a chunk repeated: only rounding and the order of work change."""
    x, y = (X, Y) if make is mlp else rows("series", 30)
    options: dict[str, Any] = {"lams": [1.0, 0.3, 0.1, 0.03], "epochs": 1, "cv": 2, "x": x, "y": y}
    whole = fit(classifier(make), **options)
    parts = fit(classifier(make), **options, plan={"chunk": 2})
    assert (whole.plan["chunk"], parts.plan["chunk"]) == (5, 2)
    numbers = {name: value for name, value in arrays(whole).items() if value.dtype != object}
    for name, value in numbers.items():
        np.testing.assert_allclose(arrays(parts)[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


# --- the caller's model, and the one that comes back


@pytest.mark.parametrize("make", [mlp, subclassed], ids=["sequential", "subclassed"])
def test_the_callers_model_is_left_as_it_was(make):
    def state(model: keras.Model) -> list[Any]:
        optimizer: Any = model.optimizer
        nodes = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
        values = [np.array(v).tolist() for v in (*model.variables, *optimizer.variables)]
        objects = [id(part) for part in (*model.layers, *model.variables, optimizer, *model.metrics)]
        return [nodes, values, objects, model.compiled, model.loss, model.trainable]

    model = classifier(make)
    model.fit(X, Y, verbose=0)
    before = state(model)
    path = fit(model, init="keep", lams=[0.1], cv=2, epochs=1)
    path.model()
    assert state(model) == before
    model.fit(X, Y, verbose=0, epochs=2)  # and it goes on training
    assert state(model)[1] != before[1] and int(model.optimizer.iterations) == 6


def test_models_are_plain_new_and_trained_on_all_rows():
    path = three_folds()
    first, second = path.model("min"), path.model("min")
    assert type(first) is keras.Sequential and first is not second
    assert first.compiled and first.loss == "sparse_categorical_crossentropy"
    assert not first.losses and all(v.regularizer is None for v in first.variables)
    assert int(first.optimizer.iterations) == 0 and type(first.optimizer) is keras.optimizers.Adam
    assert first.optimizer.get_config()["learning_rate"] == pytest.approx(0.02)
    loss, accuracy = first.evaluate(X, Y, verbose=0)
    assert loss < path.null_loss and accuracy > 0.4
    first.fit(X, Y, verbose=0)
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])
    np.testing.assert_array_equal(second.get_weights()[0], path.weights[0][path.index_min])


def test_a_saved_model_needs_only_keras(tmp_path):
    model = three_folds().model()
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", X)
    code = (
        "import sys; sys.modules['shrinkage'] = None\n"
        "import keras, numpy as np\n"
        f"model = keras.saving.load_model(r'{tmp_path / 'model.keras'}')\n"
        f"np.save(r'{tmp_path / 'p.npy'}', model.predict(np.load(r'{tmp_path / 'x.npy'}'), verbose=0))\n"
        "model.fit(np.zeros((4, 6)), np.zeros(4), verbose=0)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), model.predict(X, verbose=0), rtol=1e-5)


class NotClonable(keras.Model):
    """A model whose configuration Keras does not know."""

    def __init__(self, hidden: layers.Layer, head: layers.Layer):
        super().__init__()
        self.hidden, self.head = hidden, head

    def call(self, inputs):
        return self.head(self.hidden(inputs))


def not_clonable() -> keras.Model:
    model = NotClonable(layers.Dense(5, "tanh"), layers.Dense(3, "softmax"))
    model(X[:1])
    return classifier(lambda: model)


@pytest.mark.parametrize("model", [lambda: classifier(), not_clonable, lambda: classifier(subclassed)])
def test_a_function_as_model(model):
    path = fit(model, lams=[0.1], cv=2)
    found = path.model()
    assert type(found) is type(model()) and found is not path.model()
    assert found.evaluate(X, Y, verbose=0)[0] < path.null_loss
    np.testing.assert_array_equal(found.get_weights()[0], path.weights[0][path.index_min])


def test_a_subclassed_model_trains_the_same_with_a_function_and_without():
    plain, function = (fit(m, lams=[0.1], cv=2) for m in (classifier(subclassed), lambda: classifier(subclassed)))
    assert plain.cv_loss.tobytes() == function.cv_loss.tobytes() and plain.plan["unrolled"]
    assert set(plain.metrics) == {"accuracy"} and plain.model().evaluate(X, Y, verbose=0)[0] < plain.null_loss


# --- epochs


def test_each_strength_keeps_its_epoch():
    options: dict[str, Any] = {"y": TARGET, "lams": [3.0, 0.01]}
    best = fit(line(), epochs=6, **options)
    np.testing.assert_array_equal(
        best.epochs, 1 + np.average(best.cv_loss, axis=0, weights=[20, 19, 19]).argmin(axis=-1)
    )
    third, last = fit(line(), epochs=6, epoch=3, **options), fit(line(), epochs=3, epoch="last", **options)
    assert third.epochs.tolist() == last.epochs.tolist() == [3] * 3 != best.epochs.tolist()
    assert best.cv_loss.tobytes() == third.cv_loss.tobytes()
    for path in (best, third):
        for fold in range(3):
            of_rows = path.row_loss[held_by(path, fold)].mean(axis=0)
            np.testing.assert_allclose(path.fold_loss[fold], of_rows, rtol=1e-5)
    for mine, other in zip(third.weights, last.weights, strict=True):
        np.testing.assert_array_equal(mine, other)  # the third of six epochs is the last of three
    assert not np.array_equal(third.weights[0], best.weights[0])


@pytest.mark.parametrize("epoch", ["best", "last"])
def test_patience_stops_each_strength_by_its_own_curve(epoch, float64):
    """However strengths are cut into chunks: curves are those of a run without patience, up to the stop."""
    y = np.random.default_rng(0).normal(size=N) + X[:, 0]
    options: dict[str, Any] = {"lams": [3.0, 0.5, 0.02], "y": y, "epochs": 60, "cv": 2, "batch_size": 29}
    options |= {"patience": 3, "epoch": epoch}
    model = line(optimizer=keras.optimizers.SGD(0.05))
    whole = fit(model, **options | {"patience": None})
    mean = np.average(whole.cv_loss, axis=0, weights=whole.fold_weight)
    stops = np.array([_stop(curve, 3) for curve in mean])
    assert len(set(stops)) > 1 and stops.min() > 4 and stops.max() < 60
    for chunk in (1, 2, 4):
        path = fit(model, plan={"chunk": chunk}, **options)
        assert path.cv_loss.shape[2] == stops.max()
        for s, stop in enumerate(stops):
            np.testing.assert_allclose(path.cv_loss[:, s, :stop], whole.cv_loss[:, s, :stop], rtol=1e-10)
            assert np.isnan(path.cv_loss[:, s, stop:]).all() and np.isnan(path.train_loss[:, s, stop:]).all()
        expected = stops if epoch == "last" else stops - 3
        np.testing.assert_array_equal(path.epochs, expected)
        for fold in range(2):  # what is kept of each row is of that epoch too
            of_rows = path.row_loss[held_by(path, fold)].mean(axis=0)
            np.testing.assert_allclose(path.fold_loss[fold], of_rows, rtol=1e-10)
        assert not path.failed.any() and str(path) and path.table().notna().all(axis=None)


def _stop(curve: np.ndarray, patience: int) -> int:
    """The epoch, from 1, at which the least loss so far is `patience` epochs old."""
    return next(e + 1 for e in range(len(curve)) if e - int(curve[: e + 1].argmin()) == patience)


def test_a_strength_that_would_diverge_after_its_stop_has_not_diverged():
    """Its members go on beside others that have not stopped, and what becomes of them counts nowhere."""
    options: dict[str, Any] = {"y": TARGET, "lams": [32.0, 0.01], "epochs": 60, "patience": 1, "cv": 2}
    with np.errstate(all="ignore"):
        together, apart = (fit(line(), plan={"chunk": chunk}, **options) for chunk in (3, 1))
        whole = fit(line(), **options | {"patience": None})
    assert whole.failed[0] and together.epochs[0] < together.epochs[1]
    assert not together.failed.any() and not apart.failed.any() and np.isfinite(together.mean).all()
    np.testing.assert_array_equal(together.epochs, apart.epochs)


def test_patience_does_not_stop_before_the_epoch_to_keep():
    with pytest.raises(ValueError, match="`epoch=3` needs .* Leave `patience` out"):
        fit(classifier(), patience=1, epoch=3)


# --- strengths


def test_the_grid_grows_upwards_to_its_limit():
    """Noise that no column explains: the more shrinkage, the better, without end."""
    noise = np.random.default_rng(5).normal(size=N)
    options: dict[str, Any] = {"how": sh.Proximal(), "epochs": 25, "batch_size": 20, "epoch": "last"}
    path = fit(line(), y=noise, lams="auto", **options)
    assert len(path.lams) == 21 + 12 and (np.diff(path.lams) < 0).all() and path.lams[-1] == 0
    assert N * path.lams[0] == pytest.approx(10**4.75, rel=1e-5) and path.index_min == 0
    assert path.notes == ()  # the last strengths are alike: stronger ones would be no better, and no note says so
    assert path.cv_loss.shape == (3, 33, 25) and len(path.weights[0]) == 33
    alone = fit(line(), y=noise, lams=path.lams[:3], **options)
    np.testing.assert_allclose(path.cv_loss[:, :3], alone.cv_loss[:, :3], rtol=1e-5)  # in their places


@pytest.mark.parametrize(("mean", "n_notes"), [([0.5, 0.6, 0.7, 0.8], 1), ([0.5, 0.5001, 0.7, 0.8], 0)])
def test_the_limit_of_the_grid_is_noted_where_the_loss_still_falls_towards_it(mean, n_notes):
    search = object.__new__(Search)
    search.notes = []
    search._warn_at_limit(np.array([100.0, 10.0, 1.0, 0.0]), np.array(mean), decades_up=3, decades_down=0)
    assert len(search.notes) == n_notes
    assert all("extended by three decades" in note and "give `lams`" in note for note in search.notes)


def test_the_grid_grows_downwards(float64):
    """Almost no noise, few rows: a little shrinkage is best, less than the grid's least."""
    generator = np.random.default_rng(3)
    x = generator.normal(size=(24, 6))
    y = x @ generator.normal(size=6) + 0.0002 * generator.normal(size=24)
    model = line(optimizer=keras.optimizers.SGD(0.1, momentum=0.8))
    path = fit(model, x=x, y=y, lams="auto", cv=2, epochs=400, batch_size=12, epoch="last")
    assert len(path.lams) == 21 + 4 and 24 * path.lams[-2] == pytest.approx(1e-4, rel=1e-5)
    assert 19 < path.index_min < 24 and path.mean[-1] > path.mean.min() and path.notes == ()
    assert (np.diff(path.lams) < 0).all() and path.lams[-1] == 0


def test_a_diverged_strength_is_shown_and_not_chosen():
    with np.errstate(all="ignore"):
        path = fit(line(), y=TARGET, lams=[1e6, 0.01], epochs=12)
    assert [status.name for status in path.full_status] == ["DIVERGED", "OK", "OK"]
    assert [status.name for status in path.status[0]] == ["DIVERGED", "OK", "OK"]
    assert path.failed.tolist() == [True, False, False] and path.lam_min < 1e6 and path.lam_1se < 1e6
    assert np.isnan(path.cv_loss[:, 0, -1]).all() and np.isfinite(path.cv_loss[:, 1:]).all()
    assert "diverged" in repr(path) and np.isfinite(path.model().predict(X, verbose=0)).all()
    with pytest.raises(ValueError, match="diverged.*choose another"):
        path.model(1e6)
    steady = fit(line(), y=TARGET, lams=[0.02, 0.01], epochs=12)
    np.testing.assert_array_equal(path.cv_loss[:, 1:], steady.cv_loss[:, 1:])  # the others do not notice


@pytest.mark.parametrize(
    ("changes", "extra"),
    [
        ({"lams": [0.1]}, {}),
        ({"cv": 0.3}, {}),
        ({"penalty": sh.GroupLasso()}, {"zero_groups"}),
        ({"epoch": "last", "progress": True}, {}),
        ({"patience": 2, "epochs": 9}, {}),
    ],
    ids=["strengths", "one split", "group lasso", "last epoch", "patience"],
)
def test_when_all_diverge_the_curves_come_back_without_a_choice(tmp_path, changes, extra):
    model = line()
    model.compile(keras.optimizers.SGD(10.0), "mean_squared_error", metrics=["mae"])
    with np.errstate(all="ignore"):
        path = fit(model, y=TARGET, **{"epochs": 12} | changes)
    assert path.failed.all() and np.isnan(path.cv_loss[:, :, -1]).all() and np.isfinite(path.cv_loss[:, :, 0]).all()
    assert {status.name for status in path.full_status} == {"SKIPPED"} and path.weights == ()
    for name in {"norm", "nonzero", *extra}:
        assert np.isnan(getattr(path, name)).all()
    assert "then all rows" not in repr(path) and "Lower the learning rate" in " ".join(repr(path).split())
    for lam in ("min", 0.0):
        with pytest.raises(sh.NothingToChoose, match="Lower the learning rate"):
            path.model(lam)
    path.plot(tmp_path / "path.png")
    path.save(tmp_path / "run")
    assert repr(sh.Path.load(tmp_path / "run")) == repr(path)


def test_metrics_of_predictions_that_are_no_numbers_are_none():
    """An accuracy of NaN looks like that of the first class."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.SGD(1e38), "sparse_categorical_crossentropy", metrics=["accuracy"])
    with np.errstate(all="ignore"):
        path = sh.fit(model, 1e20 * np.ones((24, 3)), np.arange(24) % 3, penalty=sh.L2(), cv=2, epochs=3)
    lost = np.isnan(path.predictions).any(axis=(0, 2))
    assert lost.any() and np.isnan(path.metrics["accuracy"][lost]).all()


# --- rows


def test_no_fold_sees_the_rows_it_holds_out():
    """Another target in one row changes other rows' predictions, and not its own."""
    row = 7
    changed = TARGET.copy()
    changed[row] += 100
    first, other = (fit(line(), y=y, epoch="last") for y in (TARGET, changed))
    moved = np.abs(first.predictions - other.predictions).max(axis=(1, 2)) > 0
    (fold,) = (fold for fold in range(3) if row in first.folds.held_out[fold])
    np.testing.assert_array_equal(moved, ~held_by(first, fold))
    assert moved.sum() in (38, 39) and not moved[row]
    assert np.abs(first.weights[0] - other.weights[0]).max() > 0.1


def test_another_input_in_one_row_does_not_move_its_folds_normalization():
    model = keras.Sequential([keras.Input((6,)), layers.Normalization(), layers.Dense(1)])
    model.layers[0].adapt(X)
    model.compile("sgd", "mean_squared_error")
    row, changed = 7, X.copy()
    changed[row] += 100
    first, other = (fit(model, x=x, y=TARGET, init="fresh", epoch="last") for x in (X, changed))
    (fold,) = (fold for fold in range(3) if row in first.folds.held_out[fold])
    same = held_by(first, fold) & (np.arange(N) != row)
    np.testing.assert_array_equal(first.predictions[same], other.predictions[same])
    assert (np.abs(first.predictions - other.predictions).max(axis=(1, 2))[~same] > 1e-3).all()


def test_standardised_targets_and_the_units_they_come_back_in():
    y = 50 * TARGET + 1000
    path = fit(line(metrics=["mae"]), y=y, standardize_target=True, epochs=8)
    assert path.target_mean == pytest.approx(y.mean()) and path.target_sd == pytest.approx(y.std(), rel=1e-5)
    held = y[path.held_out_rows, None]
    np.testing.assert_allclose(path.row_loss, ((path.predictions[..., 0] - held) / y.std()) ** 2, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(path.metrics["mae"], np.abs(path.predictions[..., 0] - held).mean(axis=0), rtol=1e-4)
    for fold in range(3):
        np.testing.assert_allclose(path.fold_loss[fold], path.row_loss[held_by(path, fold)].mean(axis=0), rtol=1e-4)
    predicted = path.target_mean + path.target_sd * path.model().predict(X, verbose=0)[:, 0]
    assert np.corrcoef(predicted, y)[0, 1] > 0.9 and abs(predicted.mean() - y.mean()) < 0.2 * y.std()
    mean = [(y[h] - y[t].mean()) ** 2 for t, h in zip(path.folds.train, path.folds.held_out, strict=True)]
    assert path.null_loss == pytest.approx(np.concatenate(mean).mean() / y.var(), rel=1e-4)


def test_standardised_in_each_folds_own_rows():
    """A model that learns nothing predicts 0, which is its own training rows' mean."""
    path = fit(line(optimizer=keras.optimizers.SGD(0.0)), x=0 * X, y=TARGET, standardize_target=True, epochs=1)
    for fold, train in enumerate(path.folds.train):
        np.testing.assert_allclose(path.predictions[held_by(path, fold)], TARGET[train].mean(), rtol=1e-5)


def test_metrics_have_no_numbers_of_keras():
    """Keras counts the metrics of a class in the whole process: auc, auc_1, auc_2, ..."""
    keras.metrics.AUC()
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, "sigmoid")])
    metrics = ["auc", keras.metrics.AUC(curve="PR"), keras.metrics.Recall(name="recall_1"), "accuracy"]
    metrics += [keras.metrics.AUC(name="top_5")]
    model.compile("sgd", "binary_crossentropy", metrics=metrics, weighted_metrics=["accuracy"])
    path = fit(model, y=Y > 0, lams=[0.1], epochs=1)
    assert list(path.metrics) == ["auc", "auc_1", "recall", "accuracy", "top_5", "weighted_accuracy"]
    assert list(path.null_metrics) == list(path.metrics)
    np.testing.assert_array_equal(path.metrics["auc"], path.metrics["top_5"])


def test_weighted_rows_weigh_in_the_losses():
    weight = np.linspace(0, 2, N)
    path = fit(
        classifier(weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="weighted")]), sample_weight=weight
    )
    scaled = weight / weight.mean()
    for fold, held_out in enumerate(path.folds.held_out):
        expected = np.average(path.row_loss[held_by(path, fold)], axis=0, weights=scaled[held_out])
        np.testing.assert_allclose(path.fold_loss[fold], expected, rtol=1e-5)
        assert path.fold_weight[fold] == pytest.approx(scaled[held_out].sum(), rel=1e-5)
    right = path.predictions.argmax(axis=2) == Y[path.held_out_rows, None]
    np.testing.assert_allclose(path.metrics["accuracy"], right.mean(axis=0), rtol=1e-5)
    expected = np.average(right, axis=0, weights=weight[path.held_out_rows])
    np.testing.assert_allclose(path.metrics["weighted"], expected, rtol=1e-5)
    assert np.abs(expected - right.mean(axis=0)).max() > 1e-3


def test_data_frames_are_rows_too():
    import pandas as pd

    frame, labels = pd.DataFrame(X, columns=list("abcdef")), pd.Series(Y, index=np.arange(N) + 1000)
    path = fit(classifier(), x=frame, y=labels)
    assert path.cv_loss.tobytes() == three_folds().cv_loss.tobytes()


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
