"""The layout of a stage on the workers: which folds and parts are trained at the same time."""

import math


def compute_layout(folds: int, parts: int, workers: int) -> tuple[int, int]:
    """Return how many groups of folds, and how many parts, are trained at the same time.

    A worker trains one part in one group of folds. The layout has the least number of rounds,

        ceil(parts / parts at a time) * ceil(folds / groups),

    and the fewest parts at a time among several: a part alone has checkpoints.

    Args:
        folds: Number of folds.
        parts: Number of parts that are left.
        workers: Number of workers.

    Example:
        >>> compute_layout(folds=5, parts=1, workers=2), compute_layout(folds=5, parts=4, workers=2)
        ((2, 1), (1, 2))
    """
    candidates = []
    for together in range(1, max(1, min(parts, workers)) + 1):
        in_turn = math.ceil(folds / min(folds, workers // together))
        candidates.append((math.ceil(parts / together) * in_turn, together, math.ceil(folds / in_turn)))
    _, together, groups = min(candidates)
    return groups, together
