"""Repaired: the builds of a repair, and whether each has changed since."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from peewee import SQL, Value, fn

from build_admin.models.build import Build, StoredBuild, changes, normal
from build_admin.models.repair import ITS_REVISION, RepairRevision
from build_admin.models.revision import Revision, recalled
from build_admin.models.stores.database import Database
from build_admin.models.stores.many import among, listed
from build_admin.models.stores.statement import Statement
from build_admin.models.stores.tables import Columns

_THIS_REPAIR = RepairRevision.repair == Value("repair", converter=False)


@dataclass(frozen=True)
class Left:
    """A build of a repair.

    Attributes:
        build_id: the build's id.
        revision: the number of the repair's revision of it.
        before: the build as it was before the repair.
        changes: what the repair changed, by field.
        by: who made the build's last revision.
        now: the build as it is now; None if it has been deleted.
        last: the number of its last revision; 0 if it has been deleted.

    """

    build_id: int
    revision: int
    before: StoredBuild
    changes: dict[str, dict[str, Any]]
    by: str
    now: StoredBuild | None
    last: int

    @cached_property
    def state(self) -> str:
        """`as repaired`, `changed since` or `gone`."""
        if self.now is None:
            return "gone"
        to = {name: change["to"] for name, change in self.changes.items()}
        repaired = normal({**self.before, **to}, self.before)
        return "changed since" if changes(self.now, repaired) else "as repaired"

    @property
    def since(self) -> dict[str, Any]:
        """For a build that has changed since: who made its last revision, and its number, if there is one since."""
        known = self.state == "changed since" and self.last != self.revision
        return {"by": self.by, "revision_since": self.last} if known else {}


class ManyBuilds:
    """Reads many builds at once. For use in a transaction."""

    def __init__(self, database: Database, columns: Columns) -> None:
        """Compile the statements. A build's row has these columns."""
        self._database = database
        self._columns = columns
        last = Revision.select(fn.MAX(Revision.revision)).where(Revision.build_id == Build.id)
        self._find = Statement(database, Build.select(*columns.fields, last).where(among(database, Build.id)))
        newest = Revision.alias()
        of_build = newest.select(newest.by).where(newest.build_id == Revision.build_id)
        by = of_build.order_by(newest.revision.desc()).limit(SQL("1"))
        left = Revision.select(Revision.build_id, Revision.revision, Revision.before, Revision.changes, by)
        this = left.join(RepairRevision, on=ITS_REVISION).where(_THIS_REPAIR)
        self._left = Statement(database, this.where(among(database, RepairRevision.build_id)))

    def find(self, ids: Sequence[int]) -> list[tuple[StoredBuild, int]]:
        """Return those of the builds that exist, ordered by id, each with the number of its last revision or 0."""
        found = sorted(self._find.all({"ids": listed(self._database, ids)}))
        return [(self._columns.build(row[:-1]), row[-1] or 0) for row in found]

    def left(self, repair: int, ids: Sequence[int]) -> list[Left]:
        """Return these builds of a repair, ordered by id."""
        now = {build["id"]: (build, last) for build, last in self.find(ids)}
        found = sorted(self._left.all({"ids": listed(self._database, ids), "repair": repair}))
        return [
            Left(build_id, revision, recalled(before), json.loads(changes), by, *now.get(build_id, (None, 0)))
            for build_id, revision, before, changes, by in found
        ]
