"""A part of a run: the training of some strengths, in all folds or on all rows, which a record may save."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

Summary = dict[str, Any]
"""Values of a part for people: the mean loss and the best epoch of each strength so far."""


class ChunkReduction(NamedTuple):
    """A smaller number of strengths at a time."""

    size: int
    cause: Literal["memory", "plan"]
    """Whether memory ran out, or the user asked for it in a call that went on with the run."""


class RunPart:
    """A part of a run without a record. `RecordedPart` has the same methods."""

    result: Any = None
    """The result, a tree of arrays, if the part is finished; or None."""
    state: Any = None
    """The state after the last recorded epoch, a tree of arrays, or None."""

    def keep(self, n_epochs: int, state: Callable[[], Any], summary: Callable[[], Summary]) -> None:
        """Save the state after an epoch if it is time, or if the user asked to stop.

        Args:
            n_epochs: Number of finished epochs.
            state: Returns the state.
            summary: Returns values for people.

        Raises:
            KeyboardInterrupt: If the user asked to stop.
        """

    def stop_if_requested(self) -> None:
        """Raise `KeyboardInterrupt` if the user asked to stop, without saving a state."""

    def finish(self, result: Any, summary: Summary) -> None:
        """Save the result, and values for people."""
