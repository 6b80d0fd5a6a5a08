"""What the commands show while they train: --quiet, --verbose, --tensorboard."""

import re
from pathlib import Path

import pytest

import shrinkage as sh
from shrinkage._progress import _reporters
from tests.cli.commands.running import FakeFit, refused, run, write
from tests.cli.commands.test_resume import FIT, stopped_after

SMALL = (*FIT[:-2], "--hidden", "3", "-o", "run")
SHOWN = {
    (): {"progress": True, "verbose": False, "tensorboard": None, "cluster": None},
    ("--cluster", "local"): {"cluster": "local"},
    ("--cluster", "10.0.0.5:6379"): {"cluster": "10.0.0.5:6379"},
    ("--cluster", "none"): {"cluster": None},
    ("--quiet",): {"progress": False, "verbose": False, "tensorboard": None},
    ("--verbose", "--tensorboard", "logs"): {"progress": True, "verbose": True, "tensorboard": "logs"},
}


@pytest.mark.parametrize("options", SHOWN, ids=" ".join)
def test_options_of_fit(options, fake_fit):
    write()
    assert run(*SMALL, *options).exit_code == 0
    (shown,) = fake_fit.shown
    assert {name: shown[name] for name in SHOWN[options]} == SHOWN[options]


def test_a_demo_is_quiet_if_asked(fake_fit):
    assert run("demo", "--quiet").exit_code == 0 and not fake_fit.shown[0]["progress"]


@pytest.mark.parametrize("command", [SMALL, ("demo",)], ids=["fit", "demo"])
def test_quiet_and_verbose_are_refused_together(command, fake_fit):
    write()
    refused(run(*command, "--quiet", "--verbose"), "--quiet and --verbose must not be given together")


@pytest.mark.parametrize(
    ("of_fit", "of_resume", "quiet", "verbose"),
    [("--quiet", (), True, False), ("--verbose", ("--quiet",), True, False), ("--quiet", ("--verbose",), False, True)],
    ids=["as recorded", "quiet now", "verbose now"],
)
def test_the_options_of_resume_come_first(of_fit, of_resume, quiet, verbose, monkeypatch):
    write()
    with stopped_after(2):
        assert run(*SMALL, of_fit).exit_code == 130
    fake = FakeFit()
    monkeypatch.setattr(sh, "fit", fake, raising=False)
    assert run("resume", "run", *of_resume).exit_code == 0
    assert (fake.shown[0]["progress"], fake.shown[0]["verbose"]) == (not quiet, verbose)


def test_a_run_goes_on_elsewhere(monkeypatch):
    write()
    with stopped_after(2):
        assert run(*SMALL).exit_code == 130
    fake = FakeFit()
    monkeypatch.setattr(sh, "fit", fake, raising=False)
    assert run("resume", "run", "--cluster", "local").exit_code == 0
    assert fake.shown[0]["cluster"] == "local"


@pytest.mark.parametrize("where", ["here", "10.0.0.5", "a b:1", ":6379", "local:"])
def test_a_place_that_is_none_is_refused(where):
    write()
    refused(run(*SMALL, "--cluster", where), '--cluster must be "none", "local" for the cores of this machine')


def test_a_run_without_a_terminal_is_not_silent(monkeypatch):
    monkeypatch.setattr(_reporters, "LINE_SECONDS", (0.05,))
    write()
    done = run(*SMALL, "--tensorboard", "logs", "--format", "json")
    assert done.exit_code == 0 and "shrinkage: " not in done.stdout
    assert re.search(r"^shrinkage: \d+ s: 2 folds \| lambda 0/21 \| epoch \d/4", done.stderr, re.MULTILINE)
    assert "shrinkage: training finished in" in done.stderr
    assert len(list(Path("logs").glob("*/lambda=*/events*"))) == 21
    quiet = run(*SMALL, "--overwrite", "--quiet")
    assert quiet.exit_code == 0 and quiet.stderr == ""


def test_a_folder_of_tensorboard_that_is_a_file_is_refused():
    write()
    refused(run(*SMALL, "--tensorboard", "houses.csv/logs"), "--tensorboard must be a folder that can be written")
