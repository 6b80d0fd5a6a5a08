"""The doctor: what it finds, that its fixes work, that well-made models have no warning, that the traps are real."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from keras.regularizers import L2

import shrinkage as sh
from shrinkage._attach._attach import get_attachments
from shrinkage._doctor._code import find_regularizer_argument
from shrinkage._doctor._doctor import CHECKS
from shrinkage._doctor._report import Report
from shrinkage._host._layers import list_sublayers
from shrinkage._weights._expressions import find_layer_expression
from shrinkage._weights._kinds import is_of_keras
from shrinkage._weights._selection import select
from tests.doctor.zoo import own_steps
from tests.doctor.zoo.decayed import adamw_and_regularizers, adamw_as_it_comes, excluding_by_layer_names
from tests.doctor.zoo.ill import ILL
from tests.doctor.zoo.own_steps import own_step
from tests.doctor.zoo.regularized import set_after_build, strength_changed
from tests.doctor.zoo.small import X, Y, mlp, stack
from tests.doctor.zoo.well import WELL, transformer
from tests.zoo import MODELS

ROOT = Path(__file__).parents[2]
CASES = [(code, i) for code, models in ILL.items() for i in range(len(models))]
ADVICE = {  # fixes that are for the code which makes the model, or need no change
    "train-step-without-penalty", "adaptive-and-coupled", "loss-contains-penalty",
    "keras-l2-has-no-half", "scale-invariant-kernel",
}  # fmt: skip


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def test_every_check_has_an_ill_model_and_a_sentence():
    assert [check.code for check in CHECKS] == list(ILL)
    assert all(check.summary.endswith((".", ").")) and len(check.summary) < 120 for check in CHECKS)


@pytest.mark.parametrize(("code", "i"), CASES)
def test_it_finds_what_a_model_has_and_the_fix_puts_it_right(code, i):
    make, options = copy.deepcopy(ILL[code][i])
    model = make()
    found = [finding for finding in sh.doctor(model, **options).findings if finding.code == code]
    assert len(found) == 1 and found[0].about and found[0].sentence and found[0].fix
    reg = (get_attachments(model) or [None])[0]
    names = {"model": model, "reg": reg, "keras": keras, "sh": sh, "callbacks": [], **options}
    names["optimizer"] = own_steps.OUTSIDE
    if "set_dtype_policy" in found[0].fix:  # which is for models that are built later
        return
    exec(compile(found[0].fix, code, "exec"), names)
    after = sh.doctor(model, **options)
    assert code in ADVICE or code not in codes(after)
    if code not in ADVICE:  # nor does the fix make anything worse
        before = codes(sh.doctor(make(), **options))
        assert {f.code for f in (*after.errors, *after.warnings)} <= before


@pytest.mark.parametrize("name", list(WELL))
def test_well_made_models_have_no_warning(name):
    make, options = WELL[name]
    report = sh.doctor(make(), **options)
    assert not report.errors and not report.warnings, report


def test_a_model_from_a_path_has_no_warning():
    path = sh.fit(mlp("adam"), X, Y + X[:, :1], penalty=sh.L2(), lams=[0.1], cv=2, epochs=2)
    assert sh.doctor(path.model(0.1), steps=1000).findings == ()


def test_the_page_has_a_line_for_each_check():
    page = (ROOT / "docs" / "doctor.md").read_text("utf-8")
    table = page.split("<!-- findings -->\n\n")[1].split("\n\n<!-- end -->")[0]
    lines = [f"| {check.severity} | `{check.code}` | {check.summary} |" for check in CHECKS]
    assert table == "\n".join(["| severity | code | finding |", "|---|---|---|", *lines])


# --- the report


def test_a_report_prints_errors_first_and_counts():
    model = set_after_build()
    model.compile(keras.optimizers.AdamW(), "mse")
    report = sh.doctor(model)
    text = repr(report).splitlines()
    assert text[0] == "net: 1 error, 1 warning, no notes"
    assert text[2] == "error: regularizer-ignored: net/a/kernel, net/b/kernel"
    assert (len(report.errors), len(report.warnings), len(report.notes)) == (1, 1, 0)
    assert report.findings == (*report.errors, *report.warnings)
    assert all(len(line) <= 120 for line in text)


def test_of_many_weights_three_are_named_and_layers_are_listed():
    model = stack((4,), *(layers.Dense(2, name=f"dense_{i}") for i in range(30)))
    for layer in model.layers:
        layer.kernel_regularizer = L2(0.01)
    (finding,) = sh.doctor(model).errors
    assert len(finding.about) == 30
    assert "net/dense_0/kernel, net/dense_1/kernel, net/dense_2/kernel and 27 more\n" in str(finding)
    assert len(finding.fix.splitlines()) < 10


def test_a_finding_says_the_numbers_of_the_model():
    (finding,) = sh.doctor(adamw_as_it_comes()).warnings
    assert "weight_decay=0.004 shrinks 2 biases, 1 gamma, 1 beta too (10 parameters)" in finding.sentence
    (finding,) = sh.doctor(excluding_by_layer_names()).warnings
    assert "(LayerNorm, bias) are searched in names of variables, not in paths, and match bias." in finding.sentence


# --- what it does not do


@pytest.mark.parametrize("make", [adamw_and_regularizers, strength_changed, transformer, own_step])
def test_it_changes_nothing(make):
    model = make()
    weights, config, losses = model.get_weights(), model.get_config(), len(model.losses)
    function, state = model.train_function, [np.array(v) for v in model.optimizer.variables]
    first, second = repr(sh.doctor(model, steps=10)), repr(sh.doctor(model, steps=10))
    assert first == second and model.train_function is function
    assert model.get_config() == config and len(model.losses) == losses
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(state, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(before, np.array(after))


def test_a_model_need_not_be_compiled_or_trainable():
    model = stack((4,), layers.Dense(2))
    assert sh.doctor(model).findings == ()
    model.trainable = False
    assert sh.doctor(model).findings == ()


def test_models_with_several_losses_are_looked_at():
    x = keras.Input((4,))
    model = keras.Model(x, [layers.Dense(1, kernel_regularizer=L2(0.1))(x), layers.Dense(2)(x)])
    model.compile(keras.optimizers.AdamW(), ["mse", "mae"])
    stopping = keras.callbacks.EarlyStopping()
    assert codes(sh.doctor(model, callbacks=[stopping])) >= {"penalised-loss-monitored", "coupled-and-decoupled"}


# --- bad input


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        (
            lambda: "m.keras",
            {},
            TypeError,
            r"`model` must be a keras.Model. Received: str. Say keras.models.load_model",
        ),
        (lambda: layers.Dense(1), {}, TypeError, "Received: Dense"),
        (lambda: None, {}, TypeError, "Received: NoneType"),
        (
            lambda: keras.Sequential([layers.Dense(1)], name="net"),
            {},
            ValueError,
            "`model` must be built.* Received: net",
        ),
        (mlp, {"callbacks": keras.callbacks.EarlyStopping()}, TypeError, "must be a list of .* EarlyStopping"),
        (mlp, {"callbacks": ["val_loss"]}, TypeError, "Received: str"),
        (mlp, {"steps": 0}, ValueError, "`steps` must be a whole number of at least 1. Received: 0"),
        (mlp, {"steps": 1.5}, ValueError, "Received: 1.5"),
        (mlp, {"steps": True}, ValueError, "Received: True"),
    ],
)
def test_bad_input(model, options, error, message):
    thing = model()
    with pytest.raises(error, match=message):
        sh.doctor(thing, **options)


# --- any stack of layers

ARGUMENTS = {
    "Dense": (layers.Dense, ("kernel", "bias")),
    "Conv1D": (layers.Conv1D, ("kernel", "bias")),
    "GRU": (layers.GRU, ("kernel", "recurrent", "bias")),
    "SeparableConv1D": (layers.SeparableConv1D, ("depthwise", "pointwise", "bias")),
    "BatchNormalization": (layers.BatchNormalization, ("gamma", "beta")),
}
LAYERS = st.sampled_from(list(ARGUMENTS)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.sets(st.sampled_from(ARGUMENTS[kind][1])))
)


def layer_of(kind: str, penalised: set[str]) -> keras.Layer:
    options: dict = {f"{name}_regularizer": L2(0.01) for name in penalised}
    sizes = {"Dense": (2,), "Conv1D": (2, 1), "GRU": (2,), "SeparableConv1D": (2, 1), "BatchNormalization": ()}
    if kind == "GRU":
        options["return_sequences"] = True
    return ARGUMENTS[kind][0](*sizes[kind], **options)


@settings(max_examples=40)
@given(st.lists(LAYERS, min_size=1, max_size=4))
def test_what_is_found_follows_from_what_was_given(kinds):
    """Layers built with any regularizers have the findings that these call for, and no others of their kind."""
    found = codes(sh.doctor(stack((5, 3), *(layer_of(*each) for each in kinds))))
    given_to = [(kind, penalised) for kind, penalised in kinds if penalised]
    kernels = {"kernel", "recurrent", "depthwise", "pointwise"}
    assert found.isdisjoint({"regularizer-ignored", "regularizer-lost-on-save", "only-frozen-penalised"})
    assert ("bias-penalised" in found) == any(penalised - kernels for _, penalised in given_to)
    free = [kind for kind, penalised in given_to if "kernel" in penalised and "recurrent" not in penalised]
    assert ("recurrent-kernel-free" in found) == ("GRU" in free)
    assert ("keras-l2-has-no-half" in found) == bool(given_to)


# --- every kind of model


class Holder(keras.Model):
    """Holds layers in ways that Keras tracks."""

    def __init__(self):
        super().__init__()
        self.rows = [[layers.Dense(1), layers.Dense(2)], (layers.Dense(3),)]
        self.named = {"a": [layers.LSTM(1)], 2: layers.Dense(4)}
        self.other = {layers.Dense(5)}


class Sets(layers.Layer):
    """A layer that holds others in a set: it has no `layers`, as a model has."""

    def __init__(self):
        super().__init__()
        self.parts, self._own = {layers.Dense(2), layers.Dense(2)}, [{"a": layers.Dense(2)}]

    def build(self, shape):
        for part in (*self.parts, self._own[0]["a"]):
            part.build(shape)

    def call(self, x):
        return sum(part(x) for part in self.parts) + self._own[0]["a"](x)


def test_layers_in_sets_and_in_private_attributes_are_reached_by_public_code():
    x = keras.Input((4, 6))
    kinds = Sets(), layers.MultiHeadAttention(2, 3), layers.GroupQueryAttention(4, 2, 2)
    model = keras.Model(x, [kind(x) if kind is kinds[0] else kind(x, x) for kind in kinds])
    for layer in list_sublayers(model):
        code = find_layer_expression(model, layer)
        assert eval(code, {"model": model}) is layer
        assert not re.search(r"\b_", code.replace("._own", ""))  # which is the user's own
    assert find_layer_expression(model, kinds[1].query_dense) == f"model.get_layer({kinds[1].name!r}).query_dense"


def test_every_layer_is_reached_by_public_code():
    model = Holder()
    for layer in list_sublayers(model):
        code = find_layer_expression(model, layer)
        assert eval(code, {"model": model}) is layer and not re.search(r"\b_", code)
    assert find_layer_expression(model, model.named["a"][0].cell) == "model.named['a'][0].cell"


DAILY = {"mlp", "nested", "subclassed", "transformer", "bidirectional", "separably_convolved", "shared_layer"}
KINDS = [
    pytest.param(name, marks=[] if name in DAILY else pytest.mark.full)
    for name in MODELS
    if name != "activity_regularized"  # which has a penalty on a bias
]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_model_is_well_and_is_put_right(name):
    """As it is built it has no warning; given AdamW, and regularizers on built layers, the fixes leave none."""
    model = MODELS[name][0]()
    assert not sh.doctor(model).errors and not sh.doctor(model).warnings
    model.compile(keras.optimizers.AdamW(), "mse")
    kernels = {id(v) for v, yes in zip(model.trainable_variables, select(model).mask, strict=True) if yes}
    given = 0
    for layer in model._flatten_layers():
        for variable in layer._trainable_variables:
            if id(variable) in kernels and is_of_keras(layer):
                setattr(layer, find_regularizer_argument(layer, variable), L2(0.01))
                given += 1
    for code in ("regularizer-ignored", "bias-decayed", "coupled-and-decoupled"):
        for finding in sh.doctor(model).findings:
            if finding.code == code:
                exec(compile(finding.fix, code, "exec"), {"model": model, "keras": keras, "sh": sh})
    report = sh.doctor(model)
    assert not report.errors and not report.warnings, report
    assert sum(v.regularizer is not None for v in model.trainable_variables) == given > 0


@pytest.mark.full
def test_a_model_on_two_devices_is_looked_at():
    program = """
