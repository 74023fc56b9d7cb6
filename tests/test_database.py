"""Groups of requests that share a commit: each has the result that it would have alone."""

import json
import re
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from operator import or_
from pathlib import Path
from typing import Any

import falcon.testing
import peewee
import pytest

from build_admin.app import create_app
from build_admin.models.build import NEWER, canonical, etag
from build_admin.models.builds import Author, Builds
from build_admin.models.errors import BuildNotFound, Conflict, PreconditionFailed, Unstorable
from build_admin.models.revision import Revision
from build_admin.models.revisions import Revisions
from build_admin.models.stores.database import Database
from build_admin.models.stores.errors import CommitLost, LeaveGroup
from build_admin.models.stores.sqlite import CHECKPOINT, CHECKPOINT_OF_LARGE, LARGE, SqliteDatabase
from build_admin.models.stores.store import FILE, Store, open_store
from build_admin.resources.preconditions import Preconditions
from build_admin.settings import Settings
from postgresql import await_waiting
from service import BUILD, KEY, build, token

ME = Author("me", "a-request")


class Request:
    """A member of a group.

    Attributes:
        arrived: its arrival on the monotonic clock, for which the group asks.
        outcomes: what each call of `work` returned or raised.
        told: the outcomes that were passed to `on_commit` callbacks, in order.

    """

    def __init__(self, database: Database, work: Callable[[], Any]) -> None:
        self.arrived = time.monotonic()
        self.outcomes: list[Any] = []
        self.told: list[Any] = []
        self._database = database
        self._work = work

    def call(self) -> None:
        try:
            outcome = self._work()
        except Exception as error:
            outcome = error
        self.outcomes.append(outcome)
        self._database.on_commit(partial(self.told.append, outcome))


def group(builds: Builds, *works: Callable[[], Any]) -> list[Request]:
    """Run each of `works` in groups, and run those that have left a group again after it, as the server does."""
    requests = [Request(builds.database, work) for work in works]
    waiting = [*requests]
    while waiting:
        with builds.database.group() as members:
            while waiting and not members.ended:
                members.run(waiting.pop(0))
        for request in members.again:
            request.call()
    return requests


@pytest.fixture
def builds(data: Path) -> Builds:
    store = open_store(data)
    return Builds(store.database, store.columns)


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest, data: Path) -> tuple[Store, Store]:
    """One database, opened twice."""
    url = request.getfixturevalue("new_database")() if request.param == "postgresql" else ""
    return open_store(data, url), open_store(data, url)


@pytest.fixture
def two(stores: tuple[Store, Store]) -> tuple[Builds, Builds]:
    """One database that holds the builds 1 to 3, in two connections."""
    one, other = (Builds(store.database, store.columns) for store in stores)
    for number in (1, 2, 3):
        one.overwrite(build(id=number), ME, create=True)
    return one, other


def test_overwrites_of_a_group_are_visible_and_reported_after_its_commit(two: tuple[Builds, Builds]) -> None:
    builds, others = two
    requests = [Request(builds.database, partial(builds.overwrite, build(id=n, title="new"), ME)) for n in (1, 2)]
    with builds.database.group() as members:
        for request in requests:
            members.run(request)
        assert [others.find(number)["title"] for number in (1, 2)] == [build()["title"]] * 2
        assert [request.told for request in requests] == [[], []]
    assert members.again == []
    assert [others.find(number)["title"] for number in (1, 2)] == ["new"] * 2
    assert [[told.revision for told in request.told] for request in requests] == [[2], [2]]


def test_different_overwrites_of_the_same_builds_in_a_group_are_applied_in_order(two: tuple[Builds, Builds]) -> None:
    """They change different columns, by two statements, whose order is not the same for both builds."""
    builds, others = two
    one, both = [{"title": title} for title in "abc"], [{"title": title, "host": title} for title in "def"]
    steps = {1: [one[0], both[0], one[1]], 2: [both[1], one[2], both[2]]}
    states = {number: list(accumulate(steps[number], or_, initial=build(id=number))) for number in steps}
    works = [partial(builds.overwrite, states[number][turn], ME) for turn in (1, 2, 3) for number in steps]
    requests = group(builds, *works)
    assert [[told.revision for told in request.told] for request in requests] == [[2], [2], [3], [3], [4], [4]]
    history = Revisions(others.database, others)
    for number, expected in states.items():
        assert others.find(number) == expected[-1]
        assert [history.find(number, revision)["before"] for revision in (2, 3, 4)] == expected[:-1]


