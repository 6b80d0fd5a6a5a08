"""Code for the arguments of a call."""

from typing import Any

import numpy as np
import pytest

from shrinkage._problem._request import Request

CASES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "defaults": ({}, {}),
    "equal to the defaults": ({"on": "kernels", "epoch": "best"}, {}),
    "numbers and text": (
        {"patience": 3, "epoch": 2, "steps_per_epoch": 9, "on": "all"},
        {"patience": "3", "epoch": "2", "steps_per_epoch": "9", "on": "'all'"},
    ),
    "names": ({"on": ["dense", "embedding"]}, {"on": "['dense', 'embedding']"}),
    "functions": ({"on": lambda weight: True}, {"on": "on"}),
    "rows": (
        {"sample_weight": np.ones(3), "class_weight": {0: 1.0, 1: 2.0}},
        {"sample_weight": "sample_weight", "class_weight": "class_weight"},
    ),
    "shown elsewhere": ({"cv": 3, "seed": 4, "batch_size": 8}, {}),
    "of the exact solver": ({"solver": "exact", "epoch": "last", "patience": 3, "on": "all"}, {"on": "'all'"}),
    "of the machine": ({"max_memory": 1e9}, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_arguments_that_a_path_shows_nowhere_else(name):
    arguments, expected = CASES[name]
    assert Request(lambda: None, None, penalty="l2", **arguments).unshown_arguments == expected  # pyright: ignore
