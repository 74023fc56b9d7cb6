"""Repairs over HTTP: previews, tags, the repair itself, its builds, undo and errors."""

import time
from typing import Any

import pytest

from service import BUILDS, REPAIRS, Answer, Service, build, refused, running
from vela import Tables

DEAD = {"status": "error", "error": "worker-3 died", "finished": 1563480000}


@pytest.fixture
def host(service: Service, new_id: int) -> str:
    """The name of a host on which builds 1 to 4 have been running since 100, 200, …, and build 5 has succeeded."""
    name = f"w{new_id}"
    for number in range(1, 6):
        status = "running" if number < 5 else "success"
        service.create(
            id=new_id + 10_000 * number, repo_id=new_id, number=number, status=status, started=number * 100, host=name
        )
    return name


def ids(host: str, *numbers: int) -> list[int]:
    return [int(host[1:]) + 10_000 * number for number in numbers]


def asked(where: Any, fields: Any = DEAD, **more: Any) -> dict[str, Any]:
    return {"where": where, "set": fields, "reason": "lost its disk, OPS-17", **more}


def state(service: Service, host: str) -> Any:
    """Return the builds of a host with their revisions."""
    builds = service.get(f"{BUILDS}?host={host}&per_page=100").json
    return [(one, service.get(f"{BUILDS}/{one['id']}/revisions?per_page=100").json) for one in builds]


def create(site: tuple[Service, Tables], repo_id: int, count: int, **fields: Any) -> list[dict[str, Any]]:
    """Create a repository in the Vela server's table, and builds of it."""
    service, tables = site
    tables.insert("repos", id=repo_id, full_name=f"octocat/{repo_id}", counter=count)
    ids = [repo_id + 10_000 * number for number in range(1, count + 1)]
    return [service.create(id=ids[i], repo_id=repo_id, number=i + 1, **fields) for i in range(count)]


def preview(service: Service, document: Any, path: str = REPAIRS) -> Answer:
    answer = service.post(f"{path}?dry_run=true", document)
    assert answer.status == 200, answer
    return answer


def test_a_preview_has_the_changes_and_changes_nothing(service: Service, host: str) -> None:
    before = state(service, host)
    service.put(service.find(ids(host, 2)[0]) | DEAD)
    tags = [service.get(f"{BUILDS}/{build_id}").etag for build_id in ids(host, 1, 3)]
    where = {"host": host, "ids": ids(host, 3, 2, 1, 1)}
    answer = preview(service, asked(where))
    changes = {"status": "running", "error": "", "finished": 0}
    assert answer.json == {
        "selected": 3,
        "changed": 2,
        "unchanged": 1,
        "alive": 0,
        "builds": [
            {
                "id": build_id,
                "etag": tag.strip('"'),
                "changes": {name: {"from": value, "to": DEAD[name]} for name, value in changes.items()},
            }
            for build_id, tag in zip(ids(host, 1, 3), tags, strict=True)
        ],
    }
    assert preview(service, asked(where)).etag == answer.etag
    assert [one for one, _ in state(service, host)][:2] == [one for one, _ in before][:2]


def test_a_repair_changes_the_previewed_builds_and_is_stored_with_their_revisions(service: Service, host: str) -> None:
    before = {one["id"]: one for one, _ in state(service, host)}
    document = asked({"host": host, "stuck_before": 400})
    tag = preview(service, document).etag
    answer = service.post(REPAIRS, document, If_Match=tag, X_Request_ID="repair-1")
    assert answer.status == 201, answer
    made = answer.json
    assert list(made) == [
        "repair", "at", "by", "request_id", "reason", "where", "set", "undoes", "undone_by", "changed",
    ]  # fmt: skip
    assert made | {"at": 0, "repair": 0} == {
        "repair": 0,
        "at": 0,
        "by": "octokitty",
        "request_id": "repair-1",
        **document,
        "undoes": None,
        "undone_by": None,
        "changed": 3,
    }
    assert abs(made["at"] - time.time()) < 60
    assert answer.headers["Location"] == f"{REPAIRS}/{made['repair']}"
    assert service.get(answer.headers["Location"]).json == made
    assert made in service.get(f"{REPAIRS}?per_page=100").json
    for build_id, one in before.items():
        repaired = build_id in ids(host, 1, 2, 3)
        assert service.find(build_id) == one | (DEAD if repaired else {})
        newest = service.get(f"{BUILDS}/{build_id}/revisions").json[0]
        assert newest["repair"] == (made["repair"] if repaired else None)
        if repaired:
            one_revision = service.get(f"{BUILDS}/{build_id}/revisions/2").json
            assert one_revision == newest | {"before": one}
            assert {name: newest[name] for name in ("revision", "at", "by", "request_id")} == {
                "revision": 2, "at": made["at"], "by": "octokitty", "request_id": "repair-1",
            }  # fmt: skip
            assert newest["changes"] == {name: {"from": one[name], "to": value} for name, value in DEAD.items()}


