"""What both databases have in common: how work is run on one, read, or written whole or not at all.

Each is a peewee database. Every thread has a connection of its own, opened when it is first needed and replaced when it
proves to be lost, so there is always one for each thread and none to give back.
"""

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import peewee

from build_admin.models.errors import Refusal

T = TypeVar("T")

#: Seconds that a statement waits for another process's lock before the request is answered with 503.
LOCK_TIMEOUT = 5


class CommitLost(peewee.OperationalError):
    """The connection was lost during a commit, and whether the transaction was committed is not known."""


class _Opened:
    """Stands for a thread's open connection; it goes with the thread, or when another takes its place."""


class _Thread(threading.local):
    """What a thread is at."""

    connection: _Opened | None = None
    sharing = False
    uncommitted: "SharedCommit | None" = None


class Database(peewee.Database):
    """A database, to which a thread may commit several pieces of work at once: a commit costs more than most work."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        #: The open connections of all threads.
        self.connections: weakref.WeakSet[_Opened] = weakref.WeakSet()
        self._thread = _Thread()
        super().__init__(*arguments, **options)

    def read(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. Raises peewee.DatabaseError where the database cannot be read."""
        raise NotImplementedError

    def snapshot(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, all of whose statements see one state. Raises peewee.DatabaseError."""
        raise NotImplementedError

    def write(self, work: Callable[[], T]) -> T:
        """Run `work` in a transaction and return what it returns, once that is on disk; under `sharing`, before.

        `work` may raise a Refusal before it has written anything, which undoes nothing. Raises what `work` raises, and
        peewee.DatabaseError where the database cannot be written.
        """
        if self._thread.uncommitted is None:
            self.begin_to_write()
            self._thread.uncommitted = SharedCommit(self)
        commit = self._thread.uncommitted
        try:
            return commit.run(work)
        finally:
            if not self._thread.sharing:
                commit.settle()

    @contextlib.contextmanager
    def sharing(self) -> Iterator[None]:
        """Leave what is written in this block to a commit that is shared with what this thread writes next.

        Whoever does so calls `settle` of `uncommitted`, on the same thread, before anybody is told what was written.
        """
        self._thread.sharing = True
        try:
            yield
        finally:
            self._thread.sharing = False

    @property
    def uncommitted(self) -> "SharedCommit | None":
        """What this thread has written and not yet committed."""
        return self._thread.uncommitted

    def settle(self) -> None:
        """Commit what this thread has written; those whose commit it is are told by their own call if that fails."""
        if self._thread.uncommitted:
            with contextlib.suppress(peewee.DatabaseError):
                self._thread.uncommitted.settle()

    def begin_to_write(self) -> None:
        """Begin a transaction that writes. Raises peewee.DatabaseError."""
        raise NotImplementedError

    def end_to_write(self) -> None:
        """Take note that the transaction has ended."""
        self._thread.uncommitted = None

    def changes(self) -> int | None:
        """Return how many rows the transaction has written; None where an error would have undone it anyway."""
        return None

    def _initialize_connection(self, conn: Any) -> None:
        self._thread.connection = _Opened()
        self.connections.add(self._thread.connection)


class SharedCommit:
    """The transaction that a thread has begun, in which several pieces of work are committed together or not at all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settled = False
        self._error: BaseException | None = None

    def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; what it raises after it has written undoes all that is to be committed here."""
        changes = self._database.changes()
        try:
            return work()
        except Refusal:
            raise
        except BaseException as error:
            if changes is None or self._database.changes() != changes:
                self._end(error)
            raise

    def settle(self) -> None:
        """Commit, if that was not done yet. Raises, every time, what has kept it from being committed."""
        if not self._settled:
            self._end()
        if self._error is not None:
            raise self._error

    def _end(self, error: BaseException | None = None) -> None:
        self._settled, self._error = True, error
        try:
            if error is None:
                self._database.commit()
        except BaseException as failure:
            self._error = failure
        try:
            if self._error is not None:
                self._database.rollback()
        finally:
            self._database.end_to_write()
