"""Malformed HTTP causes no 500, blocks no worker thread, and changes no build."""

import contextlib
import os
import random
import re
import socket
from collections.abc import Iterator

import pytest

from platforms import needs_memory_figures
from service import BUILD, BUILDS, Service, memory, running
from sockets import connected, everything

#: The number of generated requests; `make fuzz` sends more.
REQUESTS = 40 * int(os.environ.get("BUILD_ADMIN_TEST_EXAMPLES", "20"))

SMUGGLED = b"PUT /api/v1/admin/build HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
HEADS = [
    b"GET /health HTTP/1.1\r\nHost: x\r\n",
    b"PUT " + BUILD.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n",
    b"GET /health HTTP/1.0\r\n",
    b"GET http://x/health HTTP/1.1\r\nHost: x\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n",
    b"GET //api/v1/admin/builds HTTP/1.1\r\n",
    b"GET /\xff%00%zz HTTP/1.1\r\nHost: x\r\n",
    b"GET /health HTTP/9.9\r\nHost: x\r\n",
    b"get /health\r\n",
    b"\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n",
]
HEADERS = [
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: +5\r\n",
    b"Content-Length: 5, 5\r\n",
    b"Content-Length: 99999999999999999999999999\r\n",
    b"Content-Length: 0x5\r\n",
    b"Content-Length: " + b"9" * 5000 + b"\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: Chunked\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding: chunked, identity\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Transfer_Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive, X\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
    b"Authorization: Bearer " + b"x" * 9000 + b"\r\n",
    b"X: " + b"y" * 40_000 + b"\r\n",
    b" folded: yes\r\n",
    b"no colon\r\n",
    b"X\x00Y: z\r\n",
    b"\xff\xfe: z\r\n",
    b"X: a\rb\r\n",
    b"X: a\nY: b\r\n",
    b"If-Match: *\r\nIf-Match: *\r\n",
    b"Range: bytes=0-\r\n",
    b"X-Forwarded-For: 1.2.3.4\r\n",
    *[b"X-%d: y\r\n" % number for number in range(5)],
]
BODIES = [
    b"",
    b"{}",
    b"hello",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5;ext=1\r\nhello\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    b"-1\r\nhello\r\n",
    b"5\r\nhelloXX0\r\n\r\n",
    b"0\r\nTrailer: x\r\n\r\n",
    b"0\r\n\r\n" + SMUGGLED,
    SMUGGLED,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(DATA=tmp_path_factory.mktemp("fuzzed"), REQUEST_TIMEOUT=2, THREADS=2, LOG_LEVEL="ERROR") as service:
        yield service


def generated(chance: random.Random) -> bytes:
    """Return a request with random faults, or several copies of it."""
    headers = b"".join(chance.sample(HEADERS, chance.randrange(5)))
    request = chance.choice(HEADS) + headers + b"\r\n" + chance.choice(BODIES)
    if chance.random() < 0.3:
        at = chance.randrange(len(request))
        request = request[:at] + bytes([chance.randrange(256)]) + request[at + chance.randrange(2) :]
    if chance.random() < 0.2:
        request = request[: chance.randrange(len(request))]
    return request * chance.choice([1, 1, 1, 2, 5])


def statuses(service: Service, request: bytes) -> list[int]:
    """Send bytes, shut down the sending side, and return the statuses of all responses."""
    with connected(service) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", everything(connection))]


@needs_memory_figures
def test_generated_requests_cause_no_server_error_and_no_growth_of_memory(fuzzed: Service) -> None:
    stored = fuzzed.create(id=1)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    before = 0
    for number in range(REQUESTS):
        request = generated(chance)
        seen = statuses(fuzzed, request)
        assert not [status for status in seen if status >= 500 and status not in (501, 505)], (request, seen)
        if number == REQUESTS // 4:
            before = memory(fuzzed)
    assert fuzzed.get("/health").status == 200
    assert fuzzed.find(1) == stored
    assert fuzzed.get(BUILDS).headers["X-Total-Count"] == "1"
    grown = memory(fuzzed) - before
    print(f"{REQUESTS} requests, memory grown by {grown} bytes in the last three quarters")
    assert grown < 8 * 1024 * 1024


def test_a_content_length_of_5000_digits_is_refused(fuzzed: Service) -> None:
    assert statuses(fuzzed, b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n") == [400]


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 50\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    ],
)
@pytest.mark.parametrize("line", [b"POST /health HTTP/1.1\r\n", b"POST /health HTTP/1.0\r\nConnection: keep-alive\r\n"])
def test_nothing_after_a_request_of_ambiguous_length_is_served_as_a_request(
    fuzzed: Service, line: bytes, head: bytes
) -> None:
    hidden = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    seen = statuses(fuzzed, line + b"Host: x\r\n" + head + b"\r\n0\r\n\r\n" + hidden)
    assert seen
    assert seen[0] in (400, 405, 501)
    assert 200 not in seen
