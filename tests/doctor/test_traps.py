"""The traps that the doctor warns of are real: each is trained or computed here, before its fix and after it."""

import re
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from keras.regularizers import L2

import shrinkage as sh
from tests.doctor import zoo


def fix(model: Any, code: str, **options: Any) -> None:
    """Run the fix that the doctor gives."""
    (finding,) = (finding for finding in sh.doctor(model, **options).findings if finding.code == code)
    exec(compile(finding.fix, code, "exec"), {"model": model, "keras": keras, "sh": sh, **options})


def penalty_steps(model: Any, n: int = 1) -> None:
    """Take steps of the model's optimizer on the penalties alone, as if the data loss were flat."""
    variables = model.trainable_variables
    model.optimizer.build(variables)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            loss = sum(model.losses, start=ops.zeros(()))
        gradients = zip(tape.gradient(loss, variables), variables, strict=True)
        model.optimizer.apply([ops.zeros_like(v) if g is None else g for g, v in gradients], variables)

    for _ in range(n):
        step()


def number_after(word: str, text: str) -> float:
    return float(re.findall(rf"{word} ([\d.e-]*\d)", text)[0])


def values(model: Any) -> dict[str, np.ndarray]:
    return {variable.path: np.array(variable) for variable in model.trainable_variables}


def fit(model: Any, **options: Any) -> Any:
    return model.fit(zoo.X, zoo.Y, batch_size=16, shuffle=False, verbose=0, **options)


def as_built(model: Any, **options: Any) -> Any:
    """A network built with its regularizers from the start, with the same weights: the oracle."""
    oracle = zoo.mlp(**options)
    oracle.set_weights(model.get_weights())
    return oracle


def test_a_regularizer_set_after_building_trains_nothing_until_it_is_fixed():
    model = zoo.set_after_build()
    start, plain = model.get_weights(), as_built(model)
    fit(model)
    fit(plain)
    np.testing.assert_array_equal(model.get_weights()[0], plain.get_weights()[0])
    model.set_weights(start)
    fix(model, "regularizer-ignored")
    right = as_built(model, kernel_regularizer=L2(0.01))
    fit(model)
    fit(right)
    np.testing.assert_allclose(model.get_weights()[0], right.get_weights()[0], rtol=1e-6)
    assert np.abs(model.get_weights()[0] - plain.get_weights()[0]).max() > 1e-5


def test_a_regularizer_on_the_variable_is_lost_by_saving_until_it_is_fixed(tmp_path):
    model = zoo.set_on_the_variable()

    def survivors() -> list[int]:
        model.save(tmp_path / "m.keras")
        return [len(m.losses) for m in (keras.models.load_model(tmp_path / "m.keras"), keras.models.clone_model(model))]

    assert len(model.losses) == 1 and survivors() == [0, 0]
    fix(model, "regularizer-lost-on-save")
    assert len(model.losses) == 1 and survivors() == [1, 1]


@pytest.mark.parametrize("make", [zoo.adamw_as_it_comes, zoo.excluding_by_layer_names])
def test_weight_decay_pulls_gains_from_1_to_0_until_it_is_fixed(make):
    model = make()
    rate, decay = float(model.optimizer.learning_rate), model.optimizer.weight_decay
    penalty_steps(model, 10)
    np.testing.assert_allclose(values(model)["net/norm/gamma"], (1 - rate * decay) ** 10, rtol=1e-6)
    assert (values(model)["net/norm/gamma"] < 1 - 1e-5).all()
    fix(model, "bias-decayed")
    before = values(model)
    penalty_steps(model, 10)
    after = values(model)
    assert np.array_equal(before["net/norm/gamma"], after["net/norm/gamma"])
    np.testing.assert_allclose(after["net/a/kernel"], before["net/a/kernel"] * (1 - rate * decay) ** 10, rtol=1e-5)
    assert not np.array_equal(before["net/a/kernel"], after["net/a/kernel"])


