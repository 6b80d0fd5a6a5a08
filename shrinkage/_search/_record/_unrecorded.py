"""A run without a record."""

import numpy as np

from shrinkage._cohort._run_part import ChunkReduction, RunPart


class Unrecorded:
    """A run without a record. `Record` has the same methods."""

    def make_part(self, stage: str, lams: np.ndarray) -> RunPart:
        """Return the next part.

        Args:
            stage: "folds" or "all rows".
            lams: The strengths of the part.
        """
        return RunPart()

    def pop_chunk(self) -> ChunkReduction | None:
        """Return the number of strengths at a time from the next part on if it is smaller than before, or None."""

    def shrink(self, chunk: int, n_parts: int) -> None:
        """Record that the last parts did not fit into memory. They begin anew, with `chunk` strengths at a time."""
