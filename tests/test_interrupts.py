"""Ctrl-C during long commands, and imports and backups beside a running service, leave nothing half done."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.databases import fill
from platforms import needs_terminal
from postgresql import await_waiting
from service import BUILDS, PROGRAM, Service, build, environment, run, running
from signals import own_console, send

#: Enough for every command to take several tenths of a second.
MANY = 20_000

INTERRUPTED = "build-admin: interrupted"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The settings of a store with many builds, on SQLite and on PostgreSQL."""
    folder = tmp_path_factory.mktemp("full")
    settings: dict[str, Any] = {"DATA": folder}
    if request.param == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
    with running(**settings):
        pass  # The start creates the tables.
    fill(settings.get("DATABASE_URL") or folder / "builds.sqlite3", MANY, own=True, revisions=True)
    return settings


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with many builds to import."""
    file = tmp_path_factory.mktemp("lines") / "builds.ndjson"
    file.write_text("".join(json.dumps(build(id=n)) + "\n" for n in range(1, 8001)), encoding="utf-8")
    return file


@contextlib.contextmanager
def started(*arguments: Any, stderr: Any = subprocess.PIPE, **settings: Any) -> Iterator["subprocess.Popen[bytes]"]:
    command = [*PROGRAM, *map(str, arguments)]
    with subprocess.Popen(
        command,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        **own_console(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def await_true(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Send SIGINT, and check the message and the exit status of the command."""
    send(process, signal.SIGINT)
    assert process.communicate(timeout=30)[1].decode().splitlines() == [INTERRUPTED]
    assert process.returncode == 130


def partial(folder: Path) -> bool:
    return any(path.stat().st_size for path in folder.glob("*.partial"))


@pytest.mark.parametrize("revisions", [[], ["--revisions"]])
def test_ctrl_c_removes_an_incomplete_export(full: dict[str, Any], tmp_path: Path, revisions: list[str]) -> None:
    with started("export", *revisions, tmp_path / "file", **full) as process:
        await_true(lambda: partial(tmp_path))
        interrupt(process)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_an_export_that_blocks_on_a_full_pipe(full: dict[str, Any]) -> None:
    with started("export", **full) as process:
        assert process.stdout
        assert process.stdout.read(1) == b"{"
        interrupt(process)


