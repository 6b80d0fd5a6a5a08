"""The optimizer step of all members, as a pure function around a Keras optimizer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
from keras import ops

from shrinkage._cohort._state import State
from shrinkage._host._optimizers import (
    Stateless,
    clip,
    clip_by_norm,
    get_gradient_sums,
    get_moving_averages,
    get_rate,
    get_slots,
    get_step_count,
    run_update_step,
)
from shrinkage._host._overrides import check_overrides
from shrinkage._model._optimizers import ELEMENTWISE_OPTIMIZERS
from shrinkage._model._template import make_fresh_optimizer
from shrinkage._penalties import Coupled, Decoupled, Proximal, Term
from shrinkage._penalties._steps import compute_step_size

Values = list[Any]
Terms = list[Term | None]


class Update:
    """The optimizer step of all members, a pure function (weights, slots, gradients, lam) -> (weights, slots).

    Slots are the state of the optimizer, followed by the origins towards which the penalty draws the weights, if there
    are any. The order of operations is that of `keras.Optimizer.apply`: accumulation, clipping, weight decay, update of
    the weights, moving average, constraints. The gradient of a `Coupled` penalty is added before accumulation, like the
    gradient of a Keras regularizer. `Decoupled` acts as the weight decay. The proximal operator directly follows the
    update of the weights.

    An elementwise optimizer, which updates each weight independently of all others, is built on the stacked weights of
    all members. Any other optimizer is built on the weights of one member, and the step is mapped over the members.

    Args:
        variables: The network's trainable variables. They identify the weights and are never changed.
        optimizer: A Keras optimizer. Only the configuration is used, not the state.
        terms: The penalty on each variable, or None for a variable without a penalty.
        how: Coupled(), Decoupled() or Proximal().
        strengths: Number of strengths S.
        stretch: Factor by which a schedule of the learning rate runs faster than the steps.
    """

    def __init__(
        self,
        variables: Sequence[Any],
        optimizer: Any,
        *,
        terms: Sequence[Term | None],
        how: Any,
        strengths: int,
        stretch: float = 1.0,
    ):
        self._stretch = stretch
        self._terms, self._how = list(terms), how
        self._constraints = [variable.constraint for variable in variables]
        self._stacked, self._strengths = type(optimizer).__name__ in ELEMENTWISE_OPTIMIZERS, strengths
        # The optimizer identifies weights by variables; the values of these variables are never used.
        self._variables = list(variables)
        if self._stacked:
            self._variables = [keras.Variable(ops.zeros((1, strengths, *v.shape), v.dtype)) for v in variables]
        self._optimizer = _make_stateless_copy(optimizer)
        self._optimizer.build(self._variables)
        self._slots = list(self._optimizer.variables)
        self._count = get_step_count(self._optimizer)
        common = self._count, get_rate(self._optimizer)
        self._is_member_slot = [not any(slot is slot_of_all for slot_of_all in common) for slot in self._slots]
        self._gradient_sums = get_gradient_sums(self._optimizer)
        self._averages = get_moving_averages(self._optimizer)

    def make_initial_slots(self, weights: Values, origins: Values | None = None) -> Values:
        """Return the initial slots, each (1, s, ...) or shared by all members.

        Args:
            weights: The initial weights, each (1, s, ...).
            origins: The values towards which the penalty draws the weights, each (1, 1, ...), or None for 0.
        """
        state = State(self._slots, [ops.copy(slot) for slot in self._slots])
        for slot, is_member_slot in zip(self._slots, self._is_member_slot, strict=True):
            if is_member_slot and not self._stacked:
                state[slot] = ops.broadcast_to(state[slot], (1, self._strengths, *slot.shape))
        # In Keras 3.14 or later: the initial momentum is the weights.
        if type(self._optimizer).__name__ == "ScheduleFreeAdamW":
            for momentum, weight in zip(get_slots(self._optimizer, "momentums"), weights, strict=True):
                state[momentum] = weight
        kept_origins = (
            [] if origins is None else [o for o, term in zip(origins, self._terms, strict=True) if term is not None]
        )
        return [*(state[slot] for slot in self._slots), *kept_origins]

    def get_final_weights(self, weights: Values, slots: Values) -> Values:
        """Return the weights that `Model.fit` would return if training ended now: the moving averages, if used."""
        state = State(self._slots, slots[: len(self._slots)])
        return [state[average] for average in self._averages] or weights

    def __call__(self, weights: Values, slots: Values, gradients: Values, lam: Any) -> tuple[Values, Values]:
        """Return the weights and slots after a step.

        Args:
            weights: The weights, each (1, s, ...).
            slots: The slots, as `initial_slots` returns them.
            gradients: The gradients of the members' losses without the penalty, each (1, s, ...).
            lam: Strengths, (1, s).
        """
        state, origins = State(self._slots, slots[: len(self._slots)]), slots[len(self._slots) :]
        terms = self._add_origins(origins)
        if isinstance(self._how, Coupled):
            gradients = [
                g if term is None else g + term.gradient(w, _cast_like(lam, w))
                for g, w, term in zip(gradients, weights, terms, strict=True)
            ]
        move = self._accumulate if self._gradient_sums else self._move
        weights = self._follow_averages(move(weights, state, gradients, terms, lam), state)
        weights = [
            w if constraint is None else ops.stack([constraint(w[0, s]) for s in range(self._strengths)])[None]
            for w, constraint in zip(weights, self._constraints, strict=True)
        ]
        state[self._count] = state[self._count] + 1
        return weights, [*(state[slot] for slot in self._slots), *origins]

    def _add_origins(self, origins: Values) -> Terms:
        """Return the penalty terms with the origins, if there are any."""
        if not origins:
            return self._terms
        remaining = iter(origins)
        return [None if term is None else replace(term, origin=next(remaining)) for term in self._terms]

    def _accumulate(self, weights: Values, state: State, gradients: Values, terms: Terms, lam: Any) -> Values:
        """Accumulate gradients over several steps, and update the weights by the mean at the last step."""
        steps = self._optimizer.gradient_accumulation_steps
        sums = [state[slot] + g for slot, g in zip(self._gradient_sums, gradients, strict=True)]
        before = [state[slot] for slot in self._slots]

        def step() -> tuple[Values, Values]:
            after = State(self._slots, before)
            new_weights = self._move(weights, after, [g / steps for g in sums], terms, lam)
            return new_weights, [after[slot] for slot in self._slots]

        is_due = ops.equal((state[self._count] + 1) % steps, 0)
        new_weights, slots = ops.cond(is_due, step, lambda: (weights, before))
        for slot, value in zip(self._slots, slots, strict=True):
            state[slot] = value
        for slot, value in zip(self._gradient_sums, sums, strict=True):
            state[slot] = ops.where(is_due, ops.zeros_like(value), value)
        return new_weights

    def _move(self, weights: Values, state: State, gradients: Values, terms: Terms, lam: Any) -> Values:
        """Clip the gradients, apply a `Decoupled` penalty, and update the weights."""
        gradients, rate = self._clip(gradients), self._compute_rate(state)
        if isinstance(self._how, Decoupled):
            weights = [
                w if term is None else w - ops.cast(rate, w.dtype) * term.gradient(w, _cast_like(lam, w))
                for w, term in zip(weights, terms, strict=True)
            ]
        member_slots = [
            slot for slot, is_member_slot in zip(self._slots, self._is_member_slot, strict=True) if is_member_slot
        ]
        common_slots = [
            (slot, state[slot])
            for slot, is_member_slot in zip(self._slots, self._is_member_slot, strict=True)
            if not is_member_slot
        ]

        def step(weights: Values, slots: Values, gradients: Values) -> tuple[Values, Values]:
            mapping = [
                *zip(self._variables, weights, strict=True),
                *zip(member_slots, slots, strict=True),
                *common_slots,
            ]
            with keras.StatelessScope(state_mapping=mapping) as scope:
                run_update_step(self._optimizer, gradients, self._variables, rate)
                new_weights = [scope.get_current_value(variable) for variable in self._variables]
                if isinstance(self._how, Proximal):
                    new_weights = [
                        w
                        if term is None
                        else term.prox(w, _cast_like(lam, w), compute_step_size(self._optimizer, v, rate))
                        for w, v, term in zip(new_weights, self._variables, terms, strict=True)
                    ]
                return new_weights, [scope.get_current_value(slot) for slot in member_slots]

        slots = [state[slot] for slot in member_slots]
        if self._stacked:
            weights, slots = step(weights, slots, gradients)
        else:
            members = keras.tree.map_structure(lambda value: value[0], (weights, slots, gradients))
            members = ops.vectorized_map(lambda member: step(*member), members)
            weights, slots = keras.tree.map_structure(lambda value: value[None], members)
        for slot, value in zip(member_slots, slots, strict=True):
            state[slot] = value
        return weights

    def _compute_rate(self, state: State) -> Any:
        """Return the learning rate of this step."""
        common_slots = [
            (slot, state[slot])
            for slot, is_member_slot in zip(self._slots, self._is_member_slot, strict=True)
            if not is_member_slot
        ]
        if self._stretch != 1.0:
            step = ops.cast(ops.cast(state[self._count], "float64") * self._stretch, self._count.dtype)
            common_slots = [(slot, step if slot is self._count else value) for slot, value in common_slots]
        with keras.StatelessScope(state_mapping=common_slots):
            return ops.convert_to_tensor(self._optimizer.learning_rate)

    def _clip(self, gradients: Values) -> Values:
        """Clip the gradients of each member as Keras clips the gradients of a model."""
        optimizer = self._optimizer
        if (optimizer.clipnorm or 0) > 0:
            return [clip_by_norm(optimizer, g, _list_value_axes(g)) for g in gradients]
        if (optimizer.global_clipnorm or 0) > 0:
            squares = [ops.sum(ops.square(g), axis=_list_value_axes(g)) for g in gradients]
            norm = ops.sqrt(sum(squares[1:], squares[0]))
            scale = optimizer.global_clipnorm * ops.minimum(1 / norm, 1 / optimizer.global_clipnorm)
            scale = scale + (norm - norm)  # NaN if the norm is infinite, as in Keras
            return [g * _cast_like(scale, g) for g in gradients]
        return clip(optimizer, gradients)

    def _follow_averages(self, weights: Values, state: State) -> Values:
        """Update the moving averages of the weights, and overwrite the weights with them at the frequency of Keras."""
        optimizer = self._optimizer
        if not self._averages:
            return weights
        step = state[self._count] // (optimizer.gradient_accumulation_steps or 1)
        for average, w in zip(self._averages, weights, strict=True):
            momentum = ops.cast(step != 0, w.dtype) * optimizer.ema_momentum
            state[average] = momentum * state[average] + (1 - momentum) * w
        if not optimizer.ema_overwrite_frequency:
            return weights
        is_due = ops.equal((step + 1) % optimizer.ema_overwrite_frequency, 0)
        return [ops.where(is_due, state[average], w) for average, w in zip(self._averages, weights, strict=True)]


def _list_value_axes(value: Any) -> tuple[int, ...]:
    """Return the axes of a value (1, s, ...) except the two member axes."""
    return tuple(range(2, len(value.shape)))


def _cast_like(members: Any, w: Any) -> Any:
    """Cast `members` (1, s) to the dtype of `w` (1, s, ...), and reshape it to broadcast against `w`."""
    return ops.reshape(ops.cast(members, w.dtype), (*members.shape, *[1] * (len(w.shape) - 2)))


def _make_stateless_copy(optimizer: Any) -> Any:
    """Return a new optimizer with the same configuration, which can step inside a `StatelessScope`."""
    new = make_fresh_optimizer(optimizer)
    check_overrides(Stateless, new)
    new.__class__ = type(type(new).__name__, (Stateless, type(new)), {})
    return new
