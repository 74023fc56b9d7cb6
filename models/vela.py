"""Vela: a Vela server's other tables in the same database. They are optional, and never written."""

from peewee import BigAutoField, BigIntegerField, CharField, Model

from build_admin.models.stores.database import Database
from build_admin.models.stores.postgresql import PostgresqlDatabase

#: Returns a table's columns, and whether each may be read; no rows if there is no such table. `to_regclass` finds the
#: same table as the unqualified name in a statement.
_SQLITE = "SELECT name, 1 FROM pragma_table_info(?)"
_POSTGRESQL = (
    "SELECT attname, has_column_privilege(attrelid, attnum, 'SELECT') FROM pg_attribute "
    "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
)


class Repo(Model):
    """A row of `repos`, which has more columns. If there is this table, a Vela server stores its builds here too."""

    id = BigAutoField()
    full_name = CharField(500)
    counter = BigIntegerField()

    class Meta:
        table_name = "repos"


class Worker(Model):
    """A row of `workers`; `running_build_ids` is a PostgreSQL array as text, `{12,15}`, on SQLite too."""

    hostname = CharField(250, primary_key=True)
    running_build_ids = CharField(500, null=True)
    last_checked_in = BigIntegerField(null=True)

    class Meta:
        table_name = "workers"


class Executable(Model):
    """A row of `build_executables`: what a worker executes for a pending build, which cannot run without it."""

    build_id = BigIntegerField(primary_key=True)

    class Meta:
        table_name = "build_executables"


def columns(database: Database, model: type[Model]) -> dict[str, bool]:
    """Return the columns of the model's table, and whether each may be read. There are none if there is no such table.

    This must be asked before a SELECT: on PostgreSQL, one that is refused aborts its transaction. Raises
    peewee.DatabaseError.
    """
    query = _POSTGRESQL if isinstance(database, PostgresqlDatabase) else _SQLITE
    found = database.execute_sql(query, (model._meta.table_name,)).fetchall()
    return {name: bool(allowed) for name, allowed in found}


def withheld(database: Database) -> list[str]:
    """Return the names of the tables that may not be read, or not all of their columns. Raises peewee.DatabaseError."""
    return [
        model._meta.table_name
        for model in (Repo, Worker, Executable)
        if not all(columns(database, model).get(name, True) for name in model._meta.fields)
    ]
