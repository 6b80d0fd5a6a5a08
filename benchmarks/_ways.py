"""The ways to get the losses of a path, measured one at a time in a new process: imports and data come before."""

import importlib
import importlib.util
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any, Literal
from unittest.mock import patch

import numpy as np

from benchmarks._works import Work

Arrays = tuple[np.ndarray, np.ndarray]
Variant = dict[str, bool]
"""A form of the best loop: `jit_compile`, and whether a recurrent layer is unrolled over time, `unroll`."""


@dataclass(frozen=True)
class Cost:
    """What a way costs, extrapolated to all members."""

    seconds: float
    """Of all strengths in all folds, every epoch scored, and of all strengths on all rows."""
    one_final: float = float("nan")
    """The same with one model on all rows and no more."""
    step: float = float("nan")
    """Milliseconds of training a model-step, without compiling and scoring."""
    peak: float = float("nan")
    """MiB: the most memory that the process had."""
    measured: str = "all"
    """What was measured of it; the rest is extrapolated."""
    variant: Variant = field(default_factory=dict)
    """The form of the best loop, its fastest."""
    parts: dict[str, float] = field(default_factory=dict)
    """Seconds of what ours does."""


def measure(way: str, work: Work, data: Callable[[], Arrays], variant: Variant) -> dict[str, Any]:
    """Return the `Cost` of a way as plain values. Call it first thing in a new process."""
    for name in ("sklearn.model_selection", *IMPORTS.get(way, ("tensorflow", "keras"))):
        importlib.import_module(name)
    cost = WAYS[way](work, data(), variant)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    if way == "grid2":
        peak += 2 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    return asdict(cost) | {"peak": peak}


# --- Keras


def plain(work: Work, data: Arrays, variant: Variant) -> Cost:
    """`model.fit` with `validation_data`, as everyone writes it."""
    (x, y), (train, held_out) = data, next(_splits(work, data))
    start = time.perf_counter()
    model = work.network(work, x, False)
    model.compile("adam", work.loss)
    rows = {"x": x[train], "y": y[train], "validation_data": (x[held_out], y[held_out])}
    model.fit(**rows, batch_size=work.batch_size, epochs=work.epochs, verbose=0)
    return Cost(time.perf_counter() - start)


class Loop:
    """The best loop: one model, traced once; its strength is a variable, its state is put back before each fit."""

    def __init__(self, work: Work, data: Arrays, variant: Variant):
        import keras

        from shrinkage._weights._selection import select

        self._work, self.variant, (self._x, self._y) = work, variant, data
        self._lam = keras.Variable(0.0, trainable=False)
        model = self._model = work.network(work, self._x, variant.get("unroll", False))
        for weight, penalised in zip(model.trainable_variables, select(model, "kernels").mask, strict=True):
            if penalised:
                weight.regularizer = lambda w: self._lam / 2 * keras.ops.sum(keras.ops.square(w))
        model.compile("adam", work.loss, steps_per_execution=16, jit_compile=variant["jit_compile"])
        model.optimizer.build(model.trainable_variables)
        self._state = [*model.variables, *model.optimizer.variables]
        self._first = [keras.ops.convert_to_numpy(variable) for variable in self._state]

    def fit(self, lam: float, train: np.ndarray, held_out: np.ndarray | None, epochs: int) -> float:
        """Train from the first weights, scoring every epoch if rows are held out; return the seconds."""
        start = time.perf_counter()
        self._lam.assign(lam)
        for variable, value in zip(self._state, self._first, strict=True):
            variable.assign(value)
        # Whole batches, as many as ours takes: a last smaller one would be compiled anew.
        rows = np.resize(train, self._work.steps(len(train)) * self._work.batch_size)
        scored = {}
        if held_out is not None:
            validation = self._x[held_out], self._y[held_out]
            scored = {"validation_data": validation, "validation_batch_size": max(1024, self._work.batch_size)}
        sizes = {"batch_size": self._work.batch_size, "epochs": epochs}
        self._model.fit(self._x[rows], self._y[rows], **scored, **sizes, verbose=0)
        return time.perf_counter() - start


