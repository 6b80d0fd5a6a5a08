"""The numbers of a comparison: losses, paired differences and ties. Table, verdict and picture need only these."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shrinkage._compare._entry import Entry
from shrinkage._compare._nested import NestedEstimate
from shrinkage._compare._statistics import adjust_p_values
from shrinkage._cv._statistics import Difference, estimate_optimism
from shrinkage._path._path import Path

LEVEL = 0.05
_UNKNOWN_DIFFERENCE = Difference(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Contrast:
    """A paired difference with the 95 % interval, and the p-value adjusted by Holm's method."""

    difference: Difference
    p: float

    @property
    def is_clear(self) -> bool:
        """Whether the adjusted p-value is below 0.05. If not, the two are tied."""
        return self.p < LEVEL


@dataclass(frozen=True, eq=False, repr=False)
class Ranking:
    """The numbers of a comparison; `Comparison` documents the attributes."""

    paths: Mapping[str, Path]
    entries: tuple[Entry, ...]
    nested: NestedEstimate | None = None
    notes: tuple[str, ...] = ()
    seconds: float = math.nan

    @cached_property
    def least(self) -> Entry | None:
        """The entry with the least held-out loss, the simplest of equal ones; None if every model diverged."""
        losses = np.array([entry.loss for entry in self.entries])
        return None if np.isnan(losses).all() else self.entries[int(np.nanargmin(losses))]

    @cached_property
    def gains(self) -> tuple[Contrast | None, ...]:
        """For each entry, the loss without a penalty minus its loss; None for the entries without a penalty.

        The baseline is the same model without a penalty, after the last epoch. The p-values are adjusted for the number
        of these tests.
        """
        by_name = {entry.name: entry for entry in self.entries}
        pairs = [(by_name[entry.baseline], entry) for entry in self.entries]
        return _make_contrasts(pairs)

    @cached_property
    def regrets(self) -> tuple[Contrast | None, ...]:
        """For each entry, its loss minus the least loss; None for the entry with the least loss.

        The p-values are adjusted for the number of these tests.
        """
        least = self.least
        return (
            (None,) * len(self.entries)
            if least is None
            else _make_contrasts([(entry, least) for entry in self.entries])
        )

    @cached_property
    def tied(self) -> tuple[Entry, ...]:
        """The entries that cannot be told from the one with the least loss, without that one."""
        pairs = zip(self.entries, self.regrets, strict=True)
        return tuple(entry for entry, test in pairs if test is not None and not entry.diverged and not test.is_clear)

    @property
    def optimism(self) -> float:
        """How far the least loss is expected to be below the loss on new rows, because it is the least of many.

        It is `Path.optimism` over the strengths of all paths. NaN for a single split.
        """
        if self.least is None:
            return math.nan
        curves = [np.where(path.failed, np.nan, path.fold_loss) for path in self.paths.values()]
        losses = np.column_stack([self.least.fold_loss, *curves])
        return estimate_optimism(losses, self.least.path.fold_weight, 0)


def _make_contrasts(pairs: Sequence[tuple[Entry, Entry]]) -> tuple[Contrast | None, ...]:
    """Return a test of each difference, first minus second; None for an entry and itself."""
    differences = [
        None if a is b else _UNKNOWN_DIFFERENCE if a.diverged or b.diverged else a.subtract(b) for a, b in pairs
    ]
    raw = [
        math.nan if found is None else a.compute_p_value(found)
        for (a, _), found in zip(pairs, differences, strict=True)
    ]
    adjusted = adjust_p_values(raw)
    return tuple(
        None if found is None else Contrast(found, float(p)) for found, p in zip(differences, adjusted, strict=True)
    )
