"""Rows with invalid values are listed, read, exported and overwritten, and an undo restores them exactly."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peewee
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from build_admin.models.build import DOCUMENTED, NEWER, StoredBuild
from build_admin.models.builds import Author, Builds
from build_admin.models.revision import as_exported, recalled, restoring
from build_admin.models.snapshot import snapshot
from build_admin.models.stores.sqlite import SqliteDatabase
from build_admin.models.stores.statement import fetched
from build_admin.models.stores.store import FILE, Store, open_store
from build_admin.models.stores.text import Undecodable
from service import BUILDS, REPAIRS, Answer, Service, build, refused, run, running
from vela import Tables

EXAMPLES = int(os.environ.get("BUILD_ADMIN_TEST_EXAMPLES", "100"))
ME = Author("me", "a-request")
BROKEN = b"broken \xff\xe2\x82"
SHOWN = "broken \ufffd\ufffd"


class Table:
    """The table `builds`, written and read without the service. Text is passed as bytes."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.url = settings.get("DATABASE_URL", "")

    def write(self, build_id: int, **columns: Any) -> None:
        """Set columns of a row. Bytes are stored as text."""
        mark, cast = ("%s", "convert_from(%s, 'SQL_ASCII')") if self.url else ("?", "CAST(? AS TEXT)")
        given = ", ".join(f'"{name}" = {cast if isinstance(value, bytes) else mark}' for name, value in columns.items())
        self._execute(f"UPDATE builds SET {given} WHERE id = {build_id}", list(columns.values()))

    def row(self, build_id: int) -> dict[str, Any]:
        """Return a row. In SQLite each value is its type and its bytes in hexadecimal."""
        names = [*DOCUMENTED, *NEWER]
        get = '"{0}"' if self.url else 'typeof("{0}") || \' \' || hex("{0}")'
        query = f"SELECT {', '.join(get.format(name) for name in names)} FROM builds WHERE id = {build_id}"
        return dict(zip(names, self._execute(query)[0], strict=True))

    def _execute(self, statement: str, values: Any = ()) -> list[Any]:
        if not self.url:
            with contextlib.closing(sqlite3.connect(self.settings["DATA"] / FILE)) as file, file:
                return file.execute(statement, values).fetchall()
        with psycopg.connect(self.url, autocommit=True, client_encoding="SQL_ASCII") as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []


def sql_ascii(new_database: Any, postgres_url: str) -> str:
    """Create a PostgreSQL database that stores any bytes as text, and return its URL."""
    url: str = new_database()
    name = url.partition("/@/")[2].partition("?")[0] or url.split("@/")[1].partition("?")[0]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}"'.encode())
        connection.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'".encode())
    return url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Table:
    settings: dict[str, Any] = {"DATA": tmp_path_factory.mktemp("broken")}
    if request.param == "postgresql":
        made = [request.getfixturevalue(name) for name in ("new_database", "postgres_url")]
        settings["DATABASE_URL"] = sql_ascii(*made)
    return Table(settings)


@pytest.fixture(scope="module")
def service(table: Table) -> Iterator[Service]:
    with running(THREADS=2, **table.settings) as running_service:
        yield running_service


def unreadable(answer: Answer) -> str | None:
    return answer.headers["X-Unreadable"]


