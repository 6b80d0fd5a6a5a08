"""The contract of every penalty: value, gradient, prox and residual agree with independent routes."""

import dataclasses

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import shrinkage
from shrinkage import L1, L2, Coupled, ElasticNet, Proximal


def _l2_prox(w: float, t: float) -> float:
    return w / (1 + t)


def _l1_prox(w: float, t: float) -> float:
    if w > t:
        return w - t
    if w < -t:
        return w + t
    return 0.0


def _elastic_prox(w: float, t: float) -> float:
    return _l1_prox(w, 0.25 * t) / (1 + 0.75 * t)


# A row per penalty: the penalty, P of one weight, prox of one weight at t = step * lam, where the penalty enters.
ROWS = [
    pytest.param(L2(), lambda w: 0.5 * w * w, _l2_prox, Coupled(), id="L2"),
    pytest.param(L1(), abs, _l1_prox, Proximal(), id="L1"),
    pytest.param(ElasticNet(0.25), lambda w: 0.25 * abs(w) + 0.375 * w * w, _elastic_prox, Proximal(), id="ElasticNet"),
]
contract = pytest.mark.parametrize(("penalty", "p", "prox", "how"), ROWS)

W = np.array([[1.5, -0.7, 0.02], [-2.0, 0.3, 4.0]])
weights = st.floats(-8, 8, allow_subnormal=False)
strengths = st.floats(0.001, 8)


@contract
def test_value_is_the_formula(penalty, p, prox, how):
    expected = 0.3 * sum(p(w) for w in W.ravel().tolist())
    assert expected > 0.5
    assert float(penalty.value(W, 0.3)) == pytest.approx(expected, rel=1e-12)
    assert float(penalty.value(W, 0.0)) == 0.0


@contract
def test_gradient_is_the_slope_of_value(penalty, p, prox, how):
    slopes = np.empty_like(W)
    for i in np.ndindex(W.shape):
        ahead, behind = W.copy(), W.copy()
        ahead[i] += 1e-6  # far smaller than the smallest |w|: no step crosses the kink of |w|
        behind[i] -= 1e-6
        slopes[i] = (float(penalty.value(ahead, 0.3)) - float(penalty.value(behind, 0.3))) / 2e-6
    gradient = np.asarray(penalty.gradient(W, 0.3))
    assert np.all(gradient != 0)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-9)  # central differences in float64


@contract
@given(w=weights, lam=strengths, step=strengths)
def test_prox_is_the_scalar_formula(penalty, p, prox, how, w, lam, step):
    assert float(penalty.prox(np.float64(w), lam, step)) == pytest.approx(prox(w, step * lam), rel=1e-12, abs=1e-12)


@contract
@given(w=weights, lam=st.floats(0.05, 4), step=st.floats(0.05, 4))
def test_prox_minimises_its_objective(penalty, p, prox, how, w, lam, step):
    grid = np.linspace(-8, 8, 32_001)  # spacing 5e-4, with 0 on it
    objective = 0.5 * (grid - w) ** 2 + step * lam * p(grid)
    assert float(penalty.prox(np.float64(w), lam, step)) == pytest.approx(grid[objective.argmin()], abs=5e-4)


@contract
def test_residual_is_zero_at_the_optimum_and_only_there(penalty, p, prox, how):
    # ½(w - u)² + lam P(w) has its minimum at prox(u), and its data part has the gradient w - u.
    u, lam = np.array([2.0, -1.5, 0.4, -0.1]), 0.5
    optimum = np.asarray(penalty.prox(u, lam, 1.0))
    assert np.count_nonzero(optimum) >= 2
    np.testing.assert_allclose(penalty.residual(optimum, optimum - u, lam), 0, atol=1e-15)
    for moved in (optimum + 0.05, optimum - 0.05):
        assert np.all(np.asarray(penalty.residual(moved, moved - u, lam)) > 0.04)


@contract
def test_residual_is_the_gradient_of_the_objective_off_zero(penalty, p, prox, how):
    grad = np.linspace(-1, 1, W.size).reshape(W.shape)
    expected = np.abs(grad + np.asarray(penalty.gradient(W, 0.3)))
    assert expected.max() > 0.5
    np.testing.assert_allclose(penalty.residual(W, grad, 0.3), expected, rtol=1e-12)


