"""Validation of the arguments `penalty` and `how`."""

from typing import Any

from keras import regularizers

from shrinkage._messages._note import quote
from shrinkage._penalties._elementwise import L1, L2, ElasticNet
from shrinkage._penalties._group_lasso import GroupLasso
from shrinkage._penalties._how import Coupled, Decoupled, How, Proximal
from shrinkage._penalties._protocol import Penalty

PENALTIES = (L2, L1, ElasticNet, GroupLasso)
_NAMES = {"l2": L2, "l1": L1, "elastic-net": ElasticNet, "group-lasso": GroupLasso}  # as in the shell
_HOWS = (Coupled, Proximal, Decoupled)
_OTHER_NAMES = {"ridge": "l2", "weightdecay": "l2", "lasso": "l1", "l1l2": "elastic-net"}


def as_penalty(penalty: Any, argument: str = "penalty") -> Penalty:
    """Return a penalty from a penalty or from its name in the shell.

    Args:
        penalty: The penalty or its name.
        argument: The name of the argument in errors.

    Raises:
        TypeError, ValueError: If `penalty` is neither. For a Keras regularizer the message shows the equivalent call.

    Example:
        >>> as_penalty("l2"), as_penalty("elastic-net")
        (L2(), ElasticNet(rho=0.5))
    """
    if isinstance(penalty, PENALTIES):
        return penalty
    if isinstance(penalty, str):
        named = normalize_penalty_name(penalty)
        found = next((made for name, made in _NAMES.items() if normalize_penalty_name(name) == named), None)
        if found is None:
            known = _OTHER_NAMES.get(named)
            hint = f" That is {known!r} here." if known else ""
            if named == "decoupled" and argument == "penalty":  # the name of a penalty of `compare`
                hint = " Say penalty='l2', how='decoupled'."
            raise ValueError(
                f"`{argument}` must be a penalty such as shrinkage.L2(), or its name: {', '.join(map(repr, _NAMES))}. "
                f"Received: {quote(penalty)}.{hint}"
            )
        return found()
    raise TypeError(
        f"`{argument}` must be shrinkage.L2(), shrinkage.L1(), shrinkage.ElasticNet() or shrinkage.GroupLasso(), or "
        f"its name, such as 'l2'. Received: {quote(penalty)}.{_suggest_penalty(penalty)}"
    )


def normalize_penalty_name(name: str) -> str:
    """Return the name of a penalty by which it is recognised: without capitals, hyphens, underscores and spaces.

    >>> normalize_penalty_name("Elastic_Net"), normalize_penalty_name("elastic net")
    ('elasticnet', 'elasticnet')
    """
    return "".join(letter for letter in name.lower() if letter not in "-_ ")


def _suggest_penalty(penalty: Any) -> str:
    if isinstance(penalty, (list, tuple)):
        return " L1 and L2 together are shrinkage.ElasticNet(rho), rho the share of L1."
    if isinstance(penalty, type) and penalty in _NAMES.values():
        return f" Call the class: shrinkage.{penalty.__name__}()."
    strengths = get_keras_strengths(penalty)
    if strengths is None or not any(strengths):
        return ""
    found, lam = find_matching_penalty(*strengths)
    return f" In Keras that is a penalty and its strength: say penalty=shrinkage.{found!r}, lams=[{lam:g}]."


def get_keras_strengths(regularizer: Any) -> tuple[float, float] | None:
    """Return (l1, l2) of a regularizer L1, L2 or L1L2 of Keras, or None for other regularizers."""
    if type(regularizer) not in (regularizers.L1, regularizers.L2, regularizers.L1L2):
        return None
    l1, l2 = (float(f"{float(getattr(regularizer, name, 0)):.7g}") for name in ("l1", "l2"))  # L1 keeps a float32
    return l1, l2


def find_matching_penalty(l1: float, l2: float) -> tuple[Penalty, float]:
    """Return the penalty and the strength that equal l1 * Σ|w| + l2 * Σw², the L1L2 of Keras; l1 + l2 is above 0.

    Example:
        >>> find_matching_penalty(0.0, 0.01), find_matching_penalty(0.02, 0.01)
        ((L2(), 0.02), (ElasticNet(rho=0.5), 0.04))
    """
    lam = l1 + 2 * l2
    if not l1:
        return L2(), lam
    return (ElasticNet(l1 / lam) if l2 else L1()), lam


def as_how(how: Any, argument: str = "how") -> How | None:
    """Return where a penalty enters, from such an object or from its name in the shell; None for the default.

    Args:
        how: The object, its name, or None.
        argument: The name of the argument in errors.

    Raises:
        TypeError: If `how` is none of these.

    Example:
        >>> as_how("decoupled"), as_how(None)
        (Decoupled(), None)
    """
    if isinstance(how, str):
        how = next((kind() for kind in _HOWS if kind.__name__.lower() == how.lower()), how)
    if how is None or isinstance(how, How):
        return how
    hint = f" Call the class: shrinkage.{how.__name__}()." if isinstance(how, type) and how in _HOWS else ""
    raise TypeError(
        f"`{argument}` must be shrinkage.Coupled(), shrinkage.Proximal() or shrinkage.Decoupled(), or its name, such "
        f"as 'coupled'. Received: {quote(how)}.{hint}"
    )


def check_how(penalty: Penalty, how: Any, argument: str = "how") -> How:
    """Check that `how` suits the penalty, and return it; None gives the default of the penalty.

    Args:
        penalty: The penalty.
        how: Where it enters, as `as_how` takes it.
        argument: The name of the argument in errors.

    Raises:
        TypeError, ValueError: If `how` is not a `How`, or is `Decoupled` with a penalty other than L2.

    Example:
        >>> check_how(L1(), None)
        Proximal()
    """
    how = as_how(how, argument) or penalty.default_how
    if isinstance(how, Decoupled) and not penalty.can_decay:
        raise ValueError(
            f"`{argument}` must be shrinkage.Coupled() or shrinkage.Proximal() for {penalty!r}. Received: {how!r}, "
            f"which is weight decay, a form of L2 alone, and gives no exact zeros. Say shrinkage.Proximal(), which "
            f"gives them."
        )
    return how