def undo(service: Service, build_id: int, tag: str, revision: int) -> Answer:
    """Undo a revision of a build."""
    answer = service.post(f"{BUILDS}/{build_id}/revisions/{revision}/undo", If_Match=tag)
    assert answer.status == 200, answer
    return answer


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("title", BROKEN, SHOWN),
        ("status", b"\xff", "\ufffd"),
        ("email", b"\xffx", "\ufffdx"),
        ("deploy_payload", b"[1]", {}),
        ("deploy_payload", b'{"a": 1}', {}),
        ("deploy_payload", b'{"a": "\\ud800"}', {}),
        ("deploy_payload", b"{", {}),
        ("deploy_payload", b"[" * 1900, {}),
        ("deploy_payload", b'{"a": "\xff"}', {}),
        ("deploy_payload", b'"{}"', {}),
    ],
)
def test_an_unreadable_value_is_shown_with_replacements_kept_by_a_put_and_restored_by_undo(
    service: Service, table: Table, new_id: int, column: str, value: bytes, shown: Any
) -> None:
    service.create(id=new_id)
    table.write(new_id, **{column: value})
    before = table.row(new_id)
    read = service.get(f"{BUILDS}/{new_id}")
    assert (read.status, read.json, unreadable(read)) == (200, build(id=new_id) | {column: shown}, column)
    listed = service.get(f"{BUILDS}?number={new_id}")
    assert (listed.json, unreadable(listed)) == ([read.json], f"{new_id}.{column}")
    # A value that is sent back as it was shown is not changed.
    same = service.put(read.json | {"status": "running"} if column != "status" else build(id=new_id))
    assert same.status == 200
    assert {name: value for name, value in table.row(new_id).items() if name != "status"} == {
        name: value for name, value in before.items() if name != "status"
    }
    # Any other value replaces it.
    changed = service.put(build(id=new_id, status="error", **({column: None} if column in NEWER else {})))
    assert (changed.status, unreadable(changed), changed.json) == (200, None, build(id=new_id, status="error"))
    assert service.get(f"{BUILDS}/{new_id}").body == changed.body
    # Undo restores the row exactly.
    undone = undo(service, new_id, changed.etag, 2)
    assert (undone.json, undone.etag, unreadable(undone)) == (read.json, read.etag, column)
    assert table.row(new_id) == before


def test_rows_that_are_shown_alike_but_stored_differently_have_different_etags(
    service: Service, table: Table, new_id: int
) -> None:
    tag = service.put(build(id=new_id, title=SHOWN), If_None_Match="*").etag
    tags = {tag}
    for title in (BROKEN, BROKEN[:-1]):
        table.write(new_id, title=title)
        read = service.get(f"{BUILDS}/{new_id}")
        assert read.json["title"] == SHOWN
        tags.add(read.etag)
    assert len(tags) == 3
    assert service.put(build(id=new_id), If_Match=tag).status == 412
    assert service.put(build(id=new_id), If_Match=read.etag).status == 200


def test_sending_back_an_unreadable_build_as_it_was_shown_changes_nothing(
    service: Service, table: Table, new_id: int
) -> None:
    service.create(id=new_id, deploy_payload={"a": "b"})
    table.write(new_id, title=BROKEN, deploy_payload=b"[]")
    read = service.get(f"{BUILDS}/{new_id}")
    for query in ("?dry_run=true", ""):
        same = service.put(read.body, query)
        assert (same.status, same.body, same.etag, unreadable(same)) == (
            200, read.body, read.etag, "title, deploy_payload",
        )  # fmt: skip
    assert len(service.get(f"{BUILDS}/{new_id}/revisions").json) == 1
    # A newer field that is stored must not be left out, even if it is unreadable.
    left_out = {name: value for name, value in read.json.items() if name != "deploy_payload"}
    assert list(refused(service.put(left_out), 400)["fields"]) == ["deploy_payload"]
    cleared = service.put(read.json | {"deploy_payload": None})
    assert (unreadable(cleared), cleared.json) == ("title", left_out)
    assert service.get(f"{BUILDS}/{new_id}/revisions/2").json["changes"] == {"deploy_payload": {"from": {}, "to": None}}


