import re
from typing import Any

import keras
import numpy as np
import pytest

from shrinkage._model._objective import get_compiled_loss_name
from shrinkage._path._curve import Status
from shrinkage._path._words import format_loss_name
from shrinkage._penalties import L1, L2, Coupled, Decoupled, ElasticNet, GroupLasso, Proximal
from tests.synthetic_path import LAMS, StubTemplate, diverged, make_path


def exactly(path, mean, se, **changes):
    """Change a path so that its table has these means and standard errors (5 equal folds)."""
    deviation = np.array([-1.0, 1.0, 0.0, -1.0, 1.0])[:, None] * np.sqrt(5) * np.asarray(se)[None]
    fold_loss = np.asarray(mean)[None] + deviation
    return make_path(cv_loss=np.repeat(fold_loss[:, :, None], path.cv_loss.shape[2], axis=2), **changes)


def test_the_layout_is_that_of_the_readme():
    lams = np.append(10.0 ** (-0.5 - 0.211 * np.arange(20)), 0.0)
    lams[[11, 15]] = 8.86e-4, 1.27e-4
    mean, se = np.full(21, 0.2), np.full(21, 0.011)
    mean[[20, 15, 11]], se[20] = (0.121, 0.098, 0.105), 0.014
    accuracy, norm, epochs = np.full(21, 0.9), np.full(21, 1.0), np.full(21, 5)
    accuracy[[20, 15, 11]], norm[[20, 15, 11]], epochs[[20, 15, 11]] = (
        (0.968, 0.973, 0.971),
        (19.8, 14.2, 9.1),
        (3, 6, 2),
    )
    path = exactly(make_path(), mean, se, lams=lams, metrics={"accuracy": accuracy}, norm=norm, epochs=epochs)
    np.testing.assert_allclose(path.se[[20, 15]], [0.014, 0.011], rtol=1e-12)
    assert repr(path).splitlines()[:6] == [
        "L2 path of sequential: 8,970 weights, 8,832 penalised; 21 strengths x 5 folds, then all rows: "
        "126 models in 5.9 s",
        "        lambda     index    log loss       se    accuracy    epoch    ||w||",
        "null                            2.30     0.00       0.101",
        "none         0        21       0.121    0.014       0.968        3     19.8",
        "min   1.27e-04        16       0.098    0.011       0.973        6     14.2",
        "1se   8.86e-04        12       0.105    0.011       0.971        2      9.1",
    ]


def test_l1_has_a_column_of_nonzero_weights():
    nonzero = np.arange(21) * 100
    lines = repr(make_path(penalty=L1(), how=Proximal(), nonzero=nonzero)).splitlines()
    assert lines[0].startswith("L1 path of sequential") and lines[1].endswith("||w||    nonzero")
    assert lines[3].endswith("      2,000")
    assert len({len(line) for line in (lines[1], *lines[3:6])}) == 1


@pytest.mark.parametrize(
    ("changes", "start", "in_words"),
    [
        ({"how": Decoupled()}, "Decoupled L2 path of sequential: ", "Use L2 at 3.16e-04: it lowers"),
        (
            {"penalty": ElasticNet(0.25), "how": Proximal()},
            "Elastic net (rho = 0.25) path of ",
            "Use elastic net (rho = ",
        ),
        ({"penalty": L2(toward="initial")}, "L2-SP path of sequential: ", "Use L2-SP at 3.16e-04: it lowers"),
        (
            {"penalty": GroupLasso(), "how": Proximal()},
            "Group lasso (units) path of ",
            "Use group lasso (units) at 3.16",
        ),
        ({"penalty": L1(), "how": Coupled()}, "Coupled L1 path of sequential: ", "Use L1 at 3.16e-04: it lowers"),
    ],
)
def test_the_penalty_and_an_unusual_way_are_named(changes, start, in_words):
    path = make_path(**changes)
    assert repr(path).startswith(start) and path.verdict().startswith(in_words)


def test_a_group_lasso_has_a_column_of_groups_that_are_zero():
    path = make_path(penalty=GroupLasso("inputs"), how=Proximal(), zero_groups=np.arange(21)[::-1] * 100)
    lines = repr(path).splitlines()
    assert lines[1].endswith("||w||    nonzero    zero layer inputs") and lines[3].endswith("        0")
    assert len({len(line) for line in (lines[1], *lines[3:6])}) == 1


def test_a_single_split_says_what_its_standard_error_is_of():
    header, titles, *_ = repr(make_path(n_folds=1)).splitlines()
    assert "21 strengths x 1 split, then all rows: 42 models" in header
    assert "    se (rows)    " in titles


