"""`sh.PathClassifier` and `sh.PathRegressor`: a path as an estimator of scikit-learn."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from shrinkage._estimators._checks import (
    check_class_weight,
    check_parameters,
    check_rows,
    check_target_column,
    explain_text_error,
    to_row_weights,
    to_target_numbers,
)
from shrinkage._estimators._rows import EstimatorTarget, Matrix, Table, as_frame, describe_left_out_columns
from shrinkage._messages._hints import give_hints
from shrinkage._messages._hints_of_estimators import HINTS
from shrinkage._messages._note import warn_caller

if TYPE_CHECKING:
    import keras

    from shrinkage._path._path import Path
    from shrinkage._penalties import How, Penalty

_NAMED = Literal["linear", "mlp"]
_HOWS = Literal["coupled", "proximal", "decoupled"]
_PENALTIES = Literal["l2", "l1", "elastic-net", "group-lasso", "model"]
_REBUILT_NAMES = ("_network", "model_")


class _PathEstimator(BaseEstimator):
    """The methods of both estimators. This module does not import Keras, which takes seconds; `fit` does."""

    model: Any
    hidden: Any
    choose: str
    budget: float | None
    path_: "Path"
    lam_: float
    n_features_in_: int
    feature_names_in_: np.ndarray
    left_out_: dict[str, str]

    def _take(self, parameters: Mapping[str, Any]) -> None:
        """Keep the parameters of `__init__`, unchecked, as scikit-learn wants it."""
        vars(self).update({name: value for name, value in parameters.items() if name not in ("self", "__class__")})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = isinstance(self.model, str)
        tags.input_tags.sparse = True
        return tags

    @cached_property
    def model_(self) -> "keras.Model":
        """The Keras model at `lam_`, trained on all rows."""
        check_is_fitted(self, "lam_")
        return self._rows.finish(self._network, self.path_.target_mean, self.path_.target_sd)

    def _fit(
        self,
        x: Any,
        y: np.ndarray,
        target: EstimatorTarget,
        sample_weight: Any,
        groups: Any,
        excluded_names: tuple[str, ...] = (),
    ) -> None:
        check_parameters(self.model, self.hidden, self.choose, self.budget)
        for name in ("lam_", *_REBUILT_NAMES):  # of an earlier fit
            vars(self).pop(name, None)
        self._rows = self._make_rows(x, target)
        from shrinkage._estimators._training import train_estimator

        options = {name: value for name, value in self.get_params(deep=False).items() if name not in excluded_names}
        options.pop("choose")
        self.left_out_ = self._rows.left_out
        if self.left_out_:
            warn_caller(describe_left_out_columns(self.left_out_))
        inputs = self._rows.encode(x)
        self.path_ = train_estimator(options, self._rows.columns, inputs, y, sample_weight=sample_weight, groups=groups)
        self.lam_ = float(self.path_.lam if self.path_.budget else getattr(self.path_, f"lam_{self.choose}"))
        self._network = self.path_.model(self.lam_)

    def _make_rows(self, x: Any, target: EstimatorTarget) -> Matrix | Table:
        is_own = not isinstance(self.model, str)
        if not isinstance(x, pd.DataFrame):
            return Matrix.from_array(x, target, is_custom=is_own)
        return Table.from_frame(x, target, is_custom=is_own, embeds=self.model == "mlp")

    def _read(self, x: Any, *, reset: bool) -> Any:
        """Return rows as a data frame, an array or a sparse matrix, checked by scikit-learn."""
        frame = as_frame(x)
        fitted = None if reset else self._rows
        if frame is not None and not isinstance(fitted, Matrix):
            validate_data(self, x, reset=reset, skip_check_array=True)
            check_rows(len(frame), 2 if reset else 1, frame.shape)
            return frame if fitted is None else fitted.name_columns(frame)
        is_own = not isinstance(self.model, str)
        fitted_table = isinstance(fitted, Table)
        finite = is_own and not fitted_table
        with explain_text_error():
            array: Any = validate_data(
                self, x, reset=reset, allow_nd=is_own, ensure_min_samples=2 if reset else 1,
                ensure_all_finite=True if finite else "allow-nan", accept_sparse=False if fitted_table else "csr",
            )  # fmt: skip
        return fitted.name_columns(array) if isinstance(fitted, Table) else array

    def _compute_outputs(self, x: Any) -> np.ndarray:
        """Return the outputs of the network at the chosen strength."""
        check_is_fitted(self, "lam_")
        rows = self._read(x, reset=False)
        from shrinkage._estimators._training import call_network

        return call_network(self._network, self._rows.encode(rows))

    def __sklearn_clone__(self) -> Self:
        """Return a copy without the results. It shares the model, which `fit` does not change: Keras copies slowly."""
        parameters: dict[str, Any] = {
            name: value if name == "model" else clone(value, safe=False)
            for name, value in self.get_params(deep=False).items()
        }
        copy = type(self)(**parameters)
        if "_metadata_request" in vars(self):
            vars(copy)["_metadata_request"] = deepcopy(vars(self)["_metadata_request"])
        return copy

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the models that the path has too."""
        whole: Any = super().__getstate__()
        state = {name: value for name, value in whole.items() if name not in _REBUILT_NAMES}
        if hasattr(self.model, "trainable_variables"):  # a model of Keras, of which nothing else is known here
            from shrinkage._estimators._training import make_portable_copy

            state["model"] = make_portable_copy(self.model)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "lam_" in state:
            self._network = self.path_.model(self.lam_)