def test_exclusions_can_leave_nothing_to_decay():
    model = zoo.excluding_everything()
    before = values(model)
    penalty_steps(model, 3)
    assert all(np.array_equal(value, before[path]) for path, value in values(model).items())
    fix(model, "nothing-decayed")
    penalty_steps(model, 3)
    assert [path for path, value in values(model).items() if not np.array_equal(value, before[path])] == [
        "net/a/kernel", "net/b/kernel",
    ]  # fmt: skip


def test_a_name_in_a_name_is_excluded_too_until_it_is_fixed():
    model = zoo.excluding_too_much()
    before = values(model)["net/own/unbiased_kernel"]
    penalty_steps(model)
    np.testing.assert_array_equal(values(model)["net/own/unbiased_kernel"], before)
    fix(model, "exclusion-catches-kernel")
    penalty_steps(model)
    np.testing.assert_allclose(values(model)["net/own/unbiased_kernel"], before * (1 - 0.01 * 0.1), rtol=1e-6)
    assert np.abs(before).min() > 0


def penalty_gradients(model: Any) -> dict[str, np.ndarray | None]:
    with tf.GradientTape() as tape:
        loss = sum(model.losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    return {
        v.path: None if g is None else np.array(g) for v, g in zip(model.trainable_variables, gradients, strict=True)
    }


@pytest.mark.parametrize(
    ("make", "code", "path"),
    [
        (
            lambda: zoo.lstm(kernel_regularizer=L2(0.01)),
            "recurrent-kernel-free",
            "net/memory/lstm_cell/recurrent_kernel",
        ),
        (zoo.separable, "depthwise-kernel-free", "net/conv/depthwise_kernel"),
        (zoo.mobile, "depthwise-kernel-free", "net/depthwise/kernel"),
    ],
)
def test_kernels_with_an_argument_of_their_own_are_free_until_it_is_fixed(make, code, path):
    model = make()
    assert penalty_gradients(model)[path] is None
    fix(model, code)
    gradient = penalty_gradients(model)[path]
    assert gradient is not None
    np.testing.assert_allclose(gradient, 0.02 * values(model)[path], rtol=1e-6)
    assert np.abs(gradient).max() > 0


def test_penalised_biases_and_gains_shrink_until_it_is_fixed():
    model = zoo.everything_penalised()
    assert penalty_gradients(model)["net/norm/gamma"] is not None
    fix(model, "bias-penalised")
    assert [path for path, g in penalty_gradients(model).items() if g is not None] == ["net/a/kernel"]


def test_coupled_and_decoupled_add_up_until_it_is_fixed():
    model = zoo.mlp(keras.optimizers.SGD(0.1, weight_decay=0.5), kernel_regularizer=L2(0.01))
    before = values(model)["net/a/kernel"]
    penalty_steps(model)
    # The gradient is taken at the weights before the decay: w - eta wd w - eta 2 l w.
    np.testing.assert_allclose(values(model)["net/a/kernel"], before * (1 - 0.1 * 0.5 - 0.1 * 0.02), rtol=1e-6)
    fix(model, "coupled-and-decoupled")
    before = values(model)["net/a/kernel"]
    penalty_steps(model)
    np.testing.assert_allclose(values(model)["net/a/kernel"], before * (1 - 0.1 * 0.02), rtol=1e-6)
    assert np.abs(before).max() > 0


def test_decay_below_the_precision_of_float16_changes_nothing():
    model = zoo.half_precision_decay()
    before = values(model)["net/a/kernel"]
    penalty_steps(model, 100)
    np.testing.assert_array_equal(values(model)["net/a/kernel"], before)
    assert np.abs(before).min() > 0


def test_decay_below_the_precision_changes_nothing_until_it_is_fixed():
    model = zoo.tiny_steps()
    before = values(model)["net/a/kernel"]
    penalty_steps(model, 100)
    np.testing.assert_array_equal(values(model)["net/a/kernel"], before)
    fix(model, "decay-rounds-away")
    penalty_steps(model, 100)
    assert (np.abs(values(model)["net/a/kernel"]) < np.abs(before)).all() and np.abs(before).min() > 0


def test_a_strength_changed_after_fit_has_no_effect_until_it_is_fixed():
    model = zoo.mlp(kernel_regularizer=L2(0.01))
    start, right = model.get_weights(), as_built(model, kernel_regularizer=L2(0.5))
    fit(model)
    once = model.get_weights()[0]
    model.layers[0].kernel_regularizer.l2 = 0.5
    model.set_weights(start)
    fit(model)
    np.testing.assert_array_equal(model.get_weights()[0], once)
    assert sum(map(float, model.losses)) > 0.1  # which shows the new strength all the same
    model.set_weights(start)
    fix(model, "strength-changed-after-tracing")
    fit(model)
    fit(right)
    np.testing.assert_allclose(model.get_weights()[0], right.get_weights()[0], rtol=1e-5)
    assert np.abs(model.get_weights()[0] - once).max() > 0.01


def test_weight_decay_changed_after_fit_has_no_effect_until_it_is_fixed():
    model = zoo.mlp(keras.optimizers.SGD(0.1, weight_decay=0.01))
    start = model.get_weights()
    fit(model)
    once = model.get_weights()[0]
    model.optimizer.weight_decay = 0.5
    model.set_weights(start)
    fit(model)
    np.testing.assert_array_equal(model.get_weights()[0], once)
    model.set_weights(start)
    fix(model, "strength-changed-after-tracing")
    fit(model)
    assert np.abs(model.get_weights()[0] - once).max() > 0.01


@pytest.mark.parametrize(("jit", "steps"), [(True, 1), (False, 2)])
def test_a_strength_that_was_compiled_in_is_seen_in_every_way_of_training(jit, steps):
    model = zoo.mlp(
        keras.optimizers.SGD(0.1, weight_decay=0.0321), kernel_regularizer=keras.regularizers.L1L2(0.0123, 0.0456)
    )
    model.compile(model.optimizer, "mse", jit_compile=jit, steps_per_execution=steps)
    fit(model)
    assert "strength-changed-after-tracing" not in {f.code for f in sh.doctor(model).findings}
    model.layers[0].kernel_regularizer.l1 = 0.0124
    assert "strength-changed-after-tracing" in {f.code for f in sh.doctor(model).findings}


def test_a_variable_as_weight_decay_may_change():
    model = zoo.mlp(keras.optimizers.SGD(0.1, weight_decay=keras.Variable(0.01)))  # pyright: ignore[reportArgumentType]
    fit(model)
    model.optimizer.weight_decay.assign(0.5)
    assert not sh.doctor(model).errors


def test_a_training_step_that_leaves_out_the_losses_trains_the_same_at_any_strength():
    def after(kind: type, strength: float) -> np.ndarray:
        model = kind([keras.Input((4,)), layers.Dense(1, kernel_initializer="ones", kernel_regularizer=L2(strength))])
        model.compile("sgd", "mse")
        fit(model)
        return model.get_weights()[0]

    np.testing.assert_array_equal(after(zoo.Forgetful, 0.01), after(zoo.Forgetful, 10.0))
    assert np.abs(after(zoo.Mindful, 0.01) - after(zoo.Mindful, 10.0)).max() > 0.1


def test_a_float16_penalty_is_infinite_and_a_mixed_one_is_not():
    model = zoo.half_precision()
    assert np.isinf(float(model.losses[0]))
    mixed = zoo.stack(
        (400,),
        layers.Dense(400, kernel_initializer="ones", kernel_regularizer=L2(1e-3), dtype="mixed_float16"),
    )
    assert float(mixed.losses[0]) == pytest.approx(1e-3 * 400 * 400)
    assert "160" in sh.doctor(model).errors[0].why


def test_the_share_that_is_told_is_what_a_training_takes_away():
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.1, 200, 0.01), weight_decay=5e-4)
    model = zoo.fine_tuning(optimizer)
    (finding,) = (f for f in sh.doctor(model, steps=200).findings if f.code == "strength-too-small")
    before = values(model)["net/a/kernel"]
    penalty_steps(model, 200)
    share = 100 * (1 - values(model)["net/a/kernel"] / before)
    assert f"takes {share.mean():.2g} %" in finding.why and 0.5 < share.mean() < 1


