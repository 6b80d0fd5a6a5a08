"""The strength by a metric: values of scikit-learn on the rows of each fold, glmnet's rule, and refusals in words."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from sklearn import metrics

import shrinkage as sh
from shrinkage._cv._choice import choose_strengths
from shrinkage._cv._statistics import summarise
from tests.synthetic_path import diverged, make_path

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3)).astype("float32")
BINARY = (X[:, 0] + 0.7 * RNG.normal(size=90) > 0).astype(int)
THREE = np.digitize(X[:, 0] + 0.3 * RNG.normal(size=90), [-0.5, 0.5])
NUMBER = 100 + 5 * X @ [1.0, -1.0, 0.5]
OPTIONS = {"penalty": sh.L2(), "lams": [3.0, 0.3, 0.03], "cv": 3, "epochs": 8, "batch_size": 15}


def path_of(loss, y, units=1, activation=None, compiled=None, **options):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(units, activation)], name="linear")
    model.compile(keras.optimizers.Adam(0.05), loss, metrics=compiled or [])
    return sh.fit(model, X, y, **OPTIONS | options)


@pytest.fixture(scope="module")
def binary():
    return path_of("binary_crossentropy", BINARY, 1, "sigmoid", ["accuracy", keras.metrics.AUC(name="area")])


@pytest.fixture(scope="module")
def three():
    return path_of("sparse_categorical_crossentropy", THREE, 3, "softmax")


@pytest.fixture(scope="module")
def number():
    return path_of("mean_squared_error", NUMBER, standardize_target=True, compiled=["mae"])


def by_hand(path, values):
    """The metric of each fold and strength, (F, S), of functions of targets and predictions of the fold."""
    inside = path.folds.held_out.contain(path.held_out_rows)
    return np.array(
        [[values(path.held_out_rows[f], path.predictions[f, s]) for s in range(len(path.lams))] for f in inside]
    )


def check(path, choice, expected, sign):
    assert choice.fold_values == pytest.approx(expected, rel=1e-5) and np.ptp(expected) > 0  # targets are float32
    mean, se = summarise(expected, path.fold_weight)
    assert choice.index == choose_strengths(-sign * mean, se)[0] and float(choice) == path.lams[choice.index]
    assert choice.mean == pytest.approx(mean, rel=1e-5) and choice.se == pytest.approx(se, rel=1e-4)


def accuracy(rows, p):
    return np.mean(BINARY[rows] == (p[:, 0] > 0.5))


CASES = {
    "auc": ("binary", "auc", 1, lambda rows, p: metrics.roc_auc_score(BINARY[rows], p[:, 0])),
    "a compiled metric": ("binary", "accuracy", 1, accuracy),
    "a scorer's name": ("binary", "f1", 1, lambda rows, p: metrics.f1_score(BINARY[rows], p[:, 0] > 0.5)),
    "a loss": ("binary", metrics.log_loss, -1, lambda rows, p: metrics.log_loss(BINARY[rows], p[:, 0])),
    "classes": (
        "three", "balanced_accuracy", 1, lambda rows, p: metrics.balanced_accuracy_score(THREE[rows], p.argmax(1))
    ),
    "auc of classes": ("three", "auc", 1, lambda rows, p: metrics.roc_auc_score(THREE[rows], p, multi_class="ovr")),
    "an error": (
        "number", metrics.mean_absolute_error, -1,
        lambda rows, p: np.abs(NUMBER[rows] - p[:, 0]).mean(),
    ),
    "a negated error": (
        "number", "neg_root_mean_squared_error", 1,
        lambda rows, p: -np.sqrt(np.mean((NUMBER[rows] - p[:, 0]) ** 2)),
    ),
    "a compiled error in the units of y": (
        "number", "mae", -1, lambda rows, p: np.abs(NUMBER[rows] - p[:, 0]).mean()
    ),
    "a scorer": (
        "number", metrics.make_scorer(lambda y, p: np.abs(y - p).max(), greater_is_better=False), 1,
        lambda rows, p: -np.abs(NUMBER[rows] - p[:, 0]).max(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_metric_of_each_fold_is_that_of_its_held_out_predictions(name, request):
    fixture, metric, sign, values = CASES[name]
    path = request.getfixturevalue(fixture)
    check(path, path.choose(metric), by_hand(path, values), sign)


def test_the_choice_is_a_strength_that_says_how_it_came_about(binary):
    choice = binary.choose("auc", rule="1se")
    mean, se = choice.mean, choice.se
    assert choice.index == choose_strengths(-mean, se)[1] and binary.model(choice).count_params() == 4
    assert f"lambda = {float(choice):.2e} by auc, the largest within one standard error of the best" in repr(choice)
    assert "The loss, the default, chooses" in str(choice) and binary.lam == binary.lam_min


@pytest.mark.parametrize("listed", [False, True], ids=["a loss", "a list of a loss"])
def test_logits_become_probabilities(listed):
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    path = path_of([loss] if listed else loss, BINARY)
    assert path.template.from_logits
    expected = by_hand(path, lambda rows, p: metrics.log_loss(BINARY[rows], 1 / (1 + np.exp(-p[:, 0].astype(float)))))
    check(path, path.choose(metrics.log_loss), expected, -1)


def test_one_hot_targets_and_margins_are_classes():
    path = path_of("categorical_crossentropy", np.eye(3)[THREE], 3, "softmax")
    expected = by_hand(path, lambda rows, p: np.mean(THREE[rows] == p.argmax(1)))
    assert path.choose("accuracy").fold_values == pytest.approx(expected)
    path = path_of("hinge", 2.0 * BINARY - 1)
    for metric, values in {
        "auc": lambda rows, p: metrics.roc_auc_score(BINARY[rows], p[:, 0]),
        "accuracy": lambda rows, p: np.mean((BINARY[rows] == 1) == (p[:, 0] > 0)),
    }.items():
        assert path.choose(metric).fold_values == pytest.approx(by_hand(path, values))


def test_several_labels_are_not_classes():
    labels = np.stack([BINARY, 1 - BINARY], axis=1)
    path = path_of("binary_crossentropy", labels.astype("float32"), 2, "sigmoid")
    expected = by_hand(path, lambda rows, p: metrics.f1_score(labels[rows], p > 0.5, average="macro"))
    assert path.choose("f1_macro").fold_values == pytest.approx(expected)


def test_sample_weights_count():
    weight = RNG.uniform(0.2, 3.0, size=90)
    path = path_of("binary_crossentropy", BINARY, 1, "sigmoid", sample_weight=weight)
    expected = by_hand(path, lambda rows, p: metrics.roc_auc_score(BINARY[rows], p[:, 0], sample_weight=weight[rows]))
    check(path, path.choose("auc"), expected, 1)


def test_repeats_have_the_folds_of_the_first_and_averaged_predictions():
    path = path_of("binary_crossentropy", BINARY, 1, "sigmoid", repeats=2)
    choice = path.choose("auc")
    rows = path.folds.held_out[1]
    place = np.searchsorted(path.held_out_rows, rows)
    expected = metrics.roc_auc_score(BINARY[rows], path.predictions[place, 2, 0])
    assert choice.fold_values.shape == (3, 4) and choice.fold_values[1, 2] == expected and np.isfinite(choice.se).all()


def test_a_strength_that_diverged_is_not_chosen(binary):
    best = binary.choose("auc").index
    path = replace(binary, **diverged(binary, np.arange(4) == best))
    choice = path.choose("auc")
    assert choice.index != best and np.isnan(choice.mean[best])


def refused(path, words, *args, **kwargs):
    with pytest.raises((ValueError, TypeError), match=words):
        path.choose(*args, **kwargs)


def test_it_refuses_in_words(binary, number):
    refused(
        binary,
        "`metric` must be a compiled metric .accuracy, area., .*Received: 'acuracy'. Do you mean 'accuracy'",
        "acuracy",
    )
    refused(binary, "`rule` must be", "auc", rule="best")
    refused(binary, "must be a name, a scorer or a function", 3)
    refused(
        number,
        r"Received: 'auc', which cannot .* fold 1, where the model predicts numbers \(it needs scores of classes\). ",
        "auc",
    )
    refused(number, r"Received: 'accuracy', which cannot .* fold 1, where the model predicts numbers \(", "accuracy")
    everything = np.ones(len(binary.lams), bool)
    refused(replace(binary, **diverged(binary, everything)), "diverged", "auc")
    refused(replace(binary, targets=None), "earlier version", "auc")
    refused(
        replace(binary, predictions={"a": binary.predictions}),
        "one output. Received: a path with a dict of outputs",
        "auc",
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mse", "neg_mean_squared_error"),
        ("mean_absolute_error", "neg_mean_absolute_error"),
        ("rmse", "neg_root_mean_squared_error"),
        ("r2_score", "r2"),
        ("MAE", "mae"),
        ("a name of nothing", None),
    ],
)
def test_a_name_of_another_library_leads_to_one_that_is_taken(number, name, meant):
    with pytest.raises(ValueError, match="`metric` must be") as error:
        number.choose(name)
    assert len(str(error.value)) < 250
    assert (f"Do you mean '{meant}'?" in str(error.value)) == (meant is not None) or name == "MAE"
    if meant:
        number.choose(str(error.value).split("Do you mean ")[1].strip("'?"))


def test_a_function_of_unknown_direction_is_refused(binary):
    def my_metric(y, p):
        return 0.0

    refused(binary, r"Received: the function my_metric. Pass .*make_scorer\(my_metric, greater_is_better", my_metric)


def test_a_fold_of_one_class_is_named():
    folds = np.repeat([0, 1, 2], 30)
    order = np.argsort(BINARY, kind="stable")
    given = np.empty(90, int)
    given[order] = folds
    path = path_of("binary_crossentropy", BINARY, 1, "sigmoid", cv=given)
    refused(path, "Received: 'auc', which is not defined for fold 1, which holds out rows of one class", "auc")


def test_a_single_split_has_no_standard_error():
    path = path_of("binary_crossentropy", BINARY, 1, "sigmoid", cv=0.3)
    assert path.choose("auc").fold_values.shape == (1, 4)
    refused(path, "single split", "auc", rule="1se")


def test_a_synthetic_path_without_targets_says_so():
    refused(make_path(), "Fit again", "f1_macro")
