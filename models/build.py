"""Build: one build of a Vela CI server as it is stored, and as it is spoken of.

A build is spoken of as a dict: the documented fields, all of them, then those newer fields that have a value.
"""

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from typing import Any

from peewee import BigAutoField, BigIntegerField, BooleanField, CharField, Model

from build_admin.models.errors import StoredBuildUnreadable

#: The reference page's fields, in its order. Every build has all of them.
DOCUMENTED = (
    "id", "repo_id", "number", "parent", "event", "status", "error", "enqueued", "created", "started", "finished",
    "deploy", "clone", "source", "title", "message", "commit", "sender", "author", "branch", "ref", "base_ref",
    "host", "runtime", "distribution",
)  # fmt: skip

#: What later Vela servers added. A build has one only where it has a value: not null, "", 0, false or {}.
NEWER = (
    "pipeline_id", "deploy_number", "approved_at", "event_action", "sender_scm_id", "route", "approved_by",
    "email", "head_ref", "link", "fork", "deploy_payload",
)  # fmt: skip


class Build(Model):
    """A row of the Vela server's table `builds`, by its names and types; it is bound to no database."""

    id = BigAutoField()
    repo_id = BigIntegerField(null=True)
    pipeline_id = BigIntegerField(null=True)
    number = BigIntegerField(null=True)
    parent = BigIntegerField(null=True)
    event = CharField(250, null=True)
    event_action = CharField(250, null=True)
    status = CharField(250, null=True, index=True)
    error = CharField(1000, null=True)
    enqueued = BigIntegerField(null=True)
    created = BigIntegerField(null=True, index=True)
    started = BigIntegerField(null=True)
    finished = BigIntegerField(null=True)
    deploy = CharField(500, null=True)
    deploy_number = BigIntegerField(null=True)
    deploy_payload = CharField(2000, null=True)
    clone = CharField(1000, null=True)
    source = CharField(1000, null=True)
    title = CharField(1000, null=True)
    message = CharField(2000, null=True)
    commit = CharField(500, null=True)
    sender = CharField(250, null=True)
    sender_scm_id = CharField(250, null=True)
    fork = BooleanField(null=True)
    author = CharField(250, null=True)
    email = CharField(500, null=True)
    link = CharField(1000, null=True)
    branch = CharField(500, null=True)
    ref = CharField(500, null=True)
    base_ref = CharField(500, null=True)
    head_ref = CharField(500, null=True)
    host = CharField(250, null=True)
    route = CharField(250, null=True)
    runtime = CharField(250, null=True)
    distribution = CharField(250, null=True)
    approved_at = BigIntegerField(null=True)
    approved_by = CharField(250, null=True)
    timestamp = BigIntegerField(null=True)  # the Vela server's alone: no field of a build

    class Meta:
        table_name = "builds"
        indexes = ((("repo_id", "number"), True),)


#: What NULL reads as: zero, of the column's type.
ZEROS: Mapping[str, int | str] = {
    name: "" if isinstance(Build._meta.fields[name], CharField) else 0 for name in DOCUMENTED
}


def normal(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the build that `fields` speak of: in order, and without the newer fields that have no value."""
    build = {name: fields[name] for name in DOCUMENTED}
    for name in NEWER:
        if value := fields.get(name):
            build[name] = value
    return build


def from_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the build that a row of the table holds.

    Raises StoredBuildUnreadable where `deploy_payload` is not the JSON object that a Vela server writes.
    """
    build = {name: row[name] or zero for name, zero in ZEROS.items()}
    for name in NEWER:
        if value := row.get(name):
            build[name] = value
    if "deploy_payload" in build:
        payload = _payload(build)
        if payload:
            build["deploy_payload"] = payload
        else:
            del build["deploy_payload"]
    if "fork" in build:
        build["fork"] = True
    return build


def to_row(build: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return what the columns `names` of the build's row hold.

    A zero is NULL there, as a Vela server has it, except in `fork`, and in `deploy_payload` where the text `null`
    stands for none: a Vela server fails to read a row that has NULL in it.
    """
    row = {name: build.get(name) or None for name in names}
    if "fork" in row:
        row["fork"] = bool(row["fork"])
    if "deploy_payload" in row:
        row["deploy_payload"] = compact(row["deploy_payload"])
    return row


def _payload(build: Mapping[str, Any]) -> dict[str, str]:
    if build["deploy_payload"] == "null":
        return {}
    try:
        payload = json.loads(build["deploy_payload"])
    except ValueError:
        payload = ""
    if payload is not None and not isinstance(payload, dict):
        raise StoredBuildUnreadable(build["id"], "deploy_payload is not a JSON object")
    return payload or {}


#: Returns the JSON text, without a space too many, of what is stored or exported.
compact = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

# The reference page has one field a line and no indentation, and so has every build that is answered.
_canonical = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",\n", ": ")).encode


def canonical(build: Mapping[str, Any]) -> bytes:
    r"""Return the build's canonical JSON, UTF-8, laid out as on the reference page: a field a line.

    `json.dumps(build, indent=0)` is the same for a flat object, at ten times the cost.
    """
    return ("{\n" + _canonical(build)[1:-1] + "\n}\n").encode("utf-8")


def etag(text: bytes) -> str:
    """Return the opaque tag (RFC 9110, section 8.8.3) of a build whose canonical JSON is `text`."""
    return hashlib.sha256(text).hexdigest()[:32]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what differs, by field, as `{"from": …, "to": …}`; null stands for no value."""
    names = [name for name in (*DOCUMENTED, *NEWER) if before.get(name) != after.get(name)]
    return {name: {"from": before.get(name), "to": after.get(name)} for name in names}


def left_out(build: Mapping[str, Any], mentioned: Container[str]) -> list[str]:
    """Return the newer fields in which `build` has a value and that are not among those `mentioned`."""
    return [name for name in NEWER if name in build and name not in mentioned]