def test_the_builds_of_a_repair_are_listed_with_their_state(service: Service, host: str) -> None:
    number = service.repair({"host": host, "status": ["running"]}, DEAD).json["repair"]
    answer = service.get(f"{REPAIRS}/{number}/builds?per_page=3")
    assert [one["id"] for one in answer.json] == ids(host, 1, 2, 3)
    assert (answer.headers["X-Total-Count"], 'rel="next"' in answer.headers["Link"]) == ("4", True)
    assert answer.json[0] == {
        "id": ids(host, 1)[0],
        "revision": 2,
        "changes": service.get(f"{BUILDS}/{ids(host, 1)[0]}/revisions/2").json["changes"],
        "state": "as repaired",
    }
    service.put(service.find(ids(host, 2)[0]) | {"status": "success"})
    states = {one["id"]: one for one in service.get(f"{REPAIRS}/{number}/builds").json}
    assert [one["state"] for one in states.values()] == ["as repaired", "changed since", "as repaired", "as repaired"]
    assert (states[ids(host, 2)[0]]["by"], states[ids(host, 2)[0]]["revision_since"]) == ("octokitty", 3)
    assert service.get(f"{REPAIRS}/{number}/builds?page=2").json == []


def test_a_build_that_changed_without_a_revision_or_was_deleted_is_skipped_by_undo(
    beside: tuple[Service, Tables], new_id: int
) -> None:
    service, tables = beside
    builds = create(beside, new_id, 3, host=f"x{new_id}")
    number = service.repair({"host": f"x{new_id}"}, DEAD).json["repair"]
    tables.execute("UPDATE builds SET status = 'success' WHERE id = ?", [builds[0]["id"]])
    tables.execute("DELETE FROM builds WHERE id = ?", [builds[1]["id"]])
    states = service.get(f"{REPAIRS}/{number}/builds").json
    assert [one["state"] for one in states] == ["changed since", "gone", "as repaired"]
    assert "by" not in states[0]
    undone = service.undo(number)
    assert (undone.status, undone.json["changed"]) == (201, 1)
    assert [(one["id"], one["why"]) for one in undone.json["skipped"]] == [
        (builds[0]["id"], "it has changed since, by somebody who leaves no revision, as a Vela server does"),
        (builds[1]["id"], "it is gone"),
    ]
    assert service.find(builds[0]["id"])["status"] == "success"
    assert service.find(builds[2]["id"]) == builds[2]


def test_builds_that_a_worker_still_runs_are_left_out(beside: tuple[Service, Tables], new_id: int) -> None:
    service, tables = beside
    create(beside, new_id, 2, status="running", started=9, host=f"y{new_id}")
    tables.insert(
        "workers", hostname=f"y{new_id}", last_checked_in=int(time.time()), running_build_ids=f"{{{new_id + 20_000}}}"
    )
    where = {"host": f"y{new_id}", "stuck_before": 10}
    plan = preview(service, asked(where)).json
    assert [plan["alive"], plan["selected"], [one["id"] for one in plan["builds"]]] == [1, 1, [new_id + 10_000]]
    assert preview(service, asked(where | {"stuck_before": 10, "ids": [new_id + 20_000]})).json["selected"] == 0
    assert preview(service, asked({"host": f"y{new_id}"})).json["selected"] == 2
    tables.execute("UPDATE workers SET last_checked_in = 1 WHERE hostname = ?", [f"y{new_id}"])
    assert preview(service, asked(where)).json["selected"] == 2


def test_a_repair_selects_by_the_name_of_a_repository(beside: tuple[Service, Tables], new_id: int) -> None:
    service, _ = beside
    create(beside, new_id, 1)
    made = service.repair({"repo": f"octocat/{new_id}"}, DEAD).json
    assert (made["changed"], made["where"]) == (1, {"repo": f"octocat/{new_id}"})
    error = refused(service.post(f"{REPAIRS}?dry_run=true", asked({"repo": "octocat/none"})), 400)["error"]
    assert "octocat/none" in error


