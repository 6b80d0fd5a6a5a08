"""Options that are refused, and limits of the machine that end in a sentence."""

import json

import pytest
from click.testing import CliRunner

from shrinkage.cli import main
from tests.cli.files import write

TEXT = "a,b\n1,x\n2,y\n"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((o, v) for o in ("--learning-rate", "--rho") for v in ("nan", "inf", "-inf")),
        ("--seed", 10**30),
        ("--epochs", 10**12),
    ]
    + [("--hidden", 10**9), ("--hidden", "nan"), ("--folds", "nan"), ("--batch-size", "inf")],
)
def test_numbers_that_are_none_are_refused_as_json_too(tmp_path, option, value):
    asked = [
        "fit",
        str(write(tmp_path, TEXT)),
        "--target",
        "a",
        "--penalty",
        "elastic-net",
        option,
        str(value),
        "--format",
        "json",
    ]
    done = CliRunner().invoke(main, asked)
    document = json.loads(done.stdout)
    assert done.exit_code == 2 and option in document["error"] and document["exit_code"] == 2


def test_hidden_units_of_a_linear_model(tmp_path):
    asked = ["fit", str(write(tmp_path, TEXT)), "--target", "a", "--model", "linear", "--hidden", "8"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 2 and "--hidden goes with --model mlp" in done.stderr
