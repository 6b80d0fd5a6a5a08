"""Situations whose truth is known, and what the verdict must and must not say of each."""

import re

import numpy as np
import pytest

from shrinkage._path._pictures._curve_data import compute_curve_data
from shrinkage.cli._terms import SHELL_TERMS
from tests.path.verdicts import beginning, gains, gap, noise, overfitting, repeats, unsteady

SITUATIONS = {
    name: situation
    for subject in (beginning, unsteady, noise, gap, overfitting, gains, repeats)
    for name, situation in subject.SITUATIONS.items()
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_verdict_says_what_is_true(name):
    make, said, unsaid = SITUATIONS[name]
    path = make()
    words = path.verdict()
    assert not [text for text in said if text not in words], words
    assert not [text for text in unsaid if text in words], words


@pytest.mark.parametrize("name", SITUATIONS)
def test_sentences_know_whether_they_have_an_interval(name):
    said = SITUATIONS[name][0]()._sentences
    assert [each.has_interval for each in said] == ["95 % interval" in each.words for each in said]


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_verdict_is_whole_sentences_that_agree(name):
    path = SITUATIONS[name][0]()
    words = path.verdict()
    assert words.endswith(".") and "  " not in words and ".." not in words and " ." not in words
    assert not re.search(r"\bnan\b|\binf\b|None|\[\d", words.replace("path.folds.held_out[", ""))
    assert not ("may gain more" in words and ("best constant (" in words or "hardly begun" in words))
    if "raise `epochs`" in words:  # some chosen epoch is the last
        assert (path.epochs == np.isfinite(path.cv_loss[0]).sum(axis=1)).any()
    assert words.split()[0] in " ".join(repr(path).splitlines())
    assert compute_curve_data(path).high > compute_curve_data(path).low
    shell = SHELL_TERMS.say(words)
    for python in ("takes `lams`", "Path.load(FOLDER).folds", "lambda =", "standardize_target=True"):  # which are meant
        shell = shell.replace(python, "")
    assert not re.search(r"`|learning rate|\bpath\.|\w=", shell.replace("raise the learning rate", "")), shell
