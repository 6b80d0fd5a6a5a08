"""TensorFlow's start-up notes never reach the user; its errors, and a log level the user has set, do."""

import os
import subprocess
import sys

import pytest

from shrinkage._host import _quiet
from tests.daily import full

FIRST_USE = "import shrinkage as sh; print(float(sh.L2().value(2.0, 1.0)))"


def _python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND")}
    return subprocess.run(
        [sys.executable, "-c", code], env=inherited | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "code",
    [
        full(FIRST_USE),
        full("import shrinkage, keras; print(float(keras.ops.sum([2.0])))"),
        "import shrinkage._path._curve, keras; print(float(keras.ops.sum([2.0])))",  # as unpickling does
    ],
    ids=["shrinkage alone", "Keras after shrinkage", "a module of shrinkage"],
)
def test_first_use_of_tensorflow_prints_nothing(code: str):
    result = _python(code, PYTHONWARNINGS="ignore::FutureWarning")  # importing Keras 3.13 gives one
    assert (result.stdout, result.stderr, result.returncode) == ("2.0\n", "", 0)


@pytest.mark.parametrize("level", ["0", full("1"), full("3")])
def test_a_log_level_the_user_has_set_is_kept_and_only_0_shows_everything(level: str):
    result = _python(FIRST_USE + "; import os; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])", TF_CPP_MIN_LOG_LEVEL=level)
    assert result.stdout == f"2.0\n{level}\n"
    if level != "0":
        assert "absl" not in result.stderr and "oneDNN" not in result.stderr


def test_another_backend_is_refused_at_first_use_and_not_at_import():
    result = _python("import shrinkage as sh; print('imported'); sh.L2", KERAS_BACKEND="jax")
    assert result.stdout == "imported\n"
    assert "RuntimeError: The backend of Keras must be TensorFlow for shrinkage. Received: 'jax'." in result.stderr
    assert "KERAS_BACKEND=tensorflow" in result.stderr


def test_missing_tensorflow_says_what_to_install():
    result = _python("import sys; sys.modules['tensorflow'] = None; import shrinkage as sh; sh.L2")
    assert "ImportError: shrinkage needs TensorFlow, which is not installed: pip install" in result.stderr


def test_only_known_notes_are_dropped(capfd: pytest.CaptureFixture[str]):
    lines = [
        b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
        b"I0000 00:00:1.0 1 port.cc:153] oneDNN custom operations are on. You may see\n",
        b"E0000 00:00:1.0 1 cuda.cc:1] failed call to cuInit\n",
    ]
    with _quiet._hold_back_notes():
        os.write(2, b"".join(lines))
        print("from Python", file=sys.stderr)
    assert set(capfd.readouterr().err.splitlines()) == {lines[2].decode().strip(), "from Python"}
