"""Soak: many mixed requests, most of them sound and some hostile; the service must not grow, fail or lose anything.

`make soak` runs it at length, over loopback. Each user has builds of his own, which he overwrites, repairs and puts
back; all of them overwrite a few shared ones. After each of ten legs every user is gone, and the service's memory,
threads and open files are read. At the end each build's history must have what was accepted, and nothing else.
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

#: What there may be more at the end than at half: memory, as no allocator is quite still, and files, for a thread opens
#: the database when it first needs it.
GROWTH, SLACK, FILES = 0.05, 4 * 1024 * 1024, 8


class Sample(NamedTuple):
    """What a process has: bytes of memory (VmRSS), threads and open files."""

    memory: int
    threads: int
    files: int

    def __str__(self) -> str:
        return f"{self.memory / 1024**2:.1f} MB, {self.threads} threads, {self.files} files"


def sample(service: Service) -> Sample:
    """Return what a service has; Linux tells."""
    assert service.process
    process = Path(f"/proc/{service.process.pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text(encoding="ascii").splitlines())
    memory = int(status["VmRSS"].split()[0]) * 1024
    return Sample(memory, int(status["Threads"]), len(list((process / "fd").iterdir())))


def rested(service: Service) -> Sample:
    """Return what a service has when it has closed every connection; its clients have left. Raises TimeoutError."""
    here, deadline = f":{service.port:04X} ", time.monotonic() + 20
    while time.monotonic() < deadline:
        # A connection's own address, the other's, and its state: 01 is established, 08 is closed by the client alone.
        connections = (line.split()[1:4] for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines())
        if not any(f"{own} ".endswith(here) and state in ("01", "08") for own, _, state in connections):
            return sample(service)
        time.sleep(0.05)
    raise TimeoutError("a connection is still open")


def soak(requests: int, seconds: float, data: Path, url: str = "") -> tuple[Figures, list[Sample]]:
    """Ask a service on an empty store so many times, for no longer than so many seconds; then check the histories."""
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
            print(f"  {figures.statuses.total()} answers: {samples[-1]}", flush=True)
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
    """Return in words what has grown from the first half to the end."""
    half, end = Sample(*map(max, zip(*samples[: LEGS // 2 + 1], strict=True))), samples[-1]
    most = Sample(int(half.memory * (1 + GROWTH)) + SLACK, half.threads, half.files + FILES)
    return [f"{end} at the end, and at the most {half} until half"] if any(map(gt, end, most)) else []


def missing(figures: Figures, data: Path, url: str) -> list[str]:
    """Return in words what the histories lack, or have that nobody has asked for."""
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
            faults.append(f"history of {build_id}: {len(revisions)} revisions, and {least} to {most} are known of")
    return faults


def main() -> int:
    """Run at length, print the figures, and return 1 if something has grown, failed or been lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500_000, help="on each store")
    parser.add_argument("--minutes", type=float, default=30, help="for each store, at the most")
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
