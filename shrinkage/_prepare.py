"""Everything that can be refused is refused here, before any training: arguments in, one checked problem out."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from shrinkage._attach._attach import attachments
from shrinkage._behaviour import Behaviour, observe
from shrinkage._carried import check_free, take_over
from shrinkage._cohort._check import agrees
from shrinkage._cohort._cohort import Task
from shrinkage._cohort._first import seed_variables
from shrinkage._cohort._optimizers import check_optimizer
from shrinkage._cohort._plan import ways
from shrinkage._data import Data, TargetUnits, batches_of, join, take
from shrinkage._fit_hints import stream_words
from shrinkage._folds import Folds, given_folds, make_folds, with_rows_that_do_not_count
from shrinkage._grid import Grid, make_grid, note_of_size, sizes
from shrinkage._losses import name_of
from shrinkage._objective import Objective
from shrinkage._penalties import L2, Decoupled, How, Penalty, Proximal, Weights, as_penalty, check_penalty, terms_of
from shrinkage._rows import read_rows
from shrinkage._selection import Selection, select
from shrinkage._strengths import include
from shrinkage._targets import classes_of
from shrinkage._template import Template


@dataclass(frozen=True)
class Problem:
    """A checked call of `fit`."""

    task: Task
    """What the members train."""
    folds: Folds
    """The split."""
    grid: Grid
    """The strengths, and how they may be extended."""
    selection: Selection
    """Which weights are penalised."""
    target: TargetUnits | None
    """The units that targets are trained in, in each fold and last in all rows, (F + 1,), if they are standardised."""
    agrees: bool
    """Whether members computed together are what the model itself gives."""
    notes: tuple[str, ...]
    """What was changed, in words."""
    lam_model: float | None = None
    """The strength that the model's own regularizers have, where these are the penalty."""

    @property
    def lams(self) -> np.ndarray:
        """Strengths, descending, 0 last, (S,)."""
        return self.grid.lams

    @property
    def all_rows(self) -> np.ndarray:
        """The rows that the final models train on: all of `x`."""
        return _all_rows(self.folds)


def _all_rows(folds: Folds) -> np.ndarray:
    return folds.train[0] if folds.kind == "given" else np.arange(folds.n_rows)


def prepare(
    model: keras.Model | Callable[[], keras.Model],
    x: Any,
    y: Any,
    *,
    penalty: Any,
    lams: Any,
    cv: int | float,
    validation_data: tuple[Any, ...] | None,
    epochs: int,
    batch_size: int,
    patience: int | None,
    sample_weight: Any,
    class_weight: Any,
    on: Any,
    how: Any,
    init: str | None,
    epoch: str | int,
    standardize_target: bool,
    seed: int,
) -> Problem:
    """Check the arguments of `fit`, which documents them, against each other and against the model.

    Raises:
        TypeError, ValueError: Naming the argument, what was expected, what was received, and what to do.
    """
    _check_counts(epochs=epochs, batch_size=batch_size, seed=seed, patience=patience, epoch=epoch)
    template, penalty, how, selection, lam_model = _penalised(model, penalty, on, how)
    terms = terms_of(penalty, selection.weights)
    init = _check_init(template, init, seed)
    data, objective = read_rows(template, x, y, sample_weight, class_weight)
    behaviour = observe(template, data.x)
    notes = list(data.notes)
    if validation_data is None:
        folds = _split(data, objective, cv, seed)
    else:
        validation = _validation_rows(template, objective, validation_data, class_weight)
        folds, data = given_folds(data.n_rows, validation.n_rows), join(data, validation)
    notes += folds.notes
    for note in folds.notes:
        warnings.warn(note, stacklevel=4)  # before the training, which may be long, and not only with the path
    _check_weights(data, folds)
    objective = replace(objective, weighted=bool(np.ptp(data.weight)))
    smallest = min(map(len, folds.train))
    if batch_size > smallest:
        notes.append(
            f"batch_size={batch_size} is larger than the {smallest} training rows of a fold: its batch is all of them."
        )
        batch_size = min(batch_size, data.n_rows)
    target = _standardized(data, folds, objective) if standardize_target else None
    rows = _all_rows(folds)
    loss_size, variance = (1.0, 1.0) if target is not None else sizes(data, objective, rows)
    grid = make_grid(
        lams, penalty, how, template, selection.mask, loss_size=loss_size, target_variance=variance,
        n_rows=int((data.weight[rows] > 0).sum()), steps=epochs * batches_of(len(rows), batch_size)[0],
    )  # fmt: skip
    if lam_model is not None:
        grid = replace(grid, lams=include(grid.lams, lam_model, filled=grid.most is not None))
    notes += grid.notes
    if grid.far:
        notes.append(note_of_size(variance, one_target=_is_one_squared_error(data, objective)))
    objective, together = _compared(behaviour, template, objective, data, folds, batch_size, target)
    notes += _notes(behaviour, together, batch_size)
    if len(folds.train) == 1 and not (objective.by_rows and not behaviour.mixes_rows):
        notes.append(_no_standard_error(objective, behaviour))
    task = Task(template, data, objective, penalty, terms, how, batch_size, init, seed, behaviour)
    return Problem(task, folds, grid, selection, target, together, tuple(notes), lam_model)


