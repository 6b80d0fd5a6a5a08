"""Elementwise penalties R(w) = lam * P(w): value, gradient, proximal operator and optimality residual.

All methods use `keras.ops`. `w` is a NumPy array or a Keras tensor of any shape, and `lam` is a number or an array that
broadcasts against `w`. For example, `lam` is (F, S, 1, 1) for stacked kernels (F, S, inputs, units).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from keras import ops

from shrinkage._penalties._how import Coupled, Proximal
from shrinkage._penalties._strength import describe_misplaced_strength, refuse_strength

Tensor = Any  # a NumPy array or a tensor of the Keras backend


class Weights(tuple):
    """The weights of a model, in the order of `model.get_weights()`. Equality is identity: comparing arrays is slow."""

    __slots__ = ()
    __eq__, __hash__ = object.__eq__, object.__hash__

    def __repr__(self) -> str:
        return f"<{len(self)} weights>"


@refuse_strength("shrinkage.L2()", l2="Keras' L2(l2={value}) has no ½: it is shrinkage.L2() at lam = 2 * {value}.")
@dataclass(frozen=True, repr=False)
class L2:
    """The ridge penalty P(w) = ½ Σ w², also called weight decay; or P(w) = ½ Σ (w - w0)², which holds on to w0 (L2-SP).

    The same strength elsewhere: Keras' `L2(lam / 2)`, whose penalty has no ½; PyTorch's `SGD(weight_decay=lam)`;
    scikit-learn's `Ridge(alpha=n * lam)` for a loss of ½(y - f)² and `alpha=n * lam / 2` for Keras' mean squared error,
    which has no ½; `LogisticRegression(C=1 / (n * lam))` for log loss; n is the number of rows.

    Args:
        toward: None for w0 = 0; "initial" for the weights at the start of training, which with `init="keep"` are the
            weights of a pretrained model; or a list of arrays in the order of `model.get_weights()`, of which only the
            entries for penalised weights are used.

    Raises:
        ValueError: If `toward` has another value.

    The methods take w - w0 in place of w. With `toward`, add w0 to the result of `prox`.

    Source: Hoerl & Kennard (1970), Ridge regression; Li, Grandvalet & Davoine (2018), Explicit inductive bias for
    transfer learning with convolutional networks, for L2-SP.

    Example:
        >>> import numpy as np, shrinkage as sh
        >>> w = np.array([3.0, -4.0])
        >>> float(sh.L2().value(w, lam=0.1))
        1.25
        >>> np.asarray(sh.L2().gradient(w, lam=0.1)).round(3)
        array([ 0.3, -0.4])
    """

    toward: str | Sequence[Any] | None = None
    default_how = Coupled()
    sparse = False
    elementwise = True
    can_decay = True
    rho = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.toward, list | tuple) and self.toward:
            object.__setattr__(self, "toward", Weights(np.array(value) for value in self.toward))
        elif self.toward is not None and not (isinstance(self.toward, str) and self.toward == "initial"):
            raise ValueError(
                '`toward` must be None, "initial", or a list of weights such as model.get_weights(). '
                f"Received: {self.toward!r}.{describe_misplaced_strength('shrinkage.L2()', self.toward)}"
            )

    def __repr__(self) -> str:
        return "L2()" if self.toward is None else f"L2(toward={self.toward!r})"

    @property
    def name(self) -> str:
        """The name of the penalty for tables and messages."""
        return "L2" if self.toward is None else "L2-SP"

    def value(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * ½ Σ w², a scalar; with a `lam` of several members, summed over them.

        Args:
            w: weights, of any shape.
            lam: strength, broadcasting against `w`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> float(sh.L2().value(np.array([2.0, 2.0]), lam=0.5))
            2.0
        """
        return ops.sum(0.5 * lam * ops.square(w))

    def gradient(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * w, of the shape of `w`.

        Args:
            w: weights, of any shape.
            lam: strength, broadcasting against `w`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> np.asarray(sh.L2().gradient(np.array([2.0, -1.0]), lam=0.5))
            array([ 1. , -0.5])
        """
        return lam * w

    def prox(self, w: Tensor, lam: Tensor, step: Tensor) -> Tensor:
        """Return argmin over z of ½(z - w)² + step * lam * ½z², which is w / (1 + step * lam).

        Args:
            w: weights after a step on the data loss, of any shape.
            lam: strength, broadcasting against `w`.
            step: the step size of each weight (the learning rate in the optimizer's metric), broadcasting against `w`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> np.asarray(sh.L2().prox(np.array([3.0, -1.5]), lam=1.0, step=0.5))
            array([ 2., -1.])
        """
        return w / (1 + step * lam)

    def residual(self, w: Tensor, grad: Tensor, lam: Tensor) -> Tensor:
        """Return |grad + lam * w|: how far each weight is from a stationary point of mean data loss + lam * P.

        Args:
            w: weights, of any shape.
            grad: the gradient of the mean data loss at `w`, of the shape of `w`.
            lam: strength, broadcasting against `w`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> np.asarray(sh.L2().residual(np.array([2.0, 2.0]), np.array([-1.0, 0.0]), lam=0.5))
            array([0., 1.])
        """
        return ops.abs(grad + lam * w)


@refuse_strength("shrinkage.L1()")
@dataclass(frozen=True)
class L1:
    """The lasso penalty P(w) = Σ |w|.

    The same strength elsewhere: Keras' `L1(lam)`, which is applied by gradient and gives no exact zeros; scikit-learn's
    `Lasso(alpha=lam)` for a loss of ½(y - f)² and `alpha=lam / 2` for Keras' mean squared error, which has no ½;
    `LogisticRegression(C=1 / (n * lam), l1_ratio=1)` for log loss with n rows. PyTorch has no L1 penalty.

    Source: Tibshirani (1996), Regression shrinkage and selection via the lasso.

    Example:
        >>> import numpy as np, shrinkage as sh
        >>> float(sh.L1().value(np.array([3.0, -4.0]), lam=0.5))
        3.5
    """

    name = "L1"
    default_how = Proximal()
    sparse = True
    elementwise = True
    can_decay = False
    rho = 1.0
    toward = None

    def value(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * Σ |w|, a scalar; with a `lam` of several members, summed over them.

        Args:
            w: weights, of any shape.
            lam: strength, broadcasting against `w`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> float(sh.L1().value(np.array([2.0, -2.0]), lam=0.5))
            2.0
        """
        return ops.sum(lam * ops.abs(w))

    def gradient(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * sign(w), of the shape of `w`: the subgradient that is 0 at w = 0.

        Args:
            w: weights, of any shape.
            lam: strength, broadcasting against `w`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> np.asarray(sh.L1().gradient(np.array([2.0, 0.0, -1.0]), lam=0.5))
            array([ 0.5,  0. , -0.5])
        """
        return lam * ops.sign(w)

    def prox(self, w: Tensor, lam: Tensor, step: Tensor) -> Tensor:
        """Return argmin over z of ½(z - w)² + t|z| with t = step * lam: w moved towards 0 by t, but not past 0.

        This is soft thresholding, sign(w) * max(|w| - t, 0), written as w - clip(w, -t, t) (Donoho 1995).

        Args:
            w: weights after a step on the data loss, of any shape.
            lam: strength, broadcasting against `w`.
            step: the step size of each weight (the learning rate in the optimizer's metric), broadcasting against `w`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> np.asarray(sh.L1().prox(np.array([3.0, 0.25, -1.0]), lam=1.0, step=0.5))
            array([ 2.5,  0. , -0.5])
        """
        t = step * lam
        return w - ops.minimum(ops.maximum(w, -t), t)

    def residual(self, w: Tensor, grad: Tensor, lam: Tensor) -> Tensor:
        """Return the distance of -grad to lam * ∂|w|, which is lam * sign(w), and the interval [-lam, lam] at w = 0.

        Zero everywhere exactly at a stationary point of mean data loss + lam * P.

        Args:
            w: weights, of any shape.
            grad: the gradient of the mean data loss at `w`, of the shape of `w`.
            lam: strength, broadcasting against `w`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> np.asarray(sh.L1().residual(np.array([2.0, 0.0, 0.0]), np.array([-0.5, 0.3, -0.75]), lam=0.5))
            array([0.  , 0.  , 0.25])
        """
        at_zero = ops.relu(ops.abs(grad) - lam)
        return ops.where(ops.equal(w, 0), at_zero, ops.abs(grad + lam * ops.sign(w)))


@refuse_strength(
    "shrinkage.ElasticNet(0.5)",
    l1_ratio="Say rho={value}.",
    **dict.fromkeys(("l1", "l2"), "Keras' L1L2(l1, l2) is ElasticNet(rho=l1 / lam) at the strength lam = l1 + 2 * l2."),
)
@dataclass(frozen=True)
class ElasticNet:
    """The elastic net P(w) = rho * Σ|w| + (1 - rho) * ½ Σ w², as glmnet mixes it (its `alpha` is rho here).

    It gives exact zeros as `L1` does, and keeps correlated weights together as `L2` does. rho = 1 is `L1`, and rho = 0
    is `L2`.

    The same strength elsewhere: Keras' `L1L2(l1=rho * lam, l2=(1 - rho) * lam / 2)`, which gives no exact zeros;
    scikit-learn's `ElasticNet(alpha=lam, l1_ratio=rho)` for a loss of ½(y - f)² and `alpha=lam / 2` for Keras' mean
    squared error; glmnet's `alpha=rho, lambda=lam` for log loss (for squared error it scales the target).

    Args:
        rho: the share of the L1 part, from 0 to 1.

    Raises:
        ValueError: If `rho` is not a number from 0 to 1.

    Source: Zou & Hastie (2005), Regularization and variable selection via the elastic net.

    Example:
        >>> import numpy as np, shrinkage as sh
        >>> sh.ElasticNet(rho=0.25)
        ElasticNet(rho=0.25)
        >>> float(sh.ElasticNet(rho=0.5).value(np.array([3.0, -4.0]), lam=0.25))
        2.4375
    """

    rho: float = 0.5
    default_how = Proximal()
    elementwise = True
    can_decay = False
    toward = None

    def __post_init__(self) -> None:
        if isinstance(self.rho, bool) or not isinstance(self.rho, Real) or not 0 <= float(self.rho) <= 1:
            raise ValueError(f"`rho` must be a number from 0 (all L2) to 1 (all L1). Received: {self.rho!r}.")
        object.__setattr__(self, "rho", float(self.rho))

    @property
    def name(self) -> str:
        """The name of the penalty for tables and messages."""
        return f"elastic net (rho = {self.rho:g})"

    @property
    def sparse(self) -> bool:
        """Whether `prox` gives exact zeros."""
        return self.rho > 0

    def value(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * (rho * Σ|w| + (1 - rho) * ½ Σ w²), a scalar; arguments as for `L1.value`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> float(sh.ElasticNet(rho=0.5).value(np.array([2.0, -2.0]), lam=0.5))
            2.0
        """
        return L1().value(w, self.rho * lam) + L2().value(w, (1 - self.rho) * lam)

    def gradient(self, w: Tensor, lam: Tensor) -> Tensor:
        """Return lam * (rho * sign(w) + (1 - rho) * w), of the shape of `w`; arguments as for `L1.gradient`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> np.asarray(sh.ElasticNet(rho=0.5).gradient(np.array([2.0, 0.0, -1.0]), lam=0.5))
            array([ 0.75,  0.  , -0.5 ])
        """
        return L1().gradient(w, self.rho * lam) + L2().gradient(w, (1 - self.rho) * lam)

    def prox(self, w: Tensor, lam: Tensor, step: Tensor) -> Tensor:
        """Return argmin over z of ½(z - w)² + step * lam * (rho * |z| + (1 - rho) * ½z²); arguments as for `L1.prox`.

        This is soft thresholding by step * lam * rho, and then division by 1 + step * lam * (1 - rho).

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> np.asarray(sh.ElasticNet(rho=0.5).prox(np.array([3.5, 0.25, -1.0]), lam=2.0, step=0.5))
            array([ 2.        ,  0.        , -0.33333333])
        """
        return L2().prox(L1().prox(w, self.rho * lam, step), (1 - self.rho) * lam, step)

    def residual(self, w: Tensor, grad: Tensor, lam: Tensor) -> Tensor:
        """Return the distance of -grad to lam * ∂P(w), weight by weight; arguments as for `L1.residual`.

        Example:
            >>> import numpy as np, shrinkage as sh
            >>> penalty = sh.ElasticNet(rho=0.5)
            >>> np.asarray(penalty.residual(np.array([2.0, 0.0, 0.0]), np.array([-1.5, 0.5, -0.75]), lam=1.0))
            array([0.  , 0.  , 0.25])
        """
        return L1().residual(w, grad + L2().gradient(w, (1 - self.rho) * lam), self.rho * lam)
