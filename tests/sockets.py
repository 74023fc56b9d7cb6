"""Requests as bytes over sockets, for what http.client would not send."""

import contextlib
import http.client
import json
import random
import socket
from collections.abc import Iterator
from typing import Any

from service import BUILD, Service

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@contextlib.contextmanager
def connected(service: Service, timeout: float = 20, source: str = "", buffer: int = 0) -> Iterator[socket.socket]:
    """Connect to a service, if given from the address `source` and with a receive buffer of `buffer` bytes."""
    with contextlib.closing(socket.socket(socket.AF_INET)) as connection:
        connection.settimeout(timeout)
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        if source:
            connection.bind((source, 0))
        connection.connect((service.host, service.port))
        yield connection


def free_port() -> int:
    """Return a port for a server that cannot choose one itself.

    It is below those that systems give to clients, so no connection takes it before the server does.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with contextlib.suppress(OSError), contextlib.closing(socket.create_server(("", port))):
            return port
    raise AssertionError("no port is free")


def answer_to(service: Service, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, and return the status, the headers (names in lower case) and the body of the response."""
    with connected(service) as connection:
        connection.sendall(request)
        return received(connection)


def received(connection: socket.socket, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers (names in lower case) and the body of the response to a request with `method`."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def everything(connection: socket.socket) -> bytes:
    """Return all that is received until the connection is closed."""
    text = b""
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65536):
            text += data
    return text


def put(service: Service, document: Any, *headers: str) -> bytes:
    """Return a request to overwrite a build, with a valid token."""
    body = json.dumps(document).encode()
    lines = [
        f"PUT {BUILD} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {service.token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
