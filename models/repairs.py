"""Repairs: changes many builds in one transaction, restores them in one, and lists what was done."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import peewee
from peewee import fn

from build_admin.models.build import Build, compact
from build_admin.models.builds import Author, Precondition
from build_admin.models.errors import FaultyBuilds, RepairNotFound
from build_admin.models.listing import Page
from build_admin.models.plan import Check, Order, Plan, Planned, Planning, batches
from build_admin.models.repair import Repair, RepairRevision, repair_from_row
from build_admin.models.repaired import Left, ManyBuilds
from build_admin.models.revision import Revision
from build_admin.models.stores.database import Database
from build_admin.models.stores.errors import refusal
from build_admin.models.stores.many import Many
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.statement import rows
from build_admin.models.stores.tables import Columns

#: Key of the advisory lock with which repairs in PostgreSQL are applied one after the other.
_ADVISORY_LOCK = 0x726570616972

_Undo = Repair.alias()
_UNDONE_BY = _Undo.select(fn.MAX(_Undo.repair)).where(_Undo.undoes == Repair.repair)

#: Called with batches of the builds that would change, in order.
Show = Callable[[Sequence[Planned]], object]


@dataclass(frozen=True)
class Done:
    """The result of a repair or an undo.

    Attributes:
        plan: the plan.
        repair: the repair that was stored; None if nothing was written.

    """

    plan: Plan
    repair: dict[str, Any] | None = None


class Repairs:
    """The repairs of the builds in a database."""

    def __init__(self, database: Database, columns: Columns, faults: Check) -> None:
        """Repair builds with these columns. A changed build must be without `faults`."""
        self._database = database
        self._planning = Planning(database, columns, faults)
        self._builds = Many(database, Build)
        self._revisions = Many(database, Revision)
        self._links = Many(database, RepairRevision)
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

    def repair(self, order: Order, author: Author, precondition: Precondition, show: Show | None = None) -> Done:
        """Set the same fields of all selected builds, or of none.

        Args:
            order: the requested repair.
            author: who requests it.
            precondition: called with the tag of the plan, while all of its builds are locked.
            show: makes this a dry run; called with the builds that would change.

        Raises:
            Invalid: no repository has the name in the filters, no build has one of their ids, more than MOST builds are
                selected, a build would become one that PUT refuses, or the table cannot store a value.
            PreconditionFailed: raised by `precondition`.
            Conflict: a constraint or trigger refuses it, or the last revision of a build has the largest number.
            CommitLost: it is not known whether the transaction was committed.
            peewee.DatabaseError: the database cannot be read or written; nothing was stored.

        """
        record = {"reason": order.reason, "where": compact(order.where), "set": compact(order.set), "undoes": None}
        plan = partial(Plan, [order.where, order.set])
        return self._carry_out(plan, partial(self._planning.repair, order), record, author, precondition, show)

    def undo(
        self, repair: int, reason: str, author: Author, precondition: Precondition, show: Show | None = None
    ) -> Done:
        """Restore those builds of a repair exactly that have not changed since.

        Raises RepairNotFound, and what `repair` raises.
        """
        record = {"reason": reason, "where": None, "set": None, "undoes": repair}
        plan = partial(Plan, ["undo", repair])
        return self._carry_out(plan, partial(self._planning.undo, repair), record, author, precondition, show)

    def _carry_out(
        self,
        new_plan: Callable[[], Plan],
        planned: Callable[[Plan, bool], Iterator[Planned]],
        record: Mapping[str, Any],
        author: Author,
        precondition: Precondition,
        show: Show | None,
    ) -> Done:
        """Write or show builds in batches while they are planned; all of them at once would take too much memory.

        Only the end of the plan tells whether the repair is refused. Then the transaction is rolled back.
        """

        def work() -> Done:
            self._begin(show is not None)
            plan = new_plan()
            left = {"at": int(time.time()), "by": author.subject, "request_id": author.request_id}
            number = (Repair.select(fn.MAX(Repair.repair)).scalar(self._database) or 0) + 1
            for batch in batches(planned(plan, show is None)):
                plan.changed += len(batch)
                if show:
                    show(batch)
                elif not plan.faults:
                    self._store(batch, left, number)
            precondition(plan.tag)
            if plan.faults:
                raise FaultyBuilds(plan.faults)
            if show or not plan.changed:
                return Done(plan)
            repair = {"repair": number, **left, **record, "changed": plan.changed}
            Repair.insert(repair).execute(self._database)
            return Done(plan, repair_from_row(repair))

        try:
            if show:
                with self._database.snapshot():
                    return work()
            return self._database.write(work, alone=True)
        except peewee.DatabaseError as error:
            if refused := refusal(error):
                raise refused from error
            raise

    def _find(self, repair: int) -> dict[str, Any]:
        for row in _repairs().where(Repair.repair == repair).dicts().execute(self._database):
            return repair_from_row(row)
        raise RepairNotFound(repair)

    def _store(self, builds: Sequence[Planned], left: Mapping[str, Any], repair: int) -> None:
        self._builds.update((build.id, build.values) for build in builds)
        self._revisions.insert(
            [
                {
                    "build_id": build.id,
                    "revision": build.revision,
                    **left,
                    "changes": build.changes,
                    "before": build.before,
                }
                for build in builds
            ]
        )
        self._links.insert([{"build_id": build.id, "revision": build.revision, "repair": repair} for build in builds])

    def _begin(self, dry_run: bool) -> None:
        """Remove the timeouts of the transaction, except that for locks, and wait for another repair to end."""
        if isinstance(self._database, PostgresqlDatabase):
            self._database.unhurried()
            if not dry_run:
                self._database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))


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
