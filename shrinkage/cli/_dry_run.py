"""`shrinkage fit --dry-run`: the time and memory of the training, without the training."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ._console import Console
from ._terms import make_shell_terms, translate_refusals


def say_estimate(
    console: Console, arguments: dict[str, Any], labels: Sequence[object], document: dict[str, Any]
) -> None:
    """Print the estimate of a training, or with it the document for programs.

    Args:
        console: The output.
        arguments: The arguments of `shrinkage.estimate`.
        labels: The labels of the classes.
        document: What is known of the data.
    """
    import shrinkage as sh

    with translate_refusals(labels, trains=False):
        found = sh.estimate(**arguments)
    terms = make_shell_terms(labels)
    console.say(f"{found.text(terms)}\nDry run: nothing was trained or written.")
    notes = [terms.say(note) for note in found.notes]
    console.print_result({**document, "forecast": {**asdict(found), "notes": notes}, "dry_run": True})