def _penalised(model: Any, penalty: Any, on: Any, how: Any) -> tuple[Template, Penalty, How, Selection, float | None]:
    """Return the model as a template, its penalty, where that enters, on which weights, and the model's own strength.

    The last is None unless the penalty is the model's own.
    """
    own = isinstance(penalty, str) and penalty == "model"
    if not own:
        check_penalty(as_penalty(penalty), how)
    _check_detached(model)
    template, lam_model = Template(model, plain=own), None
    if template.is_function:
        _check_detached(template.source)
    if own:
        _check_own(on, how)
        penalty, lam_model, on = take_over(template.source)
    penalty = as_penalty(penalty)
    how = check_penalty(penalty, how)
    check_optimizer(template.optimizer, proximal=isinstance(how, Proximal))
    selection = select(template.source, on)
    if not own:
        check_free(template.source, selection.mask)
    _check_toward(penalty, template)
    return template, penalty, how, selection, lam_model


def _compared(
    behaviour: Behaviour,
    template: Template,
    objective: Objective,
    data: Data,
    folds: Folds,
    batch_size: int,
    target: TargetUnits | None,
) -> tuple[Objective, bool]:
    """Return the losses as members compute them, and whether members together are what the model itself gives."""
    if behaviour.random:
        return objective, False
    together = _agrees(template, objective, data, folds, batch_size, target)
    cautious = objective.alone(listed=False)
    if together or cautious == objective:
        return objective, together
    # A loss of the user's own may mix rows where its values do not show it.
    return cautious, _agrees(template, cautious, data, folds, batch_size, target)


def _no_standard_error(objective: Objective, behaviour: Behaviour) -> str:
    """Say it of a single split whose rows have no losses of their own."""
    cause = "loss mixes the rows of a batch" if not objective.by_rows else "model mixes the rows of a batch"
    if objective.by_rows and behaviour.by_place:
        cause = "model draws random numbers when it predicts"
    return (
        f"The {cause}, so that no held-out row has a loss of its own: a single split then has no standard error, and "
        f"lam_1se is lam_min. Give cv=5 for one."
    )


def _notes(behaviour: Behaviour, together: bool, batch_size: int) -> list[str]:
    """Say what the user should know of how the model behaves."""
    notes = []
    if behaviour.random:
        notes.append(
            "The model gives other predictions when it is called twice with the same weights and rows: it draws random "
            "numbers outside Keras' seed generators (such as tf.random), or keeps something outside its variables. Two "
            "equal calls of fit will differ, and so will strengths, by chance. Draw by keras.random, with "
            "seed=keras.random.SeedGenerator(...). Meanwhile the model is called once per member, which is slower."
        )
    elif not together:
        notes.append(
            "Computing all members at once did not agree with the model itself: the model is called once per member, "
            "which is slower."
        )
    if behaviour.by_place:
        notes.append(
            f"The model draws random numbers when it predicts, too: what it predicts for a row depends on the row's "
            f"place in the batch. Held-out losses contain that noise; held-out rows are scored in batches of "
            f"{batch_size}, without training rows. Draw only in training: if training: ..."
        )
    elif behaviour.mixes_rows:
        notes.append(
            f"The model mixes the rows of a batch: what it predicts for a row depends on the others. Held-out rows are "
            f"scored in batches of {batch_size}, without training rows, as model.evaluate(batch_size={batch_size}) "
            f"does; another batch_size gives other losses."
        )
    return notes


