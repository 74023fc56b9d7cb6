"""Raw: the exact values of a row's columns in JSON, including values that are invalid in a build.

A null, an integer and a text are themselves. A value of another type is an object that names the type.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from build_admin.models.stores.text import Undecodable


def encode(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the values of the columns `names` of `row` for `decode`."""
    return {name: _encoded(row[name]) for name in names}


def decode(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that `encode` was called with."""
    return {name: _decoded(value) for name, value in raw.items()}


def _encoded(value: Any) -> Any:
    match value:
        case Undecodable():
            return {"text": base64.b64encode(value.data).decode("ascii")}
        case bytes():
            return {"blob": base64.b64encode(value).decode("ascii")}
        case float():
            return {"real": repr(value)}  # JSON has no infinity
    return value if value is None or isinstance(value, int | str) else str(value)


def _decoded(value: Any) -> Any:
    match value:
        case {"text": text}:
            return Undecodable(base64.b64decode(text))
        case {"blob": text}:
            return base64.b64decode(text)
        case {"real": text}:
            return float(text)
    return value
