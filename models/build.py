"""Build: one build of a Vela CI server as it is stored, and as it is spoken of.

A build is spoken of as a dict: the documented fields, all of them, then those newer fields that have a value.
"""

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from typing import Any

from peewee import BigAutoField, BigIntegerField, BooleanField, CharField, Model

from build_admin.models import raw
from build_admin.models.stores.text import shown

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
    branch = CharField(500, null=True, index=True)
    ref = CharField(500, null=True)
    base_ref = CharField(500, null=True)
    head_ref = CharField(500, null=True)
    host = CharField(250, null=True, index=True)
    route = CharField(250, null=True)
    runtime = CharField(250, null=True)
    distribution = CharField(250, null=True)
    approved_at = BigIntegerField(null=True)
    approved_by = CharField(250, null=True)
    timestamp = BigIntegerField(null=True)  # the Vela server's alone: no field of a build

    class Meta:
        table_name = "builds"
        indexes = ((("repo_id", "number"), True),)


#: The type of each field's column, and its zero, which is what NULL reads as.
_KINDS: Mapping[str, tuple[type, Any]] = {
    name: (bool, False) if name == "fork" else (str, "") if isinstance(field, CharField) else (int, 0)
    for name, field in Build._meta.fields.items()
}
_DOCUMENTED = [(name, *_KINDS[name]) for name in DOCUMENTED]
_NEWER = [(name, _KINDS[name][0]) for name in NEWER if name not in ("fork", "deploy_payload")]

#: What `fork` can hold; SQLite has no booleans, and its 0 and 1 are equal to them.
_FORKS = (None, False, True)

#: What `deploy_payload` holds where there is none; a Vela server writes either of the texts.
_NO_PAYLOADS = (None, "null", "{}", "")


class StoredBuild(dict[str, Any]):
    """A build as it is stored, and as far as it can be spoken of.

    Attributes:
        row: what the row's columns hold, by field.
        unreadable: the fields of which the row holds what none of their values is. They are here as far as that can be
            shown, also where that is the zero of a newer field.

    """

    __slots__ = ("row", "unreadable")

    row: Mapping[str, Any]
    unreadable: list[str]


def unreadable(build: Mapping[str, Any]) -> list[str]:
    """Return the fields of a build that cannot be shown as they are stored; only a stored one has any."""
    return build.unreadable if isinstance(build, StoredBuild) else []


def normal(fields: Mapping[str, Any], stored: StoredBuild | None = None) -> dict[str, Any]:
    """Return the build that `fields` speak of: in order, and without the newer fields that have no value.

    A field that cannot be shown as it is in `stored`, and that is sent back as it was shown, stays as it is: whoever
    overwrites a build's status does not destroy what he could not see.
    """
    build = {name: fields[name] for name in DOCUMENTED}
    for name in NEWER:
        if value := fields.get(name):
            build[name] = value
    if not stored or not stored.unreadable:
        return build
    kept = [name for name in stored.unreadable if fields.get(name) == stored[name]]
    changed = [name for name in stored.row if name not in kept and build.get(name) != stored.get(name)]
    return from_row({**stored.row, **to_row(build, changed)})


def from_row(row: Mapping[str, Any]) -> StoredBuild:
    """Return the build that a row of the table holds, whatever that is."""
    build = StoredBuild()
    build.row = row
    build.unreadable = wrong = []
    for name, kind, zero in _DOCUMENTED:
        value = row[name]
        if type(value) is kind:
            build[name] = value
        elif value is None:
            build[name] = zero
        else:
            build[name] = _shown(value, kind)
            wrong.append(name)
    for name, kind in _NEWER:
        value = row.get(name)
        if type(value) is kind:
            if value:
                build[name] = value
        elif value is not None:
            build[name] = _shown(value, kind)
            wrong.append(name)
    fork = row.get("fork")
    if fork not in _FORKS:
        wrong.append("fork")
    if fork or fork not in _FORKS:
        build["fork"] = fork in _FORKS
    text = row.get("deploy_payload")
    if text not in _NO_PAYLOADS:
        payload = _payload(text)
        if payload is None:
            wrong.append("deploy_payload")
        if payload != {}:
            build["deploy_payload"] = payload or {}
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


def _shown(value: Any, kind: type) -> Any:
    """Return `value`, which is not of this kind, as far as it can be shown as one."""
    if kind is str:
        return shown(value)
    try:
        number = int(value) if isinstance(value, float | Decimal) else 0
    except (ValueError, OverflowError):  # NaN, infinity
        return 0
    return number if abs(number) < 2**63 else 0


def _payload(text: Any) -> dict[str, str] | None:
    """Return the payload that the column's text stands for; None if it is no object of string to string."""
    try:
        payload = json.loads(text)
        compact(payload).encode("utf-8")  # an escaped lone surrogate is no text
    except (TypeError, ValueError, RecursionError):
        return None
    if payload is None:
        return {}
    strings = isinstance(payload, dict) and all(type(value) is str for value in payload.values())
    return payload if strings else None


#: Returns the JSON text, without a space too many, of what is stored or exported.
compact = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

# The reference page has one field a line and no indentation, and so has every build that is answered.
_canonical = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",\n", ": ")).encode


def canonical(build: Mapping[str, Any]) -> bytes:
    r"""Return the build's canonical JSON, UTF-8, laid out as on the reference page: a field a line.

    `json.dumps(build, indent=0)` is the same for a flat object, at ten times the cost.
    """
    return ("{\n" + _canonical(build)[1:-1] + "\n}\n").encode("utf-8")


def etag(text: bytes, build: Mapping[str, Any]) -> str:
    """Return the opaque tag (RFC 9110, section 8.8.3) of a build whose canonical JSON is `text`.

    Where that does not say all that is stored, the tag depends on the rest too.
    """
    tag = hashlib.sha256(text)
    if isinstance(build, StoredBuild) and build.unreadable:
        tag.update(compact(raw.encode(build.row, build.unreadable)).encode("utf-8"))
    return tag.hexdigest()[:32]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what differs, by field, as `{"from": …, "to": …}`; null stands for no value.

    What cannot be shown differs too where it is shown alike.
    """
    names = [name for name in (*DOCUMENTED, *NEWER) if before.get(name) != after.get(name)]
    hidden, hides = _hidden(before), _hidden(after)
    if hidden != hides:
        names += [name for name in hidden | hides if name not in names and hidden.get(name) != hides.get(name)]
    return {name: {"from": before.get(name), "to": after.get(name)} for name in names}


def _hidden(build: Mapping[str, Any]) -> dict[str, Any]:
    return {name: build.row[name] for name in build.unreadable} if isinstance(build, StoredBuild) else {}


def left_out(build: Mapping[str, Any], mentioned: Container[str]) -> list[str]:
    """Return the newer fields in which `build` has a value and that are not among those `mentioned`."""
    return [name for name in NEWER if name in build and name not in mentioned]
