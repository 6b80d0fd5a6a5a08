"""An attached model in a `.keras` file: its own configuration, and beside it what is attached."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from shrinkage._attach._attachment import Attachment
from shrinkage._attach._lam import make_lam, name_of
from shrinkage._penalties import L2
from shrinkage._penalties._record import from_record, to_record


def attachment_to_record(attachment: Attachment) -> dict[str, Any]:
    """Return an attachment as plain data.

    Raises:
        ValueError: If its strength is a function that Keras cannot save.
    """
    on, toward = attachment.on, attachment.toward
    return {
        "penalty": to_record(attachment.penalty),
        "toward": None if toward is None else [None if w is None else _pack_array(w) for w in toward],
        "rows": attachment.rows,
        "how": to_record(attachment.how),
        "lam": _saved_lam(attachment.lam),
        "on": {"rule": on} if _is_plain(on) else {"places": _places(attachment)},
        "weights": [[w.path, tuple(w.shape)] for w in attachment.model.weights],
    }


def attachment_from_record(record: dict[str, Any], model: keras.Model) -> Attachment:
    """Return the attachment that a record stands for: it may be on nothing, as it may have been when it was saved."""
    lam, on, toward = record["lam"], record["on"], record["toward"]
    weights = _weights_of(record, model)
    if "rule" in on:
        rule = on["rule"]
    else:
        rule = {
            _select_one(weights[place]): factor for place, factor in on["places"] if weights[place] is not None
        } or _select_none
    penalty = from_record(record["penalty"])
    if toward is not None:
        origin = {
            id(w): _unpack_array(t) for w, t in zip(weights, toward, strict=True) if w is not None and t is not None
        }
        toward = [origin.get(id(w)) for w in model.weights]
        penalty = L2(toward="initial" if any(w is None for w in toward) else toward)
    lam = make_lam(keras.saving.deserialize_keras_object(lam) if isinstance(lam, dict) else lam, model)
    return Attachment(model, penalty, lam, rule, from_record(record["how"]), record["rows"], toward)


def _weights_of(record: dict[str, Any], model: keras.Model) -> list[Any]:
    """Return for each weight of the model that was saved that of the model that is loaded, None where there is none.

    It has them in the same order, unless its class made some after it was built and does not when it is loaded.
    """
    then = record.get("weights")
    if then is None or [tuple(shape) for _, shape in then] == [tuple(w.shape) for w in model.weights]:
        return list(model.weights)
    return [_find_weight(path, tuple(shape), model.weights) for path, shape in then]


def _find_weight(path: str, shape: tuple[int, ...], weights: list[Any]) -> Any:
    """Return the one weight of this shape and path, which may begin with a model's name or not."""
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
            f"A model cannot be saved with lam={name_of(lam)}, a function that Keras does not know by name. Give it a "
            f"name with @keras.saving.register_keras_serializable(), or take a keras.optimizers.schedules schedule."
        )
    return record


def _is_plain(on: Any) -> bool:
    """Whether a rule is made of kinds of weights. Paths may be others in the model that is loaded."""
    if isinstance(on, (list, dict)):
        return all(map(_is_plain, on))
    return isinstance(on, str) and not any(sign in on for sign in "*?[/")


def _places(attachment: Attachment) -> list[list[Any]]:
    """Return the place in `model.weights` of each weight that the rule names, and its factor."""
    place = {id(w): i for i, w in enumerate(attachment.model.weights)}
    return [[place[key], factor] for key, factor in attachment.named.items()]


def _pack_array(values: Any) -> dict[str, Any]:
    values = np.asarray(values, np.float64 if np.asarray(values).dtype == np.float64 else np.float32)
    return {"dtype": str(values.dtype), "shape": values.shape, "data": b64encode(values.tobytes()).decode("ascii")}


def _unpack_array(record: dict[str, Any]) -> Any:
    return np.frombuffer(b64decode(record["data"]), record["dtype"]).reshape(record["shape"])


def _select_none(layer: Any, variable: Any) -> bool:
    """The rule of what has no weight any more."""
    return False


def _select_one(weight: Any) -> Callable[[Any, Any], bool]:
    """Return the rule that names one weight; a variable cannot be the key of a dictionary."""
    return lambda layer, variable: variable is weight
