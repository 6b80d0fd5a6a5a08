"""The command line. Nothing heavy is imported before a command needs it."""

import click

from shrinkage import __version__

from ._commands import Commands
from ._compare import compare
from ._convert import convert
from ._demo import demo
from ._doctor import doctor
from ._errors import EXIT_CODES
from ._fit import fit
from ._predict import predict
from ._report import report
from ._resume import resume, show


@click.group(cls=Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shrinkage")
def main() -> None:
    """Train a network at every strength of a penalty, cross-validate, and keep the best.

    Start with `shrinkage demo`, or with your own table:

    \b
      shrinkage fit houses.csv --target price
      shrinkage predict houses-shrinkage new.csv -o predictions.csv
    """


for _command in (compare, convert, demo, fit, predict, doctor, report, resume, show):
    main.add_command(_command)
