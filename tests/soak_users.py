"""The users of a soak: the requests that they send, and the changes that must be stored at the end."""

import contextlib
import json
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from service import BUILD, BUILDS, REPAIRS, Service, build, token

#: The number of builds of each user, and the ids of the shared builds.
OWN, SHARED = 30, range(1, 5)

HEAD = re.compile(rb"HTTP/1\.[01] (\d{3}) .*?\r\n\r\n", re.DOTALL)
LENGTH, ETAG = re.compile(rb"\r\ncontent-length: (\d+)", re.I), re.compile(rb'\r\netag: ("[^"]+")', re.I)

#: Malformed or unsupported requests, with the expected statuses.
BROKEN = (
    (b"nonsense\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\n\r\n", 400),
    (b"GET /health HTTP/3.0\r\nHost: x\r\n\r\n", 505),
    (b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (b"PUT /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"PUT /health HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413),
    (b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + 40_000 * b"x" + b"\r\n\r\n", 431),
)


@dataclass
class Figures:
    """The results of a soak, and the changes that must be stored."""

    statuses: Counter[int] = field(default_factory=Counter)
    #: By build, the number of accepted changes, and of changes whose response was not read.
    accepted: Counter[int] = field(default_factory=Counter)
    unknown: Counter[int] = field(default_factory=Counter)
    #: The builds with the titles of accepted overwrites and the errors of repairs; each text is used once.
    marks: set[tuple[int, str]] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        self.statuses += other.statuses
        self.accepted += other.accepted
        self.unknown += other.unknown
        self.marks |= other.marks
        self.faults += other.faults

    def __str__(self) -> str:
        statuses = ", ".join(f"{status}: {number}" for status, number in sorted(self.statuses.items()))
        changes, faults = self.accepted.total(), len(self.faults)
        return f"{self.statuses.total()} responses ({statuses}), {changes} changes, {faults} faults"


class User(threading.Thread):
    """Sends at least `requests` requests, until `deadline`, and records which changes were accepted."""

    def __init__(self, service: Service, number: int, leg: int, requests: int, deadline: float) -> None:
        super().__init__(daemon=True)
        self.service, self.number, self.left, self.deadline = service, number, requests, deadline
        self.random = random.Random(f"{leg} {number}")
        self.own = self.builds_of(number)
        self.head = f"Host: x\r\nAuthorization: Bearer {service.token}\r\nContent-Type: application/json\r\n"
        self.marks = (f"{leg}-{number}-{mark}" for mark in range(2**63))
        self.connection: socket.socket | None = None
        self.counts = Figures()

    @staticmethod
    def builds_of(number: int) -> range:
        return range(1000 * (number + 1), 1000 * (number + 1) + OWN)

    def run(self) -> None:
        acts, weights = zip(*ACTS.items(), strict=True)
        try:
            while self.left > 0 and time.monotonic() < self.deadline:
                self.random.choices(acts, weights)[0](self)
        except Exception as error:
            self.fault(f"{type(error).__name__}: {error}")
        finally:
            self.leave()

    def fault(self, what: str) -> None:
        self.counts.faults.append(f"user {self.number}: {what}")

    def connect(self) -> socket.socket:
        connection = socket.create_connection((self.service.host, self.service.port), 60)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def leave(self, *, reset: bool = False) -> None:
        if self.connection:
            if reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        self.connection = None

    def request(self, method: str, path: str, document: Any = None, *headers: str) -> bytes:
        body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
        lines = [f"{method} {path} HTTP/1.1\r\n{self.head}Content-Length: {len(body)}", *headers, "", ""]
        return "\r\n".join(lines).encode() + body

    def ask(self, expected: Any, *request: Any) -> tuple[int, str, bytes]:
        """Send a request; return the status, the tag and the body of the response. An unexpected status is a fault."""
        self.connection = self.connection or self.connect()
        self.connection.sendall(self.request(*request))
        return self.receive(expected, self.connection, request)

    def receive(self, expected: Any, connection: socket.socket, request: Any) -> tuple[int, str, bytes]:
        self.left -= 1
        data = b""
        while not (head := HEAD.match(data)):
            if not (more := connection.recv(65536)):
                raise ConnectionError(f"no response to {request}")
            data += more
        length = LENGTH.search(head[0])
        body = bytearray(data[head.end() :])
        while length and len(body) < int(length[1]):
            if not (more := connection.recv(65536)):
                raise ConnectionError(f"an incomplete response to {request}")
            body += more
        status, tag = int(head[1]), ETAG.search(head[0])
        self.counts.statuses[status] += 1
        if status not in ((expected,) if isinstance(expected, int) else expected):
            self.fault(f"{status} for {request}: {bytes(body[:500])!r}")
        return status, tag[1].decode() if tag else "", bytes(body)

    def accept(self, build_id: int, mark: str = "") -> None:
        self.counts.accepted[build_id] += 1
        if mark:
            self.counts.marks.add((build_id, mark))

    def any_build(self, ids: Sequence[int] = (), **fields: Any) -> dict[str, Any]:
        """Return one of the user's own builds, or of those with `ids`, with a new title."""
        repo_id = 1 if ids else self.number + 2
        return build(id=self.random.choice(ids or self.own), repo_id=repo_id, title=next(self.marks), **fields)

    # The actions of a user.

    def overwrite(self) -> int:
        sent = self.any_build(status="running")
        self.ask(200, "PUT", BUILD, sent)
        self.accept(sent["id"], sent["title"])
        return int(sent["id"])

    def overwrite_what_was_read(self) -> None:
        sent = self.any_build(SHARED)
        _, tag, _ = self.ask(200, "GET", f"{BUILDS}/{sent['id']}")
        if self.ask((200, 412), "PUT", BUILD, sent, f"If-Match: {tag}")[0] == 200:
            self.accept(sent["id"], sent["title"])

    def read(self) -> None:
        path = f"{BUILDS}/{self.random.choice(self.own)}"
        _, tag, _ = self.ask(200, "GET", path)
        self.ask(304, "GET", path, None, f"If-None-Match: {tag}")

    def browse(self) -> None:
        filters = f"repo_id={self.number + 2}", "status=running,error", "branch=main", "after=1", "page=3"
        chosen = "&".join(self.random.sample(filters, self.random.randrange(4)))
        revisions = f"/{self.random.choice(self.own)}/revisions"
        for path in (f"?{chosen}", f"/stuck?{chosen}", "/queue?after=1", revisions, f"{revisions}/1"):
            self.ask(200, "GET", f"{BUILDS}{path}")

    def look_around(self) -> None:
        for path in ("/health", "/ready", "/version", "/openapi.json", "/", f"{REPAIRS}?per_page=5"):
            self.ask(200, "GET", path)
        self.ask((200, 404), "GET", "/metrics")

    def repair(self) -> None:
        """Preview and apply a repair, and undo it in half of the cases."""
        error = next(self.marks)
        where = {"repo_id": self.number + 2, "ids": self.random.sample(self.own, 3)}
        asked = {"where": where, "set": {"error": error, "status": "error"}, "reason": "a soak"}
        done = self.carry_out(REPAIRS, asked, error)
        if self.random.random() < 0.5:
            self.carry_out(f"{REPAIRS}/{done['repair']}/undo", {"reason": "a soak"}, "")

    def carry_out(self, path: str, asked: Any, mark: str) -> Any:
        _, tag, body = self.ask(200, "POST", f"{path}?dry_run=true", asked)
        self.ask(428, "POST", path, asked)
        _, _, done = self.ask(201, "POST", path, asked, f"If-Match: {tag}")
        for one in json.loads(body)["builds"]:
            self.accept(one["id"], mark)
        return json.loads(done)

    def undo(self) -> None:
        build_id = self.overwrite()
        _, tag, _ = self.ask(200, "GET", f"{BUILDS}/{build_id}")
        _, _, body = self.ask(200, "GET", f"{BUILDS}/{build_id}/revisions?per_page=1")
        (newest,) = json.loads(body)
        path = f"{BUILDS}/{build_id}/revisions/{newest['revision']}/undo"
        self.ask(200, "POST", path, None, f"If-Match: {tag}")
        self.accept(build_id)

    def be_refused(self) -> None:
        sent = self.any_build()
        self.ask(400, "PUT", BUILD, sent | {"number": 2**63})
        self.ask(400, "PUT", BUILD, 5000 * b"[")
        self.ask(400, "GET", f"{BUILDS}?page=0")
        self.ask(404, "PUT", BUILD, sent | {"id": 10**9})
        self.ask(404, "GET", f"/{self.random.random()}")
        self.ask(405, "DELETE", BUILD)
        self.ask(409, "PUT", BUILD, sent | {"number": sent["number"] + (1 if sent["id"] == self.own[0] else -1)})
        self.ask(412, "PUT", BUILD, sent, 'If-Match: "none"')
        self.ask(413, "PUT", BUILD, 300_000 * b" ")
        self.ask(501, "BREW", BUILD)
        kept, self.head = self.head, f"Host: x\r\nAuthorization: Bearer {token('another key' * 4)}\r\n"
        self.ask(401, "GET", BUILDS)
        self.head = kept

    def send_malformed_http(self) -> None:
        text, status = self.random.choice(BROKEN)
        with contextlib.closing(self.connect()) as connection:
            connection.sendall(text)
            self.receive(status, connection, text)

    def be_slow(self) -> None:
        """Send a request in pieces, while another connection has sent only a part of it."""
        sent = self.any_build()
        request = self.request("PUT", BUILD, sent)
        with contextlib.closing(self.connect()) as connection, contextlib.closing(self.connect()) as other:
            other.sendall(request[:200])
            for start in range(0, len(request), 100):
                connection.sendall(request[start : start + 100])
                time.sleep(0.001)
            self.receive(200, connection, "slowly")
        self.accept(sent["id"], sent["title"])

    def disconnect(self) -> None:
        """Close the connection before the response, or during a large one, also with pipelined requests."""
        sent = self.any_build(SHARED)
        overwrite, large = self.request("PUT", BUILD, sent), self.request("GET", "/openapi.json")
        self.connection = self.connection or self.connect()
        self.connection.sendall(self.random.choice([overwrite + large, overwrite, 9 * large]))
        self.counts.unknown[sent["id"]] += 1
        if self.random.random() < 0.5:
            self.connection.recv(1000)
        self.left -= 1
        self.leave(reset=self.random.random() < 0.5)


#: The actions of a user, with their weights.
ACTS: dict[Callable[[User], object], int] = {
    User.overwrite: 30,
    User.overwrite_what_was_read: 5,
    User.read: 15,
    User.browse: 8,
    User.look_around: 3,
    User.repair: 3,
    User.undo: 3,
    User.be_refused: 2,
    User.send_malformed_http: 3,
    User.be_slow: 1,
    User.disconnect: 3,
}
