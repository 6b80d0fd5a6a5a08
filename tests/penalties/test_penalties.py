"""The contract of every penalty: value, gradient, prox and residual agree with independent routes."""

import dataclasses
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import brentq

import shrinkage
from shrinkage import L1, L2, Coupled, ElasticNet, GroupLasso, Proximal
from shrinkage._penalties import Term, make_terms
from shrinkage._weights._selection import select

Array = np.ndarray


def _soft(w: Array, t: Any) -> Array:
    return np.where(w > t, w - t, np.where(w < -t, w + t, 0.0))


def _block_soft(w: Array, t: float) -> Array:
    """Shorten each column of two by t√2, or to zero."""
    shortened = [max(0.0, 1 - t * 2**0.5 / length) if length else 0.0 for length in np.linalg.norm(w, axis=0)]
    return w * np.array(shortened)


# A row per penalty: the penalty, P of weights, prox of weights at t = step * lam, where the penalty enters.
ROWS = [
    pytest.param(L2(), lambda w: 0.5 * (w**2).sum(), lambda w, t: w / (1 + t), Coupled(), id="L2"),
    pytest.param(L1(), lambda w: np.abs(w).sum(), _soft, Proximal(), id="L1"),
    pytest.param(
        ElasticNet(0.25),
        lambda w: 0.25 * np.abs(w).sum() + 0.375 * (w**2).sum(),
        lambda w, t: _soft(w, 0.25 * t) / (1 + 0.75 * t),
        Proximal(),
        id="ElasticNet",
    ),
    pytest.param(
        GroupLasso((-2,)),
        lambda w: 2**0.5 * np.linalg.norm(w, axis=-2).sum(),
        _block_soft,
        Proximal(),
        id="GroupLasso",
    ),
]
contract = pytest.mark.parametrize(("penalty", "p", "prox", "how"), ROWS)

W = np.array([[1.5, -0.7, 0.02], [-2.0, 0.3, 4.0]])
weights = arrays(float, (2, 2), elements=st.floats(-8, 8, allow_subnormal=False))
strengths = st.floats(0.001, 8)


@contract
def test_it_says_of_itself_what_is_so(penalty, p, prox, how):
    """The rest of the package asks a penalty these, and not which one it is."""
    small = np.asarray(penalty.prox(np.full((2, 3), 1e-3), 1.0, 1.0))
    assert penalty.sparse == bool((small == 0).all())
    apart = sum(float(penalty.value(w.reshape(1, 1), 1.0)) for w in W.ravel())
    assert penalty.elementwise == (apart == pytest.approx(float(penalty.value(W, 1.0)), rel=1e-6))
    assert float(penalty.value(np.full((1, 1), 3.0), 1.0)) == pytest.approx(3 * penalty.rho + 4.5 * (1 - penalty.rho))
    if penalty.can_decay:  # shrinking by a factor is its own gradient step, for any weights
        np.testing.assert_allclose(np.asarray(penalty.gradient(W, 0.3)), 0.3 * W)
    assert penalty.toward is None and penalty.name and penalty.default_how == how


@contract
def test_value_is_the_formula(penalty, p, prox, how):
    expected = 0.3 * p(W)
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
def test_prox_is_its_formula(penalty, p, prox, how, w, lam, step):
    np.testing.assert_allclose(penalty.prox(w, lam, step), prox(w, step * lam), rtol=1e-12, atol=1e-12)


@contract
@given(w=weights, lam=strengths, steps=arrays(float, (2, 2), elements=st.floats(0.001, 8)), seed=st.integers(0, 99))
def test_prox_minimises_its_objective_whatever_the_step_sizes(penalty, p, prox, how, w, lam, steps, seed):
    def objective(z: Array) -> float:
        return (0.5 * (z - w) ** 2 / steps).sum() + lam * p(z)

    found = np.asarray(penalty.prox(w, lam, steps))
    # The objective is convex: what is a minimum among its neighbours is one.
    rng = np.random.default_rng(seed)
    for scale in (1e-4, 1e-2, 1.0):
        for direction in rng.normal(size=(20, 2, 2)):
            assert objective(found) <= objective(found + scale * direction) + 1e-12 * abs(objective(found))
    # Its slope there is within rounding of the weights, which the smallest step size magnifies.
    np.testing.assert_allclose(penalty.residual(found, (found - w) / steps, lam), 0, atol=1e-10)


@contract
def test_residual_is_zero_at_the_optimum_and_only_there(penalty, p, prox, how):
    # ½(w - u)² + lam P(w) has its minimum at prox(u), and its data part has the gradient w - u.
    u, lam = np.array([[2.0, 0.4], [-1.5, -0.1]]), 0.5
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
    assert penalty.sparse == (not np.any(penalty.prox(W, 20.0, 1.0)))


