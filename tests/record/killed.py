"""A run in a process of its own, which the test kills: python -m tests.record.killed FOLDER RESULT."""

import sys

import numpy as np

import shrinkage as sh
from shrinkage._record import _record
from tests.fit.fitting import X, Y, arrays, classifier
from tests.record.runs import noisy


def train(folder: str | None) -> sh.Path:
    options = {"lams": [0.3, 0.1, 0.01], "cv": 3, "epochs": 120, "batch_size": 8, "plan": {"chunk": 2, "xla": True}}
    return sh.fit(classifier(noisy), X, Y, penalty="l2", run=folder, **options)


if __name__ == "__main__":
    _record._SHARE = np.inf  # a checkpoint after every epoch
    numbers = {name: value for name, value in arrays(train(sys.argv[1] or None)).items() if value.dtype != object}
    np.savez(sys.argv[2], allow_pickle=False, **numbers)
