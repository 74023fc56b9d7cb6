"""Builds: the stored builds, and the one transaction in which a build is overwritten and a revision of it left."""

import json
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

import peewee
from peewee import Value, fn

from models.build import Build, canonical, changes, etag, from_row, left_out, normal, to_row
from models.database import CommitLost, Database, PostgresqlDatabase
from models.errors import BuildNotFound, FieldsLeftOut, NumberTaken, Unstorable
from models.revision import Revision
from models.statement import Statement, placeholders
from models.tables import Columns

#: How many UPDATE statements are kept compiled, one for each set of columns that overwrites change together.
_UPDATES = 256

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
        revision: the number of the revision that it left; None if nothing was written.

    """

    build: dict[str, Any]
    created: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)
    revision: int | None = None


class Builds:
    """The builds in a database, with what can be done to them."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self.database = database
        names = columns.names
        fields = [Build._meta.fields[name] for name in names]
        this = Build.id == Value("id", converter=False)
        last_revision = Revision.select(fn.MAX(Revision.revision)).where(Revision.build_id == Build.id)
        self._names = names
        self._find = Statement(database, Build.select(*fields).where(this))
        # SQLite locks the whole database when a transaction that writes begins. On PostgreSQL the build is read after
        # its row is locked, by a statement of its own: the one that waits for a lock may not see what it waited for.
        locks = isinstance(database, PostgresqlDatabase)
        self._lock = Statement(database, Build.select(Build.id).where(this).for_update()) if locks else None
        self._find_with_revision = Statement(database, Build.select(*fields, last_revision).where(this))
        self._last_revision = Statement(
            database,
            Revision.select(fn.MAX(Revision.revision)).where(Revision.build_id == Value("id", converter=False)),
        )
        self._insert = Statement(database, Build.insert(placeholders(Build, names)))
        self._update = lru_cache(_UPDATES)(self._compile_update)
        self._number_of = Statement(
            database,
            Build.select(Build.id).where(
                Build.repo_id == Value("repo_id", converter=False),
                Build.number == Value("number", converter=False),
            ),
        )
        self._revision = Statement(
            database,
            Revision.select(Revision.by, Revision.request_id, Revision.changes).where(
                Revision.build_id == Value("id", converter=False),
                Revision.revision == Value("revision", converter=False),
            ),
        )
        self._insert_revision = Statement(
            database, Revision.insert(placeholders(Revision, list(Revision._meta.fields)))
        )

    def find(self, build_id: int) -> dict[str, Any]:
        """Return the build with this id. Raises BuildNotFound and peewee.DatabaseError."""
        build = self.database.read(partial(self.stored, build_id))
        if build is None:
            raise BuildNotFound(build_id)
        return build

    def stored(self, build_id: int) -> dict[str, Any] | None:
        """Return the build with this id, None if there is none, to work that the database is already running."""
        row = self._find.execute({"id": build_id}).fetchone()
        return from_row(dict(zip(self._names, row, strict=True))) if row else None

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
        overwritten = Overwritten({})

        def work() -> Overwritten:
            nonlocal overwritten
            overwritten = self._overwrite(fields, author, create, precondition, dry_run)
            return overwritten

        try:
            return self.database.write(work)
        except CommitLost:
            if self._is_stored(overwritten, author):
                return overwritten
            raise peewee.OperationalError("the connection was lost before the commit") from None
        except peewee.IntegrityError:
            # On PostgreSQL another transaction may take the id or the number between the check and the write.
            # What it took is visible now, so the second attempt knows what to say.
            return self.database.write(work)
        except peewee.DataError as error:
            raise Unstorable from error

    def _is_stored(self, overwritten: Overwritten, author: Author) -> bool:
        """Return whether an overwrite was committed, of which no answer came. Raises CommitLost if none can say."""

        def revision() -> Any:
            # Whoever commits still holds the row; to wait for it is to wait for the outcome.
            self._locked(overwritten.build["id"])
            return self._revision.execute(vars(overwritten) | overwritten.build).fetchone()

        try:
            left = self.database.write(revision)
        except peewee.DatabaseError as error:
            raise CommitLost(str(error)) from error
        return overwritten.revision is None or left == (author.subject, author.request_id, _text(overwritten.changes))

    def _overwrite(
        self,
        fields: Mapping[str, Any],
        author: Author,
        create: bool,
        precondition: Precondition | None,
        dry_run: bool,
    ) -> Overwritten:
        stored, last_revision = self._locked(fields["id"])
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
        self._check_number(build, stored or {})
        overwritten = Overwritten(build, stored is None, changes(stored or {}, build))
        if dry_run:
            return overwritten
        if stored:
            row = to_row(build, overwritten.changes)
            self._update(frozenset(row)).execute(row | {"id": build["id"]})
        else:
            self._insert.execute(to_row(build, self._names))
        self._leave_revision(overwritten, last_revision + 1, before, author)
        return replace(overwritten, revision=last_revision + 1)

    def _compile_update(self, names: frozenset[str]) -> Statement:
        """Return the UPDATE of the columns that change; SQLite writes the index of each column that is named in it."""
        changed = placeholders(Build, sorted(names))
        return Statement(self.database, Build.update(changed).where(Build.id == Value("id", converter=False)))

    def _leave_revision(self, overwritten: Overwritten, revision: int, before: bytes | None, author: Author) -> None:
        self._insert_revision.execute(
            {
                "build_id": overwritten.build["id"],
                "revision": revision,
                "at": int(time.time()),
                "by": author.subject,
                "request_id": author.request_id,
                "changes": _text(overwritten.changes),
                "before": before.decode("utf-8") if before else None,
            }
        )

    def _check_number(self, build: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        repo_id, number = build["repo_id"], build["number"]
        if (repo_id, number) != (stored.get("repo_id"), stored.get("number")):
            other = self._number_of.execute(build).fetchone()
            if other and other[0] != build["id"]:
                raise NumberTaken(repo_id, number, other[0])

    def _locked(self, build_id: int) -> tuple[dict[str, Any] | None, int]:
        """Return the build, locked for this transaction, and the number of its last revision, 0 if it has none."""
        if self._lock:
            self._lock.execute({"id": build_id})
        row = self._find_with_revision.execute({"id": build_id}).fetchone()
        if row:
            return from_row(dict(zip(self._names, row[:-1], strict=True))), row[-1] or 0
        # A build that is gone from a Vela server's table has left its revisions.
        (last,) = self._last_revision.execute({"id": build_id}).fetchone()
        return None, last or 0


def _text(changes: Mapping[str, Any]) -> str:
    return json.dumps(changes, ensure_ascii=False, separators=(",", ":"))
