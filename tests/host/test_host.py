"""What `shrinkage/_host/` reads of Keras and TensorFlow is there, and is what a public route says it is."""

import ast
import inspect
import io
import pickle
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from keras import layers, ops

import shrinkage as sh
from shrinkage._attach._hooked import HookedModel, HookedOptimizer
from shrinkage._host import (
    _attention,
    _callers,
    _compiled,
    _graphs,
    _layers,
    _optimizers,
    _origin,
    _overrides,
    _private,
    _saving,
    _tensorflow,
    _tensors,
)
from shrinkage._model import _clone
from shrinkage.cli import main

ROOT = Path(__file__).parents[2]
MODULES = (
    _attention, _callers, _compiled, _graphs, _layers, _optimizers, _origin, _overrides, _private, _saving, _tensorflow,
    _tensors,
)  # fmt: skip


def values(*tensors):
    return [ops.convert_to_numpy(tensor) for tensor in tensors]


class Block(layers.Layer):
    """A layer with layers in a list and in another layer, and a frozen weight."""

    def __init__(self):
        super().__init__()
        self.parts = [layers.Dense(2), layers.Bidirectional(layers.LSTM(2))]

    def build(self, shape):
        self.own = self.add_weight(shape=(1,), name="own")
        self.constant = self.add_weight(shape=(1,), name="constant", trainable=False)
        self.parts[0].build(shape)
        self.parts[1].build((*shape[:-1], 2))

    def call(self, x):
        return self.parts[1](self.parts[0](x)) * self.own


@pytest.fixture(scope="module")
def block():
    block = Block()
    block(np.ones((1, 3, 4), "float32"))
    return block


def functional():
    """A graph whose nodes are not in the order of their making, with a bare operation and a model inside."""
    one, two = keras.Input((3,), name="one"), keras.Input((4,), name="two")
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    return keras.Model([two, one], layers.Dense(1)(ops.relu(inner(two) + one)))


# --- the sentence


class Bare:
    """Something of a Keras that has none of it."""

    use_ema, gradient_accumulation_steps = True, 2


