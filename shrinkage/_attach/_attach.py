"""`attach` and `detach`. All checks come before the first change."""

from typing import Any, Literal, get_args

import keras
import numpy as np

from shrinkage._attach._attachment import Attachment, Rows
from shrinkage._attach._hooked import put, retrace, unhook
from shrinkage._attach._hooks import check_penalised_optimizer, get_optimizer
from shrinkage._attach._lam import Lam, make_lam
from shrinkage._messages._hints import give_hints
from shrinkage._model._attached import get_attachments, get_hooks
from shrinkage._penalties import Coupled, How, Penalty, as_penalty, check_how
from shrinkage._weights._matching import Selector
from shrinkage._weights._selection import check_model, select_frozen_too

_STRENGTHS = ("lambda_", "alpha", "strength", "l1", "l2", "weight_decay")


_MISSING = {
    "penalty": "Say shrinkage.attach(model, shrinkage.L2(), lam=1e-4).",
    "lam": "Say lam=1e-4, a strength of 0 or more; path = shrinkage.fit(model, x, y, penalty=shrinkage.L2(), "
    "epochs=20) finds one by cross-validation, path.lam_min.",
}


@give_hints(
    dict.fromkeys(_STRENGTHS, "Say lam={value}.")
    | {
        "lams": "Say lam=1e-4, a single strength; shrinkage.fit takes lams={value}.",
        "": "Name the strength: lam={value}.",
    },
    lambda name: _MISSING.get(name, _MISSING["penalty"]),
)
def attach(
    model: keras.Model,
    penalty: Penalty | Literal["l2", "l1", "elastic-net", "group-lasso"],
    *,
    lam: Lam,
    on: Selector = "kernels",
    how: How | Literal["coupled", "proximal", "decoupled"] | None = None,
    rows: Rows = "all",
) -> Attachment:
    """Add a penalty to a built model, in place. The model is not rebuilt, and no weight changes.

    Training then minimises J(w) = mean data loss + lam * P(w). This holds for `fit`, for a custom `train_step`, and for
    a custom training loop that takes the steps with `model.optimizer`. Any other loop calls the methods `gradients` and
    `after_step` of the attachment. The logs contain `data_loss`, `penalty` and their sum `loss`. Monitor
    `val_data_loss` for early stopping and for model selection.

    Args:
        model: a built `keras.Model`, compiled or not; also loaded, pretrained, partly frozen or in mixed precision.
        penalty: the penalty P, such as `L2()`, or a name: "l2", "l1", "elastic-net", "group-lasso".
        lam: the strength, 0 or more: a number, a `keras.Variable`, a `keras.optimizers.schedules` schedule, or a
            function of the step written in `keras.ops`. A schedule or function is read at every step of the optimizer.
            A negative value of a variable or function gives a warning at the end of the epoch.
        on: the weights to penalise; see `describe`. Frozen weights are left out until they are unfrozen and the model
            is compiled.
        how: where the penalty enters: `Coupled()`, `Proximal()` or `Decoupled()`, or its name, such as "decoupled";
            None takes the default of the penalty.
        rows: the rows of an embedding table that a step penalises.
            "all" penalises the whole table in every step. The gradient is then dense.
            "lazy" trains the same weights with a sparse gradient. After k steps without a lookup, a row is multiplied
            by (1 - eta * lam)^k at the next lookup or at the end of the epoch, where eta is the learning rate. This
            needs `L2`, `Coupled`, plain SGD, and eta * lam below 1. LoRA factors are penalised as with "all".
            "touched" penalises only the rows that the step looks up, each once, and keeps the gradient sparse. Rare
            rows are then penalised rarely. This needs `Coupled`.

    Returns:
        An `Attachment`. To change a strength that is a number, assign to `attachment.lam` at any time.

    Raises:
        TypeError, ValueError: if the model is not built, `lam` is negative or NaN, `on` names no weight or a weight
            that is penalised already, or the optimizer of the model decays these weights or has no proximal step. The
            model is then unchanged.

    Example:
        >>> import keras, numpy as np, shrinkage as sh
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name="net")
        >>> model.compile("adam", "mean_squared_error")
        >>> sh.attach(model, sh.L2(), lam=0.01)
        L2() on 1 of 2 weights of 'net', lam=0.01, Coupled()
        >>> history = model.fit(np.ones((8, 3)), np.ones(8), verbose=0, validation_data=(np.ones((8, 3)), np.ones(8)))
        >>> sorted(history.history)
        ['data_loss', 'loss', 'penalty', 'val_data_loss', 'val_loss', 'val_penalty']
    """
    check_model(model)
    penalty = as_penalty(penalty)
    how = check_how(penalty, how)
    _check_rows(rows, penalty, how, model)
    select_frozen_too(model, on)  # refuses a model or a rule without weights
    toward = _check_toward(penalty, model)
    attachment = Attachment(model, penalty, make_lam(lam, model), on, how, rows, toward)
    _check_finite(attachment)
    _check_free(model, attachment)
    optimizer = get_optimizer(model)
    if optimizer is not None:
        check_penalised_optimizer(optimizer, get_hooks(model), [attachment])
    put(model, attachment)
    return attachment


