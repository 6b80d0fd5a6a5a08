"""`budget`: a search on a part of the rows, and a training of the choice on all rows."""

import logging
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import shrinkage as sh
from shrinkage._cv._choice import choose_paired_strength
from shrinkage._path._curve import Status
from shrinkage._plan._probe import Timing
from shrinkage._search._search import Search
from tests.daily import some_every_day
from tests.fit import within_budget
from tests.fit.fitting import X, classifier, line, small_blocks
from tests.fit.within_budget import (
    LABELS,
    MANY,
    OVERFITTING,
    PLAN,
    TARGET,
    N,
    found,
    overfitting,
    search,
    stopped,
)

RANDOM = np.random.default_rng(8)


class Trained(Exception):  # noqa: N818 (no error)
    """The training began."""


def test_the_search_trains_few_members_within_the_budget():
    path = found()
    assert path.budget == 1.5 and path.folds.is_rung and path.cv_loss.shape[0] == 1 and 4 <= len(path.lams) <= 6
    trials = {name: column.to_numpy() for name, column in path.trials.items()}
    assert trials["cost"].sum() <= 1.5 and trials["cost"].min() > 0.2
    assert (trials["rows"] == path.folds.train.sizes[0]).all() and 0.2 * N < path.folds.train.sizes[0] <= 0.25 * N
    np.testing.assert_allclose(trials["delta"], path.lams * N)
    assert {100.0, 10.0, 0.0} <= {round(delta, 6) for delta in trials["delta"]}
    assert trials["difference"][path.index] == trials["error"][path.index] == 0
    assert np.isfinite(path.row_loss).all() and np.ptp(path.mean) > 0.03


def test_the_choice_is_the_largest_strength_within_a_paired_standard_error():
    path = found()
    best = int(np.argmin(path.mean))
    difference = path.row_loss - path.row_loss[:, [best]]
    error = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
    assert path.index == np.flatnonzero(path.mean - path.mean[best] <= error)[0]
    assert path.lam == path.lams[path.index] > 0
    from_choice = path.row_loss - path.row_loss[:, [path.index]]
    np.testing.assert_allclose(path.trials["error"], from_choice.std(axis=0, ddof=1) / np.sqrt(len(from_choice)))


SEARCHES: dict[str, dict[str, Any]] = {
    "L2": {"penalty": sh.L2()},
    "decoupled": {"penalty": sh.L2(), "how": sh.Decoupled()},
    "L1": {"penalty": sh.L1()},
    "elastic net": {"penalty": sh.ElasticNet(0.5)},
    "group lasso": {"penalty": sh.GroupLasso()},
}


@pytest.mark.parametrize("name", some_every_day(SEARCHES, "L2"))
def test_members_are_those_of_the_rung_alone(name):
    """n * lambda is the same on the part of the rows; for `Decoupled` lambda times the sum of the learning rates."""
    options = SEARCHES[name]
    path = search(plan=PLAN, epochs=18, **options)
    train, held_out = path.folds.train[0], path.folds.held_out[0]
    alone = sh.fit(
        classifier(), MANY[train], LABELS[train], validation_data=(MANY[held_out], LABELS[held_out]),
        lams=path.lams * N / len(train), epochs=18, batch_size=16, plan=PLAN, **options,
    )  # fmt: skip
    scored = np.isfinite(path.cv_loss)
    assert scored[0].any(axis=0).sum() == 2 and scored[:, :, -1].all(), "two of 18 epochs"
    np.testing.assert_allclose(path.cv_loss[scored], alone.cv_loss[scored], rtol=1e-4)
    assert np.ptp(alone.cv_loss[scored]) > 0.05
    total = 18 * 100 * 0.02 if name == "decoupled" else N  # Adam's learning rate in 18 epochs of 100 batches
    np.testing.assert_allclose(path.trials["delta"], path.lams * total, rtol=1e-5)


