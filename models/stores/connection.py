"""Connection: psycopg's, which does not wait for ever. It is apart because psycopg may not be installed."""

import time
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

#: Seconds for which an answer is looked for before the thread goes to sleep until it comes. On one machine it comes
#: within them, and to fall asleep and be woken takes as long as the answer itself.
AWAKE = 60e-6

#: Seconds within which the last answer has come from a server that is near enough for that.
NEAR = 300e-6


class Connection(psycopg.Connection[Any]):
    """A connection to a PostgreSQL that may be frozen, or cut off without a word.

    Attributes:
        patience: seconds that an answer is waited for; None for as long as it takes. The server's own time-outs come
            first, where it still works.

    """

    patience: float | None = 12
    _near = True

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Return what the generator returns. Raises psycopg.OperationalError, and is closed, when patience is over."""
        began = time.perf_counter()
        try:
            if self._near and self.patience is not None:
                try:
                    awaited = next(gen)
                    while time.perf_counter() - began < AWAKE:
                        awaited = gen.send(awaited)  # as if it were there: libpq looks, and does not wait
                except StopIteration as end:
                    return end.value
            return super().wait(gen, interval, timeout or self.patience)
        except psycopg.OperationalError as error:
            # What the server says has a state; it says nothing where patience is over.
            if error.sqlstate is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise
        finally:
            self._near = time.perf_counter() - began < NEAR
