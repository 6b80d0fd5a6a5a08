"""Private parts of Keras and TensorFlow are touched in `_host` alone, and code in files is run in few places."""

import ast
import re
from collections.abc import Collection, Iterator

import keras
import pytest
import tensorflow as tf

from shrinkage._host._overrides import OVERRIDES
from tests.test_architecture import _LAST, FILES, PACKAGE, _id, _modules

HOST = PACKAGE / "_host"
PRIVATE = re.compile(r"_[a-z]\w*")
SELF = {"self", "cls"}


def _defined(tree: ast.AST) -> Iterator[str]:
    """The private names that a module defines: functions, classes, fields, and what its methods set on `self`."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
            yield node.attr


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in SELF


def _attributes(tree: ast.AST) -> Iterator[tuple[str, bool, bool]]:
    """Private attributes that a module names, and whether they are of `self`, or of `super()`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and PRIVATE.fullmatch(node.attr):
            yield node.attr, _is_self(node.value), ast.unparse(node.value) == "super()"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr", "setattr", "delattr"):
            name = ast.unparse(node.args[1]).strip("'")
            if PRIVATE.fullmatch(name):
                yield name, _is_self(node.args[0]), False


def _of_keras() -> set[str]:
    """Private names of things of Keras and TensorFlow that the package meets."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(tf.ones((1, 2)), tf.ones((1, 1)), verbose="0")
    things = [model, model.optimizer, model.weights[0], model.layers[0], model.outputs[0], tf.function(abs)]
    things += [keras.losses.Huber(), keras.metrics.Mean(), tf.data.Dataset.range(2).batch(2), tf.constant(1.0)]
    things += [layers.Normalization(), layers.MultiHeadAttention(1, 1), keras.Model(model.inputs, model.outputs)]
    return {name for thing in things for name in dir(thing) if PRIVATE.fullmatch(name)}


def _foreign(tree: ast.AST, own: Collection[str], of_keras: Collection[str]) -> list[str]:
    """What a module touches of the private parts of others."""
    found = [
        name
        for name, of_self, of_super in _attributes(tree)
        if not (of_super and name in OVERRIDES) and (name not in own or (name in of_keras and not of_self))
    ]
    found += [name for node in ast.walk(tree) for name in _modules(node) if re.match(INTERNAL, name)]
    strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    named = {"keras", "keras.", *of_keras} - ENDS - set(found)
    return found + [text for text in strings if re.match(INTERNAL, text) or text in named]


INTERNAL = r"keras\.src\b|tensorflow\.python\b"
ENDS = {"_kernel", "_regularizer", "_path"}  # of names of variables and arguments; and a module of the package
PYTHONS = {"_replace", "_fields", "_asdict"}  # of named tuples


def test_only_one_room_touches_the_private_parts_of_keras_and_tensorflow():
    """A new release of them is then looked at in `_host/` alone, where each has a reason and a contract test."""
    trees = {_id(file): ast.parse(file.read_text("utf-8")) for file in FILES if HOST not in file.parents}
    own = {name for tree in trees.values() for name in _defined(tree)} - set(OVERRIDES) | PYTHONS
    of_keras = _of_keras()
    found = {name: _foreign(tree, own, of_keras) for name, tree in trees.items()}
    assert {name: names for name, names in found.items() if names} == ALLOWED_STRINGS
    assert {"_flatten_layers", "_iterations", "_keras_mask"} & own == set()


# The name of the package where no thing of it is meant: whether it is imported, and in a configuration that it wrote.
ALLOWED_STRINGS = {
    "_plan/_fingerprint.py": ["keras", "keras"],
    "_plan/_runner.py": ["keras"],
}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("layer._flatten_layers()", ["_flatten_layers"]),
        ("self._var_key(v)", ["_var_key"]),
        ("super()._apply_weight_decay(v)", []),
        ("super()._use_weight_decay(v)", ["_use_weight_decay"]),
        ("getattr(x, '_keras_mask', None)", ["_keras_mask"]),
        ("change(x, '_layers', 1)", ["_layers"]),
        ("from keras.src.backend import rnn", ["keras.src.backend.rnn"]),
        ("kind.__module__.startswith('keras.')", ["keras."]),
        ("self._own; other._own", []),
        ("self._layers; model._layers", ["_layers"]),
    ],
)
def test_the_check_of_private_parts_can_fail(code, found):
    assert _foreign(ast.parse(code), {"_own", "_layers"}, {"_layers"}) == found


def _dictionaries(tree: ast.AST) -> Iterator[str]:
    """What a module takes the instance dictionary or the closure of, other than `self`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("__dict__", "__closure__"):
            thing: ast.AST = node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "vars" and node.args:
            thing = node.args[0]
        elif isinstance(node, ast.Constant) and node.value in ("__dict__", "__closure__"):
            thing = node
        else:
            continue
        if not _is_self(thing):
            yield ast.unparse(thing)


