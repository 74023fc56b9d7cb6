"""Plain: an SQL expression for the JSON of a build without newer fields. It takes a third of the time of Python."""

from collections.abc import Collection

from peewee import SQL, CharField

from build_admin.models.build import DOCUMENTED, NEWER, Build
from build_admin.models.stores.database import Database
from build_admin.models.stores.postgresql import PostgresqlDatabase

#: The texts in `deploy_payload` that mean no payload.
_NO_PAYLOADS = "'', 'null', '{}'"


def plain(database: Database, names: Collection[str]) -> SQL:
    """Return an expression for the same JSON as `compact(from_row(row))`.

    It is NULL if the row has a newer field, or a value of another type than its column's (in SQLite).

    Args:
        database: its table `builds` has the usual types (`Columns.usual`).
        names: the columns of that table.

    """
    values = {name: f"""coalesce("{name}", {"''" if _is_text(name) else "0"})""" for name in DOCUMENTED}
    newer = [name for name in NEWER if name in names]
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