def test_the_choice_is_trained_on_all_rows_up_to_the_epoch_of_the_rung():
    path = stopped()
    epoch = int(path.epochs[path.index])
    assert 1 < epoch < 30 and path.lam > 0
    assert [status is Status.OK for status in path.full_status] == [lam == path.lam for lam in path.lams]
    options = OVERFITTING | {"epochs": epoch, "epoch": "last", "penalty": sh.L2(), "batch_size": 16}
    alone = sh.fit(overfitting(), MANY, LABELS, lams=[path.lam], cv=0.5, **options)
    for one, other in zip(path.model().get_weights(), alone.model(path.lam).get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_a_schedule_is_stretched_to_the_steps_of_the_rung():
    def model(boundary: int) -> keras.Model:
        rate = keras.optimizers.schedules.PiecewiseConstantDecay([boundary], [0.05, 0.0])
        return line(optimizer=keras.optimizers.SGD(rate))

    options: dict[str, Any] = {"plan": PLAN, "epoch": "last", "penalty": sh.L2(), "epochs": 6, "batch_size": 16}
    path = sh.fit(model(2 * N // 16 - 1), MANY, TARGET, budget=1.5, **options)  # after two epochs of all rows
    train, held_out = path.folds.train[0], path.folds.held_out[0]
    given = {"validation_data": (MANY[held_out], TARGET[held_out]), "lams": path.lams * N / len(train)}
    same, other = (
        sh.fit(model(boundary), MANY[train], TARGET[train], **given, **options)
        for boundary in (2 * round(len(train) / 16) - 1, 2 * N // 16 - 1)
    )
    np.testing.assert_allclose(path.cv_loss[..., -1], same.cv_loss[..., -1], rtol=1e-4)
    assert (np.abs(path.cv_loss[..., -1] - other.cv_loss[..., -1]) > 1e-3).any()


def test_the_best_choice_is_not_an_end_of_the_strengths_unless_the_budget_ends():
    noise = RANDOM.normal(size=(N, 200)).astype("float32")
    up = search(line(199, keras.optimizers.SGD(0.01)), noise[:, :199], noise[:, 199], epochs=20)
    down = search(line(), y=MANY[:, 0] * 5)
    assert up.index == 0 and len(up.lams) == 6 and up.lam * N > 500
    assert "largest strength tried" in repr(up) and "leave `budget` out for the whole grid" in repr(up)
    assert len(down.lams) == 6 and down.lams[-2] < 2 * down.lams[0] / 100
    assert down.lam == 0 and "No model was trained on all rows with a penalty." in " ".join(repr(down).split())


@pytest.mark.parametrize(("epoch", "scored", "kept"), [("last", [6], 6), (3, [3, 6], 3)])
def test_an_epoch_that_is_asked_for(epoch, scored, kept):
    path = search(epoch=epoch)
    assert (np.flatnonzero(np.isfinite(path.cv_loss[0, 0])) + 1).tolist() == scored and (path.epochs == kept).all()


def test_the_best_epoch_is_that_of_the_few_scores():
    path = stopped()
    scored = np.isfinite(path.cv_loss[0])
    assert (scored == scored[0]).all() and 3 <= scored[0].sum() <= 10 and scored[0, -1]
    assert path.epochs.tolist() == (np.nanargmin(path.cv_loss[0], axis=1) + 1).tolist()
    assert (path.epochs < 30).all()


def test_what_is_printed_names_what_was_not_measured(capsys, tmp_path):
    path = found()
    text = " ".join(repr(path).split())
    m, h = path.folds.train.sizes[0], path.folds.held_out.sizes[0]
    assert f"{len(path.lams)} strengths x 1 split of {m} rows, then 1 on all rows: {len(path.lams) + 1} models" in text
    opening = "Use" if path.gain.low > 0 else "The choice is"
    assert f"{opening} L2 at {path.lam:.2e} (n * lambda = {path.lam * N:.3g}): trained on {m} of 1,600 rows" in text
    assert f"scored on {h} others" in text and "No model was trained on all rows without a penalty." in text
    assert "whole grid would take less than two minutes: leave `budget` out" in text
    assert "choice " in repr(path) and "trial " in repr(path) and "1se" not in repr(path) and "min " not in repr(path)
    search(progress=False, verbose=True)
    printed = capsys.readouterr().err
    assert f"strengths on {m} of 1,600 rows, scored on {h} others" in printed and "would take 105 trainings" in printed
    path.plot(tmp_path / "picture.png")
    path.save(tmp_path / "path")
    again = sh.Path.load(tmp_path / "path")
    assert repr(again) == repr(path) and again.lam == path.lam and again.trials.equals(path.trials)


def test_a_script_finds_the_size_and_the_cost_in_the_log_before_the_training(caplog, capsys):
    logged = list[str]()

    def end(_: Any) -> None:
        logged.extend(caplog.messages)
        raise Trained

    with caplog.at_level(logging.INFO, logger="shrinkage"), pytest.raises(Trained):
        search(plan=PLAN, progress=False, on_epoch=end)
    (text,) = [words for words in logged if words.startswith("Search: at most ")]
    train, held_out = found().folds.train.sizes[0], found().folds.held_out.sizes[0]
    assert f"strengths on {train} of 1,600 rows, scored on {held_out} others, for at most 1." in text
    assert "trainings on all rows (about " in text and "The whole grid would take 105 trainings (about " in text
    assert "Search" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["index_min", "index_1se", "lam_min", "lam_1se"])
def test_choices_of_a_grid_name_the_choice(name):
    with pytest.raises(
        ValueError, match="need a path of a grid.* Received: a path of a search within a budget. Use `index` and `lam`"
    ):
        getattr(found(), name)
    with pytest.raises(ValueError, match="search within a budget"):
        found().model("1se")
    with pytest.raises(ValueError, match="was not chosen. Call fit without `budget`, or call"):
        found().model("none")


def test_groups_and_validation_rows():
    groups = np.arange(N) // 8
    path = search(groups=groups)
    assert not set(groups[path.folds.train[0]]) & set(groups[path.folds.held_out[0]]) and path.n_rows == N
    assert path.groups is not None and len(path.groups) % 8 == 0
    by_group = path.row_loss[np.argsort(path.groups, kind="stable")].reshape(-1, 8, len(path.lams)).mean(axis=1)
    difference = by_group - by_group[:, [path.index]]
    error = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
    np.testing.assert_allclose(path.trials["error"], error, atol=1e-12)
    np.testing.assert_allclose(path.se, by_group.std(axis=0, ddof=1) / np.sqrt(len(by_group)))
    assert error.max() > 0 and "se (groups)" in str(path)
    given = search(x=MANY[:1300], y=LABELS[:1300], validation_data=(MANY[1300:], LABELS[1300:]))
    assert given.folds.held_out[0].tolist() == list(range(1300, N)) and given.n_rows == 1300
    assert given.folds.train.sizes[0] <= 325


def test_rows_on_disk(monkeypatch, tmp_path):
    blocks = small_blocks(monkeypatch, tmp_path, block=200, sample=1000, read=100)
    next(blocks)
    dataset = tf.data.Dataset.from_tensor_slices((MANY, LABELS)).batch(16)
    path = search(x=dataset, y=None, max_memory=4e4, batch_size=None, plan=PLAN)
    next(blocks, None)
    memory = found()
    assert path.plan["blocks"] > 1 and path.n_rows == N
    np.testing.assert_array_equal(path.folds.train.sizes, memory.folds.train.sizes)
    np.testing.assert_allclose(path.mean[-1], memory.mean[-1], atol=4 * memory.se.max())
    assert path.lam > 0 and np.isfinite(path.model().predict(X, verbose=0)).all()


def test_a_standardised_target_and_weights():
    weight = np.random.default_rng(2).uniform(size=N) * (np.arange(N) % 9 > 0)
    path = search(line(), y=100 * TARGET, standardize_target=True, sample_weight=weight)
    assert 0.1 < path.mean.min() < 0.5 and weight[path.folds.train[0]].min() > 0


NO_ROOM: dict[str, tuple[dict[str, Any], str]] = {
    "rows": ({"x": MANY[:600], "y": LABELS[:600]}, "a part of 600 rows .*at least 1,200 .* 21 strengths in 5 folds"),
    "rows that count": (
        {"sample_weight": np.arange(N) % 2 * 1.0},
        "a part of 800 rows .*at least 1,200 .* 21 strengths in 5 folds",
    ),
    "batches": ({"batch_size": 120}, "at least ten batches. The whole grid is trained: 21 strengths in 5 folds and"),
    "given rows": (
        {"x": MANY[:600], "y": LABELS[:600], "validation_data": (MANY[600:], LABELS[600:])},
        "a part of 600 rows .* 21 strengths in 1 fold ",
    ),
    "a large group": (
        {"groups": np.maximum(np.arange(N) - 1500, 0)},
        "the groups are so large .* 21 strengths in 5 folds",
    ),
    "groups": ({"groups": np.arange(N) // 320, "budget": 1.2}, "the groups are so large .* 21 strengths in 5 folds"),
}


@pytest.mark.filterwarnings("ignore:The folds hold out from")
@pytest.mark.parametrize("name", NO_ROOM)
def test_that_the_grid_is_trained_is_said_before_it(name, monkeypatch):
    options, words = NO_ROOM[name]

    def train(*_: Any) -> None:
        raise Trained

    monkeypatch.setattr("shrinkage._search._search.Search.run", train)
    with pytest.warns(UserWarning, match=f"`budget` is not used: .*{words}"), pytest.raises(Trained):
        search(**options)


def test_too_little_for_a_search_trains_the_grid_and_notes_so():
    with pytest.warns(UserWarning, match="`budget` is not used") as warned:
        path = search(x=MANY[:600], y=LABELS[:600], epochs=1)
    (note,) = [each for each in warned if each.category is UserWarning]
    assert note.filename == within_budget.__file__, "the line of the call"
    assert path.budget is None and len(path.lams) >= 21 and path.cv_loss.shape[0] == 5 and path.lam == path.lam_min
    assert [words for words in path.notes if "`budget`" in words] == [str(note.message)]
    assert not any("less than two minutes" in words for words in path.notes)


def test_no_shorter_way_is_named_where_the_grid_takes_long(monkeypatch):
    """A step is timed as a second: the 600 steps of a training take ten minutes."""
    assert any("less than two minutes" in words for words in found().notes)
    monkeypatch.setattr("shrinkage._plan._runner.time_steps", lambda *_: Timing(10.0, 1.0))
    path = search(plan=PLAN)
    assert path.budget == 1.5 and not any("less than two minutes" in words for words in path.notes)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "few rows to score": (
        {"validation_data": (MANY[:74], LABELS[:74])},
        "`validation_data` must have at least 75 rows with `budget`.* Received: 74",
    ),
    "small": ({"budget": 1.0}, "`budget` must be a number of trainings on all rows, at least 1.2"),
    "text": ({"budget": "1.5"}, "`budget` must be a number"),
    "bool": ({"budget": True}, "`budget` must be a number"),
    "infinite": ({"budget": float("inf")}, "`budget` must be a number"),
    "toward": ({"penalty": sh.L2(toward="initial")}, r"`budget` needs L2\(\), L1\(\), .* Received: L2\(toward="),
    "lams": ({"lams": [0.1]}, "`lams` must be left out with `budget`"),
    "cv": ({"cv": 4}, "`cv` must be left out with `budget`"),
    "fold numbers": ({"cv": np.arange(N) % 3}, "`cv` must be left out with `budget`"),
    "repeats": ({"repeats": 2}, "`repeats` must be left out with `budget`"),
    "patience": ({"patience": 2}, "`patience` must be left out with `budget`"),
    "models": ({"models": "chosen"}, "`models` must be left out with `budget`"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_search_was_not_measured_for_is_refused(name):
    options, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        search(**options)


def test_a_choice_that_diverges_on_all_rows_is_left_out(monkeypatch):
    """The next candidate is the choice among the other strengths, on the losses of the same rung."""
    whole, trained = found(), list[float]()
    real = Search.train_all_rows

    def train(self: Search, lams: np.ndarray, kept: np.ndarray) -> Any:
        """The first two choices diverge."""
        models = real(self, lams, kept)
        trained.extend(lams.tolist())
        return [model._replace(diverged=len(trained) <= 2) for model in models]

    monkeypatch.setattr(Search, "train_all_rows", train)
    path = search(plan=PLAN)
    np.testing.assert_array_equal(path.cv_loss, whole.cv_loss)
    places, left = list[int](), whole.mean.copy()
    for _ in range(3):
        places.append(choose_paired_strength(left, whole.row_loss))
        left[places[-1]] = np.nan
    assert len(set(places)) == 3 and places[0] == whole.index
    assert trained == path.lams[places].tolist() and path.index == places[-1]
    assert [path.full_status[place] for place in places] == [Status.DIVERGED, Status.DIVERGED, Status.OK]
    assert (np.delete(path.full_status, places) == Status.NOT_TRAINED).all()
    assert np.isfinite(path.model().predict(X, verbose=0)).all() and path.failed[places].tolist() == [True, True, False]
    with pytest.raises(ValueError, match="`lam` must be .* Received: lam = .*, whose model diverged"):
        path.model(path.lams[places[0]])


def test_a_search_in_which_every_model_of_all_rows_diverges_has_no_choice(monkeypatch):
    real = Search.train_all_rows

    def train(self: Search, lams: np.ndarray, kept: np.ndarray) -> Any:
        return [model._replace(diverged=True) for model in real(self, lams, kept)]

    monkeypatch.setattr(Search, "train_all_rows", train)
    path = search(plan=PLAN, epochs=1)
    assert (path.full_status == Status.DIVERGED).all() and path.failed.all()
    with pytest.raises(sh.NothingToChoose):
        path.model()


def test_a_search_in_which_every_strength_diverges_has_no_choice():
    with np.errstate(all="ignore"):
        wild = search(line(optimizer=keras.optimizers.SGD(1e6)), y=TARGET)
    assert wild.failed.all() and "Lower the learning rate" in repr(wild)
    with pytest.raises(sh.NothingToChoose):
        wild.model()
