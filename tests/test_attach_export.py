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
from tests.test_attach import LAM, X, Y, compiled, network, train

ELSEWHERE = """
import sys, json, keras, numpy as np
model = keras.models.load_model("plain.keras")
data = np.load("data.npz")
before = [float(v) for v in model.losses]
model.fit(data["x"], data["y"], batch_size=6, epochs=2, shuffle=False, verbose=0)
np.savez("weights.npz", *model.get_weights())
print(json.dumps({"ours": "shrinkage" in sys.modules, "penalty": sum(before)}))
"""


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


def test_a_model_without_a_penalty_is_saved_by_keras(tmp_path):
    with pytest.raises(ValueError, match="model.save"):
        sh.export(network(), tmp_path / "plain.keras")
    assert not (tmp_path / "plain.keras").exists()
