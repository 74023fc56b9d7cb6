"""What SQLite and PostgreSQL have in common: how work is run in a transaction, and how a group shares one commit.

Each database is a peewee database. Every thread has a connection of its own. It is opened when it is first needed and
replaced when it proves to be lost, so there is no pool to take from and give back to.

A commit waits for the disk and costs more than most work. So the server answers requests that have arrived together in
a group: `with database.group() as group: group.run(…)`. What its members write is one transaction. Nothing else in the
application knows of it: `Database.write` joins the group of its thread, where there is one, and `Database.on_commit`
delays what must not be told before the commit.
"""

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import peewee

from build_admin.models.errors import Refusal

T = TypeVar("T")

#: Seconds for which a request waits for locks, counted from its arrival; then it is answered with 503.
LOCK_TIMEOUT = 5

#: Seconds after its arrival within which a request's last statement must have been answered, or it is given up.
ANSWER_TIMEOUT = 8


#: What peewee raises where a database cannot do what it was asked to.
FAILURES = (peewee.DatabaseError, peewee.InterfaceError)


class CommitLost(peewee.OperationalError):
    """The connection was lost during a commit, and whether the transaction was committed is not known."""


class LeaveGroup(Refusal):
    """The work cannot be done in a group; the request is run again by itself, and a client never sees this."""


class Member(Protocol):
    """A request that can be run as a member of a group.

    Attributes:
        arrived: when it arrived, in seconds of `time.monotonic`.

    """

    arrived: float

    def call(self) -> None:
        """Call the application for the request, and keep the answer. It may be called more than once."""


class _Opened:
    """Stands for a thread's open connection; it is garbage once the thread has ended or opened another."""


class _Thread(threading.local):
    """What a thread is working on.

    Attributes:
        connection: stands for its open connection.
        group: the group that it runs.
        arrived: when the request that it works on arrived, in seconds of `time.monotonic`; None in a command.
        commit_lost: whether every write is answered with CommitLost, because it may have been committed already.

    """

    connection: _Opened | None = None
    group: "Group | None" = None
    arrived: float | None = None
    commit_lost = False


