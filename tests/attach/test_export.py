"""An attached model written as plain Keras penalises the same, in a process that knows nothing of this package."""

import json
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from tests.attach.models import LAM, X, Y, compiled, network, train
from tests.unregistered import OwnMetric, OwnOptimizer, OwnRegularizer, own_activation, own_loss

ELSEWHERE = """
import sys, json, keras, numpy as np
model = keras.models.load_model("plain.keras")
data = np.load("data.npz")
before = [float(v) for v in model.losses]
model.fit(data["x"], data["y"], batch_size=6, epochs=2, shuffle=False, verbose=0)
np.savez("weights.npz", *model.get_weights())
print(json.dumps({"ours": "shrinkage" in sys.modules, "penalty": sum(before)}))
"""


@pytest.mark.full
def test_plain_keras_trains_it_further(tmp_path):
    model = compiled(network(), "adam")
    reg = sh.attach(
        model, sh.ElasticNet(0.25), lam=LAM, on={"*hidden/kernel": 1.0, "*output/kernel": 0.5}, how=sh.Coupled()
    )
    train(model)
    assert sh.export(model, tmp_path / "plain.keras") == ()
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    run = [sys.executable, "-c", ELSEWHERE]
    told = json.loads(
        subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    )
    assert not told["ours"] and told["penalty"] == pytest.approx(float(reg.value()), rel=1e-5)
    train(model, epochs=2)
    with np.load(tmp_path / "weights.npz") as theirs:
        for name, mine in zip(theirs.files, model.get_weights(), strict=True):
            np.testing.assert_allclose(theirs[name], mine, atol=1e-5)  # float32, Adam's state is in the file


def every_kind() -> keras.Model:
    tokens, image = keras.Input((6,), dtype="int32"), keras.Input((8, 8, 2))
    x = layers.LSTM(4)(layers.MultiHeadAttention(2, 3)(*[layers.Embedding(9, 5)(tokens)] * 2))
    z = layers.DepthwiseConv2D(3)(layers.SeparableConv2D(3, 3)(layers.Conv2D(3, 3)(image)))
    x = layers.BatchNormalization()(layers.Concatenate()([x, layers.Flatten()(z)]))
    return keras.Model([tokens, image], layers.Dense(1)(x))


def test_every_kind_of_layer(tmp_path):
    model = every_kind()
    reg = sh.attach(model, sh.L2(), lam=LAM)
    assert len(reg.weights) == 12 and sh.export(model, tmp_path / "plain.keras") == ()
    plain: Any = keras.models.load_model(tmp_path / "plain.keras")
    assert type(plain).__module__.startswith("keras.")
    assert float(sum(plain.losses)) == pytest.approx(float(reg.value()), rel=1e-5)
    assert sum(w.regularizer is not None for w in plain.weights) == 12


def test_attention_in_groups_of_heads(tmp_path):
    tokens = keras.Input((6, 5))
    model = keras.Model(tokens, layers.Dense(1)(layers.GroupQueryAttention(3, 4, 2)(tokens, tokens)))
    reg = sh.attach(model, sh.L2(), lam=LAM)
    assert len(reg.weights) == 5 and sh.export(model, tmp_path / "plain.keras") == ()
    plain: Any = keras.models.load_model(tmp_path / "plain.keras")
    assert float(sum(plain.losses)) == pytest.approx(float(reg.value()), rel=1e-5)


def test_decoupled_is_weight_decay_where_it_is_on_all_weights(tmp_path):
    model = compiled(network(), "adam")
    sh.attach(model, sh.L2(), lam=LAM, on="all", how=sh.Decoupled())
    assert sh.export(model, tmp_path / "plain.keras") == ()
    plain: Any = keras.models.load_model(tmp_path / "plain.keras")
    train(plain)
    train(model)
    np.testing.assert_allclose(plain.get_weights()[0], model.get_weights()[0], atol=1e-6)
    assert plain.optimizer.weight_decay == LAM


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"penalty": sh.L1()}, "no proximal step"),
        ({"lam": keras.optimizers.schedules.CosineDecay(0.1, 10)}, "fixed strength"),
        ({"penalty": sh.GroupLasso(), "how": sh.Coupled()}, "no such regularizer"),
        ({"penalty": sh.L2(toward="initial")}, "no such regularizer"),
        ({"rows": "touched"}, "all rows"),
        ({"how": sh.Decoupled()}, "on all weights"),
        ({"how": sh.Decoupled(), "lam": keras.optimizers.schedules.CosineDecay(0.1, 10)}, "fixed strength, towards 0"),
    ],
)
def test_what_keras_cannot_express_is_said(options, words, tmp_path):
    model = compiled(network(), "adam")
    model.optimizer.build(model.trainable_variables)
    sh.attach(model, **{"penalty": sh.L2(), "lam": LAM, **options})
    with pytest.warns(UserWarning, match=words):
        (sentence,) = sh.export(model, tmp_path / "plain.keras")
    assert words in sentence
    plain: Any = keras.models.load_model(tmp_path / "plain.keras")
    assert plain.losses == [] and type(plain) is keras.Sequential


def test_decay_needs_an_optimizer(tmp_path):
    model = network()
    sh.attach(model, sh.L2(), lam=LAM, on="all", how=sh.Decoupled())
    with pytest.warns(UserWarning, match="it has no optimizer with a weight_decay"):
        sh.export(model, tmp_path / "plain.keras")
    plain: Any = keras.models.load_model(tmp_path / "plain.keras")
    np.testing.assert_array_equal(plain.get_weights()[0], model.get_weights()[0])


