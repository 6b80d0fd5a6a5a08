"""docs/which-weights.md: the default for every layer of Keras, and that no layer is forgotten."""

import keras
import pytest
from keras import layers

import shrinkage as sh
from benchmarks import _layers, _page, pages

PAGE = (_page.DOCS / "which-weights.md").read_text("utf-8")


def test_every_layer_of_keras_is_known():
    assert _layers.unknown() == [], "new in Keras: each needs an entry in benchmarks/_layers.py, and a default"


def test_a_new_layer_would_be_named(monkeypatch):
    class New(layers.Layer):
        pass

    monkeypatch.setattr(layers, "New", New, raising=False)
    assert _layers.unknown() == ["New"]


@pytest.mark.parametrize("name", sorted(_layers.WITH_WEIGHTS))
def test_what_multiplies_the_inputs_is_penalised(name):
    weights = pages.describe_layer(name)
    assert weights
    for weight in weights:
        multiplies = weight.path.endswith(("kernel", "embeddings"))
        assert weight.penalised == multiplies, weight


def test_layers_without_weights_have_none():
    built = [layer for name in sorted(_layers.WITHOUT_WEIGHTS) if (layer := built_on_an_image(getattr(layers, name)))]
    assert len(built) > 30 and [layer.name for layer in built if layer.trainable_weights] == []


def built_on_an_image(make: type[keras.Layer]) -> keras.Layer | None:
    """Return a layer that has seen images; None if it needs arguments or other inputs."""
    try:
        layer = make()
        layer(keras.Input((8, 8, 3)))
    except (TypeError, ValueError, AttributeError):
        return None
    return layer


def test_a_saved_model_is_as_a_layer_of_the_users_own(tmp_path):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(1)])
    model.export(tmp_path, verbose=False)
    x = keras.Input((3,))
    loaded = keras.Model(x, layers.TFSMLayer(str(tmp_path))(x))
    found = {weight.shape: weight.penalised for weight in sh.describe(loaded).weights}
    assert found == {(3, 2): True, (2,): False, (2, 1): True, (1,): False}


def test_the_page_is_current():
    assert f"<!-- table:layers -->\n\n{pages.layers()}\n\n<!-- end -->" in PAGE
