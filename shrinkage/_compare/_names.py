"""The row of a comparison that a name means."""

from collections.abc import Iterable
from typing import Any

from shrinkage._messages._note import quote
from shrinkage._path._path import Path
from shrinkage._penalties._check import normalize_penalty_name


def find_name(query: Any, names: Iterable[str]) -> str:
    """Return the name of the row: the name itself, or the name of its penalty, as `penalties` and `fit` take it.

    Raises:
        ValueError: If it means none of the rows, or several.

    Example:
        >>> names = ["none", "L2", "elastic net (rho = 0.5)", "decoupled L2"]
        >>> find_name("l2", names), find_name("Elastic-Net", names), find_name("decoupled", names)
        ('L2', 'elastic net (rho = 0.5)', 'decoupled L2')
    """
    names = list(names)
    if isinstance(query, str):
        found = [name for name in names if name == query]
        found = found or [name for name in names if normalize_penalty_name(query) in _normalize_names(name)]
        if len(found) == 1:
            return found[0]
    raise ValueError(f"`name` must be one of {', '.join(map(repr, names))}. Received: {quote(query)}.")


def _normalize_names(name: str) -> set[str]:
    """Return the plain names of a row: with the number of an elastic net or the groups of a group lasso, and without.

    `penalties` calls the decoupled L2 "decoupled".
    """
    own_names = {normalize_penalty_name(name), normalize_penalty_name(name.partition(" (")[0])}
    return own_names | {each.removesuffix("l2") for each in own_names if each.endswith("decoupledl2")}


class Paths(dict[str, Path]):
    """The paths of a comparison by name; `paths["l2"]` is `paths["L2"]`."""

    def __missing__(self, name: Any) -> Path:
        try:
            return self[find_name(name, self)]
        except ValueError as error:
            raise KeyError(str(error)) from error