@pytest.mark.parametrize(
    "fields",
    [
        {"fork": True, "deploy_payload": {"ä": "b"}, "email": "a@b", "deploy_number": 2**40, "pipeline_id": 3},
        {"title": "  é\u2028 ", "message": "", "host": "", "parent": 0, "started": 0, "finished": 2**62, "deploy": ""},
    ],
)
def test_an_overwrite_in_a_group_records_what_the_one_before_it_has_stored(
    two: tuple[Builds, Builds], fields: dict[str, Any]
) -> None:
    """On PostgreSQL the second one of a group does not read the row."""
    builds, others = two
    together, apart = (
        [partial(builds.overwrite, build(id=number, **fields), ME), partial(builds.overwrite, last, ME)]
        for number, last in ((number, build(id=number) | dict.fromkeys(NEWER)) for number in (1, 2))
    )
    group(builds, *together)
    for work in apart:
        work()

    def revisions(number: int) -> list[tuple[Any, ...]]:
        found = Revision.select(Revision.revision, Revision.changes, Revision.before).order_by(Revision.revision)
        rows = found.where((Revision.build_id == number) & (Revision.revision > 1)).tuples().execute(others.database)
        return [(revision, text, re.sub(rf'"(id|number)": {number},', "", before)) for revision, text, before in rows]

    assert len(revisions(1)) == 2
    assert revisions(1) == revisions(2)
    assert {**others.find(1).row} | {"id": 2, "number": 2} == {**others.find(2).row} | {"number": 2}


def test_of_two_overwrites_in_a_group_that_match_the_same_tag_one_is_stored(two: tuple[Builds, Builds]) -> None:
    builds, others = two
    stored = others.find(1)
    matching = Preconditions(if_match=frozenset([f'"{etag(canonical(stored), stored)}"'])).check
    one, other = group(
        builds,
        *[partial(builds.overwrite, build(id=1, title=title), ME, precondition=matching) for title in ("1", "2")],
    )
    assert (one.outcomes[-1].revision, type(other.outcomes[-1])) == (2, PreconditionFailed)
    assert others.find(1)["title"] == "1"


def test_overwrites_of_one_build_in_a_group_are_applied_in_order(two: tuple[Builds, Builds]) -> None:
    builds, others = two
    requests = group(builds, *[partial(builds.overwrite, build(id=1, title=title), ME) for title in ("1", "2", "3")])
    assert [[told.revision for told in request.told] for request in requests] == [[2], [3], [4]]
    history = Revisions(others.database, others)
    assert [history.find(1, number)["before"]["title"] for number in (3, 4)] == ["1", "2"]
    assert others.find(1)["title"] == "3"


def test_a_member_that_reads_is_run_again_after_the_commit(two: tuple[Builds, Builds]) -> None:
    builds, _ = two
    _, read = group(builds, partial(builds.overwrite, build(id=1, title="new"), ME), partial(builds.find, 1))
    assert isinstance(read.outcomes[0], LeaveGroup)
    assert [told["title"] for told in read.told] == ["new"]


