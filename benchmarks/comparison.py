"""The comparison of all contenders under the same loads, round by round."""

import contextlib
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import ROOT
from benchmarks.contenders import Contender, Place, Server, check, running, start_time
from benchmarks.databases import NewDatabase, fill, stored_message
from benchmarks.load import Generator, Load

#: Builds in each contender's table.
BUILDS = 1000

#: The loads: method and connections.
LOADS = (("PUT", 1), ("PUT", 8), ("PUT", 32), ("GET", 8))


@dataclass(frozen=True)
class Outcome:
    """The results of a contender under one load, as medians of the rounds.

    Attributes:
        method: PUT or GET.
        connections: the number of concurrent connections.
        rate: responses a second.
        p50: milliseconds.
        p99: milliseconds.
        of_ceiling: the rate as a share of the ceiling's rate in the same round.
        failures: the failed requests of all rounds; the results are invalid unless this is 0.
        rounds: the results of each round.

    """

    method: str
    connections: int
    rate: float
    p50: float
    p99: float
    of_ceiling: float
    failures: int
    rounds: Sequence[Load]


@dataclass(frozen=True)
class Result:
    """All results of a contender.

    Attributes:
        name: the contender's name.
        database: the contender's database.
        start: seconds from the start of the process to its first response.
        idle: bytes of resident memory before the loads, without PostgreSQL's.
        loaded: bytes of resident memory after the loads.
        installed: bytes on disk of its packages and their dependencies, without Python.
        outcomes: the results under each of LOADS.

    """

    name: str
    database: str
    start: float
    idle: int
    loaded: int
    installed: int
    outcomes: Sequence[Outcome]

    @property
    def label(self) -> str:
        """The name with the database."""
        return f"{self.name}, {self.database}" if self.database else self.name

    def outcome(self, method: str, connections: int) -> Outcome:
        """Return the results under one of LOADS."""
        return next(one for one in self.outcomes if (one.method, one.connections) == (method, connections))


@dataclass
class _Entry:
    contender: Contender
    place: Place
    start: float
    server: Server
    idle: int
    loads: dict[tuple[str, int], list[Load]] = field(default_factory=lambda: {load: [] for load in LOADS})


def compare(
    contenders: Sequence[Contender],
    folder: Path,
    peers_python: Path,
    new_database: NewDatabase,
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> list[Result]:
    """Measure the contenders, and return their results in the same order.

    Args:
        contenders: the contenders, the ceiling first.
        folder: an existing folder on the disk to measure.
        peers_python: the interpreter of the environment with benchmarks/requirements.txt.
        new_database: creates a PostgreSQL database.
        rounds: how many times each load is measured.
        seconds: the duration of each load.
        say: called with progress messages.

    Raises:
        RuntimeError: a contender does not start, or fails the check.

    """
    generator = Generator(folder)
    with contextlib.ExitStack() as stack:
        entries = []
        for number, contender in enumerate(contenders):
            say(f"start {contender.label}")
            place = _prepare(contender, folder / str(number), peers_python, new_database)
            start = start_time(contender, place)
            server = stack.enter_context(running(contender, place))
            check(contender, server)
            generator.run(server.url, "PUT", 8, 1, BUILDS)  # Warm up.
            entries.append(_Entry(contender, place, start, server, server.memory()))
        for number in range(1, rounds + 1):
            for method, connections in LOADS:
                say(f"round {number} of {rounds}: {method}, {connections} connections")
                for entry in entries:
                    load = generator.run(entry.server.url, method, connections, seconds, BUILDS)
                    entry.loads[method, connections].append(load)
        for entry in entries:
            _check_stored(entry)
        return [_result(entry, entries[0]) for entry in entries]


def _prepare(contender: Contender, folder: Path, peers_python: Path, new_database: NewDatabase) -> Place:
    folder.mkdir()
    database = new_database() if contender.database == "PostgreSQL" else folder / "builds.sqlite3"
    place = Place(folder, database, peers_python if contender.peer else Path(sys.executable))
    if contender.database:
        with running(contender, place):
            pass  # The start creates the tables.
        fill(database, BUILDS, own=not contender.peer)
    return place


def _check_stored(entry: _Entry) -> None:
    """Raise RuntimeError unless the loads have overwritten at least one of the first ten builds."""
    if not entry.contender.database:
        return
    messages = [stored_message(entry.place.database, build_id) for build_id in range(1, 11)]
    if not any(message.startswith("overwrite ") for message in messages):
        raise RuntimeError(f"{entry.contender.label} answered, but stored nothing")


def _result(entry: _Entry, ceiling: _Entry) -> Result:
    outcomes = []
    for (method, connections), loads in entry.loads.items():
        shares = [one.rate / top.rate for one, top in zip(loads, ceiling.loads[method, connections], strict=True)]
        outcomes.append(
            Outcome(
                method,
                connections,
                rate=statistics.median(load.rate for load in loads),
                p50=statistics.median(load.p50 for load in loads),
                p99=statistics.median(load.p99 for load in loads),
                of_ceiling=statistics.median(shares),
                failures=sum(load.failures for load in loads),
                rounds=loads,
            )
        )
    contender = entry.contender
    return Result(
        contender.name,
        contender.database,
        entry.start,
        entry.idle,
        entry.server.memory(),
        _installed(entry.place.python, contender),
        outcomes,
    )


def _installed(python: Path, contender: Contender) -> int:
    command = [str(python), str(ROOT / "benchmarks" / "installed_size.py"), *contender.requirements]
    return int(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
