"""The kinds of finding about a path: severity, summary for the documentation, and the next step as code."""

from typing import NamedTuple

from shrinkage._finding import Severity


class Kind(NamedTuple):
    """A kind of finding. In `fix`, names in braces stand for values that `_diagnosis` fills in."""

    severity: Severity
    summary: str
    fix: str = ""


_USE, _AGAIN = "model = path.model()", "{fit})"
_REPEATS, _FOLDS, _EPOCHS = "{fit}, repeats={repeats})", "{fit}, cv=5)", "{fit}, epochs={epochs})"
_CURVE_EPOCHS = "{fit}, learning_curve=True, epochs={epochs})"
_SLOWER = "{slower}{fit})"
_SCALED = "x = (x - x.mean(axis=0)) / x.std(axis=0)\n{fit})"
_HELD_OUT = "rows = path.folds.held_out[{fold}]"

KINDS = {
    # the penalty
    "penalty-helps": Kind("note", "The penalty lowers the held-out loss; the 95 % interval is above 0.", _USE),
    "penalty-unclear": Kind("note", "The penalty lowers the held-out loss, and it may be chance.", _REPEATS),
    "no-penalty-needed": Kind("note", "No penalty is best.", _USE),
    "small-gain": Kind("note", "The gain is clear, and below 1 % of the loss."),
    "penalty-helps-training": Kind("note", "Most of the gain is a lower training loss, not less overfitting."),
    "rows-vary": Kind(
        "note", "The gain is at least 10 % of the loss, and the folds vary too much to be sure.", _REPEATS
    ),
    "more-repeats": Kind("note", "Repeats may show whether the gain is chance; with the time they take.", _REPEATS),
    "strength-of-the-model": Kind("note", 'The strength that the model had, with `penalty="model"`.', _USE),
    # over- and underfitting, without a penalty
    "overfits": Kind("warning", "The held-out loss rises after its best epoch while the training loss falls.", _USE),
    "gap": Kind("warning", "The training loss is far below the held-out loss.", _USE),
    "gap-narrowed": Kind("note", "The same, and at the choice the gap is less than half of it.", _USE),
    "gap-unclear": Kind("note", "The gap is within one standard error.", _REPEATS),
    "not-overfitting": Kind("note", "There is no gap of a size that matters."),
    "underfits": Kind("note", "There is no gap, and nothing else limits training: a larger model may gain more."),
    # more rows, with a learning curve
    "more-rows-help": Kind("note", "From half of the rows to all the loss falls clearly: more rows would help."),
    "more-rows-or-epochs-help": Kind(
        "note", "The same, but training on half of the rows had not levelled off.", _CURVE_EPOCHS
    ),
    "more-rows-hardly-help": Kind("note", "The loss falls by less than 1 % of the best constant's loss."),
    "more-rows-unclear": Kind("note", "Whether more rows would help cannot be told."),
    # nothing learnt
    "worse-than-constant": Kind("error", "The models are clearly worse than the best constant."),
    "no-better-than-constant": Kind("error", "No strength beats the best constant: nothing was learnt."),
    "constant-unclear": Kind("warning", "No strength clearly beats the best constant: it may be chance.", _REPEATS),
    "nearly-perfect": Kind(
        "warning",
        "The loss is nearly perfect: a column may give the target away, or rows may be there twice.",
        "len(x) - len(np.unique(x, axis=0)), abs(np.corrcoef(x.T, y)[-1, :-1]).max()",
    ),
    # training
    "hardly-trained": Kind("warning", "Training has hardly begun: strengths cannot be compared.", _EPOCHS),
    "still-falling": Kind("warning", "The held-out loss still fell at the last epoch.", _EPOCHS),
    "first-epoch-is-best": Kind("warning", "Without a penalty the first epoch is the best.", _SLOWER),
    "unsteady": Kind("warning", "The training loss swings without a penalty.", _SLOWER),
    "learning-rate": Kind("warning", "The loss is far above the best constant's, or training is stuck.", _SLOWER),
    "diverged": Kind("error", "At every strength a model diverged.", _SLOWER),
    "none-diverged": Kind("warning", "Training without a penalty diverged.", _SLOWER),
    "strengths-diverged": Kind("warning", "Models diverged at strengths that could have been chosen.", _SLOWER),
    "inputs-not-scaled": Kind("warning", "Inputs are far from unit size.", _SCALED),
    "target-not-scaled": Kind("warning", "The target is far from unit size.", "{fit}, standardize_target=True)"),
    # grid and folds
    "edge-of-grid": Kind("warning", "Strengths beyond the grid are likely to be better.", "{fit}, lams={lams})"),
    "choice-not-sharp": Kind(
        "note", "Strengths a decade or more apart are within one standard error.", 'model = path.model("1se")'
    ),
    "penalty-idle": Kind("note", "The penalty at the choice changes the size of the weights by less than 1 %.", _AGAIN),
    "folds-disagree": Kind("note", "The penalty helps in some folds and harms in others.", _HELD_OUT),
    "outlying-fold": Kind("warning", "The loss of a fold is far from the others: it may contain outliers.", _HELD_OUT),
    "one-split": Kind("note", "One split does not show the noise of training: the intervals are too short.", _FOLDS),
    "no-standard-error": Kind("note", "There is no standard error to judge differences by.", _FOLDS),
    "nothing-to-compare": Kind("note", "Only strength 0 was trained.", _AGAIN),
    # the exact solver, and a search within a budget
    "no-minimum": Kind("error", "Without a penalty the log loss has no minimum.", '{fit}, solver="exact")'),
    "no-minimum-without-penalty": Kind("note", "The same, and strengths above 0 have one.", _USE),
    "choice-within-budget": Kind("note", "The choice of a search within a budget.", _USE),
    "search-too-short": Kind("warning", "The search may have stopped too early.", _AGAIN),
    "not-measured": Kind("note", "A search within a budget trains no model on all rows without a penalty.", _AGAIN),
}
"""All codes, in the order of the documentation."""
