"""Snapshot: all builds, revisions and repairs of a database, as one transaction sees them."""

import heapq
from collections.abc import Iterator
from contextlib import contextmanager

from peewee import JOIN, SQL, CharField, Model, Tuple, fn

from build_admin.models.build import DOCUMENTED, NEWER, Build, compact
from build_admin.models.repair import ITS_REVISION, Repair, RepairRevision, repair_from_row
from build_admin.models.revision import Revision, as_exported
from build_admin.models.stores.database import Database
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.statement import rows
from build_admin.models.stores.tables import Columns

#: How many rows are read by a statement.
_PAGE = 500

#: The texts in `deploy_payload` that mean no payload.
_NO_PAYLOADS = "'', 'null', '{}'"


class Snapshot:
    """The contents of a database in one transaction, which `snapshot` begins."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self._database = database
        self._columns = columns

    def count(self, revisions: bool) -> int:
        """Return the number of `lines`. Raises peewee.DatabaseError."""
        models = (Build, Revision, Repair) if revisions else (Build,)
        return sum(rows(self._database, model.select(fn.COUNT(1)))[0][0] for model in models)

    def lines(self, revisions: bool) -> Iterator[tuple[type[Model], str]]:
        """Yield each build as JSON, ordered by id, with its model.

        With `revisions`, the repairs come first, without `undone_by`, and each build is followed by its revisions;
        those of a deleted build are where it would be. Raises peewee.DatabaseError.
        """
        if not revisions:
            yield from ((Build, text) for _, _, text in self._builds())
            return
        names = list(Repair._meta.fields)
        for row in rows(self._database, Repair.select().order_by(Repair.repair)):
            repair = repair_from_row(dict(zip(names, row, strict=True)))
            yield Repair, compact({name: repair[name] for name in names})
        for _, revision, text in heapq.merge(self._builds(), self._revisions()):
            yield Revision if revision else Build, text

    def _builds(self) -> Iterator[tuple[int, int, str]]:
        query = Build.select(Build.id, _text_of_build(self._database, self._columns)).order_by(Build.id).limit(_PAGE)
        page = rows(self._database, query)
        while page:
            others = self._others([build_id for build_id, text in page if type(text) is not str])
            for build_id, text in page:
                yield build_id, 0, others.get(build_id) or text
            page = rows(self._database, query.where(Build.id > page[-1][0]))

    def _others(self, ids: list[int]) -> dict[int, str]:
        """Return the JSON of builds for which the database returns none."""
        if not ids:
            return {}
        query = Build.select(*self._columns.fields).where(Build.id << ids)
        found = map(self._columns.build, rows(self._database, query))
        return {build["id"]: compact(as_exported(build)) for build in found}

    def _revisions(self) -> Iterator[tuple[int, int, str]]:
        key = (Revision.build_id, Revision.revision)
        query = Revision.select(Revision, RepairRevision.repair).order_by(*key).limit(_PAGE)
        query = query.join(RepairRevision, JOIN.LEFT_OUTER, on=ITS_REVISION)
        page = rows(self._database, query)
        while page:
            for build_id, revision, at, by, request_id, changes, before, repair in page:
                # The stored JSON is not parsed. Line feeds in its strings are escaped.
                texts = f'"changes":{changes},"before":{before or "null"}'.replace("\n", "")
                # Version 0.1 can import a revision without this field.
                last = "" if repair is None else f',"repair":{repair}'
                text = (
                    f'{{"build_id":{build_id},"revision":{revision},"at":{at},'
                    f'"by":{compact(by)},"request_id":{compact(request_id)},{texts}{last}}}'
                )
                yield build_id, revision, text
            page = rows(self._database, query.where(Tuple(*key) > Tuple(*page[-1][:2])))


@contextmanager
def snapshot(database: Database, columns: Columns) -> Iterator[Snapshot]:
    """Open a snapshot of the database, which does not block writers. Raises peewee.DatabaseError."""
    with database.snapshot():
        if isinstance(database, PostgresqlDatabase):
            database.unhurried()
        yield Snapshot(database, columns)


def _text_of_build(database: Database, columns: Columns) -> SQL:
    """Return an SQL expression for the JSON of a build; it takes a third of the time of `compact(from_row(row))`.

    It is NULL for a build that has a newer field, or a value of another type than its column's (in SQLite); and for
    every build if the documented columns have other types than usual.
    """
    if not columns.usual:
        return SQL("NULL")
    values = {name: f"""coalesce("{name}", {"''" if _is_text(name) else "0"})""" for name in DOCUMENTED}
    newer = [name for name in NEWER if name in columns.present]
    # Each of these terms is NULL for NULL, and then CASE takes its ELSE.
    if isinstance(database, PostgresqlDatabase):
        terms = [f"""CAST("{name}" AS text) NOT IN ({_nothing(name, "'0', 'false'")})""" for name in newer]
        row = ", ".join(f'{value} AS "{name}"' for name, value in values.items())
        text = f"(SELECT row_to_json(build)::text FROM (SELECT {row}) AS build)"  # noqa: S608 - the names are a model's
    else:
        terms = [f'"{name}" NOT IN ({_nothing(name, "0")})' for name in newer] + [*map(_has_another_type, DOCUMENTED)]
        text = "json_object(" + ", ".join(f"'{name}', {value}" for name, value in values.items()) + ")"
    return SQL(f"CASE WHEN {' OR '.join(terms) or 'false'} THEN NULL ELSE {text} END")


def _nothing(name: str, zeros: str) -> str:
    """Return the values of a newer field's column that mean no value, other than NULL; `zeros` for a number."""
    if name == "deploy_payload":
        return _NO_PAYLOADS
    return "''" if _is_text(name) else zeros


def _has_another_type(name: str) -> str:
    if _is_text(name):
        # Every number is less than a text, and every blob is greater. `typeof` takes twice the time.
        return f"""("{name}" < '' OR "{name}" >= x'')"""
    return f"""typeof("{name}") NOT IN ('integer', 'null')"""


def _is_text(name: str) -> bool:
    return isinstance(Build._meta.fields[name], CharField)
