"""The contenders: how each is started, checked and stopped."""

import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks import ROOT, SIGNING_KEY
from benchmarks.load import OVERWRITE, READ, token
from build_admin.schemas.sample import SAMPLE
from build_admin.settings import Settings

#: Seconds within which a contender must start, answer a request, and stop.
TIMEOUT = 30


@dataclass(frozen=True)
class Contender:
    """A server to measure.

    Attributes:
        name: its name in the report.
        database: `SQLite`, `PostgreSQL`, or empty for none.
        requirements: the packages that it needs, without their dependencies.
        peer: its file in `peers/`; empty for the service and the ceiling.

    """

    name: str
    database: str
    requirements: tuple[str, ...]
    peer: str = ""

    @property
    def label(self) -> str:
        """The name with the database."""
        return f"{self.name}, {self.database}" if self.database else self.name


CEILING = "Falcon and waitress alone"
SERVICE = "Build Admin"

_SERVICE_PACKAGES = ("falcon", "marshmallow", "peewee", "waitress", "PyJWT")
_FASTAPI_PACKAGES = ("fastapi", "uvicorn[standard]", "SQLAlchemy", "PyJWT")
_FLASK_PACKAGES = ("Flask", "Flask-SQLAlchemy", "marshmallow", "waitress", "PyJWT")
_DJANGO_PACKAGES = ("Django", "djangorestframework", "waitress", "PyJWT")
_DATABASES = {"SQLite": (), "PostgreSQL": ("psycopg[binary]",)}

CONTENDERS = (
    Contender(CEILING, "", ("falcon", "waitress")),
    *(
        Contender(name, database, (*packages, *driver), peer)
        for database, driver in _DATABASES.items()
        for name, packages, peer in (
            (SERVICE, _SERVICE_PACKAGES, ""),
            ("FastAPI", _FASTAPI_PACKAGES, "fastapi_peer.py"),
            ("Flask", _FLASK_PACKAGES, "flask_peer.py"),
            ("Django REST framework", _DJANGO_PACKAGES, "django_peer.py"),
        )
    ),
)


@dataclass(frozen=True)
class Place:
    """The folder, the database and the interpreter of a contender.

    Attributes:
        folder: an existing folder.
        database: the URL of a PostgreSQL database, or an SQLite file.
        python: the interpreter with the contender's packages.

    """

    folder: Path
    database: str | Path
    python: Path = Path(sys.executable)


@dataclass(frozen=True)
class Server:
    """A running contender.

    Attributes:
        url: its address.
        process: its process.
        started_in: the seconds from the start of the process to its first response.

    """

    url: str
    process: psutil.Process
    started_in: float

    def memory(self) -> int:
        """Return the resident memory of the process and its children in bytes."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(process.memory_info().rss for process in family)

    def request(self, method: str, path: str, body: Any = None, authorization: str | None = None) -> tuple[int, Any]:
        """Request with a valid token unless `authorization` is given; return the status and the JSON, or None."""
        text = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {token()}" if authorization is None else authorization}
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=TIMEOUT)
        with contextlib.closing(connection):
            connection.request(method, path, text, headers | ({"Content-Type": "application/json"} if text else {}))
            response = connection.getresponse()
            answer = response.read()
        try:
            return response.status, json.loads(answer)
        except ValueError:
            return response.status, None


@contextlib.contextmanager
def running(contender: Contender, place: Place) -> Iterator[Server]:
    """Run a contender during the `with` block. Its output is written to the file `log` in its folder.

    Raises RuntimeError if it does not answer within TIMEOUT.
    """
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command, settings = _command(contender, place, port)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BUILD_ADMIN_")}
    with (place.folder / "log").open("ab") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=inherited | settings, stdout=log, stderr=log)
        try:
            _await_answer(process, port, began + TIMEOUT, place.folder / "log")
            yield Server(url, psutil.Process(process.pid), time.perf_counter() - began)
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT)
            finally:
                process.kill()


def start_time(contender: Contender, place: Place, times: int = 3) -> float:
    """Return the median seconds from the start of a contender to its first response."""
    taken = []
    for _ in range(times):
        with running(contender, place) as server:
            taken.append(server.started_in)
    return statistics.median(taken)


def check(contender: Contender, server: Server) -> None:
    """Raise RuntimeError unless a contender overwrites and returns a build, and refuses invalid requests."""
    build = SAMPLE | {"message": "overwritten for a check"}
    path = f"{READ}/{build['id']}"

    def expect(what: str, answered: tuple[int, Any], *expected: Any) -> None:
        if answered not in expected and answered[0] not in expected:
            raise RuntimeError(f"{contender.label} fails the check: {what} is answered {answered}")

    expect("an overwrite", server.request("PUT", OVERWRITE, build), (200, build))
    if contender.name == CEILING:
        return
    expect("a read", server.request("GET", path), (200, build))
    expect("no token", server.request("PUT", OVERWRITE, build, ""), 401)
    expect("another key's token", server.request("PUT", OVERWRITE, build, f"Bearer {token(key='x' * 32)}"), 401)
    for name, value in {"status": "nonsense", "number": "one", "title": "x" * 1001, "parent": -1}.items():
        expect(f"{name} {value!r:.20}", server.request("PUT", OVERWRITE, build | {name: value}), 400, 422)
    left_out = {name: value for name, value in build.items() if name != "sender"}
    expect("a missing field", server.request("PUT", OVERWRITE, left_out), 400, 422)
    expect("an unknown build", server.request("PUT", OVERWRITE, build | {"id": 2**40, "number": 2**40}), 404)
    expect("a read after refusals", server.request("GET", path), (200, build))


def _command(contender: Contender, place: Place, port: int) -> tuple[list[str], dict[str, str]]:
    """Return the command that starts a contender, and the environment variables that it reads."""
    if not contender.peer:
        program = ["-m", "benchmarks.ceiling"] if contender.name == CEILING else ["app.py", "serve"]
        return [str(place.python), *program], {
            "BUILD_ADMIN_LISTEN": f"127.0.0.1:{port}",
            "BUILD_ADMIN_DATA": str(place.folder),
            "BUILD_ADMIN_DATABASE_URL": place.database if isinstance(place.database, str) else "",
            "BUILD_ADMIN_SIGNING_KEY": SIGNING_KEY,
        }
    file = ROOT / "benchmarks" / "peers" / contender.peer
    if isinstance(place.database, str):
        url = place.database.replace("postgresql:", "postgresql+psycopg:", 1)
    else:
        url = f"sqlite:///{place.database}"
    return [str(place.python), str(file), str(port)], {
        "DATABASE_URL": url,
        "SIGNING_KEY": SIGNING_KEY,
        "THREADS": str(Settings().threads),
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await_answer(process: "subprocess.Popen[bytes]", port: int, deadline: float, log: Path) -> None:
    while time.perf_counter() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", f"{READ}/1", headers={"Authorization": f"Bearer {token()}"})
            connection.getresponse().read()
            return
        time.sleep(0.005)
    said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise RuntimeError(f"{process.args!r} does not answer; its log ends\n{said}")
