"""SQLite: one file, in which one process at a time writes, and in it one thread at a time."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import peewee

from build_admin.models.stores.database import LOCK_TIMEOUT, Database

T = TypeVar("T")

#: Pages of the log at which SQLite writes them to the file, in place of its own 1000. Whoever is about to be answered
#: waits for that, and each page takes its time.
CHECKPOINT = 350

#: Bytes of a large store, and the pages for one: its pages lie so far apart that none is written twice before that.
LARGE, CHECKPOINT_OF_LARGE = 64 * 1024 * 1024, 125


class SqliteDatabase(Database, peewee.SqliteDatabase):
    """One SQLite file: write-ahead log, every commit synced to disk before it is answered."""

    def __init__(self, path: Path) -> None:
        """Use the file at `path`, which must be there: a database that was removed must not come back empty."""
        self._file = str(path)
        self._turn = threading.Lock()
        self._timeouts = 0
        self._inode = threading.local()
        super().__init__(
            path.resolve().as_uri() + "?mode=rw",
            uri=True,
            timeout=LOCK_TIMEOUT,
            pragmas={"journal_mode": "wal", "synchronous": "full", "wal_autocheckpoint": CHECKPOINT},
        )

    def read(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. Raises peewee.DatabaseError where the database cannot be read."""
        self.settle()
        self._follow_file()
        return work()

    def snapshot(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, all of whose statements see one state. Raises peewee.DatabaseError."""
        self.settle()
        self._follow_file()
        with self.atomic("DEFERRED"):
            return work()

    def begin_to_write(self) -> None:
        """Begin a transaction that writes; threads take turns. Raises peewee.OperationalError for a long wait."""
        timeouts = self._timeouts
        if not self._turn.acquire(timeout=LOCK_TIMEOUT):
            raise peewee.OperationalError("another thread keeps the database locked")
        try:
            # To wait once more for what another thread has waited for in vain is to keep the client twice as long.
            if self._timeouts != timeouts:
                raise peewee.OperationalError("the database is locked")
            self._follow_file()
            self.begin("IMMEDIATE")
        except BaseException:
            self._timeouts += 1
            self._turn.release()
            raise

    def end_to_write(self) -> None:
        """Let the next thread write."""
        super().end_to_write()
        self._turn.release()

    def changes(self) -> int | None:
        """Return how many rows this connection has written; None where an error has undone the transaction."""
        connection = self.connection()
        return connection.total_changes if connection.in_transaction else None

    def _follow_file(self) -> None:
        """Leave a file that was removed or replaced: what is written to it after that, nobody would find."""
        if self.is_closed():
            self.connect()
        try:
            there = os.stat(self._file).st_ino  # noqa: PTH116 - a path object costs more than the call
        except OSError:
            there = None
        if there != self._inode.value:
            self.close()
            self.connect()

    def _initialize_connection(self, conn: Any) -> None:
        super()._initialize_connection(conn)
        file = os.stat(self._file)  # noqa: PTH116
        self._inode.value = file.st_ino
        if file.st_size > LARGE:
            conn.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_OF_LARGE}")
