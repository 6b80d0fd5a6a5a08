"""The pictures but "loss", by their data; and `Path.plot` with its kinds, strengths and axes."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from shrinkage._cv._choice import NothingToChoose
from shrinkage._path._curve import Status
from shrinkage._path._pictures._draw import draw_epochs, draw_norms
from shrinkage._path._pictures._held_out import compute_calibration_data, compute_classes_data, compute_residuals_data
from shrinkage._path._pictures._rows import compute_rows_data
from shrinkage._path._pictures._training import compute_epochs_data, compute_folds_data
from shrinkage._path._pictures._weights import compute_weights_data
from shrinkage._path._report._figures import make_epochs_figure
from shrinkage._penalties import L1
from shrinkage._weights._selection import Selection, Weight
from tests.path.predicted import N, of_a_number, of_a_probability, of_classes
from tests.synthetic_path import LAMS, StubTemplate, diverged, learning_curve, make_path

# --- the data


def test_the_losses_by_epoch_are_means_weighted_by_rows():
    weight = np.array([1.0, 2, 3, 4, 5])
    path = make_path(fold_weight=weight, train_weight=weight[::-1].copy())
    data = compute_epochs_data(path)
    np.testing.assert_allclose(data.held_out, np.average(path.cv_loss, axis=0, weights=weight))
    np.testing.assert_allclose(data.training, np.average(path.train_loss, axis=0, weights=weight[::-1]))
    at = data.held_out[np.arange(21), data.chosen_epochs - 1]
    np.testing.assert_allclose(at, path.mean)
    assert data.epochs.tolist() == [1, 2, 3, 4, 5, 6]


def test_a_member_that_diverges_ends_the_curve_of_its_strength_alone():
    path = make_path()
    cv_loss = path.cv_loss.copy()
    cv_loss[1, 3, 4:] = np.nan
    data = compute_epochs_data(make_path(cv_loss=cv_loss))
    assert np.isnan(data.held_out[3]).tolist() == [False] * 4 + [True] * 2
    assert np.isfinite(np.delete(data.held_out, 3, axis=0)).all()


def test_losses_of_a_few_epochs_are_drawn_as_points():
    """A line through one epoch shows nothing. A search within a budget scores few epochs."""
    path = make_path()
    cv_loss, train_loss = path.cv_loss.copy(), path.train_loss.copy()
    cv_loss[:, :, [0, 1, 2, 4]] = train_loss[:, :, [0, 1, 2, 4]] = np.nan
    few, all_epochs = compute_epochs_data(make_path(cv_loss=cv_loss, train_loss=train_loss)), compute_epochs_data(path)
    for data, marker, mode in ((few, "o", "lines+markers"), (all_epochs, "", "lines")):
        axes = Figure().subplots()
        draw_epochs(axes, data, 3)
        assert [line.get_marker() or "" for line in axes.lines[:2]] == [marker, marker]
        traces = make_epochs_figure(data, 3, {}, LAMS)["data"]
        assert [trace["mode"] for trace in traces] == [mode, mode]
    assert few.has_gaps and not all_epochs.has_gaps


def test_each_fold_has_its_curve_and_its_least():
    path = make_path(**diverged(make_path(), LAMS > 0.5))
    data = compute_folds_data(path)
    assert data.names == tuple(f"fold {number}" for number in range(1, 6))
    np.testing.assert_array_equal(data.folds[:, 2:], path.fold_loss[:, 2:])
    assert np.isnan(data.folds[:, :2]).all() and np.isnan(data.mean[:2]).all()
    np.testing.assert_array_equal(data.least, np.argmin(path.fold_loss[:, 2:], axis=1) + 2)


LAYERS = Selection(
    (
        Weight("one", "one/kernel", (2, 2), 4, 1.0, "kernel", (-2,), (-1,)),
        Weight("one", "one/bias", (3,), 3, 0.0, "bias", (), (-1,)),
        Weight("two", "two/kernel", (1, 2), 2, 1.0, "kernel", (-2,), (-1,)),
    )
)


def test_norms_and_zeros_are_of_the_penalised_weights_of_each_layer():
    path = make_path(lams=[1.0, 0.1, 0.0], selection=LAYERS, penalty=L1())
    kernel = np.array([[[3, 4], [0, 0]], [[1, 1], [1, 1]], [[0, 0], [0, 0]]], "float32")
    other = np.array([[[2.0, 0]], [[1, 0]], [[0, 5]]], "float32")
    data = compute_weights_data(path, LAYERS, [kernel, np.full((3, 3), 9.0), other])
    assert data.layers == ("one", "two") and data.sizes.tolist() == [4, 2] and data.sparse
    np.testing.assert_allclose(data.norm, [[5, 2, 0], [2, 1, 5]])
    np.testing.assert_allclose(data.nonzero, [[0.5, 1, 0], [0.5, 0.5, 0.5]])


def test_the_axis_has_all_strengths_also_those_without_a_model():
    """With the limits of the models alone, the mark of strength 0 is far outside and leaves the axes no room."""
    status = np.full(21, Status.NOT_TRAINED, dtype=object)
    status[[9, 10]] = Status.OK
    data = compute_weights_data(
        make_path(full_status=status, selection=LAYERS), LAYERS, [np.ones((2, n)) for n in (4, 3, 2)]
    )
    axes = Figure().subplots()
    draw_norms(axes, data)
    low, high = axes.get_xlim()
    assert low < data.position.min() and high > data.position.max()


def test_strengths_without_a_model_have_no_norm():
    status = np.array([Status.NOT_TRAINED, Status.OK, Status.DIVERGED], dtype=object)
    path = make_path(lams=[1.0, 0.1, 0.0], selection=LAYERS, full_status=status)
    values = [np.ones((2, 2, 2)), np.ones((2, 3)), np.ones((2, 1, 2))]  # of the two strengths with a model
    np.testing.assert_allclose(
        compute_weights_data(path, LAYERS, values).norm, [[np.nan, 2, np.nan], [np.nan, 2**0.5, np.nan]]
    )


def test_probabilities_that_are_right_lie_on_the_diagonal():
    data = compute_calibration_data(of_a_probability(), {"choice": 4, "none": 20})
    assert data.event == "class 1" and set(data.bins) == {"choice", "none"}
    bins = data.bins["choice"]
    assert bins.count.sum() == N and len(bins.count) == 10 and (bins.low <= bins.observed).all()
    inside = (bins.low <= bins.predicted) & (bins.predicted <= bins.high)
    assert inside.mean() >= 0.8 and bins.error < 0.1
    np.testing.assert_array_equal(np.floor(10 * bins.predicted), np.arange(10))


def test_the_shares_are_those_of_the_rows():
    path = of_a_probability()
    probability, label = path.predictions[:, 4, 0], path.targets[:, 0]
    bins = compute_calibration_data(path, {"choice": 4}).bins["choice"]
    rows = (probability >= 0.2) & (probability < 0.3)
    assert bins.count[2] == rows.sum() and bins.observed[2] == pytest.approx(label[rows].mean())
    assert bins.predicted[2] == pytest.approx(probability[rows].mean())


@pytest.mark.parametrize("make", [of_classes, of_a_probability], ids=["classes", "one unit"])
def test_logits_give_the_same_as_their_probabilities(make):
    path = make()
    p = path.predictions
    logits = np.log(p) if make is of_classes else np.log(p / (1 - p))
    of_logits = compute_calibration_data(make(predictions=logits), {"none": 20}, from_logits=True).bins["none"]
    expected = compute_calibration_data(path, {"none": 20}).bins["none"]
    np.testing.assert_allclose(of_logits.predicted, expected.predicted, rtol=1e-6)
    np.testing.assert_array_equal(of_logits.count, expected.count)


def test_with_more_classes_the_event_is_that_the_predicted_class_is_right():
    path = of_classes()
    data = compute_calibration_data(path, {"none": 20})
    assert data.event == "the predicted class is right"
    probability = path.predictions[:, 20]
    right = probability.argmax(axis=1) == path.targets
    bins = data.bins["none"]
    assert np.average(bins.observed, weights=bins.count) == pytest.approx(right.mean())
    assert bins.predicted.min() > 1 / 3  # the largest of three


def test_one_hot_targets_are_classes():
    path = of_classes()
    template = StubTemplate(loss_name="categorical_crossentropy")
    one_hot = of_classes(template=template, targets=np.eye(3)[path.targets])
    for data in (compute_classes_data(path, {"none": 20}), compute_classes_data(one_hot, {"none": 20})):
        assert data.classes.tolist() == [0, 1, 2] and data.counts.sum() == N
    ours, theirs = (compute_calibration_data(each, {"none": 20}).bins["none"] for each in (path, one_hot))
    np.testing.assert_array_equal(ours.observed, theirs.observed)


def test_losses_of_classes_are_means_of_their_rows_by_weight():
    weight = np.random.default_rng(3).random(N)
    path = of_classes(row_weight=weight)
    data = compute_classes_data(path, {"choice": 4, "none": 20})
    for number, loss in zip(data.classes, data.losses["choice"], strict=True):
        rows = path.targets == number
        assert loss == pytest.approx(np.average(path.row_loss[rows, 4], weights=weight[rows]))
    total = sum(
        weight[path.targets == number].sum() * loss for number, loss in zip(range(3), data.losses["none"], strict=True)
    )
    assert total == pytest.approx((weight * path.row_loss[:, 20]).sum())


def test_of_many_classes_those_with_the_largest_loss_are_shown():
    labels = np.arange(N) % 50
    row_loss = np.repeat(labels[:, None] * 1.0, 21, axis=1)
    data = compute_classes_data(
        of_classes(targets=labels, row_loss=row_loss, predictions=np.ones((N, 21, 50))), {"none": 20}
    )
    assert data.n_all == 50 and data.classes.tolist() == list(range(20, 50))


def test_residuals_are_target_minus_prediction():
    path = of_a_number()
    data = compute_residuals_data(path, 4)
    np.testing.assert_allclose(data.residual, 0.1 * data.rows)
    np.testing.assert_array_equal(data.rows, path.held_out_rows)
    assert not compute_residuals_data(path, 0).residual.any()


def test_of_many_residuals_a_sample_is_shown():
    path = of_a_number(predictions=np.zeros((N, 21, 30)), targets=np.ones((N, 30)))
    data = compute_residuals_data(path, 4)
    assert len(data.residual) == 2000 and data.n_all == 30 * N and set(data.rows) <= set(path.held_out_rows)


# --- states in words


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("epochs", {"solver": "exact"}, "computed, not trained"),
        ("folds", {"n_folds": 1}, "A single part of the rows was held out"),
        ("weights", {"weights": ()}, "No model was trained on all rows"),
        ("weights", {"selection": Selection(())}, "No weight is penalised"),
        ("calibration", {}, "saved this path, without the targets"),
        *(
            (
                kind,
                {"template": StubTemplate(loss_name="loss"), "predictions": (np.zeros((N, 21)),) * 2},
                "several outputs",
            )
            for kind in ("calibration", "residuals", "classes")
        ),
        (
            "residuals",
            {},
            "must be a picture that the path has. Received: 'residuals'. Residuals are .* is the log loss",
        ),
        ("calibration", {"template": StubTemplate(loss_name="mse")}, "the loss is the squared error"),
        ("classes", {"template": StubTemplate(loss_name="mse")}, "The target has no classes"),
        ("classes", {"targets": np.zeros(N, int), "row_loss": np.full((N, 21), np.nan)}, "no value per row"),
        ("classes", {"targets": np.zeros((N, 4), int), "predictions": np.zeros((N, 21, 4, 3))}, "one per time step"),
        (
            "classes",
            {"targets": np.ones((N, 2)), "template": StubTemplate(loss_name="binary_crossentropy")},
            "several labels",
        ),
    ],
)
def test_a_picture_without_data_says_why(kind, changes, words):
    with pytest.raises(ValueError, match=words):
        make_path(**changes).plot(kind=kind)


@pytest.mark.parametrize("kind", ["epochs", "residuals", "classes", "calibration"])
def test_where_every_strength_diverged_there_is_no_strength_to_draw(kind):
    path = make_path(**diverged(make_path(), LAMS >= 0))
    with pytest.raises(NothingToChoose):
        path.plot(kind=kind)
    with pytest.raises(ValueError, match="Every model diverged"):
        path.plot(kind="folds")
    with pytest.raises(ValueError, match="Every model diverged before the end of its first epoch"):
        path.plot(kind="epochs", lam="none")


# --- Path.plot


def test_a_wrong_kind_or_strength_is_refused():
    path = make_path()
    with pytest.raises(ValueError, match="`kind` must be one of 'loss', 'epochs'.*Received: 'curve'"):
        path.plot(kind="curve")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="None for the kind 'folds', which shows all strengths. Received: 'min'"):
        path.plot(kind="folds", lam="min")
    with pytest.raises(TypeError, match="`ax` must be Matplotlib axes.*Received: Figure"):
        path.plot(ax=Figure())  # pyright: ignore[reportArgumentType]


def with_learning_curve():
    return replace(make_path(), learning_curve=learning_curve(make_path(), [0.5, 0.3, 0.2], 0.1))


def test_the_learning_curve_is_drawn_over_its_rows():
    path = with_learning_curve()
    data, learned = compute_rows_data(path), path.learning_curve
    assert learned is not None
    np.testing.assert_array_equal(data.rows, [20, 40, 80, 160])
    np.testing.assert_array_equal(data.held_out, learned.mean.T)
    np.testing.assert_array_equal(data.training, learned.train_mean[:, 0])
    assert data.names == ("L2 at 3.16e-04",) and data.null == path.null_loss
    ticks = path.plot(kind="rows").axes[0].get_xticklabels()
    assert [text.get_text() for text in ticks] == ["20", "40", "80", "160"]
    with pytest.raises(ValueError, match="no learning curve. Say learning_curve=True"):
        make_path().plot(kind="rows")
    with pytest.raises(ValueError, match="the kind 'rows', which shows the choice"):
        path.plot(kind="rows", lam="min")


PATHS = {
    "loss": make_path, "epochs": make_path, "folds": make_path, "weights": make_path,
    "calibration": of_classes, "classes": of_classes, "residuals": of_a_number, "rows": with_learning_curve,
}  # fmt: skip


@pytest.mark.parametrize("kind", PATHS)
def test_every_kind_is_drawn_on_axes_of_its_own_and_of_the_caller(kind):
    path, file = PATHS[kind](), io.BytesIO()
    own = path.plot(file, kind=kind)
    assert file.getvalue().startswith(b"\x89PNG") and own.axes[0].get_title("left").startswith("L2 path")
    labels = [text.get_text() for text in own.legends[0].get_texts()]
    assert labels and len(set(labels)) == len(labels)
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert path.plot(kind=kind, ax=right) is figure
    assert not left.lines and right.lines and right.get_legend() is not None and not figure.legends


def test_a_part_of_a_figure_can_be_drawn_on():
    figure = Figure()
    part: Any = np.ravel(figure.subfigures(1, 2))[0]  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert make_path().plot(ax=part.subplots()) is figure


def test_zeros_have_axes_of_their_own():
    weight = Weight("one", "one/kernel", (2, 2), 4, 1.0, "kernel", (-2,), (-1,))
    path = make_path(penalty=L1(), selection=Selection((weight, LAYERS.weights[1])))
    norms, nonzero = path.plot(kind="weights").axes
    assert "norm" in norms.get_ylabel() and "not zero" in nonzero.get_ylabel()
    line = nonzero.lines[0].get_ydata()
    np.testing.assert_allclose(np.asarray(line, float), 100)  # the synthetic weights have none that is zero
    both: Any = Figure().subplots(2)
    assert path.plot(kind="weights", ax=both).axes == [*both]
    assert len(make_path().plot(kind="weights").axes) == 1


def test_a_strength_can_be_chosen():
    path = make_path()
    assert "λ = 0" in path.plot(kind="epochs", lam="none").axes[0].get_xlabel()
    assert "λ = 3.16e-04" in path.plot(kind="epochs").axes[0].get_xlabel()
    labels = [text.get_text() for text in of_classes().plot(kind="classes", lam="none").legends[0].get_texts()]
    assert labels == ["none, λ = 0"]
    labels = [text.get_text() for text in of_classes().plot(kind="classes", lam=LAMS[0]).legends[0].get_texts()]
    assert labels == ["penalty, λ = 1.00e+00", "none, λ = 0"]


def test_names_with_dollars_are_text():
    weight = Weight("a$b$", "a$b$/kernel", (2, 2), 4, 1.0, "kernel", (-2,), (-1,))
    path = make_path(selection=Selection((weight, LAYERS.weights[1])))
    path.plot(io.BytesIO(), kind="weights")  # Matplotlib would take b for mathematics, and fail on a single dollar
