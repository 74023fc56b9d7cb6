"""The service with more builds in its table, and with more processes on one PostgreSQL database."""

import contextlib
import itertools
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.contenders import SERVICE, Contender, Place, Server, check, running
from benchmarks.databases import NewDatabase, fill
from benchmarks.load import Generator, Load
from benchmarks.report import table

METHODS = ("PUT", "GET")

#: The number of connections to one process, and in total to several processes.
CONNECTIONS, SHARED_CONNECTIONS = 8, 24

PROCESSES = (1, 2, 3)


@dataclass
class Point:
    """A configuration of the service, and its results.

    Attributes:
        database: SQLite or PostgreSQL.
        builds: the number of builds in the table, each with one revision.
        processes: the number of processes.
        connections: the number of concurrent connections.
        loads: the results of each round by method.

    """

    database: str
    builds: int
    processes: int
    connections: int
    loads: dict[str, list[Load]] = field(default_factory=lambda: {method: [] for method in METHODS})


def grow(
    sizes: Sequence[int],
    folder: Path,
    new_database: NewDatabase,
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> list[Point]:
    """Measure the service on tables of `sizes` builds, and PROCESSES of it on one database.

    Raises RuntimeError if the service does not start, or fails the check.
    """
    generator = Generator(folder)
    measured: list[tuple[Point, Sequence[Server]]] = []
    with contextlib.ExitStack() as stack:
        for database, builds in itertools.product(("SQLite", "PostgreSQL"), sizes):
            say(f"fill {database} with {builds:,} builds, each with a revision")
            contender = Contender(SERVICE, database, ())
            place = _fill(contender, folder / f"{database}-{builds}", new_database, builds)
            server = stack.enter_context(running(contender, place))
            check(contender, server)
            measured.append((Point(database, builds, 1, CONNECTIONS), [server]))
            if (database, builds) == ("PostgreSQL", sizes[0]):
                servers = [server, *(stack.enter_context(running(contender, place)) for _ in PROCESSES[1:])]
                measured += [
                    (Point(database, builds, processes, SHARED_CONNECTIONS), servers[:processes])
                    for processes in PROCESSES
                ]
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            for method, (point, loaded) in itertools.product(METHODS, measured):
                load = _load(generator, loaded, method, point, seconds)
                point.loads[method].append(load)
    return [point for point, _ in measured]


def _fill(contender: Contender, folder: Path, new_database: NewDatabase, builds: int) -> Place:
    folder.mkdir()
    database = new_database() if contender.database == "PostgreSQL" else folder / "builds.sqlite3"
    place = Place(folder, database)
    with running(contender, place):
        pass  # The start creates the tables.
    fill(database, builds, own=True, revisions=True)
    return place


def _load(generator: Generator, servers: Sequence[Server], method: str, point: Point, seconds: float) -> Load:
    """Load all servers at once. Of several servers, p50 is the mean and p99 the maximum."""
    connections = point.connections // len(servers)
    started = [generator.start(server.url, method, connections, seconds, point.builds) for server in servers]
    loads = [generator.finish(process, seconds) for process in started]
    return Load(
        rate=sum(load.rate for load in loads),
        p50=statistics.mean(load.p50 for load in loads),
        p99=max(load.p99 for load in loads),
        failures=sum(load.failures for load in loads),
    )


def markdown(surroundings: Mapping[str, str], points: Sequence[Point]) -> str:
    """Return the report as Markdown."""
    rows = []
    for point in points:
        cells = [point.database, f"{point.builds:,}", str(point.processes), str(point.connections)]
        for loads in point.loads.values():
            cells.append(f"{statistics.median(load.rate for load in loads):,.0f}")
            cells.append(" / ".join(f"{statistics.median(times):.1f}" for times in _times(loads)))
            if failures := sum(load.failures for load in loads):
                cells[-2:] = ["invalid", f"{failures} failures"]
        rows.append(cells)
    heads = [head for method in METHODS for head in (f"{method}, a second", "p50 / p99, ms")]
    where = "; ".join(f"{name}: {value}" for name, value in surroundings.items())
    return f"Medians of the rounds. {where}.\n\n" + table(["", "builds", "processes", "connections", *heads], rows)


def dump(surroundings: Mapping[str, str], points: Sequence[Point]) -> str:
    """Return all results as JSON; rates are responses a second, times milliseconds."""
    document = {"surroundings": dict(surroundings), "points": [asdict(point) for point in points]}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _times(loads: Sequence[Load]) -> tuple[list[float], list[float]]:
    return [load.p50 for load in loads], [load.p99 for load in loads]