def test_momentum_lengthens_the_shrinking_of_a_coupled_penalty():
    model = zoo.mlp(keras.optimizers.SGD(1e-3, momentum=0.9), kernel_regularizer=L2(1e-3))
    (finding,) = (f for f in sh.doctor(model, steps=400).findings if f.code == "strength-too-small")
    before = values(model)["net/a/kernel"]
    penalty_steps(model, 400)
    share = float(np.mean(1 - values(model)["net/a/kernel"] / before))
    told = number_after("takes", finding.why) / 100
    assert share == pytest.approx(told, rel=0.05) and share > 0.005  # momentum takes ten steps to come up to speed


def test_early_stopping_on_val_loss_goes_on_while_the_penalty_falls():
    """With inputs of 0 the data loss cannot fall, and only the weights shrink."""
    x, y = np.zeros((32, 4), "float32"), np.stack([np.ones(16), -np.ones(16)], 1).reshape(-1, 1)

    def epochs(model: Any, stopping: Any) -> int:
        history = model.fit(x, y, batch_size=32, epochs=8, verbose=0, validation_data=(x, y), callbacks=[stopping])
        return len(history.history["loss"])

    model = zoo.mlp(keras.optimizers.SGD(0.1), kernel_regularizer=L2(0.5), use_bias=False)
    assert epochs(model, keras.callbacks.EarlyStopping(patience=1)) == 8
    stopping = keras.callbacks.EarlyStopping(patience=1)
    fix(model, "penalised-loss-monitored", callbacks=[stopping])
    assert epochs(model, stopping) == 2


