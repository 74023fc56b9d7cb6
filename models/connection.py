"""Connection: psycopg's, which does not wait for ever. It is apart because psycopg may not be installed."""

from typing import Any

import psycopg
from psycopg.pq import TransactionStatus


class Connection(psycopg.Connection[Any]):
    """A connection to a PostgreSQL that may be frozen, or cut off without a word.

    Attributes:
        patience: seconds that an answer is waited for; None for as long as it takes. The server's own time-outs come
            first, where it still works.

    """

    patience: float | None = 12

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Return what the generator returns. Raises psycopg.OperationalError, and is closed, when patience is over."""
        try:
            return super().wait(gen, interval, timeout or self.patience)
        except psycopg.OperationalError as error:
            # What the server says has a state; it says nothing where patience is over.
            if error.sqlstate is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise
