"""GET and HEAD of one build: each line of the contract, on both stores."""

import pytest

from service import BUILDS, Service, build


def test_a_build_is_read_as_it_was_answered_when_it_was_overwritten(service: Service, new_id: int) -> None:
    written = service.put(build(id=new_id, email="octokitty@example.com"), If_None_Match="*")
    read = service.get(f"{BUILDS}/{new_id}")
    assert (read.status, read.body, read.etag) == (200, written.body, written.etag)
    assert read.headers["Content-Type"] == "application/json"


def test_head_answers_as_get_does_without_the_body(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    get = service.get(f"{BUILDS}/{new_id}")
    head = service.request("HEAD", f"{BUILDS}/{new_id}")
    assert (head.status, head.body, head.etag) == (200, b"", get.etag)
    assert head.headers["Content-Length"] == str(len(get.body))
    assert service.request("HEAD", f"{BUILDS}/{new_id + 900_000}").status == 404


@pytest.mark.parametrize("value", ["{tag}", "W/{tag}", "*", '"other", W/{tag}', '"other" , {tag} ,"another"'])
def test_a_build_that_the_client_has_is_not_sent_again(service: Service, new_id: int, value: str) -> None:
    tag = service.put(build(id=new_id), If_None_Match="*").etag
    answer = service.get(f"{BUILDS}/{new_id}", If_None_Match=value.format(tag=tag))
    assert (answer.status, answer.body, answer.etag) == (304, b"", tag)
    assert answer.headers["Content-Type"] is None
    service.put(build(id=new_id, title="new"))
    changed = service.get(f"{BUILDS}/{new_id}", If_None_Match=value.format(tag=tag))
    assert changed.status == (304 if value == "*" else 200)


def test_if_match_is_a_condition_of_reading_too(service: Service, new_id: int) -> None:
    tag = service.put(build(id=new_id), If_None_Match="*").etag
    assert service.get(f"{BUILDS}/{new_id}", If_Match=tag).status == 200
    assert service.get(f"{BUILDS}/{new_id}", If_Match="*").status == 200
    assert service.get(f"{BUILDS}/{new_id}", If_Match=f"W/{tag}").status == 412
    # RFC 9110, section 13.2.2: If-Match comes first.
    assert service.get(f"{BUILDS}/{new_id}", If_Match='"other"', If_None_Match=tag).status == 412
    assert service.get(f"{BUILDS}/{new_id}", If_Match=tag, If_None_Match=tag).status == 304


def test_there_is_no_condition_on_what_is_not_there(service: Service, new_id: int) -> None:
    # RFC 9110, section 13.2.1: preconditions are for what would succeed without them.
    assert service.get(f"{BUILDS}/{new_id}", If_None_Match="*").status == 404
    assert service.get(f"{BUILDS}/{new_id}", If_Match="*").status == 404


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("value", ["", "abc", '"abc', '*, "a"', '"a" "b"', 'w/"a"', ",", '"a",,"b"', '"a b"'])
def test_a_precondition_that_does_not_parse_is_refused(service: Service, new_id: int, header: str, value: str) -> None:
    service.create(id=new_id)
    refused = service.get(f"{BUILDS}/{new_id}", **{header: value})
    assert refused.status == 400
    assert header in refused.json["error"]


@pytest.mark.parametrize(
    "spelling",
    [
        "0", "-1",
        "+{id}", "0{id}", "{id}.0", "{id}e0", " {id}", "%20{id}", "{id}%0A", "0x1", "1_0", "one", "%D9%A1", "%FF",
        "%00", "", "9223372036854775808", "99999999999999999999999999", "9" * 5000,
    ],
)  # fmt: skip
def test_an_id_has_one_spelling(service: Service, new_id: int, spelling: str) -> None:
    service.create(id=new_id)
    answer = service.get(f"{BUILDS}/{spelling.format(id=new_id)}".replace(" ", "%20"))
    assert answer.status == 404
    assert answer.json["error"].endswith(".")


def test_an_unknown_id_is_named(service: Service) -> None:
    answer = service.get(f"{BUILDS}/9223372036854775806")
    assert answer.status == 404
    assert "9223372036854775806" in answer.json["error"]


@pytest.mark.parametrize("query", ["?x=1", "?dry_run=true", "?page=1", "?x", "?="])
def test_a_parameter_is_refused_where_there_are_none(service: Service, new_id: int, query: str) -> None:
    service.create(id=new_id)
    assert service.get(f"{BUILDS}/{new_id}{query}").status == 400


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "POST", "PUT"])
def test_a_build_is_only_read_at_its_own_path(service: Service, new_id: int, method: str) -> None:
    service.create(id=new_id)
    answer = service.request(method, f"{BUILDS}/{new_id}")
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_method_that_is_not_known_is_not_implemented(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    for path in (f"{BUILDS}/{new_id}", "/health"):
        answer = service.request("FETCH", path)
        assert (answer.status, list(answer.json)) == (501, ["error"])
    assert service.request("FETCH", f"{BUILDS}/{new_id}", headers={"Authorization": None}).status == 401
