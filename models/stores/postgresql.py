"""PostgreSQL: a server that several processes write to, and whose connections may be lost at any time."""

import contextlib
import difflib
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl, urlsplit

import peewee

from build_admin.models.stores.database import ANSWER_TIMEOUT, LOCK_TIMEOUT, Database
from build_admin.models.stores.errors import CommitLost
from build_admin.models.stores.statement import Statement

T = TypeVar("T")

#: Seconds for which to wait for a connection, unless the URL has a `connect_timeout`.
CONNECT_TIMEOUT = 5

#: Seconds for which a request waits for the result of one statement of a repair; each takes milliseconds.
SILENCE = 60

#: A connection URI (PostgreSQL's manual, section 32.1.1.2) whose only @ is the one before the host.
_URL = re.compile(r"postgres(?:ql)?://([^@/]*@)?[^@/?]*(/[^@?]*)?(\?[^@]*)?")
_FORM = (
    "is not a URL of the form postgresql://user:password@host:port/name; in a password, @ is written %40, "
    "/ is %2F, : is %3A and % is %25"
)


def _require_known(names: Iterable[str]) -> None:
    """Raise ValueError for the name of a URL's parameter that libpq does not have."""
    import psycopg

    known = [option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()] + ["ssl"]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            meant = f"; write {close[0]}, if that was meant" if close else ""
            raise ValueError(f"has a parameter {name!r} that is not known{meant}")


class _Transaction(threading.local):
    """The state of a thread's transaction.

    Attributes:
        id: its transaction id.
        unhurried: whether it has no timeout.
        rows: by the id of a build, the row that it has locked, with the changes of the pending statements.
        pending: by the id of a build, the statements that write it before the commit, in order, with their values.

    """

    id: int
    unhurried = False

    def __init__(self) -> None:
        self.rows: dict[int, tuple[Any, ...]] = {}
        self.pending: dict[int, list[tuple[Statement, Mapping[str, Any]]]] = {}


