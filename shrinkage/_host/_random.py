"""Save and restore the global random state of Python, from which Keras draws seeds."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np


@contextmanager
def keep_random_state(key: Sequence[int] | None = None) -> Iterator[None]:
    """Restore the random state of Python at the end of the block; with a key, seed it at the start of the block.

    Initializers and random layers of Keras draw their seeds from this state.

    Args:
        key: Integers, such as (seed, fold), that determine all draws in the block; None keeps the current state.

    Example:
        >>> before = random.getstate()
        >>> with keep_random_state((0, 1)):
        ...     _ = random.random()
        >>> random.getstate() == before
        True
    """
    before = random.getstate()
    if key is not None:
        random.seed(int(np.random.SeedSequence([*key, 3]).generate_state(1, np.uint64)[0]))
    try:
        yield
    finally:
        random.setstate(before)