def test_a_repair_needs_the_tag_of_its_preview(service: Service, host: str) -> None:
    document = asked({"host": host})
    before = state(service, host)
    for headers in ({}, {"If_Match": "*"}):
        assert "dry_run" in refused(service.post(REPAIRS, document, **headers), 428)["error"]
    refused(service.post(REPAIRS, document, If_Match="nonsense"), 400)
    tag = preview(service, document).etag
    for other in (
        asked({"host": host, "number": 1}),
        asked({"host": host}, DEAD | {"finished": 1}),
        asked({"ids": ids(host, 1, 2, 3, 4, 5)}),
    ):
        refused(service.post(REPAIRS, other, If_Match=tag), 412)
    refused(service.post(REPAIRS, document, If_Match=f"W/{tag}"), 412)
    refused(service.post(f"{REPAIRS}?dry_run=true", document, If_Match='"0"'), 412)
    assert state(service, host) == before
    assert service.post(REPAIRS, document, If_Match=f'"0", {tag}').status == 201


def test_a_repair_whose_selection_has_changed_since_the_preview_is_refused(service: Service, host: str) -> None:
    document = asked({"host": host, "status": ["running"]})
    first = service.find(ids(host, 1)[0])
    changes: list[Any] = [
        lambda: service.put(first | {"title": "changed"}),  # A selected build changes.
        lambda: service.put(first | {"host": "elsewhere"}),  # It leaves the selection.
        lambda: service.put(first),  # It joins the selection.
    ]
    for change in changes:
        tag = preview(service, document).etag
        assert change().status == 200
        before = state(service, host)
        refused(service.post(REPAIRS, document, If_Match=tag), 412)
        assert state(service, host) == before
    tag = preview(service, document).etag
    service.put(service.find(ids(host, 5)[0]) | {"title": "another"})
    assert service.post(REPAIRS, document, If_Match=tag).status == 201


def test_a_repair_that_changes_nothing_is_200_and_not_stored(service: Service, host: str) -> None:
    assert service.repair({"host": host}, DEAD).status == 201
    newest = service.get(REPAIRS).json[0]
    before = state(service, host)
    answer = service.repair({"host": host}, DEAD)
    assert (answer.status, answer.json) == (
        200, {"selected": 5, "changed": 0, "unchanged": 5, "alive": 0, "builds": []},
    )  # fmt: skip
    assert service.repair({"host": "nowhere"}, DEAD).json["selected"] == 0
    assert service.get(REPAIRS).json[0] == newest
    assert state(service, host) == before


def test_newer_fields_are_set_and_cleared(service: Service, new_id: int) -> None:
    fields = {"email": "a@example.com", "deploy_payload": {"a": "b"}, "fork": True}
    before = service.create(id=new_id, link="kept", **fields)
    other = service.create(id=new_id + 10_000)
    where = {"ids": [new_id, new_id + 10_000]}
    made = service.repair(where, {"email": None, "deploy_payload": {}, "fork": None, "route": "vela"}).json
    assert service.find(new_id) == {name: value for name, value in before.items() if name not in fields} | {
        "route": "vela"
    }
    assert service.undo(made["repair"]).status == 201
    assert (service.find(new_id), service.find(new_id + 10_000)) == (before, other)


def test_undo_restores_all_builds_and_can_be_undone(service: Service, host: str) -> None:
    before = {one["id"]: service.get(f"{BUILDS}/{one['id']}") for one, _ in state(service, host)}
    first = service.repair({"host": host, "stuck_before": 10**9}, DEAD).json["repair"]
    repaired = {build_id: service.get(f"{BUILDS}/{build_id}").body for build_id in before}
    plan = preview(service, {"reason": "x"}, f"{REPAIRS}/{first}/undo").json
    assert (plan["selected"], plan["changed"], plan["unchanged"], plan["skipped"]) == (4, 4, 0, [])
    undone = service.undo(first)
    assert undone.status == 201
    second = undone.json["repair"]
    assert undone.json | {"repair": 0, "at": 0, "request_id": ""} == {
        "repair": 0, "at": 0, "by": "octokitty", "request_id": "", "reason": "it was only slow", "where": None,
        "set": None, "undoes": first, "undone_by": None, "changed": 4, "skipped": [],
    }  # fmt: skip
    assert undone.headers["Location"] == f"{REPAIRS}/{second}"
    for build_id, answer in before.items():
        now = service.get(f"{BUILDS}/{build_id}")
        assert (now.body, now.etag) == (answer.body, answer.etag)
    assert service.get(f"{REPAIRS}/{first}").json["undone_by"] == second
    assert {one["state"] for one in service.get(f"{REPAIRS}/{first}/builds").json} == {"changed since"}
    third = service.undo(second).json
    assert (third["undoes"], third["changed"]) == (second, 4)
    assert {build_id: service.get(f"{BUILDS}/{build_id}").body for build_id in before} == repaired
    assert service.undo(third["repair"]).status == 201
    assert {build_id: service.get(f"{BUILDS}/{build_id}").body for build_id in before} == {
        build_id: answer.body for build_id, answer in before.items()
    }


