"""Statement: an SQL statement that peewee compiles once and that is executed many times with new values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import peewee

from build_admin.models.stores.database import Database


class Statement:
    """A query in which each value is the name of the parameter that takes its place.

    Peewee takes longer to compile a build's UPDATE than SQLite takes to run it, and the text never changes.
    """

    def __init__(self, database: Database, query: peewee.Query) -> None:
        """Compile `query`, whose values are `peewee.Value(name, converter=False)`, for `database`."""
        self._database = database
        self._sql, self._names = database.get_sql_context().sql(query).query()

    def execute(self, values: Mapping[str, Any]) -> Any:
        """Execute the statement with `values`, by parameter name, and return the DB-API cursor."""
        return self._database.execute_sql(self._sql, [values[name] for name in self._names])

    def all(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Execute the statement as `execute` does, and return its rows. Raises peewee.DatabaseError."""
        return _read(self._database, self._sql, [values[name] for name in self._names])

    def first(self, values: Mapping[str, Any]) -> Any:
        """Execute the statement as `execute` does, and return its first row, None if it has none."""
        return next(iter(self.all(values)), None)

    def execute_many(self, rows: Iterable[Mapping[str, Any]]) -> Callable[[], int]:
        """Execute the statement once for each of `rows`, in order; return what tells how many rows that has changed.

        Raises peewee.DatabaseError as `execute` does.
        """
        with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
            cursor = self._database.cursor()
            cursor.executemany(self._sql, [[row[name] for name in self._names] for row in rows])
        return lambda: int(cursor.rowcount)


def rows(database: Database, query: peewee.Query) -> list[tuple[Any, ...]]:
    """Return every row of a query that is not worth keeping compiled. Raises peewee.DatabaseError."""
    return _read(database, *database.get_sql_context().sql(query).query())


def _read(database: Database, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    try:
        return fetched(database.execute_sql(sql, values))
    except peewee.OperationalError as error:
        # Text that Python cannot decode has no code of SQLite's. What has one, such as a lock, is not waited for twice.
        if hasattr(getattr(error, "orig", None), "sqlite_errorcode") or not database.take_any_text():
            raise
        return fetched(database.execute_sql(sql, values))


def fetched(cursor: Any) -> list[tuple[Any, ...]]:
    """Return every row of a DB-API cursor; where that fails, the cursor is closed. Raises peewee.DatabaseError.

    SQLite keeps a statement that is left in the middle in its snapshot for as long as anybody knows the cursor, as the
    error's traceback does, and a connection with an old snapshot can write no more.
    """
    try:
        with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
            return cursor.fetchall()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        # Only psycopg raises it: a PostgreSQL that was told that its bytes are UTF-8 does not look at them again.
        from build_admin.models.stores.connection import undecoded

        return undecoded(cursor)
    except BaseException:
        cursor.close()
        raise


def placeholders(model: type[peewee.Model], names: Iterable[str]) -> dict[peewee.Field, peewee.Node]:
    """Return what to insert or update those fields of `model` with, in a Statement: the names of its parameters."""
    return {model._meta.fields[name]: peewee.Value(name, converter=False) for name in names}
