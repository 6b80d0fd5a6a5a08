"""The parts of a report, as the template shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SectionTable:
    """A table; the first column has words, and the others numbers unless `words` names them."""

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[int] = (0,)
    """The columns with words, which are aligned to the left."""


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    title: str
    words: str = ""
    figures: Sequence[dict[str, Any]] = ()
    table: SectionTable | None = None
    facts: Sequence[tuple[str, str]] = ()
    """Names with values."""
    notes: Sequence[str] = ()
    code: str = ""
    is_wide: bool = True
    """Whether the section takes the whole width of a wide page."""
