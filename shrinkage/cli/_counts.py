"""Count missing, clipped, unseen and odd cells while a table is read in parts."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ._columns import Columns
from ._encoder import (
    check_odd_cells,
    count_clipped,
    count_missing,
    count_odd_cells,
    count_unread,
    count_unseen,
    read_cells,
)

_MOST_TEXTS = 1000
_OTHER_TEXTS = "(other texts)"


class Counts:
    """Reads the cells of a table in parts, and counts those that are not taken as they are.

    Args:
        columns: The columns of the model.
    """

    def __init__(self, columns: Columns):
        self._columns = columns
        self.n_rows = 0
        self.missing_cells, self.clipped_cells, self.unseen_cells, self.unread_texts = (
            Counter[str]() for _ in range(4)
        )
        self._odd_counts: dict[str, Counter[str]] = {}

    @property
    def odd_cells(self) -> dict[str, dict[str, int]]:
        """Cells of number columns that are not numbers and count as missing: column -> text -> count."""
        return {name: dict(texts) for name, texts in self._odd_counts.items()}

    def read(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the model's inputs for the next rows, as `read_cells` does. `check` follows after the last rows."""
        cells = read_cells(self._columns, frame, is_part=True)
        self.n_rows += len(frame)
        self.missing_cells.update(count_missing(self._columns, cells))
        self.clipped_cells.update(count_clipped(self._columns, cells))
        self.unseen_cells.update(count_unseen(self._columns, cells))
        self.unread_texts.update(count_unread(self._columns, cells))
        for name, texts in count_odd_cells(self._columns, frame).items():
            found = self._odd_counts.setdefault(name, Counter())
            for text, count in texts.items():
                found[text if text in found or len(found) < _MOST_TEXTS else _OTHER_TEXTS] += count
        return cells

    def describe(self) -> list[str]:
        """Return the counts that are not 0, as text."""
        words = {
            "missing cells": self.missing_cells,
            "numbers far outside those of training, clipped": self.clipped_cells,
            "cells with a category that training did not see or saw rarely": self.unseen_cells,
            "texts of which the model knows no word": self.unread_texts,
        }
        lines = [
            f"{kind}: {', '.join(f'{name} {count:,}' for name, count in found.items())}"
            for kind, found in words.items()
            if found
        ]
        odd = (
            [f"cells that are no numbers, missing ones too: {', '.join(odd_words(self._odd_counts))}"]
            if self._odd_counts
            else []
        )
        return lines + odd

    def check(self) -> None:
        """Raise `BadInput` if too many cells of a column of numbers are odd."""
        for column in self._columns.numbers:
            check_odd_cells(column, self._odd_counts.get(column.name, {}), self.n_rows)


def odd_words(odd_counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return a phrase for each column: the number of odd cells, and the most frequent text.

    >>> odd_words({"size": {"oops": 2, "-": 1}})
    ["size 3 (such as 'oops')"]
    """
    return [
        f"{name} {sum(texts.values()):,} (such as {max(texts, key=texts.__getitem__)!r})"
        for name, texts in odd_counts.items()
    ]
