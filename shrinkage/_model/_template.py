"""The template of the user's model, from which copies are made. The user's model never changes."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._data._untrusted import check_model_file
from shrinkage._host._compiled import CompileMetrics, get_compile_loss_weights, get_compile_metrics
from shrinkage._host._layers import list_sublayers
from shrinkage._host._optimizers import get_rate
from shrinkage._host._random import keep_random_state
from shrinkage._messages._note import Note
from shrinkage._model._clone import clone, list_variable_shapes
from shrinkage._model._lookups import make_front_model, make_rest_model
from shrinkage._model._objective import Objective, get_compiled_loss_name, make_objective, takes_logits
from shrinkage._model._table_normalization import TableNormalization
from shrinkage._weights._first_call import create_weights
from shrinkage._weights._kinds import collect_custom_objects
from shrinkage._weights._regularizers import remove_regularizers

_PRECISIONS = (("float32", "float32"), ("float32", "bfloat16"), ("float64", "float64"))  # of weights, of computations

PACKAGE_LAYERS = {"shrinkage>TableNormalization": TableNormalization}  # in models of tables


class Template:
    """The architecture, compile arguments and initial weights of a compiled model.

    Args:
        model: A built and compiled Keras model, or a function without arguments that returns such a model, for classes
            that Keras cannot clone.
        without_regularizers: Whether to remove the weight regularizers of the model from the copies.

    Raises:
        TypeError: If `model` is neither a model nor a function.
        ValueError: If the model is not built, not compiled, or not supported.
    """

    def __init__(self, model: keras.Model | Callable[[], keras.Model], *, without_regularizers: bool = False):
        self._build = None if isinstance(model, keras.Model) else model
        if not isinstance(model, keras.Model) and (not callable(model) or isinstance(model, keras.Layer)):
            hint = " Say keras.models.load_model(file)." if isinstance(model, (str, Path)) else ""
            raise TypeError(
                f"`model` must be a compiled keras.Model or a function that returns a keras.Model. Received: "
                f"{type(model).__name__}.{hint}"
            )
        source: Any = model if self._build is None else self._call_function()
        if source.built:
            create_weights(source)
        _check_model(source)
        self._source, self._plain = source, without_regularizers
        self._drawn: dict[tuple[int, ...], list[np.ndarray]] = {}
        whole = self._clone()
        rest = make_rest_model(whole)
        self.network = whole if rest is None else rest
        self.front = None if rest is None else make_front_model(source)
        for copied, original in zip(self.network.variables, source.variables, strict=True):
            copied.assign(original)  # `set_weights` would leave out the states of random layers
            if original.constraint is not None and copied.constraint is None:
                raise ValueError(
                    Note(
                        f"$model must have its constraints in the configurations of the layers, from which copies are "
                        f"made. Received: a constraint on {original.path} that is not in the configuration. Give it to "
                        f"the layer, as in keras.layers.Dense(..., kernel_constraint=constraint)."
                    )
                )
        _finalize(self.network)

    @property
    def name(self) -> str:
        """The name of the model."""
        return self._source.name

    @property
    def source(self) -> keras.Model:
        """The user's model, which never changes. The variables have the same order as those of `network`."""
        return self._source

    def get_trained_part(self, model: keras.Model) -> keras.Model:
        """Return the part of a copy or of the caller's model that has the inputs of the network."""
        return model if self.front is None else make_rest_model(model) or model

    @property
    def loss_name(self) -> str:
        """The snake-case name of the loss, as in `keras.losses`; "loss" if the outputs have different losses."""
        return get_compiled_loss_name(self._source.loss)

    @property
    def from_logits(self) -> bool:
        """Whether a compiled loss takes predictions as logits, and not as probabilities."""
        return takes_logits(self._source.loss)

    @property
    def trained_places(self) -> list[int]:
        """The place in `network.variables` of each entry of `network.trainable_variables`."""
        places = {id(variable): place for place, variable in enumerate(self.network.variables)}
        return [places[id(variable)] for variable in self.network.trainable_variables]

    def has_loss(self, places: Sequence[Any]) -> list[bool]:
        """Return for each output name or key whether the output was compiled with a loss."""
        loss = self._source.loss
        if isinstance(loss, dict):
            return [loss.get(place) is not None for place in places]
        if isinstance(loss, (list, tuple)) and len(loss) == len(places):
            return [leaf is not None for leaf in loss]
        return [True] * len(places)

    @property
    def optimizer(self) -> Any:
        """The user's optimizer."""
        return self._source.optimizer

    @property
    def has_schedule(self) -> bool:
        """Whether the learning rate follows a schedule."""
        return isinstance(get_rate(self.optimizer), keras.optimizers.schedules.LearningRateSchedule)

    @property
    def is_function(self) -> bool:
        """Whether the user passed a function that builds the model."""
        return self._build is not None

    @property
    def function(self) -> Callable[[], keras.Model] | None:
        """The function that builds the model, or None."""
        return self._build

    @property
    def without_regularizers(self) -> bool:
        """Whether the copies have no weight regularizers of the model."""
        return self._plain

    @property
    def custom_objects(self) -> dict[str, Any]:
        """The custom classes and functions of the model and the layers in it, by name."""
        return collect_custom_objects(self._source)

    def make_objective(self, y: Any, predictions: Any, labels: Sequence[str]) -> Objective:
        """Return the objective of the compiled model; see `make_objective`."""
        names = getattr(self._source, "output_names", None)
        return make_objective(self._source.loss, get_compile_loss_weights(self._source), names, y, predictions, labels)

    def make_metrics(self) -> Any:
        """Return new instances of the compiled metrics as a `CompileMetrics`, or None without metrics."""
        metrics, weighted = (tree.map_structure(_copy_metric, part) for part in get_compile_metrics(self._source))
        if not (metrics or weighted):
            return None
        return CompileMetrics(metrics, weighted, output_names=getattr(self._source, "output_names", None))

    @property
    def metric_names(self) -> list[str]:
        """The names or classes of the compiled metrics."""
        found = tree.flatten(get_compile_metrics(self._source))
        return [each if isinstance(each, str) else getattr(each, "__name__", type(each).__name__) for each in found]

    def make_fresh_values(self, key: Sequence[int]) -> list[np.ndarray]:
        """Return values of all variables, with new draws from the initializers for trainable variables.

        Args:
            key: The seed of the draw, such as (seed, fold). Equal keys give equal values.
        """
        if tuple(key) not in self._drawn:
            with keep_random_state(key):
                model = self._clone()
            pairs = zip(model.variables, self.network.variables, strict=True)
            self._drawn[tuple(key)] = [_to_numpy(new if source.trainable else source) for new, source in pairs]
        return self._drawn[tuple(key)]

    def get_source_values(self) -> list[np.ndarray]:
        """Return the values of all variables of the user's model."""
        return [_to_numpy(variable) for variable in self.network.variables]

    def find_training_evidence(self, seed: int) -> str | None:
        """Return a clause that says why the user's model appears trained or loaded, or None if it does not.

        The evidence is a step of the optimizer, a weight that differs from a constant initializer (biases, gains), a
        weight of another scale than draws from the initializer, or a nonzero moving average of a BatchNormalization.

        Args:
            seed: The seed of the run. The initial weights of the first two folds are the draws.
        """
        if int(self._source.optimizer.iterations) > 0:
            return f"the optimizer has taken {int(self._source.optimizer.iterations)} steps"
        first, second = self.make_fresh_values((seed, 0)), self.make_fresh_values((seed, 1))
        for variable, value, a, b in zip(self.network.variables, self.get_source_values(), first, second, strict=True):
            if variable.trainable and not _may_be_initial(value, a, b):
                return f"{variable.path} does not come from the initializer"
        for layer in list_sublayers(self.network):
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
                if np.any(_to_numpy(layer.moving_mean)):
                    return f"the moving average {layer.moving_mean.path} is not 0"
        return None

    def make_model(self, weights: Sequence[np.ndarray]) -> keras.Model:
        """Return a new compiled Keras model with the given values of all variables and a new optimizer.

        Args:
            weights: A value for each entry of `network.variables`.
        """
        model = self._clone()
        for variable, value in zip(model.variables, weights, strict=True):
            variable.assign(value)
        _finalize(model)
        metrics, weighted = get_compile_metrics(self._source)
        model.compile(
            optimizer=make_fresh_optimizer(self._source.optimizer),
            loss=self._source.loss,
            loss_weights=get_compile_loss_weights(self._source),
            metrics=tree.map_structure(_copy_metric, metrics),
            weighted_metrics=tree.map_structure(_copy_metric, weighted),
        )
        model.optimizer.build(model.trainable_variables)  # otherwise Keras warns when it loads the saved model
        return model

    def save(self, file: str | Path) -> None:
        """Save the template as a `.keras` file."""
        self.make_model(self.get_source_values()).save(file)

    @classmethod
    def load(
        cls, file: str | Path, *, scope: Mapping[str, Any] | None = None, name: str | None = None, **options: Any
    ) -> "Template":
        """Load a template from a file that `save` wrote. Keras refuses code in the file (`safe_mode=True`).

        Args:
            file: The file name.
            scope: `custom_objects` of `keras.models.load_model`.
            name: The name of the model; None takes the name in the file, which a function or a class may have made up.
            options: Keyword arguments of `Template`.
        """
        check_model_file(Path(file))
        with keep_random_state():
            model: Any = keras.models.load_model(file, {**PACKAGE_LAYERS, **(scope or {})}, safe_mode=True)
            if name is not None:
                model.name = name
            return cls(model, **options)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle a copy of the user's model, with an optimizer that is built: Keras warns when it reads another."""
        if self.is_function and self.network.compiled:
            self.network.optimizer.build(self.network.trainable_variables)
        return {**self.__dict__, "_source": self.make_model(self.get_source_values())}

    def _call_function(self) -> keras.Model:
        build: Any = self._build
        try:
            inspect.signature(build).bind()
        except ValueError:  # a C function has no signature
            pass
        except TypeError as error:
            raise TypeError(
                f"`model` must be a function that can be called without arguments. Received: a function with required "
                f"arguments ({error}). Say lambda: function(...) with the arguments."
            ) from error
        with keep_random_state():
            model = build()
        if not isinstance(model, keras.Model):
            raise TypeError(f"`model` is a function and must return a keras.Model. Received: {type(model).__name__}.")
        if model.built:
            create_weights(model)
        return model

    def _clone(self) -> keras.Model:
        """Return a model of the same class and architecture with new weights and no new regularizers, not compiled."""
        if self._build is None:
            model = self._copy()
        else:
            model = self._call_function()
            _check_same_architecture(model, self._source)
        remove_regularizers(model, None if self._plain else self._source)
        return model

    def _copy(self) -> keras.Model:
        try:
            with keep_random_state():
                return clone(self._source)
        except ValueError as error:
            raise ValueError(
                Note(
                    f"$model must be of a class that can be cloned. Received: {type(self._source).__name__} ({error}). "
                    f"$give_function"
                )
            ) from error


