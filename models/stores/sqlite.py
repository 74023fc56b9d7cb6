"""SQLite: one file, which one thread of one process can write to at a time."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import peewee

from build_admin.models.stores.database import LOCK_TIMEOUT, Database
from build_admin.models.stores.text import decode

T = TypeVar("T")

#: Pages in the write-ahead log that start a checkpoint; SQLite's default is 1000. The request whose commit reaches this
#: number waits for the checkpoint, so it is small.
CHECKPOINT = 350

#: The same for a store of LARGE bytes or more. There nearly every overwrite changes other pages, so a checkpoint writes
#: more of them.
LARGE, CHECKPOINT_OF_LARGE = 64 * 1024 * 1024, 125


class _Connected(threading.local):
    """The state of a thread's connection.

    Attributes:
        file: the device and inode of its file.
        timeout: milliseconds for which it waits for a lock of another process.

    """

    file: tuple[int, int] | None = None
    timeout = 1000 * LOCK_TIMEOUT


class SqliteDatabase(Database, peewee.SqliteDatabase):
    """A SQLite file. Every commit is synced to disk. It has a write-ahead log, unless a Vela server made the file."""

    def __init__(self, path: Path) -> None:
        """Use the file at `path`, which must exist: a file that was removed must not be replaced by an empty one."""
        # Symbolic links are not resolved: if a link is changed, its new target is the store.
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
        """Open this thread's connection. Raises peewee.OperationalError; then the connection is closed."""
        try:
            return bool(super().connect(reuse_if_open))
        except BaseException:
            self.close()
            raise

    def begin_to_write(self) -> None:
        """Begin a transaction that writes. Raises peewee.OperationalError if others keep the lock for too long."""
        if not self._turn.acquire(timeout=self.time_left(LOCK_TIMEOUT)):
            raise peewee.OperationalError("another thread keeps the database locked")
        try:
            self._prepare()
            self.begin("IMMEDIATE")
        except BaseException:
            self._turn.release()
            raise

    def roll_back(self) -> None:
        """Roll the transaction back, unless SQLite has done so because of an error."""
        if not self.is_closed() and self.connection().in_transaction:
            super().roll_back()

    def end_to_write(self) -> None:
        """Let another thread write."""
        self._turn.release()

    def take_any_text(self) -> bool:
        """Make this thread's connection read text that is not UTF-8; return whether it did not do so before.

        Few stores have such text, and the function that decodes it costs an overwrite 4 %.
        """
        connection = self.connection()
        new = connection.text_factory is not decode
        connection.text_factory = decode
        return new

    def _read(self, work: Callable[[], T]) -> T:
        self._prepare()
        return work()

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        self._prepare()
        with self.atomic("DEFERRED"):
            yield

    def _prepare(self) -> None:
        """Connect to the file, and limit the wait for its locks to what is left of the request's timeout."""
        self._follow_file()
        self._wait_at_most(self.time_left(LOCK_TIMEOUT))

    def _wait_at_most(self, seconds: float) -> None:
        """Set the timeout for locks of other processes. That costs a statement, so half a second is tolerated."""
        timeout = 1000 * LOCK_TIMEOUT if seconds > LOCK_TIMEOUT - 0.5 else int(seconds * 1000)
        if timeout != self._connected.timeout:
            self.execute_sql(f"PRAGMA busy_timeout = {timeout}")
            self._connected.timeout = timeout

    def _follow_file(self) -> None:
        """Reconnect if the file was removed or replaced: data written to the old file would be lost."""
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
        # If the path had the same file before and after, that is the file which was opened.
        self._connected.file = self._identity()
        # To open the file, `_initialize_connection` reads it.
        self._connected.timeout = int(1000 * self.time_left(LOCK_TIMEOUT))
        connection.execute(f"PRAGMA busy_timeout = {self._connected.timeout}")
        if before != self._connected.file:
            connection.close()
            raise peewee.OperationalError("the database file was replaced while it was opened")
        return connection

    def _initialize_connection(self, conn: Any) -> None:
        super()._initialize_connection(conn)
        # A file that a Vela server has made keeps its rollback journal. The write-ahead log is a property of the file,
        # so the server would have it too: a copy of the file alone would lose builds, and the log does not work on
        # network file systems. The rollback journal is as safe with synchronous=extra, which syncs the folder after
        # the journal is deleted; but with it readers and commits wait for one another.
        if conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'repos'").fetchone():
            conn.execute("PRAGMA synchronous = extra")
        else:
            conn.execute("PRAGMA journal_mode = wal")
            conn.execute("PRAGMA synchronous = full")
        (pages,), (size,) = conn.execute("PRAGMA page_count").fetchone(), conn.execute("PRAGMA page_size").fetchone()
        if pages * size > LARGE:
            conn.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_OF_LARGE}")
