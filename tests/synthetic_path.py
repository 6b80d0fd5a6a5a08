"""A path as `sh.fit` would return it, made without training: losses follow given curves over the strengths."""

import json
from pathlib import Path as File
from typing import Any

import numpy as np

from shrinkage._cv._choice import choose_epochs
from shrinkage._cv._folds import Folds
from shrinkage._cv._row_sets import RowSets
from shrinkage._path._curve import Status
from shrinkage._path._learning_curve import LearningCurve
from shrinkage._path._path import Path
from shrinkage._penalties import L2, Coupled
from shrinkage._weights._selection import Selection, Weight

LAMS = np.append(10.0 ** np.arange(0, -5, -0.25), 0.0)


class StubTemplate:
    """The interface of `Template`, whose models are just their weights."""

    def __init__(self, name="sequential", loss_name="sparse_categorical_crossentropy", has_schedule=False):
        self.name, self.loss_name, self.metric_names = name, loss_name, ("accuracy",)
        self.has_schedule, self.from_logits, self.trained_places = has_schedule, False, [0, 1]

    def make_model(self, weights):
        return [np.array(weight) for weight in weights]

    def save(self, file):
        File(file).write_text(json.dumps([self.name, self.loss_name, self.has_schedule]))

    @classmethod
    def load(cls, file, name=None, without_regularizers=False):
        saved_name, *rest = json.loads(File(file).read_text())
        return cls(name or saved_name, *rest)


def overfitting(lams):
    """Held-out and training loss of a model that a penalty helps: too little overfits, too much underfits."""
    log = np.log10(np.maximum(lams, 1e-5))
    train = 0.015 + 2.25 / (1 + np.exp(-4.0 * (log + 1.1))) + 0.06 / (1 + np.exp(-3.0 * (log + 2.8)))
    return train + 0.075 + 0.04 / (1 + np.exp(3.0 * (log + 3.4))), train


def make_path(
    lams: Any = LAMS,
    curves=overfitting,
    n_folds=5,
    n_epochs=6,
    spread=0.02,
    wiggle=0.004,
    template: Any = StubTemplate(),  # noqa: B008 (it never changes)
    **changes: Any,
) -> Path:
    """Make a path; folds differ by `spread`, which strengths share, and by `wiggle`, which they do not."""
    rng = np.random.default_rng(0)
    lams = np.asarray(lams, float)
    n_rows, n_lams = 200, len(lams)
    held_out = np.array_split(np.arange(n_rows if n_folds > 1 else 40), n_folds)
    train = [np.setdiff1d(np.arange(n_rows), rows) for rows in held_out]
    cv, fitted = (np.asarray(curve, float) for curve in curves(lams))
    offset = rng.normal(size=(n_folds, 1))
    cv = cv + spread * (offset - offset.mean()) + wiggle * rng.normal(size=(n_folds, n_lams))
    # Every curve falls for two thirds of the epochs, then rises a little.
    shape = 0.05 * np.abs(np.arange(1, n_epochs + 1) - round(2 * n_epochs / 3))
    norm = 20 / (1 + lams * 300) ** 0.3
    fields: dict[str, Any] = {
        "lams": lams,
        "cv_loss": cv[:, :, None] + shape,
        "train_loss": np.broadcast_to(fitted, (n_folds, n_lams))[:, :, None] + shape[::-1] * 0.1,
        "fold_weight": np.array([len(rows) for rows in held_out], float),
        "epochs": np.full(n_lams, round(2 * n_epochs / 3)),
        "held_out_rows": np.concatenate(held_out),
        "predictions": rng.random((len(np.concatenate(held_out)), n_lams, 3)),
        "row_loss": np.concatenate(
            [cv[f] + _rows(rng, len(r), n_lams, spread, wiggle) for f, r in enumerate(held_out)]
        ),
        "metrics": {"accuracy": 1 - cv.mean(axis=0) / 4},
        "null_loss": 2.3021,
        "null_se": 0.0004,
        "null_metrics": {"accuracy": 0.1013},
        "norm": norm,
        "nonzero": np.full(n_lams, 8832),
        "status": np.full((n_folds, n_lams), Status.OK, dtype=object),
        "full_status": np.full(n_lams, Status.OK, dtype=object),
        "weights": (np.outer(norm, np.ones(4)).reshape(n_lams, 2, 2), np.arange(n_lams * 3.0).reshape(n_lams, 3)),
        "template": template,
        "loss_name": template.loss_name,
        "penalty": L2(),
        "how": Coupled(),
        "selection": Selection(
            (
                Weight("dense", "dense/kernel", (64, 138), 8832, 1.0, "kernel", (-2,), (-1,)),
                Weight("dense", "dense/bias", (138,), 138, 0.0, "bias", (), (-1,)),
            )
        ),
        "folds": Folds(
            RowSets.from_rows(train, n_rows),
            RowSets.from_rows(held_out, n_rows),
            n_rows,
            "k-fold" if n_folds > 1 else "hold-out",
        ),
        "n_rows": n_rows,
        "seed": 0,
        "plan": {"xla": True, "batch_size": 32},
        "notes": (),
        "seconds": 5.93,
    }
    return Path(**fields | changes)