def make_fresh_optimizer(optimizer: Any) -> Any:
    """Return a new optimizer with the same configuration, without state; a learning rate schedule is shared."""
    return type(optimizer).from_config(get_optimizer_config(optimizer))


def get_optimizer_config(optimizer: Any) -> dict[str, Any]:
    """Return the configuration of an optimizer, with a schedule as an object: its class may not be registered."""
    config = optimizer.get_config()
    if isinstance(rate := get_rate(optimizer), keras.optimizers.schedules.LearningRateSchedule):
        config["learning_rate"] = rate
    return config


def _check_model(model: keras.Model) -> None:
    """Refuse a model that is not ready for training, or not supported."""
    name = f"$model ({model.name})"
    if not model.built:
        is_sequential = isinstance(model, keras.Sequential)
        fix = "Add keras.Input(shape) as the first layer" if is_sequential else "Call the model on a row"
        raise ValueError(
            Note(f"{name} must be built, so that it has weights. Received: a model that is not built. {fix}.")
        )
    overridden = [
        step for step in ("train_step", "compute_loss") if getattr(type(model), step) is not getattr(keras.Model, step)
    ]
    if overridden:
        raise ValueError(
            Note(
                f"{name} must not override `{overridden[0]}`, which is not called when members are trained together: "
                f"members minimise the compiled `loss`. Received: class {type(model).__name__}, which overrides it. "
                f"$train_one_strength"
            )
        )
    if not model.compiled or model.loss is None or model.optimizer is None:
        lacking = "without a loss" if model.compiled and model.loss is None else "without an optimizer"
        found = lacking if model.compiled else "that is not compiled"
        text = f"{name} must be compiled with a loss and an optimizer. Received: a model {found}."
        raise ValueError(Note(f"{text} Call model.compile(optimizer, loss)."))
    if not model.trainable_variables:
        raise ValueError(
            Note(f"{name} must have trainable weights. Received: none. Set layer.trainable = True on some layers.")
        )
    if model.run_eagerly:
        raise ValueError(
            Note(f"{name} must be compiled with run_eagerly=False. Received: run_eagerly=True. Compile without it.")
        )
    _check_layers(model, name)


