"""What `fit` learnt about a table and `predict` must know: the record behind `columns.json`."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ._errors import BadInput
from ._formats import Sign
from ._numerals import Known

Task = Literal["binary", "multi-class", "regression"]
Label = str | int | float | bool

VERSION = 1
MISSING = ""  # the category of a missing cell


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, or of booleans as 0 and 1."""

    name: str
    low: float
    """Smaller numbers become this one: see `_infer`."""
    high: float
    """Larger numbers become this one."""
    centre: float
    """The median of all rows, as two float32 hold it: what a missing cell becomes."""
    scale: float
    """The standard deviation of all clipped rows, a float32; the network standardises fold by fold."""
    indicator: bool
    """Whether a column that marks missing cells goes with it."""
    boolean: bool = False
    marks: tuple[str, ...] = ()
    """Cells of the training rows that are no numbers, and count as missing."""


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories, one-hot."""

    name: str
    categories: tuple[str, ...]
    """Those with a column of their own; "" is the category of missing cells."""
    other: bool
    """Whether rare, and later unseen, categories share a column; without it they are all zeros."""
    n_beyond: int = 0
    """How many categories had enough rows and have no column because of the limit."""


@dataclass(frozen=True)
class Columns:
    """The table's columns as the model takes them, in the order of the encoded matrix."""

    target: str
    task: Task
    labels: tuple[Label, ...]
    """The classes in the order of the model's outputs; empty for regression."""
    numbers: tuple[NumberColumn, ...]
    categories: tuple[CategoryColumn, ...]
    dropped: dict[str, str] = field(default_factory=dict)
    """Columns of the training file that the model does not use, and why."""
    decimal: Sign | None = None
    """The sign that marks decimals in the training file: of new rows, where their file does not show it."""

    @property
    def renamed(self) -> dict[str, str]:
        """Columns whose input of the model has another name, and that name."""
        return {name: input_name(name) for name in self.names if input_name(name) != name}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns the model needs."""
        return tuple(column.name for column in (*self.numbers, *self.categories))

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the encoded matrix's columns."""
        numbers = [column.name for column in self.numbers]
        indicators = [f"{column.name} is missing" for column in self.numbers if column.indicator]
        return (*numbers, *indicators, *(name for column in self.categories for name in _one_hot_names(column)))

    def known(self, separator: str | None = None) -> Known:
        """What the model's columns say of a CSV with new rows: they are to be read as the training rows were."""
        numbers = tuple(column.name for column in self.numbers)
        return Known(separator, self.decimal, numbers, {c.name: frozenset(c.categories) for c in self.categories})

    def save(self, file: Path) -> None:
        """Write it as JSON."""
        inputs = {name: input_name(name) for name in self.names}
        document = {"version": VERSION, **asdict(self), "inputs": inputs}
        file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @staticmethod
    def load(file: Path) -> "Columns":
        """Read what `save` wrote; raise `BadInput` for anything else."""
        try:
            return _from_document(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{file} is not a columns.json of this version of shrinkage ({error}).") from error


def input_name(name: str) -> str:
    """The name of the model's input for a column: Keras allows no slash in it.

    >>> input_name("km/h")
    'km_h'
    """
    return name.replace("/", "_")


def halves(number: float | np.floating) -> tuple[float, float]:
    """Two float32 whose sum is a float64 to 48 bits: Keras' layers keep their constants in float32.

    >>> halves(1_700_000_000_001)
    (1700000038912.0, -38911.0)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        high = float(np.float32(number))
        return high, float(np.float32(number - high))


def _one_hot_names(column: CategoryColumn) -> list[str]:
    own = [f"{column.name} is missing" if name == MISSING else f"{column.name} = {name}" for name in column.categories]
    return [f"{column.name}: other", *own] if column.other else own


def _from_document(document: dict) -> Columns:
    if document.pop("version") != VERSION:
        raise ValueError(f"expected version {VERSION}")
    document.pop("inputs")
    document["labels"] = tuple(document["labels"])
    document["numbers"] = tuple(
        NumberColumn(**{**column, "marks": tuple(column.get("marks", ()))}) for column in document["numbers"]
    )
    document["categories"] = tuple(
        CategoryColumn(**{**column, "categories": tuple(column["categories"])}) for column in document["categories"]
    )
    return Columns(**document)
