"""`shrinkage fit --dry-run`: the time and memory of the training, without the training."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ._console import Console
from ._terms import in_shell, with_labels


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

    with in_shell(labels):
        found = sh.estimate(**arguments)
    terms = with_labels(labels)
    console.say(f"{found.text(terms)}\nDry run: nothing was trained or written.")
    notes = [terms.say(note) for note in found.notes]
    console.result({**document, "forecast": {**asdict(found), "notes": notes}, "dry_run": True})
