"""Rows: locks the row of a build, and writes it together with a revision, in few statements.

On PostgreSQL a statement costs a round trip, and on SQLite the interpreter lock; both cost more than the work itself.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import peewee
from peewee import SQL, Cast, ModelInsert, ModelSelect, Query, Value, fn

from build_admin.models.build import Build
from build_admin.models.revision import Revision
from build_admin.models.stores.database import Database
from build_admin.models.stores.errors import LeaveGroup
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.statement import Statement, placeholders
from build_admin.models.stores.tables import Columns
from build_admin.models.stores.text import Undecodable

#: How many compiled UPDATE statements are cached; there is one for each set of columns that change together.
_UPDATES = 256

_THIS_BUILD = Build.id == Value("id", converter=False)
_LAST_REVISION = Revision.select(fn.MAX(Revision.revision))

#: A build's row, or None, and the number of its last revision, or 0.
Locked = tuple[tuple[Any, ...] | None, int]


def _one(columns: Columns) -> "ModelSelect[Build]":
    """Return the query for a build's columns and the number of its last revision."""
    return Build.select(*columns.fields, _LAST_REVISION.where(Revision.build_id == Build.id)).where(_THIS_BUILD)


def _updated(names: frozenset[str], undecodable: frozenset[str] = frozenset()) -> Query:
    """Return the UPDATE of the columns that change; SQLite writes the index of each column that an UPDATE names."""
    given = placeholders(Build, sorted(names))
    given |= {Build._meta.fields[name]: Cast(Value(name, converter=False), "TEXT") for name in undecodable}
    return Build.update(given).where(_THIS_BUILD)


def _inserted_revision() -> ModelInsert:
    return Revision.insert(placeholders(Revision, Revision._meta.fields))


class Rows:
    """The rows of builds, in a transaction that writes. In SQLite it has locked the whole database."""

    def __init__(self, database: Database, columns: Columns) -> None:
        """Compile the statements. A build's row has these columns."""
        self._database = database
        self._find = Statement(database, _one(columns))
        self._last_revision = Statement(
            database, _LAST_REVISION.where(Revision.build_id == Value("id", converter=False))
        )
        self._insert = Statement(database, Build.insert(placeholders(Build, columns.names)))
        self._insert_revision = Statement(database, _inserted_revision())
        self._update = lru_cache(_UPDATES)(lambda *columns: Statement(database, _updated(*columns)))

    def lock(self, build_id: int) -> Locked:
        """Lock and return a build's row."""
        return self.find(build_id)

    def find(self, build_id: int) -> Locked:
        """Return a build's row without locking it."""
        row = self._find.first({"id": build_id})
        if row:
            return row[:-1], row[-1] or 0
        # A Vela server may have deleted the build; its revisions remain.
        (last,) = self._last_revision.first({"id": build_id})
        return None, last or 0

    def insert(self, values: Mapping[str, Any], revision: Mapping[str, Any]) -> None:
        """Insert a row with all of its columns, and the revision."""
        self._write(self._insert, values)
        self._write(self._insert_revision, revision)

    def update(self, values: Mapping[str, Any], revision: Mapping[str, Any]) -> None:
        """Update the columns `values` of the build `revision["build_id"]`, and insert the revision."""
        # The module sqlite3 stores bytes as a blob.
        undecodable = {name: value.data for name, value in values.items() if type(value) is Undecodable}
        statement = self._update(frozenset(values), frozenset(undecodable))
        self._write(statement, {**values, **undecodable, "id": revision["build_id"]})
        self._write(self._insert_revision, revision)

    def _write(self, statement: Statement, values: Mapping[str, Any]) -> None:
        if statement.execute(values).rowcount != 1:
            raise peewee.IntegrityError("a write has changed no row, because of a trigger of its table")


class PostgresqlRows(Rows):
    """The rows of builds in PostgreSQL, which locks each row.

    The statements that write are executed together before the commit. If a later member of the group locks the same
    build, its row is not read again: it is known from the earlier member's statement.
    """

    _database: PostgresqlDatabase

    def __init__(self, database: PostgresqlDatabase, columns: Columns) -> None:
        """Compile the statements. A build's row has these columns."""
        super().__init__(database, columns)
        self._names = columns.names
        # If a trigger drops the revision, the UPDATE changes no row, and `execute_later` makes that an error.
        revision, if_inserted = _inserted_revision().returning(Revision.revision), SQL("EXISTS (SELECT FROM inserted)")
        self._update = lru_cache(_UPDATES)(
            lambda columns: Statement(database, _updated(columns).where(if_inserted), insert=revision)
        )
        self._find_free = Statement(database, _one(columns).for_update(skip_locked=True))
        self._wait = Statement(database, Build.select(Build.id).where(_THIS_BUILD).for_update())

    def lock(self, build_id: int) -> Locked:
        """Lock and return a build's row.

        In a group, whose members must not wait, it raises LeaveGroup if the row is missing or locked. Outside a group,
        one statement locks the row and the next one reads it: a statement that has waited for a lock may see an older
        state of other rows, such as the revisions.
        """
        if not self._database.grouped:
            self._wait.execute({"id": build_id})
            return self.find(build_id)
        # What a trigger changes in a row is missing here until the commit, as it is in the answers to PUT.
        locked = self._database.locked_rows
        row = locked.get(build_id) or self._find_free.first({"id": build_id})
        if not row:
            raise LeaveGroup
        locked[build_id] = row
        return row[:-1], row[-1] or 0

    def insert(self, values: Mapping[str, Any], revision: Mapping[str, Any]) -> None:
        """Insert a row with all of its columns, and the revision, before the commit."""
        self._database.execute_later(values["id"], self._insert, values)
        self._database.execute_later(values["id"], self._insert_revision, revision)

    def update(self, values: Mapping[str, Any], revision: Mapping[str, Any]) -> None:
        """Update columns of the build `revision["build_id"]`, and insert the revision, before the commit."""
        build_id = revision["build_id"]
        statement = self._update(frozenset(values))
        self._database.execute_later(build_id, statement, {**values, **revision, "id": build_id})
        if row := self._database.locked_rows.get(build_id):
            # The last column is the number of the last revision.
            columns = (values.get(name, value) for name, value in zip(self._names, row, strict=False))
            self._database.locked_rows[build_id] = (*columns, revision["revision"])
