"""RevisionSchema: a revision as it is exported, and may be imported."""

from collections.abc import Mapping
from typing import Any, cast

from marshmallow import Schema

from build_admin.schemas.build import BuildSchema
from build_admin.schemas.fields import (
    MAX_INTEGER,
    MAX_NUMBER,
    Boolean,
    Integer,
    Object,
    Strict,
    String,
    StringMap,
    kind,
)

#: Every field of a revision.
_WHOLE: dict[str, Any] = {"required": True, "error_messages": {"required": "is missing; a revision is imported whole."}}

_TYPES: dict[type, type] = {Integer: int, Boolean: bool, StringMap: dict}

#: The type of each of a build's fields, and whether it may be missing.
_FIELDS = {
    name: (_TYPES.get(type(field), str), field.allow_none)
    for name, field in BuildSchema().fields.items()
    if name != "repo"
}


class Changes(Object):
    """What a revision has changed: by field, an object of the old and the new value."""

    def _fault(self, value: Any) -> str | None:
        if fault := super()._fault(value):
            return fault
        wrong = (name for name, change in value.items() if type(change) is not dict or set(change) != {"from", "to"})
        return next((f"must have an object of 'from' and 'to' for {name!r}." for name in wrong), None)


class Before(Object):
    """The whole build that a revision has replaced. Each field has its type, but perhaps a value that PUT refuses."""

    def _fault(self, value: Any) -> str | None:
        if fault := super()._fault(value):
            return fault
        for name, (expected, optional) in _FIELDS.items():
            found = value.get(name)
            if found is None and optional:
                continue
            if name not in value:
                return f"has no {name!r}; a revision has the whole build."
            if type(found) is not expected or (type(found) is int and abs(found) > MAX_INTEGER):
                return f"has {kind(found)} that cannot be its {name!r}."
        return None


_REQUIRED = {"build_id", "revision", "at", "by", "request_id", "changes", "before"}


class RevisionSchema(Schema):
    """A whole revision, with what was there before it; `load` raises ValidationError with every fault, by field."""

    error_messages = {"unknown": "is not a field of a revision; take it out or correct its name."}

    build_id = Integer(1, **_WHOLE)
    revision = Integer(1, MAX_NUMBER, **_WHOLE)
    at = Integer(**_WHOLE)
    by = String(32 * 1024, **_WHOLE)  # a token, whose subject it is, fits in a request's headers
    request_id = String(64, **_WHOLE)
    changes = Changes(**_WHOLE)
    before = Before(**_WHOLE, allow_none=True)
    repair = Integer(1, MAX_NUMBER)

    def load(self, data: Any, **options: Any) -> Any:
        """Return the fields of a whole revision. Raises ValidationError with every fault, by field."""
        # As in BuildSchema.load, the fields' own checks are enough for a revision without a fault.
        if data.keys() >= _REQUIRED and data.keys() <= self.fields.keys() and self._is_sound(data):
            return dict(data)
        return super().load(data, **options)

    def _is_sound(self, revision: Mapping[str, Any]) -> bool:
        return not any(cast(Strict, self.fields[name]).fault(value) for name, value in revision.items())
