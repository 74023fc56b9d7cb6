"""Connection: psycopg's, which does not wait for ever. It is apart because psycopg may not be installed."""

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus


class Connection(psycopg.Connection[Any]):
    """A connection to a PostgreSQL that may be frozen, or cut off without a word.

    Attributes:
        patience: returns the seconds for which an answer is waited for; None for as long as it takes. The server's own
            timeouts come first, where it still works.

    """

    patience: Callable[[], float | None]

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Return what the generator returns. Raises psycopg.OperationalError, and closes, when patience is over.

        This overrides psycopg's own, by which every statement waits, and relies on its `timeout` (psycopg 3.3).
        """
        try:
            return super().wait(gen, interval, self.patience() if timeout is None else timeout)
        except psycopg.OperationalError as error:
            # What the server says has a state; it says nothing where patience is over.
            if error.sqlstate is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise
