"""SQLite: one file, in which one process at a time writes, and in it one thread at a time."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import peewee

from build_admin.models.stores.database import LOCK_TIMEOUT, Database
from build_admin.models.stores.text import decode

T = TypeVar("T")

#: Pages of the write-ahead log at which SQLite copies them into the file, in place of its own 1000. The request whose
#: commit reaches that number waits for the copy.
CHECKPOINT = 350

#: Bytes of a large store, and the pages for one: its pages lie so far apart that none is written twice before that.
LARGE, CHECKPOINT_OF_LARGE = 64 * 1024 * 1024, 125


class _Connected(threading.local):
    """What a thread's connection is.

    Attributes:
        file: the device and inode of the file that it has open.
        timeout: milliseconds for which it waits for another process's lock.

    """

    file: tuple[int, int] | None = None
    timeout = 1000 * LOCK_TIMEOUT


class SqliteDatabase(Database, peewee.SqliteDatabase):
    """One SQLite file, with a write-ahead log where it is this service's own; every commit is synced to disk."""

    def __init__(self, path: Path) -> None:
        """Use the file at `path`, which must be there: a database that was removed must not come back empty."""
        # Symbolic links are not resolved here: where one is pointed elsewhere, that is the store from then on.
        self._file = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps '..', which as_uri would too
        self._turn = threading.Lock()
        self._connected = _Connected()
        super().__init__(
            Path(self._file).as_uri() + "?mode=rw",
            uri=True,
            timeout=LOCK_TIMEOUT,
            pragmas={"wal_autocheckpoint": CHECKPOINT},
        )

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Open this thread's connection. Raises peewee.OperationalError, and leaves none half open."""
        try:
            return bool(super().connect(reuse_if_open))
        except BaseException:
            self.close()
            raise

    def begin_to_write(self) -> None:
        """Begin a transaction that writes; threads take turns. Raises peewee.OperationalError for a long wait."""
        if not self._turn.acquire(timeout=self.time_left(LOCK_TIMEOUT)):
            raise peewee.OperationalError("another thread keeps the database locked")
        try:
            self._follow_file()
            self._wait_at_most(self.time_left(LOCK_TIMEOUT))
            self.begin("IMMEDIATE")
        except BaseException:
            self._turn.release()
            raise

    def undo(self) -> None:
        """Roll the transaction back, unless an error has done so already."""
        if not self.is_closed() and self.connection().in_transaction:
            super().undo()

    def end_to_write(self) -> None:
        """Let the next thread write."""
        self._turn.release()

    def take_any_text(self) -> bool:
        """Have this thread's connection read text that is not UTF-8 from now on; return whether that is new.

        It calls Python for every text, which costs an overwrite 4 %, and few stores have such text.
        """
        connection = self.connection()
        new = connection.text_factory is not decode
        connection.text_factory = decode
        return new

    def _read(self, work: Callable[[], T]) -> T:
        self._follow_file()
        return work()

    def _snapshot(self, work: Callable[[], T]) -> T:
        self._follow_file()
        with self.atomic("DEFERRED"):
            return work()

    def _wait_at_most(self, seconds: float) -> None:
        """Wait that long for another process's lock. To set it costs a statement, so half a second is neglected."""
        timeout = 1000 * LOCK_TIMEOUT if seconds > LOCK_TIMEOUT - 0.5 else int(seconds * 1000)
        if timeout != self._connected.timeout:
            self.execute_sql(f"PRAGMA busy_timeout = {timeout}")
            self._connected.timeout = timeout

    def _follow_file(self) -> None:
        """Leave a file that was removed or replaced: what is written to it after that, nobody would find."""
        if self.is_closed() or self._identity() != self._connected.file:
            self.close()
            self.connect()

    def _identity(self) -> tuple[int, int] | None:
        try:
            there = os.stat(self._file)  # noqa: PTH116 - a path object costs more than the call
        except OSError:
            return None
        return there.st_dev, there.st_ino

    def _connect(self) -> Any:
        before = self._identity()
        connection = super()._connect()  # type: ignore[misc]
        # The file that was there before and after is the one that was opened.
        self._connected.file = self._identity()
        self._connected.timeout = 1000 * LOCK_TIMEOUT
        if before != self._connected.file:
            connection.close()
            raise peewee.OperationalError("the database file was replaced while it was opened")
        return connection

    def _initialize_connection(self, conn: Any) -> None:
        super()._initialize_connection(conn)
        # A file that a Vela server has made keeps its journal. A write-ahead log would stay with the file when this
        # service is gone: the server would have two more files to keep, whoever copies the one file would lose builds,
        # and on a network's file system the log does not work. The rollback journal is as safe with `extra`, which
        # syncs the folder that the journal is deleted from; readers and commits wait for one another.
        if conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'repos'").fetchone():
            conn.execute("PRAGMA synchronous = extra")
        else:
            conn.execute("PRAGMA journal_mode = wal")
            conn.execute("PRAGMA synchronous = full")
        (pages,), (size,) = conn.execute("PRAGMA page_count").fetchone(), conn.execute("PRAGMA page_size").fetchone()
        if pages * size > LARGE:
            conn.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_OF_LARGE}")