def test_a_revision_shows_the_replacement_of_an_unreadable_value(service: Service, table: Table, new_id: int) -> None:
    service.create(id=new_id)
    table.write(new_id, title=BROKEN)
    assert service.put(build(id=new_id, title="broken")).status == 200
    found = service.get(f"{BUILDS}/{new_id}/revisions/2")
    assert found.json["changes"] == {"title": {"from": SHOWN, "to": "broken"}}
    assert (found.json["before"], unreadable(found)) == (build(id=new_id, title=SHOWN), "title")


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ({"number": 0}, {"number": 0}),
        ({"number": -7}, {"number": -7}),
        ({"repo_id": None, "number": None}, {"repo_id": 0, "number": 0}),
        ({"status": b"lost"}, {"status": "lost"}),
        ({"status": None, "created": None, "fork": None, "deploy_payload": None}, {"status": "", "created": 0}),
        ({"enqueued": 0, "title": b"", "error": b"", "deploy_payload": b""}, {"enqueued": 0, "title": ""}),
        ({"created": -1}, {"created": -1}),
    ],
)
def test_values_that_put_would_refuse_are_shown_unchanged_and_can_be_overwritten(
    service: Service, table: Table, new_id: int, columns: dict[str, Any], shown: dict[str, Any]
) -> None:
    service.create(id=new_id)
    table.write(new_id, **columns)
    read = service.get(f"{BUILDS}/{new_id}")
    assert (read.status, read.json, unreadable(read)) == (200, build(id=new_id) | shown, None)
    answer = service.put(build(id=new_id, status="error"))
    assert (answer.status, answer.json) == (200, build(id=new_id, status="error"))


def test_lists_and_other_overwrites_work_beside_an_unreadable_row(service: Service, table: Table, new_id: int) -> None:
    good, bad = new_id, new_id + 100_000
    for build_id in (good, bad):
        service.create(id=build_id, repo_id=new_id, number=build_id, status="pending", created=2**40 + build_id)
    table.write(bad, title=BROKEN, event=b"\xff", deploy_payload=b"[")
    for path in (f"{BUILDS}?repo_id={new_id}", f"{BUILDS}/queue?after={2**40}"):
        answer = service.get(path)
        found = [one["id"] for one in answer.json if one["repo_id"] == new_id]
        assert (answer.status, found) == (200, [bad, good])
        assert unreadable(answer) == f"{bad}.event, {bad}.title, {bad}.deploy_payload"
    stuck = service.get(f"{BUILDS}/stuck?before={2**41}&repo_id={new_id}")
    assert [item["build"]["id"] for item in stuck.json] == [good, bad]
    assert stuck.json[1]["etag"] == service.get(f"{BUILDS}/{bad}").etag.strip('"')
    assert unreadable(stuck) == f"{bad}.event, {bad}.title, {bad}.deploy_payload"
    assert unreadable(service.get(f"{BUILDS}?number={good}")) is None
    # No worker thread keeps an old snapshot of the database after it has read the row.
    for number in range(8):
        table.write(good, title=f"title {number}".encode())
        assert service.put(build(id=good, repo_id=new_id, title=f"new {number}")).status == 200


def test_a_repair_keeps_unreadable_values_that_it_does_not_set_and_its_undo_restores_the_others(
    service: Service, table: Table, new_id: int
) -> None:
    ids = [new_id + 200_000 + number for number in range(3)]
    for build_id in ids:
        service.create(id=build_id, repo_id=new_id, number=build_id)
    table.write(ids[0], title=BROKEN, deploy_payload=b"[1]", error=b"")
    table.write(ids[1], title=b'\xff"\\{},', status=b"\xfe", host=None)
    before = [table.row(build_id) for build_id in ids]

    done = service.repair({"ids": ids}, {"status": "error", "title": "mended", "error": ""})
    assert done.status == 201, done
    for build_id, row in zip(ids, before, strict=True):
        after = table.row(build_id)
        assert {name for name in row if after[name] != row[name]} <= {"status", "title", "error"}
        assert service.find(build_id)["title"] == "mended"
    assert service.undo(done.json["repair"]).status == 201
    assert [table.row(build_id) for build_id in ids] == before


def test_an_unreadable_value_that_has_changed_since_a_repair_is_not_put_back(
    service: Service, table: Table, new_id: int
) -> None:
    service.create(id=new_id)
    table.write(new_id, title=b"\xff")
    repair = service.repair({"ids": [new_id]}, {"status": "error"}).json["repair"]
    path = f"{REPAIRS}/{repair}/builds"
    assert [one["state"] for one in service.get(path).json] == ["as repaired"]
    table.write(new_id, title=b"\xfe")  # it is shown as before
    assert [one["state"] for one in service.get(path).json] == ["changed since"]
    assert service.undo(repair).json["changed"] == 0
    assert service.find(new_id)["status"] == "error"


def test_invalid_values_in_a_vela_servers_other_tables_do_not_fail_requests(data: Path) -> None:
    tables = Tables({"DATA": data})
    with running(DATA=data, THREADS=1) as service:
        service.create(id=1, status="running", started=1, host="w1")
        tables.make()
        tables.execute("INSERT INTO repos (id, full_name) VALUES (1, CAST(x'61ff' AS TEXT))")
        tables.execute("INSERT INTO workers (hostname, running_build_ids) VALUES (x'ff', CAST(x'ff' AS TEXT))")
        tables.execute("INSERT INTO workers (hostname, last_checked_in) VALUES ('w1', 'long ago')")
        assert service.get("/api/v1/admin/repos").json == [{"id": 1, "full_name": "a\ufffd"}]
        (item,) = service.get(f"{BUILDS}/stuck").json
        assert item["evidence"][-1] == "worker w1 has never checked in"
        tables.execute("UPDATE builds SET title = 'new'")
        assert service.put(build(id=1, status="error")).status == 200


def test_the_header_x_unreadable_names_at_most_a_hundred_fields(service: Service, table: Table, new_id: int) -> None:
    for number in range(1, 31):
        service.create(id=new_id + 10_000_000 + number, repo_id=new_id, number=number)
        table.write(
            new_id + 10_000_000 + number, clone=b"\xff", source=b"\xff", ref=b"\xff", host=b"\xff", runtime=b"\xff"
        )
    names = (unreadable(service.get(f"{BUILDS}?repo_id={new_id}&per_page=30")) or "").split(", ")
    assert len(names) == 101
    assert names[-2:] == [f"{new_id + 10_000_011}.runtime", "..."]


def test_an_export_has_the_raw_values_of_a_row_and_an_import_accepts_them_only_in_revisions(
    service: Service, table: Table, new_id: int, tmp_path: Path
) -> None:
    service.create(id=new_id, number=new_id)
    table.write(new_id, title=BROKEN)
    service.put(build(id=new_id, title=SHOWN, status="error"))
    done = run("export", "--revisions", **table.settings)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (line,) = [line for line in lines if line.get("id") == new_id]
    raw = {"title": {"text": "YnJva2VuIP/igg=="}}
    assert line == build(id=new_id, title=SHOWN, status="error") | {"row": raw}
    (revision,) = [one for one in lines if (one.get("build_id"), one.get("revision")) == (new_id, 2)]
    assert revision["before"] == build(id=new_id, title=SHOWN) | {"row": raw}
    file = tmp_path / "lines"
    file.write_text(json.dumps(line))
    refusal = run("import", str(file), DATA=tmp_path / "other")
    assert (refusal.returncode, refusal.stderr.splitlines()[0].split(":")[:2]) == (1, ["line 1", " row"])
    file.write_text("\n".join(map(json.dumps, [build(id=new_id, title="mended"), revision])))
    assert run("import", str(file), DATA=tmp_path / "other").returncode == 0
    with running(DATA=tmp_path / "other") as other:
        found = other.get(f"{BUILDS}/{new_id}/revisions/2")
        assert (found.json["before"]["title"], unreadable(found)) == (SHOWN, "title")


def test_an_import_keeps_unreadable_values_that_it_sends_back_as_shown(
    service: Service, table: Table, new_id: int, tmp_path: Path
) -> None:
    service.create(id=new_id)
    table.write(new_id, title=BROKEN, ref=b"\xff")
    before = table.row(new_id)
    file = tmp_path / "lines"
    file.write_text(json.dumps(build(id=new_id, title=SHOWN, status="error")))
    done = run("import", "--overwrite", str(file), **table.settings)
    assert (done.returncode, done.stdout[:35]) == (0, "imported 1 builds (0 created, 1 over"[:35]), done.stderr
    after = table.row(new_id)
    assert {name for name in after if after[name] != before[name]} == {"status", "ref"}
    found = service.get(f"{BUILDS}/{new_id}/revisions/2")
    assert (found.json["before"]["ref"], unreadable(found)) == ("\ufffd", "title, ref")


