"""Defaults of training that the command line and the estimators share."""

from typing import Any

PATIENCE = 10
HIDDEN_UNITS = (64, 64)
FULL_BATCHES: dict[str, Any] = {"epochs": 1000, "learning_rate": 0.3}
"""Of a linear model: the learning rate falls to 0 over the epochs."""
MINI_BATCHES: dict[str, Any] = {"epochs": 200, "learning_rate": 1e-3, "batch_size": 32}
