"""The private methods of Keras that classes of this package override, and why.

Keras calls them by name: one that a release renames would be passed over in silence, and with it the penalty. So
`check_overrides` is called where such a class is made.
"""

from typing import Any

from shrinkage._host._private import read

OVERRIDES = {
    # of the class of an optimizer to which something is attached
    "_backend_apply_gradients": "here gradients are unscaled, and neither accumulated nor clipped: the place of "
    "gradients of Keras' own regularizers",
    "_apply_weight_decay": "a decoupled penalty is added to it",
    "_backend_update_step": "it is the optimizer's own step, after which a proximal operator follows",
    # of the class of a model to which something is attached
    "_get_metrics_result_or_logs": "`fit` and `evaluate` ask it for logs at the end of an epoch, which get the penalty",
    "_flatten_metrics_in_order": "lists of logs stay as long as they are",
    # of an optimizer that steps members inside a `StatelessScope`
    "_var_key": "variables are known by their TensorFlow variables, which a scope does not replace",
    "_distributed_tf_update_step": "it writes to TensorFlow's variables, past the scope",
}


def check_overrides(mixin: type, base: Any) -> None:
    """Raise `UnsupportedVersion` unless a class of Keras has all private methods that a mixin overrides."""
    for name in vars(mixin):
        if name in OVERRIDES:
            read(base, name)
