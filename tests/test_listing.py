"""The list of builds and the queue: filters, pages and order."""

import re
import threading
import time
from typing import Any
from urllib.parse import quote, urljoin

import pytest

from service import BUILDS, Answer, Service, status_of
from vela import Tables

QUEUE = f"{BUILDS}/queue"


def ids(answer: Answer) -> list[int]:
    assert answer.status == 200, answer
    return [build["id"] for build in answer.json]


def links(answer: Answer) -> dict[str, str]:
    """Return the targets of a response's links, by relation."""
    return {relation: target for target, relation in re.findall(r"<([^>]*)>; rel=\"(\w+)\"", answer.headers["Link"])}


@pytest.fixture
def few(service: Service, new_id: int) -> list[int]:
    """The ids of seven builds of a repository that has no others, newest first."""
    for number in range(1, 8):
        service.create(
            id=new_id + 10_000 * number,
            repo_id=new_id,
            number=number,
            created=number * 100,
            status=("running", "pending", "pending approval", "success")[number % 4],
            branch=f"branch {number % 2} & +%,ü",
        )
    return [new_id + 10_000 * number for number in range(7, 0, -1)]


def test_a_list_has_complete_builds_by_descending_id(service: Service, few: list[int]) -> None:
    answer = service.get(f"{BUILDS}?repo_id={few[0] - 70_000}")
    assert ids(answer) == few
    assert answer.json == [service.find(build_id) for build_id in few]
    one = service.get(f"{BUILDS}/{few[0]}").body
    assert answer.body.startswith(b"[\n" + one[:-1] + b",\n{\n")
    assert answer.body.endswith(b"}\n]\n")
    assert answer.headers["X-Total-Count"] == "7"


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("status=running", [4]),
        ("status=running,success", [7, 4, 3]),
        ("status=pending%20approval,running", [6, 4, 2]),
        ("number=3", [3]),
        ("number=8", []),
        ("branch=branch+1+%26+%2B%25%2C%C3%BC", [7, 5, 3, 1]),
        ("branch=branch", []),
        ("after=300", [7, 6, 5, 4]),
        ("before=300", [2, 1]),
        ("after=200&before=400", [3]),
        ("after=200&before=400&status=running", []),
        ("after=0", [7, 6, 5, 4, 3, 2, 1]),
        ("before=0", []),
        ("after=9223372036854775807", []),
        ("before=9223372036854775807&number=1", [1]),
        ("per_page=100&page=1", [7, 6, 5, 4, 3, 2, 1]),
        ("per_page=3&page=3", [1]),
        ("per_page=3&page=4", []),
        ("per_page=100&page=9223372036854775807", []),
    ],
)
def test_filters_and_pages(service: Service, few: list[int], query: str, numbers: list[int]) -> None:
    answer = service.get(f"{BUILDS}?repo_id={few[0] - 70_000}&{query}")
    assert [build["number"] for build in answer.json] == numbers
    head = service.request("HEAD", f"{BUILDS}?repo_id={few[0] - 70_000}&{query}")
    names = ("Link", "X-Total-Count", "Content-Length")
    assert [head.headers[name] for name in names] == [answer.headers[name] for name in names]
    assert (head.status, head.body) == (200, b"")


def test_an_empty_list_is_an_array_on_one_page(service: Service) -> None:
    answer = service.get(f"{BUILDS}?repo_id=9223372036854775806")
    assert (answer.status, answer.body, answer.headers["X-Total-Count"]) == (200, b"[]\n", "0")
    assert links(answer) == {
        "first": f"{BUILDS}?repo_id=9223372036854775806&page=1",
        "last": f"{BUILDS}?repo_id=9223372036854775806&page=1",
    }


