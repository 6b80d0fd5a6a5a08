"""Which penalties and ways go together."""

from typing import Any

from shrinkage._penalties._elementwise import L1, L2, ElasticNet
from shrinkage._penalties._group_lasso import GroupLasso
from shrinkage._penalties._how import Decoupled, How

Penalty = L2 | L1 | ElasticNet | GroupLasso


def check_penalty(penalty: Any, how: Any) -> How:
    """Return where the penalty enters, which is its default if `how` is None.

    Raises:
        TypeError, ValueError: If either is not one, or they do not go together.

    Example:
        >>> check_penalty(L1(), None)
        Proximal()
    """
    if not isinstance(penalty, Penalty):
        raise TypeError(
            "`penalty` must be shrinkage.L2(), shrinkage.L1(), shrinkage.ElasticNet() or shrinkage.GroupLasso(). "
            f"Received: {penalty!r}."
        )
    how = penalty.default_how if how is None else how
    if not isinstance(how, How):
        raise TypeError(
            f"`how` must be shrinkage.Coupled(), shrinkage.Proximal() or shrinkage.Decoupled(). Received: {how!r}."
        )
    if isinstance(how, Decoupled) and not isinstance(penalty, L2):
        raise ValueError(
            f"`how`: Decoupled() is weight decay, a form of L2 alone. Received: {penalty!r}, whose exact zeros a step "
            f"beside the optimizer's would not give. Say how=shrinkage.Proximal(), which does."
        )
    return how
