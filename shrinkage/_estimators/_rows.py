"""The rows that scikit-learn gives an estimator, as inputs of a network: a table is encoded as by the shell."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from shrinkage._data._sparse import is_sparse
from shrinkage._data._statistics import LARGEST
from shrinkage.cli._columns import Columns, NumberColumn, Task, check_input_names
from shrinkage.cli._encoder import assemble_model, encode, make_target_layers, read_cells
from shrinkage.cli._errors import BadInput
from shrinkage.cli._infer import infer_columns

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class EstimatorTarget:
    """The target, as the encoder records it."""

    task: Task
    n_classes: int = 0

    @property
    def columns(self) -> Columns:
        """A record of a table without columns."""
        return Columns("target", self.task, tuple(range(self.n_classes)), (), ())


@dataclass(frozen=True)
class Matrix:
    """Rows of an array or a sparse matrix: numbers for a network of the project, as they are for one of the user."""

    columns: Columns

    @property
    def left_out(self) -> dict[str, str]:
        """Columns that are not used, with the reasons: none."""
        return {}

    @staticmethod
    def from_array(x: Any, target: EstimatorTarget, *, is_custom: bool) -> "Matrix":
        """Return the columns of an array (n, d), none of which is left out; none for a model of the user."""
        unit = {"low": -LARGEST, "high": LARGEST, "centre": 0.0, "scale": 1.0, "indicator": False}
        numbers = () if is_custom else tuple(NumberColumn(f"x{place}", **unit) for place in range(x.shape[1]))
        return Matrix(replace(target.columns, numbers=numbers))

    def encode(self, x: Any) -> list[Any]:
        """Return the inputs of the network, in a sparse matrix if the rows are in one."""
        if not self.columns.numbers:
            return [x]
        if not is_sparse(x):
            return [x.clip(-LARGEST, LARGEST).astype(np.float32)]
        clipped = x.copy()
        clipped.data = clipped.data.clip(-LARGEST, LARGEST)
        return [clipped.astype(np.float32)]

    def finish(self, network: "keras.Model", mean: float, sd: float) -> "keras.Model":
        """Return a model from an array to predictions in the units of the target."""
        import keras

        if (mean, sd) == (0.0, 1.0):
            return network
        inputs: Any = network.inputs[0]
        rows = keras.Input(inputs.shape[1:], dtype=inputs.dtype)
        outputs: Any = network(rows)
        return keras.Model(rows, make_target_layers(outputs.shape[1:], mean, sd)(outputs), name=network.name)


@dataclass(frozen=True)
class Table:
    """Rows of a data frame, with the columns that the encoder of the shell found."""

    columns: Columns
    names: tuple[str, ...]
    """The names of all columns, in their order."""

    @property
    def left_out(self) -> dict[str, str]:
        """Columns that are not used, with the reasons."""
        return dict(self.columns.dropped)

    @staticmethod
    def from_frame(frame: pd.DataFrame, target: EstimatorTarget, *, is_custom: bool, embeds: bool) -> "Table":
        """Infer the columns of a frame.

        Raises:
            ValueError: If numbers are infinite, or no column can be used.
        """
        with _raise_value_error():
            numbers, categories, dropped, texts = infer_columns(frame, embeds=embeds, in_shell=False)
            columns = replace(
                target.columns,
                numbers=numbers,
                categories=categories,
                dropped=dropped,
                texts=texts,
                as_matrix=is_custom,
            )
            check_input_names(columns)
        return Table(columns, tuple(frame.columns))

    def name_columns(self, x: np.ndarray | pd.DataFrame) -> pd.DataFrame:
        """Return further rows, which have the same columns in the same order, with the names."""
        return pd.DataFrame(x).set_axis(list(self.names), axis=1)

    def encode(self, x: pd.DataFrame) -> list[np.ndarray]:
        """Return the inputs of the network.

        Raises:
            ValueError: If numbers are infinite, or many cells of a column of numbers are not numbers.
        """
        with _raise_value_error():
            return encode(self.columns, read_cells(self.columns, x))

    def finish(self, network: "keras.Model", mean: float, sd: float) -> "keras.Model":
        """Return a model from a dictionary of raw columns to predictions in the units of the target."""
        return assemble_model(self.columns, network, mean, sd)


def as_frame(x: Any) -> pd.DataFrame | None:
    """Return a table of pandas, Polars or PyArrow as a data frame of pandas, numbered from 0; None for an array.

    Raises:
        ValueError: If columns have the same name.
    """
    if not isinstance(x, pd.DataFrame):
        if not hasattr(x, "to_pandas"):
            return None
        x = x.to_pandas()
    frame = x.reset_index(drop=True)
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    repeated = [name for name, count in Counter(frame.columns).items() if count > 1]
    if repeated:
        raise ValueError(
            f"`X` must have columns of different names. Received: {', '.join(repeated)} more than once. Rename these "
            f"columns."
        )
    return frame


def describe_left_out_columns(reasons: Mapping[str, str]) -> str:
    """Return a sentence on columns that are not used."""
    items = [f"{name} ({reason})" for name, reason in list(reasons.items())[:_LIST_LENGTH]]
    more = f", and {len(reasons) - _LIST_LENGTH} more, which `left_out_` has" if len(reasons) > _LIST_LENGTH else ""
    return f"`fit` does not use these columns of `X`: {', '.join(items)}{more}."


_LIST_LENGTH = 10


@contextmanager
def _raise_value_error() -> Iterator[None]:
    """Raise errors of the shell's encoder as errors of Python."""
    try:
        yield
    except BadInput as error:
        message = error.message if error.message.startswith("`X`") else f"`X`: {error.message}"
        raise ValueError(message) from None
