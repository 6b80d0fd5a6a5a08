"""Models of other people: what comes back is what was trained, whatever their layers do."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import shrinkage as sh
from shrinkage._model._behaviour import Behaviour, observe
from shrinkage._model._template import Template
from tests.zoo import MODELS
from tests.zoo import rows as zoo_rows

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(64, 3))
Y = X @ [1.0, 2.0, 3.0] + 0.3 * GENERATOR.normal(size=64)
Make = Callable[[], keras.Model]


@pytest.fixture(autouse=True)
def double(float64):
    """Models are in float64, and the tests that follow are not."""
    keras.utils.set_random_seed(1)


def compiled(model: keras.Model, optimizer: Any = None) -> keras.Model:
    model.compile(optimizer or keras.optimizers.SGD(0.05), "mse")
    return model


def stack(*inner: Any) -> keras.Model:
    return compiled(keras.Sequential([keras.Input((3,)), *inner, layers.Dense(1)]))


def fit(model: Any, **options: Any) -> sh.Path:
    given = {"penalty": sh.L2(), "lams": [1e-3], "cv": 2, "epochs": 2, "batch_size": 64, "epoch": "last"}
    return sh.fit(model, X, Y, **{**given, **options})


# --- what is cloned ---------------------------------------------------------------------------------------------------


class Tenfold(keras.Model):
    """A graph with a `call` of its own around it; its class takes nothing."""

    def __init__(self):
        inputs = keras.Input((3,))
        super().__init__(inputs, layers.Dense(1)(inputs))

    def call(self, inputs, training=None, mask=None):
        return 10.0 * super().call(inputs)

    def title(self) -> str:
        return "ten"


class Multiple(keras.Model):
    """A graph whose class takes arguments that no configuration has."""

    def __init__(self, factor, units=4):
        inputs = keras.Input((3,))
        super().__init__(inputs, layers.Dense(1)(layers.Dense(units)(inputs)))
        self.factor, self.classes = factor, ["a", "b"]

    def call(self, inputs, training=None, mask=None):
        return self.factor * super().call(inputs)


class Headed(keras.Model):
    """A head on a backbone, with a configuration of its own, as classifiers of model libraries have it."""

    def __init__(self, backbone, units=1, **kwargs):
        super().__init__(backbone.input, layers.Dense(units)(backbone.output), **kwargs)
        self.backbone, self.units = backbone, units

    def get_config(self):
        backbone = keras.saving.serialize_keras_object(self.backbone)
        return {"name": self.name, "backbone": backbone, "units": self.units}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        backbone = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**{**config, "backbone": backbone})


class Bare(keras.Model):
    """A head on a backbone, without a configuration."""

    def __init__(self, backbone):
        super().__init__(backbone.input, layers.Dense(1)(backbone.output))
        self.backbone = backbone

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs) + ops.sum(self.backbone(inputs), axis=-1, keepdims=True)


class Held(keras.Model):
    """A head on a nested backbone with parts of it as attributes, without a configuration."""

    def __init__(self, backbone):
        super().__init__(backbone.input, layers.Dense(1)(backbone(backbone.input)))
        self.backbone, self.classes = backbone, {"names": ["a", "b"]}


class Stacked(keras.Sequential):
    """A Sequential model that makes its layers itself."""

    def __init__(self):
        super().__init__([keras.Input((3,)), layers.Dense(4), layers.Dense(1)])

    def call(self, inputs, training=None, mask=None):
        return 2.0 * super().call(inputs)


class Set(keras.Model):
    """A subclassed model with a number that is set later."""

    factor: float

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs):
        return self.factor * self.dense(inputs)


def backbone() -> keras.Model:
    inputs = keras.Input((3,))
    return keras.Model(inputs, layers.Dense(4)(inputs))


def nested() -> keras.Model:
    inputs = keras.Input((3,))
    return keras.Model(inputs, layers.Dense(1)(Tenfold()(inputs)))


def set_later() -> keras.Model:
    model = Set()
    model.factor = 4.0
    model(X[:1])
    return model


def partly_frozen() -> keras.Model:
    model = Multiple(2.0)
    model.layers[1].trainable = False
    return model


CLASSES: dict[str, Make] = {
    "own call": Tenfold,
    "own arguments": lambda: Multiple(5.0, units=6),
    "own configuration": lambda: Headed(backbone()),
    "no configuration": lambda: Bare(backbone()),
    "nested, of a class without a configuration": lambda: Held(Multiple(2.0)),
    "sequential": Stacked,
    "nested": nested,
    "set later": set_later,
    "frozen": partly_frozen,
}


@pytest.mark.parametrize("name", CLASSES)
def test_a_model_comes_back_in_its_class(name):
    """The held-out loss is that of Keras, and what comes back is of the class, with its attributes and methods."""
    source = compiled(CLASSES[name](), keras.optimizers.SGD(1e-12))
    expected = source.evaluate(X, Y, verbose=0)
    path = fit(source, init="keep", epochs=1)
    model = path.model("min")
    assert type(model) is type(source) and [v.trainable for v in model.variables] == [
        v.trainable for v in source.variables
    ]
    np.testing.assert_allclose(path.mean, expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict(X, verbose=0), source.predict(X, verbose=0), rtol=1e-6)
    for attribute in ("factor", "classes", "units"):
        assert getattr(model, attribute, None) == getattr(source, attribute, None)
    if isinstance(source, Bare):
        assert getattr(model, "backbone", None) is not source.backbone
    if isinstance(source, Tenfold):
        assert getattr(model, "title", str)() == "ten"


class Projected(layers.Layer):
    """Random numbers that are drawn in `build`, and kept in no weight."""

    def build(self, input_shape):
        self.matrix = ops.convert_to_tensor(np.random.normal(size=(3, 8)))

    def call(self, x):
        return ops.cos(ops.matmul(x, self.matrix))


class Bagged(layers.Layer):
    """Some of the columns, drawn when the layer is made."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.columns = np.random.permutation(30)[:3]

    def call(self, x):
        return ops.take(ops.tile(x, (1, 10)) * np.arange(30), self.columns, axis=1)