import keras, tensorflow as tf
from keras.regularizers import L2
cpu, device = tf.config.list_physical_devices("CPU")[0], tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [device] * 2)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, kernel_regularizer=L2(0.0123))])
    model.compile(keras.optimizers.AdamW(weight_decay=0.0456), "mse")
model.fit(tf.ones((16, 4)), tf.ones((16, 3)), batch_size=8, verbose=0)
import shrinkage as sh
print([finding.code for finding in sh.doctor(model, steps=100).warnings])
model.layers[0].kernel_regularizer.l2 = 0.7
print([finding.code for finding in sh.doctor(model).errors])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    warnings = "['bias-decayed', 'coupled-and-decoupled', 'strength-too-small']"
    assert done.stdout.splitlines()[-2:] == [warnings, "['strength-changed-after-tracing']"]


def test_a_report_says_what_was_not_looked_at():
    model = mlp()
    assert sh.doctor(model).not_seen == (
        "callbacks (not given)", "the number of steps (not given)", "training loops outside the model",
    )  # fmt: skip
    given = sh.doctor(model, callbacks=[], steps=100)
    assert str(given).endswith("\n\nNot looked at: training loops outside the model.")
    uncompiled = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    assert "the optimizer (the model is not compiled)" in sh.doctor(uncompiled).not_seen
