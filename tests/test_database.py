"""Commits that several overwrites share: each is told what came of it, and no other."""

import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import falcon.testing
import peewee
import pytest

from build_admin.app import create_app
from build_admin.models.builds import Author, Builds, Overwritten
from build_admin.models.errors import BuildNotFound
from build_admin.models.revisions import Revisions
from build_admin.models.stores.database import Database, SharedCommit
from build_admin.models.stores.sqlite import CHECKPOINT, CHECKPOINT_OF_LARGE, LARGE, SqliteDatabase
from build_admin.models.stores.store import FILE, Store, open_store
from build_admin.settings import Settings
from postgresql import await_a_waiting_one
from service import BUILD, KEY, build, token

ME = Author("me", "a-request")


@pytest.fixture
def builds(data: Path) -> Builds:
    store = open_store(data)
    return Builds(store.database, store.columns)


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest, data: Path) -> tuple[Store, Store]:
    """One database, opened twice."""
    url = request.getfixturevalue("new_database")() if request.param == "postgresql" else ""
    return open_store(data, url), open_store(data, url)


def share(database: Database, work: Callable[[], Any]) -> tuple[Any, SharedCommit | None]:
    """Do as the application does for a request; return what `work` returns or raises, and the commit it waits for."""
    with database.sharing():
        try:
            return work(), database.uncommitted
        except Exception as error:
            return error, database.uncommitted


def test_overwrites_that_share_a_commit_are_seen_after_it(stores: tuple[Store, Store]) -> None:
    builds, others = (Builds(store.database, store.columns) for store in stores)
    for number in (1, 2):
        builds.overwrite(build(id=number), ME, create=True)
    overwrites = [lambda number=number: builds.overwrite(build(id=number, title="new"), ME) for number in (1, 2)]
    commits = {share(builds.database, overwrite)[1] for overwrite in overwrites}
    (commit,) = commits
    assert commit is not None
    assert [others.find(number)["title"] for number in (1, 2)] == [build()["title"]] * 2
    commit.settle()
    assert [others.find(number)["title"] for number in (1, 2)] == ["new"] * 2
    commit.settle()
    assert builds.database.uncommitted is None


def test_overwrites_of_one_build_that_share_a_commit_follow_each_other(stores: tuple[Store, Store]) -> None:
    builds, others = (Builds(store.database, store.columns) for store in stores)
    builds.overwrite(build(id=1, title="0"), ME, create=True)
    works = [partial(builds.overwrite, build(id=1, title=title), ME) for title in ("1", "2", "3")]
    outcomes, commits = zip(*[share(builds.database, work) for work in works], strict=True)
    (commit,) = set(commits)
    assert commit is not None
    commit.settle()
    assert [outcome.revision for outcome in outcomes] == [2, 3, 4]
    history = Revisions(others.database, others)
    assert [history.find(1, number)["before"]["title"] for number in (2, 3, 4)] == ["0", "1", "2"]
    assert others.find(1)["title"] == "3"


def test_a_read_is_of_what_is_committed(stores: tuple[Store, Store]) -> None:
    builds, others = (Builds(store.database, store.columns) for store in stores)
    share(builds.database, lambda: builds.overwrite(build(id=1), ME, create=True))
    builds.find(1)
    assert others.find(1) == build(id=1)


def test_a_refusal_is_his_alone_who_asked(stores: tuple[Store, Store]) -> None:
    builds, others = (Builds(store.database, store.columns) for store in stores)
    builds.overwrite(build(id=1), ME, create=True)
    _, commit = share(builds.database, lambda: builds.overwrite(build(id=1, title="new"), ME))
    refused, _ = share(builds.database, lambda: builds.overwrite(build(id=2), ME))
    assert isinstance(refused, BuildNotFound)
    assert commit is not None
    commit.settle()
    assert others.find(1)["title"] == "new"


def test_who_fails_halfway_undoes_all_that_share_the_commit(stores: tuple[Store, Store]) -> None:
    builds, others = (Builds(store.database, store.columns) for store in stores)
    for number in (1, 2):
        builds.overwrite(build(id=number), ME, create=True)
    _, commit = share(builds.database, lambda: builds.overwrite(build(id=1, title="new"), ME))

    def fail() -> None:
        builds._overwrite(build(id=2, title="new"), ME, False, None, False)
        raise ZeroDivisionError

    failed, none = share(builds.database, lambda: builds.database.write(fail))
    assert (type(failed), none) == (ZeroDivisionError, None)
    assert commit is not None
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            commit.settle()
    assert [others.find(number)["title"] for number in (1, 2)] == [build()["title"]] * 2
    assert builds.overwrite(build(id=1, title="later"), ME).revision == 2


