"""Selection: the builds that pass filters, found by way of the filter that the fewest builds pass."""

from dataclasses import dataclass
from typing import Any

from peewee import SQL, Field, NodeList, fn

from build_admin.models.build import Build
from build_admin.models.filters import Filters
from build_admin.models.stores.database import Database
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.tables import Columns

#: A filter that no more builds pass is passed by few: they are all looked up, counted and sorted.
FEW = 10_000

#: Builds up to which SQLite reads and sorts those that an index has, in place of all builds from the newest on.
_SORTED = 100_000

#: Counts the builds of a query.
COUNT = fn.COUNT(SQL("*"))


@dataclass(frozen=True)
class Selection:
    """The builds that pass some filters.

    Attributes:
        query: a peewee query of them.
        many: whether more than FEW pass each filter that has an index. How many pass all is not known then: two filters
            that many builds pass may have few in common, and finding out takes reading the table.
        newest_first: the terms by which the query is ordered so that an index finds the newest builds soon.

    """

    query: Any
    many: bool
    newest_first: tuple[Any, ...] = (Build.id.desc(),)


def select(database: Database, columns: Columns, filters: Filters, *fields: Any) -> Selection:
    """Return the selection of those fields of the builds that pass `filters`.

    A database is told which index to use. SQLite does not know how many builds have a value. PostgreSQL supposes that
    those builds are spread evenly, and would look for the last builds of a worker that is gone among all newer ones.

    Raises peewee.DatabaseError where the database cannot be read.
    """
    conditions = filters.conditions()
    counts = {
        name: _count(database, condition) for name, condition in conditions.items() if name in columns.indexed
    } or {"": _count(database, None)}
    rarest = min(counts, key=lambda name: counts[name])
    many, value, order = counts[rarest] > FEW, _value(filters, rarest), Selection.newest_first
    if many and value and rarest in columns.ordered:
        # An index of the column and the id is all that has this order. With `=` the key would have it too.
        field = Build._meta.fields[rarest]
        conditions[rarest], order = field.between(value, value), (field.desc(), Build.id.desc())
    if not isinstance(database, PostgresqlDatabase):
        kept = {rarest: conditions.get(rarest)} if order[1:] or counts[rarest] <= _SORTED else {}
        conditions = {**filters.conditions(_without_index), **kept}
    narrowed = [condition for condition in conditions.values() if condition is not None]
    query = Build.select(*fields)
    return Selection(query.where(*narrowed) if narrowed else query, many, order)


def _value(filters: Filters, name: str) -> Any:
    """Return the one value, not a zero, that a filter asks for; None where there is no such."""
    value = getattr(filters, name, None) or None
    if name == "status" and value:
        return value[0] if len(value) == 1 else None
    return value


def _count(database: Database, condition: Any) -> int:
    """Return how many builds meet a condition, _SORTED + 1 if there are more."""
    found = Build.select(SQL("1")).limit(_SORTED + 1)
    return int((found.where(condition) if condition is not None else found).select_from(COUNT).scalar(database))


def _without_index(field: Field) -> Any:
    """Return the field as SQLite uses no index for it: https://www.sqlite.org/optoverview.html, section 2.1."""
    return NodeList((SQL("+"), field), glue="")
