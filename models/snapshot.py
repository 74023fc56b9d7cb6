"""Snapshot: every build of a database, its revisions and the repairs, as they are at one moment."""

import heapq
import json
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from peewee import JOIN, Tuple, fn

from build_admin.models.build import DOCUMENTED, NEWER, Build, from_row
from build_admin.models.repair import ITS_REVISION, Repair, RepairRevision, spoken
from build_admin.models.revision import Revision
from build_admin.models.stores.database import Database
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.statement import rows
from build_admin.models.stores.tables import Columns

#: Rows that are read at once.
_PAGE = 500


class Snapshot:
    """What one transaction sees, whatever others write meanwhile; `snapshot` begins one."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self._database = database
        self._names = [name for name in (*DOCUMENTED, *NEWER) if name in columns.present]

    def count(self) -> tuple[int, int, int]:
        """Return how many builds there are, how many revisions and how many repairs. Raises peewee.DatabaseError."""
        builds, revisions, repairs = (
            self._rows(model.select(fn.COUNT(1)))[0][0] for model in (Build, Revision, Repair)
        )
        return builds, revisions, repairs

    def builds(self) -> Iterator[dict[str, Any]]:
        """Yield the builds, ordered by id. Raises peewee.DatabaseError."""
        query = Build.select(*(Build._meta.fields[name] for name in self._names)).order_by(Build.id).limit(_PAGE)
        page = self._rows(query)
        while page:
            for row in page:
                yield from_row(dict(zip(self._names, row, strict=True)))
            page = self._rows(query.where(Build.id > page[-1][0]))

    def revisions(self) -> Iterator[dict[str, Any]]:
        """Yield the revisions as they are spoken of, ordered by build and number. Raises peewee.DatabaseError."""
        key = (Revision.build_id, Revision.revision)
        query = Revision.select(Revision, RepairRevision.repair).order_by(*key).limit(_PAGE)
        query = query.join(RepairRevision, JOIN.LEFT_OUTER, on=ITS_REVISION)
        page = self._rows(query)
        while page:
            for row in page:
                revision = dict(zip(Revision._meta.fields, row[:-1], strict=True))
                before = revision["before"]
                revision |= {
                    "changes": json.loads(revision["changes"]),
                    "before": None if before is None else json.loads(before),
                }
                # A 0.1 can import what no repair was part of.
                yield revision if row[-1] is None else revision | {"repair": row[-1]}
            page = self._rows(query.where(Tuple(*key) > Tuple(*page[-1][:2])))

    def repairs(self) -> Iterator[dict[str, Any]]:
        """Yield the repairs as they are spoken of, but for `undone_by`, by number. Raises peewee.DatabaseError."""
        names = list(Repair._meta.fields)
        for row in self._rows(Repair.select().order_by(Repair.repair)):
            repair = spoken(dict(zip(names, row, strict=True)))
            yield {name: repair[name] for name in names}

    def everything(self) -> Iterator[dict[str, Any]]:
        """Yield the repairs, and then each build and after it its revisions.

        Those of a build that is no more are where it would be.
        """
        yield from self.repairs()
        builds = (((build["id"], 0), build) for build in self.builds())
        revisions = (((revision["build_id"], revision["revision"]), revision) for revision in self.revisions())
        for _, item in heapq.merge(builds, revisions, key=itemgetter(0)):
            yield item

    def _rows(self, query: Any) -> list[tuple[Any, ...]]:
        return rows(self._database, query)


@contextmanager
def snapshot(database: Database, columns: Columns) -> Iterator[Snapshot]:
    """Give a Snapshot of the database; it keeps no writer waiting. Raises peewee.DatabaseError."""
    with database.atomic():
        if isinstance(database, PostgresqlDatabase):
            database.execute_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            database.unhurried()
        yield Snapshot(database, columns)
