"""The part of a training step that applies the penalty: in the gradient, after the step, or as weight decay."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Coupled:
    """Add the gradient of the penalty to the gradient of the data loss before the optimizer step; the default of `L2`.

    The optimizer minimises J(w) = mean data loss + lam * P(w). Plain gradient descent with step size eta is

        w <- w - eta * (dL/dw + dR/dw).

    Adam with `Coupled` is "Adam + L2", not AdamW: the decay of AdamW is not scaled by Adam (Loshchilov & Hutter 2019).

    Example:
        >>> import shrinkage as sh
        >>> sh.L2().default_how
        Coupled()
    """


@dataclass(frozen=True)
class Proximal:
    """Apply the proximal operator of the penalty after the optimizer step; the default of all penalties but `L2`.

        u <- optimizer step from w on the data loss
        w <- prox(u)

    The proximal operator uses the metric of the optimizer: for Adam and similar optimizers each weight has a separate
    step size. This gives exact zeros, which a gradient step on |w| never does (Parikh & Boyd 2014, section 4.2).

    Example:
        >>> import shrinkage as sh
        >>> sh.L1().default_how
        Proximal()
    """


@dataclass(frozen=True)
class Decoupled:
    """Multiply the weights by 1 - eta * lam in each step: the weight decay of AdamW, for `L2` only.

        g <- gradient of the data loss at w
        w <- w - eta * lam * w
        w <- optimizer step from w with gradient g

    eta is the learning rate of the step. Keras does the same with `weight_decay=lam`, but here only the penalised
    weights decay. Without data, the weights would shrink by the factor exp(-lam * Σ eta) over the whole training.
    With an optimizer other than plain SGD, this minimises no function J(w), and a strength has another meaning than
    with `Coupled`.

    Source: Loshchilov & Hutter (2019), Decoupled weight decay regularization.

    Example:
        >>> import keras, numpy as np, shrinkage as sh
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mean_squared_error")
        >>> x = np.random.default_rng(0).normal(size=(60, 2))
        >>> sh.fit(model, x, x @ [1.0, 2.0], penalty=sh.L2(), how=sh.Decoupled(), lams=[1.0], epochs=2).how
        Decoupled()
    """


How = Coupled | Proximal | Decoupled