class PostgresqlDatabase(Database, peewee.PostgresqlDatabase):
    """A PostgreSQL database through psycopg 3, its own or a Vela server's."""

    #: Connection parameters, unless the URL has others. They detect within about a minute that a host is gone.
    DEFAULTS: ClassVar[dict[str, Any]] = {
        "client_encoding": "UTF8",
        "application_name": "build-admin",
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 5,
        "tcp_user_timeout": 15_000,
    }

    def __init__(self, url: str) -> None:
        """Use the database at `url`, a connection URI of libpq. Raises ValueError if it is invalid."""
        import psycopg

        if _URL.fullmatch(url):
            _require_known(name for name, _ in parse_qsl(urlsplit(url).query))
        try:
            given = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise ValueError(_FORM) from error
        # Otherwise libpq would take a part of the password for a host, port or name, and show it in messages.
        if not _URL.fullmatch(url) or not re.fullmatch(r"[0-9,]*", str(given.get("port", ""))):
            raise ValueError(_FORM)
        defaults: dict[str, Any] = {name: value for name, value in self.DEFAULTS.items() if name not in given}
        self._connect_timeout = int(given.get("connect_timeout") or 0) or CONNECT_TIMEOUT
        self._transaction = _Transaction()
        super().__init__(url, prefer_psycopg3=True, **defaults)

    def begin_to_write(self) -> None:
        """Begin a transaction that writes, and keep its id. Raises peewee.DatabaseError."""
        self._on_live_connection(self._begin_and_identify)

    def end_to_write(self) -> None:
        """Forget the transaction, and the statements that it has not executed."""
        self._transaction.unhurried = False
        self._transaction.rows.clear()
        self._transaction.pending.clear()

    def unhurried(self) -> None:
        """Remove the timeouts of the current transaction, except that for locks."""
        self._transaction.unhurried = True
        self.execute_sql(
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; "
            # For many rows, a new plan for each execution is better, and an index is not always best.
            "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = on"
        )

    @property
    def locked_rows(self) -> dict[int, tuple[Any, ...]]:
        """By the id of a build, the row that the transaction has locked, with the changes of the pending statements."""
        return self._transaction.rows

    def execute_later(self, build_id: int, statement: Statement, values: Mapping[str, Any]) -> None:
        """Execute a statement that writes a build before the commit, together with those of the group's other members.

        Its errors are raised then. One that changes no row is an error too.
        """
        self._transaction.pending.setdefault(build_id, []).append((statement, values))

    def _execute_pending(self) -> None:
        # The first write of each build, then the second of each, and so on. Those that have the same statement and
        # follow one another are executed together.
        turns = itertools.zip_longest(*self._transaction.pending.values())
        ordered = [write for turn in turns for write in sorted(filter(None, turn), key=lambda write: id(write[0]))]
        for statement, writes in itertools.groupby(ordered, itemgetter(0)):
            rows = [values for _, values in writes]
            if statement.execute_many(rows) != len(rows):
                raise peewee.IntegrityError("a write has changed no row, because of a trigger or a policy of the table")

    def begin(self, isolation_level: str | None = None) -> None:
        """Begin a transaction. If the connection was lost, nothing else is lost with it, so it is replaced."""
        self._on_live_connection(lambda: super(PostgresqlDatabase, self).begin(isolation_level))

    def commit(self) -> None:
        """Commit the transaction. If the connection is lost meanwhile, ask the server whether it was committed.

        Raises CommitLost if that cannot be found out, and peewee.DatabaseError if nothing was stored.
        """
        self._execute_pending()
        try:
            super().commit()
        except (peewee.OperationalError, peewee.InterfaceError):
            if not self._is_lost() or not self._has_committed():
                raise

    def rollback(self) -> None:
        """Roll the transaction back, or close the connection, on which the server rolls it back.

        It is closed if Ctrl-C has interrupted a statement that the server is still executing.
        """
        if self._is_lost():
            return
        if self.connection().info.transaction_status.name == "ACTIVE":
            self.connection().close()
        else:
            super().rollback()

    def _read(self, work: Callable[[], T]) -> T:
        return self._on_live_connection(work)

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        try:
            with self.atomic("REPEATABLE READ READ ONLY"):
                yield
        finally:
            self._transaction.unhurried = False

    def _begin_and_identify(self) -> None:
        # All in one round trip. A transaction that locks a row gets an id in any case.
        # enable_seqscan: every row is found by its key. A plan that PostgreSQL has cached while there were few
        # revisions would read all of them when there are many. plan_cache_mode = force_custom_plan would prevent that
        # too, but planning each statement costs a fifth of the overwrites a second.
        begin = f"BEGIN; SET LOCAL enable_seqscan = off; {self._lock_timeout()} SELECT txid_current()"
        with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
            cursor = self.cursor().execute(begin, prepare=False)
            while cursor.nextset():
                pass
            (self._transaction.id,) = cursor.fetchone()

    def _lock_timeout(self) -> str:
        """Return the statement that lowers the timeout for locks; empty if the whole timeout is left."""
        left = self.time_left(LOCK_TIMEOUT)
        # 0 would disable the timeout.
        return "" if left > LOCK_TIMEOUT - 0.5 else f"SET LOCAL lock_timeout = {max(1, int(left * 1000))};"

    def _has_committed(self) -> bool:
        """Return whether the server has committed the transaction whose connection was lost during the commit.

        Raises CommitLost if the server does not answer that in the time that is left, or in one second.
        """
        deadline = time.monotonic() + max(1, self.time_left(ANSWER_TIMEOUT))
        while time.monotonic() < deadline:
            self.dispose()
            try:
                (status,) = self.execute_sql("SELECT txid_status(%s)", (self._transaction.id,)).fetchone()
            except peewee.DatabaseError:
                status = None
            if status in ("committed", "aborted"):
                return bool(status == "committed")
            time.sleep(0.1)
        raise CommitLost("the connection was lost during the commit, and the server does not tell its outcome")

    def _is_lost(self) -> bool:
        return self.is_closed() or bool(self.connection().closed)

    def _connect(self) -> Any:
        from build_admin.models.stores.connection import Connection

        timeout = min(self._connect_timeout, int(self.time_left(ANSWER_TIMEOUT)))
        if timeout < 2:  # libpq's minimum
            raise peewee.OperationalError("there is no time left to connect to the database")
        connection = Connection.connect(self.database, autocommit=True, connect_timeout=timeout, **self.connect_params)
        connection.patience = self._patience
        connection.awake = lambda: self._thread.arrived is not None
        return connection

    def _patience(self) -> float | None:
        if not self._transaction.unhurried:
            return max(0.001, self.time_left(ANSWER_TIMEOUT))
        # A command can be interrupted by its user; a request must give its thread back.
        return None if self._thread.arrived is None else SILENCE

    def _on_live_connection(self, work: Callable[[], T]) -> T:
        """Run `work`; run it once more if the thread's connection was lost since it was last used."""
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
            # An answered overwrite must be on the server's disk, whatever is set for the database or the role.
            "SET synchronous_commit = on; "
            f"SET lock_timeout = '{LOCK_TIMEOUT}s'; SET statement_timeout = '{ANSWER_TIMEOUT - 1}s'; "
            "SET idle_in_transaction_session_timeout = '60s'"
        )
        conn.take_any_text()
