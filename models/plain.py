"""Plain: an SQL expression for the JSON of a build without newer fields. It takes a third of the time of Python."""

from collections.abc import Collection

import peewee
from peewee import SQL

from build_admin.models.build import DOCUMENTED, NEWER, Build
from build_admin.models.stores.database import Database
from build_admin.models.stores.postgresql import PostgresqlDatabase

#: The values of a newer field's column, as text, that mean no value.
_NONE = {"fork": "'', '0', 'false'", "deploy_payload": "'', 'null', '{}'"}


def plain(database: Database, names: Collection[str]) -> SQL:
    """Return an expression for the same JSON as `compact(from_row(row))`.

    It is NULL if the row has a newer field, or a value of another type than its column's (in SQLite).

    Args:
        database: its table `builds` has the usual types (`Columns.usual`).
        names: the columns of that table.

    """
    zeros = {name: "0" if _is_integer(name) else "''" for name in DOCUMENTED}
    values = {name: f'coalesce("{name}", {zero})' for name, zero in zeros.items()}
    newer = [(name, _NONE.get(name, "'', '0'" if _is_integer(name) else "''")) for name in NEWER if name in names]
    terms = [f"""coalesce(CAST("{name}" AS text), '') IN ({none})""" for name, none in newer]
    if isinstance(database, PostgresqlDatabase):
        row = ", ".join(f'{value} AS "{name}"' for name, value in values.items())
        text = f"(SELECT row_to_json(build)::text FROM (SELECT {row}) AS build)"  # noqa: S608 - the names are a model's
    else:
        text = "json_object(" + ", ".join(f"'{name}', {value}" for name, value in values.items()) + ")"
        kinds = ((name, "integer" if _is_integer(name) else "text") for name in DOCUMENTED)
        terms += [f"""typeof("{name}") IN ('{kind}', 'null')""" for name, kind in kinds]
    return SQL(f"CASE WHEN {' AND '.join(terms) or 'true'} THEN {text} END")


def _is_integer(name: str) -> bool:
    return isinstance(Build._meta.fields[name], peewee.IntegerField)
