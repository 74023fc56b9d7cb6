"""Requests that wait for a lock or for a database that hangs do not delay others, and end within their timeout."""

import contextlib
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from build_admin.models.stores.database import LOCK_TIMEOUT
from build_admin.models.stores.store import FILE
from platforms import needs_own_postgresql
from postgresql import await_waiting, postgresql
from service import BUILDS, REPAIRS, Answer, Service, await_ready, build, running
from vela import Tables

#: The number of concurrent requests.
MANY = 32

#: The largest difference in seconds between the waits of requests that time out together. One that waited for another's
#: timeout first would take twice as long.
TOGETHER = LOCK_TIMEOUT

#: Seconds within which each request is answered: twice what docs/reference.md says, since the machine may be busy.
IN_TIME = 20


def timed(request: Callable[[], Answer]) -> tuple[int, float]:
    """Send a request, and return its status and the seconds that it took."""
    began = time.monotonic()
    answer = request()
    return answer.status, time.monotonic() - began


def timed_out_together(answers: Iterable[tuple[int, float]]) -> None:
    """Check that requests were answered 503 in time, and that none has waited for the timeout of another."""
    statuses, seconds = zip(*answers, strict=True)
    assert set(statuses) == {503}
    assert max(seconds) - min(seconds) < TOGETHER
    assert max(seconds) < IN_TIME


@pytest.mark.parametrize("held", [1, 3, 10])
def test_locked_rows_of_postgresql_delay_only_the_puts_of_those_rows(new_database: Any, data: Path, held: int) -> None:
    url = new_database()
    with (
        running(DATA=data, DATABASE_URL=url) as service,
        ThreadPoolExecutor(held + 8) as pool,
        psycopg.connect(url) as holder,
    ):
        ids = range(1, held + 9)
        for number in ids:
            service.create(id=number)
        holder.execute("SELECT id FROM builds WHERE id <= %s FOR UPDATE", (held,))
        waiting = [pool.submit(service.put, build(id=number, title="late")) for number in ids[:held]]
        # At most half of the threads wait for locks.
        await_waiting(url, min(held, 4))
        for title in ("one", "two", "three"):
            # Some of these are in a group with a request that waits for a lock.
            answers = pool.map(lambda number, title=title: service.put(build(id=number, title=title)), ids[held:])
            assert [answer.status for answer in answers] == [200] * 8
            assert service.find(1)["title"] == build()["title"]
            assert service.get("/health").status == 200
            assert service.get("/ready").status == 200
        # The others have not waited until these time out, after five seconds.
        assert not any(answer.done() for answer in waiting)
        holder.rollback()
        assert {answer.result().status for answer in waiting} == {200}


def test_a_locked_sqlite_file_delays_only_puts_and_they_time_out_together(data: Path) -> None:
    with (
        running(DATA=data) as service,
        ThreadPoolExecutor(MANY) as pool,
        contextlib.closing(sqlite3.connect(data / FILE, isolation_level=None)) as other,
    ):
        service.create(id=1)
        other.execute("BEGIN IMMEDIATE")
        writes = [pool.submit(timed, lambda: service.put(build(id=1, title="new"))) for _ in range(MANY)]
        for _ in range(5):
            assert service.get("/health").status == 200
            assert service.get("/ready").status == 200
            assert service.find(1)["title"] == build()["title"]
        assert not any(write.done() for write in writes)
        # Later requests also time out after five seconds, not later.
        writes[0].result()
        writes += [pool.submit(timed, lambda: service.put(build(id=1, title="new"))) for _ in range(MANY)]
        timed_out_together(write.result() for write in writes)
        other.execute("ROLLBACK")
        assert service.put(build(id=1, title="new")).status == 200


def test_reads_of_a_locked_vela_servers_file_time_out_together(data: Path) -> None:
    tables = Tables({"DATA": data})
    tables.make()
    tables.insert("repos", id=1, full_name="octocat/hello-world", counter=9)
    repair = {"where": {"ids": [1]}, "set": {"status": "error"}, "reason": "x"}
    requests: list[Callable[[], Answer]] = [
        lambda: service.get(f"{BUILDS}/1"),
        lambda: service.get(BUILDS),
        lambda: service.get("/ready"),
        lambda: service.put(build(id=1, title="new")),
        lambda: service.post(f"{REPAIRS}?dry_run=true", repair),
    ]
    with (
        running(DATA=data) as service,
        ThreadPoolExecutor(8 * len(requests)) as pool,
        contextlib.closing(sqlite3.connect(data / FILE, timeout=20, isolation_level=None)) as other,
    ):
        service.create(id=1)
        # The file has a rollback journal, so reads wait too. Most threads have no connection yet.
        other.execute("BEGIN EXCLUSIVE")
        waiting = [pool.submit(timed, request) for _ in range(8) for request in requests]
        timed_out_together(answer.result() for answer in waiting)
        other.execute("ROLLBACK")
        for request in requests:
            assert {status for status, _ in pool.map(timed, [request] * 8)} == {200}