def test_the_penalty_that_is_told_is_what_the_loss_contains():
    model = zoo.mlp(kernel_regularizer=L2(0.01))
    model.compile("sgd", "mse", metrics=["mse"])
    logs = model.evaluate(zoo.X, zoo.Y, verbose=0, return_dict=True)
    (finding,) = (f for f in sh.doctor(model).findings if f.code == "loss-contains-penalty")
    assert number_after("now", finding.why) == pytest.approx(logs["loss"] - logs["mse"], rel=1e-2)  # of three digits
    assert logs["loss"] - logs["mse"] > 1e-3


def test_adam_shrinks_a_weight_the_less_the_larger_its_gradients_are():
    """Two weights, and data gradients of mean 0 which differ by a factor of 100 in size."""
    model = zoo.stack((2,), layers.Dense(1, use_bias=False, kernel_initializer="ones", kernel_regularizer=L2(0.05)))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    kernel = model.trainable_variables[0]
    for step in range(200):
        data = ops.convert_to_tensor([[1.0], [100.0]]) * (-1.0) ** step
        model.optimizer.apply([data + 0.1 * kernel.value], [kernel])
    small, large = np.array(kernel).ravel()
    assert small < 0.9 and 1 - large < 0.2 * (1 - small)


def test_keras_l2_is_ours_at_twice_the_strength():
    model = zoo.mlp(kernel_regularizer=L2(0.01))
    (finding,) = (f for f in sh.doctor(model).findings if f.code == "keras-l2-has-no-half")
    lam = eval(finding.fix, {"sh": sh})
    ours = sum(float(sh.L2().value(np.array(layer.kernel), lam=lam)) for layer in model.layers)
    assert ours == pytest.approx(float(sum(model.losses)), rel=1e-6) and ours > 0


