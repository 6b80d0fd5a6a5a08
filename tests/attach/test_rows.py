"""Embeddings: all rows in every step, each row that a step looks up, or all rows at the price of these."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh
from tests.daily import each_value, some_every_day

LAM, ETA = 0.25, 0.125
TOKENS = np.array([[0, 3, 3], [3, 1, 5]])
Y = np.array([[1.0], [-1.0]])


def model(optimizer: Any = "SGD", regularizer: Any = None, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    table = layers.Embedding(7, 4, embeddings_regularizer=regularizer)
    made = keras.Sequential([keras.Input((3,)), table, layers.GlobalAveragePooling1D(), layers.Dense(1)])
    made.compile(getattr(keras.optimizers, optimizer)(ETA), "mean_squared_error", **options)
    return made


def bare_step(optimizer: str = "SGD") -> tuple[np.ndarray, np.ndarray]:
    """Return the table before and after a step without a penalty."""
    made = model(optimizer)
    before = made.get_weights()[0]
    made.train_on_batch(TOKENS, Y)
    return before, made.get_weights()[0]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_all_rows_as_keras_own(float64, optimizer):
    theirs, mine = model(optimizer, keras.regularizers.L2(LAM / 2)), model(optimizer)
    sh.attach(mine, sh.L2(), lam=LAM, on="embedding")
    for _ in range(3):
        theirs.train_on_batch(TOKENS, Y)
        mine.train_on_batch(TOKENS, Y)
    np.testing.assert_allclose(mine.get_weights()[0], theirs.get_weights()[0], rtol=0, atol=1e-12)
    assert np.abs(mine.get_weights()[0] - bare_step(optimizer)[0]).min() > 0


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}])
@pytest.mark.parametrize(("penalty", "slope"), [(sh.L2(), lambda w: w), (sh.L1(), np.sign)], ids=["L2", "L1"])
def test_touched_rows_once_however_often_they_occur(float64, penalty, slope, options):
    before, bare = bare_step()
    mine = model(**options)
    sh.attach(mine, penalty, lam=LAM, on="embedding", how=sh.Coupled(), rows="touched")
    mine.train_on_batch(TOKENS, Y)
    expected = bare.copy()
    expected[[0, 1, 3, 5]] -= ETA * LAM * slope(before[[0, 1, 3, 5]])
    np.testing.assert_allclose(mine.get_weights()[0], expected, rtol=0, atol=1e-12)
    assert np.abs(expected - bare)[[0, 1, 3, 5]].min() > 1e-5


@pytest.mark.parametrize("rows", ["touched", "lazy"])
def test_the_gradient_stays_sparse(rows):
    mine, seen = model(), []
    sh.attach(mine, sh.L2(), lam=LAM, rows=rows)

    class Look(type(mine.optimizer)):
        def _backend_update_step(self, grads, trainable_variables, learning_rate):
            seen.extend(type(grad) for grad in grads)
            super()._backend_update_step(grads, trainable_variables, learning_rate)

    object.__setattr__(mine.optimizer, "__class__", Look)
    mine.train_on_batch(TOKENS, Y)
    assert seen[0] is tf.IndexedSlices and len(seen) == 3


def test_the_logged_penalty_is_that_of_the_whole_table():
    mine = model()
    reg = sh.attach(mine, sh.L2(), lam=LAM, on="embedding", rows="touched")
    assert float(reg.value()) == pytest.approx(LAM / 2 * (mine.get_weights()[0] ** 2).sum(), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rows": "some"}, '`rows` must be "all", "touched" or "lazy"'),
        ({"rows": "touched", "penalty": sh.L1()}, r"how=shrinkage.Coupled\(\)"),
        ({"rows": "touched", "how": sh.Decoupled()}, r"how=shrinkage.Coupled\(\)"),
        ({"rows": "touched", "penalty": sh.GroupLasso(), "how": sh.Coupled()}, "no group lasso"),
        ({"rows": "touched", "penalty": sh.L2(toward="initial")}, "draw towards"),
    ],
)
def test_what_touched_cannot_do_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        sh.attach(model(), **{"penalty": sh.L2(), "lam": LAM, **options})


# --- rows="lazy"

ROWS = 50
"""Of the larger tables: a step of 4 sequences looks up 24 at most, and in an epoch of 10 steps some are never."""


def sequences() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, ROWS, (40, 3)), rng.normal(size=(40, 1))


def chain() -> keras.Model:
    table = layers.Embedding(ROWS, 4)
    return keras.Sequential([keras.Input((3,)), table, layers.GlobalAveragePooling1D(), layers.Dense(1)])


def two_tables() -> keras.Model:
    """Return a model that looks up twice in one table and once in another, under masks."""
    table, other = layers.Embedding(ROWS, 4, mask_zero=True), layers.Embedding(ROWS, 4, mask_zero=True)
    inputs = keras.Input((3,), dtype="int32")
    first, second = table(inputs), layers.add([table(ROWS - 1 - inputs), other(inputs)])
    pooled = [layers.GlobalAveragePooling1D()(each) for each in (first, second)]
    return keras.Model(inputs, layers.Dense(1)(layers.Concatenate()(pooled)))


def lazily(rows: Any, make: Callable[[], keras.Model] = chain, **options: Any) -> Any:
    """Return a compiled model with its tables penalised, and what `attach` returned."""
    keras.utils.set_random_seed(0)
    made = make()
    made.compile(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.3, 5, 0.9)), "mse", **options)
    lam = keras.optimizers.schedules.CosineDecay(0.3, 25)
    return made, sh.attach(made, sh.L2(), lam=lam, on={"embedding": 2.0, "kernel": 1.0}, rows=rows)


def take_steps(made: keras.Model) -> None:
    """Stop in the middle of an epoch, where rows are behind in their decay."""
    x, y = sequences()
    for i in range(0, 20, 4):
        with tf.GradientTape() as tape:
            loss = keras.ops.mean((made(x[i : i + 4]) - y[i : i + 4]) ** 2)
        variables = made.trainable_variables
        made.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))


@pytest.fixture
def both(float64):
    """Two models in the middle of an epoch, of which the second is penalised lazily."""
    pair = [lazily(rows)[0] for rows in ("all", "lazy")]
    for made in pair:
        take_steps(made)
    assert np.abs(pair[0].weights[0].numpy() - pair[1].weights[0].numpy()).max() > 1e-3
    return pair


def assert_same(mine: list[np.ndarray], theirs: list[np.ndarray]) -> None:
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-14)  # float64: sums in another order


@pytest.mark.parametrize(
    ("options", "make"),
    each_value([{}, {"jit_compile": True}, {"run_eagerly": True}, {"steps_per_execution": 3}], [chain, two_tables]),
)
def test_lazy_rows_train_as_all_rows(float64, options, make):
    x, y = sequences()
    models, logs = [], []
    for rows in ("all", "lazy"):
        made, _ = lazily(rows, make, **options)
        start = made.get_weights()
        fitted = made.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0, validation_data=(x, y))
        models.append(made)
        logs.append(fitted.history)
    assert_same([w.numpy() for w in models[1].weights], [w.numpy() for w in models[0].weights])
    assert np.abs(models[0].get_weights()[0] - start[0]).min() > 1e-6
    assert logs[0].keys() == logs[1].keys()
    for name, expected in logs[0].items():
        np.testing.assert_allclose(logs[1][name], expected, rtol=1e-12, err_msg=name)


def test_lazy_rows_have_their_decay_wherever_they_are_read(both):
    theirs, mine = both
    x, y = sequences()
    np.testing.assert_allclose(mine.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=0, atol=1e-14)
    assert_same(mine.get_weights(), theirs.get_weights())
    for each in both:
        take_steps(each)
    assert mine.evaluate(x, y, verbose=0) == pytest.approx(theirs.evaluate(x, y, verbose=0), rel=1e-12)


def test_the_value_of_lazy_rows_has_their_decay(float64):
    values = []
    for rows in ("all", "lazy"):
        made, reg = lazily(rows)
        take_steps(made)
        values.append(float(reg.value()))
    assert values[1] == pytest.approx(values[0], rel=1e-12) and values[0] > 0


def test_lazy_rows_in_files(both, tmp_path):
    theirs, mine = both
    mine.save(tmp_path / "a.keras")
    take_steps(mine)  # rows are behind again, which must not count for the weights that are set
    mine.set_weights(theirs.get_weights())
    assert_same(mine.get_weights(), theirs.get_weights())
    take_steps(mine)
    mine.load_weights(tmp_path / "a.keras")
    assert_same(mine.get_weights(), theirs.get_weights())
    loaded = keras.models.load_model(tmp_path / "a.keras")
    assert isinstance(loaded, keras.Model)
    for each in (theirs, loaded):
        take_steps(each)
    assert np.abs(loaded.weights[0].numpy() - theirs.weights[0].numpy()).max() > 1e-3  # it is lazy again
    assert_same(loaded.get_weights(), theirs.get_weights())


def test_lazy_rows_for_plain_keras(both, tmp_path):
    theirs, mine = both
    mine.export(tmp_path / "served", verbose=False)
    x, _ = sequences()
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(x.astype("float64")), theirs.predict(x, verbose=0), rtol=0, atol=1e-14)
    take_steps(mine)
    take_steps(theirs)
    sh.detach(mine)
    assert_same([w.numpy() for w in mine.weights], [w.numpy() for w in theirs.weights])
    assert "call" not in vars(mine.layers[0])


def test_a_number_can_change_and_a_table_can_be_frozen(float64):
    pair = []
    for rows in ("all", "lazy"):
        made, _ = lazily("all")
        sh.detach(made)
        made.layers[0].trainable = False
        reg = sh.attach(made, sh.L2(), lam=0.1, on="kernels", rows=rows)
        made.compile(keras.optimizers.SGD(ETA), "mse")
        take_steps(made)
        made.layers[0].trainable = True
        made.compile(keras.optimizers.SGD(ETA), "mse")
        take_steps(made)
        reg.lam = 0.4
        take_steps(made)
        pair.append(made.get_weights())
    assert_same(*pair)


class Pooled(layers.Embedding):
    def call(self, inputs):
        return super().call(inputs) * 2.0


class Tied(keras.Model):
    """Reads its table past the lookup, as language models do at their outputs."""

    def __init__(self):
        super().__init__()
        self.table = layers.Embedding(ROWS, 4)

    def call(self, inputs):
        return keras.ops.sum(self.table(inputs) @ keras.ops.transpose(self.table.embeddings), axis=(1, 2))[:, None]


def plain(table: Any = None, optimizer: Any = None) -> keras.Model:
    made = keras.Sequential([keras.Input((3,)), table or layers.Embedding(ROWS, 4), layers.Flatten(), layers.Dense(1)])
    made.compile(optimizer or keras.optimizers.SGD(ETA), "mse")
    return made


@pytest.mark.parametrize(
    ("made", "options", "words"),
    [
        ({}, {"penalty": sh.L1()}, "do more than multiply"),
        ({}, {"penalty": sh.L2(toward="initial")}, "do more than multiply"),
        ({}, {"how": sh.Decoupled()}, "do more than multiply"),
        ({"optimizer": "adam"}, {}, "Adam, which moves them"),
        ({"optimizer": keras.optimizers.SGD(ETA, momentum=0.5)}, {}, "momentum=0.5, which moves them"),
        (
            {"optimizer": keras.optimizers.SGD(ETA, clipnorm=1.0, use_ema=True)},
            {},
            "SGD with clipnorm, use_ema, which changes them too",
        ),
        ({"table": Pooled(ROWS, 4)}, {}, "Received: the Pooled .* with another lookup"),
        ({"table": layers.Embedding(ROWS, 4, embeddings_constraint="max_norm")}, {}, "a constraint"),
    ],
)
def test_what_lazy_cannot_do_is_refused(made, options, words):
    model = plain(**made)
    with pytest.raises(ValueError, match=words):
        sh.attach(model, **{"penalty": sh.L2(), "lam": LAM, "rows": "lazy", **options})
    assert not any("call" in vars(layer) for layer in model.layers) and type(model) is keras.Sequential
    model.train_on_batch(*sequences())


def test_lazy_refuses_another_optimizer_later_and_a_loop_without_one():
    model = plain()
    sh.attach(model, sh.L2(), lam=LAM, rows="lazy")
    with pytest.raises(ValueError, match="Adam, which moves them"):
        model.compile("adam", "mse")
    bare = keras.Sequential([keras.Input((3,)), layers.Embedding(ROWS, 4), layers.Flatten(), layers.Dense(1)])
    reg = sh.attach(bare, sh.L2(), lam=LAM, rows="lazy")
    with pytest.raises(ValueError, match="step size"):
        reg.gradients([None, None, None], bare.trainable_variables)


@pytest.mark.parametrize("first", some_every_day(["compile", "call", "look"], "call"))
def test_lazy_rows_that_get_lora_are_as_all_rows(float64, first, tmp_path):
    """The table has its decay when it is frozen, and its factors are penalised in every step."""
    models, (x, y) = [plain(), plain()], sequences()
    models[1].set_weights(models[0].get_weights())
    for model, rows in zip(models, ("lazy", "all"), strict=True):
        reg = sh.attach(model, sh.L2(), lam=LAM, rows=rows)
        model.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0)
        keras.utils.set_random_seed(3)
        for rows_ in np.array_split(x, 4):  # not at the end of an epoch: rows are behind
            model.train_on_batch(rows_, y[: len(rows_)])
        model.layers[0].enable_lora(2)
        if first == "call":
            model(x)
        elif first == "look":
            assert float(reg.value()) > 0 and "lam" in repr(reg) and sh.doctor(model) is not None
        model.compile(keras.optimizers.Adam(0.01), "mse")  # with which it would not decay lazily
        model.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    mine, theirs = (model.get_weights() for model in models)
    assert [w.shape for w in mine].count((ROWS, 2)) == 1
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)  # float64
    assert not any("call" in vars(layer) for layer in models[0].layers)
    assert sh.describe(models[0]).n_penalised == sh.describe(models[1]).n_penalised > ROWS
    models[0].save(tmp_path / "m.keras")
    back: Any = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(back.predict(x, verbose=0), models[0].predict(x, verbose=0), rtol=1e-6)
    back.fit(x, y, epochs=1, verbose=0)


def test_a_table_with_lora_is_attached_lazily_as_all_rows():
    model = plain(layers.Embedding(ROWS, 4, lora_rank=2))
    sh.attach(model, sh.L2(), lam=LAM, rows="lazy")
    before = sh.describe(model).n_penalised
    model.fit(*sequences(), verbose=0)
    assert before == 2 * (ROWS + 4) + 12


def test_a_lazy_table_that_is_quantized_is_read_as_keras_does():
    (x, y), lazy, bare = sequences(), plain(), plain()
    sh.attach(lazy, sh.L2(), lam=LAM, rows="lazy")
    lazy.fit(x, y, verbose=0)
    bare.set_weights(lazy.get_weights())
    before = np.array(lazy(x))
    for model in (lazy, bare):
        model.layers[0].quantize("int8")
    np.testing.assert_array_equal(lazy(x), bare(x))
    assert 1e-6 < np.abs(np.array(lazy(x)) - before).max() < 0.01  # of 127 steps


def test_lazy_refuses_a_table_that_is_read_past_its_lookup():
    model = Tied()
    x, y = sequences()
    model(x)
    model.compile(keras.optimizers.SGD(ETA), "mse")
    sh.attach(model, sh.L2(), lam=LAM, rows="lazy")
    with pytest.raises(ValueError, match="reads the table without a lookup"):
        model.fit(x, y, verbose=0)
