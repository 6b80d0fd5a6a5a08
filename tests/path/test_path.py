import dataclasses
import json
import re
import sys
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import shrinkage as sh
from shrinkage._path._curve import Status
from shrinkage._path._path import Path
from shrinkage._penalties import L1, L2, Coupled, Decoupled, ElasticNet, GroupLasso, Proximal
from tests.synthetic_path import LAMS, StubTemplate, diverged, make_path


@pytest.fixture
def stub_template(monkeypatch):
    """Let `Path.load` find the stub where it looks for `Template`."""
    module = ModuleType("shrinkage._model._template")
    module.__dict__["Template"] = StubTemplate
    monkeypatch.setitem(sys.modules, "shrinkage._model._template", module)


def test_predictions_of_several_outputs_are_saved_in_their_structure(stub_template, tmp_path):
    rows = np.random.default_rng(0).random((200, len(LAMS), 1))
    make_path(predictions=(rows, {"a": 2 * rows})).save(tmp_path / "run")
    first, second = Path.load(tmp_path / "run").predictions
    np.testing.assert_array_equal(first, rows)
    np.testing.assert_array_equal(second["a"], 2 * rows)


def test_targets_are_saved_in_their_structure_and_an_output_without_a_loss_has_none(stub_template, tmp_path):
    labels = np.arange(200)
    make_path(targets=(labels, {"a": None})).save(tmp_path / "run")
    first, second = Path.load(tmp_path / "run").targets
    np.testing.assert_array_equal(first, labels)
    assert second == {"a": None}
    make_path().save(tmp_path / "without")
    assert Path.load(tmp_path / "without").targets is None


# --- what is derived


def test_means_and_choices_are_those_of_the_chosen_epochs():
    path = make_path(epochs=np.array([3] * 20 + [5]))
    np.testing.assert_array_equal(path.fold_loss[:, -1], path.cv_loss[:, -1, 4])
    np.testing.assert_allclose(path.mean, path.fold_loss.mean(axis=0))
    np.testing.assert_allclose(path.se, path.fold_loss.std(axis=0, ddof=1) / np.sqrt(5))
    assert path.index_min == np.argmin(path.mean)
    assert (path.lam_min, path.lam_1se) == (path.lams[path.index_min], path.lams[path.index_1se])
    assert path.lam_1se > path.lam_min > 0


def test_a_single_split_takes_its_standard_error_from_rows():
    path = make_path(n_folds=1)
    np.testing.assert_allclose(path.se, path.row_loss.std(axis=0, ddof=1) / np.sqrt(40))
    difference = path.row_loss[:, -1] - path.row_loss[:, path.index_min]
    assert path.gain.mean == pytest.approx(difference.mean())
    assert np.isnan(path.optimism)


@pytest.mark.parametrize("where", ["status", "full_status"])
def test_a_strength_with_a_diverged_model_is_shown_and_not_chosen(where):
    best = make_path().index_min
    status = getattr(make_path(), where).copy()
    status[..., best] = Status.DIVERGED
    path = make_path(**{where: status})
    assert np.isfinite(path.mean[best]) and path.index_min != best and path.index_1se != best
    assert list(np.flatnonzero(path.table()["failed"])) == [best]


UNKNOWN = np.full(21, np.nan)
NOTHING: dict[str, dict[str, Any]] = {  # ways in which every strength has a model that diverged
    "folds": diverged(make_path(), LAMS >= 0)
    | {"full_status": np.full(21, Status.SKIPPED, dtype=object), "weights": ()}
    | {"norm": UNKNOWN, "nonzero": UNKNOWN},
    "all rows": {"full_status": np.full(21, Status.DIVERGED, dtype=object)},
    "one fold": {"status": np.array([[Status.DIVERGED] * 21] + [[Status.OK] * 21] * 4, dtype=object)},
    "losses": {"cv_loss": np.full((5, 21, 6), np.inf)},
}


