"""Workers: evidence in a Vela server's tables for or against a build being dead."""

import re
import time
from collections.abc import Collection, Mapping
from typing import Any

from build_admin.models import vela
from build_admin.models.stores.database import Database
from build_admin.models.stores.statement import rows
from build_admin.models.stores.text import shown
from build_admin.models.vela import Executable, Worker

#: Seconds after its last check-in for which a worker is taken to be alive.
CHECK_IN = 300


def instant(seconds: int) -> str:
    """Return a time in Unix seconds as `2026-01-31T23:59:59Z`, or as the number if it is out of range."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return str(seconds)


class Workers:
    """The workers and the builds that they run, as a transaction sees them; none without a Vela server's tables."""

    def __init__(self, database: Database) -> None:
        """Read the workers. For use in a transaction; raises peewee.DatabaseError."""
        self._database = database
        self._columns = {name for name, allowed in vela.columns(database, Worker).items() if allowed}
        self._known = "hostname" in self._columns
        self._checked_in: dict[str, int] = {}
        self._running: dict[int, list[str]] = {}
        self._read_at = int(time.time())
        #: The ids of the builds that are running according to a worker which is alive.
        self.alive: set[int] = set()
        if self._known:
            self._read()

    def evidence(self, builds: Collection[Mapping[str, Any]]) -> dict[int, list[str]]:
        """Return sentences for or against each build being dead, by id."""
        found = {build["id"]: self._of_workers(build) for build in builds}
        pending = [build["id"] for build in builds if build["status"] == "pending"]
        if pending and vela.columns(self._database, Executable).get("build_id"):
            query = Executable.select(Executable.build_id).where(Executable.build_id << pending)
            left = {build_id for (build_id,) in rows(self._database, query)}
            for build_id in pending:
                found[build_id].append(
                    "a worker could still run it: the build has a row in build_executables"
                    if build_id in left
                    else "nothing is left that a worker could run: the build has no row in build_executables"
                )
        return found

    def _read(self) -> None:
        fields = [field for name, field in Worker._meta.fields.items() if name in self._columns]
        names = [field.name for field in fields]
        for values in rows(self._database, Worker.select(*fields)):
            row = dict(zip(names, values, strict=True))
            host, checked_in = shown(row["hostname"] or ""), row.get("last_checked_in")
            self._checked_in[host] = checked_in if isinstance(checked_in, int) else 0
            running = [int(number) for number in re.findall(r"[0-9]+", shown(row.get("running_build_ids") or ""))]
            for build_id in running:
                self._running.setdefault(build_id, []).append(host)
            if self._is_here(host):
                self.alive.update(running)

    def _is_here(self, host: str) -> bool:
        return self._checked_in[host] > self._read_at - CHECK_IN

    def _of_workers(self, build: Mapping[str, Any]) -> list[str]:
        host, running = build["host"], self._running.get(build["id"], [])
        others = [other for other in running if other != host and self._is_here(other)]
        said = [f"worker {other} checked in at {self._when(other)} and runs this build" for other in others]
        if not self._known or not host:
            return said
        if host not in self._checked_in:
            return [*said, f"worker {host} is not known to the server"]
        if "last_checked_in" not in self._columns:
            return said
        if not self._is_here(host):
            seen = f"has not checked in since {self._when(host)}" if self._checked_in[host] else "has never checked in"
            return [*said, f"worker {host} {seen}"]
        checked_in = f"worker {host} checked in at {self._when(host)}"
        if "running_build_ids" not in self._columns:
            return [*said, checked_in]
        runs = "runs this build" if host in running else "does not name this build among those that it runs"
        return [*said, f"{checked_in} and {runs}"]

    def _when(self, host: str) -> str:
        return instant(self._checked_in[host])
