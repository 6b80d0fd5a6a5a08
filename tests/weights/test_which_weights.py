"""docs/which-weights.md: the default for every layer of Keras, and that no layer is forgotten."""

from dataclasses import replace

import keras
import pytest
from keras import layers

import shrinkage as sh
from benchmarks import _layers, _page, pages, which_weights
from shrinkage._weights._selection import select

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
    kinds = [getattr(layers, name) for name in sorted(_layers.WITHOUT_WEIGHTS) if hasattr(layers, name)]
    built = [layer for kind in kinds if (layer := built_on_an_image(kind))]
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


@pytest.mark.parametrize("kind", which_weights.KINDS[:-1], ids=lambda kind: kind.title)  # the last one trains
def test_the_measured_ways_penalise_what_they_say(kind):
    model = kind.model()
    masks = {name: select(model, way.get("on", "kernels")).mask for name, way in kind.ways.items()}
    assert len(masks) >= 2 and all(any(mask) for mask in masks.values())
    ways = [
        (masks[name], str(way["penalty"]), str(way.get("how")), str(way.get("on"))) for name, way in kind.ways.items()
    ]
    assert len(set(ways)) == len(ways)


def test_a_row_of_the_table(monkeypatch):
    monkeypatch.setattr(which_weights, "FOLDS", 3)
    kind = replace(which_weights.KINDS[0], epochs=2)
    x, y = kind.rows(())
    found = which_weights.path(kind, {**kind.ways["L2"], "lams": [0.1]}, x[:60], y[:60])
    cells = which_weights.row("linear", "L2", found)
    assert len(cells) == len(which_weights.HEADER) and cells[:2] == ["linear", "L2"] and cells[-1] == "65 of 65"
    assert float(cells[2]) - float(cells[3]) == pytest.approx(float(cells[4]), abs=2e-4)  # folds of 20 rows each


def test_the_page_has_a_part_for_each_kind():
    assert PAGE.count("<!-- table:which_weights -->") == 1
    table = PAGE.partition("<!-- table:which_weights -->")[2]
    assert all(f"| {kind.title} | {name} |" in table for kind in which_weights.KINDS for name in kind.ways)
    assert PAGE.count("\n### ") == len(which_weights.KINDS)


def test_the_example_of_a_model_with_regularizers(capsys):
    code = PAGE.partition("```python\n")[2].partition("```")[0]
    found: dict = {}
    exec(compile(code, "which-weights.md", "exec"), found)
    path = found["path"]
    assert path.lam_model == 0.02 and "\nmodel" in capsys.readouterr().out
    assert len(found["model"].losses) == 2 and path.model().losses == path.model("model").losses == []
