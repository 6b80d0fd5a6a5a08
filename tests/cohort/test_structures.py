"""Members with several inputs and outputs, and with any loss, equal plain Keras trained alone on the same batches."""

import re
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from keras.src.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights

import shrinkage as sh
from shrinkage._cohort._cohort import Cohort
from shrinkage._cohort._initial import make_initial_values
from shrinkage._data._data import as_tree, take
from shrinkage._plan._rules_check import check_rules
from shrinkage._problem._problem import Problem
from shrinkage._problem._structure import find_leaf_places
from shrinkage._problem._targets import compute_class_weights
from tests.cohort.training import assert_member_equals_plain_keras, likeliest_way, problem_of, train_cohort
from tests.cohort.zoo_structures import AMOUNT, LABELS, STRUCTURES, A, B, Case
from tests.daily import full
from tests.model.zoo_losses import LOSSES, X, own_mixes_rows
from tests.model.zoo_losses import model as loss_model
from tests.oracle import sample_weights

DAILY = [pytest.param(name, marks=() if daily else pytest.mark.full) for name, (_, _, daily) in STRUCTURES.items()]


def problem_of_case(case: Case, **changes: Any) -> Problem:
    case.model.compile(keras.optimizers.Adam(0.02), **case.compiled)
    return problem_of(case.model, case.x, case.y, **changes)


@pytest.mark.parametrize("name", DAILY)
def test_member_equals_plain_keras(name, floatx):
    make, unrolled, _ = STRUCTURES[name]
    problem = problem_of_case(make())
    assert bool(likeliest_way(problem).unrolled_layers) == unrolled and check_rules(problem)[1]
    cohort = train_cohort(problem, not unrolled)
    assert_member_equals_plain_keras(problem, cohort, 1, 1, xla=not unrolled, floatx=floatx)


LOSS_CASES = [pytest.param(name, marks=() if fit.daily else pytest.mark.full) for name, fit in LOSSES.items()]


def test_every_loss_of_keras_has_a_case():
    classes = (value for value in vars(keras.losses).values() if isinstance(value, type))
    assert {c.__name__ for c in classes} - {"Loss"} <= set(LOSSES)


@pytest.mark.parametrize("weighted", [False, pytest.param(True, marks=pytest.mark.full)])
@pytest.mark.parametrize("name", LOSS_CASES)
def test_any_loss_equals_plain_keras(name, weighted, floatx):
    fit = LOSSES[name]
    model = loss_model(fit)
    model.compile(keras.optimizers.Adam(0.02), fit.loss())
    weight = np.random.default_rng(3).uniform(0.2, 2, len(X)) if weighted else None
    problem = problem_of(model, X, fit.y, sample_weight=weight)
    assert problem.training.objective.by_rows == fit.by_rows and check_rules(problem)[1]
    cohort = train_cohort(problem, xla := weighted and likeliest_way(problem).xla)  # compiling takes most of the time
    assert_member_equals_plain_keras(problem, cohort, 1, 1, xla=xla, floatx=floatx)
    assert_evaluation_equals_plain_keras(problem, cohort, 0, 2)


def assert_evaluation_equals_plain_keras(problem: Problem, cohort: Cohort, fold: int, s: int) -> None:
    """The scores of a member are those of `model.evaluate` in batches of the same size."""
    found, data, rows = cohort.evaluate(), problem.training.data, problem.folds.held_out[fold]
    model = problem.training.template.make_model(cohort.get_values(fold, s))
    weight, size = sample_weights(data, rows), problem.training.batch_size
    plain = model.evaluate(
        take(data.x, rows), take(data.targets, rows), sample_weight=weight, batch_size=size, verbose=0, return_dict=True
    )
    # Keras adds up batches in float32, and divides by their rows, not by the sum of weights.
    expected = plain["loss"] / data.weight[rows].mean()
    assert found.cv_loss[fold, s] == pytest.approx(expected, rel=2e-6)
    assert np.isnan(found.row_loss).all() != problem.training.objective.by_rows


