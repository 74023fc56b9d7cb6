"""Lists of more builds than the queue returns in one response."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from build_admin.models.builds import Builds
from build_admin.models.filters import Filters
from build_admin.models.listing import Listing
from build_admin.models.stores.store import Store, open_store

COUNT = 12_000


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of each kind with 12,000 pending builds of a Vela server whose other columns are NULL."""
    url = request.getfixturevalue("new_database")() if request.param == "postgresql" else ""
    store = open_store(tmp_path_factory.mktemp(request.param), url)
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {COUNT}) SELECT i FROM n"
    store.database.execute_sql(f"INSERT INTO builds (id, status, created) SELECT i, 'pending', i FROM ({numbers}) AS n")
    return store


@pytest.mark.parametrize(
    "filters", [{}, {"after": 0}, {"status": ["pending", "running"]}, {"after": 0, "status": ["pending"]}]
)
@pytest.mark.parametrize("page", [1, 2, 59, 60, 61, 62, 63, 119, 120, 121, 2**62])
def test_every_page_of_a_long_list_has_its_builds_by_descending_id(
    store: Store, filters: dict[str, Any], page: int
) -> None:
    answer = Listing(store.database, store.columns).page(Filters(**filters), page, 99)
    newest = COUNT - (page - 1) * 99
    assert answer.total == (None if newest > 99 and len(filters) > 1 else COUNT)
    assert [build["id"] for build in answer.items] == list(range(max(newest, 0), max(newest - 99, 0), -1))


def test_a_filter_without_an_index_is_not_counted_as_all_builds(store: Store) -> None:
    listing = Listing(store.database, replace(store.columns, indexed=frozenset({"id"})))
    first, last = (listing.page(Filters(after=COUNT - 500), page, 99) for page in (1, 6))
    assert (first.total, len(first.items)) == (None, 99)
    assert (last.total, len(last.items)) == (500, 5)


def test_null_columns_read_as_zero_or_empty(store: Store) -> None:
    (build,) = (
        Listing(store.database, store.columns).page(Filters(before=2, number=0, repo_id=0, branch=""), 1, 10).items
    )
    assert build == Builds(store.database, store.columns).find(1)
    assert (build["number"], build["branch"], "fork" in build) == (0, "", False)


def test_the_queue_has_at_most_1000_builds_and_links_to_the_next(store: Store) -> None:
    client = falcon_client(store)
    queue = client.simulate_get("/api/v1/admin/builds/queue?after=0")
    assert len(queue.json) == 1000
    assert "X-Total-Count" not in queue.headers
    assert queue.headers["Link"] == '</api/v1/admin/builds/queue?after=0&page=11&per_page=100>; rel="next"'
    rest = client.simulate_get("/api/v1/admin/builds/queue?after=0&page=11&per_page=100")
    assert rest.json[0]["id"] == queue.json[-1]["id"] - 1
    short = client.simulate_get(f"/api/v1/admin/builds/queue?after={COUNT - 1000}")
    assert (len(short.json), "Link" in short.headers) == (1000, False)


def test_a_list_without_a_counted_total_has_no_x_total_count(store: Store) -> None:
    client = falcon_client(store)
    filters = "status=pending&after=0&per_page=100"
    first, last = (client.simulate_get(f"/api/v1/admin/builds?{filters}&page={page}") for page in (1, 120))
    assert "X-Total-Count" not in first.headers
    assert re.findall(r"[?&]page=(\d+)[^>]*>; rel=\"(\w+)", first.headers["Link"]) == [("1", "first"), ("2", "next")]
    assert (last.headers["X-Total-Count"], len(last.json)) == (str(COUNT), 100)
    assert re.search(r'[?&]page=120[^>]*>; rel="last"', last.headers["Link"])
    few = client.simulate_get(f"/api/v1/admin/builds?status=pending&before={COUNT - 1999}")
    assert few.headers["X-Total-Count"] == "10000"


def falcon_client(store: Store) -> Any:
    from falcon.testing import TestClient

    from build_admin.app import create_app
    from build_admin.settings import Settings
    from service import KEY, token

    app = create_app(Settings(data=Path("unused"), signing_key=KEY), store)
    return TestClient(app, headers={"Authorization": f"Bearer {token()}"})
