"""Text is looked up once where the model begins with the lookup, and the models of the path take text."""

from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh

RNG = np.random.default_rng(0)
TEXT = np.array([" ".join(RNG.choice(["good", "bad", "film", "plot"], 4)) for _ in range(60)])
TOWN, SIZE = RNG.choice(["x", "y", "z"], 60), RNG.normal(size=(60, 3)).astype("float32")
Y = np.char.count(TEXT, "good") - np.char.count(TEXT, "bad") + (TOWN == "x") + SIZE[:, 0]
OPTIONS: dict[str, Any] = {"penalty": "l2", "lams": [1e-3], "epochs": 3, "progress": False}
ONE_STEP: dict[str, Any] = OPTIONS | {"epochs": 1, "batch_size": 60, "init": "keep", "epoch": "last"}
ALL = {"text": TEXT, "town": TOWN, "size": SIZE}


def compiled(model: keras.Model) -> Any:
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def vectorized(**options: Any) -> layers.TextVectorization:
    lookup = layers.TextVectorization(**options)
    lookup.adapt(TEXT)
    return lookup


def sequence(shape: tuple[int, ...] = (1,)) -> Any:
    """Return a model of one text, whose vocabulary is learnt from data."""
    lookup = vectorized(output_sequence_length=4)
    embedded = [keras.Input(shape, dtype="string"), lookup, layers.Embedding(9, 4), layers.Flatten(), layers.Dense(1)]
    return compiled(keras.Sequential(embedded))


def bag() -> Any:
    """Return a model whose lookup has another shape than Keras declares."""
    lookup = vectorized(output_mode="multi_hot")
    return compiled(keras.Sequential([keras.Input((1,), dtype="string"), lookup, layers.Dense(1)]))


def hashed() -> Any:
    hashing = layers.Hashing(9)
    inputs = [keras.Input((1,), dtype="string"), hashing, layers.Embedding(9, 2), layers.Flatten(), layers.Dense(1)]
    return compiled(keras.Sequential(inputs))


def mixed(scaled: bool = False) -> Any:
    """Return a model of text, categories and numbers; one with a layer that is called to see how it behaves."""
    inputs = {name: keras.Input((1,), dtype="string", name=name) for name in ("text", "town")}
    inputs["size"] = keras.Input((3,), name="size")
    lookup = layers.StringLookup()
    lookup.adapt(TOWN)
    text = layers.Embedding(9, 4)(vectorized(output_sequence_length=4)(inputs["text"]))
    parts = [layers.Flatten()(text), layers.Flatten()(layers.Embedding(5, 3)(lookup(inputs["town"])))]
    normalization = layers.Normalization()
    normalization.adapt(SIZE)
    joined = layers.Concatenate()([*parts, normalization(inputs["size"])])
    if scaled:
        joined = layers.Lambda(lambda value: value * 2, output_shape=joined.shape[1:])(joined)
    return compiled(keras.Model(inputs, layers.Dense(1, name="out")(joined), name="whole"))


def given(x: Any) -> Any:
    """Return inputs as Keras takes them."""
    return (
        {k: tf.constant(v[:, None] if k != "size" else v) for k, v in x.items()} if isinstance(x, dict) else x[:, None]
    )


@pytest.mark.parametrize(
    ("build", "x"), [(sequence, TEXT), (bag, TEXT), (hashed, TOWN), (mixed, ALL), (lambda: mixed(True), ALL)],
    ids=["sequence", "bag", "hashing", "mixed", "called"],
)  # fmt: skip
def test_models_of_the_path_take_text_and_predict_as_the_members_did(build, x):
    """One step of a single batch, as Keras takes it."""
    model = build()
    path = sh.fit(model, x, Y, **ONE_STEP)
    texts = tf.nest.map_structure(tf.constant, given(x))
    predicted = path.model("none").predict(texts, verbose=0)
    assert path.model().name == model.name and type(path.model()) is type(model)
    before = model.predict(texts, verbose=0)
    model.fit(texts, Y, batch_size=60, epochs=1, shuffle=False, verbose=0)
    assert np.abs(predicted - before).max() > 1e-3
    np.testing.assert_allclose(predicted, model.predict(texts, verbose=0), atol=1e-5)  # sums in another order


