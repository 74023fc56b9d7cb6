"""The tables: missing ones are created, and those of a Vela server are used as they are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import peewee

from build_admin.models.build import DOCUMENTED, FIELDS, NEWER, Build, StoredBuild, from_row
from build_admin.models.errors import StoreError
from build_admin.models.repair import Repair, RepairRevision
from build_admin.models.revision import Revision
from build_admin.models.stores.database import Database
from build_admin.models.stores.postgresql import PostgresqlDatabase

MODELS = (Build, Revision, Repair, RepairRevision)

#: The columns by which builds are listed. A new table gets an index on each; `repo_id` is in the index on the number.
INDEXED = ("status", "created", "branch", "host", "number")

#: The largest value of PostgreSQL's integer types that are smaller than the contract's 64 bits.
_NARROW_INTEGERS = {"integer": 2**31 - 1, "smallint": 2**15 - 1}

#: Key of the advisory lock with which processes that start at the same time create the tables one after the other.
_ADVISORY_LOCK = 0x6275696C64


@dataclass(frozen=True)
class Columns:
    """What the table `builds` can hold.

    Attributes:
        present: the fields of a build that have a column.
        limits: the largest integer, or the maximum length in characters, of those fields whose column has a limit.
        usual: whether the documented columns are of integer and text types; always true in SQLite, where each value has
            its own type.
        indexed: the columns that are the first of an index.
        ordered: those of them whose index has the builds with one value in the order of their ids.

    """

    present: frozenset[str]
    limits: Mapping[str, int] = field(default_factory=dict)
    usual: bool = True
    indexed: frozenset[str] = frozenset()
    ordered: frozenset[str] = frozenset()

    @cached_property
    def names(self) -> list[str]:
        """The fields that have a column, in a build's order."""
        return [name for name in FIELDS if name in self.present]

    @property
    def fields(self) -> list[peewee.Field]:
        """The same as fields of the model, to select whole builds."""
        return [Build._meta.fields[name] for name in self.names]

    def build(self, row: Sequence[Any]) -> StoredBuild:
        """Return the build in a row of `fields`."""
        return from_row(dict(zip(self.names, row, strict=True)))

    @property
    def missing(self) -> tuple[str, ...]:
        """The newer fields without a column, as in the table of an older Vela server."""
        return tuple(name for name in NEWER if name not in self.present)


class _Rehearsed(Exception):
    """Rolls the transaction of a rehearsal back; it has the Columns."""


def prepare(database: Database, *, rehearse: bool = False) -> Columns:
    """Create the missing tables, and return what the table `builds` can hold.

    With `rehearse` the transaction is rolled back, so nothing is changed, but an error is found.

    Raises StoreError if an existing table lacks a documented column, and peewee.DatabaseError.
    """

    def work() -> Columns:
        if isinstance(database, PostgresqlDatabase):
            database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))
        for model in MODELS:
            if not database.table_exists(model._meta.table_name):
                _create(database, model)
        found = inspect(database)
        if rehearse:
            raise _Rehearsed(found)
        return found

    try:
        return database.write(work)
    except _Rehearsed as rehearsed:
        columns: Columns = rehearsed.args[0]
        return columns


def absent(database: Database) -> list[str]:
    """Return the names of the missing tables. Raises peewee.DatabaseError."""
    names = [model._meta.table_name for model in MODELS]
    return database.read(lambda: [name for name in names if not database.table_exists(name)])


def inspect(database: Database) -> Columns:
    """Return what the existing table `builds` can hold. Raises StoreError if a documented column is missing."""
    columns = database.get_columns(Build._meta.table_name)
    present = frozenset(column.name for column in columns)
    if lacking := [name for name in DOCUMENTED if name not in present]:
        raise StoreError(
            f"The table 'builds' has no column {', '.join(map(repr, lacking))}; every Vela server's table has it. "
            "Name another database, or add what is missing."
        )
    limits: dict[str, int] = {}
    indexes = [tuple(index.columns) for index in database.get_indexes(Build._meta.table_name)]
    indexed = frozenset(name for name, *_ in indexes) | {"id"}
    if not isinstance(database, PostgresqlDatabase):
        # SQLite enforces no lengths, its integers have 64 bits, and each of its indexes ends with the id.
        return Columns(present, limits, True, indexed, frozenset(names[0] for names in indexes if len(names) == 1))
    for column in columns:
        length = re.fullmatch(r"character varying\((\d+)\)", column.full_type or "")
        if length:
            limits[column.name] = int(length[1])
        elif column.full_type in _NARROW_INTEGERS:
            limits[column.name] = _NARROW_INTEGERS[column.full_type]
    usual = all(
        re.match(
            "(bigint|integer|smallint)$"
            if isinstance(Build._meta.fields[column.name], peewee.IntegerField)
            else "(character varying|text)",
            column.full_type or "",
        )
        for column in columns
        if column.name in DOCUMENTED
    )
    return Columns(present, limits, usual, indexed, frozenset(names[0] for names in indexes if names[1:] == ("id",)))


def _create(database: Database, model: type[peewee.Model]) -> None:
    with model.bind_ctx(database):
        model.create_table(safe=True)
        if model is not Build:
            return
        for name in INDEXED:
            # The id makes the index return the newest builds first. In SQLite every index has it.
            fields = [Build._meta.fields[name], *([Build.id] if isinstance(database, PostgresqlDatabase) else [])]
            database.execute(Build.index(*fields))
        # For the newest build that was created before a time, as models/selection.py looks for it.
        database.execute(Build.index(Build.id, Build.created))
