"""`shrinkage fit --dry-run`: the time and memory of the training, without the training."""

from dataclasses import asdict
from typing import Any

from shrinkage._messages._note import Vocabulary

from ._console import Console
from ._terms import translate_refusals


def say_estimate(console: Console, arguments: dict[str, Any], terms: Vocabulary, document: dict[str, Any]) -> None:
    """Print the estimate of a training, or with it the document for programs.

    Args:
        console: The output.
        arguments: The arguments of `shrinkage.estimate`.
        terms: The words of the shell.
        document: What is known of the data.
    """
    import shrinkage as sh

    with translate_refusals(terms, trains=False):
        found = sh.estimate(**arguments)
    console.say(f"{found.text(terms)}\nDry run: nothing was trained or written.")
    notes = [terms.say(note) for note in found.notes]
    console.print_result({**document, "forecast": {**asdict(found), "notes": notes}, "dry_run": True})