def test_keras_l2_has_no_half():
    w = W.astype("float32")  # as are the strengths of Keras 3.13
    assert float(L2().value(w, 0.3)) == pytest.approx(float(keras.regularizers.L2(0.15)(w)), rel=1e-6)
    assert float(L1().value(w, 0.3)) == pytest.approx(float(keras.regularizers.L1(0.3)(w)), rel=1e-6)
    assert float(ElasticNet(0.25).value(w, 0.3)) == pytest.approx(
        float(keras.regularizers.L1L2(l1=0.25 * 0.3, l2=0.75 * 0.15)(w)), rel=1e-6
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


# --- groups


@pytest.mark.parametrize("group", [GroupLasso((-1,)), GroupLasso(())], ids=repr)
def test_a_group_of_one_weight_is_l1(group):
    w, grad, lam = W[..., None], np.linspace(-1, 1, 6).reshape(2, 3, 1), 0.3
    steps = np.array([0.1, 2.0, 0.5])[:, None]
    assert float(group.value(w, lam)) == pytest.approx(float(L1().value(w, lam)))
    for method, arguments in {"gradient": (w, lam), "prox": (w, lam, steps), "residual": (w, grad, lam)}.items():
        ours, theirs = (np.asarray(getattr(one, method)(*arguments)) for one in (group, L1()))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
        assert np.count_nonzero(ours) >= 4
    assert group.zero_groups(np.array([[1.0, 0.0, 0.0]]).T) == 2


def test_units_and_inputs_of_a_kernel():
    kernel = np.ones((3, 3, 4, 5))  # height, width, channels, filters
    kernel[..., 1] = 0  # a filter
    kernel[:, :, 2] = 0  # a channel
    for groups, axes in (("units", (-4, -3, -2)), ("inputs", (-4, -3, -1))):
        assert float(GroupLasso(groups).value(kernel, 0.1)) == float(GroupLasso(axes).value(kernel, 0.1)) > 0
        assert GroupLasso(groups).zero_groups(kernel) == 1
    assert float(GroupLasso().value(kernel, 1.0)) == pytest.approx(4 * 36**0.5 * 27**0.5)  # 4 filters of 27 weights
    assert float(GroupLasso("inputs").value(kernel, 1.0)) == pytest.approx(3 * 45**0.5 * 36**0.5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("decades", [0, 2, 8])
def test_prox_of_a_large_group_solves_its_equation(dtype, decades):
    """Adam's step sizes may lie far apart: an independent solver finds the same root of Σ (u / (r + t))² = 1."""
    rng = np.random.default_rng(decades)
    u = rng.normal(size=(50, 40)) * 10 ** rng.uniform(-decades / 2, decades / 2, (50, 40))
    t = 10 ** rng.uniform(-decades, 0, (50, 40))
    t = t * np.linalg.norm(u / t, axis=0) * 10 ** np.linspace(-decades - 2, 0.1, 40)  # the last groups are zero
    found = np.asarray(GroupLasso((-2,)).prox(u.astype(dtype), np.asarray(50**-0.5, dtype), t.astype(dtype)))
    for column in range(40):
        mine, size = u[:, column], t[:, column]
        r = 0.0
        if np.linalg.norm(mine / size) > 1:
            equation = lambda r: np.sum((mine / (r + size)) ** 2) - 1  # noqa: B023, E731
            r = float(brentq(equation, 0, 2 * np.linalg.norm(mine), xtol=1e-300, rtol=1e-14))  # pyright: ignore
        np.testing.assert_allclose(
            found[:, column], mine * r / (r + size), rtol=0, atol=8 * np.finfo(dtype).eps * np.abs(mine).max()
        )
    assert 0 < GroupLasso((-2,)).zero_groups(found) < 20


def test_terms_of_the_weights_of_a_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, name="dense")], name="net")
    weights = select(model, {"kernel": 0.5}).weights
    for groups, axes in (("units", (-2,)), ("inputs", (-1,)), ((-2, -1), (-2, -1))):
        assert make_terms(GroupLasso(groups), weights) == (Term(GroupLasso(axes), 0.5), None)
    assert make_terms(L1(), weights) == (Term(L1(), 0.5), None)
    with pytest.raises(
        ValueError, match=r"Received: \(-3,\), which net/dense/kernel of shape \(3, 4\) does not have. Say by"
    ):
        make_terms(GroupLasso((-3,)), weights)


@pytest.mark.parametrize(
    "groups", ["unit", None, 3, (0,), (-1, -1), (-1.0,), [True], (None,), {"units"}, [[0, 1], [2]]]
)
def test_groups_that_are_none_are_refused(groups):
    with pytest.raises(ValueError, match='`groups` must be "units", "inputs", or a tuple of the axes .* Received: '):
        GroupLasso(groups)


# --- towards other weights


def test_a_term_draws_towards_its_origin():
    origin, w, lam = W[::-1] / 2, W, 0.3
    term, plain = Term(L2(toward="initial"), 0.5, origin), Term(L2())
    np.testing.assert_allclose(term.gradient(w, lam), 0.5 * lam * (w - origin), rtol=1e-12)
    np.testing.assert_allclose(plain.gradient(w, lam), lam * w, rtol=1e-12)
    found, step = np.asarray(term.prox(w, lam, 0.7)), 0.7
    # At the minimum of ½(z - w)² / step + ½ lam (z - origin)² the slope is 0.
    np.testing.assert_allclose((found - w) / step + 0.5 * lam * (found - origin), 0, atol=1e-12)
    np.testing.assert_array_equal(plain.prox(w, lam, step), L2().prox(w, lam, step))
    assert np.abs(found - w).min() > 1e-3


def test_l2_towards_weights_is_a_record():
    given = L2(toward=[W, np.ones(2)])
    assert repr(given) == "L2(toward=<2 weights>)" and repr(L2(toward="initial")) == "L2(toward='initial')"
    assert given == given and given != L2(toward=[W, np.ones(2)]) and given != L2() != L2(toward="initial")
    assert L2().name == "L2" and given.name == "L2-SP"
    bad: Any
    for bad in ("first", [], 3, W):
        with pytest.raises(ValueError, match='`toward` must be None, "initial", or a list of weights .* Received'):
            L2(toward=bad)
