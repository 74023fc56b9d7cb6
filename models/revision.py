"""Revision: what one overwrite changed, who asked for it, and what was there before."""

import json
from collections.abc import Mapping
from typing import Any

from peewee import BigIntegerField, CompositeKey, Model, TextField

from build_admin.models import raw
from build_admin.models.build import DOCUMENTED, NEWER, StoredBuild, canonical, from_row, to_row

#: The key in `before` of what the columns held where the build's fields do not say it exactly: a NULL in place of the
#: text `null`, a 0 in place of a NULL, and whatever cannot be shown. No build has a field of this name.
ROW = "row"


class Revision(Model):
    """A row of `build_revisions`. There is no way to change one, and no foreign key: history outlives its build."""

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


def recorded(stored: StoredBuild, text: bytes) -> str:
    """Return what a revision keeps as `before`: the build, whose canonical JSON is `text`, and exactly its row."""
    values = [*stored.row.values()]
    # No zero but that of fork, and no payload: faster to see than to make such a row, and so is nearly every one.
    fork = stored.row.get("fork", True)
    plain = "" not in values and fork is not None and values.count(0) == (fork == 0)
    if plain and stored.row.get("deploy_payload", "null") == "null" and not stored.unreadable:
        return text.decode("utf-8")
    exact = to_row(stored, stored.row)
    if exact == stored.row and not stored.unreadable:
        return text.decode("utf-8")
    names = [name for name, value in stored.row.items() if exact[name] != value or name in stored.unreadable]
    return canonical(stored | {ROW: raw.encode(stored.row, names)}).decode("utf-8")


def recalled(text: str) -> StoredBuild:
    """Return the build that `before` has kept, with its row; that has every column, also those not in this table."""
    kept: dict[str, Any] = json.loads(text)
    return from_row(to_row(kept, (*DOCUMENTED, *NEWER)) | raw.decode(kept.get(ROW, {})))


def restoring(stored: StoredBuild, kept: StoredBuild) -> dict[str, Any]:
    """Return the columns that differ, with their values, so that the row of `stored` becomes exactly that of `kept`."""
    return {name: kept.row[name] for name in stored.row if stored.row[name] != kept.row[name]}


def as_exported(build: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a build with what its row holds where that cannot be shown, so that its line in an export says so."""
    if isinstance(build, StoredBuild) and build.unreadable:
        return build | {ROW: raw.encode(build.row, build.unreadable)}
    return build
