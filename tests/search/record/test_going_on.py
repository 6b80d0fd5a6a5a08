"""A run that was killed goes on to the same path, to the bit."""

import errno
import os
import shutil
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from filelock import FileLock

import shrinkage as sh
from shrinkage._cohort._cohort import Cohort
from shrinkage._data._spool import Spool
from shrinkage._search import _search
from shrinkage._search._record import _record
from shrinkage._search._record._folder import RunFolder
from shrinkage._search._record._status import read_status
from tests.daily import each_value, full, some_every_day
from tests.fit.fitting import X, Y, classifier
from tests.search.record.runs import (
    FINISHED,
    RUNS,
    arrays_at_once,
    assert_equal,
    count_events,
    files,
    kill_at,
    on_disk,
    without_xla,
    writes,
)
from tests.zoo.tables import mlp


@pytest.mark.parametrize("name", some_every_day(RUNS, "rows on disk", "extended grid, early stopping"))
def test_a_record_changes_nothing(name, tmp_path, monkeypatch):
    plain = RUNS[name]()
    with writes(monkeypatch, lambda *_: None):
        assert_equal(RUNS[name](run=tmp_path / "run"), plain)
    assert files(tmp_path / "run") == FINISHED


@pytest.mark.parametrize(("name", "share"), each_value([*RUNS], (0.0, 0.3, 0.55, 0.8, 0.99)))
def test_a_killed_run_goes_on_to_the_same_path(name, share, tmp_path, monkeypatch):
    plain, events = RUNS[name](), count_events(monkeypatch, RUNS[name], tmp_path / "whole")
    assert events.count("before write") >= 8
    kill_at(monkeypatch, RUNS[name], tmp_path / "run", int(share * len(events)))
    assert_equal(RUNS[name](run=tmp_path / "run"), plain)
    assert files(tmp_path / "run") == FINISHED


@pytest.mark.parametrize(
    "shown",
    [
        full({"verbose": True}, id="verbose"),
        full({"progress": True}, id="progress"),
        pytest.param({}, id="log"),
    ],
)
def test_a_run_says_that_it_goes_on(shown, tmp_path, monkeypatch, caplog, capsys):
    caplog.set_level("INFO", "shrinkage")
    events = count_events(monkeypatch, arrays_at_once, tmp_path / "whole")
    assert "Going on" not in caplog.text and "finished run" not in caplog.text
    kill_at(monkeypatch, arrays_at_once, tmp_path / "run", len(events) // 2)
    capsys.readouterr()
    for said in ("Going on with the run in '", "has the finished run of an equal call"):
        caplog.clear()
        arrays_at_once(run=tmp_path / "run", **shown)
        assert said in caplog.text
        assert (said in capsys.readouterr().err) == bool(shown)


@pytest.mark.full
@pytest.mark.parametrize("name", RUNS)
def test_a_kill_at_any_write(name, tmp_path, monkeypatch):
    """The run is killed at every event in turn, and again at the events of the rest."""
    plain, events = RUNS[name](), count_events(monkeypatch, RUNS[name], tmp_path / "whole")
    for number in range(len(events)):
        folder = tmp_path / f"{number}"
        kill_at(monkeypatch, RUNS[name], folder, number)
        if number % 3 == 0:
            try:
                kill_at(monkeypatch, RUNS[name], folder, 2)
            except AssertionError:  # the rest is shorter
                pass
        assert_equal(RUNS[name](run=folder), plain)
        assert files(folder) == FINISHED
    print(f"{len(events)} places of a kill")


def test_a_finished_run_is_read_and_not_trained(tmp_path, monkeypatch):
    first = without_xla(run=tmp_path / "run")
    monkeypatch.setattr(_search, "score", None)
    monkeypatch.setattr(_search, "refit", None)
    again = without_xla(run=tmp_path / "run")
    assert_equal(again, first)
    assert again.seconds == first.seconds
    assert_equal(sh.Path.load(tmp_path / "run"), first)


def test_the_recorded_plan_is_used_whatever_another_timing_says(tmp_path, monkeypatch):
    first = sh.fit(classifier(mlp), X, Y, penalty="l2", lams=[0.1, 0.2], epochs=2, plan={"xla": False})
    kill_at(monkeypatch, lambda **options: without_xla(**options, plan={"xla": False}), tmp_path, 6)
    resumed = without_xla(run=tmp_path, plan=None)
    assert not resumed.plan["xla"] and first.plan["reason"] == resumed.plan["reason"]


def test_one_folder_has_one_writer(tmp_path):
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / "lock"), pytest.raises(ValueError, match="no other process uses"):
        without_xla(run=tmp_path / "run")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda place: place.write_text("x"), "must be a folder"),
        (lambda place: (place.mkdir(), (place / "mine.txt").write_text("x")), "has other files"),
        (lambda place: (place.mkdir(), (place / "model.safetensors").write_text("x")), "has other files"),
    ],
    ids=["a file", "other files", "weights"],
)
def test_a_folder_of_something_else_is_left_alone(make, message, tmp_path):
    make(tmp_path / "run")
    with pytest.raises(ValueError, match=message):
        without_xla(run=tmp_path / "run")
    assert (tmp_path / "run").exists()


