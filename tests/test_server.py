"""The server: its limits, its own answers, and its stop."""

import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from build_admin.models.stores.store import FILE
from platforms import needs_signals
from service import BUILD, Service, build, run, running

#: How often a service is stopped under load.
STOPS = int(os.environ.get("BUILD_ADMIN_TEST_STOPS", "3"))


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with limits that a test can reach."""
    settings: dict[str, Any] = {
        "REQUEST_TIMEOUT": 1,
        "IDLE_TIMEOUT": 2,
        "CONNECTIONS": 10,
        "MAX_HEADER": 4096,
        "THREADS": 2,
    }
    with running(DATA=tmp_path_factory.mktemp("limited"), **settings) as service:
        yield service


@contextlib.contextmanager
def connected(service: Service, timeout: float = 20) -> Iterator[socket.socket]:
    with contextlib.closing(socket.create_connection((service.host, service.port), timeout)) as connection:
        yield connection


def answer_to(service: Service, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes as they are, and return the status, the headers (names in lower case) and the body of the answer."""
    with connected(service) as connection:
        connection.sendall(request)
        return received(connection)


def received(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 4000 + b"\r\n\r\n", 413),
        (b"GET /health HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 5000 + b"\r\n\r\n", 431),
        (b"PUT /health HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n", 413),
    ],
)
def test_what_does_not_reach_the_application_is_answered_in_json_too(
    limited: Service, request_: bytes, status: int
) -> None:
    answered, headers, body = answer_to(limited, request_)
    assert answered == status
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert "server" not in headers
    assert 1 <= len(headers["x-request-id"]) <= 64
    assert list(json.loads(body)) == ["error"]


def test_the_clients_request_id_comes_back_with_an_early_answer(limited: Service) -> None:
    request = b"PUT /health HTTP/1.1\r\nHost: x\r\nX-Request-ID: mine.1\r\nContent-Length: 600000\r\n\r\n"
    assert answer_to(limited, request)[1]["x-request-id"] == "mine.1"


def test_a_client_that_is_still_sending_gets_its_answer(limited: Service) -> None:
    with connected(limited) as connection:
        connection.sendall(b"PUT " + BUILD.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
        status, headers, _ = received(connection)
        assert (status, headers["connection"]) == (413, "close")
        # A closed socket would answer these with a reset, which overtakes the answer on some systems.
        for _ in range(10):
            connection.sendall(b"x" * 10_000)


def test_a_body_that_is_refused_is_not_asked_for(limited: Service) -> None:
    request = b"PUT /health HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 600000\r\n\r\n"
    with connected(limited) as connection:
        connection.sendall(request)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_exactly_the_limit_is_taken_also_in_small_chunks(limited: Service) -> None:
    body = json.dumps(build(id=1)).encode().ljust(262_144)
    head = (
        f"PUT {BUILD}?dry_run=true HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIf-None-Match: *\r\n"
        f"Authorization: Bearer {limited.token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    chunks = b"".join(b"400\r\n" + body[at : at + 1024] + b"\r\n" for at in range(0, len(body), 1024))
    assert answer_to(limited, head + chunks + b"0\r\n\r\n")[0] == 201
    assert answer_to(limited, head + chunks + b"1\r\n \r\n0\r\n\r\n")[0] == 413


def test_a_smaller_limit_of_the_body_holds(data: Path) -> None:
    body = json.dumps(build(id=1)).encode()
    with running(DATA=data, MAX_BODY=8192) as service:
        assert service.put(body.ljust(8192), If_None_Match="*").status == 201
        refused = service.put(body.ljust(8193))
        assert (refused.status, refused.json) == (413, {"error": "The body has more than 8192 bytes."})
        assert service.put(body.ljust(100_000)).json == {"error": "The body is too large."}


def test_a_request_that_trickles_in_is_dropped_and_holds_no_thread(limited: Service) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(limited)) for _ in range(4)]
        for connection in slow:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        assert limited.get("/health").status == 200
        for connection in slow:
            status, headers, body = received(connection)
            assert (status, headers["content-type"]) == (408, "application/json")
            assert "error" in json.loads(body)
            assert connection.recv(1) == b""


def test_an_idle_connection_is_closed(limited: Service) -> None:
    with connected(limited) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert received(connection)[0] == 200
        assert connection.recv(1) == b""


def test_further_connections_wait_until_there_is_room(limited: Service) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connected(limited)) for _ in range(14)]
        for connection in connections:
            connection.sendall(request)
        # The first keep their places until they are idle for too long; then the others are let in.
        assert [received(connection)[0] for connection in connections] == [200] * 14


