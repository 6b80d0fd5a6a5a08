"""The caller's model as a recipe: read once, never changed, and every network made from it is new."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from shrinkage._model._template import Template
from tests.unregistered import OwnMetric, own_metric
from tests.zoo import MODELS, rows
from tests.zoo.tables import mlp

LOSS = "sparse_categorical_crossentropy"


def compiled(model: keras.Model, optimizer: Any = "adam", loss: Any = LOSS, **options: Any) -> keras.Model:
    model.compile(optimizer, loss, **options)
    return model


def values(model: keras.Model) -> list[np.ndarray]:
    return [np.array(variable) for variable in model.variables]


def assert_equal(mine: list[np.ndarray], theirs: list[np.ndarray]) -> None:
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_from_it_computes_the_same(name):
    make, kind, _ = MODELS[name]
    source = compiled(make())
    x, before = rows(kind)[0][:4], values(source)
    template = Template(source)
    model = template.make_model(template.get_source_values())
    assert model is not source and not {id(v) for v in model.variables} & {id(v) for v in source.variables}
    assert_equal(values(source), before)
    np.testing.assert_array_equal(np.array(model(x)), np.array(source(x)))


def test_weights_are_given_and_all_else_is_new():
    source = compiled(mlp(), keras.optimizers.SGD(0.3, momentum=0.5), metrics=["accuracy"])
    x, y = rows("table")
    source.fit(x, y, verbose=0)
    template = Template(source)
    given = [np.full_like(value, 0.25) for value in template.get_source_values()]
    first, second = template.make_model(given), template.make_model(given)
    assert_equal(values(first), given)
    assert first.optimizer is not second.optimizer and int(first.optimizer.iterations) == 0
    assert first.optimizer.get_config() == source.optimizer.get_config()
    first.fit(x, y, verbose=0)
    assert_equal(values(second), given)
    assert set(first.get_metrics_result()) == {"loss", "accuracy"}


def test_fresh_values_depend_on_their_key_alone():
    template = Template(compiled(mlp()))
    first, other = template.make_fresh_values((0, 1)), template.make_fresh_values((0, 2))
    keras.utils.set_random_seed(7)
    again = Template(compiled(mlp())).make_fresh_values((0, 1))
    assert_equal(first, again)
    assert not np.array_equal(first[0], other[0])
    np.testing.assert_array_equal(first[1], np.zeros(5))  # a bias starts at 0 whatever the key


def test_fresh_values_leave_pythons_generator_alone():
    import random

    template = Template(compiled(mlp()))
    random.seed(3)
    expected = random.random()
    random.seed(3)
    template.make_fresh_values((0, 1))
    assert random.random() == expected


def test_frozen_and_moving_values_are_kept():
    source = keras.Sequential(
        [keras.Input((6,)), layers.Dense(5), layers.BatchNormalization(), layers.Dense(3, "softmax")]
    )
    source.layers[0].trainable = False
    source.layers[1].moving_mean.assign(np.arange(5.0))
    template = Template(compiled(source))
    drawn = dict(zip([v.path for v in source.variables], template.make_fresh_values((0, 0)), strict=True))
    for variable in source.layers[0].variables:
        np.testing.assert_array_equal(drawn[variable.path], np.array(variable))
    np.testing.assert_array_equal(drawn[source.layers[1].moving_mean.path], np.arange(5))
    assert not np.array_equal(drawn[source.layers[2].kernel.path], np.array(source.layers[2].kernel))
    assert template.make_model(template.get_source_values()).layers[0].trainable is False


def test_a_function_is_called_for_every_model():
    made = []

    def make() -> keras.Model:
        made.append(compiled(mlp()))
        return made[-1]

    template = Template(make)
    assert template.is_function and template.find_training_evidence(0) is None
    model = template.make_model(template.make_fresh_values((0, 0)))
    assert model is made[-1] and len(made) >= 3 and model.compiled


def test_signs_of_training():
    x, y = rows("table")
    source = compiled(mlp())
    assert Template(source).find_training_evidence(0) is None
    source.fit(x, y, batch_size=20, verbose=0)
    assert Template(source).find_training_evidence(0) == "the optimizer has taken 2 steps"
    loaded = mlp()
    loaded.set_weights(source.get_weights())
    signs = Template(compiled(loaded)).find_training_evidence(0)
    assert signs is not None and signs.endswith("bias does not come from the initializer")


def test_signs_of_training_where_no_weight_is_constant():
    """A pretrained table, a kernel without a bias, and moved averages; what was only drawn shows none."""
    table = np.random.default_rng(0).normal(size=(50, 8))
    embedding = layers.Embedding(50, 8, name="words")
    model = keras.Sequential([keras.Input((2,), dtype="int32"), embedding, layers.Flatten(), layers.Dense(1)])
    for seed in range(20):
        assert Template(compiled(model)).find_training_evidence(seed) is None
    embedding.set_weights([table])
    assert "words/embeddings does not come from the initializer" in str(
        Template(compiled(model)).find_training_evidence(0)
    )
    dense = layers.Dense(40, use_bias=False, name="large")
    model = keras.Sequential([keras.Input((9,)), dense, layers.Dense(1)])
    dense.set_weights([2 * dense.get_weights()[0]])
    assert "large/kernel" in str(Template(compiled(model)).find_training_evidence(0))
    norm = layers.BatchNormalization(name="norm")
    model = keras.Sequential([keras.Input((3,)), norm, layers.Dense(1)])
    norm.moving_mean.assign([0.03, 0, 0])
    assert "norm/moving_mean is not 0" in str(Template(compiled(model)).find_training_evidence(0))
    norm.trainable = False  # the statistics of a frozen base are meant to stay
    assert Template(compiled(model)).find_training_evidence(0) is None


@pytest.mark.parametrize("name", ["mlp", "normalized", "embedded", "convolved", "own_layer", "subclassed"])
def test_saved_and_loaded_it_makes_the_same_models(name, tmp_path):
    make, kind, _ = MODELS[name]
    x, y = rows(kind)
    source = make()
    for layer in source.layers:
        if isinstance(layer, layers.Normalization):
            layer.adapt(x)
    template = Template(compiled(source, keras.optimizers.SGD(0.3, momentum=0.5), metrics=["accuracy"]))
    template.save(tmp_path / "template.keras")
    loaded = Template.load(tmp_path / "template.keras")
    assert (loaded.name, loaded.loss_name) == (template.name, template.loss_name)
    assert loaded.optimizer.get_config() == template.optimizer.get_config()
    metrics = loaded.make_metrics()
    assert metrics is not None and metrics._user_metrics == ["accuracy"] and not metrics._user_weighted_metrics
    given = template.make_fresh_values((0, 0))
    np.testing.assert_array_equal(np.array(loaded.make_model(given)(x)), np.array(template.make_model(given)(x)))


def test_code_in_a_file_is_refused(tmp_path):
    unsafe = keras.Sequential([keras.Input((6,)), layers.Lambda(lambda x: x * 2), layers.Dense(3, "softmax")])
    compiled(unsafe).save(tmp_path / "template.keras")
    with pytest.raises(ValueError, match="safe_mode"):
        Template.load(tmp_path / "template.keras")


@pytest.mark.parametrize(
    ("metric", "loss", "units", "kind", "name"),
    [
        ("accuracy", LOSS, 3, keras.metrics.SparseCategoricalAccuracy, "accuracy"),
        ("acc", "categorical_crossentropy", 3, keras.metrics.CategoricalAccuracy, "acc"),
        ("accuracy", "binary_crossentropy", 1, keras.metrics.BinaryAccuracy, "accuracy"),
        ("mae", "mse", 1, keras.metrics.MeanMetricWrapper, "mae"),
        (keras.metrics.AUC(name="area"), "binary_crossentropy", 1, keras.metrics.AUC, "area"),
        (keras.losses.mean_squared_error, "mse", 1, keras.metrics.MeanMetricWrapper, "mean_squared_error"),
    ],
)
def test_metrics_mean_what_compile_means(metric, loss, units, kind, name):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(units)])
    for argument in ("metrics", "weighted_metrics"):
        metrics = Template(compiled(model, loss=loss, **{argument: [metric]})).make_metrics()
        assert metrics is not None
        metrics.build(np.zeros((2, 1 if loss == LOSS else units)), np.zeros((2, units)))
        ((found,),) = [part.metrics for part in (*metrics._flat_metrics, *metrics._flat_weighted_metrics) if part]
        assert isinstance(found, kind) and found.name == name and found is not metric
        assert bool(metrics._flat_weighted_metrics[0]) == (argument == "weighted_metrics")


def test_a_users_own_metrics():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    template = Template(compiled(model, loss="mse", metrics=[own_metric, OwnMetric(name="own"), lambda y, p: y - p]))
    assert model.compiled
    metrics = template.make_metrics()
    assert metrics is not None
    metrics.update_state(np.zeros((2, 1)), np.ones((2, 1)))
    assert list(metrics.result()) == ["own_metric", "own", "lambda"]
    made = template.make_model(template.get_source_values())
    made.fit(np.zeros((4, 6)), np.ones(4), verbose=0)
    assert {"loss", "own_metric", "own"} <= set(made.get_metrics_result())
