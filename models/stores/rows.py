"""Rows: a build's row, locked, and written together with the revision that this leaves, in few statements.

A statement costs PostgreSQL a round trip and SQLite a handover of the interpreter, more than the work itself.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from peewee import Cast, ModelSelect, Value, fn

from build_admin.models.build import Build
from build_admin.models.revision import Revision
from build_admin.models.stores.database import Database, LeaveGroup
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.statement import Statement, placeholders
from build_admin.models.stores.text import Undecodable

#: How many UPDATE statements are kept compiled, one for each set of columns that overwrites change together.
_UPDATES = 256

_THIS_BUILD = Build.id == Value("id", converter=False)
_LAST_REVISION = Revision.select(fn.MAX(Revision.revision))

#: A build's row, None if there is none, and the number of its last revision, 0 if it has none.
Locked = tuple[tuple[Any, ...] | None, int]


def _one(names: Collection[str]) -> "ModelSelect[Build]":
    """Return the query of a build's columns `names`, and of the number of its last revision."""
    fields = [Build._meta.fields[name] for name in names]
    return Build.select(*fields, _LAST_REVISION.where(Revision.build_id == Build.id)).where(_THIS_BUILD)


class Rows:
    """The rows of builds in a transaction that writes; in SQLite that has locked the whole database."""

    def __init__(self, database: Database, names: Collection[str]) -> None:
        """Compile the statements; a build's row is the columns `names`."""
        self._database = database
        self._find = Statement(database, _one(names))
        self._last_revision = Statement(
            database, _LAST_REVISION.where(Revision.build_id == Value("id", converter=False))
        )
        self._insert = Statement(database, Build.insert(placeholders(Build, names)))
        self._update = lru_cache(_UPDATES)(self._compile_update)
        self._insert_revision = Statement(database, Revision.insert(placeholders(Revision, Revision._meta.fields)))

    def lock(self, build_id: int) -> Locked:
        """Lock and return a build's row."""
        row = self._find.first({"id": build_id})
        if row:
            return row[:-1], row[-1] or 0
        # A build that is gone from a Vela server's table has left its revisions.
        (last,) = self._last_revision.first({"id": build_id})
        return None, last or 0

    def insert(self, values: Mapping[str, Any], revision: Mapping[str, Any]) -> None:
        """Write a new row, all of its columns, and the revision."""
        self._insert.execute(values)
        self._insert_revision.execute(revision)

    def update(self, values: Mapping[str, Any], revision: Mapping[str, Any]) -> None:
        """Write the columns `values` of the row of `revision["build_id"]`, and the revision."""
        # sqlite3 takes a text for what is UTF-8, and writes any other bytes as a blob.
        undecodable = {name: value.data for name, value in values.items() if type(value) is Undecodable}
        statement = self._update(frozenset(values), frozenset(undecodable))
        statement.execute({**values, **undecodable, "id": revision["build_id"]})
        self._insert_revision.execute(revision)

    def _compile_update(self, names: frozenset[str], undecodable: frozenset[str] = frozenset()) -> Statement:
        """Return the UPDATE of the columns that change; SQLite writes the index of each column that is named in it."""
        given = placeholders(Build, sorted(names))
        given |= {Build._meta.fields[name]: Cast(Value(name, converter=False), "TEXT") for name in undecodable}
        return Statement(self._database, Build.update(given).where(_THIS_BUILD))


class PostgresqlRows(Rows):
    """The rows in PostgreSQL, where each is locked by itself, and what a transaction writes is sent at its end.

    A row is only written once it is locked, and what two members of a group write to one row is sent in between. So the
    order among the writes does not matter, and a statement that fails is found out before the commit.
    """

    _database: PostgresqlDatabase

    def __init__(self, database: PostgresqlDatabase, names: Collection[str]) -> None:
        """Compile the statements; a build's row is the columns `names`."""
        super().__init__(database, names)
        self._find_free = Statement(database, _one(names).for_update(skip_locked=True))
        self._wait = Statement(database, Build.select(Build.id).where(_THIS_BUILD).for_update())

    def lock(self, build_id: int) -> Locked:
        """Lock and return a build's row.

        Raises LeaveGroup in a group, whose members do not wait, unless the row is there and free. Otherwise the row is
        locked by one statement and read by the next, since one that has waited for a lock may not see for what.
        """
        self._database.send_writes_of(build_id)
        if not self._database.grouped:
            self._wait.execute({"id": build_id})
            return super().lock(build_id)
        row = self._find_free.first({"id": build_id})
        if not row:
            raise LeaveGroup
        return row[:-1], row[-1] or 0

    def insert(self, values: Mapping[str, Any], revision: Mapping[str, Any]) -> None:
        """Write a new row, all of its columns, and the revision, before the commit."""
        self._database.write_later(values["id"], self._insert, values)
        self._database.write_later(values["id"], self._insert_revision, revision)

    def update(self, values: Mapping[str, Any], revision: Mapping[str, Any]) -> None:
        """Write the columns `values` of the row of `revision["build_id"]`, and the revision, before the commit."""
        build_id = revision["build_id"]
        self._database.write_later(build_id, self._update(frozenset(values)), {**values, "id": build_id})
        self._database.write_later(build_id, self._insert_revision, revision)
