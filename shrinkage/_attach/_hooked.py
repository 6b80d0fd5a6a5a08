"""Hooks in a model and in the optimizer: each object gets a subclass of the present class, with a few overrides.

The subclass keeps the name of the class, and the object keeps the variables. The hooks act where the penalties of Keras
act: the gradient of a penalty is added after unscaling and before accumulation and clipping, as for regularizers;
decoupled decay is applied with the optimizer's weight decay; the proximal operator follows the step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from shrinkage._attach._attachment import Attachment
from shrinkage._attach._hooks import Hooks, check_penalised_optimizer, find_optimizers
from shrinkage._attach._lam import unwrap_optimizer
from shrinkage._attach._saving import attachment_from_record, attachment_to_record
from shrinkage._attach._terms import add_gradients, decay, decay_rows, shrink
from shrinkage._host._attributes import get_stored, remove_stored, store
from shrinkage._host._callers import (
    CLONING_MODULE,
    OLD_FORMAT_MODULE,
    WRITING_MODULES,
    get_caller,
    warn_about_clone,
    warn_keras_caller,
)
from shrinkage._host._optimizers import get_variable_key
from shrinkage._host._overrides import check_overrides
from shrinkage._host._saving import get_unpickler
from shrinkage._model._attached import KEY, get_hooks
from shrinkage._penalties import Coupled, Decoupled, Proximal

_OURS = {"data_loss", "penalty"}  # logs in addition to those of Keras
_ABSENT = object()


class HookedOptimizer:
    """The overrides in an optimizer's class."""

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """Return an optimizer without hooks: `from_config` of this class makes optimizers for other models."""
        return cls.__bases__[1](*args, **options)

    def __reduce__(self: Any) -> Any:
        """Pickle and copy the optimizer without hooks."""
        _, arguments = super().__reduce__()
        return get_unpickler(type(self).__bases__[1]), arguments

    def _backend_apply_gradients(self: Any, grads: Any, trainable_variables: Any) -> None:
        get_hooks(self).record_step(self, trainable_variables)
        for weights, lam in get_hooks(self).select_weights(Coupled, self, trainable_variables):
            key_of = partial(get_variable_key, self)
            keys = [key_of(v) for v in trainable_variables]
            decay_rows(grads, keys, key_of, weights, lam, self.learning_rate)
            grads = add_gradients(grads, keys, key_of, weights, lam)
        super()._backend_apply_gradients(grads, trainable_variables)  # pyright: ignore[reportAttributeAccessIssue]

    def _apply_weight_decay(self: Any, variables: Any) -> None:
        for weights, lam in get_hooks(self).select_weights(Decoupled, self, variables):
            decay(weights, lam, self.learning_rate)
        super()._apply_weight_decay(variables)  # pyright: ignore[reportAttributeAccessIssue]

    def _backend_update_step(self: Any, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        super()._backend_update_step(grads, trainable_variables, learning_rate)  # pyright: ignore[reportAttributeAccessIssue]
        for weights, lam in get_hooks(self).select_weights(Proximal, self, trainable_variables):
            shrink(self, weights, lam, learning_rate)


class HookedModel:
    """The overrides in a model's class."""

    @property
    def optimizer(self: Any) -> Any:
        """The optimizer. Setting an optimizer, as `compile` does, hooks it."""
        optimizer = get_stored(self, "optimizer", _ABSENT)
        if optimizer is _ABSENT:  # before `compile`
            raise AttributeError(f"{type(self).__name__!r} object has no attribute 'optimizer'")
        return optimizer

    @optimizer.setter
    def optimizer(self: Any, optimizer: Any) -> None:
        hooks, new = get_hooks(self), unwrap_optimizer(optimizer)
        if new is not None:
            check_penalised_optimizer(new, hooks, hooks.attachments)
        store(self, optimizer=optimizer)
        hook_optimizers(self)
        hooks.retrace()  # `compile` is when other weights become trainable

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """Return a model without hooks: `clone_model` and others make new models of this class."""
        return cls.__bases__[1](*args, **options)

    def __call__(self: Any, *args: Any, **options: Any) -> Any:
        """Call the model, and watch the compiled step that calls it, of this model or of a model that contains it."""
        with get_hooks(self).watch():
            return super().__call__(*args, **options)  # pyright: ignore[reportAttributeAccessIssue]

    def get_config(self: Any) -> dict[str, Any]:
        """Return the configuration without attachments; with them, if the caller saves the model to a file."""
        asks = get_caller()
        if asks == OLD_FORMAT_MODULE:
            warn_keras_caller(f"The .h5 file has model {self.name!r} without its penalty. Save it as .keras.")
            get_hooks(self).catch_up()  # the .h5 format reads the variables directly
        elif asks == CLONING_MODULE:
            warn_about_clone(self)
        with as_before(self):
            if asks not in WRITING_MODULES:
                return self.get_config()
            model = keras.saving.serialize_keras_object(self)
        model.pop("compile_config", None)  # a file has a separate entry for it
        return {"model": model, "attached": [attachment_to_record(each) for each in get_hooks(self).attachments]}

    @classmethod
    def from_config(cls: Any, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Return the built model with the penalties, not compiled; a plain configuration gives a plain model."""
        if "attached" not in config:
            return cls.__bases__[1].from_config(config)
        model: Any = keras.saving.deserialize_keras_object(config["model"], custom_objects)
        for record in config["attached"]:
            put(model, attachment_from_record(record, model))
        return model

    def __reduce__(self: Any) -> Any:
        """Pickle and copy the model as Keras does, through a file in memory, which contains the attachments."""
        _, arguments = super().__reduce__()
        return unpickled, arguments

    def get_compile_config(self: Any) -> dict[str, Any]:
        """Return the arguments of `compile`, with the optimizer without hooks."""
        if get_caller() == CLONING_MODULE:
            warn_about_clone(self)
        with as_before(self):
            return self.get_compile_config()

    def make_train_function(self: Any, force: bool = False) -> Any:
        """Hook the optimizers of the model: a custom `compile` may have added some."""
        if hook_optimizers(self):
            get_hooks(self).retrace()
            force = True
        return super().make_train_function(force)  # pyright: ignore[reportAttributeAccessIssue]

    def get_weights(self: Any) -> list[Any]:
        """Return the weights, after all pending decay is applied."""
        get_hooks(self).catch_up()
        return super().get_weights()  # pyright: ignore[reportAttributeAccessIssue]

    def set_weights(self: Any, weights: list[Any]) -> None:
        super().set_weights(weights)  # pyright: ignore[reportAttributeAccessIssue]
        for table in get_hooks(self).list_tables():
            table.mark_written()

    def reset_metrics(self: Any) -> None:
        super().reset_metrics()  # pyright: ignore[reportAttributeAccessIssue]
        get_hooks(self).start()

    def get_metrics_result(self: Any) -> dict[str, Any]:
        """Return the logs of Keras with `data_loss` and `penalty` added; `loss` is their sum.

        Outside a compiled step, as at the end of an epoch and of `evaluate`, the penalty is computed at the present
        weights. Inside a compiled step that would cost time in every step. There only `loss` contains the penalty, at
        the weights of the last reset of the metrics. For `train_on_batch` this is before the step, as for the
        regularizers of Keras.
        """
        logs = super().get_metrics_result()  # pyright: ignore[reportAttributeAccessIssue]
        if "loss" not in logs:
            return logs
        hooks, loss = get_hooks(self), logs["loss"]
        inside = tf.inside_function()
        if not inside:
            hooks.catch_up()  # the epoch has ended, and callbacks may read the weights
        penalty = ops.convert_to_tensor(hooks.penalty_variable) if inside else hooks.compute_penalty()
        # Outside a compiled step Keras 3.13 returns Python floats; later versions convert tensors to floats.
        penalty = float(penalty) if isinstance(loss, float) else ops.cast(penalty, loss.dtype)
        parts = {} if inside else {"data_loss": loss, "penalty": penalty}
        return {**logs, "loss": loss + penalty, **parts}

    def _get_metrics_result_or_logs(self: Any, logs: dict[str, Any]) -> dict[str, Any]:
        """Return the metrics at the end of an epoch, unless a custom `train_step` returned other logs."""
        get_hooks(self).end()
        now = self.get_metrics_result()
        return now if set(logs) | _OURS == set(now) else logs

    def _flatten_metrics_in_order(self: Any, logs: dict[str, Any]) -> Any:
        """Return a list of logs as long as without an attachment: only dictionaries contain the added logs."""
        logs = {name: value for name, value in logs.items() if name not in _OURS}
        return super()._flatten_metrics_in_order(logs)  # pyright: ignore[reportAttributeAccessIssue]


def unpickled(file: Any) -> Any:
    """Return the model in a pickle. Because a pickle names this function, loading it imports this module."""
    return get_unpickler(keras.Model)(file)


def put(model: keras.Model, attachment: Attachment) -> None:
    """Add an attachment to those of a model, and hook the model and its optimizers."""
    hooks = get_hooks(model) or Hooks(model)
    hooks.attachments = (*hooks.attachments, attachment)
    hook(model, HookedModel, hooks)
    hook_optimizers(model)
    retrace(model, hooks)


def retrace(model: keras.Model, hooks: Hooks) -> None:
    """Make Keras compile the steps of a model again."""
    hooks.retrace()
    model.train_function = model.test_function = model.predict_function = None


def hook(thing: Any, mixin: type, hooks: Hooks) -> None:
    """Change the class of an object to a subclass with hooks, unless it has hooks."""
    if not isinstance(thing, mixin):
        object.__setattr__(thing, "__class__", _subclass(mixin, type(thing)))
    store(thing, **{KEY: hooks})


def unhook(thing: Any) -> None:
    """Restore the class of an object."""
    if get_hooks(thing) is not None:
        object.__setattr__(thing, "__class__", type(thing).__bases__[1])
        remove_stored(thing, KEY)


def hook_optimizers(model: Any) -> bool:
    """Hook the optimizers that a model holds, and unhook those that it no longer holds; return whether any is new.

    A model with a custom training step may hold several optimizers, and `model.optimizer` may take no step. An
    optimizer that another model with a penalty uses is not changed.
    """
    hooks = get_hooks(model)
    held = [each for each in find_optimizers(model) if get_hooks(each) in (None, hooks)]
    for each in hooks.optimizers:
        if not any(each is other for other in held):
            unhook(each)
    new = [each for each in held if get_hooks(each) is None]
    for each in new:
        hook(each, HookedOptimizer, hooks)
    hooks.optimizers = held
    return bool(new)


@contextmanager
def as_before(model: Any) -> Iterator[None]:
    """Restore the classes of a model and of its optimizers within a `with` block, for example to save them."""
    things = [model, *get_hooks(model).optimizers]
    kinds = [type(thing) for thing in things]
    for thing, kind in zip(things, kinds, strict=True):
        object.__setattr__(thing, "__class__", kind.__bases__[1])
    try:
        yield
    finally:
        for thing, kind in zip(things, kinds, strict=True):
            object.__setattr__(thing, "__class__", kind)


@cache
def _subclass(mixin: type, cls: type) -> type:
    check_overrides(mixin, cls)
    names = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
    if mixin is HookedOptimizer:
        return type(cls.__name__, (mixin, cls), names)
    # Loading the file without this package then gives an error that names shrinkage.
    return register(type(cls.__name__, (mixin, cls), {**names, "__module__": "shrinkage"}))


def register(kind: type) -> type:
    """Register a class with Keras under one name, so that a file of any attached model can be loaded."""
    return keras.saving.register_keras_serializable("shrinkage", "Attached")(kind)


register(HookedModel)
