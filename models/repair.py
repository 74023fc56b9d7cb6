"""Repair: what set the same fields of many builds at once, or took such a repair back, and which builds those were."""

import json
from collections.abc import Mapping
from typing import Any

from peewee import BigIntegerField, CompositeKey, Model, TextField

from build_admin.models.build import compact
from build_admin.models.revision import Revision


class Repair(Model):
    """A row of `build_repairs`. There is no way to change one, and no foreign key: history outlives its builds.

    `where` and `set` are JSON texts, and NULL where the repair took another back, whose number is `undoes`.
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
    """A row of `build_repair_revisions`: a revision that a repair has left.

    The number of the repair is no column of `build_revisions`, which a store made by 0.1 has too, and keeps as it is.
    """

    build_id = BigIntegerField()
    revision = BigIntegerField()
    repair = BigIntegerField()

    class Meta:
        table_name = "build_repair_revisions"
        primary_key = CompositeKey("build_id", "revision")
        indexes = ((("repair", "build_id"), True),)


#: That a revision is the one of which a RepairRevision tells.
ITS_REVISION = (RepairRevision.build_id == Revision.build_id) & (RepairRevision.revision == Revision.revision)


def spoken(row: dict[str, Any]) -> dict[str, Any]:
    """Return a repair as it is spoken of, from what its row holds; `undone_by` may be among that."""
    order = ("repair", "at", "by", "request_id", "reason", "where", "set", "undoes", "undone_by", "changed")
    repair = {name: row.get(name) for name in order}
    return repair | {name: json.loads(row[name]) for name in ("where", "set") if row[name] is not None}


def unspoken(repair: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a repair's row holds, from how it is spoken of."""
    texts = {name: compact(repair[name]) for name in ("where", "set") if repair[name] is not None}
    return {name: repair[name] for name in Repair._meta.fields} | texts