def test_to_shrink_a_kernel_before_a_normalization_leaves_the_output():
    model, x = zoo.normalized(), np.random.default_rng(0).normal(size=(16, 3))
    assert any(finding.code == "scale-invariant-kernel" for finding in sh.doctor(model).findings)
    kernel, before = model.trainable_variables[0], np.array(model(x, training=True))
    penalty = float(sum(model.losses))
    kernel.assign(10 * kernel)
    assert float(sum(model.losses)) == pytest.approx(100 * penalty, rel=1e-5) and penalty > 1e-3
    np.testing.assert_allclose(model(x, training=True), before, atol=0.05 * np.abs(before).max())  # epsilon is left


def test_a_penalty_makes_the_gradient_of_an_embedding_dense_until_it_is_fixed():
    model = zoo.big_table()
    model.compile(keras.optimizers.SGD(1.0), "mse")
    table = model.trainable_variables[0]

    def gradient() -> Any:
        with tf.GradientTape() as tape:
            loss = ops.sum(model(ops.ones((2, 5), "int32"))) + sum(model.losses, start=ops.zeros(()))
        return tape.gradient(loss, table)

    assert isinstance(gradient(), tf.Tensor)
    fix(model, "dense-embedding-gradient")
    assert isinstance(gradient(), tf.IndexedSlices)
    before = np.array(table)
    model.optimizer.apply([tf.IndexedSlices(tf.zeros((1, 32)), [7], [40_000, 32])], [table])
    np.testing.assert_allclose(np.array(table)[7], before[7] * (1 - 2e-6), rtol=1e-6)  # rounding is 6e-8
    before[7] = np.array(table)[7]
    np.testing.assert_array_equal(np.array(table), before)


def test_frozen_regularizers_add_nothing_until_it_is_fixed():
    model = zoo.frozen_base()
    assert model.losses == []
    fix(model, "only-frozen-penalised")
    assert len(model.losses) == 1 and float(model.losses[0]) > 0


def test_a_penalty_on_an_inner_model_does_not_act_until_it_is_fixed():
    model = zoo.attached_inside()
    start, plain = model.get_weights(), zoo.stack((4,), zoo.mlp(), layers.Dense(1))
    plain.compile("sgd", "mse")
    plain.set_weights(start)
    fit(plain)
    with pytest.warns(UserWarning, match="does not act on weights that training changes: net/a/kernel"):
        fit(model)
    np.testing.assert_array_equal(model.get_weights()[0], plain.get_weights()[0])
    model.set_weights(start)
    fix(model, "attached-inside")
    fit(model)
    assert np.abs(model.get_weights()[0] - plain.get_weights()[0]).max() > 1e-5


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"around": "*a/kernel"}, ["net/b/kernel"]),
        ({"around": "*out/kernel"}, ["net/a/kernel", "net/b/kernel"]),
        ({"around": "*a/kernel", "on": {"kernel": 2, "bias": 0.5}}, ["net/b/kernel", "net/a/bias", "net/b/bias"]),
    ],
)
def test_what_the_fix_of_an_inner_penalty_attaches_is_what_was_left_unpenalised(options, left):
    model = zoo.attached_inside(**options)
    wanted = {v.path: lam for v, lam in _strengths(model.layers[0]) if v.path in left}
    assert wanted and not wanted.keys() & {v.path for v, _ in _strengths(model)}
    (finding,) = sh.doctor(model).errors
    assert sorted(finding.about) == sorted(left)
    before = {v.path: lam for v, lam in _strengths(model)}
    fix(model, "attached-inside")
    assert {v.path: lam for v, lam in _strengths(model)} == pytest.approx(before | wanted)


def _strengths(model: Any) -> list[tuple[Any, float]]:
    """The penalised weights of a model, each with its strength."""
    found = zip(model.trainable_variables, sh.describe(model).weights, strict=True)
    return [(variable, weight.lam) for variable, weight in found if weight.lam is not None]


