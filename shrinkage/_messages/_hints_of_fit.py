"""Hints of `sh.fit` for arguments of Keras, scikit-learn and glmnet, and for data without `y`."""

from collections.abc import Iterator, Mapping
from typing import Any

_ATTACH_CODE = "shrinkage.attach(model, shrinkage.L2(), lam=1e-4), and then model.fit(...)"
_COMPILATION = "It belongs to the model: say model.compile(...) with it, and give the model."
_CV = "Say cv={value}: a number of folds, or a fraction of rows to hold out once, or a splitter of scikit-learn."
_LAMS = "Say lams=[{value}], or leave `lams` out for a grid that is found."
_LIST = "Say lams={value}, or leave `lams` out for a grid that is found."
_SEED = "Say seed={value}."
_SCORES = "Every strength is scored on all held-out rows after every epoch, and there is nothing to set."
_MEMORY = "Rows are read once into memory, and all cores are used: there is nothing to set."
_BEST = "Each strength keeps the best epoch of its mean held-out curve (epoch='best'); patience=5 also stops early."
_CHOICE = (
    "The held-out data loss chooses the strength and its epoch, and path.metrics has the compiled metrics of every "
    "strength; patience=5 stops early."
)

HINTS: Mapping[str, str] = {
    "": "Name the rest: shrinkage.fit(model, x, y, penalty=shrinkage.L2(), epochs=20).",
    # Keras' fit and EarlyStopping
    "callbacks": "All strengths train in one compiled loop, which has no single model for a callback. For a log of the "
    "epochs, or to end the run, say on_epoch=function; for EarlyStopping patience=5; for ModelCheckpoint run=FOLDER; "
    "for a schedule compile with a keras.optimizers.schedules. To train one strength with callbacks say "
    f"{_ATTACH_CODE}.",
    **dict.fromkeys(("callback", "on_epoch_end"), "Say on_epoch=function, which is called after every epoch."),
    "validation_split": "Say cv={value}, which holds out rows drawn at random, or give the last rows as "
    "`validation_data`, as Keras does.",
    "validation_freq": _SCORES,
    "validation_steps": _SCORES,
    "validation_batch_size": "Say plan={{'evaluated_rows': {value}}}.",
    "shuffle": "Each epoch draws the rows in a new order. For ordered rows, such as a time series, say "
    "cv=sklearn.model_selection.TimeSeriesSplit(5), or give the later rows as `validation_data`.",
    "initial_epoch": "Epochs count from 1. To go on from the model's weights say init='keep'.",
    "workers": _MEMORY,
    "use_multiprocessing": _MEMORY,
    "max_queue_size": _MEMORY,
    "n_jobs": _MEMORY,
    "monitor": _CHOICE,
    "scoring": _CHOICE,
    "mode": _CHOICE,
    "restore_best_weights": _BEST,
    "early_stopping": _BEST,
    "min_delta": _BEST,
    "baseline": _BEST,
    "start_from_epoch": _BEST,
    "optimizer": _COMPILATION,
    "loss": _COMPILATION,
    "metrics": _COMPILATION,
    "learning_rate": "It belongs to the optimizer: say model.compile(keras.optimizers.Adam({value}), loss).",
    "lr": "It belongs to the optimizer: say model.compile(keras.optimizers.Adam({value}), loss).",
    "weight_decay": "Say penalty=shrinkage.L2(), how=shrinkage.Decoupled(), lams=[{value}].",
    # one strength, or several strengths
    **dict.fromkeys(("lam", "lambda_", "lamb", "alpha", "strength", "l2", "l1", "lam_min", "lambda1"), _LAMS),
    **dict.fromkeys(("lambdas", "alphas", "strengths", "grid", "lam_grid", "lam_path", "Cs"), _LIST),
    **dict.fromkeys(
        ("n_lams", "nlambda", "n_lambdas", "n_alphas", "num_lams"),
        "Say lams=numpy.geomspace(1e-1, 1e-6, {value}), or leave `lams` out for a grid that is found.",
    ),
    "C": "It is 1 / (n * lambda) on the mean loss: say lams=[1 / (n * {value})] with n rows, or leave `lams` out.",
    **dict.fromkeys(
        ("n_trials", "max_trials", "n_iter", "timeout", "max_time"),
        "Say budget=1.5 for a search that costs at most 1.5 trainings; without `budget` the whole grid is trained.",
    ),
    # the split
    **dict.fromkeys(("n_folds", "k", "folds", "nfolds", "n_splits", "kfold", "k_folds", "test_size"), _CV),
    **dict.fromkeys(("random_state", "random_seed"), _SEED),
    **dict.fromkeys(("n_repeats", "repetitions"), "Say repeats={value}."),
    **dict.fromkeys(("group", "fold_groups", "cv_groups"), "Say groups=..., one label a row."),
    **dict.fromkeys(("foldid", "fold_id", "test_fold"), "Say cv=..., one fold number a row, and -1 to only train."),
    **dict.fromkeys(("splitter", "cv_splitter", "split"), "Say cv={value}."),
    # the penalty
    **dict.fromkeys(("regularizer", "kernel_regularizer", "regularization", "reg"), "Say penalty=shrinkage.L2()."),
    **dict.fromkeys(
        ("rho", "l1_ratio"), "It belongs to the elastic net: say penalty=shrinkage.ElasticNet({value}) (share of L1)."
    ),
    "toward": "It belongs to the penalty: say penalty=shrinkage.L2(toward={value}).",
    # rows
    "X": "Say x, in lower case.",
    "Y": "Say y, in lower case.",
    **dict.fromkeys(("weights", "weight", "sample_weights"), "Say sample_weight=..., one weight per row."),
    **dict.fromkeys(
        ("data", "dataset", "train_data", "generator", "train_ds"),
        "Give the dataset, or arrays x and y, in the second place (and the third).",
    ),
    **dict.fromkeys(
        ("standardize", "normalize", "scale"),
        "Inputs: put keras.layers.Normalization() first, which is fitted to the training rows of each fold. Targets: "
        "standardize_target=True.",
    ),
}