def fit(case: Case, compiled: dict[str, Any] | None = None, **options: Any) -> sh.Path:
    case.model.compile(keras.optimizers.Adam(0.02), **case.compiled | (compiled or {}))
    arguments = {"penalty": sh.L2(), "lams": [0.5, 0.1], "cv": 2, "epochs": 3, "batch_size": 7} | options
    return sh.fit(case.model, case.x, case.y, **arguments)


METRICS = {
    "two_outputs": {"metrics": [["mae"], ["accuracy"]]},
    "dictionaries": {"metrics": {"z": ["mae"], "b": "accuracy"}, "weighted_metrics": {"b": ["accuracy"]}},
    "deep_structures": {"metrics": {"first": ("mae", ["mse", "mae"]), "second": None}},
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "dictionaries" else pytest.mark.full) for name in METRICS]
)
def test_a_path_of_several_outputs(name, tmp_path):
    """Predictions have the model's structure, and metrics Keras' names and values; all is saved and drawn."""
    case = STRUCTURES[name][0]()
    path = fit(case, METRICS[name])
    model = path.model()
    predicted = keras.tree.lists_to_tuples(model.predict(case.x, verbose=0))
    keras.tree.assert_same_structure(predicted, path.predictions)
    for mine, plain in zip(*map(keras.tree.flatten, (path.predictions, predicted)), strict=True):
        assert mine.shape == (40, 3, *plain.shape[1:]) and not mine.flags.writeable and np.isfinite(mine).all()
    scores = model.evaluate(case.x, case.y, verbose=0, return_dict=True)
    assert set(path.metrics) == {key for key in scores if not key.endswith("loss")}
    # The held-out predictions of a strength, put through the same metrics by Keras.
    metrics = path.template.make_metrics()
    assert metrics is not None
    held = keras.tree.map_structure(lambda value: value[:, 1], path.predictions)
    packed = keras.tree.pack_sequence_as(path.predictions, keras.tree.flatten(as_tree(case.y)))
    metrics.update_state(packed, held)
    for key, value in metrics.result().items():
        assert path.metrics[key][1] == pytest.approx(float(value), rel=1e-5)
    path.save(tmp_path / "path")
    again = sh.Path.load(tmp_path / "path")
    keras.tree.map_structure(np.testing.assert_array_equal, again.predictions, path.predictions)
    keras.tree.assert_same_structure(again.predictions, path.predictions)
    assert "loss" in str(again) and again.verdict() and list(again.table()["loss"]) == list(path.mean)
    path.plot(tmp_path / "path.png")


def test_the_null_model_of_several_outputs():
    """Its loss is the sum of loss weight times each output's null loss, its metrics those of all constants."""
    path = fit(STRUCTURES["two_outputs"][0](), METRICS["two_outputs"])
    losses = []
    for rows, held in zip(path.folds.train, path.folds.held_out, strict=True):
        share = np.bincount(LABELS[rows], minlength=3) / len(rows)
        squared = ((AMOUNT[held] - AMOUNT[rows].mean()) ** 2).mean()
        losses.append(0.5 * squared + 2 * -np.log(share[LABELS[held]]).mean())
    assert path.null_loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert set(path.null_metrics) == {"amount_mae", "kind_accuracy"}
    assert path.folds.kind == "stratified k-fold"


def test_a_loss_of_rows_is_the_sum_of_the_outputs():
    path = fit(STRUCTURES["two_outputs"][0](), cv=0.3)
    amount, kind = (value[:, 0] for value in path.predictions)
    rows = path.held_out_rows
    expected = 0.5 * ((amount - AMOUNT[rows]) ** 2)[:, 0] - 2 * np.log(kind[np.arange(len(rows)), LABELS[rows]])
    np.testing.assert_allclose(path.row_loss[:, 0], expected, rtol=1e-5)
    assert np.isfinite(path.se).all()


