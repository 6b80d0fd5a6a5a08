"""Files for TensorBoard, read by TensorBoard's own reader."""

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import shrinkage as sh
from shrinkage._cohort._cohort import Cohort
from shrinkage._cv._statistics import summarise
from shrinkage._progress._tensorboard import TensorBoard
from tests.fit.fitting import TARGET, classifier, fit, line
from tests.search.record import runs

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

Curves = dict[str, dict[str, list[tuple[int, float]]]]


def read(folder: Path) -> Curves:
    """Return (step, value) of each run and tag."""
    found: Curves = {}
    for run in sorted(each.name for each in folder.iterdir()):
        reader = event_accumulator.EventAccumulator(str(folder / run), size_guidance={"tensors": 0, "scalars": 0})
        reader.Reload()
        assert reader.Tags()["scalars"] == []  # as TensorFlow 2 writes them, they are tensors of the plugin scalars
        tags = reader.summary_metadata
        assert {metadata.plugin_data.plugin_name for metadata in tags.values()} == {"scalars"}
        found[run] = {
            tag: [(e.step, float(tf.make_ndarray(e.tensor_proto))) for e in reader.Tensors(tag)] for tag in tags
        }
    return found


def only_folder(parent: Path) -> Path:
    (folder,) = parent.iterdir()
    return folder


def pairs(first: int, values: Any) -> list[tuple[int, float]]:
    """Return (step, value in float32), without values that are not finite."""
    return [(step, float(np.float32(value))) for step, value in enumerate(values, first) if np.isfinite(value)]


def check(curves: Curves, path: sh.Path) -> None:
    """The files have the losses of the path, to the digit."""
    assert len(curves) == len(path.lams) + 2 and len(curves["search"]["best lambda"]) > 0
    for index, lam in enumerate(path.lams):
        for tag, losses, weight in (
            ("held-out loss", path.cv_loss, path.fold_weight),
            ("training loss", path.train_loss, path.train_weight),
        ):
            means = [summarise(losses[:, :, epoch], weight)[0][index] for epoch in range(losses.shape[2])]
            assert curves[f"lambda={lam:.4g}"][tag] == pairs(1, means) != []
    assert curves["path"]["held-out loss"] == pairs(0, path.mean)
    assert curves["path"].get("standard error", []) == pairs(0, path.se)
    assert curves["path"]["lambda"] == pairs(0, path.lams) and curves["path"]["epoch"] == pairs(0, path.epochs)
    assert curves["search"]["best held-out loss"][-1][1] == np.float32(np.nanmin(path.mean))
    assert curves["search"]["best lambda"][-1][1] == np.float32(path.lams[np.nanargmin(path.mean)])


def exact(**options: Any) -> sh.Path:
    return fit(line(), y=TARGET, solver="exact", epochs=None, batch_size=None, **options)


def single_split(**options: Any) -> sh.Path:
    return fit(classifier(), cv=0.3, plan={"chunk": 2, "xla": False}, **options)


@pytest.mark.parametrize("run", [runs.without_xla, runs.extended, runs.within_budget, exact, single_split])
def test_the_reader_of_tensorboard_finds_the_losses_of_the_path(run, tmp_path):
    path = run(tensorboard=tmp_path / "logs")
    check(read(only_folder(tmp_path / "logs")), path)


def test_writing_does_not_change_the_result(tmp_path):
    plain, written = runs.without_xla(), runs.without_xla(tensorboard=tmp_path)
    for name, value in runs.arrays(plain).items():
        np.testing.assert_array_equal(value, runs.arrays(written)[name])


def test_a_run_that_goes_on_writes_everything_to_a_new_folder(tmp_path, monkeypatch):
    options: dict[str, Any] = {"run": tmp_path / "run", "tensorboard": tmp_path / "logs"}
    options |= {"plan": {"chunk": 1, "xla": False}}
    monkeypatch.setattr("shrinkage._search._record._record.Record.keeps", lambda self, state: True)
    real, calls = Cohort.train_epoch, itertools.count()

    def stop(self, epoch):
        if next(calls) == 5:
            raise KeyboardInterrupt
        return real(self, epoch)

    monkeypatch.setattr(Cohort, "train_epoch", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(classifier(), **options)
    first = only_folder(tmp_path / "logs")
    assert (
        len(read(first)["lambda=0.3"]["held-out loss"]) == 3 and len(read(first)["lambda=0.01"]["held-out loss"]) == 2
    )
    path = fit(classifier(), **options)
    check(read(next(each for each in (tmp_path / "logs").iterdir() if each != first)), path)


def test_no_value_is_written_for_models_that_diverge(tmp_path):
    path = fit(line(), y=TARGET * np.float32(1e30), plan={"xla": False}, tensorboard=tmp_path)
    curves = read(only_folder(tmp_path))
    assert path.failed.all() and set(curves["path"]) == {"lambda", "epoch"} and "search" not in curves


def test_strengths_that_are_nearly_equal_have_a_run_each(tmp_path):
    board = TensorBoard(tmp_path)
    assert [board.get_run_name(lam) for lam in (0.1, 0.100001, 0.1)] == ["lambda=0.1", "lambda=0.100001", "lambda=0.1"]


@pytest.mark.parametrize("value", [3, "file", "file/logs"])
def test_a_folder_that_cannot_be_written_is_refused(value, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((TypeError, ValueError), match=r"`tensorboard` must be a folder.* Received: "):
        fit(classifier(), tensorboard=value if value == 3 else tmp_path / value)


def test_a_failed_write_is_a_note_and_does_not_end_the_run(tmp_path, monkeypatch):
    def full(*_args: object, **_kwargs: object):
        raise OSError("no space left on device")

    monkeypatch.setattr("tensorflow.summary.create_file_writer", full)
    with pytest.warns(UserWarning, match=r"cannot be written \(no space left on device\). The run goes on") as warned:
        path = fit(classifier(), plan={"xla": False}, tensorboard=tmp_path)
    assert np.isfinite(path.mean).all() and sum("TensorBoard" in str(each.message) for each in warned) == 1
    assert "The run goes on" in path.notes[-1]


def test_two_runs_in_a_second_have_two_folders(tmp_path, monkeypatch):
    monkeypatch.setattr("time.strftime", lambda form: "20250101-000000")
    for _ in range(2):
        exact(tensorboard=tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["20250101-000000", "20250101-000000-2"]
    assert all(re.match(r"lambda=|path|search", run.name) for each in tmp_path.iterdir() for run in each.iterdir())
