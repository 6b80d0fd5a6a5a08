"""Orders of rows of which a part is taken: at random, so that a part is like all rows, or with the latest first."""

import numpy as np


def order_rows(n_rows: int, classes: np.ndarray | None, key: tuple[int, ...]) -> np.ndarray:
    """Return a random order of which every part at either end has nearly the same share of each class."""
    order = np.random.default_rng(key).permutation(n_rows)
    if classes is None:
        return order
    labels = np.unique(classes[order], axis=0 if classes.ndim > 1 else None, return_inverse=True)[1].reshape(-1)
    by_label = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    rank = np.empty(n_rows)
    rank[by_label] = np.arange(n_rows) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[np.argsort((rank + 0.5) / sizes[labels], kind="stable")]


def order_groups(groups: np.ndarray, key: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows in a random order of the groups, and the number of rows before each group and after the last."""
    numbers, places = np.unique(groups, return_inverse=True)
    return _sort_by_place(np.random.default_rng(key).permutation(len(numbers))[places])


def order_groups_by_time(groups: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the same in the order of the latest row of each group, with the latest first."""
    numbers, places = np.unique(groups, return_inverse=True)
    latest = np.zeros(len(numbers), time.dtype)
    np.maximum.at(latest, places, time)
    return _sort_by_place(np.argsort(np.argsort(-latest))[places])


def _sort_by_place(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows in the order of the places of their groups, and the number of rows before each place."""
    return np.argsort(places, kind="stable"), np.append(0, np.cumsum(np.bincount(places)))