@pytest.mark.parametrize("changes", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("n_folds", [5, 1])
def test_a_path_on_which_all_diverged_has_no_choice_and_all_else(tmp_path, stub_template, changes, n_folds):
    if n_folds == 1:
        changes = changes | {name: changes[name][:1] for name in ("status", "cv_loss") if name in changes}
    path = make_path(**changes, n_folds=n_folds)
    assert path.failed.all() and bool(np.all(path.table()["failed"]))
    for name in ("index_min", "index_1se", "lam_min", "lam_1se", "gain", "null_gain", "optimism"):
        with pytest.raises(sh.NothingToChoose, match="at every strength at least one model diverged. Lower the"):
            getattr(path, name)
    for lam in ("min", "1se"):
        with pytest.raises(sh.NothingToChoose):
            path.model(lam)
    assert "diverged" in repr(path) and "\nmin" not in repr(path) and "\nnone" in repr(path)
    assert path.verdict().startswith(
        "Lower the learning rate, or scale the inputs. There is nothing to choose from: at"
    )
    path.save(tmp_path / "run")
    loaded = Path.load(tmp_path / "run")
    assert repr(loaded) == repr(path) and json.loads((tmp_path / "run" / "path.json").read_text())["lam_min"] is None


def test_no_model_is_given_out_where_none_was_trained_on_all_rows():
    path = make_path(**NOTHING["folds"])
    with pytest.raises(sh.NothingToChoose):
        path.model(0.1)
    with pytest.raises(ValueError, match="one of `lams`"):
        path.model(0.123)
    assert repr(path).splitlines()[0].endswith("21 strengths x 5 folds: 105 models in 5.9 s")
    assert "105 of 105 models diverged (the loss became NaN or infinite): at every strength." in repr(path)


@pytest.mark.parametrize(
    ("folds", "words"), [([3], r"It was fold 4, and no other.*path.folds.train\[3\]"), ([0, 3], "1, 4")]
)
def test_folds_that_alone_diverged_are_named(folds, words):
    status = make_path().status.copy()
    status[folds] = Status.DIVERGED
    assert re.search(words, make_path(status=status).verdict())
    status[1, 5] = Status.DIVERGED
    assert "no other" not in make_path(status=status).verdict()


def test_the_gain_over_a_constant_is_measured_as_that_over_no_penalty():
    """With the losses of lambda = 0 in place of the constant's both are the same."""
    for n_folds in (5, 1):
        path = make_path(n_folds=n_folds)
        same = make_path(n_folds=n_folds, null_fold_loss=path.fold_loss[:, -1], null_row_loss=path.row_loss[:, -1])
        assert same.null_gain == same.gain and same.gain.low < same.gain.mean != 0
    assert np.isnan(make_path().null_gain.low)


def test_the_record_cannot_be_changed():
    path = make_path()
    with pytest.raises(dataclasses.FrozenInstanceError):
        path.seed = 1  # pyright: ignore[reportAttributeAccessIssue]
    for array in (path.lams, path.status, path.weights[0], path.metrics["accuracy"]):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


def test_the_arrays_it_was_made_from_stay_writable():
    lams = LAMS.copy()
    make_path(lams)
    lams[0] = 7.0


# --- the model


def test_the_model_is_the_one_of_its_strength():
    path = make_path()
    chosen = {path.index_min: path.model(), path.index_1se: path.model("1se"), 20: path.model(0.0)}
    chosen |= {12: path.model(1e-3 * (1 + 1e-7)), 0: path.model(1), 4: path.model(cast(Any, np.float32(0.1)))}
    for index, model in chosen.items():
        for ours, stored in zip(cast(Any, model), path.weights, strict=True):
            np.testing.assert_array_equal(ours, stored[index])


def test_a_strength_that_was_not_trained_is_an_error_that_lists_the_nearest():
    with pytest.raises(ValueError, match=r"Received: 0.0011. The nearest are 0.001, 0.00056\d*, 0.00177\d*"):
        make_path().model(0.0011)
    with pytest.raises(ValueError, match='"min", "1se", "none" or one of `lams`'):
        make_path().model("best")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="nearest"):
        make_path().model(float("nan"))


