"""Findings agree with the verdict, have numbers behind them, and their fixes run."""

import ast
import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks._page import DOCS
from benchmarks.pages import findings
from shrinkage._cv._choice import find_far_fold
from shrinkage._cv._row_sets import RowSets
from shrinkage._messages._finding import SEVERITIES
from shrinkage._path._diagnosis import Diagnosis
from shrinkage._path._findings import FEWEST_ROWS
from shrinkage._path._kinds import KINDS
from tests.path.test_repeats import repeated
from tests.path.verdicts.curves import decay, flat, rung
from tests.path.verdicts.test_situations import SITUATIONS
from tests.synthetic_path import diverged, learning_curve, make_path, path_of_curves

FURTHER = {"choice-not-sharp", "penalty-idle", "folds-disagree"}
# Words of the verdict, and the findings of which one must be there exactly where the words are.
WORDS = {
    "Training overfits": {"overfits"},
    "does not close": {"gap"},
    "larger model may gain more": {"underfits"},
    "narrows the gap": {"gap-narrowed"},
    "nearly perfect": {"nearly-perfect"},
    "is far from the others": {"outlying-fold"},
    "The gain is clear, and small": {"small-gain", "overfits"},
    "nothing to choose from": {"diverged", "no-minimum"},
    "Do not use these models": {"worse-than-constant"},
    "cannot be judged yet": {"hardly-trained"},
    "repeats=4": {"more-repeats"},
    "More rows would help": {"more-rows-help"},
    "More rows or more epochs would help": {"more-rows-or-epochs-help"},
    "More rows would hardly help": {"more-rows-hardly-help"},
    "Whether more rows would help cannot be told": {"more-rows-unclear"},
}


def random_path(seed):
    """A path with random levels, gains, gaps, speeds and numbers of folds."""
    rng = np.random.default_rng(seed)
    lams = np.append(10.0 ** np.arange(0, -4, -1), 0.0)
    steps = np.arange(1, 31)
    level = rng.uniform(0.02, 1.1) + rng.normal(0, 0.05, size=(5, 1)).cumsum(axis=0)
    shape = rng.choice([0.0, 0.3, 1.0]) * np.exp(-steps / rng.choice([3.0, 10.0, 60.0]))
    rise = rng.choice([0.0, 0.2]) * np.linspace(0, 1, 5)[:, None] * np.maximum(steps - 10, 0) / 20
    training = level - rng.choice([0.0, 0.01, 0.2]) + shape - rise / 2
    changes = {"n_folds": int(rng.choice([1, 5])), "wiggle": float(rng.choice([0.002, 0.05]))}
    if rng.random() < 0.15:
        base = path_of_curves(level + shape + rise, training, lams, **changes)
        hit = np.zeros(5, bool)
        hit[: rng.integers(1, 5)] = True
        changes |= diverged(base, hit)
    return path_of_curves(level + shape + rise, training, lams, **changes)


def outlying_fold():
    path = flat([0.5, 0.2, 0.3, 0.4], [0.15] * 4)
    cv_loss = path.cv_loss.copy()
    cv_loss[2] *= 4
    fields = ("lams", "train_loss", "epochs", "row_loss", "null_loss")
    return make_path(
        **{name: getattr(path, name) for name in fields}, curves=lambda lams: (lams, lams), cv_loss=cv_loss
    )


def idle():
    return make_path(norm=np.append(np.linspace(19.9, 19.95, 16), 20.0)[-len(make_path().lams) :])


PATHS = {name: make for name, (make, *_) in SITUATIONS.items()}
PATHS |= {
    "outlying fold": outlying_fold,
    "idle": idle,
    "gap unclear": lambda: flat([0.5, 0.3, 0.31, 0.32], [0.27] * 4, wiggle=0.1),
}
FALLS = {
    "more rows help": ([0.5, 0.3, 0.2], 0.1),
    "more rows hardly help": ([0.5, 0.1, 0.003], 0.002),
    "more rows unclear": ([0.5, 0.3, 0.2], 0.3),
}


def learned(falls, half, *, slow=False, make=make_path):
    return replace(make(), learning_curve=learning_curve(make(), falls, half, slow=slow))


PATHS |= {name: lambda given=given: learned(*given) for name, given in FALLS.items()}
PATHS["more rows or epochs help"] = lambda: learned([0.5, 0.3, 0.2], 0.1, slow=True)
PATHS["search"] = lambda: rung([0.9, 0.5, 0.6, 0.7])
PATHS["search that ends too early"] = lambda: rung([0.5, 0.6, 0.7, 0.8])
PATHS["search in vain"] = lambda: rung([1.3, 1.2, 1.1, 1.05])
PATHS |= {f"random {seed}": lambda seed=seed: random_path(seed) for seed in range(150)}


