"""Numbers and weights as text, for findings."""

from collections import Counter
from collections.abc import Iterable

from shrinkage._doctor._case import TrainableWeight


def format_noun_count(count: int, noun: str) -> str:
    """Return a count and its noun.

    >>> format_noun_count(1, "weight"), format_noun_count(1234, "weight")
    ('1 weight', '1,234 weights')
    >>> format_noun_count(2, "bias"), format_noun_count(2, "embeddings")
    ('2 biases', '2 embeddings')
    """
    many = f"{noun}es" if noun.endswith("bias") else noun if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else many}"


def format_weight_names(weights: Iterable[TrainableWeight]) -> str:
    """Return the names of weights, each once with its count."""
    counts = Counter(weight.variable.name for weight in weights)
    return ", ".join(
        format_noun_count(count, name) if len(counts) < counts.total() else name for name, count in counts.items()
    )


def format_parameter_count(weights: Iterable[TrainableWeight]) -> str:
    """Return the total number of parameters of weights, as text."""
    return format_noun_count(sum(weight.size for weight in weights), "parameter")


def list_weight_paths(weights: Iterable[TrainableWeight]) -> tuple[str, ...]:
    """Return the paths of weights."""
    return tuple(weight.path for weight in weights)
