"""Durability: a write is answered after it is on disk, whatever the database's own settings are."""

import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from platforms import needs_own_postgresql
from postgresql import postgresql
from service import BUILDS, PROGRAM, Service, build, run, running
from vela import Tables

#: System calls: a write to SQLite's write-ahead log, the end of a sync of it, and the beginning of a 200 or 201.
_EVENTS = {
    "W": re.compile(r"pwrite64\(\d+<[^>]*-wal>"),
    "S": re.compile(r"(?:fsync|fdatasync)(?:\(\d+<[^>]*-wal>\)| resumed>\)) += 0"),
    "A": re.compile(r'sendto\(.*"HTTP/1.1 20[01]'),
}

#: System calls that create a folder or a link, or sync a file or folder, with the path.
_NAMES = re.compile(r'(mkdir|link|fsync|fdatasync)\((?:\d+<|.*")([^">]*)[">].*= 0')


@pytest.fixture(scope="module")
def may_trace() -> None:
    """Skip the test where system calls cannot be traced."""
    strace = shutil.which("strace")
    if not strace or subprocess.run([strace, "-e", "none", "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace is not installed, or may not trace here")


@contextlib.contextmanager
def traced(file: Path, service: Service, *others: int) -> Iterator[None]:
    """Write the system calls of the service, and of other processes, to a file."""
    assert service.process
    processes = [str(process) for process in (service.process.pid, *others)]
    command = ["strace", "-f", "-y", "-e", "trace=pwrite64,fsync,fdatasync,unlink,sendto", "-o", str(file)]
    with subprocess.Popen(
        [*command, "-p", ",".join(processes)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as strace:
        assert strace.stderr
        for _ in processes:
            assert "attached" in strace.stderr.readline()
        try:
            yield
        finally:
            strace.terminate()


def order(file: Path, events: dict[str, re.Pattern[str]]) -> str:
    """Return the names of the events in a trace, in their order."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return "".join(name for line in lines for name, event in events.items() if event.search(line))


def write(service: Service) -> None:
    """Send each kind of request that writes."""
    service.create(id=2)
    for number in range(3):
        assert service.put(build(id=2, title=f"title {number}")).status == 200
    newest = f"{BUILDS}/2/revisions/4/undo"
    assert service.post(newest, If_Match=service.get(f"{BUILDS}/2").etag).status == 200
    repair = service.repair({"ids": [1, 2]}, {"status": "error"})
    assert repair.status == 201
    assert service.undo(repair.json["repair"]).status == 201


@pytest.mark.usefixtures("may_trace")
def test_on_sqlite_a_response_follows_the_sync_of_the_write_ahead_log(data: Path, tmp_path: Path) -> None:
    with running(DATA=data) as service:
        service.create(id=1)
        with traced(tmp_path / "calls", service):
            write(service)
    events = order(tmp_path / "calls", _EVENTS)
    # Reads and previews write nothing.
    assert re.fullmatch("(W+S+A|A){10}", events), events
    assert events.count("SA") == 7


@pytest.mark.usefixtures("may_trace")
def test_on_a_vela_servers_file_a_response_follows_the_syncs_of_the_journal_the_file_and_the_folder(
    data: Path, tmp_path: Path
) -> None:
    tables = Tables({"DATA": data})
    tables.make()
    tables.execute("INSERT INTO repos (id, full_name, counter) VALUES (1, 'octocat/hello-world', 9)")
    with running(DATA=data) as service:
        service.create(id=1)
        with traced(tmp_path / "calls", service):
            write(service)
    events = {
        "J": re.compile(r"sync\(\d+<[^>]*-journal>\) += 0"),
        "F": re.compile(r"sync\(\d+<[^>]*\.sqlite3>\) += 0"),
        "R": re.compile(r'unlink\("[^"]*-journal"\) += 0'),
        "D": re.compile(r"sync\(\d+<[^>]*/data>\) += 0"),
        "A": _EVENTS["A"],
    }
    seen = order(tmp_path / "calls", events)
    # The folder is also synced after the journal is made. Reads and previews write nothing.
    assert re.fullmatch("([JD]*J[JD]*F+RD+A|A){10}", seen), seen
    assert seen.count("DA") == 7


@needs_own_postgresql
@pytest.mark.usefixtures("may_trace")
def test_on_postgresql_a_response_follows_the_servers_sync_of_its_log(data: Path, tmp_path: Path) -> None:
    with postgresql() as server, running(DATA=data, DATABASE_URL=server.get_uri()) as service:
        service.create(id=1)
        postmaster = psutil.Process(server.get_pid())
        with traced(tmp_path / "calls", service, postmaster.pid, *(p.pid for p in postmaster.children(recursive=True))):
            for number in range(5):
                assert service.put(build(id=1, title=f"title {number}")).status == 200
    events = {
        "S": re.compile(r"(?:fsync|fdatasync)(?:\(\d+<[^>]*/pg_wal/[^>]*>\)| resumed>\)) += 0"),
        "A": _EVENTS["A"],
    }
    seen = order(tmp_path / "calls", events)
    assert re.fullmatch("(S+A){5}S*", seen), seen


@pytest.mark.usefixtures("may_trace")
def test_the_first_start_syncs_the_folders_of_what_it_creates(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    strace = ("strace", "-D", "-f", "-y", "-e", "trace=mkdir,link,fsync,fdatasync", "-o", str(calls))
    with running(DATA=tmp_path / "new" / "data", SIGNING_KEY="", program=(*strace, *PROGRAM)) as service:
        assert service.process
        # strace pads a process id to five characters.
        ended = f"{service.process.pid:<5} +++ exited with 0 +++"
    deadline = time.monotonic() + 20
    while ended not in (lines := calls.read_text(encoding="utf-8", errors="replace").splitlines()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    done = [(call[1], call[2].rpartition("/")[2]) for call in map(_NAMES.search, lines) if call]
    for made, folder in (
        (("mkdir", "new"), tmp_path.name),
        (("mkdir", "data"), "new"),
        (("link", "signing.key"), "data"),
    ):
        assert ("fsync", folder) in done[done.index(made) :], done


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
        service.create(id=1)
        connection.execute(
            "CREATE TABLE seen (setting text); "
            "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$; "
            "CREATE TRIGGER see BEFORE INSERT ON build_revisions FOR EACH ROW EXECUTE FUNCTION see()"
        )
        write(service)
        (tmp_path / "builds").write_text(json.dumps(build(id=3)), encoding="utf-8")
        assert run("import", str(tmp_path / "builds"), **settings).returncode == 0
        # A creation, three overwrites, an undo, a repair of two builds and its undo, and an import.
        assert connection.execute("SELECT setting, count(*) FROM seen GROUP BY setting").fetchall() == [("on", 10)]