def test_bytes_that_are_not_utf_8_in_a_postgresql_database_of_utf_8_are_shown_with_replacements(
    new_database: Any, postgres_url: str, data: Path
) -> None:
    url = sql_ascii(new_database, postgres_url)
    table = Table({"DATA": data, "DATABASE_URL": url})
    with running(**table.settings) as service:
        service.create(id=1)
        service.create(id=2)
        table.write(1, title=BROKEN)
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("UPDATE pg_database SET encoding = 6 WHERE datname = %s", (name,))
    with running(**table.settings) as service:
        read = service.get(f"{BUILDS}/1")
        assert (read.json, unreadable(read)) == (build(id=1, title=SHOWN), "title")
        assert [one["id"] for one in service.get(BUILDS).json] == [2, 1]
        assert service.put(read.json | {"status": "error"}, If_Match=read.etag).status == 200
        assert service.put(build(id=1, status="error")).json == build(id=1, status="error")
        assert service.get(f"{BUILDS}/1/revisions/3").json["before"]["title"] == SHOWN
    assert run("export", **table.settings).returncode == 0


def test_a_nul_is_shown_and_exported_and_imported_in_a_revision(data: Path, tmp_path: Path) -> None:
    table = Table({"DATA": data})
    with running(**table.settings) as service:
        service.create(id=1)
        table.write(1, title=b"a\0b")
        read = service.get(f"{BUILDS}/1")
        assert (read.json["title"], unreadable(read)) == ("a\0b", None)
        assert service.put(build(id=1, title="ab")).status == 200
    file = tmp_path / "lines"
    assert run("export", "--revisions", str(file), **table.settings).returncode == 0
    done = run("import", str(file), DATA=tmp_path / "other")
    assert done.returncode == 0, done.stderr
    assert run("export", "--revisions", DATA=tmp_path / "other").stdout == file.read_text(encoding="utf-8")


def test_a_number_in_a_text_column_without_a_type_is_exported_as_shown(data: Path) -> None:
    data.mkdir(exist_ok=True)
    with contextlib.closing(sqlite3.connect(data / FILE)) as file, file:
        file.execute('CREATE TABLE builds ("' + '", "'.join(DOCUMENTED) + '")')
        marks = ", ".join("?" for _ in DOCUMENTED)
        file.execute(f"INSERT INTO builds VALUES ({marks})", list(build(id=1, title=5).values()))
    done = run("export", DATA=data)
    assert json.loads(done.stdout) == build(id=1, title="5") | {"row": {"title": 5}}, done.stderr


# SQLite stores values of any type in any column, and converts text that looks like a number in a numeric column.
SCALARS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, 2, -1, 2**63 - 1, -(2**63)]),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["null", "{}", "[]", '{"a":"b"}', '{"a": "b"}', "error", "\0", "1e5", "true"]),
    st.binary(max_size=20),
    st.binary(max_size=20).map(Undecodable),
)
ROWS = st.dictionaries(st.sampled_from([*DOCUMENTED[1:], *NEWER]), SCALARS, min_size=1, max_size=8)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_store(tmp_path_factory.mktemp("rows"))
    yield store
    store.close()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(columns=ROWS)
@example(columns={"pipeline_id": b""})
def test_any_row_is_readable_and_is_restored_exactly_after_an_overwrite(opened: Store, columns: dict[str, Any]) -> None:
    builds = Builds(opened.database, opened.columns)
    database = opened.database
    for number in (1, 2):
        database.execute_sql("DELETE FROM builds WHERE id = ?", (number,))
        builds.overwrite(build(id=number), ME, create=True)
    names = ", ".join(f'"{name}" = {"CAST(? AS TEXT)" if isinstance(value, Undecodable) else "?"}'
                      for name, value in columns.items())  # fmt: skip
    values = [value.data if isinstance(value, Undecodable) else value for value in columns.values()]
    with contextlib.suppress(UnicodeEncodeError), contextlib.suppress(peewee.IntegrityError):
        database.execute_sql(f"UPDATE builds SET {names} WHERE id = 1", values)
    found, exact = builds.find(1), exactly(database)
    json.dumps(found).encode()
    assert {type(found[name]) for name in ("title", "status")} == {str}
    assert all(type(found[name]) is int for name in ("number", "created"))
    with snapshot(database, opened.columns) as seen:
        assert json.loads(next(seen.lines(revisions=False))[1]) == as_exported(found)
    # Sending it back as it was shown changes nothing.
    assert not builds.overwrite(dict(found), ME, precondition=lambda tag: None).changes
    assert exactly(database) == exact
    done = builds.overwrite(build(id=1, number=3, status="killed") | dict.fromkeys(NEWER), ME)
    revision = (1, done.revision)
    query = 'SELECT "before" FROM build_revisions WHERE build_id = ? AND revision = ?'
    kept = recalled(database.execute_sql(query, revision).fetchone()[0])
    assert (kept, kept.unreadable) == (found, found.unreadable)
    put_back(builds, builds.find(1), kept)
    assert exactly(database) == exact


