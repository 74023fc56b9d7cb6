"""PostgreSQL: a server, which several processes write to at once, and which may restart or go away at any moment."""

import difflib
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl, urlsplit

import peewee

from build_admin.models.stores.database import ANSWER_TIMEOUT, LOCK_TIMEOUT, CommitLost, Database
from build_admin.models.stores.statement import Statement

T = TypeVar("T")

#: Seconds for which a connection is waited for, where the URL does not say.
CONNECT_TIMEOUT = 5

#: A URL whose only @ is the one before the host, as libpq has it (section 32.1.1.2 of PostgreSQL's manual).
_URL = re.compile(r"postgres(?:ql)?://([^@/]*@)?[^@/?]*(/[^@?]*)?(\?[^@]*)?")
_FORM = (
    "is not a URL of the form postgresql://user:password@host:port/name; in a password, @ is written %40, "
    "/ is %2F, : is %3A and % is %25"
)


def _require_known(names: Iterable[str]) -> None:
    """Raise ValueError for a name of a URL's parameter that libpq has not."""
    import psycopg

    known = [option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()] + ["ssl"]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            meant = f"; write {close[0]}, if that was meant" if close else ""
            raise ValueError(f"has a parameter {name!r} that is not known{meant}")


class _Transaction(threading.local):
    """What a thread knows of the transaction that it has begun.

    Attributes:
        id: the server's number of it.
        unhurried: whether it may take as long as it takes.
        writes: what is still to be sent, by statement; the values of each execution.
        written: the ids of the builds that this writes to.

    """

    id: int
    unhurried = False

    def __init__(self) -> None:
        self.writes: dict[Statement, list[Mapping[str, Any]]] = {}
        self.written: set[int] = set()


