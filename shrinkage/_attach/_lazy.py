"""`rows="lazy"`: an embedding table decays in every step, but a step writes only the rows that it looks up.

Under plain gradient descent, a step multiplies each row that it does not look up by 1 - eta*lam, where eta is the
learning rate. A single number collects these factors for the whole table, log c = sum log(1 - eta*lam). A row that was
last written at the value c_row has the pending decay c / c_row. A lookup multiplies the rows that it reads by the
pending decay, and writes nothing; the step writes the rows (Carpenter 2008, Lazy sparse stochastic gradient descent for
regularized multinomial logistic regression).
"""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from shrinkage._host._attributes import remove_stored, store


class LazyTable:
    """An embedding table with pending decay.

    Args:
        layer: The `keras.layers.Embedding`. `hook` replaces the lookup, saving and loading of the layer.
    """

    def __init__(self, layer: Any):
        self._layer, self._variable = layer, layer.embeddings
        self._decay = keras.Variable(0.0, trainable=False, dtype="float64", name="log_decay")
        self._row_decay = keras.Variable(
            ops.zeros(layer.input_dim), trainable=False, dtype="float64", name="log_decay_done"
        )

    def hook(self) -> None:
        """Make the layer's lookup apply the pending decay. A table with LoRA is not trained, and is released."""
        if self._layer.lora_enabled:
            return self.release()
        store(self._layer, call=self._call, save_own_variables=self._save, load_own_variables=self._load)

    def release(self) -> None:
        """Write all rows, and restore the lookup of the layer."""
        self.catch_up()
        remove_stored(self._layer, "call", "save_own_variables", "load_own_variables")

    def step(self, rows: Any, rate: Any) -> None:
        """Decay the table by a step, and write some rows.

        Args:
            rows: Indices of the rows that the step looked up, an integer tensor with or without repetitions.
            rate: Learning rate times strength, eta * lam.
        """
        self._decay.assign_add(tf.math.log1p(-ops.cast(rate, "float64")))
        values = tf.gather(self._variable.value, rows)
        self._variable.value.scatter_update(
            tf.IndexedSlices(values * self._compute_pending_decay(rows, values.dtype), rows)
        )
        now = tf.broadcast_to(self._decay.value, tf.shape(rows))
        self._row_decay.value.scatter_update(tf.IndexedSlices(now, rows))

    def read_value(self) -> Any:
        """Return the table with the pending decay applied."""
        table = ops.convert_to_tensor(self._variable)
        return table * self._compute_pending_decay(tf.range(table.shape[0]), table.dtype)

    def catch_up(self) -> None:
        """Apply the pending decay to all rows."""
        self._variable.assign(self.read_value())
        self.mark_written()

    def mark_written(self) -> None:
        """Mark all rows as written, for example after `set_weights`."""
        self._row_decay.assign(tf.broadcast_to(self._decay.value, self._row_decay.shape))

    def _compute_pending_decay(self, rows: Any, dtype: Any) -> Any:
        """Return the factor of the pending decay for each row, of shape (..., 1)."""
        return ops.cast(tf.exp(self._decay.value - ops.take(self._row_decay, rows))[..., None], dtype)

    def _call(self, inputs: Any) -> Any:
        if self._layer.quantization_mode:  # a quantized table is not trained
            return type(self._layer).call(self._layer, inputs)
        if self._layer.lora_enabled:  # since the last step
            self.release()
            return type(self._layer).call(self._layer, inputs)
        if inputs.dtype not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        rows = ops.take(self._variable, inputs, axis=0)
        return ops.cast(
            _apply_pending_decay(rows, self._compute_pending_decay(inputs, rows.dtype)), self._layer.compute_dtype
        )

    def _save(self, store: Any) -> None:
        self.catch_up()
        type(self._layer).save_own_variables(self._layer, store)

    def _load(self, store: Any) -> None:
        type(self._layer).load_own_variables(self._layer, store)
        self.mark_written()


@tf.custom_gradient
def _apply_pending_decay(rows: Any, factor: Any) -> Any:
    """Return rows with the pending decay, and the gradient of a table in which the decay was already written."""
    return rows * factor, lambda upstream: (upstream, None)


def check_table(layer: Any) -> None:
    """Refuse a layer that reads the table by other ways than the lookup of `keras.layers.Embedding`."""
    if not isinstance(layer, keras.layers.Embedding) or type(layer).call is not keras.layers.Embedding.call:
        why = f"the {type(layer).__name__} {layer.name!r} with another lookup"
    elif layer.embeddings_constraint is not None:
        why = f"the layer {layer.name!r} with a constraint, which writes all rows in every step"
    else:
        return
    raise ValueError(
        f'rows="lazy" needs the lookup of keras.layers.Embedding, and no constraint. Received: {why}. Attach with '
        f'rows="all".'
    )


def check_lazy_optimizer(optimizer: Any) -> None:
    """Refuse an optimizer that changes rows without a lookup by more than the decay 1 - eta*lam."""
    if why := describe_other_changes(optimizer):
        raise ValueError(
            f'rows="lazy" needs plain keras.optimizers.SGD, under which rows that are not looked up decay by '
            f'1 - eta*lam a step. Received: {why}. Compile with plain SGD, or attach with rows="all".'
        )


def describe_other_changes(optimizer: Any) -> str:
    """Return how else an optimizer changes penalised rows without a lookup; empty if it does not."""
    if not isinstance(optimizer, keras.optimizers.SGD):
        return f"{type(optimizer).__name__}, which moves them by earlier gradients"
    if optimizer.momentum:
        return f"momentum={optimizer.momentum:g}, which moves them further"
    options = ("clipnorm", "global_clipnorm", "clipvalue", "gradient_accumulation_steps", "use_ema")
    names = [name for name in options if getattr(optimizer, name)]
    return f"SGD with {', '.join(names)}, which changes them too" if names else ""