def test_undo_skips_builds_that_have_changed_since_and_lists_them(service: Service, host: str) -> None:
    first = service.repair({"host": host, "status": ["running"]}, DEAD).json["repair"]
    changed = service.put(service.find(ids(host, 3)[0]) | {"status": "success"}).json
    undone = service.undo(first).json
    assert undone["changed"] == 3
    assert undone["skipped"] == [{"id": ids(host, 3)[0], "why": "it has changed since, by octokitty in revision 3"}]
    assert service.find(ids(host, 3)[0]) == changed
    again = service.undo(first)
    assert (again.status, again.json["changed"], len(again.json["skipped"])) == (200, 0, 4)


def test_undo_needs_the_tag_of_its_preview(service: Service, host: str) -> None:
    first = service.repair({"host": host, "status": ["running"]}, DEAD).json["repair"]
    path, document = f"{REPAIRS}/{first}/undo", {"reason": "x"}
    refused(service.post(path, document), 428)
    tag = preview(service, document, path).etag
    service.put(service.find(ids(host, 3)[0]) | {"status": "success"})
    before = state(service, host)
    refused(service.post(path, document, If_Match=tag), 412)
    assert state(service, host) == before
    assert service.post(path, document, If_Match=preview(service, document, path).etag).status == 201


def test_undo_restores_a_value_that_put_would_refuse(beside: tuple[Service, Tables], new_id: int) -> None:
    service, tables = beside
    tables.insert("builds", id=new_id, repo_id=0, number=0, status="stuck", host=f"z{new_id}", error="e" * 900)
    body = refused(service.post(f"{REPAIRS}?dry_run=true", asked({"host": f"z{new_id}"})), 400)
    assert set(body["fields"]) == {f"builds.{new_id}.repo_id", f"builds.{new_id}.number"}
    assert f"builds.{new_id}.number must be from 1" in body["error"]
    tables.execute("UPDATE builds SET repo_id = ?, number = 1 WHERE id = ?", [new_id, new_id])
    before = service.get(f"{BUILDS}/{new_id}")
    first = service.repair({"host": f"z{new_id}"}, DEAD).json["repair"]
    assert service.undo(first).status == 201
    after = service.get(f"{BUILDS}/{new_id}")
    assert (after.body, after.etag, after.json["status"]) == (before.body, before.etag, "stuck")


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({"_schema": 1, "where": {"host": "x"}, "set": DEAD, "reason": "x"}, {"_schema"}),
        ({}, {"where", "set", "reason"}),
        (asked({}), {"where"}),
        (asked(None), {"where"}),
        (asked([]), {"where"}),
        (asked({"host": 3, "status": "running", "number": "1"}), {"where.host", "where.status", "where.number"}),
        (asked({"status": []}), {"where.status"}),
        (asked({"status": ["running", "stuck"]}), {"where.status"}),
        (asked({"ids": []}), {"where.ids"}),
        (asked({"ids": [0]}), {"where.ids"}),
        (asked({"ids": [True]}), {"where.ids"}),
        (asked({"ids": [*range(1, 10_002)]}), {"where.ids"}),
        (asked({"colour": "red", "page": 1}), {"where.colour", "where.page"}),
        (asked({"stuck_before": 1.0}), {"where.stuck_before"}),
        (asked({"stuck_before": -1}), {"where.stuck_before"}),
        (asked({"host": None}), {"where.host"}),
        (asked({"host": "x\0"}), {"where.host"}),
        (asked({"host": "x"}, {}), {"set"}),
        (asked({"host": "x"}, []), {"set"}),
        (asked({"host": "x"}, {"id": 1, "number": 2, "repo": {}}), {"set.id", "set.number", "set.repo"}),
        (asked({"host": "x"}, {"repo_id": 1}), {"set.repo_id"}),
        (asked({"host": "x"}, {"status": "stuck", "finished": None}), {"set.status", "set.finished"}),
        (asked({"host": "x"}, {"error": "e" * 1001, "colour": "red"}), {"set.error", "set.colour"}),
        (asked({"host": "x"}, {"title": "\ud800", "email": 3}), {"set.title", "set.email"}),
        (asked({"host": "x"}, reason=""), {"reason"}),
        (asked({"host": "x"}, reason="r" * 1001), {"reason"}),
        (asked({"host": "x"}, reason=None), {"reason"}),
        (asked({"host": "x"}, because="I can"), {"because"}),
    ],
)  # fmt: skip
def test_every_fault_is_named_by_its_field(service: Service, document: Any, fields: set[str]) -> None:
    for path in (REPAIRS, f"{REPAIRS}?dry_run=true"):
        body = refused(service.post(path, document), 400)
        assert set(body["fields"]) == fields
        assert min(fields) in body["error"] or len(fields) > 3


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"set": {}, "set": {}}', b"\xff", b'{"reason": NaN}'])
def test_a_body_that_is_not_an_object_is_refused(service: Service, body: bytes) -> None:
    refused(service.post(REPAIRS, body), 400)
    refused(service.post(f"{REPAIRS}/1/undo", body), 400)


