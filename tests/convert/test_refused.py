"""Conversions without an equivalent, missing numbers, bad input, and strengths at the limits of floats."""

import math
from typing import Any

import keras
import pytest

from shrinkage._convert import convert

NO_EQUIVALENT: list[tuple[str, str, dict[str, Any], str]] = [
    ("shrinkage.Decoupled", "keras.L2", {"optimizer": "adam"}, "a decoupled decay bypasses.*Received: 'adam'"),
    (
        "torch.weight_decay",
        "keras.weight_decay",
        {"optimizer": "momentum"},
        "^`optimizer` must be SGD without momentum, or",
    ),
    (
        "torch.AdamW",
        "torch.weight_decay",
        {"optimizer": "sgd"},
        "^`source` must go with SGD .* decoupled decay.* torch.AdamW, which goes with Adam",
    ),
    (
        "keras.L2",
        "tfa.AdamW",
        {"eta": 1},
        "^`target` must go with .* or keras.L2 has no equivalent as tfa.AdamW: .*with Adam",
    ),
    ("shrinkage.L1", "sklearn.Ridge", {"loss": "mse"}, "for L1, as shrinkage.L1 is. .*Ridge, which is for L2"),
    ("keras.L2", "sklearn.Ridge", {"loss": "binary_crossentropy", "n": 9}, "`loss` must be mean_squared_error for sk"),
    (
        "keras.L2",
        "sklearn.SGDClassifier",
        {"loss": "sparse_categorical_crossentropy"},
        "each class against the oth",
    ),
    ("keras.L2", "precision", {"loss": "hinge", "n": 9}, "must be a negative log-likelihood"),
    ("sklearn.ElasticNet", "keras.L1L2", {"loss": "mse"}, r"`target` must .* two strengths. Convert rho \* lam"),
    ("keras.L1L2", "shrinkage.ElasticNet", {}, "Convert l1 from keras.L1 to shrinkage.L1, and l2 from keras.L2 to sh"),
    ("keras.L1L2", "keras.L2", {}, "which is for L2. Convert l2 from keras.L2 to keras.L2"),
    ("shrinkage.ElasticNet", "keras.L1", {}, r"for L1. Convert rho \* lam from shrinkage.L1 to keras.L1"),
    ("sklearn.ElasticNet", "glmnet.ElasticNet", {"loss": "mse"}, "alpha is a / .a . b."),
    ("sklearn.Ridge", "sklearn.LogisticRegression", {"loss": "mse", "n": 9}, "`loss` must be binary_crossentropy or"),
    ("shrinkage.GroupLasso", "keras.L1", {}, "as shrinkage.GroupLasso is. Received: keras.L1, which is for L1"),
    ("keras.L2", "keras.weight_decay", {"optimizer": keras.optimizers.SGD(momentum=0.9)}, "SGD with momentum=0.9'"),
    ("keras.L2", "keras.weight_decay", {"optimizer": keras.optimizers.SGD(clipnorm=1.0)}, "SGD with clipnorm=1'"),
    ("keras.L2", "keras.weight_decay", {"optimizer": keras.optimizers.Adam()}, "Received: 'Adam'"),
    ("keras.L2", "sklearn.Ridge", {"loss": "MAE", "n": 9}, "`loss` must be mean_squared_error.*Received: MAE"),
]


MISSING: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "keras.L2",
        "sklearn.Ridge",
        {},
        "`loss` must be the name of the Keras loss for sklearn.Ridge: mean_squared_error",
    ),
    ("keras.L2", "sklearn.Ridge", {"loss": "mse"}, "`n` must be given .* Give `n`, the number of training rows"),
    ("keras.L2", "sklearn.MLPClassifier", {"loss": "categorical_crossentropy"}, "Give `batch`, the number of rows"),
    (
        "tfa.AdamW",
        "torch.AdamW",
        {},
        "`eta` must be given for tfa.AdamW to torch.AdamW. .*Give `eta`, the learning rate",
    ),
    ("sklearn.Ridge", "glmnet.L2", {"loss": "mse"}, "^`n` and `sd_y` must .*Give `n`, .*Give `sd_y`, the standard dev"),
    ("sklearn.Ridge", "precision", {"loss": "mse"}, "Give `sigma`, the standard deviation of the noise"),
    ("keras.L2", "keras.weight_decay", {}, "^`optimizer` must be .*Received: none. Give optimizer='sgd'"),
]


INVALID: list[tuple[str, str, dict[str, Any], str]] = [
    ("keras.L2", "sklearn.Ridge", {"loss": "mze", "n": 9}, "`loss` must be a loss of Keras.*'mze'. Did you mean 'mse'"),
    ("keras.L2", "sklearn.Ridge", {"loss": "MeanSquareError", "n": 9}, "Did you mean 'mean_squared_error'"),
    ("keras.L2", "sklearn.Ridge", {"loss": max, "n": 9}, "`loss` must be a loss of Keras or its name.*Received: 'max'"),
    ("keras.L2", "sklearn.Ridge", {"loss": keras.losses.MeanSquaredError(reduction="sum")}, "reduction='sum'"),
    ("Ridge", "keras.L2", {}, "`source` must be .*Received: 'Ridge'. Did you mean 'sklearn.Ridge'"),
    ("keras.L2", "pytorch.weight_decay", {}, "Received: 'pytorch.weight_decay'. Did you mean 'torch.weig"),
    ("keras.L2", "", {}, "`target` must be one of shrinkage.L2, .*Received: ''"),
    ("keras.L2", "tf.nn.l2_loss", {"n": 0}, "`n` must be a positive number. Received: 0"),
    ("keras.L2", "tf.nn.l2_loss", {"eta": math.nan}, "`eta` must be a positive number. Received: nan"),
]