def _check_same_architecture(model: keras.Model, first_model: keras.Model) -> None:
    """Refuse a function that returns models of different architectures, or models with shared weights."""
    if {id(variable) for variable in model.variables} & {id(variable) for variable in first_model.variables}:
        raise ValueError(
            "`model` is a function and must build a new model at each call. Received: two models that share weights. "
            "Create all layers inside the function, or give the model instead of the function."
        )
    variables, expected = (
        (list_variable_shapes(part), [v.trainable for v in part.variables]) for part in (model, first_model)
    )
    if variables != expected:
        raise ValueError(
            f"`model` is a function and must return the same architecture at each call. Received: weights of shapes "
            f"{list_variable_shapes(first_model)} and then {list_variable_shapes(model)}, or different trainable "
            "weights."
        )


def _check_layers(model: keras.Model, name: str) -> None:
    for layer in (*list_sublayers(model, include_self=False), model):  # the layer is named, and not the model around it
        policy = layer.dtype_policy
        if layer.variables and (policy.variable_dtype, policy.compute_dtype) not in _PRECISIONS:
            raise ValueError(
                Note(
                    f"{name} must have layers in float32, mixed_bfloat16 or float64: weights in half precision lose "
                    f"small steps, and mixed_float16 needs a loss scale that all members would share. Received: layer "
                    f"{layer.name} in {policy.name}. Build the layer with dtype='mixed_bfloat16' or 'float32'."
                )
            )
        if getattr(layer, "stateful", False):
            raise ValueError(
                Note(f"{name} must have no stateful layer. Received: {layer.name}. Build it with stateful=False.")
            )


def _may_be_initial(value: np.ndarray, a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether `value` may come from the initializer that drew `a` and `b`: the mean squares are similar."""
    if np.array_equal(a, b):
        return np.array_equal(value, a)
    expected = np.square(np.concatenate([a.ravel(), b.ravel()]).astype(np.float64))
    squares = np.square(value.astype(np.float64).ravel())
    error = np.sqrt(max(expected.var(), squares.var()) * (1 / len(squares) + 1 / len(expected)))
    return abs(squares.mean() - expected.mean()) <= 6 * error if len(squares) >= 30 else True


def _copy_metric(metric: Any) -> Any:
    return type(metric).from_config(metric.get_config()) if isinstance(metric, keras.metrics.Metric) else metric


def _finalize(model: keras.Model) -> None:
    """Call `finalize_state` of Normalization layers, which computes mean and variance from the loaded variables."""
    for layer in list_sublayers(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _to_numpy(variable: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable))