def test_no_file_of_the_user_is_removed(tmp_path, monkeypatch):
    kill_at(monkeypatch, without_xla, tmp_path, 8)
    for name in ("model.safetensors", "notes.unfinished", ".tmp"):
        (tmp_path / name).write_text("mine")
    without_xla(run=tmp_path)
    assert files(tmp_path) == sorted([*FINISHED, "model.safetensors", "notes.unfinished", ".tmp"])


def test_a_relative_folder_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with writes(monkeypatch, lambda *_: os.chdir(tmp_path / "elsewhere")):
        without_xla(run="run")
    assert files(tmp_path / "run") == FINISHED and files(tmp_path / "elsewhere") == []


def test_a_folder_that_vanishes_costs_the_record_and_is_said_once(tmp_path, monkeypatch):
    def watch(event, _):
        if event == "after write":
            shutil.rmtree(tmp_path / "run", ignore_errors=True)

    with warnings.catch_warnings(record=True) as caught, writes(monkeypatch, watch):
        warnings.simplefilter("always")
        path = without_xla(run=tmp_path / "run")
    said = [each for each in caught if "could not be saved" in str(each.message)]
    assert len(said) == 1 and said[0].filename.endswith("runs.py"), "at the line of the caller"
    assert sum("could not be saved" in note for note in path.notes) == 1
    assert_equal(path, without_xla(), notes=False)


