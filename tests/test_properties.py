"""Properties of an overwrite: a build is stored as it was sent, and a refused one changes nothing."""

import copy
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from build_admin.models.build import NEWER
from build_admin.schemas.build import STATUSES, BuildSchema
from build_admin.schemas.fields import MAX_INTEGER, Integer, OneOf, String
from build_admin.schemas.sample import SAMPLE
from service import BUILDS, Service

#: The number of builds with which each property is tested, on each store.
EXAMPLES = int(os.environ.get("BUILD_ADMIN_TEST_EXAMPLES", "80"))
SCHEMA = BuildSchema()
# The fields of the unique keys, which must not conflict with the builds of other tests.
IDENTITIES = ("id", "repo_id", "number")

# Every character that is allowed in text, and some special ones more often.
CHARACTERS = st.one_of(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
    st.sampled_from(
        "\x01\x1b\r\n\t\x7f\x85\u2028\u202e\u0301\u200d\ufeff\U0001f469\u0627<>&\"'\\{}%\N{NO-BREAK SPACE}"
    ),
)
INTEGERS = st.one_of(st.integers(0, 9), st.integers(0, MAX_INTEGER), st.just(MAX_INTEGER))
PAYLOADS = st.dictionaries(st.text(CHARACTERS, max_size=8), st.text(CHARACTERS, max_size=20), max_size=5)


def values(name: str) -> st.SearchStrategy[Any]:
    """Return a strategy for the valid values of a field."""
    field = SCHEMA.fields[name]
    if name in IDENTITIES:
        return st.integers(2**62, MAX_INTEGER - 1)
    if isinstance(field, OneOf):
        return st.sampled_from(STATUSES)
    if isinstance(field, Integer):
        return INTEGERS
    if isinstance(field, String):
        return st.text(CHARACTERS, max_size=30) | st.text(CHARACTERS, min_size=1, max_size=1).map(
            lambda character: character * field.limit
        )
    return st.booleans() if name == "fork" else PAYLOADS


BUILDS_SENT = st.fixed_dictionaries(
    {name: values(name) for name in SAMPLE if name != "id"},
    optional={name: values(name) for name in NEWER},
)
WRONG: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.just([]), st.just({}), st.just([{}])
)


def faults(name: str) -> st.SearchStrategy[Any]:
    """Return a strategy for invalid values of a field."""
    field = SCHEMA.fields[name]
    if isinstance(field, Integer):
        return WRONG.filter(lambda value: value is not None or name in SAMPLE) | st.sampled_from(
            [field.least - 1, MAX_INTEGER + 1, 10**400, "1"]
        )
    if isinstance(field, String):
        too_long = [] if isinstance(field, OneOf) else ["\U0001f469" * (field.limit + 1)]
        return WRONG.filter(lambda value: value is not None or name in SAMPLE) | st.sampled_from(
            ["\ud800", "a\0", 1, *too_long]
        )
    if name == "fork":
        return st.sampled_from([0, 1, "true", 1.0, [], {}])
    return st.sampled_from([[], "{}", 1, True, {"a": 1}, {"a": None}, {"a\0": ""}, {"\ud800": ""}, {"a": "x" * 2000}])


FAULTS = st.sampled_from([*SAMPLE, *NEWER]).flatmap(lambda name: st.tuples(st.just(name), faults(name)))

bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def target(service: Service) -> dict[str, Any]:
    """A build that the tests overwrite repeatedly."""
    return service.create(id=777_777)


def as_answered(sent: dict[str, Any]) -> dict[str, Any]:
    """Return the expected response: newer fields are left out where they have no value."""
    return {name: value for name, value in sent.items() if name in SAMPLE or value}


@bounded
@given(sent=BUILDS_SENT)
def test_an_overwritten_build_is_returned_as_it_was_sent(
    service: Service, target: dict[str, Any], sent: dict[str, Any]
) -> None:
    whole = dict.fromkeys(NEWER) | {"id": target["id"]} | sent
    answer = service.put(json.dumps(whole, ensure_ascii=False).encode())
    assert answer.status == 200, answer
    expected = as_answered(whole)
    assert answer.json == expected
    # Compared as JSON text too, because 1, 1.0 and true are equal in Python.
    stored = service.get(f"{BUILDS}/{target['id']}")
    assert json.dumps(stored.json, sort_keys=True) == json.dumps(expected, sort_keys=True)
    assert (stored.body, stored.etag) == (answer.body, answer.etag)


@bounded
@given(sent=BUILDS_SENT, build_id=values("id"))
def test_a_created_build_is_returned_as_it_was_sent(service: Service, sent: dict[str, Any], build_id: int) -> None:
    whole = {"id": build_id} | sent
    # Non-ASCII characters are escaped, as by most client libraries.
    answer = service.put(json.dumps(whole, ensure_ascii=True).encode(), "?dry_run=true", If_None_Match="*")
    assert answer.status == 201, answer
    assert json.dumps(answer.json, sort_keys=True) == json.dumps(as_answered(whole), sort_keys=True)


@bounded
@given(sent=BUILDS_SENT, fault=FAULTS)
def test_a_build_with_an_invalid_field_is_refused_and_changes_nothing(
    service: Service, target: dict[str, Any], sent: dict[str, Any], fault: tuple[str, Any]
) -> None:
    path = f"{BUILDS}/{target['id']}"
    before, revisions = service.get(path), service.get(f"{path}/revisions").headers["X-Total-Count"]
    name, value = fault
    whole = dict.fromkeys(NEWER) | {"id": target["id"]} | sent
    refused = service.put(whole | {name: value})
    assert (refused.status, list(refused.json["fields"])) == (400, [name])
    if name in SAMPLE:
        without = service.put({key: item for key, item in whole.items() if key != name})
        assert (without.status, list(without.json["fields"])) == (400, [name])
    after = service.get(path)
    assert (after.body, after.etag) == (before.body, before.etag)
    assert service.get(f"{path}/revisions").headers["X-Total-Count"] == revisions


def outcome(load: Any, document: dict[str, Any]) -> Any:
    try:
        return load(document)
    except ValidationError as error:
        return error.normalized_messages()


@settings(max_examples=EXAMPLES * 5, deadline=None)
@given(
    document=st.fixed_dictionaries(
        {},
        optional={name: values(name) | faults(name) for name in (*SAMPLE, *NEWER)}
        | {"repo": st.fixed_dictionaries({"id": INTEGERS}), "unknown": st.none()},
    )
    | st.sampled_from(list(SAMPLE)).flatmap(
        lambda name: (values(name) | faults(name)).map(lambda value: SAMPLE | {name: value})
    )
)
def test_the_schemas_own_load_has_the_result_of_marshmallows(document: dict[str, Any]) -> None:
    by_marshmallow = outcome(lambda sent: Schema.load(SCHEMA, sent), copy.deepcopy(document))
    assert outcome(SCHEMA.load, document) == by_marshmallow
