"""Statement: an SQL statement that peewee compiles once and that is executed many times with new values."""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import peewee

from build_admin.models.stores.database import Database


class Statement:
    """A compiled query. Each of its values is the name of a parameter.

    Peewee takes longer to compile the UPDATE of a build than SQLite takes to execute it.
    """

    def __init__(self, database: Database, query: peewee.Query, insert: peewee.Query | None = None) -> None:
        """Compile `query` for `database`.

        Args:
            database: the database.
            query: its values are `peewee.Value(name, converter=False)`.
            insert: an INSERT that the same statement executes, as only PostgreSQL can (its manual, section 7.8.4). In
                `query`, the table `inserted` has what it returns.

        """
        self._database = database
        self._sql, self._names = database.get_sql_context().sql(query).query()
        if insert is not None:
            sql, names = database.get_sql_context().sql(insert).query()
            self._sql, self._names = f"WITH inserted AS ({sql}) {self._sql}", [*names, *self._names]

    def execute(self, values: Mapping[str, Any]) -> Any:
        """Execute the statement with `values` by parameter name, and return the DB-API cursor."""
        return self._database.execute_sql(self._sql, [values[name] for name in self._names])

    def all(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Execute the statement as `execute` does, and return its rows. Raises peewee.DatabaseError."""
        return _read(self._database, self._sql, [values[name] for name in self._names])

    def first(self, values: Mapping[str, Any]) -> Any:
        """Execute the statement as `execute` does, and return its first row, None if it has none."""
        return next(iter(self.all(values)), None)

    def execute_many(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Execute the statement for each of `rows`, in order; return the number of rows that this has changed.

        Raises peewee.DatabaseError.
        """
        values = [*map(itemgetter(*self._names), rows)]
        if len(values) == 1:  # psycopg's executemany costs more than twice as much for a single row
            return int(self._database.execute_sql(self._sql, values[0]).rowcount)
        with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
            cursor = self._database.cursor()
            cursor.executemany(self._sql, values)
        return int(cursor.rowcount)


def rows(database: Database, query: peewee.Query) -> list[tuple[Any, ...]]:
    """Compile and execute a query, and return its rows. Raises peewee.DatabaseError."""
    return _read(database, *database.get_sql_context().sql(query).query())


def _read(database: Database, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    try:
        return fetched(database.execute_sql(sql, values))
    except peewee.OperationalError as error:
        # An error of SQLite itself, such as a lock, has a code. An error in decoding text has none.
        if hasattr(getattr(error, "orig", None), "sqlite_errorcode") or not database.take_any_text():
            raise
        return fetched(database.execute_sql(sql, values))


def fetched(cursor: Any) -> list[tuple[Any, ...]]:
    """Return every row of a DB-API cursor; close the cursor if that fails. Raises peewee.DatabaseError.

    An unfinished statement of SQLite keeps its snapshot as long as a reference to the cursor exists, for example in a
    traceback, and a connection with an old snapshot cannot write.
    """
    try:
        with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
            return cursor.fetchall()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        # Only psycopg raises it. PostgreSQL does not validate text that it has stored.
        from build_admin.models.stores.connection import undecoded

        return undecoded(cursor)
    except BaseException:
        cursor.close()
        raise


def placeholders(model: type[peewee.Model], names: Iterable[str]) -> dict[peewee.Field, peewee.Node]:
    """Return what an INSERT or UPDATE in a Statement sets fields of `model` to: parameters with the fields' names."""
    return {model._meta.fields[name]: peewee.Value(name, converter=False) for name in names}
