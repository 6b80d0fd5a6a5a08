"""`Attachment`: a penalty on some weights of a model, with strength, value, and methods for custom training loops."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

import keras
import tensorflow as tf
from keras import ops

from shrinkage._attach._lam import as_number, check_lam, find_widest_dtype, get_lam_name, read_lam, unwrap_optimizer
from shrinkage._attach._lazy import LazyTable, check_table
from shrinkage._attach._loop import check_gradients, check_has_stepped, check_step
from shrinkage._attach._terms import PenalisedWeight, add_gradients, shrink, update_weights
from shrinkage._host._optimizers import get_step_count
from shrinkage._model._attached import get_hooks
from shrinkage._penalties import Decoupled, How, Penalty, Proximal, Term, make_terms
from shrinkage._penalties._steps import check_proximal
from shrinkage._weights._kinds import find_weight_kind
from shrinkage._weights._matching import Selector, format_selector
from shrinkage._weights._selection import Selection, find_owners, select_frozen_too

Rows = Literal["all", "touched", "lazy"]


class Attachment:
    """A penalty that `attach` put on some weights of a model.

    Attributes:
        model: the model.
        penalty: the penalty that is added to the loss.
        how: where the penalty enters.
        on: the selector of the penalised weights. It is resolved again when other weights become trainable or Keras
            replaces weights. It may then select no weight, and the penalty acts on nothing.
        rows: the rows of an embedding table that a step penalises: "all", "touched" or "lazy".
        toward: for `L2(toward=...)`, a list of arrays in the order of `model.get_weights()`: the values that the
            weights are drawn towards. None for a weight that the model did not have when the penalty was attached;
            such a weight is not penalised.
    """

    model: keras.Model
    penalty: Penalty
    how: How
    on: Selector
    rows: Rows

    def __init__(
        self,
        model: keras.Model,
        penalty: Penalty,
        lam: Any,
        on: Selector,
        how: How,
        rows: Rows,
        toward: list[Any] | None,
    ):
        vars(self).update(model=model, penalty=penalty, how=how, on=on, rows=rows)
        self._origins = None if toward is None else list(zip(model.weights, toward, strict=True))
        self._lam = lam
        self._is_attached = True
        self._variables: list[Any] | None = None
        self._tables: dict[int, LazyTable | None] = {}
        self._weights: tuple[PenalisedWeight, ...] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "lam" and not name.startswith("_"):
            raise AttributeError(
                f"The attribute to set must be lam, as the others of an attachment are fixed. Received: "
                f"{name}={value!r}. Detach the penalty, and attach again."
            )
        super().__setattr__(name, value)

    @property
    def lam(self) -> Any:
        """The strength: a `keras.Variable`, or the function of the step that was given to `attach`.

        Assign a number at any time: the next step uses it, without retracing. A negative number is refused.
        `attachment.lam.assign(value)` does not check the value; `fit` then warns of a negative value at the start or
        end of an epoch.
        """
        return self._lam

    @lam.setter
    def lam(self, value: float) -> None:
        if not isinstance(self._lam, keras.Variable):
            raise ValueError(
                f"`lam` must stay the function of the step that was attached, {get_lam_name(self._lam)}. Received: "
                f"lam={value!r}. Detach, and attach again with lam={value!r}."
            )
        number = as_number(value)
        if not isinstance(number, float):
            raise TypeError(
                f"`lam` must be set to a number. Received: {get_lam_name(value) if callable(value) else repr(value)}. "
                "For a keras.optimizers.schedules schedule or a function of the step, detach, and attach again with it."
            )
        check_lam(number)
        self._lam.assign(number)

    @property
    def selection(self) -> Selection:
        """The weights that are penalised and those that are not, with the reason, as `describe` shows them."""
        found = select_frozen_too(self.model, self.on, strict=False)
        return Selection(tuple(found[id(v)] for v in self.model.trainable_variables))

    @property
    def named(self) -> dict[int, float]:
        """The factor of each selected weight, frozen weights included, by `id(variable)`."""
        late = {id(variable) for variable in self.late}
        return {key: factor for key, factor in self._find_factors().items() if key not in late}

    @property
    def late(self) -> list[Any]:
        """For `L2(toward=...)`: the selected weights that the model did not have when the penalty was attached."""
        factors = {} if self._origins is None else self._find_factors()
        return [v for v in self.model.weights if id(v) in factors and self._find_origin(v) is None]

    def _find_factors(self) -> dict[int, float]:
        found = select_frozen_too(self.model, self.on, strict=False)
        return {key: weight.factor for key, weight in found.items() if weight.factor}

    @property
    def toward(self) -> list[Any] | None:
        if self._origins is None:
            return None
        return [self._find_origin(variable) for variable in self.model.weights]

    def _find_origin(self, variable: Any) -> Any:
        """Return the value that a variable is drawn towards, found by identity: positions in the model may change."""
        return next((origin for known, origin in self._origins or () if known is variable), None)

    @property
    def weights(self) -> tuple[PenalisedWeight, ...]:
        """The trainable weights that are penalised."""
        variables = self.model.trainable_variables
        if self._variables is None or [id(v) for v in variables] != [id(v) for v in self._variables]:
            terms = map(self._add_origin, variables, make_terms(self.penalty, self.selection.weights))
            self._weights = tuple(
                PenalisedWeight(v, term, self.rows == "touched", self._get_table(v))
                for v, term in zip(variables, terms, strict=True)
                if term is not None
            )
            self._variables = variables
        return self._weights

    def _add_origin(self, variable: Any, term: Term | None) -> Term | None:
        """Return the term with the value that it draws the weight towards, or None for a weight without such a value.

        The value is an eager tensor; otherwise each graph would hold a copy.
        """
        if self._origins is None or term is None:
            return term
        origin = self._find_origin(variable)
        if origin is None:
            return None
        with tf.init_scope():
            return replace(term, origin=tf.constant(origin, variable.dtype))

    @property
    def idle(self) -> str:
        """The reason why the penalty acts on no weight; empty if it acts on some."""
        if self.weights:
            return ""
        if self.named:
            return f"the weights that on={format_selector(self.on)} names are all frozen"
        if self.late:
            return "the model got these weights after attach, so L2(toward=...) has no values for them"
        return f"model {self.model.name!r} has no weights any more that on={format_selector(self.on)} names"

    @property
    def tables(self) -> list[LazyTable]:
        """The embedding tables with rows="lazy"."""
        return [table for table in self._tables.values() if table is not None]

    def _get_table(self, variable: Any) -> LazyTable | None:
        """Return the `LazyTable` of an embedding with rows="lazy", the same object in every call, else None."""
        if self.rows == "lazy" and id(variable) not in self._tables:
            layer = find_owners(self.model)[id(variable)]
            # The LoRA factors of a table are small, and are penalised as with rows="all".
            is_table = find_weight_kind(layer, variable) == "embedding" and not getattr(layer, "lora_enabled", False)
            if is_table:
                check_table(layer)
            with tf.init_scope():
                self._tables[id(variable)] = LazyTable(layer) if is_table else None
        return self._tables.get(id(variable))

    def value(self) -> Any:
        """Return lam * P(w) at the present weights, a scalar.

        Example:
            >>> import keras, numpy as np, shrinkage as sh
            >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
            >>> model.set_weights([np.array([[3.0], [4.0]]), np.array([9.0])])
            >>> float(sh.attach(model, sh.L2(), lam=0.1).value())
            1.25
        """
        lam = read_lam(self._lam, unwrap_optimizer(getattr(self.model, "optimizer", None)))
        total = ops.zeros((), find_widest_dtype(*(weight.variable.dtype for weight in self.weights)))
        for weight in self.weights:
            total += ops.cast(weight.value(lam), total.dtype)
        return total

    def gradients(self, grads: Iterable[Any], variables: Iterable[Any]) -> list[Any]:
        """Add the gradient of the penalty to gradients of the data loss, in a loop without `model.optimizer`.

        For `Coupled` the result is dL/dw + lam * dP/dw. With n replicas of a `tf.distribute` strategy, each replica
        adds 1/n of the penalty's gradient, because the replicas are summed. For `Proximal` the gradients are returned
        unchanged: `after_step` applies the penalty.

        Args:
            grads: the gradient dL/dw of each variable, in its shape; None for a variable without a gradient.
            variables: the variables, in the same order.

        Returns:
            A list of gradients in the same order.

        Raises:
            ValueError: if the model is compiled, because then the optimizer adds the penalty; for `Decoupled`; after
                `detach`; and if gradients and variables differ in number or shape, or no variable is of the model.
        """
        self._check_loop("gradients")
        grads, variables = list(grads), list(variables)
        check_gradients(grads, variables, self.model)
        if isinstance(self.how, Proximal):
            return grads
        return add_gradients(grads, map(id, variables), id, self.weights, ops.convert_to_tensor(self._lam))

    def after_step(self, step: Any) -> None:
        """Apply the proximal operator after a step, in a loop without `model.optimizer`; `Coupled` needs nothing here.

        Args:
            step: the Keras optimizer that took the step, or the learning rate of a step of plain gradient descent.

        Raises:
            TypeError, ValueError: if the model is compiled, because then the optimizer applies the penalty; for
                `Decoupled`; after `detach`; for an optimizer without a proximal step, or without a step on the
                penalised weights; and if `step` is neither an optimizer nor a number of 0 or more.
        """
        self._check_loop("after_step")
        check_step(step)
        if not isinstance(self.how, Proximal):
            return
        lam = ops.convert_to_tensor(self._lam)
        if not isinstance(step, keras.Optimizer):
            return update_weights(
                self.weights, lambda w, weight: weight.term.prox(w, _cast_like(lam, w), _cast_like(step, w))
            )
        check_proximal(step)
        if step.gradient_accumulation_steps:
            raise ValueError(
                f"`step` must be an optimizer without gradient accumulation, as after_step() cannot tell which steps "
                f"accumulate. Received: gradient_accumulation_steps={step.gradient_accumulation_steps}. Compile the "
                f"model with the optimizer."
            )
        check_has_stepped(step, [weight.variable for weight in self.weights])
        get_step_count(step).assign_sub(1)  # the step size is computed before the step is counted
        shrink(step, self.weights, lam, step.learning_rate)
        get_step_count(step).assign_add(1)

    def _check_loop(self, method: str) -> None:
        if not self._is_attached:
            raise ValueError(
                f"{method}() must be called for an attached penalty. Received: a penalty that is not attached to model "
                f"{self.model.name!r} any more. Leave {method}() out, or attach again."
            )
        if getattr(self.model, "optimizer", None) is not None:
            raise ValueError(
                f"{method}() must be called in a loop without model.optimizer. Received: model {self.model.name!r}, "
                f"which is compiled: its optimizer adds the penalty, which would count twice. Leave {method}() out, "
                f"and take the steps with model.optimizer.apply_gradients."
            )
        if self.rows == "lazy":
            raise ValueError(
                f'{method}() must be called for rows="all" or rows="touched". Received: rows="lazy", which needs the '
                f"step size of model.optimizer. Compile the model, and take the steps with model.optimizer."
            )
        if isinstance(self.how, Decoupled):
            raise ValueError(
                f"{method}() must be called for Coupled() or Proximal(). Received: {self.how!r}, which shrinks the "
                f"weights before the step. Compile the model, and take the steps with model.optimizer.apply_gradients."
            )
        if not isinstance(self._lam, keras.Variable):
            raise ValueError(
                f"{method}() must be called for lam as a number or a keras.Variable, as it cannot count the steps. "
                f"Received: lam={get_lam_name(self._lam)}, a function of the step. Compile the model, and take the "
                f"steps with model.optimizer. Or give lam as a keras.Variable, and assign to it."
            )
        get_hooks(self.model).record_penalty(weight.variable for weight in self.weights)

    def __repr__(self) -> str:
        lam = f"{float(self._lam):g}" if isinstance(self._lam, keras.Variable) else get_lam_name(self._lam)
        n, of = len(self.weights), len(self.model.trainable_variables)
        rows = "" if self.rows == "all" else f", rows={self.rows!r}"
        return f"{self.penalty!r} on {n} of {of} weights of {self.model.name!r}, lam={lam}, {self.how!r}{rows}"


def _cast_like(number: Any, w: Any) -> Any:
    return ops.convert_to_tensor(number, w.dtype)
