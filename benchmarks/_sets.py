"""Real data for the engine's benchmark: scikit-learn's digits, and files as they are published, looked for by name."""

import gzip
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

FILES: dict[str, tuple[tuple[str, ...], ...]] = {
    "digits": (),
    "digit_rows": (),
    "adult": (("adult.parquet.brotli", "adult.parquet", "adult.csv"),),
    "fashion14": (("train-images-idx3-ubyte.gz",), ("train-labels-idx1-ubyte.gz",)),
    "fashion28": (("train-images-idx3-ubyte.gz",), ("train-labels-idx1-ubyte.gz",)),
    "movielens": (("MovieLens100k_data.parquet.brotli", "u.data"),),
}
"""The files that a set consists of, each under any of these names."""
Folders = tuple[str, ...]


def missing(name: str, folders: Folders) -> list[str]:
    """Return the files of a set, by their first name, that are not in the folders or below."""
    return [names[0] for names in FILES[name] if _find(names, folders) is None]


def load(name: str, folders: Folders, rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (n, ...) and targets (n,) of a set.

    Args:
        name: One of `FILES`.
        folders: Where its files are.
        rows: The first so many; more than there are repeat them. None is all.
    """
    paths = [path for names in FILES[name] if (path := _find(names, folders)) is not None]
    if len(paths) < len(FILES[name]):
        raise FileNotFoundError(f"`folders` must hold {missing(name, folders)}. Received: {folders}.")
    x, y = _READERS[name](*paths)
    chosen = np.resize(np.arange(len(x)), len(x) if rows is None else rows)
    return x[chosen], y[chosen]


@cache
def _find(names: Sequence[str], folders: Folders) -> Path | None:
    found = (path for folder in folders for name in names for path in Path(folder).rglob(name))
    return next(found, None)


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Return images of 16 grey levels scaled to [0, 1], (n, 64)."""
    from sklearn.datasets import load_digits

    x, y = map(np.asarray, load_digits(return_X_y=True))
    return (x / 16).astype("float32"), y


def _digit_rows() -> tuple[np.ndarray, np.ndarray]:
    """Return the digits as sequences of their rows, (n, 8, 8)."""
    x, y = _digits()
    return x.reshape(-1, 8, 8), y


def _adult(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers standardised and categories one-hot, (n, about 100); the last column is the target."""
    import pandas as pd

    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    target = frame.pop(frame.columns[-1]).astype(str).str.contains(">50K")
    numbers = frame.select_dtypes("number")
    standardized = (numbers - numbers.mean()) / numbers.std()
    categories = pd.get_dummies(frame.drop(columns=numbers.columns).astype(str))
    x = np.concatenate([standardized.to_numpy("float32"), categories.to_numpy("float32")], axis=1)
    return x, target.to_numpy().astype("float32")


def _fashion28(images: Path, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images scaled to [0, 1], (60000, 28, 28, 1)."""
    return (_idx(images) / np.float32(255))[..., None], _idx(labels).astype("int64")


def _fashion14(images: Path, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return means of 2 x 2 pixels, (60000, 14, 14, 1)."""
    x, y = _fashion28(images, labels)
    return x.reshape(-1, 14, 2, 14, 2, 1).mean(axis=(2, 4)), y


def _idx(path: Path) -> np.ndarray:
    """Return the array in a file of the format that MNIST came in."""
    raw = gzip.decompress(path.read_bytes())
    shape = struct.unpack(f">{raw[3]}I", raw[4 : 4 + 4 * raw[3]])
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def _movielens(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return (user, item) as numbers of one table, users first, (n, 2), and the ratings."""
    import pandas as pd

    frame = pd.read_csv(path, sep="\t", header=None) if path.suffix == ".data" else pd.read_parquet(path)
    user, item, rating = (frame.iloc[:, i].to_numpy() for i in range(3))
    return np.stack([user - 1, item + user.max() - 1], axis=1).astype("int32"), rating.astype("float32")


_READERS = {
    "digits": _digits,
    "digit_rows": _digit_rows,
    "adult": _adult,
    "fashion14": _fashion14,
    "fashion28": _fashion28,
    "movielens": _movielens,
}
