"""The commands, run in a temporary folder, and `sh.fit` without training."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from click.testing import CliRunner, Result
from pytest import MonkeyPatch

import shrinkage as sh
from shrinkage._host._quiet import require_tensorflow
from shrinkage._messages._note import Note
from shrinkage._model._template import Template
from shrinkage._problem._request import Request
from shrinkage._search._record import _record
from shrinkage.cli import main
from tests.synthetic_path import make_path

require_tensorflow()


N = 60

LOSS = {"null": 4.0, "none": 1.0, "min": 0.25, "1se": 0.26}
"""The held-out losses of the rows of the table, for every path of `FakeFit`."""


def untrained_path(request: Request) -> sh.Path:
    """Make the path of a request without training: every strength has the initial weights of the model."""
    template, lams = Template(request.model), [1e-1, 1e-2, 0.0]
    mean, sd = (request.y.mean(), request.y.std()) if request.standardize_target else (0.0, 1.0)
    held_out = np.array([LOSS["1se"], LOSS["min"], LOSS["none"]])
    return make_path(
        lams,
        lambda lams: (held_out, held_out / 2),
        spread=0.1,  # the standard error, 0.02, is more than min and 1se differ
        wiggle=0.0,
        template=template,
        selection=sh.describe(template.network),
        predictions=np.zeros((200, len(lams), template.network.output_shape[-1])),
        targets=np.resize(request.y, (200, 1)),  # as many rows as `make_path` holds out
        weights=tuple(np.stack([value] * len(lams)) for value in template.get_source_values()),
        null_loss=LOSS["null"],
        null_se=float("nan"),
        target_mean=float(mean),
        target_sd=float(sd),
        notes=(Note("a note: raise $epochs"),),
    )


class FakeFit:
    """Stands in for `sh.fit`: keeps the requests, and raises `error` or returns a path without training."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error, self.calls = error, list[Request]()
        self.shown = list[dict[str, Any]]()
        """The arguments that only say where a call runs, or show how it goes."""

    def __call__(self, *arguments: Any, **options: Any) -> sh.Path:
        names = "run", "cluster", "progress", "verbose", "tensorboard"
        self.shown.append({name: options.pop(name, None) for name in names})
        request = Request(*arguments, **options)
        self.calls.append(request)
        if self.error:
            raise self.error
        return untrained_path(request)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(result: Result, message: str) -> None:
    """The command ended as bad input, in words, and left nothing behind."""
    assert result.exit_code == 2, result.output
    assert message in result.stderr.replace("\n", " ")
    assert [file.name for file in Path().iterdir() if "shrinkage" in file.name] == []


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


@contextmanager
def stopped_after(count: int) -> Iterator[None]:
    """Stop training as by Ctrl-C, after a number of checkpoints."""
    save, left = _record.Record.save, [count]

    def saving(self, *arguments):
        save(self, *arguments)
        left[0] -= 1
        self.interrupts.is_requested = left[0] <= 0

    with MonkeyPatch.context() as patch:
        patch.setattr(_record, "_SHARE", np.inf)
        patch.setattr(_record.Record, "save", saving)
        yield
