"""The rules for builds that a Vela server also writes, on the tables of several versions of it."""

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from postgresql import PASSWORD, as_role
from service import PROGRAM, Service, build, environment, refused, run, running
from vela import VERSIONS, Tables

COUNTER = 1000
LATER = 40_000


class Site:
    """The database of a Vela server, with two repositories."""

    def __init__(self, settings: dict[str, Any], version: str) -> None:
        self.settings = settings
        self.version = version
        self.tables = Tables(settings)
        self.postgresql = "DATABASE_URL" in settings
        self.tables.make_version(version)
        self.tables.insert("repos", id=1, org="octocat", name="hello", full_name="octocat/hello", counter=COUNTER)
        self.tables.insert("repos", id=2, org="octocat", name="empty", full_name="octocat/empty", counter=None)

    def insert(self, **columns: Any) -> int:
        """Insert a row as the Vela server does, with an id from the database, and return the id."""
        names = ", ".join(f'"{name}"' for name in columns)
        marks = ", ".join("?" * len(columns))
        ((found,),) = self.tables.execute(
            f"INSERT INTO builds ({names}) VALUES ({marks}) RETURNING id", list(columns.values())
        )
        return int(found)


@pytest.fixture(scope="module", params=[(kind, version) for kind in ("sqlite", "postgresql") for version in VERSIONS],
                ids=lambda param: "-".join(param))  # fmt: skip
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    kind, version = request.param
    settings: dict[str, Any] = {"DATA": tmp_path_factory.mktemp("beside")}
    if kind == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    return Site(settings, version)


@pytest.fixture(scope="module")
def service(site: Site) -> Iterator[Service]:
    with running(**site.settings) as running_service:
        yield running_service


def faults(answer: Any) -> dict[str, list[str]]:
    body = refused(answer, 400)
    for name, (fault,) in list(body["fields"].items())[:3]:
        assert f"{name} {fault}" in body["error"]
    return dict(body["fields"])


def test_a_number_above_the_repositorys_counter_is_refused(site: Site, service: Service) -> None:
    next_id = site.insert(repo_id=1, number=1)
    assert service.put(build(id=next_id, number=COUNTER)).status == 200
    for number in (COUNTER + 1, 2**31 - 1):
        assert str(COUNTER) in faults(service.put(build(id=next_id, number=number)))["number"][0]
        assert list(faults(service.put(build(id=next_id, number=number), "?dry_run=true"))) == ["number"]
        assert list(faults(service.put(build(id=next_id + 1, number=number), If_None_Match="*"))) == ["number"]
    assert list(faults(service.put(build(id=next_id, repo_id=2)))) == ["number"]
    assert list(faults(service.put(build(id=next_id, repo_id=3)))) == ["repo_id"]
    assert list(faults(service.put(build(id=next_id + 1, repo_id=3), If_None_Match="*"))) == ["repo_id"]
    site.tables.execute("UPDATE repos SET counter = ? WHERE id = 1", [COUNTER + 1])
    assert service.put(build(id=next_id, number=COUNTER + 1)).status == 200


def test_a_number_of_more_than_31_bits_is_refused_whatever_the_counter(site: Site, service: Service) -> None:
    if site.version == "0.23" and site.postgresql:
        answer = service.put(build(id=1, number=2**31), If_None_Match="*")
        assert list(refused(answer, 400)["fields"]) == ["number"]
        return
    site.tables.insert("repos", id=9, full_name="octocat/long", counter=2**40)
    new = build(id=site.insert(repo_id=1, number=7), repo_id=9, number=2**31)
    assert "32 bits" in faults(service.put(new))["number"][0]
    assert service.put(new | {"number": 2**31 - 1}).status == 200


def test_texts_that_change_are_limited_in_bytes(site: Site, service: Service) -> None:
    stored = site.insert(repo_id=1, number=11, title="ü" * 700, message="ü" * 1500)
    legacy = service.find(stored)
    # A stored text of too many bytes does not prevent a change of the status.
    assert service.put(build(id=stored, number=11) | legacy | {"status": "error"}).status == 200
    sent = build(id=stored, number=11, title="ü" * 501, message="ü" * 1001, error="€" * 334)
    assert [*faults(service.put(sent))] == ["error", "title", "message"]
    assert [*faults(service.put(sent | {"status": "lost"}))] == ["error", "title", "message", "status"]
    fits = sent | {"title": "ü" * 500, "message": "ü" * 1000, "error": "€" * 166}
    answer = service.put(fits)
    assert (answer.status, answer.json) == (200, fits)


