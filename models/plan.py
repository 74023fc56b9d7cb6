"""Plan: what a repair or an undo would change in each build, and the tag that identifies exactly that."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from build_admin.models.build import Build, StoredBuild, canonical, changes, compact, etag, normal, to_row, unreadable
from build_admin.models.errors import Invalid, RepairNotFound
from build_admin.models.filters import Filters
from build_admin.models.repair import RepairRevision
from build_admin.models.repaired import Left, ManyBuilds
from build_admin.models.repos import Repos
from build_admin.models.revision import following, recorded, restoring
from build_admin.models.rules import Faults, Rules
from build_admin.models.selection import COUNT, select
from build_admin.models.stores.database import Database
from build_admin.models.stores.many import among, listed
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.statement import Statement, rows
from build_admin.models.stores.tables import Columns
from build_admin.models.workers import Workers

T = TypeVar("T")

#: Maximum number of builds in a repair.
MOST = 10_000

#: How many builds are in memory at once. A build with texts of maximum length takes 200 KB, with its planned changes.
AT_ONCE = 100

#: Returns the faults of a build by field; empty if PUT would accept it.
Check = Callable[[Mapping[str, Any]], Faults]


@dataclass(frozen=True)
class Order:
    """A requested repair.

    Attributes:
        where: the filters, as they were sent.
        set: the fields that are set; None clears a newer field.
        reason: the reason, 1 to 1000 characters.

    """

    where: Mapping[str, Any]
    set: Mapping[str, Any]
    reason: str


class Planned(NamedTuple):
    """A build that changes.

    Attributes:
        id: the build's id.
        etag: its opaque tag before the change.
        changes: the fields that differ afterwards, as JSON.
        values: the columns to write.
        revision: the number of the new revision.
        before: `before` of that revision.

    """

    id: int
    etag: str
    changes: str
    values: Mapping[str, Any]
    revision: int
    before: str


class Skipped(NamedTuple):
    """A build that an undo does not restore, and the reason in words."""

    id: int
    why: str


@dataclass
class Plan:
    """The plan of a repair or an undo.

    Attributes:
        purpose: what is requested; its JSON is a part of the tag.
        alive: how many builds are left out because a worker still runs them.
        selected: how many builds are selected.
        changed: how many of them change.
        skipped: those that an undo does not restore; None for a repair.
        unreadable: the ids and unreadable fields of selected builds, such as `7.title`.
        faults: the faults that changed builds would have, by id and field.

    """

    purpose: Any
    alive: int = 0
    selected: int = 0
    changed: int = 0
    skipped: list[Skipped] | None = None
    unreadable: list[str] = field(default_factory=list)
    faults: dict[int, Mapping[str, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._hash = hashlib.sha256(json.dumps(self.purpose, sort_keys=True).encode())

    def select(self, build_id: int, etag: str | None, build: Mapping[str, Any] | None) -> None:
        """Count a selected build, in the order of ids. The build and its tag are None if it has been deleted."""
        self.selected += 1
        self._hash.update(f"\n{build_id} {etag}".encode())
        self.unreadable += [f"{build_id}.{name}" for name in unreadable(build or {})]

    @property
    def tag(self) -> str:
        """The opaque tag of what is requested and of the state of each selected build."""
        return self._hash.hexdigest()[:32]

    @property
    def unchanged(self) -> int:
        """How many selected builds already are as requested."""
        return self.selected - self.changed - len(self.skipped or ())


class _Change(NamedTuple):
    """A change that many builds have in common. It is computed once, to save time and memory.

    Attributes:
        changes: the fields that differ afterwards, as JSON.
        values: the columns to write.
        faults: the faults of the change by field.

    """

    changes: str
    values: Mapping[str, Any]
    faults: Faults


class Planning:
    """Plans repairs and undos of the builds in a database. For use in a transaction.

    Builds are planned in batches while they are read. The counts and the tag of the Plan are complete when the last
    build has been yielded.
    """

    def __init__(self, database: Database, columns: Columns, faults: Check) -> None:
        """Plan for builds with these columns. A changed build must be without `faults`."""
        self._database = database
        self._columns = columns
        self._faults = faults
        self._rules = Rules(database, columns)
        self._repos = Repos(database)
        self._many = ManyBuilds(database, columns)
        locked = Build.select(Build.id).where(among(database, Build.id)).order_by(Build.id)
        self._lock = Statement(database, self._locking(locked))

    def repair(self, order: Order, plan: Plan, lock: bool) -> Iterator[Planned]:
        """Yield the builds that a repair changes, ordered by id. With `lock`, all of them are locked first.

        Raises Invalid for what the filters cannot select, and peewee.DatabaseError.
        """
        ids = self._select(Filters(**order.where), plan, lock)
        alike: dict[tuple[Any, ...], _Change | None] = {}
        for stored, last in chain.from_iterable(map(self._many.find, batches(ids))):
            text = canonical(stored)
            tag = etag(text, stored)
            plan.select(stored["id"], tag, stored)
            # The set values have been checked, so only a build that had faults before can have some.
            faulty = self._faults(stored) and self._faults(normal({**stored, **order.set}, stored))
            key = tuple(map(stored.row.get, order.set))
            if key not in alike:
                if len(alike) >= AT_ONCE:
                    alike.clear()  # the builds differ, and each change may be large
                alike[key] = self._change(stored, order.set)
            change = alike[key]
            if change is None:
                continue
            if faults := {**faulty, **change.faults}:
                plan.faults[stored["id"]] = faults
            kept = recorded(stored, text) if lock else ""
            yield Planned(stored["id"], tag, change.changes, change.values, following(last, stored["id"]), kept)

    def undo(self, repair: int, plan: Plan, lock: bool) -> Iterator[Planned]:
        """Yield the builds that an undo restores, ordered by id. With `lock`, all of the repair are locked first.

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
        """Return the change of all builds that have the same values in the assigned columns as `stored`, or None."""
        fields = {**stored, **assigned}
        build = normal(fields, stored)
        changed = changes(stored, build)
        if not changed:
            return None
        return _Change(compact(changed), to_row(build, changed), self._rules.faults([(stored, fields)])[0])

    def _select(self, filters: Filters, plan: Plan, lock: bool) -> list[int]:
        """Return the ids of the selected builds, ordered, and lock these builds."""
        filters = filters.with_repo_id(self._repos)
        if filters.ids is not None:
            there = {row[0] for row in rows(self._database, Build.select(Build.id).where(Build.id << filters.ids))}
            if missing := [build_id for build_id in filters.ids if build_id not in there]:
                named = ", ".join(map(str, missing[:20])) + (f" and {len(missing) - 20} more" if missing[20:] else "")
                raise Invalid(f"There is no build {named}; nothing was changed: take out of 'ids' what is not there.")
        alive = set() if filters.stuck_before is None else Workers(self._database).alive
        query = select(self._database, self._columns, filters, Build.id).query
        first = query.order_by(Build.id).limit(MOST + len(alive) + 1)
        found = [row[0] for row in rows(self._database, self._locking(first) if lock else first)]
        ids = [build_id for build_id in found if build_id not in alive]
        if len(ids) > MOST:
            selected = query.select(COUNT).scalar(self._database) - len(found) + len(ids)
            raise Invalid(f"The repair selects {selected} builds, and one changes at most {MOST}; narrow 'where' down.")
        plan.alive = len(found) - len(ids)
        return ids

    def _locking(self, query: Any) -> Any:
        """Return the query with a lock on its rows. Repairs lock in the order of ids, which prevents deadlocks."""
        return query.for_update() if isinstance(self._database, PostgresqlDatabase) else query


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield the items in lists of AT_ONCE."""
    rest = iter(items)
    while batch := list(islice(rest, AT_ONCE)):
        yield batch


def _back(plan: Plan, left: Left, lock: bool) -> Planned | str:
    """Return how a build is restored, or why it is not."""
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
    return Planned(left.build_id, tag, back, restoring(now, left.before), following(left.last, left.build_id), kept)


def _why(by: str | None = None, revision_since: int | None = None) -> str:
    if revision_since is None:
        return "it has changed since, by somebody who leaves no revision, as a Vela server does"
    return f"it has changed since, by {by} in revision {revision_since}"