@pytest.mark.parametrize("lam", [[0.1], np.array([0.1, 0.2]), {}, True, 1j])
def test_a_strength_that_is_no_number_is_an_error_that_says_so(lam):
    with pytest.raises(TypeError, match='"min", "1se", "none" or a number of `lams`. Received: '):
        make_path().model(lam)


def test_a_model_that_diverged_is_not_given_out():
    status = make_path().full_status.copy()
    status[0] = Status.DIVERGED
    with pytest.raises(ValueError, match="`lam` must be .* Received: lam = 1, whose model diverged.*Choose another"):
        make_path(full_status=status).model(1.0)


# --- the table


def test_the_data_frame_has_a_row_for_each_strength():
    path = make_path()
    table = path.table()
    columns = ["lam", "index", "loss", "se", "train_loss", "accuracy", "epoch", "norm", "nonzero", "failed"]
    assert list(table) == columns and len(table) == 21
    np.testing.assert_array_equal(table["index"], np.arange(1, 22))
    np.testing.assert_array_equal(table["loss"], path.mean)


# --- on disk


def _parts(record):
    """Return the fields of a record, without the values that it keeps of its properties."""
    names = [field.name for field in dataclasses.fields(record)] if dataclasses.is_dataclass(record) else vars(record)
    return {name: getattr(record, name) for name in names}


def assert_same(ours, theirs):
    """Compare two fields, with records, tuples and dictionaries of arrays by their parts."""
    if isinstance(ours, StubTemplate) or dataclasses.is_dataclass(ours):
        assert type(ours) is type(theirs)
        ours, theirs = (_parts(record) for record in (ours, theirs))
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        ours, theirs = tuple(ours.values()), tuple(theirs.values())
    if isinstance(ours, tuple):
        assert type(theirs) is tuple and len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        np.testing.assert_array_equal(ours, theirs, strict=isinstance(ours, np.ndarray))


@pytest.mark.parametrize(
    "changes",
    [
        {"target_mean": 152.1, "target_sd": 77.0},
        {"n_folds": 1, "penalty": L1(), "how": Proximal(), "notes": ("a note", "and another")},
        {"penalty": ElasticNet(0.3), "how": Coupled()},
        {"how": Decoupled()},
        {"penalty": GroupLasso((-2, -1)), "how": Proximal(), "zero_groups": np.arange(21)},
        {"penalty": L2(toward="initial")},
        {"null_fold_loss": np.arange(5.0), "null_row_loss": np.arange(200.0)},
        {"null_loss": float("nan"), "null_se": float("nan"), "null_metrics": {}, "metrics": {}},
        diverged(make_path(), LAMS > 0.5)
        | {"plan": {"steps": np.int64(3), "unrolled": ("a", "b"), "versions": {"x": 1}}},
    ],
)
def test_what_is_loaded_is_what_was_saved(tmp_path, stub_template, changes):
    path = make_path(**changes)
    path.save(tmp_path / "new" / "run")
    loaded = Path.load(tmp_path / "new" / "run")
    for field in dataclasses.fields(Path):
        assert_same(getattr(path, field.name), getattr(loaded, field.name))
    assert repr(loaded) == repr(path)
    with pytest.raises(ValueError, match="read-only"):
        loaded.cv_loss[:] = 0