@pytest.mark.parametrize("name", PATHS)
def test_findings_and_verdict_agree(name):
    path = PATHS[name]()
    words, found = path.verdict(), path.diagnose()
    assert " ".join(finding.sentence for finding in found if finding.code not in FURTHER) == words
    for text, codes in WORDS.items():
        assert (text in words) == any(finding.code in codes and text in finding.sentence for finding in found)
    codes = set(found.codes)
    if not path.failed.all() and path.budget is None and math.isfinite(path.gain.low):
        low = path.gain.low
        assert "penalty-helps" not in codes or low > 0
        assert "penalty-unclear" not in codes or low <= 0 or "overfits" in codes
        assert "no-penalty-needed" not in codes or path.lam == 0
    assert len({"penalty-helps", "penalty-unclear", "no-penalty-needed"} & codes) <= 1


@pytest.mark.parametrize("name", PATHS)
def test_findings_are_complete(name):
    for finding in PATHS[name]().diagnose():
        assert finding.severity in SEVERITIES and finding.sentence.endswith(".")
        assert not math.isnan(sum(finding.evidence.values()))
        ast.parse(finding.fix)


def test_all_kinds_are_found_somewhere_but_those_of_the_solver():
    found = {code for make in PATHS.values() for code in make().diagnose().codes}
    assert set(KINDS) - found == {"no-minimum", "no-minimum-without-penalty"}


def test_gain_is_the_evidence_of_a_penalty_that_helps():
    path = make_path()
    finding = path.diagnose()[0]
    assert (finding.severity, finding.code) == ("note", "penalty-helps")
    gain = path.gain
    assert finding.evidence["gain"] == gain.mean and finding.evidence["low"] == gain.low > 0
    assert finding.evidence["loss_none"] - finding.evidence["loss"] == pytest.approx(gain.mean)


def test_a_choice_is_not_sharp_over_a_decade_within_one_standard_error():
    lams = [1.0, 0.1, 0.01, 0.001, 0.0]
    path = flat([0.9, 0.201, 0.2, 0.202, 0.5], [0.1] * 5, lams, spread=0.02)
    (finding,) = [finding for finding in path.diagnose() if finding.code == "choice-not-sharp"]
    assert finding.evidence == {"lam": 0.01, "smallest": 0.001, "largest": 0.1}
    sharp = flat([0.9, 0.5, 0.2, 0.4, 0.5], [0.1] * 5, lams, spread=0.02)
    assert "choice-not-sharp" not in sharp.diagnose().codes


def test_folds_that_disagree_are_named():
    levels = [0.9, 0.199, 0.21, 0.2]
    path = flat(levels, [0.15] * 4, wiggle=0.02)
    (finding,) = [finding for finding in path.diagnose() if finding.code == "folds-disagree"]
    worse = np.flatnonzero(path.fold_loss[:, path.index] > path.fold_loss[:, -1])
    assert 0 < len(worse) < 5 and finding.about == tuple(f"fold {fold + 1}" for fold in worse)
    assert [finding.evidence[name] < 0 for name in finding.evidence] == [fold in worse for fold in range(5)]
    assert finding.fix == f"rows = path.folds.held_out[{worse[0]}]"


def of_rows(path, n):
    """The path with folds that hold out so many rows each."""
    rows = 5 * n
    held_out = np.arange(rows).reshape(5, n)
    train = [np.setdiff1d(np.arange(rows), fold) for fold in held_out]
    folds = replace(
        path.folds, train=RowSets.from_rows(train, rows), held_out=RowSets.from_rows(held_out, rows), n_rows=rows
    )
    kept = {name: getattr(path, name)[:rows] for name in ("held_out_rows", "row_loss", "predictions")}
    null = {} if path.null_row_loss is None else {"null_row_loss": path.null_row_loss[:rows]}
    return replace(path, folds=folds, **kept, **null)


@pytest.mark.parametrize("make", [outlying_fold, lambda: flat([0.9, 0.199, 0.21, 0.2], [0.15] * 4, wiggle=0.02)])
@pytest.mark.parametrize("n", [1, 2, FEWEST_ROWS - 1, FEWEST_ROWS])
def test_nothing_is_said_of_single_folds_with_few_rows(make, n):
    codes = of_rows(make(), n).diagnose().codes
    assert bool({"outlying-fold", "folds-disagree"} & set(codes)) == (n >= FEWEST_ROWS)


