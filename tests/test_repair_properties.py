"""Properties of repairs: a preview selects the builds of the list with the same filters, and an undo is exact."""

import itertools
import os
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_model import normal

from build_admin.schemas.build import STATUSES
from service import BUILDS, REPAIRS, Answer, Service

EXAMPLES = int(os.environ.get("BUILD_ADMIN_TEST_EXAMPLES", "20"))
COUNT = 12
_repos = itertools.count(30_000_000, 100)
TIMES = st.integers(0, 6).map(lambda number: number * 100)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)

WHERE = st.fixed_dictionaries(
    {},
    optional={
        "status": st.lists(st.sampled_from(STATUSES[:4]), min_size=1, max_size=3, unique=True),
        "number": st.integers(0, COUNT),
        "branch": st.sampled_from(["", "main", "größer & ,=%"]),
        "host": st.sampled_from(["", "w1", "w2"]),
        "after": TIMES,
        "before": TIMES,
        "stuck_before": TIMES,
    },
)
SET = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(STATUSES),
        "error": TEXT,
        "finished": st.integers(0, 2**63 - 1),
        "host": st.sampled_from(["", "w1"]),
        "email": st.none() | TEXT,
        "fork": st.none() | st.booleans(),
        "approved_at": st.none() | st.integers(0, 5),
        "deploy_payload": st.none() | st.dictionaries(TEXT, TEXT, max_size=2),
    },
).filter(bool)


@pytest.fixture(scope="module")
def repo(service: Service) -> int:
    """The id of a repository whose builds differ in every field by which repairs select."""
    repo_id = next(_repos)
    for number in range(1, COUNT + 1):
        newer: dict[str, Any] = {"email": "a@example.com", "deploy_payload": {"a": "b"}} if number % 5 == 0 else {}
        service.create(
            id=repo_id + number,
            repo_id=repo_id,
            number=number,
            status=STATUSES[number % 4],
            created=(number % 6) * 100,
            started=(number % 5) * 100,
            host=("", "w1", "w2")[number % 3],
            branch=("", "main", "größer & ,=%")[number // 5],
            **newer,
        )
    return repo_id


def stored(service: Service, repo: int) -> list[Answer]:
    return [service.get(f"{BUILDS}/{repo + number}") for number in range(1, COUNT + 1)]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(where=WHERE, assigned=SET)
def test_a_preview_selects_the_builds_of_the_list_and_an_undo_restores_them_exactly(
    service: Service, repo: int, where: dict[str, Any], assigned: dict[str, Any]
) -> None:
    document: dict[str, Any] = {"where": where | {"repo_id": repo}, "set": assigned, "reason": "property"}
    query = {name: ",".join(value) if name == "status" else value for name, value in document["where"].items()}
    listed = service.get(f"{BUILDS}?{urlencode(query | {'per_page': 100})}").json
    before = stored(service, repo)
    preview = service.post(f"{REPAIRS}?dry_run=true", document)
    assert preview.status == 200, preview
    plan = preview.json
    assert plan["selected"] == len(listed)
    changing = {one["id"] for one in plan["builds"]}
    assert changing <= {build["id"] for build in listed}
    assert plan["changed"] == len(changing)
    answer = service.post(REPAIRS, document, If_Match=preview.etag)
    assert answer.status == (201 if changing else 200)
    after = stored(service, repo)
    for old, new in zip(before, after, strict=True):
        changed = old.json["id"] in changing
        assert (old.body != new.body) == (old.etag != new.etag) == changed
        if changed:
            assert new.json == normal(old.json | assigned)
    if changing:
        assert service.undo(answer.json["repair"]).json["changed"] == len(changing)
        assert [(one.body, one.etag) for one in stored(service, repo)] == [(one.body, one.etag) for one in before]