Frozen = tuple[Service, str, Callable[[], None], Callable[[], None]]

#: The command with a timeout of two seconds for each statement of a repair.
IMPATIENT = (
    sys.executable,
    "-c",
    "from build_admin.models.stores import postgresql; postgresql.SILENCE = 2; "
    "from build_admin.__main__ import main; main()",
)


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frozen]:
    """A service, the URL of its own PostgreSQL server, and functions that suspend and resume the server's processes."""
    with postgresql() as server:
        processes: list[psutil.Process] = []

        def freeze() -> None:
            postmaster = psutil.Process(server.get_pid())
            processes.extend([postmaster, *postmaster.children(recursive=True)])
            for process in processes:
                process.suspend()

        def thaw() -> None:
            while processes:
                processes.pop().resume()

        with running(
            DATA=tmp_path_factory.mktemp("frozen"), DATABASE_URL=server.get_uri(), program=IMPATIENT
        ) as service:
            service.create(id=1)
            try:
                yield service, server.get_uri(), freeze, thaw
            finally:
                thaw()


@needs_own_postgresql
def test_requests_time_out_while_postgresql_hangs(frozen: Frozen) -> None:
    service, _, freeze, thaw = frozen
    requests: list[Callable[[], Answer]] = [
        lambda: service.put(build(id=1, title="new")),
        lambda: service.get(f"{BUILDS}/1"),
        lambda: service.get(BUILDS),
        lambda: service.get("/ready"),
    ]
    with ThreadPoolExecutor(2 * MANY) as pool:
        for request in requests:  # The threads open their database connections.
            assert [status for status, _ in pool.map(timed, [request] * 8)] == [200] * 8
        # Some of these are in their commit when PostgreSQL is suspended.
        in_flight = [pool.submit(timed, requests[0]) for _ in range(MANY // 2)]
        in_flight[0].result()
        freeze()
        stuck = [[pool.submit(timed, request) for _ in range(MANY // len(requests))] for request in requests]
        healthy = 0
        while not any(answer.done() for answers in stuck for answer in answers):
            assert service.get("/health").status == 200
            healthy += 1
        # If these waited for the database too, there would be one.
        assert healthy > 10
        for answers in stuck:
            timed_out_together(answer.result() for answer in answers)
        assert {answer.result()[0] for answer in in_flight} <= {200, 503}
        thaw()
        await_ready(service)
        for request in requests:
            assert [status for status, _ in pool.map(timed, [request] * 8)] == [200] * 8


@needs_own_postgresql
def test_a_repair_during_which_postgresql_hangs_times_out_and_writes_nothing(frozen: Frozen) -> None:
    service, url, freeze, thaw = frozen
    repair = {"where": {"ids": [1]}, "set": {"status": "error"}, "reason": "x"}
    made = service.repair({"ids": [1]}, {"title": "repaired"}).json["repair"]
    undo = f"{REPAIRS}/{made}/undo", {"reason": "x"}
    before = service.find(1)

    def ask(path: str, document: Any, tag: str | None = None) -> Answer:
        return service.post(path if tag else f"{path}?dry_run=true", document, If_Match=tag)

    tags = ask(REPAIRS, repair).etag, ask(*undo).etag
    # The repair has written its build and a revision of it when it waits for the table. The preview of the undo waits
    # for the table too, and the undo for the repair.
    with ThreadPoolExecutor(3) as pool, psycopg.connect(url) as holder:
        holder.execute("LOCK TABLE build_repair_revisions")
        asked = [pool.submit(ask, REPAIRS, repair, tags[0]), pool.submit(ask, *undo)]
        await_waiting(url, 2)
        asked.append(pool.submit(ask, *undo, tags[1]))
        await_waiting(url, 3)
        freeze()
        answers = [request.result() for request in asked]
        assert [(answer.status, answer.headers["Retry-After"]) for answer in answers] == 3 * [(503, "1")]
        thaw()
    await_ready(service)
    assert service.find(1) == before
    assert len(service.get(REPAIRS).json) == 1
    assert ask(*undo, tags[1]).status == 201
