"""The types of options and arguments, which refuse other values in the grammar of all refusals."""

import math
import shlex
from pathlib import Path
from typing import Any

import click


def get_parameter_name(parameter: click.Parameter) -> str:
    """Return the name of an option or an argument as in the help: `--epochs`, `DATA`."""
    return parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name


class _Type(click.ParamType):
    """A type of Click, with words for the values that it takes."""

    requirement = ""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            name = "the value" if param is None else get_parameter_name(param)
            received = f"{shlex.quote(str(value))}{self._describe(value)}"
            raise click.UsageError(f"{name} must be {self.requirement}. Received: {received}.", ctx) from error

    def _describe(self, value: Any) -> str:
        """Return what is wrong with a value, where its text does not say it."""
        del value
        return ""


class AnyInteger(_Type, click.types.IntParamType):
    """An integer."""

    requirement = "an integer"


class AnyNumber(_Type, click.types.FloatParamType):
    """A number, also infinity or NaN."""

    requirement = "a number"


class Integer(_Type, click.IntRange):
    """An integer in a range; by default one that arrays can hold."""

    def __init__(self, minimum: int, maximum: int = 10**9):
        super().__init__(minimum, maximum)
        self.requirement = f"an integer from {minimum} to {maximum:,}"


class _FiniteRange(click.FloatRange):
    """A range of finite numbers. `click.FloatRange` accepts NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail("not finite", param, ctx)
        return number


class Number(_Type, _FiniteRange):
    """A number in a closed range, or a finite number above the minimum."""

    name = "number"

    def __init__(self, minimum: float, maximum: float | None = None):
        super().__init__(minimum, maximum, min_open=maximum is None)
        above = f"a finite number above {minimum:g}"
        self.requirement = above if maximum is None else f"a number from {minimum:g} to {maximum:g}"


class Choice(_Type, click.Choice):
    """One of several words."""

    def __init__(self, *words: str, case_sensitive: bool = True):
        super().__init__(words, case_sensitive)
        self.requirement = f"one of {', '.join(words)}"


class Folder(_Type, click.Path):
    """A folder."""

    requirement = "a folder"

    def _describe(self, value: Any) -> str:
        place = Path(value)
        return ", which is a file" if place.is_file() else "" if place.exists() else ", which does not exist"
