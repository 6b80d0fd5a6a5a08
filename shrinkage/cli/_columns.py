"""`Columns`: how `fit` read a table, as `predict` needs it; saved as `columns.json`."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from shrinkage._data._untrusted import read_json

from ._dates import FORMS, PERIODS
from ._errors import BadInput, get_error_text
from ._formats import Sign
from ._numerals import CsvFacts

Task = Literal["binary", "multi-class", "regression"]
Label = str | int | float | bool

VERSION = 1
MISSING = ""  # the category of a missing cell


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, of booleans as 0 and 1, or of dates as seconds since 1970."""

    name: str
    low: float
    """Lower bound of clipping: see `_infer`."""
    high: float
    """Upper bound of clipping."""
    centre: float
    """The median of all rows, rounded to a sum of two float32."""
    scale: float
    """The standard deviation of all clipped rows, a float32. It is a unit: the network standardises in each fold."""
    indicator: bool
    """Whether the encoded matrix has a column that marks the missing cells."""
    boolean: bool = False
    marks: tuple[str, ...] = ()
    """Texts in the training rows that are not numbers and count as missing."""
    form: str | None = None
    """The format of dates, "" where they are not text; None for numbers."""
    cycles: tuple[str, ...] = ()
    """The cycles of dates with inputs: year, week and day."""

    @property
    def kind(self) -> str:
        """The kind in words."""
        return "date" if self.form is not None else "boolean" if self.boolean else "number"


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories, one-hot or as an embedding."""

    name: str
    categories: tuple[str, ...]
    """The categories with a separate input; "" is the category of missing cells."""
    other: bool
    """Whether rare and unseen categories share an input; else they are all zeros. In an embedding they share a row."""
    n_beyond: int = 0
    """The number of categories with enough rows but without an input, because of the limit."""
    embedded: bool = False
    """Whether the network looks the categories up in an embedding."""

    @property
    def kind(self) -> str:
        """The kind in words."""
        return "category"


@dataclass(frozen=True)
class TextColumn:
    """A column of free text."""

    name: str
    words: tuple[str, ...]
    """The known words, the most frequent first."""
    length: int
    """The number of words that are read, with an embedding."""
    embedded: bool = False
    """Whether the network averages an embedding of the words; else each word has an input, whether it is there."""

    @property
    def kind(self) -> str:
        """The kind in words."""
        return "text"


Column = NumberColumn | CategoryColumn | TextColumn


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
    texts: tuple[TextColumn, ...] = ()
    decimal: Sign | None = None
    """The decimal sign of the training file, the default for files with new rows."""
    as_matrix: bool = True
    """Whether the network takes a single matrix without missing numbers, as a model of the user does."""

    @property
    def renamed_inputs(self) -> dict[str, str]:
        """Columns with another name as input of the model: column name -> input name."""
        return {name: to_input_name(name) for name in self.names if to_input_name(name) != name}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns the model needs."""
        return tuple(column.name for column in self.all)

    @property
    def all(self) -> "tuple[Column, ...]":
        """The columns, in the order of the encoded inputs."""
        return (*self.numbers, *self.categories, *self.texts)

    @property
    def embedded_columns(self) -> "tuple[CategoryColumn | TextColumn, ...]":
        """The columns with an embedding, each an input of the network."""
        return tuple(column for column in (*self.categories, *self.texts) if column.embedded)

    @property
    def marks(self) -> tuple[str, ...]:
        """The names of the encoded inputs beside the numbers: indicators, cycles of dates, categories and words."""
        indicators = [f"{column.name} is missing" for column in self.numbers if column.indicator]
        places = [
            f"{column.name}: {wave} of the {cycle}"
            for column in self.numbers
            for cycle in column.cycles
            for wave in ("sine", "cosine")
        ]
        one_hots = [name for column in self.categories if not column.embedded for name in _list_one_hot_names(column)]
        words = [f"{column.name}: {word}" for column in self.texts if not column.embedded for word in column.words]
        return (*indicators, *places, *one_hots, *words)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the encoded inputs: numbers, marks, and a name for each embedding."""
        return (*(c.name for c in self.numbers), *self.marks, *(f"{c.name}: embedding" for c in self.embedded_columns))

    def to_csv_facts(self, separator: str | None = None) -> CsvFacts:
        """Facts for reading a CSV with new rows in the same way as the training rows."""
        numbers = tuple(column.name for column in self.numbers if column.form is None)
        categories = {c.name: frozenset(c.categories) for c in self.categories}
        return CsvFacts(separator, self.decimal, numbers, {**categories, **dict.fromkeys(c.name for c in self.texts)})

    def save(self, file: Path) -> None:
        """Write the record as JSON."""
        inputs = {name: to_input_name(name) for name in self.names}
        document = {"version": VERSION, **asdict(self), "inputs": inputs}
        file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @staticmethod
    def load(file: Path) -> "Columns":
        """Read a file that `save` wrote; raise `BadInput` for other files."""
        try:
            return _from_document(read_json(file))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"RUN must hold an intact columns.json of this version. Received: {file} ({get_error_text(error)}). "
                "Fit again with --overwrite."
            ) from error


def to_input_name(name: str) -> str:
    """Return the name of the model's input for a column: Keras allows no slash.

    >>> to_input_name("km/h")
    'km_h'
    """
    return name.replace("/", "_")


def check_input_names(columns: Columns) -> None:
    """Raise `BadInput` if columns have the same name as input of the model."""
    counts = Counter(to_input_name(name) for name in columns.names)
    same = [name for name in columns.names if counts[to_input_name(name)] > 1]
    if same:
        raise BadInput(
            "column names must differ by more than a slash, which is an underscore in the model. Received: "
            f"{', '.join(same)}. Rename one."
        )


def split_float64(number: float | np.floating) -> tuple[float, float]:
    """Split a float64 into two float32 with the same sum to 48 bits: Keras' layers store constants as float32.

    >>> split_float64(1_700_000_000_001)
    (1700000038912.0, -38911.0)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        high = float(np.float32(number))
        return high, float(np.float32(number - high))


