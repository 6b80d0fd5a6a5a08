"""What Keras or TensorFlow does not have is said in one sentence, and every accessor has a test here."""

import ast
import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from keras import layers

import shrinkage as sh
from shrinkage._host import (
    _attention,
    _attributes,
    _callers,
    _compiled,
    _errors,
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
from tests.host.models import Bare

ROOT = Path(__file__).parents[2]
MODULES = (
    _attention, _attributes, _callers, _compiled, _errors, _graphs, _layers, _optimizers, _origin, _overrides,
    _private, _saving, _tensorflow, _tensors,
)  # fmt: skip


@pytest.mark.parametrize(
    "call",
    [
        _layers.list_sublayers, _layers.get_direct_trainable_variables, _layers.list_seed_generators,
        _layers.list_inbound_nodes, _layers.get_build_shapes,
        _layers.get_call_signature, _layers.get_kept_axes, _layers.get_reduced_axes, _layers.get_lambda_output_shape,
        lambda x: _layers.replace_lambdas(x, lambda function: function),
        _tensors.get_stored_dtype, _tensors.is_autocast, _graphs.list_nodes, _graphs.list_layers,
        lambda x: _graphs.run_through_graph(x, [], lambda operation: operation),
        _optimizers.get_rate, _optimizers.get_step_count, _optimizers.list_stepped_variables,
        _optimizers.get_gradient_sums,
        _optimizers.get_moving_averages, lambda x: _optimizers.get_slot(x, "momentums", None),
        lambda x: _optimizers.get_variable_key(x, None), lambda x: _optimizers.decays(x, None),
        lambda x: _optimizers.clip(x, []), lambda x: _optimizers.clip_by_norm(x, None, ()),
        lambda x: _optimizers.run_update_step(x, [], [], 0.1),
        _compiled.get_loss_arguments, _compiled.list_flat_losses, _compiled.list_flat_metrics,
        _compiled.get_compile_loss_weights,
        _compiled.get_compile_metrics, _attention.get_attention, _tensorflow.allow_tracing, _saving.get_unpickler,
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_one_sentence(call):
    with pytest.raises(
        _private.UnsupportedVersion, match=rf"^shrinkage needs Bare\._\w+, which Keras {keras.__version__} "
    ):
        call(Bare())


def test_the_sentence_names_the_versions_to_install():
    with pytest.raises(_private.UnsupportedVersion) as error:
        _private.get_private(layers.Dense, "_gone")
    _, oldest, newest = _private.TESTED_VERSIONS["keras"]
    assert str(error.value) == (
        f"shrinkage needs Dense._gone, which Keras {keras.__version__} does not have. Install a version that shrinkage "
        f'is tested with, "keras>={oldest},<={newest}", or a newer shrinkage.'
    )
    with pytest.raises(_private.UnsupportedVersion, match=rf"Function\._gone, which TensorFlow {tf.__version__} does"):
        _private.get_private(tf.function(abs), "_gone")
    for module in ("keras.src.gone", "keras.src.backend"):
        with pytest.raises(_private.UnsupportedVersion, match=rf"^shrinkage needs {module}\.gone, which Keras"):
            _private.load(module, "gone")


def test_an_attribute_that_no_method_sets_any_more_is_said(monkeypatch):
    optimizer, method = keras.optimizers.SGD(), keras.Optimizer.exclude_from_weight_decay
    assert _private.get_private_or_none(optimizer, "_exclude_from_weight_decay_pattern", setter=method) is None
    with pytest.raises(_private.UnsupportedVersion, match=rf"Optimizer\._gone, which Keras {keras.__version__} does"):
        _private.get_private_or_none(optimizer, "_gone", setter=method)
    monkeypatch.setattr(keras.metrics.MeanSquaredError, "__init__", method)
    with pytest.raises(_private.UnsupportedVersion, match=r"^shrinkage needs \w+\._direction"):
        _compiled.get_metric_direction(keras.metrics.Mean())
    monkeypatch.setattr(keras.Optimizer, "exclude_from_weight_decay", keras.metrics.Mean.__init__)
    with pytest.raises(_private.UnsupportedVersion, match=r"^shrinkage needs \w+\._exclude_from_weight_decay_pattern"):
        _optimizers.get_excluded_names(optimizer)


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
    monkeypatch.setattr(module, "get_private", _is_missing)
    with pytest.raises(_private.UnsupportedVersion, match=r"^shrinkage needs _\w+, which Keras does not have\.$"):
        sh.fit(model, rows, rows[:, :1], penalty=sh.L2(), epochs=1, init="fresh")


@pytest.mark.parametrize(
    "place", ["create_weights", "list_variable_shapes", "collect_custom_objects", "list_sublayers"]
)
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
    monkeypatch.setattr(_layers, "get_private", _is_missing)
    asked = {"fit": ["fit", "t.csv", "--target", "b", "--epochs", "1"], "doctor": ["doctor", "m.keras"]}[command]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 2
    assert re.search(r"^Error: shrinkage needs _\w+, which Keras does not have\.$", done.output, re.M), done.output
    assert "Traceback" not in done.output and "log" not in done.output


def test_what_is_there_is_returned_even_if_it_is_none():
    assert _private.get_private(keras.Sequential(), "_functional") is None
    assert _private.load("keras.src.backend", "Variable") is not None


@pytest.mark.parametrize(("file", "place"), [("constraints-oldest.txt", 1), ("constraints.txt", 2)])
def test_the_tested_versions_are_those_of_the_locks(file, place):
    locked = dict(re.findall(r"^(\w+)==(.+)$", (ROOT / file).read_text().replace("_cpu", ""), re.M))
    assert {name: locked[name] for name in _private.TESTED_VERSIONS} == {
        n: v[place] for n, v in _private.TESTED_VERSIONS.items()
    }


def test_every_accessor_has_a_test_here():
    """By name: a new one without a contract fails."""
    tests = [ast.parse(file.read_text()) for file in Path(__file__).parent.glob("test_*.py")]
    used = {node.attr for tree in tests for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
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
