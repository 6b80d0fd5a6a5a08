"""A table larger than memory: read and encoded in parts, for `shrinkage.fit` to store on disk."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from ._columns import Columns
from ._counts import Counts
from ._encoder import encode
from ._rows import BadRow, OnBadRow, ignore
from ._table import get_column
from ._tables import SourceRows, SourceTable
from ._target import TargetColumn


class Stream:
    """The rows of a table, in parts.

    Args:
        table: The table.
        target_name: The column of the target.
        target: The target of a sample of the rows.
        columns: The columns of the model.
        on_bad_row: Called for each row with a bad target.
    """

    def __init__(
        self, table: SourceTable, target_name: str, target: TargetColumn, columns: Columns, on_bad_row: OnBadRow
    ):
        self._table, self._target_name, self._target, self._columns = table, target_name, target, columns
        self._on_bad_row: OnBadRow = on_bad_row
        self.counts = Counts(columns)
        """Counts of cells in the rows that were read."""
        self.at_end: Callable[[], None] = lambda: None
        """Called after the last rows of the dataset."""

    def read_frames(self) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
        """Yield the rows with a target, and the values of the target."""
        for rows in self._table.read_chunks():
            yield self._read_labelled(rows)
        self._on_bad_row = ignore  # the rows were reported

    def read_column(self, name: str) -> pd.DataFrame:
        """Return a column of all rows that have a target, as a frame."""
        return pd.concat([get_column(frame, name) for frame, _ in self.read_frames()]).to_frame()

    def make_dataset(self, encode_target: Callable[[np.ndarray], np.ndarray]) -> Any:
        """Return a dataset of inputs and targets, which can be read once.

        Args:
            encode_target: Returns values of the target as the network takes them.
        """
        from keras import utils

        self.counts, parts, n_parts = Counts(self._columns), self._encode_parts(encode_target), self._table.n_chunks

        class Dataset(utils.PyDataset):
            """The parts in their order."""

            @property
            def num_batches(self) -> int:
                return n_parts

            def __getitem__(self, index: int) -> Any:
                return next(parts)

        return Dataset()

    def _encode_parts(self, encode_target: Callable[[np.ndarray], np.ndarray]) -> Iterator[tuple[Any, np.ndarray]]:
        for number, (frame, values) in enumerate(self.read_frames(), 1):
            inputs = encode(self._columns, self.counts.read(frame))
            if number == self._table.n_chunks:
                self.counts.check()
                self.at_end()
            yield tuple(inputs) if len(inputs) > 1 else inputs[0], encode_target(values)

    def _read_labelled(self, rows: SourceRows) -> tuple[pd.DataFrame, np.ndarray]:
        labelled = np.flatnonzero(get_column(rows.frame, self._target_name).notna())
        cells = get_column(rows.frame, self._target_name).iloc[labelled]
        values, bad, reason = self._target.read(cells)
        for i in np.flatnonzero(bad):
            file, unit, line = rows.locate(int(labelled[i]))
            self._on_bad_row(BadRow(file, line, reason, str(cells.iloc[i]), self._target_name, unit))
        return rows.frame.iloc[labelled[~bad]], values[~bad]