def test_filters_treat_null_as_zero_or_empty(service: Service, few: list[int]) -> None:
    repo_id = few[0] - 70_000
    service.create(id=repo_id, repo_id=repo_id, number=99, branch="", created=0)
    assert ids(service.get(f"{BUILDS}?repo_id={repo_id}&branch=")) == [repo_id]
    assert ids(service.get(f"{BUILDS}?repo_id={repo_id}&before=1")) == [repo_id]
    assert ids(service.get(f"{BUILDS}?repo_id={repo_id}&after=0")) == few
    assert ids(service.get(f"{BUILDS}?repo_id={repo_id}&number=0")) == []


def test_links_visit_every_page_and_keep_the_filters(service: Service, few: list[int]) -> None:
    repo_id = few[0] - 70_000
    path = f"{BUILDS}?repo_id={repo_id}&branch=branch+1+%26+%2B%25%2C%C3%BC&status=running,pending,success&per_page=1"
    first = links(service.get(path))["first"]
    found: list[Any] = []
    back: list[str] = []
    target: str | None = urljoin(path, first)
    while target:
        answer = service.get(target)
        found += ids(answer)
        assert answer.headers["X-Total-Count"] == "4"
        assert set(links(answer)) == {"first", "last"} | ({"prev"} if back else set()) | (
            {"next"} if len(found) < 4 else set()
        )
        if back:
            assert urljoin(path, links(answer)["prev"]) == back[-1]
        back.append(target)
        target = urljoin(path, links(answer)["next"]) if "next" in links(answer) else None
    assert found == [few[0], few[2], few[4], few[6]]
    assert urljoin(path, links(answer)["last"]) == back[-1]


def test_a_page_beyond_the_last_links_back_to_the_last(service: Service, few: list[int]) -> None:
    answer = service.get(f"{BUILDS}?repo_id={few[0] - 70_000}&per_page=5&page=99")
    assert {relation: target.rpartition("page=")[2] for relation, target in links(answer).items()} == {
        "first": "1",
        "prev": "2",
        "last": "2",
    }


