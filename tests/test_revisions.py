"""The revisions of a build: their contents, their list, and `before` as the body of a PUT."""

import itertools
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_overwrite import NEWER

from build_admin.schemas.sample import SAMPLE
from service import BUILDS, Service, build, token


def revisions(build_id: int) -> str:
    return f"{BUILDS}/{build_id}/revisions"


def test_every_overwrite_has_a_revision_newest_first(service: Service, new_id: int) -> None:
    start = int(time.time())
    service.put(build(id=new_id), If_None_Match="*", X_Request_ID="one")
    hubot = f"Bearer {token(sub='hubot')}"
    service.put(build(id=new_id, status="error", email="a@example.com"), Authorization=hubot, X_Request_ID="two")
    service.put(build(id=new_id, status="error", email=None), X_Request_ID="three")
    answer = service.get(revisions(new_id))
    assert (answer.status, answer.headers["X-Total-Count"]) == (200, "3")
    third, second, first = answer.json
    assert list(first) == ["revision", "build_id", "at", "by", "request_id", "repair", "changes"]
    for number, revision, by, request_id in [(1, first, "octokitty", "one"), (2, second, "hubot", "two")]:
        assert (revision["revision"], revision["build_id"]) == (number, new_id)
        assert (revision["by"], revision["request_id"]) == (by, request_id)
        assert start <= revision["at"] <= time.time()
    assert first["changes"] == {name: {"from": None, "to": value} for name, value in build(id=new_id).items()}
    assert second["changes"] == {
        "status": {"from": "created", "to": "error"},
        "email": {"from": None, "to": "a@example.com"},
    }
    assert third["changes"] == {"email": {"from": "a@example.com", "to": None}}


def test_a_single_revision_has_the_build_before_it(service: Service, new_id: int) -> None:
    created = service.create(id=new_id)
    service.put(build(id=new_id, status="error"))
    listed = service.get(revisions(new_id)).json
    first, second = (service.get(f"{revisions(new_id)}/{number}") for number in (1, 2))
    assert first.json == listed[1] | {"before": None}
    assert second.json == listed[0] | {"before": created}
    assert list(second.json["before"]) == list(SAMPLE)
    # Each field is on a line of its own, so that `before` can be extracted with sed.
    text = service.put(created, "?dry_run=true").body
    assert b'\n"changes": {\n"status": {"from": "created", "to": "error"}\n},\n"before": ' + text[:-1] in second.body
    assert service.get(revisions(new_id)).body.startswith(b'[\n{\n"revision": 2,\n"build_id": ')
    head = service.request("HEAD", f"{revisions(new_id)}/2")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(second.body)))


def test_before_has_null_for_newer_fields_that_got_their_value_later(service: Service, new_id: int) -> None:
    service.create(id=new_id, route="vela")
    service.put(build(id=new_id, route="vela", email="a@example.com"))
    service.put(build(id=new_id, route=None, email="a@example.com", pipeline_id=7))
    before = service.get(f"{revisions(new_id)}/2").json["before"]
    assert before == build(id=new_id, pipeline_id=None, route="vela", email=None)
    assert list(before) == [*SAMPLE, "pipeline_id", "route", "email"]
    answer = service.put(before)
    assert (answer.status, answer.json) == (200, build(id=new_id, route="vela"))
    assert service.get(f"{revisions(new_id)}/2").json["before"] == build(id=new_id, route="vela")


