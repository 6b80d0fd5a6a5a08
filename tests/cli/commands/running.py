"""The commands, run in a folder of their own, and `sh.fit` without training."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from click.testing import CliRunner, Result

from shrinkage._host._quiet import require_tensorflow
from shrinkage._note import Note
from shrinkage.cli import main

require_tensorflow()


N = 60


@dataclass
class FakePath:
    """The part of `Path` that the command line uses, around a model that was not trained."""

    network: Any
    target_mean: float
    target_sd: float
    predictions: Any

    def __post_init__(self) -> None:
        self.failed = np.array([False, False, False])
        self.lams, self.mean = np.array([1e-1, 1e-2, 0.0]), np.array([0.5, 0.25, 1.0])
        self.index_min, self.index_1se, self.lam_min, self.lam_1se = 1, 0, 1e-2, 1e-1
        self.null_loss, self.null_se, self.null_metrics, self.epochs = 4.0, float("nan"), {}, np.array([3, 2, 1])
        self.template, self.notes, self.seconds = (
            SimpleNamespace(loss_name=self.network.loss),
            (Note("a note: raise $epochs"),),
            0.1,
        )

    def model(self, lam: str = "min") -> Any:
        return self.network

    def table(self) -> pd.DataFrame:
        return pd.DataFrame({"lam": self.lams, "loss": self.mean})

    def verdict(self) -> str:
        return Note("a verdict: $extend_lams upwards")

    def plot(self, file: Any) -> None:
        file.write_bytes(b"picture")

    def save(self, folder: Any, *, overwrite: bool) -> None:
        (folder / "path.json").write_text(json.dumps({"format": "shrinkage path"}))


class FakeFit:
    """Stands in for `sh.fit` and keeps what it was called with."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error, self.calls = error, []

    def __call__(self, model: Any, x: np.ndarray, y: np.ndarray, **options: Any) -> FakePath:
        self.calls.append(SimpleNamespace(model=model, x=x, y=y, **options))
        if self.error:
            raise self.error
        mean, sd = (float(y.mean()), float(y.std())) if options.get("standardize_target") else (0.0, 1.0)
        return FakePath(model, mean, sd, y[None])


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def houses(**changes) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    size = rng.normal(100, 20, N).round(1)
    frame = pd.DataFrame(
        {
            "size": size,
            "garden": rng.random(N) < 0.5,
            "town": rng.choice(["Ulm", "Bonn"], N),
            "kind": ["flat", "house", "villa"] * (N // 3),
            "price": (3 * size + rng.normal(size=N)).round(2),
        }
    )
    frame.loc[:5, "size"] = np.nan
    return frame.assign(**changes)


def write(name: str = "houses.csv", **changes) -> Path:
    houses(**changes).to_csv(name, index=False)
    return Path(name)
