"""Where the penalty enters a training step: into the gradient, after the step, or beside it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Coupled:
    """Add the penalty's gradient to the data loss's, before the optimizer sees it: the classic form, default of `L2`.

    The optimizer minimises J(w) = mean data loss + lam * P(w); plain gradient descent with step size eta is

        w <- w - eta * (dL/dw + dR/dw).

    Adam with `Coupled` is "Adam + L2" and not AdamW, whose decay bypasses Adam's scaling (Loshchilov & Hutter 2019).

    Example:
        >>> import shrinkage as sh
        >>> sh.L2().default_how
        Coupled()
    """


@dataclass(frozen=True)
class Proximal:
    """Apply the penalty's proximal operator after the optimizer's step on the data loss: default of all but `L2`.

        w <- prox(u),  u = the optimizer's step on the data loss from w

    The prox is taken in the optimizer's own metric: for Adam and its kin each weight has its own step size. This gives
    exact zeros, which a gradient step on |w| never does (Parikh & Boyd 2014, section 4.2).

    Example:
        >>> import shrinkage as sh
        >>> sh.L1().default_how
        Proximal()
    """


@dataclass(frozen=True)
class Decoupled:
    """Shrink the weights beside the optimizer's step on the data loss: AdamW's weight decay, for `L2` only.

        w <- w - eta * lam * w,  and then the optimizer's step on the data loss, from gradients at the w before

    eta is the learning rate of the step. This is what Keras does with `weight_decay=lam`, but on the penalised weights
    alone. What counts over a whole training is lam * (sum of eta): without data, w would shrink by exp of minus that.
    With an optimizer other than plain SGD it minimises no J(w), and its strengths are not those of `Coupled`.

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
