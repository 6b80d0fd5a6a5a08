"""A cluster with two processors on this machine, which the runs of a file share."""

import os

import pytest

from shrinkage._plan._cluster._connection import connect


@pytest.fixture(scope="module")
def cluster():
    """The argument `cluster` of a fit on two workers."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
        with connect("local"):
            yield "local"