class MaskedInTraining(layers.Layer):
    """What it keeps shows in training mode only."""

    def build(self, input_shape):
        self.mask = np.random.uniform(size=3)

    def call(self, x, training=False):
        return x * self.mask if training else x


def bent(x):
    return x / (1.0 + ops.abs(x))


class Tens(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return 10.0 * ops.ones(shape, dtype)


class Above(keras.constraints.Constraint):
    def __call__(self, w):
        return ops.maximum(w, 0.1)


class Ridge(keras.regularizers.L2):
    pass


OWN_ARGUMENTS: dict[str, Callable[[], Any]] = {
    "activation": lambda: layers.Dense(4, activation=bent),
    "inside a wrapper": lambda: layers.TimeDistributed(layers.Dense(2, activation=bent)),
    "activation of a cell": lambda: layers.SimpleRNN(4, activation=bent),
    "layer of a function": lambda: layers.Activation(bent),
    "initializer": lambda: layers.Dense(4, kernel_initializer=Tens()),
    "constraint": lambda: layers.Dense(4, kernel_constraint=Above()),
    "regularizer": lambda: layers.Dense(4, bias_regularizer=Ridge(0.1)),
}


@pytest.mark.parametrize("name", OWN_ARGUMENTS)
def test_arguments_of_ones_own_need_no_registration(name):
    """The copies have the same class or function, and not another of that name."""

    def make() -> keras.Model:
        layer = OWN_ARGUMENTS[name]()
        steps = isinstance(layer, (layers.TimeDistributed, layers.SimpleRNN))
        return stack(*([layers.Reshape((3, 1)), layer, layers.Flatten()] if steps else [layer]))

    source = make()
    path = fit(source, epochs=1)
    pairs = zip(path.model("none")._flatten_layers(), source._flatten_layers(), strict=True)
    names = ("activation", "kernel_initializer", "kernel_constraint", "bias_regularizer")
    arguments = [(getattr(a, name, None), getattr(b, name, None)) for a, b in pairs for name in names]
    own = [(a, b) for a, b in arguments if __name__ in (type(b).__module__, getattr(b, "__module__", ""))]
    assert own and all(a is b or type(a) is type(b) is not type(bent) for a, b in own)
    np.testing.assert_allclose(path.mean, fit(make, epochs=1).mean, rtol=1e-9)


def test_functions_of_one_name_are_not_mixed_up():
    def power(n: int) -> Callable[[Any], Any]:
        def activation(x):
            return x**n

        return activation

    with pytest.raises(ValueError, match="cannot be cloned.*Give a function"):
        fit(stack(layers.Dense(4, activation=power(2)), layers.Dense(4, activation=power(3))))
    fit(stack(layers.Dense(4, activation=power(2))), epochs=1)


def random_constant() -> keras.Model:
    inputs = keras.Input((3,))
    return compiled(keras.Model(inputs, layers.Dense(1)(inputs * np.random.normal(size=3))))


@pytest.mark.parametrize("layer", [Projected, Bagged, MaskedInTraining])
def test_what_a_layer_keeps_outside_its_weights_is_refused(layer):
    with pytest.raises(ValueError, match=f"custom classes: {layer.__name__}.*trainable=False.*shrinkage.fit\\(lambda"):
        fit(stack(layer()))
    with pytest.raises(ValueError, match="the function returns.*fixed seed inside the function"):
        fit(lambda: stack(layer()))


class Unset(layers.Layer):
    """It computes with what nobody has set in a copy."""

    def call(self, x):
        return x - self.mean


def test_the_reason_for_no_copy_is_the_layers_own():
    layer = Unset()
    layer.mean = np.zeros(3)
    with pytest.raises(ValueError, match=r"cannot be cloned \('Unset' object has no attribute 'mean'\)\. Give"):
        fit(stack(layer))


@pytest.mark.parametrize("is_function", [False, True])
def test_a_penalty_attached_to_an_inner_model_is_not_dropped(is_function):
    def make(frozen: bool = False) -> keras.Model:
        inner = keras.Sequential([keras.Input((3,)), layers.Dense(4)], name="inner")
        sh.attach(inner, sh.L2(), lam=1.0)
        inner.trainable = not frozen
        return stack(inner)

    with pytest.raises(ValueError, match="holds the model 'inner', which has a penalty attached.*shrinkage.detach"):
        fit(make if is_function else make())
    if not is_function:
        assert np.isfinite(fit(make(frozen=True), init="keep", epochs=1).mean).all()  # it would act on nothing anyway


def test_a_function_must_return_one_model_anew():
    with pytest.raises(ValueError, match="fixed seed inside the function"):
        fit(random_constant)
    fit(random_constant())  # the graph of a model has its constant
    model, units = stack(), iter(range(3, 9))
    with pytest.raises(ValueError, match="build a new model at each call"):
        fit(lambda: model)
    with pytest.raises(ValueError, match=r"same architecture at each call.*\(3, 3\).*\(3, 4\)"):
        fit(lambda: stack(layers.Dense(next(units))))


class Kept(layers.Layer):
    """The same, kept as a weight."""

    def build(self, input_shape):
        self.matrix = self.add_weight(shape=(3, 8), initializer="normal", trainable=False)

    def call(self, x):
        return ops.cos(ops.matmul(x, self.matrix))


def test_what_it_keeps_in_a_weight_comes_back():
    source = stack(Kept())
    path = fit(source)
    for model in (path.model("min"), path.model(0.0)):
        np.testing.assert_array_equal(model.layers[0].get_weights()[0], source.layers[0].get_weights()[0])
    assert np.ptp(path.model("min").predict(X, verbose=0)) > 1e-3


# --- weights that appear at the first call ----------------------------------------------------------------------------


class Block(layers.Layer):
    """A layer inside it has no weights before the first call, as its output's shape is known without one."""

    def build(self, input_shape):
        self.dense = layers.Dense(4)
        super().build(input_shape)

    def call(self, x):
        return self.dense(x)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 4)


