"""The way in which a penalty enters, by its name."""

import pytest

import shrinkage as sh
from tests.conventions.models import line, prepared


@pytest.mark.parametrize(
    ("name", "how"), [("coupled", sh.Coupled()), ("Proximal", sh.Proximal()), ("decoupled", sh.Decoupled())]
)
def test_a_name_is_as_in_the_shell(name, how):
    assert prepared(line("sgd"), penalty="l2", how=name).training.how == how
