"""A record of the arguments of `sh.fit`."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import keras

from shrinkage._penalties import How, Penalty


@dataclass(frozen=True, eq=False)
class Request:
    """Unchecked arguments of `fit`. The defaults equal the defaults of `fit`, which documents the arguments."""

    model: keras.Model | Callable[[], keras.Model]
    x: Any
    y: Any = None
    _: KW_ONLY
    penalty: Penalty | Literal["l2", "l1", "elastic-net", "group-lasso", "model"]
    lams: Any = "auto"
    cv: Any = 5
    groups: Any = None
    repeats: int = 1
    validation_data: tuple[Any, ...] | None = None
    epochs: int | None = None
    batch_size: int | None = None
    steps_per_epoch: int | None = None
    patience: int | None = None
    sample_weight: Any = None
    class_weight: dict[int, float] | None = None
    on: Any = "kernels"
    how: How | Literal["coupled", "proximal", "decoupled"] | None = None
    init: Literal["fresh", "keep"] | None = None
    epoch: Literal["best", "last"] | int = "best"
    solver: Literal["gradient", "exact"] = "gradient"
    models: Literal["all", "chosen"] = "all"
    budget: float | None = None
    learning_curve: bool = False
    standardize_target: bool = False
    seed: int = 0
    plan: Mapping[str, Any] | None = None
    max_memory: float | None = None

    @property
    def unshown_arguments(self) -> dict[str, str]:
        """Code for the arguments that are not the defaults, and that a path shows nowhere else, by name.

        Rows, functions and layers have no code: they are variables of the reader, with the name of the argument. An
        exact solver ignores the arguments of training.
        """
        of_training = () if self.solver == "exact" else ("patience", "epoch", "steps_per_epoch")
        code = {}
        for name in ("on", *of_training, "sample_weight", "class_weight"):
            value = getattr(self, name)
            if isinstance(value, (int, float, str)):
                is_default = value == getattr(Request, name)
                code |= {} if is_default else {name: repr(value)}
            elif value is not None:
                code[name] = repr(value) if _is_text(value) else name
        return code


def _is_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
