"""PUT /api/v1/admin/build: overwrites, creations, preconditions and dry runs."""

import json

import pytest

from build_admin.schemas.sample import SAMPLE
from service import ROOT, Service, build

NEWER = {
    "pipeline_id": 7,
    "deploy_number": 3,
    "approved_at": 1563474078,
    "event_action": "opened",
    "sender_scm_id": "42",
    "route": "vela",
    "approved_by": "octocat",
    "email": "octokitty@example.com",
    "head_ref": "feature",
    "link": "https://vela.example.com/github/octocat/1",
    "fork": True,
    "deploy_payload": {"b": "2", "a": "1"},
}


def test_the_reference_pages_sample_is_returned_byte_for_byte(service: Service) -> None:
    page = "{\n" + ",\n".join(json.dumps({name: value})[1:-1] for name, value in SAMPLE.items()) + "\n}\n"
    created = service.put(SAMPLE, If_None_Match="*")
    assert created.status == 201
    # curl -d removes line ends.
    answer = service.put(page.replace("\n", "").encode())
    assert (answer.status, answer.body) == (200, page.encode())
    assert answer.headers["Content-Type"] == "application/json"


def test_an_overwrite_is_returned_and_stored(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    sent = build(id=new_id, status="error", message="the worker died", finished=1563474090)
    answer = service.put(sent)
    assert (answer.status, answer.json) == (200, sent)
    assert list(answer.json) == list(SAMPLE)
    assert service.put(sent).etag == answer.etag


def test_every_newer_field_is_stored_and_follows_the_documented_fields(service: Service, new_id: int) -> None:
    sent = build(id=new_id, **NEWER)
    assert service.create(**sent) == sent
    answer = service.put(sent | {"title": "again"})
    assert answer.json == sent | {"title": "again"}
    assert list(answer.json) == [*SAMPLE, *NEWER]


@pytest.mark.parametrize("name", NEWER)
def test_a_newer_field_with_a_value_must_not_be_left_out(service: Service, new_id: int, name: str) -> None:
    service.create(id=new_id, **{name: NEWER[name]})
    refused = service.put(build(id=new_id, status="error"))
    assert refused.status == 400
    assert list(refused.json["fields"]) == [name]
    cleared = service.put(build(id=new_id, **{name: None}))
    assert (cleared.status, cleared.json) == (200, build(id=new_id))


@pytest.mark.parametrize("name", NEWER)
def test_a_newer_field_without_a_value_is_not_returned(service: Service, new_id: int, name: str) -> None:
    zero = type(NEWER[name])()
    assert service.create(id=new_id, **{name: zero}) == build(id=new_id)
    assert service.put(build(id=new_id)).status == 200


def test_a_left_out_newer_field_is_reported_with_the_other_faults(service: Service, new_id: int) -> None:
    service.create(id=new_id, email="octokitty@example.com")
    refused = service.put(build(id=new_id, status="stuck"))
    assert set(refused.json["fields"]) == {"status", "email"}


@pytest.mark.parametrize("name", SAMPLE)
def test_a_missing_documented_field_is_refused(service: Service, new_id: int, name: str) -> None:
    stored = service.create(id=new_id)
    sent = build(id=new_id, status="error")
    del sent[name]
    refused = service.put(sent)
    assert refused.status == 400
    assert list(refused.json["fields"]) == [name]
    assert service.put(stored, "?dry_run=true", If_None_Match=None).json == stored


def test_repo_replaces_repo_id_and_is_echoed(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    sent = build(id=new_id, repo={"id": 9, "full_name": "github/octocat", "counter": 1.5, "owner": {"id": 1}})
    del sent["repo_id"]
    answer = service.put(sent)
    assert answer.status == 200
    assert answer.json == sent | {"repo_id": 9}
    again = service.put(build(id=new_id, repo_id=9))
    assert (again.json["repo_id"], "repo" in again.json, again.etag) == (9, False, answer.etag)


def test_repo_and_repo_id_must_agree(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    assert service.put(build(id=new_id, repo={"id": 1})).status == 200
    refused = service.put(build(id=new_id, repo={"id": 2}))
    assert (refused.status, list(refused.json["fields"])) == (400, ["repo_id"])


@pytest.mark.parametrize("repo", [{}, {"id": 0}, {"id": "1"}, {"id": True}, {"id": 2**63}, None, 1, [], "1"])
def test_a_repo_without_a_usable_id_is_refused(service: Service, new_id: int, repo: object) -> None:
    refused = service.put(build(id=new_id, repo=repo), If_None_Match="*")
    assert (refused.status, list(refused.json["fields"])) == (400, ["repo"])


def test_an_unknown_id_is_404_and_creates_no_build(service: Service, new_id: int) -> None:
    refused = service.put(build(id=new_id))
    assert refused.status == 404
    assert "If-None-Match" in refused.json["error"]
    assert service.put(build(id=new_id), If_Match="*").status == 412


def test_a_creation_has_the_location_of_the_build(service: Service, new_id: int) -> None:
    created = service.put(build(id=new_id), If_None_Match="*")
    assert created.status == 201
    assert created.headers["Location"] == f"/api/v1/admin/builds/{new_id}"
    assert service.put(build(id=new_id)).etag == created.etag


def test_a_creation_does_not_overwrite_a_build(service: Service, new_id: int) -> None:
    stored = service.create(id=new_id)
    refused = service.put(build(id=new_id, title="other"), If_None_Match="*")
    assert refused.status == 412
    assert service.put(stored, "?dry_run=true").json == stored


def test_if_match_overwrites_only_the_build_with_that_tag(service: Service, new_id: int) -> None:
    first = service.put(build(id=new_id), If_None_Match="*").etag
    second = service.put(build(id=new_id, title="second"), If_Match=first)
    assert second.status == 200
    assert second.etag != first
    assert service.put(build(id=new_id, title="third"), If_Match=first).status == 412
    assert service.put(build(id=new_id, title="third"), If_Match=f'"other", {second.etag}').status == 200
    assert service.put(build(id=new_id, title="fourth"), If_Match="*").status == 200


def test_if_match_compares_strongly_and_if_none_match_weakly(service: Service, new_id: int) -> None:
    tag = service.put(build(id=new_id), If_None_Match="*").etag
    assert service.put(build(id=new_id, title="new"), If_Match=f"W/{tag}").status == 412
    # RFC 9110, section 13.1.2: If-None-Match compares weakly.
    assert service.put(build(id=new_id, title="new"), If_None_Match=f"W/{tag}").status == 412
    assert service.put(build(id=new_id, title="new"), If_None_Match='"other"').status == 200


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("value", ["", "abc", '"abc', '*, "a"', '"a" "b"', "W/abc", 'w/"a"', '"a",'])
def test_a_precondition_that_does_not_parse_is_refused(service: Service, new_id: int, header: str, value: str) -> None:
    service.create(id=new_id)
    refused = service.put(build(id=new_id, title="new"), **{header: value})
    assert refused.status == 400
    assert header in refused.json["error"]


def test_the_number_of_another_build_is_a_conflict(service: Service, new_id: int) -> None:
    other = service.create(id=new_id + 500_000, repo_id=new_id, number=1)
    service.create(id=new_id, repo_id=new_id, number=2)
    refused = service.put(build(id=new_id, repo_id=new_id, number=1))
    assert refused.status == 409
    assert f"Build {other['id']} " in refused.json["error"]
    created = service.put(build(id=new_id + 600_000, repo_id=new_id, number=1), If_None_Match="*")
    assert created.status == 409


def test_a_dry_run_has_the_response_of_the_real_request_and_writes_nothing(service: Service, new_id: int) -> None:
    creation = service.put(build(id=new_id), "?dry_run=true", If_None_Match="*")
    assert creation.status == 201
    assert service.put(build(id=new_id)).status == 404
    real = service.put(build(id=new_id), "?dry_run=false", If_None_Match="*")
    assert (real.body, real.etag, real.headers["Location"]) == (
        creation.body,
        creation.etag,
        creation.headers["Location"],
    )
    dry = service.put(build(id=new_id, title="new"), "?dry_run=true", If_Match=real.etag)
    assert dry.status == 200
    wet = service.put(build(id=new_id, title="new"), If_Match=real.etag)
    assert (wet.status, wet.body, wet.etag) == (200, dry.body, dry.etag)


@pytest.mark.parametrize(
    "query", ["?dry_run=yes", "?dry_run=", "?dry_run", "?dry_run=true&dry_run=true", "?dryrun=true", "?x=1"]
)
def test_an_invalid_or_unknown_parameter_is_refused(service: Service, new_id: int, query: str) -> None:
    assert service.put(build(id=new_id), query, If_None_Match="*").status == 400
    assert service.put(build(id=new_id)).status == 404


def test_the_sample_is_that_of_the_reference_page() -> None:
    page = (ROOT / "tests" / "build.json").read_text(encoding="utf-8")
    assert json.loads(page) == SAMPLE
    assert list(json.loads(page)) == list(SAMPLE)


def test_the_largest_integers_are_stored(service: Service) -> None:
    largest = 2**63 - 1
    sent = build(id=largest, repo_id=largest, number=largest, parent=largest, created=largest, approved_at=largest)
    assert service.create(**sent) == sent


def test_the_keys_of_a_response_have_the_order_of_the_reference_page(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    shuffled = dict(reversed(build(id=new_id, title="new").items()))
    assert list(service.put(shuffled).json) == list(SAMPLE)
