"""`convert`: the strength of a penalty in the convention of another library.

Each convention gives the strength as a function of lam, the strength of shrinkage. A conversion goes from the source to
lam, and from lam to the target. A new convention is therefore a new row of `CONVENTIONS`. This module does not import
Keras.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from shrinkage._messages._hints import give_hints
from shrinkage._messages._note import Argument, Note

if TYPE_CHECKING:
    import keras

SQUARED, BINARY, CLASSES, HINGE = "mean_squared_error", "binary_crossentropy", "categorical_crossentropy", "hinge"
_SYNONYMS = {
    "mse": SQUARED,
    "bce": BINARY,
    "sparse_categorical_crossentropy": CLASSES,
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "kld": "kl_divergence",
}
_OTHER_LOSSES = (
    "binary_focal_crossentropy", "categorical_focal_crossentropy", "categorical_generalized_cross_entropy",
    "categorical_hinge", "circle", "cosine_similarity", "ctc", "dice", "huber", "log_cosh", "poisson", "squared_hinge",
    "tversky",
)  # fmt: skip
# Keras accepts all spellings, such as "MSE", "mean_squared_error" and "MeanSquaredError".
_LOSSES = {name.replace("_", ""): name for name in (BINARY, HINGE, *_SYNONYMS, *_SYNONYMS.values(), *_OTHER_LOSSES)}

# The numbers that a conversion may need, as text for error messages.
_MEANING = {
    "n": "the number of training rows: one strength belongs to the sum over rows, the other to their mean",
    "batch": "the number of rows in a batch: scikit-learn's MLP divides its alpha by it",
    "eta": "the learning rate: one decay is multiplied by it, the other is not",
    "sd_y": "the standard deviation of the target, with 1/n: glmnet divides the target by it",
    "sigma": "the standard deviation of the noise: it makes squared error a negative log-likelihood",
}


@dataclass(frozen=True)
class Factor:
    """A number times powers of named numbers, such as n / 2.

    Example:
        >>> str(Factor(0.5, {"n": 1})), str(Factor(0.5, {"n": 1, "sigma": -2}))
        ('n * lam / 2', 'n * lam / (2 * sigma**2)')
    """

    number: float = 1.0
    powers: Mapping[str, int] = field(default_factory=dict)

    def __truediv__(self, other: "Factor") -> "Factor":
        names = {*self.powers, *other.powers}
        powers = {name: self.powers.get(name, 0) - other.powers.get(name, 0) for name in names}
        return Factor(self.number / other.number, {name: power for name, power in powers.items() if power})

    def value(self, numbers: Mapping[str, float]) -> float:
        return self.number * math.prod(numbers[name] ** power for name, power in self.powers.items())

    def __str__(self) -> str:
        def spell(sign: int) -> list[str]:
            powers = [(name, sign * power) for name, power in self.powers.items() if sign * power > 0]
            return [name if power == 1 else f"{name}**{power}" for name, power in powers]

        below = ([f"{1 / self.number:g}"] if self.number < 1 else []) + spell(-1)
        quotient = f" / {below[0]}" if len(below) == 1 else f" / ({' * '.join(below)})" if below else ""
        return " * ".join([*spell(1), "lam"]) + quotient


@dataclass(frozen=True)
class Convention:
    """The meaning of a strength in a library.

    Attributes:
        code: the code of the library, with {} for the strength.
        kinds: the penalties that the strength may belong to.
        factors: the factor strength / lam by loss, or a sentence that says why there is no equivalent. The key None is
            for all other losses.
        is_inverse: whether the strength is 1 / (factor * lam).
        is_decoupled: whether the optimizer shrinks the weights separately from the step; else the penalty is in the
            objective.
        optimizer: the only optimizer with this convention, or None.
        note: a further condition for the equivalence.
    """

    code: str
    kinds: tuple[str, ...]
    factors: Mapping[str | None, Factor | str] = field(default_factory=lambda: {None: Factor()})
    is_inverse: bool = False
    is_decoupled: bool = False
    optimizer: str | None = None
    note: str = ""


# One strength times rho * |w| + (1 - rho) * w² / 2; L1 is rho = 1, and L2 rho = 0.
_LINEAR_KINDS = ("L2", "L1", "ElasticNet")
_LOG_LOSS: dict[str | None, Factor | str] = {BINARY: Factor(), CLASSES: Factor()}
_SUMMED_LOG_LOSS: dict[str | None, Factor | str] = dict.fromkeys(_LOG_LOSS, Factor(1, {"n": 1}))
_LIKELIHOOD = "the loss must be a negative log-likelihood: squared error or log loss"
_SINGLE_OUTPUT = "it has one output"
_SINGLE_COLUMN = "two classes are one output with a sigmoid"
_STANDARDIZE = "standardize=FALSE is given"

CONVENTIONS = {
    "shrinkage.L2": Convention("sh.L2(), lam={}", ("L2",)),
    "shrinkage.L1": Convention("sh.L1(), lam={}", ("L1",)),
    "shrinkage.ElasticNet": Convention("sh.ElasticNet(rho), lam={}", ("ElasticNet",)),
    "shrinkage.GroupLasso": Convention("sh.GroupLasso(), lam={}", ("GroupLasso",)),
    "shrinkage.Decoupled": Convention("sh.L2(), how=sh.Decoupled(), lam={}", ("L2",), is_decoupled=True),
    "keras.L2": Convention("keras.regularizers.L2({})", ("L2",), {None: Factor(0.5)}),
    "keras.L1": Convention("keras.regularizers.L1({})", ("L1",), note="zeros need not be exact: it goes by gradient"),
    "keras.L1L2": Convention("keras.regularizers.L1L2(l1, l2)", ("ElasticNet",), {None: "it has two strengths"}),
    "keras.weight_decay": Convention(
        "weight_decay={} of a Keras optimizer",
        ("L2",),
        is_decoupled=True,
        note="the same weights decay: Keras decays them all",
    ),
    "tf.nn.l2_loss": Convention("{} * tf.nn.l2_loss(w)", ("L2",), note="it is added to the mean loss"),
    "torch.weight_decay": Convention(
        "weight_decay={} of PyTorch's SGD, Adam, RMSprop, ...",
        ("L2",),
        note="the same weights decay: PyTorch decays them all",
    ),
    "torch.AdamW": Convention("torch.optim.AdamW(weight_decay={})", ("L2",), is_decoupled=True, optimizer="Adam"),
    "tfa.AdamW": Convention(
        "tfa.optimizers.AdamW({})",
        ("L2",),
        {None: Factor(1, {"eta": 1})},
        is_decoupled=True,
        optimizer="Adam",
        note="the learning rate is constant",
    ),
    "sklearn.Ridge": Convention("Ridge(alpha={})", ("L2",), {SQUARED: Factor(0.5, {"n": 1})}, note=_SINGLE_OUTPUT),
    "sklearn.Lasso": Convention("Lasso(alpha={})", ("L1",), {SQUARED: Factor(0.5)}, note=_SINGLE_OUTPUT),
    "sklearn.ElasticNet": Convention(
        "ElasticNet(alpha={}, l1_ratio=rho)", _LINEAR_KINDS, {SQUARED: Factor(0.5)}, note=_SINGLE_OUTPUT
    ),
    "sklearn.LogisticRegression": Convention(
        "LogisticRegression(C={}, l1_ratio=rho)",
        _LINEAR_KINDS,
        _SUMMED_LOG_LOSS,
        is_inverse=True,
        note=_SINGLE_COLUMN,
    ),
    "sklearn.SGDRegressor": Convention(
        "SGDRegressor(alpha={}, l1_ratio=rho)", _LINEAR_KINDS, {SQUARED: Factor(0.5)}, note=_SINGLE_OUTPUT
    ),
    "sklearn.SGDClassifier": Convention(
        "SGDClassifier(alpha={}, l1_ratio=rho)",
        _LINEAR_KINDS,
        {BINARY: Factor(), HINGE: Factor(), CLASSES: "it fits each class against the others, which no softmax does"},
        note="there are two classes",
    ),
    "sklearn.MLPRegressor": Convention(
        "MLPRegressor(alpha={})", ("L2",), {SQUARED: Factor(0.5, {"batch": 1})}, note=_SINGLE_OUTPUT
    ),
    "sklearn.MLPClassifier": Convention(
        "MLPClassifier(alpha={})",
        ("L2",),
        {BINARY: Factor(1, {"batch": 1}), CLASSES: Factor(1, {"batch": 1})},
        note=_SINGLE_COLUMN,
    ),
    "glmnet.L2": Convention(
        "glmnet(alpha=0, lambda={})", ("L2",), {SQUARED: Factor(0.5, {"sd_y": 1}), **_LOG_LOSS}, note=_STANDARDIZE
    ),
    "glmnet.L1": Convention(
        "glmnet(alpha=1, lambda={})", ("L1",), {SQUARED: Factor(0.5), **_LOG_LOSS}, note=_STANDARDIZE
    ),
    "glmnet.ElasticNet": Convention(
        "glmnet(alpha=rho, lambda={})",
        ("ElasticNet",),
        {
            SQUARED: "glmnet divides the target by its standard deviation, which changes alpha too: with "
            "a = rho * lam as glmnet.L1 and b = (1 - rho) * lam as glmnet.L2, lambda is a + b and alpha is a / (a + b)",
            **_LOG_LOSS,
        },
        note=_STANDARDIZE,
    ),
    "precision": Convention(
        "a Gaussian prior of precision {}",
        ("L2",),
        {SQUARED: Factor(0.5, {"n": 1, "sigma": -2}), **_SUMMED_LOG_LOSS, None: _LIKELIHOOD},
    ),
}


@give_hints(
    {"rho": "Leave it out between elastic nets, which share it. To L1 convert rho * lam, and to L2 (1 - rho) * lam."},
    lambda _: "Say shrinkage.convert(1e-4, 'keras.L2', 'torch.weight_decay').",
)
def convert(
    lam: float,
    source: str,
    target: str,
    *,
    loss: str | Callable[..., Any] | None = None,
    n: float | None = None,
    batch: float | None = None,
    eta: float | None = None,
    optimizer: "str | keras.Optimizer | None" = None,
    sd_y: float | None = None,
    sigma: float | None = None,
) -> float:
    """Convert a strength from one library to another, so that both train the same weights.

    Each convention is a function of lam, the strength of shrinkage, where the objective is mean data loss + lam * P(w):

        keras.L2 = lam / 2,   sklearn.Ridge = n * lam / 2,   sklearn.LogisticRegression = 1 / (n * lam),   ...

    `docs/convert.md` lists all conventions. Some conversions need further arguments; an error names them.

    Args:
        lam: the strength in the convention of `source`: alpha, C, weight_decay, lambda, ...
        source: name of a convention, such as "keras.L2" or "sklearn.Ridge"; the error for an unknown name lists all.
        target: name of a convention.
        loss: the Keras loss, or its name, such as "mse" or "binary_crossentropy".
        n: number of training rows.
        batch: number of rows in a batch, for scikit-learn's MLP.
        eta: learning rate, for tfa.AdamW, where the decay is not multiplied by the learning rate.
        optimizer: the Keras optimizer, or "sgd" for SGD without momentum. Only for SGD without momentum is decoupled
            decay equivalent to a penalty in the objective.
        sd_y: standard deviation of the target, with 1/n, for glmnet's L2 under squared error.
        sigma: standard deviation of the noise, for the precision of a prior under squared error.

    Returns:
        The strength in the convention of `target`, a float.

    Raises:
        TypeError, ValueError: if there is no equivalent, a needed argument is missing, or a number or name is invalid.

    Example:
        >>> import shrinkage as sh
        >>> sh.convert(1e-4, "keras.L2", "torch.weight_decay")
        0.0002
        >>> sh.convert(0.01, "shrinkage.L2", "sklearn.Ridge", loss="mse", n=1000)
        5.0
        >>> sh.convert(0.01, "keras.weight_decay", "keras.L2", optimizer="adam")
        Traceback (most recent call last):
        ...
        ValueError: `optimizer` must be SGD without momentum, or keras.weight_decay has no equivalent as keras.L2: ...
    """
    source_convention, target_convention = _get_convention("source", source), _get_convention("target", target)
    numbers = {"n": n, "batch": batch, "eta": eta, "sd_y": sd_y, "sigma": sigma}
    _check_numbers(lam, source_convention, numbers)
    _check_kinds(source, source_convention, target, target_convention)
    _check_decay(source, source_convention, target, target_convention, _get_optimizer_name(optimizer))
    parts = _suggest_parts(source, target)
    ratio = _get_factor("target", target, loss, parts) / _get_factor("source", source, loss, parts)
    numbers = _select_numbers(ratio, numbers, f"{source} to {target}")
    if lam == (math.inf if source_convention.is_inverse else 0):  # no penalty
        return math.inf if target_convention.is_inverse else 0.0
    try:
        common = (1 / lam if source_convention.is_inverse else lam) * ratio.value(numbers)
        converted = 1 / common if target_convention.is_inverse else common
    except (OverflowError, ZeroDivisionError):
        converted = math.inf
    if not 0 < converted < math.inf:
        size = "large" if converted else "small"
        text = f"$lam must have an equivalent as {target}. Received: {lam!r}, which would be too {size} a number there."
        raise _refuse(text, "lam")
    return converted


def _refuse(text: str, *names: str, **values: Argument) -> ValueError:
    """Return an error. `$name` in the text stands for an argument."""
    return ValueError(Note(text, **{name: Argument(name, equals=False) for name in names}, **values))


def _get_convention(argument: str, name: str) -> Convention:
    if isinstance(name, str) and name in CONVENTIONS:
        return CONVENTIONS[name]
    by_lower = {known.lower(): known for known in CONVENTIONS}
    by_lower |= {known.rpartition(".")[2].lower(): known for known in CONVENTIONS if known.startswith("sklearn.")}
    near = get_close_matches(str(name).lower(), by_lower, n=1)
    hint = f" Did you mean {by_lower[near[0]]!r}?" if near else ""
    raise _refuse(f"${argument} must be one of {', '.join(CONVENTIONS)}. Received: {name!r}.{hint}", argument)


def _check_numbers(lam: float, convention: Convention, numbers: Mapping[str, float | None]) -> None:
    extreme = 0 if convention.is_inverse else math.inf  # an infinite C is no penalty
    if not _is_number(lam) or lam < 0 or lam == extreme:
        expected = "a positive number" if convention.is_inverse else "a finite number, 0 or more"
        raise _refuse(f"$lam must be {expected}. Received: {lam!r}.", "lam")
    for name, value in numbers.items():
        if value is not None and not (_is_number(value) and 0 < value < math.inf):
            raise _refuse(f"${name} must be a positive number. Received: {value!r}.", name)


def _is_number(value: object) -> bool:
    try:
        return not isinstance(value, bool | str) and not math.isnan(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, OverflowError):  # an integer beyond the range of floats
        return False


def _check_kinds(source: str, source_convention: Convention, target: str, target_convention: Convention) -> None:
    if not set(source_convention.kinds) & set(target_convention.kinds):
        ours, theirs = (" or ".join(convention.kinds) for convention in (source_convention, target_convention))
        text = f"$target must be a convention for {ours}, as {source} is. Received: {target}, which is for {theirs}."
        raise _refuse(text + _suggest_parts(source, target), "target")


def _suggest_parts(source: str, target: str) -> str:
    """Return how to convert an elastic net part by part; "" if the source is none."""
    sizes = {"L1": "l1", "L2": "l2"} if source == "keras.L1L2" else {"L1": "rho * lam", "L2": "(1 - rho) * lam"}
    parts = {kind: [_get_part(name, kind) for name in (source, target)] for kind in sizes}
    found = [f"{sizes[kind]} from {ends[0]} to {ends[1]}" for kind, ends in parts.items() if all(ends)]
    return f" Convert {', and '.join(found)}." if found and "ElasticNet" in CONVENTIONS[source].kinds else ""


def _get_part(name: str, kind: str) -> str:
    """Return the convention for a part of an elastic net, L1 or L2; "" if there is none."""
    kinds = CONVENTIONS[name].kinds
    return f"{name.partition('.')[0]}.{kind}" if kinds == ("ElasticNet",) else name if kind in kinds else ""


def _check_decay(
    source: str, source_convention: Convention, target: str, target_convention: Convention, optimizer: str | None
) -> None:
    if source_convention.is_decoupled == target_convention.is_decoupled:
        return
    reason = (
        f"SGD without momentum, or {source} has no equivalent as {target}: a decoupled decay bypasses what other "
        f"optimizers do to gradients, and a penalty in the objective does not"
    )
    fixed = source_convention.optimizer or target_convention.optimizer
    if fixed is not None:
        argument, owner = ("source", source) if source_convention.optimizer else ("target", target)
        raise _refuse(f"${argument} must go with {reason}. Received: {owner}, which goes with {fixed}.", argument)
    if optimizer is None or optimizer.lower() != "sgd":
        received = "none. Give $sgd if the model is trained by it" if optimizer is None else repr(optimizer)
        text = f"$optimizer must be {reason}. Received: {received}."
        raise _refuse(text, "optimizer", sgd=Argument("optimizer", "sgd"))


def _get_optimizer_name(optimizer: Any) -> str | None:
    """Return the name of an optimizer. For SGD the name contains options that change gradients, such as momentum."""
    if optimizer is None or isinstance(optimizer, str):
        return optimizer
    inside = getattr(optimizer, "inner_optimizer", optimizer)  # LossScaleOptimizer has one
    if isinstance(optimizer, type) or not hasattr(inside, "learning_rate"):
        raise TypeError(
            f'`optimizer` must be a Keras optimizer or its name, "sgd" for SGD without momentum, else such as "adam". '
            f"Received: {optimizer!r}."
        )
    kind = type(inside).__name__
    options = ("momentum", "clipnorm", "global_clipnorm", "clipvalue", "gradient_accumulation_steps")
    more = [f"{name}={getattr(inside, name):g}" for name in options if getattr(inside, name, None)]
    return f"{kind} with {', '.join(more)}" if more and kind == "SGD" else kind


def _get_factor(argument: str, name: str, loss: Any, parts: str) -> Factor:
    factors = CONVENTIONS[name].factors
    named = [key for key in factors if key is not None]
    if loss is None and named:
        text = f"$loss must be the name of the Keras loss for {name}: {' or '.join(named)}. Received: none."
        raise _refuse(text, "loss")
    factor = factors.get(name_loss(loss) if named else None, factors.get(None))
    if isinstance(factor, Factor):
        return factor
    if not named:
        text = f"${argument} must be a convention with an equivalent. Received: {name}, but {factor}.{parts}"
        raise _refuse(text, argument)
    possible = " or ".join(key for key in named if isinstance(factors[key], Factor))
    reason = f" {name} has no equivalent, as {factor}." if factor else ""
    received = loss if isinstance(loss, str) else name_loss(loss)
    raise _refuse(f"$loss must be {possible} for {name}. Received: {received}.{reason}", "loss")


def name_loss(loss: Any) -> str:
    """Return the Keras name of a loss, given as a name, a function, a class or an object."""
    if not isinstance(loss, str) and not callable(loss):
        raise TypeError(f'`loss` must be a Keras loss or its name, such as "mse". Received: {loss!r}.')
    if getattr(loss, "reduction", "") == "sum":
        raise ValueError("loss must be a mean over rows, as in other libraries. Received: reduction='sum'.")
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    plain = name.lower().replace("_", "")
    if plain in _LOSSES:
        return _SYNONYMS.get(_LOSSES[plain], _LOSSES[plain])
    near = get_close_matches(plain, _LOSSES, n=1)
    hint = f" Did you mean {_LOSSES[near[0]]!r}?" if near else ""
    raise _refuse(f'$loss must be a loss of Keras or its name, such as "mse". Received: {name!r}.{hint}', "loss")


def _select_numbers(ratio: Factor, numbers: Mapping[str, float | None], conversion: str) -> dict[str, float]:
    names = sorted(name for name in ratio.powers if numbers[name] is None)
    if names:
        fixes = " ".join(f"Give ${name}, {_MEANING[name]}." for name in names)
        text = f"{' and '.join(f'${name}' for name in names)} must be given for {conversion}. Received: none. {fixes}"
        raise _refuse(text, *names)
    return {name: value for name, value in numbers.items() if value is not None}
