"""Python's global random state, from which Keras draws seeds: a call of this package leaves it as it was."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np


@contextmanager
def random_state(key: Sequence[int] | None = None) -> Iterator[None]:
    """Put Python's random state back at the end; with a key, what is drawn before depends on the key alone.

    Keras' initializers and random layers draw their seeds from it.

    Args:
        key: Whole numbers, such as (seed, fold); None to start from the present state.

    Example:
        >>> before = random.getstate()
        >>> with random_state((0, 1)):
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
