"""The training settings of the command line. Nothing heavy is imported: options are checked first."""

from dataclasses import dataclass
from typing import Any, Literal

from shrinkage._problem._defaults import FULL_BATCHES, HIDDEN_UNITS, MINI_BATCHES, PATIENCE

from ._user_model import is_user_model

PENALTIES = {"l2": "L2", "l1": "L1", "elastic-net": "elastic net", "group-lasso": "group lasso"}
"""The values of --penalty, in words."""


@dataclass(frozen=True)
class Settings:
    """Training settings. Every field is an option of `shrinkage fit`."""

    model: str
    """mlp, linear, or a model of the user: FILE.py:function or MODEL.keras."""
    hidden: tuple[int, ...] | None
    """Units of each hidden layer of an mlp; None for `HIDDEN_UNITS`."""
    penalty: Literal["l2", "l1", "elastic-net", "group-lasso"]
    rho: float | None
    """The mixture of an elastic net; None for the default, as in the next two fields."""
    groups: Literal["units", "inputs"] | None
    """The groups of a group lasso."""
    how: Literal["coupled", "proximal", "decoupled"] | None
    epochs: int | None
    """The largest number of epochs. With mini-batches, a strength stops when the mean curve no longer improves.
    None for a model that is computed, not trained."""
    batch_size: int | None
    """None for all rows, with a linear model: the learning rate then falls to 0 over the epochs."""
    learning_rate: float | None
    """None for the optimizer of a model of the user, and for a model that is computed."""
    folds: int
    """The number of folds; with `fold`, of the fold numbers."""
    seed: int
    choose: Literal["min", "1se"]
    budget: float | None = None
    learning_curve: bool = False
    repeats: int = 1
    clip: bool = True
    group: str | None = None
    """The column of groups of rows; None where there is none, as in the next two fields."""
    time: str | None = None
    fold: str | None = None

    @staticmethod
    def from_options(**options: Any) -> "Settings":
        """Return the settings, with the default for each option that is None.

        The loss of a linear model is convex. With L2 its minimum is computed, unless an option of training is given.
        With other penalties, full batches with a large, falling learning rate reach the minimum.
        """
        of_training = [options.get(name) for name in ("epochs", "batch_size", "learning_rate", "budget")]
        coupled = options["penalty"] == "l2" and options["how"] in (None, "coupled")
        if options["model"] == "linear" and coupled and of_training == [None] * 4:
            return Settings(**options)
        full = options["model"] == "linear" and options["batch_size"] is None
        defaults = FULL_BATCHES if full else MINI_BATCHES
        if is_user_model(options["model"]):
            defaults = {name: value for name, value in defaults.items() if name != "learning_rate"}
        return Settings(**{**options, **{name: value for name, value in defaults.items() if options[name] is None}})

    @property
    def solver(self) -> Literal["gradient", "exact"]:
        """How the models are found."""
        return "exact" if self.epochs is None else "gradient"

    @property
    def rule(self) -> Literal["min", "1se"] | None:
        """The argument of `path.model`; None for the choice of a search within a budget."""
        return None if self.budget else self.choose

    @property
    def layers(self) -> tuple[int, ...]:
        """Units of the hidden layers."""
        return () if self.model != "mlp" else HIDDEN_UNITS if self.hidden is None else self.hidden

    @property
    def _split(self) -> str:
        order = f" in the order of {self.time}" if self.time else f" of groups of {self.group}" if self.group else ""
        numbers = f" by {self.fold}" if self.fold else ""
        repeats = f"{self.repeats} repeats of " if self.repeats > 1 else ""
        return f"{repeats}{self.folds} fold{'s' * (self.folds > 1)}{order}{numbers}"

    @property
    def network_words(self) -> str:
        """The network, in words."""
        if is_user_model(self.model):
            return f"model of {self.model} with weights drawn anew"
        return f"{'-'.join(map(str, self.layers))} ReLU network" if self.layers else "linear model"

    @property
    def penalty_words(self) -> str:
        """The penalty and the options of it, in words."""
        detail = self.groups if self.rho is None else f"rho = {self.rho:g}"
        named = f"{PENALTIES[self.penalty]} ({detail})" if detail else PENALTIES[self.penalty]
        return f"{self.how} {named} penalty" if self.how else f"{named} penalty"

    def describe(self, network: str | None = None, penalty: str | None = None) -> str:
        """Return the settings in words, those of network and penalty unless others are given."""
        network, penalty = network or self.network_words, penalty or self.penalty_words
        rate = f"Adam with learning rate {self.learning_rate:g}" if self.learning_rate else "its optimizer"
        chosen = f"{self._split}, seed {self.seed}"
        if self.solver == "exact":
            return f"{network}, computed exactly at each strength, {penalty}, {chosen}"
        if self.batch_size is None:
            return (
                f"{network}, {rate} that falls to 0 in {self.epochs} epochs, all rows in a batch, {penalty}, {chosen}"
            )
        if self.budget:
            return (
                f"{network}, {rate}, batch size {self.batch_size}, {penalty}, {self.epochs} epochs on a part of the "
                f"rows for {self.budget:g} trainings if the rows suffice for it, then of the chosen lambda on all "
                f"rows, seed {self.seed}"
            )
        return (
            f"{network}, {rate}, batch size {self.batch_size}, {penalty}, {chosen}, "
            f"each strength until its mean curve has not improved for {PATIENCE} epochs, at most {self.epochs}"
        )


def make_training_arguments(settings: Settings, n_rows: int) -> dict[str, Any]:
    """Return the arguments of `shrinkage.fit` for epochs, batches and early stopping."""
    if settings.solver == "exact":
        return {"solver": "exact"}
    if settings.batch_size is None:
        return {"epochs": settings.epochs, "batch_size": n_rows, "epoch": "last"}
    # A loaded model must say `init`: its weights may come from rows that a fold holds out.
    init = {"init": "fresh"} if is_user_model(settings.model) else {}
    patience = None if settings.budget else PATIENCE
    return {"epochs": settings.epochs, "batch_size": settings.batch_size, "patience": patience, **init}
