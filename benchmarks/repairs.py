"""A repair of 10,000 builds compared with 10,000 overwrites, and lists of tables of several sizes."""

import contextlib
import http.client
import json
import sqlite3
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from benchmarks.contenders import SERVICE, Contender, Place, Server, running
from benchmarks.databases import NewDatabase, fill
from benchmarks.load import READ, Generator, token
from benchmarks.report import table

#: The number of builds in a repair, which is the most that one can change, and of connections for as many overwrites.
COUNT, CONNECTIONS = 10_000, 8

REPAIRS = "/api/v1/admin/repairs"

#: The lists by their names in the report. One build in a hundred has the host, one in a thousand the branch.
LISTS = {
    "all": READ,
    "a status": f"{READ}?status=running",
    "a host": f"{READ}?host=w7",
    "a branch": f"{READ}?branch=b7",
    "a number": f"{READ}?number=500",
    "stuck": f"{READ}/stuck?before=9000000000&per_page=100",
}
_SCATTER = (
    "UPDATE builds SET host = 'w' || (id % 100), branch = 'b' || (id % 1000), "
    "status = CASE id % 500 WHEN 0 THEN 'running' WHEN 1 THEN 'pending' ELSE 'success' END"
)


@dataclass
class Measured:
    """The results on one database: the seconds of each round.

    Attributes:
        database: SQLite or PostgreSQL.
        repairs: by action: 10,000 overwrites, a preview, a repair, the preview of its undo, and the undo.
        lists: by size of the table and by list.

    """

    database: str
    repairs: dict[str, list[float]] = field(default_factory=dict)
    lists: dict[int, dict[str, list[float]]] = field(default_factory=dict)


def measure(
    sizes: Sequence[int],
    folder: Path,
    new_database: NewDatabase,
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> list[Measured]:
    """Measure repairs of COUNT builds, and lists of tables of `sizes` builds.

    Raises RuntimeError if the service does not start, or refuses a request.
    """
    generator = Generator(folder)
    found = [Measured("SQLite"), Measured("PostgreSQL")]
    for one in found:
        say(f"repairs on {one.database}")
        with _served(one.database, folder / f"{one.database}-repairs", new_database, COUNT) as server:
            for number in range(rounds):
                rate = generator.run(server.url, "PUT", CONNECTIONS, seconds, COUNT).rate
                one.repairs.setdefault("10,000 PUTs", []).append(COUNT / rate)
                for what, taken in _repair(server.url, number).items():
                    one.repairs.setdefault(what, []).append(taken)
        for size in sizes:
            say(f"lists of {size:,} builds on {one.database}")
            place = folder / f"{one.database}-{size}"
            with _served(one.database, place, new_database, size, _SCATTER) as server:
                of_size = one.lists[size] = {name: [] for name in LISTS}
                for _ in range(rounds):
                    for name, path in LISTS.items():
                        of_size[name].append(_ask(server.url, "GET", path)[0])
    return found


@contextlib.contextmanager
def _served(name: str, folder: Path, new_database: NewDatabase, builds: int, then: str = "") -> Any:
    folder.mkdir()
    database: str | Path = new_database() if name == "PostgreSQL" else folder / "builds.sqlite3"
    contender, place = Contender(SERVICE, name, ()), Place(folder, database)
    with running(contender, place):
        pass  # The start creates the tables.
    fill(database, builds, own=True, revisions=True)
    if isinstance(database, Path):
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(then)
    elif then:
        with psycopg.connect(database, autocommit=True) as postgres:
            postgres.execute(then.encode())
            postgres.execute("VACUUM ANALYZE")
    with running(contender, place) as server:
        assert isinstance(server, Server)
        yield server


def _repair(url: str, number: int) -> dict[str, float]:
    """Preview a repair of every build, apply it, and undo it; return the seconds of each request."""
    fields = {"status": "error", "error": "died", "finished": number + 1}
    asked = {"where": {"repo_id": 1}, "set": fields, "reason": "-"}
    preview, _, tag = _ask(url, "POST", f"{REPAIRS}?dry_run=true", asked)
    apply, answer, _ = _ask(url, "POST", REPAIRS, asked, tag)
    path = f"{REPAIRS}/{json.loads(answer)['repair']}/undo"
    look, _, tag = _ask(url, "POST", f"{path}?dry_run=true", {"reason": "-"})
    undo, _, _ = _ask(url, "POST", path, {"reason": "-"}, tag)
    return {"preview": preview, "repair": apply, "preview of undo": look, "undo": undo}


def _ask(url: str, method: str, path: str, document: Any = None, tag: str = "") -> tuple[float, bytes, str]:
    """Send a request; return its seconds, and the body and the tag of the response."""
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"}
    headers |= {"If-Match": tag} if tag else {}
    parts = urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)) as connection:
        began = time.perf_counter()
        connection.request(method, path, json.dumps(document) if document else None, headers)
        response = connection.getresponse()
        body = response.read()
        if response.status not in (200, 201):
            raise RuntimeError(f"{method} {path} was answered {response.status}: {body[:200]!r}")
        return time.perf_counter() - began, body, response.headers.get("ETag", "")


def markdown(surroundings: Mapping[str, str], found: Sequence[Measured]) -> str:
    """Return the report as Markdown."""
    where = "; ".join(f"{name}: {value}" for name, value in surroundings.items())
    heads = [*found[0].repairs, "PUTs / repair"]
    rows = []
    for one in found:
        taken = {what: statistics.median(seconds) for what, seconds in one.repairs.items()}
        ratio = taken["10,000 PUTs"] / taken["repair"]
        rows.append([one.database, *(f"{seconds:.2f} s" for seconds in taken.values()), f"{ratio:.1f}"])
    lists = [
        [one.database, f"{size:,}", *(f"{statistics.median(seconds) * 1000:.0f} ms" for seconds in of_size.values())]
        for one in found
        for size, of_size in one.lists.items()
    ]
    return (
        f"Medians of the rounds. {where}.\n\n{table(['10,000 builds', *heads], rows)}\n"
        f"{table(['lists', 'builds', *LISTS], lists)}"
    )
