"""Error responses: each kind of invalid request is refused, and changes nothing that is stored."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from build_admin.models.build import NEWER
from build_admin.schemas.build import BuildSchema
from build_admin.schemas.document import MAX_DEPTH
from build_admin.schemas.fields import Integer, OneOf, String
from build_admin.schemas.sample import SAMPLE
from service import BUILD, BUILDS, Service, refused

FIELDS = {name: field for name, field in BuildSchema().fields.items() if name != "repo"}
INTEGERS = {name: field.least for name, field in FIELDS.items() if isinstance(field, Integer)}
TEXTS = {
    name: field.limit for name, field in FIELDS.items() if isinstance(field, String) and not isinstance(field, OneOf)
}


@pytest.fixture
def stored(service: Service, new_id: int) -> Iterator[dict[str, Any]]:
    """A stored build. The test fails if it has changed or has another revision at the end."""
    service.create(id=new_id)
    before = service.get(f"{BUILDS}/{new_id}")
    yield before.json
    after = service.get(f"{BUILDS}/{new_id}")
    assert (after.body, after.etag) == (before.body, before.etag)
    assert service.get(f"{BUILDS}/{new_id}/revisions").headers["X-Total-Count"] == "1"


def with_text(stored: dict[str, Any], name: str, text: str) -> bytes:
    """Return the stored build as JSON, with `text` as the JSON of a field's value."""
    return json.dumps(stored | {name: "HERE"}).replace('"HERE"', text).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"id=1",
        b"{'id': 1}",
        b'{"id": 1,}',
        b'{"id": 1} x',
        b'{"id": 1}\x00',
        b'{"id": 1} // no comment',
        b"\x0b{}",
        "\N{NO-BREAK SPACE}{}".encode(),
        b'{"id": 01}',
        b'{"id": +1}',
        b'{"id": 0x1}',
        b"[]",
        b"null",
        b"1",
        b'"build"',
        b'\xef\xbb\xbf{"id": 1}',
        '{"id": 1}'.encode("utf-16"),
        '{"id": 1}'.encode("utf-32"),
        b'{"id": "\xff"}',
        b'{"id": "\xc0\xaf"}',
        b'{"id": "\xed\xa0\x80"}',
        b'{"id": "\xf4\x90\x80\x80"}',
        b'{"id": "\xe2\x82',
        b'{"id": "a\x00b"}',
        b'{"id": "a\nb"}',
        b"[" * 200_000,
        b'{"repo":' * 40 + b"1" + b"}" * 40,
        b'{"a": 1, "a": 1}',
        b'{"id": 1, "\\u0069d": 2}',
        b'{"repo": {"id": 1, "id": 2}}',
        b'{"repo": {"id": 1, "a": [{"b": 1, "b": 1}]}}',
        b'{"id": NaN}',
        b'{"id": Infinity}',
        b'{"id": -Infinity}',
        b'{"id": 1e400}',
        b'{"id": -1e400}',
        b'{"id": 1' + b"0" * 5000 + b"}",
        b'{"id": -1' + b"0" * 5000 + b"}",
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(service: Service, stored: dict[str, Any], body: bytes) -> None:
    assert "fields" not in refused(service.put(body), 400)


@pytest.mark.parametrize("innermost", ["{}", "[]", '{"a": 1}', "[1]", '["a"]'])
def test_a_body_may_be_nested_to_its_limit_and_no_deeper(
    service: Service, stored: dict[str, Any], innermost: str
) -> None:
    # The build, its repo and the innermost value are three levels.
    for levels, status in ((MAX_DEPTH, 200), (MAX_DEPTH + 1, 400)):
        repo = f'{{"id": {stored["repo_id"]}, "a": {"[" * (levels - 3)}{innermost}{"]" * (levels - 3)}}}'
        answer = service.put(with_text(stored, "repo", repo), "?dry_run=true")
        assert answer.status == status, answer
    assert str(MAX_DEPTH) in refused(answer, 400)["error"]


def test_brackets_in_a_string_do_not_count_as_levels(service: Service, stored: dict[str, Any]) -> None:
    assert service.put(stored | {"title": "{[" * 500}, "?dry_run=true").status == 200


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize(
    "value", ['"1"', "1.0", "1e0", "true", "null", "[]", "{}", "-1", "9223372036854775808", "1" * 99]
)
def test_a_value_that_is_not_an_integer_in_range_is_refused(
    service: Service, stored: dict[str, Any], name: str, value: str
) -> None:
    if name in NEWER and value == "null":
        assert service.put(with_text(stored, name, value), "?dry_run=true").status == 200
    else:
        assert list(refused(service.put(with_text(stored, name, value)), 400)["fields"]) == [name]


@pytest.mark.parametrize("name", [name for name, least in INTEGERS.items() if least == 1])
def test_zero_is_refused_where_the_least_value_is_one(service: Service, stored: dict[str, Any], name: str) -> None:
    assert list(refused(service.put(stored | {name: 0}), 400)["fields"]) == [name]


@pytest.mark.parametrize("name", TEXTS)
def test_a_string_may_have_its_limit_of_characters_and_no_more(
    service: Service, stored: dict[str, Any], name: str
) -> None:
    longest = "\N{GRINNING FACE}" * TEXTS[name]
    assert service.put(stored | {name: longest}, "?dry_run=true").json[name] == longest
    body = refused(service.put(stored | {name: longest + "x"}), 400)
    assert list(body["fields"]) == [name]
    assert str(TEXTS[name]) in body["fields"][name][0]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", ["1", "true", "[]", "{}", '"a\\u0000b"', '"\\ud800"', '"\\udc00\\ud800"'])
