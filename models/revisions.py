"""Revisions: the history of a build."""

import json
from collections.abc import Mapping
from typing import Any

from peewee import fn

from build_admin.models.build import FIELDS
from build_admin.models.builds import Author, Builds, Overwritten, Precondition
from build_admin.models.errors import BuildNotFound, Conflict, NotFound
from build_admin.models.listing import Page
from build_admin.models.repair import ITS_REVISION, RepairRevision
from build_admin.models.revision import Revision, recalled
from build_admin.models.stores.database import Database

_REPAIR = RepairRevision.select(RepairRevision.repair).where(ITS_REVISION)
_LISTED = (
    Revision.revision,
    Revision.build_id,
    Revision.at,
    Revision.by,
    Revision.request_id,
    _REPAIR.alias("repair"),
    Revision.changes,
)


class Revisions:
    """The revisions in a database. They remain if a Vela server deletes their build."""

    def __init__(self, database: Database, builds: Builds) -> None:
        self._database = database
        self._builds = builds

    def page(self, build_id: int, page: int, per_page: int) -> Page:
        """Return a page of a build's revisions, newest first, without `before`. A page after the last one is empty.

        Raises BuildNotFound if there is neither the build nor a revision of it, and peewee.DatabaseError.
        """
        offset, of_build = (page - 1) * per_page, Revision.build_id == build_id
        with self._database.snapshot():
            total: int = Revision.select(fn.COUNT(Revision.revision)).where(of_build).scalar(self._database)
            if not total and not self._builds.stored(build_id):
                raise BuildNotFound(build_id)
            if offset >= total:
                return Page([], total)
            query = Revision.select(*_LISTED).where(of_build).order_by(Revision.revision.desc())
            rows = query.offset(offset).limit(per_page).dicts().execute(self._database)
            return Page([_from_row(row) for row in rows], total)

    def find(self, build_id: int, revision: int) -> dict[str, Any]:
        """Return one revision, with `before`: the build as it was, or None if this revision created it.

        `before` can be sent as an overwrite. That must mention every newer field that has a value now, so `before` has
        None for those that had no value then.

        Raises NotFound and peewee.DatabaseError.
        """
        this = (Revision.build_id == build_id) & (Revision.revision == revision)
        with self._database.snapshot():
            found = Revision.select(*_LISTED, Revision.before).where(this).dicts().first(self._database)
            if found is None:
                raise NotFound(
                    f"There is no revision {revision} of build {build_id}; its list of revisions has those there are."
                )
            before = recalled(found["before"]) if found["before"] else None
            if before:
                shown = before.keys() | (self._builds.stored(build_id) or {}).keys()
                whole = {name: before.get(name) for name in FIELDS if name in shown}
                before.clear()
                before.update(whole)
            return _from_row(found) | {"before": before}

    def undo(
        self, build_id: int, revision: int, author: Author, precondition: Precondition, *, dry_run: bool
    ) -> Overwritten:
        """Restore the build exactly as it was before a revision, even if PUT would refuse it.

        Raises NotFound, Conflict for a creation, and what Builds.overwrite raises.
        """
        before = self.find(build_id, revision)["before"]
        if before is None:
            raise Conflict(
                f"Revision {revision} has created build {build_id}, and nothing is deleted here; overwrite it instead."
            )
        return self._builds.overwrite(before, author, precondition=precondition, dry_run=dry_run)


def _from_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the revision in a row, without `before`."""
    names = ("revision", "build_id", "at", "by", "request_id", "repair")
    return {name: row[name] for name in names} | {"changes": json.loads(row["changes"])}
