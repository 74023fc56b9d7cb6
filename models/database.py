"""The databases that builds are kept in, and how work is run on each: read, or written whole or not at all.

Both are peewee databases with three more methods. `read(work)` runs work that only reads; `snapshot(work)` does so
where it reads more than once; `write(work)` runs it in one transaction, which is on disk when `write` returns. Every
thread has a connection of its own, opened when it is first needed and replaced when it proves to be lost, so there is
always one for each thread and none to give back.
"""

import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import peewee

from models.errors import Refusal

T = TypeVar("T")

#: Seconds that a statement waits for another process's lock before the request is answered with 503.
LOCK_TIMEOUT = 5


class CommitLost(peewee.OperationalError):
    """The connection was lost during a commit, and whether the transaction was committed is not known."""


class _Opened:
    """Stands for a thread's open connection; it goes with the thread, or when another takes its place."""


class _Job:
    """A piece of work in the writers' queue, and what came of it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.wake = threading.Lock()
        self.wake.acquire()

    def finish(self, result: Any = None, error: BaseException | None = None) -> None:
        self.result, self.error, self.done = result, error, True


class SqliteDatabase(peewee.SqliteDatabase):
    """One SQLite file: write-ahead log, every commit synced to disk before it is answered."""

    def __init__(self, path: Path) -> None:
        """Use the file at `path`, which must be there: a database that was removed must not come back empty."""
        self._file = str(path)
        #: The open connections of all threads.
        self.connections: weakref.WeakSet[_Opened] = weakref.WeakSet()
        self._waiting: list[_Job] = []
        self._writing = False
        self._turn = threading.Lock()
        self._opened = threading.local()
        super().__init__(
            path.resolve().as_uri() + "?mode=rw",
            uri=True,
            timeout=LOCK_TIMEOUT,
            pragmas={"journal_mode": "wal", "synchronous": "full"},
        )

    def read(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. Raises peewee.DatabaseError where the database cannot be read."""
        self._follow_file()
        return work()

    def snapshot(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, all of whose statements see one state. Raises peewee.DatabaseError."""
        self._follow_file()
        with self.atomic("DEFERRED"):
            return work()

    def write(self, work: Callable[[], T]) -> T:
        """Run `work` in a transaction and return what it returns, once that is on disk.

        Threads that write at the same time share one transaction and so one sync: whoever comes to the lock first
        does the work of all who wait, and each is answered after the commit. `work` may raise a Refusal before it has
        written anything; an error of its own undoes the shared transaction, and each job is then tried by itself.

        Raises what `work` raises, and peewee.DatabaseError where the database cannot be written.
        """
        job = _Job(work)
        with self._turn:
            self._waiting.append(job)
            must_wait, self._writing = self._writing, True
        if must_wait:
            job.wake.acquire()
        if not job.done:
            self._lead()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[no-any-return]

    def _lead(self) -> None:
        """Write all that waits, and let the next who came since then lead."""
        with self._turn:
            jobs, self._waiting = self._waiting, []
        try:
            self._write_all(jobs)
        finally:
            with self._turn:
                successors = self._waiting[:1]
                self._writing = bool(successors)
            # The successor first: its sync to disk runs while the others answer.
            for job in (*successors, *jobs):
                job.wake.release()

    def _write_all(self, jobs: list[_Job]) -> None:
        try:
            self._commit(jobs)
        except BaseException as error:
            # A lock or a disk that does not give way is nobody's own fault, and to wait for it again is to wait longer.
            if len(jobs) > 1 and not isinstance(error, peewee.OperationalError):
                for job in jobs:
                    self._write_all([job])
            else:
                for job in jobs:
                    job.finish(error=error)

    def _commit(self, jobs: list[_Job]) -> None:
        self._follow_file()
        refused: dict[_Job, Refusal] = {}
        with self.atomic("IMMEDIATE"):
            for job in jobs:
                try:
                    job.result = job.work()
                except Refusal as refusal:
                    refused[job] = refusal
        for job in jobs:
            job.finish(job.result, refused.get(job))

    def _follow_file(self) -> None:
        """Leave a file that was removed or replaced: what is written to it after that, nobody would find."""
        if self.is_closed():
            self.connect()
        try:
            there = os.stat(self._file).st_ino  # noqa: PTH116 - a path object costs more than the call
        except OSError:
            there = None
        if there != self._opened.inode:
            self.close()
            self.connect()

    def _initialize_connection(self, conn: Any) -> None:
        self._opened.connection = _Opened()
        self.connections.add(self._opened.connection)
        self._opened.inode = os.stat(self._file).st_ino  # noqa: PTH116


class PostgresqlDatabase(peewee.PostgresqlDatabase):
    """A PostgreSQL database through psycopg 3, its own or a Vela server's."""

    #: libpq's settings where the URL does not give them; a host that is gone is noticed within about a minute.
    DEFAULTS: ClassVar[dict[str, Any]] = {
        "connect_timeout": 5,
        "client_encoding": "UTF8",
        "application_name": "build-admin",
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 5,
        "tcp_user_timeout": 15_000,
    }

    def __init__(self, url: str) -> None:
        """Use the database that `url` names, in libpq's form. Raises ValueError where it does not parse."""
        import psycopg

        try:
            given = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise ValueError("is not a URL of the form postgresql://user:password@host:port/name") from error
        defaults: dict[str, Any] = {name: value for name, value in self.DEFAULTS.items() if name not in given}
        #: The open connections of all threads.
        self.connections: weakref.WeakSet[_Opened] = weakref.WeakSet()
        self._opened = threading.local()
        super().__init__(url, prefer_psycopg3=True, **defaults)

    def read(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. Raises peewee.DatabaseError where the database cannot be read."""
        return self._on_live_connection(work)

    def snapshot(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, all of whose statements see one state. Raises peewee.DatabaseError."""
        with self.atomic("REPEATABLE READ"):
            return work()

    def write(self, work: Callable[[], T]) -> T:
        """Run `work` in a transaction and return what it returns, once it is committed.

        Raises what `work` raises, and peewee.DatabaseError where the database cannot be written.
        """
        with self.atomic():
            return work()

    def unhurried(self) -> None:
        """Let the transaction that has begun take its time; only a lock of another's is not waited for any longer."""
        self.connection().patience = None
        self.execute_sql("SET LOCAL statement_timeout = 0")
        self.execute_sql("SET LOCAL idle_in_transaction_session_timeout = 0")

    def begin(self, isolation_level: str | None = None) -> None:
        """Begin a transaction; only here is it known that a lost connection has lost nothing with it."""
        self._on_live_connection(lambda: super(PostgresqlDatabase, self).begin(isolation_level))

    def commit(self) -> None:
        """Commit the transaction. Raises CommitLost where the connection does not live to say that it is."""
        try:
            super().commit()
        except (peewee.OperationalError, peewee.InterfaceError) as error:
            raise CommitLost(str(error)) if self._is_lost() else error from error

    def rollback(self) -> None:
        """Undo the transaction, which a lost connection has undone already."""
        if not self._is_lost():
            super().rollback()

    def _is_lost(self) -> bool:
        return self.is_closed() or bool(self.connection().closed)

    def _connect(self) -> Any:
        from models.connection import Connection

        return Connection.connect(self.database, autocommit=True, **self.connect_params)

    def _on_live_connection(self, work: Callable[[], T]) -> T:
        """Run `work`, once more if the thread's connection proves to have been lost since it was last used."""
        kept = not self.is_closed()
        try:
            return work()
        except (peewee.OperationalError, peewee.InterfaceError, peewee.InternalError):
            if self.is_closed() or not self._is_lost():
                raise
            self.dispose()
            if not kept:
                raise
        return work()

    def _initialize_connection(self, conn: Any) -> None:
        self._opened.connection = _Opened()
        self.connections.add(self._opened.connection)
        conn.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}s'")
        conn.execute(f"SET statement_timeout = '{2 * LOCK_TIMEOUT}s'")
        conn.execute("SET idle_in_transaction_session_timeout = '60s'")


Database = SqliteDatabase | PostgresqlDatabase
