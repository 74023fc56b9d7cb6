"""Bulk: an import into a database, in one transaction, with the checks of PUT for every record."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import peewee
from peewee import SQL, Value, fn

from build_admin.models.build import (
    Build,
    StoredBuild,
    canonical,
    changes,
    changes_text,
    normal,
    to_row,
)
from build_admin.models.builds import Author
from build_admin.models.errors import NumberTaken, Unstorable
from build_admin.models.repair import Repair, RepairRevision, repair_to_row
from build_admin.models.revision import Revision, following, recorded
from build_admin.models.rules import Faults, Rules
from build_admin.models.staging import StagedBuild, Staging
from build_admin.models.stores.database import Database
from build_admin.models.stores.many import Many, among, listed, owners_of, require_written
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.statement import Statement, placeholders, rows
from build_admin.models.stores.tables import Columns

#: Called with the position of a fault in the import, and the fault.
Fault = Callable[[int, str], None]


class FaultsFound(Exception):
    """There were faults, which have all been reported; nothing was stored."""


@dataclass
class Imported:
    """The counts of an import."""

    created: int = 0
    overwritten: int = 0
    unchanged: int = 0
    revisions: int = 0
    repairs: int = 0

    @property
    def builds(self) -> int:
        """The number of builds in the import."""
        return self.created + self.overwritten + self.unchanged


class Bulk:
    """One import of staged records."""

    def __init__(
        self,
        database: Database,
        columns: Columns,
        author: Author,
        *,
        overwrite: bool,
        faulty: bool,
        fault: Fault,
        progress: Callable[[int], None],
        committing: Callable[[], object],
    ) -> None:
        """Prepare an import.

        Args:
            database: the database.
            columns: what its table `builds` can hold.
            author: the author of the new revisions.
            overwrite: whether to overwrite stored builds; otherwise each is a fault.
            faulty: whether there are faults already: then the import only looks for more and stores nothing.
            fault: called for each fault.
            progress: called after each batch with the number of builds done.
            committing: called before the commit, when everything is written.

        """
        self._database = database
        self._author = author
        self._overwrite = overwrite
        self._faulty = faulty
        self._fault = fault
        self._progress = progress
        self._committing = committing
        self._empty = False
        self._columns = columns
        self._names = columns.names
        self._rules = Rules(database, columns)
        one = Build.id == Value("id", converter=False)
        self._builds = Many(database, Build, self._names)
        self._update = Statement(database, Build.update(placeholders(Build, self._names[1:])).where(one))
        self._repairs = Many(database, Repair)
        self._links = Many(database, RepairRevision)
        self._revisions = Many(database, Revision)
        stored = Build.select(*columns.fields).where(among(database, Build.id))
        self._stored_of = Statement(
            database, stored.for_update() if isinstance(database, PostgresqlDatabase) else stored
        )
        last = Revision.select(Revision.build_id, fn.MAX(Revision.revision)).group_by(Revision.build_id)
        self._last_of = Statement(database, last.where(among(database, Revision.build_id)))

    def store(self, staging: Staging) -> Imported:
        """Store the staged records in one transaction. After any exception, nothing was stored.

        Raises:
            FaultsFound: there was a fault.
            Unstorable: a table cannot store a value.
            peewee.DatabaseError: the database cannot be read or written.

        """

        def work() -> Imported:
            return self._store(staging)

        try:
            return self._database.write(work)
        except peewee.IntegrityError:
            # Another process has taken an id or a number. The second attempt finds it and reports it.
            return self._database.write(work)
        except peewee.DataError as error:
            raise Unstorable from error

    def _store(self, staging: Staging) -> Imported:
        imported = Imported()
        if isinstance(self._database, PostgresqlDatabase):
            self._database.unhurried()
        # The staged records have no duplicates. So nothing needs to be looked up in a store that is empty.
        self._empty = not any(rows(self._database, model.select(SQL("1")).limit(1)) for model in (Build, Revision))
        for histories in staging.histories():
            self._check_histories(histories)
        self._check_repairs(staging)
        self._may_move = staging.may_move
        if not self._faulty:
            for repairs in staging.repairs():
                self._repairs.insert([repair_to_row(repair) for _, _, repair in repairs])
                imported.repairs += len(repairs)
            for revisions in staging.revisions():
                self._revisions.insert(revisions)
                self._links.insert([revision for revision in revisions if "repair" in revision])
                imported.revisions += len(revisions)
        for builds in staging.builds():
            self._store_builds(builds, imported)
            self._progress(imported.builds)
        if self._faulty:
            raise FaultsFound
        self._committing()
        return imported

    def _check_histories(self, histories: list[tuple[int, int]]) -> None:
        ids = [build_id for _, build_id in histories]
        known = set(self._stored(ids)) | set(self._last_revisions(ids))
        for position, build_id in histories:
            if build_id in known:
                self._found(position, f"build {build_id} or revisions of it are stored; histories are not mixed.")

    def _check_repairs(self, staging: Staging) -> None:
        for repairs in staging.repairs():
            numbers = [repair["repair"] for _, _, repair in repairs]
            known = {
                row[0] for row in rows(self._database, Repair.select(Repair.repair).where(Repair.repair << numbers))
            }
            for position, revisions, repair in repairs:
                if repair["repair"] in known:
                    self._found(position, f"repair {repair['repair']} is stored; histories are not mixed.")
                if revisions != repair["changed"]:
                    self._found(position, f"changed: is {repair['changed']}, and {revisions} revisions are of it.")
        for loose in staging.without_repair():
            for position, number in loose:
                self._found(position, f"repair: is {number}, and there is no such repair in the file.")

    def _store_builds(self, builds: list[StagedBuild], imported: Imported) -> None:
        """Check each build as PUT does, and then write all of them; after a fault, only look for more faults."""
        stored = self._stored([build.fields["id"] for build in builds])
        owners = {} if self._empty else owners_of(self._database, [_numbers(build.fields) for build in builds])
        inserts, updates, revised = [], [], []
        faults = self._rules.faults([(stored.get(staged.fields["id"]), staged.fields) for staged in builds])
        for staged, wrong in zip(builds, faults, strict=True):
            before = stored.get(staged.fields["id"])
            build = normal(staged.fields, before)
            if any([self._refused(staged, before, wrong), self._number_taken(staged.position, build, owners)]):
                continue
            if build == before:
                imported.unchanged += 1
                continue
            if before is None:
                inserts.append(to_row(build, self._names))
                imported.created += 1
            else:
                updates.append((before, build))
                imported.overwritten += 1
                if _numbers(build) != _numbers(before):
                    owners.pop(_numbers(before), None)
            if not staged.has_history:
                revised.append((before, build))
        if not self._faulty:
            # Updates come first: a new build may take a number that an update frees.
            if updates:
                self._update_rows(updates)
            self._rules.pass_id(max((row["id"] for row in inserts), default=0))
            self._builds.insert(inserts)
            self._leave_revisions(revised)

    def _refused(self, staged: StagedBuild, before: StoredBuild | None, wrong: Faults) -> bool:
        if before is not None and not self._overwrite:
            self._found(staged.position, f"build {before['id']} is stored already; --overwrite overwrites it.")
            return True
        for name, faults in wrong.items():
            self._found(staged.position, f"{name}: {faults[0]}")
        return bool(wrong)

    def _number_taken(self, position: int, build: Mapping[str, Any], owners: Mapping[tuple[int, int], int]) -> bool:
        owner = owners.get(_numbers(build), build["id"])
        if owner == build["id"]:
            return False
        # After a fault nothing is written, so the number is not freed by an earlier record that would change it.
        if not (self._faulty and self._may_move(owner, position)):
            self._found(position, str(NumberTaken(build["repo_id"], build["number"], owner)))
        return True

    def _found(self, position: int, words: str) -> None:
        self._faulty = True
        self._fault(position, words)

    def _update_rows(self, updates: list[tuple[StoredBuild, dict[str, Any]]]) -> None:
        """Write the rows in order: a build may take the number that an earlier one frees."""
        if any(before.unreadable for before, _ in updates):
            written = sum(self._update_changed(before, build) for before, build in updates)
        else:
            written = self._update.execute_many(to_row(build, self._names) for _, build in updates)
        require_written(written, len(updates))

    def _update_changed(self, before: StoredBuild, build: dict[str, Any]) -> int:
        """Write the columns that change, and not that of an unreadable field; return how many rows were changed."""
        row = to_row(build, changes(before, build))
        return int(Build.update(row).where(Build.id == build["id"]).execute(self._database))

    def _leave_revisions(self, revised: list[tuple[StoredBuild | None, dict[str, Any]]]) -> None:
        last = self._last_revisions([build["id"] for _, build in revised])
        now = int(time.time())
        self._revisions.insert(
            [
                {
                    "build_id": build["id"],
                    "revision": following(last.get(build["id"], 0), build["id"]),
                    "at": now,
                    "by": self._author.subject,
                    "request_id": self._author.request_id,
                    "changes": changes_text(before, build),
                    "before": recorded(before, canonical(before)) if before else None,
                }
                for before, build in revised
            ]
        )

    def _stored(self, ids: list[int]) -> dict[int, StoredBuild]:
        if self._empty:
            return {}
        found = self._stored_of.all({"ids": listed(self._database, ids)})
        return {row[0]: self._columns.build(row) for row in found}

    def _last_revisions(self, ids: list[int]) -> dict[int, int]:
        return {} if self._empty else dict(self._last_of.all({"ids": listed(self._database, ids)}))


def _numbers(build: Mapping[str, Any]) -> tuple[int, int]:
    return build["repo_id"], build["number"]
