"""The kinds of finding about a path: severity, summary for the documentation, and the next step as code."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from shrinkage._messages._finding import Severity


class Fix(NamedTuple):
    """The next step. Names in braces stand for values that `_fixes` fills in."""

    code: str = ""
    """`{fit}` is the call that made the path with `changes`, and `{compare}` the same call of `compare`."""
    changes: Mapping[str, str] = MappingProxyType({})
    """Arguments of `fit` that change, by name; an empty value leaves the argument out."""


class Kind(NamedTuple):
    """A kind of finding. Without a fix, it asks for nothing, or for a step that code cannot make for the reader."""

    severity: Severity
    summary: str
    fix: Fix = Fix()


LOWER_RATE = "model.optimizer.learning_rate = float(model.optimizer.learning_rate) / 10\n"
USE = Fix("model = path.model()")
_FIT = "{fit}"
REPEATS, EPOCHS = Fix(_FIT, {"repeats": "{repeats}"}), Fix(_FIT, {"epochs": "{epochs}"})
_FOLDS = Fix(_FIT, {"cv": "5"})
_ROWS = Fix(_FIT, {"learning_curve": "True"})
SLOWER = Fix(f"{LOWER_RATE}{_FIT}")
_SCALED = Fix(f"x = (x - x.mean(axis=0)) / x.std(axis=0)\n{_FIT}")
_HELD_OUT = Fix("rows = path.folds.held_out[{fold}]")
_FOUND_GRID, _WHOLE_GRID = Fix(_FIT, {"lams": ""}), Fix(_FIT, {"budget": ""})

KINDS = {
    # the penalty
    "penalty-helps": Kind("note", "The penalty lowers the held-out loss; the 95 % interval is above 0.", USE),
    "penalty-unclear": Kind("note", "The penalty lowers the held-out loss, and it may be chance.", REPEATS),
    "no-penalty-needed": Kind("note", "No penalty is best.", USE),
    # Another penalty may gain more.
    "small-gain": Kind("note", "The gain is clear, and below 1 % of the loss.", Fix("{compare}")),
    "penalty-helps-training": Kind("note", "Most of the gain is a lower training loss, not less overfitting."),
    "rows-vary": Kind(
        "note", "The gain is at least 10 % of the loss, and the folds vary too much to be sure.", REPEATS
    ),
    "more-repeats": Kind("note", "Repeats may show whether the gain is chance; with the time they take.", REPEATS),
    "strength-of-the-model": Kind("note", 'The strength that the model had, with `penalty="model"`.', USE),
    # over- and underfitting, without a penalty
    "overfits": Kind("warning", "The held-out loss rises after its best epoch while the training loss falls.", USE),
    "gap": Kind("warning", "The training loss is far below the held-out loss.", _ROWS),
    "gap-narrowed": Kind("note", "The same, and at the choice the gap is less than half of it.", USE),
    "gap-unclear": Kind("note", "The gap is within one standard error.", REPEATS),
    "not-overfitting": Kind("note", "There is no gap of a size that matters."),
    # A larger model is the reader's to build.
    "underfits": Kind("note", "There is no gap, and nothing else limits training: a larger model may gain more."),
    # more rows, with a learning curve
    "more-rows-help": Kind("note", "From half of the rows to all the loss falls clearly: more rows would help."),
    "more-rows-or-epochs-help": Kind(
        "note", "The same, but training on half of the rows had not levelled off.", EPOCHS
    ),
    "more-rows-hardly-help": Kind("note", "The loss falls by less than 1 % of the best constant's loss."),
    # The step depends on why; see `_more_rows`.
    "more-rows-unclear": Kind("note", "Whether more rows would help cannot be told."),
    # nothing learnt
    "worse-than-constant": Kind("error", "The models are clearly worse than the best constant."),
    "no-better-than-constant": Kind("error", "No strength beats the best constant: nothing was learnt."),
    "constant-unclear": Kind("warning", "No strength clearly beats the best constant: it may be chance.", REPEATS),
    "nearly-perfect": Kind(
        "warning",
        "The loss is nearly perfect: a column may give the target away, or rows may be there twice.",
        Fix("len(x) - len(np.unique(x, axis=0)), abs(np.corrcoef(x.T, y)[-1, :-1]).max()"),
    ),
    # training
    "hardly-trained": Kind("warning", "Training has hardly begun: strengths cannot be compared.", EPOCHS),
    "still-falling": Kind("warning", "The held-out loss still fell at the last epoch.", EPOCHS),
    "first-epoch-is-best": Kind("warning", "Without a penalty the first epoch is the best.", SLOWER),
    "unsteady": Kind("warning", "The training loss swings without a penalty.", SLOWER),
    "learning-rate": Kind("warning", "The loss is far above the best constant's, or training is stuck.", SLOWER),
    "diverged": Kind("error", "At every strength a model diverged.", SLOWER),
    "none-diverged": Kind("warning", "Training without a penalty diverged.", SLOWER),
    "strengths-diverged": Kind("warning", "Models diverged at strengths that could have been chosen.", SLOWER),
    "inputs-not-scaled": Kind("warning", "Inputs are far from unit size.", _SCALED),
    "target-not-scaled": Kind(
        "warning", "The target is far from unit size.", Fix(_FIT, {"standardize_target": "True"})
    ),
    # grid and folds
    "edge-of-grid": Kind(
        "warning", "Strengths beyond the grid are likely to be better.", Fix(_FIT, {"lams": "{lams}"})
    ),
    "choice-not-sharp": Kind(
        "note", "Strengths a decade or more apart are within one standard error.", Fix('model = path.model("1se")')
    ),
    "penalty-idle": Kind("note", "The penalty at the choice changes the size of the weights by less than 1 %."),
    "folds-disagree": Kind("note", "The penalty helps in some folds and harms in others.", _HELD_OUT),
    "outlying-fold": Kind("warning", "The loss of a fold is far from the others: it may contain outliers.", _HELD_OUT),
    "one-split": Kind("note", "One split does not show the noise of training: the intervals are too short.", _FOLDS),
    "no-standard-error": Kind("note", "There is no standard error to judge differences by.", _FOLDS),
    "nothing-to-compare": Kind("note", "Only strength 0 was trained.", _FOUND_GRID),
    # the exact solver, and a search within a budget
    "no-minimum": Kind(
        "error", "Without a penalty the log loss has no minimum.", Fix(_FIT, {"solver": "'exact'", "lams": ""})
    ),
    "no-minimum-without-penalty": Kind("note", "The same, and strengths above 0 have one.", USE),
    "choice-within-budget": Kind("note", "The choice of a search within a budget.", USE),
    "search-too-short": Kind("warning", "The search may have stopped too early.", _WHOLE_GRID),
    "not-measured": Kind("note", "A search within a budget trains the choice alone on all rows.", _WHOLE_GRID),
}
"""All codes, in the order of the documentation."""
