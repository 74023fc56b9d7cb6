"""Builds: the stored builds, and the one transaction in which a build is overwritten and a revision of it left."""

import time
from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import Any

import peewee
from peewee import Value

from build_admin.models.build import Build, canonical, changes, compact, etag, from_row, left_out, normal, to_row
from build_admin.models.errors import BuildNotFound, FieldsLeftOut, MustWait, NumberTaken, Unstorable
from build_admin.models.stores.database import Database
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.rows import PostgresqlRows, SqliteRows
from build_admin.models.stores.statement import Statement
from build_admin.models.stores.tables import Columns

#: How many builds are read in one statement at the most; there is a statement for each number of them.
READ_AT_ONCE = 32

#: Gives a build that was read; raises BuildNotFound, and StoredBuildUnreadable.
Found = Callable[[], dict[str, Any]]

#: Given the stored build's opaque tag, or None where there is no build, raises PreconditionFailed or does nothing.
Precondition = Callable[[str | None], None]


@dataclass(frozen=True)
class Author:
    """Who asks for an overwrite, for the revision that it leaves.

    Attributes:
        subject: the token's subject.
        request_id: the request's id, 1 to 64 characters.

    """

    subject: str
    request_id: str


@dataclass(frozen=True)
class Overwritten:
    """What an overwrite came to.

    Attributes:
        build: the build as it is now stored, or would be after a dry run.
        created: whether there was none before.
        changes: what differs from before, by field; empty if nothing does.
        number: tells the number of the revision that it left; None if nothing was written.

    """

    build: dict[str, Any]
    created: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)
    number: Callable[[], int] | None = None

    @cached_property
    def revision(self) -> int | None:
        """The number of the revision that it left, None if nothing was written; to be asked for after the commit."""
        return self.number() if self.number else None


class Builds:
    """The builds in a database, with what can be done to them."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self.database = database
        self._names = columns.names
        self._find = lru_cache(READ_AT_ONCE)(self._compile_find)
        self._rows = (
            PostgresqlRows(database, columns.names)
            if isinstance(database, PostgresqlDatabase)
            else SqliteRows(database, columns.names)
        )
        self._number_of = Statement(
            database,
            Build.select(Build.id).where(
                Build.repo_id == Value("repo_id", converter=False),
                Build.number == Value("number", converter=False),
            ),
        )

    def find(self, build_id: int) -> dict[str, Any]:
        """Return the build with this id. Raises BuildNotFound and peewee.DatabaseError."""
        return self.find_all({build_id})[build_id]()

    def find_all(self, ids: Collection[int]) -> dict[int, Found]:
        """Read at most READ_AT_ONCE builds in one statement; return, by id, what gives each as `find` does.

        Raises peewee.DatabaseError.
        """
        rows = self.database.read(partial(self._select, ids))
        return {build_id: partial(self._found, build_id, rows.get(build_id)) for build_id in ids}

    def stored(self, build_id: int) -> dict[str, Any] | None:
        """Return the build with this id, None if there is none, to work that the database is already running."""
        return self._build(self._select([build_id]).get(build_id))

    def left_out(self, build_id: int, mentioned: Container[str]) -> list[str]:
        """Return the newer fields in which the stored build has a value and that are not among those `mentioned`."""
        build = self.database.read(partial(self.stored, build_id))
        return left_out(build or {}, mentioned)

    def overwrite(
        self,
        fields: Mapping[str, Any],
        author: Author,
        *,
        create: bool = False,
        precondition: Precondition | None = None,
        dry_run: bool = False,
    ) -> Overwritten:
        """Replace the build whose id is `fields["id"]`, whole, and leave a revision: both or neither.

        Args:
            fields: every documented field, and those newer ones that are mentioned; None clears a newer one.
            author: who asks.
            create: whether a build that is not there is made; without it that is BuildNotFound.
            precondition: what the stored build is checked with before anything else.
            dry_run: whether to stop before writing.

        Raises:
            BuildNotFound: there is no such build, and `create` is false.
            PreconditionFailed: `precondition` says so.
            FieldsLeftOut: the stored build has values in newer fields that are not mentioned.
            NumberTaken: another build has this repo_id and number.
            Unstorable: the table cannot hold a value, though it seemed to.
            CommitLost: the database was lost with the commit, and cannot be asked whether the build was stored.
            peewee.DatabaseError: the database cannot be read or written; nothing was stored.

        """
        work = partial(self._overwrite, fields, author, create, precondition, dry_run)
        try:
            try:
                return self.database.write(partial(work, wait=False))
            except MustWait:
                # Whoever waits for another's lock while he holds one himself may wait for ever.
                self.database.settle()
                return self.database.write(work)
        except (peewee.IntegrityError, peewee.DataError):
            # Another transaction has taken the id or the number between the check and the write, or what failed was
            # written by who shares the commit. The second attempt, which waits for each statement, knows what to say.
            try:
                return self.database.write(work)
            except peewee.DataError as error:
                raise Unstorable from error

    def _overwrite(
        self,
        fields: Mapping[str, Any],
        author: Author,
        create: bool,
        precondition: Precondition | None,
        dry_run: bool,
        wait: bool = True,
    ) -> Overwritten:
        row, last_revision = self._rows.lock(fields["id"], wait)
        stored = self._build(row)
        before = canonical(stored) if stored else None
        if precondition:
            precondition(etag(before) if before else None)
        if stored is None and not create:
            raise BuildNotFound(fields["id"])
        if names := left_out(stored or {}, fields):
            raise FieldsLeftOut(names)
        build = normal(fields)
        if build == stored:
            return Overwritten(stored)
        if self._rows.contended and not wait and _number(build) != _number(stored or {}):
            raise MustWait
        self._check_number(build, stored or {})
        changed = changes(stored or {}, build)
        if dry_run:
            return Overwritten(build, stored is None, changed)
        revision = {
            "build_id": build["id"],
            "revision": last_revision + 1,
            "at": int(time.time()),
            "by": author.subject,
            "request_id": author.request_id,
            "changes": compact(changed),
            "before": before.decode("utf-8") if before else None,
        }
        number = (
            self._rows.update(to_row(build, changed), revision, wait)
            if stored
            else self._rows.insert(to_row(build, self._names), revision)
        )
        return Overwritten(build, stored is None, changed, number)

    def _compile_find(self, count: int) -> Statement:
        fields = [Build._meta.fields[name] for name in self._names]
        ids = [Value(str(number), converter=False) for number in range(count)]
        return Statement(self.database, Build.select(*fields).where(Build.id.in_(ids)))

    def _select(self, ids: Collection[int]) -> dict[int, tuple[Any, ...]]:
        values = {str(number): build_id for number, build_id in enumerate(ids)}
        return {row[0]: row for row in self._find(len(ids)).all(values)}  # the first column is the id

    def _found(self, build_id: int, row: tuple[Any, ...] | None) -> dict[str, Any]:
        build = self._build(row)
        if build is None:
            raise BuildNotFound(build_id)
        return build

    def _build(self, row: tuple[Any, ...] | None) -> dict[str, Any] | None:
        return from_row(dict(zip(self._names, row, strict=True))) if row else None

    def _check_number(self, build: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        if _number(build) != _number(stored):
            other = self._number_of.first(build)()
            if other and other[0] != build["id"]:
                raise NumberTaken(*_number(build), other[0])


def _number(build: Mapping[str, Any]) -> tuple[Any, Any]:
    return build.get("repo_id"), build.get("number")
