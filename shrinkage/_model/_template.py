"""The caller's model as a recipe: it is read once, never changed, and fresh networks come from it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._host._compiled import CompileMetrics, given_loss_weights, given_metrics
from shrinkage._host._layers import sublayers
from shrinkage._host._optimizers import rate_of
from shrinkage._host._random import random_state
from shrinkage._model._clone import clone, shapes_of
from shrinkage._model._objective import Objective, loss_name, make_objective
from shrinkage._weights._carried import remove_regularizers
from shrinkage._weights._first_call import create_weights
from shrinkage._weights._kinds import custom_objects

_PRECISIONS = (("float32", "float32"), ("float32", "bfloat16"), ("float64", "float64"))  # of weights, and of sums


class Template:
    """A compiled model's architecture, compile arguments and first weights.

    Args:
        model: A built and compiled Keras model, or a function without arguments that returns one (the way for classes
            that Keras cannot clone).
        plain: Whether the networks are made without the regularizers that the model carries on its weights.

    Raises:
        TypeError: If `model` is neither.
        ValueError: If it is not built, not compiled, or of a kind that is not supported.
    """

    def __init__(self, model: keras.Model | Callable[[], keras.Model], *, plain: bool = False):
        self._build = None if isinstance(model, keras.Model) else model
        if self._build is not None and (not callable(self._build) or isinstance(model, keras.Layer)):
            hint = " Say keras.models.load_model(file)." if isinstance(model, (str, Path)) else ""
            raise TypeError(
                f"`model` must be a compiled keras.Model or a function that returns one. Received: "
                f"{type(model).__name__}.{hint}"
            )
        source: Any = model if self._build is None else self._called()
        if source.built:
            create_weights(source)
        _check(source)
        self._source, self._plain = source, plain
        self._drawn: dict[tuple[int, ...], list[np.ndarray]] = {}
        self.network = self._clone()
        for mine, theirs in zip(self.network.variables, source.variables, strict=True):
            mine.assign(theirs)  # `set_weights` would leave out the states of random layers
            if theirs.constraint is not None and mine.constraint is None:
                raise ValueError(
                    f"`model` has a constraint on {theirs.path} that its layer does not know of. Give it to the layer, "
                    f"for example keras.layers.Dense(..., kernel_constraint=constraint)."
                )
        _finalize(self.network)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._source.name

    @property
    def source(self) -> keras.Model:
        """The caller's model, which is never changed; its weights are in the order of the network's."""
        return self._source

    @property
    def loss_name(self) -> str:
        """The loss' snake-case name, as in `keras.losses`; "loss" where outputs have different ones."""
        return loss_name(self._source.loss)

    def has_loss(self, places: Sequence[Any]) -> list[bool]:
        """Say for outputs, known by their names or keys, which were compiled with a loss."""
        loss = self._source.loss
        if isinstance(loss, dict):
            return [loss.get(place) is not None for place in places]
        if isinstance(loss, (list, tuple)) and len(loss) == len(places):
            return [one is not None for one in loss]
        return [True] * len(places)

    @property
    def optimizer(self) -> Any:
        """The caller's optimizer, to read its configuration from."""
        return self._source.optimizer

    @property
    def is_function(self) -> bool:
        """Whether the caller gave a function, whose models are new by construction."""
        return self._build is not None

    @property
    def custom_objects(self) -> dict[str, Any]:
        """The classes and functions of the model and its layers that are not of Keras, by their names."""
        return custom_objects(self._source)

    def objective(self, y: Any, predictions: Any, labels: Sequence[str]) -> Objective:
        """Return what the model was compiled to minimise; see `make_objective`."""
        names = getattr(self._source, "output_names", None)
        return make_objective(self._source.loss, given_loss_weights(self._source), names, y, predictions, labels)

    def metrics(self) -> Any:
        """Return new instances of the compiled metrics of all outputs, as one metric, or None if there are none."""
        metrics, weighted = (tree.map_structure(_copy, part) for part in given_metrics(self._source))
        if not (metrics or weighted):
            return None
        return CompileMetrics(metrics, weighted, output_names=getattr(self._source, "output_names", None))

    def fresh_values(self, key: Sequence[int]) -> list[np.ndarray]:
        """Return the values of all variables with the trainable ones drawn anew from their initializers.

        Args:
            key: What the draw depends on, such as (seed, fold).
        """
        if tuple(key) not in self._drawn:
            with random_state(key):
                model = self._clone()
            pairs = zip(model.variables, self.network.variables, strict=True)
            self._drawn[tuple(key)] = [_numpy(new if kept.trainable else kept) for new, kept in pairs]
        return self._drawn[tuple(key)]

    def source_values(self) -> list[np.ndarray]:
        """Return the values of all variables in the caller's model."""
        return [_numpy(variable) for variable in self.network.variables]

    def evidence_of_training(self, seed: int) -> str | None:
        """Say in words what shows that the caller's model has been trained or loaded, or return None.

        Initializers that set constants (biases, gains) give a model away that was loaded without its optimizer, and so
        do weights of another size than two folds' draws, and moved averages of a BatchNormalization that trains.

        Args:
            seed: The run's; the first two folds' draws are compared.
        """
        if int(self._source.optimizer.iterations) > 0:
            return f"its optimizer has taken {int(self._source.optimizer.iterations)} steps"
        first, second = self.fresh_values((seed, 0)), self.fresh_values((seed, 1))
        for variable, kept, a, b in zip(self.network.variables, self.source_values(), first, second, strict=True):
            if variable.trainable and not _may_be_drawn(kept, a, b):
                return f"{variable.path} is not what its initializer gives"
        for layer in sublayers(self.network):
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
                if np.any(_numpy(layer.moving_mean)):
                    return f"the moving average {layer.moving_mean.path} is not 0"
        return None

    def model(self, weights: Sequence[np.ndarray]) -> keras.Model:
        """Return a new, compiled, plain model with these values of its variables and a fresh optimizer."""
        model = self._clone()
        for variable, value in zip(model.variables, weights, strict=True):
            variable.assign(value)
        _finalize(model)
        metrics, weighted = given_metrics(self._source)
        model.compile(
            optimizer=fresh_optimizer(self._source.optimizer),
            loss=self._source.loss,
            loss_weights=given_loss_weights(self._source),
            metrics=tree.map_structure(_copy, metrics),
            weighted_metrics=tree.map_structure(_copy, weighted),
        )
        model.optimizer.build(model.trainable_variables)  # or Keras warns when it loads the model from a file
        return model

    def save(self, file: str | Path) -> None:
        """Write the recipe as a `.keras` file."""
        self.model(self.source_values()).save(file)

    @classmethod
    def load(cls, file: str | Path, *, scope: Mapping[str, Any] | None = None, **options: Any) -> "Template":
        """Read a recipe that `save` wrote; code inside the file is refused (Keras' `safe_mode`).

        Args:
            file: Its name.
            scope: Classes and functions that Keras is given, by their names, in place of what it knows by a scope.
            options: As `Template` has them.
        """
        with random_state():
            return cls(keras.models.load_model(file, scope, safe_mode=True), **options)

    def _called(self) -> keras.Model:
        build: Any = self._build
        try:
            inspect.signature(build).bind()
        except ValueError:  # a function of C has no signature
            pass
        except TypeError as error:
            raise TypeError(
                f"`model` is a function and is called without arguments. Received: one that cannot be ({error}). Say "
                f"lambda: function(...) with what it needs."
            ) from error
        with random_state():
            model = build()
        if not isinstance(model, keras.Model):
            raise TypeError(f"`model` is a function and must return a keras.Model. Received: {type(model).__name__}.")
        if model.built:
            create_weights(model)
        return model

    def _clone(self) -> keras.Model:
        """Return a model of the same class and architecture with new weights, not compiled: no regularizer is added."""
        if self._build is None:
            model = self._copy()
        else:
            model = self._called()
            _check_same(model, self._source)
        remove_regularizers(model, None if self._plain else self._source)
        return model

    def _copy(self) -> keras.Model:
        try:
            with random_state():
                return clone(self._source)
        except ValueError as error:
            raise ValueError(
                f"`model` of class {type(self._source).__name__} cannot be cloned ({error}). Give a function that "
                f"builds, compiles and returns it: shrinkage.fit(lambda: make_model(), ...)."
            ) from error