@pytest.mark.parametrize(("source", "target", "known", "message"), NO_EQUIVALENT)
def test_a_pair_without_an_equivalent_is_refused(source, target, known, message):
    with pytest.raises(ValueError, match=message):
        convert(1e-3, source, target, **known)


@pytest.mark.parametrize(("source", "target", "known", "message"), MISSING)
def test_a_number_that_is_missing_is_asked_for(source, target, known, message):
    with pytest.raises(ValueError, match=message):
        convert(1e-3, source, target, **known)


@pytest.mark.parametrize(("source", "target", "known", "message"), INVALID)
def test_an_unknown_name_and_a_bad_number_are_refused(source, target, known, message):
    with pytest.raises(ValueError, match=message):
        convert(1e-3, source, target, **known)


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"optimizer": keras.optimizers.SGD}, '`optimizer` must be a Keras optimizer or its name, "sgd" for SGD'),
        ({"optimizer": 0.1}, "Received: 0.1"),
        ({"loss": 3, "optimizer": "sgd"}, '`loss` must be a Keras loss or its name, such as "mse". Received: 3'),
    ],
)
def test_what_is_no_loss_and_no_optimizer(known, message):
    with pytest.raises(TypeError, match=message):
        convert(1e-3, "keras.weight_decay", "sklearn.Ridge", **{"loss": "mse", "n": 9, **known})


@pytest.mark.parametrize("lam", [-1, math.nan, math.inf, "1", None, True, 10**400])
def test_strengths_that_are_none(lam):
    with pytest.raises(ValueError, match="`lam` must be a finite number, 0 or more"):
        convert(lam, "keras.L2", "tf.nn.l2_loss")
    with pytest.raises(ValueError, match="`lam` must be a positive number"):
        convert(0, "sklearn.LogisticRegression", "keras.L2", loss="binary_crossentropy", n=9)


def test_no_penalty_is_none_everywhere():
    log_loss = {"loss": "binary_crossentropy", "n": 9}
    assert convert(0, "keras.L2", "tf.nn.l2_loss") == 0
    assert convert(0, "keras.L2", "sklearn.LogisticRegression", **log_loss) == math.inf
    assert convert(math.inf, "sklearn.LogisticRegression", "keras.L2", **log_loss) == 0


def test_what_cancels_is_not_asked_for():
    assert convert(4.0, "sklearn.LogisticRegression", "precision", loss="binary_crossentropy") == 0.25
    assert convert(4.0, "sklearn.Ridge", "sklearn.Ridge", loss="mse") == 4.0


BEYOND_FLOATS: dict[str, Any] = {
    "1 / C": (lambda: convert(1e-320, "sklearn.LogisticRegression", "keras.L2", loss="bce", n=10), "large"),
    "C": (lambda: convert(1e-320, "keras.L2", "sklearn.LogisticRegression", loss="bce", n=10), "large"),
    "alpha": (lambda: convert(1e308, "keras.L2", "sklearn.Ridge", loss="mse", n=100), "large"),
    "lam": (lambda: convert(1e-323, "sklearn.Ridge", "keras.L2", loss="mse", n=100), "small"),
    "small C": (lambda: convert(1e308, "keras.L2", "sklearn.LogisticRegression", loss="bce", n=100), "small"),
    "precision": (lambda: convert(1.0, "keras.L2", "precision", loss="mse", n=9, sigma=1e-200), "large"),
    "variance": (lambda: convert(1.0, "precision", "keras.L2", loss="mse", n=9, sigma=1e200), "large"),
}


@pytest.mark.parametrize(("call", "size"), BEYOND_FLOATS.values(), ids=BEYOND_FLOATS)
def test_a_strength_beyond_floats_is_no_infinity_and_no_zero(call, size):
    """Infinity and 0 say that there is no penalty, or nothing but it."""
    with pytest.raises(ValueError, match=f"`lam` must have an equivalent as .* too {size} a number there"):
        call()


def test_a_call_without_conventions_gets_an_example():
    with pytest.raises(TypeError, match="`source` and `target` must be given.* Say shrinkage.convert"):
        convert(1.0)  # pyright: ignore[reportCallIssue]


def test_the_parts_of_an_elastic_net_are_converted_as_the_hint_says():
    """Half the mean squared error + 0.1 * (0.3 |w| + 0.7 w²/2), twice, is 0.06 |w| + 0.07 w² beside Keras' mean."""
    with pytest.raises(
        TypeError,
        match=r"of convert.. must be .* Received: `rho`. .*To L1 convert rho \* lam, and to L2 \(1 - rho\) \* lam",
    ):
        convert(0.1, "sklearn.ElasticNet", "keras.L1", loss="mse", rho=0.3)  # pyright: ignore[reportCallIssue]
    parts = {target: convert(part, "sklearn.ElasticNet", target, loss="mse") for target, part in PARTS.items()}
    assert parts == pytest.approx({"keras.L1": 0.06, "keras.L2": 0.07})


PARTS = {"keras.L1": 0.3 * 0.1, "keras.L2": (1 - 0.3) * 0.1}