def test_the_ids_of_the_database_continue_after_a_created_id(site: Site, service: Service) -> None:
    last = site.insert(repo_id=1, number=100)
    site.tables.execute("DELETE FROM builds WHERE id = ?", [last])
    # The id of a deleted build, the next id, and ids that are a little and far ahead.
    for number, ahead in enumerate((0, 1, 60, LATER), 100):
        new = last + ahead
        assert service.put(build(id=new, number=number), If_None_Match="*").status == 201
        last = site.insert(repo_id=1, number=number + 100)
        assert last > new
    dry = service.put(build(id=last + LATER, number=300), "?dry_run=true", If_None_Match="*")
    assert dry.status == 201
    assert site.insert(repo_id=1, number=301) < last + LATER


def test_an_id_in_the_upper_half_of_the_range_is_refused(site: Site, service: Service) -> None:
    largest = (2**31 - 1 if site.postgresql and site.version == "0.23" else 2**63 - 1) // 2
    new = build(id=largest + 1, number=400)
    assert str(largest) in faults(service.put(new, If_None_Match="*"))["id"][0]


def test_an_import_applies_the_rules_and_advances_the_sequence(site: Site, service: Service, tmp_path: Path) -> None:
    first = site.insert(repo_id=1, number=500) + 1
    file = tmp_path / "builds"

    def imported(*builds: dict[str, Any]) -> Any:
        file.write_text("\n".join(map(json.dumps, builds)))
        return run("import", str(file), **site.settings)

    wrong = imported(
        build(id=first, number=9999), build(id=first + 1, repo_id=7), build(id=first + 2, number=501, title="ü" * 501)
    )
    assert wrong.returncode == 1
    assert [line.split(": ")[:2] for line in wrong.stderr.splitlines()[:-1]] == [
        ["line 1", "number"], ["line 2", "repo_id"], ["line 3", "title"],
    ]  # fmt: skip
    right = imported(build(id=first + 300, number=501), build(id=first, number=502))
    assert right.returncode == 0, right.stderr
    assert site.insert(repo_id=1, number=503) > first + 300


def test_every_fault_is_a_field_and_the_error_names_the_first_few(site: Site, service: Service) -> None:
    stored = site.insert(repo_id=1, number=600)
    sent = build(id=stored, number=9999, title="ü" * 501, parent="1", unknown=1, status="lost", clone=None)
    body = refused(service.put(sent), 400)
    assert set(body["fields"]) == {"number", "title", "parent", "unknown", "status", "clone"}
    assert body["error"].count("Wrong too: ") == 1
    left_out = build(id=stored, number=9999)
    site.tables.execute("UPDATE builds SET email = 'a@b.c' WHERE id = ?", [stored])
    assert [*faults(service.put(left_out))] == ["email", "number"]
    repo = {"id": 7}
    named = {name: value for name, value in left_out.items() if name != "repo_id"} | {"repo": repo, "parent": -1}
    assert set(refused(service.put(named), 400)["fields"]) == {"email", "repo_id", "parent"}


def test_check_prints_that_the_rules_are_in_force(site: Site, service: Service) -> None:
    checked = run("check", **site.settings)
    assert checked.returncode == 0, checked.stderr
    assert "rules are in force" in checked.stdout
    assert "refused, for" not in checked.stdout


def test_the_rules_apply_once_the_vela_servers_tables_exist(data: Path) -> None:
    with running(DATA=data) as service:
        assert service.put(build(id=1, number=2**40, title="ü" * 1000), If_None_Match="*").status == 201
        Tables({"DATA": data}).make()
        assert list(faults(service.put(build(id=2, number=2), If_None_Match="*"))) == ["repo_id"]
        assert list(faults(service.put(build(id=1, number=2**40, title="ä" * 1000)))) == ["title"]
        assert service.put(build(id=1, number=2**40, title="ü" * 1000, status="error")).status == 200