def test_who_fails_on_sqlite_before_he_writes_undoes_nobody_elses_work(builds: Builds) -> None:
    builds.overwrite(build(id=1), ME, create=True)
    builds.database.execute_sql(
        "CREATE TRIGGER fail BEFORE UPDATE ON builds WHEN NEW.title = 'bad' BEGIN SELECT RAISE(ABORT, 'as if'); END"
    )
    _, commit = share(builds.database, lambda: builds.overwrite(build(id=1, title="new"), ME))
    failed, _ = share(builds.database, lambda: builds.overwrite(build(id=1, title="bad"), ME))
    assert isinstance(failed, peewee.IntegrityError)
    assert commit is not None
    commit.settle()
    assert builds.find(1)["title"] == "new"


@pytest.fixture
def picky(new_database: Any, data: Path) -> Store:
    """A PostgreSQL store with builds 1 to 3, that turns down some titles in its own way."""
    store = open_store(data, new_database())
    builds = Builds(store.database, store.columns)
    for number in (1, 2, 3):
        builds.overwrite(build(id=number), ME, create=True)
    store.database.execute_sql(
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.title = 'too long' THEN RAISE string_data_right_truncation; END IF;
            IF NEW.title = 'against a rule' THEN RAISE check_violation; END IF;
            IF NEW.title = 'not wanted' THEN RETURN NULL; END IF;
            RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON builds FOR EACH ROW EXECUTE FUNCTION refuse()
        """
    )
    return store


@pytest.mark.parametrize("bad", [0, 1, 2])
@pytest.mark.parametrize(("title", "expected"), [("too long", 400), ("against a rule", 503), ("not wanted", 503)])
def test_who_shares_a_commit_with_what_cannot_be_stored_is_stored(
    picky: Store, data: Path, bad: int, title: str, expected: int
) -> None:
    app = create_app(Settings(data=data, signing_key=KEY), picky)
    statuses = []

    def start_response(status: str, headers: object, exc_info: object = None) -> Any:
        statuses.append(int(status[:3]))

    titles = ["good"] * 3
    titles[bad] = title
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"}
    answers = []
    for number, given in enumerate(titles, 1):
        body = json.dumps(build(id=number, title=given))
        environ = falcon.testing.create_environ(BUILD, method="PUT", headers=headers, body=body)
        answers.append(app(environ, start_response))
    bodies = [json.loads(b"".join(answer)) for answer in answers]
    assert statuses == [expected if number == bad else 200 for number in range(3)]
    assert "cannot" in bodies[bad]["error"]
    stored = Builds(picky.database, picky.columns)
    history = Revisions(picky.database, stored)
    for number in range(3):
        assert stored.find(number + 1)["title"] == (build()["title"] if number == bad else "good")
        assert history.page(number + 1, 1, 10).total == (1 if number == bad else 2)
    metrics = falcon.testing.TestClient(app).simulate_get("/metrics").text
    assert "build_admin_requests_in_progress 1.0" in metrics


def test_an_update_that_changes_nothing_leaves_no_revision(picky: Store) -> None:
    builds = Builds(picky.database, picky.columns)
    with pytest.raises(peewee.IntegrityError, match="no row"):
        builds.overwrite(build(id=1, title="not wanted"), ME)
    assert Revisions(picky.database, builds).page(1, 1, 10).total == 1
    assert builds.overwrite(build(id=1, title="good"), ME).revision == 2


def test_who_waits_for_a_row_keeps_none_himself(new_database: Any, data: Path) -> None:
    """Two that each wait for the other's build would wait until PostgreSQL ends one of them."""
    url = new_database()
    one, two = (Builds(store.database, store.columns) for store in (open_store(data, url), open_store(data, url)))
    for number in (1, 2):
        one.overwrite(build(id=number), ME, create=True)

    def overwrite(builds: Builds, number: int, title: str) -> Overwritten:
        outcome, _ = share(builds.database, lambda: builds.overwrite(build(id=number, title=title), ME))
        assert isinstance(outcome, Overwritten), outcome
        return outcome

    overwrite(one, 1, "one")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(overwrite, two, 2, "two").result()
        waiting = pool.submit(overwrite, two, 1, "two")
        await_a_waiting_one(url)
        # As soon as the second waits for the first, its own overwrite is there to be seen, and its lock to be had.
        assert overwrite(one, 2, "one").revision == 3
        one.database.settle()
        assert waiting.result().revision == 3
        pool.submit(two.database.settle).result()
    assert [one.find(number)["title"] for number in (1, 2)] == ["two", "one"]


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


@pytest.mark.parametrize(("extra", "pages"), [(0, CHECKPOINT), (LARGE, CHECKPOINT_OF_LARGE)])
def test_a_large_store_is_checkpointed_in_smaller_steps(data: Path, extra: int, pages: int) -> None:
    store = open_store(data)
    store.database.execute_sql("CREATE TABLE filler AS SELECT zeroblob(?)", (extra,))
    store.close()
    reopened = open_store(data).database
    assert reopened.execute_sql("PRAGMA wal_autocheckpoint").fetchone() == (pages,)
    reopened.close()


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