class PostgresqlDatabase(Database, peewee.PostgresqlDatabase):
    """A PostgreSQL database through psycopg 3, its own or a Vela server's."""

    #: libpq's settings where the URL does not give them; a host that is gone is noticed within about a minute.
    DEFAULTS: ClassVar[dict[str, Any]] = {
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

        if _URL.fullmatch(url):
            _require_known(name for name, _ in parse_qsl(urlsplit(url).query))
        try:
            given = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise ValueError(_FORM) from error
        # Otherwise a part of the password would be taken for a host, port or name, and end up in messages.
        if not _URL.fullmatch(url) or not re.fullmatch(r"[0-9,]*", str(given.get("port", ""))):
            raise ValueError(_FORM)
        defaults: dict[str, Any] = {name: value for name, value in self.DEFAULTS.items() if name not in given}
        self._connect_timeout = int(given.get("connect_timeout") or 0) or CONNECT_TIMEOUT
        self._transaction = _Transaction()
        super().__init__(url, prefer_psycopg3=True, **defaults)

    def begin_to_write(self) -> None:
        """Begin a transaction that writes, and remember which it is. Raises peewee.DatabaseError."""
        self._on_live_connection(self._begin_and_identify)

    def end_to_write(self) -> None:
        """Forget the transaction, and what it has not written."""
        self._transaction.unhurried = False
        self._transaction.writes.clear()
        self._transaction.written.clear()

    def unhurried(self) -> None:
        """Let the transaction that has begun take its time; only a lock of another's is not waited for any longer."""
        self._transaction.unhurried = True
        self.execute_sql(
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; "
            # Many rows at once are better planned anew each time, and with every kind of plan, than kept to an index.
            "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = on"
        )

    def write_later(self, build_id: int, statement: Statement, values: Mapping[str, Any]) -> None:
        """Execute a write of one row before the commit, in one round trip with the others of the transaction.

        What is wrong with it is raised then.
        """
        self._transaction.writes.setdefault(statement, []).append(values)
        self._transaction.written.add(build_id)

    def send_writes_of(self, build_id: int) -> None:
        """Send what is to be written, if some of it is to this build. Raises peewee.DatabaseError."""
        if build_id in self._transaction.written:
            self._send_writes()

    def begin(self, isolation_level: str | None = None) -> None:
        """Begin a transaction; only here is it known that a lost connection has lost nothing with it."""
        self._on_live_connection(lambda: super(PostgresqlDatabase, self).begin(isolation_level))

    def commit(self) -> None:
        """Commit the transaction; if the connection is lost over that, find out whether the server has done so.

        Raises CommitLost where that is not to be known, and peewee.DatabaseError where nothing was stored.
        """
        self._send_writes()
        try:
            super().commit()
        except (peewee.OperationalError, peewee.InterfaceError):
            if not self._is_lost() or not self._has_committed():
                raise

    def rollback(self) -> None:
        """Roll the transaction back; the loss of the connection has done so already, and to close it does as well.

        It is closed where a statement is still under way, because Ctrl-C has come in its middle.
        """
        if self._is_lost():
            return
        if self.connection().info.transaction_status.name == "ACTIVE":
            self.connection().close()
        else:
            super().rollback()

    def _read(self, work: Callable[[], T]) -> T:
        return self._on_live_connection(work)

    def _snapshot(self, work: Callable[[], T]) -> T:
        try:
            with self.atomic("REPEATABLE READ"):
                return work()
        finally:
            self._transaction.unhurried = False

    def _send_writes(self) -> None:
        writes = [*self._transaction.writes.items()]
        self._transaction.writes.clear()
        self._transaction.written.clear()
        if not writes:
            return
        # In a pipeline psycopg sends everything before it waits for the first result.
        with peewee.__exception_wrapper__, self.connection().pipeline():  # type: ignore[attr-defined]
            counts = [(statement.execute_many(values), len(values)) for statement, values in writes]
        if any(changed() != count for changed, count in counts):
            raise peewee.IntegrityError(
                "a write has changed no row; a trigger or a policy of the table keeps it from that"
            )

    def _begin_and_identify(self) -> None:
        # One round trip. The lock on a row would take a transaction id in any case. What is written is found by its
        # key: a plan that is kept from when there were few revisions would read all of them when there are many. To
        # plan each statement anew (plan_cache_mode) would do as well, and costs a fifth of the overwrites a second.
        begin = f"BEGIN; SET LOCAL enable_seqscan = off; {self._lock_timeout()} SELECT txid_current()"
        with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
            cursor = self.cursor().execute(begin, prepare=False)
            while cursor.nextset():
                pass
            (self._transaction.id,) = cursor.fetchone()

    def _lock_timeout(self) -> str:
        """Return the statement that lowers the time for which locks are waited for, empty where all of it is left."""
        left = self.time_left(LOCK_TIMEOUT)
        # A timeout of 0 would be none at all.
        return "" if left > LOCK_TIMEOUT - 0.5 else f"SET LOCAL lock_timeout = {max(1, int(left * 1000))};"

    def _has_committed(self) -> bool:
        """Return whether the server has committed the transaction whose connection was lost over its COMMIT.

        Raises CommitLost where it cannot be asked, or has not decided, while there is time left, or a second.
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
        raise CommitLost("the connection was lost during the commit, and the server does not tell what came of it")

    def _is_lost(self) -> bool:
        return self.is_closed() or bool(self.connection().closed)

    def _connect(self) -> Any:
        from build_admin.models.stores.connection import Connection

        timeout = min(self._connect_timeout, int(self.time_left(ANSWER_TIMEOUT)))
        if timeout < 2:  # libpq takes no less
            raise peewee.OperationalError("there is no time left to connect to the database")
        connection = Connection.connect(self.database, autocommit=True, connect_timeout=timeout, **self.connect_params)
        connection.patience = self._patience
        connection.awake = lambda: self._thread.arrived is not None
        return connection

    def _patience(self) -> float | None:
        return None if self._transaction.unhurried else max(0.001, self.time_left(ANSWER_TIMEOUT))

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
            # Whatever the database or the role has by default: an answered overwrite is on the server's disk.
            "SET synchronous_commit = on; "
            f"SET lock_timeout = '{LOCK_TIMEOUT}s'; SET statement_timeout = '{ANSWER_TIMEOUT - 1}s'; "
            "SET idle_in_transaction_session_timeout = '60s'"
        )
        conn.take_any_text()
