"""The SQLite file of a Vela server: it keeps its journal mode, and both write to it."""

import contextlib
import sqlite3
import threading
from pathlib import Path

from build_admin.models.stores.store import FILE
from service import BUILDS, build, run, running
from vela import Tables


def journal(data: Path) -> str:
    with contextlib.closing(sqlite3.connect(data / FILE)) as file:
        return str(file.execute("PRAGMA journal_mode").fetchone()[0])


def vela_file(data: Path) -> Tables:
    tables = Tables({"DATA": data})
    tables.make_version("0.28")
    tables.insert("repos", id=1, full_name="octocat/hello", counter=1000)
    return tables


def test_a_vela_servers_file_keeps_its_rollback_journal(data: Path, tmp_path: Path) -> None:
    tables = vela_file(data)
    tables.insert("builds", id=1, repo_id=1, number=1, status="running", deploy_payload="null")
    with running(DATA=data) as service:
        assert service.put(build(id=1, status="error")).status == 200
        assert [one["id"] for one in service.get(BUILDS).json] == [1]
        assert run("export", DATA=data).returncode == 0
        assert run("backup", str(tmp_path / "copy"), DATA=data).returncode == 0
        assert journal(data) == "delete"
    assert journal(data) == "delete"
    assert [file.name for file in data.iterdir() if file.name.startswith(FILE)] == [FILE]


def test_a_vela_servers_file_keeps_its_write_ahead_log(data: Path) -> None:
    vela_file(data)
    with contextlib.closing(sqlite3.connect(data / FILE)) as file:
        file.execute("PRAGMA journal_mode = wal")
    with running(DATA=data) as service:
        service.create(id=1)
        assert journal(data) == "wal"


def test_the_services_own_file_has_a_write_ahead_log(data: Path) -> None:
    with running(DATA=data) as service:
        service.create(id=1)
        assert journal(data) == "wal"


def test_the_service_and_a_vela_server_write_to_one_file(data: Path) -> None:
    tables = vela_file(data)
    for number in (1, 2):
        tables.insert("builds", id=number, repo_id=1, number=number, status="running", deploy_payload="null")
    failures: list[Exception] = []

    def server() -> None:
        with contextlib.closing(sqlite3.connect(data / FILE, timeout=30, isolation_level=None)) as file:
            for number in range(60):
                try:
                    file.execute("UPDATE builds SET title = ? WHERE id = 2", (f"title {number}",))
                    file.execute("SELECT * FROM builds").fetchall()
                except sqlite3.Error as error:
                    failures.append(error)

    with running(DATA=data) as service:
        thread = threading.Thread(target=server)
        thread.start()
        statuses = {service.put(build(id=1, title=f"title {number}")).status for number in range(60)}
        reads = {service.get(f"{BUILDS}?status=running").status for _ in range(60)}
        thread.join()
        assert (statuses, reads, failures) == ({200}, {200}, [])
        assert service.find(2)["title"] == "title 59"