def _check_counts(*, epochs: Any, batch_size: Any, seed: Any, patience: Any, epoch: Any) -> None:
    for name, value, least in (("epochs", epochs, 1), ("batch_size", batch_size, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"`{name}` must be a whole number of at least {least}. Received: {value!r}.")
    if patience is not None and (isinstance(patience, bool) or not isinstance(patience, int) or patience < 1):
        raise ValueError(f"`patience` must be None or a whole number of at least 1. Received: {patience!r}.")
    number = isinstance(epoch, (int, np.integer)) and not isinstance(epoch, bool) and 1 <= epoch <= epochs
    if epoch not in ("best", "last") and not number:
        raise ValueError(f'`epoch` must be "best", "last" or a number from 1 to epochs={epochs}. Received: {epoch!r}.')
    if number and patience is not None:
        raise ValueError(
            f"`epoch={epoch}` needs that epoch to be trained, and `patience` may stop before it. Leave `patience` out."
        )


def _check_detached(model: Any) -> None:
    """Refuse a model that would be penalised twice, or whose parts would silently lose their penalty."""
    if not isinstance(model, keras.Model):
        return
    if attachments(model):
        raise ValueError(
            f"`model` ({model.name}) has a penalty attached: {attachments(model)[0]!r}. Call shrinkage.detach(model), "
            f"and give the penalty to shrinkage.fit."
        )
    for part in model._flatten_layers():
        acting = [each for each in attachments(part) if each.weights] if isinstance(part, keras.Model) else []
        if acting:
            raise ValueError(
                f"`model` ({model.name}) holds the model {part.name!r}, which has a penalty attached: {acting[0]!r}. "
                f"shrinkage.fit would train it without. Call shrinkage.detach on that inner model, and give the "
                f"penalty to shrinkage.fit, with `on` for its weights alone."
            )


def _check_toward(penalty: Penalty, template: Template) -> None:
    """Refuse weights to draw towards that are not those of such a model."""
    toward = penalty.toward if isinstance(penalty, L2) else None
    if not isinstance(toward, Weights):
        return
    expected, found = ([tuple(w.shape) for w in weights] for weights in (template.network.weights, toward))
    if expected != found or not all(np.isfinite(w).all() for w in toward if w.dtype.kind == "f"):
        raise ValueError(
            f"`penalty`: L2(toward=...) must be finite weights as model.get_weights() gives them, of shapes "
            f"{expected}. Received: {found}."
        )


def _check_own(on: Any, how: Any) -> None:
    """Refuse what `penalty="model"` already says."""
    if not (isinstance(on, str) and on == "kernels"):
        raise ValueError('`on` must be left out with penalty="model", which is on the weights that have a regularizer.')
    if isinstance(how, Decoupled):
        raise ValueError(
            '`how`: Decoupled() is weight decay, and no regularizer of Keras. Leave it out with penalty="model".'
        )


def _check_init(template: Template, init: str | None, seed: int) -> str:
    if init not in (None, "fresh", "keep"):
        raise ValueError(f'`init` must be "fresh" or "keep". Received: {init!r}.')
    if init is None and not template.is_function and (signs := template.trained_signs(seed)):
        raise ValueError(
            f'`model` has been trained or loaded: {signs}. Say init="keep" to start every member from its weights (if '
            f'they come from rows in `x`, they leak into the held-out loss), or init="fresh" to draw new ones.'
        )
    return init or "fresh"


def _check_weights(data: Data, folds: Folds) -> None:
    if any(data.weight[rows].sum() == 0 for rows in (*folds.train, *folds.held_out)):
        raise ValueError(_NO_WEIGHT)


_NO_WEIGHT = (
    "`sample_weight` (times `class_weight`) must be above 0 for some training and some validation rows. "
    "Received: a part whose rows all have weight 0."
)


def _validation_rows(template: Template, objective: Objective, validation_data: Any, class_weight: Any) -> Data:
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        size = f" of {len(validation_data)}" if isinstance(validation_data, (tuple, list)) else ""
        raise ValueError(
            "`validation_data` must be a tuple (x, y) or (x, y, sample_weight) of arrays. "
            f"Received: a {type(validation_data).__name__}{size}. {stream_words(validation_data, '_val')}".rstrip()
        )
    try:
        x, y, weight = (*validation_data, None)[:3]
        return read_rows(template, x, y, weight, class_weight, objective)[0]
    except (TypeError, ValueError) as error:
        raise type(error)(f"`validation_data`: {error}") from error


def _split(data: Data, objective: Objective, cv: int | float, seed: int) -> Folds:
    """Split the rows, those that count as if there were no others, by the labels of the first output with classes."""
    counts, place = data.weight > 0, objective.stratifying()
    classes = None if place is None else classes_of(keras.tree.flatten(data.y)[place])
    try:
        folds = make_folds(int(counts.sum()), cv, classes=None if classes is None else classes[counts], seed=seed)
    except ValueError as error:
        make_folds(len(counts), cv, classes=classes, seed=seed)  # fails too where the weights are not the cause
        raise ValueError(
            f"`sample_weight` must leave enough rows with a weight above 0 for `cv`. Received: {counts.sum()} of "
            f"{len(counts)} rows. {error}"
        ) from error
    return folds if counts.all() else with_rows_that_do_not_count(folds, data.weight, seed)


def _standardized(data: Data, folds: Folds, objective: Objective) -> TargetUnits:
    """Return the mean and standard deviation of the targets in each fold's training rows and, last, in all rows."""
    target, *others = keras.tree.flatten(data.y)
    if not _is_one_squared_error(data, objective):
        raise ValueError(
            "`standardize_target` needs loss='mean_squared_error' and one output. "
            f"Received: {_only_name(objective)}, targets of shape {', '.join(str(y.shape) for y in (target, *others))}."
        )
    moments = []
    for rows in (*folds.train, _all_rows(folds)):
        y, weight = target[rows, 0].astype(np.float64), data.weight[rows]
        mean = np.average(y, weights=weight)
        moments.append((mean, np.sqrt(np.average((y - mean) ** 2, weights=weight))))
    means, sds = np.array(moments).T
    if (sds == 0).any():
        raise ValueError("`y` must vary within every fold's training rows to be standardised. Received: a constant.")
    return TargetUnits(means, sds, float(sds[-1]))


def _is_one_squared_error(data: Data, objective: Objective) -> bool:
    target, *others = keras.tree.flatten(data.y)
    return _only_name(objective) == "mean_squared_error" and not others and target.shape[1:] == (1,)


def _only_name(objective: Objective) -> str:
    return "several losses" if objective.only is None else name_of(objective.only)


def _agrees(
    template: Template, objective: Objective, data: Data, folds: Folds, batch_size: int, target: TargetUnits | None
) -> bool:
    """Say whether members computed together, by rules, are what the model itself gives."""
    network = template.network
    by_rules = any(way.rules for way in ways(network, agrees=True, batch_size=batch_size))
    if not by_rules and objective.alone(listed=False) == objective:
        return True  # each member calls the model, and nothing is to be compared
    size = min(batch_size, *map(len, folds.train))
    rows = np.stack([folds.train[0][:size], folds.train[-1][-size:]])
    y = take(data.y if target is None else target.standardize(data.y, -1), rows)
    return agrees(network, objective, take(data.x, rows), y, seed_variables(network))
