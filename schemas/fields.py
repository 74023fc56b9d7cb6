"""Fields: the types of the build object, each strict, with messages that say how to correct a value."""

import json
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, missing

#: The largest integer of the contract, and of a BIGINT.
MAX_INTEGER = 2**63 - 1

#: The greatest number of an imported revision or repair, so that later ones can be numbered after it.
MAX_NUMBER = 10**9

_ABSENT = "has no column in this database's table; leave it out, or upgrade the table."

_TYPES = {
    bool: "a boolean",
    int: "an integer",
    float: "a number with a fraction",
    str: "a string",
    dict: "an object",
}


def kind(value: Any) -> str:
    """Return what a JSON value is, in words: `a string`, `null`."""
    return "null" if value is None else _TYPES.get(type(value), "an array")


def text_fault(value: str) -> str | None:
    """Return what keeps a text from being stored as it is, a NUL or a lone surrogate; None if nothing does."""
    if "\0" in value:
        return "has a NUL character, which cannot be stored; take it out."
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        return f"has a lone surrogate at character {error.start}, which is not text; take it out."
    return None


class Strict(fields.Field[Any]):
    """A field that accepts a value unchanged or refuses it; `_fault` decides, and words the refusal.

    Attributes:
        limit: the largest value or the greatest length; it is lowered if the table's column is narrower.
        absent: whether the table has no column for it, so that only its zero value can be accepted.

    """

    default_error_messages = {"required": "is missing; send the whole build."}

    limit: int = 0
    absent = False

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """Return `value` itself, without marshmallow's own conversions. Raises ValidationError."""
        if value is missing:
            if self.required:
                raise self.make_error("required")
            return missing
        if fault := self.fault(value):
            raise ValidationError(fault)
        return value

    def fault(self, value: Any) -> str | None:
        """Return what is wrong with `value`, in words; None if nothing is."""
        if value is None and self.allow_none:
            return None
        if fault := self._fault(value):
            return fault
        return _ABSENT if self.absent and value else None

    def _fault(self, value: Any) -> str | None:
        """Do what `fault` does for a field of this type."""
        raise NotImplementedError


class Integer(Strict, fields.Integer):
    """An integer; `"1"`, `1.0` and `true` are refused."""

    def __init__(self, least: int = 0, most: int = MAX_INTEGER, **kwargs: Any) -> None:
        super().__init__(strict=True, **kwargs)
        self.least = least
        self.limit = most

    def _fault(self, value: Any) -> str | None:
        if type(value) is not int:
            return f"must be an integer, not {kind(value)}."
        if not self.least <= value <= self.limit:
            return f"must be from {self.least} to {self.limit}."
        return None


class String(Strict, fields.String):
    """A text of at most `limit` characters."""

    def __init__(self, limit: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limit = limit

    def _fault(self, value: Any) -> str | None:
        if type(value) is not str:
            return f"must be a string, not {kind(value)}."
        if len(value) > self.limit:
            return f"has {len(value)} characters; at most {self.limit} fit."
        return text_fault(value)


class OneOf(String):
    """A text that is one of the `choices`."""

    def __init__(self, choices: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(250, **kwargs)
        self.choices = choices

    def _fault(self, value: Any) -> str | None:
        known = type(value) is str and value in self.choices
        return None if known else f"must be one of {', '.join(self.choices)}."


class Boolean(Strict, fields.Boolean):
    """true or false; no other spelling."""

    def _fault(self, value: Any) -> str | None:
        return None if type(value) is bool else f"must be true or false, not {kind(value)}."


class StringMap(Strict, fields.Dict):
    """An object of string to string, of at most `limit` characters as compact JSON text."""

    def __init__(self, limit: int, **kwargs: Any) -> None:
        super().__init__(keys=fields.String(), values=fields.String(), **kwargs)
        self.limit = limit

    def _fault(self, value: Any) -> str | None:
        if type(value) is not dict or any(type(item) is not str for item in value.values()):
            return "must be an object of string to string."
        for text in (*value, *value.values()):
            if fault := text_fault(text):
                return fault
        length = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
        if length > self.limit:
            return f"has {length} characters as JSON text; at most {self.limit} fit."
        return None


class Object(Strict, fields.Dict):
    """An object of any JSON values that can be stored as JSON text, which has an escape for NUL."""

    def _fault(self, value: Any) -> str | None:
        if type(value) is not dict:
            return f"must be an object, not {kind(value)}."
        if text_fault(json.dumps(value, ensure_ascii=False, check_circular=False)) is None:
            return None
        surrogates = (fault for text in _texts(value) if (fault := text_fault(text.replace("\0", ""))))
        return next(surrogates, None)


class Repository(Strict, fields.Dict):
    """A repo as later Vela servers send it: an object of which only `id` is used, and which is returned unchanged."""

    limit = MAX_INTEGER

    def _fault(self, value: Any) -> str | None:
        if type(value) is not dict:
            return f"must be an object with the repository's id, not {kind(value)}."
        identifier = value.get("id")
        if type(identifier) is not int or not 1 <= identifier <= self.limit:
            return f"must have an id: an integer from 1 to {self.limit}."
        return next(filter(None, map(text_fault, _texts(value))), None)


def _texts(value: Any) -> Any:
    """Yield every text in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
