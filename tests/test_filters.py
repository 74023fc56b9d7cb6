"""The list's filters `host`, `stuck_before` and `repo`, and the list of repositories."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from postgresql import PASSWORD, as_role
from service import BUILDS, Service, build, refused, run, running
from vela import Tables

REPOS = "/api/v1/admin/repos"


@pytest.fixture
def stuck(service: Service, new_id: int) -> int:
    """The id of a repository with builds in every state, created at 100, 200, … and started ten seconds later."""
    for number, status in enumerate(["running", "pending", "pending approval", "success", "running", "pending"], 1):
        times = {"created": number * 100, "started": number * 100 + 10} if number < 5 else {"created": 0, "started": 0}
        service.create(
            id=new_id + 10_000 * number, repo_id=new_id, number=number, status=status, host=f"w{number % 2}", **times
        )
    return new_id


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("host=w1", [5, 3, 1]),
        ("host=w", []),
        ("host=w0&status=pending", [6, 2]),
        ("before=0", []),
        ("before=1", [6, 5]),
        ("before=200", [6, 5, 1]),
        ("stuck_before=0", [6, 5]),
        ("stuck_before=110", [6, 5]),
        ("stuck_before=111", [6, 5, 1]),
        ("stuck_before=200", [6, 5, 1]),
        ("stuck_before=201", [6, 5, 2, 1]),
        ("stuck_before=9223372036854775807", [6, 5, 2, 1]),
        ("stuck_before=201&after=0", [2, 1]),
        ("stuck_before=201&status=running", [5, 1]),
        ("stuck_before=201&status=success", []),
        ("stuck_before=201&host=w0&per_page=1&page=2", [2]),
    ],
)
def test_the_list_filters_by_host_before_and_stuck_before(
    service: Service, stuck: int, query: str, numbers: list[int]
) -> None:
    answer = service.get(f"{BUILDS}?repo_id={stuck}&{query}")
    assert [build["number"] for build in answer.json] == numbers


def test_an_empty_host_selects_builds_without_a_host(service: Service, new_id: int) -> None:
    service.create(id=new_id, repo_id=new_id, number=1, host="")
    service.create(id=new_id + 10_000, repo_id=new_id, number=2, host="w1")
    assert [build["id"] for build in service.get(f"{BUILDS}?repo_id={new_id}&host=").json] == [new_id]


@pytest.mark.parametrize("query", ["stuck_before=-1", "stuck_before=", "host=%00", "host=" + "x" * 251, "repo=%00"])
def test_a_filter_that_does_not_parse_is_refused(service: Service, query: str) -> None:
    refused(service.get(f"{BUILDS}?{query}"), 400)


def test_without_a_vela_server_the_list_of_repositories_is_empty(service: Service) -> None:
    answer = service.get(REPOS)
    assert (answer.status, answer.body, answer.headers["X-Total-Count"]) == (200, b"[]\n", "0")
    assert "repo_id" in refused(service.get(f"{BUILDS}?repo=octocat/hello-world"), 400)["error"]


@pytest.fixture
def named(beside: tuple[Service, Tables], new_id: int) -> tuple[Service, int]:
    """A service with a build of the repository octocat/<id>, and one of a repository that has no name."""
    service, tables = beside
    tables.insert("repos", id=new_id, full_name=f"octocat/größer {new_id}", counter=2**31 - 1)
    service.create(id=new_id, repo_id=new_id, number=1)
    tables.insert("builds", id=new_id + 10_000, repo_id=new_id + 10_000, number=1)
    return service, new_id


def test_the_list_filters_by_the_name_of_a_repository(named: tuple[Service, int]) -> None:
    service, repo_id = named
    name = f"octocat/gr%C3%B6%C3%9Fer%20{repo_id}"
    for query in (f"repo={name}", f"repo={name}&repo_id={repo_id}", f"repo={name}&number=1"):
        answer = service.get(f"{BUILDS}?{query}")
        assert ([found["id"] for found in answer.json], answer.headers["X-Total-Count"]) == ([repo_id], "1")
    assert service.get(f"{BUILDS}?repo={name}&number=2").json == []


def test_an_unknown_name_or_one_that_contradicts_repo_id_is_refused(named: tuple[Service, int]) -> None:
    service, repo_id = named
    for query in ("repo=octocat/goodbye", "repo=", f"repo=octocat/gr%C3%B6%C3%9Fer%20{repo_id}&repo_id=7"):
        error = refused(service.get(f"{BUILDS}?{query}"), 400)["error"]
    assert f"has repo_id {repo_id}, not 7" in error


def test_repositories_are_listed_and_filtered_by_id_and_name(named: tuple[Service, int]) -> None:
    service, repo_id = named
    repo = {"id": repo_id, "full_name": f"octocat/größer {repo_id}"}
    assert repo in service.get(REPOS).json
    for query in (f"id={repo_id}", f"id=9,{repo_id}", f"full_name=octocat/gr%C3%B6%C3%9Fer%20{repo_id}"):
        answer = service.get(f"{REPOS}?{query}")
        assert (answer.json, answer.headers["X-Total-Count"]) == ([repo], "1")
    assert service.get(f"{REPOS}?id=9&full_name=octocat/gr%C3%B6%C3%9Fer%20{repo_id}").json == []
    assert service.request("HEAD", REPOS).status == 200


@pytest.mark.parametrize("query", ["id=", "id=1,", "id=0", "id=01", "id=1,%202", "full_name=%00", "name=x", "page=1"])
def test_an_invalid_parameter_of_the_list_of_repositories_is_refused(service: Service, query: str) -> None:
    refused(service.get(f"{REPOS}?{query}"), 400)


def test_at_most_a_thousand_repositories_are_listed(data: Path) -> None:
    tables = Tables({"DATA": data})
    tables.make()
    for number in range(1, 1003):
        tables.insert("repos", full_name=f"octocat/{number}")
    with running(DATA=data) as service:
        answer = service.get(REPOS)
    assert ([repo["id"] for repo in answer.json], answer.headers["X-Total-Count"]) == ([*range(1, 1001)], "1002")


def test_a_missing_privilege_on_a_vela_servers_table_is_logged_once_and_fails_no_request(
    new_database: Any, data: Path, tmp_path: Path
) -> None:
    url = new_database()
    Tables({"DATA": data, "DATABASE_URL": url}).make()
    role = f"reader_{re.sub('[^0-9]', '', url)[-9:]}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'".encode())
        admin.execute(f"GRANT ALL ON SCHEMA public TO {role}; GRANT SELECT (id, name) ON repos TO {role}".encode())
        admin.execute(f"GRANT SELECT ON workers TO {role}".encode())
        theirs = as_role(url, role)
        assert "no privilege to read repos, build_executables" in run("check", DATA=data, DATABASE_URL=theirs).stdout
        log = tmp_path / "log"
        with log.open("w") as stderr, running(DATA=data, DATABASE_URL=theirs, stderr=stderr) as service:
            assert list(refused(service.put(build(id=1), If_None_Match="*"), 400)["fields"]) == ["repo_id"]
            for _ in range(2):
                assert service.get(REPOS).json == []
                refused(service.get(f"{BUILDS}?repo=octocat/hello-world"), 400)
        admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
    said = [line for line in log.read_text().splitlines() if "no privilege" in line]
    assert [re.search(r"table=(\w+)", line)[1] for line in said] == ["repos", "build_executables"]  # type: ignore[index]
