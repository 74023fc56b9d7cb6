"""Repair: a change of many builds at once, or the undo of one, and its builds."""

import json
from collections.abc import Mapping
from typing import Any

from peewee import BigIntegerField, CompositeKey, Model, TextField

from build_admin.models.build import compact
from build_admin.models.revision import Revision


class Repair(Model):
    """A row of `build_repairs`. Rows are never changed, and there is no foreign key.

    `where` and `set` are JSON texts. In an undo they are NULL, and `undoes` is the number of the repair that it undid.
    """

    repair = BigIntegerField(primary_key=True)
    at = BigIntegerField()
    by = TextField()
    request_id = TextField()
    reason = TextField()
    where = TextField(null=True)
    set = TextField(null=True)
    undoes = BigIntegerField(null=True, index=True)
    changed = BigIntegerField()

    class Meta:
        table_name = "build_repairs"


class RepairRevision(Model):
    """A row of `build_repair_revisions`: a revision that is part of a repair.

    The repair's number is not a column of `build_revisions`, because a store of version 0.1 has that table already.
    """

    build_id = BigIntegerField()
    revision = BigIntegerField()
    repair = BigIntegerField()

    class Meta:
        table_name = "build_repair_revisions"
        primary_key = CompositeKey("build_id", "revision")
        indexes = ((("repair", "build_id"), True),)


#: The condition that joins a Revision and its RepairRevision.
ITS_REVISION = (RepairRevision.build_id == Revision.build_id) & (RepairRevision.revision == Revision.revision)


def repair_from_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return the repair in a row, which may have `undone_by` too."""
    order = ("repair", "at", "by", "request_id", "reason", "where", "set", "undoes", "undone_by", "changed")
    repair = {name: row.get(name) for name in order}
    return repair | {name: json.loads(row[name]) for name in ("where", "set") if row[name] is not None}


def repair_to_row(repair: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a repair."""
    texts = {name: compact(repair[name]) for name in ("where", "set") if repair[name] is not None}
    return {name: repair[name] for name in Repair._meta.fields} | texts
