"""Random sequences of requests, whose responses must agree with a model of the service that is held in dicts."""

import itertools
import os
from typing import Any

import hypothesis.stateful as stateful
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from build_admin.models.build import NEWER
from service import BUILDS, REPAIRS, Answer, Service, build

EXAMPLES = int(os.environ.get("BUILD_ADMIN_TEST_EXAMPLES", "20"))
SLOTS = st.integers(0, 3)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["running", "error", "canceled"]),
        "title": st.sampled_from(["", "one", "two"]),
        "number": st.integers(1, 3),
        "email": st.sampled_from([None, "", "octokitty@example.com"]),
        "fork": st.sampled_from([None, False, True]),
        "deploy_payload": st.sampled_from([None, {}, {"a": "b"}]),
    },
)
REPAIRED = st.fixed_dictionaries(
    {"status": st.sampled_from(["running", "error", "canceled"])},
    optional={
        "title": st.sampled_from(["", "one", "two"]),
        "email": st.sampled_from([None, "", "octokitty@example.com"]),
        "deploy_payload": st.sampled_from([None, {}, {"a": "b"}]),
    },
)
_bases = itertools.count(10_000_000, 1000)


class Model(stateful.RuleBasedStateMachine):
    """Up to four builds of one repository, with numbers from 1 to 4."""

    service: Service

    def __init__(self) -> None:
        super().__init__()
        self.base = next(_bases)
        #: By the id of a build: the build as it is stored, and its revisions as pairs of before and after.
        self.builds: dict[int, dict[str, Any]] = {}
        self.history: dict[int, list[tuple[Any, Any]]] = {}
        self.tags: dict[int, str] = {}
        #: By the number of a repair: its builds by id, each before and after it.
        self.repairs: dict[int, dict[int, tuple[Any, Any]]] = {}

    def sent(self, slot: int, changes: dict[str, Any]) -> dict[str, Any]:
        return build(id=self.base + slot, repo_id=self.base, number=slot + 1) | changes

    def expected(self, sent: dict[str, Any], create: bool, match: str | None) -> int:
        """Return the status that the model expects."""
        stored = self.builds.get(sent["id"])
        if match is not None and (stored is None or match not in ("*", self.tags[sent["id"]])):
            return 412
        if create and stored:
            return 412
        if stored is None and not create:
            return 404
        if stored and any(name in stored and name not in sent for name in NEWER):
            return 400
        taken = {(other["repo_id"], other["number"]) for key, other in self.builds.items() if key != sent["id"]}
        unchanged = stored == normal(sent)
        if not unchanged and (sent["repo_id"], sent["number"]) in taken:
            return 409
        return 201 if create else 200

    def agree(self, sent: dict[str, Any], answer: Answer, expected: int, dry_run: bool) -> None:
        assert answer.status == expected, (answer, expected)
        if expected >= 400:
            return
        assert answer.json == normal(sent)
        if dry_run:
            return
        before = self.builds.get(sent["id"])
        if before != answer.json:
            self.history.setdefault(sent["id"], []).append((before, answer.json))
        self.builds[sent["id"]] = answer.json
        self.tags[sent["id"]] = answer.etag

    @stateful.rule(slot=SLOTS, changes=CHANGES, create=st.booleans(), dry_run=st.booleans())
    def put(self, slot: int, changes: dict[str, Any], create: bool, dry_run: bool) -> None:
        sent = self.sent(slot, changes)
        headers = {"If_None_Match": "*"} if create else {}
        answer = self.service.put(sent, "?dry_run=true" if dry_run else "", **headers)
        self.agree(sent, answer, self.expected(sent, create, None), dry_run)

    @stateful.rule(slot=SLOTS, changes=CHANGES, other=SLOTS, star=st.booleans())
    def put_if_match(self, slot: int, changes: dict[str, Any], other: int, star: bool) -> None:
        sent = self.sent(slot, changes)
        tag = "*" if star else self.tags.get(self.base + other, '"none"')
        answer = self.service.put(sent, If_Match=tag)
        self.agree(sent, answer, self.expected(sent, False, tag), False)

    @stateful.rule(slot=SLOTS)
    def put_back(self, slot: int) -> None:
        """`before` of a revision can be sent as a PUT, unless another build has its number."""
        revisions = self.history.get(self.base + slot, [])
        if len(revisions) > 1:
            path = f"{BUILDS}/{self.base + slot}/revisions/2"
            before = self.service.get(path).json["before"]
            assert normal(before) == revisions[1][0]
            self.agree(before, self.service.put(before), self.expected(before, False, None), False)

    @stateful.rule(slot=SLOTS, revision=st.integers(1, 4))
    def undo_revision(self, slot: int, revision: int) -> None:
        """An undo restores the build before the revision, unless another build has its number."""
        build_id = self.base + slot
        path = f"{BUILDS}/{build_id}/revisions/{revision}/undo"
        answer = self.service.post(path, If_Match=self.tags.get(build_id, '"none"'))
        history = self.history.get(build_id, [])
        if revision > len(history):
            assert answer.status == 404, answer
            return
        before = history[revision - 1][0]
        if before is None:
            assert answer.status == 409, answer
            return
        taken = {one["number"] for key, one in self.builds.items() if key != build_id}
        self.agree(before, answer, 409 if before["number"] in taken else 200, False)

    @stateful.rule(slots=st.sets(SLOTS, min_size=1), fields=REPAIRED, dry_run=st.booleans(), between=st.booleans())
    def repair(self, slots: set[int], fields: dict[str, Any], dry_run: bool, between: bool) -> None:
        """All builds change, or none if one of them does not exist or has changed since the preview."""
        document: dict[str, Any] = {
            "where": {"ids": [self.base + slot for slot in slots]},
            "set": fields,
            "reason": "model",
        }
        preview = self.service.post(f"{REPAIRS}?dry_run=true", document)
        ids = sorted(document["where"]["ids"])
        if not self.builds.keys() >= set(ids):
            assert preview.status == 400, preview
            return
        repaired = {build_id: normal(self.builds[build_id] | fields) for build_id in ids}
        changed = [build_id for build_id in ids if repaired[build_id] != self.builds[build_id]]
        assert [one["id"] for one in preview.json["builds"]] == changed
        assert (preview.json["selected"], preview.json["unchanged"]) == (len(ids), len(ids) - len(changed))
        if dry_run:
            return
        if between:
            other = self.builds[ids[0]] | {"finished": self.builds[ids[0]]["finished"] + 1}
            self.agree(other, self.service.put(other), 200, False)
        answer = self.service.post(REPAIRS, document, If_Match=preview.etag)
        if between:
            assert answer.status == 412, answer
        elif not changed:
            assert answer.status == 200, answer
        else:
            assert answer.status == 201, answer
            self.repairs[answer.json["repair"]] = {
                build_id: (self.builds[build_id], repaired[build_id]) for build_id in changed
            }
            self.changed({build_id: repaired[build_id] for build_id in changed})

    @stateful.rule(data=st.data())
    @stateful.precondition(lambda self: self.repairs)
    def undo_repair(self, data: st.DataObject) -> None:
        """An undo restores each build that is still as the repair has left it, and no other."""
        number = data.draw(st.sampled_from(sorted(self.repairs)))
        pairs = self.repairs[number]
        back = {build_id: before for build_id, (before, after) in pairs.items() if self.builds[build_id] == after}
        answer = self.service.undo(number)
        assert {one["id"] for one in answer.json["skipped"]} == pairs.keys() - back.keys()
        assert answer.status == (201 if back else 200), answer
        if back:
            self.repairs[answer.json["repair"]] = {
                build_id: (self.builds[build_id], before) for build_id, before in back.items()
            }
            self.changed(back)

    def changed(self, builds: dict[int, dict[str, Any]]) -> None:
        for build_id, expected in builds.items():
            self.agree(expected, self.service.get(f"{BUILDS}/{build_id}"), 200, False)

    @stateful.rule(slot=SLOTS)
    def read(self, slot: int) -> None:
        build_id = self.base + slot
        answer = self.service.get(f"{BUILDS}/{build_id}")
        if build_id in self.builds:
            assert (answer.status, answer.json, answer.etag) == (200, self.builds[build_id], self.tags[build_id])
            assert self.service.get(f"{BUILDS}/{build_id}", If_None_Match=answer.etag).status == 304
        else:
            assert answer.status == 404

    @stateful.rule()
    def list_builds(self) -> None:
        listed = self.service.get(f"{BUILDS}?repo_id={self.base}").json
        assert listed == [self.builds[build_id] for build_id in sorted(self.builds, reverse=True)]

    def teardown(self) -> None:
        """Compare the revisions of all builds with the model."""
        for build_id, expected in self.history.items():
            path = f"{BUILDS}/{build_id}/revisions"
            listed = self.service.get(f"{path}?per_page=100").json
            assert [revision["revision"] for revision in listed] == list(range(len(expected), 0, -1))
            for number, (before, after) in enumerate(expected, 1):
                shown = self.service.get(f"{path}/{number}").json
                assert (normal(shown["before"]) if shown["before"] else None) == before
                changed = {name for name in {*(before or {}), *after} if (before or {}).get(name) != after.get(name)}
                assert set(shown["changes"]) == changed


def normal(sent: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sent.items() if name not in NEWER or value}


def test_the_service_agrees_with_the_model(service: Service) -> None:
    machine = type("BoundModel", (Model,), {"service": service})
    stateful.run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
