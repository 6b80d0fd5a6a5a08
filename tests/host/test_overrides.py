"""The overrides are of methods that Keras has and calls."""

import inspect
import re

import keras
import numpy as np
import pytest
from keras import layers

from shrinkage._attach._hooked import HookedModel, HookedOptimizer
from shrinkage._host import _optimizers, _overrides, _private
from tests.host.models import Bare


def test_the_list_of_overrides_is_of_what_keras_has():
    model, optimizer = keras.Model, keras.optimizers.Adam
    pairs = ((HookedModel, model), (HookedOptimizer, optimizer), (_optimizers.Stateless, optimizer))
    found = set()
    for mixin, base in pairs:
        private = {name for name in vars(mixin) if re.match("_[a-z]", name) and hasattr(base, name)}
        assert private <= set(_overrides.OVERRIDES)
        for name in private:
            mine, theirs = (list(inspect.signature(getattr(kind, name)).parameters) for kind in (mixin, base))
            assert len(mine) == len(theirs), name
        found |= private
        _overrides.check_overrides(mixin, base)
        with pytest.raises(_private.UnsupportedVersion, match=r"^shrinkage needs Bare\._"):
            _overrides.check_overrides(mixin, Bare)
    assert found == set(_overrides.OVERRIDES)


def test_keras_calls_what_is_overridden():
    """In a training step, by these names, gradients before they are clipped; and of the model after an epoch."""
    seen = []

    class Optimizer(keras.optimizers.SGD):
        def _backend_apply_gradients(self, grads, trainable_variables):
            seen.append(("apply", float(grads[0][0, 0])))
            super()._backend_apply_gradients(grads, trainable_variables)

        def _apply_weight_decay(self, variables):
            seen.append(("decay", len(variables)))
            super()._apply_weight_decay(variables)

        def _backend_update_step(self, grads, trainable_variables, learning_rate):
            seen.append(("update", float(grads[0][0, 0])))
            super()._backend_update_step(grads, trainable_variables, learning_rate)

        def _all_reduce_sum_gradients(self, grads_and_vars):
            seen.append(("reduce", len(grads_and_vars)))
            return super()._all_reduce_sum_gradients(grads_and_vars)

        def _distributed_tf_update_step(self, distribution, grads_and_vars, learning_rate):
            seen.append(("step", len(grads_and_vars)))
            super()._distributed_tf_update_step(distribution, grads_and_vars, learning_rate)

        def _var_key(self, variable):
            seen.append(("key", 1))
            return super()._var_key(variable)

    class Net(keras.Sequential):
        def _get_metrics_result_or_logs(self, logs):
            seen.append(("result", len(logs)))
            return super()._get_metrics_result_or_logs(logs)

        def _flatten_metrics_in_order(self, logs):
            seen.append(("list", len(logs)))
            return super()._flatten_metrics_in_order(logs)

    model = Net([keras.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(Optimizer(0.1, clipvalue=0.5, weight_decay=0.1), "mse", run_eagerly=True)
    x = np.ones((1, 1), "float32")
    model.fit(x, -x, verbose=0)
    order = [name for name, _ in seen if name != "key"]
    assert order == ["apply", "decay", "update", "reduce", "step", "result"] and ("key", 1) in seen
    assert dict(seen)["apply"] == 4.0 and dict(seen)["update"] == 0.5
    seen.clear()
    model.evaluate(x, x, verbose=0)
    model.train_on_batch(x, x)
    assert [name for name, _ in seen if name in ("result", "list")] == ["result", "list", "list"]
