"""`attach` and `detach`: everything is checked before anything is changed."""

from typing import Any, Literal, get_args

import keras
import numpy as np

from shrinkage._attach._attachment import Attachment, Rows
from shrinkage._attach._hooked import put, retrace, unhook
from shrinkage._attach._hooks import check_optimizer, optimizer_of
from shrinkage._attach._lam import Lam, make_lam
from shrinkage._hints._arguments import hinted
from shrinkage._model._attached import attachments, hooks_of
from shrinkage._penalties import L2, Coupled, How, Penalty, as_penalty, check_penalty
from shrinkage._weights._matching import Selector
from shrinkage._weights._selection import check_model, select_frozen_too

_STRENGTHS = ("lams", "lambda_", "alpha", "strength", "l1", "l2", "weight_decay")


_MISSING = {
    "penalty": "Say shrinkage.attach(model, shrinkage.L2(), lam=1e-4).",
    "lam": "Say lam=1e-4, a strength of 0 or more; path = shrinkage.fit(model, x, y, penalty=shrinkage.L2(), "
    "epochs=20) finds one by cross-validation, path.lam_min.",
}


@hinted(
    dict.fromkeys(_STRENGTHS, "Say lam={value}.") | {"": "Name the strength: lam={value}."},
    lambda name: _MISSING.get(name, _MISSING["penalty"]),
)
def attach(
    model: keras.Model,
    penalty: Penalty | Literal["l2", "l1", "elastic-net", "group-lasso"],
    *,
    lam: Lam,
    on: Selector = "kernels",
    how: How | None = None,
    rows: Rows = "all",
) -> Attachment:
    """Penalise a built model in place, in whichever way it is then trained; nothing is rebuilt, no weight is changed.

    Training minimises J(w) = mean data loss + lam * P(w): in `fit`, with a `train_step` of your own, and in a training
    loop of your own that takes its steps with `model.optimizer`. Any other loop calls `gradients` and `after_step` of
    what is returned. Logs have `data_loss`, `penalty` and `loss`, their sum; stop and select on `val_data_loss`.

    Args:
        model: a built `keras.Model`, compiled or not; loaded, pretrained, partly frozen or in mixed precision.
        penalty: what is added to its loss, such as `L2()`, or its name: "l2", "l1", "elastic-net", "group-lasso".
        lam: the strength, 0 or more: a number; a `keras.Variable`; or, read at every step of the optimizer, a
            `keras.optimizers.schedules` schedule or a function of the step written in `keras.ops`. Its values must
            stay 0 or more: a compiled step cannot refuse one, and a negative one is a warning at the epoch's end.
        on: which weights; see `describe`. Frozen ones are left out until they are unfrozen and the model is compiled.
        how: where the penalty enters; None takes the penalty's default.
        rows: of embeddings. "all" penalises the whole table in every step, which takes a dense gradient. "lazy" trains
            the same weights with a sparse one: a row gets the decay (1 - eta * lam)^k of the k steps in which it was
            not looked up when it is next, or the epoch ends. For `L2`, `Coupled` and plain SGD; eta * lam must be
            below 1; the factors of LoRA are penalised as with "all". "touched" penalises in each step the rows that it
            looks up, each once, and keeps the gradient sparse: rare rows are then penalised rarely. For `Coupled`.

    Returns:
        An `Attachment`. Assign to its `lam` to change the strength of a number at any time.

    Raises:
        TypeError, ValueError: before anything is changed: if the model is not built, `lam` is negative or NaN, `on`
            names no weight or one that is penalised already, or the model's optimizer decays them or has no proximal
            step.

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
    how = check_penalty(penalty, how)
    _check_rows(rows, penalty, how, model)
    select_frozen_too(model, on)  # which refuses models without weights, and rules that name none
    toward = _check_toward(penalty, model)
    attachment = Attachment(model, penalty, make_lam(lam, model), on, how, rows, toward)
    _check_finite(attachment)
    _check_free(model, attachment)
    optimizer = optimizer_of(model)
    if optimizer is not None:
        check_optimizer(optimizer, hooks_of(model), [attachment])
    put(model, attachment)
    return attachment


def detach(what: keras.Model | Attachment) -> None:
    """Take a penalty off again: all that are attached to a model, or one that `attach` returned.

    The model's weights, its optimizer's state and its compilation stay as they are.

    Args:
        what: a model, or an attachment.

    Raises:
        TypeError, ValueError: if it is neither, or is not attached.

    Example:
        >>> import keras, shrinkage as sh
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> reg = sh.attach(model, sh.L2(), lam=0.01)
        >>> sh.detach(reg)
        >>> type(model) is keras.Sequential
        True
    """
    if not isinstance(what, (keras.Model, Attachment)):
        raise TypeError(f"detach takes a model, or what attach returned. Received: {type(what).__name__}.")
    model = what.model if isinstance(what, Attachment) else what
    attached = attachments(model)
    if not attached:
        raise ValueError(f"There is nothing to detach: no penalty is attached to model {model.name!r}.")
    if isinstance(what, Attachment) and what not in attached:
        raise ValueError(f"There is nothing to detach: this penalty is not attached to model {model.name!r} any more.")
    hooks = hooks_of(model)
    for table in hooks.tables():
        table.release()
    for each in attached if what is model else (what,):
        each._attached = False
    hooks.attachments = tuple(each for each in attached if each._attached)
    if not hooks.attachments:
        for thing in (model, *hooks.optimizers):
            unhook(thing)
    retrace(model, hooks)


def _check_rows(rows: Any, penalty: Penalty, how: How, model: keras.Model) -> None:
    if rows not in get_args(Rows):
        raise ValueError(f'rows must be "all", "touched" or "lazy". Received: {rows!r}.')
    if rows == "lazy":
        return _check_lazy(penalty, how, model)
    by_weight = penalty.elementwise and penalty.toward is None
    if rows == "touched" and not (isinstance(how, Coupled) and by_weight):
        raise ValueError(
            f'rows="touched" adds to the gradients of single weights, and takes how=shrinkage.Coupled(), no group '
            f"lasso and no weights to draw towards. Received: {penalty!r}, {how!r}."
        )


def _check_lazy(penalty: Penalty, how: How, model: keras.Model) -> None:
    """Refuse what has no exact form for the steps in which a row is not looked up, or none here."""
    if not isinstance(penalty, L2) or penalty.toward is not None or not isinstance(how, Coupled):
        raise ValueError(
            f'rows="lazy" gathers the factors 1 - eta*lam by which an untouched row decays under shrinkage.L2() with '
            f"how=shrinkage.Coupled(); other penalties do more than multiply. Received: {penalty!r}, {how!r}. Take "
            f'rows="all".'
        )
    if model.distribute_strategy.num_replicas_in_sync > 1:
        raise ValueError('rows="lazy" is for one replica, which sees all lookups of a step. Take rows="all".')


def _check_toward(penalty: Penalty, model: keras.Model) -> list[Any] | None:
    """Return the weights that the penalty draws towards, or None; refuse such as are not the model's."""
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
    """Refuse to draw weights towards what is no number."""
    if attachment.toward is None:
        return
    pairs, named = zip(attachment.model.weights, attachment.toward, strict=True), attachment.named
    bad = [v.path for v, origin in pairs if id(v) in named and not np.all(np.isfinite(origin))]
    if bad:
        raise ValueError(
            f"`penalty`: L2(toward=...) must be finite weights. Received: NaN or infinite numbers for {', '.join(bad)}."
        )


def _check_free(model: keras.Model, attachment: Attachment) -> None:
    """Refuse weights that are penalised already, or would be if they were not frozen."""
    named = attachment.named
    chosen = [variable for variable in model.weights if id(variable) in named]
    taken = {key for each in attachments(model) for key in each.named}
    twice = [v.path for v in chosen if id(v) in taken]
    if twice:
        raise ValueError(
            f"These weights have a penalty attached already: {', '.join(twice)}. Detach that one, or let on= name "
            f"others."
        )
    own = [v.path for v in chosen if v.regularizer is not None]
    if own:
        raise ValueError(
            f"These weights have a regularizer of Keras: {', '.join(own)}. Build the layers without it, or set "
            f"`variable.regularizer = None`, or let on= name others."
        )
