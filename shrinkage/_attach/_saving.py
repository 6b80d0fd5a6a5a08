"""Attachments in a `.keras` file, beside the configuration of the model."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from shrinkage._attach._attachment import Attachment
from shrinkage._attach._lam import get_lam_name, make_lam
from shrinkage._penalties import L2
from shrinkage._penalties._record import penalty_from_record, penalty_to_record


def attachment_to_record(attachment: Attachment) -> dict[str, Any]:
    """Return an attachment as plain data.

    Raises:
        ValueError: If the strength is a function that Keras cannot save.
    """
    on, toward = attachment.on, attachment.toward
    return {
        "penalty": penalty_to_record(attachment.penalty),
        "toward": None if toward is None else [None if w is None else _pack_array(w) for w in toward],
        "rows": attachment.rows,
        "how": penalty_to_record(attachment.how),
        "lam": _saved_lam(attachment.lam),
        "on": {"rule": on} if _is_plain(on) else {"places": _places(attachment)},
        "weights": [[w.path, tuple(w.shape)] for w in attachment.model.weights],
    }


def attachment_from_record(record: dict[str, Any], model: keras.Model) -> Attachment:
    """Return the attachment of a record. It may select no weight, as when it was saved."""
    lam, on, toward = record["lam"], record["on"], record["toward"]
    weights = _find_weights(record, model)
    if "rule" in on:
        rule = on["rule"]
    else:
        rule = {
            _select_one(weights[place]): factor for place, factor in on["places"] if weights[place] is not None
        } or _select_none
    penalty = penalty_from_record(record["penalty"])
    if toward is not None:
        origin = {
            id(w): _unpack_array(t) for w, t in zip(weights, toward, strict=True) if w is not None and t is not None
        }
        toward = [origin.get(id(w)) for w in model.weights]
        penalty = L2(toward="initial" if any(w is None for w in toward) else toward)
    lam = make_lam(keras.saving.deserialize_keras_object(lam) if isinstance(lam, dict) else lam, model)
    return Attachment(model, penalty, lam, rule, penalty_from_record(record["how"]), record["rows"], toward)


def _find_weights(record: dict[str, Any], model: keras.Model) -> list[Any]:
    """Return the loaded model's weight for each weight of the saved model, None where there is none.

    The order is the same, unless the saved model created weights after it was built.
    """
    then = record.get("weights")
    if then is None or [tuple(shape) for _, shape in then] == [tuple(w.shape) for w in model.weights]:
        return list(model.weights)
    return [_find_weight(path, tuple(shape), model.weights) for path, shape in then]


def _find_weight(path: str, shape: tuple[int, ...], weights: list[Any]) -> Any:
    """Return the only weight of this shape and path, else None. Paths may differ by the model's name in front."""
    found = [
        weight
        for weight in weights
        if tuple(weight.shape) == shape and (f"/{path}".endswith(f"/{weight.path}") or weight.path.endswith(f"/{path}"))
    ]
    return found[0] if len(found) == 1 else None


def _saved_lam(lam: Any) -> Any:
    if isinstance(lam, keras.Variable):
        return float(lam)
    record = None
    if getattr(lam, "__name__", "") != "<lambda>":
        record = keras.saving.serialize_keras_object(lam)
    if not isinstance(record, dict):
        raise ValueError(
            f"`lam` must be a function that Keras knows by name, for the model to be saved. Received: "
            f"lam={get_lam_name(lam)}. Give it a name with @keras.saving.register_keras_serializable(), or take a "
            f"keras.optimizers.schedules schedule."
        )
    return record


def _is_plain(on: Any) -> bool:
    """Whether a selector contains only kinds of weights. Paths may differ in the loaded model."""
    if isinstance(on, (list, dict)):
        return all(map(_is_plain, on))
    return isinstance(on, str) and not any(sign in on for sign in "*?[/")


def _places(attachment: Attachment) -> list[list[Any]]:
    """Return the index in `model.weights` and the factor of each selected weight."""
    place = {id(w): i for i, w in enumerate(attachment.model.weights)}
    return [[place[key], factor] for key, factor in attachment.named.items()]


def _pack_array(values: Any) -> dict[str, Any]:
    values = np.asarray(values, np.float64 if np.asarray(values).dtype == np.float64 else np.float32)
    return {"dtype": str(values.dtype), "shape": values.shape, "data": b64encode(values.tobytes()).decode("ascii")}


def _unpack_array(record: dict[str, Any]) -> Any:
    return np.frombuffer(b64decode(record["data"]), record["dtype"]).reshape(record["shape"])


def _select_none(layer: Any, variable: Any) -> bool:
    """Select no weight."""
    return False


def _select_one(weight: Any) -> Callable[[Any, Any], bool]:
    """Return a function that selects a single weight; a variable cannot be the key of a dictionary."""
    return lambda layer, variable: variable is weight
