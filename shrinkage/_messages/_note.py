"""Messages that name arguments in words of Python or of the shell, such as "raise `epochs`" and "raise --epochs"."""

from __future__ import annotations

import inspect
import os
import shlex
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from string import Template
from typing import Any


@dataclass(frozen=True)
class Argument:
    """An argument of a Python function or an option of the shell command, with or without a value."""

    name: str
    value: object = None
    equals: bool = True
    """Whether "=" follows the name in Python. Without it, and without a value, the name is in backticks."""

    def render(self, terms: Vocabulary) -> str:
        """Return `loss='mse'`, or `loss=` or the name in backticks alone; in the shell `--loss mse` and `--loss`."""
        if not terms.is_shell and not self.equals and self.value is None:
            return f"`{self.name}`"
        if not terms.is_shell:
            return f"{self.name}{'=' * self.equals}{'' if self.value is None else repr(self.value)}"
        option = terms.options.get(self.name, f"--{self.name.replace('_', '-')}")
        return option if self.value is None else f"{option} {shlex.quote(str(self.value))}"


@dataclass(frozen=True)
class Classes:
    """Class numbers with row counts."""

    rows: tuple[tuple[int, int], ...]
    """(class, number of rows) for each class."""

    def render(self, terms: Vocabulary) -> str:
        """Return `0 (2 rows), 3 (1 row)`, with class labels if `terms` has them; at most 15 classes are listed."""
        items = [
            f"{_format_label(terms.labels, number)} ({n} row{'s' * (n != 1)})" for number, n in self.rows[:_MAX_CLASSES]
        ]
        more = f" and {len(self.rows) - _MAX_CLASSES} more" if len(self.rows) > _MAX_CLASSES else ""
        return ", ".join(items) + more


@dataclass(frozen=True)
class Differences:
    """Differences between a fit and its record. The shell says where they come from: its user knows no entries."""

    entries: tuple[str, ...]
    """The differences in words, such as "`seed` is 1, and was 0"."""
    source: str
    """A `$word`, whose text in the shell may have places for the numbers of rows."""
    rows: tuple[int, int]
    """The number of rows now, and in the record."""

    def render(self, terms: Vocabulary) -> str:
        """Return the entries; in the shell, their source."""
        source = Template(self.source).substitute(terms.words).format(*self.rows)
        return source if terms.is_shell else "; ".join(self.entries)


_Value = Argument | Classes | Differences
_MAX_CLASSES = 15


def _format_label(labels: Sequence[object], number: int) -> str:
    return str(labels[number] if number < len(labels) else number)


@dataclass(frozen=True)
class Vocabulary:
    """The words of Python or of the shell for use in messages."""

    words: Mapping[str, str]
    """The text for each word. `PYTHON` has all words."""
    labels: Sequence[object] = ()
    """The labels of the classes 0, 1, ...; empty if they are unknown."""
    is_shell: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    """The option of an argument, if it is not `--name`."""

    def say(self, text: str) -> str:
        """Return a `Note` in the words of this vocabulary; plain text is returned unchanged."""
        return text.render(self) if isinstance(text, Note) else text


PYTHON = Vocabulary(
    {
        "epochs": "`epochs`",
        "learning_rate": "the learning rate",
        "batch_size": "batch_size",
        "max_memory": "max_memory",
        "batch_size_": "batch_size=",
        "folds": "folds",
        "cv": "`cv`",
        "cv_": "cv=",
        "validation_data": "`validation_data`",
        "training_data": "`x`",
        "more_repeats": "`repeats=4`",
        "budget": "`budget`",
        "learning_curve": "`learning_curve`",
        "nested": "`nested=True`",
        "penalties": "`penalties`",
        "tensorboard": "`tensorboard`",
        "cluster": "`cluster`",
        "model": "`model`",
        "loss": "`loss`",
        "metrics": "`metrics`",
        "x": "`x`",
        "proximal": "Proximal()",
        "give_penalty": "give the penalty to shrinkage.fit",
        "on_its_weights": ", with `on` for its weights alone",
        "give_function": (
            "Give a function that builds, compiles and returns the model: shrinkage.fit(lambda: make_model(), ...)."
        ),
        "or_give_function": (
            ", or give a function that builds the same model at each call, with all random numbers from a fixed seed: "
            "shrinkage.fit(lambda: make_model(), ...)"
        ),
        "train_one_strength": (
            "To train a single strength with it, penalise the model in place:\n"
            "    shrinkage.attach(model, shrinkage.L2(), lam=1e-4)\n"
            "    model.fit(x, y, epochs=20)"
        ),
        "standardize_target": "`standardize_target`",
        "run": "`run`",
        "no_cluster": "None",
        "or_scale_inputs": ", or scale the inputs",
        "or_smaller_lams": ", or give smaller `lams`",
        "extend_lams": "extend `lams`",
        "give_lams": "give `lams`",
        "held_out": "path.folds.held_out",
        "trained_on": "path.folds.train",
        "in_python": "",
        "row_numbers": "Row numbers count from 0",
        "another_fit": (
            "`run` must be the folder of the same fit, or an absent folder. Received: the record of another fit:"
        ),
        "other_rows": "",
        "other_columns": "",
        "other_values": "",
        "other_packages": "",
        "same_fit": ("Call with the model, data and arguments of that fit to go on, or choose another folder."),
        "saved_folder": "`folder`",
        "saved_path": "an intact folder of `Path.save`",
        "save_again": "Give another folder, or fit again and save the path with `overwrite=True`.",
        "record_folder": "`run`",
        "new_record": "Remove the folder, or choose another.",
        "kept_rows": "`predictions` and `row_loss` are",
        "numbers_of_rows": ", which `held_out_rows` numbers",
        "target_units": (
            "path.model() predicts standardised targets: path.target_mean + path.target_sd * prediction gives those "
            "of y"
        ),
        "constant_target": (
            "`y` must vary within every fold's training rows to be standardised. Received: a constant. Leave "
            "`standardize_target` out, or give other folds."
        ),
    }
)
"""All words that differ between Python and the shell, with the text for Python."""