def test_a_refused_member_does_not_affect_the_others(two: tuple[Builds, Builds]) -> None:
    builds, others = two
    written, refused = group(
        builds,
        partial(builds.overwrite, build(id=1, title="new"), ME),
        partial(builds.overwrite, build(id=9), ME),
    )
    assert isinstance(refused.told[0], BuildNotFound)
    assert len(written.told) == len(refused.told) == 1
    assert others.find(1)["title"] == "new"


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_only_the_member_that_fails_after_a_write_is_rolled_back(two: tuple[Builds, Builds], failing: int) -> None:
    builds, others = two

    def fail() -> None:
        builds._overwrite(build(id=failing + 1, title="bad"), ME, False, None)
        raise ZeroDivisionError

    works: list[Callable[[], Any]] = [partial(builds.overwrite, build(id=n, title="new"), ME) for n in (1, 2, 3)]
    works[failing] = partial(builds.database.write, fail)
    requests = group(builds, *works)
    assert [type(request.told[0]) is ZeroDivisionError for request in requests] == [n == failing for n in range(3)]
    assert [len(request.told) for request in requests] == [1, 1, 1]
    titles = [others.find(number)["title"] for number in (1, 2, 3)]
    assert titles == [build()["title"] if n == failing else "new" for n in range(3)]
    history = Revisions(others.database, others)
    assert [history.page(number, 1, 10).total for number in (1, 2, 3)] == [1 if n == failing else 2 for n in range(3)]