def test_weights_of_a_first_call_are_seen():
    assert sh.describe(stack(Block())).n_penalised == 3 * 4 + 4
    model = stack(Block())
    reg = sh.attach(model, sh.L2(), lam=1.0)
    expected = 0.5 * sum((np.asarray(w) ** 2).sum() for w in model.get_weights() if np.ndim(w) == 2)
    assert float(reg.value()) == pytest.approx(expected) and expected > 0.1
    path = fit(stack(Block()))
    assert np.isfinite(path.mean).all() and len(path.weights) == 4


# --- models that mix rows ---------------------------------------------------------------------------------------------

MIXERS: dict[str, Callable[[Any], Any]] = {
    "sum of everything": lambda h: h + 0.1 * ops.sum(h),
    "mean": lambda h: h - ops.mean(h, axis=0, keepdims=True),
    "a little": lambda h: h + 0.01 * ops.mean(h, axis=0, keepdims=True),
    "largest": lambda h: h / ops.max(ops.abs(h), axis=0, keepdims=True),
    "attention": lambda h: ops.matmul(ops.softmax(ops.matmul(h, ops.transpose(h))), h),
    "neighbours": lambda h: h + ops.roll(h, 1, axis=0),
}


def mixer(name: str) -> keras.Model:
    model = stack(layers.Dense(4), layers.Lambda(MIXERS[name], output_shape=(4,)))
    return compiled(model, keras.optimizers.SGD(1e-12))


