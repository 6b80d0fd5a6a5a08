"""A problem that another process takes over: the model predicts the same, and begins with the same weights."""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import shrinkage as sh
from shrinkage._data import _dataset
from shrinkage._plan._cluster._parcel import pack, unpack
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._problem import Problem
from shrinkage._problem._request import Request
from tests import unregistered, zoo
from tests.fit.fitting import classifier

ROOT = Path(__file__).parents[3]
SCALE = 2.0


class Scaled(keras.layers.Layer):
    """A layer that is not registered with Keras, and has weights in a layer."""

    def __init__(self, units: int, **options: Any):
        super().__init__(**options)
        self.units, self.inner = units, layers.Dense(units, "relu")

    def build(self, shape: Any) -> None:
        self.inner.build(shape)

    def call(self, x: Any) -> Any:
        return self.inner(x) * SCALE

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"units": self.units}


@keras.saving.register_keras_serializable("of_a_user")
class Registered(Scaled):
    pass


class Weighted(keras.losses.Loss):
    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.factor * ops.mean(ops.square(y_true - y_pred), axis=-1)


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, first: float):
        self.first = first

    def __call__(self, step: Any) -> Any:
        return self.first / (1 + 0.01 * ops.cast(step, "float32"))

    def get_config(self) -> dict[str, Any]:
        return {"first": self.first}


class Whole(keras.Model):
    def __init__(self, units: int = 3, **options: Any):
        super().__init__(**options)
        self.units, self.first, self.last = units, Scaled(units), layers.Dense(1)

    def build(self, shape: Any) -> None:
        self.first.build(shape)
        self.last.build((None, self.units))
        self.built = True

    def call(self, x: Any) -> Any:
        return self.last(self.first(x))

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units}


def network(*parts: Any, loss: Any = "mean_squared_error", optimizer: Any = "adam") -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), *parts, layers.Dense(1)])
    model.compile(optimizer, loss)
    return model


def whole() -> keras.Model:
    model = Whole()
    model.build((None, 6))
    model.compile("adam", "mse")
    return model


def without_configuration() -> keras.Model:
    """A function makes a model that Keras cannot save."""

    class Untold(keras.Model):  # pickle does not find a module's names in the body of a class inside a function
        def __init__(self, last):
            super().__init__()
            self.last = last

        def build(self, shape):
            self.last.build(shape)
            self.built = True

        def call(self, x):
            return self.last(x)

    model = Untold(layers.Dense(1))
    model.build((None, 6))
    model.compile("adam", "mse")
    return model


OF_A_USER: dict[str, Callable[[], Any]] = {
    "layer": lambda: network(Scaled(4)),
    "registered layer": lambda: network(Registered(4)),
    "class": whole,
    "function": lambda: without_configuration,
    "lambda with a global": lambda: network(layers.Lambda(lambda x: ops.tanh(x) * SCALE, output_shape=(6,))),
    "activation": lambda: network(layers.Dense(4, unregistered.own_activation)),
    "loss function": lambda: network(loss=unregistered.own_loss),
    "loss class": lambda: network(loss=Weighted(3.0)),
    "loss of Keras": lambda: network(loss=keras.losses.Huber(0.5)),
    "schedule": lambda: network(optimizer=keras.optimizers.SGD(Falling(0.1), momentum=0.9)),
    "regularizer": lambda: network(layers.Dense(4, bias_regularizer=unregistered.OwnRegularizer())),
    "half precision": lambda: network(layers.Dense(4, dtype="mixed_bfloat16")),
    "statistics": lambda: network(layers.Normalization()),
}


def of_zoo(name: str) -> tuple[Any, Any, Any]:
    make, kind, _ = zoo.MODELS[name]
    model, (x, y) = make(), zoo.rows(kind)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, x, y


def problem(model: Any, x: Any, y: Any, **options: Any) -> Problem:
    return prepare_problem(Request(model, x, y, penalty=sh.L2(), epochs=1, cv=2, batch_size=8, **options))


def of_user(make: Callable[[], Any]) -> tuple[Any, Any, Any]:
    x, y = zoo.rows("table")
    return make(), x, y.astype("float32")


def drawn(found: Problem) -> list[np.ndarray]:
    """Weights that a fold begins with, predictions with them, and the loss of these."""
    training = found.training
    values = training.template.make_fresh_values((training.seed, 1))
    model: Any = training.template.get_trained_part(training.template.make_model(values))
    rows = keras.tree.map_structure(lambda each: each[:5], training.data.x)
    y = keras.tree.map_structure(lambda each: each[:5], training.data.y)
    predictions = model(rows, training=False)
    loss = training.objective.terms[0].loss(y, predictions)
    # The states of random layers are those of the caller, which are no draws.
    floats = [each for each in values if each.dtype.kind == "f"]
    return [*floats, *map(keras.ops.convert_to_numpy, [*keras.tree.flatten(predictions), loss])]