def test_large_and_small_numbers_keep_the_columns():
    for scale in (1e-9, 1e-3, 1e3, 1e9):
        base = make_path()
        path = make_path(cv_loss=base.cv_loss * scale, row_loss=base.row_loss * scale, seconds=75.2)
        lines = repr(path).splitlines()
        assert len({len(line) for line in (lines[1], *lines[3:6])}) == 1
        assert lines[0].endswith("in 1 min 15 s")


def test_without_a_null_model_there_is_no_such_row():
    text = repr(make_path(null_loss=float("nan"), null_se=float("nan"), null_metrics={}))
    assert "\nnull" not in text and "\nnone" in text


def test_diverged_members_and_notes_are_told_below_the_table():
    path = make_path(**diverged(make_path(), LAMS > 0.3), notes=("A note.", "Another."))
    assert repr(path).splitlines()[-3:] == [
        "15 of 126 models diverged (the loss became NaN or infinite): at lambda >= 3.16e-01. Not chosen.",
        "A note.",
        "Another.",
    ]


@pytest.mark.parametrize(
    ("hit", "where"),
    [
        ([20], "at lambda = 0."),
        ([19, 20], "at lambda <= 1.78e-05."),
        ([0], "at lambda = 1.00e+00."),
        ([1, 4], "5.62e-01, 1.00e-01"),
    ],
)
def test_where_members_diverged(hit, where):
    status = make_path().full_status.copy()
    status[hit] = Status.DIVERGED
    assert where in repr(make_path(full_status=status))


# --- the words


def test_a_gain_by_curing_overfitting():
    path = make_path()
    assert path.gain.low > 0
    words = path.verdict()
    assert words.startswith(
        "Use L2 at 3.16e-04: it lowers the log loss by 0.014 (95 % interval 0.002 to 0.027) against no penalty"
    )
    assert "it was overfitting (0.0201 in training and 0.13" in words


def test_a_gain_that_is_a_lower_training_loss_is_not_called_overfitting():
    path = make_path(curves=lambda lams: (0.3 + lams * 0 + (lams == 0), 0.2 + (lams == 0)))
    assert "the penalty helped the training itself" in path.verdict() and "overfitting" not in path.verdict()


def test_an_early_stop_without_penalty_still_counts_as_overfitting():
    """At its own best epoch the model without a penalty has the higher training loss: compare after equal epochs."""
    path = make_path()
    train_loss = path.train_loss.copy()
    train_loss[:, -1, :3] += 1.0
    early = make_path(train_loss=train_loss, epochs=np.array([4] * 20 + [3]))
    assert early.train_mean[-1] > early.train_mean[early.index_min]
    assert "it was overfitting" in early.verdict()


def test_an_interval_that_contains_zero_claims_no_gain():
    mean = np.where(LAMS == 0.1, 0.47, 0.5)
    se = np.where(LAMS == 0.1, 0.01, 0.02)  # so the paired differences vary, and no penalty is not within one error
    path = exactly(make_path(), mean, se)
    assert path.mean[-1] > path.mean[path.index_min] + path.se[path.index_min]
    assert path.gain.low < 0 < path.gain.mean
    assert path.verdict().startswith(
        "It is not clear that you need this penalty: L2 at 1.00e-01 lowers the log loss by 0.03"
    )
    assert "and the interval contains 0. The penalty narrows the gap" in path.verdict()


def test_a_flat_curve():
    path = make_path(curves=lambda lams: (0.5 + np.maximum(lams - 0.01, 0), 0.499 + 0 * lams), wiggle=0.0002)
    assert path.gain.low < 0 < path.gain.high
    assert path.verdict().startswith(
        "You do not clearly need this penalty: from lambda = 0 to 1.00e-02 the log loss is within one standard error "
    )
    assert "which may be chance. It is not overfitting (training 0.50" in path.verdict()


def test_no_penalty_is_best():
    steep = make_path(curves=lambda lams: (0.5 + np.sqrt(lams) + 0.2 * (lams > 0), 0.1 + 0 * lams))
    assert steep.lam_min == 0
    assert steep.verdict().startswith(
        "These strengths do not help. No penalty is best: at every other strength the log loss is more than one "
    )
    assert "There is a gap that this penalty does not close (training 0.10" in steep.verdict()
    gentle = make_path(curves=lambda lams: (0.5 + lams, 0.49 + 0 * lams), wiggle=0.0)
    assert gentle.verdict().startswith("You do not need this penalty. No penalty is best, but from lambda = 0 to ")


