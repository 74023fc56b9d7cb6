"""Import, export and back up many builds, and transfer them to PostgreSQL and back. All exports must be identical.

`make bulk` runs it with a million builds. For each command it prints the seconds and the peak memory that it took. The
peak must not grow with the number of builds.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from postgresql import postgresql
from service import PROGRAM, build, environment


def main() -> int:
    """Run all commands, and return 0 if all exports are identical."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=1_000_000, help="how many (default: %(default)s)")
    options = parser.parse_args()
    # /tmp may be in memory, where a gigabyte of files would change the measurement.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, postgresql() as server:
        return _run(Path(folder), server.get_uri(), options.builds)


def _run(folder: Path, url: str, count: int) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bulk TEMPLATE template0 ENCODING 'UTF8'")
    first, second = {"DATA": folder / "first"}, {"DATA": folder / "second"}
    postgres = {"DATA": folder, "DATABASE_URL": url.replace("/postgres?", "/bulk?")}
    lines = folder / "lines"
    with lines.open("w", encoding="utf-8") as file:
        for number in range(1, count + 1):
            newer = {"email": "octokitty@localhost", "deploy_payload": {"n": str(number)}} if number % 2 else {}
            file.write(json.dumps(build(id=number, title=f"Büild {number}", **newer)) + "\n")
    print(f"{count} builds, {lines.stat().st_size} bytes", flush=True)
    measured("import to SQLite", "import", lines, **first)
    lines.unlink()
    exports = [folder / name for name in ("from-first", "from-postgresql", "from-second")]
    measured("export from SQLite", "export", "--revisions", exports[0], **first)
    measured("backup of SQLite", "backup", folder / "backup", **first)
    measured("import to PostgreSQL", "import", exports[0], **postgres)
    measured("export from PostgreSQL", "export", "--revisions", exports[1], **postgres)
    measured("import to SQLite again", "import", exports[1], **second)
    measured("export from that", "export", "--revisions", exports[2], **second)
    digests = [digest(file) for file in exports]
    print(*digests, sep="\n")
    return int(len(set(digests)) != 1)


def measured(what: str, *arguments: Any, **settings: Any) -> None:
    """Run a command, and print its seconds and its peak resident memory. Raises RuntimeError if it fails."""
    began = time.monotonic()
    process = subprocess.Popen([*PROGRAM, *map(str, arguments)], env=environment(**settings), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{what} failed")
    megabytes = usage.ru_maxrss / 1024 / (1024 if sys.platform == "darwin" else 1)
    print(f"{what:24} {time.monotonic() - began:7.1f} s {megabytes:7.0f} MB", flush=True)


def digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
