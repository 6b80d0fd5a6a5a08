"""Real data for the benchmarks: scikit-learn's small sets, and files as they are published, looked for by name."""

import gzip
import struct
import warnings
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import click
import numpy as np

folders_option = click.option(
    "--data", "folders", type=click.Path(exists=True, file_okay=False), multiple=True,
    envvar="SHRINKAGE_BENCHMARK_DATA",
    help="A folder with data sets, in it or below; give more than one if need be.",
)  # fmt: skip
"""The option of a benchmark for the folders of data sets that do not come with scikit-learn."""
FILES: dict[str, tuple[tuple[str, ...], ...]] = {
    "digits": (),
    "digit_rows": (),
    "adult": (("adult.parquet.brotli", "adult.parquet", "adult.csv"),),
    "fashion14": (("train-images-idx3-ubyte.gz",), ("train-labels-idx1-ubyte.gz",)),
    "fashion28": (("train-images-idx3-ubyte.gz",), ("train-labels-idx1-ubyte.gz",)),
    "movielens": (("MovieLens100k_data.parquet.brotli", "u.data"),),
    "breast_cancer": (),
    "diabetes": (),
    "wine": (),
    "california": (("california_housing.parquet.brotli", "california_housing.parquet"),),
    "flights": (("flights.csv.zip", "flights.csv"),),
    "power": (("minute_household_power.csv.xz", "household_power_consumption.txt"),),
    "letter": (("LetterRecognition.rda",),),
    "satellite": (("Satellite.rda",),),
    "dna": (("DNA.rda",),),
    "vowel": (("Vowel.rda",),),
    "ionosphere": (("Ionosphere.rda",),),
    "pima": (("PimaIndiansDiabetes.rda",),),
    "sonar": (("Sonar.rda",),),
    "vehicle": (("Vehicle.rda",),),
    "spambase": (("spam.rda",),),
}
"""The files that a set consists of, each under any of these names; `.rda` files are from R's mlbench and kernlab."""
Folders = tuple[str, ...]


def find_missing(name: str, folders: Folders) -> list[str]:
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
        raise FileNotFoundError(f"`folders` must hold {find_missing(name, folders)}. Received: {folders}.")
    x, y = _READERS[name](*paths)
    chosen = np.resize(np.arange(len(x)), len(x) if rows is None else rows)
    return x[chosen], y[chosen]


def draw(
    name: str, folders: Folders, train: int, test: int, seed: int, *, numbers: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs for training and test, and targets for training and test, of rows that are drawn at random.

    Args:
        name, folders: As for `load`.
        train: The number of rows for training.
        test: The number of rows for the test, at most those that are left.
        seed: Draws the rows.
        numbers: Whether the target is a number. It is then standardised by the training rows; else rows are stratified.
    """
    from sklearn.model_selection import train_test_split

    x, y = load(name, folders)
    chosen, other = train_test_split(
        np.arange(len(y)), train_size=train, test_size=min(test, len(y) - train), random_state=seed,
        stratify=None if numbers else y,
    )  # fmt: skip
    if numbers:
        y = ((y - y[chosen].mean()) / y[chosen].std()).astype("float32")
    if x.ndim == 2 and x.dtype.kind == "f":
        x = x[:, x[chosen].std(axis=0) > 0].astype("float32")  # a category that the rows lack has no scale
    return x[chosen], x[other], y[chosen], y[other]


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


def _of_sklearn(name: str) -> tuple[np.ndarray, np.ndarray]:
    from sklearn import datasets

    x, y = map(np.asarray, getattr(datasets, f"load_{name}")(return_X_y=True))
    return x.astype("float32"), y


def _california(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the districts' eight numbers (a categorical column is left out), and the value of their houses."""
    import pandas as pd

    frame = pd.read_parquet(path).dropna()
    target = frame.pop("MedHouseVal")
    return frame.select_dtypes("number").to_numpy("float32"), target.to_numpy("float32")


def _flights(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return what is known at departure, carriers and origins one-hot, and the delay at arrival in minutes."""
    import pandas as pd

    frame = pd.read_csv(path)
    columns = ["month", "day", "sched_dep_time", "dep_delay", "sched_arr_time", "distance", "carrier", "origin"]
    frame = frame[[*columns, "arr_delay"]].dropna()
    target = frame.pop("arr_delay")
    return pd.get_dummies(frame).to_numpy("float32"), target.to_numpy("float32")


def _power(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the power of 20 minutes and the time of day, (n, 22), and the power of the next minute, in kilowatts."""
    import pandas as pd

    separator = ";" if path.suffix == ".txt" else ","
    frame = pd.read_csv(path, sep=separator, na_values="?", usecols=["Time", "Global_active_power"])
    power = frame["Global_active_power"].to_numpy("float32")
    hour = pd.to_timedelta(frame["Time"].to_numpy()).total_seconds().to_numpy("float32")[20:] / 86_400
    past = np.lib.stride_tricks.sliding_window_view(power, 20)[:-1]
    angle = 2 * np.pi * hour[:, None]
    x, y = np.concatenate([past, np.sin(angle), np.cos(angle)], axis=1), power[20:]
    known = np.isfinite(x).all(axis=1) & np.isfinite(y)
    return x[known], y[known]


def _of_r(path: Path, target: str) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers, and factors one-hot unless their levels are 0 and 1, of a data frame of R; and the classes."""
    import pandas as pd
    import rdata  # pyright: ignore[reportMissingImports]  (for this benchmark alone: pip install rdata)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Unknown encoding")  # said for every string
        (frame,) = rdata.read_rda(path).values()
    classes = frame.pop(target).astype("category").cat.codes.to_numpy("int64")
    for column in frame.columns:
        if set(frame[column].astype(str)) <= {"0", "1"}:
            frame[column] = frame[column].astype(int)
    return pd.get_dummies(frame).to_numpy("float32"), classes


_READERS: dict[str, Callable[..., tuple[np.ndarray, np.ndarray]]] = {
    "digits": _digits,
    "digit_rows": _digit_rows,
    "adult": _adult,
    "fashion14": _fashion14,
    "fashion28": _fashion28,
    "movielens": _movielens,
    "breast_cancer": partial(_of_sklearn, "breast_cancer"),
    "diabetes": partial(_of_sklearn, "diabetes"),
    "wine": partial(_of_sklearn, "wine"),
    "california": _california,
    "flights": _flights,
    "power": _power,
    "letter": partial(_of_r, target="lettr"),
    "satellite": partial(_of_r, target="classes"),
    "dna": partial(_of_r, target="Class"),
    "vowel": partial(_of_r, target="Class"),
    "ionosphere": partial(_of_r, target="Class"),
    "pima": partial(_of_r, target="diabetes"),
    "sonar": partial(_of_r, target="Class"),
    "vehicle": partial(_of_r, target="Class"),
    "spambase": partial(_of_r, target="type"),
}
