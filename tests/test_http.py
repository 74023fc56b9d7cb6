"""HTTP as in RFC 9110 and RFC 9112: refused requests, the end of a request, and the end of a connection."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import BUILD, BUILDS, Service, build, running
from sockets import HEALTH, answer_to, connected, everything, put, received


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a small limit of the header."""
    with running(DATA=tmp_path_factory.mktemp("limited"), MAX_HEADER=4096, THREADS=2) as service:
        yield service


@pytest.fixture(scope="module")
def generous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with the largest headers that can be set."""
    with running(DATA=tmp_path_factory.mktemp("generous"), MAX_HEADER=1_048_576) as service:
        yield service


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET http://" + 200_000 * b"1" + b" HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX:" + 200_000 * b" " + b"x\r\n\r\n", 200),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + 200_000 * b"\t" + b"\0\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX:\r\n" + 200_000 * b" " + b"x\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x" + 200_000 * b" " + b"x\r\n\r\n", 501),
    ],
)
def test_no_request_takes_the_square_of_its_length(generous: Service, request_: bytes, status: int) -> None:
    """Each was minutes of work, in which nobody else was served; `answer_to` waits for 20 seconds."""
    assert answer_to(generous, request_)[0] == status


def test_no_content_type_takes_the_square_of_its_length(generous: Service) -> None:
    long = f'application/json; a="{200_000 * ";"}"'
    assert generous.request("PUT", f"{BUILD}?dry_run=true", b"{}", {"Content-Type": long}).status == 400


def test_what_is_repeated_in_a_list_counts_once(generous: Service) -> None:
    """Each item was a parameter of the statement, of which a database takes so many."""
    path = f"{BUILDS}?status={','.join(70_000 * ['running'])}"
    with connected(generous) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {generous.token}\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 200"


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
        (b"GET /health\r\n\r\n", 400),
        (b"GET /health HTTP/1.2\r\nHost: x\r\n\r\n", 505),
        (b"GET /health HTTP/0.9\r\nHost: x\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET http://[::1/health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /health\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /health\x7f HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /health\t HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http:health HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        (b"GET /health HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\ntransfer-encoding:\r\n\r\n0\r\n\r\n", 501),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400),
        (b"GET /health HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /health HTTP/1.0\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400),
        (b"PUT /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n", 413),
        (b"PUT /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;" + 9000 * b"a", 400),
        (b"PUT /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + 999 * b"T: y\r\n", 400),
    ],
)
def test_requests_that_the_server_refuses_are_answered_in_json(limited: Service, request_: bytes, status: int) -> None:
    answered, headers, body = answer_to(limited, request_)
    assert answered == status
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert "server" not in headers
    assert 1 <= len(headers["x-request-id"]) <= 64
    assert list(json.loads(body)) == ["error"]


def test_a_request_that_the_server_refuses_keeps_its_request_id(limited: Service) -> None:
    request = b"PUT /health HTTP/1.1\r\nHost: x\r\nX-Request-ID: mine.1\r\nContent-Length: 600000\r\n\r\n"
    assert answer_to(limited, request)[1]["x-request-id"] == "mine.1"


def test_a_client_that_is_still_sending_gets_its_response(limited: Service) -> None:
    with connected(limited) as connection:
        connection.sendall(b"PUT " + BUILD.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
        status, headers, _ = received(connection)
        assert (status, headers["connection"]) == (413, "close")
        # A closed socket would answer these with a reset, which discards the response on some systems.
        for _ in range(10):
            connection.sendall(b"x" * 10_000)


def test_a_refused_body_gets_no_100_continue(limited: Service) -> None:
    request = b"PUT /health HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 600000\r\n\r\n"
    with connected(limited) as connection:
        connection.sendall(request)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("size", [1, 1024])
def test_the_limit_of_the_body_applies_to_what_the_chunks_hold(limited: Service, size: int) -> None:
    body = json.dumps(build(id=1)).encode().ljust(262_144)
    head = (
        f"PUT {BUILD}?dry_run=true HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIf-None-Match: *\r\n"
        f"Authorization: Bearer {limited.token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    chunks = b"".join(b"%x\r\n" % size + body[at : at + size] + b"\r\n" for at in range(0, len(body), size))
    assert answer_to(limited, head + chunks + b"0\r\n\r\n")[0] == 201
    assert answer_to(limited, head + chunks + b"1\r\n \r\n0\r\n\r\n")[0] == 413


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /health HTTP/1.0\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: [2001:db8::1]:8080\r\n\r\n",
        b"GET http://y/health HTTP/1.1\r\nHost: y\r\n\r\n",
        b"\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked \r\n\r\n1;a=b\r\nx\r\n0\r\nTrailer: y\r\n\r\n",
    ],
)
def test_unusual_requests_that_http_allows_are_answered(limited: Service, request_: bytes) -> None:
    assert answer_to(limited, request_)[0] == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_http_1_0_client_keeps_its_connection_only_if_it_asks_for_that(limited: Service, method: str) -> None:
    request = f"{method} /health HTTP/1.0\r\n"
    with connected(limited) as connection:
        for _ in range(2):
            connection.sendall(f"{request}Connection: keep-alive\r\n\r\n".encode())
            status, headers, _ = received(connection, method)
            assert (status, headers["connection"], headers["content-length"]) == (200, "keep-alive", "4")
        connection.sendall(f"{request}\r\n".encode())
        answer = everything(connection).lower()
        assert (answer[:13], b"\r\nconnection: close\r\n" in answer) == (b"http/1.0 200 ", True)


@pytest.mark.parametrize("length", ["", "Content-Length: 0\r\n"])
def test_a_request_after_one_that_expects_100_without_a_body_is_read_separately(limited: Service, length: str) -> None:
    expecting = f"GET {BUILDS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {limited.token}\r\nExpect: 100-continue\r\n"
    without_token = f"GET {BUILDS} HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(limited) as connection:
        connection.sendall((expecting + length + "\r\n").encode())
        assert received(connection)[0] == 200
        connection.sendall(without_token.encode())
        assert received(connection)[0] == 401
        closing = without_token.replace("Host", "Connection: close\r\nHost")
        connection.sendall((expecting + length + "\r\n" + closing).encode())
        assert re.findall(rb"HTTP/1.1 \d+", everything(connection)) == [b"HTTP/1.1 200", b"HTTP/1.1 401"]


def test_a_client_that_expects_100_gets_it_after_the_responses_before(limited: Service) -> None:
    whole = put(limited, build(id=1), "Expect: 100-continue", "If-None-Match: *", "Connection: close")
    head, _, body = whole.partition(b"\r\n\r\n")
    with connected(limited) as connection:
        # The 100 follows the response to the request before it.
        connection.sendall(HEALTH + head + b"\r\n\r\n")
        text = b""
        while not text.endswith(b"\r\n\r\n"):
            text += connection.recv(65536)
        assert re.findall(rb"HTTP/1.1 \d+", text) == [b"HTTP/1.1 200", b"HTTP/1.1 100"]
        connection.sendall(body)
        assert everything(connection).startswith(b"HTTP/1.1 201")


@pytest.mark.parametrize("options", ["close", "close, TE", "TE,\tClose"])
def test_a_connection_is_closed_after_a_request_that_says_close(limited: Service, options: str) -> None:
    with connected(limited) as connection:
        connection.sendall(f"GET /health HTTP/1.1\r\nHost: x\r\nConnection: {options}\r\n\r\n".encode())
        status, headers, _ = received(connection)
        assert (status, headers["connection"]) == (200, "close")
        assert connection.recv(1) == b""


def test_a_304_keeps_the_connection_open(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    etag = service.get(f"{BUILDS}/{new_id}").etag
    request = (
        f"GET {BUILDS}/{new_id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n"
        f"If-None-Match: {etag}\r\n\r\n"
    ).encode()
    with connected(service) as connection:
        for _ in range(2):
            connection.sendall(request)
            status, headers, body = received(connection)
            assert (status, headers.get("connection"), body) == (304, None, b"")
        connection.sendall(HEALTH)
        assert received(connection)[0] == 200


def test_pipelined_requests_are_answered_in_order(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    read = f"GET {BUILDS}/{new_id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n\r\n".encode()
    requests = [put(service, build(id=new_id, title=f"title {number}")) + read for number in range(20)]
    last = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with connected(service) as connection:
        connection.sendall(b"".join(requests) + last)
        text = everything(connection)
    assert re.findall(rb"HTTP/1.1 (\d+)", text) == [b"200"] * 41
    assert re.findall(rb'"title ?(\d+)"', text.replace(b'"title": ', b"")) == [
        b"%d" % (number // 2) for number in range(40)
    ]


def test_the_setting_max_body_limits_the_body(data: Path) -> None:
    body = json.dumps(build(id=1)).encode()
    with running(DATA=data, MAX_BODY=8192) as service:
        assert service.put(body.ljust(8192), If_None_Match="*").status == 201
        refused = service.put(body.ljust(8193))
        assert (refused.status, refused.json) == (413, {"error": "The body has more than 8192 bytes."})
        assert service.put(body.ljust(100_000)).json == {"error": "The body is too large."}
