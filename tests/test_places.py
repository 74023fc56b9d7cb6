"""The file, the folder or the privileges of a store change while the service runs."""

import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from build_admin.models.stores.store import FILE
from platforms import needs_open_files_to_move, needs_symbolic_links
from service import BUILDS, Service, build, refused, run, running


def stored(folder: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(folder / FILE)) as database:
        return [title for (title,) in database.execute("SELECT title FROM builds ORDER BY id")]


@needs_symbolic_links
def test_a_change_of_the_data_folders_symbolic_link_is_followed(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        with running(DATA=folder) as service:
            service.create(id=1, title=folder.name)
    link = tmp_path / "link"
    link.symlink_to(folders[0])
    with running(DATA=link) as service:
        assert service.find(1)["title"] == "one"
        new = tmp_path / "new"
        new.symlink_to(folders[1])
        new.replace(link)
        assert service.find(1)["title"] == "two"
        assert service.put(build(id=1, title="overwritten")).status == 200
    assert [stored(folder) for folder in folders] == [["one"], ["overwritten"]]


@needs_open_files_to_move
def test_a_database_file_that_is_moved_away_and_back_stops_no_thread(data: Path) -> None:
    def ask(service: Service, done: threading.Event, statuses: set[int]) -> None:
        number = 0
        while not done.is_set():
            number += 1
            statuses.add(service.get(f"{BUILDS}/1").status)
            statuses.add(service.put(build(id=1, title=f"{threading.get_ident()} {number}")).status)

    with running(DATA=data, THREADS=4) as service:
        service.create(id=1)
        done, statuses = threading.Event(), set[int]()
        clients = [threading.Thread(target=ask, args=(service, done, statuses)) for _ in range(6)]
        for client in clients:
            client.start()
        file, away = data / FILE, data / "away"
        for _ in range(40):
            file.rename(away)
            service.get("/ready", Authorization=None)
            away.rename(file)
            service.get("/ready", Authorization=None)
        done.set()
        for client in clients:
            client.join(30)
        assert statuses <= {200, 503}, statuses
        # Every thread answers again.
        assert {service.get(f"{BUILDS}/1").status for _ in range(30)} == {200}
        assert {service.put(build(id=1, title=f"after {number}")).status for number in range(10)} == {200}


def test_a_missing_privilege_is_503(new_database: Any, data: Path) -> None:
    url = new_database()
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with running(DATA=data, DATABASE_URL=url) as service, psycopg.connect(url, autocommit=True) as admin:
        service.create(id=1)
        admin.execute("DROP ROLE IF EXISTS reader_of_builds")
        admin.execute("CREATE ROLE reader_of_builds")
        try:
            admin.execute("GRANT SELECT ON builds, build_revisions TO reader_of_builds")
            admin.execute(f'ALTER DATABASE "{name}" SET role = reader_of_builds'.encode())
            with running(DATA=data, DATABASE_URL=url) as limited:
                assert limited.find(1) == build(id=1)
                refused(limited.put(build(id=1, title="new")), 503)
                assert limited.find(1) == build(id=1)
        finally:
            admin.execute(f'ALTER DATABASE "{name}" RESET role'.encode())
            admin.execute("DROP OWNED BY reader_of_builds")
            admin.execute("DROP ROLE reader_of_builds")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_refused_first_start_creates_no_table(request: pytest.FixtureRequest, data: Path, kind: str) -> None:
    table = "CREATE TABLE builds (id INTEGER PRIMARY KEY, status TEXT)"
    settings: dict[str, Any] = {"DATA": data}
    if kind == "postgresql":
        settings["DATABASE_URL"] = request.getfixturevalue("new_database")()
        with psycopg.connect(settings["DATABASE_URL"]) as postgres:
            postgres.execute(table.encode())
    else:
        data.mkdir()
        with contextlib.closing(sqlite3.connect(data / FILE)) as database:
            database.execute(table)
    assert "has no column" in run("serve", **settings).stderr
    query = "SELECT COUNT(*) FROM build_revisions"
    if kind == "postgresql":
        with psycopg.connect(settings["DATABASE_URL"]) as postgres, pytest.raises(psycopg.errors.UndefinedTable):
            postgres.execute(query.encode())
    else:
        with contextlib.closing(sqlite3.connect(data / FILE)) as database, pytest.raises(sqlite3.OperationalError):
            database.execute(query)
