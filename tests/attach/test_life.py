"""The life of an attached model: written, copied, pickled, looked at, given wrong things, and detached."""

import copy
import pickle
import subprocess
import sys
import warnings
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import shrinkage as sh
from shrinkage._attach._attach import get_attachments
from tests.attach.models import LAM, X, Y, assert_same, compiled, functional, network, train

# --- files


@pytest.mark.parametrize("make", [network, functional])
def test_the_old_format_has_the_plain_model_and_says_so(make, tmp_path):
    model = compiled(make(), "adam")
    sh.attach(model, sh.L2(), lam=LAM)
    train(model, epochs=1)
    with pytest.warns(UserWarning, match="without its penalty. Save it as .keras"):
        model.save(tmp_path / "model.h5")
    assert len(get_attachments(model)) == 1
    back: Any = keras.models.load_model(tmp_path / "model.h5")
    assert type(back).__module__.startswith("keras.") and get_attachments(back) == ()
    assert_same(back, model, tolerance=0)
    assert type(back.optimizer) is keras.optimizers.Adam and int(back.optimizer.iterations) == 4
    losses = [each.evaluate(X, Y, verbose=0, return_dict=True) for each in (model, back)]
    assert losses[1]["loss"] == pytest.approx(losses[0]["data_loss"], rel=1e-5) and "penalty" not in losses[1]


def test_the_old_format_has_all_decay(tmp_path):
    model = keras.Sequential([keras.Input((1,), dtype="int32"), keras.layers.Embedding(3, 2), keras.layers.Flatten()])
    compiled(model, "sgd")
    sh.attach(model, sh.L2(), lam=LAM, rows="lazy")
    model.train_on_batch(np.array([[0]]), np.zeros((1, 2)))
    behind = np.array(model.layers[0].embeddings)
    with pytest.warns(UserWarning, match="without its penalty"):
        model.save(tmp_path / "model.h5")
    back: Any = keras.models.load_model(tmp_path / "model.h5")
    np.testing.assert_allclose(back.get_weights()[0][1:], behind[1:] * (1 - 0.05 * LAM), rtol=1e-6)


