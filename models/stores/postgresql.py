"""PostgreSQL: a server, which several processes write to at once, and which may restart or go away at any moment."""

import contextlib
import re
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, TypeVar

import peewee

from build_admin.models.stores.database import LOCK_TIMEOUT, CommitLost, Database

T = TypeVar("T")

#: A URL whose only @ is the one before the host, as libpq has it (section 32.1.1.2 of PostgreSQL's manual).
_URL = re.compile(r"postgresql://([^@/]*@)?[^@/?]*(/[^@?]*)?(\?[^@]*)?")
_FORM = (
    "is not a URL of the form postgresql://user:password@host:port/name; in a password, @ is written %40, "
    "/ is %2F, : is %3A and % is %25"
)


class _Transaction(threading.local):
    """What a thread knows of the transaction that it has begun."""

    id: int
    pipeline: contextlib.ExitStack | None = None

    def __init__(self) -> None:
        #: What to ask for before the commit, of the statements that were run ahead.
        self.checks: list[Callable[[], object]] = []


class PostgresqlDatabase(Database, peewee.PostgresqlDatabase):
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
            raise ValueError(_FORM) from error
        # Otherwise a part of the password would be taken for a host, port or name, and end up in messages.
        if not _URL.fullmatch(url) or not re.fullmatch(r"[0-9,]*", str(given.get("port", ""))):
            raise ValueError(_FORM)
        defaults: dict[str, Any] = {name: value for name, value in self.DEFAULTS.items() if name not in given}
        self._transaction = _Transaction()
        super().__init__(url, prefer_psycopg3=True, **defaults)

    def read(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. Raises peewee.DatabaseError where the database cannot be read."""
        self.settle()
        return self._on_live_connection(work)

    def snapshot(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, all of whose statements see one state. Raises peewee.DatabaseError."""
        self.settle()
        with self.atomic("REPEATABLE READ"):
            return work()

    def begin_to_write(self) -> None:
        """Begin a transaction that writes, and remember which it is. Raises peewee.DatabaseError."""
        self._on_live_connection(self._begin_and_identify)

    def unhurried(self) -> None:
        """Let the transaction that has begun take its time; only a lock of another's is not waited for any longer."""
        self.connection().patience = None
        self.execute_sql("SET LOCAL statement_timeout = 0")
        self.execute_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        # Many rows at once are better planned anew each time, and with every kind of plan, than kept to an index.
        self.execute_sql("SET LOCAL plan_cache_mode = force_custom_plan")
        self.execute_sql("SET LOCAL enable_seqscan = on")

    def begin(self, isolation_level: str | None = None) -> None:
        """Begin a transaction; only here is it known that a lost connection has lost nothing with it."""
        self._on_live_connection(lambda: super(PostgresqlDatabase, self).begin(isolation_level))

    def run_ahead(self, execute: Callable[[], Callable[[], T]]) -> Callable[[], T]:
        """Execute a statement of the transaction without waiting for it, and return what gives its outcome.

        That is asked for before the commit in any case. What is wrong with the statement is raised with the next one
        whose row is asked for, or by the commit, so that it takes no round trip of its own.

        Args:
            execute: executes the statement, and returns what gives its outcome.

        """
        if self._transaction.pipeline is None:
            pipeline = contextlib.ExitStack()
            with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
                pipeline.enter_context(self.connection().pipeline())
            self._transaction.pipeline = pipeline
        outcome = cache(execute())
        self._transaction.checks.append(outcome)
        return outcome

    def commit(self) -> None:
        """Commit the transaction; if the connection is lost over that, find out whether the server has done so.

        Raises CommitLost where that is not to be known, and peewee.DatabaseError where nothing was stored.
        """
        for row in self._caught_up():
            row()
        try:
            super().commit()
        except (peewee.OperationalError, peewee.InterfaceError):
            if not self._is_lost() or not self._has_committed():
                raise

    def rollback(self) -> None:
        """Undo the transaction, which a lost connection has undone already."""
        with contextlib.suppress(peewee.DatabaseError):
            self._caught_up()
        if not self._is_lost():
            super().rollback()

    def _caught_up(self) -> list[Callable[[], object]]:
        """Wait for the statements that were run ahead, and return what checks them. Raises peewee.DatabaseError."""
        pipeline, self._transaction.pipeline = self._transaction.pipeline, None
        checks, self._transaction.checks = self._transaction.checks, []
        if pipeline is not None:
            with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
                pipeline.close()
        return checks

    def _begin_and_identify(self) -> None:
        with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
            # In one round trip; the lock on a row would take a transaction id in any case. A plan that is kept from
            # when there were few revisions would read all of them when there are many.
            begin = "BEGIN; SET LOCAL enable_seqscan = off; SELECT txid_current()"
            cursor = self.cursor().execute(begin, prepare=False)
            while cursor.nextset():
                pass
            (self._transaction.id,) = cursor.fetchone()

    def _has_committed(self) -> bool:
        """Return whether the server has committed the transaction whose connection was lost over its COMMIT.

        Raises CommitLost where it cannot be asked, or has not decided, for LOCK_TIMEOUT seconds.
        """
        deadline = time.monotonic() + LOCK_TIMEOUT
        while time.monotonic() < deadline:
            self.dispose()
            try:
                (status,) = self.execute_sql("SELECT txid_status(%s)", (self._transaction.id,)).fetchone()
            except peewee.DatabaseError:
                status = None
            if status in ("committed", "aborted"):
                return bool(status == "committed")
            time.sleep(0.1)
        raise CommitLost("the connection was lost during the commit, and the server does not tell what came of it")

    def _is_lost(self) -> bool:
        return self.is_closed() or bool(self.connection().closed)

    def _connect(self) -> Any:
        from build_admin.models.stores.connection import Connection

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
        super()._initialize_connection(conn)
        conn.execute(
            f"SET lock_timeout = '{LOCK_TIMEOUT}s'; SET statement_timeout = '{2 * LOCK_TIMEOUT}s'; "
            "SET idle_in_transaction_session_timeout = '60s'"
        )
