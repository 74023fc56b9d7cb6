"""Snapshot: all builds, revisions and repairs of a database, as one transaction sees them."""

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peewee import JOIN, SQL, Model, Tuple, fn

from build_admin.models.build import Build, compact
from build_admin.models.plain import plain
from build_admin.models.repair import ITS_REVISION, Repair, RepairRevision, repair_from_row
from build_admin.models.revision import Revision, as_exported
from build_admin.models.stores.database import Database
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.statement import rows
from build_admin.models.stores.tables import Columns

#: How many rows are read by a statement.
_PAGE = 500


class Snapshot:
    """The contents of a database in one transaction, which `snapshot` begins."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self._database = database
        self._columns = columns

    def count(self) -> tuple[int, int, int]:
        """Return the number of builds, of revisions and of repairs. Raises peewee.DatabaseError."""
        builds, revisions, repairs = (
            self._rows(model.select(fn.COUNT(1)))[0][0] for model in (Build, Revision, Repair)
        )
        return builds, revisions, repairs

    def lines(self) -> Iterator[tuple[type[Model], str]]:
        """Yield each build as JSON, ordered by id, with its model.

        Raises peewee.DatabaseError.
        """
        for _, _, text in self._builds():
            yield Build, text

    def all_lines(self) -> Iterator[tuple[type[Model], str]]:
        """Yield as `lines` the repairs, without `undone_by`, and then each build, followed by its revisions.

        The revisions of a deleted build are where it would be. Raises peewee.DatabaseError.
        """
        names = list(Repair._meta.fields)
        for row in self._rows(Repair.select().order_by(Repair.repair)):
            repair = repair_from_row(dict(zip(names, row, strict=True)))
            yield Repair, compact({name: repair[name] for name in names})
        for _, revision, text in heapq.merge(self._builds(), self._revisions()):
            yield Revision if revision else Build, text

    def _builds(self) -> Iterator[tuple[int, int, str]]:
        text = plain(self._database, self._columns.names) if self._columns.usual else SQL("NULL")
        query = Build.select(Build.id, text).order_by(Build.id).limit(_PAGE)
        page = self._rows(query)
        while page:
            others = self._others([build_id for build_id, text in page if type(text) is not str])
            for build_id, text in page:
                yield build_id, 0, others.get(build_id) or text
            page = self._rows(query.where(Build.id > page[-1][0]))

    def _others(self, ids: list[int]) -> dict[int, str]:
        """Return the JSON of builds for which the database returns none."""
        if not ids:
            return {}
        found = map(self._columns.build, self._rows(Build.select(*self._columns.fields).where(Build.id << ids)))
        return {build["id"]: compact(as_exported(build)) for build in found}

    def _revisions(self) -> Iterator[tuple[int, int, str]]:
        key = (Revision.build_id, Revision.revision)
        query = Revision.select(Revision, RepairRevision.repair).order_by(*key).limit(_PAGE)
        query = query.join(RepairRevision, JOIN.LEFT_OUTER, on=ITS_REVISION)
        page = self._rows(query)
        while page:
            for build_id, revision, at, by, request_id, changes, before, repair in page:
                # The stored JSON is not parsed. Line feeds in its strings are escaped.
                texts = f'"changes":{changes},"before":{before or "null"}'.replace("\n", "")
                # Version 0.1 can import a revision without this field.
                last = "" if repair is None else f',"repair":{repair}'
                yield (
                    build_id,
                    revision,
                    (
                        f'{{"build_id":{build_id},"revision":{revision},"at":{at},'
                        f'"by":{compact(by)},"request_id":{compact(request_id)},{texts}{last}}}'
                    ),
                )
            page = self._rows(query.where(Tuple(*key) > Tuple(*page[-1][:2])))

    def _rows(self, query: Any) -> list[tuple[Any, ...]]:
        return rows(self._database, query)


@contextmanager
def snapshot(database: Database, columns: Columns) -> Iterator[Snapshot]:
    """Open a snapshot of the database, which does not block writers. Raises peewee.DatabaseError."""
    with database.snapshot():
        if isinstance(database, PostgresqlDatabase):
            database.unhurried()
        yield Snapshot(database, columns)
