"""`sh.fit` without training: the command line's own work is what its tests are about."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd


class FakePath:
    """The part of `Path` that the command line uses, around a model that was not trained."""

    def __init__(self, model: Any, y: np.ndarray, standardize_target: bool) -> None:
        self._model = model
        self.lams, self.mean = np.array([1e-1, 1e-2, 0.0]), np.array([0.5, 0.25, 1.0])
        self.index_min, self.index_1se, self.lam_min, self.lam_1se = 1, 0, 1e-2, 1e-1
        self.null_loss, self.null_se, self.null_metrics, self.epochs = 4.0, float("nan"), {}, np.array([3, 2, 1])
        self.target_mean = float(y.mean()) if standardize_target else 0.0
        self.target_sd = float(y.std()) if standardize_target else 1.0
        self.template, self.notes, self.seconds = SimpleNamespace(loss_name=model.loss), ("a note",), 0.1

    def model(self, lam: str = "min") -> Any:
        return self._model

    def table(self) -> pd.DataFrame:
        return pd.DataFrame({"lam": self.lams, "loss": self.mean})

    def verdict(self) -> str:
        return "a verdict"

    def plot(self, file: Any) -> None:
        file.write_bytes(b"picture")

    def save(self, folder: Any, *, overwrite: bool) -> None:
        (folder / "path.json").write_text(json.dumps({"format": "shrinkage path"}))

    def __str__(self) -> str:
        return "the table"


class FakeFit:
    """Stands in for `sh.fit` and keeps what it was called with."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error, self.calls = error, []

    def __call__(self, model: Any, x: np.ndarray, y: np.ndarray, **options: Any) -> FakePath:
        self.calls.append(SimpleNamespace(model=model, x=x, y=y, **options))
        if self.error:
            raise self.error
        return FakePath(model, y, options.get("standardize_target", False))