@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_commit_is_reported_to_the_members_that_wrote_and_none_is_run_again(
    two: tuple[Builds, Builds], monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    builds, others = two
    commit, undo = builds.database.commit, builds.database.roll_back

    def lose() -> None:
        monkeypatch.undo()
        (commit if committed else undo)()
        raise CommitLost("as if")

    monkeypatch.setattr(builds.database, "commit", lose)
    written, refused = group(
        builds,
        partial(builds.overwrite, build(id=1, title="new"), ME),
        partial(builds.overwrite, build(id=9), ME),
    )
    assert [type(told) for told in written.told] == [CommitLost]
    assert [type(told) for told in refused.told] == [BuildNotFound]
    assert others.find(1)["title"] == ("new" if committed else build()["title"])
    assert builds.overwrite(build(id=1, title="later"), ME).revision == 2 + committed


def test_a_commit_that_fails_has_its_members_run_again(
    two: tuple[Builds, Builds], monkeypatch: pytest.MonkeyPatch
) -> None:
    builds, others = two

    def fail() -> None:
        monkeypatch.undo()
        raise peewee.OperationalError("disk full, as if")

    monkeypatch.setattr(builds.database, "commit", fail)
    requests = group(builds, *[partial(builds.overwrite, build(id=n, title="new"), ME) for n in (1, 2)])
    assert [[told.revision for told in request.told] for request in requests] == [[2], [2]]
    assert [others.find(number)["title"] for number in (1, 2)] == ["new"] * 2


def test_a_member_that_must_be_alone_is_run_after_the_commit(two: tuple[Builds, Builds]) -> None:
    builds, others = two
    seen = []

    def work() -> None:
        seen.append(others.find(1)["title"])

    group(
        builds,
        partial(builds.overwrite, build(id=1, title="new"), ME),
        partial(builds.database.write, work, alone=True),
    )
    assert seen == ["new"]


@pytest.fixture
def picky(new_database: Any, data: Path) -> Store:
    """A PostgreSQL store with the builds 1 to 3, and a trigger that refuses some titles."""
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
@pytest.mark.parametrize(("title", "expected"), [("too long", 400), ("against a rule", 409), ("not wanted", 409)])
def test_the_other_members_are_stored_when_the_database_refuses_one(
    picky: Store, data: Path, bad: int, title: str, expected: int
) -> None:
    app = create_app(Settings(data=data, signing_key=KEY), picky)
    client = falcon.testing.TestClient(app)
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"}
    titles = ["good"] * 3
    titles[bad] = title

    def put(number: int) -> tuple[int, Any]:
        body = json.dumps(build(id=number + 1, title=titles[number]))
        answer = client.simulate_put(BUILD, headers=headers, body=body)
        return answer.status_code, answer.json

    stored = Builds(picky.database, picky.columns)
    answers = [request.outcomes[-1] for request in group(stored, *[partial(put, number) for number in range(3)])]
    assert [status for status, _ in answers] == [expected if number == bad else 200 for number in range(3)]
    assert ("refuses" if expected == 409 else "cannot") in answers[bad][1]["error"]
    history = Revisions(picky.database, stored)
    for number in range(3):
        assert stored.find(number + 1)["title"] == (build()["title"] if number == bad else "good")
        assert history.page(number + 1, 1, 10).total == (1 if number == bad else 2)
    metrics = client.simulate_get("/metrics").text
    assert "build_admin_requests_in_progress 1.0" in metrics
    assert 'build_admin_requests_total{method="PUT",route="/api/v1/admin/build",status="200"} 2.0' in metrics


@pytest.mark.parametrize("title", ["too long", "against a rule", "not wanted"])
def test_a_write_that_fails_leaves_the_next_write_to_its_build_in_the_group_alone(picky: Store, title: str) -> None:
    builds = Builds(picky.database, picky.columns)
    bad, good = group(builds, *[partial(builds.overwrite, build(id=1, title=text), ME) for text in (title, "good")])
    assert isinstance(bad.outcomes[-1], Unstorable if title == "too long" else Conflict)
    assert [told.revision for told in good.told] == [2]
    assert builds.find(1)["title"] == "good"


def test_an_update_that_a_trigger_skips_leaves_no_revision(picky: Store) -> None:
    builds = Builds(picky.database, picky.columns)
    with pytest.raises(Conflict):
        builds.overwrite(build(id=1, title="not wanted"), ME)
    assert Revisions(picky.database, builds).page(1, 1, 10).total == 1
    assert builds.overwrite(build(id=1, title="good"), ME).revision == 2


_DROPS_REVISIONS = {
    "SqliteDatabase": "CREATE TRIGGER drops BEFORE INSERT ON build_revisions BEGIN SELECT RAISE(IGNORE); END",
    "PostgresqlDatabase": """
        CREATE FUNCTION drops() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER drops BEFORE INSERT ON build_revisions FOR EACH ROW EXECUTE FUNCTION drops()
    """,
}


def test_a_build_whose_revision_a_trigger_drops_is_not_written(two: tuple[Builds, Builds]) -> None:
    builds, others = two
    builds.database.execute_sql(_DROPS_REVISIONS[type(builds.database).__name__])
    with pytest.raises(Conflict):
        builds.overwrite(build(id=1, title="new"), ME)
    with pytest.raises(Conflict):
        builds.overwrite(build(id=4), ME, create=True)
    requests = group(builds, *[partial(builds.overwrite, build(id=number, title="new"), ME) for number in (1, 2)])
    assert [type(request.outcomes[-1]) for request in requests] == [Conflict, Conflict]
    assert [others.find(number)["title"] for number in (1, 2)] == [build()["title"]] * 2
    with pytest.raises(BuildNotFound):
        others.find(4)


def test_a_member_that_would_wait_for_a_row_leaves_the_group(new_database: Any, data: Path) -> None:
    """Two groups that each hold a row and wait for the other's would be a deadlock."""
    url = new_database()
    one, two = (Builds(store.database, store.columns) for store in (open_store(data, url), open_store(data, url)))
    for number in (1, 2):
        one.overwrite(build(id=number), ME, create=True)
    first = Request(one.database, partial(one.overwrite, build(id=1, title="one"), ME))
    second = [Request(two.database, partial(two.overwrite, build(id=number, title="two"), ME)) for number in (2, 1)]

    def run_second() -> None:
        with two.database.group() as members:
            for request in second:
                members.run(request)
        # The group has committed and released its locks before its member waits.
        assert members.again == second[1:]
        second[1].call()

    with ThreadPoolExecutor(1) as pool:
        with one.database.group() as members:
            members.run(first)
            waiting = pool.submit(run_second)
            await_waiting(url)
        waiting.result()
    assert [one.find(number)["title"] for number in (1, 2)] == ["two", "two"]
    assert [request.told[0].revision for request in (first, *second)] == [2, 2, 3]


def test_threads_that_wait_for_a_locked_database_time_out_together(builds: Builds, data: Path) -> None:
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
def test_the_interval_of_checkpoints_depends_on_the_size_of_the_store(data: Path, extra: int, pages: int) -> None:
    store = open_store(data)
    store.database.execute_sql("CREATE TABLE filler AS SELECT zeroblob(?)", (extra,))
    store.close()
    reopened = open_store(data).database
    assert reopened.execute_sql("PRAGMA wal_autocheckpoint").fetchone() == (pages,)
    reopened.close()
