"""`shrinkage convert`: the same strength in another library."""

import re
import shlex
from typing import Any

import click

from shrinkage._convert import CONVENTIONS
from shrinkage._convert import convert as convert_strength

from ._console import Console, Number, common
from ._errors import EXIT_CODES, BadInput
from ._snippet import RHO, kind_between, snippet

_NAMES = "\b\nNames:\n" + "\n".join(f"  {name:<27} {row.written.format('NUMBER')}" for name, row in CONVENTIONS.items())


class _Command(click.Command):
    """A command whose argument may be a negative number, to be refused as such, and not as an unknown option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.ignore_unknown_options = any(map(_is_negative, args))
        return super().parse_args(ctx, args)


def _is_negative(text: str) -> bool:
    try:
        return float(text) < 0
    except ValueError:
        return False


# What the library calls its arguments, and the shell's names of them.
_OPTIONS = {"source": "--from", "target": "--to", "sd_y": "--sd-y", "lam": "LAM"}
_ARGUMENT = re.compile(r"\b(loss|n|batch|eta|optimizer|sd_y|sigma|source|target)=(?:(['\"])([^'\"]*)\2)?")


def _in_shell(text: str) -> str:
    """Say what the library says in the words of the shell.

    >>> _in_shell("source='keras.L3' is unknown."), _in_shell('Give optimizer="sgd" if it is that: sd_y=, the')
    ('--from keras.L3 is unknown.', 'Give --optimizer sgd if it is that: --sd-y, the')
    """

    def option(found: re.Match[str]) -> str:
        name = _OPTIONS.get(found[1], f"--{found[1]}")
        return f"{name} {shlex.quote(found[3])}" if found[2] else name

    text = re.sub(r"^(n|batch|eta|sd_y|sigma) must be", lambda m: f"{_OPTIONS.get(m[1], f'--{m[1]}')} must be", text)
    return _ARGUMENT.sub(option, re.sub(r"^lam must be", "LAM must be", text))


@click.command(cls=_Command, short_help="The same strength in another library.", epilog=f"{_NAMES}\n\n{EXIT_CODES}")
@click.argument("lam", type=float)
@click.option("--from", "source", required=True, metavar="NAME", help="Where LAM comes from.")
@click.option("--to", "target", required=True, metavar="NAME", help="Where it is to go.")
@click.option("--loss", metavar="NAME", help="The Keras loss: mse, binary_crossentropy, ...")
@click.option("--n", type=int, help="Number of training rows.")
@click.option("--batch", type=int, help="Number of rows in a batch.")
@click.option("--eta", type=float, help="Learning rate.")
@click.option("--optimizer", metavar="NAME", help="sgd, if it is SGD without momentum.")
@click.option("--sd-y", type=float, help="Standard deviation of the target, with 1/n.")
@click.option("--sigma", type=float, help="Standard deviation of the noise.")
@click.option("--rho", type=Number(min=0, max=1), help="Share of L1 in an elastic net, from 0 to 1.")
@common
def convert(lam: float, source: str, target: str, rho: float | None, console: Console, **known: Any) -> None:
    """Convert LAM, a strength of one library, to the strength of another that trains to the same weights.

    \b
      shrinkage convert 1e-4 --from keras.L2 --to sklearn.Ridge --loss mse --n 1000

    What a conversion needs is asked for. One that has no equivalent is refused, with the reason.
    """
    try:
        strength = convert_strength(lam, source, target, **known)
    except ValueError as error:
        raise BadInput(_in_shell(str(error))) from error
    if rho is not None and kind_between(source, target) != "ElasticNet":
        raise BadInput(
            f"--rho is of an elastic net, and {source} and {target} have {kind_between(source, target)} alone."
        )
    notes = [f"{name}, if {CONVENTIONS[name].note}" for name in (source, target) if CONVENTIONS[name].note]
    if kind_between(source, target) == "ElasticNet":
        notes += [f"the share of L1, rho, is {RHO:g} here; --rho takes another"] if rho is None else []
    code = snippet(strength, source, target, known, rho)
    console.say(code)
    for note in notes:
        console.note(f"{note}.")
    given = {name: value for name, value in known.items() if value is not None}
    console.result(
        {"strength": strength, "code": code, "lam": lam, "from": source, "to": target, **given, "notes": notes}
    )