def test_an_export_ends_without_a_message_when_its_reader_closes_the_pipe(full: dict[str, Any]) -> None:
    with started("export", **full) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["id"] == 1
        process.stdout.close()
        assert process.stderr
        assert (process.stderr.read(), process.wait(30)) == (b"", 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_an_export_to_a_full_disk_is_reported(full: dict[str, Any]) -> None:
    command = [*PROGRAM, "export"]
    with Path("/dev/full").open("wb") as disk:
        done = subprocess.run(command, env=environment(**full), stdout=disk, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == ["build-admin: The export cannot be written: No space left on device."]


def test_ctrl_c_removes_an_incomplete_backup(full: dict[str, Any], tmp_path: Path) -> None:
    if "DATABASE_URL" in full:
        pytest.skip("a PostgreSQL database is not backed up here")
    with started("backup", tmp_path / "file", **full) as process:
        await_true(lambda: partial(tmp_path))
        interrupt(process)
    assert list(tmp_path.iterdir()) == []


@needs_terminal
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_ctrl_c_while_an_import_is_storing_stores_nothing(
    kind: str, lines: Path, data: Path, new_database: Any
) -> None:
    settings: dict[str, Any] = {"DATA": data} | ({"DATABASE_URL": new_database()} if kind == "postgresql" else {})
    terminal, end = os.openpty()
    with started("import", lines, stderr=end, **settings) as process, os.fdopen(terminal, "rb", buffering=0) as seen:
        os.close(end)
        said = b""
        while b"storing [" not in said:
            said += seen.read(4096)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # Linux raises EIO when the other end of the terminal is closed.
            while more := seen.read(4096):
                said += more
        assert process.wait(30) == 130
    assert said.decode().replace("\r\n", "\n").endswith(f"{INTERRUPTED}\n")
    assert run("export", **settings).stdout == ""
    assert run("import", str(lines), **settings).stdout.startswith("imported 8000 builds (8000 created")


@needs_terminal
def test_faults_of_an_import_replace_the_progress_bar(lines: Path, data: Path, tmp_path: Path) -> None:
    bad = build(id=9000, status="stuck")
    file = tmp_path / "faulty"
    file.write_bytes(lines.read_bytes() + json.dumps(bad).encode() + b"\n")
    terminal, end = os.openpty()
    with started("import", file, stderr=end, DATA=data) as process, os.fdopen(terminal, "rb", buffering=0) as seen:
        os.close(end)
        said = b""
        with contextlib.suppress(OSError):  # Linux raises EIO when the other end of the terminal is closed.
            while more := seen.read(4096):
                said += more
        assert process.wait(30) == 1
    assert b"reading [#" in said
    first, second = shown(said.decode())
    assert first.startswith("line 8001: status: must be one of ")
    assert second == "build-admin: 1 fault; nothing was imported."


def shown(text: str) -> list[str]:
    """Return the lines that a terminal shows; a carriage return moves to the first column."""
    lines = []
    for line in text.replace("\r\n", "\n").removesuffix("\n").split("\n"):
        screen = ""
        for part in line.split("\r"):
            screen = part + screen[len(part) :]
        lines.append(screen.rstrip())
    return lines


class Writer(threading.Thread):
    """A client that overwrites one build until it is stopped.

    Attributes:
        titles: the titles that were acknowledged.
        refusals: the statuses other than 200.

    """

    def __init__(self, service: Service, build_id: int) -> None:
        super().__init__()
        self._service = service
        self._id = build_id
        self._told = threading.Event()
        self.titles: list[str] = []
        self.refusals: set[int] = set()

    def run(self) -> None:
        number = 0
        while not self._told.is_set():
            number += 1
            answer = self._service.put(build(id=self._id, title=str(number)))
            if answer.status == 200:
                self.titles.append(str(number))
            else:
                self.refusals.add(answer.status)

    def stop(self) -> None:
        self._told.set()
        self.join()


def test_an_import_and_overwrites_at_the_same_time_are_all_stored(full: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "more.ndjson"
    first = 2 * MANY if "DATABASE_URL" in full else 3 * MANY
    builds = [build(id=first + n, title="imported") for n in range(3000)]
    file.write_text("".join(json.dumps(one) + "\n" for one in builds), encoding="utf-8")
    with running(**full) as service:
        writer = Writer(service, 5)
        writer.start()
        try:
            done = run("import", str(file), **full)
        finally:
            writer.stop()
        assert done.stdout.startswith("imported 3000 builds (3000 created"), done.stderr
        assert writer.titles
        assert writer.refusals <= {503}
        assert service.find(5)["title"] == writer.titles[-1]
        assert service.find(first + 2999) == builds[-1]
        listed = service.get(f"{BUILDS}/5/revisions").headers["X-Total-Count"]
        assert int(listed) == 1 + len(writer.titles)


def test_a_backup_while_the_service_writes_is_a_consistent_snapshot(full: dict[str, Any], tmp_path: Path) -> None:
    if "DATABASE_URL" in full:
        pytest.skip("a PostgreSQL database is not backed up here")
    with running(**full) as service:
        writer = Writer(service, 7)
        writer.start()
        try:
            await_true(lambda: len(writer.titles) > 5)
            done = run("backup", str(tmp_path / "copy"), **full)
        finally:
            writer.stop()
    assert done.returncode == 0, done.stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "copy")) as copy:
        ((title, revisions),) = copy.execute(
            "SELECT title, (SELECT COUNT(*) FROM build_revisions WHERE build_id = 7) FROM builds WHERE id = 7"
        )
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert 5 < int(title) <= len(writer.titles)
    assert revisions == 1 + int(title)


@pytest.mark.skipif(os.name == "nt", reason="a process of Windows cannot send itself a Ctrl-C")
@pytest.mark.parametrize("program", [PROGRAM, (sys.executable, "-m", "build_admin")])
def test_ctrl_c_during_the_first_imports_is_reported_without_a_traceback(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    # This module, which every command imports first, sends SIGINT.
    (tmp_path / "argparse.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run([*program, "check"], env=environment(PYTHONPATH=path), capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.decode()) == (130, b"", INTERRUPTED + "\n")


def test_ctrl_c_during_the_commit_of_an_import_does_not_interrupt_it(
    lines: Path, data: Path, tmp_path: Path, new_database: Any
) -> None:
    url = new_database()
    settings: dict[str, Any] = {"DATA": data, "DATABASE_URL": url}
    with running(**settings):
        pass
    file = tmp_path / "one"
    file.write_text(json.dumps(build(id=1)), encoding="utf-8")
    with psycopg.connect(url, autocommit=True) as holder:
        holder.execute(
            """
            CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON builds DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION wait()
            """
        )
        holder.execute("SELECT pg_advisory_lock(1)")
        with started("import", file, **settings) as process:
            await_waiting(url)
            send(process, signal.SIGINT)
            assert process.stderr
            assert process.stderr.readline().startswith(b"It is too late to interrupt the import")
            holder.execute("SELECT pg_advisory_unlock(1)")
            assert process.communicate(timeout=30)[0].startswith(b"imported 1 builds (1 created")
            assert process.returncode == 0
    assert json.loads(run("export", **settings).stdout) == build(id=1)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals that a process inherits as ignored")
def test_a_service_started_with_sigint_ignored_keeps_ignoring_it(data: Path) -> None:
    with running(DATA=data, program=["sh", "-c", 'trap "" INT; exec "$@"', "sh", *PROGRAM]) as service:
        service.process.send_signal(signal.SIGINT)
        service.process.send_signal(signal.SIGINT)
        assert service.get("/health").status == 200
        service.process.terminate()
        assert service.process.wait(30) == 0
