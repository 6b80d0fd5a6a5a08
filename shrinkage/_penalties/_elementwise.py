"""What is added to the data loss: R(w) = lam * P(w), as value, gradient, proximal operator and optimality residual.

Everything is elementwise and written in `keras.ops`: `w` may be a NumPy array or a Keras tensor of any shape, and `lam`
a number or an array that broadcasts against it, as (F, S, 1, 1) does against stacked kernels (F, S, inputs, units).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from shrinkage._penalties._how import Coupled, How, Proximal

Tensor = Any  # a NumPy array or what the Keras backend makes of one


@dataclass(frozen=True)
class L2:
    """The ridge penalty P(w) = ½ Σ w², also called weight decay.

    The same strength elsewhere: Keras' `L2(lam / 2)`, whose penalty has no ½; PyTorch's `SGD(weight_decay=lam)`;
    scikit-learn's `Ridge(alpha=n * lam)` for a loss of ½(y - f)² and `alpha=n * lam / 2` for Keras' mean squared error,
    which has no ½; `LogisticRegression(C=1 / (n * lam))` for log loss; n is the number of rows.

    Source: Hoerl & Kennard (1970), Ridge regression.

    Example:
        >>> import numpy as np, shrinkage as sh
        >>> w = np.array([3.0, -4.0])
        >>> float(sh.L2().value(w, lam=0.1))
        1.25
        >>> np.asarray(sh.L2().gradient(w, lam=0.1)).round(3)
        array([ 0.3, -0.4])
    """

    name: ClassVar[str] = "L2"
    default_how: ClassVar[How] = Coupled()

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


@dataclass(frozen=True)
class L1:
    """The lasso penalty P(w) = Σ |w|.

    The same strength elsewhere: Keras' `L1(lam)`, which is applied by gradient and gives no exact zeros; scikit-learn's
    `Lasso(alpha=lam)` for a loss of ½(y - f)² and `alpha=lam / 2` for Keras' mean squared error, which has no ½;
    `LogisticRegression(C=1 / (n * lam), l1_ratio=1)` for log loss with n rows. PyTorch has no L1 of its own.

    Source: Tibshirani (1996), Regression shrinkage and selection via the lasso.

    Example:
        >>> import numpy as np, shrinkage as sh
        >>> float(sh.L1().value(np.array([3.0, -4.0]), lam=0.5))
        3.5
    """

    name: ClassVar[str] = "L1"
    default_how: ClassVar[How] = Proximal()

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