def _list_one_hot_names(column: CategoryColumn) -> list[str]:
    names = [
        f"{column.name} is missing" if cell == MISSING else f"{column.name} = {cell}" for cell in column.categories
    ]
    return [f"{column.name}: other", *names] if column.other else names


def _from_document(document: dict) -> Columns:
    if not isinstance(document, dict) or document.pop("version", None) != VERSION:
        raise ValueError(f"its version is not {VERSION}")
    document.pop("inputs")
    document["labels"] = tuple(document["labels"])
    document["numbers"] = tuple(
        NumberColumn(**{**column, **{name: tuple(column.get(name, ())) for name in ("marks", "cycles")}})
        for column in document["numbers"]
    )
    document["categories"] = tuple(
        CategoryColumn(**{**column, "categories": tuple(column["categories"])}) for column in document["categories"]
    )
    document["texts"] = tuple(
        TextColumn(**{**column, "words": tuple(column["words"])}) for column in document.get("texts", ())
    )
    columns = Columns(**document)
    check_fields(columns)
    for column in columns.numbers:
        if column.form not in (None, "", *FORMS) or not PERIODS.keys() >= {*column.cycles}:
            raise ValueError(f"{column.name} has dates of the form {column.form!r} with cycles {column.cycles}")
    return columns


def check_fields(record: Any) -> None:
    """Raise `TypeError` unless the values of a record that was read from a file have the types of its fields."""
    for name, kind in get_type_hints(type(record)).items():
        value = getattr(record, name)
        if not _has_type(value, kind):
            raise TypeError(f"{name} has the value {value!r:.60}")
        for each in value if isinstance(value, tuple) else ():
            if is_dataclass(each):
                check_fields(each)


def _has_type(value: Any, kind: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value in arguments
    if origin in (Union, UnionType):
        return any(_has_type(value, each) for each in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(_has_type(each, arguments[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(_has_type(each, arguments[1]) for each in value.values())
    if kind is float:  # JSON has no difference between 1 and 1.0
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