@pytest.mark.parametrize(("n_folds", "most"), [(3, 0.02), (5, 0.01), (10, 0.01)])
def test_chance_alone_makes_few_far_folds_of_enough_rows(n_folds, most):
    """Squared normal errors, equal in all folds; of two rows a fold, more than ten times as many."""
    rng = np.random.default_rng(0)

    def share(n):
        losses = (rng.normal(size=(4000, n_folds, n)) ** 2).mean(axis=2)
        return np.mean([find_far_fold(loss)[0] is not None for loss in losses])

    assert share(FEWEST_ROWS) < most and share(2) > 10 * share(FEWEST_ROWS)


def disagreeing(spikes, groups=None):
    """A path whose second fold has a higher loss at `min`, from rows with `spikes` there, by number of the row."""
    path = flat([0.9, 0.199, 0.21, 0.2], [0.15] * 4, wiggle=0.02)
    index, row_loss = path.index, path.row_loss.copy()
    row_loss[:, index] = row_loss[:, -1] - 0.01
    for row, spike in spikes.items():
        row_loss[row, index] += spike
    cv_loss = path.cv_loss.copy()
    for fold, rows in enumerate(path.folds.held_out):
        shift = row_loss[rows, index].mean() - row_loss[rows, -1].mean()
        cv_loss[fold, index] = cv_loss[fold, -1] + shift
    return replace(path, row_loss=row_loss, cv_loss=cv_loss, groups=groups)


DOMINANT = {
    "a row": (disagreeing({41: 1.2}), " Without row 41 it would not be higher in this fold."),
    "two rows": (disagreeing({41: 0.5, 44: 0.7}), " Without rows 44 and 41 it would not be higher in this fold."),
    "many rows": (disagreeing(dict.fromkeys(range(40, 60), 0.06)), ""),
    "a group": (
        disagreeing(dict.fromkeys(range(40, 60), 0.06), np.repeat(["ann", "bob", "eve", "kim"], [30, 30, 70, 70])),
        " Without group bob it would not be higher in this fold.",
    ),
    "all groups": (disagreeing(dict.fromkeys(range(40, 60), 0.06), np.zeros(200, int)), ""),
}


@pytest.mark.parametrize("name", DOMINANT)
def test_few_rows_or_groups_that_folds_disagree_for_are_named(name):
    path, words = DOMINANT[name]
    (finding,) = [finding for finding in path.diagnose() if finding.code == "folds-disagree"]
    assert finding.about == ("fold 2",) and finding.sentence.endswith(f"5 folds (fold 2).{words}")


def test_folds_of_repeats_are_named_as_in_the_sentence():
    path = repeated({6: 4.0})
    (finding,) = [finding for finding in path.diagnose() if finding.code == "outlying-fold"]
    assert finding.about == ("fold 2 of repeat 2",)
    assert all(name in finding.sentence.lower() for name in finding.about)


def test_a_penalty_is_idle_where_it_does_not_change_the_norm():
    (finding,) = [finding for finding in idle().diagnose() if finding.code == "penalty-idle"]
    assert "differs by 0.4 %" in finding.sentence or "differs by 0.3 %" in finding.sentence
    assert "penalty-idle" not in make_path().diagnose().codes


def test_no_more_is_said_of_a_choice_that_means_nothing():
    path = flat([1.0, 0.999, 0.998, 0.999], [0.99] * 4, wiggle=0.05)
    assert not FURTHER & set(path.diagnose().codes) and "penalty-unclear" not in path.diagnose().codes


def test_a_diagnosis_is_a_sequence_and_prints_what_is_worst_first():
    path = path_of_curves([decay(1.0, 0.3, 40, 20)] * 4, [decay(1.0, 0.3, 40, 20)] * 4, [0.1, 0.01, 0.001, 0.0])
    found = path.diagnose()
    assert isinstance(found, Diagnosis) and len(found) == len(list(found)) == len(found.codes)
    assert found[0].code == "hardly-trained" and found[:1] == (found[0],)
    lines = repr(found).splitlines()
    assert lines[0] == "L2 path of sequential" and lines[2] == "warning: hardly-trained"
    assert lines[-1].strip() and max(map(len, lines)) <= 120


