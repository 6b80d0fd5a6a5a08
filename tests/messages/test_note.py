"""A sentence has the same terms in Python and in the shell, each in other words."""

import copy
import json
import pickle
import re
from pathlib import Path

import pytest

import shrinkage
from shrinkage._messages._note import (
    PYTHON,
    Argument,
    Classes,
    Note,
    Vocabulary,
    format_duration,
    note_from_record,
    note_to_record,
)
from shrinkage.cli._terms import SHELL_TERMS, make_shell_terms

SOURCES = [file.read_text("utf-8") for file in Path(shrinkage.__file__).parent.rglob("*.py")]


def test_the_shell_has_words_for_each_term_and_each_term_is_said():
    assert SHELL_TERMS.words.keys() == PYTHON.words.keys()
    unsaid = [term for term in PYTHON.words if not any(re.search(rf"\${{?{{?{term}\b", text) for text in SOURCES)]
    assert unsaid == []


@pytest.mark.parametrize(
    ("note", "python", "shell"),
    [
        (
            Note("Raise $epochs or lower $learning_rate."),
            "`epochs` or lower the learning",
            "--epochs or lower --learning",
        ),
        (Note("$n needs $loss.", n=Argument("n", 3), loss=Argument("loss")), "n=3 needs loss=.", "--n 3 needs --loss."),
        (Note("$lam must be", lam=Argument("lam", equals=False)), "`lam` must be", "LAM must be"),
        (
            Note("class $classes", classes=Classes(((0, 2), (1, 1)))),
            "0 (2 rows), 1 (1 row)",
            "fig (2 rows), plum (1 row)",
        ),
        (Note("It costs $5 or $unknown."), "costs $5 or $unknown.", "costs $5 or $unknown."),
        (Note("Raise $epochs.", "few-epochs"), "Raise `epochs`.", "Raise --epochs."),
    ],
    ids=["terms", "arguments", "an argument's name", "classes", "not a term", "a code"],
)
def test_a_note_in_both_terms(note, python, shell):
    terms = make_shell_terms(["fig", "plum"])
    assert python in note and shell in terms.say(note)
    saved = note_from_record(json.loads(json.dumps(note_to_record(note))))
    for again in (copy.deepcopy(note), pickle.loads(pickle.dumps(note)), saved):
        assert again == note and terms.say(again) == terms.say(note)
        assert isinstance(again, Note) and again.code == note.code


def test_many_classes_are_not_all_named():
    text = Note("class $classes", classes=Classes(tuple((number, 1) for number in range(200))))
    assert text.endswith("14 (1 row) and 185 more") and "15 (1 row)" not in text


def test_a_plain_text_is_the_same_in_all_terms():
    assert Vocabulary({}).say("raise `epochs`") == SHELL_TERMS.say("raise `epochs`") == "raise `epochs`"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (12.34, "12.3 s"),
        (59.96, "1 min 0 s"),
        (250, "4 min 10 s"),
        (3599.6, "1 h 0 min"),
        (93_900, "26 h 5 min"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds, words):
    assert format_duration(seconds) == words