@pytest.mark.parametrize("name", MIXERS)
def test_models_that_mix_rows_are_found(name):
    assert observe(Template(mixer(name)), X).mixes_rows
    function = MIXERS[name]
    inputs = keras.Input((3,))
    assert observe(Template(compiled(keras.Model(inputs, layers.Dense(1)(function(inputs))))), X).mixes_rows


def test_a_model_that_mixes_rows_is_scored_as_keras_does():
    """In batches of the held-out rows alone; no other plan changes that, and nothing has a loss by row."""
    model = mixer("mean")
    paths = [fit(model, init="keep", epochs=1, batch_size=10, plan={"evaluated_rows": rows}) for rows in (64, 15)]
    np.testing.assert_array_equal(paths[0].cv_loss, paths[1].cv_loss)
    for path in paths:
        for f, held in enumerate(path.folds.held_out):
            expected = model.evaluate(X[held], Y[held], batch_size=10, verbose=0)
            np.testing.assert_allclose(path.cv_loss[f, :, 0], expected, rtol=1e-6)
        assert np.isnan(path.row_loss).all() and any("evaluate(batch_size=10)" in note for note in path.notes)
    together = np.mean((model.predict(X, batch_size=64, verbose=0)[:, 0] - Y) ** 2)
    assert abs(together - paths[0].mean[0]) > 1e-3  # the batch does matter
    path = fit(model, cv=0.3, init="keep", epochs=1)
    assert np.isnan(path.se).all() and any("The model mixes the rows" in note for note in path.notes)


@pytest.mark.parametrize("name", MODELS)
def test_no_other_model_is_said_to_mix_rows(name):
    make, kind, _ = MODELS[name]
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy")
    x = zoo_rows(kind)[0]
    found = observe(Template(model), x)
    assert (found.mixes_rows, found.random) == (name == "mixes_rows", False)


# --- what a step writes -----------------------------------------------------------------------------------------------


class Shrunk(layers.Layer):
    """It assigns its weight in training, between two uses."""

    def build(self, input_shape):
        self.matrix = self.add_weight(shape=(3, 4), name="matrix")

    def call(self, x, training=False):
        before = ops.matmul(x, self.matrix)
        if training:
            self.matrix.assign(0.9 * self.matrix)
        return before + ops.matmul(x, self.matrix)


class Normed(layers.Layer):
    """It normalizes its weight in every call."""

    def build(self, input_shape):
        self.matrix = self.add_weight(shape=(3, 4), name="matrix")

    def call(self, x):
        self.matrix.assign(self.matrix / ops.norm(self.matrix, axis=0))
        return ops.matmul(x, self.matrix)


class Centred(layers.Layer):
    """A moving mean, which it subtracts, and a counter: no gradient flows through what it assigns."""

    def build(self, input_shape):
        self.mean = self.add_weight(shape=(input_shape[-1],), initializer="zeros", trainable=False)
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.mean.assign(0.5 * self.mean + 0.5 * ops.mean(x, axis=0))
            self.steps.assign_add(1)
        return (x - self.mean) / (1 + 0.1 * self.steps)


def spectral(**options: Any) -> keras.Layer:
    layer = layers.SpectralNormalization(layers.Dense(4))
    layer.trainable = options.get("trainable", True)
    return layer


class AlwaysCentred(layers.Layer):
    """A moving mean that predictions move too."""

    def build(self, input_shape):
        self.mean = self.add_weight(shape=(input_shape[-1],), initializer="zeros", trainable=False)

    def call(self, x):
        self.mean.assign(0.5 * self.mean + 0.5 * ops.mean(x, axis=0))
        return x - self.mean