def fresh_optimizer(optimizer: Any) -> Any:
    """Return a new optimizer of the same configuration, without state; a schedule is the caller's own object."""
    config = optimizer.get_config()
    if isinstance(rate := rate_of(optimizer), keras.optimizers.schedules.LearningRateSchedule):
        config["learning_rate"] = rate  # a class of the caller's need not be registered
    return type(optimizer).from_config(config)


def _check(model: keras.Model) -> None:
    """Refuse what cannot be trained yet, each in a sentence with the way out."""
    name = f"`model` ({model.name})"
    if not model.built:
        how = "Add keras.Input(shape) as its first layer" if isinstance(model, keras.Sequential) else "Call it on a row"
        raise ValueError(f"{name} must be built, so that it has weights. {how}.")
    own = [
        step for step in ("train_step", "compute_loss") if getattr(type(model), step) is not getattr(keras.Model, step)
    ]
    if own:
        raise ValueError(
            f"{name} has its own `{own[0]}`, which members trained side by side cannot call: they minimise "
            f"compile's `loss`. To train one strength by a step of your own, penalise the model in place:\n"
            f"    shrinkage.attach(model, shrinkage.L2(), lam=1e-4)\n"
            f"    model.fit(x, y, epochs=20)  # as ever"
        )
    if not model.compiled or model.loss is None or model.optimizer is None:
        raise ValueError(f"{name} must be compiled with a loss and an optimizer. Call model.compile(optimizer, loss).")
    if not model.trainable_variables:
        raise ValueError(f"{name} must have trainable weights. Received: none; set layer.trainable = True on some.")
    if model.run_eagerly:
        raise ValueError(f"{name} is compiled with run_eagerly=True, which is not supported: compile without it.")
    _check_layers(model, name)


