"""Numbers and weights as text, for findings."""

from collections import Counter
from collections.abc import Iterable

from shrinkage._doctor._case import Weight


def plural(count: int, thing: str) -> str:
    """Return a count of a thing.

    >>> plural(1, "weight"), plural(1234, "weight"), plural(2, "bias"), plural(2, "embeddings")
    ('1 weight', '1,234 weights', '2 biases', '2 embeddings')
    """
    many = f"{thing}es" if thing.endswith("bias") else thing if thing.endswith("s") else f"{thing}s"
    return f"{count:,} {thing if count == 1 else many}"


def names(weights: Iterable[Weight]) -> str:
    """Return the names of weights, each once with its count."""
    counts = Counter(weight.variable.name for weight in weights)
    return ", ".join(plural(count, name) if len(counts) < counts.total() else name for name, count in counts.items())


def parameters(weights: Iterable[Weight]) -> str:
    """Return the total number of parameters of weights, as text."""
    return plural(sum(weight.size for weight in weights), "parameter")


def paths(weights: Iterable[Weight]) -> tuple[str, ...]:
    """Return the paths of weights."""
    return tuple(weight.path for weight in weights)
