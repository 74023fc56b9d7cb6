"""Connection: psycopg's, which does not wait for ever. It is apart because psycopg may not be installed."""

import time
from collections.abc import Callable, Generator
from typing import Any

import psycopg
from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper, Loader, Transformer
from psycopg.pq import TransactionStatus

from build_admin.models.stores.text import Undecodable, decode

#: Seconds for which an answer is looked for before the thread goes to sleep until it comes, if the last one has come
#: within NEAR. To fall asleep and be woken takes as long as a server on the same machine does. With 8 connections this
#: gives 1.2 times the reads a second and 1.08 times the overwrites, with one 1.06 times.
AWAKE = 60e-6
NEAR = 300e-6


class Connection(psycopg.Connection[Any]):
    """A connection to a PostgreSQL that may be frozen, or cut off without a word.

    Attributes:
        patience: returns the seconds for which an answer is waited for; None for as long as it takes. The server's own
            timeouts come first, where it still works.
        awake: returns whether AWAKE is spent. Not in a command, whose Ctrl-C has to find psycopg's own wait, which
            cancels the statement.

    """

    patience: Callable[[], float | None]
    awake: Callable[[], bool]
    _near = True

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Return what the generator returns. Raises psycopg.OperationalError, and closes, when patience is over.

        This overrides psycopg's own, by which every statement waits, and relies on its `timeout` (psycopg 3.3).
        """
        began = time.perf_counter()
        try:
            if self._near and self.awake():
                try:
                    awaited = next(gen)
                    while time.perf_counter() - began < AWAKE:
                        awaited = gen.send(awaited)  # as if it were there: libpq looks, and does not wait
                except StopIteration as end:
                    return end.value
                gen = _resumed(gen, awaited)
            return super().wait(gen, interval, self.patience() if timeout is None else timeout)
        except psycopg.OperationalError as error:
            # What the server says has a state; it says nothing where patience is over.
            if error.sqlstate is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise
        finally:
            self._near = time.perf_counter() - began < NEAR

    def take_any_text(self) -> None:
        """Read text whose bytes are not UTF-8, and write it back as it was, where the database has such text.

        In a database whose encoding is SQL_ASCII the server knows of no encoding. It refuses to read or write what is
        not in the client's, unless the client has none either.
        """
        self.adapters.register_dumper(Undecodable, UndecodableDumper)
        if self.info.parameter_status("server_encoding") == "SQL_ASCII":
            self.execute("SET client_encoding = 'SQL_ASCII'")
            _register(self)


class TextLoader(Loader):
    """Reads text, also where its bytes are not UTF-8."""

    def load(self, data: Any) -> str | Undecodable:
        """Return the text."""
        return decode(bytes(data))


class UndecodableDumper(Dumper):
    """Writes such text as it was read."""

    oid = psycopg.adapters.types["text"].oid

    def dump(self, obj: Undecodable) -> bytes:
        """Return the bytes."""
        return obj.data


def undecoded(cursor: Any) -> list[tuple[Any, ...]]:
    """Return every row of a cursor of psycopg's that could not return them, because a text's bytes are not UTF-8."""
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