def put_back(builds: Builds, stored: StoredBuild, kept: StoredBuild) -> None:
    revision = {"build_id": 1, "revision": 2**40, "at": 1, "by": "", "request_id": "", "changes": "", "before": None}
    values = restoring(stored, kept)

    def work() -> None:
        builds._rows.update(values, revision)
        builds.database.execute_sql("DELETE FROM build_revisions")

    builds.database.write(work)


def exactly(database: peewee.Database) -> Any:
    names = ", ".join(f'typeof("{name}") || hex("{name}")' for name in (*DOCUMENTED, *NEWER))
    return database.execute_sql(f"SELECT {names} FROM builds WHERE id = 1").fetchone()


def test_undo_restores_bytes_of_a_sql_ascii_database_exactly(new_database: Any, postgres_url: str, data: Path) -> None:
    table = Table({"DATA": data, "DATABASE_URL": sql_ascii(new_database, postgres_url)})
    store = open_store(data, table.url)
    builds = Builds(store.database, store.columns)
    builds.overwrite(build(id=1, title="größer"), ME, create=True)
    table.write(1, ref=BROKEN, deploy_payload=b"[\xff", number=0, fork=None)
    before, found = table.row(1), builds.find(1)
    assert found["title"] == "größer"
    builds.overwrite(build(id=1, status="error", deploy_payload=None), ME)
    (text,) = store.database.execute_sql("SELECT before FROM build_revisions WHERE revision = 2").fetchone()
    put_back(builds, builds.find(1), recalled(text))
    assert table.row(1) == before
    store.close()


def test_a_statement_whose_row_cannot_be_read_leaves_no_snapshot_open(data: Path) -> None:
    store = open_store(data)
    assert isinstance(store.database, SqliteDatabase)
    builds = Builds(store.database, store.columns)
    for number in (1, 2):
        builds.overwrite(build(id=number), ME, create=True)

    def undecodable(text: bytes) -> str:
        raise MemoryError

    connection = store.database.connection()
    connection.text_factory, usual = undecodable, connection.text_factory
    cursor = store.database.execute_sql('SELECT id, CASE id WHEN 2 THEN "title" END FROM builds')
    with pytest.raises(MemoryError) as kept:
        fetched(cursor)
    connection.text_factory = usual
    with contextlib.closing(sqlite3.connect(data / FILE)) as other, other:
        other.execute("UPDATE builds SET title = 'new' WHERE id = 1")
    assert builds.overwrite(build(id=1, title="newer"), ME).revision == 2
    assert kept
    store.close()


def test_a_statement_that_fails_on_a_lock_is_not_run_again_as_if_its_text_were_unreadable(data: Path) -> None:
    """It would wait for the lock a second time."""
    store = open_store(data)
    builds = Builds(store.database, store.columns)
    builds.overwrite(build(id=1), ME, create=True)
    store.database.close()
    with contextlib.closing(sqlite3.connect(data / FILE, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        connection = sqlite3.connect(data / FILE, timeout=0, isolation_level=None)
        store.database._state.set_connection(connection)  # type: ignore[attr-defined]
        with pytest.raises(peewee.OperationalError, match="locked"):
            builds.stored(1)
        assert connection.text_factory is str
        other.execute("ROLLBACK")
    store.database.close()
