"""Builds: reads and overwrites stored builds. An overwrite and its revision are one transaction."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import peewee
from peewee import Value

from build_admin.models.build import (
    Build,
    StoredBuild,
    canonical,
    changes,
    compact,
    etag,
    from_row,
    normal,
    to_row,
)
from build_admin.models.errors import BuildNotFound, Faulty, NumberTaken, Unchanged
from build_admin.models.revision import following, recorded, restoring
from build_admin.models.rules import Faults, Rules
from build_admin.models.stores.database import Database
from build_admin.models.stores.errors import LeaveGroup, refusal
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.rows import PostgresqlRows, Rows
from build_admin.models.stores.statement import Statement
from build_admin.models.stores.tables import Columns

#: How often an overwrite is tried while concurrent transactions take its id or number.
ATTEMPTS = 4

#: Called with the stored build's opaque tag, or None if there is no build. May raise PreconditionFailed.
Precondition = Callable[[str | None], None]


@dataclass(frozen=True)
class Author:
    """Who requests an overwrite; a revision has this.

    Attributes:
        subject: the token's subject.
        request_id: the request's id, 1 to 64 characters.

    """

    subject: str
    request_id: str


@dataclass(frozen=True)
class Overwritten:
    """The result of an overwrite.

    Attributes:
        build: the build as it is stored now; for a dry run, as it would be.
        created: whether it did not exist before.
        changes: the fields that differ; empty if nothing does.
        revision: the number of the new revision; None if nothing was written.

    """

    build: dict[str, Any]
    created: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)
    revision: int | None = None


class Builds:
    """The builds in a database."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self.database = database
        self._columns = columns
        self._rules = Rules(database, columns)
        this = Build.id == Value("id", converter=False)
        self._find = Statement(database, Build.select(*columns.fields).where(this))
        self._rows = (
            PostgresqlRows(database, columns) if isinstance(database, PostgresqlDatabase) else Rows(database, columns)
        )
        self._number_of = Statement(
            database,
            Build.select(Build.id).where(
                Build.repo_id == Value("repo_id", converter=False),
                Build.number == Value("number", converter=False),
            ),
        )

    def find(self, build_id: int) -> StoredBuild:
        """Return the build with this id. Raises BuildNotFound and peewee.DatabaseError."""
        build = self.database.read(partial(self.stored, build_id))
        if build is None:
            raise BuildNotFound(build_id)
        return build

    def stored(self, build_id: int) -> StoredBuild | None:
        """Return the build with this id, or None. For use in a transaction."""
        return self._build(self._find.first({"id": build_id}))

    def faults(self, fields: Mapping[str, Any], create: bool) -> Faults:
        """Return the rules that an overwrite with `fields` would break. Fields other than the id may be missing."""

        def work() -> Faults:
            stored = self.stored(fields["id"])
            return self._rules.faults([(stored, fields)])[0] if stored or create else {}

        return self.database.read(work)

    def overwrite(
        self,
        fields: Mapping[str, Any],
        author: Author,
        *,
        create: bool = False,
        precondition: Precondition | None = None,
        dry_run: bool = False,
    ) -> Overwritten:
        """Replace the whole build with the id `fields["id"]`, and store a revision, in one transaction.

        Args:
            fields: every documented field, and any newer ones; None clears a newer one. The row of a StoredBuild is
                restored exactly.
            author: who requests it.
            create: whether to create a build that does not exist.
            precondition: called first, with the tag of the stored build.
            dry_run: whether to write nothing.

        Raises:
            BuildNotFound: there is no such build, and `create` is false.
            PreconditionFailed: raised by `precondition`.
            Faulty: a newer field is missing, or a rule of the Vela server is broken.
            NumberTaken: another build has this repo_id and number.
            Unstorable: the table cannot store a value.
            Conflict: a constraint or trigger refuses it, or the build's last revision has the largest number.
            CommitLost: it is not known whether the transaction was committed.
            peewee.DatabaseError: the database cannot be read or written; nothing was stored.

        """
        work = partial(self._overwrite, fields, author, create, precondition)
        try:
            if dry_run:
                with self.database.snapshot():
                    return work(dry_run=True)
            for _ in range(ATTEMPTS - 1):
                # A concurrent transaction can take the id or the number between the check and the write. The next
                # attempt finds it and raises NumberTaken, unless it has been freed and taken again meanwhile.
                with contextlib.suppress(peewee.IntegrityError):
                    return self.database.write(work)
            return self.database.write(work)
        except Unchanged as unchanged:
            return Overwritten(unchanged.build)
        except peewee.DatabaseError as error:
            if refused := refusal(error):
                raise refused from error
            raise

    def _overwrite(
        self,
        fields: Mapping[str, Any],
        author: Author,
        create: bool,
        precondition: Precondition | None,
        dry_run: bool = False,
    ) -> Overwritten:
        row, last_revision = (self._rows.find if dry_run else self._rows.lock)(fields["id"])
        stored = self._build(row)
        text = canonical(stored) if stored else b""
        if precondition:
            precondition(etag(text, stored) if stored else None)
        if stored is None and not create:
            raise BuildNotFound(fields["id"])
        if stored and isinstance(fields, StoredBuild):
            values = restoring(stored, fields)
            build: dict[str, Any] = from_row({**stored.row, **values})
            changed = changes(stored, build)
        else:
            if faults := self._rules.faults([(stored, fields)])[0]:
                raise Faulty("build", faults)
            build = normal(fields, stored)
            changed = changes(stored or {}, build)
            values = to_row(build, changed if stored else self._columns.names)
        if stored and not changed:
            raise Unchanged(stored)
        self._check_number(build, stored or {})
        number = following(last_revision, build["id"])
        if dry_run:
            return Overwritten(build, stored is None, changed)
        revision = {
            "build_id": build["id"],
            "revision": number,
            "at": int(time.time()),
            "by": author.subject,
            "request_id": author.request_id,
            "changes": compact(changed),
            "before": recorded(stored, text) if stored else None,
        }
        if stored:
            self._rows.update(values, revision)
        else:
            self._rules.pass_id(build["id"])
            self._rows.insert(values, revision)
        return Overwritten(build, stored is None, changed, number)

    def _build(self, row: tuple[Any, ...] | None) -> StoredBuild | None:
        return self._columns.build(row) if row else None

    def _check_number(self, build: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        """Raise NumberTaken if another build has this repo_id and number."""
        if _number(build) == _number(stored):
            return
        if self.database.grouped and isinstance(self.database, PostgresqlDatabase):
            # The write might wait for a concurrent transaction that takes the number too.
            raise LeaveGroup
        other = self._number_of.first(build)
        if other and other[0] != build["id"]:
            raise NumberTaken(*_number(build), other[0])


def _number(build: Mapping[str, Any]) -> tuple[Any, Any]:
    return build.get("repo_id"), build.get("number")
