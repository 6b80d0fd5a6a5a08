"""`shrinkage convert`: the same strength in another library."""

from typing import Any

import click

from shrinkage._convert import CONVENTIONS
from shrinkage._convert import convert as convert_strength

from ._console import Console, common_options
from ._errors import EXIT_CODES, BadInput
from ._snippet import RHO, find_common_penalty, make_snippet
from ._terms import SHELL_TERMS
from ._types import AnyInteger, AnyNumber, Number

_NAMES = "\b\nNames:\n" + "\n".join(f"  {name:<27} {row.code.format('NUMBER')}" for name, row in CONVENTIONS.items())


class _Command(click.Command):
    """A command that takes a negative number as an argument, not as an unknown option, so that it can refuse it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.ignore_unknown_options = any(map(_is_negative, args))
        return super().parse_args(ctx, args)


def _is_negative(text: str) -> bool:
    try:
        return float(text) < 0
    except ValueError:
        return False


@click.command(cls=_Command, short_help="The same strength in another library.", epilog=f"{_NAMES}\n\n{EXIT_CODES}")
@click.argument("lam", type=AnyNumber())
@click.option("--from", "source", required=True, metavar="NAME", help="The convention of LAM.")
@click.option("--to", "target", required=True, metavar="NAME", help="The convention to convert to.")
@click.option("--loss", metavar="NAME", help="The Keras loss: mse, binary_crossentropy, ...")
@click.option("--n", type=AnyInteger(), help="Number of training rows.")
@click.option("--batch", type=AnyInteger(), help="Number of rows in a batch.")
@click.option("--eta", type=AnyNumber(), help="Learning rate.")
@click.option("--optimizer", metavar="NAME", help="sgd, if it is SGD without momentum.")
@click.option("--sd-y", type=AnyNumber(), help="Standard deviation of the target, with 1/n.")
@click.option("--sigma", type=AnyNumber(), help="Standard deviation of the noise.")
@click.option("--rho", type=Number(0, 1), help="Share of L1 in an elastic net, from 0 to 1.")
@common_options
def convert(lam: float, source: str, target: str, rho: float | None, console: Console, **facts: Any) -> None:
    """Convert LAM, a strength of one library, to the strength of another that trains to the same weights.

    \b
      shrinkage convert 1e-4 --from keras.L2 --to sklearn.Ridge --loss mse --n 1000

    An error names missing options. If there is no equivalent, the error says why.
    """
    try:
        strength = convert_strength(lam, source, target, **facts)
    except ValueError as error:
        raise BadInput(SHELL_TERMS.say(error.args[0])) from error
    if rho is not None and find_common_penalty(source, target) != "ElasticNet":
        raise BadInput(
            f"--rho must be given with an elastic net. Received: {source} to {target}, whose penalty is "
            f"{find_common_penalty(source, target)}. Leave --rho out."
        )
    notes = [f"{name}, if {CONVENTIONS[name].note}" for name in (source, target) if CONVENTIONS[name].note]
    if find_common_penalty(source, target) == "ElasticNet":
        notes += [f"the share of L1, rho, is {RHO:g} here; --rho takes another"] if rho is None else []
    code = make_snippet(strength, source, target, facts, rho)
    console.say(code)
    for note in notes:
        console.note(f"{note}.")
    numbers = {name: value for name, value in facts.items() if value is not None}
    console.print_result(
        {"strength": strength, "code": code, "lam": lam, "from": source, "to": target, **numbers, "notes": notes}
    )
