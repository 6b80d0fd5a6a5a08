"""Import Keras on TensorFlow without the start-up messages of TensorFlow, and detect that a user has imported it.

TensorFlow reads `TF_CPP_MIN_LOG_LEVEL` once, at import. Two messages are written earlier (oneDNN is on; absl is not
initialised yet), and no setting disables them. They are filtered at the file descriptor.
"""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_NOTE = re.compile(rb"WARNING: All log messages before absl::InitializeLog|I\d{4} .*oneDNN custom operations are on")


def require_tensorflow() -> None:
    """Import TensorFlow and Keras quietly, and check that Keras runs on TensorFlow.

    A log level set by the user is kept. At level 0 all messages are shown.

    Raises:
        RuntimeError: If the backend of Keras is not TensorFlow.
        ImportError: If TensorFlow is not installed.

    Example:
        >>> require_tensorflow()
    """
    if "keras" not in sys.modules:
        _check_backend(os.environ.get("KERAS_BACKEND") or "tensorflow")
        _import_tensorflow()
    import keras

    _check_backend(keras.config.backend())


def _check_backend(backend: str) -> None:
    if backend != "tensorflow":
        raise RuntimeError(
            f"The backend of Keras must be TensorFlow for shrinkage. Received: {backend!r}. Set the environment "
            "variable KERAS_BACKEND=tensorflow (or the backend in ~/.keras/keras.json) before Python starts."
        )


def _import_tensorflow() -> None:
    try:
        with _quiet_log():
            import tensorflow  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        raise ImportError("shrinkage needs TensorFlow, which is not installed: pip install 'shrinkage[cpu]'") from error


def _quiet_log() -> contextlib.AbstractContextManager[None]:
    level = os.environ.setdefault(_LOG_LEVEL, "2")  # errors only
    return contextlib.nullcontext() if level == "0" else _hold_back_notes()


@contextlib.contextmanager
def _hold_back_notes() -> Iterator[None]:
    """Capture writes to file descriptor 2, and write all lines but the known messages at the end."""
    try:
        stderr = os.dup(2)
    except OSError:  # no stderr, as under pythonw: nothing to keep clean
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            os.write(2, b"".join(line for line in held if not _NOTE.match(line)))


def call_after_keras_import(callback: Callable[[], object]) -> None:
    """Call a function if Keras is on TensorFlow: now if it is imported already, else at the end of its import.

    Where this package itself imports Keras, the function is not called: its modules may not be complete then.
    """
    if "keras" in sys.modules:
        _call_on_tensorflow(callback)
    else:
        sys.meta_path.insert(0, _KerasFinder(callback))


def _call_on_tensorflow(callback: Callable[[], object]) -> None:
    if sys.modules["keras"].config.backend() == "tensorflow":
        callback()


class _KerasFinder:
    """Finds Keras as it is found without this, and knows when it has been imported."""

    def __init__(self, callback: Callable[[], object]):
        self._callback, self._is_searching = callback, False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "keras" or self._is_searching:
            return None
        self._is_searching = True
        try:
            spec: Any = find_spec(name)
        finally:
            self._is_searching = False
        if spec is not None:
            execute = spec.loader.exec_module
            spec.loader.exec_module = lambda module: self._execute(module, execute)
        return spec

    def _execute(self, module: Any, execute: Callable[[Any], None]) -> None:
        sys.meta_path.remove(self)  # pyright: ignore[reportArgumentType]
        with _quiet_log():
            execute(module)
        if not _is_called_by_this_package():
            _call_on_tensorflow(self._callback)


def _is_called_by_this_package() -> bool:
    frame: Any = sys._getframe()
    names = []
    while frame is not None:
        names.append(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    return any(name.startswith("shrinkage.") and name != __name__ for name in names) or "shrinkage" in names
