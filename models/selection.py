"""Selection: the query for the builds that pass filters, by the index that finds the fewest of them."""

from dataclasses import dataclass
from typing import Any

from peewee import SQL, Field, NodeList, fn

from build_admin.models.build import Build
from build_admin.models.filters import Filters
from build_admin.models.stores.database import Database
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.tables import Columns

#: Up to so many builds are all read, counted and sorted.
FEW = 10_000

#: The most builds that are counted for a filter. Up to so many, SQLite reads and sorts those that an index finds. If
#: there are more, it reads all builds from the newest on.
_COUNTED = 100_000

#: Counts the builds of a query.
COUNT = fn.COUNT(SQL("*"))


@dataclass(frozen=True)
class Selection:
    """The builds that pass some filters.

    Attributes:
        query: the peewee query.
        many: whether more than FEW builds pass each filter that has an index. Then those that pass all filters are not
            counted, because that may read the whole table.
        total: how many builds pass the filters; None if that is not known without reading them.
        newest_first: the ORDER BY terms with which an index finds the newest builds quickly.

    """

    query: Any
    many: bool
    total: int | None = None
    newest_first: tuple[Any, ...] = (Build.id.desc(),)


def select(database: Database, columns: Columns, filters: Filters, *fields: Any) -> Selection:
    """Return the selection of those fields of the builds that pass `filters`.

    The query makes the database use a certain index. SQLite does not know how many builds have a value. PostgreSQL
    assumes that these builds are evenly distributed: it would look for the last builds of a removed worker by reading
    all newer builds.

    Raises peewee.DatabaseError if the database cannot be read.
    """
    in_postgresql = isinstance(database, PostgresqlDatabase)
    if in_postgresql:
        # Otherwise PostgreSQL keeps a generic plan after five executions, which scans the table for a rare value.
        database.execute_sql("SET LOCAL plan_cache_mode = force_custom_plan")
    conditions = filters.conditions()
    counts = {
        name: _count(database, condition) for name, condition in conditions.items() if name in columns.indexed
    } or {"": _count(database, None)}
    rarest = min(counts, key=lambda name: counts[name])
    many, value, order = counts[rarest] > FEW, _value(filters, rarest), Selection.newest_first
    # If there is one filter at most, and an index for it, the total is counted already.
    counted = conditions.keys() <= counts.keys() and len(counts) == 1 and counts[rarest] <= _COUNTED
    skips_newer = many and counts.get("created", 0) > _COUNTED
    if many and value and rarest in columns.ordered:
        field = Build._meta.fields[rarest]
        order = (field.desc(), Build.id.desc())
        if in_postgresql or not skips_newer:
            # With BETWEEN, only an index on the column and the id has this order; with `=`, the primary key has it too.
            # With `=`, SQLite can begin at an id in that index, which `skips_newer` needs.
            conditions[rarest] = field.between(value, value)
    if not in_postgresql:
        kept = {rarest: conditions.get(rarest)} if order[1:] or counts[rarest] <= _COUNTED else {}
        conditions = {**filters.conditions(_without_index), **kept}
    if skips_newer:
        # The index on the id and the time finds the newest build that passes the filters on the time. The builds that
        # are newer than that one are not read.
        newest = Build.select(Build.id).where(conditions["created"]).order_by(Build.id.desc()).limit(1)
        conditions["newest"] = Build.id <= newest
    narrowed = [condition for condition in conditions.values() if condition is not None]
    query = Build.select(*fields)
    return Selection(query.where(*narrowed) if narrowed else query, many, counts[rarest] if counted else None, order)


def _value(filters: Filters, name: str) -> Any:
    """Return the value of a filter if it is a single one and not zero, else None."""
    value = getattr(filters, name, None) or None
    if name == "status" and value:
        return value[0] if len(value) == 1 else None
    return value


def _count(database: Database, condition: Any) -> int:
    """Return how many builds meet a condition; _COUNTED + 1 if there are more."""
    found = Build.select(SQL("1")).limit(_COUNTED + 1)
    return int((found.where(condition) if condition is not None else found).select_from(COUNT).scalar(database))


def _without_index(field: Field) -> Any:
    """Return the field as an expression without an index (https://www.sqlite.org/optoverview.html, section 2.1)."""
    return NodeList((SQL("+"), field), glue="")