def test_an_unknown_id_is_refused(service: Service, host: str) -> None:
    document = asked({"ids": [*ids(host, 1), 7_000_000_001, 7_000_000_000]})
    error = refused(service.post(f"{REPAIRS}?dry_run=true", document), 400)["error"]
    assert "no build 7000000000, 7000000001;" in error


def test_an_unknown_repair_is_404(service: Service) -> None:
    for path in ("987654", "987654/builds"):
        assert "987654" in refused(service.get(f"{REPAIRS}/{path}"), 404)["error"]
    assert "987654" in refused(service.post(f"{REPAIRS}/987654/undo?dry_run=true", {"reason": "x"}), 404)["error"]
    refused(service.get(f"{REPAIRS}/0"), 404)
    refused(service.post(f"{REPAIRS}/987654/undo", {"reason": ""}), 400)


@pytest.mark.parametrize("query", ["dry_run=yes", "page=1", "dry_run=true&x=1"])
def test_an_unknown_parameter_is_refused(service: Service, query: str) -> None:
    refused(service.post(f"{REPAIRS}?{query}", asked({"host": "x"})), 400)
    refused(service.post(f"{REPAIRS}/1/undo?{query}", {"reason": "x"}), 400)


def test_the_list_of_repairs_is_paged_newest_first(service: Service, new_id: int) -> None:
    service.create(id=new_id)
    numbers = [service.repair({"ids": [new_id]}, {"finished": count}).json["repair"] for count in (1, 2, 3)]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    answer = service.get(f"{REPAIRS}?per_page=2")
    assert [one["repair"] for one in answer.json] == [numbers[2], numbers[1]]
    assert int(answer.headers["X-Total-Count"]) >= 3
    assert service.get(f"{REPAIRS}?page=9999").json == []
    for path in (REPAIRS, f"{REPAIRS}/{numbers[0]}", f"{REPAIRS}/{numbers[0]}/builds"):
        assert service.request("HEAD", path).status == 200
        for method in ("PUT", "PATCH", "DELETE"):
            assert service.request(method, path).status == 405
    refused(service.get(f"{REPAIRS}?page=0"), 400)


def test_a_revision_is_undone(service: Service, new_id: int) -> None:
    first = service.create(id=new_id, email="a@example.com")
    second = service.put(build(id=new_id, email=None, route="vela", status="error"))
    path = f"{BUILDS}/{new_id}/revisions/2/undo"
    refused(service.post(path), 428)
    refused(service.post(path, If_Match='"0"'), 412)
    refused(service.post(path, {"reason": "x"}, If_Match=second.etag), 400)
    trial = service.post(f"{path}?dry_run=true", If_Match=second.etag)
    assert (trial.status, trial.json) == (200, first)
    assert service.find(new_id) == second.json
    answer = service.post(path, {}, If_Match=second.etag)
    assert (answer.status, answer.json, answer.etag) == (200, first, trial.etag)
    assert service.get(f"{BUILDS}/{new_id}").body == answer.body
    newest = service.get(f"{BUILDS}/{new_id}/revisions/3").json
    assert (newest["before"] | {"email": None}, newest["repair"]) == (second.json | {"email": None}, None)
    assert service.post(path, If_Match=answer.etag).json == first
    assert service.get(f"{BUILDS}/{new_id}/revisions").headers["X-Total-Count"] == "3"
    assert service.post(f"{BUILDS}/{new_id}/revisions/3/undo", If_Match="*").json == second.json