def test_a_minimum_at_an_end_of_the_grid():
    falling = make_path(curves=lambda lams: (0.5 - 0.3 * np.sqrt(lams), 0.1 + 0 * lams))
    assert falling.verdict().endswith("The minimum lies at the largest strength of the grid: extend `lams` upwards.")
    rising = make_path(
        curves=lambda lams: (0.5 + np.where(lams > 0, 10 * np.sqrt(lams), 0.5), 0.1 + 0 * lams), wiggle=0.0002
    )
    assert rising.verdict().endswith("The minimum lies at the smallest strength above 0: extend `lams` downwards.")
    one = make_path(lams=[0.1, 0.0], curves=lambda lams: (0.5 + (lams == 0), 0.1 + 0 * lams))
    assert "extend" not in one.verdict()


def test_a_model_no_better_than_a_constant():
    words = make_path(curves=lambda lams: (3 + lams, 2 + lams)).verdict()
    assert words.startswith("Do not use these models. The models on this path predict worse than a constant. No")
    assert "No strength beats the best constant (log loss 2.30)" in words


def test_a_model_that_does_not_get_as_far_as_a_constant():
    mse = StubTemplate(loss_name="mean_squared_error")
    far: dict[str, Any] = {
        "curves": lambda lams: (14000 + lams, 13000 + lams),
        "null_loss": 5931.0,
        "predictions": np.zeros((200, 21, 1)),
    }
    words = make_path(template=mse, **far).verdict()
    assert words.startswith(
        "Say standardize_target=True, and judge then: the unit of the target may be the cause. Training has not got as "
        "far as the best constant (squared error 13000.0000 in training at the least, best constant 5931)."
    )
    standardised: dict[str, Any] = {"target_mean": 152.0, "target_sd": 77.0}
    two_outputs: dict[str, Any] = {"predictions": np.zeros((200, 21, 2))}
    for changes in (standardised, two_outputs):
        assert "Lower the learning rate, or raise it." in make_path(template=mse, **far | changes).verdict()
    assert "Lower the learning rate, or raise it." in make_path(curves=lambda lams: (3 + lams, 2.5 + lams)).verdict()


def with_far_fold(path, ratio=7.0, where: Any = slice(None), **changes):
    """Change a path so that its third fold's loss is so many times as large as it was."""
    cv_loss = path.cv_loss.copy()
    cv_loss[2, where] *= ratio
    return make_path(cv_loss=cv_loss, **changes)


def test_a_fold_that_is_far_from_the_others_is_named_in_place_of_more_rows():
    rows: dict[str, Any] = {"curves": lambda lams: (0.5 + lams, 0.1 + 0 * lams), "wiggle": 0.001}
    assert "more rows may gain more." in make_path(**rows).verdict()
    words = with_far_fold(make_path(**rows)).verdict()
    assert re.search(
        r"Fold 3 is far from the others: its log loss is [67]\.\d times the median of the other folds at lambda = 0 "
        r"\(7\.\d times at 3.16e-04\)\. "
        r"Look for outliers in its rows, path\.folds\.held_out\[2\]\.",
        words,
    )
    assert "gain more" not in words and "not overfitting" not in words and "  " not in words


def test_a_far_fold_is_told_at_no_penalty_and_at_min():
    both = with_far_fold(make_path(), 5.0).verdict()
    assert re.search(r"\d times the median of the other folds at lambda = 0 \(\d\.\d times at \d\S+\)\. Look", both)
    none = with_far_fold(make_path(), 20.0, where=-1).verdict()
    assert "the median of the other folds at lambda = 0. Look" in none
    beaten = with_far_fold(make_path(curves=lambda lams: (1.5 + lams, 1 + lams), wiggle=0.0), 9.0).verdict()
    assert "No strength beats the best constant" in beaten and "Fold 3 is far" in beaten


def falling(path, at: Any = slice(None), slope=0.01, **changes):
    """Change a path so that its curves fall up to the last epoch, which is chosen, at some strengths."""
    cv_loss, epochs = path.cv_loss.copy(), path.epochs.copy()
    n_epochs = cv_loss.shape[2]
    cv_loss[:, at] = path.fold_loss[:, at, None] + slope * np.arange(n_epochs)[::-1]
    epochs[at] = n_epochs
    train_loss = np.repeat(path.train_loss[:, :, 3:4], n_epochs, axis=2)
    return make_path(cv_loss=cv_loss, train_loss=train_loss, epochs=epochs, **changes)


