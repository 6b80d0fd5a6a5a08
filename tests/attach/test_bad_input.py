"""Bad input."""

from typing import Any

import keras
import pytest
from keras import layers

import shrinkage as sh
from tests.attach.models import attached, compiled, decaying, network


def frozen_state(model: keras.Model) -> Any:
    """Return what must not change when `attach` refuses."""
    return type(model), type(getattr(model, "optimizer", None)), sorted(vars(model)), [v.path for v in model.variables]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lam": -1.0}, ValueError, "`lam` must be 0 or more"),
        ({"lam": float("nan")}, ValueError, "`lam` must be 0 or more"),
        ({"lam": float("inf")}, ValueError, "finite"),
        ({"lam": "1"}, TypeError, "`lam` must be a number"),
        ({"lam": True}, TypeError, "`lam` must be a number"),
        ({"lam": None}, TypeError, "`lam` must be a number"),
        ({"lam": keras.Variable([0.1, 0.2])}, ValueError, r"Received: a keras.Variable of shape \(2,\)"),
        ({"penalty": sh.L2(toward=[[0.0]])}, ValueError, r"shapes \[\(5, 4\), .* Received: \[\(1,\)\]"),
        ({"lam": lambda step: -1.0}, ValueError, "at step 0"),
        ({"lam": lambda step: "a"}, TypeError, "a number. Received: <lambda>, which returns 'a' at step 0"),
        ({"lam": lambda step: None}, TypeError, "which returns None at step 0"),
        ({"lam": lambda: 0.1}, TypeError, r"Received: <lambda>\(\). Give it one argument, the step"),
        ({"lam": lambda step: 1.0 if step > 3 else 0.0}, ValueError, "written in keras.ops"),
        ({"on": "kernals"}, ValueError, "kernels"),
        ({"on": lambda layer, variable: False}, ValueError, "matches none"),
        ({"how": "adamw"}, TypeError, r"`how` must be shrinkage.Coupled\(\)"),
        ({"penalty": 2}, TypeError, "`penalty` must be"),
        ({"penalty": keras.regularizers.L2(0.1)}, TypeError, "`penalty` must be"),
        ({"penalty": sh.L1(), "how": sh.Decoupled()}, ValueError, "weight decay"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(options, error, words):
    model = compiled(network())
    before = frozen_state(model)
    with pytest.raises(error, match=words):
        sh.attach(model, **{"penalty": sh.L2(), "lam": 0.1, **options})
    assert frozen_state(model) == before


def unbuilt() -> keras.Model:
    return keras.Sequential([layers.Dense(1)])


def regularized() -> keras.Model:
    return network(keras.regularizers.L2(0.1))


@pytest.mark.parametrize(
    ("make", "penalty", "words"),
    [
        (unbuilt, sh.L2(), "not built"),
        (
            decaying,
            sh.L2(),
            "weight_decay=0.004, which decays net/hidden/kernel, net/output/kernel.* To keep the decay",
        ),
        (regularized, sh.L2(), "of Keras. Received: weights with a regularizer, net/hidden/kernel, net/output/kernel"),
        (attached, sh.L2(), "an attached penalty. Received: weights with a penalty, net/hidden/kernel. "),
        (lambda: compiled(network(), keras.optimizers.Lion()), sh.L1(), "known metric"),
        (lambda: compiled(network(), "ema"), sh.L1(), "use_ema"),
    ],
    ids=["unbuilt", "decaying", "regularized", "attached", "lion", "ema"],
)
def test_bad_models_are_refused_and_left(make, penalty, words):
    model = make()
    before = frozen_state(model)
    with pytest.raises(ValueError, match=words):
        sh.attach(model, penalty, lam=0.1)
    assert frozen_state(model) == before


def test_a_bad_optimizer_is_refused_by_compile_too():
    model = attached()
    before = model.optimizer
    with pytest.raises(ValueError, match="must not decay weights with a penalty"):
        model.compile(keras.optimizers.AdamW(), "mean_squared_error")
    assert model.optimizer is before
    with pytest.raises(ValueError, match="another model"):
        compiled(attached(), before)


def test_what_is_not_attached_cannot_be_detached():
    model = network()
    for what, error in ((model, ValueError), (sh.L2(), TypeError)):
        with pytest.raises(error, match="^`what` must be .*attach.* Received: "):
            sh.detach(what)
    first, _ = sh.attach(model, sh.L2(), lam=1.0, on="*hidden/kernel"), sh.attach(model, sh.L2(), lam=1, on="*output/*")
    sh.detach(first)
    with pytest.raises(ValueError, match="any more"):
        sh.detach(first)
    with pytest.raises(TypeError, match="keras.Model"):
        sh.attach([model], sh.L2(), lam=1.0)


def test_bad_strengths_are_refused_later_too():
    reg = sh.attach(network(), sh.L2(), lam=0.1)
    with pytest.raises(ValueError, match="`lam` must be 0 or more"):
        reg.lam = -1.0
    assert float(reg.lam) == pytest.approx(0.1)
    scheduled = sh.attach(network(), sh.L2(), lam=lambda step: 0.1)
    with pytest.raises(ValueError, match="`lam` must stay the function of the step .*<lambda>. Received: lam=1.0"):
        scheduled.lam = 1.0


def test_several_strengths_lead_to_fit():
    with pytest.raises(TypeError, match=r"`lams`. Say lam=1e-4, a single strength; shrinkage.fit takes lams=\[0.1\]."):
        sh.attach(network(), sh.L2(), lams=[0.1])  # pyright: ignore[reportCallIssue]
