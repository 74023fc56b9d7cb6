"""Database: how a function is run in a transaction. SQLite and PostgreSQL each have a subclass.

Each is a peewee database. Every thread has its own connection, which is opened when it is first needed and replaced if
it is lost, so there is no connection pool.

A commit waits for the disk and takes longer than most other work. So the server answers requests that arrive together
in a group, whose members write in one transaction: `with database.group() as group: group.run(member)`. The rest of the
application does not know about groups: `Database.write` joins the group of its thread, if there is one, and
`Database.on_commit` delays what must not happen before the commit.
"""

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import peewee

from build_admin.models.stores.errors import FAILURES, CommitLost
from build_admin.models.stores.group import Group

T = TypeVar("T")

#: Seconds from its arrival for which a request waits for locks; then it is answered with 503.
LOCK_TIMEOUT = 5

#: Seconds from its arrival within which the database must have answered a request's last statement.
ANSWER_TIMEOUT = 8


class _Opened:
    """Stands for a thread's open connection; garbage once the thread has ended or opened another connection."""


class _Thread(threading.local):
    """The state of a thread.

    Attributes:
        connection: stands for its open connection.
        group: the group that it runs.
        arrived: when the current request arrived, in seconds of `time.monotonic`; None in a command.
        commit_lost: whether every write raises CommitLost.

    """

    connection: _Opened | None = None
    group: Group | None = None
    arrived: float | None = None
    commit_lost = False


class Database(peewee.Database):
    """A database whose transactions several requests can share."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        #: The open connections of all threads.
        self.connections: weakref.WeakSet[_Opened] = weakref.WeakSet()
        self._thread = _Thread()
        super().__init__(*arguments, **options)
        # Peewee holds a lock of all threads while it connects. Everything that the lock protects is local to a thread
        # here, and a server that does not answer would delay every other thread beyond its own timeout.
        self._lock = contextlib.nullcontext()

    def read(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. Raises peewee.DatabaseError if the database cannot be read."""
        self._leave_group()
        return self._read(work)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Open a transaction that only reads; all of its statements see one state. Raises peewee.DatabaseError."""
        self._leave_group()
        with self._snapshot():
            yield

    def write(self, work: Callable[[], T], *, alone: bool = False) -> T:
        """Run `work` in a transaction, and return what it returns.

        The transaction is on disk when this returns; in a group, when the group has ended.

        Args:
            work: reads and writes, and may be run more than once. In a group, it may raise a Refusal only before it has
                written anything.
            alone: whether it takes too long for a group; then it never shares a transaction.

        Raises:
            CommitLost: it is not known whether the transaction was committed.
            peewee.DatabaseError: the database cannot be written; nothing was stored.

        """
        if self._thread.commit_lost:
            raise CommitLost("the commit of this request's group was lost")
        group = self._thread.group
        if group is None or group.ended:
            return self._transact(work)
        if alone:
            self._leave_group()
        return group.write(work)

    @property
    def grouped(self) -> bool:
        """Whether `write` would join a group now; in one, a request must not wait for a lock."""
        return self._thread.group is not None and not self._thread.group.ended

    def on_commit(self, callback: Callable[[], object]) -> None:
        """Call `callback` once what this request has written is on disk; at once if nothing is to be committed.

        It is not called for a request that is run again, because the second run calls this method too.
        """
        if self._thread.group is None:
            callback()
        else:
            self._thread.group.on_commit(callback)

    @contextlib.contextmanager
    def group(self) -> Iterator[Group]:
        """Open a group whose members write in one transaction; the end of the block commits it."""
        self._thread.group = group = Group(self)
        try:
            yield group
        finally:
            self._thread.group = None
            group.finish()

    def arrived(self, at: float) -> None:
        """Count this thread's timeouts from `at`, in seconds of `time.monotonic`, from now on."""
        self._thread.arrived = at

    @contextlib.contextmanager
    def commit_lost(self) -> Iterator[None]:
        """Make every write in this block raise CommitLost, without using the database."""
        self._thread.commit_lost = True
        try:
            yield
        finally:
            self._thread.commit_lost = False

    def time_left(self, seconds: float) -> float:
        """Return how much of a timeout is left, counted from the arrival of this thread's request, in seconds."""
        if self._thread.arrived is None:
            return seconds
        return max(0.0, self._thread.arrived + seconds - time.monotonic())

    def begin_to_write(self) -> None:
        """Begin a transaction that writes. Raises peewee.DatabaseError."""
        raise NotImplementedError

    def roll_back(self) -> None:
        """Roll the transaction back. Errors are suppressed, because the caller has one already.

        After many errors (connection lost, disk full) the database has rolled it back by itself.
        """
        with contextlib.suppress(*FAILURES):
            self.rollback()

    def end_to_write(self) -> None:
        """Release what `begin_to_write` has taken; called after the commit or rollback."""

    def take_any_text(self) -> bool:
        """Make this thread's connection read text that is not UTF-8; return whether it did not do so before."""
        return False

    def _read(self, work: Callable[[], T]) -> T:
        raise NotImplementedError

    def _snapshot(self) -> contextlib.AbstractContextManager[None]:
        raise NotImplementedError

    def _transact(self, work: Callable[[], T]) -> T:
        self.begin_to_write()
        try:
            result = work()
            self.commit()
        except BaseException:
            self.roll_back()
            raise
        finally:
            self.end_to_write()
        return result

    def _leave_group(self) -> None:
        # In the group's transaction a read would see what other members have written and not committed.
        if self._thread.group is not None:
            self._thread.group.leave()

    def _initialize_connection(self, conn: Any) -> None:
        self._thread.connection = _Opened()
        self.connections.add(self._thread.connection)
