"""The function `sh.estimate`: the time and memory of a training, predicted before it."""

import inspect
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from shrinkage._data._memory_limit import format_bytes
from shrinkage._messages._hints import give_hints
from shrinkage._messages._hints_of_fit import HINTS, describe_missing_argument
from shrinkage._messages._note import PYTHON, Vocabulary, format_duration
from shrinkage._plan._any_runner import AnyRunner
from shrinkage._plan._exact._runner import make_runner
from shrinkage._plan._runner import Runner
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, repr=False)
class Estimate:
    """The time and memory that a training takes: the result of `estimate`."""

    lams: tuple[float, ...]
    """Strengths, descending."""
    is_automatic: bool
    """Whether the grid is extended if the minimum lies at an end."""
    folds: int
    models: int
    """Number of models: each strength in each fold, and on all rows."""
    parameters: int
    """Number of trained weights of a model, without other state, such as the statistics of a normalization."""
    epochs: int
    """Maximum number of epochs; 1 if the models are computed exactly."""
    patience: int | None
    steps: int
    """Number of steps of the optimizer, each of many models; 0 if the models are computed exactly."""
    models_in_a_step: int
    """Number of models that are trained together."""
    seconds: float | None
    """Seconds of all epochs, and of compiling and reading; None if the models are computed exactly."""
    memory: int
    """Bytes in addition to the memory of the process."""
    plan: Mapping[str, Any]
    """The plan of the training, as `path.plan`."""
    learning_curve: int
    """Number of these models that are of the learning curve."""
    search: str
    """The search within a budget, in words; else empty."""
    notes: tuple[str, ...]
    """Sentences about changes and cautions, as `path.notes`."""

    def __repr__(self) -> str:
        return self.text()

    def text(self, terms: Vocabulary = PYTHON) -> str:
        """Return the estimate in words.

        Args:
            terms: The terms of Python or of the shell.
        """
        exact, memory = self.steps == 0, f"memory: about {format_bytes(self.memory)}"
        notes = [terms.say(note) for note in self.notes]
        if self.search:
            return "\n".join([self.search, memory, *notes])
        above = [lam for lam in self.lams if lam > 0]
        grid = f"{len(above)} from {max(above):.3g} to {min(above):.3g}, and 0" if above else "0 alone"
        lines = [
            f"strengths: {grid}{'; more where the minimum lies at an end' * self.is_automatic}",
            f"models: {self.models:,} of {_format_count(self.parameters, 'parameter')}: each strength in "
            f"{_format_count(self.folds, 'fold')}, and on all rows{', computed exactly' * exact}",
            *([f"learning curve: {self.learning_curve:,} of these models"] if self.learning_curve else []),
            f"steps: about {self.steps:,} at most, each of up to {_format_count(self.models_in_a_step, 'model')} "
            "together",
        ]
        if exact or self.seconds is None:
            return "\n".join([*lines[:-1], memory, *notes])
        lines.append(memory)
        early = "; fewer for a strength that no longer improves" if self.patience else ""
        lines.append(
            f"time: about {format_duration(self.seconds)} for compiling and "
            f"{_format_count(self.epochs, 'epoch')}{early}"
        )
        return "\n".join([*lines, *notes])


def _format_count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _take_arguments_of(
    record: Callable[P, Request],
) -> Callable[[Callable[[Request], R]], Callable[P, R]]:
    """Return a decorator that lets a function of a request take the arguments of the request."""

    def decorate(function: Callable[[Request], R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return function(record(*args, **kwargs))

        result = inspect.signature(function).return_annotation
        call.__dict__["__signature__"] = inspect.signature(record).replace(return_annotation=result)
        return call

    return decorate


@give_hints(HINTS, describe_missing_argument)
@_take_arguments_of(Request)
def estimate(request: Request) -> Estimate:
    """Return the models, the seconds and the memory that `fit` would take, without training.

    The arguments are checked as by `fit`, the rows are read, and a few steps and scores are compiled and timed. The
    seconds are

        reading + compiling + epochs * (seconds of the steps + seconds of the scores),

    of a process that has not compiled the model before. They are the most: `patience` may end training earlier, and
    strengths are trained on all rows only up to their best epoch. On the other hand, an automatic grid may be extended.

    Args:
        request: The arguments of `fit`, except `run`, `cluster`, `tensorboard`, `on_epoch`, `progress` and `verbose`.

    Returns:
        The estimate. `print` shows it in words.

    Raises:
        TypeError, ValueError: As `fit`.

    Example:
        >>> import keras, numpy as np, shrinkage as sh
        >>> x = np.random.default_rng(0).normal(size=(60, 4))
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mean_squared_error")
        >>> found = sh.estimate(model, x, x.sum(axis=1), penalty="l2", epochs=5)
        >>> found.models, found.steps, found.seconds < 600
        (126, 20, True)
        >>> print(found)
        strengths: 20 from ...
        models: 126 of 5 parameters: each strength in 5 folds, and on all rows
        steps: about 20 at most, each of up to 105 models together
        memory: about ... MiB
        time: about ... s for compiling and 5 epochs...
    """
    began = time.monotonic()
    problem = prepare_problem(request)
    reading = time.monotonic() - began
    runner = make_runner(problem, request.plan, request.max_memory)
    problem, chunk, points = runner.problem, runner.plan.chunk, _make_points(runner)
    n_folds, n_lams = len(problem.folds.train), problem.trained_strengths
    learned = sum(len(each.problem.lams) * n_folds for each in points)
    timed = [each for each in (runner, *points) if isinstance(each, Runner)]
    return Estimate(
        lams=tuple(problem.lams.tolist()),
        is_automatic=problem.grid.lam_max is not None,
        folds=n_folds,
        models=n_lams[0] * n_folds + n_lams[1] + learned,
        parameters=problem.selection.n_weights,
        epochs=problem.epochs,
        patience=problem.patience,
        steps=sum(map(_count_steps, timed)),
        models_in_a_step=min(chunk, n_lams[0]) * n_folds,
        seconds=reading + sum(each.predict_seconds() for each in timed) if isinstance(runner, Runner) else None,
        memory=runner.record["memory"],
        plan=runner.record,
        learning_curve=learned,
        search=runner.search_text,
        notes=(*problem.notes, *runner.notes),
    )


def _make_points(runner: AnyRunner) -> list[AnyRunner]:
    """Return the runners of the points of a learning curve, with any two strengths."""
    problem = runner.problem
    lams = problem.lams[[0, -1]] if len(problem.lams) > 1 else problem.lams
    places = range(len(problem.subsets))
    return [runner.repeat_plan(problem.restrict_to_subset(place, lams)) for place in places]


def _count_steps(runner: Runner) -> int:
    """Return the number of steps in the folds and on all rows, each of the strengths that are trained together."""
    problem = runner.problem
    longest = [int(problem.n_train.max()), problem.n_rows]
    batches = [math.ceil(rows / problem.training.batch_size) for rows in longest]
    parts = [math.ceil(strengths / runner.plan.chunk) for strengths in problem.trained_strengths]
    return problem.epochs * sum(n * steps for n, steps in zip(parts, batches, strict=True))