class Note(str):
    """A message in the words of Python, which `render` translates into the words of the shell.

    Args:
        text: The message. `$name` stands for the word `name` of `PYTHON`, or for the value `name` of `values`.
        code: The kind of the note, for code that depends on it, such as "far-inputs". Most notes have none.
        values: An `Argument`, `Classes` or `Differences` for each `$name` in the text that is not a word of `PYTHON`.

    Example:
        >>> note = Note("Lower $learning_rate: class $classes.", classes=Classes(((0, 2),)))
        >>> note
        'Lower the learning rate: class 0 (2 rows).'
        >>> note.render(Vocabulary({**PYTHON.words, "learning_rate": "--learning-rate"}, labels=["fig"]))
        'Lower --learning-rate: class fig (2 rows).'
    """

    text: str
    code: str
    values: dict[str, _Value]

    def __new__(cls, text: str, code: str = "", /, **values: _Value) -> Note:
        note = super().__new__(cls, _render(text, values, PYTHON))
        note.text, note.code, note.values = text, code, values
        return note

    def render(self, terms: Vocabulary) -> str:
        """Return the message in the words of a vocabulary."""
        return _render(self.text, self.values, terms)

    def __reduce__(self) -> tuple[object, ...]:
        return _note, (self.text, self.values, self.code)


def add_sentence(message: str, text: str) -> Note:
    """Return a message, and after it a text with `$words`."""
    note = message if isinstance(message, Note) else Note(message.replace("$", "$$"))
    return Note(f"{note.text} {text}", note.code, **note.values)


def note_to_record(note: str) -> Any:
    """Return a note for a file of JSON, which `note_from_record` reads: with the names of words, or as text."""
    if not isinstance(note, Note):
        return note
    record = {"text": note.text, "values": {name: asdict(value) for name, value in note.values.items()}}
    return record | ({"code": note.code} if note.code else {})


def note_from_record(record: Any) -> str:
    """Return the note of a record.

    Raises:
        TypeError, ValueError, KeyError: If it is not of `note_to_record`.
    """
    if isinstance(record, str):
        return record
    values: dict[str, _Value] = {}
    for name, value in record["values"].items():
        if "rows" in value:
            values[name] = Classes(tuple((int(number), int(n)) for number, n in value["rows"]))
        else:
            values[name] = Argument(**value)
    return Note(str(record["text"]), str(record.get("code", "")), **values)


def _note(text: str, values: dict[str, _Value], code: str = "") -> Note:
    """Restore a note from a pickle."""
    return Note(text, code, **values)


def include_code(notes: Sequence[str], code: str) -> bool:
    """Whether one of the notes is of a code. A note that an earlier version saved has none."""
    return any(isinstance(note, Note) and note.code == code for note in notes)


def _render(text: str, values: Mapping[str, _Value], terms: Vocabulary) -> str:
    return Template(text).safe_substitute(terms.words, **{name: value.render(terms) for name, value in values.items()})


def quote(value: object) -> str:
    """Return the repr of a value for an error, in one line: the beginning of a long one, such as the table of a path.

    >>> quote("l3"), len(quote([0.5] * 100))
    ("'l3'", 80)
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def format_duration(seconds: float) -> str:
    """Return a time in words, such as "12.3 s", "4 min 10 s" or "26 h 5 min"."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def warn_caller(text: str) -> None:
    """Warn with the line of the code that called this package."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level)


_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
