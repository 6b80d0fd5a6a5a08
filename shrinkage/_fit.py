"""`sh.fit`: from a model and rows to the whole path."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras

from shrinkage._hints._arguments import hinted
from shrinkage._hints._fit import HINTS, missing_words
from shrinkage._path._assemble import assemble
from shrinkage._path._path import Path
from shrinkage._penalties import How, Penalty
from shrinkage._plan._runner import Runner
from shrinkage._problem._prepare import prepare
from shrinkage._problem._request import Request
from shrinkage._search._progress_bar import progress_bar
from shrinkage._search._search import Search


@hinted(HINTS, missing_words)
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
    epochs: int,
    batch_size: int | None = None,
    steps_per_epoch: int | None = None,
    patience: int | None = None,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
    on: str | Callable[[Any, Any], bool] = "kernels",
    how: How | None = None,
    init: Literal["fresh", "keep"] | None = None,
    epoch: Literal["best", "last"] | int = "best",
    standardize_target: bool = False,
    seed: int = 0,
    plan: Mapping[str, Any] | None = None,
    max_memory: float | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Path:
    """Train a Keras model at every strength of a penalty, in every fold and on all rows, and choose the strength.

    For each lambda and fold, J(w) = mean data loss + lambda * P(w) is minimised by the model's own optimizer; the loss
    on the held-out rows, which never contains the penalty, chooses lambda and the number of epochs.

    Args:
        model: A built and compiled model, with any number of inputs and outputs, or a function that returns one. It is
            left as it was.
        x: Inputs, an array (n, ...); for several a dictionary, list or tuple of arrays, as `model.fit` takes it. Or a
            `tf.data.Dataset` or `keras.utils.PyDataset` of (x, y) or (x, y, sample_weight), in batches or in single
            rows. It is read once, into memory: the order of its rows does not matter, every epoch draws a new one, and
            random augmentation in the dataset is drawn once (put Keras' augmentation layers into the model instead).
        y: Targets, an array (n, ...) that the model's output and loss fit; for several the same. An output without a
            loss needs none. None where `x` is a dataset, which gives them.
        penalty: `L2()`, `L1()`, `ElasticNet(rho)` or `GroupLasso(groups)`, or "l2", "l1", "elastic-net" or
            "group-lasso"; `L2(toward="initial")` for fine-tuning. "model" takes over the regularizers that the model
            already has, where they are the same L1, L2 or L1L2 of Keras on all weights that have one: the path is
            theirs, their own strength is trained too and marked (`path.lam_model`; Keras' L2(l) is lambda = 2 l),
            and `path.model()` has none.
        lams: "auto", or strengths >= 0 on the mean loss of all rows; 0 is always trained beside them. The automatic
            grid has 20 strengths with n * lambda from 10**1.75 down to 10**-3, and grows by up to three decades at an
            end where the minimum lies. For a squared error it moves with the target's standard deviation c as the best
            strength of L penalised layers in a chain does: by c**(2 - 2/L) for L2 and c**(2 - 1/L) for L1. For
            `Decoupled` the sum of the learning rates of the run on all rows stands in place of n.
        cv: A number of folds, or the fraction of rows to hold out once. They are stratified by the first output that
            has a classification loss, if one has; by all of its labels where rows may have several. Or a splitter of
            scikit-learn, such as `TimeSeriesSplit(5)`; or n fold numbers, where rows of equal number are held out
            together, and -1 is never held out; or pairs (training rows, held-out rows) of row numbers. A single split
            is cheaper, but its standard errors and intervals are too short: they do not contain the noise of training.
        groups: Labels of the rows, (n,), such as a patient or a day: no fold trains on one row of a group and holds out
            another. A fraction `cv` is then a fraction of the groups. A splitter receives them.
        repeats: How many times the rows are split into `cv` folds, or held out, each time at random anew. The mean is
            over all folds; the interval of the gain is shorter, at that many times the cost.
        validation_data: (x, y) or (x, y, sample_weight), or a dataset of these, to hold out in place of rows of `x`.
        epochs: Epochs, at most.
        batch_size: Rows in a batch; of a fold with fewer training rows, all of them. None takes the size of a dataset's
            first batch, and 32 where there is none.
        steps_per_epoch: How many batches of a dataset are its rows (how many rows, where it gives single ones): needed
            for one without end. None reads the dataset to its end.
        patience: Stop a strength when its own mean held-out curve has not improved for so many epochs; None trains all
            epochs. "last" is then its last trained epoch.
        sample_weight: Weights of the rows' losses in all outputs, (n,); they are divided by their mean.
        class_weight: A dictionary from class labels to weights, for a model with one output: rows of a class count so
            much, held-out rows too, and 1 if their class is not named. It multiplies `sample_weight`.
        on: Which weights are penalised: "kernels", "all", kinds, classes of layers, patterns of paths, variables, a
            function (layer, variable) -> bool, or a dictionary from these to factors of the strength; see `describe`.
        how: Where the penalty enters: `Coupled()`, `Proximal()` or `Decoupled()`; None takes the penalty's default.
        init: "fresh" (the default) draws the trainable weights anew, the same for every lambda and different in every
            fold; "keep" starts from the model's weights. A trained or loaded model must say which.
        epoch: Which epoch's weights each strength keeps: "best" on its mean held-out curve, "last", or a number from 1.
        standardize_target: Divide the targets by their standard deviation after taking off their mean, in each fold's
            training rows. Losses are then in units of all rows' variance, and models predict standardised targets:
            `path.target_mean + path.target_sd * prediction` undoes it.
        seed: Of the folds, weights, batches and random layers. The same call gives the same result to the bit on a
            machine, if the plan is the same.
        plan: How to train, such as another path's `path.plan`; what it leaves out is chosen, by a short timing of
            the model where two ways are likely. `rules`: whether all members of a layer are computed at once where that
            is known how; `xla`: whether XLA compiles the training; `chunk`: strengths trained together;
            `evaluated_rows`: rows evaluated together.
        max_memory: Bytes that the run may take beside what the process has already; None for half of what is free.
            Strengths are trained in chunks that keep to it.
        progress: Whether to show a progress bar; None shows it on a terminal.
        verbose: Whether to print the plan, its reason and the memory expected, before the training.

    Returns:
        The path: losses, choices and models at every strength. Where every strength has a model that diverged, it has
        nothing to choose, which `print(path)` says, and `path.model()` raises `NothingToChoose`.

    Raises:
        TypeError, ValueError: Before any training, if an argument is not right or not supported; the message says what
            to do.

    Source: Friedman, Hastie & Tibshirani (2010), "Regularization paths for generalized linear models via coordinate
    descent", whose choice of lambda this is; trained by gradient steps in place of coordinate descent.

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
    start_time = time.perf_counter()
    request = Request(
        model, x, y, penalty=penalty, lams=lams, cv=cv, groups=groups, repeats=repeats, validation_data=validation_data,
        epochs=epochs, batch_size=batch_size, steps_per_epoch=steps_per_epoch, patience=patience,
        sample_weight=sample_weight, class_weight=class_weight, on=on, how=how, init=init, epoch=epoch,
        standardize_target=standardize_target, seed=seed, plan=plan, max_memory=max_memory,
    )  # fmt: skip
    runner = Runner(prepare(request), request.plan, request.max_memory)
    search = Search(runner)
    if verbose:
        print(runner.description, file=sys.stderr)
    with progress_bar(search.expected_epochs, progress) as (tick, expect):
        outcome = search.run(tick, expect)
    return assemble(runner, outcome, seconds=time.perf_counter() - start_time)
