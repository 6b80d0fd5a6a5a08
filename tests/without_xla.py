"""Training without XLA by default: XLA compiles a small model for seconds, and it trains for milliseconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytest import MonkeyPatch


@contextmanager
def without_xla() -> Iterator[None]:
    """Leave XLA out of the ways to train. `plan={"xla": True}` is as ever."""
    from shrinkage._plan import _runner  # imported here because it imports TensorFlow

    def ways(*arguments: Any, **options: Any) -> list[Any]:
        return [way for way in unpatched(*arguments, **options) if not way.xla]

    unpatched = _runner.ways
    with MonkeyPatch.context() as patch:
        patch.setattr(_runner, "ways", ways)
        yield
