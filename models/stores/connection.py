"""Connection: psycopg's, with a timeout for every wait. It is a module of its own because psycopg is optional."""

import time
from collections.abc import Callable, Generator
from typing import Any

import psycopg
from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper, Loader, Transformer
from psycopg.pq import TransactionStatus

from build_admin.models.stores.text import Undecodable, decode

#: Seconds for which a thread polls for an answer (a spin-wait) before it sleeps until it comes, if the last answer came
#: within NEAR seconds. To sleep and be woken takes as long as a server on the same machine needs to answer. With 8
#: connections this gives 1.26 times the reads and 1.2 times the overwrites a second, with one 1.13 and 1.06 times.
AWAKE = 100e-6
NEAR = 300e-6


class Connection(psycopg.Connection[Any]):
    """A connection to a server that may stop answering without closing the connection.

    Attributes:
        patience: returns the seconds for which to wait for an answer; None for no limit. The server's own timeouts are
            shorter, so this one is for a server that does not work.
        awake: returns whether to spin. A command must not: on Ctrl-C, psycopg's own wait cancels the statement.

    """

    patience: Callable[[], float | None]
    awake: Callable[[], bool]
    _near = True

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Return what the generator returns. After a timeout it closes the connection and raises OperationalError.

        Every statement of psycopg waits with this method. The override relies on its argument `timeout` (psycopg 3.3).
        """
        began = time.perf_counter()
        try:
            if self._near and self.awake():
                try:
                    awaited = next(gen)
                    while time.perf_counter() - began < AWAKE:
                        awaited = gen.send(awaited)  # as if the socket were ready; libpq does not block
                except StopIteration as end:
                    return end.value
                gen = _resumed(gen, awaited)
            return super().wait(gen, interval, self.patience() if timeout is None else timeout)
        except psycopg.OperationalError as error:
            # An error from the server has an SQLSTATE; a timeout of `wait` has none.
            if error.sqlstate is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise
        finally:
            self._near = time.perf_counter() - began < NEAR

    def take_any_text(self) -> None:
        """Let text that is not UTF-8 be read and written back unchanged, if the database can have such text.

        A database with the encoding SQL_ASCII can have any bytes as text. The server refuses to pass on bytes that are
        invalid in the client's encoding, unless that is SQL_ASCII too.
        """
        self.adapters.register_dumper(Undecodable, UndecodableDumper)
        if self.info.parameter_status("server_encoding") == "SQL_ASCII":
            self.execute("SET client_encoding = 'SQL_ASCII'")
            _register(self)


class TextLoader(Loader):
    """Reads text, also text that is not UTF-8."""

    def load(self, data: Any) -> str | Undecodable:
        """Return the text."""
        return decode(bytes(data))


class UndecodableDumper(Dumper):
    """Writes text that is not UTF-8."""

    oid = psycopg.adapters.types["text"].oid

    def dump(self, obj: Undecodable) -> bytes:
        """Return the bytes."""
        return obj.data


def undecoded(cursor: Any) -> list[tuple[Any, ...]]:
    """Return every row of a psycopg cursor whose own method has failed on text that is not UTF-8."""
    _register(cursor)
    transformer = Transformer(cursor)
    transformer.set_pgresult(cursor.pgresult)
    return transformer.load_rows(0, cursor.pgresult.ntuples, tuple)


def _resumed(gen: Generator[Any, Any, Any], awaited: Any) -> Generator[Any, Any, Any]:
    """Go on with a generator that awaits something. Psycopg's wait begins one with None, which is no answer to that."""
    try:
        while True:
            awaited = gen.send((yield awaited))
    except StopIteration as end:
        return end.value


def _register(context: AdaptContext) -> None:
    for name in ("text", "varchar", "bpchar", "name"):
        context.adapters.register_loader(name, TextLoader)
