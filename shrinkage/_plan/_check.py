"""Before training: is the fast way right for this very model?"""

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from shrinkage._cohort._first import seed_variables
from shrinkage._cohort._forward import forward
from shrinkage._cohort._state import State
from shrinkage._cohort._tensorflow import loss_and_gradients
from shrinkage._cohort._unroll import unroll
from shrinkage._data._data import take
from shrinkage._host._layers import sublayers
from shrinkage._model._behaviour import perturb
from shrinkage._model._objective import Objective
from shrinkage._plan._plan import ways
from shrinkage._problem._problem import Problem

# Rounding alone differs: relative to the largest value compared, a few hundred units in the last place, and a dozen
# where a step has that many roundings at most.
_TOLERANCE = {"bfloat16": 0.1, "float32": 1e-3, "float64": 1e-9}


def compare(problem: Problem) -> tuple[Problem, bool]:
    """Return the problem with its losses as members compute them, and whether members computed together are right.

    They are right where they are what the model itself gives; a note says where they are not.
    """
    training = problem.training
    if training.behaviour.random:
        return problem, False
    together, objective = _agree(problem, training.objective), training.objective
    cautious = objective.per_member(include_listed=False)
    if not together and cautious != objective:
        # A loss of the user's own may mix rows where its values do not show it.
        together, objective = _agree(problem, cautious), cautious
    notes = problem.notes if together else (*problem.notes, _SLOWER)
    return replace(problem, training=replace(training, objective=objective), notes=notes), together


_SLOWER = (
    "Computing all members at once did not agree with the model itself: the model is called once per member, which is "
    "slower."
)


def _agree(problem: Problem, objective: Objective) -> bool:
    """Say whether members computed together, by rules, are what the model itself gives on rows of two folds."""
    training, folds = problem.training, problem.folds
    network, data, batch_size = training.template.network, training.data, training.batch_size
    by_rules = any(way.rules for way in ways(network, agrees=True, batch_size=batch_size))
    if not by_rules and objective.per_member(include_listed=False) == objective:
        return True  # each member calls the model, and nothing is to be compared
    size = min(batch_size, *map(len, folds.train))
    rows = np.stack([folds.train[0][:size], folds.train[-1][-size:]])
    y = take(data.y if problem.target is None else problem.target.standardize(data.y, -1), rows)
    return agrees(network, objective, take(data.x, rows), y, seed_variables(network))


def agrees(network: keras.Model, objective: Objective, x: Any, y: Any, seeds: list) -> bool:
    """Say whether a few perturbed members, run the fast way, equal the model itself called on real batches.

    Compared are the loss, the gradient of every weight, the new value of every moving average, and the predictions. A
    layer or loss that mixes rows, or a layer that Keras has changed since its rule was written, shows here.

    Args:
        network: The model.
        objective: Its losses.
        x, y: The rows of one batch for each of two folds, trees of (2, batch, ...).
        seeds: The states of the network's seed generators.
    """
    generator = np.random.default_rng(0)
    values = [_members(variable, generator) for variable in network.variables]
    tensors = keras.tree.map_structure(lambda array: keras.ops.convert_to_tensor(array)[:, None], x)
    weight = keras.ops.ones(keras.tree.flatten(x)[0].shape[:2], dtype=objective.dtype)
    seen, predicted = [], []
    for run, losses in (
        (lambda state, x, training: forward(network, state, x, training), objective),
        (lambda state, x, training: unroll(network, state, (x,), {}, training), objective.per_member()),
    ):
        state = State(list(network.variables), [keras.ops.convert_to_tensor(value) for value in values])
        member_loss, gradients = loss_and_gradients(run, network, losses, state, tensors, y, weight)
        drawn = {id(seed) for seed in seeds}
        moving = [state[v] for v in network.variables if not v.trainable and id(v) not in drawn]
        seen.append([keras.ops.convert_to_numpy(value) for value in (member_loss, *gradients, *moving)])
        outputs = keras.tree.flatten(run(state, tensors, False))
        predicted.append([keras.ops.convert_to_numpy(keras.ops.cast(output, objective.dtype)) for output in outputs])
    mixed = any(layer.compute_dtype == "bfloat16" for layer in sublayers(network))
    tolerance = _TOLERANCE["bfloat16" if mixed else objective.dtype]
    gradients = seen[1][1 : 1 + len(network.trainable_variables)]
    scale = max(map(_largest, gradients))
    scales = [max(scale, 1e-6)] * len(seen[1]) + [max(_largest(output), 1e-6) for output in predicted[1]]
    return all(
        np.allclose(fast, plain, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
        for fast, plain, scale in zip(seen[0] + predicted[0], seen[1] + predicted[1], scales, strict=True)
    )


def _largest(values: np.ndarray) -> float:
    """Return the largest size of the finite values, or 0."""
    return float(np.abs(np.nan_to_num(values, posinf=0, neginf=0)).max(initial=0))


def _members(variable: keras.Variable, generator: np.random.Generator) -> np.ndarray:
    """Return values near the variable's own for two folds and two strengths, (2, 2, ...); what is no weight stays."""
    return perturb(variable, generator, (2, 2 if variable.trainable or "float" in variable.dtype else 1))
