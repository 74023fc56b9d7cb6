"""Concurrent clients, and several processes on one database: no update is lost, and no client starves."""

import contextlib
import http.client
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from service import BUILDS, Service, build, running, together

CLIENTS = 6
ROUNDS = 12


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def processes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """Two processes on one SQLite file, or three on one PostgreSQL database."""
    settings: dict[str, Any] = {"DATA": tmp_path_factory.mktemp("many"), "LOG_LEVEL": "ERROR"}
    if request.param == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(running(**settings)) for _ in range(2 if request.param == "sqlite" else 3)]


def test_concurrent_increments_with_if_match_are_all_stored(processes: list[Service], new_id: int) -> None:
    processes[0].create(id=new_id, finished=0)

    def increment(service: Service, number: int) -> int:
        acknowledged = 0
        while acknowledged < ROUNDS:
            read = service.get(f"{BUILDS}/{new_id}")
            changed = read.json | {"finished": read.json["finished"] + 1}
            status = service.put(changed, If_Match=read.etag).status
            assert status in (200, 412)
            acknowledged += status == 200
        return acknowledged

    acknowledged = sum(together(processes, CLIENTS, increment))
    assert acknowledged == CLIENTS * ROUNDS
    for service in processes:
        assert service.find(new_id)["finished"] == acknowledged
        revisions = service.get(f"{BUILDS}/{new_id}/revisions").headers["X-Total-Count"]
        assert int(revisions) == acknowledged + 1


def test_concurrent_overwrites_do_not_mix_and_each_revision_follows_the_one_before(
    processes: list[Service], new_id: int
) -> None:
    processes[0].create(id=new_id)

    def overwrite(service: Service, number: int) -> None:
        for count in range(ROUNDS):
            mark = f"{number}-{count}"
            assert service.put(build(id=new_id, title=mark, message=mark, commit=mark, author=mark)).status == 200

    together(processes, CLIENTS, overwrite)
    last = processes[0].find(new_id)
    assert last["title"] == last["message"] == last["commit"] == last["author"]
    total = int(processes[0].get(f"{BUILDS}/{new_id}/revisions").headers["X-Total-Count"])
    assert total == CLIENTS * ROUNDS + 1
    left = last
    for number in range(total, 1, -1):
        revision = processes[0].get(f"{BUILDS}/{new_id}/revisions/{number}").json
        assert revision["before"]["title"] == revision["before"]["author"] or number == 2
        undone = left | {name: change["from"] for name, change in revision["changes"].items()}
        assert undone == revision["before"]
        assert all(left[name] == change["to"] for name, change in revision["changes"].items())
        left = revision["before"]
    assert left == build(id=new_id)


def test_of_concurrent_creations_of_a_build_exactly_one_succeeds(processes: list[Service], new_id: int) -> None:
    for attempt in range(ROUNDS):
        build_id = new_id + 1_000_000 + attempt * 1000
        created = together(
            processes,
            CLIENTS,
            lambda service, number, build_id=build_id: (
                service.put(build(id=build_id, title=str(number)), If_None_Match="*").status
            ),
        )
        assert Counter(created) == {201: 1, 412: CLIENTS - 1}


def test_of_concurrent_creations_with_a_number_exactly_one_succeeds(processes: list[Service], new_id: int) -> None:
    for attempt in range(ROUNDS):
        base = new_id + 2_000_000 + attempt * 1000
        answers = together(
            processes,
            CLIENTS,
            lambda service, number, base=base: service.put(
                build(id=base + number, repo_id=base, number=1), If_None_Match="*"
            ),
        )
        assert Counter(answer.status for answer in answers) == {201: 1, 409: CLIENTS - 1}
        winner = next(answer.json["id"] for answer in answers if answer.status == 201)
        for answer in answers:
            assert answer.status == 201 or f"Build {winner} " in answer.json["error"]


def test_builds_that_exchange_numbers_do_not_deadlock(processes: list[Service], new_id: int) -> None:
    ids = [new_id + 3_000_000 + number for number in range(3)]
    for number, build_id in enumerate(ids):
        processes[0].create(id=build_id, repo_id=ids[0], number=number + 1)

    def exchange(service: Service, number: int) -> set[int]:
        statuses = set()
        for step in range(ROUNDS):
            build_id = ids[(number + step) % 3]
            statuses.add(service.put(build(id=build_id, repo_id=ids[0], number=(number * step) % 5 + 1)).status)
        return statuses

    assert set().union(*together(processes, CLIENTS, exchange)) <= {200, 409}
    numbers = [processes[0].find(build_id)["number"] for build_id in ids]
    assert len(set(numbers)) == 3


def test_a_read_is_at_least_as_new_as_the_last_overwrite_acknowledged_before_it(
    processes: list[Service], new_id: int
) -> None:
    processes[0].create(id=new_id, finished=1)
    acknowledged = [1]

    def read_or_overwrite(service: Service, number: int) -> bool:
        headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}
        stale = False
        with contextlib.closing(http.client.HTTPConnection(service.host, service.port)) as kept:
            for count in range(2, 200):
                known = acknowledged[0]
                if number == 0:
                    body = json.dumps(build(id=new_id, finished=count))
                    kept.request("PUT", "/api/v1/admin/build", body, headers)
                else:
                    kept.request("GET", f"{BUILDS}/{new_id}", headers=headers)
                answer = json.loads(kept.getresponse().read())
                if number == 0:
                    acknowledged[0] = count
                stale |= answer["finished"] < known
        return stale

    assert not any(together(processes, CLIENTS, read_or_overwrite))


def test_no_overwrite_times_out_while_the_processes_write_without_a_pause(
    processes: list[Service], new_id: int
) -> None:
    for number in range(CLIENTS):
        processes[0].create(id=new_id + 4_000_000 + number)

    def overwrite(service: Service, number: int) -> list[int]:
        body = build(id=new_id + 4_000_000 + number)
        return [service.put(json.dumps(body | {"title": str(count)}).encode()).status for count in range(40)]

    assert set().union(*map(set, together(processes, CLIENTS, overwrite))) == {200}


def test_responses_that_share_a_commit_go_to_their_own_clients(data: Path, new_database: Any) -> None:
    """Two threads send the responses, and each client sends its next request at once."""
    with running(DATA=data, DATABASE_URL=new_database(), LOG_LEVEL="ERROR") as service:
        for number in range(1, 9):
            service.create(id=number)

        def overwrite(number: int) -> set[tuple[int, str]]:
            titles = [f"{number}-{count}" for count in range(100)]
            headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}
            seen = set()
            with contextlib.closing(http.client.HTTPConnection(service.host, service.port)) as kept:
                for title in titles:
                    kept.request("PUT", "/api/v1/admin/build", json.dumps(build(id=number, title=title)), headers)
                    answer = kept.getresponse()
                    seen.add((answer.status, json.loads(answer.read()).get("title")))
            return seen ^ {(200, title) for title in titles}

        with ThreadPoolExecutor(8) as pool:
            assert not set().union(*pool.map(overwrite, range(1, 9)))
