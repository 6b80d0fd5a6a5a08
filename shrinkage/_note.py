"""Sentences for the user that Python and the shell say in different terms: "raise `epochs`" and "raise --epochs"."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Template


@dataclass(frozen=True)
class Argument:
    """An argument of a function, with the value that is meant or without; in the shell it is an option."""

    name: str
    value: object = None
    equals: bool = True
    """Whether an equals sign follows the name in Python."""

    def render(self, terms: Vocabulary) -> str:
        """Return `loss='mse'`, or `loss=` alone; in the shell `--loss mse` and `--loss`."""
        if not terms.is_shell:
            return f"{self.name}{'=' * self.equals}{'' if self.value is None else repr(self.value)}"
        option = terms.options.get(self.name, f"--{self.name.replace('_', '-')}")
        return option if self.value is None else f"{option} {shlex.quote(str(self.value))}"


@dataclass(frozen=True)
class Classes:
    """Classes by their numbers, each with a number of rows."""

    rows: tuple[tuple[int, int], ...]

    def render(self, terms: Vocabulary) -> str:
        """Return `0 (2 rows), 3 (1 row)`, with the labels of the classes where they are known; at most fifteen."""
        listed = [f"{_label(terms.labels, number)} ({n} row{'s' * (n != 1)})" for number, n in self.rows[:_LISTED]]
        more = f" and {len(self.rows) - _LISTED} more" if len(self.rows) > _LISTED else ""
        return ", ".join(listed) + more


_LISTED = 15


def _label(labels: Sequence[object], number: int) -> str:
    return str(labels[number] if number < len(labels) else number)


@dataclass(frozen=True)
class Vocabulary:
    """The words of a speaker: for each term of `PYTHON` a text, and the labels of classes where they are known."""

    words: Mapping[str, str]
    labels: Sequence[object] = ()
    is_shell: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    """The shell's names of arguments, where these are not `--name`."""

    def say(self, text: str) -> str:
        """Return a sentence in these terms; a text that is no `Note` is the same in all."""
        return text.render(self) if isinstance(text, Note) else text


PYTHON = Vocabulary(
    {
        "epochs": "`epochs`",
        "learning_rate": "the learning rate",
        "batch_size": "batch_size",
        "batch_size_": "batch_size=",
        "folds": "folds",
        "or_scale_inputs": ", or scale the inputs",
        "or_smaller_lams": ", or give smaller `lams`",
        "extend_lams": "extend `lams`",
        "give_lams": "give `lams`",
        "held_out": "path.folds.held_out",
        "trained_on": "path.folds.train",
        "in_python": "",
        "target_units": (
            "path.model() predicts standardised targets: path.target_mean + path.target_sd * prediction gives those "
            "of y"
        ),
        "constant_target": (
            "`y` must vary within every fold's training rows to be standardised. Received: a constant."
        ),
    }
)
"""The terms in which Python and the shell differ, and Python's words for them."""


class Note(str):
    """A sentence in Python's terms that can be said in others.

    Args:
        text: The sentence, with `$epochs` for a term of `PYTHON`, and `$classes` for a value of that name.
        values: An `Argument` or `Classes` for each name in the text that is no term.

    Example:
        >>> note = Note("Lower $learning_rate: class $classes.", classes=Classes(((0, 2),)))
        >>> note
        'Lower the learning rate: class 0 (2 rows).'
        >>> note.render(Vocabulary({**PYTHON.words, "learning_rate": "--learning-rate"}, labels=["fig"]))
        'Lower --learning-rate: class fig (2 rows).'
    """

    text: str
    values: dict[str, Argument | Classes]

    def __new__(cls, text: str, **values: Argument | Classes) -> Note:
        note = super().__new__(cls, _render(text, values, PYTHON))
        note.text, note.values = text, values
        return note

    def render(self, terms: Vocabulary) -> str:
        """Return the sentence in these terms."""
        return _render(self.text, self.values, terms)

    def __reduce__(self) -> tuple[object, ...]:
        return _note, (self.text, self.values)


def _note(text: str, values: dict[str, Argument | Classes]) -> Note:
    """Return a note from a pickle."""
    return Note(text, **values)


def _render(text: str, values: Mapping[str, Argument | Classes], terms: Vocabulary) -> str:
    return Template(text).safe_substitute(terms.words, **{name: value.render(terms) for name, value in values.items()})
