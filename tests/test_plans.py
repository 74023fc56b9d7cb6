"""Query plans: the statements of overwrites, reads, imports and filtered lists use an index."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from build_admin.models.build import Build
from build_admin.models.builds import Author, Builds
from build_admin.models.bulk import Bulk
from build_admin.models.filters import Filters
from build_admin.models.selection import select
from build_admin.models.stores.many import owners_of
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.sqlite import SqliteDatabase
from build_admin.models.stores.statement import Statement, rows
from build_admin.models.stores.store import open_store
from build_admin.models.stores.tables import inspect
from service import build

ME = Author("me", "a-request")
ROWS = 2000


@pytest.fixture(params=["sqlite", "postgresql"])
def builds(request: pytest.FixtureRequest, data: Path) -> Iterator[Builds]:
    """A store of each kind with 2000 builds of one revision each."""
    url = request.getfixturevalue("new_database")() if request.param == "postgresql" else ""
    store = open_store(data, url)
    filled = Builds(store.database, store.columns)

    def fill() -> None:
        for number in range(1, ROWS + 1):
            filled._overwrite(build(id=number), ME, True, None)

    store.database.write(fill)
    if url:  # Autovacuum does this on PostgreSQL. The service does not do it on SQLite.
        store.database.execute_sql("ANALYZE")
    yield filled
    store.database.close()


def statements(builds: Builds) -> dict[str, Statement]:
    """Return the precompiled statements by name."""
    named = vars(builds) | vars(builds._rows)
    found = {name: value for name, value in named.items() if isinstance(value, Statement)}
    return found | {"update": builds._rows._update(frozenset({"status", "finished"}))}


def plan(builds: Builds, statement: Statement) -> str:
    values: dict[str, Any] = {"id": 7, "repo_id": 1, "number": 7, "build_id": 7, "revision": 9, "at": 1, "by": "x"}
    parameters = [values.get(name, "0" if name != "fork" else False) for name in statement._names]
    if isinstance(builds.database, SqliteDatabase):
        rows = builds.database.execute_sql(f"EXPLAIN QUERY PLAN {statement._sql}", parameters).fetchall()
        return "\n".join(row[-1] for row in rows)
    # Planned with its values, as PostgreSQL does for the first executions of a prepared statement.
    with psycopg.ClientCursor(builds.database.connection()) as cursor:
        return "\n".join(row[0] for row in cursor.execute("EXPLAIN " + statement._sql, parameters).fetchall())


def test_every_statement_uses_an_index(builds: Builds) -> None:
    seen = {name: plan(builds, statement) for name, statement in statements(builds).items()}
    assert {"_find", "_insert_revision", "_number_of", "update"} < set(seen)
    for name, text in seen.items():
        if name in ("_insert", "_insert_revision"):
            continue
        assert "Index" in text or "USING" in text, (name, text)
        for scan in ("Seq Scan", "SCAN builds", "SCAN build_revisions", "SCAN t1", "TEMP B-TREE", "Sort"):
            assert scan not in text, (name, text)


def test_an_import_does_not_scan_a_table_that_has_grown_since_it_was_planned(data: Path, new_database: Any) -> None:
    store = open_store(data, new_database())
    assert isinstance(store.database, PostgresqlDatabase)
    importing = Bulk(
        store.database, store.columns, ME, overwrite=False, faulty=False, fault=print, progress=print, committing=print
    )

    def look_up() -> None:
        importing._stored([*range(1, 501)])
        owners_of(store.database, [(1, number) for number in range(1, 501)])

    def scans() -> Any:
        (count,) = store.database.execute_sql("SELECT pg_stat_get_xact_numscans('builds'::regclass)").fetchone()
        return count

    with store.database.atomic():
        store.database.unhurried()
        for _ in range(20):  # PostgreSQL chooses a generic plan, which it keeps, after five executions.
            look_up()
        filler = "INSERT INTO builds (id, repo_id, number, title) SELECT n, 1, n, repeat('x', 600) FROM "
        store.database.execute_sql(f"{filler} generate_series(1, 20000) AS n")
        before = scans()
        for _ in range(5):
            look_up()
        assert scans() == before
    store.database.close()


def test_overwrites_do_not_scan_a_table_that_has_grown_since_they_were_planned(data: Path, new_database: Any) -> None:
    store = open_store(data, new_database())
    builds = Builds(store.database, store.columns)
    builds.overwrite(build(id=1), ME, create=True)
    store.database.execute_sql("ANALYZE")

    def scans() -> Any:
        store.database.execute_sql("SELECT pg_stat_force_next_flush()")
        counts = ", ".join(f"pg_stat_get_numscans('{table}'::regclass)" for table in ("builds", "build_revisions"))
        return store.database.execute_sql(f"SELECT {counts}").fetchone()

    for count in range(20):  # PostgreSQL chooses a generic plan, which it keeps, after five executions.
        builds.overwrite(build(id=1, title=str(count)), ME)
    for table in ("builds (id", "build_revisions (revision, at, by, request_id, changes, build_id"):
        values = "n + 1" if "revision" not in table else "1, 1, '', '', repeat('x', 600), n + 1"
        store.database.execute_sql(f"INSERT INTO {table}) SELECT {values} FROM generate_series(1, 20000) AS n")
    before = scans()
    for count in range(5):
        builds.overwrite(build(id=1, title=f"later {count}"), ME)
    assert scans() == before
    store.database.close()


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"host": "w7"}, "host"),
        ({"branch": "b7"}, "branch"),
        ({"status": ["s7"]}, "status"),
        ({"repo_id": 77}, "repo_id_number"),
        ({"number": 7}, "number"),
        ({"branch": "main", "status": ["s7"]}, "status"),
        # All builds of this host are old, so that a scan from the newest build would be slow.
        ({"branch": "main", "host": "gone"}, "host"),
    ],
)
def test_a_list_of_a_large_table_uses_the_index_of_the_most_selective_filter(
    builds: Builds, asked: dict[str, Any], index: str
) -> None:
    filler = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) SELECT i FROM n"
    database = builds.database
    with database.atomic() as transaction:
        database.execute_sql(
            "INSERT INTO builds (id, repo_id, number, host, branch, status) SELECT 1000000 + i, i + 10, i, CASE WHEN "
            "i > 10000 AND i < 22000 THEN 'gone' ELSE 'w' || i END, CASE WHEN i > 10000 THEN 'main' ELSE 'b' || i END, "
            f"'s' || i FROM ({filler}) AS n"
        )
        if not isinstance(database, SqliteDatabase):
            database.execute_sql("ANALYZE builds")
        selected = select(database, inspect(database), Filters(**asked), Build.id)
        query = selected.query.order_by(*selected.newest_first).limit(11) if selected.many else selected.query
        sql, values = database.get_sql_context().sql(query).query()
        explain = "EXPLAIN QUERY PLAN " if isinstance(database, SqliteDatabase) else "EXPLAIN "
        text = "\n".join(str(row[-1]) for row in database.execute_sql(explain + sql, values).fetchall())
        transaction.rollback()
    assert selected.many == ("host" in asked and "branch" in asked)
    assert re.search(rf"(USING|using|on) .*build_{index}\b", text.replace("_id ", " ")), text
    assert all(words not in text for words in ("SCAN", "Seq Scan", "TEMP B-TREE", "Sort")), text


def test_a_list_of_builds_before_a_time_skips_the_newer_ones_by_an_index(builds: Builds) -> None:
    filler = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000) SELECT i FROM n"
    database = builds.database
    database.execute_sql(
        "INSERT INTO builds (id, repo_id, number, branch, created) "
        # The ids and the times have not quite the same order.
        f"SELECT 1000000 + i, 2, i, 'main', CASE i WHEN 110100 THEN 1 ELSE i END FROM ({filler}) AS n"
    )
    if not isinstance(database, SqliteDatabase):
        database.execute_sql("VACUUM ANALYZE builds")
    with database.atomic():
        selected = select(database, inspect(database), Filters(branch="main", before=110_000), Build.id)
        query = selected.query.order_by(*selected.newest_first).limit(3)
        assert rows(database, query) == [(1_110_100,), (1_109_999,), (1_109_998,)]
        sql, values = database.get_sql_context().sql(query).query()
        explain = "EXPLAIN QUERY PLAN " if isinstance(database, SqliteDatabase) else "EXPLAIN "
        text = "\n".join(str(row[-1]) for row in database.execute_sql(explain + sql, values).fetchall())
    assert re.search(r"(COVERING INDEX|Index Only Scan Backward using) build_id_created", text), text
