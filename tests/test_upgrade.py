"""Upgrades: the store of every released version is served with its tables unchanged, so that a downgrade is possible.

Each file in `stores/` is an SQL dump of a store of that version. A release adds one.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from test_overwrite import NEWER

from service import BUILDS, ROOT, build, refused, run, running

STORES = sorted((ROOT / "tests" / "stores").glob("*.sql"))


def schema(file: Path) -> list[Any]:
    """Return the definitions of a file's tables and indexes, except for the tables that a later version adds."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        query = "SELECT type, name, sql FROM sqlite_master WHERE tbl_name NOT LIKE 'build_repair%' ORDER BY name"
        return database.execute(query).fetchall()


def restored(sql: str, data: Path) -> Path:
    """Make a store from an SQL dump, and return its file."""
    data.mkdir()
    file = data / "builds.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.executescript(sql)
    return file


@pytest.mark.parametrize("store", STORES, ids=lambda path: path.stem)
def test_an_older_store_is_served_and_keeps_its_tables(store: Path, data: Path) -> None:
    file = restored(store.read_text(encoding="utf-8"), data)
    before = schema(file)
    with running(DATA=data) as service:
        assert service.find(1) == build(id=1, status="error")
        assert service.find(2) == build(id=2, title="größer", **NEWER)
        assert service.get(f"{BUILDS}/1/revisions/2").json["before"] == build(id=1)
        assert service.put(build(id=1, status="killed")).status == 200
        service.create(id=3)
        assert service.get(f"{BUILDS}/1/revisions/3").json["changes"] == {"status": {"from": "error", "to": "killed"}}
    assert run("export", DATA=data).returncode == 0
    assert schema(file) == before


def test_unknown_columns_keep_their_values(data: Path) -> None:
    file = restored(STORES[-1].read_text(encoding="utf-8"), data)
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("ALTER TABLE builds ADD COLUMN a_later_field TEXT DEFAULT 'kept'")
        database.commit()
    before = schema(file)
    with running(DATA=data) as service:
        assert service.put(build(id=1, status="killed")).status == 200
        service.create(id=3)
    with contextlib.closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT DISTINCT a_later_field FROM builds").fetchall() == [("kept",)]
    assert schema(file) == before


def test_a_field_without_a_column_is_refused_and_others_are_stored(data: Path) -> None:
    file = restored(STORES[-1].read_text(encoding="utf-8"), data)
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("ALTER TABLE builds DROP COLUMN approved_by")
        database.commit()
    assert "approved_by" in run("check", DATA=data).stdout
    with running(DATA=data) as service:
        body = refused(service.put(build(id=1, approved_by="octocat")), 400)
        assert list(body["fields"]) == ["approved_by"]
        assert service.put(build(id=1, status="killed")).status == 200