def test_l1_is_that_of_keras(tmp_path):
    model = compiled(network())
    reg = sh.attach(model, sh.L1(), lam=LAM, how=sh.Coupled())
    assert sh.export(model, tmp_path / "plain.keras") == ()
    plain: Any = keras.models.load_model(tmp_path / "plain.keras")
    assert isinstance(plain.layers[0].kernel_regularizer, keras.regularizers.L1)
    assert float(sum(plain.losses)) == pytest.approx(float(reg.value()), rel=1e-5)


def test_a_model_without_a_penalty_is_saved_by_keras(tmp_path):
    with pytest.raises(ValueError, match="model.save"):
        sh.export(network(), tmp_path / "plain.keras")
    assert not (tmp_path / "plain.keras").exists()


# --- classes and functions of the user's own, which are not registered


class OwnLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return own_loss(y_true, y_pred)


class Doubled(layers.Layer):
    def call(self, x):
        return 2 * x


class OwnSum(layers.Layer):
    """Takes functions and regularizers in lists and dictionaries."""

    def __init__(self, functions, **options):
        super().__init__(**options)
        self.functions = functions

    def call(self, x):
        return sum(each(x) for each in keras.tree.flatten(self.functions))

    def get_config(self):
        written = keras.saving.serialize_keras_object
        return {**super().get_config(), "functions": keras.tree.map_structure(written, self.functions)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "functions": keras.saving.deserialize_keras_object(config["functions"])})


@keras.saving.register_keras_serializable("tests")
def registered(x):
    return 0.5 * x


class Unwritten(layers.Layer):
    """Cannot be loaded: its configuration lacks an argument."""

    def __init__(self, units):
        super().__init__()
        self.inside = layers.Dense(units)

    def call(self, x):
        return self.inside(x)


class OwnModel(keras.Model):
    def __init__(self, **options: Any):
        super().__init__(**options)
        self.hidden, self.head = layers.Dense(3, own_activation), layers.Dense(1)

    def build(self, shape):
        self.hidden.build(shape)
        self.head.build((None, 3))

    def call(self, x):
        return self.head(self.hidden(x))


def subclassed() -> keras.Model:
    model = OwnModel()
    model(X[:1])
    return model


def chain(*more: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((5,)), *more, layers.Dense(1)])


OWN: dict[str, tuple[Any, dict[str, Any]]] = {
    "loss function": (chain, {"loss": own_loss}),
    "loss and metric": (chain, {"loss": OwnLoss(), "metrics": [OwnMetric()]}),
    "optimizer": (chain, {"optimizer": OwnOptimizer(0.1)}),
    "layer": (lambda: chain(Doubled()), {}),
    "activation": (lambda: chain(layers.Dense(3, own_activation)), {"loss": own_loss}),
    "regularizer": (lambda: chain(layers.Dense(3, bias_regularizer=OwnRegularizer())), {}),
    "functions in a list": (lambda: chain(OwnSum([own_activation, registered])), {}),
    "functions in a dictionary": (lambda: chain(OwnSum({"a": {"b": [registered, own_activation]}})), {}),
    "a function in a tuple": (lambda: chain(OwnSum((own_activation,))), {}),
    "model": (subclassed, {"loss": own_loss}),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.filterwarnings("ignore:Not in .*the layer does not save a regularizer")
def test_own_classes_need_no_scope(name, tmp_path):
    make, options = OWN[name]
    model = make()
    model.compile(**{"optimizer": "adam", "loss": "mse", **options})
    reg = sh.attach(model, sh.L2(), lam=LAM)
    before = [(id(v), v.regularizer) for v in model.variables], model.get_config(), type(model.optimizer)
    missing = sh.export(model, tmp_path / "plain.keras")
    assert before == ([(id(v), v.regularizer) for v in model.variables], model.get_config(), type(model.optimizer))
    known = {each.__name__: each for each in (own_activation, OwnRegularizer, OwnSum, Doubled, OwnModel)}
    plain: Any = keras.models.load_model(tmp_path / "plain.keras", known, compile=False)
    if name != "model":  # whose class makes its layers anew, and does not ask for their configurations
        assert missing == () and float(sum(plain.losses)) == pytest.approx(float(reg.value()), rel=1e-5)
    np.testing.assert_array_equal(plain.get_weights()[0], model.get_weights()[0])
    assert [file.name for file in tmp_path.iterdir()] == ["plain.keras"]


@pytest.mark.parametrize("there", [False, True])
def test_a_failure_leaves_what_was_there(there, tmp_path):
    model, file = chain(Unwritten(2)), tmp_path / "plain.keras"
    reg = sh.attach(model, sh.L2(), lam=LAM, on="*dense*/kernel")
    if there:
        file.write_text("mine")
    with pytest.raises(
        ValueError, match="must be a model that Keras saves and loads. Received: .* cannot load the saved file"
    ):
        sh.export(model, file)
    assert [each.read_text() for each in tmp_path.iterdir()] == ["mine"] * there
    assert all(v.regularizer is None for v in model.variables) and float(reg.value()) > 0


def test_weights_that_keras_replaced_are_said(tmp_path):
    model = network()
    sh.attach(model, sh.L2(), lam=LAM)
    for layer in model.layers:
        layer.quantize("int8")
    with pytest.warns(UserWarning, match='no weights any more that on="kernels" names'):
        sh.export(model, tmp_path / "plain.keras")
    plain: Any = keras.models.load_model(tmp_path / "plain.keras")
    np.testing.assert_allclose(plain.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-6)


def test_a_number_is_no_model(tmp_path):
    with pytest.raises(TypeError, match=r"`model` must be a keras.Model. Received: int."):
        sh.export(3, tmp_path / "plain.keras")  # type: ignore[arg-type]
