"""The losses of a run for TensorBoard, written while it trains.

Each strength is a run of TensorBoard, with its curves over the epochs. The run `search` has the best strength so far,
and the run `path` the curve over the strengths.
"""

import contextlib
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shrinkage._messages._file_names import check_file_name
from shrinkage._messages._note import Note, warn_caller


def make_log_folder(tensorboard: Any) -> Path:
    """Make a folder for a run, named by the time, in the folder of the argument `tensorboard`.

    A run that goes on writes to another folder than before: TensorBoard cannot go back in a file.

    Raises:
        TypeError, ValueError: If it is no folder, or cannot be written.
    """
    folder = check_file_name("$tensorboard", tensorboard, 'a folder, such as "logs"').absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        name = time.strftime("%Y%m%d-%H%M%S")
        for end in ("", *(f"-{number}" for number in range(2, 1000))):  # of runs in the same second
            with contextlib.suppress(FileExistsError):
                (folder / f"{name}{end}").mkdir()
                return folder / f"{name}{end}"
    except OSError as error:
        text = f"must be a folder that can be written. Received: '{folder}' ({error.strerror})."
        raise ValueError(Note(f"$tensorboard {text} Give another folder.")) from error
    text = f"must be a folder with room for a run. Received: '{folder}'."
    raise ValueError(Note(f"$tensorboard {text} Give another folder."))


class TensorBoard:
    """Writes scalars to a folder. A failed write ends the writing, not the run.

    Args:
        folder: The folder, which exists.
    """

    def __init__(self, folder: Path):
        import tensorflow as tf

        self._tf, self._folder, self._writers = tf, folder, dict[str, Any]()
        self._lams = dict[str, float]()
        self.notes: list[str] = []
        """A sentence for the user if a write failed."""
        kind = tf.compat.v1.SummaryMetadata  # `tf.summary.scalar` needs the package tensorboard, and this does not
        self._metadata = kind(plugin_data=kind.PluginData(plugin_name="scalars"), data_class=_DATA_CLASS_SCALAR)

    def get_run_name(self, lam: float) -> str:
        """Return the name of the run of a strength."""
        name = f"lambda={lam:.4g}"
        return name if self._lams.setdefault(name, lam) == lam else f"lambda={lam!r}"

    def write(self, run: str, step: int, scalars: Mapping[str, float]) -> None:
        """Write scalars at a step of a run; those that are not finite are left out."""
        finite = {name: value for name, value in scalars.items() if math.isfinite(value)}
        if self.notes or not finite:
            return
        try:
            if run not in self._writers:
                create = self._tf.summary.create_file_writer
                self._writers[run] = create(str(self._folder / run), flush_millis=_FLUSH_MILLISECONDS)
            with self._writers[run].as_default():
                for name, value in finite.items():
                    tensor = self._tf.constant(value, self._tf.float32)
                    self._tf.summary.write(name, tensor, step=step, metadata=self._metadata)
        except (OSError, self._tf.errors.OpError) as error:
            self._fail(error)

    def close(self) -> None:
        """Close the files."""
        try:
            for writer in self._writers.values():
                writer.close()
        except (OSError, self._tf.errors.OpError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self.notes:
            reason = str(error).partition("\n")[0]
            text = f"The files for TensorBoard in '{self._folder}' cannot be written ({reason}). The run goes on."
            self.notes.append(text)
            warn_caller(text)


_DATA_CLASS_SCALAR = 1
"""Of TensorFlow's summary.proto."""
_FLUSH_MILLISECONDS = 5000
