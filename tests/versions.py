"""Which Keras the tests run on. `make test-versions` runs them on the oldest that `pyproject.toml` declares, too."""

import keras
import pytest

KERAS = tuple(int(number) for number in keras.__version__.split(".")[:2])
"""Its major and minor version: (3, 15)."""

NO_FLOAT64_L1 = KERAS < (3, 14)
"""Keras' own L1 multiplies its float32 strength by float64 weights, and TensorFlow refuses."""
float64_l1 = pytest.mark.skipif(NO_FLOAT64_L1, reason="before Keras 3.14, its own L1 fails on float64 weights")

locked = pytest.mark.skipif(KERAS < (3, 14), reason="benchmarks run with the locked packages")
newer_files = pytest.mark.skipif(KERAS < (3, 14), reason="Keras does not load files of a newer Keras")
