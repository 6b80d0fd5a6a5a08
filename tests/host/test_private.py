"""What Keras or TensorFlow does not have is said in one sentence, and every accessor has a test here."""

import ast
import inspect
import re
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from keras import layers

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

ROOT = Path(__file__).parents[2]
MODULES = (
    _attention, _callers, _compiled, _graphs, _layers, _optimizers, _origin, _overrides, _private, _saving, _tensorflow,
    _tensors,
)  # fmt: skip


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
    with pytest.raises(NotImplementedError, match=rf"^shrinkage needs Bare\._\w+, which Keras {keras.__version__} "):
        call(Bare())


def test_the_sentence_names_the_versions_to_install():
    with pytest.raises(NotImplementedError) as error:
        _private.read(layers.Dense, "_gone")
    _, oldest, newest = _private.TESTED["keras"]
    assert str(error.value) == (
        f"shrinkage needs Dense._gone, which Keras {keras.__version__} does not have. Install a version that shrinkage "
        f'is tested with, "keras>={oldest},<={newest}", or a newer shrinkage.'
    )
    with pytest.raises(NotImplementedError, match=rf"Function\._gone, which TensorFlow {tf.__version__} does"):
        _private.read(tf.function(abs), "_gone")
    for module in ("keras.src.gone", "keras.src.backend"):
        with pytest.raises(NotImplementedError, match=rf"^shrinkage needs {module}\.gone, which Keras"):
            _private.load(module, "gone")


def test_what_is_there_is_returned_even_if_it_is_none():
    assert _private.read(keras.Sequential(), "_functional") is None
    assert _private.load("keras.src.backend", "Variable") is not None


@pytest.mark.parametrize(("file", "place"), [("constraints-oldest.txt", 1), ("constraints.txt", 2)])
def test_the_tested_versions_are_those_of_the_locks(file, place):
    locked = dict(re.findall(r"^(\w+)==(.+)$", (ROOT / file).read_text().replace("_cpu", ""), re.M))
    assert {name: locked[name] for name in _private.TESTED} == {n: v[place] for n, v in _private.TESTED.items()}


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
