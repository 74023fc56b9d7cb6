"""Send many mixed requests, some of them invalid; the service must not grow, fail or lose an overwrite.

`make soak` runs it for long. Each user overwrites, repairs and restores its own builds, and all of them overwrite a few
shared ones. After each of ten legs the users close their connections, and the memory, threads and open files of the
service are read. At the end the revisions of each build must be those of the accepted changes.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from operator import gt
from pathlib import Path
from typing import NamedTuple

from postgresql import postgresql
from service import Service, running
from soak_users import SHARED, Figures, User
from torture import report
from torture_repairs import rows

USERS, LEGS = 16, 10

#: The growth that is allowed from the first half to the end: of memory (a share, and bytes), because allocators vary,
#: and of open files, because a thread opens the database at its first request.
GROWTH, SLACK, FILES = 0.05, 4 * 1024 * 1024, 8


class Sample(NamedTuple):
    """Bytes of resident memory, threads and open files of a process."""

    memory: int
    threads: int
    files: int

    def __str__(self) -> str:
        return f"{self.memory / 1024**2:.1f} MB, {self.threads} threads, {self.files} files"


def sample(service: Service) -> Sample:
    """Return the sample of a service from /proc."""
    assert service.process
    process = Path(f"/proc/{service.process.pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text(encoding="ascii").splitlines())
    memory = int(status["VmRSS"].split()[0]) * 1024
    return Sample(memory, int(status["Threads"]), len(list((process / "fd").iterdir())))


def rested(service: Service) -> Sample:
    """Return the sample of a service once it has closed all connections. Raises TimeoutError after 20 seconds."""
    here, deadline = f":{service.port:04X} ", time.monotonic() + 20
    while time.monotonic() < deadline:
        # Each line has the local address, the remote address and the state: 01 is ESTABLISHED, 08 is CLOSE_WAIT.
        connections = (line.split()[1:4] for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines())
        if not any(f"{own} ".endswith(here) and state in ("01", "08") for own, _, state in connections):
            return sample(service)
        time.sleep(0.05)
    raise TimeoutError("a connection is still open")


def soak(requests: int, seconds: float, data: Path, url: str = "") -> tuple[Figures, list[Sample]]:
    """Send `requests` requests within `seconds` to a service on an empty store, and check the revisions."""
    figures, deadline = Figures(), time.monotonic() + seconds
    with running(DATA=data, DATABASE_URL=url, stderr=subprocess.DEVNULL) as service:
        create(service, figures)
        samples = [sample(service)]
        print(f"  start: {samples[0]}", flush=True)
        for leg in range(1, LEGS + 1):
            users = [User(service, number, leg, requests // LEGS // USERS, deadline) for number in range(USERS)]
            for user in users:
                user.start()
            for user in users:
                user.join()
                figures.add(user.counts)
            samples.append(rested(service))
            print(f"  {figures.statuses.total()} responses: {samples[-1]}", flush=True)
    figures.faults += missing(figures, data, url)
    if time.monotonic() > deadline:
        figures.faults.append(f"not all of {requests} requests were made in {seconds:.0f} s")
    return figures, samples


def create(service: Service, figures: Figures) -> None:
    for repo_id, ids in [(1, SHARED), *((number + 2, User.builds_of(number)) for number in range(USERS))]:
        for build_id in ids:
            service.create(id=build_id, repo_id=repo_id, status="running")
            figures.accepted[build_id] += 1


def grown(samples: Sequence[Sample]) -> list[str]:
    """Return a fault if the last sample exceeds those of the first half by more than the allowed growth."""
    half, end = Sample(*map(max, zip(*samples[: LEGS // 2 + 1], strict=True))), samples[-1]
    most = Sample(int(half.memory * (1 + GROWTH)) + SLACK, half.threads, half.files + FILES)
    return [f"{end} at the end, but at most {half} in the first half"] if any(map(gt, end, most)) else []


def missing(figures: Figures, data: Path, url: str) -> list[str]:
    """Return a fault for each accepted change without a revision, and for each revision without a request."""
    history: dict[int, list[int]] = {}
    found = set()
    for build_id, revision, text in rows(data, url, "SELECT build_id, revision, changes FROM build_revisions"):
        history.setdefault(build_id, []).append(revision)
        changes = json.loads(text)
        found |= {(build_id, changes[name]["to"]) for name in ("title", "error") if name in changes}
    faults = [f"lost: {mark}" for mark in figures.marks - found]
    for build_id, revisions in history.items():
        least, most = figures.accepted[build_id], figures.accepted[build_id] + figures.unknown[build_id]
        if sorted(revisions) != list(range(1, len(revisions) + 1)) or not least <= len(revisions) <= most:
            faults.append(f"build {build_id} has {len(revisions)} revisions, but {least} to {most} are expected")
    return faults


def main() -> int:
    """Run it on both databases, print the results, and return 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500_000, help="on each store")
    parser.add_argument("--minutes", type=float, default=30, help="at most, on each store")
    options = parser.parse_args()

    def at_length(data: Path, url: str = "") -> Figures:
        figures, samples = soak(options.requests, 60 * options.minutes, data, url)
        figures.faults += grown(samples)
        return figures

    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        broken = [
            report("SQLite", lambda: at_length(Path(folder) / "sqlite")),
            report("PostgreSQL", lambda: at_length(Path(folder), server.get_uri())),
        ]
    return int(any(broken))


if __name__ == "__main__":
    raise SystemExit(main())
