"""A repair of 10,000 builds compared with 10,000 overwrites."""

import contextlib
import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.contenders import SERVICE, Contender, Place, Server, running
from benchmarks.databases import NewDatabase, fill
from benchmarks.load import Generator, token
from benchmarks.report import table

#: The number of builds in a repair, which is the most that one can change, and of connections for as many overwrites.
COUNT, CONNECTIONS = 10_000, 8

REPAIRS = "/api/v1/admin/repairs"


@dataclass
class Measured:
    """The results on one database: the seconds of each round.

    Attributes:
        database: SQLite or PostgreSQL.
        repairs: by action: 10,000 overwrites, a preview, a repair, the preview of its undo, and the undo.

    """

    database: str
    repairs: dict[str, list[float]] = field(default_factory=dict)


def measure(
    folder: Path, new_database: NewDatabase, rounds: int, seconds: float, say: Callable[[str], None]
) -> list[Measured]:
    """Measure repairs of COUNT builds. Raises RuntimeError if the service does not start, or refuses a request."""
    generator = Generator(folder)
    found = [Measured("SQLite"), Measured("PostgreSQL")]
    for one in found:
        say(f"repairs on {one.database}")
        with served(one.database, folder / one.database, new_database, COUNT, revisions=True) as server:
            for number in range(rounds):
                rate = generator.run(server.url, "PUT", CONNECTIONS, seconds, COUNT).rate
                one.repairs.setdefault("10,000 PUTs", []).append(COUNT / rate)
                for what, taken in _repair(server.url, number).items():
                    one.repairs.setdefault(what, []).append(taken)
    return found


@contextlib.contextmanager
def served(
    name: str,
    folder: Path,
    new_database: NewDatabase,
    count: int,
    *,
    revisions: bool = False,
    values: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run the service in a new `folder` on a database of the kind `name`, which is filled by `fill`."""
    folder.mkdir()
    database = new_database() if name == "PostgreSQL" else folder / "builds.sqlite3"
    contender, place = Contender(SERVICE, name, ()), Place(folder, database)
    with running(contender, place):
        pass  # The start creates the tables.
    fill(database, count, own=True, revisions=revisions, values=values)
    with running(contender, place) as server:
        yield server


def _repair(url: str, number: int) -> dict[str, float]:
    """Preview a repair of every build, apply it, and undo it; return the seconds of each request."""
    fields = {"status": "error", "error": "died", "finished": number + 1}
    asked = {"where": {"repo_id": 1}, "set": fields, "reason": "-"}
    preview, _, tag = ask(url, "POST", f"{REPAIRS}?dry_run=true", asked)
    apply, answer, _ = ask(url, "POST", REPAIRS, asked, tag)
    path = f"{REPAIRS}/{json.loads(answer)['repair']}/undo"
    look, _, tag = ask(url, "POST", f"{path}?dry_run=true", {"reason": "-"})
    undo, _, _ = ask(url, "POST", path, {"reason": "-"}, tag)
    return {"preview": preview, "repair": apply, "preview of undo": look, "undo": undo}


def ask(url: str, method: str, path: str, document: Any = None, tag: str = "") -> tuple[float, bytes, str]:
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
    return f"Medians of the rounds. {where}.\n\n{table(['10,000 builds', *heads], rows)}"
