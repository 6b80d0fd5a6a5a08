"""Any file and any command line end in success, or in a sentence that says what to change."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from shrinkage._host._quiet import require_tensorflow
from tests.fuzz.command_lines import command_lines, plain_command_lines
from tests.fuzz.running import check_diverged, check_end, check_words, folder_with, run
from tests.fuzz.tables import files, sane_files

require_tensorflow()

CALM = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
SHORT = ["--epochs", "1", "--folds", "2", "-o", "run", "--on-bad-row", "skip"]
ENDS = Counter[int]()
"""Trainings of this process by their exit codes."""


def dry_run(data: st.DataObject) -> None:
    file = data.draw(files())
    line = data.draw(command_lines(file))
    with folder_with(file) as folder:
        result = run([*line, "--dry-run"])
        check_end(result, file, folder)
        assert [each.name for each in folder.iterdir()] == [file.name], "a dry run writes nothing"


def training(data: st.DataObject) -> None:
    """Train, and predict the same file where the training was successful."""
    file = data.draw(sane_files())
    line = data.draw(plain_command_lines(file))
    with folder_with(file) as folder:
        result = run([*line, *SHORT])
        ENDS[result.exit_code] += 1
        predict = ["predict", "run", f"./{file.name}", "-o", "predictions.csv"]
        if result.exit_code == 3:  # a learning rate of 1e300
            check_diverged(result, folder)
            check_words(run(predict), 2)
            return
        check_end(result, file, folder)
        if result.exit_code == 0:
            check_words(run(predict), 0, 2)


@settings(max_examples=100, suppress_health_check=CALM)
@given(st.data())
def test_a_dry_run_ends_in_success_or_in_a_sentence(data):
    dry_run(data)


def many(work: Callable[[st.DataObject], None], number: int, first: int) -> Counter[int]:
    """Do the work for many drawn cases, others for each `first`, and return how the trainings ended."""
    calm = settings(max_examples=number, derandomize=False, database=None, deadline=None, suppress_health_check=CALM)
    seed(first)(calm(given(st.data())(work)))()
    return ENDS


def in_new_process(work: Callable[[st.DataObject], None], number: int, first: int) -> Counter[int]:
    """Run it in a new process, because TensorFlow keeps compiled functions, megabytes for each case."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(many, work, number, first).result()


@pytest.mark.full
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_dry_runs(part):
    in_new_process(dry_run, 1000, part)


@pytest.mark.full
@pytest.mark.parametrize("part", range(3))
def test_three_hundred_trainings(part):
    ends = in_new_process(training, 280, part)  # every other file can be trained on
    print(f"part {part}: {dict(ends)} trainings by exit code")
    assert ends[0] >= 100
