"""Which Keras the tests run on. `make test-versions` runs them on the oldest that `pyproject.toml` declares, too."""

import keras

KERAS = tuple(int(number) for number in keras.__version__.split(".")[:2])
"""Its major and minor version: (3, 15)."""
