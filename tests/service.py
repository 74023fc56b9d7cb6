"""Runs the service as a separate process on a loopback port, and sends it HTTP requests."""

import contextlib
import http.client
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import psutil

from build_admin.schemas.sample import SAMPLE
from signals import own_console

ROOT = Path(__file__).parent.parent
KEY = "a signing key for the tests, and for them alone"
BUILD = "/api/v1/admin/build"
BUILDS = "/api/v1/admin/builds"
REPAIRS = "/api/v1/admin/repairs"

# The claims of a valid administrator's token, as a Vela server issues it, except for the times.
ADMIN = {"sub": "octokitty", "token_type": "UserAccess", "is_active": True, "is_admin": True}


def token(key: str = KEY, **claims: Any) -> str:
    """Return an administrator's token. A claim that is given replaces the default; one that is None is left out."""
    now = int(time.time())
    given = {**ADMIN, "iat": now, "exp": now + 3600, **claims}
    return jwt.encode({name: value for name, value in given.items() if value is not None}, key, algorithm="HS256")


def build(**fields: Any) -> dict[str, Any]:
    """Return the sample build with some fields replaced. `number` is the id unless it is given."""
    numbered = {"number": fields["id"]} if "id" in fields else {}
    return SAMPLE | numbered | fields


@dataclass(frozen=True)
class Answer:
    """A response, with its body read."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def etag(self) -> str:
        return self.headers["ETag"]


class Service:
    """A running service, and the requests that the tests send to it."""

    def __init__(self, url: str, process: "subprocess.Popen[str] | None" = None) -> None:
        self.url = url
        self.process = process
        self.token = token()
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 0

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str | None] | None = None
    ) -> Answer:
        """Send one request on a new connection, with a valid token. A header that is None is not sent."""
        given = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, {name: value for name, value in given.items() if value is not None})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def get(self, path: str, **headers: str | None) -> Answer:
        return self.request("GET", path, headers=hyphenated(headers))

    def put(self, document: Any, query: str = "", **headers: str | None) -> Answer:
        """PUT a build. Bytes are sent unchanged. `If_Match="…"` is the header If-Match."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.request("PUT", BUILD + query, body, {"Content-Type": "application/json", **hyphenated(headers)})

    def post(self, path: str, document: Any = None, **headers: str | None) -> Answer:
        """POST a JSON document, or an empty body. Bytes are sent unchanged."""
        body = document if isinstance(document, bytes) or document is None else json.dumps(document).encode()
        return self.request("POST", path, body, {"Content-Type": "application/json", **hyphenated(headers)})

    def repair(self, where: Any, fields: Any) -> Answer:
        """Preview a repair and apply it."""
        return self.carry_out(REPAIRS, {"where": where, "set": fields, "reason": "OPS-17"})

    def undo(self, repair: int) -> Answer:
        """Preview the undo of a repair and apply it."""
        return self.carry_out(f"{REPAIRS}/{repair}/undo", {"reason": "it was only slow"})

    def carry_out(self, path: str, document: Any) -> Answer:
        preview = self.post(f"{path}?dry_run=true", document)
        assert preview.status == 200, preview
        return self.post(path, document, If_Match=preview.etag)

    def create(self, **fields: Any) -> dict[str, Any]:
        """Create a build and return it as the service has stored it."""
        answer = self.put(build(**fields), If_None_Match="*")
        assert answer.status == 201, answer
        return dict(answer.json)

    def find(self, build_id: int) -> dict[str, Any]:
        answer = self.get(f"{BUILDS}/{build_id}")
        assert answer.status == 200, answer
        return dict(answer.json)