@pytest.mark.parametrize(
    ("path", "error"), [("q.h5", ValueError), ("q", ValueError), (None, TypeError), (3, TypeError)], ids=str
)
def test_export_writes_no_other_format(path, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = network()
    sh.attach(model, sh.L2(), lam=LAM)
    with pytest.raises(error, match="`path` must .*Received: "):
        sh.export(model, path)
    assert list(tmp_path.iterdir()) == []


# --- copies


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_and_pickles_are_penalised(again):
    model = compiled(network(), "adam")
    reg = sh.attach(model, sh.L1(), lam=LAM)
    train(model, epochs=1)
    back = again(model)
    (found,) = get_attachments(back)
    assert repr(found) == repr(reg) and found.model is back is not model
    train(model, epochs=1)
    train(back, epochs=1)
    assert_same(back, model, tolerance=1e-6)  # float32, and the optimizer's state is copied too


def test_a_pickle_is_read_in_a_new_process(tmp_path):
    model = compiled(network(), "adam")
    sh.attach(model, sh.L2(), lam=LAM)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    code = "import pickle; print(pickle.load(open('model.pickle', 'rb'))._shrinkage.attachments[0])"
    env = {"PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.stdout.strip().endswith("lam=0.25, Coupled()"), run.stderr


@pytest.mark.parametrize(
    "again",
    [
        lambda optimizer: type(optimizer).from_config(optimizer.get_config()),
        lambda optimizer: type(optimizer)(0.02),
        lambda optimizer: pickle.loads(pickle.dumps(optimizer)),
        copy.deepcopy,
    ],
)
def test_an_optimizer_made_after_an_attached_one_is_plain(again):
    model, other, bare = compiled(network(), "adam"), network(), compiled(network(), "adam")
    sh.attach(model, sh.L2(), lam=LAM)
    compiled(other, again(model.optimizer))
    assert type(other.optimizer) is keras.optimizers.Adam
    train(other, epochs=1)
    train(bare, epochs=1)
    assert_same(other, bare, tolerance=1e-6)  # float32
    assert get_attachments(model)[0].model.optimizer is model.optimizer


# --- what it says of itself


@pytest.mark.parametrize(
    ("name", "value"),
    [("penalty", sh.L1()), ("how", sh.Proximal()), ("on", "all"), ("rows", "touched"), ("model", None), ("lamda", 1.0)],
)
def test_only_lam_can_be_set(name, value):
    reg = sh.attach(network(), sh.L2(), lam=LAM)
    before = repr(reg)
    with pytest.raises(AttributeError, match=f"The attribute to set must be lam, .*Received: {name}=.*attach again"):
        setattr(reg, name, value)
    assert repr(reg) == before


def grow(step):
    return ops.cast(step, "float32")


@pytest.mark.parametrize(
    ("lam", "words"),
    [
        (keras.optimizers.schedules.CosineDecay(0.1, 10), "lam=CosineDecay(...)"),
        (grow, "lam=grow"),
        (lambda step: 0.5, "lam=<lambda>"),
    ],
    ids=["schedule", "function", "lambda"],
)
def test_a_strength_is_called_by_its_name(lam, words):
    reg = sh.attach(network(), sh.L2(), lam=lam)
    assert words in repr(reg)
    with pytest.raises(ValueError) as error:
        reg.lam = 0.1
    assert words.removeprefix("lam=") in str(error.value) and " at 0x" not in f"{error.value}{reg!r}"


# --- the strength


@pytest.mark.parametrize("lam", [tf.constant(0.25), np.array(0.25), np.float32(0.25), tf.constant(0.25, "bfloat16")])
def test_one_number_is_a_strength_whatever_holds_it(lam):
    reg = sh.attach(network(), sh.L2(), lam=lam)
    assert float(reg.lam) == 0.25
    reg.lam = 2 * lam
    assert float(reg.lam) == 0.5


@pytest.mark.parametrize("lam", [np.array([0.1]), np.array("a"), np.array(True), tf.Variable(0.1), tf.constant([0.1])])
def test_others_are_none(lam):
    with pytest.raises(TypeError, match="`lam` must be a number"):
        sh.attach(network(), sh.L2(), lam=lam)


@pytest.mark.parametrize("value", ["a", None, True, grow, [0.1], np.array([0.1])])
def test_what_is_no_number_is_refused_later_too(value):
    reg = sh.attach(network(), sh.L2(), lam=LAM)
    with pytest.raises(TypeError, match="`lam` must be set to a number. Received: .*attach again"):
        reg.lam = value
    assert float(reg.lam) == LAM


def test_a_strength_that_becomes_negative_is_said_once():
    model = compiled(network())
    sh.attach(model, sh.L2(), lam=lambda step: 0.1 - 0.02 * ops.cast(step, "float32"))
    train(model, epochs=1)  # 4 steps
    with pytest.warns(UserWarning, match="lam is -0.06 at step 8, of L2.*must stay 0 or more"):
        train(model, epochs=1)
    with warnings.catch_warnings(action="error"):
        train(model, epochs=1)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_to_draw_towards_are_finite(value, frozen):
    model = network()
    model.layers[1].trainable = not frozen
    compiled(model)
    weights = model.get_weights()
    weights[2][0, 0] = value
    with pytest.raises(ValueError, match="must be finite weights.*net/output/kernel[.]"):
        sh.attach(model, sh.L2(toward=weights), lam=LAM)
    assert type(model) is keras.Sequential and get_attachments(model) == ()


# --- loops of one's own


WAYS = [(sh.L2(), sh.Coupled()), (sh.L1(), sh.Proximal())]


@pytest.mark.parametrize(("penalty", "how"), WAYS, ids=["coupled", "proximal"])
@pytest.mark.parametrize("make", [network, lambda: compiled(network())], ids=["bare", "compiled"])
def test_what_is_detached_penalises_no_more(penalty, how, make):
    model = make()
    reg = sh.attach(model, penalty, lam=LAM, how=how)
    sh.attach(model, penalty, lam=LAM, how=how, on="bias")
    sh.detach(reg)
    before = model.get_weights()
    for call in (lambda: reg.gradients([None] * 4, model.trainable_variables), lambda: reg.after_step(0.1)):
        with pytest.raises(ValueError, match="not attached to model 'net' any more"):
            call()
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("penalty", "how"), WAYS, ids=["coupled", "proximal"])
@pytest.mark.parametrize(
    ("step", "error"),
    [
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        (-1.0, ValueError),
        (tf.constant(-1.0), ValueError),
        ("x", TypeError),
        (None, TypeError),
        (True, TypeError),
        (np.ones(2), TypeError),
        (keras.optimizers.schedules.CosineDecay(0.1, 10), TypeError),
    ],
)
def test_bad_steps_are_refused(penalty, how, step, error):
    model = network()
    reg = sh.attach(model, penalty, lam=LAM, how=how)
    before = model.get_weights()
    with pytest.raises(error, match="^`step`.*Received: "):
        reg.after_step(step)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    with pytest.raises(TypeError, match="^`step`"):
        reg.after_step(model)


@pytest.mark.parametrize("autograph", [True, False], ids=["autograph", "traced"])
@pytest.mark.parametrize("step", [0.1, np.float32(0.1), np.array(0.1), tf.constant(0.1), tf.Variable(0.1), "variable"])
def test_a_step_size_is_any_number_in_compiled_loops_too(step, autograph):
    model, compiled_loop = network(), network()
    step = keras.Variable(0.1) if isinstance(step, str) else step
    first = model.get_weights()[0]
    reg, compiled_reg = (sh.attach(each, sh.L1(), lam=LAM) for each in (model, compiled_loop))
    reg.after_step(step)
    tf.function(lambda: compiled_reg.after_step(step), autograph=autograph)()
    assert_same(compiled_loop, model, tolerance=1e-7)  # float32
    symbolic = tf.function(compiled_reg.after_step, autograph=autograph)
    symbolic(tf.constant(0.1))
    assert np.abs(model.get_weights()[0] - first).max() == pytest.approx(0.1 * LAM, rel=1e-4)
    assert np.abs(compiled_loop.get_weights()[0] - first).max() == pytest.approx(0.2 * LAM, rel=1e-4)


def test_an_optimizer_that_took_no_step_on_the_weights_is_refused():
    model = network()
    reg, optimizer = sh.attach(model, sh.L1(), lam=LAM), keras.optimizers.Adam(0.1)
    before = model.get_weights()[0]
    with pytest.raises(ValueError, match="^`step`.*not built for net/hidden/kernel, net/output/kernel"):
        reg.after_step(optimizer)
    optimizer.build(model.trainable_variables[:2])
    with pytest.raises(ValueError, match="^`step`.*not built for net/output/kernel[.]"):
        reg.after_step(optimizer)
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build(model.trainable_variables)
    with pytest.raises(ValueError, match="^`step`.*has taken no step"):
        reg.after_step(optimizer)
    np.testing.assert_array_equal(model.get_weights()[0], before)


@pytest.mark.parametrize(("penalty", "how"), WAYS, ids=["coupled", "proximal"])
def test_gradients_are_those_of_the_models_variables(penalty, how):
    model, other = network(), network()
    reg = sh.attach(model, penalty, lam=LAM, how=how)
    variables, foreign = model.trainable_variables, other.trainable_variables
    grads = [tf.zeros(v.shape) for v in variables]
    for wrong, of, words in (
        (
            grads[:1],
            variables,
            "must have the same length. Received: 1 gradients, 4 variables",
        ),
        (
            grads[::-1],
            variables,
            r"^`grads`: the gradient of net/hidden/kernel must have shape \(5, 4\). Received: \(1,\)",
        ),
        ([1.0] * 4, variables, r"Received: \(\)"),
        (grads, foreign, "^`variables` must be variables of model 'net'.*none of them"),
        (grads, [v.value for v in variables], "^`variables` must be variables of model 'net'"),
    ):
        with pytest.raises(ValueError, match=words):
            reg.gradients(wrong, of)
    some = reg.gradients([None, *grads[1:], *grads], [*variables, *foreign])  # with those of another model
    assert len(some) == 8 and float(ops.max(ops.abs(some[2]))) == pytest.approx(
        LAM * np.abs(model.get_weights()[2]).max() if isinstance(how, sh.Coupled) else 0.0
    )


@pytest.mark.parametrize("sparse", [True, False])
def test_gradients_of_unknown_shape_pass(sparse):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Embedding(4, 3)])
    reg = sh.attach(model, sh.L2(), lam=LAM)

    @tf.function(input_signature=[tf.TensorSpec(None), tf.TensorSpec((None,), tf.int32)])
    def added(values, rows):
        return reg.gradients([tf.IndexedSlices(values, rows) if sparse else values], model.trainable_variables)

    values = tf.zeros((2, 3) if sparse else (4, 3))
    np.testing.assert_allclose(added(values, tf.constant([1, 2]))[0], LAM * model.get_weights()[0], rtol=1e-6)
