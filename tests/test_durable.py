"""Durability: an overwrite is answered after it is on disk, whatever the database's own settings are."""

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service import Service, build, run, running

#: System calls: a write to SQLite's write-ahead log, the end of a sync of it, and the beginning of a response.
_EVENTS = {
    "W": re.compile(r"pwrite64\(\d+<[^>]*-wal>"),
    "S": re.compile(r"(?:fsync|fdatasync)(?:\(\d+<[^>]*-wal>\)| resumed>\)) += 0"),
    "A": re.compile(r'sendto\(.*"HTTP/1.1 200'),
}


@contextlib.contextmanager
def traced(service: Service, file: Path) -> Iterator[None]:
    """Write the service's system calls to a file. Skip the test where they cannot be traced."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    assert service.process
    command = ["strace", "-f", "-y", "-e", "trace=pwrite64,fsync,fdatasync,sendto", "-o", str(file)]
    with subprocess.Popen(
        [*command, "-p", str(service.process.pid)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as strace:
        assert strace.stderr
        said = strace.stderr.readline()
        if "attached" not in said:
            pytest.skip(f"strace may not trace here: {said}")
        try:
            yield
        finally:
            strace.terminate()


def test_on_sqlite_a_response_follows_the_sync_of_the_write_ahead_log(data: Path, tmp_path: Path) -> None:
    with running(DATA=data) as service:
        service.create(id=1)
        with traced(service, tmp_path / "calls"):
            for number in range(5):
                assert service.put(build(id=1, title=f"title {number}")).status == 200
    lines = (tmp_path / "calls").read_text(encoding="utf-8", errors="replace").splitlines()
    events = "".join(name for line in lines for name, event in _EVENTS.items() if event.search(line))
    assert re.fullmatch("(W+S+A){5}", events), events


def test_on_postgresql_commits_are_synchronous_even_if_the_databases_default_is_off(
    new_database: Any, data: Path, tmp_path: Path
) -> None:
    url = new_database()
    settings: dict[str, Any] = {"DATA": data, "DATABASE_URL": url}
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    with running(**settings) as service, psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("off",)
        connection.execute(
            "CREATE TABLE seen (setting text); "
            "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$; "
            "CREATE TRIGGER see BEFORE INSERT OR UPDATE ON builds FOR EACH ROW EXECUTE FUNCTION see()"
        )
        service.create(id=1)
        service.put(build(id=1, title="new"))
        (tmp_path / "builds").write_text(json.dumps(build(id=2)), encoding="utf-8")
        assert run("import", str(tmp_path / "builds"), **settings).returncode == 0
        assert connection.execute("SELECT setting, count(*) FROM seen GROUP BY setting").fetchall() == [("on", 3)]
