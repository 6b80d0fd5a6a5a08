"""Bad input is refused before any training, in words that say what to do."""

import keras
import pytest

import shrinkage as sh
from shrinkage.cli._terms import SHELL_TERMS
from tests.compare.test_compare import X, Y, network


@pytest.fixture(autouse=True)
def _no_training(monkeypatch):
    def fail(**_):
        raise AssertionError("a model was trained")

    monkeypatch.setattr("shrinkage._compare._compare.fit", fail)


def _lion():
    model = network()
    model.compile("lion", "mean_squared_error")
    return model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"penalties": "l2"}, "must be a list of penalties or their names: 'l2', 'l1'", id="no list"),
        pytest.param({"penalties": []}, "must be a list of penalties", id="empty"),
        pytest.param(
            {"penalties": ["l3"]}, r"^`penalties\[0\]` must .* 'l3'. Here it may be 'decoupled'", id="unknown"
        ),
        pytest.param({"penalties": ["l2", ("l2", "l1")]}, r"^`penalties\[1\]\[1\]` must be .* 'l1'", id="unknown how"),
        pytest.param({"penalties": ["l2", sh.L2()]}, "different from each other. Received: L2 more", id="twice"),
        pytest.param({"nested": "no"}, "`nested` must be True or False. Received: 'no'", id="nested"),
        pytest.param({"penalties": ["none"]}, "'none', which is always compared", id="none"),
        pytest.param({"penalties": ["model"]}, "'model', which has one strength", id="the model's own"),
        pytest.param({"penalties": [(sh.L1(), sh.Decoupled())]}, "weight decay, a form of L2 alone", id="how"),
        pytest.param({"penalty": "l2"}, r"Received: `penalty`. Say penalties=\['l2', ", id="penalty"),
        pytest.param({"kernel_regularizer": "l2"}, r"`kernel_regularizer`. Say penalties=\['l2', ", id="of a layer"),
        pytest.param({"n_trials": 9}, "`n_trials`. A search within a budget", id="of a search"),
        pytest.param({"how": sh.Coupled()}, r"a pair in `penalties`, such as \('l2', 'decoupled'\)", id="how alone"),
        pytest.param({"callbacks": []}, "of compare.. must be .* Received: `callbacks`. All strengths", id="of Keras"),
        pytest.param({"epoch_s": 3}, "Do you mean `epochs`", id="typing error"),
        pytest.param({"epochs": 0}, "`epochs` must be a whole number", id="epochs"),
        pytest.param({"budget": 2.0}, "Received: `budget`.*do not rank penalties.* say cv=0.2", id="budget"),
        pytest.param({"solver": "exact"}, "`penalties` must be ..l2.. with solver=.exact.", id="exact solver"),
        pytest.param({"model": []}, "at least one model", id="no model"),
        pytest.param({"model": [network(), network()]}, "models of different names", id="models of one name"),
        pytest.param({"model": _lion()}, "needs an optimizer with a known metric.* Or leave L1 out", id="optimizer"),
        pytest.param(
            {"model": [network(), network(name="other", loss="mean_absolute_error")]},
            "the same loss, which is compared. Received: net mean_squared_error, other mean_absolute_error",
            id="losses",
        ),
    ],
)
def test_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        sh.compare(**{"model": network(), "x": X, "y": Y, "epochs": 2, **arguments})


def test_a_refusal_of_fit_is_in_the_words_of_the_shell():
    with pytest.raises(ValueError, match="how=.coupled.*out of `penalties`") as caught:
        sh.compare(_lion(), X, Y, penalties=["l2", "l1"], epochs=1)
    said = SHELL_TERMS.say(caught.value.args[0])
    assert said.startswith("--how proximal needs") and said.endswith("no exact zeros). Or leave L1 out of --penalties.")


def test_models_with_other_folds_are_refused():
    """The first output with classes stratifies: of two models that differ in it, the folds differ."""

    def model(*units):
        entry = keras.Input((4,))
        outputs = [keras.layers.Dense(1, "sigmoid")(entry) for _ in units]
        built = keras.Model(entry, outputs, name=f"net{len(units)}")
        built.compile("adam", list(units))
        return built

    targets = [(Y > 0).astype("float32"), (X[:, 1] > 0).astype("float32")]
    pair = [model("mean_squared_error", "binary_crossentropy"), model("binary_crossentropy", "mean_squared_error")]
    with pytest.raises(ValueError, match="for which the rows are split in the same way"):
        sh.compare(dict(zip("ab", pair, strict=True)), X, targets, penalties=["l2"], epochs=2)


def test_the_signature_lists_the_arguments_of_fit():
    import inspect

    names = list(inspect.signature(sh.compare).parameters)
    assert names[:5] == ["model", "x", "y", "penalties", "nested"]
    assert {"epochs", "cv", "patience", "on", "run"} < set(names) and not {"penalty", "how", "budget"} & set(names)
