"""Build: one build of a Vela CI server, as a row of a table and as a dict.

The dict has all documented fields, followed by those newer fields that have a value.
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

#: Every field, in the order of answers.
FIELDS = (*DOCUMENTED, *NEWER)


class Build(Model):
    """A row of the Vela server's table `builds`, with its names and types. The model is not bound to a database."""

    id = BigAutoField()
    repo_id = BigIntegerField(null=True)
    pipeline_id = BigIntegerField(null=True)
    number = BigIntegerField(null=True)
    parent = BigIntegerField(null=True)
    event = CharField(250, null=True)
    event_action = CharField(250, null=True)
    status = CharField(250, null=True)
    error = CharField(1000, null=True)
    enqueued = BigIntegerField(null=True)
    created = BigIntegerField(null=True)
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
    timestamp = BigIntegerField(null=True)  # only for the Vela server; not a field of a build

    class Meta:
        table_name = "builds"
        indexes = ((("repo_id", "number"), True),)


#: The type of each field, and its zero, as which NULL is read.
_KINDS: Mapping[str, tuple[type, Any]] = {
    name: (bool, False) if name == "fork" else (str, "") if isinstance(field, CharField) else (int, 0)
    for name, field in Build._meta.fields.items()
}
_DOCUMENTED = [(name, *_KINDS[name]) for name in DOCUMENTED]
_NEWER = [(name, _KINDS[name][0]) for name in NEWER if name not in ("fork", "deploy_payload")]

#: The values of `fork`; SQLite's 0 and 1 are equal to these booleans.
_FORKS = (None, False, True)

#: The values of `deploy_payload` for no payload; a Vela server writes either of the first two texts.
_NO_PAYLOADS = (None, "null", "{}", "")


class StoredBuild(dict[str, Any]):
    """A build that is stored.

    Attributes:
        row: the values of its columns, by field.
        unreadable: the fields whose column has an invalid value, such as a text in place of a number. The dict has the
            nearest valid value for each, even if that is the zero of a newer field.

    """

    __slots__ = ("row", "unreadable")

    row: Mapping[str, Any]
    unreadable: list[str]


def unreadable(build: Mapping[str, Any]) -> list[str]:
    """Return the unreadable fields of a build; only a stored build can have some."""
    return build.unreadable if isinstance(build, StoredBuild) else []


def normal(fields: Mapping[str, Any], stored: StoredBuild | None = None) -> dict[str, Any]:
    """Return the build with `fields`: in order, and without the newer fields that have no value.

    An unreadable field of `stored` that is sent back as it was shown keeps its stored value, so that an overwrite of
    another field does not destroy it.
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
    """Return the build in a row of the table, which may have invalid values."""
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
    """Return the values of the columns `names` for a build.

    A zero is stored as NULL, as a Vela server does. There are two exceptions, because a Vela server fails to read NULL
    in them: `fork`, and `deploy_payload`, where the text `null` is stored for no payload.
    """
    row = {name: build.get(name) or None for name in names}
    if "fork" in row:
        row["fork"] = bool(row["fork"])
    if "deploy_payload" in row:
        row["deploy_payload"] = compact(row["deploy_payload"]) if row["deploy_payload"] else "null"
    return row


def _shown(value: Any, kind: type) -> Any:
    """Return the value of type `kind` that is nearest to `value`, which has another type."""
    if kind is str:
        return shown(value)
    try:
        number = int(value) if isinstance(value, float | Decimal) else 0
    except (ValueError, OverflowError):  # NaN, infinity
        return 0
    return number if abs(number) < 2**63 else 0


def _payload(text: Any) -> dict[str, str] | None:
    """Return the payload in the column's text; None if that is not an object of strings."""
    try:
        payload = json.loads(text)
        compact(payload).encode("utf-8")  # fails for an escaped lone surrogate
    except (TypeError, ValueError, RecursionError):
        return None
    if payload is None:
        return {}
    strings = isinstance(payload, dict) and all(type(value) is str for value in payload.values())
    return payload if strings else None


#: Returns JSON without whitespace, for what is stored or exported.
compact = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

# As on the reference page, every build in an answer has one field a line and no indentation.
_canonical = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",\n", ": ")).encode


def canonical(build: Mapping[str, Any]) -> bytes:
    r"""Return the build's canonical JSON in UTF-8, formatted as on the reference page: one field a line.

    For a flat object, `json.dumps(build, indent=0)` returns the same and takes ten times as long.
    """
    return ("{\n" + _canonical(build)[1:-1] + "\n}\n").encode("utf-8")


def etag(text: bytes, build: Mapping[str, Any]) -> str:
    """Return the opaque tag (RFC 9110, section 8.8.3) of a build whose canonical JSON is `text`.

    It also depends on the stored values of unreadable fields, which that text does not have.
    """
    tag = hashlib.sha256(text)
    if isinstance(build, StoredBuild) and build.unreadable:
        tag.update(compact(raw.encode(build.row, build.unreadable)).encode("utf-8"))
    return tag.hexdigest()[:32]


# A separator stands only between two fields, because a build without a payload is flat.
_creating = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=("},", ':{"from":null,"to":')).encode


def changes_text(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    """Return `changes` as compact JSON; `before` is None for a new build."""
    if before is None and "deploy_payload" not in after:
        return _creating(after)[:-1] + "}}"
    return compact(changes(before or {}, after))


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields that differ, each as `{"from": …, "to": …}` with null for no value.

    Unreadable fields are compared by their stored values.
    """
    names = [name for name in FIELDS if before.get(name) != after.get(name)]
    hidden, hides = _hidden(before), _hidden(after)
    if hidden != hides:
        names += [name for name in hidden | hides if name not in names and hidden.get(name) != hides.get(name)]
    return {name: {"from": before.get(name), "to": after.get(name)} for name in names}


def _hidden(build: Mapping[str, Any]) -> dict[str, Any]:
    return {name: build.row[name] for name in build.unreadable} if isinstance(build, StoredBuild) else {}


def left_out(build: Mapping[str, Any], mentioned: Container[str]) -> list[str]:
    """Return the newer fields that have a value in `build` and are not in `mentioned`."""
    return [name for name in NEWER if name in build and name not in mentioned]