def hyphenated(headers: dict[str, Any]) -> dict[str, Any]:
    """Return headers given as keyword arguments, with hyphens in their names."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


def await_ready(service: Service) -> None:
    """Wait until a service is ready; fail after START seconds."""
    deadline = time.monotonic() + START
    while service.get("/ready").status != 200:
        assert time.monotonic() < deadline, "the service is not ready"


def status_of(service: Service, method: str, target: str, *headers: str) -> int:
    """Send a request with this target and these headers unchanged, and return the status of the response."""
    lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    with contextlib.closing(socket.create_connection((service.host, service.port), 20)) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1"))
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status


def refused(answer: Answer, status: int) -> dict[str, Any]:
    """Check the form of an error response, and return its body."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-ID"]
    body: dict[str, Any] = answer.json
    assert set(body) <= {"error", "fields"}
    assert body["error"][0].isupper()
    assert body["error"].endswith((".", "'."))
    for inside in ("Traceback", "SELECT", "UPDATE", ".py", "sqlite", "psycopg"):
        assert inside not in answer.body.decode()
    return body


def memory(service: Service) -> int:
    """Return the resident memory of the service in bytes."""
    assert service.process
    return int(psutil.Process(service.process.pid).memory_info().rss)


def peak(service: Service) -> int:
    """Return the peak of the service's resident memory in bytes; where the system does not tell it, the memory now."""
    assert service.process
    with contextlib.suppress(FileNotFoundError):
        for line in Path(f"/proc/{service.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return int(getattr(psutil.Process(service.process.pid).memory_info(), "peak_wset", memory(service)))


def together(processes: Sequence[Service], clients: int, work: Any) -> list[Any]:
    """Call `work(service, number)` in a thread for each client, spread over the processes, and return the results."""
    with ThreadPoolExecutor(clients) as pool:
        futures = [pool.submit(work, processes[number % len(processes)], number) for number in range(clients)]
        return [future.result() for future in futures]


def environment(**settings: Any) -> dict[str, str]:
    """Return this process's environment, with these settings in place of any BUILD_ADMIN_ variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BUILD_ADMIN_")}
    defaults = {"LISTEN": "127.0.0.1:0", "SIGNING_KEY": KEY}
    path = {"PYTHONPATH": str(settings.pop("PYTHONPATH"))} if "PYTHONPATH" in settings else {}
    return clean | path | {f"BUILD_ADMIN_{name}": str(value) for name, value in (defaults | settings).items()}


#: Seconds that a process may take to start; under Wine it takes several.
START = 60

#: How the command is started from a checkout.
PROGRAM = (sys.executable, str(ROOT / "app.py"))


@contextlib.contextmanager
def running(*arguments: str, stderr: Any = None, program: Sequence[str] = PROGRAM, **settings: Any) -> Any:
    """Run `build-admin serve` with settings (`DATA=…`), yield it as a Service once it listens, and stop it at the end.

    Args:
        arguments: more arguments of `serve`.
        stderr: where its log goes, as for subprocess.Popen.
        program: the command to start.
        settings: the settings without their prefix `BUILD_ADMIN_`, and PYTHONPATH.

    """
    process = subprocess.Popen(
        [*program, "serve", *arguments],
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        encoding="utf-8",
        **own_console(),
    )
    try:
        yield Service(address(process, sample="--sample" in arguments), process)
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            if process.stdout:
                process.stdout.close()


def address(process: "subprocess.Popen[str]", *, sample: bool) -> str:
    """Return the URL that a starting service prints. With `sample`, wait until it has stored the sample build.

    Raises AssertionError if the service ends, or prints nothing for START seconds.
    """
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        # Read to the end, so that the service never blocks on a full pipe.
        for line in process.stdout or ():
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    line = lines.get(timeout=START)
    assert "http://" in line, f"the service did not start: {line!r}"
    url = "http://" + line.rpartition("http://")[2].strip()
    # The curl command for the sample is printed after the sample is stored.
    while sample and f"{url}{BUILD}" not in line:
        line = lines.get(timeout=START)
        assert line, "the service has ended"
    return url


def run(*arguments: str, program: Sequence[str] = PROGRAM, **settings: Any) -> "subprocess.CompletedProcess[str]":
    """Run `build-admin` with arguments and settings, and wait for it."""
    return subprocess.run(
        [*program, *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",  # On Windows, messages are in the system's code page.
        timeout=2 * START,
        check=False,
    )