@contract
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lam_broadcasts_over_members(penalty, p, prox, how, dtype):
    rng = np.random.default_rng(0)
    w = rng.normal(size=(2, 3, 4, 5)).astype(dtype)  # (F, S, inputs, units)
    grad = rng.normal(size=w.shape).astype(dtype)
    lam = np.array([[0.0, 0.1, 0.6], [0.0, 0.2, 1.2]], dtype)[..., None, None]
    stacked = {
        "gradient": penalty.gradient(w, lam),
        "prox": penalty.prox(w, lam, 0.5),
        "residual": penalty.residual(w, grad, lam),
    }
    total = 0.0
    for f, s in np.ndindex(2, 3):
        alone = float(lam[f, s, 0, 0])
        total += float(penalty.value(w[f, s], alone))
        for name, arguments in {
            "gradient": (w[f, s], alone),
            "prox": (w[f, s], alone, 0.5),
            "residual": (w[f, s], grad[f, s], alone),
        }.items():
            got = np.asarray(stacked[name])
            assert got.dtype == dtype and got.shape == w.shape
            np.testing.assert_allclose(got[f, s], getattr(penalty, name)(*arguments), rtol=1e-6)  # float32
    assert total > 1
    assert float(penalty.value(w, lam)) == pytest.approx(total, rel=1e-5)  # float32


@contract
def test_works_inside_a_graph_on_keras_tensors(penalty, p, prox, how):
    import tensorflow as tf

    lam = keras.Variable(0.0, dtype="float64")
    traces = []

    @tf.function
    def step(w):
        traces.append(1)
        return penalty.prox(w - 0.1 * penalty.gradient(w, lam), lam, 0.1)

    results = []
    for value in (0.0, 0.5):
        lam.assign(value)
        results.append(step(tf.constant(W)).numpy())
    assert len(traces) == 1, "a new strength must not retrace"
    np.testing.assert_array_equal(results[0], W)
    assert np.all(np.abs(results[1] - W) > 1e-4)


def test_l1_prox_gives_exact_zeros_and_l2_none():
    w = np.array([0.3, -0.5, 0.500001, 2.0], "float32")
    assert np.asarray(L1().prox(w, 1.0, 0.5)).tolist()[:2] == [0.0, 0.0]
    assert np.count_nonzero(L1().prox(w, 1.0, 0.5)) == 2
    assert np.count_nonzero(L2().prox(w, 1.0, 0.5)) == 4


@contract
def test_at_lam_zero_nothing_happens(penalty, p, prox, how):
    np.testing.assert_array_equal(penalty.prox(W, 0.0, 0.7), W)
    assert not np.any(penalty.gradient(W, 0.0))
    np.testing.assert_array_equal(penalty.residual(W, -W, 0.0), np.abs(W))


@contract
def test_record(penalty, p, prox, how):
    assert penalty.default_how == how
    again = dataclasses.replace(penalty)
    assert penalty == again and hash(penalty) == hash(again) and repr(penalty) == repr(again)
    assert eval(repr(penalty), dict(vars(shrinkage))) == penalty
    assert penalty.sparse == (float(np.asarray(penalty.prox(np.array(0.01), 1.0, 1.0))) == 0)


def test_keras_l2_has_no_half():
    assert float(L2().value(W, 0.3)) == pytest.approx(float(keras.regularizers.L2(0.15)(W)), rel=1e-6)
    assert float(L1().value(W, 0.3)) == pytest.approx(float(keras.regularizers.L1(0.3)(W)), rel=1e-6)
    assert float(ElasticNet(0.25).value(W, 0.3)) == pytest.approx(
        float(keras.regularizers.L1L2(l1=0.25 * 0.3, l2=0.75 * 0.15)(W)), rel=1e-6
    )


@pytest.mark.parametrize(("rho", "other"), [(1, L1()), (0.0, L2())])
def test_an_elastic_net_of_one_part_is_that_part_to_the_bit(rho, other):
    w, grad = W.astype("float32"), np.linspace(-1, 1, W.size, dtype="float32").reshape(W.shape)
    for method, arguments in {"gradient": (w, 0.3), "prox": (w, 0.3, 0.7), "residual": (w, grad, 0.3)}.items():
        ours, theirs = (np.asarray(getattr(one, method)(*arguments)) for one in (ElasticNet(rho), other))
        np.testing.assert_array_equal(ours, theirs)
        assert np.abs(ours).max() > 0.1
    assert float(ElasticNet(rho).value(w, 0.3)) == float(other.value(w, 0.3)) > 1
    assert ElasticNet(rho).sparse == other.sparse


@pytest.mark.parametrize("rho", [-0.1, 1.1, float("nan"), "half", None, True, [0.5]])
def test_a_share_that_is_none_is_refused(rho):
    with pytest.raises(ValueError, match=r"`rho` must be a number from 0 \(all L2\) to 1 \(all L1\). Received"):
        ElasticNet(rho)
