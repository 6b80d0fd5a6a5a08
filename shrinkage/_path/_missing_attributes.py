"""Hints for attributes that a path does not have, but models, histories or other searches have."""

from collections.abc import Mapping

_MODEL = (
    "A path has models of several strengths: say path.model().{name}{call}, which is trained on all rows at path.lam."
)
_LOSSES = (
    "The held-out losses are path.cv_loss of (fold, lam, epoch), the training losses path.train_loss, and path.mean "
    "at the epochs that were kept; path.plot() draws them."
)
_CHOICE = "Say path.model(), the model that was trained on all rows at path.lam; path.model('1se') is a simpler one."
_STRENGTH = "Say path.lam, or path.lam_1se for a simpler model; path.lams has all."

HINTS: Mapping[str, str] = {
    **dict.fromkeys(("predict", "evaluate", "predict_on_batch", "summary", "save_weights", "fit"), _MODEL),
    **dict.fromkeys(("get_weights", "layers", "compile", "export", "optimizer", "count_params", "to_json"), _MODEL),
    **dict.fromkeys(("predict_proba", "decision_function", "transform"), "Say path.model().predict(x)."),
    "score": "Say path.model().evaluate(x, y), or path.mean for the held-out losses of all strengths.",
    **dict.fromkeys(("history", "loss", "losses", "val_loss", "curves", "cv_results_", "cvm", "mse_path_"), _LOSSES),
    "cvsd": "Say path.se.",
    **dict.fromkeys(
        ("best_model", "best_estimator_", "best_estimator", "best", "get_model", "models", "final_model"), _CHOICE
    ),
    **dict.fromkeys(("lambda_", "best_lam", "best_lambda", "best_params_", "alpha_", "lam_best"), _STRENGTH),
    **dict.fromkeys(("lambda_min", "lambda_1se"), "Say path.lam_{end}."),
    **dict.fromkeys(("lambdas", "alphas", "alphas_", "lambda_path"), "Say path.lams."),
    **dict.fromkeys(("best_score_", "best_loss", "min_loss"), "Say path.mean[path.index]."),
    **dict.fromkeys(("best_epoch", "epoch"), "Say path.epochs[path.index], counted from 1."),
    **dict.fromkeys(("coef_", "coef", "kernel"), "Say path.model().get_weights(), or path.weights for all strengths."),
    **dict.fromkeys(("to_frame", "to_pandas", "results", "dataframe", "df"), "Say path.table()."),
    **dict.fromkeys(("show", "print", "describe"), "Say print(path), or path.verdict() for what it means."),
}
_METHODS = ("predict", "evaluate", "fit", "predict_on_batch", "compile")


def describe_missing_attribute(name: str) -> str:
    """Return the message of the AttributeError, with a hint at the right attribute if there is one.

    Example:
        >>> describe_missing_attribute("lambda_1se")
        "'Path' object has no attribute 'lambda_1se'. Say path.lam_1se."
    """
    call = "(...)" if name in _METHODS else "" if name in ("layers", "optimizer") else "()"
    hint = HINTS.get(name, "").format(name=name, call=call, end=name.rpartition("_")[2])
    return f"'Path' object has no attribute {name!r}. {hint}".rstrip(". ") + ("." if hint else "")
