"""The list of stuck builds: order, filters, pages, and the evidence from a Vela server's tables."""

import time
from pathlib import Path
from typing import Any

import pytest

from service import BUILDS, Answer, Service, refused, running
from vela import TABLES, Tables

STUCK = f"{BUILDS}/stuck"
GONE = "nothing is left that a worker could run: the build has no row in build_executables"


def numbers(answer: Answer) -> list[int]:
    assert answer.status == 200, answer
    return [item["build"]["number"] for item in answer.json]


def at(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@pytest.fixture
def repo(service: Service, new_id: int) -> int:
    """The id of a repository whose builds 5, 3, 1 and 4 are stuck, longest first; build 4 for only an hour."""
    hour_ago = int(time.time()) - 3600
    for number, status, created, started in [
        (1, "running", 100, 900),
        (2, "pending approval", 100, 0),
        (3, "pending", 500, 0),
        (4, "running", 100, hour_ago),
        (5, "running", 100, 0),
        (6, "success", 100, 100),
    ]:
        times = {"created": created, "started": started}
        service.create(
            id=new_id + 10_000 * number, repo_id=new_id, number=number, status=status, host=f"w{number % 2}", **times
        )
    return new_id


def test_stuck_builds_are_listed_longest_first_with_their_tags(service: Service, repo: int) -> None:
    answer = service.get(f"{STUCK}?repo_id={repo}")
    assert numbers(answer) == [5, 3, 1]
    assert answer.headers["X-Total-Count"] == "3"
    for item in answer.json:
        assert list(item) == ["build", "etag", "since", "evidence", "alive"]
        read = service.get(f"{BUILDS}/{item['build']['id']}")
        assert (item["build"], f'"{item["etag"]}"', item["alive"]) == (read.json, read.etag, False)
        assert read.body[:-1] in answer.body
    assert [item["since"] for item in answer.json] == [0, 500, 900]
    assert [item["evidence"] for item in answer.json] == [
        ["running, and it was never set when it was started"],
        [f"pending since {at(500)}"],
        [f"running since {at(900)}"],
    ]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("before=9223372036854775807", [5, 3, 1, 4]),
        ("before=900", [5, 3]),
        ("before=0", [5]),
        ("before=501&status=pending", [3]),
        ("host=w0&before=9223372036854775807", [4]),
        ("number=3", [3]),
        ("branch=main&after=100", [3]),
        ("per_page=2&page=2", [1]),
        ("page=2", []),
        ("status=success", []),
    ],
)
def test_the_filters_of_the_list_apply(service: Service, repo: int, query: str, expected: list[int]) -> None:
    answer = service.get(f"{STUCK}?repo_id={repo}&{query}")
    assert numbers(answer) == expected
    assert 'rel="first"' in answer.headers["Link"]
    assert service.request("HEAD", f"{STUCK}?repo_id={repo}&{query}").status == 200


@pytest.mark.parametrize("query", ["stuck_before=5", "before=-1", "per_page=101", "status=stuck", "colour=x", "repo=x"])
def test_an_invalid_or_unknown_parameter_is_refused(service: Service, query: str) -> None:
    refused(service.get(f"{STUCK}?{query}"), 400)


def stuck_on(site: tuple[Service, Tables], build_id: int, host: str, **fields: Any) -> Any:
    """Create a stuck build on a host, and return its item in the list."""
    service, tables = site
    tables.insert("repos", id=build_id, full_name=f"stuck/{build_id}", counter=1)
    service.create(id=build_id, repo_id=build_id, number=1, started=900, host=host, **{"status": "running", **fields})
    (item,) = service.get(f"{STUCK}?repo_id={build_id}").json
    return item


def test_the_worker_of_a_build_is_evidence(beside: tuple[Service, Tables], new_id: int) -> None:
    _, tables = beside
    now = int(time.time())
    for name, checked_in, builds in [
        ("dead", now - 301, f"{{{new_id + 10_000}}}"),
        ("idle", now, "{}"),
        ("busy", now - 200, f"{{7,{new_id + 30_000}}}"),
        ("never", None, None),
    ]:
        tables.insert(
            "workers", hostname=f"{name}{new_id}", last_checked_in=checked_in, running_build_ids=builds, active=True
        )
    for host, evidence, alive in [
        ("none", "is not known to the server", False),
        ("dead", f"has not checked in since {at(now - 301)}", False),
        ("idle", f"checked in at {at(now)} and does not name this build among those that it runs", False),
        ("busy", f"checked in at {at(now - 200)} and runs this build", True),
        ("never", "has never checked in", False),
    ]:
        build_id = new_id + 10_000 * (1 + ["dead", "idle", "busy", "never", "none"].index(host))
        item = stuck_on(beside, build_id, f"{host}{new_id}")
        assert item["evidence"] == [f"running since {at(900)}", f"worker {host}{new_id} {evidence}"]
        assert item["alive"] is alive


def test_a_build_that_another_worker_runs_is_alive(beside: tuple[Service, Tables], new_id: int) -> None:
    now = int(time.time())
    beside[1].insert("workers", hostname=f"b{new_id}", last_checked_in=now, running_build_ids=f"{{{new_id}}}")
    item = stuck_on(beside, new_id, "")
    assert item["evidence"][1:] == [f"worker b{new_id} checked in at {at(now)} and runs this build"]
    assert item["alive"] is True


def test_a_missing_executable_of_a_pending_build_is_evidence(beside: tuple[Service, Tables], new_id: int) -> None:
    item = stuck_on(beside, new_id, "", status="pending", created=0)
    assert item["evidence"] == ["pending, and it was never set when it was created", GONE]
    beside[1].insert("build_executables", build_id=new_id + 10_000)
    item = stuck_on(beside, new_id + 10_000, "", status="pending")
    assert item["evidence"][1:] == ["a worker could still run it: the build has a row in build_executables"]
    assert item["alive"] is False


@pytest.mark.parametrize(
    ("columns", "evidence", "alive"),
    [
        ("last_checked_in BIGINT", ["worker w1 checked in at {now}"], False),
        ("running_build_ids TEXT", [], False),
        ("status TEXT", [], False),
    ],
)
def test_a_column_that_an_older_vela_server_lacks_gives_no_evidence(
    data: Path, columns: str, evidence: list[str], alive: bool
) -> None:
    tables = Tables({"DATA": data})
    tables.make(f"CREATE TABLE workers (hostname VARCHAR(250), {columns})")
    now = int(time.time())
    name, _, _ = columns.partition(" ")
    value = {"last_checked_in": now, "running_build_ids": "{1}", "status": "busy"}[name]
    tables.insert("workers", hostname="w1", **{name: value})
    with running(DATA=data) as service:
        for build_id, host in ((1, "w1"), (2, "w2")):
            service.create(id=build_id, status="running", host=host, started=900)
        known, unknown = service.get(STUCK).json
    assert known["evidence"][1:] == [sentence.format(now=at(now)) for sentence in evidence]
    assert unknown["evidence"][1:] == ["worker w2 is not known to the server"]
    assert (known["alive"], unknown["alive"]) == (alive, False)


def test_a_missing_table_gives_no_evidence(data: Path) -> None:
    Tables({"DATA": data}).make(*(table for table in TABLES if "workers" in table))
    with running(DATA=data) as service:
        service.create(id=1, status="pending", host="w1", created=900)
        (item,) = service.get(STUCK).json
    assert item["evidence"][1:] == ["worker w1 is not known to the server"]
