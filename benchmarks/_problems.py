"""Problems whose truth is known: rows for training and a large fresh sample, generated or from large real sets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks import _sets

FRESH = 5000
"""At most so many rows of the fresh sample."""
SIZES, REAL_SIZES = (100, 250, 600, 1500), (150, 500, 1500)
REAL = {"california": True, "flights": True, "power": True, "adult": False, "digits": False, "fashion14": False}
"""Real sets, and whether their target is a number."""


class Rows(NamedTuple):
    """Inputs and targets for training, and of the fresh sample. Numbers have mean 0 and variance 1 in training."""

    x: np.ndarray
    y: np.ndarray
    x_fresh: np.ndarray
    y_fresh: np.ndarray


@dataclass(frozen=True)
class Problem:
    """A generator or a real set, with the number of training rows, the noise, and the draw."""

    name: str
    n: int
    noise: float
    draw: int
    folders: _sets.Folders = ()

    @property
    def key(self) -> str:
        """A name of the problem that can be the name of a folder."""
        return f"{self.name}-{self.n}-{self.noise:g}-{self.draw}"

    @property
    def is_regression(self) -> bool:
        """Whether the target is a number."""
        return REAL[self.name] if self.name in REAL else self.name in _REGRESSIONS

    @property
    def epochs(self) -> int:
        """60, and 20 in every third draw."""
        return 20 if self.draw % 3 == 2 else 60

    def rows(self, times: int = 1) -> Rows:
        """Return the rows, with `times` as many for training, which are another draw with other fresh rows."""
        if self.name in REAL:
            x, x_fresh, y, y_fresh = _sets.draw(
                self.name, self.folders, self.n * times, FRESH, self.draw, numbers=self.is_regression
            )
            kept = x.std(axis=0) > 0
            return Rows(*map(_flat, (x[:, kept], y, x_fresh[:, kept], y_fresh)))
        make = _REGRESSIONS.get(self.name) or _CLASSES[self.name]
        n, seed = self.n * times, 1000 * self.draw + self.n
        x, y = make(n + FRESH, self.noise, seed)
        if self.is_regression:
            y = (y - y[:n].mean()) / y[:n].std()
        return Rows(*map(_flat, (x[:n], y[:n], x[n:], y[n:])))


def problems(draws: range, folders: _sets.Folders) -> list[Problem]:
    """Return all problems, few rows first; problems of equal shape are neighbours, whose compiled steps are kept."""
    cells = [(name, n, noise) for name, levels in _LEVELS.items() for n in SIZES for noise in levels]
    cells += [(name, n, 0.0) for name in REAL if not _sets.find_missing(name, folders) for n in REAL_SIZES]
    return [
        Problem(name, n, noise, draw, folders)
        for name, n, noise in sorted(cells, key=lambda cell: cell[1] > 1000)
        for draw in draws
    ]


def _flat(values: np.ndarray) -> np.ndarray:
    values = values.reshape(len(values), -1) if values.ndim > 2 else values
    return values.astype("float32") if values.dtype.kind == "f" else values.astype("int64")


# --- generators: functions of rows, noise and seed


def _friedman(number: int, inputs: int | None = None) -> Callable[[int, float, int], Any]:
    def make(n: int, noise: float, seed: int) -> Any:
        from sklearn import datasets

        more = {} if inputs is None else {"n_features": inputs}
        x, y = getattr(datasets, f"make_friedman{number}")(n, random_state=seed, **more)
        rng = np.random.default_rng(seed)
        return (x - x.mean(axis=0)) / x.std(axis=0), y / y.std() + noise * rng.normal(size=n)

    return make


def _sparse_linear(n: int, noise: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 30))
    return x, x[:, :5] @ [1.0, -1.0, 0.5, -0.5, 0.25] / 1.6 + noise * rng.normal(size=n)


def _noise_number(n: int, noise: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 10)), noise * rng.normal(size=n)


def _classification(n: int, noise: float, seed: int) -> Any:
    from sklearn.datasets import make_classification

    return make_classification(
        n, 20, n_informative=6, n_redundant=4, n_classes=3, flip_y=noise, class_sep=1.0, random_state=seed
    )


def _moons(n: int, noise: float, seed: int) -> Any:
    from sklearn.datasets import make_moons

    return make_moons(n, noise=noise, random_state=seed)


def _xor(n: int, noise: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 8))
    return x, ((x[:, 0] * x[:, 1] > 0) ^ (rng.random(n) < noise)).astype(int)


def _noise_class(n: int, _noise: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 10)), rng.integers(0, 2, size=n)


_REGRESSIONS = {
    "friedman1": _friedman(1, 10), "friedman2": _friedman(2), "friedman3": _friedman(3),
    "sparse_linear": _sparse_linear, "noise_number": _noise_number,
}  # fmt: skip
_CLASSES = {"classification": _classification, "moons": _moons, "xor": _xor, "noise_class": _noise_class}
_LEVELS = {
    "friedman1": (0.1, 1.0), "friedman2": (0.1, 1.0), "friedman3": (0.1, 1.0), "sparse_linear": (0.3, 1.0),
    "noise_number": (1.0,), "classification": (0.0, 0.3), "moons": (0.1, 0.4), "xor": (0.0, 0.2), "noise_class": (1.0,),
}  # fmt: skip
"""Levels of noise: a share of the standard deviation of the target, or a share of labels that are drawn at random."""