@pytest.mark.parametrize(
    "call",
    [
        _layers.sublayers, _layers.own_trainable, _layers.seed_generators, _layers.inbound_nodes, _layers.build_shapes,
        _layers.call_signature, _layers.kept_axes, _layers.reduced_axes, _layers.lambda_output_shape,
        _tensors.stored_dtype, _tensors.is_autocast, _graphs.nodes_of, _graphs.layers_given,
        lambda x: _graphs.run_through_graph(x, [], lambda operation: operation),
        _optimizers.rate_of, _optimizers.step_count, _optimizers.stepped_variables, _optimizers.gradient_sums,
        _optimizers.moving_averages, lambda x: _optimizers.slot(x, "momentums", None),
        lambda x: _optimizers.variable_key(x, None), lambda x: _optimizers.decays(x, None),
        lambda x: _optimizers.clip(x, []), lambda x: _optimizers.clip_by_norm(x, None, ()),
        lambda x: _optimizers.update(x, [], [], 0.1),
        _compiled.loss_arguments, _compiled.flat_losses, _compiled.flat_metrics, _compiled.given_loss_weights,
        _compiled.given_metrics, _attention.attention_of, _tensorflow.allow_tracing, _saving.unpickler,
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_one_sentence(call):
    with pytest.raises(
        _private.UnsupportedVersion, match=rf"^shrinkage needs Bare\._\w+, which Keras {keras.__version__} "
    ):
        call(Bare())


def test_the_sentence_names_the_versions_to_install():
    with pytest.raises(_private.UnsupportedVersion) as error:
        _private.read(layers.Dense, "_gone")
    _, oldest, newest = _private.TESTED["keras"]
    assert str(error.value) == (
        f"shrinkage needs Dense._gone, which Keras {keras.__version__} does not have. Install a version that shrinkage "
        f'is tested with, "keras>={oldest},<={newest}", or a newer shrinkage.'
    )
    with pytest.raises(_private.UnsupportedVersion, match=rf"Function\._gone, which TensorFlow {tf.__version__} does"):
        _private.read(tf.function(abs), "_gone")
    for module in ("keras.src.gone", "keras.src.backend"):
        with pytest.raises(_private.UnsupportedVersion, match=rf"^shrinkage needs {module}\.gone, which Keras"):
            _private.load(module, "gone")


def _is_missing(thing, name):
    raise _private.UnsupportedVersion(f"shrinkage needs {name}, which Keras does not have.")


class Own(keras.Model):
    """Whose call is code of the user's."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x)


@pytest.mark.parametrize("module", [_layers, _compiled, _optimizers])
@pytest.mark.parametrize("kind", ["sequential", "own"])
def test_what_is_missing_is_said_as_it_is_wherever_it_is_needed_first(module, kind, monkeypatch):
    rows = np.ones((8, 2))
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)]) if kind == "sequential" else Own()
    model(rows)
    model.compile("sgd", "mse", metrics=["mae"])
    monkeypatch.setattr(module, "read", _is_missing)
    with pytest.raises(_private.UnsupportedVersion, match=r"^shrinkage needs _\w+, which Keras does not have\.$"):
        sh.fit(model, rows, rows[:, :1], penalty=sh.L2(), epochs=1, init="fresh")


@pytest.mark.parametrize("place", ["create_weights", "shapes_of", "own_code", "sublayers"])
def test_what_a_copy_of_a_model_misses_is_no_fault_of_the_model(place, monkeypatch):
    model = type("Mine", (keras.Sequential,), {})([keras.Input((2,)), layers.Dense(1)])
    monkeypatch.setattr(_clone, place, lambda *parts: _is_missing(parts[0], f"_{place}"))
    with pytest.raises(_private.UnsupportedVersion, match="^shrinkage needs"):
        _clone.clone(model)


@pytest.mark.parametrize("command", ["fit", "doctor"])
def test_what_is_missing_is_a_sentence_in_the_shell(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("a,b\n" + "".join(f"{i * i % 11}.25,{i * i % 7}.5\n" for i in range(40)))
    keras.Sequential([keras.Input((2,)), layers.Dense(1)]).save("m.keras")
    monkeypatch.setattr(_layers, "read", _is_missing)
    asked = {"fit": ["fit", "t.csv", "--target", "b", "--epochs", "1"], "doctor": ["doctor", "m.keras"]}[command]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 2
    assert re.search(r"^Error: shrinkage needs _\w+, which Keras does not have\.$", done.stderr, re.M), done.stderr
    assert "Traceback" not in done.output and "log" not in done.stderr


def test_what_is_there_is_returned_even_if_it_is_none():
    assert _private.read(keras.Sequential(), "_functional") is None
    assert _private.load("keras.src.backend", "Variable") is not None


@pytest.mark.parametrize(("file", "place"), [("constraints-oldest.txt", 1), ("constraints.txt", 2)])
def test_the_tested_versions_are_those_of_the_locks(file, place):
    locked = dict(re.findall(r"^(\w+)==(.+)$", (ROOT / file).read_text().replace("_cpu", ""), re.M))
    assert {name: locked[name] for name in _private.TESTED} == {n: v[place] for n, v in _private.TESTED.items()}


def test_every_accessor_has_a_test_here():
    """By name: a new one without a contract fails."""
    used = {node.attr for node in ast.walk(ast.parse(Path(__file__).read_text())) if isinstance(node, ast.Attribute)}
    for module in MODULES:
        tree = ast.parse(inspect.getsource(module))
        defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        for node in tree.body:
            if isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                defined |= {target.id for target in targets if isinstance(target, ast.Name)}
        assert {name for name in defined if not name.startswith("_")} <= used, module.__name__
    files = {path.stem for path in Path(_private.__file__).parent.glob("_*.py")} - {"__init__", "_quiet", "_random"}
    assert files == {module.__name__.rpartition(".")[2] for module in MODULES}


# --- layers


def test_sublayers_are_all_and_once(block):
    lstm = block.parts[1]
    expected = [block, *block.parts, lstm.forward_layer, lstm.backward_layer]
    expected += [lstm.forward_layer.cell, lstm.backward_layer.cell]
    found = _layers.sublayers(block)
    assert sorted(map(id, found)) == sorted(map(id, expected)) and found[0] is block
    assert _layers.sublayers(block, itself=False) == found[1:]
    model = functional()
    assert set(model.layers) < set(_layers.sublayers(model))  # as those of the model inside are in no public list
    assert [w for layer in _layers.sublayers(block) for w in _layers.own_trainable(layer)] != []
    assert {w.path for w in block.trainable_weights} == {
        w.path for layer in _layers.sublayers(block) for w in _layers.own_trainable(layer)
    }


def test_held_attributes_are_without_keras_records(block):
    held = dict(_layers.held_attributes(block))
    assert {"parts", "own", "constant"} <= set(held) < set(vars(block))
    lists = [name for name, value in held.items() if isinstance(value, list) and id(block.parts[0]) in map(id, value)]
    assert lists == ["parts"]  # so a path to a layer is the one that the class wrote


def test_own_trainable_are_those_of_the_layer_alone_also_frozen():
    block = Block()
    block(np.ones((1, 3, 4), "float32"))
    assert [w.name for w in _layers.own_trainable(block)] == ["own"] and len(block.trainable_weights) > 1
    block.trainable = False
    assert [w.name for w in _layers.own_trainable(block)] == ["own"] and not block.trainable_weights


def test_seed_generators_are_those_that_the_layer_draws_from():
    layer = layers.Dropout(0.5)
    (generator,) = _layers.seed_generators(layer)
    before = values(generator.state)[0].copy()
    layer(np.ones((2, 3), "float32"), training=True)
    assert generator.state is layer.variables[0] and not np.array_equal(values(generator.state)[0], before)


def test_inbound_nodes_are_the_calls_with_what_they_are_given():
    layer, x = layers.Dense(3), keras.Input((3,))
    keras.Model(x, layer(y := layer(x)))
    assert [node.input_tensors for node in _layers.inbound_nodes(layer)] == [[x], [y]]


def test_build_shapes_are_those_of_the_build():
    layer = layers.Dense(2)
    assert _layers.build_shapes(layer) == {}
    layer.build((None, 3))
    assert list(_layers.build_shapes(layer).values()) == [layer.get_build_config()["input_shape"]] == [(None, 3)]


def test_the_call_signature_is_that_of_call():
    for layer in (layers.Dense(1), layers.MultiHeadAttention(1, 1), layers.LSTM(1)):
        assert _layers.call_signature(layer) == inspect.signature(layer.call)


@pytest.mark.parametrize(("axis", "kept"), [(-1, (3,)), (None, ()), ((1, 3), (1, 3))])
def test_the_axes_of_normalization_are_those_of_its_moments(axis, kept):
    x = np.random.default_rng(0).normal(size=(5, 2, 3, 4)).astype("float32")
    layer = layers.Normalization(axis=axis)
    layer.adapt(x)
    assert tuple(a % 4 for a in _layers.kept_axes(layer)) == kept
    assert tuple(sorted({0, 1, 2, 3} - set(kept))) == _layers.reduced_axes(layer)
    mean = x.mean(axis=_layers.reduced_axes(layer))
    np.testing.assert_allclose(mean, np.squeeze(layer.mean), rtol=1e-4, atol=1e-6)  # sums in float32


def test_the_output_shape_of_a_lambda_is_as_given():
    def shape(given):
        return given

    assert _layers.lambda_output_shape(layers.Lambda(ops.relu, output_shape=shape)) is shape
    assert _layers.lambda_output_shape(layers.Lambda(ops.relu)) is None


def test_the_loop_over_time_is_that_of_the_layers():
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    layer = layers.SimpleRNN(4, return_sequences=True)
    y = layer(x)
    last, outputs, states = _layers.rnn(
        lambda x, states: layer.cell(x, states),
        ops.transpose(x, (1, 0, 2)),
        [ops.zeros((2, 4))],
        go_backwards=False,
        mask=None,
        unroll=True,
        input_length=5,
        time_major=True,
        zero_output_for_mask=False,
        return_all_outputs=True,
    )
    np.testing.assert_allclose(ops.transpose(outputs, (1, 0, 2)), y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last, y[:, -1], rtol=1e-5, atol=1e-6)
    assert len(states) == 1


# --- variables and tensors


def test_the_stored_precision_is_not_that_of_an_autocast_scope():
    layer = layers.Dense(2, dtype="mixed_bfloat16")
    layer.build((None, 3))
    count = keras.Variable(0, dtype="int32", trainable=False)
    plain = keras.Variable(0.0, autocast=False)
    assert [_tensors.is_autocast(v) for v in (layer.kernel, count, plain)] == [True, False, False]
    seen = []

    class Look(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(1,))

        def call(self, x):
            seen.append((self.w.dtype, _tensors.stored_dtype(self.w)))
            return x

    Look(dtype="mixed_bfloat16")(np.ones((1, 1)))
    assert seen[-1] == ("bfloat16", "float32")


def test_masks_are_where_layers_look_for_them():
    masked = layers.Masking()(np.array([[[1.0], [0.0]]], "float32"))
    assert values(_tensors.mask_of(masked))[0].tolist() == [[True, False]]
    x = ops.ones((1, 2, 1))
    assert _tensors.mask_of(x) is None
    _tensors.set_mask(x, None)
    assert _tensors.mask_of(x) is None
    _tensors.set_mask(x, ops.convert_to_tensor([[True, False]]))
    assert layers.GlobalAveragePooling1D()(x * 1.0).shape == (1, 1)
    rnn = layers.SimpleRNN(1, kernel_initializer="ones", recurrent_initializer="ones", activation=None)
    assert values(rnn(x))[0].item() == 1.0 and values(rnn(ops.ones((1, 2, 1))))[0].item() == 2.0


def test_logits_are_what_the_crossentropy_uses():
    logits = ops.convert_to_tensor([[50.0, 0.0]])
    y = keras.activations.softmax(logits)
    np.testing.assert_array_equal(_tensors.logits_of(y), logits)
    probabilities = ops.convert_to_tensor(values(y)[0])
    assert _tensors.logits_of(probabilities) is None
    target, loss = np.array([[0.0, 1.0]], "float32"), keras.losses.categorical_crossentropy
    clipped = float(loss(target, probabilities)[0])
    _tensors.set_logits(probabilities, None)
    assert float(loss(target, probabilities)[0]) == clipped < 20
    _tensors.set_logits(probabilities, logits)
    assert float(loss(target, probabilities)[0]) == pytest.approx(50, rel=1e-5)


# --- graphs


def test_functional_is_the_class_of_a_model_of_inputs_and_outputs():
    assert type(functional()) is _graphs.Functional and issubclass(_graphs.Functional, keras.Function)


def test_every_kind_of_model_has_its_graph_or_none():
    class Net(keras.Model):
        def call(self, x):
            return x

    model, sequential = functional(), keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    assert _graphs.graph_of(model) is model
    graph = _graphs.graph_of(sequential)
    assert isinstance(graph, keras.Function) and graph.inputs == sequential.inputs and graph is not sequential
    function = keras.Function(x := keras.Input((3,)), ops.relu(x))
    assert _graphs.graph_of(function) is function
    for without in (Net(), keras.Sequential([layers.Dense(1)]), layers.Dense(1), ops.relu):
        assert _graphs.graph_of(without) is None


def test_nodes_come_after_what_they_are_given():
    graph, made = functional(), set()
    nodes = _graphs.nodes_of(graph)
    for node in nodes:
        assert {id(tensor) for tensor in node.input_tensors} <= made
        made |= {id(tensor) for tensor in node.outputs}
    assert {id(tensor) for tensor in graph.outputs} <= made and len(nodes) == 6
    assert {id(node.operation) for node in nodes} == {id(operation) for operation in graph.operations}


def test_a_walk_calls_every_operation_and_returns_what_the_model_does():
    model, called = functional(), []
    x = [np.ones((2, 4), "float32"), -np.ones((2, 3), "float32")]

    def call_of(operation):
        called.append(operation)
        return operation

    y = _graphs.run_through_graph(model, [ops.convert_to_tensor(part) for part in x], call_of)
    np.testing.assert_array_equal(y, model(x))
    rest = [operation for operation in model.operations if not isinstance(operation, layers.InputLayer)]
    assert len(called) == len(rest) == 4 and all(one in called for one in rest)


def test_the_layers_given_to_a_sequential_model_make_another():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    given = _graphs.layers_given(model)
    assert given[1:] == model.layers and isinstance(given[0], layers.InputLayer)
    assert keras.Sequential(given).built and not keras.Sequential(model.layers[:0]).built


def test_operations_are_known_by_their_class():
    x = keras.Input((3, 2))
    kinds = [_graphs.operation_kind(y._keras_history.operation) for y in (x + x, ops.reshape(x, (-1, 6)), x[:, 0])]
    assert kinds == ["Add", "Reshape", "GetItem"] and _graphs.operation_kind(layers.Add()) is None


# --- optimizers


def stepped(optimizer, steps=1, gradient=(3.0, 4.0)):
    """Return a variable after some steps."""
    variable = keras.Variable(np.ones(2, "float32"))
    optimizer.build([variable])
    for _ in range(steps):
        optimizer.apply([ops.convert_to_tensor(np.array(gradient, "float32"))])
    return variable


def test_the_rate_is_as_it_was_given():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    assert _optimizers.rate_of(keras.optimizers.SGD(schedule)) is schedule
    optimizer = keras.optimizers.SGD(0.25)
    assert float(_optimizers.rate_of(optimizer)) == 0.25
    optimizer.learning_rate = 0.5
    assert float(_optimizers.rate_of(optimizer)) == 0.5


def test_steps_are_counted_also_those_that_accumulate():
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=3)
    variable = stepped(optimizer, steps=4)
    assert int(_optimizers.step_count(optimizer)) == 4 and int(optimizer.iterations) == 1
    assert any(_optimizers.step_count(optimizer) is each for each in optimizer.variables)
    assert _optimizers.stepped_variables(optimizer) == [variable]
    (total,) = _optimizers.gradient_sums(optimizer)
    np.testing.assert_allclose(total, [3, 4])  # of the one since the last step
    assert _optimizers.gradient_sums(keras.optimizers.SGD()) == []


@pytest.mark.parametrize(
    ("optimizer", "names"),
    [
        (keras.optimizers.Adam(amsgrad=True), ("momentums", "velocities", "velocity_hats")),
        (keras.optimizers.AdamW(), ("velocities",)),
        (keras.optimizers.Nadam(), ("velocities",)),
        (keras.optimizers.RMSprop(centered=True), ("velocities", "average_gradients")),
        (keras.optimizers.Adagrad(initial_accumulator_value=0.0), ("accumulators",)),
        (keras.optimizers.Adamax(), ("u",)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_slots_are_averages_of_the_gradients(optimizer, names):
    """One step from nothing: each is a power of the gradient times a factor, and one of the optimizer's variables."""
    variable = stepped(optimizer)
    for name in names:
        slot = _optimizers.slot(optimizer, name, variable)
        assert _optimizers.slots(optimizer, name)[0] is slot and any(slot is each for each in optimizer.variables)
        power = 1 if name in ("momentums", "average_gradients", "u") else 2
        small, large = values(slot)[0]
        assert 0 < small and large / small == pytest.approx((4 / 3) ** power, rel=1e-5)


def test_slots_go_by_variable():
    one, two = keras.Variable([1.0]), keras.Variable([1.0])
    optimizer = keras.optimizers.Adam()
    optimizer.build([one, two])
    optimizer.apply([ops.convert_to_tensor([1.0]), ops.convert_to_tensor([2.0])])
    first, second = (float(_optimizers.slot(optimizer, "velocities", v)[0]) for v in (one, two))
    assert second / first == pytest.approx(4, rel=1e-5)


def test_moving_averages_are_what_the_weights_become_in_the_end():
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    variable = stepped(optimizer, steps=3)
    (average,) = _optimizers.moving_averages(optimizer)
    expected = values(average)[0].copy()
    assert not np.allclose(values(variable)[0], expected)
    optimizer.finalize_variable_values([variable])
    np.testing.assert_array_equal(variable, expected)
    assert _optimizers.moving_averages(keras.optimizers.SGD()) == []


def test_variables_of_keras_and_tensorflow_have_one_key():
    optimizer, one, two = keras.optimizers.SGD(), keras.Variable(1.0), keras.Variable(1.0)
    keys = [_optimizers.variable_key(optimizer, each) for each in (one, one.value, two)]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"clipnorm": 1.0}, [0.6, 0.8]),
        ({"global_clipnorm": 1.0}, [0.6, 0.8]),
        ({"clipvalue": 3.5}, [3, 3.5]),
        ({}, [3, 4]),
    ],
)
def test_gradients_are_clipped_as_in_a_step(options, expected):
    optimizer = keras.optimizers.SGD(1.0, **options)
    (clipped,) = _optimizers.clip(optimizer, [ops.convert_to_tensor([3.0, 4.0])])
    np.testing.assert_allclose(clipped, expected, rtol=1e-6)
    np.testing.assert_allclose(clipped, 1 - values(stepped(optimizer))[0], rtol=1e-6)