def test_pipelined_requests_are_answered_in_order(limited: Service) -> None:
    with connected(limited) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        text = b""
        while b"version" not in text:
            text += connection.recv(65536)
        assert text.index(b'"ok"') < text.index(b'"version"')


class Client(threading.Thread):
    """Overwrites a build of its own as fast as it can, and notes what was answered."""

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
        """Overwrite once; return the connection if it is still good."""
        document = json.dumps(build(id=self.build_id, finished=self.acknowledged + 1)).encode()
        headers = {"Authorization": f"Bearer {self.service.token}", "Content-Type": "application/json"}
        try:
            connection.request("PUT", BUILD, document, headers)
            response = connection.getresponse()
        except OSError:
            # Nothing of an answer came: the request must not have reached the service.
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


@needs_signals
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("stop", range(STOPS))
def test_a_stop_under_load_answers_what_it_accepted(
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
        service.process.send_signal([signal.SIGTERM, signal.SIGINT][stop % 2])
        assert service.process.wait(15) == 0
        for client in clients:
            client.join(30)
    lines = run("export", **settings).stdout.splitlines()
    stored = {found["id"]: found["finished"] for found in map(json.loads, lines)}
    assert [client.broken for client in clients] == [[]] * 8
    assert stored == {client.build_id: client.acknowledged for client in clients}


def refuses(service: Service) -> None:
    """Ask for the health until a connection is refused, or fail after ten seconds."""
    deadline = time.monotonic() + 10
    with contextlib.suppress(OSError):
        while time.monotonic() < deadline:
            service.get("/health")
        pytest.fail("the service still takes connections")


@needs_signals
def test_a_stop_waits_for_a_request_at_work_and_takes_no_new_one(data: Path) -> None:
    with running(DATA=data) as service, contextlib.closing(sqlite3.connect(data / FILE, isolation_level=None)) as lock:
        service.create(id=1)
        lock.execute("BEGIN IMMEDIATE")
        waiting = http.client.HTTPConnection(service.host, service.port, timeout=30)
        headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}
        waiting.request("PUT", BUILD, json.dumps(build(id=1, title="late")).encode(), headers)
        # Whoever is answered now was read after that request was.
        assert service.get("/health").status == 200
        assert service.process
        service.process.send_signal(signal.SIGTERM)
        refuses(service)
        lock.execute("ROLLBACK")
        answer = waiting.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert json.loads(answer.read())["title"] == "late"
        assert service.process.wait(10) == 0


@needs_signals
def test_a_stop_answers_who_waits_for_a_thread_and_who_is_still_sending(data: Path) -> None:
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
        service.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(OSError):
            while True:
                stack.enter_context(connected(service))
        waiting[2].sendall(request[-5:])
        lock.execute("ROLLBACK")
        assert [received(connection)[0] for connection in waiting] == [200] * 3
        assert service.process.wait(10) == 0


@needs_signals
def test_a_stop_leaves_the_whole_store_in_its_file(data: Path) -> None:
    with running(DATA=data) as service:
        service.create(id=1)
        with (
            contextlib.closing(sqlite3.connect(data / FILE, isolation_level=None)) as lock,
            ThreadPoolExecutor(1) as pool,
        ):
            lock.execute("BEGIN IMMEDIATE")
            waiting = pool.submit(service.put, build(id=1, title="late"))
            # With one thread at that, it is another that answers, on a connection of its own.
            assert service.find(1) == build(id=1)
            lock.execute("ROLLBACK")
            assert waiting.result().status == 200
        assert service.process
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(10) == 0
    assert [file.name for file in data.iterdir()] == [FILE]
    with contextlib.closing(sqlite3.connect(data / FILE)) as database:
        assert database.execute("SELECT title FROM builds").fetchall() == [("late",)]


@needs_signals
def test_a_second_signal_leaves_at_once(data: Path) -> None:
    with running(DATA=data, GRACE=60) as service, connected(service) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")  # begun, and never to be ended
        assert service.get("/health").status == 200
        assert service.process
        service.process.send_signal(signal.SIGTERM)
        refuses(service)
        assert service.process.poll() is None
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(5) == 128 + signal.SIGTERM


@needs_signals
def test_the_grace_period_bounds_a_stop(data: Path) -> None:
    with running(DATA=data, GRACE=1) as service, connected(service) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")  # begun, and never to be ended
        assert service.get("/health").status == 200
        assert service.process
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(10) == 0
