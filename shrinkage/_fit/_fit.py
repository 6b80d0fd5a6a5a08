"""The function `sh.fit`."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from os import PathLike
from typing import Any, Literal

import keras

from shrinkage._fit._learning_curve import learn_on_subsets
from shrinkage._messages._hints import give_hints
from shrinkage._messages._hints_of_fit import HINTS, describe_missing_argument
from shrinkage._messages._note import format_duration
from shrinkage._messages._user_values import check_flag
from shrinkage._path._assemble import assemble_path
from shrinkage._path._files import FILES, read_saved_path
from shrinkage._path._path import Path
from shrinkage._penalties import How, Penalty
from shrinkage._plan._any_runner import AnyRunner
from shrinkage._plan._cluster._connection import check_cluster
from shrinkage._plan._exact._runner import make_runner
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request
from shrinkage._progress._epoch import OnEpoch, check_on_epoch
from shrinkage._progress._monitor import Monitor
from shrinkage._progress._reporters import LOGGER, start_monitor
from shrinkage._progress._snapshot import Snapshot
from shrinkage._search._record._folder import check_run
from shrinkage._search._record._record import Record
from shrinkage._search._record._unrecorded import Unrecorded
from shrinkage._search._search import Outcome, Search

_KERAS_VERBOSE = (0, 1, 2, "auto")
"""The values of `verbose` in `model.fit`, which count as False and True."""


@give_hints(HINTS, describe_missing_argument)
def fit(
    model: keras.Model | Callable[[], keras.Model],
    x: Any,
    y: Any = None,
    *,
    penalty: Penalty | Literal["l2", "l1", "elastic-net", "group-lasso", "model"],
    lams: Any = "auto",
    cv: Any = 5,
    groups: Any = None,
    repeats: int = 1,
    validation_data: tuple[Any, ...] | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    steps_per_epoch: int | None = None,
    patience: int | None = None,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
    on: str | Callable[[Any, Any], bool] = "kernels",
    how: How | Literal["coupled", "proximal", "decoupled"] | None = None,
    init: Literal["fresh", "keep"] | None = None,
    epoch: Literal["best", "last"] | int = "best",
    solver: Literal["gradient", "exact"] = "gradient",
    models: Literal["all", "chosen"] = "all",
    budget: float | None = None,
    learning_curve: bool = False,
    standardize_target: bool = False,
    seed: int = 0,
    plan: Mapping[str, Any] | None = None,
    max_memory: float | None = None,
    run: str | PathLike[str] | None = None,
    cluster: str | None = None,
    tensorboard: str | PathLike[str] | None = None,
    progress: bool | None = None,
    on_epoch: OnEpoch | None = None,
    verbose: bool = False,
) -> Path:
    """Train a Keras model at every strength of a penalty, in every fold and on all rows, and choose the strength.

    For each lambda and fold, the model's optimizer minimises J(w) = mean data loss + lambda * P(w). The loss on the
    held-out rows, which never contains the penalty, chooses lambda and the number of epochs.

    Args:
        model: A built and compiled model with any number of inputs and outputs, or a function that returns such a
            model. The model is not changed.
        x: Inputs, an array (n, ...), or for several inputs a dictionary, list or tuple of arrays as in `model.fit`. A
            table or column of pandas, Polars or PyArrow counts as an array. If the model has several named inputs, each
            input takes the column of that name from a table, and `path.model()` takes the dictionary of the columns. A
            sparse matrix of SciPy stays sparse in memory, and batches are made dense. It is made dense once for a model
            with `Embedding`, `Normalization`, or an input that has not two axes. Sequences of different lengths (a list
            of lists or arrays, a ragged tensor) are padded with zeros at the end, if the model takes any length and
            masks the padding. Text is looked up once if the model begins with `TextVectorization`, `StringLookup` or
            `Hashing`; `path.model()` takes text too. Or a `tf.data.Dataset` or `keras.utils.PyDataset` of (x, y) or
            (x, y, sample_weight), in batches or in single rows, which is read once. The order of the rows does not
            matter, because they are shuffled in every epoch. Random augmentation in a dataset is drawn once (use Keras'
            augmentation layers in the model instead). A dataset of more than a quarter of `max_memory` is written to
            disk, in the folder for temporary files, and trained on in blocks. For a dataset, `groups`, and `cv` as fold
            numbers, pairs or `TimeSeriesSplit`, number the rows in the order of the dataset, which must not shuffle.
        y: Targets, an array (n, ...) that matches the model's output and loss, or for several outputs a structure of
            arrays. Outputs without a loss need no targets. None if `x` is a dataset, which contains the targets.
        penalty: `L2()`, `L1()`, `ElasticNet(rho)` or `GroupLasso(groups)`, or "l2", "l1", "elastic-net" or
            "group-lasso"; `L2(toward="initial")` for fine-tuning. "model" uses the regularizers of the model: they must
            be the same Keras L1, L2 or L1L2 on all weights that have a regularizer. The strength of the regularizers is
            trained too (`path.lam_model`; Keras' L2(l) is lambda = 2 l), and `path.model()` has no regularizers.
        lams: "auto", or strengths >= 0 for the mean loss of all rows; 0 is always trained as well. The automatic grid
            has 20 strengths with n * lambda from 10**1.75 down to 10**-3. It is extended by up to three decades if the
            minimum is at an end. For a squared error, the grid is scaled by the target's standard deviation c to a
            power, c**(2 - 2/L) for L2 and c**(2 - 1/L) for L1, where L is the number of penalised layers in a chain.
            For `Decoupled`, the sum of the learning rates of the run on all rows replaces n.
        cv: A number of folds; or the fraction of rows to hold out in a single split; or a splitter of scikit-learn,
            such as `TimeSeriesSplit(5)`; or an array of n fold numbers, where rows with the same number are held out
            together and rows with -1 are never held out; or pairs of row numbers (training rows, held-out rows). Random
            folds are stratified by the labels of the first output with a classification loss, if there is one. A single
            split is cheaper, but its standard errors and intervals are too short, because they do not contain the noise
            of training.
        groups: Labels of the rows, (n,), such as a patient or a day: no fold trains on one row of a group and holds out
            another. A fraction `cv` is then a fraction of the groups. A splitter receives them.
        repeats: Number of random splits of the rows, each into `cv` folds or with a fraction `cv` held out. The mean is
            over all folds. The interval of the gain becomes shorter, and the cost is multiplied by `repeats`.
        validation_data: (x, y) or (x, y, sample_weight), or a dataset of these tuples, which replaces `cv`: the rows
            are held out once, and no row of `x` is. A dataset may be larger than memory.
        epochs: Maximum number of epochs. Required, unless `solver="exact"`.
        batch_size: Number of rows in a batch, at most the training rows of the fold. None uses the size of the first
            batch of a dataset, or 32 without a dataset of batches.
        steps_per_epoch: Number of batches to read from a dataset (number of rows if it yields single rows). Required
            for an infinite dataset. None reads the whole dataset.
        patience: Stop a strength if its mean held-out loss has not improved for this number of epochs; None trains all
            epochs. "last" is then the last trained epoch of the strength.
        sample_weight: Weights of the rows in the loss of every output, (n,); they are divided by their mean. For
            several outputs a structure of weights is possible, such as {"a": weights, "b": weights}: each output's loss
            has its weights, as in `model.fit`, and 1 without weights. A row of a missing label has weight 0. The weight
            of a row is its largest weight, and the weights of all outputs are divided by the mean of that.
        class_weight: A dictionary from class labels to weights of the rows, for a model with one output. It applies to
            training and held-out rows and multiplies `sample_weight`. Classes that are not in it have weight 1.
        on: Which weights are penalised: "kernels", "all", other kinds of weights, classes of layers, patterns of paths,
            variables, a function (layer, variable) -> bool, or a dictionary from selectors to factors of the strength;
            see `describe`.
        how: Where the penalty enters: `Coupled()`, `Proximal()` or `Decoupled()`, or its name, such as "decoupled";
            None uses the penalty's default.
        init: "fresh" (the default) draws new trainable weights, the same for every lambda and different in every fold;
            "keep" starts from the model's weights. A trained or loaded model requires one of the two.
        epoch: The epoch whose weights each strength keeps: "best" by the mean held-out loss, "last", or a number
            counted from 1.
        solver: "gradient" trains with the model's optimizer. "exact" computes the minimum of J at every strength, for
            an L2 penalty on a `Dense` layer at the end of a model in which nothing else is trained, with squared error
            or log loss: by eigenvalues, or by Newton's method. It needs no `epochs`, and ignores `batch_size`,
            `patience`, `epoch` and the optimizer; curves have one epoch. Layers before the `Dense` run in inference
            mode. See `docs/linear.md`.
        models: Which strengths are trained on all rows: "all", or "chosen" for `lam_min` and `lam_1se` alone. If the
            model at a choice diverges on all rows, the strength is left out, and the choice is made again. "chosen"
            saves time if training is slow; the members of a small network train together, so that it saves little.
        budget: Search within a number of trainings on all rows, such as 1.5, and then train the choice alone on all
            rows; for a model whose training is slow. Members train one after another, for all epochs, on a random part
            of the rows, the share budget/6 at most, and are scored on others, or on `validation_data`: first at
            n * lambda = 100, 31.6, 10 and 0 (10, 3.16, 1 and 0 if the penalty sets weights to zero), then half a decade
            further while the choice is at an end, at most six. The choice, `path.lam`, is the largest strength within
            one paired standard error of the least loss. A budget of 3 uses half of the rows. The whole grid is trained,
            after a warning, for fewer than 1,200 rows, or if the budget has no room for three members. See
            `path.trials`.
        learning_curve: Whether to train the choice, and no penalty, on an eighth, a quarter and half of the training
            rows of each fold too, and to score them on the same held-out rows: the verdict then says whether more rows
            would help. The parts are nested, drawn at random, stratified as the folds are, and have whole `groups`;
            in a time series they are the latest rows. The strength keeps n * lambda, and epochs are as many, so that a
            part of the rows has fewer steps. Parts of fewer than 10 rows are left out. See `path.learning_curve`, and
            docs/diagnosis.md for the cost.
        standardize_target: Subtract the mean of the targets and divide by their standard deviation, both from the
            training rows of each fold. Losses are then in units of the variance over all rows, and models predict
            standardised targets: `path.target_mean + path.target_sd * prediction` converts them back.
        seed: Seed of the folds, weights, batches and random layers. The same call gives the same result to the bit on a
            machine, if the plan is the same.
        plan: Settings of the run, such as `path.plan` of another path: `rules`, whether layers with a rule run for all
            members at once; `xla`, whether XLA compiles the training; `chunk`, the number of strengths trained
            together; `evaluated_rows`, the number of rows evaluated together. Missing settings are chosen, if necessary
            by a short timing of the model.
        max_memory: Bytes that the run may use in addition to the memory of the process; None for half of the free
            memory. Strengths are trained in chunks that fit this limit.
        run: A folder that records the run, so that nothing is lost by a crash, a kill or Ctrl-C. It is absent or empty
            at first. The same call goes on from the last checkpoint, and returns the same path; a finished run is read
            from the folder, as by `Path.load`. The log says which, and so does standard error if `verbose` or the
            progress is shown. A dataset must give its rows in the same order again. After Ctrl-C or SIGTERM the run
            stops at the end of the epoch and raises `KeyboardInterrupt`. Checkpoints take about 2 % of the time. See
            `docs/reliability.md`.
        cluster: Where the training runs: None in this process; "local" in a process for each core of this machine;
            "HOST:PORT" on the Ray cluster with this address, of which this machine is a node. Folds and chunks of
            strengths are trained at the same time, in processes of one thread, and results do not depend on their
            number. A lost process is replaced. Starting them takes about 15 s, so this is for fits of minutes and
            more. It needs `pip install 'shrinkage[ray]'`. See docs/scale.md.
        tensorboard: A folder for TensorBoard. Each call writes to a new folder in it while it trains: the training and
            held-out losses of each strength over the epochs, the best so far, and the curve over the strengths.
        progress: Whether to show how far the run is: a line on a terminal or in a notebook, or else plain lines on
            standard error, the first after 5 s. None shows the line on a terminal or in a notebook, and nothing
            elsewhere. The logger "shrinkage" always has the plain lines. See `docs/progress.md`.
        on_epoch: A function that is called after every epoch in the folds, for a log of your own, or to end the run:
            an exception that it raises ends the run, and reaches the caller. It receives an object with `number`, the
            epoch, counted from 1; `lams`, the strengths in training, (S,), all if they train in one chunk; `cv_loss`
            and `train_loss`, (F, S); and `mean`, the mean of `cv_loss` over the folds, (S,). With `run`, the same call
            goes on from the last checkpoint, and epochs before it are not called again.
        verbose: Whether to print the plan, the reason for it and the expected memory before training.

    Returns:
        The path: losses, choices and models at every strength. If a model diverged at every strength, there is nothing
        to choose: `print(path)` says so, and `path.model()` raises `NothingToChoose`.

    Raises:
        TypeError, ValueError: If an argument is not valid or not supported, before any training. The message says how
            to fix it.
        RuntimeError: If the cluster cannot be reached, or has no processor for ten minutes, or loses a worker again and
            again.

    Source: Friedman, Hastie & Tibshirani (2010), "Regularization paths for generalized linear models via coordinate
    descent", for the choice of lambda. Models are trained by gradient steps instead of coordinate descent.

    Example:
        >>> import keras, shrinkage as sh
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.preprocessing import scale
        >>> x, y = load_wine(return_X_y=True)
        >>> model = keras.Sequential([keras.Input((13,)), keras.layers.Dense(3, "softmax")])
        >>> model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        >>> path = sh.fit(model, scale(x), y, penalty=sh.L2(), epochs=5)
        >>> path.cv_loss.shape
        (5, 21, 5)
        >>> path.model().count_params()
        42
    """
    request = Request(
        model, x, y, penalty=penalty, lams=lams, cv=cv, groups=groups, repeats=repeats, validation_data=validation_data,
        epochs=epochs, batch_size=batch_size, steps_per_epoch=steps_per_epoch, patience=patience,
        sample_weight=sample_weight, class_weight=class_weight, on=on, how=how, init=init, epoch=epoch, solver=solver,
        models=models, budget=budget, learning_curve=learning_curve, standardize_target=standardize_target, seed=seed,
        plan=plan, max_memory=max_memory,
    )  # fmt: skip
    check_on_epoch(on_epoch)
    check_flag("progress", progress, None)
    check_flag("verbose", verbose, *_KERAS_VERBOSE)
    check_cluster(cluster)
    with start_monitor(progress, tensorboard, on_epoch) as monitor:
        if run is None:
            return _fit_unrecorded(request, monitor, cluster, verbose=verbose)
        return _fit_recorded(request, run, monitor, cluster, verbose=verbose)


def _fit_unrecorded(request: Request, monitor: Monitor, cluster: str | None, *, verbose: bool) -> Path:
    began = time.monotonic()
    with _start_workers(cluster) as crew:
        runner = _plan(request, monitor, request.max_memory, None, crew)
        outcome = _search(runner, Unrecorded(), monitor, verbose=verbose)
        path = assemble_path(runner, outcome, seconds=time.monotonic() - began)
        return _add_learning_curve(path, runner, Unrecorded(), monitor)


def _fit_recorded(
    request: Request, run: str | PathLike[str], monitor: Monitor, cluster: str | None, *, verbose: bool
) -> Path:
    """Fit with a record in the folder `run`, or go on with the fit in the record."""
    with Record(check_run(run)) as record, _start_workers(cluster, record.threads) as crew:
        limit = record.get_memory_limit(request.max_memory)
        decision = record.decision  # of an earlier call
        of_plan = limit if crew is None else request.max_memory
        runner = _plan(replace(request, max_memory=limit), monitor, of_plan, decision, crew)
        record.begin(runner, request.plan, limit)
        if record.is_finished:
            _tell(f"'{record.path}' has the finished run of an equal call, which is read.", verbose or monitor.is_shown)
            return Path(**read_saved_path(record.path, runner.problem.training.template))
        if decision is not None:
            since = f"after {format_duration(record.seconds)} of it"
            _tell(f"Going on with the run in '{record.path}', {since}.", verbose or monitor.is_shown)
        with record.interrupts:
            outcome = _search(runner, record, monitor, verbose=verbose)
            path, n_notes = (
                assemble_path(runner, outcome, seconds=record.seconds, notes=record.notes),
                len(record.notes),
            )
            path = _add_learning_curve(path, runner, record, monitor)
            record.finish(lambda: path.save(record.path, overwrite=True), FILES)
        record.stop_if_requested()
        return replace(path, notes=(*path.notes, *record.notes[n_notes:]))


def _plan(
    request: Request, monitor: Monitor, limit: float | None, decision: Mapping[str, Any] | None = None, crew: Any = None
) -> AnyRunner:
    problem = prepare_problem(request, monitor)
    monitor.show(Snapshot("planning" if crew is None else "starting workers"))
    if crew is None:
        return make_runner(problem, request.plan, limit, decision)
    from shrinkage._plan._cluster._runner import ClusterRunner

    return ClusterRunner(problem, request.plan, limit, decision, crew)


def _start_workers(cluster: str | None, threads: int | None = None) -> AbstractContextManager[Any]:
    """Return the workers of a cluster as a context, or None without a cluster; Ray is imported for a cluster alone."""
    if cluster is None:
        return nullcontext()
    from shrinkage._plan._cluster._crew import Crew

    return Crew(cluster, threads or 1)


def _search(runner: AnyRunner, record: Record | Unrecorded, monitor: Monitor, *, verbose: bool) -> Outcome:
    _tell(runner.description, verbose)
    if runner.search_text:
        _tell(runner.search_text, verbose or monitor.is_shown)
    outcome = Search(runner, record, monitor).run()
    monitor.show(Snapshot("assembling"))
    return outcome


def _tell(text: str, is_printed: bool) -> None:
    """Write a sentence on the run into the log, and on standard error if it is to be printed."""
    LOGGER.info(text)
    if is_printed:
        print(text, file=sys.stderr)


def _add_learning_curve(path: Path, runner: AnyRunner, record: Record | Unrecorded, monitor: Monitor) -> Path:
    """Return the path with its learning curve, if the problem asks for one and there is a choice."""
    began = time.monotonic()
    learned = learn_on_subsets(path, runner, record, monitor)
    if learned is None:
        return path
    monitor.show(Snapshot("assembling"))
    seconds = path.seconds + time.monotonic() - began
    return replace(path, learning_curve=learned.curve, notes=(*path.notes, *learned.notes), seconds=seconds)