def test_the_undo_of_a_creation_or_with_a_taken_number_is_409(service: Service, new_id: int) -> None:
    tag = service.put(build(id=new_id), If_None_Match="*").etag
    refused(service.post(f"{BUILDS}/{new_id}/revisions/1/undo", If_Match=tag), 409)
    refused(service.post(f"{BUILDS}/{new_id}/revisions/2/undo", If_Match=tag), 404)
    service.put(build(id=new_id, repo_id=new_id))
    service.create(id=new_id + 10_000, number=new_id)
    error = refused(service.post(f"{BUILDS}/{new_id}/revisions/2/undo", If_Match="*"), 409)["error"]
    assert f"Build {new_id + 10_000} " in error


def test_beside_a_vela_server_a_text_of_too_many_bytes_is_refused(beside: tuple[Service, Tables], new_id: int) -> None:
    service, _ = beside
    first, _ = create(beside, new_id, 2, host=f"v{new_id}")
    long = asked({"host": f"v{new_id}"}, {"error": "é" * 501})
    body = refused(service.post(f"{REPAIRS}?dry_run=true", long), 400)
    assert set(body["fields"]) == {f"builds.{new_id + 10_000 * number}.error" for number in (1, 2)}
    assert "bytes of UTF-8" in body["error"]
    assert service.find(first["id"]) == first


def test_the_undo_of_a_repair_restores_unreadable_values_exactly(beside: tuple[Service, Tables], new_id: int) -> None:
    service, tables = beside
    (build_id,) = [one["id"] for one in create(beside, new_id, 1, host=f"u{new_id}")]
    tables.execute(
        "UPDATE builds SET deploy_payload = ?, finished = 0, branch = '', fork = NULL WHERE id = ?", ["[1]", build_id]
    )
    if not tables.on_postgresql:
        tables.execute("UPDATE builds SET title = CAST(x'ff41' AS TEXT), ref = x'fe' WHERE id = ?", [build_id])
    before = tables.row(build_id)
    tag = service.get(f"{BUILDS}/{build_id}").etag
    plan = preview(service, asked({"host": f"u{new_id}"}))
    assert f"{build_id}.deploy_payload" in plan.headers["X-Unreadable"].split(", ")
    made = service.repair({"host": f"u{new_id}"}, DEAD | {"title": "set"}).json
    assert service.undo(made["repair"]).json["changed"] == 1
    assert tables.row(build_id) == before
    now = service.get(f"{BUILDS}/{build_id}")
    assert now.etag == tag
    again = service.post(f"{BUILDS}/{build_id}/revisions/3/undo", If_Match=tag)
    assert (again.status, again.json["status"], again.json["title"]) == (200, "error", "set")
    assert service.post(f"{BUILDS}/{build_id}/revisions/2/undo", If_Match=again.etag).status == 200
    assert tables.row(build_id) == before


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_repair_of_more_than_10000_builds_is_refused_with_their_count(
    kind: str, new_database: Any, data: Any
) -> None:
    settings = {"DATA": data} | ({"DATABASE_URL": new_database()} if kind == "postgresql" else {})
    tables = Tables(settings)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001) SELECT i FROM n"
    with running(**settings) as service:
        tables.execute(
            "INSERT INTO builds (id, repo_id, number, host, branch, status) "
            f"SELECT 40000000 + i, 40000000, i, 'many', CASE i WHEN 1 THEN 'one' END, 'running' FROM ({numbers}) AS n"
        )
        error = refused(service.post(f"{REPAIRS}?dry_run=true", asked({"host": "many"})), 400)["error"]
        assert error.startswith("The repair selects 10001 builds, and one changes at most 10000;")
        document = asked({"host": "many", "branch": ""}, {"status": "error", "message": "m" * 1000})
        answer = service.carry_out(REPAIRS, document)
        assert (answer.status, answer.json["changed"]) == (201, 10_000)
        number = answer.json["repair"]
        last = service.get(f"{REPAIRS}/{number}/builds?per_page=100&page=100").json
        assert [last[-1][name] for name in ("id", "state")] == [40_010_001, "as repaired"]
        assert service.undo(number).json["changed"] == 10_000
        ids = [40_000_000 + number for number in range(2, 10_002)]
        assert preview(service, asked({"ids": ids})).json["changed"] == 10_000
