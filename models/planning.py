"""Planning: what a repair, or an undo of one, does to each build; it changes none."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from peewee import SQL, fn

from build_admin.models.build import Build, StoredBuild, canonical, changes, compact, etag, normal, to_row
from build_admin.models.errors import BuildsNotThere, RepairNotFound, TooManyBuilds
from build_admin.models.filters import Filters
from build_admin.models.plan import Plan, Planned, Skipped
from build_admin.models.repair import RepairRevision
from build_admin.models.repaired import Left, ManyBuilds
from build_admin.models.repos import Repos
from build_admin.models.revision import recorded, restoring
from build_admin.models.rules import Faults, Rules
from build_admin.models.stores.database import Database
from build_admin.models.stores.many import among, listed
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.statement import Statement, rows
from build_admin.models.stores.tables import Columns
from build_admin.models.workers import Workers

T = TypeVar("T")

#: Builds that one repair can change.
MOST = 10_000

#: Builds that are in memory at once. One whose texts are at their limits takes 200 KB, with what is planned for it.
AT_ONCE = 100

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


class Planning:
    """What could be done to the builds in a database, in work that the database is already running.

    Builds are planned while they are read, a few at a time. What is counted in the Plan, and its tag, is complete when
    the last of them has been yielded.
    """

    def __init__(self, database: Database, columns: Columns, faults: Check) -> None:
        """Plan for builds whose columns are given; each must be without `faults` afterwards."""
        self._database = database
        self._faults = faults
        self._rules = Rules(database, columns)
        self._repos = Repos(database)
        self._many = ManyBuilds(database, columns)
        locked = Build.select(Build.id).where(among(database, Build.id)).order_by(Build.id)
        self._lock = Statement(database, self._locking(locked))

    def repair(self, order: Order, plan: Plan, lock: bool) -> Iterator[Planned]:
        """Yield the builds that a repair changes, by id; with `lock` they are all locked before.

        Raises RepoUnknown, BuildsNotThere, TooManyBuilds and peewee.DatabaseError.
        """
        ids = self._select(Filters(**order.where), plan, lock)
        alike: dict[tuple[Any, ...], _Change | None] = {}
        for stored, last in chain.from_iterable(map(self._many.find, batches(ids))):
            text = canonical(stored)
            tag = etag(text, stored)
            plan.select(stored["id"], tag, stored)
            # What is set has been checked; a build without a fault has none afterwards.
            faulty = self._faults(stored) and self._faults(normal({**stored, **order.set}, stored))
            key = tuple(map(stored.row.get, order.set))
            if key not in alike:
                if len(alike) >= AT_ONCE:
                    alike.clear()  # they are not alike, and may be long
                alike[key] = self._change(stored, order.set)
            change = alike[key]
            if change is None:
                continue
            if faults := {**faulty, **change.faults}:
                plan.faults[stored["id"]] = faults
            kept = recorded(stored, text) if lock else ""
            yield Planned(stored["id"], tag, change.changes, change.values, last + 1, kept)

    def undo(self, repair: int, plan: Plan, lock: bool) -> Iterator[Planned]:
        """Yield the builds that are put back, by id; with `lock` all of the repair are locked before.

        Raises RepairNotFound and peewee.DatabaseError.
        """
        plan.skipped = []
        query = RepairRevision.select(RepairRevision.build_id).where(RepairRevision.repair == repair)
        ids = [row[0] for row in rows(self._database, query.order_by(RepairRevision.build_id))]
        if not ids:
            raise RepairNotFound(repair)
        if lock:
            self._lock.all({"ids": listed(self._database, ids)})
        for batch in batches(ids):
            for left in self._many.left(repair, batch):
                back = _back(plan, left, lock)
                if isinstance(back, Planned):
                    yield back
                else:
                    plan.skipped.append(Skipped(left.build_id, back))

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

    def _locking(self, query: Any) -> Any:
        """Return the query so that it locks its rows, in its order: so two that meet wait, and neither for ever."""
        return query.for_update() if isinstance(self._database, PostgresqlDatabase) else query


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield the items, AT_ONCE at a time."""
    rest = iter(items)
    while batch := list(islice(rest, AT_ONCE)):
        yield batch


def _back(plan: Plan, left: Left, lock: bool) -> Planned | str:
    """Return how a build is put back, or why it is not."""
    if left.now is None:
        plan.select(left.build_id, None, None)
        return "it is gone"
    now, text = left.now, canonical(left.now)
    tag = etag(text, now)
    plan.select(left.build_id, tag, now)
    if left.state == "changed since":
        return _why(**left.since)
    back = compact(changes(now, left.before))
    kept = recorded(now, text) if lock else ""
    return Planned(left.build_id, tag, back, restoring(now, left.before), left.last + 1, kept)


def _why(by: str | None = None, revision_since: int | None = None) -> str:
    if revision_since is None:
        return "it has changed since, by somebody who leaves no revision, as a Vela server does"
    return f"it has changed since, by {by} in revision {revision_since}"