def test_gradients_are_clipped_along_axes():
    optimizer = keras.optimizers.SGD(clipnorm=1.0)
    clipped = _optimizers.clip_by_norm(optimizer, ops.convert_to_tensor([[3.0, 4.0], [0.3, 0.4]]), (1,))
    np.testing.assert_allclose(clipped, [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)


def test_an_update_is_the_step_without_what_is_around_it():
    optimizer, variable = keras.optimizers.SGD(0.1, clipvalue=1.0, weight_decay=0.5), keras.Variable([1.0])
    optimizer.build([variable])
    _optimizers.update(optimizer, [ops.convert_to_tensor([2.0])], [variable], 0.25)
    np.testing.assert_allclose(variable, [0.5])
    assert int(optimizer.iterations) == 0


def test_decay_is_on_what_is_not_excluded():
    kernel, bias, optimizer = keras.Variable([1.0], name="kernel"), keras.Variable([1.0], name="bias"), None
    for arguments in ({"var_names": ["bias", "gamma"]}, {"var_list": [bias]}):
        optimizer = keras.optimizers.SGD(0.5, weight_decay=0.5)
        assert _optimizers.excluded_names(optimizer) is None
        optimizer.exclude_from_weight_decay(**arguments)
        pattern = _optimizers.excluded_names(optimizer)
        assert (pattern and set(pattern.pattern.split("|"))) == (set(arguments.get("var_names", ())) or None)
        optimizer.build([kernel, bias])
        before = [float(v[0]) for v in (kernel, bias)]
        optimizer.apply([ops.zeros(1), ops.zeros(1)])
        shrunk = [float(v[0]) < old for v, old in zip((kernel, bias), before, strict=True)]
        assert [_optimizers.decays(optimizer, v) for v in (kernel, bias)] == shrunk == [True, False]


def test_what_muon_leaves_to_adam_has_adams_decay():
    kernel, bias = keras.Variable(np.ones((2, 2), "float32")), keras.Variable(np.ones(2, "float32"))
    optimizer = keras.optimizers.Muon(1.0, weight_decay=0.5, adam_weight_decay=0.25)
    assert [_optimizers.steps_by_adam(optimizer, v) for v in (kernel, bias)] == [False, True]
    assert not _optimizers.steps_by_adam(keras.optimizers.Adam(), kernel)
    # Their momentum is of Adam's kind, which remembers squares, for the bias alone.
    optimizer.build([kernel, bias])
    shapes = [tuple(v.shape) for v in optimizer.variables]
    assert shapes.count((2,)) > shapes.count((2, 2)) > 0


def test_a_stateless_optimizer_steps_inside_a_scope_alone():
    """As in a plain step, with all that Adam remembers; nothing outside the scope changes."""
    gradient, plain = ops.convert_to_tensor([2.0]), keras.Variable([1.0])
    expected = keras.optimizers.Adam(0.1)
    expected.build([plain])
    expected.apply([gradient])
    optimizer, variable = keras.optimizers.Adam(0.1), keras.Variable([1.0])
    optimizer.__class__ = type("Adam", (_optimizers.Stateless, keras.optimizers.Adam), {})
    optimizer.build([variable])
    (before,) = values(_optimizers.slot(optimizer, "velocities", variable))
    with keras.StatelessScope() as scope:
        _optimizers.update(optimizer, [gradient], [variable], 0.1)
        new = scope.get_current_value(variable)
        velocity = scope.get_current_value(_optimizers.slot(optimizer, "velocities", variable))
    np.testing.assert_allclose(new, plain, rtol=1e-6)
    np.testing.assert_allclose(velocity, _optimizers.slot(expected, "velocities", plain), rtol=1e-6)
    assert values(variable)[0] == 1 and values(_optimizers.slot(optimizer, "velocities", variable))[0] == before == 0


# --- overrides


def test_the_list_of_overrides_is_of_what_keras_has():
    model, optimizer = keras.Model, keras.optimizers.Adam
    pairs = ((HookedModel, model), (HookedOptimizer, optimizer), (_optimizers.Stateless, optimizer))
    found = set()
    for mixin, base in pairs:
        private = {name for name in vars(mixin) if re.match("_[a-z]", name) and hasattr(base, name)}
        assert private <= set(_overrides.OVERRIDES)
        for name in private:
            mine, theirs = (list(inspect.signature(getattr(kind, name)).parameters) for kind in (mixin, base))
            assert len(mine) == len(theirs), name
        found |= private
        _overrides.check_overrides(mixin, base)
        with pytest.raises(_private.UnsupportedVersion, match=r"^shrinkage needs Bare\._"):
            _overrides.check_overrides(mixin, Bare)
    assert found == set(_overrides.OVERRIDES)


def test_keras_calls_what_is_overridden():
    """In a training step, by these names, gradients before they are clipped; and of the model after an epoch."""
    seen = []

    class Optimizer(keras.optimizers.SGD):
        def _backend_apply_gradients(self, grads, trainable_variables):
            seen.append(("apply", float(grads[0][0, 0])))
            super()._backend_apply_gradients(grads, trainable_variables)

        def _apply_weight_decay(self, variables):
            seen.append(("decay", len(variables)))
            super()._apply_weight_decay(variables)

        def _backend_update_step(self, grads, trainable_variables, learning_rate):
            seen.append(("update", float(grads[0][0, 0])))
            super()._backend_update_step(grads, trainable_variables, learning_rate)

        def _distributed_tf_update_step(self, distribution, grads_and_vars, learning_rate):
            seen.append(("step", len(grads_and_vars)))
            super()._distributed_tf_update_step(distribution, grads_and_vars, learning_rate)

        def _var_key(self, variable):
            seen.append(("key", 1))
            return super()._var_key(variable)

    class Net(keras.Sequential):
        def _get_metrics_result_or_logs(self, logs):
            seen.append(("result", len(logs)))
            return super()._get_metrics_result_or_logs(logs)

        def _flatten_metrics_in_order(self, logs):
            seen.append(("list", len(logs)))
            return super()._flatten_metrics_in_order(logs)

    model = Net([keras.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(Optimizer(0.1, clipvalue=0.5, weight_decay=0.1), "mse", run_eagerly=True)
    x = np.ones((1, 1), "float32")
    model.fit(x, -x, verbose=0)
    order = [name for name, _ in seen if name != "key"]
    assert order == ["apply", "decay", "update", "step", "result"] and ("key", 1) in seen
    assert dict(seen)["apply"] == 4.0 and dict(seen)["update"] == 0.5
    seen.clear()
    model.evaluate(x, x, verbose=0)
    model.train_on_batch(x, x)
    assert [name for name, _ in seen if name in ("result", "list")] == ["result", "list", "list"]


# --- what `compile` makes


def test_losses_are_those_of_the_outputs():
    x = keras.Input((2,))
    model = keras.Model(x, {"a": layers.Dense(1, name="a")(x), "b": layers.Dense(1, name="b")(x)})
    loss, loss_weights = {"a": "mse", "b": keras.losses.Huber()}, {"a": 1.0, "b": 0.5}
    assert _compiled.given_loss_weights(model) is None
    model.compile("sgd", loss, loss_weights=loss_weights)
    assert _compiled.given_loss_weights(model) == loss_weights
    y = {name: np.ones((3, 1), "float32") for name in "ab"}
    compiled = _compiled.CompileLoss(loss, loss_weights, output_names=["a", "b"])
    compiled.build(y, y)
    assert {path: weight for (path,), _, weight in _compiled.flat_losses(compiled)} == loss_weights
    found = {path: each for (path,), each, _ in _compiled.flat_losses(compiled)}
    assert found["b"] is loss["b"] and type(found["a"]) is _compiled.LossFunctionWrapper
    assert _compiled.flat_losses(_compiled.CompileLoss("mse")) == []  # before it is built


def test_a_name_becomes_a_wrapped_function():
    ones = np.ones((2, 1), "float32")
    loss = _compiled.get_loss("mse", ones, ones)
    assert type(loss) is _compiled.LossFunctionWrapper and issubclass(keras.losses.Huber, type(loss))
    assert loss.fn is keras.losses.mean_squared_error and _compiled.loss_arguments(loss) == {}
    assert _compiled.loss_arguments(keras.losses.Huber(delta=2.0)) == {"delta": 2.0}
    assert float(loss(ones, 3 * ones)) == 4.0


def test_metrics_are_as_given_and_go_by_output():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    assert _compiled.given_metrics(model) == (None, None)
    mae, mse = keras.metrics.MeanAbsoluteError(), keras.metrics.MeanSquaredError()
    model.compile("sgd", "mse", metrics=[mae], weighted_metrics=[mse])
    assert _compiled.given_metrics(model) == ([mae], [mse])
    metrics = _compiled.CompileMetrics([["mae"], []], None, output_names=["a", "b"])
    metrics.update_state([np.ones((2, 1))] * 2, [np.zeros((2, 1))] * 2)
    (first, weighted), (second, _) = _compiled.flat_metrics(metrics)
    assert [each.name for each in first] == ["mae"] and weighted == second == []


# --- attention


def attention_layers():
    multi = layers.MultiHeadAttention(2, 3, value_dim=4)
    group = layers.GroupQueryAttention(3, 4, 2)
    gated = (
        layers.GroupQueryAttention(3, 4, 2, use_gate=True)
        if "use_gate" in str(inspect.signature(layers.GroupQueryAttention))
        else None
    )  # from Keras 3.14 on
    return [each for each in (multi, group, gated) if each is not None]


@pytest.mark.parametrize("layer", attention_layers(), ids=lambda layer: f"{layer.name}")
@pytest.mark.parametrize("causal", [False, True])
def test_the_parts_of_attention_make_the_whole(layer, causal):
    rng = np.random.default_rng(0)
    query, value = (ops.convert_to_tensor(rng.normal(size=(2, 5, 6)).astype("float32")) for _ in range(2))
    expected, weights = layer(query, value, return_attention_scores=True, use_causal_mask=causal)
    parts = _attention.attention_of(layer)
    assert isinstance(parts, _attention.Attention) and parts.grouped == isinstance(layer, layers.GroupQueryAttention)
    q, k, v = parts.query(query), parts.key(value), parts.value(value)
    if parts.grouped:
        k, v = (ops.repeat(t, layer.num_repeats, axis=2) for t in (k, v))
    mask = parts.mask(q, v, None, None, None, None, causal)
    assert (mask is not None) == causal
    y, found = parts.attend(q, k, v, mask, True)
    np.testing.assert_allclose(found, weights, rtol=1e-5, atol=1e-6)
    scores = ops.einsum("btnd,bund->bntu", q * ops.cast(parts.scale, q.dtype), k)
    np.testing.assert_allclose(parts.softmax(scores, mask), weights, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ops.einsum(parts.combine, weights, v), y, rtol=1e-5, atol=1e-6)
    gate = 1.0 if parts.gate is None else parts.gate(query)
    assert (parts.gate is not None) == getattr(layer, "use_gate", False)
    np.testing.assert_allclose(parts.output(y * gate), expected, rtol=1e-5, atol=1e-6)
    assert isinstance(parts.dropout, layers.Dropout)


@pytest.mark.parametrize("layer", attention_layers()[:2], ids=lambda layer: f"{layer.name}")
def test_attention_is_saved_with_the_regularizer_of_its_projections(layer):
    setattr(layer, _attention.regularizer_attribute(layer), keras.regularizers.L2(0.5))
    copy = type(layer).from_config(layer.get_config())
    copy(np.ones((1, 2, 3), "float32"), np.ones((1, 2, 3), "float32"))
    assert [w.regularizer.l2 for w in copy.weights if w.name == "kernel"] == [0.5] * 4


# --- TensorFlow


def test_a_function_tells_what_it_was_traced_to():
    function = tf.function(lambda x: x + 2.0)
    assert _tensorflow.concrete_functions(function) == [] and _tensorflow.concrete_functions(abs) is None
    for value in (1.0, [1.0]):
        function(tf.constant(value))
    concrete = _tensorflow.concrete_functions(function)
    assert concrete is not None and len(concrete) == 2
    assert all("Const" in str(one.graph.as_graph_def()) for one in concrete)
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((1, 1)), np.ones((1, 1)), verbose=0)
    held = [cell.cell_contents for cell in model.train_function.__closure__ or ()]  # where Keras keeps its own
    assert any(_tensorflow.concrete_functions(each) for each in [model.train_function, *held])


def test_a_function_that_is_traced_often_warns_unless_allowed(caplog):
    def warnings_of(allow):
        caplog.clear()
        for size in range(1, 9):
            function = tf.function(lambda x: x, autograph=False)
            if allow:
                _tensorflow.allow_tracing(function)
            function(tf.ones(size))
        return [record for record in caplog.records if "retracing" in record.message]

    tf.get_logger().propagate, before = True, tf.get_logger().propagate
    try:
        assert not warnings_of(True) and warnings_of(False)
    finally:
        tf.get_logger().propagate = before


@pytest.mark.parametrize("nested", [False, True])
def test_a_traced_step_tells_what_it_assigns(nested):
    one, other, third = (keras.Variable(np.ones(2)) for _ in range(3))
    found = []

    def step(x):
        graph = _tensorflow.traced_graph()
        _tensorflow.when_traced(graph, lambda: found.append((graph, _tensorflow.written(graph, [one, other, third]))))
        one.assign(other + x)
        before = len(graph.get_operations())
        third.assign_add(x)
        late = _tensorflow.written(graph, [one, other, third], since=before)
        assert nested or (len(late) == 1 and late[0] is third)
        assert not found

    inner = tf.function(step, jit_compile=True)
    function = tf.function(lambda x: inner(x)) if nested else inner
    assert _tensorflow.traced_graph() is None
    function(tf.ones(2))
    ((graph, written),) = found
    assert graph is function.get_concrete_function(tf.ones(2)).graph
    assert len(written) == 2 and written[0] is one and written[1] is third
    np.testing.assert_array_equal(one.numpy(), [2.0, 2.0])


def test_a_dataset_tells_what_it_was_made_from():
    rows = tf.data.Dataset.from_tensor_slices(np.arange(4))
    batches = rows.batch(2)
    assert _tensorflow.dataset_before(batches.map(lambda x: x)) is batches
    assert _tensorflow.dataset_before(batches) is rows and _tensorflow.dataset_before(rows) is None


# --- saving, and code


def test_the_unpickler_reads_what_reduce_writes():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    function, (file,) = model.__reduce__()
    assert function == _saving.unpickler(keras.Sequential)
    copy = _saving.unpickler(keras.Model)(io.BytesIO(file.getvalue()))
    np.testing.assert_array_equal(copy.get_weights()[0], model.get_weights()[0])
    assert _saving.unpickler(keras.optimizers.Adam)
    assert type(pickle.loads(pickle.dumps(model))) is keras.Sequential


def test_the_modules_that_ask_for_a_configuration(tmp_path):
    asked = []

    class Net(keras.Sequential):
        def get_config(self):
            asked.append(_callers.caller())
            return super().get_config()

    model = Net([keras.Input((3,)), layers.Dense(1)])
    model.save(tmp_path / "model.keras")
    assert asked == [_callers.WRITE[0]]
    asked.clear()
    model.save(tmp_path / "model.h5")
    assert set(asked) <= {_callers.WRITES_OLD_FORMAT, _callers.WRITE[1]} and asked[0] == _callers.WRITES_OLD_FORMAT
    asked.clear()
    keras.models.clone_model(model)
    assert set(asked) <= {_callers.CLONES}


def test_warnings_point_to_who_called_keras():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    sh.attach(model, sh.L2(), lam=0.1)
    with pytest.warns(UserWarning, match="without its penalty") as found:
        keras.models.clone_model(model)
    assert {each.filename for each in found} == {__file__}
    for call in (lambda: _callers.say("It is so."), lambda: _callers.say_cloned(model)):
        with pytest.warns(UserWarning) as found:
            call()
        assert found[0].filename == __file__


def test_what_is_from_keras():
    class Dense(layers.Dense):
        pass

    assert all(map(_origin.is_from_keras, (layers.Dense, keras.activations.relu, keras.losses.Huber)))
    assert not any(map(_origin.is_from_keras, (Dense, test_what_is_from_keras, dict, None, np.add)))
