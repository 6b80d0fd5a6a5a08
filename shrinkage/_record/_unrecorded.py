"""A run without a record."""

import numpy as np

from shrinkage._cohort._part import Chunk, Part


class Unrecorded:
    """A run without a record. `Record` has the same methods."""

    def part(self, stage: str, lams: np.ndarray) -> Part:
        """Return the next part.

        Args:
            stage: "folds" or "all rows".
            lams: The strengths of the part.
        """
        return Part()

    def chunk(self) -> Chunk | None:
        """Return the number of strengths at a time from the next part on if it is smaller than before, or None."""

    def shrink(self, chunk: int, n_parts: int) -> None:
        """Record that the last parts did not fit into memory. They begin anew, with `chunk` strengths at a time."""
