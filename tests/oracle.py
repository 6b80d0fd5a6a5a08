"""The oracle of the cohort: one member trained alone by plain Keras, `train_on_batch` on the same batches."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from shrinkage._cohort._initial import list_seed_variables, make_initial_values
from shrinkage._data._data import Data, WeightedTargets, make_random_seeds, select_batch_rows, take
from shrinkage._model._template import make_fresh_optimizer
from shrinkage._penalties import Decoupled
from shrinkage._problem._problem import Training


class Toward(keras.regularizers.Regularizer):
    """½ lam Σ(w - w0)², written down once more."""

    def __init__(self, lam: float, origin: np.ndarray):
        self.lam, self.origin = lam, origin

    def __call__(self, w):
        return 0.5 * self.lam * keras.ops.sum((w - self.origin) ** 2)


def _regularizer(penalty: Any, model: keras.Model, variable: keras.Variable, lam: float) -> Any:
    if penalty.toward is None:
        return keras.regularizers.L2(lam / 2)
    if isinstance(penalty.toward, str):
        return Toward(lam, keras.ops.convert_to_numpy(variable))  # not trained yet
    place = next(i for i, weight in enumerate(model.weights) if weight is variable)
    return Toward(lam, penalty.toward[place].astype(variable.dtype))


def sample_weights(data: Data, rows: np.ndarray) -> Any:
    """Return the `sample_weight` of plain Keras for some rows: one array, one array per output, or None."""
    if isinstance(data.y, WeightedTargets):
        per_output = [data.get_weight(place)[rows] for place in range(data.y.share.shape[1])]
        return keras.tree.pack_sequence_as(data.y.y, per_output)
    return data.weight[rows] if np.ptp(data.weight) else None


def trained_alone(
    training: Training, train: Sequence[np.ndarray], fold: int, lam: float, *, steps: int, epochs: int, xla: bool
) -> list[np.ndarray]:
    """Return the values of all variables after `Model.fit` of member (fold, lam) with Keras' own L2(lam / 2), or with
    its optimizer's `weight_decay` where the penalty is decoupled.

    Args:
        training: What the cohort trains.
        train: The folds' training rows.
        fold: Which of them, which is also its number.
        lam: Strength on the member's own rows.
        steps: Steps in an epoch.
        epochs: How many.
        xla: Whether Keras compiles with XLA, as the cohort did.
    """
    values = make_initial_values(
        training.template, training.data, train, range(len(train)), seed=training.seed, init=training.init
    )
    model = training.template.make_model([value[0] for value in values[fold]])
    pairs = list(zip(model.trainable_variables, training.terms, strict=True))
    optimizer = make_fresh_optimizer(training.template.optimizer)
    if isinstance(training.how, Decoupled):
        optimizer.weight_decay = lam
        if isinstance(optimizer, keras.optimizers.Muon):
            optimizer.adam_weight_decay = lam
        optimizer.exclude_from_weight_decay(var_list=[variable for variable, term in pairs if term is None])
    else:
        for variable, term in pairs:
            if term is not None and lam:
                variable.regularizer = _regularizer(training.penalty, model, variable, lam * term.factor)
    optimizer.build(model.trainable_variables)
    for layer in model._flatten_layers():
        layer.supports_jit = True  # which Keras takes from GRU and LSTM for the sake of cuDNN, even without a GPU
    source = training.template._source
    weights = source._compile_loss._user_loss_weights
    model.compile(optimizer=optimizer, loss=source.loss, loss_weights=weights, jit_compile=xla)
    data = training.data
    for epoch in range(epochs):
        rows = select_batch_rows(
            train[fold],
            seed=training.seed,
            fold=fold,
            epoch=epoch,
            steps=steps,
            batch_size=min(training.batch_size, len(train[fold])),
        )
        states = list_seed_variables(model)
        seeds = make_random_seeds(seed=training.seed, fold=fold, epoch=epoch, count=len(states))
        for step, batch in enumerate(rows):
            for state, seed in zip(states, seeds, strict=True):
                state.assign(np.array([seed, step * 4096]))
            model.train_on_batch(
                take(data.x, batch), take(data.targets, batch), sample_weight=sample_weights(data, batch)
            )
    model.optimizer.finalize_variable_values(model.trainable_variables)  # the end of `Model.fit`
    return [keras.ops.convert_to_numpy(variable) for variable in model.variables]