def test_a_penalty_around_an_inner_one_trains_as_keras_regularizers_do():
    """Which is why the doctor has nothing to say of it."""
    model = zoo.attached_inside("kernels")
    inner = zoo.mlp(kernel_regularizer=L2(0.01))  # half of lam
    oracle = zoo.stack((4,), inner, layers.Dense(1, kernel_regularizer=L2(0.01)))
    oracle.compile("sgd", "mse")
    oracle.set_weights(model.get_weights())
    start = model.get_weights()
    assert sh.doctor(model).errors == ()
    fit(model)
    fit(oracle)
    for one, other, before in zip(model.get_weights(), oracle.get_weights(), start, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)  # float32
        assert np.abs(one - before).max() > 1e-4


def test_a_regularizer_set_anew_after_building_does_not_act_until_it_is_fixed():
    model = zoo.set_anew_after_build()
    squares = sum(float(ops.sum(ops.square(w))) for w in model.trainable_variables if w.name == "kernel")
    assert sum(map(float, model.losses)) == pytest.approx(0.01 * squares, rel=1e-5)
    (finding,) = sh.doctor(model).errors
    assert "keras.regularizers.L2(0.01) goes on penalising 2 weights with 15 parameters" in finding.why
    fix(model, "regularizer-ignored")
    assert sum(map(float, model.losses)) == pytest.approx(0.5 * squares, rel=1e-5)


def test_a_penalty_on_an_inner_model_acts_where_they_train_with_one_optimizer():
    """Which is why the doctor has nothing to say of it."""
    inner = zoo.mlp()
    optimizer = keras.optimizers.SGD(0.01)
    inner.compile(optimizer, "mse")
    sh.attach(inner, sh.L2(), lam=50.0)
    model = zoo.stack((4,), inner, layers.Dense(1))
    model.compile(optimizer, "mse")
    before = np.linalg.norm(model.get_weights()[0])
    assert sh.doctor(model).errors == ()
    fit(model)
    assert np.linalg.norm(model.get_weights()[0]) < 0.6 * before and sh.doctor(model).errors == ()


def test_a_penalty_on_frozen_weights_acts_on_nothing_until_they_are_unfrozen():
    model = zoo.attached_and_all_frozen()
    start = model.get_weights()
    (finding,) = sh.doctor(model).warnings
    assert finding.code == "attached-to-nothing"
    model.compile("sgd", "mse")
    assert model.evaluate(zoo.X, zoo.Y, verbose=0, return_dict=True)["penalty"] == 0
    model.trainable = True
    model.compile("sgd", "mse")
    fit(model)
    assert model.history.history["penalty"][0] > 0 and np.abs(model.get_weights()[0] - start[0]).max() > 1e-5


def test_a_loss_contains_what_activity_regularizers_add():
    model = zoo.mlp(activity_regularizer=L2(0.1))
    x, y = zoo.X, zoo.Y
    added = model.evaluate(x, y, verbose=0) - float(np.mean((model.predict(x, verbose=0) - y) ** 2))
    assert added > 1e-3
    (finding,) = (each for each in sh.doctor(model).notes if each.code == "loss-contains-penalty")
    assert "the value of activity_regularizer for the outputs of a, b" in finding.why


def test_l1_by_gradient_has_no_zeros_until_it_is_fixed():
    """One of four inputs matters."""
    model = zoo.stack((4,), layers.Dense(1, name="a", kernel_regularizer=keras.regularizers.L1(0.1)))
    model.compile(keras.optimizers.SGD(0.05), "mse")
    x = np.tile(zoo.X, (60, 1))
    model.fit(x, 2 * x[:, :1], verbose=0)
    assert not (model.get_weights()[0] == 0).any()
    fix(model, "l1-by-gradient")
    model.fit(x, 2 * x[:, :1], verbose=0)
    kernel = model.get_weights()[0].ravel()
    assert (kernel[1:] == 0).sum() >= 2 and kernel[0] > 1