WRITERS: dict[str, tuple[Callable[[], list[Any]], Callable[[], Any]]] = {
    "spectral": (lambda: [spectral()], lambda: keras.optimizers.SGD(0.1)),
    "spectral, averaged": (lambda: [spectral()], lambda: keras.optimizers.Adam(0.05, use_ema=True)),
    "spectral, frozen": (lambda: [spectral(trainable=False)], lambda: keras.optimizers.SGD(0.1)),
    "between two uses": (lambda: [Shrunk()], lambda: keras.optimizers.SGD(0.1, momentum=0.9)),
    "in every call": (lambda: [Normed()], lambda: keras.optimizers.SGD(0.1)),
    "statistics": (lambda: [layers.Dense(4), Centred()], lambda: keras.optimizers.SGD(0.1)),
    "statistics, in every call": (lambda: [AlwaysCentred(), layers.Dense(4)], lambda: keras.optimizers.SGD(0.1)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_step_assigns_is_as_in_keras(name, float64):
    """Three steps on all rows; in float64 nothing but rounding is left."""
    make, optimizer = WRITERS[name]
    source, plain = (compiled(stack(*make()), optimizer()) for _ in range(2))
    for mine, theirs in zip(plain.variables, source.variables, strict=True):
        mine.assign(theirs)
    before = [np.asarray(v.numpy()) for v in plain.variables]
    plain.fit(X, Y, batch_size=64, epochs=3, verbose=0)
    model = fit(source, init="keep", epochs=3).model(0.0)
    for mine, theirs in zip(model.variables, plain.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-12, err_msg=theirs.path)
    moved = [np.abs(v.numpy() - old).max() for v, old in zip(plain.variables, before, strict=True)]
    assert max(moved) > 1e-2


# --- random numbers ---------------------------------------------------------------------------------------------------


class Noisy(layers.Layer):
    """Noise of a kind, in training or always."""

    def __init__(self, draw: Callable[[Any], Any], always: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.draw, self.always = draw, always

    def get_config(self):
        return {**super().get_config(), "draw": self.draw, "always": self.always}

    def call(self, x, training=False):
        return x + 0.1 * self.draw(x) if training or self.always else x


def of_tensorflow(x: Any) -> Any:
    return tf.random.normal(tf.shape(x), dtype=x.dtype)


def of_numpy(x: Any) -> Any:
    return np.random.normal(size=3)


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("draw", [of_tensorflow, of_numpy])
def test_random_numbers_outside_keras_are_said(draw, always):
    path = fit(stack(Noisy(draw, always)))
    (note,) = [note for note in path.notes if "random" in note]
    assert "keras.random.SeedGenerator" in note and not any("mix" in note for note in path.notes)


def test_random_numbers_of_the_global_generator_are_refused():
    with pytest.raises(ValueError, match="random.*seed=self.seed_generator"):
        fit(stack(Noisy(lambda x: keras.random.normal(ops.shape(x), dtype=x.dtype))))


def test_random_numbers_of_keras_own_generators_are_fine():
    model = stack(layers.Dropout(0.3), Kept())
    assert observe(Template(model), X) == Behaviour(assigned_variables=(0,))
    paths = [fit(model) for _ in range(2)]
    np.testing.assert_array_equal(paths[0].cv_loss, paths[1].cv_loss)


class Always(layers.Dropout):
    """Dropout in predictions too, as Monte Carlo dropout has it."""

    def call(self, inputs, training=False):
        return super().call(inputs, training=True)


def test_random_numbers_in_predictions_are_not_called_mixing():
    model = stack(layers.Dense(8), Always(0.5))
    assert observe(Template(model), X).by_place and not observe(Template(mixer("a little")), X).by_place
    for options in ({}, {"cv": 0.3}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            notes = fit(model, epochs=1, **options).notes
        assert any("draws random numbers when it predicts" in note for note in notes)
        assert not any("mixes the rows" in note for note in notes)


def test_looking_changes_nothing():
    model = stack(layers.Dense(4), Centred(), layers.Dropout(0.2))
    before = [v.numpy() for v in model.variables]
    observe(Template(model), X)
    for now, old in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(now.numpy(), old)
