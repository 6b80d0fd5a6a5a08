"""Trees of arrays in a file of safetensors.

The file contains no code, and its reader checks the sizes of the arrays before it allocates memory.
"""

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

_STRUCTURE = "structure"


def write_tree(file: Path, tree: Any) -> None:
    """Write a tree of dictionaries, lists, tuples, arrays, and plain values such as numbers and text.

    Args:
        file: The file, which is replaced.
        tree: The tree. The keys of its dictionaries are text.

    Raises:
        OSError: If the file cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    structure = json.dumps(_flatten(tree, arrays))
    try:
        save_file(arrays, file, metadata={_STRUCTURE: structure})
    except SafetensorError as error:  # of a full disk, too
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number)) from error


def read_tree(file: Path) -> Any:
    """Read a tree that `write_tree` wrote.

    Raises:
        ValueError, OSError: If the file is damaged or cannot be read.
    """
    try:
        with safe_open(file, framework="numpy") as opened:
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            return _pack(json.loads(opened.metadata()[_STRUCTURE]), arrays)
    except (SafetensorError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"'{file}' is damaged: {error}") from error


def count_tree_bytes(tree: Any) -> int:
    """Return the size of the arrays of a tree in bytes."""
    arrays: dict[str, np.ndarray] = {}
    _flatten(tree, arrays)
    return sum(array.nbytes for array in arrays.values())


def _flatten(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return the structure of a tree for JSON, and add the arrays to `arrays`."""
    if isinstance(tree, dict):
        return {"dict": {key: _flatten(value, arrays) for key, value in tree.items()}}
    if isinstance(tree, (list, tuple)):
        return {"list" if isinstance(tree, list) else "tuple": [_flatten(value, arrays) for value in tree]}
    if isinstance(tree, (np.ndarray, np.generic)):
        name = str(len(arrays))
        array = np.asarray(tree, order="C")
        if np.iscomplexobj(array):  # safetensors has no complex numbers
            arrays[name] = np.stack([array.real, array.imag])
            return {"complex": name}
        arrays[name] = array
        return {"array": name}
    return {"value": tree}


def _pack(structure: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    ((kind, content),) = structure.items()
    if kind == "dict":
        return {key: _pack(value, arrays) for key, value in content.items()}
    if kind in ("list", "tuple"):
        values = [_pack(value, arrays) for value in content]
        return values if kind == "list" else tuple(values)
    if kind == "complex":
        real, imaginary = arrays[content]
        return real + 1j * imaginary
    return arrays[content] if kind == "array" else content
