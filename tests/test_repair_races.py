"""Concurrent repairs, undos and overwrites at several processes do not mix and do not deadlock."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from service import BUILDS, REPAIRS, Service, running, together

CLIENTS = 4
BUILDS_EACH = 60


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def processes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """Two processes on one store of each kind."""
    settings: dict[str, Any] = {"DATA": tmp_path_factory.mktemp("races"), "LOG_LEVEL": "ERROR"}
    if request.param == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(running(**settings)) for _ in range(2)]


@pytest.fixture
def repo(processes: list[Service], new_id: int) -> int:
    """The id of a repository with builds 1 to BUILDS_EACH, alternately on the hosts w0 and w1."""
    for number in range(1, BUILDS_EACH + 1):
        processes[0].create(
            id=new_id + 10_000 * number, repo_id=new_id, number=number, host=f"w{number % 2}", status="running"
        )
    return new_id


def asked(repo: int, number: int, **where: Any) -> dict[str, Any]:
    return {"where": {"repo_id": repo, **where}, "set": {"title": f"repair {number}"}, "reason": "race"}


def check_history(service: Service, repo: int) -> None:
    """Check that each revision of every build follows from the one before it."""
    for build in service.get(f"{BUILDS}?repo_id={repo}&per_page=100").json:
        path = f"{BUILDS}/{build['id']}/revisions"
        numbers = [one["revision"] for one in service.get(f"{path}?per_page=100").json]
        assert numbers == list(range(len(numbers), 0, -1))
        after = build
        for number in numbers[:-1]:
            revision = service.get(f"{path}/{number}").json
            assert {name: after[name] for name in revision["changes"]} == {
                name: change["to"] for name, change in revision["changes"].items()
            }
            after = revision["before"]


def test_of_concurrent_repairs_of_the_same_builds_exactly_one_is_applied(processes: list[Service], repo: int) -> None:
    tags = [
        processes[0].post(f"{REPAIRS}?dry_run=true", asked(repo, number, host="w1" if number % 2 else "w0")).etag
        for number in range(CLIENTS)
    ]
    answers = together(
        processes,
        CLIENTS,
        lambda service, number: (
            service.post(REPAIRS, asked(repo, number, host="w1" if number % 2 else "w0"), If_Match=tags[number]).status
        ),
    )
    assert Counter(answers) == {201: 2, 412: 2}
    titles = {
        host: {one["title"] for one in processes[1].get(f"{BUILDS}?repo_id={repo}&host={host}&per_page=100").json}
        for host in ("w0", "w1")
    }
    assert [len(title) for title in titles.values()] == [1, 1]
    check_history(processes[0], repo)


def test_overlapping_repairs_undos_and_overwrites_are_applied_or_refused(processes: list[Service], repo: int) -> None:
    ids = [repo + 10_000 * number for number in range(1, BUILDS_EACH + 1)]

    def work(service: Service, number: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        for count in range(100):
            # After eight rounds the overwrites end, so that each repairer succeeds at least once.
            if count >= 8 and (number >= 2 or statuses[201]):
                break
            if number < 2:
                some = ids[number * 15 : number * 15 + 40]
                document = asked(repo, number * 100 + count, ids=some if count % 2 else some[::-1])
                answer = service.carry_out(REPAIRS, document)
                statuses[answer.status] += 1
                if answer.status == 201 and count % 3 == 2:
                    statuses[service.undo(answer.json["repair"]).status] += 1
            else:
                for build_id in ids[number :: 7 + count]:
                    read = service.get(f"{BUILDS}/{build_id}")
                    changed = read.json | {"finished": read.json["finished"] + 1}
                    statuses[service.put(changed, If_Match=read.etag).status] += 1
        return statuses

    statuses: Counter[int] = sum(together(processes, CLIENTS, work), Counter())
    assert set(statuses) <= {200, 201, 412}, statuses
    assert statuses[201] > 0
    check_history(processes[1], repo)
    for repair in processes[0].get(f"{REPAIRS}?per_page=100").json:
        listed = processes[0].get(f"{REPAIRS}/{repair['repair']}/builds?per_page=100")
        assert int(listed.headers["X-Total-Count"]) == len(listed.json) == repair["changed"]


def test_repairs_and_overwrites_of_one_build_do_not_time_out(processes: list[Service], repo: int) -> None:
    def work(service: Service, number: int) -> set[int]:
        if number:
            return {service.put(service.find(repo + 10_000) | {"message": f"{number}-{n}"}).status for n in range(20)}
        return {service.carry_out(REPAIRS, asked(repo, count)).status for count in range(5)}

    assert set().union(*together(processes, CLIENTS, work)) <= {200, 201, 412}
    check_history(processes[0], repo)
