"""RepairSchema: the repair that a client may ask for."""

from typing import Any, cast

from marshmallow import Schema, ValidationError, fields, missing, post_load

from build_admin.schemas.build import STATUSES, BuildSchema
from build_admin.schemas.fields import MAX_NUMBER, Integer, Object, OneOf, Strict, String, kind

#: The most ids that a repair can name; it can change no more builds either.
MAX_IDS = 10_000

_FIXED = ("id", "repo_id", "number", "repo")


class Reason(String):
    """Why something is done: a text of 1 to 1000 characters."""

    default_error_messages = {"required": "is missing; say why in 1 to 1000 characters."}

    def __init__(self) -> None:
        super().__init__(1000, required=True)

    def _fault(self, value: Any) -> str | None:
        return "must have 1 to 1000 characters." if value == "" else super()._fault(value)


class Array(Strict, fields.List[Any]):
    """An array of one or more items, loaded as a sorted list without duplicates."""

    def __init__(self, item: Strict, most: int) -> None:
        super().__init__(item)
        self._item = item
        self._most = most

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """Return the items, each once and in order. Raises ValidationError."""
        found = super().deserialize(value, attr, data, **kwargs)
        return found if found is missing else sorted(set(found))

    def _fault(self, value: Any) -> str | None:
        if type(value) is not list:
            return f"must be an array, not {kind(value)}."
        if not 1 <= len(value) <= self._most:
            return f"has {len(value)} items; it must have 1 to {self._most}."
        faults = ((number, self._item.fault(item)) for number, item in enumerate(value, 1))
        return next((f"has a wrong item, number {number}: it {fault}" for number, fault in faults if fault), None)


class WhereSchema(Schema):
    """The filters that select builds: the list's, typed, and `ids`; at least one."""

    error_messages = {
        "unknown": "is not a filter; take it out or correct its name.",
        "type": "must be an object of filters.",
    }

    ids = Array(Integer(1), MAX_IDS)
    status = Array(OneOf(STATUSES), len(STATUSES))
    repo_id = Integer()
    repo = String(500)
    number = Integer()
    branch = String(500)
    host = String(250)
    after = Integer()
    before = Integer()
    stuck_before = Integer()

    @post_load
    def _selects(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if not data:
            raise ValidationError("must have at least one filter; without one it would select every build.")
        return data


class Assignment(Strict):
    """The fields that are set, and their values: any of a build's fields but those that identify it."""

    default_error_messages = {"required": "is missing; it is an object of the fields that are set."}

    build: BuildSchema

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """Return `value` itself. Raises ValidationError with every fault, by field."""
        super().deserialize(value, attr, data, **kwargs)
        found = ((name, self._fault_of(name, given)) for name, given in value.items())
        if faults := {name: [fault] for name, fault in found if fault}:
            raise ValidationError(faults)
        return value

    def _fault(self, value: Any) -> str | None:
        if type(value) is not dict:
            return f"must be an object of fields, not {kind(value)}."
        return None if value else "must have at least one field."

    def _fault_of(self, name: str, given: Any) -> str | None:
        if name in _FIXED:
            return "identifies the build, and cannot be set by a repair."
        if name not in self.build.fields:
            return self.build.error_messages["unknown"]
        return cast(Strict, self.build.fields[name]).fault(given)


class UndoSchema(Schema):
    """The undo of a repair that a client may ask for; `load` raises ValidationError with every fault."""

    error_messages = {"unknown": "is not known here; take it out or correct its name."}

    reason = Reason()


class RepairSchema(UndoSchema):
    """The repair that a client may ask for; `load` raises ValidationError with every fault."""

    where = fields.Nested(
        WhereSchema,
        required=True,
        error_messages={
            "required": "is missing; it is an object of filters, at least one.",
            "null": "must be an object of filters.",
        },
    )

    set = Assignment(required=True)

    def __init__(self, build: BuildSchema) -> None:
        """Take the fields of `build` for what can be set."""
        super().__init__()
        assigned: Any = self.fields["set"]
        assigned.build = build


#: Every field of a repair.
_WHOLE: dict[str, Any] = {"required": True, "error_messages": {"required": "is missing; a repair is imported whole."}}


class PastRepairSchema(Schema):
    """A repair as it is exported, and may be imported; `load` raises ValidationError with every fault, by field."""

    error_messages = {"unknown": "is not a field of a repair; take it out or correct its name."}

    repair = Integer(1, MAX_NUMBER, **_WHOLE)
    at = Integer(**_WHOLE)
    by = String(32 * 1024, **_WHOLE)
    request_id = String(64, **_WHOLE)
    reason = String(1000, **_WHOLE)
    where = Object(**_WHOLE, allow_none=True)
    set = Object(**_WHOLE, allow_none=True)
    undoes = Integer(1, **_WHOLE, allow_none=True)
    changed = Integer(1, **_WHOLE)
