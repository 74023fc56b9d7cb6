"""The writers' queue of the SQLite store: who shares a commit, and who is answered with what."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import peewee
import pytest
from service import build

from models.builds import Author, Builds
from models.database import SqliteDatabase
from models.errors import BuildNotFound
from models.store import FILE, open_store

ME = Author("me", "a-request")


@pytest.fixture
def builds(data: Path) -> Builds:
    store = open_store(data)
    return Builds(store.database, store.columns)


def together(database: SqliteDatabase, works: list[Callable[[], object]]) -> list[object]:
    """Run works in threads that all wait behind one write, so that they share the next; return results or errors."""
    started, go = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        go.wait()

    def outcome(work: Callable[[], object]) -> object:
        try:
            return database.write(work)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(works) + 1) as pool:
        holder = pool.submit(database.write, hold)
        started.wait()
        futures = [pool.submit(outcome, work) for work in works]
        while len(database._waiting) < len(works):
            pass
        go.set()
        holder.result()
        return [future.result() for future in futures]


def test_writers_that_wait_share_one_commit(builds: Builds, monkeypatch: pytest.MonkeyPatch) -> None:
    database = builds.database
    assert isinstance(database, SqliteDatabase)
    commits: list[None] = []
    commit = database.commit

    def counting() -> None:
        commits.append(None)
        commit()

    monkeypatch.setattr(database, "commit", counting)
    outcomes = together(
        database,
        [lambda id=id: builds._overwrite(build(id=id), ME, True, None, False) for id in range(1, 9)],  # type: ignore[misc]
    )
    assert {outcome.build["id"] for outcome in outcomes} == set(range(1, 9))  # type: ignore[attr-defined]
    assert len(commits) == 2  # the holder's, and theirs
    assert [builds.find(id)["id"] for id in range(1, 9)] == [*range(1, 9)]


def test_a_refusal_is_his_alone_who_asked(builds: Builds) -> None:
    builds.overwrite(build(id=1), ME, create=True)
    database = builds.database
    assert isinstance(database, SqliteDatabase)
    written, refused = together(
        database,
        [
            lambda: builds._overwrite(build(id=1, title="new"), ME, False, None, False),
            lambda: builds._overwrite(build(id=2), ME, False, None, False),
        ],
    )
    assert written.revision == 2  # type: ignore[attr-defined]
    assert isinstance(refused, BuildNotFound)


def test_a_writer_that_fails_halfway_undoes_nobody_elses_work(builds: Builds) -> None:
    builds.overwrite(build(id=1), ME, create=True)
    database = builds.database
    assert isinstance(database, SqliteDatabase)

    def fail() -> None:
        builds._overwrite(build(id=3), ME, True, None, False)
        raise ZeroDivisionError

    written, failed = together(
        database, [lambda: builds._overwrite(build(id=1, title="new"), ME, False, None, False), fail]
    )
    assert written.revision == 2  # type: ignore[attr-defined]
    assert isinstance(failed, ZeroDivisionError)
    assert builds.find(1)["title"] == "new"
    with pytest.raises(BuildNotFound):
        builds.find(3)


def test_a_database_that_somebody_holds_is_waited_for_once_by_all(builds: Builds, data: Path) -> None:
    database = builds.database
    assert isinstance(database, SqliteDatabase)
    database.timeout = 1
    other = sqlite3.connect(data / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def create(number: int) -> object:
        try:
            return builds.overwrite(build(id=number), ME, create=True)
        except peewee.OperationalError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        outcomes = [*pool.map(create, range(1, 5))]
    other.execute("ROLLBACK")
    other.close()
    assert all(isinstance(outcome, peewee.OperationalError) for outcome in outcomes)
    assert builds.overwrite(build(id=1), ME, create=True).created


def test_a_database_file_that_is_removed_is_not_written_to(builds: Builds, data: Path) -> None:
    builds.overwrite(build(id=1), ME, create=True)
    kept = data / "kept"
    (data / FILE).rename(kept)
    with pytest.raises(peewee.OperationalError):
        builds.overwrite(build(id=1, title="lost"), ME)
    with pytest.raises(peewee.OperationalError):
        builds.find(1)
    assert not (data / FILE).exists()
    kept.rename(data / FILE)
    assert builds.overwrite(build(id=1, title="found"), ME).revision == 2