@pytest.mark.parametrize(
    "query",
    [
        "page=0", "page=-1", "page=", "page", "page=one", "page=01", "page=1.0", "page=+1", "page=%2B1", "page=1_0",
        "page=%201",
        "page=%D9%A1", "page=9223372036854775808", "page=1&page=1", "per_page=0", "per_page=101", "per_page=10,20",
        "status=", "status=stuck", "status=running,", "status=running,%20pending", "status=Running",
        "status=running&status=pending",
        "repo_id=-1", "repo_id=9223372036854775808", "number=1e3", "after=yesterday", "before=1563474076.5",
        "branch=%00", "branch=%FF", "branch=%C3%28", "branch=%ED%A0%80", "branch=%zz",
        "branch=%", "branch=" + "x" * 501,
        "event=push", "id=1", "Status=running", "=", "=1", "sort=id", "page[]=1", "%FF=1", "dry_run=true",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [BUILDS, QUEUE])
def test_an_invalid_or_unknown_parameter_is_refused(service: Service, path: str, query: str) -> None:
    answer = service.get(f"{path}?{query}")
    assert answer.status == 400, answer
    assert answer.json["error"].endswith(".")


def test_a_query_that_is_not_ascii_is_refused(service: Service) -> None:
    assert status_of(service, "GET", f"{BUILDS}?branch=\xfc", f"Authorization: Bearer {service.token}") == 400


def test_every_fault_of_a_query_is_named(service: Service) -> None:
    error = service.get(f"{BUILDS}?page=0&status=stuck&colour=red").json["error"]
    assert all(name in error for name in ("page ", "status ", "colour ", "pending approval"))


def test_the_queue_has_the_pending_and_running_builds_of_the_last_24_hours(service: Service, new_id: int) -> None:
    now = int(time.time())
    for offset, status, created in [
        (1, "pending", now - 60),
        (2, "running", now - 23 * 3600),
        (3, "running", now - 25 * 3600),
        (4, "pending approval", now),
        (5, "success", now),
    ]:
        service.create(id=new_id + offset * 10_000, status=status, created=created, repo_id=new_id)

    def mine(query: str = "") -> list[int]:
        return [
            build_id - new_id for build_id in ids(service.get(QUEUE + query)) if build_id % 10_000 == new_id % 10_000
        ]

    assert mine() == [20_000, 10_000]
    assert mine(f"?after={now - 26 * 3600}") == [30_000, 20_000, 10_000]
    assert mine(f"?after={now - 23 * 3600}") == [10_000]
    assert mine(f"?after={now}") == []
    assert service.request("HEAD", QUEUE).status == 200


@pytest.mark.parametrize("after", ["-1", "-0", "-007", "%2B0", "000", "0" * 5000, str(-(2**63))])
def test_the_queue_parses_after_as_the_vela_server_does(service: Service, new_id: int, after: str) -> None:
    service.create(id=new_id, status="running", created=1)
    assert new_id in ids(service.get(f"{QUEUE}?after={after}"))
    assert service.get(f"{BUILDS}?after={after}").status == (200 if after == "0" else 400)


@pytest.mark.parametrize(
    "after", ["", "-", "+", "+1", "1+", "--1", "1.0", "1e3", "0x1", "1_0", "\u0663", str(2**63), "-" + "9" * 19]
)
def test_the_queue_refuses_what_the_vela_server_cannot_parse(service: Service, after: str) -> None:
    assert service.get(f"{QUEUE}?after={quote(after, safe='+')}").status == 400


def test_the_queue_is_paged_on_request(service: Service, few: list[int]) -> None:
    waiting = [build_id for build_id in few if service.find(build_id)["status"] in ("pending", "running")]
    whole: list[Any] = service.get(f"{QUEUE}?after=0").json
    at = [build["id"] for build in whole].index(waiting[0]) + 1
    answer = service.get(f"{QUEUE}?after=-5&per_page=1&page={at}")
    assert answer.json == [whole[at - 1]]
    assert answer.headers["X-Total-Count"] == str(len(whole))
    assert links(answer)["next"] == f"{QUEUE}?after=-5&per_page=1&page={at + 1}"
    assert ids(service.get(links(answer)["next"])) == [whole[at]["id"]]
    assert len(ids(service.get(f"{QUEUE}?page=1"))) == min(10, len(service.get(QUEUE).json))
    # Without `after` in the request, the links of all pages have the same one.
    assert re.fullmatch(rf"{QUEUE}\?page=1&after=\d+", links(service.get(f"{QUEUE}?page=1"))["first"])


def test_the_queue_has_the_names_of_repositories(beside: tuple[Service, Tables], new_id: int) -> None:
    service, tables = beside
    tables.insert("repos", id=new_id, full_name=f"octocat/{new_id}", counter=1)
    service.create(id=new_id, repo_id=new_id, number=1, status="running", created=2**40)
    tables.insert("builds", id=new_id + 10_000, repo_id=new_id + 10_000, number=1, status="pending", created=2**40)
    found = {build["id"]: build for build in service.get(f"{QUEUE}?after={2**40 - 1}").json}
    assert found[new_id] == service.find(new_id) | {"full_name": f"octocat/{new_id}"}
    assert found[new_id + 10_000] == service.find(new_id + 10_000)


def test_a_page_and_its_total_are_of_one_snapshot(service: Service, new_id: int) -> None:
    def write() -> None:
        for number in range(1, 61):
            service.create(id=new_id + 20_000_000 + number, repo_id=new_id, number=number)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        answer = service.get(f"{BUILDS}?repo_id={new_id}&per_page=100")
        found = ids(answer)
        assert str(len(found)) == answer.headers["X-Total-Count"]
        assert found == list(range(new_id + 20_000_000 + len(found), new_id + 20_000_000, -1))
    writer.join()


@pytest.mark.parametrize("path", [BUILDS, QUEUE])
@pytest.mark.parametrize("method", ["DELETE", "PATCH", "POST", "PUT"])
def test_other_methods_than_get_on_a_list_are_405(service: Service, path: str, method: str) -> None:
    answer = service.request(method, path)
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
