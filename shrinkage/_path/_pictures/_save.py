"""The file of a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from shrinkage._messages._file_names import check_file_name, explain_write_errors

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_picture_file(file: Any) -> Any:
    """Return the file of a picture: a `Path`, a file object, or None. It is checked before anything is drawn.

    Raises:
        TypeError, ValueError: if it is another value, or if Matplotlib does not write files with the extension.
    """
    if file is None or hasattr(file, "write"):
        return file
    from matplotlib.backend_bases import FigureCanvasBase

    file = check_file_name("`file`", file, 'a file name, such as "path.png", or a file object')
    formats = FigureCanvasBase.get_supported_filetypes()
    if file.suffix and file.suffix[1:].lower() not in formats:
        raise ValueError(f"`file` must have the extension of a picture: {', '.join(formats)}. Received: '{file}'.")
    return file


def save_picture(figure: Figure, file: Any) -> None:
    """Write a figure to a file that `check_picture_file` returned; None writes nothing."""
    if isinstance(file, Path):
        with explain_write_errors("`file`", file):
            figure.savefig(file)
    elif file is not None:
        figure.savefig(file)