def test_a_model_that_cannot_be_stored_is_trained_and_returned(tmp_path):
    class NotStorable(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.layer = keras.layers.Dense(3, "softmax")
            self.units = units

        def call(self, x):
            return self.layer(x)

    def build() -> keras.Model:
        model = NotStorable(object())
        model(X[:1])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    def fit() -> sh.Path:
        return sh.fit(build, X, Y, penalty="l2", lams=[0.1], epochs=1, cv=2, run=tmp_path / "run")

    with pytest.warns(UserWarning, match="is trained, but its result cannot be stored"):
        path = fit()
    assert "cannot be stored there" in path.notes[-1]
    status = read_status(tmp_path / "run")
    assert status is not None and status.storage_error and not status.is_finished
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(_search, "score", None)
        assert_equal(fit(), path, notes=False)


def test_a_refused_call_leaves_no_folder(tmp_path):
    with pytest.raises(ValueError, match="epochs"):
        without_xla(run=tmp_path / "run", epochs=0)
    assert not (tmp_path / "run").exists()
    with pytest.raises(TypeError, match="`run` must be a folder"):
        without_xla(run=3)


OUT_OF_MEMORY = pytest.mark.parametrize(
    "make_error",
    [
        full(lambda: MemoryError("no room"), id="Python"),
        pytest.param(lambda: tf.errors.ResourceExhaustedError(None, None, "no room"), id="TensorFlow"),
    ],
)


@OUT_OF_MEMORY
def test_a_chunk_that_does_not_fit_into_memory_is_halved(make_error, tmp_path, monkeypatch):
    """Also after a kill: the run goes on with the smaller chunks, whatever memory is free then."""
    original = _search.score

    def score(cohort, lam, **options):
        if lam.shape[1] > 1:
            raise make_error()
        return original(cohort, lam, **options)

    with monkeypatch.context() as patch:
        patch.setattr(_search, "score", score)
        halved = arrays_at_once()
        kill_at(monkeypatch, arrays_at_once, tmp_path, 12)
    assert any("Memory ran out with 2 strengths at a time" in note for note in halved.notes)
    assert halved.plan["chunk"] == 1
    assert_equal(arrays_at_once(run=tmp_path), halved)
    np.testing.assert_allclose(halved.cv_loss, arrays_at_once().cv_loss, rtol=1e-4)  # XLA sums in another order


def test_a_run_that_was_killed_for_its_memory_goes_on_with_fewer_strengths_at_a_time(tmp_path, monkeypatch):
    kill_at(monkeypatch, without_xla, tmp_path, 6)
    smaller = {"chunk": 1, "xla": False}
    with writes(monkeypatch, lambda *_: None):
        path = without_xla(run=tmp_path, plan=smaller)
    assert any("went on with a smaller `plan`. At most 1 are trained at a time" in note for note in path.notes)
    assert path.plan["chunk"] == 1
    np.testing.assert_allclose(path.cv_loss, without_xla().cv_loss, rtol=1e-4)  # sums in another order
    assert_equal(without_xla(run=tmp_path), path)
    with pytest.raises(ValueError, match="`chunk` is 7, and was 3"):
        without_xla(run=tmp_path, plan={"chunk": 7, "xla": False})


def test_memory_that_runs_out_after_a_checkpoint(tmp_path, monkeypatch):
    """The checkpoint is of more strengths at a time, and is not gone on from."""
    train, epochs = Cohort.train_epoch, list[int]()

    def train_epoch(self, epoch):
        epochs.append(epoch)
        if len(epochs) == 2:
            raise MemoryError("no room")
        return train(self, epoch)

    with writes(monkeypatch, lambda *_: None):
        monkeypatch.setattr(Cohort, "train_epoch", train_epoch)
        path = without_xla(run=tmp_path)
    assert path.plan["chunk"] == 2 and not any("damaged" in note for note in path.notes)
    assert_equal(path, without_xla(plan={"chunk": 2, "xla": False}), notes=False)


@OUT_OF_MEMORY
def test_memory_for_one_strength_that_runs_out_is_said(make_error, monkeypatch):
    def score(*_, **options):
        raise make_error()

    monkeypatch.setattr(_search, "score", score)
    with pytest.raises(MemoryError, match=r"one strength at a time: give a smaller batch_size.*no room"):
        without_xla()


@cache
def plain() -> sh.Path:
    """The path of `without_xla` without a record."""
    return without_xla()


def train_without_room(monkeypatch, folder: Path, code: int, is_reached: Callable[[list[str]], bool]) -> None:
    """Train while writes fail from some event on. The run says so, returns its path, and leaves a valid record."""
    seen = list[str]()

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    def watch(event, _):
        seen.append(event)
        if is_reached(seen):
            fail()

    with writes(monkeypatch, watch), monkeypatch.context() as patch:
        if code == errno.EROFS:  # the folder takes no result either
            patch.setattr(sh.Path, "save", fail)
        with pytest.warns(UserWarning, match=f"could not be saved .*{os.strerror(code)}"):
            path = without_xla(run=folder)
    *_, note = path.notes
    assert os.strerror(code) in note
    assert_equal(path, plain(), notes=False)
    with warnings.catch_warnings(action="error", category=UserWarning):
        assert_equal(without_xla(run=folder), plain())


@pytest.mark.parametrize(("number", "code"), each_value([1, 2, 3, 6, 12], [errno.ENOSPC, errno.EROFS]))
def test_a_full_disk_costs_the_record_and_not_the_result(number, code, tmp_path, monkeypatch):
    """No file can be written from some time on: there is no room, or the folder became read-only."""
    train_without_room(
        monkeypatch, tmp_path, code, lambda seen: seen[-1].startswith("before") and len(seen) > 2 * number
    )


@pytest.mark.full
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_is_full_from_any_event_on(code, tmp_path, monkeypatch):
    """Also from the end of a write on, where the file is complete and could not be flushed."""
    events = count_events(monkeypatch, without_xla, tmp_path / "whole")
    for number in range(2, len(events)):  # a disk that takes no first line is an error before training
        train_without_room(monkeypatch, tmp_path / f"{number}", code, lambda seen, first=number: len(seen) > first)
        assert files(tmp_path / f"{number}") == FINISHED
    print(f"{len(events) - 2} places of a full disk")


@pytest.mark.full
def test_rows_that_cannot_be_read_stop_the_run_with_a_record(tmp_path, monkeypatch):
    """The source of the rows fails in the third epoch, and is back later."""
    written, original = list[str](), Spool.read

    def read(self, *arguments):
        if written.count("after write") >= 2:  # of the checkpoints of two epochs
            raise OSError(5, "Input/output error")
        return original(self, *arguments)

    with writes(monkeypatch, lambda event, _: written.append(event)), monkeypatch.context() as patch:
        patch.setattr(Spool, "read", read)
        with pytest.raises(OSError, match="Input/output error"):
            on_disk(run=tmp_path, epochs=4)
    assert [name for name in files(tmp_path) if name.endswith("safetensors")] == ["part-0000-epoch-0002.safetensors"]
    assert_equal(on_disk(run=tmp_path, epochs=4), on_disk(epochs=4))


def test_a_disk_that_is_full_at_the_beginning_is_an_error_before_training(tmp_path, monkeypatch):
    def watch(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_search, "score", None)
    with writes(monkeypatch, watch), pytest.raises(OSError, match="No space left"):
        without_xla(run=tmp_path / "run")


def test_checkpoints_are_rare_where_they_cost_much(tmp_path, monkeypatch):
    """A checkpoint that takes 50 ms waits for 2.5 s of training: here the time stands still, and none is written."""
    monkeypatch.setattr(_record.time, "monotonic", lambda: 0.0)
    names = list[str]()
    original = RunFolder.write
    monkeypatch.setattr(
        RunFolder, "write", lambda self, name, tree: (names.append(name), original(self, name, tree))[1]
    )
    without_xla(run=tmp_path)
    assert names == ["part-0000", "part-0001", "part-0002", "part-0003"]


def test_a_file_is_on_the_disk_before_the_journal_names_it(tmp_path, monkeypatch):
    """Power loss drops what was not flushed: at no time does a flushed line name a file that is not."""
    events = list[str]()
    fsync, replace = os.fsync, Path.replace

    def syncing(number):
        events.append(f"sync {Path(os.readlink(f'/proc/self/fd/{number}')).name}")
        fsync(number)

    def renaming(self, target):
        events.append(f"rename {self.name}")
        return replace(self, target)

    folder = RunFolder(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", syncing)
        patch.setattr(Path, "replace", renaming)
        folder.append({"kind": "part", **folder.write("part", [np.zeros(3)])})
    folder.release()
    assert events == ["sync part.unfinished", "rename part.unfinished", "sync run", "sync journal.jsonl"]
