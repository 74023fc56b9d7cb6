"""Repair history: the past repairs, and the present state of their builds."""

from typing import Any

from peewee import fn

from build_admin.models.errors import RepairNotFound
from build_admin.models.listing import Page
from build_admin.models.repair import Repair, RepairRevision, repair_from_row
from build_admin.models.repaired import Left, ManyBuilds
from build_admin.models.stores.database import Database
from build_admin.models.stores.statement import rows
from build_admin.models.stores.tables import Columns

_Undo = Repair.alias()
_UNDONE_BY = _Undo.select(fn.MAX(_Undo.repair)).where(_Undo.undoes == Repair.repair)


class RepairHistory:
    """Reads the repairs in a database."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self._database = database
        self._many = ManyBuilds(database, columns)

    def page(self, page: int, per_page: int) -> Page:
        """Return a page of the repairs, newest first; empty after the last one. Raises peewee.DatabaseError."""
        offset = (page - 1) * per_page
        with self._database.snapshot():
            total: int = Repair.select(fn.COUNT(Repair.repair)).scalar(self._database)
            if offset >= total:
                return Page([], total)
            query = _repairs().order_by(Repair.repair.desc()).offset(offset).limit(per_page)
            return Page([repair_from_row(row) for row in query.dicts().execute(self._database)], total)

    def find(self, repair: int) -> dict[str, Any]:
        """Return a repair. Raises RepairNotFound and peewee.DatabaseError."""
        with self._database.snapshot():
            return self._find(repair)

    def builds(self, repair: int, page: int, per_page: int) -> Page:
        """Return a page of a repair's builds, ordered by id, each with its `state`.

        That is `as repaired`, `changed since` or `gone`. A build that has changed since has `by` and `revision_since`
        of its last revision, unless that is the repair's own: a change by a Vela server has no revision.

        Raises RepairNotFound and peewee.DatabaseError.
        """
        offset = (page - 1) * per_page
        with self._database.snapshot():
            total: int = self._find(repair)["changed"]
            if offset >= total:
                return Page([], total)
            links = (
                RepairRevision.select(RepairRevision.build_id)
                .where(RepairRevision.repair == repair)
                .order_by(RepairRevision.build_id)
                .offset(offset)
                .limit(per_page)
            )
            ids = [build_id for (build_id,) in rows(self._database, links)]
            return Page([_build(left) for left in self._many.left(repair, ids)], total)

    def _find(self, repair: int) -> dict[str, Any]:
        for row in _repairs().where(Repair.repair == repair).dicts().execute(self._database):
            return repair_from_row(row)
        raise RepairNotFound(repair)


def _repairs() -> Any:
    """Return the query of the repairs with `undone_by`."""
    return Repair.select(Repair, _UNDONE_BY.alias("undone_by"))


def _build(left: Left) -> dict[str, Any]:
    return {
        "id": left.build_id,
        "revision": left.revision,
        "changes": left.changes,
        "state": left.state,
        **left.since,
    }
