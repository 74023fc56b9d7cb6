"""Reading a Vela server's table `repos`: with it, without it, and without the privilege."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from build_admin.models.repos import Access, Repos
from build_admin.models.stores.store import Store, open_store

REPOS = "CREATE TABLE repos (id INTEGER PRIMARY KEY, org VARCHAR(250), full_name VARCHAR(500), counter BIGINT)"


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, data: Path) -> Iterator[Store]:
    store = open_store(data, request.getfixturevalue("new_database")() if request.param == "postgresql" else "")
    yield store
    store.database.close()


def test_without_the_table_there_are_no_names(opened: Store) -> None:
    repos = Repos(opened.database)
    assert opened.database.read(repos.access) is Access.ABSENT
    assert opened.database.read(lambda: repos.names([1])) == {}


def test_a_table_repos_with_other_columns_is_ignored(opened: Store) -> None:
    opened.database.execute_sql("CREATE TABLE repos (id INTEGER PRIMARY KEY, url TEXT)")
    assert opened.database.read(Repos(opened.database).access) is Access.ABSENT


def test_repositories_are_looked_up_by_id_and_by_name(opened: Store) -> None:
    repos = Repos(opened.database)
    opened.database.execute_sql(REPOS)
    opened.database.execute_sql("INSERT INTO repos VALUES (1, 'o', 'octocat/hello', 7), (2, 'o', 'octocat/x', NULL)")
    work: list[Any] = [
        repos.access,
        lambda: repos.names([2, 1, 3]),
        lambda: repos.ids(["octocat/hello", "octocat/none"]),
        lambda: repos.counters([1, 2, 3]),
        lambda: repos.names([]),
    ]
    assert [opened.database.read(one) for one in work] == [
        Access.GRANTED,
        {1: "octocat/hello", 2: "octocat/x"},
        {"octocat/hello": 1},
        {1: 7, 2: 0},
        {},
    ]


def test_a_missing_privilege_is_distinguished_from_a_missing_table(new_database: Any, data: Path) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(REPOS)
        owner.execute("CREATE ROLE without_repos")
        store = open_store(data, url)
        try:
            store.database.execute_sql("SET ROLE without_repos")
            repos = Repos(store.database)
            assert repos.access() is Access.REFUSED
            assert repos.names([1]) == {}
            owner.execute("GRANT SELECT (id, full_name) ON repos TO without_repos")
            assert repos.access() is Access.REFUSED
            owner.execute("GRANT SELECT (counter) ON repos TO without_repos")
            assert repos.access() is Access.GRANTED
        finally:
            store.database.close()
            owner.execute("DROP OWNED BY without_repos; DROP ROLE without_repos")
