"""The index of a strength that the caller names, and the chosen strengths."""

from numbers import Real

import numpy as np

from shrinkage._path._curve import Curve


def index_of(curve: Curve, lam: str | float | None) -> int:
    """Return the index in `lams` of a strength, as `Path.model` takes it."""
    if lam is None:
        return curve.index
    if isinstance(lam, str) and lam == "model" and curve.index_model is not None:
        return curve.index_model
    if isinstance(lam, str):
        if lam not in ("min", "1se", "none"):
            raise ValueError(f'`lam` must be "min", "1se", "none" or one of `lams`. Received: {lam!r}.')
        if lam == "none":
            return len(curve.lams) - 1
        return curve.index_min if lam == "min" else curve.index_1se
    if not isinstance(lam, Real) or isinstance(lam, bool | np.bool_):
        raise TypeError(f'`lam` must be "min", "1se", "none" or a number of `lams`. Received: {lam!r}.')
    found = np.flatnonzero(np.isclose(curve.lams, float(lam), rtol=1e-6, atol=0))
    if len(found) == 0:
        nearest = curve.lams[np.argsort(np.abs(curve.lams - lam), kind="stable")[:3]]
        listed = ", ".join(f"{value:.6g}" for value in nearest)
        raise ValueError(
            f"`lam` must be one of `lams`, the strengths that were trained. Received: {lam!r}. "
            f"The nearest are {listed}."
        )
    return int(found[0])


def chosen_lams(curve: Curve) -> dict[str, float | None]:
    """Return the chosen strengths by name; None if a model diverged at every strength."""
    if curve.failed.all():
        return {"lam": None, "lam_min": None, "lam_1se": None}
    if curve.budget is not None:
        return {"lam": curve.lam}
    return {"lam": curve.lam, "lam_min": curve.lam_min, "lam_1se": curve.lam_1se}
