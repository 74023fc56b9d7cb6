"""BuildSchema: the build that a client may send, as the contract's table has it."""

from collections.abc import Collection, Mapping
from typing import Any

from marshmallow import Schema, ValidationError, post_load, validates_schema

from build_admin.models.build import DOCUMENTED
from build_admin.schemas.fields import Boolean, Integer, OneOf, Repository, Strict, String, StringMap, text_fault

STATUSES = (
    "created", "pending", "pending approval", "running", "success", "failure", "error", "killed", "canceled", "skipped",
)  # fmt: skip

_DOCUMENTED = frozenset(DOCUMENTED)


class BuildSchema(Schema):
    """A whole build. `load` returns its fields; a `repo` that was sent is among them, and `repo_id` always is.

    `load` raises marshmallow's ValidationError with every fault, by field.
    """

    error_messages = {
        "unknown": "is not a field of a build; take it out or correct its name.",
    }

    id = Integer(1, required=True)
    repo_id = Integer(1)  # required too, unless `repo` stands for it
    number = Integer(1, required=True)
    parent = Integer(required=True)
    event = String(250, required=True)
    status = OneOf(STATUSES, required=True)
    error = String(1000, required=True)
    enqueued = Integer(required=True)
    created = Integer(required=True)
    started = Integer(required=True)
    finished = Integer(required=True)
    deploy = String(500, required=True)
    clone = String(1000, required=True)
    source = String(1000, required=True)
    title = String(1000, required=True)
    message = String(2000, required=True)
    commit = String(500, required=True)
    sender = String(250, required=True)
    author = String(250, required=True)
    branch = String(500, required=True)
    ref = String(500, required=True)
    base_ref = String(500, required=True)
    host = String(250, required=True)
    runtime = String(250, required=True)
    distribution = String(250, required=True)

    pipeline_id = Integer(allow_none=True)
    deploy_number = Integer(allow_none=True)
    approved_at = Integer(allow_none=True)
    event_action = String(250, allow_none=True)
    sender_scm_id = String(250, allow_none=True)
    route = String(250, allow_none=True)
    approved_by = String(250, allow_none=True)
    email = String(500, allow_none=True)
    head_ref = String(500, allow_none=True)
    link = String(1000, allow_none=True)
    fork = Boolean(allow_none=True)
    deploy_payload = StringMap(2000, allow_none=True)

    repo = Repository()

    def __init__(self, limits: Mapping[str, int] | None = None, absent: Collection[str] = ()) -> None:
        """Make a schema that takes no more than the database can hold, so that every fault is known at once.

        Args:
            limits: by field, the largest integer or the number of characters that fit, where that may be less than
                the contract's.
            absent: the newer fields that cannot be stored at all.

        """
        super().__init__()
        limits = limits or {}
        for name, field in self.fields.items():
            if isinstance(field, Strict):
                limit = limits.get("repo_id" if name == "repo" else name, field.limit)
                field.limit = min(field.limit, limit)
                field.absent = name in absent
        self._strict = {name: field for name, field in self.fields.items() if isinstance(field, Strict)}
        self._bounds: dict[str, tuple[Any, int, int]] = {
            name: (int if isinstance(field, Integer) else str, getattr(field, "least", 0), field.limit)
            for name, field in self._strict.items()
            if isinstance(field, Integer | String)
        }

    def load(self, data: Any, **options: Any) -> Any:
        """Return the fields of a whole build. Raises ValidationError with every fault, by field."""
        # Nearly every build has exactly the documented fields, and no fault. For such a build the fields' own checks
        # are enough; marshmallow's processing would take several times as long.
        if data.keys() == _DOCUMENTED and self._is_sound(data):
            return dict(data)
        return super().load(data, **options)

    def faults(self, build: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the faults, by field, of a build that has every documented field; none if `load` would accept it."""
        if self._is_sound(build):
            return {}
        found = ((name, self._strict[name].fault(value)) for name, value in build.items())
        return {name: [fault] for name, fault in found if fault}

    def _is_sound(self, build: Mapping[str, Any]) -> bool:
        """Return whether no field has a fault.

        Types and bounds are checked in one loop here, which takes a third of the time of calling each field's `fault`.
        """
        texts: list[str] = []
        for name, value in build.items():
            kind, least, most = self._bounds.get(name, (None, 0, 0))
            if kind is None:
                if self._strict[name].fault(value):
                    return False
            elif type(value) is not kind or not least <= (len(value) if kind is str else value) <= most:
                return False
            elif kind is str:
                texts.append(value)
        return build["status"] in STATUSES and text_fault("".join(texts)) is None

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def _repository_is_named_once(self, data: Mapping[str, Any], original: Mapping[str, Any], **_: Any) -> None:
        if "repo" not in original and "repo_id" not in original:
            raise ValidationError("is missing; send the whole build.", "repo_id")
        if "repo" in data and "repo_id" in data and data["repo"]["id"] != data["repo_id"]:
            fault = f"{data['repo_id']} and repo.id {data['repo']['id']} differ; send one of them, or the same twice."
            raise ValidationError(fault, "repo_id")

    @post_load
    def _repository_id_is_always_there(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if "repo" in data:
            data["repo_id"] = data["repo"]["id"]
        return data
