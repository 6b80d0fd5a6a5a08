"""The check before training that rules give the same results as calls of the model."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from shrinkage._cohort._forward import forward
from shrinkage._cohort._initial import list_seed_variables
from shrinkage._cohort._state import State
from shrinkage._cohort._tensorflow import compute_loss_and_gradients
from shrinkage._cohort._unroll import unroll
from shrinkage._data._data import take
from shrinkage._host._layers import list_sublayers
from shrinkage._model._behaviour import perturb
from shrinkage._model._objective import Objective
from shrinkage._plan._plan import ways
from shrinkage._problem._problem import Problem

# Tolerances relative to the largest compared value. Rounding alone gives differences of a few hundred units in the last
# place, and of at most a dozen units in bfloat16.
_TOLERANCE = {"bfloat16": 0.1, "float32": 1e-3, "float64": 1e-9}


def check_rules(problem: Problem) -> tuple[Problem, bool]:
    """Check the rules of a problem's model against calls of the model.

    Returns:
        The problem, with losses called per member where they mix rows, and with a note if the check failed; and
        whether the check passed.
    """
    training = problem.training
    if training.behaviour.equal_calls_differ:
        return problem, False
    agree, objective = _rules_agree(problem, training.objective), training.objective
    conservative = objective.as_per_member(include_listed=False)
    if not agree and conservative != objective:
        # The value of a custom loss does not always show that the loss mixes rows.
        agree, objective = _rules_agree(problem, conservative), conservative
    notes = problem.notes if agree else (*problem.notes, _SLOWER_NOTE)
    return replace(problem, training=replace(training, objective=objective), notes=notes), agree


_SLOWER_NOTE = (
    "Computing all members at once did not agree with the model itself: the model is called once per member, which is "
    "slower."
)


def _rules_agree(problem: Problem, objective: Objective) -> bool:
    """Return whether rules give the same results as calls of the model, on rows of two folds."""
    training, train = problem.training, problem.train
    network, data, batch_size = training.template.network, training.data, training.batch_size
    by_rules = any(way.rules for way in ways(network, agrees=True, batch_size=batch_size))
    if not by_rules and objective.as_per_member(include_listed=False) == objective:
        return True  # each member calls the model: there is nothing to compare
    size = min(batch_size, *map(len, train))
    rows = np.stack([train[0][:size], train[-1][-size:]])
    y = take(data.y if problem.target is None else problem.target.standardize(data.y, -1), rows)
    return agrees(network, objective, take(data.x, rows), y, list_seed_variables(network))


def agrees(network: keras.Model, objective: Objective, x: Any, y: Any, seeds: list) -> bool:
    """Return whether a forward pass by rules equals calls of the model, for a few members with perturbed weights.

    The check compares the loss, the gradient of every weight, the new value of every moving average, and the
    predictions. It finds layers and losses that mix rows, and rules for layers that Keras has changed since.

    Args:
        network: The model.
        objective: The losses of the model.
        x, y: A batch of rows for each of two folds, trees of (2, batch, ...).
        seeds: The state variables of the network's seed generators.
    """
    generator = np.random.default_rng(0)
    values = [_perturb_members(variable, generator) for variable in network.variables]
    tensors = keras.tree.map_structure(lambda array: keras.ops.convert_to_tensor(array)[:, None], x)
    weight = keras.ops.ones(keras.tree.flatten(x)[0].shape[:2], dtype=objective.dtype)
    results, predictions = [], []
    for run, losses in (
        (lambda state, x, training: forward(network, state, x, training), objective),
        (lambda state, x, training: unroll(network, state, (x,), {}, training), objective.as_per_member()),
    ):
        state = State(list(network.variables), [keras.ops.convert_to_tensor(value) for value in values])
        member_loss, gradients = compute_loss_and_gradients(run, network, losses, state, tensors, y, weight)
        drawn = {id(seed) for seed in seeds}
        statistics = [state[v] for v in network.variables if not v.trainable and id(v) not in drawn]
        results.append([keras.ops.convert_to_numpy(value) for value in (member_loss, *gradients, *statistics)])
        outputs = keras.tree.flatten(run(state, tensors, False))
        predictions.append([keras.ops.convert_to_numpy(keras.ops.cast(output, objective.dtype)) for output in outputs])
    has_bfloat16 = any(layer.compute_dtype == "bfloat16" for layer in list_sublayers(network))
    tolerance = _TOLERANCE["bfloat16" if has_bfloat16 else objective.dtype]
    gradients = results[1][1 : 1 + len(network.trainable_variables)]
    scale = max(map(_find_largest, gradients))
    scales = [max(scale, 1e-6)] * len(results[1]) + [max(_find_largest(output), 1e-6) for output in predictions[1]]
    return all(
        np.allclose(fast, plain, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
        for fast, plain, scale in zip(results[0] + predictions[0], results[1] + predictions[1], scales, strict=True)
    )


def _find_largest(values: np.ndarray) -> float:
    """Return the largest absolute value among the finite values, or 0."""
    return float(np.abs(np.nan_to_num(values, posinf=0, neginf=0)).max(initial=0))


def _perturb_members(variable: keras.Variable, generator: np.random.Generator) -> np.ndarray:
    """Return perturbed values of a variable for two folds, (2, 2, ...), or (2, 1, ...) if strengths share the value."""
    return perturb(variable, generator, (2, 2 if variable.trainable or "float" in variable.dtype else 1))