def _check_same(model: keras.Model, first: keras.Model) -> None:
    """Refuse a function whose models are not of one architecture, or not new."""
    if {id(variable) for variable in model.variables} & {id(variable) for variable in first.variables}:
        raise ValueError(
            "`model` is a function and must build a new model at each call. Received: weights that two of its models "
            "share. Make all layers inside the function, or give the model itself."
        )
    mine, theirs = ((shapes_of(part), [v.trainable for v in part.variables]) for part in (model, first))
    if mine != theirs:
        raise ValueError(
            f"`model` is a function and must return the same architecture at each call. Received: weights of shapes "
            f"{shapes_of(first)} and then {shapes_of(model)}, or others that are trainable."
        )


def _check_layers(model: keras.Model, name: str) -> None:
    for layer in sublayers(model):
        policy = layer.dtype_policy
        if layer.variables and (policy.variable_dtype, policy.compute_dtype) not in _PRECISIONS:
            raise ValueError(
                f"{name} has layer {layer.name} in {policy.name}, which is not supported: weights in half precision "
                f"lose small steps, and mixed_float16 needs a loss scale that all members would share. Build it with "
                f"dtype='mixed_bfloat16' or 'float32'."
            )
        if getattr(layer, "stateful", False):
            raise ValueError(f"{name} has the stateful layer {layer.name}, which is not supported: use stateful=False.")


def _may_be_drawn(kept: np.ndarray, a: np.ndarray, b: np.ndarray) -> bool:
    """Whether an initializer that draws `a` and `b` may have drawn `kept` too: their mean squares are alike."""
    if np.array_equal(a, b):
        return np.array_equal(kept, a)
    drawn = np.square(np.concatenate([a.ravel(), b.ravel()]).astype(np.float64))
    own = np.square(kept.astype(np.float64).ravel())
    error = np.sqrt(max(drawn.var(), own.var()) * (1 / len(own) + 1 / len(drawn)))
    return abs(own.mean() - drawn.mean()) <= 6 * error if len(own) >= 30 else True


def _copy(metric: Any) -> Any:
    return type(metric).from_config(metric.get_config()) if isinstance(metric, keras.metrics.Metric) else metric


def _finalize(model: keras.Model) -> None:
    """Let normalization layers take up the statistics that they hold as variables (loading weights does not)."""
    for layer in sublayers(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _numpy(variable: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable))