@pytest.mark.parametrize(("build", "x"), [(sequence, TEXT), (mixed, ALL)], ids=["sequence", "mixed"])
def test_a_saved_path_takes_text(build, x, tmp_path):
    path, texts = sh.fit(build(), x, Y, **OPTIONS), tf.nest.map_structure(tf.constant, given(x))
    predicted = path.model().predict(texts, verbose=0)
    path.save(tmp_path / "path")
    path.model().save(tmp_path / "model.keras")
    assert predicted.std() > 0.01
    loaded: Any = keras.models.load_model(tmp_path / "model.keras")
    for found in (sh.Path.load(tmp_path / "path").model(), loaded):
        np.testing.assert_array_equal(found.predict(texts, verbose=0), predicted)


@pytest.mark.parametrize(
    "x", [TEXT[:, None], TEXT.astype(object), TEXT.astype("S"), list(TEXT), pd.Series(TEXT), tf.constant(TEXT)],
    ids=["two axes", "objects", "bytes", "list", "series", "tensor"],
)  # fmt: skip
def test_forms_of_text(x):
    keras.utils.set_random_seed(0)
    model = sequence()
    np.testing.assert_array_equal(sh.fit(model, x, Y, **OPTIONS).mean, sh.fit(model, TEXT, Y, **OPTIONS).mean)


def test_text_of_a_dataset_and_of_validation_data():
    model = sequence()
    arrays = sh.fit(model, TEXT[:40], Y[:40], validation_data=(TEXT[40:], Y[40:]), **OPTIONS)
    parts = [tf.data.Dataset.from_tensor_slices((TEXT[:, None][p], Y[p])).batch(32) for p in (slice(40), slice(40, 60))]
    datasets = sh.fit(model, parts[0], validation_data=parts[1], **OPTIONS)
    np.testing.assert_array_equal(arrays.row_loss, datasets.row_loss)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (ALL | {"text": [None, *TEXT[1:]]}, ValueError, r"`x\['text'\]` must be text .* none in 1 of 60 rows"),
        (ALL | {"text": SIZE[:, 0]}, TypeError, r"`x\['text'\]` must be text, .*Received: float"),
        (ALL | {"text": TEXT[:9]}, ValueError, r"same number of rows. Received: 60 of `x\['size'\]`"),
        ({"text": TEXT, "town": TOWN}, ValueError, "must be a dictionary of 3 arrays"),
        (ALL | {"size": SIZE * np.nan}, ValueError, r"`x\['size'\]` must be finite"),
    ],
    ids=["missing", "numbers", "rows", "no input", "not finite"],
)
def test_bad_text_is_named(x, error, words):
    with pytest.raises(error, match=words):
        sh.fit(mixed(), x, Y, **OPTIONS)


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "Give it an output_sequence_length"), ({"output_mode": "tf_idf"}, "output_mode='multi_hot' or 'count'")],
    ids=["open length", "tf_idf"],
)
def test_a_lookup_that_is_not_fixed_is_refused(options, words):
    lookup = vectorized(**options)
    after = [layers.Dense(1)] if options else [layers.Embedding(9, 2), layers.GlobalAveragePooling1D(), layers.Dense(1)]
    model = compiled(keras.Sequential([keras.Input((1,), dtype="string"), lookup, *after]))
    with pytest.raises(TypeError, match=words):
        sh.fit(model, TEXT, Y, **OPTIONS)


def test_a_lookup_without_a_vocabulary_is_named():
    lookup = layers.TextVectorization(9, output_sequence_length=4)
    after = [layers.Embedding(9, 2), layers.GlobalAveragePooling1D(), layers.Dense(1)]
    model = compiled(keras.Sequential([keras.Input((1,), dtype="string"), lookup, *after]))
    with pytest.raises(TypeError, match=r"layer text_vectorization\w* without a vocabulary. Call its adapt\(texts\)"):
        sh.fit(model, TEXT, Y, **OPTIONS)
