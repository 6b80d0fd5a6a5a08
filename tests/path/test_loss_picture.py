import dataclasses
import io
import sys
from functools import partial

import numpy as np
import pytest
from matplotlib.figure import Figure

from shrinkage._path._path import Path
from shrinkage._path._pictures._curve_data import CurveData, compute_curve_data
from shrinkage._path._pictures._draw_loss import draw_loss
from shrinkage._path._pictures._plot import plot
from shrinkage._penalties import L1
from tests.synthetic_path import LAMS, StubTemplate, diverged, make_path


def exploding(lams):
    """Held-out losses of a useful range, but for the largest strength and for none."""
    mean = 0.5 + 0.1 * np.linspace(-1, 1, len(lams)) ** 2
    mean[[0, -1]] = 1e5, 25.0
    return mean, mean - 0.1


# --- the data


def test_the_data_is_that_of_the_path():
    path = make_path()
    data = compute_curve_data(path)
    assert data.choices == {"min": path.index_min, "1se": path.index_1se}
    for name in ("lams", "mean", "se", "failed"):
        np.testing.assert_array_equal(getattr(data, name), getattr(path, name))
    np.testing.assert_array_equal(data.train, path.train_mean)
    np.testing.assert_array_equal(data.complexity, path.norm)
    assert (data.loss, data.bars) == ("log loss", "held out, ± 1 SE over 5 folds")
    assert data.null == 2.3021


def test_no_penalty_stands_apart_at_the_left():
    position = compute_curve_data(make_path()).position
    np.testing.assert_allclose(position[:-1], np.log10(LAMS[:-1]))
    assert position[-1] == pytest.approx(-4.75 - 0.5)
    np.testing.assert_allclose(compute_curve_data(make_path(lams=[0.1, 0.0])).position, [-1.0, -1.5])


def test_for_l1_the_size_is_the_number_of_nonzero_weights():
    data = compute_curve_data(make_path(penalty=L1(), nonzero=np.arange(21)))
    np.testing.assert_array_equal(data.complexity, np.arange(21))
    assert data.complexity_label == "nonzero weights"


def test_a_single_split_says_what_its_bars_are():
    assert compute_curve_data(make_path(n_folds=1)).bars == "held out, ± 1 SE over rows"


def test_huge_losses_do_not_flatten_the_picture():
    path = make_path(curves=exploding, wiggle=0.0)
    data = compute_curve_data(path)
    assert 0.3 < data.low < data.high < 0.8
    np.testing.assert_array_equal(np.flatnonzero(data.is_above), [0, 20])


def test_both_choices_and_their_bars_are_in_sight():
    for path in (make_path(), make_path(spread=0.2), make_path(n_folds=1), make_path(curves=exploding)):
        data = compute_curve_data(path)
        chosen = [path.index_min, path.index_1se]
        assert (data.low < (data.mean - data.se)[chosen]).all() and ((data.mean + data.se)[chosen] < data.high).all()


def test_a_curve_without_an_outlier_is_shown_whole():
    data = compute_curve_data(
        make_path(curves=lambda lams: (0.5 + 0.05 * lams, 0.45 + 0.05 * lams), wiggle=0.0001, spread=0.1)
    )
    assert not data.is_above.any() and data.low < data.train.min()


def test_diverged_strengths_are_arrows_and_do_not_set_the_range():
    base = compute_curve_data(make_path())
    data = compute_curve_data(make_path(**diverged(make_path(), LAMS > 0.5)))
    assert data.failed[:2].all() and data.is_above[:2].all()
    assert data.high - data.low < 2 * (base.high - base.low)


@pytest.mark.parametrize("null", [2.3, float("nan")])
def test_where_every_strength_diverged_there_are_no_marks(null):
    data = compute_curve_data(
        make_path(**diverged(make_path(), LAMS >= 0), null_loss=null, nonzero=np.full(21, np.nan))
    )
    assert data.choices == {} and data.low < data.high and data.failed.all()
    assert (data.low < data.null < data.high) == (null == 2.3)
    figure, legend = drawn(data)
    assert legend == ["diverged"] + ["best constant"] * (null == 2.3)
    assert not [text for text in figure.axes[0].texts if "λ" in text.get_text()]


# --- the drawing


