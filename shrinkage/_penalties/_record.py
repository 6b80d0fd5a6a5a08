"""Conversion of penalties and `how` objects to dictionaries and back, for saved paths and saved models."""

from dataclasses import fields
from typing import Any, get_args

from shrinkage._penalties._check import PENALTIES
from shrinkage._penalties._how import How

_CLASSES: dict[str, Any] = {kind.__name__: kind for kind in (*PENALTIES, *get_args(How))}


def penalty_to_record(instance: Any) -> dict[str, Any]:
    """Return the class name and the arguments of a penalty or a `how` object as a dictionary.

    Arrays in `toward` are replaced by None. The caller saves the arrays separately.

    Example:
        >>> from shrinkage._penalties import ElasticNet
        >>> penalty_to_record(ElasticNet(0.5))
        {'name': 'ElasticNet', 'rho': 0.5}
    """
    values = {field.name: getattr(instance, field.name) for field in fields(instance)}
    if not isinstance(values.get("toward", ""), str):
        values["toward"] = None
    return {"name": type(instance).__name__, **values}


def penalty_from_record(record: dict[str, Any], **changes: Any) -> Any:
    """Create the object from a dictionary of `penalty_to_record`; inverse of `penalty_to_record`.

    Args:
        record: The dictionary.
        **changes: Arguments that replace entries of `record`.

    Raises:
        ValueError: If this version does not have a class of that name.
    """
    if record["name"] not in _CLASSES:
        raise ValueError(
            f"The file must have a penalty that this version of shrinkage knows. Received: {record['name']!r}. Install "
            f"the version that wrote it."
        )
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in record.items() if name != "name"}
    return _CLASSES[record["name"]](**values | changes)
