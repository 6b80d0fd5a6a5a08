"""`shrinkage demo`."""

import re
from pathlib import Path

from shrinkage.cli._demo import demo
from shrinkage.cli._folder import RUN_FILES
from tests.cli.commands.running import run
from tests.path.verdicts.repeats import unclear


def test_demo_replaces_only_an_earlier_demo(fake_fit):
    assert run("demo").exit_code == 0
    assert {file.name for file in Path("shrinkage-demo").iterdir()} == set(RUN_FILES) - {
        *("columns.json", "images.json", "skipped-rows.csv"),
        *("comparison.csv", "comparison.png", "weights.png"),
    }
    (call,) = fake_fit.calls
    assert (call.x.shape, call.epochs, call.cv) == ((1797, 64), 20, 5) and call.x.max() == 1
    Path("shrinkage-demo/thesis.txt").touch()
    assert run("demo").exit_code == 0
    assert Path("shrinkage-demo/thesis.txt").exists()
    assert run("demo", "--no-overwrite").exit_code == 2
    for name in ("path.json", "arrays.npz"):
        Path("shrinkage-demo", name).unlink()
    done = run("demo")
    assert done.exit_code == 2 and "is empty or holds an earlier run" in done.stderr
    assert "Run the command in another folder." in done.stderr and "-o" not in done.stderr


def test_the_advice_of_the_demo_can_be_followed(fake_fit, monkeypatch):
    """Every option that the verdict names is an option of the demo."""
    monkeypatch.setattr("shrinkage.cli._demo._train", lambda repeats: unclear())
    done = run("demo")
    named = re.findall(r"--[a-z-]+", done.stdout)
    assert "--repeats" in named
    assert [option for option in named if option not in {name for each in demo.params for name in each.opts}] == []
    monkeypatch.undo()


def test_the_demo_with_repeats_says_how_it_was_run(fake_fit):
    assert run("demo", "--repeats", 4).exit_code == 0
    assert fake_fit.calls[0].repeats == 4
    assert Path("shrinkage-demo/command.txt").read_text("utf-8").strip() == "shrinkage demo --repeats 4"