def describe_missing_argument(name: str) -> str:
    """Return the hint for a missing argument of `fit`."""
    return {
        "model": "Say shrinkage.fit(model, x, y, penalty=shrinkage.L2(), epochs=20).",
        "x": "Say shrinkage.fit(model, x, y, penalty=shrinkage.L2(), epochs=20).",
        "penalty": "Say penalty=shrinkage.L2(), or 'l2', 'l1', 'elastic-net', 'group-lasso'; or 'model' for the "
        "regularizers that the model already has.",
        "epochs": "Give as many epochs as the model needs to train, such as epochs=20; each strength keeps the best "
        "epoch.",
    }.get(name, "")


def describe_stream(x: Any, suffix: str = "") -> str:
    """Return an error message with code that converts a loader or a generator to arrays; empty if `x` is neither.

    Args:
        x: The data as passed by the user.
        suffix: The suffix of the array names in the code, such as "_val".
    """
    if not is_stream(x):
        return ""
    end = "    # If it has no end: dataset = itertools.islice(dataset, steps)\n" if isinstance(x, Iterator) else ""
    return (
        "Loaders and generators are not supported. Read the rows into arrays first, or give a tf.data.Dataset or a "
        f"keras.utils.PyDataset:\n{end}    x{suffix}, y{suffix} = keras.tree.map_structure("
        "lambda *parts: numpy.concatenate(parts), *dataset)"
    )


def is_stream(x: Any) -> bool:
    """Return whether `x` is a data loader or a generator, of which `fit` reads none."""
    loader = hasattr(x, "__iter__") and hasattr(x, "dataset") and not hasattr(x, "__array__")  # PyTorch's
    return isinstance(x, Iterator) or loader
