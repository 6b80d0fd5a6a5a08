"""`shrinkage demo`."""

from pathlib import Path

from shrinkage.cli._folder import RUN_FILES
from tests.cli.commands.running import run


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
    Path("shrinkage-demo/path.json").unlink()
    done = run("demo")
    assert done.exit_code == 2 and "not an earlier run" in done.stderr