def test_weights_that_a_penalty_draws_towards_are_saved(tmp_path, stub_template):
    given = L2(toward=[np.arange(4.0).reshape(2, 2), np.ones(3)])
    make_path(penalty=given).save(tmp_path / "run")
    loaded = cast(Any, Path.load(tmp_path / "run").penalty).toward
    for ours, theirs in zip(cast(Any, given.toward), loaded, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_json_is_standard_and_says_the_choice(tmp_path):
    path = make_path(null_loss=float("nan"), null_se=float("nan"))
    path.save(tmp_path / "run")
    record = json.loads((tmp_path / "run" / "path.json").read_text(), parse_constant=pytest.fail)
    assert record["lam_min"] == path.lam_min and record["verdict"] == path.verdict()


def test_a_folder_that_exists_is_refused_unless_told(tmp_path, stub_template):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        make_path().save(tmp_path)
    make_path().save(tmp_path, overwrite=True)
    make_path(seed=3).save(tmp_path, overwrite=True)
    assert Path.load(tmp_path).seed == 3
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def damaged(folder, how):
    if how == "foreign":
        (folder / "path.json").write_text('{"format": "something else", "schema": 1}')
    elif how == "no json":
        (folder / "path.json").unlink()
    elif how == "torn json":
        (folder / "path.json").write_text('{"format": ')
    elif how == "a list":
        (folder / "path.json").write_text("[1, 2]")
    elif how == "newer":
        record = json.loads((folder / "path.json").read_text())
        (folder / "path.json").write_text(json.dumps(record | {"schema": 99}))
    elif how == "torn arrays":
        (folder / "arrays.npz").write_bytes((folder / "arrays.npz").read_bytes()[:-100])
    elif how == "pickled arrays":
        np.savez(folder / "arrays.npz", lams=np.array([SimpleNamespace()], dtype=object))
    elif how == "other arrays":
        np.savez(folder / "arrays.npz", lams=np.zeros(3))
    elif how == "no template":
        (folder / "template.keras").unlink()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            "foreign",
            "which is damaged \\(the format in path.json is 'something else'\\). Give another folder, or fit again",
        ),
        ("no json", "^`folder` must be an intact folder of `Path.save`. Received: '.*', which has no path.json. Give"),
        ("torn json", "which is damaged \\(path.json is not JSON: Expecting value"),
        ("a list", "which is damaged \\(the format in path.json is \\[1, 2\\]\\)"),
        ("newer", "in schema 2, which this version .* reads. Received: .* with a path in schema 99"),
        ("torn arrays", "which is damaged \\(arrays.npz .* fit again and save the path with `overwrite=True`"),
        ("pickled arrays", "which is damaged .*allow_pickle"),
        ("other arrays", "which is damaged .*cv_loss"),
        ("no template", "which has no template.keras. Give another folder, or fit again"),
    ],
)
def test_a_folder_that_is_not_a_saved_path(tmp_path, stub_template, how, message):
    make_path().save(tmp_path / "run")
    damaged(tmp_path / "run", how)
    with pytest.raises(ValueError, match=message):
        Path.load(tmp_path / "run")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="^`folder` must be .*, which does not exist"):
        Path.load(tmp_path / "nowhere")


@pytest.mark.parametrize("at", ["the arrays", "the template", "the record"])
def test_a_save_that_breaks_off_leaves_what_was_there(tmp_path, stub_template, monkeypatch, at):
    make_path(seed=3).save(tmp_path / "run")
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    broken = make_path(plan={"unsaveable": object()} if at == "the record" else {})
    if at == "the arrays":
        monkeypatch.setattr(np, "savez", _full_disk)
    elif at == "the template":
        monkeypatch.setattr(type(broken.template), "save", _full_disk)
    for folder in ("run", "new"):
        with pytest.raises((TypeError, OSError), match=r"object cannot be written|No space left"):
            broken.save(tmp_path / folder, overwrite=True)
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["run"]
    assert Path.load(tmp_path / "run").seed == 3


def _full_disk(*arguments: Any, **named: Any) -> None:
    raise OSError(28, "No space left on device")


def test_a_mixture_of_two_saved_paths_does_not_look_whole(tmp_path, stub_template, monkeypatch):
    make_path(seed=3).save(tmp_path / "run")
    monkeypatch.setattr(type(tmp_path), "replace", _full_disk)  # a kill while the files are moved to their place
    with pytest.raises(OSError, match="No space left"):
        make_path(seed=4).save(tmp_path / "run", overwrite=True)
    with pytest.raises(
        ValueError, match="must be an intact folder of `Path.save`. Received: .*, which has no path.json"
    ):
        Path.load(tmp_path / "run")