def test_revisions_are_paged(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    for number in range(2, 13):
        service.put(build(id=new_id, title=f"title {number}"))
    answer = service.get(revisions(new_id))
    assert [revision["revision"] for revision in answer.json] == list(range(12, 2, -1))
    assert answer.headers["Link"] == ", ".join(
        f'<{revisions(new_id)}?page={page}>; rel="{relation}"'
        for page, relation in ((1, "first"), (2, "next"), (2, "last"))
    )
    last = service.get(f"{revisions(new_id)}?per_page=5&page=3")
    assert [revision["revision"] for revision in last.json] == [2, 1]
    beyond = service.get(f"{revisions(new_id)}?page=9223372036854775807&per_page=100")
    assert (beyond.status, beyond.json, beyond.headers["X-Total-Count"]) == (200, [], "12")


def test_revisions_remain_after_their_build_is_deleted(service: Service, store: dict[str, Any], new_id: int) -> None:
    from build_admin.models.build import Build
    from build_admin.models.stores.store import open_store

    created = service.create(id=new_id)
    service.put(build(id=new_id, status="error", email="a@example.com"))
    database = open_store(store["DATA"], store.get("DATABASE_URL", "")).database
    database.write(lambda: Build.delete().where(Build.id == new_id).execute(database))
    database.close()
    assert service.get(f"{BUILDS}/{new_id}").status == 404
    assert [revision["revision"] for revision in service.get(revisions(new_id)).json] == [2, 1]
    before = service.get(f"{revisions(new_id)}/2").json["before"]
    assert before == created
    assert service.put(before, If_None_Match="*").status == 201
    assert service.get(revisions(new_id)).json[0]["revision"] == 3


def test_a_build_without_revisions_has_an_empty_list(service: Service, store: dict[str, Any], new_id: int) -> None:
    from build_admin.models.build import Build, to_row
    from build_admin.models.stores.store import open_store

    database = open_store(store["DATA"], store.get("DATABASE_URL", "")).database
    database.write(lambda: Build.insert(to_row(build(id=new_id), [*SAMPLE, *NEWER])).execute(database))
    database.close()
    answer = service.get(revisions(new_id))
    assert (answer.status, answer.body, answer.headers["X-Total-Count"]) == (200, b"[]\n", "0")
    assert service.get(f"{revisions(new_id)}/1").status == 404


def test_the_revisions_of_an_unknown_build_are_404(service: Service, new_id: int) -> None:
    for path in (revisions(new_id), f"{revisions(new_id)}/1"):
        answer = service.get(path)
        assert answer.status == 404
        assert str(new_id) in answer.json["error"]


@pytest.mark.parametrize("number", ["0", "-1", "01", "one", "1.0", "%201", "9223372036854775808", "", "2"])
def test_an_unknown_revision_is_404(service: Service, new_id: int, number: str) -> None:
    service.create(id=new_id)
    assert service.get(f"{revisions(new_id)}/{number}").status == 404
    assert service.get(f"{BUILDS}/0{new_id}/revisions/1").status == 404


@pytest.mark.parametrize("query", ["page=0", "per_page=101", "page=1&page=1", "status=error", "before=1", "x"])
def test_an_invalid_or_unknown_parameter_is_refused(service: Service, new_id: int, query: str) -> None:
    service.create(id=new_id)
    assert service.get(f"{revisions(new_id)}?{query}").status == 400
    assert service.get(f"{revisions(new_id)}/1?{query}").status == 400


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "POST", "PUT"])
def test_other_methods_than_get_on_revisions_are_405(service: Service, new_id: int, method: str) -> None:
    service.create(id=new_id)
    for path in (revisions(new_id), f"{revisions(new_id)}/1"):
        answer = service.request(method, path, b"{}", {"Content-Type": "application/json"})
        assert answer.status == 405
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert service.get(f"{revisions(new_id)}").headers["X-Total-Count"] == "1"


_ids = itertools.count(50_000_000)
_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
_INTEGERS = st.integers(0, 2**63 - 1)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "status": st.sampled_from(["running", "error"]),
    "title": _TEXTS,
    "finished": _INTEGERS,
    "number": st.integers(1, 3),
} | {
    name: {int: _INTEGERS, str: _TEXTS, bool: st.booleans(), dict: st.dictionaries(_TEXTS, _TEXTS, max_size=2)}[
        type(value)
    ]
    for name, value in NEWER.items()
}
_HISTORIES = st.lists(st.fixed_dictionaries({}, optional=_VALUES), min_size=1, max_size=6)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=_HISTORIES, data=st.data())
def test_before_of_any_revision_can_be_sent_as_a_put(
    service: Service, history: list[dict[str, Any]], data: st.DataObject
) -> None:
    new_id = next(_ids)
    cleared = dict.fromkeys(NEWER)
    states: list[dict[str, Any]] = []
    for fields in history:
        creates = {} if states else {"If_None_Match": "*"}
        state = service.put(build(id=new_id, repo_id=new_id) | cleared | fields, **creates).json
        if state not in states[-1:]:
            states.append(state)
    past = service.get(f"{revisions(new_id)}?per_page=100").json[::-1]
    assert [revision["revision"] for revision in past] == list(range(1, len(states) + 1))
    for before, after, revision in zip([{}, *states[:-1]], states, past, strict=True):
        assert revision["changes"] == {
            name: {"from": before.get(name), "to": after.get(name)}
            for name in {**before, **after}
            if before.get(name) != after.get(name)
        }
    for number in data.draw(st.permutations(range(2, len(states) + 1))):
        shown = service.get(f"{revisions(new_id)}/{number}").json["before"]
        assert {name: value for name, value in shown.items() if value is not None} == states[number - 2]
        answer = service.put(shown)
        assert (answer.status, answer.json) == (200, states[number - 2])
        assert service.find(new_id) == states[number - 2]
