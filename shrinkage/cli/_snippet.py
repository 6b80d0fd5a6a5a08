"""Code for a strength in another library, complete with all arguments."""

import math
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from shrinkage._convert import BINARY, CLASSES, CONVENTIONS, SQUARED, name_loss

# x, y, w and model are variables of the reader.
_TEMPLATES = {
    "shrinkage.L2": "sh.attach(model, sh.L2(), lam={strength})",
    "shrinkage.L1": "sh.attach(model, sh.L1(), lam={strength})",
    "shrinkage.ElasticNet": "sh.attach(model, sh.ElasticNet({rho}), lam={strength})",
    "shrinkage.GroupLasso": "sh.attach(model, sh.GroupLasso(), lam={strength})",
    "shrinkage.Decoupled": "sh.attach(model, sh.L2(), how=sh.Decoupled(), lam={strength})",
    "keras.weight_decay": "keras.optimizers.{optimizer}(weight_decay={strength})",
    "torch.weight_decay": "torch.optim.{optimizer}(model.parameters(), lr={eta}, weight_decay={strength})",
    "torch.AdamW": "torch.optim.AdamW(model.parameters(), weight_decay={strength})",
    "tfa.AdamW": "tfa.optimizers.AdamW(weight_decay={strength}, learning_rate={eta})",
    "sklearn.ElasticNet": "ElasticNet(alpha={strength}, l1_ratio={ratio})",
    "sklearn.LogisticRegression": "LogisticRegression(C={strength}{logistic})",
    "sklearn.SGDRegressor": "SGDRegressor(alpha={strength}, {sgd})",
    "sklearn.SGDClassifier": "SGDClassifier(loss={sgd_loss}, alpha={strength}, {sgd})",
    "glmnet.L2": "glmnet(x, y, family={family}, alpha=0, lambda={strength}, standardize=FALSE)",
    "glmnet.L1": "glmnet(x, y, family={family}, alpha=1, lambda={strength}, standardize=FALSE)",
    "glmnet.ElasticNet": "glmnet(x, y, family={family}, alpha={rho}, lambda={strength}, standardize=FALSE)",
    "precision": "precision = {strength}  # of a Gaussian prior",
}
_NAMES = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam")
_OPTIMIZERS = {name.lower(): name for name in _NAMES}
RHO = 0.5  # the default of `sh.ElasticNet`


def find_common_penalty(source: str, target: str) -> str:
    """Return the penalty that two conventions have in common; "ElasticNet" if there are several."""
    kinds = [kind for kind in CONVENTIONS[source].kinds if kind in CONVENTIONS[target].kinds]
    return kinds[0] if len(kinds) == 1 else "ElasticNet"


def make_snippet(strength: float, source: str, target: str, facts: Mapping[str, Any], rho: float | None) -> str:
    """Return code with a strength in the convention of `target`, for the penalty in common with `source`.

    >>> make_snippet(10.0, "keras.L2", "sklearn.SGDClassifier", {"loss": "hinge"}, None)
    "SGDClassifier(loss='hinge', alpha=10, penalty='l2')"
    """
    kind = find_common_penalty(source, target)
    mixture = RHO if rho is None else rho
    loss = name_loss(facts["loss"]) if facts.get("loss") else None
    in_r = target.startswith("glmnet")
    number = f"{strength:.10g}" if math.isfinite(strength) else "Inf" if in_r else 'float("inf")'
    optimizer = str(facts.get("optimizer") or "adam").lower()
    penalty = {"L2": "l2", "L1": "l1", "ElasticNet": "elasticnet"}.get(kind)
    parts = {
        "strength": number,
        "rho": f"{mixture:g}",
        "ratio": {"L2": "0", "L1": "1"}.get(kind, f"{mixture:g}"),
        "eta": f"{facts.get('eta') or 0.001:g}",
        "optimizer": _get_optimizer_name(optimizer, in_torch=target.startswith("torch")),
        "logistic": _format_logistic_arguments(kind, mixture),
        "sgd": f"penalty={penalty!r}" + (f", l1_ratio={mixture:g}" if kind == "ElasticNet" else ""),
        "sgd_loss": repr("hinge" if loss == "hinge" else "log_loss"),
        "family": {SQUARED: '"gaussian"', BINARY: '"binomial"', CLASSES: '"multinomial"'}.get(loss or SQUARED, ""),
    }
    return _TEMPLATES[target].format(**parts) if target in _TEMPLATES else CONVENTIONS[target].code.format(number)


def _get_optimizer_name(name: str, in_torch: bool) -> str:
    found = _OPTIMIZERS.get(name, "Adam")
    return found if in_torch or found != "NAdam" else "Nadam"


def _format_logistic_arguments(kind: str, rho: float) -> str:
    """Return further arguments: since version 1.8, `l1_ratio` without `penalty` selects the penalty."""
    ratio = {"L2": 0.0, "L1": 1.0}.get(kind, rho)
    if kind == "L2":
        return ""
    old = tuple(map(int, version("scikit-learn").split(".")[:2])) < (1, 8)
    penalty = ', penalty="elasticnet"' if old else ""
    return f'{penalty}, l1_ratio={ratio:g}, solver="saga"'