# Records of the package, which are dataclasses, an estimator, and functions of the package and of users.
RECORDS = {
    "_plan/_cluster/_parcel.py": {"function"},
    "_cohort/_train.py": {"models", "progress", "scores"},
    "_compare/_text.py": {"test.difference"},
    "_fit/_estimate.py": {"call"},
    "_estimators/_estimators.py": {"copy"},
    "_path/_diagnosis.py": {"found", "learned.fall"},
    "_path/_files.py": {"learned"},
    "_search/_search.py": {"Scores(**result).take(place)"},
    "cli/_compare.py": {"nested", "settings"},
    "cli/_fit.py": {"settings"},
    "cli/_resume.py": {"each"},
}


def test_only_one_room_looks_into_the_objects_of_keras_and_tensorflow():
    """An instance dictionary holds what Keras does not offer; a new one of a record of the package goes to the list."""
    trees = {_id(file): ast.parse(file.read_text("utf-8")) for file in FILES if HOST not in file.parents}
    found = {name: set(_dictionaries(tree)) for name, tree in trees.items()}
    assert {name: things for name, things in found.items() if things} == RECORDS


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("vars(layer)['call'] = f", ["layer"]),
        ("model.layers[0].__dict__", ["model.layers[0]"]),
        ("f.__closure__", ["f"]),
        ("getattr(f, '__closure__', ())", ["'__closure__'"]),
        ("vars(self); self.__dict__; vars()", []),
    ],
)
def test_the_check_of_instance_dictionaries_can_fail(code, found):
    assert list(_dictionaries(ast.parse(code))) == found


def _caught(tree: ast.AST) -> Iterator[tuple[int, list[str]]]:
    """The line of each handler of any exception, with what is raised again before it."""
    for node in ast.walk(tree):
        passed_on = list[str]()
        for handler in node.handlers if isinstance(node, ast.Try) else ():
            kind = "BaseException" if handler.type is None else ast.unparse(handler.type)
            if kind in ("Exception", "BaseException"):
                yield handler.lineno, passed_on
            if ast.unparse(handler.body[0]) == "raise":
                passed_on.append(kind)


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[-2:] not in _LAST], ids=_id)
def test_a_missing_private_part_is_never_taken_for_a_fault_of_the_users_code(file):
    found = list(_caught(ast.parse(file.read_text("utf-8"))))
    assert all("UnsupportedVersion" in passed_on for _, passed_on in found), found


# Keras runs code of a file with `safe_mode=False`: never code of a file that somebody else may have written.
RUN_CODE = {
    "_attach/_export.py": "reads the file of a model that it has just written, as plain Keras would",
    "_plan/_cluster/_parcel.py": "reads bytes of a model that the calling process sends to its workers",
    "_model/_clone.py": "reads the configuration that it has just made of a model in memory; no file is involved",
}


def _runs_code(tree: ast.AST) -> bool:
    """Whether a module gives `safe_mode` another value than True, or turns the safe mode off for the process."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "safe_mode" and ast.unparse(node.value) != "True":
            return True
        if isinstance(node, ast.Name | ast.Attribute) and "unsafe_deserialization" in ast.unparse(node):
            return True
    return False


def test_code_in_a_file_is_run_only_where_this_package_made_the_file():
    assert {_id(file) for file in FILES if _runs_code(ast.parse(file.read_text("utf-8")))} == set(RUN_CODE)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("load_model(file, safe_mode=False)", True),
        ("load_model(file, safe_mode=mode)", True),
        ("keras.config.enable_unsafe_deserialization()", True),
        ("load_model(file, safe_mode=True)", False),
        ("say('load_model(file, safe_mode=False)')", False),
    ],
)
def test_the_check_of_code_in_files_can_fail(code, found):
    assert _runs_code(ast.parse(code)) == found
