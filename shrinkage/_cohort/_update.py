"""The optimizer of all members: Keras' own class, made to take pure steps."""

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
    gradient_sums,
    moving_averages,
    rate_of,
    slots,
    step_count,
    update,
)
from shrinkage._host._overrides import check_overrides
from shrinkage._model._optimizers import ELEMENTWISE
from shrinkage._model._template import fresh_optimizer
from shrinkage._penalties import Coupled, Decoupled, Proximal, Term
from shrinkage._penalties._steps import step_size

Values = list[Any]
Terms = list[Term | None]


class Update:
    """The step of all members, a pure function (weights, slots, gradients, lam) -> (weights, slots).

    Slots are what an optimizer remembers, and last the origins that the penalty draws weights towards, if it has any.
    What is done, and in which order, is that of `keras.Optimizer.apply`: accumulation, clipping, weight decay, the
    optimizer's own step, the average of the weights, constraints. The penalty's gradient is added before all of it, as
    that of Keras' own regularizers is; `Decoupled` is the weight decay; the proximal operator is part of the own step.

    An optimizer whose own step on a weight depends on that weight alone is built on the stacked weights. Any other is
    built on one member's, and its step is mapped over the members.

    Args:
        variables: The network's trainable variables, which name the weights; they are never changed.
        optimizer: Its configuration is used, not its state.
        terms: The penalty on each variable; None where it is not penalised.
        how: Coupled(), Decoupled() or Proximal().
        strengths: S.
    """

    def __init__(
        self,
        variables: Sequence[Any],
        optimizer: Any,
        *,
        terms: Sequence[Term | None],
        how: Any,
        strengths: int,
    ):
        self._terms, self._how = list(terms), how
        self._constraints = [variable.constraint for variable in variables]
        self._stacked, self._strengths = type(optimizer).__name__ in ELEMENTWISE, strengths
        # The optimizer needs variables to know the weights by; their values are never used.
        self._variables = list(variables)
        if self._stacked:
            self._variables = [keras.Variable(ops.zeros((1, strengths, *v.shape), v.dtype)) for v in variables]
        self._optimizer = _stateless_copy(optimizer)
        self._optimizer.build(self._variables)
        self._slots = list(self._optimizer.variables)
        self._count = step_count(self._optimizer)
        common = self._count, rate_of(self._optimizer)
        self._is_member_slot = [not any(slot is slot_of_all for slot_of_all in common) for slot in self._slots]
        self._gradient_sums = gradient_sums(self._optimizer)
        self._averages = moving_averages(self._optimizer)

    def initial_slots(self, weights: Values, origins: Values | None = None) -> Values:
        """Return the slots of members that begin with these weights, each (1, s, ...).

        Args:
            weights: Each (1, s, ...).
            origins: What the penalty draws them towards, each (1, 1, ...), or None if that is 0.
        """
        state = State(self._slots, [ops.copy(slot) for slot in self._slots])
        for slot, is_member_slot in zip(self._slots, self._is_member_slot, strict=True):
            if is_member_slot and not self._stacked:
                state[slot] = ops.broadcast_to(state[slot], (1, self._strengths, *slot.shape))
        # From Keras 3.14 on. Its momentum begins at the weights.
        if type(self._optimizer).__name__ == "ScheduleFreeAdamW":
            for momentum, weight in zip(slots(self._optimizer, "momentums"), weights, strict=True):
                state[momentum] = weight
        kept_origins = (
            [] if origins is None else [o for o, term in zip(origins, self._terms, strict=True) if term is not None]
        )
        return [*(state[slot] for slot in self._slots), *kept_origins]

    def final_weights(self, weights: Values, slots: Values) -> Values:
        """Return the weights that `Model.fit` would leave if it ended now: their averages, if there are any."""
        state = State(self._slots, slots[: len(self._slots)])
        return [state[average] for average in self._averages] or weights

    def __call__(self, weights: Values, slots: Values, gradients: Values, lam: Any) -> tuple[Values, Values]:
        """Return the weights and slots after one step.

        Args:
            weights: Each (1, s, ...).
            slots: As `initial_slots` gives them.
            gradients: Of the members' losses without the penalty, each (1, s, ...).
            lam: Strengths, (1, s).
        """
        state, origins = State(self._slots, slots[: len(self._slots)]), slots[len(self._slots) :]
        terms = self._with_origins(origins)
        if isinstance(self._how, Coupled):
            gradients = [
                g if term is None else g + term.gradient(w, _like(lam, w))
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

    def _with_origins(self, origins: Values) -> Terms:
        """Return the terms with the origins among the slots, if there are any."""
        if not origins:
            return self._terms
        remaining = iter(origins)
        return [None if term is None else replace(term, origin=next(remaining)) for term in self._terms]

    def _accumulate(self, weights: Values, state: State, gradients: Values, terms: Terms, lam: Any) -> Values:
        """Move by the mean gradient of several steps, at the last of them."""
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
        """Clip, shrink the weights where that is decoupled, and take the optimizer's own step."""
        gradients, rate = self._clip(gradients), self._rate(state)
        if isinstance(self._how, Decoupled):
            weights = [
                w if term is None else w - ops.cast(rate, w.dtype) * term.gradient(w, _like(lam, w))
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
                update(self._optimizer, gradients, self._variables, rate)
                new_weights = [scope.get_current_value(variable) for variable in self._variables]
                if isinstance(self._how, Proximal):
                    new_weights = [
                        w if term is None else term.prox(w, _like(lam, w), step_size(self._optimizer, v, rate))
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

    def _rate(self, state: State) -> Any:
        """Return the learning rate of this step."""
        common_slots = [
            (slot, state[slot])
            for slot, is_member_slot in zip(self._slots, self._is_member_slot, strict=True)
            if not is_member_slot
        ]
        with keras.StatelessScope(state_mapping=common_slots):
            return ops.convert_to_tensor(self._optimizer.learning_rate)

    def _clip(self, gradients: Values) -> Values:
        """Clip each member's gradients as Keras clips a model's."""
        optimizer = self._optimizer
        if (optimizer.clipnorm or 0) > 0:
            return [clip_by_norm(optimizer, g, _own_axes(g)) for g in gradients]
        if (optimizer.global_clipnorm or 0) > 0:
            squares = [ops.sum(ops.square(g), axis=_own_axes(g)) for g in gradients]
            norm = ops.sqrt(sum(squares[1:], squares[0]))
            scale = optimizer.global_clipnorm * ops.minimum(1 / norm, 1 / optimizer.global_clipnorm)
            scale = scale + (norm - norm)  # NaN for a member whose norm is infinite, as Keras' own
            return [g * _like(scale, g) for g in gradients]
        return clip(optimizer, gradients)

    def _follow_averages(self, weights: Values, state: State) -> Values:
        """Follow the weights by their moving averages, and put these in their place every so many steps."""
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


def _own_axes(value: Any) -> tuple[int, ...]:
    """Return the axes of (1, s, ...) that are a member's own."""
    return tuple(range(2, len(value.shape)))


def _like(members: Any, w: Any) -> Any:
    """Reshape (1, s) to broadcast against (1, s, ...)."""
    return ops.reshape(ops.cast(members, w.dtype), (*members.shape, *[1] * (len(w.shape) - 2)))


def _stateless_copy(optimizer: Any) -> Any:
    """Return a new optimizer of the same configuration whose steps can be made inside a `StatelessScope`."""
    new = fresh_optimizer(optimizer)
    check_overrides(Stateless, new)
    new.__class__ = type(type(new).__name__, (Stateless, type(new)), {})
    return new
