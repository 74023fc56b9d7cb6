"""Many: reads, inserts and updates many rows in few statements.

SQLite runs in this process, where Python is what costs time: `executemany` loops in C. PostgreSQL costs a round trip
for each statement, so many rows are one statement: an UPDATE with arrays, or a COPY.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import peewee
from peewee import BooleanField, CharField, Model, Value, fn

from build_admin.models.stores.database import Database
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.statement import Statement, fetched, placeholders
from build_admin.models.stores.text import Undecodable

#: Maximum number of rows in a statement: it takes some milliseconds, far less than any timeout.
AT_ONCE = 500


def among(database: Database, field: peewee.Field) -> peewee.Expression:
    """Return the condition that `field` is in the parameter `ids` of a Statement; `listed` makes its value."""
    ids = Value("ids", converter=False)
    if isinstance(database, PostgresqlDatabase):
        return field == fn.ANY(ids)
    return field.in_(peewee.Select([fn.json_each(ids)], [peewee.SQL("value")]))


def listed(database: Database, ids: Sequence[int]) -> Any:
    """Return the value of the parameter `ids`."""
    return list(ids) if isinstance(database, PostgresqlDatabase) else f"[{','.join(map(str, ids))}]"


#: The builds that have one of the given pairs. For an IN with row values, SQLite would read the whole table.
_OWNERS = """
    SELECT builds.repo_id, builds.number, builds.id FROM json_each(?) AS given CROSS JOIN builds
    ON builds.repo_id = json_extract(given.value, '$[0]') AND builds.number = json_extract(given.value, '$[1]')
"""
# LIMIT makes PostgreSQL use the index. Without it, a table that has grown since ANALYZE is read as a whole.
_OWNERS_IN_POSTGRESQL = """
    SELECT given.repo_id, given.number, owner.id
    FROM unnest(%s::bigint[], %s::bigint[]) AS given (repo_id, number) CROSS JOIN LATERAL (
        SELECT id FROM builds WHERE builds.repo_id = given.repo_id AND builds.number = given.number LIMIT 1
    ) AS owner
"""


def owners_of(database: Database, numbers: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Return the ids of the builds that have these numbers, by repo_id and number. Raises peewee.DatabaseError."""
    if isinstance(database, PostgresqlDatabase):
        cursor = database.execute_sql(_OWNERS_IN_POSTGRESQL, [list(column) for column in zip(*numbers, strict=True)])
    else:
        cursor = database.execute_sql(_OWNERS, [json.dumps(numbers)])
    return {(repo_id, number): build_id for repo_id, number, build_id in fetched(cursor)}


def require_written(written: int, rows: int) -> None:
    """Raise peewee.IntegrityError unless as many rows were written as there are."""
    if written != rows:
        raise peewee.IntegrityError("a write has changed too few rows, because of a trigger or a policy of the table")


class Many:
    """Writes rows of one table. To be updated, its primary key must be `id`."""

    def __init__(self, database: Database, model: type[Model], names: Sequence[str] = ()) -> None:
        """Prepare for a table with the columns `names`; by default, all of the model."""
        self._database = database
        self._model = model
        self._table = model._meta.table_name
        self._names = names or list(model._meta.fields)
        self._insert = Statement(database, model.insert(placeholders(model, self._names)))
        self._update = lru_cache(64)(self._compile_update)

    def insert(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert `rows`; each has all of the columns.

        Raises peewee.IntegrityError if a row was not inserted, and peewee.DatabaseError.
        """
        if rows:
            copies = isinstance(self._database, PostgresqlDatabase) and not self._is_policed()
            require_written(self._copy(rows) if copies else self._insert.execute_many(rows), len(rows))

    def _copy(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Insert rows with a COPY; return how many were inserted."""
        cursor = self._database.cursor()
        columns = ", ".join(f'"{name}"' for name in self._names)
        with (
            peewee.__exception_wrapper__,  # type: ignore[attr-defined]
            cursor.copy(f'COPY "{self._table}" ({columns}) FROM STDIN') as copy,
        ):
            for row in rows:
                copy.write_row([row[name] for name in self._names])
        return int(cursor.rowcount)

    def _is_policed(self) -> bool:
        """Return whether row-level security applies to the role, in whose place PostgreSQL takes no COPY."""
        return bool(self._database.execute_sql("SELECT row_security_active(%s)", (self._table,)).fetchone()[0])

    def update(self, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Update rows by id; for each, the columns and values are given, one at least.

        Raises peewee.IntegrityError if a row was not changed, and peewee.DatabaseError.
        """
        alike: dict[tuple[tuple[str, bool], ...], list[list[Any]]] = {}
        for row_id, values in rows:
            columns = tuple((name, type(value) is Undecodable) for name, value in values.items())
            alike.setdefault(columns, []).append([*values.values(), row_id])
        for columns, found in alike.items():
            require_written(self._update_alike(columns, found), len(found))

    def _update_alike(self, columns: tuple[tuple[str, bool], ...], rows: list[list[Any]]) -> int:
        """Update rows, each given as the values of the columns and the id; return how many were changed."""
        cursor = self._database.cursor()
        with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
            if isinstance(self._database, PostgresqlDatabase):
                cursor.execute(self._update(columns), [list(column) for column in zip(*rows, strict=True)])
            else:
                if any(undecodable for _, undecodable in columns):
                    rows = [[getattr(value, "data", value) for value in row] for row in rows]
                cursor.executemany(self._update(columns), rows)
        return int(cursor.rowcount)

    def _compile_update(self, columns: tuple[tuple[str, bool], ...]) -> str:
        """Return an UPDATE of these columns, each given with whether its values are Undecodable."""
        names = [name for name, _ in columns]
        if not isinstance(self._database, PostgresqlDatabase):
            # The module sqlite3 stores bytes as a blob.
            set_to = (f'"{name}" = {"CAST(? AS TEXT)" if undecodable else "?"}' for name, undecodable in columns)
            return f'UPDATE "{self._table}" SET {", ".join(set_to)} WHERE id = ?'  # noqa: S608 - the names are a model's
        arrays = ", ".join(f"%s::{self._type(name)}[]" for name in (*names, "id"))
        given = ", ".join(f"v{number}" for number in range(len(names)))
        changed = ", ".join(f'"{name}" = v{number}' for number, name in enumerate(names))
        source = f"unnest({arrays}) AS given ({given}, given_id)"
        return f'UPDATE "{self._table}" SET {changed} FROM {source} WHERE "{self._table}".id = given_id'  # noqa: S608

    def _type(self, name: str) -> str:
        field = self._model._meta.fields[name]
        kinds: list[tuple[type, str]] = [(CharField, "text"), (BooleanField, "boolean")]
        return next((name for kind, name in kinds if isinstance(field, kind)), "bigint")
