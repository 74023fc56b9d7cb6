"""GET and HEAD of one build: responses, preconditions and unknown ids."""

import pytest

from service import BUILDS, Service, build


def test_a_read_has_the_body_and_the_etag_of_the_overwrite(service: Service, new_id: int) -> None:
    written = service.put(build(id=new_id, email="octokitty@example.com"), If_None_Match="*")
    read = service.get(f"{BUILDS}/{new_id}")
    assert (read.status, read.body, read.etag) == (200, written.body, written.etag)
    assert read.headers["Content-Type"] == "application/json"


def test_head_has_the_headers_of_get_and_no_body(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    get = service.get(f"{BUILDS}/{new_id}")
    head = service.request("HEAD", f"{BUILDS}/{new_id}")
    assert (head.status, head.body, head.etag) == (200, b"", get.etag)
    assert head.headers["Content-Length"] == str(len(get.body))
    assert service.request("HEAD", f"{BUILDS}/{new_id + 900_000}").status == 404


@pytest.mark.parametrize("value", ["{tag}", "W/{tag}", "*", '"other", W/{tag}', '"other" , {tag} ,"another"'])
def test_a_build_that_matches_if_none_match_is_304(service: Service, new_id: int, value: str) -> None:
    tag = service.put(build(id=new_id), If_None_Match="*").etag
    answer = service.get(f"{BUILDS}/{new_id}", If_None_Match=value.format(tag=tag))
    assert (answer.status, answer.body, answer.etag) == (304, b"", tag)
    assert answer.headers["Content-Type"] is None
    service.put(build(id=new_id, title="new"))
    changed = service.get(f"{BUILDS}/{new_id}", If_None_Match=value.format(tag=tag))
    assert changed.status == (304 if value == "*" else 200)


def test_a_read_that_does_not_match_if_match_is_412(service: Service, new_id: int) -> None:
    tag = service.put(build(id=new_id), If_None_Match="*").etag
    assert service.get(f"{BUILDS}/{new_id}", If_Match=tag).status == 200
    assert service.get(f"{BUILDS}/{new_id}", If_Match="*").status == 200
    assert service.get(f"{BUILDS}/{new_id}", If_Match=f"W/{tag}").status == 412
    # RFC 9110, section 13.2.2: If-Match comes first.
    assert service.get(f"{BUILDS}/{new_id}", If_Match='"other"', If_None_Match=tag).status == 412
    assert service.get(f"{BUILDS}/{new_id}", If_Match=tag, If_None_Match=tag).status == 304


def test_an_unknown_build_is_404_whatever_the_precondition(service: Service, new_id: int) -> None:
    # RFC 9110, section 13.2.1: preconditions are ignored if the request would fail without them.
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
def test_another_spelling_of_an_id_is_404(service: Service, new_id: int, spelling: str) -> None:
    service.create(id=new_id)
    answer = service.get(f"{BUILDS}/{spelling.format(id=new_id)}".replace(" ", "%20"))
    assert answer.status == 404
    assert answer.json["error"].endswith(".")


def test_the_error_names_the_unknown_id(service: Service) -> None:
    answer = service.get(f"{BUILDS}/9223372036854775806")
    assert answer.status == 404
    assert "9223372036854775806" in answer.json["error"]


@pytest.mark.parametrize("query", ["?x=1", "?dry_run=true", "?page=1", "?x", "?="])
def test_a_query_parameter_is_refused(service: Service, new_id: int, query: str) -> None:
    service.create(id=new_id)
    assert service.get(f"{BUILDS}/{new_id}{query}").status == 400


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "POST", "PUT"])
def test_other_methods_than_get_on_a_build_are_405(service: Service, new_id: int, method: str) -> None:
    service.create(id=new_id)
    answer = service.request(method, f"{BUILDS}/{new_id}")
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