def test_a_value_that_is_not_a_valid_string_is_refused(
    service: Service, stored: dict[str, Any], name: str, value: str
) -> None:
    assert list(refused(service.put(with_text(stored, name, value)), 400)["fields"]) == [name]


@pytest.mark.parametrize("value", ['"Running"', '"running "', '""', "1", "null", '"stuck"', '["running"]', '{"a": 1}'])
def test_an_unknown_status_is_refused(service: Service, stored: dict[str, Any], value: str) -> None:
    body = refused(service.put(with_text(stored, "status", value)), 400)
    assert "pending approval" in body["fields"]["status"][0]


@pytest.mark.parametrize("status", ["created", "pending", "pending approval", "running", "success", "failure", "error",
                                    "killed", "canceled", "skipped"])  # fmt: skip
def test_each_status_is_accepted(service: Service, stored: dict[str, Any], status: str) -> None:
    assert service.put(stored | {"status": status}, "?dry_run=true").json["status"] == status


@pytest.mark.parametrize("value", ["1", "0", '"true"', '""', "[]"])
def test_a_value_that_is_not_a_boolean_is_refused(service: Service, stored: dict[str, Any], value: str) -> None:
    assert list(refused(service.put(with_text(stored, "fork", value)), 400)["fields"]) == ["fork"]


@pytest.mark.parametrize(
    "value",
    ["1", "[]", '"{}"', '{"a": 1}', '{"a": null}', '{"a": {}}', '{"\\u0000": "a"}', '{"a": "\\ud800"}',
     '{"a": "' + "x" * 1993 + '"}'],
)  # fmt: skip
def test_a_value_that_is_not_a_valid_payload_is_refused(service: Service, stored: dict[str, Any], value: str) -> None:
    assert list(refused(service.put(with_text(stored, "deploy_payload", value)), 400)["fields"]) == ["deploy_payload"]


def test_the_limit_of_a_payload_applies_to_its_compact_json(service: Service, stored: dict[str, Any]) -> None:
    payload = {"a": "ü" * 1992}
    assert service.put(stored | {"deploy_payload": payload}, "?dry_run=true").json["deploy_payload"] == payload


@pytest.mark.parametrize("name", ["timestamp", "Status", "", "\ud800", "a\0", "id ", "_schema", "x" * 10_000])
def test_an_unknown_field_is_refused(service: Service, stored: dict[str, Any], name: str) -> None:
    assert list(refused(service.put(stored | {name: 1}), 400)["fields"]) == [name]


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "\udc00\ud800"])
def test_a_repo_with_a_nul_or_a_lone_surrogate_is_refused(service: Service, stored: dict[str, Any], text: str) -> None:
    for held in ({text: 1}, {"a": text}, {"a": [{text: None}]}, {"a": [1, [text]]}):
        repo = {"id": stored["repo_id"], **held}
        assert list(refused(service.put(stored | {"repo": repo}), 400)["fields"]) == ["repo"]


def test_every_fault_is_reported_at_once(service: Service, stored: dict[str, Any]) -> None:
    faults = {"id": 0, "status": "stuck", "title": "x" * 1001, "parent": -1, "fork": "no", "unknown": 1, "repo": {}}
    sent = stored | faults
    del sent["branch"]
    assert set(refused(service.put(sent), 400)["fields"]) == {*faults, "branch"}


@pytest.mark.parametrize(
    "media_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "application/*", "application/json-patch+json",
     "application/json; charset=latin-1"],
)  # fmt: skip
def test_another_media_type_than_json_is_refused(
    service: Service, stored: dict[str, Any], media_type: str | None
) -> None:
    body = json.dumps(stored | {"title": "new"}).encode()
    refused(service.request("PUT", BUILD, body, {"Content-Type": media_type}), 415)


@pytest.mark.parametrize("media_type", ["application/json;charset=UTF-8", "Application/JSON", "application/json; x=y"])
def test_the_media_type_of_json_may_have_parameters_and_capitals(
    service: Service, stored: dict[str, Any], media_type: str
) -> None:
    assert service.request("PUT", BUILD, json.dumps(stored).encode(), {"Content-Type": media_type}).status == 200


@pytest.mark.parametrize("coding", ["gzip", "identity", "br, gzip"])
def test_an_encoded_body_is_refused(service: Service, stored: dict[str, Any], coding: str) -> None:
    refused(service.put(stored, Content_Encoding=coding), 415)


def test_a_body_may_have_its_limit_of_bytes_and_no_more(service: Service, stored: dict[str, Any]) -> None:
    body = json.dumps(stored).encode()
    assert service.put(body.ljust(256 * 1024)).status == 200
    refused(service.put(body.ljust(256 * 1024 + 1)), 413)


@pytest.mark.parametrize("given", ["a", "A-z_0.9", "x" * 64])
def test_the_clients_request_id_is_kept(service: Service, given: str) -> None:
    assert service.get("/health", X_Request_ID=given).headers["X-Request-ID"] == given
    assert service.get("/nothing", X_Request_ID=given).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "é", "a,b", "<script>"])
def test_an_invalid_request_id_is_replaced(service: Service, given: str) -> None:
    made = {service.get("/health", X_Request_ID=given).headers["X-Request-ID"] for _ in range(2)}
    assert len(made) == 2
    assert all(request_id.isalnum() and len(request_id) <= 64 for request_id in made)


def test_the_sample_has_every_documented_field() -> None:
    assert set(FIELDS) == {*SAMPLE, *NEWER}
