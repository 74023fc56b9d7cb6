"""Clients that are slow, idle or too many: they take little memory, and other clients are still served."""

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from platforms import needs_memory_figures
from service import BUILDS, PROGRAM, Service, build, peak, running
from sockets import HEALTH, connected, everything, received

#: More than BUILD_ADMIN_CONNECTIONS, which is 100 by default.
MANY = 150

HALF = b"GET /health HTTP/1.1\r\nHost: x\r\nX: "
LARGE = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"

#: Another loopback address to connect from. macOS does not configure it by default.
ELSEWHERE = "127.0.0.2"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with the default settings."""
    with running(DATA=tmp_path_factory.mktemp("crowded")) as service:
        yield service


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with short timeouts."""
    settings: dict[str, Any] = {"REQUEST_TIMEOUT": 1, "IDLE_TIMEOUT": 2, "CONNECTIONS": 200}
    with running(DATA=tmp_path_factory.mktemp("hasty"), **settings) as service:
        yield service


def send(connection: socket.socket, data: bytes) -> None:
    """Send as much as the socket accepts without blocking."""
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        connection.send(data)


def await_closed(connection: socket.socket) -> None:
    """Wait until a connection is closed, without reading from it; fail after 20 seconds."""
    deadline = time.monotonic() + 20
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < deadline:
            send(connection, b"\r\n")
            time.sleep(0.02)
        pytest.fail("the connection is still open")


def request_health(connection: socket.socket) -> None:
    connection.sendall(HEALTH)
    assert received(connection)[0] == 200


@pytest.mark.parametrize(
    ("number", "act"),
    [
        pytest.param(MANY, lambda connection: None, id="silent"),
        pytest.param(MANY, lambda connection: connection.sendall(HALF), id="half a request"),
        pytest.param(MANY, lambda connection: connection.sendall(b"\r\n\r\n"), id="line ends alone"),
        pytest.param(100, request_health, id="idle"),
        pytest.param(MANY, lambda connection: send(connection, 60 * LARGE), id="not reading"),
    ],
)
def test_a_new_client_is_served_when_all_connections_are_taken(
    crowded: Service, number: int, act: Callable[[socket.socket], None]
) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            act(stack.enter_context(connected(crowded, buffer=4096)))
        # Without that, it would wait for the timeout of an idle connection (two minutes) or of an incomplete request
        # (30 seconds), or without limit for a client that does not read.
        for path in (HEALTH, HEALTH.replace(b"health", b"ready")):
            with connected(crowded, timeout=15) as connection:
                connection.sendall(path)
                assert received(connection)[0] == 200


def test_clients_that_request_continuously_give_up_connections_to_a_waiting_client(data: Path) -> None:
    with running(DATA=data, CONNECTIONS=3) as service, contextlib.ExitStack() as stack:
        busy = [stack.enter_context(connected(service)) for _ in range(3)]
        for connection in busy:
            request_health(connection)
        waiting = stack.enter_context(connected(service))
        waiting.sendall(HEALTH)
        deadline = time.monotonic() + 20
        while not select.select([waiting], [], [], 0)[0]:
            assert time.monotonic() < deadline
            for number, connection in enumerate(busy):
                connection.sendall(HEALTH)
                _, headers, _ = received(connection)
                if headers.get("connection") == "close":
                    # The response announces the close, so no request is lost.
                    busy[number] = stack.enter_context(connected(service))
        assert received(waiting)[0] == 200


def test_connections_of_the_address_with_more_than_half_of_them_are_closed_first(data: Path) -> None:
    with running(DATA=data, CONNECTIONS=10) as service, contextlib.ExitStack() as stack:
        first = stack.enter_context(connected(service, source=ELSEWHERE))
        request_health(first)
        for _ in range(20):
            request_health(stack.enter_context(connected(service)))
        # The first connection has been idle for longest, and is still open.
        request_health(first)


def test_the_trusted_proxy_may_take_all_connections(data: Path) -> None:
    with running(DATA=data, CONNECTIONS=10, TRUSTED_PROXY="127.0.0.1") as service, contextlib.ExitStack() as stack:
        idle = stack.enter_context(connected(service, source=ELSEWHERE))
        request_health(idle)
        pool = [stack.enter_context(connected(service)) for _ in range(10)]
        for connection in pool:
            request_health(connection)
        assert everything(idle) == b""


