"""Repairs: many builds changed in one transaction, all or none, and put back in one."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple

import peewee
from peewee import SQL, fn

from build_admin.models.build import Build, StoredBuild, canonical, changes, compact, etag, normal, to_row
from build_admin.models.builds import Author, Precondition
from build_admin.models.errors import BuildsNotThere, FaultyBuilds, RepairNotFound, TooManyBuilds, Unstorable
from build_admin.models.filters import Filters
from build_admin.models.plan import Plan, Planned, Skipped
from build_admin.models.repair import Repair, RepairRevision, spoken
from build_admin.models.repaired import Left, ManyBuilds
from build_admin.models.repos import Repos
from build_admin.models.revision import Revision, recorded, restoring
from build_admin.models.rules import Faults, Rules
from build_admin.models.stores.database import Database
from build_admin.models.stores.many import AT_ONCE, Many, among, listed
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.statement import Statement, rows
from build_admin.models.stores.tables import Columns
from build_admin.models.workers import Workers

#: Builds that one repair can change.
MOST = 10_000

#: Any constant: whoever writes a repair takes PostgreSQL's advisory lock of this number, so that repairs come in turn.
_ADVISORY_LOCK = 0x726570616972

#: Returns what is wrong with a build, by field; nothing where PUT would take it.
Check = Callable[[Mapping[str, Any]], Faults]


@dataclass(frozen=True)
class Order:
    """A repair that is asked for.

    Attributes:
        where: the filters as they were sent, and will be shown.
        set: by field, what is set; None clears a newer field.
        reason: why, 1 to 1000 characters.

    """

    where: Mapping[str, Any]
    set: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class Done:
    """What came of a repair or an undo.

    Attributes:
        plan: what was planned.
        repair: the repair as it is spoken of; None where nothing was written.

    """

    plan: Plan
    repair: dict[str, Any] | None = None


class _Change(NamedTuple):
    """What is done alike to many builds, and so is made once: it costs time, and memory.

    Attributes:
        changes: the JSON text of what differs afterwards, by field.
        values: the columns that are written.
        faults: what is wrong with that, by field.

    """

    changes: str
    values: Mapping[str, Any]
    faults: Faults


class Repairs:
    """The repairs of the builds in a database."""

    def __init__(self, database: Database, columns: Columns, faults: Check) -> None:
        """Repair the builds whose columns are given; each must be without `faults` afterwards."""
        self._database = database
        self._faults = faults
        self._rules = Rules(database, columns)
        self._repos = Repos(database)
        self._builds = Many(database, Build)
        self._revisions = Many(database, Revision)
        self._links = Many(database, RepairRevision)
        self._many = ManyBuilds(database, columns)
        locked = Build.select(Build.id).where(among(database, Build.id)).order_by(Build.id)
        self._lock = Statement(database, self._locking(locked))

    def repair(self, order: Order, author: Author, precondition: Precondition, *, dry_run: bool = False) -> Done:
        """Set the same fields of all the builds that are selected, or of none.

        Args:
            order: which builds, what is set, and why.
            author: who asks.
            precondition: what the tag of the plan is checked with, when every build that it speaks of is locked.
            dry_run: whether to stop before writing.

        Raises:
            RepoUnknown: no repository has the name that is asked for.
            BuildsNotThere: a build that is named by its id is not there.
            TooManyBuilds: more than MOST are selected.
            PreconditionFailed: `precondition` says so.
            FaultyBuilds: builds would result that PUT would refuse.
            Unstorable: the table cannot hold a value, though it seemed to.
            CommitLost: the database was lost with the commit, and cannot be asked whether the repair was stored.
            peewee.DatabaseError: the database cannot be read or written; nothing was stored.

        """
        record = {"reason": order.reason, "where": compact(order.where), "set": compact(order.set), "undoes": None}
        return self._carry_out(partial(self._plan, order), record, author, precondition, dry_run)

    def undo(self, repair: int, reason: str, author: Author, precondition: Precondition, *, dry_run: bool) -> Done:
        """Put every build of a repair back that is still as the repair has left it, exactly as it was.

        Raises RepairNotFound, and otherwise as `repair` does.
        """
        record = {"reason": reason, "where": None, "set": None, "undoes": repair}
        return self._carry_out(partial(self._plan_undo, repair), record, author, precondition, dry_run)

    def _carry_out(
        self,
        planned: Callable[[bool], Plan],
        record: Mapping[str, Any],
        author: Author,
        precondition: Precondition,
        dry_run: bool,
    ) -> Done:
        def work() -> Done:
            self._begin(dry_run)
            plan = planned(not dry_run)
            precondition(plan.tag)
            if plan.faults:
                raise FaultyBuilds(plan.faults)
            if dry_run or not plan.builds:
                return Done(plan)
            return Done(plan, self._store(plan, record, author))

        try:
            return self._database.snapshot(work) if dry_run else self._database.write(work, alone=True)
        except peewee.DataError as error:
            raise Unstorable from error

    def _plan(self, order: Order, lock: bool) -> Plan:
        plan = Plan([order.where, order.set])
        ids = self._select(Filters(**order.where), plan, lock)
        alike: dict[tuple[Any, ...], _Change | None] = {}
        for stored, last in chain.from_iterable(map(self._many.find, _batches(ids))):
            text = canonical(stored)
            tag = etag(text, stored)
            plan.select(stored["id"], tag, stored)
            # What is set has been checked; a build without a fault has none afterwards.
            faulty = self._faults(stored) and self._faults(normal({**stored, **order.set}, stored))
            key = tuple(map(stored.row.get, order.set))
            if key not in alike:
                alike[key] = self._change(stored, order.set)
            change = alike[key]
            if change is None:
                continue
            if faults := {**faulty, **change.faults}:
                plan.faults[stored["id"]] = faults
            kept = recorded(stored, text) if lock else ""
            plan.builds.append(Planned(stored["id"], tag, change.changes, change.values, last + 1, kept))
        return plan

    def _change(self, stored: StoredBuild, assigned: Mapping[str, Any]) -> _Change | None:
        """Return what changes in every build whose columns that are assigned to hold the same; None for nothing."""
        fields = {**stored, **assigned}
        build = normal(fields, stored)
        changed = changes(stored, build)
        if not changed:
            return None
        return _Change(compact(changed), to_row(build, changed), self._rules.faults([(stored, fields)])[0])

    def _select(self, filters: Filters, plan: Plan, lock: bool) -> list[int]:
        """Return the ids of the builds that are selected, in order, and lock them."""
        filters = filters.with_repo_id(self._repos)
        if filters.ids is not None:
            there = {row[0] for row in rows(self._database, Build.select(Build.id).where(Build.id << filters.ids))}
            if missing := [build_id for build_id in filters.ids if build_id not in there]:
                raise BuildsNotThere(missing)
        alive = set() if filters.stuck_before is None else Workers(self._database).alive
        query = filters.applied_to(Build.select(Build.id))
        first = query.order_by(Build.id).limit(MOST + len(alive) + 1)
        found = [row[0] for row in rows(self._database, self._locking(first) if lock else first)]
        ids = [build_id for build_id in found if build_id not in alive]
        if len(ids) > MOST:
            raise TooManyBuilds(query.select(fn.COUNT(SQL("*"))).scalar(self._database) - len(found) + len(ids), MOST)
        plan.alive = len(found) - len(ids)
        return ids

    def _plan_undo(self, repair: int, lock: bool) -> Plan:
        plan = Plan(["undo", repair])
        plan.skipped = skipped = []
        query = RepairRevision.select(RepairRevision.build_id).where(RepairRevision.repair == repair)
        ids = [row[0] for row in rows(self._database, query.order_by(RepairRevision.build_id))]
        if not ids:
            raise RepairNotFound(repair)
        if lock:
            self._lock.all({"ids": listed(self._database, ids)})
        for batch in _batches(ids):
            for left in self._many.left(repair, batch):
                if why := self._plan_back(plan, left):
                    skipped.append(Skipped(left.build_id, why))
        return plan

    def _plan_back(self, plan: Plan, left: Left) -> str | None:
        """Plan that a build is put back; return why it is not, None if it is."""
        if left.now is None:
            plan.select(left.build_id, None, None)
            return "it is gone"
        now, text = left.now, canonical(left.now)
        tag = etag(text, now)
        plan.select(left.build_id, tag, now)
        if left.state == "changed since":
            return _why(**left.since)
        values = restoring(now, left.before)
        back = compact(changes(now, left.before))
        plan.builds.append(Planned(left.build_id, tag, back, values, left.last + 1, recorded(now, text)))
        return None

    def _store(self, plan: Plan, record: Mapping[str, Any], author: Author) -> dict[str, Any]:
        last = Repair.select(fn.MAX(Repair.repair)).scalar(self._database) or 0
        left = {"at": int(time.time()), "by": author.subject, "request_id": author.request_id}
        repair = {"repair": last + 1, **left, **record, "changed": len(plan.builds)}
        Repair.insert(repair).execute(self._database)
        for batch in _batches(plan.builds):
            self._builds.update((build.id, build.values) for build in batch)
            self._revisions.insert(
                [
                    {
                        "build_id": build.id,
                        "revision": build.revision,
                        **left,
                        "changes": build.changes,
                        "before": build.before,
                    }
                    for build in batch
                ]
            )
            links = [{"build_id": build.id, "revision": build.revision, "repair": last + 1} for build in batch]
            self._links.insert(links)
        return spoken(repair)

    def _locking(self, query: Any) -> Any:
        """Return the query so that it locks its rows, in its order: so two that meet wait, and neither for ever."""
        return query.for_update() if isinstance(self._database, PostgresqlDatabase) else query

    def _begin(self, dry_run: bool) -> None:
        """Take the time that many builds need; a repair waits for the one before, and for no lock long."""
        if isinstance(self._database, PostgresqlDatabase):
            self._database.unhurried()
            if not dry_run:
                self._database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))


def _why(by: str | None = None, revision_since: int | None = None) -> str:
    if revision_since is None:
        return "it has changed since, by somebody who leaves no revision, as a Vela server does"
    return f"it has changed since, by {by} in revision {revision_since}"


def _batches(items: list[Any]) -> Iterator[list[Any]]:
    rest = iter(items)
    while batch := list(islice(rest, AT_ONCE)):
        yield batch