def test_validation_rows_may_be_given_by_name():
    case = STRUCTURES["two_outputs"][0]()
    validation = {"right": B[:9], "left": A[:9]}, {"kind": LABELS[:9], "amount": AMOUNT[:9]}
    path = fit(case, validation_data=validation)
    assert path.folds.kind == "given" and [p.shape for p in path.predictions] == [(9, 3, 1), (9, 3, 3)]
    with pytest.raises(ValueError, match=r"`validation_data`: `y` must be a list of 2 arrays .* with keys 'kind'"):
        fit(case, validation_data=(validation[0], {"kind": LABELS[:9], "none": AMOUNT[:9]}))


def test_a_loss_that_mixes_rows_has_no_standard_error_in_one_split():
    model = loss_model(LOSSES["mixes rows"])
    path = fit(Case(model, {"loss": own_mixes_rows}, X, LOSSES["mixes rows"].y), cv=0.3)
    assert np.isfinite(path.mean).all() and np.isnan(path.se).all() and np.isnan(path.row_loss).all()
    assert path.lam_1se == path.lam_min and any("mixes the rows" in note for note in path.notes)
    assert "loss (own_mixes_rows)" in str(path) and "interval" not in path.verdict()


def test_a_normalization_is_fitted_to_all_inputs_that_share_it(floatx):
    problem = problem_of_case(STRUCTURES["shared"][0]())
    training, folds = problem.training, problem.folds
    layer = next(one for one in training.template.network.layers if isinstance(one, layers.Normalization))
    place = [v is layer.adapt_mean for v in training.template.network.variables].index(True)
    values = make_initial_values(
        training.template, training.data, folds.train, range(2), seed=training.seed, init=training.init
    )
    expected = np.concatenate([x[folds.train[1]] for x in training.data.x]).mean(axis=0)
    np.testing.assert_allclose(values[1][place].reshape(-1), expected, rtol=1e-6)


# --- weights of classes


@pytest.mark.parametrize(
    "y", [LABELS, LABELS[:, None], np.eye(3)[LABELS], (LABELS > 0).astype(float)], ids=["n", "n1", "nk", "float"]
)
def test_class_weights_are_those_of_keras(y):
    weight = {0: 2.0, 2: 0.5}
    expected = class_weight_to_sample_weights(y, weight)
    np.testing.assert_allclose(compute_class_weights(y, weight), expected)
    assert np.ptp(expected) > 0


def test_class_weight_multiplies_sample_weight():
    case = Case(
        keras.Sequential([keras.Input((4,)), layers.Dense(3, "softmax")]),
        {"loss": "sparse_categorical_crossentropy"}, A, LABELS,
    )  # fmt: skip
    rows = np.random.default_rng(4).uniform(0.5, 2, len(A))
    both = fit(case, sample_weight=rows, class_weight={1: 3.0})
    one = fit(case, sample_weight=rows * np.where(LABELS == 1, 3.0, 1.0))
    np.testing.assert_allclose(both.cv_loss, one.cv_loss)
    assert not np.allclose(one.cv_loss, fit(case, sample_weight=rows).cv_loss, rtol=1e-3)


def test_class_weight_equals_plain_keras(floatx):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "softmax")])
    case = Case(model, {"loss": "sparse_categorical_crossentropy"}, A, LABELS)
    problem = problem_of_case(case, class_weight={0: 3.0, 2: 0.5})
    weight = problem.training.data.weight
    assert weight.mean() == pytest.approx(1)
    assert weight[LABELS == 0][0] / weight[LABELS == 2][0] == pytest.approx(6)
    assert_member_equals_plain_keras(problem, train_cohort(problem, True), 0, 1, xla=True, floatx=floatx)


# --- what does not fit is refused


def two_outputs(**changes: Any) -> Case:
    return STRUCTURES["two_outputs"][0]()._replace(**changes)


