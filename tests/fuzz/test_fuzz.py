"""Any file and any command line end in success, or in a sentence that says what to change."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shrinkage._host._quiet import require_tensorflow
from tests.fuzz.command_lines import command_lines
from tests.fuzz.running import check_end, folder_with, run
from tests.fuzz.tables import files

require_tensorflow()

CALM = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
FEW = settings(max_examples=250, suppress_health_check=CALM)
MANY = settings(max_examples=10_000, suppress_health_check=CALM)
SHORT = ["--epochs", "1", "--hidden", "3", "--folds", "2"]


def dry_run(data: st.DataObject) -> None:
    file = data.draw(files())
    line = data.draw(command_lines(file))
    with folder_with(file) as folder:
        result = run([*line, "--dry-run"])
        check_end(result, file, folder)
        assert [each.name for each in folder.iterdir()] == [file.name], "a dry run writes nothing"


def training(data: st.DataObject) -> None:
    """Train, and predict the same file where the training was successful."""
    file = data.draw(files())
    line = data.draw(command_lines(file, odd=False))
    with folder_with(file) as folder:
        result = run([*line, *SHORT, "-o", "run", "--on-bad-row", "skip"])
        check_end(result, file, folder)
        if result.exit_code == 0:
            predicted = run(["predict", "run", f"./{file.name}", "-o", "predictions.csv"])
            assert predicted.exit_code in (0, 2), predicted.output


@FEW
@given(st.data())
def test_a_dry_run_ends_in_success_or_in_a_sentence(data):
    dry_run(data)


@pytest.mark.full
@MANY
@given(st.data())
def test_many_dry_runs(data):
    dry_run(data)


@pytest.mark.full
@settings(MANY, max_examples=300)
@given(st.data())
def test_trainings(data):
    training(data)