def test_a_sample_build_that_breaks_a_rule_is_not_stored(data: Path) -> None:
    tables = Tables({"DATA": data})
    tables.make_version("0.28")
    program = [*PROGRAM, "serve", "--sample"]
    with subprocess.Popen(program, env=environment(DATA=data), stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stdout
            said = [process.stdout.readline() for _ in range(3)]
        finally:
            process.terminate()
    assert said[2].startswith("The sample build is not there: The build was refused")
    assert tables.execute("SELECT * FROM builds") == []


@pytest.fixture
def restricted(new_database: Any) -> Iterator[tuple[str, psycopg.Connection[Any]]]:
    """The URL of a Vela server's database for a role with privileges on `builds` only, and a superuser's connection."""
    url = new_database()
    Tables({"DATA": "unused", "DATABASE_URL": url}).make_version("0.28")
    with running(DATA="/nonexistent", DATABASE_URL=url), psycopg.connect(url, autocommit=True) as owner:
        owner.execute("INSERT INTO repos (id, full_name, counter) VALUES (1, 'octocat/hello', 7)")
        owner.execute("INSERT INTO builds (repo_id, number, status) VALUES (1, 1, 'running')")
        owner.execute(f"CREATE ROLE restricted LOGIN PASSWORD '{PASSWORD}'".encode())
        owner.execute("GRANT SELECT, INSERT, UPDATE ON builds, build_revisions TO restricted")
        yield as_role(url, "restricted"), owner
        owner.execute("DROP OWNED BY restricted; DROP ROLE restricted")


def test_creations_are_refused_without_the_privileges_to_check_the_rules(
    restricted: tuple[str, psycopg.Connection[Any]], data: Path
) -> None:
    url, owner = restricted
    settings: dict[str, Any] = {"DATA": data, "DATABASE_URL": url}
    with running(**settings) as service:
        checked = run("check", **settings).stdout
        assert "creations are refused, for" in checked
        assert "repos" in checked
        assert "builds_id_seq" in checked
        assert service.put(build(id=1, number=1, status="error")).status == 200
        assert [*faults(service.put(build(id=1, number=2)))] == ["repo_id"]
        assert [*faults(service.put(build(id=2, number=2), If_None_Match="*"))] == ["repo_id", "id"]
        owner.execute("GRANT SELECT ON repos TO restricted")
        assert [*faults(service.put(build(id=2, number=2), If_None_Match="*"))] == ["id"]
        owner.execute("GRANT SELECT ON builds_id_seq TO restricted")
        assert [*faults(service.put(build(id=2, number=2), If_None_Match="*"))] == ["id"]
        owner.execute("ALTER SEQUENCE builds_id_seq RESTART WITH 5")
        owner.execute("SELECT nextval('builds_id_seq')")
        assert service.put(build(id=2, number=2), If_None_Match="*").status == 201
        owner.execute("GRANT UPDATE ON builds_id_seq TO restricted")
        assert service.put(build(id=9, number=3), If_None_Match="*").status == 201
        assert owner.execute("SELECT nextval('builds_id_seq')").fetchone() == (10,)
        assert "refused, for" not in run("check", **settings).stdout


def test_builds_are_created_while_the_vela_server_creates_builds(new_database: Any, data: Path) -> None:
    site = Site({"DATA": data, "DATABASE_URL": new_database()}, "0.28")
    site.tables.execute("UPDATE repos SET counter = 100000")
    stop = threading.Event()
    inserted: list[int] = []
    created: list[int] = []
    failures: list[Exception] = []
    with running(**site.settings) as service:

        def server() -> None:
            query = "INSERT INTO builds (repo_id, number) VALUES (2, %s) RETURNING id"
            with psycopg.connect(site.settings["DATABASE_URL"], autocommit=True) as connection:
                while not stop.wait(0.001):
                    try:
                        inserted.extend(row[0] for row in connection.execute(query, [len(inserted) + 1]))
                    except psycopg.Error as error:
                        failures.append(error)

        thread = threading.Thread(target=server)
        thread.start()
        try:
            for number in range(1, 40):
                ahead = (900, 100_000)[number % 2]
                last = max([*inserted, *created], default=0)
                answer = service.put(build(id=last + ahead, number=number), If_None_Match="*")
                assert answer.status == 201, answer
                created.append(last + ahead)
        finally:
            stop.set()
            thread.join()
    assert inserted
    assert not failures