def drawn(data: CurveData, file=None) -> tuple[Figure, list[str]]:
    figure = plot([partial(draw_loss, data=data)], file, None, title="")
    return figure, [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_picture_is_written(tmp_path, ending):
    figure = make_path().plot(tmp_path / f"path.{ending}")
    assert figure.axes[0].get_title("left") == "L2 path of sequential"
    assert (tmp_path / f"path.{ending}").stat().st_size > 5000


def test_a_picture_into_memory_and_none_at_all():
    file = io.BytesIO()
    make_path().plot(file)
    assert file.getvalue().startswith(b"\x89PNG")
    assert isinstance(make_path().plot(), Figure)


def test_pyplot_is_not_touched():
    before = "matplotlib.pyplot" in sys.modules
    drawn(compute_curve_data(make_path()))
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_the_legend_tells_only_what_is_there():
    held_out = "held out, ± 1 SE over 5 folds"
    above = "best constant: 2.30, above"
    assert drawn(compute_curve_data(make_path()))[1] == [held_out, "training", "higher than shown", above]
    path = make_path(**diverged(make_path(), LAMS > 0.5))
    assert drawn(compute_curve_data(path))[1] == [held_out, "training", "higher than shown", "diverged", above]
    exact = make_path(**diverged(make_path(), LAMS == 0), solver="exact")
    assert "no minimum" in drawn(compute_curve_data(exact))[1], "nothing is trained, so nothing diverges"
    data = dataclasses.replace(compute_curve_data(path), high=10.0)
    assert drawn(data)[1] == [held_out, "training", "diverged", "best constant"]


def labels(path: Path) -> list[str]:
    figure, _ = drawn(compute_curve_data(path))
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_choices_are_labelled():
    assert "min: λ = 3.16e-04" in labels(make_path()) and "1se: λ = 5.62e-04" in labels(make_path())
    one = make_path(curves=lambda lams: (0.5 + np.sqrt(lams), 0.4 + lams), wiggle=0.0, spread=0.0)
    assert "min = 1se: λ = 0" in labels(one)


@pytest.mark.parametrize(
    "curves",
    [
        lambda lams: (0.5 + lams, 0.4 + lams),
        lambda lams: (0.5 - lams / 5, 0.4 - lams / 5),
        lambda lams: (0.5 + lams / 20, 0.49 + lams / 20),
        lambda lams: (0.4 + 0 * lams, 0.5 + lams),  # the training loss is the higher one
        exploding,
    ],
)
def test_labels_stay_inside_the_picture_and_over_no_point(curves):
    """A minimum at λ = 0 has no room at its left, and one at the largest strength none at its right."""
    data = compute_curve_data(make_path(curves=curves, spread=0.05))
    figure, _ = drawn(data, io.BytesIO())
    figure.draw_without_rendering()
    axes = figure.axes[0]
    frame, boxes = axes.get_window_extent(), [text.get_window_extent() for text in axes.texts if "λ" in text.get_text()]
    assert boxes and all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    assert len(boxes) == 1 or not boxes[0].overlaps(boxes[1])
    highest = axes.transData.transform((0, data.high))[1]  # no bar, arrow or training loss is drawn above it
    assert all(highest < box.y0 and box.y1 <= frame.y1 for box in boxes)
    training = next(line for line in axes.lines if str(line.get_label()).startswith("training"))
    clip = training.get_clip_box()
    assert clip is not None and clip.y1 == pytest.approx(highest)


@pytest.mark.parametrize("index_min", [0, 4, 8, 10, 13, 17, 20])
@pytest.mark.parametrize("index_1se", [0, 3, 7, 9, 12, 16])
def test_no_label_crosses_the_line_of_a_choice(index_min, index_1se):
    data = dataclasses.replace(
        compute_curve_data(make_path()), choices={"min": index_min, "1se": min(index_1se, index_min)}
    )
    data = dataclasses.replace(data, index_model=10)
    figure, _ = drawn(data, io.BytesIO())
    figure.draw_without_rendering()
    axes = figure.axes[0]
    frame, boxes = axes.get_window_extent(), [text.get_window_extent() for text in axes.texts if "λ" in text.get_text()]
    lines = [line.get_window_extent() for line in axes.lines if line.get_linestyle() in (":", "-.")]
    assert len(lines) == 1 + len({*data.choices.values()}) and len(boxes) == len(lines) - 1
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    assert not [1 for box in boxes for line in lines if box.x0 < line.x0 < box.x1 and line.y1 > box.y0 + 1]


def test_sizes_that_do_not_fall_with_the_strength_are_no_axis():
    falling, mixed = 1000 * np.arange(21), 1000 * np.arange(21)
    mixed[6] = 20000
    for nonzero, ticks in ((falling, True), (mixed, False)):
        figure, _ = drawn(compute_curve_data(make_path(penalty=L1(), nonzero=nonzero)), io.BytesIO())
        (top,) = figure.axes[0].child_axes
        assert top.spines["top"].get_visible() == ticks and ("epoch" not in top.get_xlabel()) == ticks
        assert top.xaxis.get_ticklabels()[-1].get_text() == "20,000"


def test_a_curve_above_the_best_constant_shows_how_far():
    path = make_path(curves=lambda lams: (14000 + 900 * lams, 13800 + 900 * lams), null_loss=5931.0)
    data = compute_curve_data(path)
    assert data.low < 5931 and not data.is_above.any()
    assert "best constant" in drawn(data)[1]


@pytest.mark.parametrize(("scale", "power"), [(1e12, 11), (1e-9, -10), (1.0, None), (3e4, None)])
def test_powers_of_ten_stand_in_the_label_of_the_axis(scale, power):
    base = make_path()
    path = make_path(cv_loss=base.cv_loss * scale, train_loss=base.train_loss * scale, null_loss=float("nan"))
    figure, _ = drawn(compute_curve_data(path), io.BytesIO())
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.get_ylabel() == ("log loss" if power is None else f"log loss, in $10^{{{power}}}$")
    assert not (axes.yaxis.get_offset_text().get_visible() and axes.yaxis.get_offset_text().get_text())
    assert all(len(text.get_text()) <= 7 for text in axes.get_yticklabels())


@pytest.mark.parametrize("lams", [[0.0], [0.1, 0.0], [0.05, 0.04, 0.0], np.append(10.0 ** np.arange(6, -12, -1), 0.0)])
def test_grids_of_all_sizes_can_be_drawn(lams):
    figure, _ = drawn(compute_curve_data(make_path(lams=lams, template=StubTemplate(loss_name="mse"))), io.BytesIO())
    ticks = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert ticks[0] == "0" and len(ticks) <= 20
