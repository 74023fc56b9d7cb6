"""A Vela server's table `builds` on PostgreSQL, in its current and an older form, is used without changes."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from build_admin.models.build import NEWER
from service import Service, build, run, running

# As in the Vela server's public migrations. The column unknown_to_us stands for one that a later version adds.
TODAY = """
    CREATE TABLE builds (
        id BIGSERIAL PRIMARY KEY, repo_id BIGINT, pipeline_id BIGINT, number BIGINT, parent BIGINT,
        event VARCHAR(250), event_action VARCHAR(250), status VARCHAR(250), error VARCHAR(1000),
        enqueued BIGINT, created BIGINT, started BIGINT, finished BIGINT,
        deploy VARCHAR(500), deploy_number BIGINT, deploy_payload VARCHAR(2000),
        clone VARCHAR(1000), source VARCHAR(1000), title VARCHAR(1000), message VARCHAR(2000), commit VARCHAR(500),
        sender VARCHAR(250), sender_scm_id VARCHAR(250), fork BOOLEAN, author VARCHAR(250), email VARCHAR(500),
        link VARCHAR(1000), branch VARCHAR(500), ref VARCHAR(500), base_ref VARCHAR(500), head_ref VARCHAR(500),
        host VARCHAR(250), route VARCHAR(250), runtime VARCHAR(250), distribution VARCHAR(250),
        approved_at BIGINT, approved_by VARCHAR(250), timestamp BIGINT, unknown_to_us TEXT DEFAULT 'kept',
        UNIQUE (repo_id, number)
    )
"""
OLDER = """
    CREATE TABLE builds (
        id SERIAL PRIMARY KEY, repo_id INTEGER, number INTEGER, parent INTEGER,
        event VARCHAR(250), status VARCHAR(250), error VARCHAR(500),
        enqueued INTEGER, created INTEGER, started INTEGER, finished INTEGER, deploy VARCHAR(500),
        clone VARCHAR(1000), source VARCHAR(1000), title VARCHAR(1000), message VARCHAR(2000), commit VARCHAR(500),
        sender VARCHAR(250), author VARCHAR(250), email VARCHAR(500), link VARCHAR(1000),
        branch VARCHAR(500), ref VARCHAR(500), base_ref VARCHAR(500), head_ref VARCHAR(500),
        host VARCHAR(250), runtime VARCHAR(250), distribution VARCHAR(250), unknown_to_us TEXT DEFAULT 'kept',
        UNIQUE (repo_id, number)
    )
"""
OLDER_LACKS = {
    "pipeline_id": 1,
    "deploy_number": 1,
    "approved_at": 1,
    "event_action": "opened",
    "sender_scm_id": "1",
    "route": "vela",
    "approved_by": "octocat",
    "fork": True,
    "deploy_payload": {"a": "b"},
}


class Site:
    """A service on a Vela server's database, and a connection to that database."""

    def __init__(self, service: Service, url: str) -> None:
        self.service = service
        self.database = psycopg.connect(url, autocommit=True, row_factory=psycopg.rows.dict_row)

    def row(self, build_id: int) -> dict[str, Any]:
        found = self.database.execute("SELECT * FROM builds WHERE id = %s", (build_id,)).fetchone()
        assert found
        return found

    def insert(self, **columns: Any) -> None:
        """Insert a row with NULL in the columns that are not given, as a Vela server does for zero values."""
        names = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join(["%s"] * len(columns))
        self.database.execute(f"INSERT INTO builds ({names}) VALUES ({values})", list(columns.values()))


@contextlib.contextmanager
def site(new_database: Any, data: Any, table: str) -> Iterator[Site]:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(table)
    with running(DATA=data, DATABASE_URL=url) as service:
        opened = Site(service, url)
        with contextlib.closing(opened.database):
            yield opened