def trial(work: Work, data: Arrays, variant: Variant) -> Cost:
    """Find the fastest form of the best loop on a few steps; its `step` is known less exactly than from whole fits."""
    forms = list(product((False, True), (False, True) if work.recurrent else (False,)))
    loops = [Loop(work, data, {"jit_compile": jit_compile, "unroll": unroll}) for jit_compile, unroll in forms]
    rows = np.resize(np.arange(len(data[0])), work.trial * work.batch_size)
    for loop in loops:
        loop.fit(0.0, rows, None, 1)
    # In turns, so that a slow moment of the machine does not hit all times of one form.
    times = [[[loop.fit(0.0, rows, None, epochs) for loop in loops] for epochs in (1, 3)] for _ in range(3)]
    one, three = np.min(times, axis=0)
    steps = 1000 * (three - one) / work.trial / 2  # what `fit` does once is left out
    least = int(np.argmin(steps))
    parts = {
        ", ".join(f"{k}={v}" for k, v in loop.variant.items()): float(ms) for loop, ms in zip(loops, steps, strict=True)
    }
    return Cost(float(steps[least]) / 1000, step=float(steps[least]), variant=loops[least].variant, parts=parts)


def best_loop(work: Work, data: Arrays, variant: Variant) -> Cost:
    """The best loop over all strengths and folds, and then over all strengths on all rows."""
    n_rows, splits = len(data[0]), list(_splits(work, data))
    lams, everything = work.lams(n_rows), np.arange(n_rows)
    start = time.perf_counter()
    loop = Loop(work, data, variant)
    loop.fit(0.0, *splits[0], 1)
    once = time.perf_counter() - start
    fits = [loop.fit(lams[i % len(lams)], *splits[i % len(splits)], work.epochs) for i in range(3)]
    finals = [loop.fit(lams[i], everything, None, work.epochs) for i in range(2)]
    fit, final = np.median(fits), np.median(finals)
    scored = once + work.strengths * work.folds * fit
    return Cost(
        float(scored + work.strengths * final),
        one_final=float(scored + final),
        step=float(1000 * final / work.epochs / work.steps(n_rows)),
        measured=f"{len(fits)} of {work.strengths * work.folds} fits, {len(finals)} of {work.strengths} on all rows",
        variant=variant,
        parts={"once": once, "fit": float(fit), "on all rows": float(final)},
    )


def ours(
    work: Work,
    data: Arrays,
    variant: Variant,
    plan: dict[str, bool] | None = None,
    models: Literal["all", "chosen"] = "all",
) -> Cost:
    """`shrinkage.fit` on a model as everyone writes it, with clocks in it."""
    import shrinkage as sh

    x, y = data
    parts: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    start = time.perf_counter()
    with _clocks(parts):
        model = work.network(work, x, False)
        model.compile("adam", work.loss)
        path = sh.fit(
            model, x, y, penalty=sh.L2(), lams=work.lams(len(x)), cv=work.folds if work.folds > 1 else work.held_out,
            epochs=work.epochs, batch_size=work.batch_size, epoch="last", progress=False, plan=plan, models=models,
        )  # fmt: skip
    seconds = time.perf_counter() - start
    if not np.isfinite(path.cv_loss).all():
        raise RuntimeError("A member diverged: there is less to compute then.")
    steps = work.model_steps(len(x))
    return Cost(seconds, seconds, step=1000 * (parts["training"] + parts["on all rows"]) / steps, parts=parts)


PARTS: tuple[str, ...] = ("compiling", "training", "scoring", "on all rows")


def _clocks(parts: dict[str, float]) -> ExitStack:
    """Add up in `parts` the time of what cohorts do, while the stack is open; one on all rows holds out none."""
    from shrinkage._cohort._cohort import Cohort

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = function(self, *args, **kwargs)
            name = "on all rows" if part == "training" and not len(self._held_out[0]) else part
            parts[name] += time.perf_counter() - start
            return result

        return call

    stack = ExitStack()
    for part, name in (("compiling", "_compile"), ("training", "train_epoch"), ("scoring", "evaluate")):
        stack.enter_context(patch.object(Cohort, name, timed(part, getattr(Cohort, name))))
    return stack


def _splits(work: Work, data: Arrays) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Return each fold's rows, trained on and held out."""
    from sklearn.model_selection import KFold

    return KFold(max(work.folds, 2), shuffle=True, random_state=0).split(data[0])


# --- others