def path_of_curves(
    held_out: Any,
    training: Any,
    lams: Any,
    *,
    null: float = 1.0,
    spread: float = 0.01,
    wiggle: float = 0.002,
    n_folds: int = 5,
    epoch: Any = "best",
    **changes: Any,
) -> Path:
    """Make a path whose mean curves (S, E) are given; folds differ by `spread`, the constant's too, and by `wiggle`.

    Both are of mean 0 over folds, so that the mean curves are exact.
    """
    rng = np.random.default_rng(0)
    held_out, training = (np.asarray(curve, float) for curve in (held_out, training))
    shared = _centred(rng.normal(size=(n_folds, 1, 1)))
    own = _centred(rng.normal(size=(n_folds, *held_out.shape[:1], 1)))
    cv_loss = held_out + spread * shared + wiggle * own
    base = make_path(lams, lambda lams: (0 * lams, 0 * lams), n_folds=n_folds)
    epochs = choose_epochs(cv_loss, base.fold_weight, epoch)
    at = np.take_along_axis(cv_loss, epochs[None, :, None] - 1, axis=2)[..., 0]
    rows = [
        _rows(rng, len(r), len(epochs), 5 * spread, 5 * wiggle) + np.nan_to_num(at[f])
        for f, r in enumerate(base.folds.held_out)
    ]
    fields: dict[str, Any] = {
        "curves": lambda lams: (0 * lams, 0 * lams),
        "n_folds": n_folds,
        "cv_loss": cv_loss,
        "train_loss": np.broadcast_to(training, cv_loss.shape),
        "epochs": epochs,
        "row_loss": np.concatenate(rows),
        "null_loss": null,
        "null_se": spread,
        "null_fold_loss": null + spread * shared[:, 0, 0],
        "null_row_loss": null + 5 * spread * rng.normal(size=len(np.concatenate(rows))),
    }
    return make_path(lams, **fields | changes)


def _centred(values: Any) -> Any:
    return values - values.mean(axis=0) if len(values) > 1 else 0 * values


def _rows(rng, n, n_lams, spread, wiggle):
    return spread * rng.normal(size=(n, 1)) + wiggle * rng.normal(size=(n, n_lams))


def diverged(path: Path, hit: Any) -> dict[str, Any]:
    """Give the fields of `path` with all folds diverged where `hit` (S,) says so."""
    status, cv_loss = path.status.copy(), path.cv_loss.copy()
    status[:, hit], cv_loss[:, hit] = Status.DIVERGED, np.nan
    return {"status": status, "cv_loss": cv_loss}


def learning_curve(path: Path, falls: Any, half: float, *, slow: bool = False) -> LearningCurve:
    """Return a learning curve of a path, whose loss falls so much from a point to the next, with intervals ± `half`.

    Args:
        path: The path; the last point is its choice.
        falls: (P - 1,) falls of the loss, from the fewest rows.
        half: Half of the width of the intervals.
        slow: Whether the loss still falls at the last epoch of every point but the last.
    """
    index, n_points = path.index, len(falls) + 1
    above = np.append(np.cumsum(np.asarray(falls, float)[::-1])[::-1], 0.0)
    cv_loss = path.cv_loss[None, :, [index]] + above[:, None, None, None]
    epochs = np.full((n_points, 1), path.epochs[index])
    if slow:
        n_epochs = cv_loss.shape[3]
        cv_loss[:-1] = path.mean[index] + above[:-1, None, None, None] + 0.3 * np.arange(n_epochs)[::-1]
        epochs[:-1] = n_epochs
    middle = np.asarray(falls, float)[:, None, None]
    return LearningCurve(
        rows=path.folds.train.sizes.mean() / 2.0 ** np.arange(n_points)[::-1],
        lams=path.lams[[index]],
        cv_loss=cv_loss,
        train_loss=np.broadcast_to(path.train_loss[None, :, [index]], cv_loss.shape),
        epochs=epochs,
        mean=path.mean[index] + above[:, None],
        se=np.full((n_points, 1), path.se[index]),
        train_mean=np.full((n_points, 1), path.train_mean[index]),
        falls=np.concatenate([middle, middle - half, middle + half], axis=2),
    )