def take_over(file: str) -> None:
    """Write what a new process draws for the problems in a file."""
    sent = pickle.loads(Path(file).read_bytes())
    found = {name: drawn(unpack(parcel, data)) for name, (parcel, data) in sent.items()}
    Path(file).write_bytes(pickle.dumps(found))


def in_another_process(problems: dict[str, Problem], folder: Path) -> dict[str, list[np.ndarray]]:
    """Return what a process draws that does not have the modules of these tests."""
    file = folder / "problems"
    file.write_bytes(pickle.dumps({name: (pack(each), each.training.data) for name, each in problems.items()}))
    code = (Path(__file__).read_text("utf-8")).split("def drawn")[1].split("def in_another_process")[0]
    head = "import pickle, sys, keras, numpy as np\nfrom pathlib import Path\nfrom typing import Any\n"
    head += "from shrinkage._plan._cluster._parcel import unpack\nfrom shrinkage._problem._problem import Problem\n"
    program = f"{head}\n\ndef drawn{code}\n\ntake_over(sys.argv[1])\n"
    settings = {**os.environ, "PYTHONPATH": ""}
    command = [sys.executable, "-c", program, str(file)]
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return pickle.loads(file.read_bytes())


def assert_same(problems: dict[str, Problem], folder: Path) -> None:
    found = in_another_process(problems, folder)
    for name, each in problems.items():
        for a, b in zip(found[name], drawn(each), strict=True):
            np.testing.assert_array_equal(a, b, name)
        assert all(np.any(each) for each in found[name][-2:])  # predictions and loss


@pytest.mark.full
def test_models_with_code_of_a_user(tmp_path):
    assert_same({name: problem(*of_user(make)) for name, make in OF_A_USER.items()}, tmp_path)


@pytest.mark.full
def test_models_of_keras(tmp_path):
    assert_same({name: problem(*of_zoo(name)) for name in zoo.MODELS}, tmp_path)


def test_trained_weights_are_kept(tmp_path):
    model = network(layers.Dense(4))
    model.set_weights([np.full(each.shape, 0.25 + place) for place, each in enumerate(model.get_weights())])
    kept = problem(*of_user(lambda: model), init="keep")
    sent = unpack(pack(kept), kept.training.data)
    for a, b in zip(sent.training.template.get_source_values(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_on_disk_are_read_there_or_refused(monkeypatch):
    monkeypatch.setattr(_dataset, "_READ", (500, 2**24))
    x, y = zoo.rows("table", 2000)
    rows = tf.data.Dataset.from_tensor_slices((x.astype("float32"), y)).batch(100)
    model = classifier()
    sent = problem(model, rows, None, max_memory=4e4)
    assert sent.stored_rows is not None
    parcel = pack(sent)
    found = unpack(parcel, sent.training.data)
    assert found.stored_rows is not None and found.stored_rows.spool.is_complete
    assert found.training.template.metric_names[0] == "accuracy"
    (sent.stored_rows.spool.folder / "0").unlink()
    with pytest.raises(
        ValueError, match="all nodes of `cluster` share, .* which a node does not have. Set TMPDIR to a folder that all"
    ):
        unpack(parcel, sent.training.data)


def test_a_model_that_cannot_be_sent_is_refused_with_the_form_that_can():
    lock = threading.Lock()

    class Locked(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            with lock:
                return x

    with pytest.raises(
        ValueError, match=r"can be sent to the workers of `cluster`. Received: .*Give a function that builds"
    ) as error:
        pack(problem(*of_user(lambda: network(Locked()))))
    assert "lock" in str(error.value)
    with pytest.raises(
        ValueError,
        match=r"be sent to the workers of `cluster`. Received: a model that cannot \(.*\)\. Leave `cluster` out, or",
    ):
        pack(problem(*of_user(lambda: lambda: network(Locked()))))


@pytest.mark.full
def test_a_model_that_predicts_otherwise_elsewhere_is_refused(tmp_path):
    here = os.getpid()

    class Elsewhere(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x if os.getpid() == here else -x

    with pytest.raises(
        AssertionError,
        match="ValueError: `model` must predict the same in the workers of `cluster`. Received: .* differently. Give",
    ):
        in_another_process({"here": problem(*of_user(lambda: network(Elsewhere())))}, tmp_path)


@pytest.mark.full
def test_a_model_that_cannot_be_made_elsewhere_is_refused(tmp_path):
    here = os.getpid()

    class Bound(keras.layers.Layer):
        def __init__(self, **options: Any):
            super().__init__(**options)
            if os.getpid() != here:
                raise RuntimeError("no such device")

        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(
        AssertionError,
        match=r"`model` must .* be made in the workers of `cluster`. Received: .*no such device.*Give a function",
    ):
        in_another_process({"here": problem(*of_user(lambda: network(Bound())))}, tmp_path)