def detach(what: keras.Model | Attachment) -> None:
    """Remove one penalty that `attach` returned, or all penalties of a model.

    The weights, the state of the optimizer and the compilation of the model do not change.

    Args:
        what: a `keras.Model`, to remove all penalties, or an `Attachment`, to remove this penalty.

    Raises:
        TypeError, ValueError: if `what` is neither, or no penalty is attached.

    Example:
        >>> import keras, shrinkage as sh
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> reg = sh.attach(model, sh.L2(), lam=0.01)
        >>> sh.detach(reg)
        >>> type(model) is keras.Sequential
        True
    """
    if not isinstance(what, (keras.Model, Attachment)):
        raise TypeError(
            f"`what` must be a keras.Model, or an attachment as attach returned it. Received: {type(what).__name__}."
        )
    model = what.model if isinstance(what, Attachment) else what
    attached = get_attachments(model)
    if isinstance(what, Attachment) and what not in attached:
        raise ValueError(
            f"`what` must be an attached penalty. Received: a penalty that is not attached to model {model.name!r} any "
            f"more. Leave the call out."
        )
    if not attached:
        raise ValueError(
            f"`what` must be a model with a penalty attached. Received: model {model.name!r}, which has none. Leave "
            f"the call out."
        )
    hooks = get_hooks(model)
    for table in hooks.list_tables():
        table.release()
    for each in attached if what is model else (what,):
        each._is_attached = False
    hooks.attachments = tuple(each for each in attached if each._is_attached)
    if not hooks.attachments:
        for thing in (model, *hooks.optimizers):
            unhook(thing)
    retrace(model, hooks)


def _check_rows(rows: Any, penalty: Penalty, how: How, model: keras.Model) -> None:
    if rows not in get_args(Rows):
        raise ValueError(f'`rows` must be "all", "touched" or "lazy". Received: {rows!r}.')
    if rows == "lazy":
        return _check_lazy(penalty, how, model)
    by_weight = penalty.elementwise and penalty.toward is None
    if rows == "touched" and not (isinstance(how, Coupled) and by_weight):
        raise ValueError(
            f'rows="touched" needs how=shrinkage.Coupled(), no group lasso and no weights to draw towards, as it '
            f'adds to the gradients of single weights. Received: {penalty!r}, {how!r}. Attach with rows="all".'
        )


def _check_lazy(penalty: Penalty, how: How, model: keras.Model) -> None:
    """Refuse penalties and strategies for which rows="lazy" has no exact form."""
    if not penalty.can_decay or penalty.toward is not None or not isinstance(how, Coupled):
        raise ValueError(
            f'rows="lazy" needs shrinkage.L2() and how=shrinkage.Coupled(), as it collects the factors 1 - eta*lam '
            f"by which an untouched row decays, and other penalties do more than multiply. Received: {penalty!r}, "
            f'{how!r}. Attach with rows="all".'
        )
    n_replicas = model.distribute_strategy.num_replicas_in_sync
    if n_replicas > 1:
        raise ValueError(f'rows="lazy" needs one replica. Received: {n_replicas}. Attach with rows="all".')


def _check_toward(penalty: Penalty, model: keras.Model) -> list[Any] | None:
    """Return the weights that the penalty draws towards, or None; refuse weights of other shapes."""
    toward = penalty.toward
    if toward is None:
        return None
    now = model.get_weights()
    if isinstance(toward, str):  # "initial"
        return now
    expected, found = ([tuple(w.shape) for w in weights] for weights in (now, toward))
    if expected != found:
        raise ValueError(
            f"`penalty`: L2(toward=...) must be weights as model.get_weights() gives them, of shapes {expected}. "
            f"Received: {found}."
        )
    return list(toward)


def _check_finite(attachment: Attachment) -> None:
    """Refuse to draw weights towards NaN or infinite numbers."""
    if attachment.toward is None:
        return
    pairs, named = zip(attachment.model.weights, attachment.toward, strict=True), attachment.named
    bad = [v.path for v, origin in pairs if id(v) in named and not np.all(np.isfinite(origin))]
    if bad:
        raise ValueError(
            f"`penalty`: L2(toward=...) must be finite weights. Received: NaN or infinite numbers for {', '.join(bad)}."
        )


def _check_free(model: keras.Model, attachment: Attachment) -> None:
    """Refuse weights that already have a penalty, frozen weights included."""
    named = attachment.named
    chosen = [variable for variable in model.weights if id(variable) in named]
    taken = {key for each in get_attachments(model) for key in each.named}
    twice = [v.path for v in chosen if id(v) in taken]
    if twice:
        raise ValueError(
            f"on= must name weights without an attached penalty. Received: weights with a penalty, {', '.join(twice)}. "
            f"Detach that penalty, or name other weights."
        )
    own = [v.path for v in chosen if v.regularizer is not None]
    if own:
        raise ValueError(
            f"on= must name weights without a regularizer of Keras. Received: weights with a regularizer, "
            f"{', '.join(own)}. Build the layers without it, or set `variable.regularizer = None`, or name other "
            f"weights."
        )
