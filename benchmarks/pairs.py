"""Compare this checkout's service with another checkout's. The loads alternate, so that noise affects both.

    python -m benchmarks.pairs ../build-admin-before --rounds 5 --seconds 3

The other checkout must have a virtual environment in `.venv`. Each load prints a line: the median rates of both, and
the median, the smallest and the largest ratio of the rounds (this checkout to the other).
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import ROOT, SIGNING_KEY
from benchmarks.databases import NewDatabase, fill, postgresql
from benchmarks.load import Generator

#: The loads: database, method, and number of connections.
LOADS = [
    *(("SQLite", "PUT", connections) for connections in (1, 8, 32)),
    *(("SQLite", "GET", connections) for connections in (1, 8)),
    *(("PostgreSQL", "PUT", connections) for connections in (1, 8)),
    *(("PostgreSQL", "GET", connections) for connections in (1, 8)),
]

BUILDS = 1000


def main() -> None:
    """Measure, and print a line for each load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", default="", help="only the loads whose name contains this, such as 'SQLite PUT'")
    options = parser.parse_args()
    checkouts = [ROOT, options.other.resolve()]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, postgresql("", Path(folder) / "pg") as new_database:
        generator = Generator(Path(folder))
        for store in ("SQLite", "PostgreSQL"):
            loads = [load for load in LOADS if load[0] == store and options.only in " ".join(map(str, load))]
            if not loads:
                continue
            with contextlib.ExitStack() as stack:
                urls = [
                    stack.enter_context(_served(checkout, Path(folder) / f"{store}-{number}", store, new_database))
                    for number, checkout in enumerate(checkouts)
                ]
                for _, method, connections in loads:
                    rates: list[list[float]] = [[], []]
                    for _ in range(options.rounds):
                        for rate, url in zip(rates, urls, strict=True):
                            rate.append(generator.run(url, method, connections, options.seconds, BUILDS).rate)
                    _print(f"{store} {method} {connections}", *rates)


def _print(load: str, these: list[float], others: list[float]) -> None:
    ratios = [this / other for this, other in zip(these, others, strict=True)]
    rates = f"{statistics.median(these):8.0f} {statistics.median(others):8.0f}"
    print(f"{load:18} {rates}   {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


@contextlib.contextmanager
def _served(checkout: Path, data: Path, store: str, new_database: NewDatabase) -> Iterator[str]:
    """Run the service of a checkout on a store of BUILDS builds, and yield its URL."""
    url = new_database() if store == "PostgreSQL" else ""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BUILD_ADMIN_")} | {
        "BUILD_ADMIN_DATA": str(data),
        "BUILD_ADMIN_DATABASE_URL": url,
        "BUILD_ADMIN_LISTEN": "127.0.0.1:0",
        "BUILD_ADMIN_LOG_LEVEL": "WARNING",
        "BUILD_ADMIN_SIGNING_KEY": SIGNING_KEY,
    }
    python = checkout / ".venv" / "bin" / "python"
    command = [python if python.exists() else sys.executable, checkout / "app.py"]
    for served in (False, True):  # The first start creates the tables.
        process = subprocess.Popen([*command, "serve"], env=environment, stdout=subprocess.PIPE, encoding="utf-8")
        try:
            assert process.stdout
            address = process.stdout.readline().rpartition(" ")[2].strip()
            if served:
                yield address
        finally:
            process.terminate()
            process.wait(30)
        if not served:
            fill(url or data / "builds.sqlite3", BUILDS, own=True, revisions=True)


if __name__ == "__main__":
    main()
