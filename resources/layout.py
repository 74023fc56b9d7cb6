"""Layout: JSON text with one field a line, also in an object's own objects, so that a user can copy a build from it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any


def text(value: Mapping[str, Any]) -> bytes:
    """Return the JSON text of an object, in UTF-8 and with a line end."""
    return f"{_object((name, _value(item)) for name, item in value.items())}\n".encode()


def _value(value: Any) -> str:
    return _object((name, _json(item)) for name, item in value.items()) if isinstance(value, dict) else _json(value)


def _object(fields: Iterable[tuple[str, str]]) -> str:
    return "{\n" + ",\n".join(f"{_json(name)}: {item}" for name, item in fields) + "\n}"


_json = json.JSONEncoder(ensure_ascii=False).encode