@needs_memory_figures
def test_a_client_that_does_not_read_is_closed_in_time_and_takes_little_memory(hasty: Service) -> None:
    before = peak(hasty)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connected(hasty, buffer=4096)) for _ in range(95)]
        for connection in connections:
            send(connection, 8192 // len(LARGE) * LARGE)
        for connection in connections:
            await_closed(connection)
    # Unsent responses without a bound would take a gigabyte.
    assert peak(hasty) - before < 50_000_000


def test_a_client_that_reads_too_slowly_is_closed(hasty: Service) -> None:
    with connected(hasty, buffer=4096) as connection:
        send(connection, 8192 // len(LARGE) * LARGE)
        deadline = time.monotonic() + 20
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < deadline:
                with contextlib.suppress(BlockingIOError):
                    if not connection.recv(200):
                        return
                time.sleep(0.05)
            pytest.fail("the connection is still open")


def test_a_client_that_reads_late_gets_every_response(crowded: Service) -> None:
    number = 40
    with connected(crowded) as connection:
        send(connection, number * LARGE + HEALTH.replace(b"Host", b"Connection: close\r\nHost"))
        connection.settimeout(20)
        # Other clients are served meanwhile.
        for _ in range(20):
            assert crowded.get("/health").status == 200
        text = everything(connection)
    assert text.count(b"HTTP/1.1 200 OK") == number + 1
    assert text.count(crowded.get("/openapi.json").body) == number


@needs_memory_figures
def test_large_responses_that_are_not_read_hold_no_thread_and_have_a_common_bound(data: Path) -> None:
    with running(DATA=data, THREADS=2) as service, contextlib.ExitStack() as stack:
        # Four bytes a character make 20 KB a build, and 8 MB a response.
        wide = dict.fromkeys(("title", "error", "clone", "source", "message"), "💩" * 1000)
        for number in range(1, 401):
            service.create(id=number, status="pending", created=int(time.time()), **wide)
        request = f"GET {BUILDS}/queue HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n\r\n".encode()
        before = peak(service)
        connections = [stack.enter_context(connected(service, buffer=4096)) for _ in range(40)]
        for connection in connections:
            send(connection, request)
        # The connections that have not read for longest are closed, before BUILD_ADMIN_REQUEST_TIMEOUT (30 seconds).
        await_closed(connections[0])
        assert service.get(f"{BUILDS}/1").status == 200
        last = connections[-1]
        last.settimeout(20)
        assert len(received(last)[2]) > 8_000_000
        # Without a bound, they would take 320 MB.
        assert peak(service) - before < 200_000_000


def test_connections_that_are_closed_for_memory_fail_no_other_answer(data: Path, tmp_path: Path) -> None:
    with (
        (tmp_path / "log").open("w+b") as log,
        running(DATA=data, CONNECTIONS=500, stderr=log) as service,
        contextlib.ExitStack() as stack,
    ):
        wide = dict.fromkeys(("title", "error", "clone", "source", "message"), "💩" * 1000)
        for number in range(1, 21):
            service.create(id=number, status="pending", created=int(time.time()), **wide)
        request = f"GET {BUILDS}/queue HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n\r\n".encode()
        # 160 MB: each thread closes connections, some of which another thread has closed at that moment.
        for _ in range(450):
            send(stack.enter_context(connected(service, buffer=4096)), request)
        assert service.get(f"{BUILDS}/1").status == 200
        log.seek(0)
        assert [line for line in log.read().decode().splitlines() if " INFO " not in line] == []


@pytest.mark.parametrize("hung", [HALF, b"\r\n\r\n"])
def test_an_incomplete_request_times_out_and_holds_no_thread(hasty: Service, hung: bytes) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(hasty)) for _ in range(4)]
        for connection in slow:
            connection.sendall(hung)
        assert hasty.get("/health").status == 200
        for connection in slow:
            status, headers, _ = received(connection)
            assert (status, headers["content-type"]) == (408, "application/json")
            assert connection.recv(1) == b""


def test_an_idle_connection_is_closed(hasty: Service) -> None:
    with connected(hasty) as connection:
        request_health(connection)
        assert connection.recv(1) == b""


def test_connections_over_the_limit_wait_and_are_served(data: Path) -> None:
    with running(DATA=data, CONNECTIONS=10) as service, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connected(service)) for _ in range(30)]
        for connection in connections:
            connection.sendall(HEALTH)
        assert [received(connection)[0] for connection in connections] == [200] * 30


def limited_to(files: int) -> tuple[str, ...]:
    """Return the command with a limit on its open files."""
    return ("sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *PROGRAM)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the number of a process's files")
def test_a_limit_of_open_files_below_the_connections_is_logged_once(data: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"CONNECTIONS": 500, "THREADS": 2}
    with (
        (tmp_path / "log").open("w+b") as log,
        running(DATA=data, stderr=log, program=limited_to(100), **settings) as service,
        contextlib.ExitStack() as stack,
    ):
        service.create(id=1)
        for _ in range(150):
            request_health(stack.enter_context(connected(service)))
        assert service.put(build(id=1, title="new")).status == 200
        log.seek(0)
        lines = [line for line in log.read().decode().splitlines() if " INFO " not in line]
    assert [line.partition("WARNING ")[2].partition(" connections=")[0] for line in lines] == [
        "fewer connections than BUILD_ADMIN_CONNECTIONS: the limit on open files is too low",
        "all connections are in use; idle ones are closed for others",
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the number of a process's files")
def test_running_out_of_files_is_logged_once_and_closes_idle_connections(data: Path, tmp_path: Path) -> None:
    import resource

    with (
        (tmp_path / "log").open("w+b") as log,
        running(DATA=data, stderr=log, CONNECTIONS=500) as service,
        contextlib.ExitStack() as stack,
    ):
        service.create(id=1)
        assert service.process
        open_files = len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))
        _, hard = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (open_files + 3, hard))
        for _ in range(12):
            request_health(stack.enter_context(connected(service)))
        log.seek(0)
        lines = [line for line in log.read().decode().splitlines() if " INFO " not in line]
    assert len(lines) == 1
    assert 'a connection cannot be accepted; idle ones are closed for others error="Too many' in lines[0]