class PathClassifier(ClassifierMixin, _PathEstimator):
    """A classifier of scikit-learn that chooses the strength of a penalty by cross-validation within `fit`.

    It minimises J(w) = mean log loss + lambda * P(w) at every strength, as `sh.fit` does, and predicts with the model
    of the chosen strength, trained on all rows. `GridSearchCV` is not needed for the strength; it is for the
    architecture.

    The defaults of a parameter that is None are those of `shrinkage fit`. The parameters that are not listed are
    arguments of `sh.fit`.

    Args:
        model: "mlp" for a network with hidden layers, "linear", a compiled Keras model, or a function
            `(input_shape, output_shape) -> compiled model`, called as `build((30,), (3,))` for 30 inputs and 3 classes.
            Two classes have the output shape (1,). A copy of a model is trained.
        hidden: Units of each hidden layer of "mlp"; None for (64, 64).
        choose: "min" for the strength with the lowest held-out loss, "1se" for the largest within one standard error.
        penalty: A penalty, or its name.
        epochs: The largest number of epochs. None for 200 with `patience=10`, or, with "linear", for 1000 of full
            batches.
        class_weight: A dictionary from class labels to weights, or "balanced".
        init: "fresh" draws new trainable weights for every fold, "keep" starts from the weights of `model`.
        solver: None computes the minimum of "linear" with `L2` if no argument of training is given, and else trains.
        run: A folder for the record of the run. Copies of the estimator, as in a cross-validation, must not share it.

    `fit` takes `sample_weight` and `groups`, (n,). In a meta-estimator, request them with
    `set_fit_request(sample_weight=True, groups=True)`.

    A data frame is encoded as `shrinkage fit` encodes a table: numbers, booleans, dates, categories and texts, with
    missing cells. Columns that say nothing are left out, with a warning. An array (n, d) or a sparse matrix of SciPy
    has numbers, and "linear" and "mlp" replace missing ones, NaN, by the mean. A model of the user takes an array
    (n, ...) as it is.

    Attributes:
        path_: The `sh.Path`.
        lam_: The chosen strength.
        model_: The Keras model at `lam_`: from an array, or from a dictionary of columns, to class probabilities.
        classes_: (k,) class labels.
        n_features_in_: Number of columns of `X`.
        feature_names_in_: Names of the columns of a data frame.
        left_out_: The columns of a data frame that `fit` does not use, and warns of: a dictionary from name to reason.

    Raises:
        TypeError, ValueError: In `fit`, if a parameter or the rows are not valid, before any training.
        NothingToChoose: In `fit`, if a model diverged at every strength. `path_` has the curves.

    Example:
        >>> import shrinkage as sh
        >>> from sklearn.datasets import load_wine
        >>> x, y = load_wine(return_X_y=True)
        >>> classifier = sh.PathClassifier(model="linear", cv=3).fit(x, y)
        >>> classifier.lam_ == classifier.path_.lam_min
        True
        >>> classifier.predict_proba(x[:2]).shape
        (2, 3)
    """

    class_weight: Any
    classes_: np.ndarray

    @give_hints(HINTS)
    def __init__(
        self,
        *,
        model: "_NAMED | keras.Model | Callable[..., keras.Model]" = "mlp",
        hidden: Any = None,
        choose: Literal["min", "1se"] = "min",
        penalty: "Penalty | _PENALTIES" = "l2",
        lams: Any = "auto",
        cv: Any = 5,
        repeats: int = 1,
        epochs: int | None = None,
        batch_size: int | None = None,
        patience: int | None = None,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        on: Any = "kernels",
        how: "How | _HOWS | None" = None,
        init: Literal["fresh", "keep"] = "fresh",
        epoch: Literal["best", "last"] | int | None = None,
        solver: Literal["gradient", "exact"] | None = None,
        models: Literal["all", "chosen"] = "all",
        budget: float | None = None,
        learning_curve: bool = False,
        seed: int = 0,
        plan: Mapping[str, Any] | None = None,
        max_memory: float | None = None,
        run: Any = None,
        cluster: str | None = None,
        tensorboard: Any = None,
        progress: bool | None = False,
        on_epoch: Callable[[Any], object] | None = None,
        verbose: bool = False,
    ):
        self._take(locals())

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train the path, choose the strength, and keep the model of it.

        Args:
            X: Rows, a data frame, an array (n, d), or a sparse matrix.
            y: (n,) class labels.
            sample_weight: (n,) weights of the rows in the loss.
            groups: (n,) labels of rows that are held out together.

        Returns:
            The estimator.
        """
        rows = self._read(X, reset=True)
        y = check_target_column(y, rows)
        check_classification_targets(y)
        encoder = LabelEncoder().fit(y)
        self.classes_ = np.asarray(encoder.classes_)
        places = np.asarray(encoder.transform(y), np.int32)
        weight = to_row_weights(sample_weight, len(places))
        present = np.unique(places if weight is None else places[weight > 0])
        if len(present) < 2:
            raise ValueError(f"`y` must have at least two classes. Received: the class {self.classes_[present]}.")
        task = "binary" if len(self.classes_) == 2 else "multi-class"
        weight = self._apply_class_weight(places, weight)
        self._fit(rows, places, EstimatorTarget(task, len(self.classes_)), weight, groups, ("class_weight",))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (n, k), in the order of `classes_`."""
        outputs = self._compute_outputs(X)
        from shrinkage._estimators._training import compute_probabilities

        return compute_probabilities(outputs, from_logits=self.path_.template.from_logits)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row, (n,)."""
        places = self.predict_proba(X).argmax(axis=1)
        return self.classes_[places]

    def _apply_class_weight(self, places: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return weight
        check_class_weight(self.class_weight, self.classes_)
        of_class = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_[places])
        product = of_class[places] * (1.0 if weight is None else weight)
        if not product.any():
            raise ValueError(
                f"`class_weight` must give some rows a weight above 0. Received: {self.class_weight!r}, which gives "
                f"all rows 0. Give a class of them a weight above 0."
            )
        return product


class PathRegressor(RegressorMixin, _PathEstimator):
    """A regressor of scikit-learn that chooses the strength of a penalty by cross-validation within `fit`.

    It minimises J(w) = mean loss + lambda * P(w) at every strength, as `sh.fit` does, and predicts with the model of
    the chosen strength, trained on all rows. See `PathClassifier` for the parameters, which are the same but for
    `class_weight`, and for the rows.

    Args:
        standardize_target: Subtract the mean of the target and divide by its standard deviation, both from the training
            rows of each fold. Predictions are in the units of the target in any case. Say False for a model of the user
            whose loss needs the target as it is, such as Poisson.

    Attributes:
        path_: The `sh.Path`. Losses are in units of the target's variance if it was standardised.
        lam_: The chosen strength.
        model_: The Keras model at `lam_`: from an array, or from a dictionary of columns, to (n, 1) predictions.
        n_features_in_: Number of columns of `X`.
        feature_names_in_: Names of the columns of a data frame.
        left_out_: The columns of a data frame that `fit` does not use, and warns of: a dictionary from name to reason.

    Raises:
        TypeError, ValueError: In `fit`, if a parameter or the rows are not valid, before any training.
        NothingToChoose: In `fit`, if a model diverged at every strength. `path_` has the curves.

    Example:
        >>> import shrinkage as sh
        >>> from sklearn.datasets import load_diabetes
        >>> x, y = load_diabetes(return_X_y=True, as_frame=True)
        >>> regressor = sh.PathRegressor(model="linear", cv=3).fit(x, y)
        >>> round(regressor.score(x, y), 1)
        0.5
    """

    @give_hints(HINTS)
    def __init__(
        self,
        *,
        model: "_NAMED | keras.Model | Callable[..., keras.Model]" = "mlp",
        hidden: Any = None,
        choose: Literal["min", "1se"] = "min",
        penalty: "Penalty | _PENALTIES" = "l2",
        lams: Any = "auto",
        cv: Any = 5,
        repeats: int = 1,
        epochs: int | None = None,
        batch_size: int | None = None,
        patience: int | None = None,
        on: Any = "kernels",
        how: "How | _HOWS | None" = None,
        init: Literal["fresh", "keep"] = "fresh",
        epoch: Literal["best", "last"] | int | None = None,
        solver: Literal["gradient", "exact"] | None = None,
        models: Literal["all", "chosen"] = "all",
        budget: float | None = None,
        learning_curve: bool = False,
        standardize_target: bool = True,
        seed: int = 0,
        plan: Mapping[str, Any] | None = None,
        max_memory: float | None = None,
        run: Any = None,
        cluster: str | None = None,
        tensorboard: Any = None,
        progress: bool | None = False,
        on_epoch: Callable[[Any], object] | None = None,
        verbose: bool = False,
    ):
        self._take(locals())

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train the path, choose the strength, and keep the model of it.

        Args:
            X: Rows, a data frame, an array (n, d), or a sparse matrix.
            y: (n,) numbers.
            sample_weight: (n,) weights of the rows in the loss.
            groups: (n,) labels of rows that are held out together.

        Returns:
            The estimator.
        """
        rows = self._read(X, reset=True)
        y = to_target_numbers(check_target_column(y, rows))
        self._fit(rows, y, EstimatorTarget("regression"), to_row_weights(sample_weight, len(y)), groups)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predictions, (n,), in the units of the target."""
        outputs = self._compute_outputs(X)[:, 0].astype(np.float64)
        return self.path_.target_mean + self.path_.target_sd * outputs