def test_more_rows_help_where_the_fall_is_clear():
    (finding,) = [each for each in PATHS["more rows help"]().diagnose() if each.code == "more-rows-help"]
    assert finding.sentence == (
        "More rows would help: from 80 to 160 training rows the log loss fell by 0.20 (95 % interval 0.10 to 0.30)."
    )
    expected = {"fall": 0.2, "low": 0.1, "high": 0.3, "half_of_rows": 80, "rows": 160}
    assert {name: finding.evidence[name] for name in expected} == pytest.approx(expected)


MORE_ROWS = {
    "clear": (learned([0.2], 0.1), "more-rows-help", "fell by 0.20"),
    "small and clear": (learned([0.003], 0.002), "more-rows-hardly-help", "less than 1 % of the best constant's."),
    "small beside the constant's loss only": (learned([0.012], 0.004), "more-rows-help", "fell by 0.012"),
    "unclear, and small beside the constant's loss": (learned([0.012], 0.0121), "more-rows-unclear", "fell by"),
    "not small": (learned([0.02], 0.004), "more-rows-help", "fell by 0.020"),
    "a clear rise": (learned([-0.2], 0.1), "more-rows-hardly-help", "rose by 0.20 (95 % interval 0.10 to 0.30)."),
    "no constant": (
        learned([0.0005], 0.0003, make=lambda: make_path(null_loss=math.nan)),
        "more-rows-hardly-help", "less than 1 % of the loss after the first epoch.",
    ),
    "wide": (learned([0.2], 0.3), "more-rows-unclear", "(95 % interval -0.10 to 0.50)."),
    "a rise": (learned([-0.1], 0.2), "more-rows-unclear", "rose by 0.10 (95 % interval -0.10 to 0.30)."),
    "fewer steps": (learned([0.2], 0.1, slow=True), "more-rows-or-epochs-help", "raise `epochs` to tell which."),
    "fewer steps, and a small fall": (learned([0.003], 0.002, slow=True), "more-rows-hardly-help", "hardly help"),
    "diverged": (learned([np.nan], np.nan), "more-rows-unclear", "as a model diverged on half of the rows."),
    "no interval": (learned([0.2], np.nan), "more-rows-unclear", "there is no standard error to judge it by."),
    "nothing learnt": (
        learned([0.2], 0.1, make=lambda: flat([1.0, 0.999, 0.998, 0.999], [0.99] * 4, wiggle=0.05)),
        "more-rows-unclear", "as no strength clearly beats the best constant.",
    ),
    "hardly trained": (
        learned([0.2], 0.1, make=lambda: path_of_curves(
            [decay(1.0, 0.3, 40, 20)] * 4, [decay(1.0, 0.3, 40, 20)] * 4, [0.1, 0.01, 0.001, 0.0]
        )),
        "more-rows-unclear", "as training has hardly begun.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MORE_ROWS)
def test_what_is_said_of_more_rows(name):
    path, code, words = MORE_ROWS[name]
    (finding,) = [each for each in path.diagnose() if each.code.startswith("more-rows")]
    assert finding.code == code and words in finding.sentence
    assert not any(math.isnan(value) for value in finding.evidence.values())


CURVE = "learning_curve=True"
NEXT = {
    "wide": ("path = sh.fit(", CURVE, "repeats=4"),
    "no interval": ("path = sh.fit(", CURVE, "repeats=4"),
    "fewer steps, and a small fall": (),
    "fewer steps": ("path = sh.fit(", CURVE, "epochs=12"),
    "hardly trained": ("path = sh.fit(", CURVE, "epochs=80"),
    "diverged": ("model.optimizer.learning_rate = float(model.optimizer.learning_rate) / 10\npath = sh.fit(", CURVE),
    "nothing learnt": (),  # other findings have it
    "clear": (),
    "small and clear": (),
}


@pytest.mark.parametrize("name", NEXT)
def test_the_next_step_follows_from_why_it_cannot_be_told(name):
    (finding,) = [each for each in MORE_ROWS[name][0].diagnose() if each.code.startswith("more-rows")]
    assert bool(finding.fix) == bool(NEXT[name])
    assert [part for part in NEXT[name] if part not in finding.fix] == []


def test_a_measured_finding_on_more_rows_replaces_the_guess():
    def make():
        return flat([0.9, 0.501, 0.5, 0.502], [0.1] * 4, wiggle=0.05)

    assert "more rows may gain more" in make().verdict()
    measured = learned([0.2], 0.3, make=make).verdict()
    assert "more rows may gain more" not in measured and "cannot be told" in measured


def test_the_page_lists_all_kinds():
    page = (DOCS / "diagnosis.md").read_text("utf-8")
    assert findings() == page.split("<!-- table:findings -->\n\n")[1].split("\n\n<!-- end -->")[0]