def grid_search(processes: int) -> Callable[[Work, Arrays, Variant], Cost]:
    """scikit-learn's search over its own network; `alpha` is lam times the rows of a batch, by which it divides."""

    def cost(work: Work, data: Arrays, variant: Variant) -> Cost:
        from joblib import Parallel, delayed
        from sklearn.model_selection import GridSearchCV
        from sklearn.neural_network import MLPClassifier
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, "blas")  # so small products are a third faster; joblib does it in its workers by itself
        warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations")
        epochs: Any = {"max_iter": work.epochs, "n_iter_no_change": work.epochs, "batch_size": work.batch_size}
        mlp = MLPClassifier(work.hidden, random_state=0, **epochs)
        alphas = work.lams(len(data[0]))[: work.searched] * work.batch_size
        search: Any = GridSearchCV(
            mlp, {"alpha": alphas}, scoring="neg_log_loss", cv=work.folds, n_jobs=processes, refit=False
        )
        # Workers start, and import scikit-learn, now.
        Parallel(n_jobs=processes)(delayed(MLPClassifier)() for _ in range(2 * processes))
        times = []
        for fit in (lambda: search.fit(*data), lambda: mlp.fit(*data)):
            start = time.perf_counter()
            fit()
            times.append(time.perf_counter() - start)
        if processes > 1:  # the system counts a worker's memory when it has ended
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor().shutdown(wait=True)
        searched, final = times[0] * work.strengths / len(alphas), times[1]
        all_of_them = len(alphas) == work.strengths
        return Cost(
            searched + work.strengths * final / processes,
            one_final=searched + final,
            measured="all" if all_of_them else f"{len(alphas)} of {work.strengths} strengths",
        )

    return cost


def chosen(work: Work, data: Arrays, variant: Variant) -> Cost:
    """Ours with no more than the chosen strengths on all rows."""
    return replace(ours(work, data, variant, models="chosen"), step=float("nan"))


def again(way: Callable[[Work, Arrays, Variant], Cost]) -> Callable[[Work, Arrays, Variant], Cost]:
    """Return a way that is measured for the second time in its process, when it finds its steps compiled."""

    def cost(work: Work, data: Arrays, variant: Variant) -> Cost:
        way(work, data, variant)
        return way(work, data, variant)

    return cost


def jax(work: Work, data: Arrays, variant: Variant) -> Cost:
    """JAX by hand: the strengths of a fold as one, all of them on all rows too."""
    from benchmarks import _jax

    splits = list(_splits(work, data))
    size = min(len(held_out) for _, held_out in splits)
    start = time.perf_counter()
    losses = _jax.path(work, *data, [(train, held_out[:size]) for train, held_out in splits])
    seconds = time.perf_counter() - start
    if not np.isfinite(losses).all():
        raise RuntimeError("A member diverged: there is less to compute then.")
    return Cost(seconds, seconds)


def vmap(work: Work, data: Arrays, variant: Variant) -> Cost:
    """PyTorch's members as one, in the folds; it has none on all rows."""
    from benchmarks import _torch
    from benchmarks._rows import Case

    strengths = min(20, work.strengths)
    case = Case(work.hidden[0], work.epochs, strengths, work.folds, len(data[0]))
    start = time.perf_counter()
    _torch.vmap(case)(0)
    seconds = time.perf_counter() - start
    return Cost(seconds, seconds, measured=f"{strengths} strengths in folds alone")


WAYS: dict[str, Callable[[Work, Arrays, Variant], Cost]] = {
    "plain": plain,
    "trial": trial,
    "loop": best_loop,
    "ours": ours,
    "grid": grid_search(1),
    "grid2": grid_search(2),
    "vmap": vmap,
    "jax": jax,
    "jax_again": again(jax),
    "ours_again": again(ours),
    "chosen": chosen,
}
IMPORTS = {
    "loop": ("tensorflow", "keras", "shrinkage._weights._selection"),
    "trial": ("tensorflow", "keras", "shrinkage._weights._selection"),
    "ours": ("shrinkage._fit._fit",),
    "grid": ("sklearn.neural_network",),
    "grid2": ("sklearn.neural_network",),
    "vmap": ("torch", "sklearn.datasets"),
    "jax": ("benchmarks._jax",),
    "jax_again": ("benchmarks._jax",),
    "ours_again": ("shrinkage._fit._fit",),
    "chosen": ("shrinkage._fit._fit",),
}


def ways_for(name: str, work: Work) -> list[str]:
    """Return the ways that a work is measured in."""
    dense = bool(work.hidden)
    with_torch = name == "mlp" and importlib.util.find_spec("torch") is not None
    with_jax = name == "mlp" and importlib.util.find_spec("jax") is not None
    by_hand = [*with_torch * ["vmap"], *with_jax * ["jax", "jax_again", "ours_again"]]
    return ["plain", "trial", "loop", *dense * ["grid", "grid2"], *by_hand, "ours"]
