"""The argument `budget` of `fit`: the requirements of a search within a budget, and the cases without a measurement."""

from numbers import Real
from typing import Any

from shrinkage._cv._folds import Folds
from shrinkage._cv._rung import LEAST_ROWS, Rung, cost_rung, size_rung
from shrinkage._messages._note import Note
from shrinkage._penalties import Penalty
from shrinkage._problem._request import Request
from shrinkage._problem._split_rows import SplitRows

_LEAST_BUDGET = 1.2
_SPLIT = (
    "a search within a budget holds out rows at random, or groups, or `validation_data`",
    "Leave `cv` out. For rows that belong together say groups=..., and for a time series give the later rows as "
    "`validation_data`",
)


def check_budget_argument(request: Request) -> None:
    """Refuse a `budget` that is not valid, or that conflicts with another argument."""
    budget = request.budget
    if budget is None:
        return
    if isinstance(budget, bool) or not isinstance(budget, Real) or not _LEAST_BUDGET <= budget < float("inf"):
        raise ValueError(
            f"`budget` must be a number of trainings on all rows, at least {_LEAST_BUDGET}, such as 1.5. Received: "
            f"{budget!r}."
        )
    for name, reason, fix in (
        ("cv", *_SPLIT),
        ("lams", "the search chooses the strengths that it tries", "Leave `lams` out, or `budget`"),
        ("repeats", "the search trains on one part of the rows", "For more rows give a larger `budget`"),
        ("patience", "members are scored a few times only", "Leave `patience` out"),
        ("models", "only the choice is trained on all rows", 'Leave `models` out, or `budget` for models="chosen"'),
    ):
        value, default = getattr(request, name), getattr(Request, name)
        if not (type(value) is type(default) and value == default):
            raise ValueError(f"`{name}` must be left out with `budget`, as {reason}. Received: both. {fix}.")


def check_penalty_of_budget(request: Request, penalty: Penalty) -> None:
    """Refuse a penalty for which no search within a budget was measured."""
    if request.budget is None:
        return
    own = isinstance(request.penalty, str) and request.penalty == "model"
    if own or getattr(penalty, "toward", None) is not None:
        received = 'penalty="model"' if own else repr(penalty)
        raise ValueError(
            f"`budget` needs L2(), L1(), ElasticNet(rho) or GroupLasso(groups) as `penalty`, because the search was "
            f"measured for these: others may need other strengths on a part of the rows than on all rows. Received: "
            f"{received}. Leave `budget` out for the whole grid."
        )


def read_rung(request: Request, folds: Folds, n_rows: int) -> Rung | None:
    """Return the cost of the search within the budget; None for the whole grid.

    Args:
        request: The arguments of `fit`.
        folds: The split.
        n_rows: Number of rows on which the final model is trained.
    """
    if request.budget is None or not folds.is_rung:
        return None
    sizes = int(folds.train.sizes[0]), int(folds.held_out.sizes[0])
    return cost_rung(*sizes, n_rows, float(request.budget), request.epochs or 1, request.epoch)


def describe_whole_grid(request: Request, rows: SplitRows, batch_size: int, n_strengths: int) -> Note | None:
    """Return a note if the whole grid is trained although there is a budget.

    Args:
        request: The arguments of `fit`.
        rows: The rows and the split.
        batch_size: Number of rows in a batch.
        n_strengths: Number of strengths of the grid.
    """
    if request.budget is None or rows.folds.is_rung:
        return None
    n_folds = len(rows.folds.train)
    return Note(
        f"$budget is not used: {_describe_obstacle(request, rows.n_counting, batch_size)}. The whole grid is trained: "
        f"{n_strengths} strengths in {n_folds} {'fold' if n_folds == 1 else 'folds'} and on all rows."
    )


def _describe_obstacle(request: Request, n_rows: int, batch_size: int) -> str:
    """Return why there is no rung of `n_rows` rows with a weight above 0."""
    if n_rows < LEAST_ROWS:
        return f"a part of {n_rows:,} rows is not like all rows (at least {LEAST_ROWS:,} are needed)"
    size: dict[str, Any] = {"epochs": request.epochs or 1, "epoch": request.epoch, "batch_size": batch_size}
    if request.groups is not None and size_rung(n_rows, float(request.budget or 1), **size) is not None:
        return "the groups are so large that no part of the rows has whole groups, and others to hold out"
    return "fewer than three members fit into it, as a part of the rows needs at least ten batches"
