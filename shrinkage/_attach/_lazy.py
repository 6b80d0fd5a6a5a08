"""`rows="lazy"`: a table decays in every step, and only the rows that a step looks up are written.

Under plain gradient descent a row that is not looked up is multiplied by 1 - eta*lam in a step and nothing else. These
factors are gathered for the whole table in one number, log c = sum log(1 - eta*lam), and a row is given its share,
c / c_row with c_row the value when it was last written, when it is next looked up (Carpenter 2008, Lazy sparse
stochastic gradient descent for regularized multinomial logistic regression). A lookup multiplies what it has read, and
writes nothing.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import ops


class LazyTable:
    """The table of an embedding whose rows may be behind in their decay.

    Args:
        layer: The `keras.layers.Embedding`, whose lookup, saving and loading then know of it.
    """

    def __init__(self, layer: Any):
        self._layer, self._variable = layer, layer.embeddings
        self._decay = keras.Variable(0.0, trainable=False, dtype="float64", name="log_decay")
        self._done = keras.Variable(ops.zeros(layer.input_dim), trainable=False, dtype="float64", name="log_decay_done")

    def hook(self) -> None:
        """Let the layer's lookup give rows their decay; not one with LoRA, whose table is trained no more."""
        if self._layer.lora_enabled:
            return self.release()
        vars(self._layer).update(call=self._call, save_own_variables=self._save, load_own_variables=self._load)

    def release(self) -> None:
        """Give the layer its own lookup back."""
        self.catch_up()
        for name in ("call", "save_own_variables", "load_own_variables"):
            vars(self._layer).pop(name, None)

    def step(self, rows: Any, rate: Any) -> None:
        """Decay the table by one step, and write these rows.

        Args:
            rows: Indices of the rows that the step has looked up, once or more.
            rate: eta * lam.
        """
        self._decay.assign_add(tf.math.log1p(-ops.cast(rate, "float64")))
        stored = tf.gather(self._variable.value, rows)
        self._variable.value.scatter_update(tf.IndexedSlices(stored * self._pending_decay(rows, stored.dtype), rows))
        now = tf.broadcast_to(self._decay.value, tf.shape(rows))
        self._done.value.scatter_update(tf.IndexedSlices(now, rows))

    def now(self) -> Any:
        """Return the table as it is with all its decay."""
        table = ops.convert_to_tensor(self._variable)
        return table * self._pending_decay(tf.range(table.shape[0]), table.dtype)

    def catch_up(self) -> None:
        """Write all rows."""
        self._variable.assign(self.now())
        self.caught_up()

    def caught_up(self) -> None:
        """Take all rows for written, as they are after they were set from outside."""
        self._done.assign(tf.broadcast_to(self._decay.value, self._done.shape))

    def _pending_decay(self, rows: Any, dtype: Any) -> Any:
        """Return the decay that rows have not been given, to multiply them with."""
        return ops.cast(tf.exp(self._decay.value - ops.take(self._done, rows))[..., None], dtype)

    def _call(self, inputs: Any) -> Any:
        if self._layer.quantization_mode:  # its table is another one, which is not trained
            return type(self._layer).call(self._layer, inputs)
        if self._layer.lora_enabled:  # since the last step
            self.release()
            return type(self._layer).call(self._layer, inputs)
        if inputs.dtype not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        rows = ops.take(self._variable, inputs, axis=0)
        return ops.cast(_as_if_written(rows, self._pending_decay(inputs, rows.dtype)), self._layer.compute_dtype)

    def _save(self, store: Any) -> None:
        self.catch_up()
        type(self._layer).save_own_variables(self._layer, store)

    def _load(self, store: Any) -> None:
        type(self._layer).load_own_variables(self._layer, store)
        self.caught_up()


@tf.custom_gradient
def _as_if_written(rows: Any, behind: Any) -> Any:
    """Return rows with their decay, and the gradient that the table would have if they had been written."""
    return rows * behind, lambda upstream: (upstream, None)


def check_table(layer: Any) -> None:
    """Refuse a layer whose table is not read by the lookup of `keras.layers.Embedding` alone."""
    if not isinstance(layer, keras.layers.Embedding) or type(layer).call is not keras.layers.Embedding.call:
        why = f"{layer.name!r} is a {type(layer).__name__} that looks up by itself"
    elif layer.embeddings_constraint is not None:
        why = f"{layer.name!r} has a constraint, which writes all rows in every step"
    else:
        return
    raise ValueError(f'rows="lazy" is for the lookup of keras.layers.Embedding: {why}. Take rows="all".')


def check_lazy_optimizer(optimizer: Any) -> None:
    """Refuse an optimizer under which a row that is not looked up does more in a step than decay by 1 - eta*lam."""
    if why := more_than_decay(optimizer):
        raise ValueError(
            f'rows="lazy" is exact for plain keras.optimizers.SGD, where rows that are not looked up decay by '
            f'1 - eta*lam a step: {why}. Compile with plain SGD, or take rows="all".'
        )


def more_than_decay(optimizer: Any) -> str:
    """Say what else an optimizer does to penalised rows that are not looked up, or nothing."""
    if not isinstance(optimizer, keras.optimizers.SGD):
        return f"{type(optimizer).__name__} moves them by what it remembers of earlier gradients"
    if optimizer.momentum:
        return f"momentum={optimizer.momentum:g} moves them on"
    options = ("clipnorm", "global_clipnorm", "clipvalue", "gradient_accumulation_steps", "use_ema")
    given = [name for name in options if getattr(optimizer, name)]
    return f"{', '.join(given)} does more to them" if given else ""
