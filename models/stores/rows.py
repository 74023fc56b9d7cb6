"""Rows: a build's row locked, and written together with the revision that this leaves, in few statements.

A statement costs PostgreSQL a round trip and SQLite a handover of the interpreter, more than the work itself.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import peewee
from peewee import SQL, Cast, Value, fn

from build_admin.models.build import Build
from build_admin.models.revision import Revision
from build_admin.models.stores.database import Database, LeaveGroup
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.statement import Statement, placeholders
from build_admin.models.stores.text import Undecodable

#: How many UPDATE statements are kept compiled, one for each set of columns that overwrites change together.
_UPDATES = 256

_REVISION = list(Revision._meta.fields)
_LAST_REVISION = Revision.select(fn.MAX(Revision.revision))


def _parameter(name: str) -> Value:
    return Value(name, converter=False)


_THIS_BUILD = Build.id == _parameter("id")


class SqliteRows:
    """The rows in SQLite, where who writes has locked the whole database."""

    def __init__(self, database: Database, names: Collection[str]) -> None:
        """Compile the statements; a build's row is the columns `names`."""
        fields = [Build._meta.fields[name] for name in names]
        last_revision = _LAST_REVISION.where(Revision.build_id == Build.id)
        self._database = database
        self._find = Statement(database, Build.select(*fields, last_revision).where(_THIS_BUILD))
        self._last_revision = Statement(database, _LAST_REVISION.where(Revision.build_id == _parameter("id")))
        self._insert = Statement(database, Build.insert(placeholders(Build, names)))
        self._update = lru_cache(_UPDATES)(self._compile_update)
        self._insert_revision = Statement(database, Revision.insert(placeholders(Revision, _REVISION)))

    def lock(self, build_id: int) -> tuple[tuple[Any, ...] | None, int]:
        """Return the build's row, None if there is none, and the number of its last revision, 0 if it has none."""
        row = self._find.first({"id": build_id})
        if row:
            return row[:-1], row[-1] or 0
        # A build that is gone from a Vela server's table has left its revisions.
        (last,) = self._last_revision.first({"id": build_id})
        return None, last or 0

    def insert(self, values: Mapping[str, Any], revision: Mapping[str, Any]) -> int:
        """Write a new row, all of its columns, and the revision; return the revision's number."""
        self._insert.execute(values)
        self._insert_revision.execute(revision)
        return int(revision["revision"])

    def update(self, values: Mapping[str, Any], revision: Mapping[str, Any]) -> int:
        """Write the columns `values` of the row of `revision["build_id"]`, and the revision; return its number."""
        # sqlite3 takes a text for what is UTF-8, and writes any other bytes as a blob.
        undecodable = {name: value.data for name, value in values.items() if type(value) is Undecodable}
        statement = self._update(frozenset(values), frozenset(undecodable))
        statement.execute({**values, **undecodable, "id": revision["build_id"]})
        self._insert_revision.execute(revision)
        return int(revision["revision"])

    def _compile_update(self, names: frozenset[str], undecodable: frozenset[str] = frozenset()) -> Statement:
        """Return the UPDATE of the columns that change; SQLite writes the index of each column that is named in it."""
        given = placeholders(Build, sorted(names))
        given |= {Build._meta.fields[name]: Cast(_parameter(name), "TEXT") for name in undecodable}
        return Statement(self._database, Build.update(given).where(_THIS_BUILD))


class PostgresqlRows:
    """The rows in PostgreSQL, where each is locked by itself.

    A statement that waits for a lock may not see what it has waited for. So a row that is not free at once is locked by
    one statement and read by the next, and a revision takes its number when its build is locked.
    """

    def __init__(self, database: PostgresqlDatabase, names: Collection[str]) -> None:
        """Compile the statements; a build's row is the columns `names`."""
        this = Build.select(*[Build._meta.fields[name] for name in names]).where(_THIS_BUILD)
        self._database = database
        self._find = Statement(database, this)
        self._find_free = Statement(database, this.for_update(skip_locked=True))
        self._lock = Statement(database, Build.select(Build.id).where(_THIS_BUILD).for_update())
        self._insert = Statement(database, Build.insert(placeholders(Build, names)))
        self._update = lru_cache(_UPDATES)(self._compile_update)
        values: list[Any] = [_parameter(name) for name in _REVISION]
        values[_REVISION.index("revision")] = fn.COALESCE(fn.MAX(Revision.revision), SQL("0")) + SQL("1")
        numbered = Revision.select(*values).where(Revision.build_id == _parameter("build_id"))
        self._revision = Revision.insert_from(numbered, _REVISION).returning(Revision.build_id, Revision.revision)
        self._insert_revision = Statement(database, self._revision)

    def lock(self, build_id: int) -> tuple[tuple[Any, ...] | None, int]:
        """Return the build's row, None if there is none, and 0.

        Raises LeaveGroup in a group, whose members do not wait, unless the row is there and free.
        """
        if self._database.grouped:
            row = self._find_free.first({"id": build_id})
            if not row:
                raise LeaveGroup
            return row, 0
        self._lock.execute({"id": build_id})
        return self._find.first({"id": build_id}), 0

    def insert(self, values: Mapping[str, Any], revision: Mapping[str, Any]) -> int:
        """Write a new row, all of its columns, and the revision; return the revision's number."""
        self._insert.execute(values)
        return int(self._insert_revision.first(revision)[1])

    def update(self, values: Mapping[str, Any], revision: Mapping[str, Any]) -> int:
        """Write the columns `values` of the row of `revision["build_id"]`, and the revision; return its number.

        Raises peewee.IntegrityError where the table keeps its row as it is.
        """
        row = self._update(frozenset(values)).first({**values, **revision})
        if row is None:
            raise peewee.IntegrityError(
                "an UPDATE has changed no row; a trigger or a policy of the table keeps it from that"
            )
        return int(row[0])

    def _compile_update(self, names: frozenset[str]) -> Statement:
        revision = peewee.CTE("left_revision", self._revision)
        update = Build.update(placeholders(Build, sorted(names))).from_(revision).with_cte(revision)
        return Statement(self._database, update.where(Build.id == revision.c.build_id).returning(revision.c.revision))
