"""The machine and the versions with which a result was measured."""

import os
import platform
import sqlite3
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.databases import NewDatabase, postgresql_version


def surroundings(folder: Path, new_database: NewDatabase, generator: str) -> dict[str, str]:
    """Return the date, the machine and the versions for a report; `folder` is on the disk that is measured."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": f"{_processor()}, {psutil.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "PostgreSQL": postgresql_version(new_database()),
        "load generator": generator,
        "sync of the disk": f"{_sync(folder) * 1000:.2f} ms",
    }


def keep_bytecode() -> None:
    """Let the processes that are started keep their bytecode, as every installed service does.

    Where PYTHONDONTWRITEBYTECODE is set, a checkout's modules are compiled at each start. Those that pip has installed
    are not.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _sync(folder: Path, times: int = 100) -> float:
    """Return the median seconds of a sync of 4 KiB, which is the least that a durable commit takes."""
    file = folder / "sync"
    taken = []
    with file.open("wb", buffering=0) as stream:
        for _ in range(times):
            stream.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(stream.fileno())
            taken.append(time.perf_counter() - began)
    file.unlink()
    return statistics.median(taken)
