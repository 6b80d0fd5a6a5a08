"""`Columns`: how `fit` read a table, as `predict` needs it; saved as `columns.json`."""

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
    """Lower bound of clipping: see `_infer`."""
    high: float
    """Upper bound of clipping."""
    centre: float
    """The median of all rows, rounded to a sum of two float32. It replaces missing cells."""
    scale: float
    """The standard deviation of all clipped rows, a float32. The network standardises again in each fold."""
    indicator: bool
    """Whether the encoded matrix has a column that marks the missing cells."""
    boolean: bool = False
    marks: tuple[str, ...] = ()
    """Texts in the training rows that are not numbers and count as missing."""


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories, one-hot."""

    name: str
    categories: tuple[str, ...]
    """The categories with a separate input; "" is the category of missing cells."""
    other: bool
    """Whether rare and unseen categories share an input; else they are all zeros."""
    n_beyond: int = 0
    """The number of categories with enough rows but without an input, because of the limit."""


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
    """Columns of the training file that the model does not use, with the reason."""
    decimal: Sign | None = None
    """The decimal sign of the training file, the default for files with new rows."""

    @property
    def renamed(self) -> dict[str, str]:
        """Columns with another name as input of the model: column name -> input name."""
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
        """Facts for reading a CSV with new rows in the same way as the training rows."""
        numbers = tuple(column.name for column in self.numbers)
        return Known(separator, self.decimal, numbers, {c.name: frozenset(c.categories) for c in self.categories})

    def save(self, file: Path) -> None:
        """Write the record as JSON."""
        inputs = {name: input_name(name) for name in self.names}
        document = {"version": VERSION, **asdict(self), "inputs": inputs}
        file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @staticmethod
    def load(file: Path) -> "Columns":
        """Read a file that `save` wrote; raise `BadInput` for other files."""
        try:
            return _from_document(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{file} is not a columns.json of this version of shrinkage ({error}).") from error


def input_name(name: str) -> str:
    """Return the name of the model's input for a column: Keras allows no slash.

    >>> input_name("km/h")
    'km_h'
    """
    return name.replace("/", "_")


def halves(number: float | np.floating) -> tuple[float, float]:
    """Split a float64 into two float32 with the same sum to 48 bits: Keras' layers store constants as float32.

    >>> halves(1_700_000_000_001)
    (1700000038912.0, -38911.0)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        high = float(np.float32(number))
        return high, float(np.float32(number - high))


def _one_hot_names(column: CategoryColumn) -> list[str]:
    names = [
        f"{column.name} is missing" if cell == MISSING else f"{column.name} = {cell}" for cell in column.categories
    ]
    return [f"{column.name}: other", *names] if column.other else names


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
