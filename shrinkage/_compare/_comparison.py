"""The result of `sh.compare`: penalties and models at their choices, with paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from shrinkage._compare._names import find_name
from shrinkage._compare._plot import draw_losses
from shrinkage._compare._ranking import Ranking
from shrinkage._compare._text import lay_out_comparison, make_records
from shrinkage._compare._verdict import make_comparison_verdict
from shrinkage._compare._weights_plot import draw_weights
from shrinkage._cv._choice import NothingToChoose
from shrinkage._messages._note import PYTHON, Vocabulary, quote

if TYPE_CHECKING:
    import keras
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Ranking):
    """Penalties, and models, each at its chosen strength, compared on the same folds.

    `print(comparison)` shows the table and the verdict, `comparison.plot()` the differences, and `comparison.model()`
    returns the model with the least held-out loss.

    Attributes:
        paths: the path of each penalty, by name, such as "L2" or "l2"; "wide: L2" where several models are compared.
        entries: what is compared, in the order of the table: no penalty, early stopping, and each path at its choice.
        nested: the estimate of the winner's loss by nested cross-validation, or None.
        notes: notes for the user.
        seconds: wall-clock time of all training in seconds.

    Example:
        >>> import keras, numpy as np, shrinkage as sh
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="line")
        >>> model.compile("sgd", "mean_squared_error")
        >>> x = np.random.default_rng(0).normal(size=(60, 2))
        >>> comparison = sh.compare(model, x, x @ [1.0, 2.0], penalties=["l2", "l1"], lams=[0.1, 0.01], epochs=5)
        >>> list(comparison.paths)
        ['L2', 'L1']
        >>> list(comparison.table()["name"])
        ['none', 'early stopping', 'L2', 'L1']
    """

    def model(self, name: str | None = None) -> keras.Model:
        """Make a model that was trained on all rows.

        Args:
            name: the name of a row of the table, or of its penalty, such as "l2"; None for the least loss.

        Raises:
            NothingToChoose: if every model diverged. It is a ValueError.
            ValueError: if there is no such row, or if its model was not trained on all rows.
        """
        by_name = {entry.name: entry for entry in self.entries}
        entry = self.least if name is None else by_name[find_name(name, by_name)]
        if entry is None or entry.index is None:
            raise NothingToChoose("Nothing to choose from: every model diverged. Lower the learning rate.")
        if entry.epoch != entry.path.epochs[entry.index]:
            raise ValueError(
                f"`name` must be a row with a model that was trained on all rows. Received: {entry.name!r}, of which "
                f"no model was trained for {entry.epoch} epochs without a penalty. Call "
                f"comparison.model('{entry.name.replace('none', 'early stopping')}'), or train the model yourself."
            )
        return entry.path.model(entry.lam)

    def table(self) -> pd.DataFrame:
        """Return a data frame with a row for each entry.

        The columns are name; lam; epoch; loss and se, the held-out loss and its standard error; gain, gain_low,
        gain_high and gain_p, the loss without a penalty minus the loss, with the 95 % interval and the p-value adjusted
        by Holm's method; above, above_low, above_high and above_p, the same for the loss minus the least loss; result,
        which is "least", "tied", "worse" or "diverged"; zeros, zero_units, zero_inputs, size, zipped and
        predict_seconds of the model trained on all rows (see `ModelFacts`); and seconds, the time of the training, NaN
        for a row that is a part of another path.
        """
        import pandas as pd

        return pd.DataFrame(make_records(self))

    def verdict(self) -> str:
        """Return the sentences below the table: which one has the least loss, and what cannot be told from it."""
        return make_comparison_verdict(self)

    def plot(
        self, file: Any = None, *, kind: Literal["losses", "weights"] = "losses", marked: Sequence[int] = ()
    ) -> Figure:
        """Draw the losses with the intervals of their differences, or the weights of the first layer along each path.

        Args:
            file: a file name or file object to save the figure to; the extension of the name determines the format.
            kind: "losses", or "weights" for the norm of the weights out of each input of the first penalised kernel,
                against log10(lam), with a panel for each path.
            marked: for "weights", numbers of inputs to draw in another colour, counted from 0.

        Returns:
            The matplotlib figure.

        Raises:
            ValueError: if `kind` has another value, or if "weights" has no path with weights of several strengths.
        """
        if kind not in ("losses", "weights"):
            raise ValueError(f'`kind` must be "losses" or "weights". Received: {quote(kind)}.')
        return draw_losses(self, file) if kind == "losses" else draw_weights(self.paths, file, marked=marked)

    def __repr__(self) -> str:
        return format_comparison(self, PYTHON)


def format_comparison(comparison: Comparison, terms: Vocabulary) -> str:
    """Return the table, the verdict and the notes, in the terms of Python or of the shell."""
    return lay_out_comparison(comparison, comparison.verdict(), terms)
