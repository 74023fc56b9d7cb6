"""Stopping the server by signals."""

import contextlib
import http.client
import json
import os
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from build_admin.models.stores.store import FILE
from service import BUILD, Service, build, run, running
from signals import STOP, send
from sockets import connected, received

#: How many times a service is stopped under load.
STOPS = int(os.environ.get("BUILD_ADMIN_TEST_STOPS", "3"))


class Client(threading.Thread):
    """Overwrites its own build until a connection is refused, and records the responses."""

    def __init__(self, service: Service, build_id: int, keep_alive: bool) -> None:
        super().__init__(daemon=True)
        self.service, self.build_id, self.keep_alive = service, build_id, keep_alive
        self.acknowledged = 0
        self.broken: list[str] = []
        self.refused = False

    def run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self.refused:
            try:
                connection = connection or http.client.HTTPConnection(self.service.host, self.service.port, timeout=30)
                connection.connect() if connection.sock is None else None
            except OSError:
                self.refused = True
                return
            connection = self.overwrite(connection)

    def overwrite(self, connection: http.client.HTTPConnection) -> http.client.HTTPConnection | None:
        """Overwrite once, and return the connection if it is still open."""
        document = json.dumps(build(id=self.build_id, finished=self.acknowledged + 1)).encode()
        headers = {"Authorization": f"Bearer {self.service.token}", "Content-Type": "application/json"}
        try:
            connection.request("PUT", BUILD, document, headers)
            response = connection.getresponse()
        except OSError:
            # There was no response, so the request must not have been stored. The caller checks that.
            connection.close()
            self.refused = True
            return None
        try:
            body = response.read()
        except http.client.HTTPException as error:
            self.broken.append(repr(error))
            return None
        if response.status != 200 or json.loads(body)["finished"] != self.acknowledged + 1:
            self.broken.append(f"{response.status} {body!r}")
        self.acknowledged += 1
        if response.will_close or not self.keep_alive:
            connection.close()
            return None
        return connection


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("stop", range(STOPS))
def test_a_stop_under_load_answers_all_accepted_requests(
    data: Path, request: pytest.FixtureRequest, kind: str, stop: int
) -> None:
    settings: dict[str, Any] = {"DATA": data}
    if kind == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    with running(**settings) as service:
        clients = [Client(service, number, keep_alive=number % 2 == 0) for number in range(1, 9)]
        for client in clients:
            service.create(id=client.build_id, finished=0)
            client.start()
        while sum(client.acknowledged for client in clients) < 100 + 17 * stop:
            time.sleep(0.002)
        assert service.process
        send(service.process, [STOP, signal.SIGINT][stop % 2])
        assert service.process.wait(15) == 0
        for client in clients:
            client.join(30)
    lines = run("export", **settings).stdout.splitlines()
    stored = {found["id"]: found["finished"] for found in map(json.loads, lines)}
    assert [client.broken for client in clients] == [[]] * 8
    assert stored == {client.build_id: client.acknowledged for client in clients}


def refuses(service: Service) -> None:
    """Send requests until a connection is refused; fail after ten seconds."""
    deadline = time.monotonic() + 10
    with contextlib.suppress(OSError):
        while time.monotonic() < deadline:
            service.get("/health")
        pytest.fail("the service still accepts connections")


def test_a_stop_waits_for_a_request_in_progress_and_accepts_no_new_one(data: Path) -> None:
    with running(DATA=data) as service, contextlib.closing(sqlite3.connect(data / FILE, isolation_level=None)) as lock:
        service.create(id=1)
        lock.execute("BEGIN IMMEDIATE")
        waiting = http.client.HTTPConnection(service.host, service.port, timeout=30)
        headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}
        waiting.request("PUT", BUILD, json.dumps(build(id=1, title="late")).encode(), headers)
        # The service reads requests in order, so it has read the PUT before /health.
        assert service.get("/health").status == 200
        assert service.process
        send(service.process, STOP)
        refuses(service)
        lock.execute("ROLLBACK")
        answer = waiting.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert json.loads(answer.read())["title"] == "late"
        assert service.process.wait(10) == 0


def test_a_stop_answers_queued_requests_and_one_that_is_still_being_sent(data: Path) -> None:
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(running(DATA=data, THREADS=1))
        lock = stack.enter_context(contextlib.closing(sqlite3.connect(data / FILE, isolation_level=None)))
        service.create(id=1)
        lock.execute("BEGIN IMMEDIATE")
        body = json.dumps(build(id=1)).encode()
        request = (
            f"PUT {BUILD} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"Authorization: Bearer {service.token}\r\n\r\n"
        ).encode() + body
        waiting = [stack.enter_context(connected(service)) for _ in range(3)]
        for connection in waiting[:2]:
            connection.sendall(request)
        waiting[2].sendall(request[:-5])
        assert service.process
        send(service.process, STOP)
        with contextlib.suppress(OSError):
            while True:
                stack.enter_context(connected(service))
        waiting[2].sendall(request[-5:])
        lock.execute("ROLLBACK")
        assert [received(connection)[0] for connection in waiting] == [200] * 3
        assert service.process.wait(10) == 0


def test_a_stop_leaves_only_the_database_file(data: Path) -> None:
    with running(DATA=data) as service:
        service.create(id=1)
        with (
            contextlib.closing(sqlite3.connect(data / FILE, isolation_level=None)) as lock,
            ThreadPoolExecutor(1) as pool,
        ):
            lock.execute("BEGIN IMMEDIATE")
            waiting = pool.submit(service.put, build(id=1, title="late"))
            # Another thread answers this, with a database connection of its own.
            assert service.find(1) == build(id=1)
            lock.execute("ROLLBACK")
            assert waiting.result().status == 200
        assert service.process
        send(service.process, STOP)
        assert service.process.wait(10) == 0
    assert [file.name for file in data.iterdir()] == [FILE]
    with contextlib.closing(sqlite3.connect(data / FILE)) as database:
        assert database.execute("SELECT title FROM builds").fetchall() == [("late",)]


def test_a_second_signal_ends_the_service_at_once(data: Path) -> None:
    with running(DATA=data, GRACE=60) as service, connected(service) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")  # An incomplete request.
        assert service.get("/health").status == 200
        assert service.process
        send(service.process, STOP)
        refuses(service)
        assert service.process.poll() is None
        send(service.process, STOP)
        assert service.process.wait(5) == 128 + STOP


def test_a_stop_ends_after_the_grace_period(data: Path) -> None:
    with running(DATA=data, GRACE=1) as service, connected(service) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")  # An incomplete request.
        assert service.get("/health").status == 200
        assert service.process
        send(service.process, STOP)
        assert service.process.wait(10) == 0
