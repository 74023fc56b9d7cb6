"""Revision: what one overwrite changed, who requested it, and the build before it."""

import json
from collections.abc import Mapping
from typing import Any

from peewee import BigIntegerField, CompositeKey, Model, TextField

from build_admin.models import raw
from build_admin.models.build import FIELDS, StoredBuild, canonical, from_row, to_row
from build_admin.models.errors import Conflict

#: The key in `before` of column values that the build's fields do not determine: a NULL in place of the text `null`, a
#: 0 in place of a NULL, and those of unreadable fields. A build has no field of this name.
ROW = "row"


class Revision(Model):
    """A row of `build_revisions`. Rows are never changed. There is no foreign key, because builds may be deleted."""

    build_id = BigIntegerField()
    revision = BigIntegerField()
    at = BigIntegerField()
    by = TextField()
    request_id = TextField()
    changes = TextField()
    before = TextField(null=True)

    class Meta:
        table_name = "build_revisions"
        primary_key = CompositeKey("build_id", "revision")


def following(last: int, build_id: int) -> int:
    """Return the number of the revision after a build's last one. Raises Conflict where that has the largest."""
    if last >= 2**63 - 1:
        raise Conflict(
            f"Build {build_id} has a revision {last}, the largest number there can be, so nothing was stored; give "
            "that revision a smaller number in the database."
        )
    return last + 1


def recorded(stored: StoredBuild, text: bytes) -> str:
    """Return `before` of a revision: the build, whose canonical JSON is `text`, and its exact row where needed."""
    # Nearly every row has no zero but that of fork, and no payload. To check that is faster than `to_row`.
    zeros = [value for value in stored.row.values() if not value and value is not None]
    fork = stored.row.get("fork", True)
    plain = fork is not None and zeros == ([] if fork else [fork])
    if plain and stored.row.get("deploy_payload", "null") == "null" and not stored.unreadable:
        return text.decode("utf-8")
    exact = to_row(stored, stored.row)
    if exact == stored.row and not stored.unreadable:
        return text.decode("utf-8")
    names = [name for name, value in stored.row.items() if exact[name] != value or name in stored.unreadable]
    return canonical(stored | {ROW: raw.encode(stored.row, names)}).decode("utf-8")


def recalled(text: str) -> StoredBuild:
    """Return the build in `before`. Its row has every column, also those that this table lacks."""
    kept: dict[str, Any] = json.loads(text)
    return from_row(to_row(kept, FIELDS) | raw.decode(kept.get(ROW, {})))


def restoring(stored: StoredBuild, kept: StoredBuild) -> dict[str, Any]:
    """Return the columns and values that make the row of `stored` exactly that of `kept`."""
    return {name: kept.row[name] for name in stored.row if stored.row[name] != kept.row[name]}


def as_exported(build: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a build for an export, with the stored values of its unreadable fields."""
    if isinstance(build, StoredBuild) and build.unreadable:
        return build | {ROW: raw.encode(build.row, build.unreadable)}
    return build
