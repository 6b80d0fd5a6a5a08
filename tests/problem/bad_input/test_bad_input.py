"""Bad input to `sh.fit`: one clear sentence before any training, and the caller's model as it was."""

import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest

import shrinkage as sh
from tests.problem.bad_input import of_compile, of_model, of_rows, of_strengths, of_x, of_y
from tests.problem.bad_input.good import LOSS, X, Y, model
from tests.problem.bad_input.of_model import trained
from tests.zoo.tables import mlp

SUBJECTS = (of_model, of_compile, of_x, of_y, of_rows, of_strengths)
CASES = {name: case for subject in SUBJECTS for name, case in subject.CASES.items()}


def loaded(tmp_path: Any) -> keras.Model:
    trained().save_weights(tmp_path / "some.weights.h5")
    made = mlp()
    made.load_weights(tmp_path / "some.weights.h5")
    made.compile("sgd", LOSS)
    return made


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch):
    def began(*args, **kwargs):
        raise AssertionError("training began")

    monkeypatch.setattr("shrinkage._fit._fit.Search", began)


def snapshot(made: Any) -> Any:
    if not isinstance(made, keras.Model):
        return made
    optimizer = getattr(made, "optimizer", None)
    steps = int(optimizer.iterations) if optimizer is not None else None
    nodes = [len(layer._inbound_nodes) for layer in made.layers]
    return steps, nodes, made.compiled, [np.array(variable).tolist() for variable in made.variables]


def call(made: Any, changes: dict[str, Any]) -> None:
    arguments = {"x": X, "y": Y, "penalty": sh.L2(), "epochs": 2} | changes
    sh.fit(made, arguments.pop("x"), arguments.pop("y"), **arguments)


def refused(made: Any, changes: dict[str, Any], error: type[Exception], message: str) -> None:
    before = snapshot(made)
    with pytest.raises(error, match=message):
        call(made, changes)
    assert snapshot(made) == before


def test_the_call_that_all_cases_change_is_good():
    with pytest.raises(AssertionError, match="training began"):
        call(model(), {})


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused(name):
    changes, error, message = CASES[name]
    changes = dict(changes)
    made = changes.pop("function") if "function" in changes else changes.pop("model", model)()
    refused(made, changes, error, message)


def test_loaded_weights_need_init(tmp_path):
    made = loaded(tmp_path)
    refused(
        made,
        {},
        ValueError,
        '`init` must be .*trained or loaded.*bias does not come from the initializer.*init="keep".*init="fresh"',
    )
    for init in ("keep", "fresh"):
        with pytest.raises(AssertionError, match="training began"):
            call(made, {"init": init})


def test_a_small_class_is_a_warning_before_training():
    y = np.array([0, 1] * 19 + [2, 2])
    with pytest.warns(UserWarning, match=r"Fewer rows than the 5 folds in class 2 \(2 rows\)") as caught:
        with pytest.raises(AssertionError, match="training began"):
            call(model(), {"y": y})
    said = [warning for warning in caught if warning.category is UserWarning]
    assert [warning.filename for warning in said] == [__file__], "it points to the caller's line"


def test_other_backends_are_refused():
    code = "import os; os.environ['KERAS_BACKEND'] = 'jax'; import shrinkage; shrinkage.fit"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1
    assert "RuntimeError: The backend of Keras must be TensorFlow for shrinkage. Received: 'jax'. Set" in run.stderr