def test_losses_that_still_fell_at_the_last_epoch():
    flat: dict[str, Any] = {
        "curves": lambda lams: (0.5 + np.maximum(lams - 0.01, 0), 0.499 + 0 * lams),
        "wiggle": 0.0002,
    }
    assert "a larger model may gain more" in make_path(**flat).verdict()
    words = falling(make_path(**flat)).verdict()
    assert re.search(
        r"The held-out loss still fell at the last epoch \(6\), at lambda = 0 and at lambda = \d\S+: raise `epochs`\.",
        words,
    )
    assert "It is not overfitting" in words and "gain more" not in words
    none = falling(make_path(), at=[20]).verdict()
    assert none.endswith("still fell at the last epoch (6), at lambda = 0: raise `epochs`.")
    assert none.startswith("Use L2 at ")


def test_a_curve_that_has_levelled_off_or_was_stopped_by_patience_is_no_limit():
    assert "still fell" not in falling(make_path(), slope=1e-5).verdict()
    path = falling(make_path())
    stopped = np.pad(path.cv_loss, [(0, 0), (0, 0), (0, 2)], mode="edge") + np.array([0.0] * 6 + [0.01] * 2)
    for more in (0, 2):  # fit(epoch="best") and fit(epoch="last")
        changes = {"cv_loss": stopped, "train_loss": stopped - 0.05, "epochs": path.epochs + more}
        assert "still fell" not in make_path(**changes).verdict()


def test_without_a_penalty_training_diverged():
    path = make_path(**diverged(make_path(), LAMS == 0))
    assert path.verdict().startswith(
        "Lower the learning rate to see what the penalty gains. Without a penalty training diverged; L2 at 3.16e-04 "
        "has the least log loss, 0.117"
    )
    assert repr(path).splitlines()[3].split() == ["none", "0", "21", "-", "-", "0.967", "4", "20.0"]


def test_1se_at_the_largest_strength_tried():
    line = "1se lies at the largest strength tried: larger ones may be within one standard error too (give `lams`)."

    def flat(level, **changes):
        return make_path(curves=lambda lams: (level - (lams == 0.1) / 1000, level + 0 * lams), wiggle=0.0, **changes)

    path = flat(0.5)
    assert path.index_1se == 0 < path.index_min and line in repr(path)
    assert line not in repr(make_path()) and line not in repr(flat(2.5))
    rising = make_path(curves=lambda lams: (0.5 - 0.3 * np.sqrt(lams), 0.1 + 0 * lams))  # the verdict says it of min
    assert rising.index_min == 0 and line not in repr(rising)
    # Without weights left, a larger strength changes nothing.
    assert line not in repr(flat(0.5, penalty=L1(), how=Proximal(), nonzero=np.arange(21)))


def test_a_standardised_target_names_the_units():
    text = " ".join(repr(make_path(target_mean=152.1, target_sd=77.04)).split())
    assert (
        "Losses are in units of the target's variance (sd 77.04), metrics in units of y. path.model() predicts "
        "standardised targets: path.target_mean + path.target_sd * prediction gives those of y." in text
    )
    without = " ".join(repr(make_path(target_mean=152.1, target_sd=77.04, metrics={}, null_metrics={})).split())
    assert "variance (sd 77.04). path.model()" in without
    assert "variance" not in repr(make_path())


def test_optimism_is_told_for_folds_only():
    assert "Report 0.1186, not 0.1174: the least of 21 looks better than it is (Tibshirani & Tibshirani 2009)." in repr(
        make_path()
    )
    assert "Report" not in repr(make_path(n_folds=1))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("binary_crossentropy", "log loss"),
        ("CategoricalCrossentropy", "log loss"),
        ("mean_squared_error", "squared error"),
        ("mse", "squared error"),
        ("huber_loss", "huber loss"),
        ("huber", "Huber loss"),
        ("cosine_similarity", "negative cosine similarity"),  # Keras' loss is its negative
        ("pinball", "loss (pinball)"),
        ("<lambda>", "loss"),
        ("loss", "loss"),
    ],
)
def test_losses_are_named_in_words(name, words):
    assert format_loss_name(name) == words
    assert f"    {words}    " in repr(make_path(template=StubTemplate(loss_name=name)))


def test_every_loss_of_keras_is_named_by_a_noun():
    bases = keras.losses.Loss, type(keras.losses.Huber()).__bases__[0]
    classes = [one for one in vars(keras.losses).values() if isinstance(one, type) and one not in bases]
    names = {name for kind in classes for name in (kind.__name__, get_compiled_loss_name(kind()))}
    assert len(names) > 30
    odd = [
        name
        for name in names
        if not re.fullmatch(r"[\w -]+ (loss|error|cross-entropy|divergence|similarity)", format_loss_name(name))
    ]
    assert not odd
