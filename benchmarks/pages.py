"""The tables of the documentation that follow from the code, with nothing measured: `python -m benchmarks.pages`."""

from collections.abc import Mapping

import keras

from benchmarks import _page
from benchmarks._layers import WITH_WEIGHTS
from shrinkage._convert import CONVENTIONS, Convention, Factor
from shrinkage._path._kinds import KINDS
from shrinkage._weights._selection import Weight, select


def conventions() -> str:
    """Return the table of docs/convert.md: the strength of each convention, as it follows from lam."""
    rows = [row for name, convention in CONVENTIONS.items() for row in _rows(name, convention)]
    return _page.markdown(["name", "what is written there", "Keras loss", "penalty", "it acts", "if"], rows)


def _rows(name: str, convention: Convention) -> list[list[str]]:
    """Return one row for each factor, with its losses."""
    by_factor: dict[str, list[str | None]] = {}
    for loss, factor in convention.factors.items():
        by_factor.setdefault(_strength(convention, factor), []).append(loss)
    acts = "beside the step" if convention.is_decoupled else "in the objective"
    rest = [", ".join(convention.kinds), acts, convention.note]
    return [
        [f"`{name}`", strength, _losses(losses, convention.factors), *rest] for strength, losses in by_factor.items()
    ]


def _strength(convention: Convention, factor: Factor | str) -> str:
    if isinstance(factor, str):
        return f"none: {factor}"
    formula = f"1 / ({factor})" if convention.is_inverse else str(factor)
    return f"`{convention.code.format(formula)}`"


def _losses(losses: list[str | None], all_losses: Mapping[str | None, object]) -> str:
    if losses == [None]:
        return "any other" if len(all_losses) > 1 else "any"
    return ", ".join(f"`{loss}`" for loss in losses)


def layers() -> str:
    """Return the table of docs/which-weights.md: each layer of Keras with weights, and what `describe` says of them."""
    rows = [row for name in sorted(WITH_WEIGHTS) for row in _weights(name)]
    return _page.markdown(["layer", "weight", "penalised", "why"], rows)


def _weights(name: str) -> list[list[str]]:
    """Return one row for each weight; those of a layer that it repeats are named once."""
    found = {}
    for weight in describe_layer(name):
        found[weight.path.rpartition("/")[2], weight.reason] = weight.penalised
    return [[f"`{name}`", f"`{weight}`", "yes" if yes else "no", why] for (weight, why), yes in found.items()]


def describe_layer(name: str) -> tuple[Weight, ...]:
    """Return the weights of one layer, each selected or not, as they are in a model with a Dense layer after it."""
    model = WITH_WEIGHTS[name]()
    last = keras.layers.Dense(1, use_bias=False)
    selection = select(keras.Model(model.inputs, last(model.outputs[0])))
    return tuple(weight for weight in selection.weights if weight.path != last.kernel.path)


def findings() -> str:
    """Return the table of docs/diagnosis.md: the codes of `path.diagnose()`."""
    return _page.markdown(
        ["severity", "code", "finding"], [[kind.severity, f"`{code}`", kind.summary] for code, kind in KINDS.items()]
    )


if __name__ == "__main__":
    _page.write(_page.DOCS / "convert.md", "convert", conventions())
    _page.write(_page.DOCS / "which-weights.md", "layers", layers())
    _page.write(_page.DOCS / "diagnosis.md", "findings", findings())
