"""The private methods of Keras that classes of this package override, and the reason for each.

Keras calls these methods by name. If a release renames a method, Keras would silently ignore the override, and with it
the penalty. Therefore `check_overrides` is called wherever a subclass is created.
"""

from typing import Any

from shrinkage._host._private import get_private

OVERRIDES = {
    # optimizers with an attached penalty
    "_backend_apply_gradients": "here gradients are unscaled, and neither accumulated nor clipped, like the gradients "
    "of regularizers in Keras",
    "_apply_weight_decay": "a decoupled penalty is added to it",
    "_backend_update_step": "the update step of the optimizer, which a proximal operator follows",
    # models with an attached penalty
    "_get_metrics_result_or_logs": "`fit` and `evaluate` read the logs of an epoch from it, with the penalty added",
    "_flatten_metrics_in_order": "the penalty in the logs must not lengthen the lists of metrics",
    # optimizers that update members inside a `StatelessScope`
    "_var_key": "the key is the TensorFlow variable, which a scope does not replace",
    "_all_reduce_sum_gradients": "its custom gradient keeps every traced step in memory for the life of the process",
    "_distributed_tf_update_step": "it writes to TensorFlow variables and bypasses the scope",
}


def check_overrides(mixin: type, base: Any) -> None:
    """Check that a class of Keras has all private methods that a mixin overrides.

    Raises:
        UnsupportedVersion: If a method is missing.
    """
    for name in vars(mixin):
        if name in OVERRIDES:
            get_private(base, name)