class Database(peewee.Database):
    """A database whose transactions several requests may share."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        #: The open connections of all threads.
        self.connections: weakref.WeakSet[_Opened] = weakref.WeakSet()
        self._thread = _Thread()
        super().__init__(*arguments, **options)
        # Peewee connects under a lock of all threads. Everything that it guards here is a thread's own, and a server
        # that does not answer would keep every other thread from its own timeout.
        self._lock = contextlib.nullcontext()

    def read(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. Raises peewee.DatabaseError where the database cannot be read."""
        self._leave_group()
        return self._read(work)

    def snapshot(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, all of whose statements see one state. Raises peewee.DatabaseError."""
        self._leave_group()
        return self._snapshot(work)

    def write(self, work: Callable[[], T], *, alone: bool = False) -> T:
        """Run `work` in a transaction, and return what it returns.

        The transaction is on disk when this returns, except in a group: there it is once the group has ended.
        `work` may raise a Refusal, but only before it has written anything.

        Args:
            work: reads and writes, and may be run more than once.
            alone: whether it takes too long to keep a group waiting; it never shares a commit then.

        Raises:
            CommitLost: it is not known whether the transaction was committed.
            peewee.DatabaseError: the database cannot be written; nothing was stored.

        """
        if self._thread.commit_lost:
            raise CommitLost("the commit that this request shared was lost")
        group = self._thread.group
        if group is None or group.ended:
            return self._transact(work)
        if alone:
            self._leave_group()
        return group.write(work)

    @property
    def grouped(self) -> bool:
        """Whether `write` would join a group now, whose other members must not wait for a lock."""
        return self._thread.group is not None and not self._thread.group.ended

    def on_commit(self, callback: Callable[[], object]) -> None:
        """Call `callback` once what this request has written is on disk; at once where nothing is to be waited for.

        It is not called for a request that is run again: that request comes by here a second time.
        """
        if self._thread.group is None:
            callback()
        else:
            self._thread.group.on_commit(callback)

    @contextlib.contextmanager
    def group(self) -> Iterator["Group"]:
        """Give a group whose members write in one transaction, which is committed at the end of the block."""
        self._thread.group = group = Group(self)
        try:
            yield group
        finally:
            self._thread.group = None
            group.finish()

    def arrived(self, at: float) -> None:
        """Count from `at`, in seconds of `time.monotonic`, how long this thread's work may wait from now on."""
        self._thread.arrived = at

    @contextlib.contextmanager
    def commit_lost(self) -> Iterator[None]:
        """Have every write in this block raise CommitLost, without a look at the database."""
        self._thread.commit_lost = True
        try:
            yield
        finally:
            self._thread.commit_lost = False

    def time_left(self, seconds: float) -> float:
        """Return how many of `seconds` are left, counted from the arrival of this thread's request; 0 for none."""
        if self._thread.arrived is None:
            return seconds
        return max(0.0, self._thread.arrived + seconds - time.monotonic())

    def begin_to_write(self) -> None:
        """Begin a transaction that writes. Raises peewee.DatabaseError."""
        raise NotImplementedError

    def undo(self) -> None:
        """Roll the transaction back, as far as it is still there; what has kept it from its commit is raised instead.

        A database that is lost or full has rolled it back already, and an error about that would hide the reason.
        """
        with contextlib.suppress(*FAILURES):
            self.rollback()

    def end_to_write(self) -> None:
        """Take note that the transaction has ended."""

    def take_any_text(self) -> bool:
        """Have this thread's connection read text that is not UTF-8 from now on; return whether that is new."""
        return False

    def _read(self, work: Callable[[], T]) -> T:
        raise NotImplementedError

    def _snapshot(self, work: Callable[[], T]) -> T:
        raise NotImplementedError

    def _transact(self, work: Callable[[], T]) -> T:
        self.begin_to_write()
        try:
            result = work()
            self.commit()
        except BaseException:
            self.undo()
            raise
        finally:
            self.end_to_write()
        return result

    def _leave_group(self) -> None:
        # A member that reads would see what its neighbours have not committed; one that takes long would delay them.
        if self._thread.group is not None:
            self._thread.group.leave()

    def _initialize_connection(self, conn: Any) -> None:
        self._thread.connection = _Opened()
        self.connections.add(self._thread.connection)


@dataclass
class _Run:
    """One member's run.

    Attributes:
        member: the request.
        joined: whether it has used the transaction; what it answers is true only if that is committed.
        wrote: whether it has written, or may have.
        again: whether it is to be run again by itself.
        callbacks: what it wants called after the commit.

    """

    member: Member
    joined: bool = False
    wrote: bool = False
    again: bool = False
    callbacks: list[Callable[[], object]] = field(default_factory=list)


class Group:
    """The members of a group, and the transaction that they share.

    What becomes of a member does not depend on its neighbours:

    1. The first failure of whatever type ends the group: the transaction is rolled back. The member that failed keeps
       its answer, and so do those that have not used the transaction. The others are run again by themselves.
    2. If the commit fails, every member that has used the transaction is run again by itself.
    3. If nobody knows whether the commit has succeeded, to run a member that wrote again might write twice. It is
       called once more only to be told the truth: `Database.write` raises CommitLost.
    4. A member that would wait for a lock, or read, leaves the group (LeaveGroup) and is run again by itself.

    Attributes:
        ended: whether no further member can be run.
        again: after the group, the members that are to be run again by themselves, in their order.

    """

    def __init__(self, database: Database) -> None:
        self.ended = False
        self.again: list[Member] = []
        self._database = database
        self._runs: list[_Run] = []
        self._begun = False

    def run(self, member: Member) -> None:
        """Call `member` as the next of the group."""
        self._runs.append(_Run(member))
        self._database.arrived(member.arrived)
        member.call()

    def leave(self) -> None:
        """Have the member that is run now run again by itself. Raises LeaveGroup, unless the group has ended."""
        if not self.ended:
            self._runs[-1].again = True
            raise LeaveGroup

    def write(self, work: Callable[[], T]) -> T:
        """Do the `work` of the member that is run now, in the shared transaction. Raises as Database.write does."""
        run = self._runs[-1]
        try:
            if not self._begun:
                self._database.begin_to_write()
                self._begun = True
            run.joined = True
            result = work()
        except LeaveGroup:
            run.again = True
            raise
        except Refusal:
            raise
        except BaseException:
            self._undo()
            self._run_again(self._runs[:-1])
            raise
        run.wrote = True
        return result

    def on_commit(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the answer of the member that is run now is final, unless it is run again."""
        run = self._runs[-1]
        if self.ended or not (run.joined or run.again):
            callback()
        elif not run.again:
            run.callbacks.append(callback)

    def finish(self) -> None:
        """Commit, and find out which members are to be run again. Does not raise: each member has its own answer."""
        try:
            if self._begun:
                self._commit()
        finally:
            self.ended = True
            self.again = [run.member for run in self._runs if run.again]

    def _commit(self) -> None:
        self._begun = False
        try:
            self._database.arrived(self._runs[0].member.arrived)
            self._database.commit()
        except CommitLost:
            self._run_again([run for run in self._runs if not run.wrote])
            with self._database.commit_lost():
                for run in self._runs:
                    if run.wrote:
                        run.member.call()
        except FAILURES:
            self._database.undo()
            self._run_again(self._runs)
        else:
            for run in self._runs:
                for callback in run.callbacks:
                    callback()
        finally:
            self._database.end_to_write()

    def _undo(self) -> None:
        self.ended = True
        if self._begun:
            self._begun = False
            try:
                self._database.undo()
            finally:
                self._database.end_to_write()

    def _run_again(self, runs: list[_Run]) -> None:
        for run in runs:
            run.again = run.again or run.joined