@pytest.fixture(scope="module")
def today(new_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(new_database, tmp_path_factory.mktemp("today"), TODAY) as opened:
        yield opened


@pytest.fixture(scope="module")
def older(new_database: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(new_database, tmp_path_factory.mktemp("older"), OLDER) as opened:
        yield opened


def test_an_overwrite_changes_only_the_columns_of_the_changed_fields(today: Site, new_id: int) -> None:
    today.insert(id=new_id, repo_id=1, number=new_id, status="running", timestamp=7, fork=False, deploy_payload="null")
    before = today.row(new_id)
    answer = today.service.put(build(id=new_id, status="error", title=""))
    assert (answer.status, answer.json) == (200, build(id=new_id, status="error", title=""))
    after = today.row(new_id)
    assert (after["timestamp"], after["unknown_to_us"]) == (7, "kept")
    assert {name: after[name] for name in NEWER} == {name: before[name] for name in NEWER}
    # Zero values are stored as NULL.
    assert (after["title"], after["finished"], after["error"]) == (None, None, None)


def test_a_created_row_can_be_read_by_a_vela_server(today: Site, new_id: int) -> None:
    today.service.create(id=new_id)
    row = today.row(new_id)
    assert (row["deploy_payload"], row["fork"]) == ("null", False)
    assert (row["email"], row["pipeline_id"]) == (None, None)


def test_a_payload_that_is_cleared_becomes_the_text_null(today: Site, new_id: int) -> None:
    today.service.create(id=new_id, deploy_payload={"a": "b"})
    assert today.row(new_id)["deploy_payload"] == '{"a":"b"}'
    assert today.service.put(build(id=new_id, deploy_payload=None)).status == 200
    assert today.row(new_id)["deploy_payload"] == "null"


def test_if_match_detects_a_change_by_the_vela_server(today: Site, new_id: int) -> None:
    tag = today.service.put(build(id=new_id), If_None_Match="*").etag
    today.database.execute("UPDATE builds SET status = 'success' WHERE id = %s", (new_id,))
    assert today.service.put(build(id=new_id, status="error"), If_Match=tag).status == 412
    assert today.row(new_id)["status"] == "success"


@pytest.mark.parametrize("name", OLDER_LACKS)
def test_a_newer_field_without_a_column_is_refused_by_name(older: Site, new_id: int, name: str) -> None:
    sent = build(id=new_id, **{name: OLDER_LACKS[name]})
    refused = older.service.put(sent, If_None_Match="*")
    assert (refused.status, list(refused.json["fields"])) == (400, [name])
    assert "column" in refused.json["fields"][name][0]
    assert older.service.put(build(id=new_id, **{name: None}), If_None_Match="*").status == 201
    assert older.row(new_id)["unknown_to_us"] == "kept"


@pytest.mark.parametrize(
    ("name", "fits", "too_much"),
    [
        ("error", "é" * 500, "é" * 501),
        ("finished", 2**31 - 1, 2**31),
        ("parent", 2**31 - 1, 2**63 - 1),
        ("repo_id", 2**31 - 1, 2**31),
        ("email", "e" * 500, "e" * 501),
    ],
)
def test_a_value_that_does_not_fit_into_its_column_is_refused_by_name(
    older: Site, new_id: int, name: str, fits: Any, too_much: Any
) -> None:
    older.service.create(id=new_id)
    refused = older.service.put(build(id=new_id, **{name: too_much}))
    assert (refused.status, list(refused.json["fields"])) == (400, [name])
    assert older.row(new_id)["status"] == "created"
    answer = older.service.put(build(id=new_id, **{name: fits}))
    assert (answer.status, answer.json[name]) == (200, fits)


def test_an_id_that_does_not_fit_into_its_column_is_refused(older: Site) -> None:
    refused = older.service.put(build(id=2**31, number=1), If_None_Match="*")
    assert (refused.status, list(refused.json["fields"])) == (400, ["id"])
    repo = {name: value for name, value in build(id=1).items() if name != "repo_id"} | {"repo": {"id": 2**31}}
    refused = older.service.put(repo, If_None_Match="*")
    assert (refused.status, list(refused.json["fields"])) == (400, ["repo"])


def test_check_names_the_columns_that_an_older_table_lacks(older: Site, data: Any, new_database: Any) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(OLDER)
    checked = run("check", DATA=data, DATABASE_URL=url)
    assert checked.returncode == 0, checked.stderr
    for name in OLDER_LACKS:
        assert name in checked.stdout
    assert "build_revisions" in checked.stdout


@pytest.mark.parametrize("name", ["status", "clone"])
def test_a_table_without_a_documented_column_stops_the_start(new_database: Any, data: Any, name: str) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TODAY)
        connection.execute(f'ALTER TABLE builds DROP COLUMN "{name}"')
    for command in ("serve", "check"):
        finished = run(command, DATA=data, DATABASE_URL=url)
        assert finished.returncode == 1
        assert f"'{name}'" in finished.stderr
        assert finished.stderr.count("\n") == 1


def test_a_character_outside_the_encoding_of_the_database_is_refused(
    postgres_url: str, new_database: Any, data: Any
) -> None:
    url = new_database()
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}"'.encode())
        connection.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'".encode())
    with running(DATA=data, DATABASE_URL=url) as service:
        service.create(id=1, title="é")
        refused = service.put(build(id=1, title="日本"))
        assert refused.status == 400
        assert service.put(build(id=1, title="é")).status == 200