def dictionaries(**changes: Any) -> Case:
    return STRUCTURES["dictionaries"][0]()._replace(**changes)


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    # name: (the case, changes of the call, what is said)
    "one array": (
        two_outputs(x=A), {}, "`x` must be a list of 2 arrays in the model's order 'left', 'right', or a dictionary "
        "with these names. Received: one array of shape (40, 4).",
    ),
    "three arrays": (two_outputs(x=[A, B, B]), {}, "Received: a list of 3."),
    "wrong name": (two_outputs(x={"left": A, "wrong": B}), {}, "Received: a dictionary with keys 'left', 'wrong'."),
    "a list for a dictionary": (
        dictionaries(x=[A, B]), {}, "`x` must be a dictionary of 2 arrays with the model's keys 'left', 'right'. "
        "Received: a list of 2.",
    ),
    "a missing key": (dictionaries(x={"left": A}), {}, "`x` must be a dictionary of 2 arrays"),
    "another structure": (
        STRUCTURES["deep_structures"][0]()._replace(x={"pair": A}), {}, "`x` must be of the model's structure, "
        "{'pair': ('array', 'array')}. Received: a dictionary with keys 'pair'.",
    ),
    "shape": (two_outputs(x={"left": B, "right": B}), {}, "`x['left']` must have the shape of the model's input"),
    "rows": (two_outputs(x=[A, B[:7]]), {}, "`x[0]` and `x[1]` must have the same number of rows. Received: 40 and 7"),
    "rows of targets": (
        dictionaries(y={"z": AMOUNT[:7], "b": LABELS}), {}, "`x['left']` and `y['z']` must have the same number of row",
    ),
    "not finite": (two_outputs(x={"left": A * np.nan, "right": B}), {}, "`x['left']` must be finite"),
    "text": (two_outputs(x={"left": A.astype(str), "right": B}), {}, "`x['left']` must be an array of real numbers"),
    "labels": (
        dictionaries(y={"z": AMOUNT, "b": LABELS + 1}), {}, "`y['b']` must hold class labels 0 to 2 for sparse",
    ),
    "target's shape": (
        dictionaries(y={"z": A, "b": LABELS}), {}, "`y['z']` must have the shape of the model's output, (n, 1)",
    ),
    "no target": (dictionaries(y={"b": LABELS}), {}, "`y['z']` must be given, because the output has a loss."),
    "a target too many": (dictionaries(y={"z": AMOUNT, "b": LABELS, "c": LABELS}), {}, "with keys 'z', 'b', 'c'."),
    "a key of losses": (
        dictionaries(compiled={"loss": {"z": "mse", "other": "mse"}}), {}, "`loss` and `loss_weights` must fit",
    ),
    "metrics of no output": (
        dictionaries(compiled=STRUCTURES["dictionaries"][0]().compiled | {"metrics": {"other": ["mae"]}}), {},
        "`metrics` must fit the model's outputs. Received: an error of Keras: ",
    ),
    "a metric without a target": (
        dictionaries(compiled={"loss": {"z": "mse", "b": None}, "metrics": {"b": ["mae"]}}, y={"z": AMOUNT}), {},
        "`y['b']` must be given, as that output has metrics.",
    ),
    "another structure of a subclassed model": (
        STRUCTURES["subclassed"][0]()._replace(x=[A, B]), {}, "`model` must accept the rows of `x`. Received: an ",
    ),
    "weights of losses": (two_outputs(compiled={"loss": ["mse", None], "loss_weights": [1.0]}), {}, "`loss_weights`"),
    "sample weights of another output": (
        two_outputs(), {"sample_weight": {"other": np.ones(40)}}, "`sample_weight` must be a list of 2 arrays in the "
        "model's order 'amount', 'kind', or a dictionary with these names. Received: a dictionary with keys 'other'.",
    ),
    "negative sample weights": (
        two_outputs(), {"sample_weight": {"kind": -np.ones(40)}}, "`sample_weight['kind']` must be 40 weights",
    ),
    "sample weights of a fold": (
        two_outputs(), {"sample_weight": [None, np.arange(40) < 20], "cv": np.arange(40) // 20},
        "above 0 for some training and some held-out rows of every fold in the loss of `y[1]`. Received: weight 0",
    ),
    "class weights of two outputs": (two_outputs(), {"class_weight": {0: 2.0}}, "`class_weight` needs one output"),
    "class weights": (
        STRUCTURES["two_inputs"][0](), {"class_weight": {"a": 2.0}}, "`class_weight` must give whole numbers",
    ),
    "negative class weights": (
        STRUCTURES["two_inputs"][0](), {"class_weight": {0: -2.0}}, "that are not negative. Received: {0: -2.0}",
    ),
    "no class weights": (STRUCTURES["two_inputs"][0](), {"class_weight": [1, 2]}, "must be a dictionary from class"),
    "standardised": (
        STRUCTURES["one_loss_for_all"][0](), {"standardize_target": True}, "`standardize_target` needs loss=",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name, monkeypatch):
    monkeypatch.setattr("shrinkage._fit._fit.Search", None)  # no training begins
    case, changes, said = REFUSED[name]
    with pytest.raises((ValueError, TypeError), match=re.escape(said)):
        fit(case, **changes)


STRUCTURE = st.recursive(
    st.just(0), lambda child: st.dictionaries(st.sampled_from("abc"), child, min_size=1) | st.tuples(child, child)
)


@given(STRUCTURE, STRUCTURE)
def test_a_structure_fits_or_is_refused(given_, structure):
    """Whatever is given, each leaf of the model's structure gets one leaf, or one sentence says what is wanted."""
    count = len(keras.tree.flatten(structure))
    try:
        places = find_leaf_places("x", given_, structure, list(range(count)))
    except ValueError as error:
        assert re.match(r"`x` must be .*\. Received: .*\.$", str(error))
        assert keras.tree.flatten_with_path(given_) != keras.tree.flatten_with_path(structure)
    else:
        assert places == list(range(count)) and len(keras.tree.flatten(given_)) == count


@pytest.mark.parametrize(
    "layer", [layers.LSTM(3), full(layers.Bidirectional(layers.GRU(2))), full(layers.SimpleRNN(3))]
)
def test_a_path_of_a_recurrent_network_under_a_mask(layer):
    x = np.random.default_rng(0).integers(0, 9, (30, 5))
    words = layers.Embedding(9, 2, mask_zero=True)
    model = keras.Sequential([keras.Input((5,), dtype="int32"), words, layer, layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy")
    path = sh.fit(model, x, x[:, 0] % 2, penalty=sh.L2(), lams=[0.01], epochs=2, cv=2)
    expected = path.model(0.01).predict(x, verbose=0)
    blank = x.copy()
    blank[:, -1] = 0
    assert np.isfinite(path.mean).all() and np.ptp(expected) > 1e-4
    assert not np.allclose(path.model(0.01).predict(blank, verbose=0), expected)


def test_a_path_of_an_output_without_an_axis():
    """One number a row, (n,), as `model.predict` gives it; targets may have an axis or not."""
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    y = x @ [1.0, -2.0, 0.5]
    given = keras.Input((3,))
    models = [keras.Model(given, layers.Dense(1)(given)), keras.Model(given, layers.Dense(1)(given)[:, 0])]
    found = []
    for model in models:
        model.compile(keras.optimizers.SGD(0.1), "mean_squared_error", metrics=["mae"])
        for targets in (y, y[:, None]):
            found.append(sh.fit(model, x, targets, penalty=sh.L2(), lams=[0.01], epochs=3, cv=2))
    assert [path.predictions.shape for path in found] == [(40, 2, 1), (40, 2, 1), (40, 2), (40, 2)]
    for path in found[1:]:
        np.testing.assert_allclose(path.mean, found[0].mean, rtol=1e-5)  # in float32
        np.testing.assert_allclose(path.train_loss, found[0].train_loss, rtol=1e-5)
        np.testing.assert_allclose(path.metrics["mae"], found[0].metrics["mae"], rtol=1e-5)
    assert found[0].mean[0] < 0.6 * np.var(y)
